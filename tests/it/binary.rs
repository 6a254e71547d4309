//! The binary as a user starts it: its one line on stdout, and its exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::process::{Server, perch};
use crate::support::tweet;

fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = perch().current_dir(dir).args(arguments).output().expect("perch runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn mistakes_in_the_configuration_are_told_at_once() {
    let dir = dir();
    std::fs::write(
        dir.path().join("config.toml"),
        "[server]\nlissten = \"127.0.0.1:0\"\n[index]\ncommit_interval_ms = \"fast\"\n[percolator]\nengine = \"magic\"\n",
    )
    .expect("written");
    let (code, stdout, stderr) = run(dir.path(), &["serve"]);
    assert_eq!((code, stdout.as_str()), (Some(64), ""));
    for told in ["server.lissten", "listen", "index.commit_interval_ms", "percolator.engine", "compiled"] {
        assert!(stderr.contains(told), "{told} is not told:\n{stderr}");
    }
    let (code, _, _) = run(dir.path(), &["check"]);
    assert_eq!(code, Some(64));
}

#[test]
fn bad_files_of_keys_are_mistakes_in_the_configuration() {
    let dir = dir();
    std::fs::write(dir.path().join("short"), "short").expect("written");
    std::fs::create_dir(dir.path().join("directory")).expect("made");
    for (settings, told) in [
        (vec!["auth.secret_file=\"short\""], vec!["config: auth.secret_file: expected a secret"]),
        (vec!["auth.public_key_file=\"short\""], vec!["config: auth.public_key_file: expected a public key"]),
        (
            vec!["ingest.token_file=\"directory\"", "auth.public_key_file=\"nowhere\"", "query.max_depth=0"],
            vec![
                "config: ingest.token_file: directory can't be read",
                "config: auth.public_key_file: nowhere",
                "query.max_depth",
            ],
        ),
        (
            vec!["server.tls_certificate_file=\"short\"", "server.tls_key_file=\"short\""],
            vec!["config: server.tls_certificate_file: short holds no certificate"],
        ),
    ] {
        let set: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        for command in ["check", "serve"] {
            let base = [command, "--listen", "127.0.0.1:0", "--index-dir", "index"];
            let (code, stdout, stderr) = run(dir.path(), &[&base, &*set].concat());
            assert_eq!((code, stdout.as_str()), (Some(64), ""), "{command} {settings:?}: {stderr}");
            for told in &told {
                assert!(stderr.contains(told), "{command}: {told} is not told:\n{stderr}");
            }
        }
    }
    assert!(!dir.path().join("index").exists(), "nothing was opened");
    // What has no use for a key does not read it.
    let (code, ..) = run(dir.path(), &["check-index", "--index-dir", "index", "--set", "auth.secret_file=\"short\""]);
    assert_eq!(code, Some(1));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn connections_leave_the_index_its_files() {
    let dir = dir();
    let log = dir.path().join("log");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 200 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_perch")]);
    command.env("NO_COLOR", "1").stdin(Stdio::null()).stderr(std::fs::File::create(&log).expect("a file"));
    let server = Server::spawn(command, &dir.path().join("index"), &["--set", "server.header_timeout_ms=600000"]);
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(log.contains("only 100 connections are taken, not 20000"), "{log}");

    // One connection from the start on: a second one would be one of many.
    let address = server.url.strip_prefix("http://").expect("http");
    let mut connection = TcpStream::connect(address).await.expect("perch takes it");
    let mut post = async |from: u64| {
        let body: String = (from..from + 50).map(|id| format!("{}\n", tweet(id, "rust"))).collect();
        let head = format!("POST /api/tweets HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.write_all((head + &body).as_bytes()).await.expect("perch takes it");
        let mut answer = Vec::new();
        // The answer is JSON.
        while answer.last() != Some(&b'}') {
            assert_ne!(connection.read_buf(&mut answer).await.expect("perch answers"), 0, "it is closed");
        }
        String::from_utf8(answer).expect("text")
    };
    let good = "HTTP/1.1 200 ";
    let answer = post(1).await;
    assert!(answer.starts_with(good), "{answer}");
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(address).await.expect("the system takes it"));
    }
    // The last one is turned away: all before it were taken, or turned away.
    let mut last = silent.pop().expect("one of many");
    assert_eq!(last.read(&mut [0]).await.unwrap_or(0), 0);
    for round in 1..10 {
        let answer = post(round * 100).await;
        assert!(answer.starts_with(good), "{answer}");
    }
    server.kill();
}

#[test]
fn standard_input_has_one_reader() {
    let source = "source=[{type=\"file\", path=\"-\"}, {type=\"file\", path=\"-\"}]";
    let (code, _, stderr) = run(dir().path(), &["check", "--set", source]);
    assert_eq!(
        (code, stderr.trim()),
        (Some(64), "config: source[1].path: standard input is read by another source already")
    );
}

