//! The source `mastodon` against a server of Mastodon's protocol.

mod instance;

use serde_json::{Value, json};

use self::instance::{Faults, Instance, TOKEN, id, post, uri};
use crate::support::raw_http::json_answer;
use crate::support::{Client, Perch, found, source_failure, source_status, tweet, until};

async fn status(perch: &Perch) -> Value {
    source_status(perch, "mastodon#1").await
}

/// A perch with this source, whose streams are open and caught up.
async fn started(instance: &Instance, more: &str) -> Perch {
    let perch = Perch::start_with(&instance.source(more)).await;
    caught_up(instance, 1).await;
    perch
}

/// Waits until this number of connections have read what their streams sent before. The last
/// request of each connection asks for the newest post.
async fn caught_up(instance: &Instance, connections: usize) {
    let is_last = |requests: &[instance::RawRequest]| {
        requests.iter().filter(|request| request.parameter("limit") == Some("1")).count() >= 2 * connections
    };
    until(async || is_last(&instance.requests("/api/v1/timelines"))).await;
}

/// A client that gets every tweet.
async fn listener(perch: &Perch) -> Client {
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "*"})).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_are_kept_changed_and_deleted() {
    let cases = include_str!("../cases/posts.jsonl").lines();
    let mut cases = cases.map(|line| serde_json::from_str::<Value>(line).expect("a case"));
    let case = cases.find(|case| case["name"] == "mastodon-statuses").expect("the case");
    let statuses: Vec<Value> = serde_json::from_str(case["input"].as_str().expect("an input")).expect("statuses");
    for events_only in [false, true] {
        let instance = Instance::start(Faults { events_only, ..Faults::default() }).await;
        let perch = started(&instance, "").await;
        let mut client = listener(&perch).await;
        for status in &statuses {
            instance.publish(&["public"], status);
            assert_eq!(client.tweet().await["tweet"]["id_str"], status["uri"]);
        }
        for find in case["find"].as_array().expect("pairs") {
            assert_eq!(json!(found(&perch, find[0].as_str().expect("a query")).await), find[1]);
        }
        instance.send("public", "filters_changed", "");
        instance.send("public", "notification", "{\"id\": \"1\"}");
        instance.send("public", "update", "{\"id\": broken");
        instance.publish(&["public"], &post(1, "first"));
        let mut edited = post(1, "second");
        edited["edited_at"] = json!("2024-10-10T20:30:00.000Z");
        instance.send("public", "status.update", &edited.to_string());
        instance.send("public", "delete", &id(1));
        instance.send("public", "delete", "404");
        instance.publish(&["public"], &post(2, "last"));
        for text in ["first", "second"] {
            assert_eq!(client.tweet().await["tweet"]["text"], text);
        }
        assert_eq!(client.expect("tweet/gone").await["id_str"], uri(1));
        let last = client.tweet().await;
        assert_eq!(
            (&last["tweet"]["text"], &last["tweet"]["user"]["screen_name"]),
            (&json!("last"), &json!("ann@social.example"))
        );
        let status = status(&perch).await;
        assert_eq!((&status["state"], &status["gap"]), (&json!("running"), &Value::Null));
        assert!(status["lag_seconds"].as_f64() > Some(1e6), "{status}");
        perch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_interruption_nothing_is_missing_and_nothing_comes_twice() {
    const STREAMS: &str = "streams = [\"public:local\", \"#Birds\"]";
    for events_only in [false, true] {
        let instance = Instance::start(Faults { events_only, ..Faults::default() }).await;
        instance.store(&["public:local"], &post(0, "before perch began"));
        let perch = Perch::start_with(&instance.source(STREAMS)).await;
        until(async || instance.requests("/api/v1/timelines").len() == 4).await;
        let mut client = listener(&perch).await;
        // A post of two streams comes twice.
        instance.publish(&["public:local", "hashtag/birds"], &post(100, "one"));
        instance.publish(&["public:local"], &post(101, "two"));
        for text in ["one", "two"] {
            assert_eq!(client.tweet().await["tweet"]["text"], text);
        }
        // During the interruption: more than a page, one with two streams, and one that came late.
        let missed: Vec<String> = (200..300).map(|at| format!("missed {at}")).collect();
        for (at, text) in (200..300).zip(&missed) {
            instance.store(&["public:local"], &post(at, text));
        }
        instance.store(&["hashtag/birds", "public:local"], &post(300, "of two streams"));
        instance.store(&["hashtag/birds"], &post(99, "late"));
        instance.cut();
        let mut texts = Vec::new();
        while texts.len() < 102 {
            texts.push(client.tweet().await["tweet"]["text"].as_str().expect("a text").to_owned());
        }
        texts.sort();
        assert_eq!(texts, [&["late".to_owned()], &*missed, &["of two streams".to_owned()]].concat());
        until(async || instance.subscriptions() == 4).await;
        instance.publish(&["public:local"], &post(301, "live again"));
        assert_eq!(client.tweet().await["tweet"]["text"], "live again", "and nothing in between");
        assert!(client.settle().await.is_empty());
        assert_eq!(status(&perch).await["gap"], Value::Null);

        // Also over a restart.
        let before = found(&perch, "*").await.len();
        let dir = perch.stop().await;
        instance.store(&["hashtag/birds"], &post(400, "while perch was away"));
        let settings = instance.source(STREAMS);
        let perch = Perch::start_in(dir, &settings).await;
        until(async || found(&perch, "away").await.len() == 1).await;
        assert_eq!(found(&perch, "before").await, [""; 0]);
        assert_eq!(before, 50, "a page");
        perch.stop().await;
        assert!(instance.requests("/").iter().all(|request| request.header("authorization").is_some()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_is_not_replaced_by_that_of_a_timeline() {
    let instance = Instance::start(Faults::default()).await;
    let perch = started(&instance, "").await;
    let mut client = listener(&perch).await;
    instance.publish(&["public"], &post(1, "one"));
    assert_eq!(client.tweet().await["tweet"]["text"], "one");
    let (status, pages) = ("429 Too Many Requests", "retry-after: 1\r\n");
    instance.state().faults.timelines.push_back(json_answer(status, pages, "{}"));
    instance.store(&["public"], &post(2, "deleted meanwhile"));
    instance.store(&["public"], &post(3, "old version"));
    instance.store(&["public"], &post(4, "missed"));
    instance.cut();
    until(async || instance.subscriptions() == 2).await;
    // While perch waits for the timeline.
    let mut edited = post(3, "new version");
    edited["edited_at"] = json!("2024-10-10T20:30:00.000Z");
    instance.send("public", "status.update", &edited.to_string());
    instance.send("public", "delete", &id(2));
    assert_eq!(client.tweet().await["tweet"]["text"], "new version");
    assert_eq!(client.tweet().await["tweet"]["text"], "missed");
    assert_eq!(found(&perch, "old OR deleted").await, [""; 0]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_named_and_stop_nothing_else() {
    let page = "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>no</html>";
    let web = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>hi</html>";
    let closed = Instance::start(Faults::default()).await;
    let closed_address = closed.address;
    drop(closed);
    // Each time again: the test may look while perch is connecting.
    let refuses = |answer: &str| Faults { streams: vec![answer.to_owned(); 1_000].into(), ..Faults::default() };
    let many = json_answer("429 Too Many Requests", "retry-after: 900\r\n", r#"{"error": "Too many requests"}"#);
    let forbidden = json_answer("403 Forbidden", "", r#"{"error": "This action is not allowed"}"#);
    let cases = [
        (refuses(page), "127.0.0.1 answers with HTTP 502 Bad Gateway and a web page, not with a stream"),
        (refuses(web), "127.0.0.1 answers with a web page, not with a stream"),
        (refuses(&many), "the server asks for a pause of 900 s: 127.0.0.1 answers with HTTP 429"),
        (refuses(&forbidden), "127.0.0.1 does not allow this with the token in "),
    ];
    for (faults, expected) in cases {
        let instance = Instance::start(faults).await;
        let more = format!("[[source]]\ntype = \"mastodon\"\ninstance = \"http://{closed_address}\"");
        let perch = Perch::start_with(&instance.source(&more)).await;
        let reason = source_failure(&perch, "mastodon#1").await;
        assert!(reason.starts_with(expected), "{reason}");
        let reason = source_failure(&perch, "mastodon#2").await;
        assert!(reason.starts_with("no connection to 127.0.0.1"), "{reason}");
        perch.ingest(&[tweet(1, "goes on")]).await;
        perch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_named_and_shown_nowhere() {
    const WRONG: &str = "0123456789-wrong-token";
    let instance = Instance::start(Faults::default()).await;
    std::fs::write(instance.token_file(), WRONG).expect("written");
    let perch = Perch::start_with(&instance.source("")).await;
    let reason = source_failure(&perch, "mastodon#1").await;
    let file = instance.token_file();
    assert_eq!(
        reason,
        format!("127.0.0.1 refuses the token in {file} (HTTP 401 Unauthorized: The access token is invalid)")
    );
    assert!(!perch.get("/readyz").await.1.to_string().contains(WRONG));
    perch.stop().await;
    std::fs::remove_file(&file).expect("removed");
    let perch = Perch::start_with(&instance.source("")).await;
    let reason = source_failure(&perch, "mastodon#1").await;
    assert!(reason.starts_with(&format!("token_file: {file} can't be read: ")), "{reason}");
    perch.stop().await;
    // A new token in the file is enough.
    std::fs::write(&file, TOKEN).expect("written");
    started(&instance, "").await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_and_a_slow_server_are_told() {
    let instance = Instance::start(Faults { is_slow: true, ..Faults::default() }).await;
    let perch = Perch::start_with(&instance.source("")).await;
    perch.ingest(&[tweet(1, "goes on")]).await;
    instance.release();
    caught_up(&instance, 1).await;
    let mut client = listener(&perch).await;
    instance.publish(&["public"], &post(1, "one"));
    assert_eq!(client.tweet().await["tweet"]["text"], "one");
    instance.send_message("public", json!({"error": "Access token does not cover required scopes", "status": 401}));
    let reason = source_failure(&perch, "mastodon#1").await;
    assert_eq!(reason, "127.0.0.1 refuses a stream: Access token does not cover required scopes");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_instance_does_not_give_again_is_reported() {
    let missing = json_answer("404 Not Found", "", r#"{"error": "Record not found"}"#);
    for (more, answer, expected) in [
        ("", Some(missing), "127.0.0.1 answers with HTTP 404 Not Found: Record not found, not with posts"),
        ("catch_up_posts = 40", None, "more than 40 posts (catch_up_posts)"),
    ] {
        let instance = Instance::start(Faults::default()).await;
        let perch = started(&instance, more).await;
        let mut client = listener(&perch).await;
        instance.publish(&["public"], &post(0, "one"));
        assert_eq!(client.tweet().await["tweet"]["text"], "one");
        for at in 1..100 {
            instance.store(&["public"], &post(at, &format!("missed {at}")));
        }
        instance.state().faults.timelines.extend(answer);
        instance.cut();
        let mut gap = String::new();
        until(async || {
            status(&perch).await["gap"].as_str().unwrap_or_default().clone_into(&mut gap);
            !gap.is_empty()
        })
        .await;
        assert!(gap.starts_with("posts of public after 2024-10-10T20:"), "{gap}");
        assert!(gap.ends_with(&format!("are missing from 127.0.0.1: {expected}")), "{gap}");
        caught_up(&instance, 2).await;
        instance.publish(&["public"], &post(100, "goes on"));
        until(async || found(&perch, "\"goes on\"").await == [uri(100)]).await;
        perch.stop().await;
    }
}
