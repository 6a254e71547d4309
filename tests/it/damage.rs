//! Damaged files of the index: what clients, probes and commands make of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::{Server, perch};
use crate::support::{Perch, tweet, until};

const TWEETS: u64 = 400;

/// An index with some hundred tweets, and its largest file of a kind.
async fn index() -> (TempDir, impl Fn(&str) -> PathBuf) {
    let perch = Perch::start().await;
    let tweets: Vec<Value> = (1..=TWEETS).map(|id| tweet(id, &format!("rust {id}"))).collect();
    perch.ingest(&tweets).await;
    // Some of them once more: then a list of deleted documents is there.
    perch.ingest(&tweets[380..]).await;
    let dir = perch.stop().await;
    let tantivy = dir.path().join("index/tantivy");
    let file = move |extension: &str| {
        let files = fs::read_dir(&tantivy).expect("it is there").map(|entry| entry.expect("an entry").path());
        let of_kind = files.filter(|path| path.extension().is_some_and(|found| found == extension));
        of_kind.max_by_key(|path| path.metadata().expect("it is there").len()).expect("there is one")
    };
    (dir, file)
}

fn id(tweet: &Value) -> u64 {
    tweet["id_str"].as_str().expect("an id").parse().expect("a number")
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("it can be read");
    bytes[at] ^= 0x15;
    fs::write(file, bytes).expect("it can be written");
}

