//! Damage of every kind, in every kind of file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index as Pick;

use super::*;
use crate::index::{PageLimits, Replay, ReplayQuery, checksum};

/// Whether a file is of this kind.
fn is_of(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|found| found == extension)
}

/// Tweets as they are, by id.
type Content = BTreeMap<u64, (Seq, Arc<str>)>;

fn content_of(dir: &Path) -> Content {
    let index = open_in(dir);
    content(&index).into_iter().map(|(seq, id, json)| (id, (seq, json))).collect()
}

/// An index with replaced tweets in some of its segments.
struct Sample {
    dir: TempDir,
    content: Content,
    /// The files of the last commit, and perch's own.
    files: Vec<String>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let dir = TempDir::new().unwrap();
    let index = open_in(dir.path());
    for (n, from) in [(90, 1), (60, 70), (40, 500), (8, 10)] {
        append(&index, tweets(n, from));
        index.commit_now().unwrap();
    }
    index.close().unwrap();
    drop(index);
    let commit = Commit::read(&dir.path().join(TANTIVY)).unwrap();
    assert!(commit.segments.len() >= 4 && commit.files().any(|file| is_of(&file, "del")));
    let files = commit.files().chain([META.to_owned(), ".managed.json".to_owned()]);
    let files = files.map(|name| format!("{TANTIVY}/{name}")).chain(["perch.json".to_owned()]).collect();
    Sample { content: content_of(dir.path()), dir, files }
});

