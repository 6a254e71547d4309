//! What do clients of Sente cost beside those of `/ws`, and how many of them can poll?
//!
//! The binary runs beside this program on loopback, so the machine's cores are shared by both; what
//! is measured is the time that the server spent on a core. Corpus: tweets of about 600 bytes of
//! JSON, all alike but for their ids. Rows:
//!
//! - `pack`: one stored tweet to Transit and to EDN, as a ratio to `serde_json` writing the same
//!   tweet from its value.
//! - `push`: 100 clients that get every tweet, 250 tweets a second, one by one and five at a time:
//!   time on a core for each delivery, without what it costs to take the tweets in, over `/ws` and
//!   over a Sente socket.
//! - `poll`: 2,000 clients that poll, one tweet a second for each of them: time on a core, how late
//!   a tweet is, from its being sent to perch to its client's having it, and that nothing is lost
//!   or doubled.
//!
//! `cargo bench --bench sente`, `-- --short` for a small run.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use perch_sente::frame::Packing;
use perch_sente::transit::{self, Codes};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

#[path = "support/http.rs"]
mod http;

fn main() {
    let short = std::env::args().any(|arg| arg == "--short");
    pack();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let seconds = if short { 3 } else { 15 };
        for batch in [1, 5] {
            let idle = push(Kind::NoClient, batch, seconds, 0.0).await;
            let ws = push(Kind::Ws, batch, seconds, idle).await;
            let sente = push(Kind::Sente, batch, seconds, idle).await;
            println!("push     {batch} at a time: /ws costs {:.2} times what a Sente socket does", ws / sente);
        }
        poll(if short { 200 } else { 2_000 }, seconds).await;
    });
}

fn tweet(id: u64) -> Value {
    json!({
        "id": id, "id_str": id.to_string(), "text": "ka tomi resu nola vipo deri mota luse gani bofe zuka \"tomi\" resu nola #vipo",
        "created_at": "Sun Aug 31 00:29:15 +0000 2014", "lang": "en", "retweet_count": 3, "favorite_count": 5,
        "entities": {"hashtags": [{"text": "vipo", "indices": [100, 106]}], "urls": [], "user_mentions": [], "symbols": []},
        "user": {"id_str": "17", "name": "Author 17", "screen_name": "author17", "followers_count": 51,
                 "profile_image_url": "http://pbs.example/profile_images/497760886795153410/normal.jpeg"}
    })
}

fn pack() {
    const ROUNDS: u32 = 200_000;
    let value = tweet(547_177_163_405_844_480);
    let text = value.to_string();
    let time = |run: &dyn Fn() -> usize| {
        let started = Instant::now();
        let bytes: usize = (0..ROUNDS).map(|_| std::hint::black_box(run())).sum();
        assert!(bytes > 0);
        started.elapsed().as_secs_f64() / f64::from(ROUNDS)
    };
    let json = time(&|| serde_json::to_string(&value).expect("JSON").len());
    println!("pack     serde_json, {} bytes              {:>8.0} ns", text.len(), json * 1e9);
    let event = |packing: Packing, codes| packing.event("tweet/new", &text, None, codes).expect("JSON").len();
    for (name, time) in [
        ("Transit, as pushed", time(&|| event(Packing::Transit, Codes::None))),
        ("Transit, with codes", time(&|| event(Packing::Transit, Codes::Short))),
        ("EDN", time(&|| event(Packing::Edn, Codes::None))),
    ] {
        println!("pack     {name:<34} {:>8.0} ns   {:.2} of serde_json", time * 1e9, time / json);
    }
}

struct Server {
    child: Child,
    address: String,
    http: reqwest::Client,
    /// Holds the index.
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Server {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_perch"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--set",
                "source=[]",
                "--set",
                "telemetry.log=warn",
                "--set",
                "limits.max_sessions_per_address=0",
                "--set",
                "limits.max_queries_mb_per_client=0",
                "--set",
                "limits.max_weak_patterns_per_client=0",
                "--set",
                "limits.max_connections_per_address=0",
                "--index-dir",
            ])
            .arg(dir.path().join("index"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("perch starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("an address");
        let address = line.trim().strip_prefix("listening on http://").expect("an address").to_owned();
        Server { child, address, http: http::client(), _dir: dir }
    }

    /// The time that the server has spent on a core.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("Linux");
        // Behind the name in brackets; user and system time are the 12th and 13th there, in ticks
        // of 10 ms.
        let fields = stat.rsplit(')').next().expect("fields");
        let ticks: f64 =
            fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("ticks")).sum();
        ticks / 100.0
    }

    fn body(tweets: impl Iterator<Item = Value>) -> String {
        tweets.map(|tweet| format!("{tweet}\n")).collect()
    }

    fn ingest(&self, body: String) -> impl Future<Output = ()> + Send + 'static + use<> {
        let request = self.http.post(format!("http://{}/api/tweets", self.address)).body(body).send();
        async move {
            let answer = request.await.expect("an answer");
            assert!(answer.status().is_success(), "{}", answer.status());
        }
    }

    fn stop(mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    NoClient,
    Ws,
    Sente,
}

