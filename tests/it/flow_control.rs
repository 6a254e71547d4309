//! Clients that ask for much and take nothing: what perch holds for them is bounded, and they end.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::process::Server;
use crate::support::{PATIENCE, Perch, tweet, until};

/// 100 streams are what one connection may have.
const STREAMS: usize = 100;

/// Tweets that make a page of about 1 MB.
async fn fill(server: &Server) {
    let text = format!("rust {}", "x".repeat(900));
    let body: String = (1..=1_000).map(|id| format!("{}\n", tweet(id, &text))).collect();
    let answer = crate::support::client().post(format!("{}/api/tweets", server.url)).body(body).send().await;
    assert!(answer.expect("perch answers").status().is_success());
}

fn address(server: &Server) -> SocketAddr {
    server.url.strip_prefix("http://").and_then(|address| address.parse().ok()).expect("an address")
}

/// A connection from another address of this machine.
async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((from, 0))).expect("an address of this machine");
    socket.connect(to).await.expect("a connection")
}

/// A client of HTTP/2 with this window for each stream.
pub(crate) async fn http2(stream: TcpStream, window: u32) -> SendRequest<Bytes> {
    let (client, connection) =
        Builder::new().initial_window_size(window).handshake(stream).await.expect("HTTP/2 is spoken");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

pub(crate) fn get(path: &str) -> hyper::Request<()> {
    hyper::Request::get(format!("http://localhost{path}")).body(()).expect("a request")
}

async fn metric(server: &Server, name: &str) -> f64 {
    let page = crate::support::get(format!("{}/metrics", server.url)).await.expect("perch answers");
    let page = page.text().await.expect("text");
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
}

/// Reads a body to its end: its length, or the reason of its reset.
async fn read(mut body: h2::RecvStream) -> Result<usize, h2::Error> {
    let mut len = 0;
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        len += bytes.len();
        body.flow_control().release_capacity(bytes.len())?;
    }
    Ok(len)
}

/// Waits for the end of a body without making room for more of it.
async fn wait(mut body: h2::RecvStream) -> Result<(), h2::Error> {
    while let Some(bytes) = body.data().await {
        bytes?;
    }
    Ok(())
}

const BOUNDS: [&str; 6] = [
    "--set",
    "limits.response_buffer_mb=8",
    "--set",
    "limits.response_buffer_per_address_mb=6",
    "--set",
    "limits.response_buffer_per_connection_mb=4",
];

