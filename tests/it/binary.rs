//! The binary as a user starts it: its one line on stdout, its exit codes, and what is left after it was killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::tweet;

/// A server process; killed when dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(index_dir: &Path) -> Server {
        let mut child = perch()
            .args(["serve", "--listen", "127.0.0.1:0", "--set", "source=[]", "--index-dir"])
            .arg(index_dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("perch starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").expect("the address is the first line").to_owned();
        Server { child, url }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.expect("perch answers");
        answer.json().await.expect("JSON")
    }

    fn kill(mut self) {
        self.child.kill().expect("the process is there");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn perch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perch"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PERCH_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = perch().current_dir(dir).args(arguments).output().expect("perch runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_tweet_survives_a_kill() {
    let dir = dir();
    let index = dir.path().join("index");
    let http = reqwest::Client::new();
    let mut last_seq = 0;
    let mut epoch = Value::Null;
    for round in 0..5_u64 {
        let server = Server::start(&index);
        let url = format!("{}/api/tweets", server.url);
        let stats = server.get("/api/stats").await;
        assert!(round == 0 || stats["epoch"] == epoch, "the epoch changed");
        epoch = stats["epoch"].clone();
        let found = server.get("/api/search?q=acknowledged&n=1").await;
        assert_eq!(found["total"].as_u64(), Some(round * 50), "round {round}");
        // The same tweets were sent in each round and cut off in each: all or some are there, none twice.
        let found = server.get("/api/search?q=unanswered&n=1000").await;
        let ids: Vec<_> =
            found["result"].as_array().expect("tweets").iter().map(|tweet| tweet["id"].as_u64()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");

        let body: String = (0..50).map(|at| format!("{}\n", tweet(1 + round * 50 + at, "acknowledged"))).collect();
        let answer = http.post(&url).body(body).send().await.expect("perch answers");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["accepted"], 50, "{answer}");
        let seq = answer["seq"].as_u64().expect("a seq");
        assert!(seq >= last_seq + 50, "seq {seq} was used before");

        // Once a tweet of the second request was pushed, its seq is used up, though nobody acknowledged it.
        let mut client = crate::support::Client::open(server.url.strip_prefix("http://").expect("http")).await;
        client.percolate(json!({"query": "unanswered"})).await;
        let body: String = (0..500).map(|at| format!("{}\n", tweet(1_000_000 + at, "unanswered"))).collect();
        let unanswered = tokio::spawn(http.post(&url).body(body).send());
        last_seq = client.tweet().await["seq"].as_u64().expect("a seq");
        server.kill();
        let _ = unanswered.await;
    }
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
    let (code, stdout, _) = run(dir.path(), &["plugins"]);
    assert_eq!(code, Some(0));
    for name in ["demo", "file", "compiled", "tantivy", "ws", "sse", "rest"] {
        assert!(stdout.contains(name), "{name} is not listed:\n{stdout}");
    }
    server.kill();
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
    let answer = reqwest::Client::new()
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