/// Runs a command on an index: exit code, stdout and stderr.
fn run(dir: &TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = perch().args(arguments).arg("--index-dir").arg(dir.path().join("index")).output().expect("perch runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_tweet_costs_no_other_answer() {
    let (dir, file) = index().await;
    flip(&file("store"), 40);
    let perch = Perch::start_in(dir, "").await;
    assert_eq!(perch.get("/readyz").await.1["ready"], true);

    // History, page by page.
    let (mut found, mut before) = (BTreeSet::new(), String::new());
    loop {
        let (status, page) = perch.get(&format!("/api/search?q=rust&n=50{before}")).await;
        assert_eq!((status, &page["total"]), (200, &json!(TWEETS)), "{page}");
        found.extend(page["result"].as_array().expect("tweets").iter().map(id));
        let Some(next) = page["next"].as_str().map(str::to_owned).or(page["next"].as_u64().map(|id| id.to_string()))
        else {
            break;
        };
        before = format!("&before_id={next}");
    }
    let lost: Vec<u64> = (1..=TWEETS).filter(|id| !found.contains(id)).collect();
    assert!((1..60).contains(&lost.len()), "{lost:?}");
    for &id in &lost {
        let (status, error) = perch.get(&format!("/api/tweets/{id}")).await;
        assert_eq!((status, &error["error"]["code"]), (503, &json!("unavailable")), "{error}");
    }
    assert_eq!(perch.get(&format!("/api/tweets/{}", found.last().expect("some"))).await.0, 200);

    // A session that catches up gets all others, and is live then.
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "rust", "since": 0})).await;
    let mut pushed = BTreeSet::new();
    loop {
        match client.event().await {
            (event, push) if event == "tweet/new" => drop(pushed.insert(id(&push["tweet"]))),
            (event, _) if event == "stream/live" => break,
            (event, payload) => assert_eq!(event, "stream/catching-up", "{payload}"),
        }
    }
    assert_eq!(pushed, found);
    perch.ingest(&[tweet(1_000, "rust anew")]).await;
    assert_eq!(id(&client.tweet().await["tweet"]), 1_000);

    let (status, ready) = perch.get("/readyz").await;
    assert_eq!((status, &ready["ready"]), (200, &json!(true)), "{ready}");
    let problems = ready["index_problems"].as_array().expect("there are some");
    assert!(problems[0].as_str().is_some_and(|problem| problem.contains("can't be read")), "{ready}");
    let metrics =
        perch.http.get(perch.url("/metrics")).send().await.expect("perch answers").text().await.expect("text");
    assert!(metrics.lines().any(|line| line == "perch_index_damaged_files 1"), "{metrics}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_refuse_a_damaged_index_and_salvage_what_is_left() {
    let (dir, file) = index().await;
    let copy = dir.path().join("copy").display().to_string();
    let deletes = file("del");
    flip(&deletes, 20);
    let name = deletes.file_name().expect("it has one").to_string_lossy().into_owned();
    let damaged = format!("{name} is damaged: its checksum is wrong");
    for arguments in [&["check-index"][..], &["backup", &copy], &["reindex"]] {
        let (code, _, stderr) = run(&dir, arguments);
        assert_eq!((code, stderr.contains(&damaged)), (Some(1), true), "{arguments:?}: {stderr}");
    }
    assert!(!Path::new(&copy).join("perch.json").exists());
    let (code, _, stderr) = run(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((code, stderr.contains("perch reindex --salvage")), (Some(1), true), "{stderr}");

    let (code, stdout, stderr) = run(&dir, &["reindex", "--salvage"]);
    assert_eq!((code, stdout.contains(&format!("built: {TWEETS} tweets"))), (Some(0), true), "{stdout} {stderr}");
    assert!(stderr.contains(&damaged) && stderr.contains("lost in all: 0 tweets"), "{stderr}");
    assert_eq!(run(&dir, &["check-index"]).0, Some(0));

    flip(&file("store"), 40);
    let (code, stdout, stderr) = run(&dir, &["reindex", "--salvage"]);
    let lost = stderr.lines().filter(|line| line.starts_with("lost: tweet ")).count() as u64;
    assert_eq!((code, lost > 0), (Some(1), true), "{stderr}");
    assert!(stdout.contains(&format!("built: {} tweets", TWEETS - lost)), "{stdout}");
    assert_eq!(run(&dir, &["check-index"]).0, Some(0));
    assert_eq!(run(&dir, &["reindex"]).0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_logged_once_for_each_file() {
    let (dir, file) = index().await;
    flip(&file("store"), 40);
    let log = dir.path().join("log");
    let mut command = perch();
    command.stderr(fs::File::create(&log).expect("it can be written"));
    let server = Server::spawn(command, &dir.path().join("index"), &["--set", "index.commit_interval_ms=1"]);
    let http = crate::support::client();
    let mut next = 10_000;
    until(async || {
        server.get("/api/search?q=rust&n=100&sort=oldest").await;
        let body = format!("{}\n", tweet(next, "rust"));
        next += 1;
        http.post(format!("{}/api/tweets", server.url)).body(body).send().await.expect("perch answers");
        server.get("/readyz").await["index_problems"].as_array().is_some_and(|problems| problems.len() == 2)
    })
    .await;
    for id in 0..20 {
        let body = format!("{}\n", tweet(20_000 + id, "rust"));
        http.post(format!("{}/api/tweets", server.url)).body(body).send().await.expect("perch answers");
    }
    server.kill();
    let log = fs::read_to_string(&log).expect("it can be read");
    for said in ["a stored tweet can't be read", "its segment is not merged any more"] {
        assert_eq!(log.matches(said).count(), 1, "{log}");
    }
    assert!(!log.contains("was cancelled") && log.contains("perch reindex --salvage"), "{log}");
}

/// Needs root, so it runs with the long tests only.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_on_a_file_system_that_can_not_be_written_is_checked() {
    if std::env::var_os("PERCH_LONG_TESTS").is_none() {
        return;
    }
    let (dir, _) = index().await;
    let at = dir.path().join("index");
    let command = env!("CARGO_BIN_EXE_perch");
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && ! touch \"$0/x\" 2>/dev/null && exec \"$1\" check-index --index-dir \"$0\"";
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount"]);
        unshare
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        return;
    }
    // As it is, and as a backup is: without a lock.
    for _ in 0..2 {
        let output = unshare().args(["sh", "-c", script]).arg(&at).arg(command).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("checked: {TWEETS} tweets")), "{said}");
        let _ = fs::remove_file(at.join("perch.lock"));
    }
}