#[tokio::test(flavor = "multi_thread")]
async fn streams_with_no_window_hold_little_and_are_reset() {
    let dir = tempfile::tempdir().expect("a directory");
    // Longer than the wait for the resets: no search gives up before.
    let times = ["--set", "server.write_timeout_ms=1500", "--set", "limits.search_timeout_ms=600000"];
    let server = Server::start_with(&dir.path().join("index"), &[&BOUNDS[..], &times].concat());
    fill(&server).await;
    for window in [0, 1] {
        let before = metric(&server, "perch_turned_away_total{reason=\"write_timeout\"}").await;
        let mut client = http2(connect_from([127, 0, 0, 2], address(&server)).await, window).await;
        let mut answers = Vec::new();
        for _ in 0..STREAMS {
            client = client.ready().await.expect("room for a stream");
            let (answer, _) = client.send_request(get("/api/search?q=rust&n=1000"), true).expect("it goes out");
            answers.push(answer);
        }
        // The first page is there, and nobody takes it: it is reset, and another has its turn.
        for answer in answers.drain(..3) {
            let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer").expect("a head");
            assert_eq!(answer.status(), 200);
            let held = metric(&server, "perch_response_buffer_bytes").await;
            assert!(held <= f64::from(4 << 20), "{held} bytes are held for one connection");
            let end = tokio::time::timeout(PATIENCE, wait(answer.into_body())).await.expect("it ends");
            assert_eq!(end.expect_err("it is reset").reason(), Some(h2::Reason::CANCEL));
        }
        let resets = metric(&server, "perch_turned_away_total{reason=\"write_timeout\"}").await - before;
        assert!(resets >= 3.0, "{resets} are counted");
        // The connection lives, and another client is served meanwhile.
        client = client.ready().await.expect("room for a stream");
        let (answer, _) = client.send_request(get("/healthz"), true).expect("it goes out");
        assert_eq!(answer.await.expect("an answer").status(), 200);
        let other = crate::support::get(format!("{}/api/search?q=rust&n=10", server.url)).await.expect("an answer");
        assert_eq!(other.status().as_u16(), 200);
        drop((client, answers));
        until(async || metric(&server, "perch_response_buffer_bytes").await == 0.0).await;
    }
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_hold_no_more_than_their_address_may() {
    let dir = tempfile::tempdir().expect("a directory");
    let times = ["--set", "limits.search_timeout_ms=1000"];
    let server = Server::start_with(&dir.path().join("index"), &[&BOUNDS[..], &times].concat());
    fill(&server).await;
    let mut clients = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..8 {
        let mut client = http2(connect_from([127, 0, 0, 2], address(&server)).await, 0).await;
        for _ in 0..8 {
            client = client.ready().await.expect("room for a stream");
            answers.push(client.send_request(get("/api/search?q=rust&n=1000"), true).expect("it goes out").0);
        }
        clients.push(client);
    }
    let (mut taken, mut refused) = (Vec::new(), 0);
    for answer in answers {
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer").expect("a head");
        match answer.status().as_u16() {
            200 => taken.push(answer),
            503 => refused += 1,
            status => panic!("{status}"),
        }
    }
    let held = metric(&server, "perch_response_buffer_bytes").await;
    assert!(held > 0.0 && held <= f64::from(6 << 20), "{held} bytes are held for one address");
    assert!(!taken.is_empty() && refused > 0, "{} answers, {refused} refused", taken.len());
    // A page of this size has room beside them.
    let other = crate::support::get(format!("{}/api/search?q=rust&n=400", server.url)).await.expect("an answer");
    assert_eq!(other.status().as_u16(), 200);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_that_are_read_are_all_answered() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start_with(&dir.path().join("index"), &BOUNDS);
    fill(&server).await;
    let mut client = http2(TcpStream::connect(address(&server)).await.expect("a connection"), 1 << 20).await;
    let mut answers = Vec::new();
    for _ in 0..30 {
        client = client.ready().await.expect("room for a stream");
        let (answer, _) = client.send_request(get("/api/search?q=rust&n=1000"), true).expect("it goes out");
        answers.push(tokio::spawn(async move {
            let answer = answer.await.expect("an answer");
            let len = answer.headers()["content-length"].to_str().expect("text").parse::<usize>().expect("a number");
            assert_eq!((answer.status().as_u16(), read(answer.into_body()).await.expect("a body")), (200, len));
            len
        }));
    }
    for answer in answers {
        let len = tokio::time::timeout(PATIENCE, answer).await.expect("it comes").expect("no panic");
        assert!(len > 900_000, "{len}");
    }
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_hold_one_answer_and_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let times = ["--set", "server.write_timeout_ms=1500"];
    let server = Server::start_with(&dir.path().join("index"), &[&BOUNDS[..], &times].concat());
    fill(&server).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a small buffer");
    let mut stream = socket.connect(address(&server)).await.expect("a connection");
    let request = "GET /api/search?q=rust&n=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(STREAMS);
    stream.write_all(request.as_bytes()).await.expect("it goes out");
    until(async || metric(&server, "perch_response_buffer_bytes").await > 0.0).await;
    let ended = async || metric(&server, "perch_turned_away_total{reason=\"write_timeout\"}").await >= 1.0;
    while !ended().await {
        let held = metric(&server, "perch_response_buffer_bytes").await;
        assert!(held < 2e6, "{held} bytes are held");
    }
    // What comes is what the system had taken, and then the end.
    let mut came = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut came)).await.expect("it ends");
    assert!(came.len() < 1_000_000, "{}", came.len());
    until(async || metric(&server, "perch_response_buffer_bytes").await == 0.0).await;
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_of_unread_answers_gives_its_memory_back() {
    const MEMORY: &str = "perch_process_anonymous_bytes";
    let dir = tempfile::tempdir().expect("a directory");
    let times = ["--set", "limits.search_timeout_ms=600000"];
    let server = Server::start_with(&dir.path().join("index"), &times);
    fill(&server).await;
    let page = crate::support::get(format!("{}/api/search?q=rust&n=1000", server.url)).await.expect("an answer");
    assert!(page.bytes().await.expect("a body").len() > 900_000);
    let before = metric(&server, MEMORY).await;
    let mut connections = Vec::new();
    for at in 0..120_u8 {
        let mut stream = connect_from([127, 0, 0, 2 + at % 8], address(&server)).await;
        let request = "GET /api/search?q=rust&n=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("it goes out");
        connections.push(stream);
    }
    for stream in &connections {
        tokio::time::timeout(PATIENCE, stream.readable()).await.expect("an answer").expect("it begins");
    }
    let wave = metric(&server, MEMORY).await;
    assert!(wave > before + 50e6, "{before} {wave}: the answers are not held");
    drop(connections);
    until(async || metric(&server, MEMORY).await <= 1.5 * before).await;
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_wanted_ends_its_stream_alone() {
    let perch = Perch::start().await;
    let mut client = http2(TcpStream::connect(perch.address).await.expect("a connection"), 65_535).await;
    for _ in 0..3 {
        client = client.ready().await.expect("room for a stream");
        let request = hyper::Request::post("http://localhost/nothing").body(()).expect("a request");
        let (answer, mut body) = client.send_request(request, false).expect("it goes out");
        // More than the window, so that it can't have gone out before the answer comes. The stream
        // may have ended already.
        let _ = body.send_data(Bytes::from(vec![b'x'; 4 << 20]), false);
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("it comes").expect("an answer");
        assert_eq!(answer.status(), 404);
        let bytes = answer.into_body().data().await.expect("a body").expect("bytes");
        let answer: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(answer["error"]["code"], "not_found");
        let reset = std::future::poll_fn(|context| body.poll_reset(context));
        let reason = tokio::time::timeout(PATIENCE, reset).await.expect("it is reset").expect("a reason");
        assert_eq!(reason, h2::Reason::NO_ERROR);
    }
    drop(client);
    perch.stop().await;
}
