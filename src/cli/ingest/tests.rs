use futures_util::poll;

use super::*;
use crate::client::AccessArgs;
use crate::format::reader::{Offset, ReaderOptions};

async fn portion(text: &'static str) -> Portion {
    let options = ReaderOptions::default();
    let mut reader =
        BulkReader::with(text.as_bytes(), options, Offset::default(), |tweet, location| Line::new(&tweet, location));
    let mut portion = Portion::default();
    while let Some(chunk) = reader.next_chunk().await.unwrap() {
        portion.add(&chunk);
    }
    portion
}

/// The `id_str`s of the lines of a portion, each with its place.
fn ids(portion: &Portion) -> Vec<(String, Location)> {
    let lines = std::str::from_utf8(&portion.body).unwrap().lines();
    let id = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let status = line.pointer("/delete/status").unwrap_or(&line);
        status["id_str"].as_str().unwrap().to_owned()
    };
    lines.map(id).zip(portion.locations.iter().copied()).collect()
}

#[tokio::test]
async fn a_portion_has_one_line_for_each_tweet_and_knows_its_place() {
    let deletion = r#"{"delete":{"status":{"id_str":"9"}}}"#;
    let (first, second) = (r#"{"id":1,"text":"a"}"#, r#"{"id":2,"text":"b"}"#);
    let lines = format!("{first}\r\n\nnonsense\n{deletion}\n{second}\n");
    let lines = portion(lines.leak()).await;
    let expected = [("1", 1), ("9", 4), ("2", 5)].map(|(id, line)| (id.to_owned(), Location::Line(line)));
    assert_eq!(ids(&lines), expected);
    assert!(lines.has_deletions);
    let array = portion("[{\n\"id\": 1, \"text\": \"a\"\n}, {\"id\":\n2, \"text\": \"b\"}]").await;
    assert_eq!(ids(&array), [("1", 1), ("2", 2)].map(|(id, at)| (id.to_owned(), Location::Element(at))));
}

/// A server that never answers.
async fn silent() -> (tokio::net::TcpListener, Arc<Target>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: url::Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let http = Http::new(&AccessArgs::default(), [&url]).unwrap();
    (listener, Arc::new(Target { http, url, max_portion_bytes: AtomicUsize::new(PORTION_BYTES) }))
}

#[tokio::test]
async fn a_deletion_does_not_overtake_the_tweets_before_it_or_wait_for_those_behind_it() {
    let (_listener, target) = silent().await;
    let mut counts = Counts::default();
    let mut progress = FileProgress::new(Path::new("file"), None, Arc::default(), &mut counts);
    let mut requests = JoinSet::new();
    let tweet = || portion(r#"{"id":1,"text":"a"}"#);
    let deletion = || portion(r#"{"delete":{"status":{"id_str":"1"}}}"#);
    for _ in 0..2 {
        progress.send_in_order(tweet().await, &target, &mut requests).await.unwrap();
    }
    assert_eq!(requests.len(), 2, "portions of tweets are sent beside each other");
    {
        let sending = std::pin::pin!(progress.send_in_order(deletion().await, &target, &mut requests));
        assert!(poll!(sending).is_pending());
    }
    assert_eq!(requests.len(), 2, "a deletion waits for the tweets before it");
    requests.shutdown().await;
    {
        let sending = std::pin::pin!(progress.send_in_order(deletion().await, &target, &mut requests));
        assert!(poll!(sending).is_pending(), "the tweets behind a deletion wait for it");
    }
    assert_eq!(requests.len(), 1);
}

/// A second reader would wait for another writer.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_is_opened_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let to = path.clone();
    let writer = std::thread::spawn(move || std::fs::write(to, "{\"id\":1,\"text\":\"a\"}\n").unwrap());
    let input = Input::open(&path, &ReadingArgs::default()).await.unwrap();
    let mut reader =
        input.read(&ReadingArgs::default(), &Arc::default(), |tweet, location| Line::new(&tweet, location));
    assert_eq!(reader.next_chunk().await.unwrap().unwrap().tweets.len(), 1);
    assert!(reader.next_chunk().await.unwrap().is_none());
    writer.join().unwrap();
}

#[tokio::test]
async fn a_file_without_tweets_is_one_mistake() {
    let refusals = async |text: &'static str| {
        let mut reader = BulkReader::new(text.as_bytes(), ReaderOptions::default());
        let (mut refusals, mut listed) = (Refusals::default(), Vec::new());
        while let Some(mut chunk) = reader.next_chunk().await.unwrap() {
            listed.extend(refusals.take(&mut chunk));
        }
        let end = refusals.end().map_err(|error| error.to_string())?;
        Ok::<usize, String>(listed.len() + end.len())
    };
    let error = refusals("{\"id\":1}\n{\"id\":2}\n").await.unwrap_err();
    assert!(error.starts_with("none of its 2 documents is a tweet: text: missing"), "{error}");
    assert_eq!(refusals("{\"id\":1}\n").await, Ok(1), "one mistake is one line");
    assert_eq!(refusals("{\"id\":1}\n{\"id\":2}\n{\"id\":3,\"text\":\"a\"}\n").await, Ok(2));
}

#[test]
fn counts_name_what_was_skipped_and_dropped() {
    let mut counts = Counts { accepted: 2, skipped: BTreeMap::from([("like", 3)]), ..Counts::default() };
    counts.dropped.add("lang");
    assert_eq!(counts.to_string(), "2 accepted, 0 refused, 3 skipped\n  skipped: like (3)\n  values dropped: lang (1)");
}
