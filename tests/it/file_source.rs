//! A file is read on where its tweets are durable: over restarts, crashes and rotation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use async_compression::tokio::write::GzipEncoder;
use perch::index::{CompiledSearch, Index, IndexOptions, PageRequest};
use perch::query::Ast;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::support::process::Server;
use crate::support::{Client, Perch, tweet, until};

/// Lines with these ids.
fn lines(ids: std::ops::RangeInclusive<u64>) -> String {
    ids.fold(String::new(), |mut text, id| {
        let _ = writeln!(text, "{}", tweet(id, "line"));
        text
    })
}

fn source(path: &Path, more: &str) -> String {
    format!("[[source]]\ntype = \"file\"\npath = {:?}\n{more}", path.display().to_string())
}

fn append(path: &Path, text: &str) {
    let mut file = std::fs::File::options().create(true).append(true).open(path).expect("opened");
    file.write_all(text.as_bytes()).expect("written");
}

/// Every tweet with its position, in order of arrival. Waits until there are `n`.
async fn read(perch: &Perch, n: usize) -> Vec<(u64, u64)> {
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "line", "since": 0})).await;
    let mut tweets = BTreeMap::new();
    while tweets.len() < n {
        let push = client.tweet().await;
        let id = push["tweet"]["id_str"].as_str().expect("an id").parse().expect("a number");
        tweets.insert(id, push["seq"].as_u64().expect("a seq"));
    }
    tweets.into_iter().collect()
}

/// Waits until the source has nothing more to do.
async fn done(perch: &Perch) {
    until(async || perch.get("/readyz").await.1["sources"]["file#1"]["state"] == "done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_reads_only_what_is_new() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("tweets.ndjson");
    append(&path, &lines(1..=1_200));
    let perch = Perch::start_with(&source(&path, "")).await;
    done(&perch).await;
    let before = read(&perch, 1_200).await;

    append(&path, &lines(1_201..=1_300));
    let perch = perch.restart().await;
    done(&perch).await;
    let after = read(&perch, 1_300).await;
    assert_eq!(after[..1_200], before, "what was there kept its place");

    // Another file of the same name.
    std::fs::write(&path, lines(1_250..=1_310)).expect("written");
    let perch = perch.restart().await;
    done(&perch).await;
    let last = read(&perch, 1_310).await;
    assert_eq!(last[..1_249], after[..1_249]);
    assert!(last[1_249].1 > after[1_299].1, "it was read from its start");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_counted_off_and_resume_can_be_off() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("tweets.json");
    let array: Vec<_> = (1..=700).map(|id| tweet(id, "line")).collect();
    std::fs::write(&path, json!(array).to_string()).expect("written");
    let perch = Perch::start_with(&source(&path, "")).await;
    done(&perch).await;
    let before = read(&perch, 700).await;
    let perch = perch.restart().await;
    done(&perch).await;
    assert_eq!(read(&perch, 700).await, before);

    let dir = perch.stop().await;
    let perch = Perch::start_in(dir, &source(&path, "resume = false")).await;
    done(&perch).await;
    let again = read(&perch, 700).await;
    assert!(again[0].1 > before[699].1, "everything came again");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_file_may_grow_and_be_rotated() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("tweets.ndjson");
    append(&path, &lines(1..=10));
    let perch = Perch::start_with(&source(&path, "follow = true")).await;
    assert_eq!(read(&perch, 10).await.len(), 10);
    let two = lines(11..=12);
    let (first, second) = two.split_at(20);
    append(&path, first);
    append(&path, second);
    assert_eq!(read(&perch, 12).await.len(), 12);

    append(&path, &lines(13..=14));
    std::fs::rename(&path, dir.path().join("tweets.1")).expect("renamed");
    append(&dir.path().join("tweets.1"), &lines(15..=16));
    append(&path, &lines(17..=20));
    let before = read(&perch, 20).await;
    assert!(before.is_sorted_by(|a, b| a.1 < b.1), "in the order of the lines: {before:?}");

    let perch = perch.restart().await;
    append(&path, &lines(21..=22));
    let after = read(&perch, 22).await;
    assert_eq!(after[..20], before);

    // Cut off in place.
    std::fs::write(&path, "").expect("emptied");
    until(async || {
        append(&path, &lines(23..=23));
        perch.get("/api/search?q=line&n=0").await.1["total"] == 23
    })
    .await;
    perch.stop().await;
}

async fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(text.as_bytes()).await.expect("memory takes everything");
    encoder.shutdown().await.expect("memory takes everything");
    encoder.into_inner()
}

