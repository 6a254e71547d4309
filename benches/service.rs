//! How fast is the whole service, from the HTTP request to the committed index and to the push on a
//! WebSocket?
//!
//! The binary runs beside this program on loopback, so the machine's cores are shared by both.
//! Corpus: made-up tweets of about 600 bytes of JSON, words drawn from a Zipf distribution, seed 7.
//! Rows:
//!
//! - `bulk`: tweets a second through `POST /api/tweets`, 10,000 queries registered, acknowledged
//!   (so committed), as a ratio to a bare tantivy writer with one indexing thread, the same fields
//!   and the same analyzed tweets, in the same run.
//! - `push`: from sending a request with one tweet to its frame on a WebSocket, 1,000 sessions; one
//!   that matches, and all.
//! - `memory`: resident memory that is not backed by files, after 1 M tweets with 10,000 queries
//!   and 100 sessions.
//! - `history`: the first page of 250 of a one-word query over all tweets, over HTTP.
//! - `start`: from `exec` to the first 200 of `/readyz`, with the index of all tweets.
//!
//! `cargo bench --bench service`, `-- --short` for a small run.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use perch::ids::Seq;
use perch::index::TweetFields;
use perch::lower::Fields;
use perch::tweet::SequencedTweet;
use serde_json::Value;

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/http.rs"]
mod http;
#[path = "support/registrations.rs"]
mod registrations;
#[path = "support/server.rs"]
mod server;

use corpus::{Corpus, word};
use registrations::register;
use server::{Server, connect, percolate};

fn main() {
    let short = std::env::args().any(|arg| arg == "--short");
    let tweets = if short { 50_000 } else { 1_000_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(tweets));
}

async fn run(tweets: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut corpus = Corpus::new();
    println!("{tweets} tweets of {} bytes\n", corpus.tweet("").len());

    let lines: Vec<String> = (0..tweets).map(|_| corpus.tweet("")).collect();
    let bare = bare_writer(&lines);
    println!("bulk     bare tantivy writer        {bare:>10.0} tweets/s");

    let (server, _) = Server::start(&dir.path().join("index")).await;
    let drains = register(&server).await;

    let started = Instant::now();
    let http = http::client();
    let bodies: Arc<Vec<String>> = Arc::new(lines.chunks(tweets / 20).map(<[String]>::concat).collect());
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (http, bodies, next) = (http.clone(), Arc::clone(&bodies), Arc::clone(&next));
            let url = format!("http://{}/api/tweets", server.address);
            tokio::spawn(async move {
                while let Some(body) = bodies.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let answer = http.post(&url).body(body.clone()).send().await.expect("an answer");
                    assert!(answer.status().is_success(), "{}", answer.status());
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("sent");
    }
    let bulk = tweets as f64 / started.elapsed().as_secs_f64();
    println!("bulk     over HTTP, 10,000 queries  {bulk:>10.0} tweets/s   {:.2} of bare", bulk / bare);
    println!("memory   anonymous                  {:>10.0} MiB", memory_mib(&server));
    for drain in drains {
        drain.abort();
    }

    for (name, rank) in [("frequent", 50), ("rare", 5_000)] {
        let url = format!("http://{}/api/search?n=250&q={}", server.address, word(rank));
        let mut times = Vec::new();
        let mut total = Value::Null;
        for _ in 0..50 {
            let started = Instant::now();
            let answer: Value = http.get(&url).send().await.expect("an answer").json().await.expect("JSON");
            times.push(started.elapsed());
            total = answer["total"].clone();
        }
        println!("history  250 of {total} ({name} word): {}", quantiles(&mut times));
    }

    push_latency(&server, &http, &mut corpus).await;
    server.stop();

    let (server, start) = Server::start(&dir.path().join("index")).await;
    println!("start    to /readyz                 {:>10.0} ms", start.as_secs_f64() * 1e3);
    println!("memory   anonymous, after the start {:>10.0} MiB", memory_mib(&server));
    server.stop();
}

async fn push_latency(server: &Server, http: &reqwest::Client, corpus: &mut Corpus) {
    let (told, mut pushes) = tokio::sync::mpsc::channel::<Instant>(10_000);
    let mut readers = Vec::new();
    for session in 0..1_000 {
        let mut socket = connect(&server.address).await;
        percolate(&mut socket, "own", &format!("session{session}")).await;
        percolate(&mut socket, "all", "every").await;
        let told = told.clone();
        readers.push(tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                if message.to_text().is_ok_and(|text| text.starts_with("[\"tweet/new\"")) {
                    let _ = told.send(Instant::now()).await;
                }
            }
        }));
    }
    let url = format!("http://{}/api/tweets", server.address);
    for (name, expected) in [("one session", 1), ("all 1,000 sessions", 1_000)] {
        let mut times = Vec::new();
        for round in 0..if expected == 1 { 500 } else { 100 } {
            let extra = if expected == 1 { format!("session{round}") } else { "every".to_owned() };
            let body = corpus.tweet(&extra);
            let started = Instant::now();
            let (http, url) = (http.clone(), url.clone());
            let request = tokio::spawn(async move { http.post(url).body(body).send().await });
            for _ in 0..expected {
                times.push(pushes.recv().await.expect("a push") - started);
            }
            request.await.expect("sent").expect("an answer");
        }
        println!("push     one tweet to {name}: {}", quantiles(&mut times));
    }
    for reader in readers {
        reader.abort();
    }
}

/// Anonymous resident memory of the server, MiB.
fn memory_mib(server: &Server) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("KiB") / 1024.0
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0))
}

/// Tweets a second that a tantivy writer with one thread takes, from analyzed tweets to the commit.
fn bare_writer(lines: &[String]) -> f64 {
    let items: Vec<SequencedTweet> = lines
        .iter()
        .map(|line| perch::tweet::read(line.as_bytes()).expect("a tweet"))
        .zip(1..)
        .map(|(tweet, seq)| SequencedTweet { seq: Seq(seq), tweet: Arc::new(perch::tweet::analyze(&tweet)) })
        .collect();
    let dir = tempfile::tempdir().expect("a directory");
    let fields = TweetFields::get();
    let index = tantivy::Index::create_in_dir(dir.path(), fields.tantivy_schema()).expect("an index");
    Fields::register(&index);
    let mut writer = index.writer_with_num_threads(1, 64 * 1024 * 1024).expect("a writer");
    let started = Instant::now();
    for item in &items {
        writer.add_document(fields.document(item, None)).expect("it is taken");
    }
    writer.commit().expect("it is written");
    items.len() as f64 / started.elapsed().as_secs_f64()
}
