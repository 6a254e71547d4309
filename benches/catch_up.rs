//! How fast does a session catch up that has fallen behind?
//!
//! The binary runs beside this program on loopback, so the machine's cores are shared by both.
//! A WebSocket registers some searches and stops reading; a backlog of tweets comes in and is
//! committed; then the client reads until the session is live again. The time is that of reading.
//!
//! One search matches every tweet; 15 and 100 are the most common words, so that most tweets match
//! one of them, or several. The ratio compares the rate with that of the backlog before: 1 when the
//! time is linear in the backlog.
//!
//! `cargo bench --bench catch_up`; `-- --short` for backlogs of 2,000 and 20,000 tweets.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

use std::time::Instant;

use futures_util::StreamExt;

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/http.rs"]
mod http;
#[path = "support/server.rs"]
mod server;

use corpus::{Corpus, word};
use server::{Server, connect, percolate};

/// Tweets of one request.
const BATCH: usize = 2_000;

fn main() {
    let short = std::env::args().any(|arg| arg == "--short");
    let backlogs = if short { [2_000, 20_000] } else { [20_000, 200_000] };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(backlogs));
}

async fn run(backlogs: [usize; 2]) {
    let dir = tempfile::tempdir().expect("a directory");
    let (server, _) = Server::start(&dir.path().join("index")).await;
    let mut corpus = Corpus::new();
    // Other tweets lie before the backlog.
    fill(&server, &mut corpus, backlogs[1] / 2).await;
    for searches in [1, 15, 100] {
        let mut before = None;
        for backlog in backlogs {
            let (pushed, seconds) = catch_up(&server, &mut corpus, searches, backlog).await;
            let rate = backlog as f64 / seconds;
            let ratio = before.map_or(1.0, |before| rate / before);
            before = Some(rate);
            println!(
                "{searches:>3} searches, {backlog:>7} tweets behind, {pushed:>7} pushed: {seconds:>6.2} s, \
                 {rate:>7.0} tweets/s, ratio {ratio:.2}"
            );
        }
    }
    server.stop();
}

/// How many tweets were pushed, and how long it took.
async fn catch_up(server: &Server, corpus: &mut Corpus, searches: usize, backlog: usize) -> (usize, f64) {
    let mut socket = connect(&server.address).await;
    if searches == 1 {
        percolate(&mut socket, "all", "lang:en").await;
    } else {
        for rank in 0..searches {
            percolate(&mut socket, &format!("search{rank}"), &word(rank)).await;
        }
    }
    fill(server, corpus, backlog).await;
    let started = Instant::now();
    let (mut pushed, mut is_behind) = (0, false);
    loop {
        let message = socket.next().await.expect("open").expect("a frame");
        let Ok(text) = message.to_text() else { continue };
        if text.starts_with("[\"tweet/new\"") {
            pushed += 1;
        } else if text.starts_with("[\"stream/catching-up\"") {
            is_behind = true;
        } else if text.starts_with("[\"stream/live\"") {
            break;
        }
    }
    assert!(is_behind, "the backlog fits into the buffers of the connection");
    (pushed, started.elapsed().as_secs_f64())
}

/// Sends tweets, and waits until they are committed.
async fn fill(server: &Server, corpus: &mut Corpus, tweets: usize) {
    let http = http::client();
    let url = format!("http://{}/api/tweets", server.address);
    let mut left = tweets;
    while left > 0 {
        let n = left.min(BATCH);
        left -= n;
        let body: String = (0..n).map(|_| corpus.tweet("")).collect();
        let answer = http.post(&url).body(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}