#[test]
fn an_error_says_its_cause_once() {
    let dir = dir();
    std::fs::write(dir.path().join("file"), "").expect("written");
    let (_, _, stderr) = run(dir.path(), &["check-index", "--index-dir", "file"]);
    assert!(stderr.contains("os error") && stderr.matches("os error").count() == 1, "{stderr}");
}

#[tokio::test]
async fn without_transports_sources_go_on() {
    let dir = dir();
    let server = Server::start_with(&dir.path().join("index"), &["--set", "transport=[]"]);
    let answer = crate::support::get(format!("{}/healthz", server.url)).await.expect("perch answers");
    assert_eq!(answer.status().as_u16(), 404, "it runs");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, stdout, stderr) = run(dir().path(), &["serve", "--listen", &address, "--set", "source=[]"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains(&address), "{stderr}");
}

#[test]
fn an_index_that_can_not_be_had_is_named() {
    let dir = dir();
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").expect("written");
    let path = file.display().to_string();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--set", "source=[]", "--index-dir", &path];
    let (code, stdout, stderr) = run(dir.path(), &arguments);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains(&path), "{stderr}");
}

#[test]
fn two_servers_do_not_share_an_index() {
    let dir = dir();
    let index = dir.path().join("index");
    let server = Server::start(&index);
    let path = index.display().to_string();
    let (code, _, stderr) =
        run(dir.path(), &["serve", "--listen", "127.0.0.1:0", "--set", "source=[]", "--index-dir", &path]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&path) && stderr.contains("another perch"), "{stderr}");
    server.kill();
}

