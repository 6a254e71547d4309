//! Tweets that are deleted, or change so that a query no longer matches, leave live searches.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Client, Perch, tweet};

async fn delete(perch: &Perch, id: u64) -> u64 {
    let answer = perch.http.delete(perch.url(&format!("/api/tweets/{id}"))).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["deleted"], true, "{answer}");
    answer["seq"].as_u64().expect("a seq")
}

fn gone(id: u64, seq: u64, reason: &str, matches: &[&str]) -> Value {
    json!({"id_str": id.to_string(), "seq": seq, "reason": reason, "matches": matches})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_session_learns_that_a_tweet_is_gone() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "fast rust"), tweet(2, "java")]).await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust", "name": "a"})).await;
    client.percolate(json!({"query": "fast", "name": "b"})).await;
    client.percolate(json!({"query": "*", "name": "c"})).await;
    // One of the two tweets still matches another subscription.
    let seq = perch.ingest(&[tweet(1, "fast")]).await;
    assert_eq!(client.expect("tweet/gone").await, gone(1, seq - 1, "changed", &["a"]));
    let new = client.tweet().await;
    assert_eq!((&new["seq"], &new["matches"]), (&json!(seq), &json!(["b", "c"])));
    let seq = delete(&perch, 1).await;
    assert_eq!(client.expect("tweet/gone").await, gone(1, seq, "deleted", &["b", "c"]));
    // What was deleted is not deleted again, and can come again.
    let body = json!({"delete": {"status": {"id_str": "1"}}}).to_string();
    assert_eq!(perch.post("/api/tweets", body).await.1["deleted"], Value::Null);
    let seq = perch.ingest(&[tweet(1, "rust again")]).await;
    let new = client.tweet().await;
    assert_eq!((&new["seq"], &new["matches"]), (&json!(seq), &json!(["a", "c"])));
    assert!(client.settle().await.is_empty());
    perch.stop().await;
}

/// The ids that a client shows for `rust`.
async fn apply(client: &mut Client, shown: &mut BTreeSet<u64>, until: &str) -> u64 {
    let mut last_seq = 0;
    loop {
        let (event, payload) = client.event().await;
        last_seq = payload["seq"].as_u64().unwrap_or(last_seq);
        let id = |tweet: &Value| tweet["id_str"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        match event.as_str() {
            "tweet/new" => assert!(shown.insert(id(&payload["tweet"])), "it is new"),
            // It may name a tweet that was never shown.
            "tweet/gone" => drop(shown.remove(&id(&payload))),
            "stream/catching-up" | "percolate/ok" => {}
            event if event == until => return last_seq,
            event => panic!("{event} {payload}"),
        }
        if event == until {
            return last_seq;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resumes_after_a_restart_keeps_an_exact_set() {
    let perch = Perch::start().await;
    let mut client = perch.connect().await;
    let epoch = client.hello["epoch"].clone();
    client.percolate(json!({"query": "rust"})).await;
    let seq = perch.ingest(&(1..=6).map(|id| tweet(id, "rust")).collect::<Vec<_>>()).await;
    let mut shown = BTreeSet::new();
    while shown.len() < 6 {
        apply(&mut client, &mut shown, "tweet/new").await;
    }
    drop(client);
    // While the client is away: a tweet is deleted, one changes, one changes and still matches, and
    // one comes and is deleted.
    delete(&perch, 1).await;
    perch.ingest(&[tweet(2, "java"), tweet(3, "rust, too"), tweet(7, "rust"), tweet(8, "rust")]).await;
    delete(&perch, 7).await;
    let perch = perch.restart().await;
    delete(&perch, 4).await;
    let mut client = perch.connect().await;
    client.send("cmd/percolate", json!({"query": "rust", "since": seq, "epoch": epoch})).await;
    shown.remove(&3);
    apply(&mut client, &mut shown, "stream/live").await;
    assert_eq!(shown, BTreeSet::from([3, 5, 6, 8]));
    let (_, page) = perch.get("/api/search?q=rust&sort=oldest").await;
    let found: Vec<_> = page["result"].as_array().expect("tweets").iter().map(|tweet| &tweet["id"]).collect();
    assert_eq!(found, [3, 5, 6, 8]);
    perch.stop().await;
}
