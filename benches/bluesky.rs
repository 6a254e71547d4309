//! What does the source `bluesky` cost, from the WebSocket to the committed index?
//!
//! This program serves Jetstream's protocol on loopback and sends 3,000 new posts a second, four
//! times the peak of all posts of Bluesky. The binary runs beside it, with 10,000 registered
//! queries of 100 sessions. The figure is the CPU time of its process (user and system, all
//! threads) for each second of events: 0.15 is 15 % of a core.
//!
//! The rows are: frames as text, frames compressed with the dictionary, and the latter on an index
//! that holds 300,000 posts already, in many segments: a key that is no number is looked up in each
//! of them.
//!
//! `cargo bench --bench bluesky`, `-- --short` for a small run. Linux only.

#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "figures for people")]
#![allow(clippy::cast_sign_loss, reason = "figures for people")]

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/http.rs"]
mod http;
#[path = "support/registrations.rs"]
mod registrations;
#[path = "support/server.rs"]
mod server;

use corpus::Corpus;
use registrations::register;
use server::Server;

const DICTIONARY: &[u8] = include_bytes!("../src/source/bluesky/jetstream.dict");

/// Events a second.
const RATE: usize = 3_000;

/// Events that are sent at once, 100 times a second.
const BURST: usize = RATE / 100;

fn main() {
    let is_short = std::env::args().any(|argument| argument == "--short" || argument == "--test");
    let (seconds, held) = if is_short { (5, 30_000) } else { (30, 300_000) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!("{RATE} events/s for {seconds} s, 10,000 queries\n");
        println!("{:<12} {:>10} {:>22} {:>10}", "frames", "held", "CPU s / s of events", "lag");
        let dir = tempfile::tempdir().expect("a directory");
        run(&dir.path().join("text"), seconds, false, 0).await;
        run(&dir.path().join("zstd"), seconds, true, 0).await;
        run(&dir.path().join("held"), seconds, true, held).await;
    });
}

async fn run(index_dir: &Path, seconds: usize, compress: bool, held: usize) {
    let mut corpus = Corpus::new();
    // perch is refused until the index is filled: it would not wait for an answer as long.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let host = format!("ws://{}", socket.local_addr().expect("an address"));
    let source = format!("[{{type = \"bluesky\", hosts = [\"{host}\"], compress = {compress}}}]");
    let (server, _) = Server::start_with(index_dir, &source).await;
    fill(&server, &mut corpus, held).await;
    let drains = register(&server).await;

    let listener = socket.listen(1).expect("it listens");
    let (stream, _) = listener.accept().await.expect("a connection");
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let check = |request: &Request, response: Response| {
        assert_eq!(request.uri().to_string().contains("compress=true"), compress);
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, check).await.expect("a WebSocket");
    let mut compressor = zstd::bulk::Compressor::with_dictionary(3, DICTIONARY).expect("a dictionary");
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let cpu_before = cpu_seconds(server.pid());
    let started = Instant::now();
    for burst in 0..seconds * RATE / BURST {
        ticks.tick().await;
        for at in 0..BURST {
            let text = event(&mut corpus, held + burst * BURST + at);
            let message = if compress {
                Message::binary(compressor.compress(text.as_bytes()).expect("compressed"))
            } else {
                Message::text(text)
            };
            socket.feed(message).await.expect("fed");
        }
        socket.flush().await.expect("sent");
    }
    // Until all are committed.
    let expected = held + seconds * RATE / BURST * BURST;
    while committed(&server).await < expected {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(server.pid()) - cpu_before;
    let ready: Value = get(&server, "/readyz").await;
    let lag = ready["sources"]["bluesky#1"]["lag_seconds"].as_f64().unwrap_or(f64::NAN);
    let frames = if compress { "zstd" } else { "text" };
    println!("{frames:<12} {held:>10} {:>22.3} {:>8.0}ms   {took:.1} s", cpu / seconds as f64, lag * 1e3);
    drains.into_iter().for_each(|drain| drain.abort());
    server.stop();
}

/// Brings posts into the index, in requests of 10,000.
async fn fill(server: &Server, corpus: &mut Corpus, posts: usize) {
    let http = http::client();
    for first in (0..posts).step_by(10_000) {
        let body: String = (first..posts.min(first + 10_000)).map(|n| event(corpus, n) + "\n").collect();
        let answer = http.post(format!("http://{}/api/tweets", server.address)).body(body).send().await;
        assert!(answer.expect("an answer").status().is_success());
    }
}

/// The event of a new post.
fn event(corpus: &mut Corpus, n: usize) -> String {
    let tweet: Value = serde_json::from_str(&corpus.tweet("")).expect("JSON");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    json!({
        "did": format!("did:plc:author{:017}", n % 20_000), "time_us": now.as_micros() as u64, "kind": "commit",
        "commit": {
            "rev": format!("3l{n:011}"), "operation": "create", "collection": "app.bsky.feed.post",
            "rkey": format!("3k{n:011}"), "cid": "bafyreib2rxk3rybk3aobmv5cjuql3bm2twh4jo5uxgf5kpqcsgz7soitae",
            "record": {
                "$type": "app.bsky.feed.post", "langs": ["en"], "text": tweet["text"],
                "createdAt": "2026-11-29T06:00:00.000Z",
            },
        },
    })
    .to_string()
}

async fn get(server: &Server, path: &str) -> Value {
    let answer = http::client().get(format!("http://{}{path}", server.address)).send().await.expect("an answer");
    answer.json().await.expect("JSON")
}

/// Tweets that were committed since the start.
async fn committed(server: &Server) -> usize {
    let answer = http::client().get(format!("http://{}/metrics", server.address)).send().await.expect("an answer");
    let metrics = answer.text().await.expect("a text");
    let count = metrics.lines().find_map(|line| line.strip_prefix("perch_tweets_committed_total "));
    count.map_or(0, |count| count.parse().expect("a number"))
}

/// User and system time of a process, in seconds.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    // Fields 14 and 15 of proc(5), the third being the first here; the unit is 1/100 s on Linux.
    (ticks(11) + ticks(12)) / 100.0
}
