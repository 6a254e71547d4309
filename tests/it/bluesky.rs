//! The source `bluesky` against a server of Jetstream's protocol.

mod jetstream;

use serde_json::{Value, json};

use self::jetstream::{Fault, Jetstream};
use crate::support::{Perch, found, source_failure, source_status, tweet, until};

/// The time of the first event, in microseconds.
const T0: u64 = 1_728_591_564_000_000;

fn did(name: &str) -> String {
    format!("did:plc:{name}")
}

fn uri(name: &str, key: &str) -> String {
    format!("at://did:plc:{name}/app.bsky.feed.post/{key}")
}

/// An event of a post, `at` seconds after the first one.
fn event(at: u64, operation: &str, name: &str, key: &str, text: &str) -> Value {
    let mut event = json!({"did": did(name), "time_us": T0 + at * 1_000_000, "kind": "commit", "commit": {
        "rev": format!("3l{at:04}"), "operation": operation, "collection": "app.bsky.feed.post", "rkey": key,
    }});
    if operation != "delete" {
        event["commit"]["record"] = json!({"text": text, "createdAt": "2024-10-10T20:19:24.000Z"});
    }
    event
}

fn post(at: u64, key: &str, text: &str) -> Value {
    event(at, "create", "ann", key, text)
}

async fn status(perch: &Perch) -> Value {
    source_status(perch, "bluesky#1").await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_cases_are_kept_found_and_deleted() {
    let cases = include_str!("../cases/posts.jsonl").lines();
    let mut cases = cases.map(|line| serde_json::from_str::<Value>(line).expect("a case"));
    let case = cases.find(|case| case["name"] == "bluesky-jetstream").expect("the case");
    let input = case["input"].as_str().expect("an input");
    for compress in [true, false] {
        let server = Jetstream::start([]).await;
        let perch = Perch::start_with(&server.source(&format!("compress = {compress}"))).await;
        until(async || server.connections() == 1).await;
        assert_eq!(server.parameter(0, "wantedCollections").as_deref(), Some("app.bsky.feed.post"));
        assert_eq!(server.parameter(0, "cursor"), None, "it begins with what is new");
        server.push(input.lines().map(|line| serde_json::from_str(line).expect("an event")));
        server.push([event(9, "create", "aaaa", "last", "the last one")]);
        until(async || found(&perch, "last").await == [uri("aaaa", "last")]).await;
        for find in case["find"].as_array().expect("pairs") {
            assert_eq!(json!(found(&perch, find[0].as_str().expect("a query")).await), find[1]);
        }
        // The identity event has told the handle.
        assert_eq!(found(&perch, "from:ann.example.com").await, [uri("aaaa", "last")]);
        let status = status(&perch).await;
        assert_eq!(status["state"], "running");
        assert!(status["lag_seconds"].as_f64() > Some(1e6), "{status}");
        let metrics = perch.http.get(perch.url("/metrics")).send().await.expect("an answer").text().await;
        assert!(metrics.expect("a text").contains("perch_source_lag_seconds{source=\"bluesky#1\"}"));
        perch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_interruption_nothing_is_missing_and_nothing_comes_twice() {
    let server = Jetstream::start([]).await;
    let perch = Perch::start_with(&server.source("")).await;
    until(async || server.connections() == 1).await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "*"})).await;
    server.push([
        post(0, "a", "first"),
        post(1, "b", "second"),
        event(2, "update", "ann", "a", "changed"),
        event(3, "delete", "ann", "b", ""),
    ]);
    for expected in ["first", "second", "changed"] {
        assert_eq!(client.tweet().await["tweet"]["text"], expected);
    }
    assert_eq!(client.expect("tweet/gone").await["id_str"], uri("ann", "b"));
    server.cut();
    // The next connection gets everything again.
    until(async || server.sent() == 8).await;
    let asked = server.parameter(1, "cursor").and_then(|cursor| cursor.parse().ok());
    assert_eq!(asked, Some(T0 + 3_000_000 - 5_000_000));
    server.push([post(4, "c", "third")]);
    assert_eq!(client.tweet().await["tweet"]["text"], "third", "and nothing in between");
    assert!(client.settle().await.is_empty());
    assert_eq!(status(&perch).await["gap"], Value::Null);

    // Also over a restart.
    let before = found(&perch, "*").await;
    server.push([post(5, "d", "fourth")]);
    until(async || found(&perch, "fourth").await.len() == 1).await;
    let sent = server.sent();
    let perch = perch.restart().await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "*"})).await;
    until(async || server.sent() == sent + 6).await;
    server.push([post(6, "e", "fifth")]);
    assert_eq!(client.tweet().await["tweet"]["text"], "fifth");
    assert_eq!(found(&perch, "*").await.len(), before.len() + 2);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_takes_over() {
    const PAGE: &str =
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>no</html>";
    let first = Jetstream::start([Fault::Answer(PAGE)]).await;
    let second = Jetstream::start([]).await;
    let settings =
        format!("[[source]]\ntype = \"bluesky\"\nhosts = [\"ws://{}\", \"ws://{}\"]", first.address, second.address);
    let perch = Perch::start_with(&settings).await;
    let reason = source_failure(&perch, "bluesky#1").await;
    assert_eq!(reason, "127.0.0.1 answers with HTTP 502 Bad Gateway and a web page, not with a stream");
    until(async || second.connections() == 1).await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "*"})).await;
    second.push([post(10, "a", "one")]);
    assert_eq!(client.tweet().await["tweet"]["text"], "one");
    // The first host gives the same event another time.
    first.push([post(9, "z", "before"), {
        let mut same = post(10, "a", "one");
        same["time_us"] = json!(T0 + 11_000_000);
        same
    }]);
    second.cut();
    until(async || first.sent() == 2).await;
    first.push([post(12, "b", "two")]);
    assert_eq!(client.tweet().await["tweet"]["text"], "before", "the second host never sent it");
    assert_eq!(client.tweet().await["tweet"]["text"], "two");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_and_no_network_are_named_and_stop_nothing_else() {
    const TOO_MANY: &str = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 900\r\ncontent-length: 0\r\n\r\n";
    let server = Jetstream::start([Fault::Answer(TOO_MANY)]).await;
    let closed = Jetstream::start([]).await.address;
    let perch = Perch::start_with(&format!(
        "{}\n[[source]]\ntype = \"bluesky\"\nhosts = [\"ws://{closed}\"]",
        server.source("")
    ))
    .await;
    let reason = source_failure(&perch, "bluesky#1").await;
    assert!(reason.starts_with("the server asks for a pause of 900 s: 127.0.0.1 answers with HTTP 429"), "{reason}");
    until(async || {
        let status = perch.get("/readyz").await.1["sources"]["bluesky#2"].clone();
        status["reason"].as_str().is_some_and(|reason| reason.starts_with("no connection to 127.0.0.1"))
    })
    .await;
    perch.ingest(&[tweet(1, "goes on")]).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for_and_few_accounts_are_asked_for() {
    let server = Jetstream::start([Fault::Slow]).await;
    let perch = Perch::start_with(&server.source(&format!("dids = [\"{}\"]", did("ann")))).await;
    perch.ingest(&[tweet(1, "goes on")]).await;
    server.release();
    until(async || server.connections() == 1).await;
    server.push([event(0, "create", "bob", "a", "of somebody else"), json!("no event"), post(1, "b", "one")]);
    until(async || found(&perch, "one").await == [uri("ann", "b")]).await;
    assert_eq!(found(&perch, "somebody").await, [""; 0]);
    let hello = &server.hellos()[0];
    assert_eq!(hello["type"], "options_update");
    assert_eq!(hello["payload"]["wantedDids"], json!([did("ann")]));
    assert_eq!(hello["payload"]["wantedCollections"], json!(["app.bsky.feed.post"]));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_the_server_has_no_more_are_reported() {
    let server = Jetstream::start([]).await;
    let perch = Perch::start_with(&server.source("")).await;
    until(async || server.connections() == 1).await;
    server.push([post(0, "a", "one"), json!({"kind": 7}), json!({"did": did("ann"), "time_us": "x"})]);
    until(async || found(&perch, "one").await.len() == 1).await;
    let dir = perch.stop().await;
    server.forget();
    server.push([post(7_200, "b", "two hours later")]);
    let perch = Perch::start_in(dir, &server.source("")).await;
    until(async || found(&perch, "two").await.len() == 1).await;
    let status = status(&perch).await;
    assert_eq!(
        status["gap"],
        "127.0.0.1:".to_owned()
            + &server.address.port().to_string()
            + " has no events from 2024-10-10T20:19:19Z to 2024-10-10T22:19:24Z"
    );
    perch.stop().await;
}
