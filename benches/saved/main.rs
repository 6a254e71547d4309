//! What do saved searches cost: to save, to keep, to start, and to deliver?
//!
//! The binary and its receivers run beside this program on loopback, so the machine's cores are
//! shared by all. Corpus: made-up tweets of about 600 bytes of JSON, words drawn from a Zipf
//! distribution, seed 7. Rows:
//!
//! - `save`: searches a second through `POST /api/searches`, one body, each of two words and with a
//!   webhook, until all are durable.
//! - `memory`: growth of the resident memory that is not backed by files, divided by the searches.
//! - `start`: from `exec` to the first 200 of `/readyz`, with all these searches, beside the time
//!   without any.
//! - `one tweet`: from sending a request with one tweet to its webhook, with 1,000 searches, of
//!   which one matches.
//! - `backlog`: tweets a second to 100 receivers on 100 addresses, all of which get all tweets of
//!   the index.
//! - `dead`: from sending a request with one tweet to its frame on a WebSocket, with 100,000
//!   searches while 100 other tweets a second come, which match searches with dead receivers. 1 %
//!   of all searches have one. In turn with the same searches paused. The receivers take requests
//!   and never answer.
//!
//! `cargo bench --bench saved`, `-- --short` for a small run, `-- --searches 1000000` for another
//! number of searches. Linux only.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

#[path = "../support/corpus.rs"]
mod corpus;
#[path = "../support/http.rs"]
mod http;
#[path = "../support/server.rs"]
mod server;
mod sink;

use corpus::{Corpus, word};
use server::{Server, connect, percolate};
use sink::{Got, Sink};

/// What the server is told besides what all benchmarks tell it.
const SETTINGS: [&str; 3] =
    ["deliveries.allow_private_addresses=true", "limits.max_queries_mb=8192", "limits.max_saved_searches=10000000"];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let is_short = arguments.iter().any(|argument| argument == "--short" || argument == "--test");
    let searches = arguments.iter().position(|argument| argument == "--searches");
    let searches = searches.and_then(|at| arguments.get(at + 1)?.parse().ok());
    let searches: usize = searches.unwrap_or(if is_short { 20_000 } else { 1_000_000 });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        keep(searches).await;
        one_tweet(if is_short { 100 } else { 1_000 }).await;
        backlog(if is_short { 2_000 } else { 20_000 }).await;
        dead(if is_short { 10_000 } else { 100_000 }, if is_short { 100 } else { 500 }).await;
    });
}

async fn start(dir: &Path) -> (Server, Duration) {
    Server::start_set(dir, &[&["source=[]"][..], &SETTINGS[..]].concat()).await
}

/// A search of two words, of which no tweet has the second.
fn search(at: usize, url: &str) -> Value {
    let query = format!("{} q{at}", word(at % 977));
    json!({"name": format!("s{at}"), "query": query, "deliver": [{"type": "webhook", "url": url}]})
}

/// Saves searches, and returns how many are new.
async fn save(server: &Server, searches: impl Iterator<Item = Value>) -> u64 {
    let mut body = String::new();
    for search in searches {
        writeln!(body, "{search}").expect("a string takes everything");
    }
    let url = format!("http://{}/api/searches", server.address);
    let answer = http::client().post(url).body(body).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!((&answer["refused"], &answer["error"]), (&json!(0), &Value::Null), "{answer}");
    answer["created"].as_u64().expect("a number")
}

