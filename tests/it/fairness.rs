//! What one client takes, others don't miss: costly searches against cheap ones.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::process::Server;
use crate::support::{PATIENCE, until};

/// A search that walks through the whole dictionary a hundred times.
fn costly() -> String {
    let letters = 'a'..='j';
    let patterns = letters.clone().flat_map(|a| letters.clone().map(move |b| format!("*{a}{b}*")));
    patterns.collect::<Vec<_>>().join(" OR ")
}

/// A word that no other number has.
fn word(mut n: u64) -> String {
    // Scattered, so that the words have nothing in common.
    n = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..9).map(|at| char::from(b'a' + u8::try_from(n >> (at * 7) & 0x7F).expect("7 bits") % 26)).collect()
}

/// A server with this number of tweets, each with eight words of its own.
async fn server(dir: &Path, tweets: u64, arguments: &[&str]) -> Server {
    let server = Server::start_with(dir, arguments);
    let http = crate::support::client();
    for from in (0..tweets).step_by(10_000) {
        let line = |id: u64| {
            let words: Vec<String> = (0..8).map(|at| word(id * 8 + at)).collect();
            json!({"id_str": (id + 1).to_string(), "text": format!("rust {}", words.join(" "))}).to_string() + "\n"
        };
        let body: String = (from..tweets.min(from + 10_000)).map(line).collect();
        let sent = http.post(format!("{}/api/tweets", server.url)).body(body).send().await.expect("perch answers");
        assert_eq!(sent.status(), 200);
    }
    server
}

/// Number of a metric without labels.
async fn metric(server: &Server, name: &str) -> u64 {
    let page = crate::support::get(format!("{}/metrics", server.url)).await.expect("perch answers");
    let page = page.text().await.expect("text");
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in {page}"))
}

/// A client at this loopback address.
fn client_at(last: u8) -> reqwest::Client {
    let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    crate::support::client_builder().local_address(address).build().expect("a client")
}

async fn search(http: &reqwest::Client, server: &Server) -> (u16, Duration) {
    let started = Instant::now();
    let answer = http.get(format!("{}/api/search?q=rust&n=10", server.url)).send().await.expect("perch answers");
    let status = answer.status().as_u16();
    answer.bytes().await.expect("a body");
    (status, started.elapsed())
}

/// One socket of a client at 127.0.0.1 that searches four times at one time: again and again, or
/// until it is closed after a while and another one opened.
async fn attack(url: String, closes_after: Option<Duration>) {
    let address = url.replace("http", "ws") + "/ws";
    let frame = || Message::text(json!(["cmd/query", {"query": costly(), "n": 10}]).to_string());
    loop {
        let Ok((mut socket, _)) = connect_async(&address).await else { continue };
        for _ in 0..4 {
            if socket.send(frame()).await.is_err() {
                break;
            }
        }
        let goes_on = async {
            while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else { continue };
                let event: Value = serde_json::from_str(&text).expect("JSON");
                if matches!(event[0].as_str(), Some("tweet/prev-chunk" | "cmd/error"))
                    && socket.send(frame()).await.is_err()
                {
                    break;
                }
            }
        };
        match closes_after {
            Some(time) => drop(tokio::time::timeout(time, goes_on).await),
            None => goes_on.await,
        }
    }
}

fn attackers(server: &Server, sockets: usize, closes_after: Option<Duration>) -> JoinSet<()> {
    let mut attackers = JoinSet::new();
    for _ in 0..sockets {
        attackers.spawn(attack(server.url.clone(), closes_after));
    }
    attackers
}