/// Time on a core for each delivery, less `idle`, which is the time for each second without
/// clients.
async fn push(kind: Kind, batch_tweets: u64, seconds: u64, idle: f64) -> f64 {
    const CLIENTS: usize = 100;
    const PER_SECOND: u64 = 250;
    let server = Server::start();
    let received = Arc::new(AtomicUsize::new(0));
    let n_clients = if kind == Kind::NoClient { 0 } else { CLIENTS };
    let mut readers = Vec::new();
    for client in 0..n_clients {
        let (path, command, mark) = match kind {
            Kind::Sente => (
                format!("chsk?client-id=client-{client}"),
                r#"+j[["~:cmd/percolate",["^ ","~:query","*"]]]"#.to_owned(),
                "\"~:tweet/new\"",
            ),
            _ => ("ws".to_owned(), json!(["cmd/percolate", {"query": "*"}]).to_string(), "\"tweet/new\""),
        };
        let url = format!("ws://{}/{path}", server.address);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("a WebSocket");
        socket.send(Message::text(command)).await.expect("sent");
        let received = Arc::clone(&received);
        readers.push(tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Text(frame) = message {
                    received.fetch_add(frame.as_str().matches(mark).count(), Ordering::Relaxed);
                }
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = server.cpu();
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 * batch_tweets / PER_SECOND));
    let mut requests = tokio::task::JoinSet::new();
    let tweets = seconds * PER_SECOND;
    for batch in 0..tweets / batch_tweets {
        ticks.tick().await;
        // An answer waits for the commit; the next request does not.
        let body = Server::body((0..batch_tweets).map(|at| tweet(1_000 + batch * batch_tweets + at)));
        requests.spawn(server.ingest(body));
    }
    requests.join_all().await;
    let expected = n_clients * usize::try_from(tweets).expect("it fits");
    while received.load(Ordering::Relaxed) < expected {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let cpu = server.cpu() - before;
    assert_eq!(received.load(Ordering::Relaxed), expected);
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    server.stop();
    if kind == Kind::NoClient {
        println!("push     no client: {:.1} % of a core", cpu / seconds as f64 * 100.0);
        return cpu / seconds as f64;
    }
    let each = (cpu - idle * seconds as f64) / expected as f64;
    println!("push     {kind:?}: {:.1} % of a core, {:.2} us a delivery", cpu / seconds as f64 * 100.0, each * 1e6);
    each
}

async fn poll(clients: usize, seconds: u64) {
    let server = Server::start();
    let http = http::builder().pool_max_idle_per_host(clients).build().expect("a client");
    let url = format!("http://{}/chsk", server.address);
    let ready = Arc::new(tokio::sync::Barrier::new(clients + 1));
    // When each tweet was sent; the first has number 1.
    let sent: Arc<Vec<OnceLock<Instant>>> = Arc::new((0..=seconds).map(|_| OnceLock::new()).collect());
    let mut pollers = Vec::new();
    for client in 0..clients {
        let (http, url, ready, sent) = (http.clone(), url.clone(), Arc::clone(&ready), Arc::clone(&sent));
        pollers.push(tokio::spawn(async move {
            let id = format!("client-{client}");
            let get = async |handshake: &str| {
                let answer = http.get(format!("{url}?_=1&client-id={id}{handshake}")).send().await.expect("an answer");
                assert!(answer.status().is_success(), "{}", answer.status());
                answer.text().await.expect("a body")
            };
            get("&handshake%3F=true").await;
            let form = format!("_=1&client-id={id}&ppstr=%2Bj%5B%5B%22~%3Acmd%2Fpercolate%22%2C%5B%22%5E%20%22%2C%22~%3Aquery%22%2C%22*%22%5D%5D%5D");
            let answer = http.post(&url).body(form).send().await.expect("an answer");
            assert!(answer.status().is_success(), "{}", answer.status());
            ready.wait().await;
            let mut seen = 0;
            let mut polls = 0_usize;
            let mut delays = Vec::new();
            while seen < seconds {
                let frame = get("").await;
                polls += 1;
                let body = frame.strip_prefix("+j").expect("a frame");
                let frame = transit::read(body).expect("Transit");
                let batch = frame.elements().expect("a vector")[0].elements().expect("a batch").to_vec();
                for event in &batch {
                    let data = &event.elements().expect("an event")[1];
                    if let Some(id) = data.get("id") {
                        seen += 1;
                        assert_eq!(id.to_json(), json!(seen), "lost or doubled");
                        delays.extend(sent[seen as usize].get().map(Instant::elapsed));
                    }
                }
            }
            (polls, delays)
        }));
    }
    ready.wait().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (before, started) = (server.cpu(), Instant::now());
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for id in 1..=seconds {
        ticks.tick().await;
        sent[id as usize].get_or_init(Instant::now);
        server.ingest(format!("{}\n", tweet(id))).await;
    }
    let mut polls = 0;
    let mut delays = Vec::new();
    for poller in pollers {
        let (its_polls, its_delays) = poller.await.expect("every tweet, once, in order");
        polls += its_polls;
        delays.extend(its_delays);
    }
    delays.sort_unstable();
    let delay = |part: usize| delays[(delays.len() * part / 1_000).min(delays.len() - 1)].as_millis();
    let (cpu, took) = (server.cpu() - before, started.elapsed().as_secs_f64());
    println!(
        "poll     {clients} clients, {seconds} tweets each, {:.0} polls/s: {:.1} % of a core, {:.1} us a poll; late by {} ms (median), {} ms (99 %), {} ms (at most); \
         none lost, none doubled",
        polls as f64 / took,
        cpu / took * 100.0,
        cpu / polls as f64 * 1e6,
        delay(500),
        delay(990),
        delay(1_000)
    );
    server.stop();
}
