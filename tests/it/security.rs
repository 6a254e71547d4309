//! Who may come in, and how much they may take.

mod heads;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, http::HeaderValue};

use crate::support::process::Server;
use crate::support::{PATIENCE, Perch, tweet, until};

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

/// Reads until this has come.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let read = async {
        let mut came = Vec::new();
        while !String::from_utf8_lossy(&came).contains(text) {
            let n = stream.read_buf(&mut came).await.expect("it is open");
            assert!(n > 0, "{}", String::from_utf8_lossy(&came));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it comes");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_only_so_many_connections() {
    let perch = Perch::start_with("[server]\nheader_timeout_ms = 600000\n[limits]\nmax_connections = 2\n").await;
    let (first, _second) = (perch.connect().await, TcpStream::connect(perch.address).await.expect("a connection"));
    // The kernel takes connections before perch does: those that perch does not want end without an
    // answer.
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
async fn a_flood_of_frames_is_slowed_down_whatever_they_are_and_the_connection_goes_on() {
    const FRAMES: usize = 25;
    let perch = Perch::start_with("[limits]\ncommands_per_second = 5\n").await;
    let floods = [r#"["cmd/ping"]"#, "nonsense", r#"["cmd/nonsense"]"#, r#"["cmd/percolate"]"#].map(async |frame| {
        let mut client = perch.connect().await;
        client.percolate(json!({"query": "rust"})).await;
        let started = Instant::now();
        for _ in 0..FRAMES {
            client.send_text(frame).await;
        }
        let mut refused = 0;
        for _ in 0..FRAMES {
            let (_, payload) = client.event().await;
            refused += usize::from(payload["code"] == "limit");
        }
        // 9 at once, and the others as time goes by.
        let took = started.elapsed();
        assert!(took > Duration::from_millis(2_500), "{frame}: all were read in {took:?}");
        assert!((1..=FRAMES - 9).contains(&refused), "{frame}: {refused} were refused");
        client
    });
    let clients = futures_util::future::join_all(floods).await;
    perch.ingest(&[tweet(1, "rust")]).await;
    for mut client in clients {
        assert_eq!(client.tweet().await["tweet"]["id"], 1);
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_is_refused_and_tweets_come_in_all_the_same() {
    let perch = Perch::start_with("[limits]\nrequests_per_second = 1\n").await;
    let mut tweet_json = tweet(1, "rust");
    perch.ingest(&[tweet_json.clone()]).await;
    let paths = ["/api/search?q=rust", "/api/tweets/1", "/api/explain?q=rust", "/api/stats", "/api/queries"];
    let mut refused = 0;
    for path in paths.into_iter().cycle().take(25) {
        let answer = perch.http.get(perch.url(path)).send().await.expect("perch answers");
        let (status, pause) = (answer.status().as_u16(), answer.headers().get("retry-after").cloned());
        if status == 200 {
            continue;
        }
        assert_eq!((status, pause.is_some()), (429, true), "{path}");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["error"]["code"], "limit", "{path}");
        refused += 1;
    }
    assert!(refused > 0);
    // The bucket is the address's, whatever it asks for.
    let flooded = async { while perch.post("/api/percolate", tweet_json.to_string()).await.0 != 429 {} };
    tokio::time::timeout(PATIENCE, flooded).await.expect("it is refused");
    for id in 2..20 {
        tweet_json = tweet(id, "rust");
        perch.ingest(&[tweet_json.clone()]).await;
        assert_eq!(perch.get("/healthz").await.0, 200);
    }
    let metrics =
        perch.http.get(perch.url("/metrics")).send().await.expect("perch answers").text().await.expect("text");
    assert!(turned_away(&metrics, "requests") > refused, "{metrics}");
    perch.stop().await;
}

/// How many were turned away for this reason.
fn turned_away(metrics: &str, reason: &str) -> u64 {
    let line = format!("perch_turned_away_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_takes_too_long_is_answered_and_counted() {
    // A page of a thousand long tweets takes longer than this on any machine.
    let perch = Perch::start_with("[limits]\nsearch_timeout_ms = 1\n").await;
    let text = format!("rust {}", "words ".repeat(500));
    let tweets: Vec<_> = (1..=1_000).map(|id| tweet(id, &text)).collect();
    perch.ingest(&tweets).await;
    let (status, answer) = perch.get("/api/search?q=rust&n=1000").await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("unavailable")), "{answer}");
    assert!(answer["error"]["message"].as_str().expect("words").contains("longer than 1 ms"), "{answer}");
    let mut client = perch.connect().await;
    client.send("cmd/query", json!({"query": "rust", "n": 1_000})).await;
    assert_eq!(client.expect("cmd/error").await["code"], "unavailable");
    let metrics =
        perch.http.get(perch.url("/metrics")).send().await.expect("perch answers").text().await.expect("text");
    assert!(turned_away(&metrics, "search_timeout") >= 2, "{metrics}");
    drop(client);
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

/// The status of a request that calls perch by this name.
async fn with_host(perch: &Perch, path: &str, host: &str) -> u16 {
    let request = perch.http.get(perch.url(path)).header("Host", host);
    request.send().await.expect("perch answers").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn perch_answers_to_names_that_nobody_else_can_give_it() {
    let perch = Perch::start_with("[server]\nallowed_hosts = [\"Perch.example\"]\n").await;
    for host in [
        "127.0.0.1",
        "10.1.2.3:80",
        "[::1]:8888",
        "localhost",
        "localhost.",
        "a.localhost:1",
        "perch",
        "pc.local",
        "perch.example:443",
        "PERCH.EXAMPLE.",
    ] {
        assert_eq!(with_host(&perch, "/api/search?q=rust", host).await, 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:8888",
        "127.0.0.1.evil.example",
        "perch.example.evil.example",
        "a b",
        "evil.com.",
    ] {
        for path in ["/", "/api/search?q=rust", "/api/stream?q=rust", "/ws", "/chsk?client-id=a", "/nothing"] {
            assert_eq!(with_host(&perch, path, host).await, 403, "{host} {path}");
        }
        assert_eq!(with_host(&perch, "/healthz", host).await, 200);
    }
    // As a page of another site would, to which its own name is perch's as well.
    let mut request = format!("ws://{}/ws", perch.address).into_client_request().expect("a request");
    request.headers_mut().insert("Origin", HeaderValue::from_static("http://evil.example"));
    request.headers_mut().insert("Host", HeaderValue::from_static("evil.example"));
    let Err(tungstenite::Error::Http(refused)) = tokio_tungstenite::connect_async(request).await else {
        panic!("it was let in")
    };
    assert_eq!(refused.status().as_u16(), 403);
    perch.stop().await;

    let perch = Perch::start_with("[server]\nallowed_hosts = [\"*\"]\n").await;
    assert_eq!(with_host(&perch, "/api/search?q=rust", "evil.example").await, 200);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let perch = Perch::start_with("[server]\nbody_timeout_ms = 300\n").await;
    let line = format!("{}\n", tweet(1, "rust"));
    for (path, status) in [("/api/tweets", "408"), ("/api/percolate", "408"), ("/chsk", "408")] {
        let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{line}");
        stream.write_all(head.as_bytes()).await.expect("it goes out");
        let answer = closed(stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(path != "/api/tweets" || answer.contains("\"accepted\":1"), "{answer}");
    }
    // One that is held must come in all in time, however busy it looks.
    let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
    let head = "POST /api/percolate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("it goes out");
    let (mut read, mut write) = stream.into_split();
    let trickle = async {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        while write.write_all(b" ").await.is_ok() {
            every.tick().await;
        }
    };
    let mut answer = [0; 12];
    tokio::select! {
        biased;
        read = tokio::time::timeout(PATIENCE, read.read_exact(&mut answer)) => {
            read.expect("an answer comes").expect("it is whole");
        }
        () = trickle => panic!("the connection broke"),
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    perch.stop().await;
}

/// A connection of HTTP/2 with these settings and one request.
fn http2_get(path: &str, settings: &[u8]) -> Vec<u8> {
    http2_get_with(path, settings, 0)
}

/// The same with `more` further header fields.
fn http2_get_with(path: &str, settings: &[u8], more: u16) -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let len = u16::try_from(payload.len()).expect("short").to_be_bytes();
        [&[0, len[0], len[1], kind, flags, 0, 0, 0, stream], payload].concat()
    };
    // GET and http from the table; path and authority written out.
    let path_len = u8::try_from(path.len()).expect("short");
    let headers = [b"\x82\x86\x04", &[path_len][..], path.as_bytes(), b"\x41\x09localhost"].concat();
    let more: String = (0..more).map(|at| format!("\0\u{6}x-{at:04}\u{1}a")).collect();
    let headers = [&headers, more.as_bytes()].concat();
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, settings), frame(1, 5, 1, &headers)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_ends() {
    let perch = Perch::start_with("[server]\nwrite_timeout_ms = 500\n").await;
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(8 * 1024).expect("a small buffer");
    let mut stream = socket.connect(perch.address).await.expect("a connection");
    stream.write_all(b"GET /api/stream?q=rust HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("it goes out");
    until(async || perch.get("/api/stats").await.1["queries"] == 1).await;
    // One long word, and nothing to look for in it.
    let long = format!("rust {}", "x".repeat(20_000));
    let tweet = |id: u64| json!({"id_str": id.to_string(), "text": long, "entities": {}});
    let mut id = 0;
    until(async || {
        let tweets: Vec<_> = (0..100).map(|at| tweet(id + at)).collect();
        id += 100;
        perch.ingest(&tweets).await;
        perch.get("/api/stats").await.1["sessions"] == 0
    })
    .await;
    let counted = async |what: &str| {
        let metrics = perch.http.get(perch.url("/metrics")).send().await.expect("metrics").text().await.expect("text");
        metrics.lines().any(|line| line.starts_with(what) && !line.ends_with(" 0"))
    };
    until(async || counted("perch_turned_away_total{reason=\"write_timeout\"}").await).await;
    // Whether the stream gives up or its connection is closed under it is a matter of moments.
    until(async || counted("perch_disconnects_total{transport=\"sse\"").await).await;

    // HTTP/2 has room for the connection and none for this stream: the window is 0.
    let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
    let request = http2_get("/api/stream?q=rust", &[0, 4, 0, 0, 0, 0]);
    stream.write_all(&request).await.expect("it goes out");
    until(async || perch.get("/api/stats").await.1["queries"] == 1).await;
    until(async || {
        id += 1;
        perch.ingest(&[tweet(id)]).await;
        perch.get("/api/stats").await.1["sessions"] == 0
    })
    .await;
    until(async || counted("perch_disconnects_total{transport=\"sse\",reason=\"too_slow\"}").await).await;
    drop(stream);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_ask_for_nothing_more_end() {
    // This time begins with the connection: it must be enough to ask in.
    let perch = Perch::start_with("[server]\nheader_timeout_ms = 2000\n").await;
    let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("it goes out");
    let answer = closed(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    perch.stop().await;

    let perch = Perch::start_with("[server]\nheader_timeout_ms = 2000\nidle_timeout_ms = 300\n").await;
    let mut stream = TcpStream::connect(perch.address).await.expect("a connection");
    stream.write_all(&http2_get("/healthz", &[])).await.expect("it goes out");
    let answer = closed(stream).await;
    assert!(answer.contains("alive"), "{answer:?}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn costly_queries_and_deep_pages_are_refused_at_every_door() {
    let perch = Perch::start_with("[query]\nmax_cost = 40\n[limits]\nmax_page = 10\nmax_search_depth = 20\n").await;
    let costly = "a*b c*d e*f";
    for path in ["/api/search?q=", "/api/explain?q=", "/api/stream?q="] {
        let (status, answer) = perch.get(&format!("{path}{costly}")).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_query")), "{path}: {answer}");
        assert!(answer["error"]["message"].as_str().expect("words").contains("(max_cost)"), "{answer}");
    }
    let mut client = perch.connect().await;
    for (event, payload) in [
        ("cmd/percolate", json!({"query": costly})),
        ("cmd/query", json!({"query": costly})),
        ("cmd/aggregate", json!({"query": {"query_string": {"query": costly}}, "by": "lang"})),
    ] {
        client.send(event, payload).await;
        assert_eq!(client.expect("cmd/error").await["code"], "bad_query", "{event}");
    }
    client.percolate(json!({"query": "a*b c"})).await;
    assert_eq!(perch.get("/api/search?q=a&n=10&from=10").await.0, 200);
    let (status, answer) = perch.get("/api/search?q=a&n=10&from=11").await;
    assert_eq!((status, &answer["error"]["at"]["field"]), (400, &json!("from")), "{answer}");
    client.send("cmd/query", json!({"query": "a", "n": 10, "from": 11})).await;
    assert_eq!(client.expect("cmd/error").await["at"]["field"], "from");
    let metrics =
        perch.http.get(perch.url("/metrics")).send().await.expect("perch answers").text().await.expect("text");
    assert!(turned_away(&metrics, "search_depth") >= 2, "{metrics}");
    perch.stop().await;
}
