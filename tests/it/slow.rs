//! Slow readers: told once, fed from the index, and ended only when they take nothing at all.

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::process::Server;
use crate::support::{Client, PATIENCE, Perch, in_time, tweet, until};

/// Long enough that a few thousand of them are more than the buffers of a connection hold.
fn long_tweets(ids: std::ops::Range<u64>) -> Vec<Value> {
    let text = format!("rust {}", "x".repeat(4_000));
    ids.map(|id| tweet(id, &text)).collect()
}

/// Takes events until the connection is live again, or is closed: the seqs, how often it was told
/// of what, and the close frame.
async fn take_all(client: &mut Client, until_seq: u64) -> (Vec<u64>, Vec<String>, Option<CloseFrame>) {
    in_time(take_to(client, until_seq)).await
}

async fn take_to(client: &mut Client, until_seq: u64) -> (Vec<u64>, Vec<String>, Option<CloseFrame>) {
    let (mut seqs, mut told) = (Vec::new(), Vec::new());
    loop {
        let frame: Value = match client.message().await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            Message::Close(frame) => return (seqs, told, frame),
            message => panic!("{message:?}"),
        };
        match frame[0].as_str().expect("an event") {
            "tweet/new" => seqs.push(frame[1]["seq"].as_u64().expect("a seq")),
            event @ ("stream/catching-up" | "stream/live") => told.push(event.to_owned()),
            _ => {}
        }
        let is_live = told.last().is_none_or(|told| told == "stream/live");
        if is_live && seqs.last().is_some_and(|&seq| seq >= until_seq) {
            return (seqs, told, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_once_and_misses_nothing() {
    let perch = Perch::start_with("[limits]\nsession_queue_frames = 16\n").await;
    perch.ingest(&long_tweets(1..1_001)).await;
    let mut slow = open_small(&perch.address.to_string()).await;
    slow.percolate(json!({"query": "rust", "since": 0})).await;
    // It is behind by some pages, and none of these finds room in its queue.
    let last = perch.ingest(&long_tweets(1_001..2_001)).await;
    let (seqs, told, _) = take_all(&mut slow, last).await;
    assert!(seqs.iter().copied().eq(1..=last), "gap, double or disorder: {seqs:?}");
    assert_eq!(told, ["stream/catching-up", "stream/live"]);
    perch.ingest(&[tweet(9_999, "rust")]).await;
    assert_eq!(slow.expect("tweet/new").await["tweet"]["id_str"], "9999", "live again");
    perch.stop().await;
}

/// A client whose system holds little that it has not read.
async fn open_small(address: &str) -> Client {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a smaller buffer");
    let stream = socket.connect(address.parse().expect("an address")).await.expect("it connects");
    let stream = tokio_tungstenite::MaybeTlsStream::Plain(stream);
    let (socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream).await.expect("it opens");
    let mut client = Client { socket, hello: Value::Null };
    client.hello = client.expect("hello").await;
    client
}

fn count(metrics: &str, reason: &str) -> u64 {
    let line = format!("perch_disconnects_total{{transport=\"ws\",reason=\"{reason}\"}} ");
    metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

async fn metrics(http: &reqwest::Client, server: &Server) -> String {
    let page = http.get(format!("{}/metrics", server.url)).send().await.expect("perch answers");
    page.text().await.expect("text")
}

/// Waits until perch has ended `times` connections for this reason.
async fn ended(server: &Server, reason: &str, times: u64) {
    let http = crate::support::client();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while count(&metrics(&http, server).await, reason) < times {
        let is_early = tokio::time::Instant::now() < deadline;
        assert!(is_early, "not counted as {reason}: {}", metrics(&http, server).await);
    }
}

async fn ingest(server: &Server, tweets: &[Value]) {
    let body: String = tweets.iter().map(|tweet| format!("{tweet}\n")).collect();
    let answer = crate::support::client().post(format!("{}/api/tweets", server.url)).body(body).send().await;
    assert!(answer.expect("perch answers").status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_told_how_far_it_got_and_can_go_on_there() {
    const TWEETS: u64 = 4_000;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let transport = r#"transport=[{type="ws",write_timeout_ms=500},{type="rest"}]"#;
    let server = Server::start_with(&dir.path().join("index"), &["--set", transport]);
    let address = server.url.strip_prefix("http://").expect("http").to_owned();
    let mut stuck = open_small(&address).await;
    let epoch = stuck.hello["epoch"].clone();
    let first = stuck.percolate(json!({"query": "rust"})).await["seq"].as_u64().expect("a seq");
    // Its goodbye waits for some seconds only: nothing else comes between the end and the reading.
    let http = crate::support::client();
    let mut ids = std::ops::Range { start: 1, end: TWEETS + 1 };
    while !ids.is_empty() && count(&metrics(&http, &server).await, "too_slow") == 0 {
        let end = ids.end.min(ids.start + 250);
        ingest(&server, &long_tweets(ids.start..end)).await;
        ids.start = end;
    }
    ended(&server, "too_slow", 1).await;
    let (mut seqs, _, close) = take_all(&mut stuck, u64::MAX).await;
    let close = close.expect("it is told why");
    assert_eq!(u16::from(close.code), 4008);
    let since = close.reason.rsplit_once("since=").and_then(|(_, seq)| seq.parse::<u64>().ok());
    assert_eq!(since, seqs.last().copied(), "{}", close.reason);
    if !ids.is_empty() {
        ingest(&server, &long_tweets(ids)).await;
    }

    let mut again = Client::open(&address).await;
    let payload = json!({"query": "rust", "since": since, "epoch": epoch});
    again.percolate(payload).await;
    seqs.extend(take_all(&mut again, first + TWEETS).await.0);
    assert!(seqs.iter().copied().eq(first + 1..=first + TWEETS), "gap, double or disorder");
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_position_that_a_stuck_client_is_told_is_good_for_what_it_has_just_asked_for() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let transport = r#"transport=[{type="ws",write_timeout_ms=3000},{type="rest"}]"#;
    let server = Server::start_with(&dir.path().join("index"), &["--set", transport]);
    let address = server.url.strip_prefix("http://").expect("http").to_owned();
    let java: Vec<Value> = (1..=20).map(|id| tweet(id, "java")).collect();
    ingest(&server, &java).await;
    let mut stuck = open_small(&address).await;
    stuck.percolate(json!({"query": "rust", "name": "rust"})).await;
    // More than its connection holds, less than would keep the server from reading.
    ingest(&server, &long_tweets(101..201)).await;
    stuck.expect("tweet/new").await;
    stuck.send("cmd/percolate", json!({"query": "java", "name": "java", "since": 0})).await;
    until(async || server.get("/api/stats").await["queries"] == 2).await;
    ended(&server, "too_slow", 1).await;
    let (_, _, close) = take_all(&mut stuck, u64::MAX).await;
    let close = close.expect("it is told why");
    let since = close.reason.rsplit_once("since=").and_then(|(_, seq)| seq.parse::<u64>().ok()).expect("a position");

    let mut again = Client::open(&address).await;
    again.percolate(json!({"query": "java", "name": "java", "since": since})).await;
    let ids: Vec<Value> = {
        let mut ids = Vec::new();
        while ids.len() < java.len() {
            ids.push(again.tweet().await["tweet"]["id_str"].clone());
        }
        ids
    };
    assert!(ids.iter().eq(java.iter().map(|tweet| &tweet["id_str"])), "{ids:?}");
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_is_not_stuck_however_long_its_commands_take() {
    const COMMANDS: usize = 40;
    const TWEETS: u64 = 100;
    // Shorter than it takes to make an automaton, for which the tweets before the command wait.
    let settings = "[[transport]]\ntype = \"rest\"\n[[transport]]\ntype = \"ws\"\nwrite_timeout_ms = 1\n";
    let perch = Perch::start_with(settings).await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust", "name": "rust"})).await;
    let (body, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let request = perch.http.post(perch.url("/api/tweets")).body(reqwest::Body::wrap_stream(stream));
    let answer = tokio::spawn(request.send());
    let tweets = tokio::spawn(async move {
        for id in 1..=TWEETS {
            body.send(Ok(format!("{}\n", tweet(id, "rust")).into_bytes())).await.expect("perch reads");
        }
    });
    for at in 0..COMMANDS {
        let query = format!("/[a-f]+(b|c{at})*[d-z]+{at}x/");
        client.send("cmd/percolate", json!({"query": query, "name": format!("costly {at}")})).await;
    }
    let (mut registered, mut last) = (0, 0);
    while registered < COMMANDS || last < TWEETS {
        match client.event().await {
            (event, _) if event == "percolate/ok" => registered += 1,
            (event, payload) => {
                assert_eq!((event.as_str(), &payload["tweet"]["id"]), ("tweet/new", &json!(last + 1)));
                last += 1;
            }
        }
    }
    tweets.await.expect("no panic");
    assert!(answer.await.expect("no panic").expect("an answer").status().is_success());
    drop(client);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_is_counted_by_its_cause() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = ["--set", "limits.max_frame_bytes=2000", "--set", "limits.max_sessions=1"];
    let server = Server::start_with(&dir.path().join("index"), &settings);
    let address = server.url.strip_prefix("http://").expect("http").to_owned();

    let client = Client::open(&address).await;
    let more = tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await;
    ended(&server, "too_many", 1).await;
    drop((client, more));
    ended(&server, "gone", 1).await;
    let mut client = open_when_free(&address).await;
    client.send_text("x".repeat(3_000)).await;
    ended(&server, "too_large", 1).await;
    drop(client);
    // So large that nobody reads it to its end.
    let mut client = open_when_free(&address).await;
    client.send_text("x".repeat(10_000)).await;
    ended(&server, "too_large", 2).await;
    drop(client);
    let page = metrics(&crate::support::client(), &server).await;
    assert!(page.contains("perch_turned_away_total{reason=\"frame_size\"} 2\n"), "{page}");
    let mut client = open_when_free(&address).await;
    futures_util::SinkExt::send(&mut client.socket, Message::binary(vec![1])).await.expect("it goes out");
    ended(&server, "not_text", 1).await;
    server.kill();
}

/// The place of a client that was just told goodbye may still be taken.
async fn open_when_free(address: &str) -> Client {
    let opens = async {
        loop {
            let (mut socket, _) =
                tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.expect("the WebSocket opens");
            if let Some(Ok(Message::Text(text))) = socket.next().await {
                return Client { socket, hello: serde_json::from_str(&text).expect("JSON") };
            }
        }
    };
    tokio::time::timeout(PATIENCE, opens).await.expect("the place is given back")
}

#[tokio::test(flavor = "multi_thread")]
async fn many_frames_come_in_few_reads() {
    const TWEETS: usize = 200;
    let perch = Perch::start().await;
    let mut stream = TcpStream::connect(perch.address).await.expect("it connects");
    let request = "GET /ws HTTP/1.1\r\nHost: perch\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    // Masked by zeros, so as it stands.
    let command = br#"["cmd/percolate",{"query":"rust"}]"#;
    let len = 0x80 | u8::try_from(command.len()).expect("short");
    stream.write_all(&[&[0x81, len, 0, 0, 0, 0], &command[..]].concat()).await.expect("sent");
    let mut came = Vec::new();
    let find = |came: &[u8], text: &str| came.windows(text.len()).filter(|found| *found == text.as_bytes()).count();
    while find(&came, "percolate/ok") == 0 {
        assert!(stream.read_buf(&mut came).await.expect("read") > 0);
    }
    let tweets: Vec<Value> = (1..=TWEETS as u64).map(|id| tweet(id, "rust")).collect();
    perch.ingest(&tweets).await;
    let (mut reads, mut came) = (0, Vec::with_capacity(1024 * 1024));
    while find(&came, "tweet/new") < TWEETS {
        assert!(stream.read_buf(&mut came).await.expect("read") > 0);
        reads += 1;
    }
    assert!(reads * 4 < TWEETS, "{TWEETS} frames came in {reads} reads");
    drop(stream);
    perch.stop().await;
}
