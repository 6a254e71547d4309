use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::doc::{Doc, DocBuilder};
use crate::query::{self, Ast};
use crate::schema::{Schema, tweet};
use crate::tweet::{self as tweet_module, AnalyzedTweet, TweetKey};

mod deletion;
pub(super) mod journal;
mod model;
mod power_cut;
mod query_cases;
mod satisfiable;

/// Options under which nothing is committed unless a test says so.
pub(super) fn options(dir: &Path) -> IndexOptions {
    IndexOptions {
        dir: dir.to_owned(),
        commit_interval: Duration::from_secs(3_600),
        source_commit_interval: Duration::from_secs(3_600),
        commit_tweets: usize::MAX,
        writer_memory_bytes: 15_000_000,
        queue_batches: 2,
        retention: Retention::default(),
        ..IndexOptions::default()
    }
}

/// A thousand tweets from this number on have a text as `id_str`, and three share an id.
const NAMED: u64 = 1 << 40;

fn is_named(id: u64) -> bool {
    (NAMED..NAMED + 1_000).contains(&id)
}

fn id_str(id: u64) -> String {
    if is_named(id) { format!("at://{id}") } else { id.to_string() }
}

fn key(id: u64) -> TweetKey {
    TweetKey::new(&id_str(id))
}

fn prepared(id: u64, doc: Doc) -> Arc<AnalyzedTweet> {
    let (key, order) = (key(id), if is_named(id) { (id - NAMED) / 3 } else { id });
    Arc::new(AnalyzedTweet {
        id: order,
        key,
        json: format!("{{\"id_str\":\"{}\",\"seed\":{}}}", id_str(id), doc.tokens().len()).into(),
        doc,
        is_deleted: false,
    })
}

pub(super) fn text(text: &str) -> Doc {
    let mut builder = DocBuilder::new(Schema::tweet());
    builder.text(tweet::TEXT, text);
    builder.finish()
}

/// The deletion of a tweet that the index has.
fn deletion(index: &Index, id: u64) -> Arc<AnalyzedTweet> {
    let order = index.id_of(key(id)).unwrap().expect("it is there");
    Arc::new(tweet_module::deletion_in_order(&id_str(id), order))
}

fn word(word: &str) -> CompiledSearch {
    CompiledSearch::new(&Ast::Term { field: tweet::TEXT, term: word.into() })
}

/// Appends tweets and answers with the receiver of the acknowledgement.
pub(super) fn append(
    index: &Index,
    tweets: impl IntoIterator<Item = (u64, Doc)>,
) -> (Vec<SequencedTweet>, oneshot::Receiver<Result<Durable, IntakeError>>) {
    append_tweets(index, tweets.into_iter().map(|(id, doc)| prepared(id, doc)).collect())
}

/// As [`append`], for tweets and deletions.
fn append_tweets(
    index: &Index,
    tweets: Vec<Arc<AnalyzedTweet>>,
) -> (Vec<SequencedTweet>, oneshot::Receiver<Result<Durable, IntakeError>>) {
    let first = index.take_seqs(tweets.len()).unwrap();
    let items: Vec<SequencedTweet> =
        (first.0..).map(Seq).zip(tweets).map(|(seq, tweet)| SequencedTweet { seq, tweet }).collect();
    let (ack, durable) = oneshot::channel();
    index.append(items.clone().into(), Some(ack));
    (items, durable)
}

fn ids(page: &Page) -> Vec<u64> {
    page.hits.iter().map(|hit| hit.id).collect()
}

fn first_page(index: &Index, search: &CompiledSearch) -> Page {
    index.snapshot().page(search, &PageRequest { n: 10, ..PageRequest::default() }).unwrap()
}

/// What a replay gives for each query. Checks that the tweets come in order, each once.
pub(super) fn replay(snapshot: &Snapshot, queries: &[(Ast, Seq)], until: Seq, limits: PageLimits) -> Vec<Vec<Hit>> {
    replay_with_gone(snapshot, queries, until, limits).0
}

