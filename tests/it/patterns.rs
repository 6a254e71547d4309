//! Many costly patterns and one long tweet: what it costs is bounded, nobody else waits for it, and
//! nothing is lost.

use std::time::{Duration, Instant};

use perch::percolator::MAX_STEPS;
use serde_json::{Value, json};

use super::support::process::Server;
use super::support::{Client, tweet, until};

const SOCKETS: usize = 20;

/// Patterns that are tried on each of these words, and match none.
fn pattern(n: usize) -> String {
    let letter = |n: usize| ["w", "o", "r", "d", "*w"][n % 5];
    let [a, b, c, d, e] = [n, n / 5, n / 25, n / 125, n / 625].map(letter);
    format!("*x*{a}*{b}*{c}*{d}*{e}*")
}

/// A text of some 930 kB, with many different words.
fn long_text() -> String {
    (0..95_000).map(|n| format!("word{n}x ")).collect()
}

async fn metric(server: &Server, name: &str) -> u64 {
    let page =
        crate::support::get(format!("{}/metrics", server.url)).await.expect("an answer").text().await.expect("text");
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

/// Sends a tweet, and waits until it is durable.
async fn post(url: String, tweet: Value) {
    let request = crate::support::client().post(format!("{url}/api/tweets")).body(tweet.to_string());
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// How long the client waits for a tweet that is sent now.
async fn push_time(server: &Server, client: &mut Client, id: u64) -> Duration {
    let started = Instant::now();
    tokio::spawn(post(server.url.clone(), tweet(id, "theirs")));
    let pushed = client.tweet().await;
    assert_eq!(pushed["tweet"]["id_str"], id.to_string(), "{pushed}");
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_tweet_among_many_patterns_keeps_nobody_waiting() {
    let measured = std::env::var_os("PERCH_LONG_TESTS").is_some();
    let dir = tempfile::tempdir().expect("a directory");
    // A process of its own: its metrics are nobody else's.
    let server = Server::start_with(&dir.path().join("index"), &["--set", "limits.max_weak_patterns_per_client=0"]);
    let address = server.url.strip_prefix("http://").expect("plain HTTP").to_owned();
    let mut other = Client::open(&address).await;
    other.percolate(json!({"query": "theirs"})).await;
    let mut attackers = Vec::new();
    for at in 0..SOCKETS {
        let mut client = Client::open(&address).await;
        for n in (at..if measured { 1_788 } else { 200 }).step_by(SOCKETS) {
            client.percolate(json!({"query": pattern(n), "name": n.to_string()})).await;
        }
        // One that does match.
        client.percolate(json!({"query": format!("*w*{at}x"), "name": "matches"})).await;
        attackers.push(client);
    }
    let text = long_text();
    post(server.url.clone(), tweet(1, &text)).await;
    // It may be committed before it is percolated.
    until(async || metric(&server, "perch_tweets_percolated_total").await == 1).await;
    // Counted, not timed: patterns at most once in vain, and what programs ask for.
    let spent = metric(&server, "perch_percolation_steps_total").await;
    assert!((MAX_STEPS..=3 * MAX_STEPS + 100_000).contains(&spent), "{spent} steps");
    assert!(metric(&server, "perch_percolation_deferred_total").await > 0);
    assert_eq!(metric(&server, "perch_tweets_truncated_total").await, 1);

    let mut times = Vec::new();
    for id in 2..if measured { 200 } else { 12 } {
        if measured && id % 20 == 0 {
            // Others again, while nobody waits for them.
            tokio::spawn(post(server.url.clone(), tweet(1_000 + id, &text)));
        }
        times.push(push_time(&server, &mut other, id).await);
    }
    times.sort_unstable();
    eprintln!("pushes of another client: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);

    // Each gets the tweet, once, from the index, and what comes behind it live.
    for client in &mut attackers {
        let found: Value = client.tweet().await;
        assert_eq!((&found["tweet"]["id_str"], &found["matches"]), (&json!("1"), &json!(["matches"])));
        if !measured {
            let settled: Vec<Value> = client.settle().await;
            assert!(settled.is_empty(), "{settled:?}");
        }
    }
}
