//! A page that never registers again goes on after a restart of perch.

use perch_sente::value::Value;

use super::*;
use crate::sente_client::{SentePoller, SenteSocket};
use crate::support::process::Server;
use crate::support::{PATIENCE, Perch, tweet, until};

fn number(tweet: &Value) -> u64 {
    match tweet.get("id_str") {
        Some(Value::Str(id)) => id.parse().expect("an id"),
        other => panic!("{other:?}"),
    }
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
    // Another client-id restores nothing.
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
    let answer = crate::support::client().post(format!("{}/api/tweets", server.url)).body(tweet).send().await;
    assert_eq!(answer.expect("perch answers").status().as_u16(), 200);
    let mut frame = socket.frame().await;
    while !frame.contains("tweet/new") {
        frame = socket.frame().await;
    }
}

/// An endpoint whose clients may stay away for longer than any test takes, and an index that keeps
/// little.
const SHORT_HISTORY: &str = r#"
[index]
retention_bytes = 1048576
commit_interval_ms = 10
[[transport]]
type = "rest"
[[transport]]
type = "sse"
[[transport]]
type = "sente"
grace_seconds = 600
"#;

/// Ingests tweets about java, from 1 on, until retention has deleted those up to this position.
/// Answers with the last id.
async fn outrun(perch: &Perch, position: u64) -> u64 {
    let mut last = 0_u64;
    loop {
        // A position that was never reached is refused too.
        let url = perch.url(&format!("/api/stream?q=rust&since={}", position.min(last)));
        let answer = perch.http.get(url).send().await.expect("perch answers");
        if last > position && answer.status().as_u16() == 410 {
            return last;
        }
        assert!(last < 20_000, "nothing is ever deleted");
        // Words that don't pack well.
        let word = |id: u64, n: u64| (id << 20 | n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let words = |id| (0..400).map(|n| format!(" {:x}", word(id, n))).collect::<String>();
        let tweets: Vec<_> = (last + 1..=last + 50).map(|id| tweet(id, &format!("java{}", words(id)))).collect();
        last += 50;
        perch.ingest(&tweets).await;
    }
}

/// The ids of the tweets that come, up to this one.
async fn numbers_to(socket: &mut SenteSocket, last: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    let read = async {
        while numbers.last() != Some(&last) {
            numbers.push(number(&socket.expect("tweet/new").await));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the tweets come");
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_sent_when_retention_has_passed_the_position() {
    let perch = Perch::start_with(SHORT_HISTORY).await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    socket.send(&percolate(&birdwatch(), "rust")).await;
    until(async || queries(&perch).await == 1).await;
    let perch = perch.restart().await;
    let last = outrun(&perch, 0).await;
    perch.ingest(&[tweet(last + 1, "rust")]).await;
    let mut socket = socket.reconnect(&perch).await;
    perch.ingest(&[tweet(last + 2, "rust")]).await;
    assert_eq!(numbers_to(&mut socket, last + 2).await, [last + 1, last + 2]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_for_longer_than_tweets_are_kept_goes_on_with_what_is_left() {
    let perch = Perch::start_with(&format!("{SHORT_HISTORY}\n[limits]\nsession_queue_frames = 10\n")).await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    socket.send(&percolate(&birdwatch(), "java OR rust")).await;
    until(async || queries(&perch).await == 1).await;
    let setup = socket.setup.clone();
    drop(socket);
    // Its queue is full, and it waits for tweets that are gone.
    let last = outrun(&perch, 100).await;
    let mut socket = SenteSocket::connect(&perch, setup).await;
    assert!(!socket.ends_with_close_frame().await, "these clients come back only without a close frame");
    let mut socket = socket.reconnect(&perch).await;
    perch.ingest(&[tweet(last + 1, "rust")]).await;
    let numbers = numbers_to(&mut socket, last + 1).await;
    assert!(numbers.is_sorted() && numbers[0] > 1, "{numbers:?}");
    let left: Vec<u64> = (numbers[0]..=last + 1).collect();
    assert_eq!(numbers, left, "everything that is left comes, once");
    until(async || queries(&perch).await == 1).await;
    perch.stop().await;
}