/// As [`replay`], and the seqs at which tweets are gone for each query.
fn replay_with_gone(
    snapshot: &Snapshot,
    queries: &[(Ast, Seq)],
    until: Seq,
    limits: PageLimits,
) -> (Vec<Vec<Hit>>, Vec<Vec<Seq>>) {
    let query = |(ast, after): &(Ast, Seq)| {
        let search = Arc::new(CompiledSearch::new(ast));
        ReplayQuery { search, after: *after, holds: *after }
    };
    let mut replay = Replay::new(queries.iter().map(query).collect());
    let (mut hits, mut gone, mut last) = (vec![Vec::new(); queries.len()], vec![Vec::new(); queries.len()], None);
    loop {
        let page = replay.page(snapshot, until, limits).unwrap();
        assert!(page.hits.len() <= limits.tweets);
        for ReplayHit { hit, is_deleted, queries, gone: gone_for } in page.hits {
            assert!(last < Some(hit.seq) && hit.seq <= page.until, "{} comes after {last:?}", hit.seq);
            last = Some(hit.seq);
            assert!(if is_deleted { queries.is_empty() } else { true });
            assert!(!queries.is_empty() || !gone_for.is_empty());
            assert!(queries.iter().all(|at| gone_for.iter().all(|other| at != other)));
            queries.iter().for_each(|at| hits[at].push(hit.clone()));
            gone_for.iter().for_each(|at| gone[at].push(hit.seq));
        }
        if page.until >= until {
            return (hits, gone);
        }
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            match fs::copy(entry.path(), to) {
                // tantivy's thread has given it another name in this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
}

#[test]
fn a_tweet_is_found_before_and_after_its_commit() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let (items, mut durable) = append(&index, [(7, text("rust")), (9, text("rust too")), (8, text("other"))]);
    let check = |index: &Index| {
        assert_eq!(ids(&first_page(index, &word("rust"))), [9, 7]);
        assert_eq!(index.snapshot().get(key(8)).unwrap().unwrap().seq, items[2].seq);
        assert_eq!(index.snapshot().get(key(6)).unwrap(), None);
        assert_eq!(index.snapshot().count().unwrap(), 3);
    };
    check(&index);
    assert_eq!(index.stats().tail_tweets, 3);
    assert!(durable.try_recv().is_err(), "nothing is durable before the commit");
    index.commit_now().unwrap();
    assert_eq!(durable.try_recv().unwrap().unwrap().seq, items[2].seq);
    assert_eq!((index.stats().tail_tweets, index.stats().tail_bytes, index.stats().documents), (0, 0, 3));
    check(&index);
    drop(index);
    let index = Index::open(&options(dir.path())).unwrap();
    check(&index);
    assert_eq!(index.snapshot().last_seq(), items[2].seq);
}

#[test]
fn the_writer_commits_by_itself() {
    let dir = TempDir::new().unwrap();
    let by_time = IndexOptions { commit_interval: Duration::from_millis(1), ..options(&dir.path().join("time")) };
    let by_count = IndexOptions { commit_tweets: 2, ..options(&dir.path().join("count")) };
    for options in [by_time, by_count] {
        let index = Index::open(&options).unwrap();
        let (items, durable) = append(&index, [(1, text("a")), (2, text("a"))]);
        assert_eq!(durable.blocking_recv().unwrap().unwrap().seq, items[1].seq);
        assert_eq!(index.stats().documents, 2);
    }
}

#[test]
fn a_batch_that_may_wait_has_an_interval_of_its_own() {
    let dir = TempDir::new().unwrap();
    let (soon, late) = (Duration::from_millis(1), Duration::from_secs(3_600));
    let append_patiently = |index: &Index, id| {
        let items = [SequencedTweet { seq: index.take_seqs(1).unwrap(), tweet: prepared(id, text("a")) }];
        let (ack, durable) = oneshot::channel();
        index.append_from(Arc::new(items), Some(ack), None, true);
        durable
    };
    // By itself.
    let of_sources = options(&dir.path().join("sources"));
    let index = Index::open(&IndexOptions { source_commit_interval: soon, ..of_sources }).unwrap();
    append_patiently(&index, 1).blocking_recv().unwrap().unwrap();
    // With a batch that does not wait, also with an empty one.
    let of_clients = options(&dir.path().join("clients"));
    let options = IndexOptions { commit_interval: soon, source_commit_interval: late, ..of_clients };
    let index = Index::open(&options).unwrap();
    let first = append_patiently(&index, 1);
    assert_eq!(first_page(&index, &word("a")).total, 1, "found at once");
    append(&index, [(2, text("a"))]).1.blocking_recv().unwrap().unwrap();
    first.blocking_recv().unwrap().unwrap();
    assert_eq!(index.stats().commits, 1);
    let second = append_patiently(&index, 3);
    index.append([].into(), None);
    second.blocking_recv().unwrap().unwrap();
    assert_eq!((index.stats().commits, index.stats().documents), (2, 3));
}

#[test]
fn a_newer_version_replaces_the_older_one_wherever_they_are() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let check = |new: &str, old: &str| {
        assert_eq!(ids(&first_page(&index, &word(new))), [5], "{new}");
        assert_eq!(first_page(&index, &word(old)).total, 0, "{old} is replaced");
        assert_eq!(index.snapshot().count().unwrap(), 1);
    };
    append(&index, [(5, text("one")), (5, text("two"))]);
    check("two", "one");
    append(&index, [(5, text("three"))]);
    check("three", "two");
    index.commit_now().unwrap();
    check("three", "two");
    let (items, _) = append(&index, [(5, text("four"))]);
    check("four", "three");
    // The older version is gone even where the newer one is not asked for: it comes again, with a
    // new seq.
    let until_seq = Some(Seq(items[0].seq.0 - 1));
    let request = PageRequest { n: 10, until_seq, ..PageRequest::default() };
    assert_eq!(index.snapshot().page(&CompiledSearch::new(&Ast::All), &request).unwrap(), Page::default());
    index.commit_now().unwrap();
    check("four", "three");
    assert_eq!(index.stats().documents, 1);
}

