//! Completions of a query over HTTP.

use serde_json::{Value, json};

use crate::support::{Perch, tweet};

fn texts(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().expect("items").iter().map(|item| item["text"].as_str().expect("a text")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_completed_at_the_caret() {
    let perch = Perch::start().await;
    // What is not committed yet takes part as well.
    perch.ingest(&[tweet(1, "rust #rustlang"), tweet(2, "rust ruby")]).await;
    let (status, answer) = perch.get("/api/suggest?q=rus").await;
    assert_eq!((status, texts(&answer)), (200, vec!["rust", "rustlang"]));
    assert_eq!((&answer["start"], &answer["end"]), (&json!(0), &json!(3)));
    assert_eq!(answer["items"][0], json!({"text": "rust", "kind": "word", "count": 2}));
    // UTF-16 units, as JavaScript counts: the emoji has two.
    let (_, answer) = perch.get("/api/suggest?q=%F0%9F%98%80%20%23ru%20jobs&at=6").await;
    assert_eq!((texts(&answer), &answer["start"], &answer["end"]), (vec!["#rustlang"], &json!(3), &json!(6)));
    let (_, answer) = perch.get("/api/suggest?q=lan").await;
    assert_eq!(answer["items"][0]["kind"], "name");
    assert!(answer["items"][0]["help"].is_string(), "{answer}");
    let (_, answer) = perch.get("/api/suggest?q=ru&n=1").await;
    assert_eq!(texts(&answer), ["rust"]);
    let (_, answer) = perch.get("/api/suggest").await;
    assert_eq!((texts(&answer).len(), &answer["start"]), (10, &json!(0)), "the most used names");
    for (path, field) in
        [("/api/suggest?q=a&n=51", "n"), ("/api/suggest?q=a&at=-1", "at"), ("/api/suggest?q=a&m=1", "m")]
    {
        let (status, answer) = perch.get(path).await;
        assert_eq!((status, &answer["error"]["at"]["field"]), (400, &json!(field)), "{path}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_count_as_requests() {
    let perch = Perch::start_with("[limits]\nrequests_per_second = 1\n").await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(perch.get("/api/suggest?q=ru").await.0);
    }
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    perch.stop().await;
}
