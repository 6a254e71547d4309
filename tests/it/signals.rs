//! What signals do to the real process.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::process::{Server, perch};
use crate::support::{tweet, until};

fn send(signal: &str, pid: u32) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// Waits until the log says something for the n-th time.
async fn logged(log: &Path, what: &str, times: usize) {
    until(async || fs::read_to_string(log).expect("a log").matches(what).count() >= times).await;
}

/// The status of an attempt to bring a tweet with a token.
async fn ingest(server: &Server, token: &str) -> u16 {
    let request = crate::support::client().post(format!("{}/api/tweets", server.url)).bearer_auth(token);
    request.body(tweet(1, "rust").to_string()).send().await.expect("perch answers").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_token_and_log_filter_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name);
    let (token, config, log) = (file("token"), file("perch.toml"), file("log"));
    fs::write(&token, "the-first-token-of-all").expect("written");
    fs::write(&config, "[telemetry]\nlog = \"info\"\n").expect("written");
    let mut command = perch();
    command.stderr(File::create(&log).expect("a file"));
    let token_file = format!("ingest.token_file={:?}", token.display().to_string());
    let arguments = ["--config", &config.display().to_string(), "--set", &token_file];
    let server = Server::spawn(command, &file("index"), &arguments);
    let hang_up = || send("HUP", server.child.id());
    assert_eq!(ingest(&server, "the-first-token-of-all").await, 200);

    fs::write(&token, "the-second-token-of-all").expect("written");
    fs::write(&config, "[telemetry]\nlog = \"info,perch::telemetry=debug\"\n[limits]\nmax_page = 7\n")
        .expect("written");
    hang_up();
    logged(&log, "these sections changed and need a restart sections=\"limits\"", 1).await;
    assert_eq!(ingest(&server, "the-first-token-of-all").await, 401);
    assert_eq!(ingest(&server, "the-second-token-of-all").await, 200);
    // Logged at `debug`.
    logged(&log, "refused by a rule", 1).await;
    for told in ["key=\"ingest.token_file\"", "key=\"telemetry.log\""] {
        logged(&log, told, 1).await;
    }

    // What is broken leaves the old one.
    fs::write(&token, "short").expect("written");
    fs::write(&config, "[telemetry]\nlogg = \"info\"\n").expect("written");
    hang_up();
    logged(&log, "config: telemetry.logg: there is no such key", 1).await;
    logged(&log, "ingest.token_file: expected a secret of at least 16 bytes, found 5; what was read before", 1).await;
    assert_eq!(ingest(&server, "the-second-token-of-all").await, 200);
    logged(&log, "SIGHUP: reading files again", 2).await;
    let log = fs::read_to_string(&log).expect("a log");
    assert!(!log.contains("-token-of-all"), "a secret is in the log:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_with_nothing_to_read_ends_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("log");
    let mut command = perch();
    command.stderr(File::create(&log).expect("a file")).current_dir(dir.path());
    let server = Server::spawn(command, &dir.path().join("index"), &[]);
    for times in 1..=3 {
        send("HUP", server.child.id());
        logged(&log, "SIGHUP: reading files again", times).await;
    }
    assert!(server.get("/healthz").await["alive"].as_bool().is_some());
}

#[test]
fn a_hangup_while_perch_starts_does_not_end_it() {
    let dir = tempfile::tempdir().expect("a directory");
    // Perch waits in its very beginning until somebody writes into this.
    let fifo = dir.path().join("config");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let mut child = perch()
        .args(["serve", "--listen", "127.0.0.1:0", "--set", "source=[]", "--config"])
        .arg(&fifo)
        .arg("--index-dir")
        .arg(dir.path().join("index"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("perch starts");
    // Opens once perch opens it too.
    let mut config = File::options().write(true).open(&fifo).expect("perch reads it");
    send("HUP", child.id());
    config.write_all(b"[query]\n").expect("perch reads it");
    drop(config);
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert!(line.starts_with("listening on "), "{line}");
    send("TERM", child.id());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