#[test]
fn a_snapshot_does_not_change() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, [(1, text("a")), (2, text("a"))]);
    let snapshot = index.snapshot();
    append(&index, [(2, text("b")), (3, text("a"))]);
    index.commit_now().unwrap();
    append(&index, [(1, text("b"))]);
    let page = snapshot.page(&word("a"), &PageRequest { n: 10, ..PageRequest::default() }).unwrap();
    assert_eq!(ids(&page), [2, 1]);
    assert_eq!(ids(&first_page(&index, &word("a"))), [3]);
}

#[test]
fn the_largest_ids_and_the_smallest_keep_their_order() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, [(u64::MAX, text("a")), (0, text("a")), (1 << 63, text("a"))]);
    index.commit_now().unwrap();
    append(&index, [(u64::MAX - 1, text("a")), (1, text("a"))]);
    assert_eq!(ids(&first_page(&index, &word("a"))), [u64::MAX, u64::MAX - 1, 1 << 63, 1, 0]);
}

#[test]
fn no_seq_is_used_twice_after_a_crash() {
    let dir = TempDir::new().unwrap();
    let (home, copy) = (dir.path().join("home"), dir.path().join("copy"));
    let index = Index::open(&options(&home)).unwrap();
    let (committed, _) = append(&index, [(1, text("a"))]);
    index.commit_now().unwrap();
    let (lost, _) = append(&index, [(2, text("a"))]);
    // What is on disk now is what a crash would leave.
    copy_dir(&home, &copy);
    let after = Index::open(&options(&copy)).unwrap();
    assert_eq!(ids(&first_page(&after, &word("a"))), [1]);
    assert_eq!(after.epoch(), index.epoch());
    assert!(after.last_seq() >= lost[0].seq, "what was pushed is not in the future");
    let (next, _) = append(&after, [(3, text("a"))]);
    assert!(next[0].seq > lost[0].seq && lost[0].seq > committed[0].seq);
}