/// A copy of an index, without a lock and without links.
fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join(TANTIVY)).unwrap();
    for name in ["perch.json", TANTIVY] {
        let (from, to) = (from.join(name), to.path().join(name));
        if from.is_file() {
            fs::copy(&from, &to).unwrap();
            continue;
        }
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            match fs::copy(entry.path(), to.join(entry.file_name())) {
                // tantivy's threads may still delete unneeded files.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
    to
}

#[derive(Clone, Copy, Debug)]
enum Harm {
    Flip { at: usize, with: u8 },
    Cut { at: usize },
    Remove,
}

impl Harm {
    fn apply(self, file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        match self {
            Harm::Flip { at, with } => bytes[at] ^= with,
            Harm::Cut { at } => bytes.truncate(at),
            Harm::Remove => return fs::remove_file(file).unwrap(),
        }
        fs::write(file, bytes).unwrap();
    }
}

/// Damages a file, and looks what the commands make of it. Answers whether the damage was found.
fn survives(file: &str, harm: Harm) -> bool {
    let sample = &*SAMPLE;
    let dir = copy(sample.dir.path());
    harm.apply(&dir.path().join(file));
    let what = format!("{file} {harm:?}");

    let refused = reindex(dir.path());
    let found = match &refused {
        Err(MaintenanceError::Damaged(files)) => {
            assert_eq!(files.len(), 1, "{what}: {files:?}");
            assert!(file.ends_with(&files[0].name), "{what}: {files:?}");
            true
        }
        Err(MaintenanceError::Open(
            OpenError::Damaged { .. } | OpenError::Missing { .. } | OpenError::Version { .. },
        )) => {
            assert!(file.ends_with("perch.json"), "{what}: {refused:?}");
            true
        }
        Ok(_) => false,
        Err(error) => panic!("{what}: {error}"),
    };
    if !found {
        // A byte of a footer that nothing depends on.
        assert_eq!(content_of(dir.path()), sample.content, "{what}");
        return false;
    }
    match check(dir.path()) {
        Ok(report) => assert!(!report.problems.is_empty(), "{what}"),
        Err(error) => assert!(file.ends_with("perch.json"), "{what}: {error}"),
    }

    let salvaged = salvage(dir.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(check(dir.path()).unwrap().problems, Vec::<String>::new(), "{what}");
    let kept = content_of(dir.path());
    assert_eq!(kept.len() as u64, salvaged.report.tweets, "{what}");
    for (id, tweet) in &kept {
        assert_eq!(sample.content.get(id), Some(tweet), "{what}: {id} was made up or is an old one");
    }
    let lost: BTreeSet<u64> = sample.content.keys().copied().filter(|id| !kept.contains_key(id)).collect();
    let named: BTreeSet<u64> = salvaged.losses.tweets.iter().map(|lost| lost.id).collect();
    assert_eq!(lost, named, "{what}");
    assert!(lost.is_empty() || is_of(file, "store"), "{what}: {lost:?}");
    assert!(lost.is_empty() || salvaged.losses.tweets.iter().all(|lost| file.ends_with(&lost.file)), "{what}");
    if matches!(harm, Harm::Flip { .. }) {
        assert!(lost.len() < 50, "{what} costs {} tweets, more than a block", lost.len());
    }
    true
}

#[test]
fn every_kind_of_file_may_be_changed_cut_or_missing() {
    let mut kinds = BTreeSet::new();
    for file in &SAMPLE.files {
        let kind = file.rsplit('.').next().unwrap();
        if !kinds.insert(kind) && kind != "json" {
            continue;
        }
        let len = fs::metadata(SAMPLE.dir.path().join(file)).unwrap().len().try_into().unwrap_or(usize::MAX);
        for harm in [Harm::Flip { at: len / 3, with: 0x41 }, Harm::Cut { at: len / 2 }, Harm::Remove] {
            let found = survives(file, harm);
            assert!(found || file.ends_with(".managed.json"), "{file} {harm:?} is not found");
        }
    }
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}

#[test]
fn half_of_a_file_of_stored_tweets_keeps_its_tweets() {
    let dir = copy(SAMPLE.dir.path());
    let stores = SAMPLE.files.iter().filter(|file| is_of(file, "store")).map(|file| dir.path().join(file));
    let largest = stores.max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let len = usize::try_from(fs::metadata(&largest).unwrap().len()).unwrap();
    Harm::Cut { at: len * 2 / 3 }.apply(&largest);
    let salvaged = salvage(dir.path()).unwrap();
    let lost = salvaged.losses.tweets.len();
    assert!((1..60).contains(&lost), "{lost} of 90 are lost");
}

#[test]
fn what_is_lost_is_counted_where_its_names_are_lost_too() {
    let dir = copy(SAMPLE.dir.path());
    let file = |extension: &str| SAMPLE.files.iter().find(|file| is_of(file, extension)).unwrap();
    let store = file("store");
    let before = SAMPLE.content.len();
    Harm::Remove.apply(&dir.path().join(store));
    Harm::Flip { at: 20, with: 1 }.apply(&dir.path().join(store.replace(".store", ".fast")));
    let salvaged = salvage(dir.path()).unwrap();
    let (tweets, lost) = (salvaged.report.tweets, salvaged.losses.unnamed.values().sum::<u64>());
    assert!(
        tweets + lost >= before as u64 && tweets < before as u64,
        "{tweets} of {before} are there, {lost} are lost"
    );
    assert_eq!(check(dir.path()).unwrap().problems, Vec::<String>::new());
}

#[test]
fn what_retention_deleted_does_not_come_back() {
    let dir = copy(SAMPLE.dir.path());
    let meta = dir.path().join(TANTIVY).join(META);
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&meta).unwrap()).unwrap();
    let mut payload: serde_json::Value = serde_json::from_str(json["payload"].as_str().unwrap()).unwrap();
    payload["first_seq"] = 60.into();
    json["payload"] = payload.to_string().into();
    json.as_object_mut().unwrap().remove("perch_crc32");
    fs::write(&meta, checksum::seal_json(&serde_json::to_string_pretty(&json).unwrap())).unwrap();
    for file in SAMPLE.files.iter().filter(|file| is_of(file, "del")) {
        Harm::Remove.apply(&dir.path().join(file));
    }
    let salvaged = salvage(dir.path()).unwrap();
    assert!(salvaged.losses.is_empty(), "{:?}", salvaged.losses);
    let kept = content_of(dir.path());
    let young: Content = SAMPLE.content.clone().into_iter().filter(|(_, (seq, _))| *seq >= Seq(60)).collect();
    assert_eq!(kept, young);
}

/// An index as an earlier perch wrote it: nothing but JSON is stored.
fn without_checksums(tweets: impl Iterator<Item = (u64, String)>) -> TempDir {
    let dir = TempDir::new().unwrap();
    drop(open_in(dir.path()));
    let mut schema = tantivy::schema::Schema::builder();
    let id = schema.add_u64_field("_id", tantivy::schema::INDEXED | tantivy::schema::FAST);
    let seq = schema.add_u64_field("_seq", tantivy::schema::FAST);
    let stored = schema.add_text_field("_json", tantivy::schema::TextOptions::default() | tantivy::schema::STORED);
    let tantivy = dir.path().join(TANTIVY);
    fs::remove_dir_all(&tantivy).unwrap();
    fs::create_dir(&tantivy).unwrap();
    let settings =
        tantivy::IndexSettings { docstore_compression: tantivy::store::Compressor::Lz4, ..Default::default() };
    let directory = tantivy::directory::MmapDirectory::open(&tantivy).unwrap();
    let index = tantivy::Index::create(directory, schema.build(), settings).unwrap();
    let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for (n, (tweet, json)) in (1_u64..).zip(tweets) {
        writer.add_document(tantivy::doc!(id => tweet, seq => n, stored => json)).unwrap();
    }
    writer.commit().unwrap();
    dir
}

