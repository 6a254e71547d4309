use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::swap::OLD;
use super::*;
use crate::index::tests::journal::{Journal, Operation};
use crate::index::{Index, IndexOptions};
use crate::tweet::SequencedTweet;

mod damage;
mod swapping;

fn tweets(n: usize, from: u64) -> Vec<Arc<tweet::AnalyzedTweet>> {
    let json = |id: u64| format!("{{\"id_str\":\"{id}\",\"text\":\"rust number{id} #fast\",\"lang\":\"en\"}}");
    let read = |id: u64| Arc::new(tweet::analyze(&tweet::read(json(id).as_bytes()).unwrap()));
    (from..).take(n).map(read).collect()
}

fn open_in(dir: &Path) -> Index {
    Index::open(&IndexOptions { dir: dir.to_owned(), ..IndexOptions::default() }).unwrap()
}

fn append(
    index: &Index,
    tweets: Vec<Arc<tweet::AnalyzedTweet>>,
) -> oneshot::Receiver<Result<crate::index::Durable, crate::index::IntakeError>> {
    let first = index.take_seqs(tweets.len()).unwrap();
    let items: Vec<SequencedTweet> =
        (first.0..).map(Seq).zip(tweets).map(|(seq, tweet)| SequencedTweet { seq, tweet }).collect();
    let (ack, durable) = oneshot::channel();
    index.append(items.into(), Some(ack));
    durable
}

fn content(index: &Index) -> Vec<(Seq, u64, Arc<str>)> {
    let hits = index.snapshot().newest(100_000).unwrap();
    hits.into_iter().rev().map(|hit| (hit.seq, hit.id, hit.json)).collect()
}

#[test]
fn a_backup_of_an_index_in_use_holds_what_was_committed() {
    let dir = TempDir::new().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let index = open_in(&from);
    for round in 0..30 {
        append(&index, tweets(20, round * 15 + 1));
        index.commit_now().unwrap();
    }
    let before = content(&index);
    let report = backup(&from, &to).unwrap();
    assert_eq!(report.tweets, before.len() as u64);
    append(&index, tweets(20, 10_000));
    index.commit_now().unwrap();
    let copy = open_in(&to);
    assert_eq!(content(&copy), before);
    assert_ne!(copy.epoch(), index.epoch());
    append(&copy, tweets(20, 5));
    copy.commit_now().unwrap();
    assert_eq!(copy.snapshot().count().unwrap(), before.len() as u64);
    drop(copy);
    assert_eq!(check(&to).unwrap().problems, Vec::<String>::new());
    assert!(matches!(backup(&from, &to), Err(MaintenanceError::NotEmpty(_))));
    assert!(matches!(backup(&dir.path().join("nothing"), &dir.path().join("b")), Err(MaintenanceError::Open(_))));
}

#[test]
fn the_directories_of_a_backup_are_durable() {
    let dir = TempDir::new().unwrap();
    let from = dir.path().join("from");
    drop(open_in(&from));
    let journal = Journal::of(dir.path());
    backup(&from, &dir.path().join("a/b/to")).unwrap();
    let operations = journal.first(journal.len());
    for parent in ["", "a", "a/b"] {
        let parent = dir.path().join(parent);
        let is_synced = |operation: &Operation| matches!(operation, Operation::SyncDir(synced) if *synced == parent);
        assert!(operations.iter().any(is_synced), "{}", parent.display());
    }
}

#[test]
fn a_backup_does_not_go_into_the_index() {
    let dir = TempDir::new().unwrap();
    let from = dir.path().join("index");
    drop(open_in(&from));
    for inside in ["copy", "tantivy", "a/b", "../index/copy", ""] {
        let to = from.join(inside);
        assert!(matches!(backup(&from, &to), Err(MaintenanceError::Inside { .. })), "{inside}");
    }
    assert!(!from.join("copy").exists() && !from.join("a").exists(), "nothing was made");
    backup(&from, &dir.path().join("index2")).unwrap();
    #[cfg(unix)]
    {
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&from, &link).unwrap();
        assert!(matches!(backup(&from, &link.join("copy")), Err(MaintenanceError::Inside { .. })));
        assert!(matches!(backup(&link, &from.join("copy")), Err(MaintenanceError::Inside { .. })));
    }
}

#[test]
fn backups_under_load_are_whole() {
    let dir = TempDir::new().unwrap();
    let from = dir.path().join("from");
    let index = open_in(&from);
    append(&index, tweets(10, 1));
    index.commit_now().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                append(&index, tweets(10, round * 7 + 1));
                index.commit_now().unwrap();
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
            }
        });
        let mut tweets = 0;
        for number in 0..10 {
            let to = dir.path().join(number.to_string());
            let outcome = backup(&from, &to).and_then(|_| check(&to));
            done.store(number == 9 || outcome.is_err(), std::sync::atomic::Ordering::Relaxed);
            let report = outcome.unwrap();
            assert_eq!(report.problems, Vec::<String>::new());
            assert!(report.tweets >= tweets, "the later one holds no less");
            tweets = report.tweets;
        }
    });
}