#[test]
fn seqs_go_on_where_they_were_after_a_close() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    assert_eq!(index.last_seq(), Seq::ZERO);
    assert_eq!(index.take_seqs(3).unwrap(), Seq(1));
    assert_eq!(index.take_seqs(5_000_000).unwrap(), Seq(4));
    assert!(index.take_seqs(usize::MAX).is_err());
    assert_eq!(index.take_seqs(1).unwrap(), Seq(5_000_004));
    index.close().unwrap();
    drop(index);
    assert_eq!(Index::open(&options(dir.path())).unwrap().take_seqs(1).unwrap(), Seq(5_000_005));
}

#[test]
fn what_is_appended_after_the_close_is_refused_and_searching_goes_on() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let (_, durable) = append(&index, [(1, text("a"))]);
    index.close().unwrap();
    index.close().unwrap();
    assert!(durable.blocking_recv().unwrap().is_ok(), "closing commits");
    let (_, durable) = append(&index, [(2, text("a"))]);
    assert_eq!(durable.blocking_recv().unwrap(), Err(IntakeError::Closed));
    assert_eq!(index.commit_now(), Err(IntakeError::Closed));
    assert_eq!(ids(&first_page(&index, &word("a"))), [1]);
    assert!(index.failure().borrow().is_none());
}

#[test]
fn a_batch_without_tweets_is_durable_at_once() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let (ack, durable) = oneshot::channel();
    index.append(Vec::new().into(), Some(ack));
    assert_eq!(durable.blocking_recv().unwrap(), Ok(Durable::default()));
}

#[test]
fn a_failed_commit_is_answered_and_the_writer_goes_on() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, [(1, text("old")), (2, text("old"))]);
    index.commit_now().unwrap();
    let (tantivy, away) = (dir.path().join("tantivy"), dir.path().join("away"));
    fs::rename(&tantivy, &away).unwrap();
    let (_, durable) = append(&index, [(2, text("new")), (3, text("new"))]);
    // It fails here, or has failed when the tweets were added.
    let _ = index.commit_now();
    assert!(matches!(durable.blocking_recv().unwrap(), Err(IntakeError::Failed(_))));
    assert_eq!(ids(&first_page(&index, &word("old"))), [2, 1], "the older version is back");
    assert_eq!((first_page(&index, &word("new")).total, index.stats().tail_tweets), (0, 0));
    fs::rename(&away, &tantivy).unwrap();
    let (_, durable) = append(&index, [(2, text("new")), (3, text("new"))]);
    index.commit_now().unwrap();
    assert!(durable.blocking_recv().unwrap().is_ok());
    assert_eq!(ids(&first_page(&index, &word("new"))), [3, 2]);
    assert_eq!(index.snapshot().count().unwrap(), 3);
}

#[test]
fn a_directory_has_one_perch_at_a_time() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let error = Index::open(&options(dir.path())).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("another perch uses"), "{error}");
    let reader = index.clone();
    index.close().unwrap();
    Index::open(&options(dir.path())).expect("a reader does not keep the index open");
    drop(reader);
}

#[test]
fn a_directory_with_other_files_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("README.md"), "").unwrap();
    fs::write(dir.path().join(".gitignore"), "").unwrap();
    // Of a perch whose index was deleted.
    fs::write(dir.path().join("sente%2Fchsk.json"), "").unwrap();
    fs::write(dir.path().join("sente%2Fchsk.json.new"), "").unwrap();
    fs::write(dir.path().join("thesis.tex"), "").unwrap();
    let error = Index::open(&options(dir.path())).unwrap_err();
    assert!(matches!(&error, OpenError::Foreign { file, .. } if file == "thesis.tex"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
    fs::remove_file(dir.path().join("thesis.tex")).unwrap();
    Index::open(&options(dir.path())).unwrap();
}

#[test]
fn an_index_of_another_version_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(Index::open(&options(dir.path())).unwrap());
    let note = dir.path().join("perch.json");
    let other = fs::read_to_string(&note)
        .unwrap()
        .replace(&format!("\"schema_version\": {}", schema_version()), "\"schema_version\": 99");
    fs::write(&note, other).unwrap();
    let error = Index::open(&options(dir.path())).unwrap_err();
    assert!(matches!(error, OpenError::Version { found: 99, .. }), "{error}");
}