#[tokio::test(flavor = "multi_thread")]
async fn costly_searches_leave_others_their_share_and_stop_when_their_client_is_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    // Fewer slots than the attackers have searches, on any machine.
    let settings = ["--set", "limits.search_timeout_ms=60000", "--set", "limits.search_concurrency=2"];
    let server = server(dir.path(), 4_000, &settings).await;
    let mut attackers = attackers(&server, 3, None);
    until(async || metric(&server, "perch_searches_waiting").await > 0).await;
    // One at an address of its own, and one that can't be told from the attacker but by its
    // connection.
    for http in [client_at(2), client_at(1)] {
        for _ in 0..20 {
            let (status, _) = tokio::time::timeout(PATIENCE, search(&http, &server)).await.expect("it has its turn");
            assert_eq!(status, 200);
        }
        // The attack has gone on meanwhile: between an answer and the next search nothing may wait.
        until(async || metric(&server, "perch_searches_waiting").await > 0).await;
    }
    let cancelled = metric(&server, "perch_searches_cancelled_total").await;
    attackers.shutdown().await;
    until(async || {
        metric(&server, "perch_searches_running").await + metric(&server, "perch_searches_waiting").await == 0
    })
    .await;
    assert!(metric(&server, "perch_searches_cancelled_total").await > cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_given_up_stops_its_search() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = server(dir.path(), 1_000, &[]).await;
    // More than one slot each, so that they run and wait.
    let mut requests = JoinSet::new();
    for _ in 0..8 {
        let url = format!("{}/api/search?q={}", server.url, costly().replace(' ', "%20"));
        requests.spawn(crate::support::client().get(url).send());
    }
    until(async || metric(&server, "perch_searches_running").await > 0).await;
    requests.shutdown().await;
    until(async || {
        metric(&server, "perch_searches_running").await + metric(&server, "perch_searches_waiting").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_searches_of_one_client_wait_and_more_are_told_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = ["--set", "limits.search_concurrency=1", "--set", "limits.max_waiting_searches=1"];
    let server = server(dir.path(), 4_000, &settings).await;
    let mut attackers = attackers(&server, 1, None);
    until(async || metric(&server, "perch_searches_waiting").await > 0).await;
    let same = client_at(1);
    until(async || {
        let url = format!("{}/api/search?q=rust", server.url);
        let answer = same.get(url).send().await.expect("perch answers");
        let refused = answer.status() == 429;
        if refused {
            assert!(answer.headers().contains_key("retry-after"));
            let body: Value = answer.json().await.expect("JSON");
            assert_eq!(body["error"]["code"], "limit", "{body}");
        }
        refused
    })
    .await;
    assert_eq!(search(&client_at(2), &server).await.0, 200, "others are none of them");
    attackers.shutdown().await;
}

/// The median of the times that a cheap search takes, and how many were refused.
async fn median(http: &reqwest::Client, server: &Server, searches: usize) -> (Duration, usize) {
    let (mut times, mut refused) = (Vec::new(), 0);
    for _ in 0..searches {
        let (status, time) = search(http, server).await;
        times.push(time);
        refused += usize::from(status != 200);
    }
    times.sort_unstable();
    (times[times.len() / 2], refused)
}

/// A cheap search of another address takes less than this many times its usual time during the
/// attack.
const MAX_SLOWDOWN: f64 = 10.0;

/// Measures how much slower a cheap search is during the attack. The long run holds the median to
/// [`MAX_SLOWDOWN`]; the short run only shows that no search is refused, because a few searches
/// beside other tests say nothing about time.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_attack_costs_others() {
    let is_long = std::env::var_os("PERCH_LONG_TESTS").is_some();
    let (tweets, searches) = if is_long { (50_000, 500) } else { (500, 10) };
    let dir = tempfile::tempdir().expect("a directory");
    let server = server(dir.path(), tweets, &[]).await;
    let close = Some(Duration::from_millis(150));
    for (whose, at) in [("another address", 2), ("the same address", 1)] {
        let http = client_at(at);
        let (usual, _) = median(&http, &server, searches).await;
        for (how, sockets, closes) in [
            ("1 socket, closed after 150 ms", 1, close),
            ("3 sockets, closed after 150 ms", 3, close),
            ("3 sockets that stay", 3, None),
        ] {
            let mut attackers = attackers(&server, sockets, closes);
            until(async || metric(&server, "perch_searches_running").await > 0).await;
            let (attacked, refused) = median(&http, &server, searches).await;
            attackers.shutdown().await;
            let ratio = attacked.as_secs_f64() / usual.as_secs_f64();
            println!("{whose}, {how}: {usual:.1?} -> {attacked:.1?}, {ratio:.1} times, {refused} refused");
            assert_eq!(refused, 0);
            assert!(!is_long || at == 1 || ratio < MAX_SLOWDOWN, "{whose}, {how}: {ratio:.1} times");
        }
    }
}