#[test]
fn a_tweet_that_cannot_be_read_leaves_no_part_of_a_new_index() {
    let whole = tweets(50, 1).into_iter().map(|tweet| (tweet.id, tweet.json.to_string()));
    let dir = without_checksums(whole.chain([(99, "{".to_owned())]));
    let error = reindex(dir.path()).unwrap_err();
    assert!(matches!(&error, MaintenanceError::Unreadable(losses) if losses.tweets.len() == 1), "{error}");
    assert!(!dir.path().join(NEW).exists());
    assert_eq!(salvage(dir.path()).unwrap().report.tweets, 50);
}

#[test]
fn an_index_without_checksums_of_its_tweets_is_salvaged_too() {
    let dir = without_checksums(tweets(50, 1).into_iter().map(|tweet| (tweet.id, tweet.json.to_string())));
    let tantivy = dir.path().join(TANTIVY);
    let whole = copy(dir.path());
    assert_eq!(reindex(whole.path()).unwrap().tweets, 50);
    assert_eq!(content_of(whole.path()).len(), 50);

    let file = |extension: &str| {
        let files = fs::read_dir(&tantivy).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|found| found == extension)).unwrap()
    };
    let no_positions = copy(dir.path());
    Harm::Remove.apply(&no_positions.path().join(TANTIVY).join(file("fast").file_name().unwrap()));
    let salvaged = salvage(no_positions.path()).unwrap();
    assert_eq!((salvaged.report.tweets, salvaged.losses.tweets.len(), salvaged.losses.notes.len()), (50, 0, 1));
    assert_eq!(check(no_positions.path()).unwrap().problems, Vec::<String>::new());

    Harm::Flip { at: 5, with: 0x55 }.apply(&file("store"));
    let salvaged = salvage(dir.path()).unwrap();
    assert_eq!(salvaged.report.tweets + salvaged.losses.tweets.len() as u64, 50, "{:?}", salvaged.losses);
    assert_eq!(check(dir.path()).unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_damaged_index_is_not_copied() {
    let dir = copy(SAMPLE.dir.path());
    let deletes = SAMPLE.files.iter().find(|file| is_of(file, "del")).unwrap();
    Harm::Flip { at: 9, with: 1 }.apply(&dir.path().join(deletes));
    let parent = TempDir::new().unwrap();
    let to = parent.path().join("copy");
    let error = backup(dir.path(), &to).unwrap_err();
    assert!(matches!(&error, MaintenanceError::Damaged(files) if deletes.ends_with(&files[0].name)), "{error}");
    assert!(error.to_string().contains(".del is damaged: its checksum is wrong"), "{error}");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
    Harm::Remove.apply(&dir.path().join(deletes));
    assert!(matches!(backup(dir.path(), &to), Err(MaintenanceError::Damaged(_))));
    // A perch does not take it for right either, nor what it would write from it.
    let error = Index::open(&IndexOptions { dir: dir.path().to_owned(), ..IndexOptions::default() }).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_check_writes_nothing() {
    fn everything(dir: &Path) -> BTreeMap<PathBuf, (u64, std::time::SystemTime)> {
        let mut found = BTreeMap::new();
        let metadata = fs::metadata(dir).unwrap();
        // A file that comes and goes changes the time of its directory.
        found.insert(dir.to_owned(), (0, metadata.modified().unwrap()));
        for entry in fs::read_dir(dir).unwrap() {
            let (path, metadata) = entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
            if metadata.is_dir() {
                found.extend(everything(&path));
            } else {
                found.insert(path, (metadata.len(), metadata.modified().unwrap()));
            }
        }
        found
    }
    let dir = copy(SAMPLE.dir.path());
    let before = everything(dir.path());
    assert!(!dir.path().join("perch.lock").exists());
    assert_eq!(check(dir.path()).unwrap().problems, Vec::<String>::new());
    assert_eq!(everything(dir.path()), before);
    Harm::Remove.apply(&dir.path().join(&SAMPLE.files[0]));
    let before = everything(dir.path());
    assert_eq!(check(dir.path()).unwrap().problems.len(), 1);
    assert_eq!(everything(dir.path()), before);
}

fn is_long() -> bool {
    std::env::var_os("PERCH_LONG_TESTS").is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if is_long() { 500 } else { 12 }))]

    #[test]
    fn any_file_may_be_damaged_anywhere(file in any::<Pick>(), at in any::<Pick>(), with in 1_u8..=255, is_cut in any::<bool>()) {
        let file = file.get(&SAMPLE.files);
        let len = usize::try_from(fs::metadata(SAMPLE.dir.path().join(file)).unwrap().len()).unwrap();
        let at = at.index(len);
        survives(file, if is_cut { Harm::Cut { at } } else { Harm::Flip { at, with } });
    }
}

