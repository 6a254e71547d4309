//! Who may come in, at each door, and what one address may take.

mod exposure;
mod tokens;

use std::net::SocketAddr;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::{self, Message, http::HeaderValue};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::auth::{SECRET, seconds_from_now, sign};
use crate::support::process::Server;
use crate::support::{Client, PATIENCE, Perch, tweet, until};

/// Another address of this machine than the one that clients have by default.
const OTHER: &str = "127.0.0.2";

/// Doors of which no client of Sente counts as gone while a test goes on.
const PATIENT: &str = "[[transport]]\ntype = \"sente\"\naway_after_ms = 600000\n[[transport]]\ntype = \"ws\"\n\
                       [[transport]]\ntype = \"sse\"\n[[transport]]\ntype = \"rest\"\n";

/// A perch that asks clients for tokens.
async fn with_tokens(settings: &str) -> (Perch, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("secret");
    std::fs::write(&file, SECRET).expect("written");
    let settings = format!("[auth]\nsecret_file = {:?}\n{settings}", file.display().to_string());
    (Perch::start_with(&settings).await, dir)
}

fn token() -> String {
    sign(&json!({"sub": "ann", "exp": seconds_from_now(600)}))
}

/// A connection from this address of this machine.
async fn connect_from(source: &str, perch: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(format!("{source}:0").parse().expect("an address")).expect("all of 127.0.0.0/8 is this machine");
    socket.connect(perch).await.expect("a connection")
}

