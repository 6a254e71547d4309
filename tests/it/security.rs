//! Who may come in, and how much they may take.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, http::HeaderValue};

use crate::support::{PATIENCE, Perch, tweet};

const TOKEN: &str = "a token that nobody guesses";

/// The status of a WebSocket handshake of a page from this origin.
async fn handshake(perch: &Perch, origin: &str) -> u16 {
    let mut request = format!("ws://{}/ws", perch.address).into_client_request().expect("a request");
    request.headers_mut().insert("Origin", HeaderValue::from_str(origin).expect("a header"));
    match tokio_tungstenite::connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

async fn from_origin(perch: &Perch, path: &str, origin: &str) -> u16 {
    let request = perch.http.get(perch.url(path)).header("Origin", origin);
    request.send().await.expect("perch answers").status().as_u16()
}

async fn with_token(perch: &Perch, path: &str, token: &str) -> (u16, Value) {
    let request = perch.http.post(perch.url(path)).bearer_auth(token).body(tweet(1, "rust").to_string());
    let response = request.send().await.expect("perch answers");
    (response.status().as_u16(), response.json().await.expect("the answer is JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_from_elsewhere_get_403_before_the_upgrade() {
    let perch = Perch::start_with("[server]\nallowed_origins = [\"https://friend.example\"]\n").await;
    let own = format!("http://{}", perch.address);
    for (origin, allowed) in
        [(own.as_str(), true), ("https://friend.example", true), ("https://evil.example", false), ("null", false)]
    {
        assert_eq!(handshake(&perch, origin).await, if allowed { 101 } else { 403 }, "{origin}");
        let status = from_origin(&perch, "/api/stream?q=rust", origin).await;
        assert_eq!(status, if allowed { 200 } else { 403 }, "{origin}");
        // Reading along with a plain GET is what browsers prevent by themselves.
        assert_eq!(from_origin(&perch, "/api/search?q=rust", origin).await, 200);
    }
    let body = perch.http.post(perch.url("/api/tweets")).header("Origin", "https://evil.example").body("{}");
    assert_eq!(body.send().await.expect("perch answers").status().as_u16(), 403, "pages can post without asking");
    perch.connect().await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tweets_come_in_with_the_token_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).expect("written");
    let perch = Perch::start_with(&format!("[ingest]\ntoken_file = {:?}\n", file.display().to_string())).await;
    for path in ["/api/tweets", "/api/percolate"] {
        let (status, answer) = perch.post(path, tweet(1, "rust").to_string()).await;
        assert_eq!((status, &answer["error"]["code"]), (401, &json!("unauthorized")), "{path}");
        assert_eq!(with_token(&perch, path, "a token that nobody guessed").await.0, 401);
        let (status, answer) = with_token(&perch, path, TOKEN).await;
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(perch.get("/api/search?q=rust").await.1["total"], 1);
    // What others search for is nothing for every client either.
    assert_eq!(perch.get("/api/queries").await.0, 401);
    let listed = perch.http.get(perch.url("/api/queries")).bearer_auth(TOKEN).send().await.expect("perch answers");
    assert_eq!(listed.status().as_u16(), 200);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_passes_on_is_not_local() {
    let perch = Perch::start().await;
    let request = perch.http.post(perch.url("/api/tweets")).header("X-Forwarded-For", "192.0.2.1").body("{}");
    assert_eq!(request.send().await.expect("perch answers").status().as_u16(), 401);
    perch.ingest(&[tweet(1, "rust")]).await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_sessions() {
    let perch = Perch::start_with("[limits]\nmax_sessions_per_address = 2\n").await;
    let (first, _second) = (perch.connect().await, perch.connect().await);
    let (status, answer) = perch.get("/api/stream?q=rust").await;
    assert_eq!((status, &answer["error"]["code"]), (429, &json!("limit")));
    drop(first);
    // The place is free as soon as the server has noticed.
    let free = async {
        while perch.http.get(perch.url("/api/stream?q=rust")).send().await.expect("an answer").status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.expect("the place is given back");
    perch.stop().await;
}

/// Reads until the server closes the connection.
async fn closed(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end as well.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the server closes");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_to_its_end_is_cut_off() {
    let perch = Perch::start_with("[server]\nheader_timeout_ms = 200\n").await;
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
        stream.write_all(beginning.as_bytes()).await.expect("it goes out");
        closed(stream).await;
    }
    // A socket that became a WebSocket has no head to wait for.
    let mut client = perch.connect().await;
    tokio::time::timeout(Duration::from_millis(600), client.message()).await.ok();
    client.settle().await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused() {
    let perch = Perch::start_with("[limits]\nmax_headers = 20\nmax_header_bytes = 8192\n").await;
    let many: String = (0..40).map(|at| format!("X-{at}: a\r\n")).collect();
    let long = format!("X: {}\r\n", "a".repeat(20_000));
    for headers in [many, long] {
        let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
        let head = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.expect("it goes out");
        let answer = closed(stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    assert_eq!(perch.get("/healthz").await.0, 200);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_connections() {
    let perch = Perch::start_with("[server]\nheader_timeout_ms = 600000\n[limits]\nmax_connections = 2\n").await;
    let (first, _second) = (perch.connect().await, TcpStream::connect(perch.address).await.expect("a connection"));
    // The kernel takes connections before perch does: those that perch does not want end without an answer.
    let third = TcpStream::connect(perch.address).await.expect("a connection");
    assert_eq!(closed(third).await, "");
    drop(first);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_is_closed() {
    let perch = Perch::start_with("[limits]\nfirst_frame_ms = 300\n").await;
    let mut client = perch.connect().await;
    let mut spoken = perch.connect().await;
    spoken.settle().await;
    let frame = loop {
        if let Message::Close(frame) = client.message().await {
            break frame.expect("a close frame");
        }
    };
    assert_eq!(u16::from(frame.code), 4007);
    spoken.settle().await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_commands_is_refused_and_the_connection_goes_on() {
    let perch = Perch::start_with("[limits]\ncommands_per_second = 2\n").await;
    let mut client = perch.connect().await;
    for at in 0..50 {
        client.send_text(json!(["cmd/ping", {}, at]).to_string()).await;
    }
    let (mut pongs, mut refused) = (0, 0);
    while pongs + refused < 50 {
        match client.event().await {
            (event, _) if event == "pong" => pongs += 1,
            (event, payload) => {
                assert_eq!((event.as_str(), &payload["code"]), ("cmd/error", &json!("limit")));
                refused += 1;
            }
        }
    }
    assert!(pongs >= 4 && refused > 0, "{pongs} {refused}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_is_said() {
    let perch = Perch::start_with("[limits]\npushes_per_second = 5\n").await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust"})).await;
    let tweets: Vec<_> = (1..=200).map(|id| tweet(id, "rust")).collect();
    let seq = perch.ingest(&tweets).await;
    let (mut sent, mut withheld) = (0, 0);
    while sent + withheld < 200 {
        match client.event().await {
            (event, _) if event == "tweet/new" => sent += 1,
            (event, payload) => {
                assert_eq!(event, "stream/limited");
                withheld += payload["count"].as_u64().expect("a count");
                assert!(payload["seq"].as_u64().expect("a seq") <= seq);
            }
        }
    }
    assert_eq!(sent + withheld, 200, "each is sent or counted, none twice");
    assert!(sent >= 5 && withheld > 0, "{sent} {withheld}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resumes_is_slowed_down_and_loses_nothing() {
    let perch = Perch::start_with("[limits]\npushes_per_second = 20\n").await;
    let tweets: Vec<_> = (1..=40).map(|id| tweet(id, "rust")).collect();
    perch.ingest(&tweets).await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust", "since": 0})).await;
    for id in 1..=40 {
        assert_eq!(client.tweet().await["tweet"]["id"], id);
    }
    client.expect("stream/live").await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_has_the_same_limit() {
    let perch = Perch::start_with("[limits]\npushes_per_second = 1\n").await;
    let mut stream = perch.http.get(perch.url("/api/stream?q=rust")).send().await.expect("perch answers");
    let mut text = String::new();
    while !text.contains("percolate/ok") {
        let chunk = stream.chunk().await.expect("the stream is whole").expect("it goes on");
        text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
    }
    perch.ingest(&[tweet(1, "rust"), tweet(2, "rust"), tweet(3, "rust")]).await;
    let said = async {
        while !text.contains("event: stream/limited\ndata: {\"count\":2,\"seq\":") {
            let chunk = stream.chunk().await.expect("the stream is whole").expect("it goes on");
            text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    };
    tokio::time::timeout(PATIENCE, said).await.expect("it is said");
    drop(stream);
    perch.stop().await;
}