/// Damage to stored tweets costs those tweets only.
fn serves(store: &str, at: usize, with: u8) {
    let sample = &*SAMPLE;
    let dir = copy(sample.dir.path());
    Harm::Flip { at, with }.apply(&dir.path().join(store));
    let index = open_in(dir.path());
    let snapshot = index.snapshot();
    let found: Content = content(&index).into_iter().map(|(seq, id, json)| (id, (seq, json))).collect();
    for (id, tweet) in &found {
        assert_eq!(sample.content.get(id), Some(tweet), "{store} {at} {with}: {id}");
    }
    let all = Arc::new(crate::index::CompiledSearch::new(&crate::query::Ast::All));
    let mut request = crate::index::PageRequest { n: 7, ..Default::default() };
    let mut paged = BTreeSet::new();
    for _ in 0..100 {
        let page = snapshot.page(&all, &request).unwrap();
        assert_eq!(page.total, sample.content.len() as u64, "they are counted");
        paged.extend(page.hits.iter().map(|hit| hit.id));
        request.before_id = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(paged, found.keys().copied().collect(), "{store} {at} {with}");
    let mut replay = Replay::new(vec![ReplayQuery { search: all, after: Seq::ZERO, holds: Seq::ZERO }]);
    let (mut replayed, mut until) = (BTreeSet::new(), Seq::ZERO);
    while until < index.last_seq() {
        let page = replay.page(&snapshot, index.last_seq(), PageLimits { tweets: 7, bytes: 10_000 }).unwrap();
        replayed.extend(page.hits.iter().map(|crate::index::ReplayHit { hit, .. }| hit.id));
        until = page.until;
    }
    assert_eq!(replayed, paged, "{store} {at} {with}");
    for &id in sample.content.keys() {
        let got = snapshot.get(tweet::TweetKey::of_number(id));
        if found.contains_key(&id) {
            assert_eq!(got.unwrap().unwrap().id, id);
        } else {
            assert!(matches!(got, Err(crate::index::SearchError::Tweet(of)) if of == id));
        }
    }
    assert_eq!(index.problems().is_empty(), found.len() == sample.content.len(), "{:?}", index.problems());
    // What is new is kept and found.
    append(&index, tweets(3, 2_000));
    index.commit_now().unwrap();
    assert_eq!(index.snapshot().count().unwrap(), sample.content.len() as u64 + 3);
}

#[test]
fn a_changed_byte_in_stored_tweets_costs_no_others() {
    let store = SAMPLE.files.iter().find(|file| is_of(file, "store")).unwrap();
    let len = usize::try_from(fs::metadata(SAMPLE.dir.path().join(store)).unwrap().len()).unwrap();
    // The skip list and two footers are at the end.
    let places = (0..len).step_by(len / 12 + 1).chain((len.saturating_sub(200)..len).step_by(17));
    for at in places {
        serves(store, at, 0x15);
    }
}

#[test]
fn a_damaged_segment_is_not_merged() {
    let dir = copy(SAMPLE.dir.path());
    let store = SAMPLE.files.iter().find(|file| is_of(file, "store")).unwrap();
    Harm::Flip { at: 30, with: 0x15 }.apply(&dir.path().join(store));
    let index = open_in(dir.path());
    for round in 0..16 {
        append(&index, tweets(5, 10_000 + round * 5));
        index.commit_now().unwrap();
    }
    while index.problems().iter().all(|problem| !problem.contains("can't be merged")) {
        std::thread::yield_now();
    }
    index.close().unwrap();
    assert!(index.stats().segments < 16, "the others are merged");
    drop(index);
    assert!(dir.path().join(store).exists());
    let report = check(dir.path()).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert!(report.problems[0].contains(".store is damaged"), "{:?}", report.problems);
    let salvaged = salvage(dir.path()).unwrap();
    let (kept, lost) = (salvaged.report.tweets, salvaged.losses.tweets.len() as u64);
    assert_eq!((kept + lost, lost > 0), (16 * 5 + SAMPLE.content.len() as u64, true), "{:?}", salvaged.losses);
}
