//! The commands that are clients: what they print, when they end, and what they say to mistakes.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;

use crate::support::process::{Server, perch};
use crate::support::{PATIENCE, tweet, until};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = perch().args(arguments).output().expect("perch runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

async fn post(server: &Server, body: String) {
    let answer = crate::support::client().post(format!("{}/api/tweets", server.url)).body(body).send().await;
    assert_eq!(answer.expect("perch answers").status().as_u16(), 200);
}

/// The exit code of a process that ends by itself.
async fn ended(child: &mut Child) -> Option<i32> {
    let mut code = None;
    until(async || {
        code = child.try_wait().expect("it is ours");
        code.is_some()
    })
    .await;
    code.and_then(|status| status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_ends_when_its_pipe_is_closed_and_nothing_comes() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("index"));
    post(&server, tweet(1, "rust").to_string()).await;
    let tail = |query: &str| {
        let mut tail = perch();
        tail.args(["tail", "--url", &server.url, "--since", "0", query]);
        tail.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts")
    };
    // As `tail Q | head -1`: nothing comes after the first line.
    let mut one = tail("rust");
    let mut lines = BufReader::new(one.stdout.take().expect("piped"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert!(line.contains("rust"), "{line}");
    drop(lines);
    assert_eq!(ended(&mut one).await, Some(0));
    // Nothing comes at all.
    let mut none = tail("java");
    drop(none.stdout.take());
    assert_eq!(ended(&mut none).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_too_long_for_a_url_or_a_frame_is_searched_and_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("index"));
    post(&server, format!("{}\n{}\n", tweet(1, "rust"), tweet(2, "java"))).await;
    let words: String = (0..7_000).map(|at| format!("nobody{at} ")).collect();
    let query = format!("text:IN [{words}rust]");
    assert!(query.len() > 70_000, "a URL has 64 KiB, and so has a frame");
    let (code, out, err) = run(&["search", "--json", "--url", &server.url, &query]);
    assert_eq!((code, out.lines().count(), out.contains("rust")), (Some(0), 1, true), "{err}");
    let (code, out, err) = run(&["explain", "--url", &server.url, &query]);
    assert_eq!((code, out.contains("; 1 match")), (Some(0), true), "{err}");

    let mut tail = perch();
    tail.args(["tail", "--json", "--url", &server.url, "--since", "0", &query]);
    let mut tail = tail.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut lines = BufReader::new(tail.stdout.take().expect("piped"));
    for (id, text) in [(1, "rust"), (3, "rust again")] {
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        let printed: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&printed["tweet"]["id"], &printed["tweet"]["text"]), (&json!(id), &json!(text)));
        post(&server, tweet(3, "rust again").to_string()).await;
    }
    drop(lines);
    assert_eq!(ended(&mut tail).await, Some(0));
    // A position of another index is refused as over a WebSocket.
    let other = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let (code, _, err) = run(&["tail", "--url", &server.url, "--since", "0", "--epoch", other, &query]);
    assert_eq!((code, err.contains("unrecoverable")), (Some(1), true), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_ingest_says_how_far_it_came() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("index"));
    let mut ingest = perch()
        .args(["ingest", "--url", &server.url, "-", "another.ndjson"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // One portion or two and a beginning, and then nothing more.
    let lines: String = (1..=12_000).map(|id| format!("{}\n", tweet(id, "rust"))).collect();
    let mut input = ingest.stdin.take().expect("piped");
    input.write_all(lines.as_bytes()).expect("it is read");
    until(async || server.get("/api/stats").await["tweets"].as_u64().is_some_and(|tweets| tweets >= 5_000)).await;
    let interrupted = Command::new("kill").args(["-INT", &ingest.id().to_string()]).status();
    assert!(interrupted.expect("kill runs").success());
    assert_eq!(ended(&mut ingest).await, Some(130));
    let (mut stdout, mut stderr) = (String::new(), String::new());
    ingest.stdout.take().expect("piped").read_to_string(&mut stdout).expect("read");
    ingest.stderr.take().expect("piped").read_to_string(&mut stderr).expect("read");
    let accepted =
        stdout.trim().strip_suffix(" accepted, 0 refused").expect("a count").parse::<u64>().expect("a number");
    // A request whose answer does not come soon may have arrived too.
    let tweets = server.get("/api/stats").await["tweets"].as_u64().expect("a number");
    assert!(accepted <= tweets, "{accepted} accepted, and the server has {tweets}");
    let how_far = match accepted {
        0 => "before the server acknowledged anything".to_owned(),
        _ => format!("everything up to line {accepted}\n"),
    };
    for told in [&*how_far, "run the command again", "not sent: another.ndjson"] {
        assert!(stderr.contains(told), "{told} is not told:\n{stderr}");
    }
}

/// A server that gives each request this answer. Ends with the test.
fn answering(status: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("a time");
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut some = [0; 1024];
                let n = stream.read(&mut some).expect("a request");
                head.extend_from_slice(&some[..n]);
            }
            stream.write_all(answer.as_bytes()).expect("it goes out");
        }
    });
    url
}