/// The number of tweets now.
async fn total(perch: &Perch) -> usize {
    let total = perch.get("/api/search?q=line&n=0").await.1["total"].as_u64();
    usize::try_from(total.expect("a number")).expect("it fits")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_fails_keeps_what_was_read_and_goes_on_once_it_is_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let (cut, junk) = (dir.path().join("cut.gz"), dir.path().join("junk.gz"));
    let whole = gzip(&lines(1..=1_000)).await;
    std::fs::write(&cut, &whole[..whole.len() - 200]).expect("written");
    std::fs::write(&junk, b"\x1f\x8bno gzip, though it starts like one").expect("written");
    let settings = source(&cut, "resume = false\n") + &source(&junk, "");
    let perch = Perch::start_with(&settings).await;
    let state = async |name: &str| perch.get("/readyz").await.1["sources"][name].clone();
    for (name, reason) in [("file#1", "the input is truncated"), ("file#2", "can't be decompressed")] {
        // Between two answers perch may have started the source again.
        let mut failing = serde_json::Value::Null;
        until(async || {
            failing = state(name).await;
            failing["state"] == "failing"
        })
        .await;
        assert!(failing["reason"].as_str().is_some_and(|text| text.contains(reason)), "{failing}");
    }
    let metrics = perch.http.get(perch.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    for name in ["file#1", "file#2"] {
        let counted = format!("perch_source_failures_total{{source=\"{name}\"}}");
        assert!(
            metrics.lines().any(|line| line.starts_with(&counted) && !line.ends_with(" 0")),
            "{name} is not counted"
        );
    }
    // What came before the damage is there; the file is read again only when there is something
    // else in it.
    let n = total(&perch).await;
    assert!((1..1_000).contains(&n), "{n}");
    let before = read(&perch, n).await;

    std::fs::write(&cut, &whole).expect("written");
    done(&perch).await;
    let after = read(&perch, 1_000).await;
    assert_eq!(after[..n], before, "nothing was read twice");
    until(async || state("file#2").await["state"] == "failing").await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_damaged_standard_input_is_not_taken_for_tweets() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = gzip(&lines(1..=50_000)).await;
    let mut damaged = whole[..whole.len() / 2].to_vec();
    damaged.extend(b"\xff".repeat(100));
    damaged.extend(format!("\n{}", lines(90_001..=99_000)).bytes());
    let input = dir.path().join("input");
    std::fs::write(&input, damaged).expect("written");
    let mut command = crate::support::process::perch();
    command.stdin(std::fs::File::open(&input).expect("opened")).stderr(std::process::Stdio::null());
    let server = Server::spawn(command, &dir.path().join("index"), &["--set", "source=[{type=\"file\", path=\"-\"}]"]);
    let readyz = async || server.get("/readyz").await["sources"]["file#1"].clone();
    until(async || readyz().await["state"] == "failing").await;
    // It is started again, and again.
    until(async || value(&server, "perch_source_failures_total{").await >= 3.0).await;
    assert_eq!(readyz().await["state"], "failing");
    assert_eq!(server.get("/api/tweets/98999").await["error"]["code"], "not_found");
    server.kill();
}

/// The value of the first metric that starts like this; 0 when there is none.
async fn value(server: &Server, start: &str) -> f64 {
    let metrics =
        crate::support::get(format!("{}/metrics", server.url)).await.expect("an answer").text().await.expect("text");
    let line = metrics.lines().find(|line| line.starts_with(start));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0.0, |n| n.parse().expect("a number"))
}

/// What an index that nobody uses holds.
fn kept(dir: &Path) -> BTreeMap<u64, u64> {
    let index = Index::open(&IndexOptions { dir: dir.to_owned(), ..IndexOptions::default() }).expect("it opens");
    let request = PageRequest { n: 100_000, ..PageRequest::default() };
    let page = index.snapshot().page(&CompiledSearch::new(&Ast::All), &request).expect("it is read");
    page.hits.iter().map(|hit| (hit.id, hit.seq.0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_reads_nothing_twice_that_is_durable_and_loses_nothing() {
    const LINES: u64 = 30_000;
    const PART: u64 = LINES / 5;
    let dir = tempfile::tempdir().expect("a directory");
    let (path, index) = (dir.path().join("tweets.ndjson"), dir.path().join("index"));
    let table = format!("source=[{{type=\"file\", path={:?}, rate=5000, follow=true}}]", path.display().to_string());
    let arguments = ["--set", &table, "--set", "index.commit_interval_ms=20"];
    let mut random = StdRng::seed_from_u64(5);
    let mut durable = BTreeMap::<u64, u64>::new();
    for round in 0..4 {
        // However far the source runs ahead of who reads here, there are lines left for the next
        // round.
        append(&path, &lines(round * PART + 1..=(round + 1) * PART));
        let server = Server::start_with(&index, &arguments);
        let mut client = Client::open(server.url.strip_prefix("http://").expect("http")).await;
        let since = durable.values().copied().max().unwrap_or(0);
        client.percolate(json!({"query": "line", "since": since})).await;
        // At least this number of further lines, and then the end.
        for _ in 0..random.random_range(1..PART) {
            client.tweet().await;
        }
        if round == 3 {
            // On a busy machine none of the rounds may have come to a commit.
            until(async || value(&server, "perch_commit_seconds_count").await >= 1.0).await;
        }
        server.kill();
        let found = kept(&index);
        let ids: Vec<u64> = found.keys().copied().collect();
        assert!(ids.iter().copied().eq(1..=ids.len() as u64), "a line was lost");
        assert!(durable.iter().all(|(id, seq)| found.get(id) == Some(seq)), "a durable line came again");
        durable = found;
    }
    assert!((1..LINES).contains(&(durable.len() as u64)), "it tests something: {}", durable.len());
    append(&path, &lines(4 * PART + 1..=LINES));
    let server = Server::start_with(&index, &arguments);
    until(async || server.get("/api/search?q=line&n=0").await["total"] == LINES).await;
    server.kill();
    let found = kept(&index);
    assert!(durable.iter().all(|(id, seq)| found.get(id) == Some(seq)), "a durable line came again");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_is_read_to_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    let to = path.clone();
    let writer = std::thread::spawn(move || std::fs::write(to, lines(1..=10)).expect("written"));
    let perch = Perch::start_with(&source(&path, "")).await;
    done(&perch).await;
    assert_eq!(read(&perch, 10).await.len(), 10);
    writer.join().expect("it was read");
    perch.stop().await;
}