/// Sends this and reads to the end of the connection.
async fn exchange(mut stream: TcpStream, request: &str) -> String {
    // What is refused at once may be closed before all is sent.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed");
    assert!(read.is_ok() || !answer.is_empty(), "a reset without an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The answer to one request with these header lines.
async fn ask(perch: &Perch, request_line: &str, headers: &[&str]) -> String {
    let stream = TcpStream::connect(perch.address).await.expect("a connection");
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    exchange(stream, &format!("{request_line}\r\n{headers}Connection: close\r\n\r\n")).await
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// The value of a header of an answer.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a WebSocket on this connection, with this header besides.
async fn upgrade(
    stream: TcpStream,
    perch: SocketAddr,
    path: &str,
    more: Option<(&'static str, &str)>,
) -> Result<(Socket, Response), tungstenite::Error> {
    let mut request = format!("ws://{perch}{path}").into_client_request().expect("a request");
    if let Some((name, value)) = more {
        request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header"));
    }
    tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(stream)).await
}

/// Whether a session can be opened at `/ws` from this address: if not, the close code.
async fn session_from(source: &str, perch: &Perch) -> Result<Client, u16> {
    let stream = connect_from(source, perch.address).await;
    let (socket, _) = upgrade(stream, perch.address, "/ws", None).await.expect("the WebSocket opens");
    let mut client = Client { socket, hello: Value::Null };
    match client.message().await {
        Message::Close(Some(frame)) => Err(u16::from(frame.code)),
        _ => Ok(client),
    }
}

/// Sends `n` handshakes of new Sente clients on one connection, and counts their answers by
/// status.
async fn pipelined_handshakes(perch: &Perch, n: usize, name: &str, authorization: &str) -> Vec<(u16, usize)> {
    let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
    let (mut read, mut write) = stream.split();
    let send = async {
        for at in 0..n {
            let last = if at + 1 == n { "Connection: close\r\n" } else { "" };
            let request = format!(
                "GET /chsk?client-id={name}-{at}&handshake%3F=1 HTTP/1.1\r\nHost: localhost\r\n{authorization}{last}\r\n"
            );
            write.write_all(request.as_bytes()).await.expect("it goes out");
        }
    };
    let mut answers = Vec::new();
    let ((), answered) = tokio::join!(send, tokio::time::timeout(PATIENCE, read.read_to_end(&mut answers)));
    answered.expect("it ends").expect("in order");
    let answers = String::from_utf8_lossy(&answers);
    let mut counts = std::collections::BTreeMap::new();
    for answer in answers.split("HTTP/1.1 ").skip(1) {
        *counts.entry(answer[..3].parse().expect("a status")).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_can_not_take_all_sessions_by_pipelined_handshakes() {
    // With the limits as they are by default.
    let perch = Perch::start_with(PATIENT).await;
    let (first, second) =
        tokio::join!(pipelined_handshakes(&perch, 400, "a", ""), pipelined_handshakes(&perch, 400, "b", ""));
    let opened = |counts: &[(u16, usize)]| counts.iter().find(|(status, _)| *status == 200).map_or(0, |(_, n)| *n);
    let all = opened(&first) + opened(&second);
    assert_eq!(all, 500, "{first:?} {second:?}");
    // A client at another address can still open every kind of session.
    let _client = session_from(OTHER, &perch).await.expect("a session");
    let stream = connect_from(OTHER, perch.address).await;
    let answer = exchange(
        stream,
        "GET /chsk?client-id=c&handshake%3F=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&answer), 200, "{answer}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_open_a_session_counts() {
    let perch = Perch::start_with(&format!("{PATIENT}[limits]\nmax_sessions_per_address = 4\n")).await;
    let _ws = session_from("127.0.0.1", &perch).await.expect("a session");
    let sse = perch.http.get(perch.url("/api/stream?q=rust")).send().await.expect("perch answers");
    assert_eq!(sse.status().as_u16(), 200);
    assert_eq!(pipelined_handshakes(&perch, 1, "poll", "").await, [(200, 1)]);
    let stream = TcpStream::connect(perch.address).await.expect("a connection");
    let (_sente, _) = upgrade(stream, perch.address, "/chsk?client-id=socket", None).await.expect("it opens");

    assert_eq!(session_from("127.0.0.1", &perch).await.err(), Some(4006));
    let (status, answer) = perch.get("/api/stream?q=rust").await;
    assert_eq!((status, &answer["error"]["code"]), (429, &json!("limit")));
    assert!(answer["error"]["message"].as_str().expect("words").contains("limits.max_sessions_per_address"));
    assert_eq!(pipelined_handshakes(&perch, 2, "more", "").await, [(429, 2)]);
    let stream = TcpStream::connect(perch.address).await.expect("a connection");
    let Err(tungstenite::Error::Http(refused)) = upgrade(stream, perch.address, "/chsk?client-id=b", None).await else {
        panic!("it was let in")
    };
    assert_eq!(refused.status().as_u16(), 429);
    let _elsewhere = session_from(OTHER, &perch).await.expect("a session");
    drop(sse);
    until(async || session_from("127.0.0.1", &perch).await.is_ok()).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_can_not_take_all_connections() {
    let perch = Perch::start_with("[limits]\nmax_connections = 10\nmax_connections_per_address = 3\n").await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(session_from(OTHER, &perch).await.expect("a session"));
    }
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(connect_from(OTHER, perch.address).await, request).await;
    assert_eq!(status(&answer), 429, "{answer}");
    assert!(answer.contains("limits.max_connections_per_address"), "{answer}");
    assert_eq!(header(&answer, "connection"), Some("close"));
    // Others do not notice, and hold a connection each.
    for source in ["127.0.0.1", "127.0.0.3", "127.0.0.4"] {
        let answer = exchange(connect_from(source, perch.address).await, request).await;
        assert_eq!(status(&answer), 200, "{answer}");
    }
    drop(open);
    until(async || status(&exchange(connect_from(OTHER, perch.address).await, request).await) == 200).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_only_direct_connections_of_this_machine_bring_tweets() {
    let perch = Perch::start().await;
    let port = perch.address.port();
    let local = format!("Host: 127.0.0.1:{port}");
    let body = "Content-Length: 0";
    for host in [&*local, "Host: localhost", "Host: [::1]:8888", "Host: a.localhost:1"] {
        assert_eq!(status(&ask(&perch, "POST /api/tweets HTTP/1.1", &[host, body]).await), 200, "{host}");
        assert_eq!(status(&ask(&perch, "GET /api/queries HTTP/1.1", &[host]).await), 200, "{host}");
    }
    for more in [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: a",
        "X-Forwarded-Anything: a",
        "X-Real-IP: 192.0.2.1",
        "Forwarded: for=192.0.2.1",
        "Via: 1.1 a",
        "CF-Connecting-IP: 192.0.2.1",
        "True-Client-IP: 192.0.2.1",
        "X-Client-IP: 192.0.2.1",
        "X-Cluster-Client-IP: 192.0.2.1",
        "Fastly-Client-IP: 192.0.2.1",
        "X-Envoy-External-Address: 192.0.2.1",
    ] {
        for line in ["POST /api/tweets HTTP/1.1", "POST /api/percolate HTTP/1.1", "GET /api/queries HTTP/1.1"] {
            let answer = ask(&perch, line, &[&local, body, more]).await;
            assert_eq!(status(&answer), 401, "{more}: {answer}");
            assert!(answer.contains("a proxy has passed this request on"), "{answer}");
        }
    }
    for (line, host, reason) in [
        // As nginx passes a request on when nothing else is said.
        ("POST /api/tweets HTTP/1.0", &*local, "HTTP/1.0"),
        ("POST /api/tweets HTTP/1.1", "Host: perch", "`Host`"),
        ("POST /api/tweets HTTP/1.1", "Host: 10.0.0.1", "`Host`"),
    ] {
        let answer = ask(&perch, line, &[host, body]).await;
        assert_eq!(status(&answer), 401, "{line} {host}: {answer}");
        assert!(answer.contains(reason), "{answer}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_publishes_without_a_token_is_local_too() {
    let perch = Perch::start_with("[limits]\npublish_per_second = 10\n").await;
    let publish = json!({"text": "rust"});
    let mut client = perch.connect().await;
    client.send("cmd/publish", publish.clone()).await;
    client.expect("publish/ok").await;
    let stream = TcpStream::connect(perch.address).await.expect("a connection");
    let more = Some(("X-Forwarded-For", "192.0.2.1"));
    let (socket, _) = upgrade(stream, perch.address, "/ws", more).await.expect("it opens");
    let mut client = Client { socket, hello: Value::Null };
    client.expect("hello").await;
    client.send("cmd/publish", publish).await;
    assert_eq!(client.expect("cmd/error").await["code"], "unauthorized");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_allowed_origins_can_read_answers_and_errors() {
    let (perch, _dir) = with_tokens("[server]\nallowed_origins = [\"https://friend.example\"]\n").await;
    let (host, friend) = ("Host: localhost", "Origin: https://friend.example");
    let authorization = format!("Authorization: Bearer {}", token());
    let allowed = "access-control-allow-origin";
    for (line, expected) in [
        ("GET /api/search?q=rust HTTP/1.1", 200),
        ("GET /api/search?q=%22 HTTP/1.1", 400),
        ("GET /api/nothing HTTP/1.1", 404),
        ("GET /healthz HTTP/1.1", 200),
    ] {
        let answer = ask(&perch, line, &[host, friend, &authorization]).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(header(&answer, allowed), Some("https://friend.example"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("vary: origin"), "{answer}");
    }
    let answer = ask(&perch, "GET /api/search?q=rust HTTP/1.1", &[host, friend]).await;
    assert_eq!((status(&answer), header(&answer, allowed)), (401, Some("https://friend.example")), "{answer}");
    // Without a second word from the page: nobody else, and no two of which one is somebody else.
    for origins in [
        &["Origin: https://evil.example"][..],
        &["Origin: null"],
        &[friend, "Origin: https://evil.example"],
        &["Origin: https://evil.example", friend],
    ] {
        let lines = [&[host, &*authorization][..], origins].concat();
        let answer = ask(&perch, "GET /api/search?q=rust HTTP/1.1", &lines).await;
        assert_eq!(header(&answer, allowed), None, "{answer}");
        let answer = ask(&perch, "GET /api/stream?q=rust HTTP/1.1", &lines).await;
        assert_eq!((status(&answer), header(&answer, allowed)), (403, None), "{answer}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_answered() {
    let perch = Perch::start_with("[server]\nallowed_origins = [\"https://friend.example\"]\n").await;
    let host = "Host: localhost";
    for (path, method) in [("/api/stream", "GET"), ("/api/search", "GET"), ("/api/tweets", "POST"), ("/healthz", "GET")]
    {
        let line = format!("OPTIONS {path} HTTP/1.1");
        let method = format!("Access-Control-Request-Method: {method}");
        let wanted = "Access-Control-Request-Headers: authorization, content-type, last-event-id";
        let answer = ask(&perch, &line, &[host, "Origin: https://friend.example", &method, wanted]).await;
        assert_eq!(status(&answer) / 100, 2, "{answer}");
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("https://friend.example"), "{answer}");
        let headers = header(&answer, "access-control-allow-headers").expect("headers are allowed");
        assert!(["authorization", "content-type", "last-event-id"].iter().all(|name| headers.contains(name)));
        assert!(header(&answer, "access-control-allow-methods").expect("methods").contains("POST"));
        assert!(header(&answer, "access-control-max-age").is_some());
        let answer = ask(&perch, &line, &[host, "Origin: https://evil.example", &method, wanted]).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), None, "{answer}");
    }
    // As HAProxy asks whether a server is well.
    for (path, expected) in [("/healthz", 200), ("/readyz", 200), ("/", 204), ("/nothing", 404)] {
        assert_eq!(status(&ask(&perch, &format!("OPTIONS {path} HTTP/1.0"), &[]).await), expected, "{path}");
    }
    let answer = ask(&perch, "OPTIONS /api/search HTTP/1.1", &[host]).await;
    assert!(header(&answer, "allow").expect("methods").contains("GET"), "{answer}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_each_client_has_its_own_limits() {
    let limits = "[limits]\nmax_sessions_per_address = 1\nmax_connections_per_address = 3\nrequests_per_second = 1\n";
    let perch = Perch::start_with(&format!("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n{limits}")).await;
    let from = async |source: &str, address: &str| {
        let stream = connect_from(source, perch.address).await;
        let more = Some(("X-Forwarded-For", address));
        let (socket, _) = upgrade(stream, perch.address, "/ws", more).await?;
        let mut client = Client { socket, hello: Value::Null };
        Ok::<_, tungstenite::Error>(match client.message().await {
            Message::Close(Some(frame)) => Err(u16::from(frame.code)),
            _ => Ok(client),
        })
    };
    let one = from("127.0.0.1", "198.51.100.9, 192.0.2.1").await.expect("it opens").expect("a session");
    assert_eq!(from("127.0.0.1", "192.0.2.1").await.expect("it opens").err(), Some(4006));
    let _two = from("127.0.0.1", "192.0.2.2").await.expect("it opens").expect("a session");
    // Nobody else is believed.
    let _direct = from(OTHER, "192.0.2.3").await.expect("it opens").expect("a session");
    assert_eq!(from(OTHER, "192.0.2.4").await.expect("it opens").err(), Some(4006));

    // Connections: three of one client at the most, however the proxy carries them.
    let stream = async || {
        let request = perch.http.get(perch.url("/api/stream?q=rust")).header("X-Forwarded-For", "192.0.2.1");
        request.send().await.expect("perch answers").status().as_u16()
    };
    assert_eq!(stream().await, 429);
    drop(one);
    until(async || stream().await == 200).await;

    // Requests.
    let search = async |address: &str| {
        let request = perch.http.get(perch.url("/api/search?q=rust")).header("X-Forwarded-For", address);
        request.send().await.expect("perch answers").status().as_u16()
    };
    until(async || search("192.0.2.1").await == 429).await;
    assert_eq!(search("192.0.2.2").await, 200);
    // What a trusted proxy brings is not local, also without the header.
    assert_eq!(perch.post("/api/tweets", "").await.0, 401);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_each_request_is_a_connection_of_its_client() {
    let limits = "[limits]\nmax_connections_per_address = 2\n";
    let (perch, _dir) = with_tokens(&format!("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n{limits}")).await;
    let open = async |address: &str| {
        let stream = TcpStream::connect(perch.address).await.expect("a connection");
        upgrade(stream, perch.address, "/ws", Some(("X-Forwarded-For", address))).await
    };
    // Without a token these are no sessions.
    let first = open("192.0.2.1").await.expect("it opens");
    let _second = open("192.0.2.1").await.expect("it opens");
    let Err(tungstenite::Error::Http(refused)) = open("192.0.2.1").await else { panic!("it was let in") };
    assert_eq!(refused.status().as_u16(), 429);
    let _other = open("192.0.2.2").await.expect("it opens");
    drop(first);
    until(async || open("192.0.2.1").await.is_ok()).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_announces_connections() {
    let settings = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\nproxy_header = \"proxy-protocol\"\nheader_timeout_ms = 600000\n\
                    [limits]\nmax_connections_per_address = 1\n";
    let perch = Perch::start_with(settings).await;
    let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let announce = |address: &str| format!("PROXY TCP4 {address} 127.0.0.1 4711 80\r\n");
    let mut held = TcpStream::connect(perch.address).await.expect("a connection");
    held.write_all(announce("192.0.2.1").as_bytes()).await.expect("it goes out");
    // The connection is the client's once its header was read.
    let answer = async |header: String| {
        exchange(TcpStream::connect(perch.address).await.expect("a connection"), &(header + get)).await
    };
    until(async || status(&answer(announce("192.0.2.1")).await) == 429).await;
    assert_eq!(status(&answer(announce("192.0.2.2")).await), 200);
    assert_eq!(status(&answer("PROXY UNKNOWN\r\n".to_owned()).await), 200, "the proxy's own");
    // Without a header the proxy is not understood, and nobody else may send one.
    let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
    stream.write_all(get.as_bytes()).await.expect("it goes out");
    let mut nothing = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut nothing)).await.expect("it is closed");
    assert!(nothing.is_empty());
    let direct = exchange(connect_from(OTHER, perch.address).await, get).await;
    assert_eq!(status(&direct), 200);
    let liar = exchange(connect_from(OTHER, perch.address).await, &(announce("192.0.2.9") + get)).await;
    assert_eq!(status(&liar), 400);
    // What the proxy brings is not local, whatever address it names.
    let post = "POST /api/tweets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for header in [announce("127.0.0.1"), "PROXY UNKNOWN\r\n".to_owned()] {
        let stream = TcpStream::connect(perch.address).await.expect("a connection");
        assert_eq!(status(&exchange(stream, &(header + post)).await), 401);
    }
    drop(held);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_resumes_by_a_parameter() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "rust"), tweet(2, "rust")]).await;
    let client = perch.connect().await;
    let epoch = client.hello["epoch"].as_str().expect("an epoch").to_owned();
    let read = async |query: &str, header: Option<&str>, end: &str| {
        let mut request = perch.http.get(perch.url(&format!("/api/stream?q=rust{query}")));
        if let Some(id) = header {
            request = request.header("Last-Event-ID", id);
        }
        let mut stream = request.send().await.expect("perch answers");
        let mut text = String::new();
        let read = async {
            while !text.contains(end) {
                let Some(chunk) = stream.chunk().await.expect("the stream is whole") else { break };
                text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("it comes");
        text
    };
    let text = read(&format!("&lastEventId={epoch}%3A0"), None, "stream/live").await;
    assert_eq!(text.matches("event: tweet/new").count(), 2, "{text}");
    let text = read(&format!("&lastEventId={epoch}:1"), None, "stream/live").await;
    assert_eq!(text.matches("event: tweet/new").count(), 1, "{text}");
    // The header is the browser's own, and newer: a polyfill's URL may be as old as the page.
    let text = read(&format!("&lastEventId={epoch}:0"), Some(&format!("{epoch}:1")), "stream/live").await;
    assert_eq!(text.matches("event: tweet/new").count(), 1, "{text}");
    let text = read("&lastEventId=", None, "percolate/ok").await;
    assert!(!text.contains("stream/catching-up"), "an empty one is none");
    let (status, answer) = perch.get("/api/stream?q=rust&lastEventId=nonsense").await;
    assert_eq!((status, &answer["error"]["at"]["field"]), (400, &json!("lastEventId")), "{answer}");
    perch.stop().await;
}