#[test]
fn a_damaged_index_is_refused() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, [(1, text("a"))]);
    drop(index);
    let meta = dir.path().join("tantivy/meta.json");
    let text = fs::read(&meta).unwrap();
    fs::write(&meta, "{}").unwrap();
    assert!(matches!(Index::open(&options(dir.path())).unwrap_err(), OpenError::Damaged { .. }));
    fs::remove_file(&meta).unwrap();
    assert!(matches!(Index::open(&options(dir.path())).unwrap_err(), OpenError::Damaged { .. }));
    fs::write(&meta, text).unwrap();
    fs::write(dir.path().join("perch.json"), "no JSON").unwrap();
    assert!(matches!(Index::open(&options(dir.path())).unwrap_err(), OpenError::Damaged { .. }));
}

#[cfg(unix)]
#[test]
fn a_directory_without_permission_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    match Index::open(&options(dir.path())) {
        Err(error) => assert!(matches!(error, OpenError::Permission { .. }), "{error}"),
        Ok(_) => assert!(fs::write(dir.path().join("it"), "").is_ok(), "only root may do that"),
    }
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    assert!(OpenError::io(dir.path(), denied).to_string().starts_with("no permission"));
}

#[test]
fn a_block_of_seqs_that_can_not_be_reserved_costs_nothing() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let obstacle = dir.path().join("perch.json.new");
    fs::create_dir(&obstacle).unwrap();
    index.take_seqs(5).unwrap_err();
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(index.take_seqs(5).unwrap(), Seq(1));
    fs::create_dir(&obstacle).unwrap();
    assert_eq!(index.take_seqs(5).unwrap(), Seq(6), "the block lasts");
    index.close().unwrap();
    drop(index);
    fs::remove_dir(&obstacle).unwrap();
    assert!(Index::open(&options(dir.path())).unwrap().take_seqs(1).unwrap() > Seq(10));
}

/// Appends one tweet that brings `source` from one place to another.
fn append_from(index: &Index, id: u64, source: &str, after: Option<&str>, at: &str) {
    let seq = index.take_seqs(1).unwrap();
    let items: Arc<[SequencedTweet]> = [SequencedTweet { seq, tweet: prepared(id, text("a")) }].into();
    let cursor = Cursor { source: source.into(), after: after.map(Into::into), at: at.into() };
    index.append_from(items, None, Some(cursor), false);
}

#[test]
fn cursors_become_durable_with_their_tweets_and_never_pass_a_gap() {
    let dir = TempDir::new().unwrap();
    let copy = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let at = |index: &Index, source: &str| index.cursors().get(source).map(|at| at.to_string());
    append_from(&index, 1, "a", None, "1");
    append_from(&index, 2, "b", None, "x");
    append_from(&index, 3, "a", Some("1"), "2");
    assert_eq!((at(&index, "a"), at(&index, "b")), (None, None), "nothing is durable yet");
    copy_dir(dir.path(), copy.path());
    index.commit_now().unwrap();
    assert_eq!((at(&index, "a").as_deref(), at(&index, "b").as_deref()), (Some("2"), Some("x")));
    // The batch from 2 to 3 was lost somewhere.
    append_from(&index, 4, "a", Some("3"), "4");
    append_from(&index, 5, "b", Some("x"), "y");
    index.commit_now().unwrap();
    assert_eq!((at(&index, "a").as_deref(), at(&index, "b").as_deref()), (Some("2"), Some("y")));
    drop(index);
    let index = Index::open(&options(dir.path())).unwrap();
    assert_eq!((at(&index, "a").as_deref(), at(&index, "b").as_deref()), (Some("2"), Some("y")));
    append_from(&index, 4, "a", Some("2"), "3");
    index.commit_now().unwrap();
    assert_eq!(at(&index, "a").as_deref(), Some("3"));
    // As after a crash before the first commit.
    let crashed = Index::open(&options(copy.path())).unwrap();
    assert_eq!((at(&crashed, "a"), first_page(&crashed, &word("a")).total), (None, 0));
}