#[test]
fn errors_of_a_server_do_not_steer_the_terminal() {
    let evil = "no\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";
    let error = |code: &str| json!({"error": {"code": code, "message": evil}}).to_string();
    let answers = [("429 Too Many Requests", error("limit")), ("400 Bad Request", error("bad_query"))];
    for (status, body) in answers {
        let url = answering(status, &body);
        for command in [&["search", "x"][..], &["tail", "x"], &["explain", "x"]] {
            let (code, _, stderr) = run(&[command, &["--url", &url]].concat());
            assert_ne!(code, Some(0));
            assert!(stderr.contains("no\\u{1b}]0;owned\\u{7}\\u{9b}2J\\u{202e}"), "{command:?}: {stderr}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_on_a_terminal_is_escaped() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("index"));
    post(&server, tweet(1, "rust \u{9b}31m \u{7f} \u{202e}x").to_string()).await;
    let search = ["search", "--json", "--url", &server.url, "rust"];
    let (_, piped, _) = run(&search);
    assert!(piped.contains('\u{9b}'), "{piped}");
    // `script` gives a program a terminal.
    let command = format!("{} {}", env!("CARGO_BIN_EXE_perch"), search.join(" "));
    let Ok(on_terminal) = Command::new("script").args(["-qec", &command, "/dev/null"]).output() else {
        return eprintln!("skipped: script is not installed");
    };
    let shown = String::from_utf8_lossy(&on_terminal.stdout);
    assert!(shown.contains("\\u009b31m \\u007f \\u202ex"), "{shown}");
    assert!(!shown.contains(['\u{9b}', '\u{7f}', '\u{202e}']), "{shown}");
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line.trim()).expect("JSON");
    assert_eq!(read(&shown), read(&piped));
}

#[test]
fn addresses_without_a_scheme_and_with_the_wrong_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("index"));
    let address = server.url.strip_prefix("http://").expect("http");
    let (code, _, stderr) = run(&["search", "--url", address, "x"]);
    assert_eq!(code, Some(0), "{stderr}");
    for command in ["search", "tail"] {
        let (code, _, stderr) = run(&[command, "--url", &format!("https://{address}"), "x"]);
        assert_eq!(code, Some(1));
        assert!(stderr.contains(&format!("write --url http://{address}")), "{stderr}");
    }
    let (code, _, stderr) = run(&["search", "--url", "ws://localhost", "x"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("write http://localhost"), "{stderr}");
}

#[test]
fn variables_that_set_nothing_are_warned_of() {
    let dir = tempfile::tempdir().expect("a directory");
    let check = |name: &str, value: &str| {
        let output = perch().current_dir(dir.path()).arg("check").env(name, value).output().expect("perch runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stderr) = check("PERCH_SERVER_LISTN", "127.0.0.1:1");
    assert_eq!(code, Some(0));
    assert!(stderr.contains("PERCH_SERVER_LISTN") && stderr.contains("did you mean PERCH_SERVER__LISTEN?"), "{stderr}");
    assert_eq!(check("PERCH_PORT", "tcp://10.0.0.1:8888"), (Some(0), String::new()));
    let (code, stderr) = check("PERCH_SERVER__LISTEN", "nowhere");
    assert_eq!(code, Some(64), "{stderr}");

    // In the log of a server, not beside it.
    let log = dir.path().join("log");
    let mut command = perch();
    command.env("PERCH_LIMITS__MAX_PAG", "1").env("PERCH_SERVICE_HOST", "10.0.0.1");
    command.stderr(std::fs::File::create(&log).expect("a file"));
    let server = Server::spawn(command, &dir.path().join("index"), &["--set", "telemetry.format=\"json\""]);
    server.kill();
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(log.contains("PERCH_LIMITS__MAX_PAG") && !log.contains("PERCH_SERVICE_HOST"), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
}
