//! Heads of requests: too slow, too long, or wrong.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_to_its_end_is_cut_off() {
    let perch = Perch::start_with("[server]\nheader_timeout_ms = 200\n").await;
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
        // On a busy machine the time may be over before this goes out.
        let _ = stream.write_all(beginning.as_bytes()).await;
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
async fn a_head_that_no_handler_sees_is_refused_with_an_error() {
    let perch = Perch::start_with("[limits]\nmax_headers = 20\nmax_header_bytes = 200000\n").await;
    let many: String = (0..40).map(|at| format!("X-{at}: a\r\n")).collect();
    for (head, status, code) in [
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431, "too_large"),
        (format!("GET /api/search?q={} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000)), 414, "too_large"),
        ("GET /healthz HTTP/1.1\r\nHost a\r\n\r\n".to_owned(), 400, "bad_payload"),
        ("GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n".to_owned(), 400, "bad_payload"),
        // Behind an answer.
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nG?T\r\n\r\n".to_owned(), 200, "alive"),
    ] {
        let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
        stream.write_all(head.as_bytes()).await.expect("it goes out");
        let answer = closed(stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        if status == 200 {
            continue;
        }
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"));
        assert_eq!(body["error"]["code"], code, "{answer}");
        for field in ["content-type: application/json", "connection: close", "date: "] {
            assert!(head.to_lowercase().contains(field), "{field}: {answer}");
        }
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_version_of_websockets_is_told_the_right_one() {
    let perch = Perch::start().await;
    for path in ["/ws", "/chsk?client-id=a"] {
        let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it goes out");
        let answer = closed(stream).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(answer.to_lowercase().contains("\r\nsec-websocket-version: 13\r\n"), "{path}: {answer}");
    }
    // No handshake at all: what to upgrade to is said.
    let answer = perch.http.get(perch.url("/ws")).send().await.expect("perch answers");
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(header("sec-websocket-version").as_deref(), Some("13"));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_a_host_or_with_two_is_refused() {
    let perch = Perch::start().await;
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", 400),
        ("GET /healthz HTTP/1.0\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\n", 200),
        ("GET /healthz HTTP/1.0\r\n", 200),
    ] {
        let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
        stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await.expect("it goes out");
        let answer = closed(stream).await;
        assert_eq!(answer.split(' ').nth(1), Some(status.to_string().as_str()), "{head}: {answer}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_header_fields_holds_for_http2() {
    let perch = Perch::start_with("[server]\nheader_timeout_ms = 2000\nidle_timeout_ms = 300\n").await;
    for (more, expected) in [(50, "alive"), (200, "at most 100 header fields")] {
        let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
        stream.write_all(&http2_get_with("/healthz", &[], more)).await.expect("it goes out");
        read_until(&mut stream, expected).await;
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_cut_off_are_counted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Server::start_with(&dir.path().join("index"), &["--set", "server.header_timeout_ms=1500"]);
    let address = server.url.strip_prefix("http://").expect("http").to_owned();
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    let many: String = (0..200).map(|at| format!("X-{at}: a\r\n")).collect();
    for (sent, reason, times) in [
        (format!("{request}\r\n{request}X-Slow: "), "header_timeout", 1),
        (format!("{request}\r\n"), "idle_timeout", 1),
        (request.to_owned(), "header_timeout", 2),
        (format!("{request}{many}\r\n"), "headers", 1),
        (format!("{request}X: {}\r\n\r\n", "a".repeat(70_000)), "headers", 2),
    ] {
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        // The beginning of the next head comes once the answer is there.
        let (first, rest) = sent.split_at(sent.find("\r\n\r\n").map_or(sent.len(), |end| end + 4));
        stream.write_all(first.as_bytes()).await.expect("it goes out");
        if !rest.is_empty() {
            read_until(&mut stream, "alive").await;
            stream.write_all(rest.as_bytes()).await.expect("it goes out");
        }
        closed(stream).await;
        until(async || {
            let page = crate::support::get(format!("{}/metrics", server.url)).await.expect("perch answers");
            turned_away(&page.text().await.expect("text"), reason) == times
        })
        .await;
    }
    server.kill();
}