async fn ingest(server: &Server, body: String) {
    let url = format!("http://{}/api/tweets", server.address);
    let answer = http::client().post(url).body(body).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// Rows `save`, `memory` and `start`.
async fn keep(n: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let (server, _) = start(dir.path()).await;
    // A body that is saved before: the first one also pays for tables and threads.
    save(&server, (0..2_000).map(|at| search(at, "http://127.0.0.1:1/"))).await;
    let before = memory_kib(&server);
    let started = Instant::now();
    let created = save(&server, (2_000..n + 2_000).map(|at| search(at, &format!("http://127.0.0.1:1/{at}")))).await;
    let took = started.elapsed().as_secs_f64();
    assert_eq!(created, n as u64);
    println!("save      {n} searches               {:>10.0} searches/s", n as f64 / took);
    let grown = |after: f64| (after - before) * 1024.0 / n as f64;
    println!("memory    of a search, after they were saved {:>6.0} bytes", grown(memory_kib(&server)));
    server.stop();
    let (server, took) = start(dir.path()).await;
    println!("start     with {n} searches          {:>10.2} s", took.as_secs_f64());
    println!("memory    of a search, after the start       {:>6.0} bytes", grown(memory_kib(&server)));
    server.stop();
    let empty = tempfile::tempdir().expect("a directory");
    let (server, took) = start(empty.path()).await;
    println!("start     without searches           {:>10.2} s", took.as_secs_f64());
    server.stop();
}

/// Row `one tweet`.
async fn one_tweet(rounds: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let (server, _) = start(dir.path()).await;
    let (times, mut requests) = mpsc::channel(16);
    let got = Arc::new(Got::default());
    let mut sinks = Vec::new();
    for host in 1..=100 {
        sinks.push(Sink::start(host, &got, times.clone()).await);
    }
    let of = |at: usize| {
        let url = format!("{}{at}", sinks[at % sinks.len()].url);
        json!({"name": format!("s{at}"), "query": format!("own{at}"), "deliver": [{"type": "webhook", "url": url}]})
    };
    save(&server, (0..1_000).map(of)).await;
    let (http, mut corpus) = (http::client(), Corpus::new());
    let mut took = Vec::new();
    for round in 0..rounds {
        let body = corpus.tweet(&format!("own{}", round * 7 % 1_000));
        let url = format!("http://{}/api/tweets", server.address);
        let started = Instant::now();
        let request = tokio::spawn(http.post(url).body(body).send());
        let received: Instant = requests.recv().await.expect("a webhook");
        took.push(received - started);
        request.await.expect("sent").expect("an answer");
    }
    println!("one tweet to its webhook:       {}", quantiles(&mut took));
    server.stop();
}

/// Row `backlog`.
async fn backlog(tweets: usize) {
    const RECEIVERS: usize = 100;
    let dir = tempfile::tempdir().expect("a directory");
    let (server, _) = start(dir.path()).await;
    let mut corpus = Corpus::new();
    for _ in 0..tweets / 1_000 {
        ingest(&server, (0..1_000).map(|_| corpus.tweet("everybody")).collect()).await;
    }
    let (times, _requests) = mpsc::channel(1);
    let got = Arc::new(Got::default());
    let mut sinks = Vec::new();
    for host in 1..=RECEIVERS {
        sinks.push(Sink::start(host, &got, times.clone()).await);
    }
    let started = Instant::now();
    let of = |(at, sink): (usize, &Sink)| {
        let deliver = json!([{"type": "webhook", "url": sink.url}]);
        json!({"name": format!("s{at}"), "query": "everybody", "since": 0, "deliver": deliver})
    };
    save(&server, sinks.iter().enumerate().map(of)).await;
    let expected = (tweets * RECEIVERS) as u64;
    while got.tweets.load(Ordering::Relaxed) < expected {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = started.elapsed().as_secs_f64();
    let (requests, bytes) = (got.requests.load(Ordering::Relaxed), got.bytes.load(Ordering::Relaxed));
    assert_eq!(got.tweets.load(Ordering::Relaxed), expected);
    println!(
        "backlog   {tweets} tweets to {RECEIVERS} receivers {:>10.0} tweets/s   {:.1} in a request, {:.0} MB/s",
        expected as f64 / took,
        expected as f64 / requests as f64,
        bytes as f64 / took / 1e6
    );
    server.stop();
}

/// Row `dead`.
async fn dead(n: usize, rounds: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let (server, _) = start(dir.path()).await;
    save(&server, (0..n - n / 100).map(|at| search(at, "http://127.0.0.1:1/"))).await;
    let mut hosts = Vec::new();
    for host in 1..=100 {
        hosts.push(sink::dead(host).await);
    }
    let of_dead = |at: usize, paused: bool| {
        let url = format!("{}{at}", hosts[at % hosts.len()]);
        let deliver = json!([{"type": "webhook", "url": url}]);
        json!({"name": format!("dead{at}"), "query": format!("dead{}", at % 10), "paused": paused, "deliver": deliver})
    };
    let mut socket = connect(&server.address).await;
    percolate(&mut socket, "own", "marker").await;
    let (told, mut pushes) = mpsc::channel(16);
    let reader = tokio::spawn(async move {
        while let Some(Ok(message)) = socket.next().await {
            if message.to_text().is_ok_and(|text| text.starts_with("[\"tweet/new\"")) {
                let _ = told.send(Instant::now()).await;
            }
        }
    });
    let (http, url) = (http::client(), format!("http://{}/api/tweets", server.address));
    let (mut corpus, mut took) = (Corpus::new(), [Vec::new(), Vec::new()]);
    for turn in 0..6 {
        let is_with = turn % 2 == 1;
        save(&server, (0..n / 100).map(|at| of_dead(at, !is_with))).await;
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for round in 0..rounds {
            pace.tick().await;
            let other: String = (0..2).map(|at| corpus.tweet(&format!("dead{}", (round + at) % 10))).collect();
            let body = other + &corpus.tweet("marker");
            let started = Instant::now();
            let request = tokio::spawn(http.post(&url).body(body).send());
            let pushed: Instant = pushes.recv().await.expect("a push");
            took[usize::from(is_with)].push(pushed - started);
            request.await.expect("sent").expect("an answer");
        }
    }
    let [without, with] = &mut took;
    println!("dead      push, {n} searches, none dead:  {}", quantiles(without));
    println!("dead      push, 1 % with dead receivers:  {}", quantiles(with));
    let p99 = |times: &[Duration]| times[(times.len() - 1) * 99 / 100].as_secs_f64();
    println!("dead      p99 with / without              {:.2}", p99(with) / p99(without));
    reader.abort();
    server.stop();
}

/// Anonymous resident memory of the server, KiB.
fn memory_kib(server: &Server) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("KiB")
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0))
}
