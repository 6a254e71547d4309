//! Everything that a search finds, as one stream.

use axum::http::header;
use serde_json::{Value, json};

use crate::support::{Perch, tweet};

async fn get(perch: &Perch, path: &str) -> reqwest::Response {
    perch.http.get(perch.url(path)).send().await.expect("an answer")
}

fn ids(ndjson: &str) -> Vec<u64> {
    let id = |line: &str| {
        let tweet: Value = serde_json::from_str(line).expect("a tweet a line");
        tweet["id_str"].as_str().expect("an id").parse().expect("a number")
    };
    ndjson.lines().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_all_matches_of_one_position_newest_first() {
    let perch = Perch::start().await;
    // More than some pages, in an order of arrival that is not that of their ids.
    let tweets: Vec<_> = (0..350).map(|n| tweet(1 + (n * 37) % 350, "rust")).collect();
    perch.ingest(&tweets).await;
    perch.ingest(&[tweet(1_000, "java")]).await;
    let answer = get(&perch, "/api/export?q=rust").await;
    let header = |name| answer.headers()[name].to_str().expect("text").to_owned();
    assert_eq!((answer.status().as_u16(), header(header::CONTENT_TYPE).as_str()), (200, "application/x-ndjson"));
    assert_eq!(header(header::CONTENT_DISPOSITION), "attachment; filename=\"perch.ndjson\"");
    let text = answer.text().await.expect("a text");
    assert_eq!(ids(&text), (1..=350).rev().collect::<Vec<u64>>());
    // What arrived later is not in it; from a tweet on, the rest is.
    let before = get(&perch, "/api/export?q=*&until_seq=350&before_id=4").await.text().await.expect("a text");
    assert_eq!(ids(&before), [3, 2, 1]);
    let all = get(&perch, "/api/export?q=*").await.text().await.expect("a text");
    assert_eq!((ids(&all).len(), ids(&all)[0]), (351, 1_000));
    let none = get(&perch, "/api/export?q=nothing").await;
    assert_eq!((none.status().as_u16(), none.text().await.expect("a text").as_str()), (200, ""));
    let posted = perch.http.post(perch.url("/api/export")).json(&json!({"q": "java"})).send().await;
    assert_eq!(ids(&posted.expect("an answer").text().await.expect("a text")), [1_000]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_a_heading_and_runs_nothing() {
    let perch = Perch::start().await;
    let hostile = json!({"id": 2, "id_str": "2", "text": "=cmd(), &lt;b&gt; \"quoted\"\nnext", "created_at": "2026-11-29T10:00:00Z",
        "lang": "en", "retweet_count": 3, "favorite_count": 4,
        "user": {"name": "Ann, B", "screen_name": "ann", "followers_count": 5}});
    let retweet = json!({"id": 3, "id_str": "3", "text": "RT @ann: x", "user": {"screen_name": "bob"}, "retweeted_status": hostile});
    perch.ingest(&[hostile, retweet]).await;
    let answer = get(&perch, "/api/export?q=*&format=csv").await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    let text = answer.text().await.expect("a text");
    let mut records = text.split("\r\n");
    assert_eq!(
        records.next(),
        Some("id,created_at,screen_name,name,followers,lang,text,retweets,favorites,retweet_of")
    );
    assert!(records.next().is_some_and(|row| row.starts_with("3,") && row.ends_with(",2")), "{text}");
    assert_eq!(
        records.next(),
        Some("2,2026-11-29T10:00:00Z,ann,\"Ann, B\",5,en,\"'=cmd(), <b> \"\"quoted\"\"\nnext\",3,4,")
    );
    assert_eq!(records.next(), Some(""));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_export_is_refused_before_it_begins() {
    let perch = Perch::start().await;
    for (path, part) in [
        ("/api/export", "`q` is missing"),
        ("/api/export?q=a%20AND", ""),
        ("/api/export?q=a&format=xml", "`format`"),
        ("/api/export?q=a&n=5", "no field `n`"),
    ] {
        let (status, answer) = perch.get(path).await;
        assert_eq!(status, 400, "{path}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains(part)), "{path}: {answer}");
    }
    perch.stop().await;
}
