//! A page that never registers again goes on after a restart of perch.

use perch::transport::sente::value::Value;

use super::*;
use crate::sente_client::{SentePoller, SenteSocket};
use crate::support::process::Server;
use crate::support::{Perch, tweet, until};

fn number(tweet: &Value) -> u64 {
    match tweet.get("id_str") {
        Some(Value::Str(id)) => id.parse().expect("an id"),
        other => panic!("{other:?}"),
    }
}

async fn queries(perch: &Perch) -> u64 {
    perch.get("/api/stats").await.1["queries"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_registers_once_goes_on_where_it_was() {
    let perch = Perch::start_with(ENDPOINTS).await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    let mut poller = SentePoller::connect(&perch, birdwatch().with_id("poller")).await;
    for query in ["rust", "java"] {
        let event = percolate(&birdwatch(), query);
        if query == "rust" { socket.send(&event).await } else { poller.send(&event).await }
    }
    until(async || queries(&perch).await == 2).await;
    perch.ingest(&[tweet(1, "rust"), tweet(2, "java")]).await;
    assert_eq!(number(&socket.expect("tweet/new").await), 1);
    assert_eq!(number(&poller.expect("tweet/new").await), 2);
    socket.settle().await;
    // The next poll says that the answer before it came.
    // Perch has seen the one of two polls that it answers, be it since the other came.
    let mut other = SentePoller::new(&perch, poller.setup.clone());
    let (status, batch) = tokio::select! {
        answer = poller.get(false) => answer,
        answer = other.get(false) => answer,
    };
    assert!(status == 200 && !batch.contains("tweet/new"), "{batch}");

    let perch = perch.restart().await;
    assert_eq!(queries(&perch).await, 0, "nobody is there");
    perch.ingest(&[tweet(3, "rust"), tweet(4, "java")]).await;
    let mut socket = socket.reconnect(&perch).await;
    assert_eq!(number(&socket.expect("tweet/new").await), 3, "what came meanwhile, and nothing twice");
    poller.url = perch.url(poller.setup.path);
    poller.http = perch.http.clone();
    poller.handshake(false).await;
    assert_eq!(number(&poller.expect("tweet/new").await), 4, "nothing twice");
    perch.ingest(&[tweet(5, "rust"), tweet(6, "java")]).await;
    assert_eq!(number(&socket.expect("tweet/new").await), 5);
    assert_eq!(number(&poller.expect("tweet/new").await), 6);
    // Somebody else's id brings nothing.
    let mut stranger = SenteSocket::connect(&perch, birdwatch().with_id("stranger")).await;
    perch.ingest(&[tweet(7, "rust")]).await;
    assert_eq!(number(&socket.expect("tweet/new").await), 7);
    stranger.settle().await;
    assert!(!stranger.transcript.lines.contains("tweet/new"), "{}", stranger.transcript.lines);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_not_given_back() {
    let perch = Perch::start_with(ENDPOINTS).await;
    let setup = edn(Group::A);
    let mut socket = SenteSocket::connect(&perch, setup.clone()).await;
    socket.ask(&percolate(&setup, "rust"), "3d16e1").await;
    let named = r#"[:cmd/percolate {:query "java" :name "j"}]"#;
    socket.ask(named, "3d16e2").await;
    socket.ask("[:cmd/unpercolate {}]", "3d16e3").await;
    let perch = perch.restart().await;
    let mut socket = socket.reconnect(&perch).await;
    until(async || queries(&perch).await == 1).await;
    perch.ingest(&[tweet(1, "rust"), tweet(2, "java")]).await;
    loop {
        let event = socket.event().await;
        if crate::sente_client::id(&event) == "tweet/new" {
            assert!(format!("{event:?}").contains("java"), "{event:?}");
            break;
        }
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_page_goes_on_behind_what_it_had_nothing_of() {
    let perch = Perch::start_with(ENDPOINTS).await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    socket.send(&percolate(&birdwatch(), "rust")).await;
    until(async || queries(&perch).await == 1).await;
    let passed = perch.ingest(&[tweet(1, "java")]).await;
    let newest = perch.ingest(&[tweet(2, "java")]).await;
    // Then the loop is done with the one before.
    until(async || perch.get("/api/stats").await.1["seq"] == newest).await;
    let dir = perch.stop().await;
    let file = std::fs::read(dir.path().join("index/sente%2Fchsk.json")).expect("the file is there");
    let file: serde_json::Value = serde_json::from_slice(&file).expect("it is JSON");
    let client = file["clients"].as_object().and_then(|clients| clients.values().next()).expect("a client");
    assert!(client["position"].as_u64().is_some_and(|position| position >= passed), "{client}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_after_a_restart_is_kept_and_tried_again() {
    let perch = Perch::start_with(&format!("{ENDPOINTS}\n[limits]\nmax_queries = 2\n")).await;
    let setup = edn(Group::A);
    let mut socket = SenteSocket::connect(&perch, setup.clone()).await;
    socket.ask(r#"[:cmd/percolate {:query "rust" :name "r"}]"#, "3d16e1").await;
    socket.ask(r#"[:cmd/percolate {:query "java" :name "j"}]"#, "3d16e2").await;
    let mut perch = perch.restart().await;
    for has_restarted in [false, true] {
        let mut other = perch.connect().await;
        other.percolate(serde_json::json!({"query": "go"})).await;
        socket = socket.reconnect(&perch).await;
        assert_eq!(queries(&perch).await, 2, "one is restored");
        if has_restarted {
            other.send("cmd/unpercolate", serde_json::json!({})).await;
            other.expect("unpercolate/ok").await;
            until(async || queries(&perch).await == 2).await;
        } else {
            // The other page does not come back.
            perch = perch.restart().await;
        }
    }
    perch.ingest(&[tweet(1, "rust"), tweet(2, "java")]).await;
    for expected in [1, 2] {
        loop {
            let event = socket.event().await;
            if crate::sente_client::id(&event) == "tweet/new" {
                let text = format!("{event:?}");
                assert!(text.contains(["rust", "java"][expected - 1]), "{text}");
                break;
            }
        }
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_outlive_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let index = dir.path().join("index");
    let server = Server::start(&index);
    let address = |server: &Server| server.url.strip_prefix("http://").expect("http").parse().expect("an address");
    let mut socket = SenteSocket::open(address(&server), birdwatch()).await.expect("it opens");
    socket.send(&percolate(&birdwatch(), "rust")).await;
    let file = index.join("sente%2Fchsk.json");
    until(async || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("rust"))).await;
    server.kill();

    let server = Server::start(&index);
    let mut socket = SenteSocket::open(address(&server), birdwatch()).await.expect("it opens");
    until(async || server.get("/api/stats").await["queries"] == 1).await;
    let tweet = tweet(1, "rust").to_string();
    let answer = reqwest::Client::new().post(format!("{}/api/tweets", server.url)).body(tweet).send().await;
    assert_eq!(answer.expect("perch answers").status().as_u16(), 200);
    let mut frame = socket.frame().await;
    while !frame.contains("tweet/new") {
        frame = socket.frame().await;
    }
}