#[test]
fn ingest_search_and_explain_work_against_a_server() {
    let dir = dir();
    let server = Server::start(&dir.path().join("index"));
    let tweets: Vec<_> = (0..100)
        .map(|at| json!({"id_str": (at + 1).to_string(), "text": format!("tweet {at} #rust"), "lang": "en"}))
        .collect();
    std::fs::write(dir.path().join("search.json"), json!({"statuses": tweets}).to_string()).expect("written");
    for _ in 0..2 {
        let (code, stdout, stderr) = run(dir.path(), &["ingest", "--url", &server.url, "search.json"]);
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains("100 accepted, 0 refused"), "{stdout}");
    }
    let (code, stdout, _) = run(dir.path(), &["search", "--url", &server.url, "--json", "-n", "1000", "#rust lang:en"]);
    assert_eq!(code, Some(0));
    assert_eq!(stdout.lines().count(), 100, "{stdout}");
    let (code, _, stderr) = run(dir.path(), &["search", "--url", &server.url, "rust AND (fast"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains('^'), "there is no caret:\n{stderr}");
    let (code, stdout, _) = run(dir.path(), &["explain", "Rust (fast OR safe)"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("presearch") && stdout.contains("rust"), "{stdout}");
    let (code, stdout, stderr) = run(dir.path(), &["explain", "--url", &server.url, "#rust -java"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("a candidate for 100 of the newest 100 tweets; 100 match"), "{stdout}");
    let (code, stdout, _) = run(dir.path(), &["plugins"]);
    assert_eq!(code, Some(0));
    for name in ["demo", "file", "compiled", "tantivy", "ws", "sse", "rest"] {
        assert!(stdout.contains(name), "{name} is not listed:\n{stdout}");
    }
    server.kill();
}

#[test]
fn explain_tells_by_its_exit_code_whether_a_tweet_matches() {
    let dir = dir();
    let tweets = [tweet(1, "all in Rust"), tweet(2, "all in Java")].map(|tweet| format!("{tweet}\n")).concat();
    std::fs::write(dir.path().join("tweets"), &tweets).expect("written");
    std::fs::write(dir.path().join("java.json"), format!("[{}]", tweet(2, "all in Java"))).expect("written");
    std::fs::write(dir.path().join("bad"), format!("{tweets}nonsense\n")).expect("written");
    std::fs::write(dir.path().join("empty"), "").expect("written");
    let explain = |arguments: &[&str]| run(dir.path(), &[&["explain"], arguments].concat());

    let (code, stdout, stderr) = explain(&["rust -c", "--tweet", "tweets"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for told in
        ["1 matches", "  all in Rust\n         ^^^^", "is not there", "2 does not match", "  -c rust\n     ^^^^"]
    {
        assert!(stdout.contains(told), "{told:?} is not told:\n{stdout}");
    }
    let (code, stdout, stderr) = explain(&["rust", "--tweet", "java.json"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    assert!(stdout.contains("does not match"), "{stdout}");
    let (code, stdout, _) = explain(&["rust", "--tweet", "tweets", "--json"]);
    assert_eq!((code, stdout.lines().count()), (Some(0), 2), "{stdout}");
    let first: serde_json::Value = serde_json::from_str(stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["parts"][0]["ranges"][0], json!({"at": "text", "start": 7, "end": 11, "text": "Rust"}));

    for (arguments, told) in [
        (["rust", "--tweet", "bad"], "bad:3:"),
        (["rust", "--tweet", "empty"], "no tweet"),
        (["rust", "--tweet", "nowhere"], "nowhere"),
        (["rust AND (", "--tweet", "tweets"], "^"),
    ] {
        let (code, _, stderr) = explain(&arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(told), "{told} is not told:\n{stderr}");
    }

    let mut piped =
        perch().args(["explain", "java", "--tweet", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let piped = piped.as_mut().expect("it starts");
    piped.stdin.take().expect("piped").write_all(tweets.as_bytes()).expect("it reads");
    assert_eq!(piped.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let (code, _, stderr) = run(dir().path(), &["search", "--url", "http://127.0.0.1:9", "rust"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("127.0.0.1:9"), "{stderr}");
}

#[test]
fn tail_prints_what_matches_and_stops_when_nobody_reads() {
    let dir = dir();
    let server = Server::start(&dir.path().join("index"));
    let mut tail = perch()
        .args(["tail", "--url", &server.url, "--json", "--since", "0", "rust"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    std::fs::write(dir.path().join("one.ndjson"), format!("{}\n", tweet(1, "rust one"))).expect("written");
    let (code, ..) = run(dir.path(), &["ingest", "--url", &server.url, "one.ndjson"]);
    assert_eq!(code, Some(0));
    let mut lines = BufReader::new(tail.stdout.take().expect("piped"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert!(line.contains("rust one"), "{line}");
    drop(lines);
    std::fs::write(dir.path().join("two.ndjson"), format!("{}\n{}\n", tweet(2, "rust two"), tweet(3, "rust")))
        .expect("written");
    let (code, ..) = run(dir.path(), &["ingest", "--url", &server.url, "two.ndjson"]);
    assert_eq!(code, Some(0));
    let status = tail.wait().expect("it ends by itself");
    let mut stderr = String::new();
    tail.stderr.take().expect("piped").read_to_string(&mut stderr).expect("read");
    assert!(!stderr.contains("panic"), "{stderr}");
    assert!(status.code().is_some(), "{status}");
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_signal_ends_it_in_order() {
    let dir = dir();
    let mut server = Server::start(&dir.path().join("index"));
    let answer = crate::support::client()
        .post(format!("{}/api/tweets", server.url))
        .body(format!("{}\n", tweet(1, "rust")))
        .send()
        .await
        .expect("perch answers");
    assert_eq!(answer.status().as_u16(), 200);
    let mut kill = Command::new("kill");
    assert!(kill.args(["-TERM", &server.child.id().to_string()]).status().expect("kill runs").success());
    assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
    std::io::stderr().flush().expect("flushed");
}

#[test]
fn a_token_opens_ingestion_and_stands_in_no_log() {
    const TOKEN: &str = "a-token-that-nobody-guesses";
    let dir = dir();
    std::fs::write(dir.path().join("token"), format!("{TOKEN}\n")).expect("written");
    std::fs::write(dir.path().join("wrong"), "another-token-of-some-length").expect("written");
    std::fs::write(dir.path().join("one.ndjson"), tweet(1, "rust").to_string()).expect("written");
    let log = std::fs::File::create(dir.path().join("log")).expect("a file");
    let mut command = perch();
    command.env("PERCH_INGEST__TOKEN", TOKEN).env("PERCH_LOG", "trace").stderr(log);
    let server = Server::spawn(command, &dir.path().join("index"), &[]);

    let ingest = |more: &[&str]| run(dir.path(), &[&["ingest", "--url", &server.url, "one.ndjson"], more].concat());
    let (code, _, stderr) = ingest(&[]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("a token is needed"), "{stderr}");
    let (code, _, stderr) = ingest(&["--token-file", "wrong"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("the token is wrong"), "{stderr}");
    let (code, stdout, stderr) = ingest(&["--token-file", "token"]);
    assert_eq!((code, stdout.trim()), (Some(0), "1 accepted, 0 refused"), "{stderr}");
    // In a frame, which tungstenite would log.
    let address = server.url.strip_prefix("http://").expect("http");
    let mut stream = std::net::TcpStream::connect(address).expect("it connects");
    let request = "GET /ws HTTP/1.1\r\nHost: perch\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // Masked by zeros, so as it stands.
    let command = br#"["cmd/auth",{"token":"another-token"}]"#;
    let len = 0x80 | u8::try_from(command.len()).expect("short");
    stream.write_all(&[request.as_bytes(), &[0x81, len, 0, 0, 0, 0], &command[..]].concat()).expect("it goes out");
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).contains("forbidden") {
        let mut some = [0; 1024];
        let n = stream.read(&mut some).expect("an answer");
        assert!(n > 0, "the answer does not come");
        came.extend_from_slice(&some[..n]);
    }
    drop(server);
    let log = std::fs::read_to_string(dir.path().join("log")).expect("a log");
    assert!(log.contains("refused by a rule"), "the log is there");
    assert!(!log.contains(TOKEN) && !log.contains("another-token"), "a secret is in the log");
}