#[test]
fn damage_is_found() {
    let dir = TempDir::new().unwrap();
    let index = open_in(dir.path());
    append(&index, tweets(200, 1));
    index.commit_now().unwrap();
    assert!(matches!(check(dir.path()), Err(MaintenanceError::Open(OpenError::Locked { .. }))), "it is in use");
    drop(index);
    let report = check(dir.path()).unwrap();
    assert_eq!((report.tweets, report.problems.len()), (200, 0));
    let entries = fs::read_dir(dir.path().join(TANTIVY)).unwrap().map(|entry| entry.unwrap().path());
    let postings = entries.into_iter().find(|path| path.extension().is_some_and(|it| it == "idx")).unwrap();
    let mut bytes = fs::read(&postings).unwrap();
    bytes[10] ^= 0x55;
    fs::write(&postings, bytes).unwrap();
    let report = check(dir.path()).unwrap();
    assert!(report.problems[0].contains(".idx is damaged"), "{:?}", report.problems);
}

#[test]
fn an_index_of_another_version_is_built_anew() {
    let dir = TempDir::new().unwrap();
    let index = open_in(dir.path());
    let epoch = index.epoch();
    append(&index, tweets(100, 1));
    index.commit_now().unwrap();
    append(&index, tweets(100, 51));
    index.commit_now().unwrap();
    let before = content(&index);
    drop(index);
    let note = dir.path().join("perch.json");
    let text = fs::read_to_string(&note).unwrap();
    let older =
        text.replace(&format!("\"schema_version\": {}", crate::index::schema_version()), "\"schema_version\": 0");
    assert_ne!(text, older);
    fs::write(&note, &older).unwrap();
    let options = IndexOptions { dir: dir.path().to_owned(), ..IndexOptions::default() };
    assert!(matches!(Index::open(&options), Err(OpenError::Version { found: 0, .. })));
    assert_eq!(reindex(dir.path()).unwrap().tweets, 150);
    let index = open_in(dir.path());
    assert_eq!((content(&index), index.epoch()), (before.clone(), epoch));
    drop(index);
    assert_eq!(check(dir.path()).unwrap().problems, Vec::<String>::new());

    // Cut off between the renames, it is run again.
    fs::write(&note, older).unwrap();
    fs::rename(dir.path().join(TANTIVY), dir.path().join(OLD)).unwrap();
    fs::create_dir(dir.path().join(NEW)).unwrap();
    assert_eq!(reindex(dir.path()).unwrap().tweets, 150);
    let index = open_in(dir.path());
    assert_eq!(content(&index), before);
}

/// Whether a file of the index contains these bytes.
fn is_on_disk(dir: &Path, bytes: &[u8]) -> bool {
    // A file may be deleted meanwhile.
    let files = fs::read_dir(dir.join(TANTIVY)).unwrap().filter_map(|entry| fs::read(entry.unwrap().path()).ok());
    files.into_iter().any(|file| file.windows(bytes.len()).any(|window| window == bytes))
}

/// Commits 100 tweets and one more with a text of its own, and then the deletion of that one.
fn append_and_delete(index: &Index) {
    append(index, tweets(100, 1));
    let secret = br#"{"id_str":"at://secret","text":"qwzxjkvb"}"#;
    append(index, vec![Arc::new(tweet::analyze(&tweet::read(secret).unwrap()))]);
    index.commit_now().unwrap();
    let order = index.id_of(tweet::TweetKey::new("at://secret")).unwrap().unwrap();
    append(index, vec![Arc::new(tweet::deletion_in_order("at://secret", order))]);
    index.commit_now().unwrap();
}

#[test]
fn the_text_of_a_deleted_tweet_is_gone_once_its_segment_is_written_anew() {
    let dir = TempDir::new().unwrap();
    let index = open_in(dir.path());
    append_and_delete(&index);
    let last = index.last_seq();
    drop(index);
    let report = check(dir.path()).unwrap();
    assert_eq!((report.tweets, report.deletions, report.deleted_texts), (100, 1, 1));
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(is_on_disk(dir.path(), b"qwzxjkvb"));

    reindex(dir.path()).unwrap();
    check_gone(dir.path(), last);
    let index = open_in(dir.path());
    let snapshot = index.snapshot();
    let (segment, _) = snapshot.committed().segments_by(|_| 0)[0];
    let first_seqs: Vec<u64> =
        (0..101).filter(|&doc| segment.is_deletion(doc)).map(|doc| segment.first_seq(doc).0).collect();
    assert_eq!(first_seqs, [101], "the deletion still says since when the tweet was known");
}

#[test]
fn a_deletion_asks_for_its_segment_to_be_written_anew() {
    let dir = TempDir::new().unwrap();
    let purge_after = Duration::from_millis(1);
    let options = IndexOptions { dir: dir.path().to_owned(), purge_after, ..IndexOptions::default() };
    let index = Index::open(&options).unwrap();
    append_and_delete(&index);
    let last = index.last_seq();
    // Nothing else comes.
    let start = Instant::now();
    while is_on_disk(dir.path(), b"qwzxjkvb") {
        assert!(start.elapsed() < Duration::from_secs(60), "the text stays");
        std::thread::yield_now();
    }
    drop(index);
    check_gone(dir.path(), last);
}

/// The deletion is kept, and the text is gone.
fn check_gone(dir: &Path, last: Seq) {
    let report = check(dir).unwrap();
    assert_eq!((report.tweets, report.deletions, report.deleted_texts), (100, 1, 0));
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(!is_on_disk(dir, b"qwzxjkvb"));
    let index = open_in(dir);
    assert_eq!((index.snapshot().count().unwrap(), index.last_seq()), (100, last));
}
