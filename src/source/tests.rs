use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::*;
use crate::ids::Seq;
use crate::pipeline::{Batch, Durable};

fn context(capacity: usize) -> (SourceContext, mpsc::Receiver<Batch>) {
    let (intake, batches) = Intake::channel(capacity);
    (
        SourceContext {
            name: "test#1".to_owned(),
            intake,
            max_line_bytes: 1024 * 1024,
            cursors: Cursors::default(),
            board: Arc::default(),
            shutdown: CancellationToken::new(),
        },
        batches,
    )
}

fn build(text: &str) -> Result<Box<dyn Source>, Vec<ConfigError>> {
    let mut table: toml::Table = text.parse().expect("TOML");
    let Some(toml::Value::String(kind)) = table.remove("type") else { panic!("no type in {text}") };
    (SOURCES.iter().find(|row| row.name == kind).expect("known").build)(table)
}

fn mistakes(text: &str) -> String {
    let mistakes = build(text).err().expect("there are mistakes");
    mistakes.iter().map(|error| format!("{error}\n")).collect()
}

#[test]
fn every_row_is_whole_and_its_example_builds() {
    let mut names = BTreeSet::new();
    for row in SOURCES {
        assert!(names.insert(row.name), "{} is there twice", row.name);
        assert!(row.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", row.name);
        assert!(!row.about.is_empty() && !row.about.ends_with('.') && !row.about.contains('\n'), "{}", row.about);
        assert!(build(row.example).is_ok(), "the example of {}", row.name);
    }
}

#[test]
fn wrong_tables_are_refused_with_every_mistake() {
    expect_test::expect![[r#"
        pth: there is no such key; did you mean "path"?
        rate: expected a number, found the string "fast"
        path: is missing
    "#]]
    .assert_eq(&mistakes("type = 'file'\nrate = 'fast'\npth = 'a'"));
    expect_test::expect![[r#"
        rate: expected more than 0 and at most 1000000 tweets/s, found 0
        format: expected one of bluesky, mastodon, x-archive, database, x-web, x-api-v2, scraper, csv, twitter-v1, found "x"
    "#]]
    .assert_eq(&mistakes("type = 'file'\npath = '-'\nrate = 0\nformat = 'x'"));
    expect_test::expect![[r"
        rate: expected more than 0 and at most 100000 tweets/s, found -1
    "]]
    .assert_eq(&mistakes("type = 'demo'\nrate = -1"));
    expect_test::expect![[r#"
        instance: is missing: the name of an instance, such as mastodon.social
        streams[1]: expected public, public:local, public:remote, #tag or #tag:local, found "user"
    "#]]
    .assert_eq(&mistakes("type = 'mastodon'\nstreams = ['#birds', 'user']"));
    expect_test::expect![[r#"
        instance: expected the name of an instance, such as mastodon.social, found "https://a.example/@ann"
        rewind_seconds: expected at most 3600, found 4000
    "#]]
    .assert_eq(&mistakes("type = 'mastodon'\ninstance = 'https://a.example/@ann'\nrewind_seconds = 4000"));
    expect_test::expect![[r"
        token_file: is missing: a file with the bearer token of an app
        rules: is missing: at least one rule that says which posts X sends
    "]]
    .assert_eq(&mistakes("type = 'x'"));
    expect_test::expect![[r#"
        url: expected an address such as https://api.x.com, found "api.x.com"
        rules[0]: expected a rule, found an empty text
        tag: expected a text: rules without a tag are not perch's
        backfill_minutes: expected at most 5, found 6
    "#]]
    .assert_eq(&mistakes(
        "type = 'x'\ntoken_file = 'x.token'\nrules = [' ']\ntag = ''\nbackfill_minutes = 6\nurl = 'api.x.com'",
    ));
}

fn states(board: &StatusBoard) -> Vec<SourceState> {
    board.snapshot().into_iter().map(|(_, status)| status.state).collect()
}

/// Fails this many times, then ends.
struct Failing {
    failures: usize,
    runs: Arc<AtomicUsize>,
}

impl Source for Failing {
    fn run(&self, _: SourceContext) -> BoxFuture<'_, anyhow::Result<()>> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { if run < self.failures { Err(anyhow::anyhow!("broken {run}")) } else { Ok(()) } })
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_started_again_until_it_is_done() {
    let (context, _batches) = context(1);
    let runs = Arc::new(AtomicUsize::new(0));
    let board = Arc::clone(&context.board);
    let started = tokio::time::Instant::now();
    let source = Box::new(Failing { failures: 4, runs: Arc::clone(&runs) });
    supervise_with(Duration::from_millis(4), source, context).await;
    assert_eq!(runs.load(Ordering::Relaxed), 5);
    assert_eq!(states(&board), [SourceState::Done]);
    // 4 + 8 + 16 + 32 ms, at least half of it; each pause ends with the clock's next millisecond.
    let paused = started.elapsed();
    assert!((Duration::from_millis(30)..=Duration::from_millis(64)).contains(&paused), "{paused:?}");
}

#[tokio::test]
async fn the_board_shows_a_failure_and_the_shutdown_ends_the_pause() {
    let (context, _batches) = context(1);
    let shutdown = context.shutdown.clone();
    let board = Arc::clone(&context.board);
    let source = Box::new(Failing { failures: usize::MAX, runs: Arc::default() });
    let supervisor = tokio::spawn(supervise_with(Duration::from_secs(3600), source, context));
    while !matches!(states(&board).first(), Some(SourceState::Failing { reason }) if reason.starts_with("broken")) {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    // The delay is an hour.
    supervisor.await.unwrap();
    assert_eq!(states(&board), [SourceState::Done]);
}

#[test]
fn pauses_grow_to_a_bound() {
    assert_eq!(retry::delay(FIRST_RETRY_DELAY, 0), Duration::from_millis(500));
    assert_eq!(retry::delay(FIRST_RETRY_DELAY, 3), Duration::from_secs(4));
    assert_eq!(retry::delay(FIRST_RETRY_DELAY, 10_000), retry::MAX_RETRY_DELAY);
    let asked = anyhow::anyhow!("429").context(retry::RetryLater::after(Duration::from_secs(120)));
    assert!(retry::pause(FIRST_RETRY_DELAY, 0, &asked) >= Duration::from_secs(120));
}

#[test]
fn an_error_may_have_a_backoff_of_its_own() {
    let pause = |failures, error: &anyhow::Error| retry::pause(FIRST_RETRY_DELAY, failures, error).as_millis();
    let (step, longest) = (Duration::from_millis(250), Duration::from_secs(16));
    let linear =
        retry::SourceBackoff::Linear { step, longest }.of(&anyhow::anyhow!("a cut")).context("the stream ended");
    assert_eq!(format!("{linear:#}"), "the stream ended: a cut");
    assert!((250..375).contains(&pause(0, &linear)) && (1_000..1_500).contains(&pause(3, &linear)));
    assert!((16_000..24_000).contains(&pause(1_000, &linear)));
    let slow = retry::SourceBackoff::SLOW.of(&anyhow::anyhow!("401"));
    assert!((60_000..90_000).contains(&pause(0, &slow)) && (120_000..180_000).contains(&pause(1, &slow)));
    let asked = anyhow::anyhow!("429").context(retry::RetryLater::after(Duration::from_secs(300)));
    let asked = retry::SourceBackoff::SLOW.of(&asked);
    assert!(retry::has_backoff(&asked) && (300_000..450_000).contains(&pause(0, &asked)));
}

fn file_with(lines: usize) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tweets.ndjson");
    let text: String = (1..=lines).map(|id| format!("{{\"id_str\": \"{id}\", \"text\": \"tweet {id}\"}}\n")).collect();
    std::fs::write(&path, text + "nonsense\n").unwrap();
    let config = format!("type = 'file'\npath = '{}'\n", path.display());
    (dir, config)
}

#[tokio::test]
async fn a_file_is_done_when_its_last_tweet_is_durable() {
    let (_dir, config) = file_with(1_200);
    let source = build(&config).unwrap_or_else(|_| panic!("right"));
    let (context, mut batches) = context(100);
    let run = tokio::spawn(async move { source.run(context).await });
    let mut ids = Vec::new();
    let mut acks = Vec::new();
    while ids.len() < 1_200 {
        let batch = batches.recv().await.unwrap();
        ids.extend(batch.tweets.iter().map(|tweet| tweet.id));
        acks.extend(batch.ack);
    }
    assert!(ids.iter().copied().eq(1..=1_200));
    assert!(!run.is_finished(), "nothing is durable yet");
    for ack in acks {
        ack.send(Ok(Durable { seq: Seq(1), deleted: 0 })).unwrap();
    }
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_file_whose_tweets_are_not_durable_fails() {
    let (_dir, config) = file_with(10);
    let source = build(&config).unwrap_or_else(|_| panic!("right"));
    let (context, mut batches) = context(100);
    let run = tokio::spawn(async move { source.run(context).await });
    let batch = batches.recv().await.unwrap();
    batch.ack.unwrap().send(Err(crate::pipeline::IntakeError::Full)).unwrap();
    assert!(run.await.unwrap().is_err());
}

#[tokio::test]
async fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let source = build("type = 'file'\npath = '/nowhere/at/all'").unwrap_or_else(|_| panic!("right"));
    let (context, _batches) = context(1);
    let error = format!("{:#}", source.run(context).await.unwrap_err());
    assert!(error.contains("/nowhere/at/all"), "{error}");
}

#[tokio::test]
async fn a_file_at_a_rate_takes_its_time() {
    let (_dir, config) = file_with(100);
    let source = build(&(config + "rate = 1000\n")).unwrap_or_else(|_| panic!("right"));
    let (context, mut batches) = context(100);
    let started = std::time::Instant::now();
    let run = tokio::spawn(async move { source.run(context).await });
    let mut tweets = 0;
    while tweets < 100 {
        let batch = batches.recv().await.unwrap();
        assert!(batch.tweets.len() <= 50);
        tweets += batch.tweets.len();
        batch.ack.unwrap().send(Ok(Durable { seq: Seq(1), deleted: 0 })).unwrap();
    }
    assert!(started.elapsed() >= Duration::from_millis(49));
    run.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_demo_keeps_its_rate_and_ends_with_the_shutdown() {
    let source = build("type = 'demo'\nrate = 1000").unwrap_or_else(|_| panic!("right"));
    let (context, mut batches) = context(1);
    let shutdown = context.shutdown.clone();
    let run = tokio::spawn(async move { source.run(context).await });
    let started = tokio::time::Instant::now();
    let mut ids = Vec::new();
    while ids.len() < 200 {
        ids.extend(batches.recv().await.unwrap().tweets.iter().map(|tweet| tweet.id));
    }
    // Four ticks of 50 ms, the first one at once.
    assert_eq!(started.elapsed(), Duration::from_millis(150));
    assert!(ids.is_sorted_by(|a, b| a < b));
    shutdown.cancel();
    run.await.unwrap().unwrap();
}

/// Panics once, then ends.
struct Panicking(Arc<AtomicUsize>);

impl Source for Panicking {
    fn run(&self, _: SourceContext) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async {
            assert!(self.0.fetch_add(1, Ordering::Relaxed) > 0, "a test wants this");
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_started_again() {
    let (context, _batches) = context(1);
    let (runs, board) = (Arc::default(), Arc::clone(&context.board));
    let source = Box::new(Panicking(Arc::clone(&runs)));
    supervise_with(Duration::from_millis(1), source, context).await;
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(states(&board), [SourceState::Done]);
}
