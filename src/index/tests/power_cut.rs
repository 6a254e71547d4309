//! Power cuts after every operation on the disk: what was acknowledged is there, whatever was not
//! synced is lost.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;

use hashbrown::HashSet;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::journal::{Cut, Disk, Image, Journal, Operation, write_image};
use super::*;

const SOURCE: &str = "file";

#[derive(Clone, Debug)]
enum Step {
    /// Appends tweets with these ids. The first batch of a source that goes on where it was, when
    /// so.
    Append(Vec<u64>, bool),
    /// Commits, and waits until everything before is acknowledged.
    Commit,
    /// Closes the index, and opens it again.
    Reopen,
    /// Kills the process and starts another: nothing is lost, and nothing is synced.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (vec(0_u64..30, 1..6), any::<bool>()).prop_map(|(ids, is_source)| Step::Append(ids, is_source)),
        6 => Just(Step::Commit),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

/// What is certain from some operation on.
#[derive(Clone, Debug, Default)]
struct Certain {
    epoch: Option<Epoch>,
    /// Seqs up to here have been given away.
    last_seq: Seq,
    /// The last seq of each tweet that was acknowledged.
    tweets: BTreeMap<u64, Seq>,
    /// Which batch of the source was the last acknowledged one.
    cursor: u64,
}

/// Everything that ever was appended.
#[derive(Clone, Debug, Default)]
struct History {
    ids: BTreeMap<Seq, u64>,
    /// The seqs of the batches of the source.
    batches: Vec<Vec<Seq>>,
}

/// One perch after the other, on one disk.
struct Lives {
    options: IndexOptions,
    /// The disk when the present process started.
    disk: Disk,
    journal: Journal,
    index: Index,
    certain: Certain,
    /// From how many operations on what is certain.
    facts: Vec<(usize, Certain)>,
    history: History,
    /// Appended and not yet acknowledged.
    pending: BTreeMap<u64, Seq>,
    pending_cursor: u64,
    random: StdRng,
    checked: HashSet<u64>,
    dir: TempDir,
    number: usize,
}

/// A directory in memory where there is such: many files are synced, of which only the journal must
/// know.
fn memory_dir() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

fn index_dir(root: &Path) -> PathBuf {
    root.join("data/of/index")
}

impl Lives {
    fn new(retention: Retention, seed: u64) -> Lives {
        let dir = memory_dir();
        let root = dir.path().join("0");
        fs::create_dir(&root).unwrap();
        let options = IndexOptions { retention, ..options(&index_dir(&root)) };
        let journal = Journal::of(&root);
        let index = Index::open(&options).unwrap();
        let mut lives = Lives {
            options,
            disk: Disk::empty(),
            journal,
            index,
            certain: Certain::default(),
            facts: vec![(0, Certain::default())],
            history: History::default(),
            pending: BTreeMap::new(),
            pending_cursor: 0,
            random: StdRng::seed_from_u64(seed),
            checked: HashSet::new(),
            dir,
            number: 1,
        };
        lives.opened();
        lives
    }

    fn opened(&mut self) {
        self.certain.epoch = Some(self.index.epoch());
        self.certain.last_seq = self.certain.last_seq.max(self.index.last_seq());
        self.pending.clear();
        // The source goes on where it was.
        self.pending_cursor = self.index.cursors().get(SOURCE).map_or(0, |at| at.parse().unwrap());
        self.history.batches.truncate(usize::try_from(self.pending_cursor).unwrap());
        self.learned();
    }

    fn learned(&mut self) {
        self.facts.push((self.journal.len(), self.certain.clone()));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append(ids, is_source) => {
                let first = self.index.take_seqs(ids.len()).unwrap();
                let seqs = (first.0..).map(Seq);
                let items: Arc<[SequencedTweet]> = (seqs.zip(ids))
                    .map(|(seq, &id)| SequencedTweet { seq, tweet: prepared(id, text("some words of a tweet")) })
                    .collect();
                self.certain.last_seq = items.last().unwrap().seq;
                self.learned();
                self.history.ids.extend(items.iter().map(|item| (item.seq, item.tweet.id)));
                self.pending.extend(items.iter().map(|item| (item.tweet.id, item.seq)));
                let cursor = is_source.then(|| {
                    self.history.batches.push(items.iter().map(|item| item.seq).collect());
                    let after = (self.pending_cursor > 0).then(|| self.pending_cursor.to_string().into());
                    self.pending_cursor += 1;
                    Cursor { source: SOURCE.into(), after, at: self.pending_cursor.to_string().into() }
                });
                self.index.append_from(items, None, cursor, false);
            }
            Step::Commit => {
                self.index.commit_now().unwrap();
                self.acknowledged();
            }
            Step::Reopen => {
                self.index.close().unwrap();
                self.acknowledged();
                self.index = Index::open(&self.options).unwrap();
                self.opened();
            }
            Step::Kill => {
                let killed = self.journal.len();
                self.verify(killed);
                let disk = self.disk_after(killed);
                let root = self.dir.path().join(self.number.to_string());
                self.number += 1;
                fs::create_dir(&root).unwrap();
                write_image(&disk.image(&mut Cut::Everything), &root);
                self.disk = disk;
                self.journal = Journal::of(&root);
                self.options.dir = index_dir(&root);
                self.facts = vec![(0, self.certain.clone())];
                self.index = Index::open(&self.options).unwrap();
                self.opened();
            }
        }
    }

    /// Everything that was appended is acknowledged.
    fn acknowledged(&mut self) {
        self.certain.tweets.append(&mut self.pending);
        self.certain.cursor = self.pending_cursor;
        self.learned();
    }

    fn disk_after(&self, n: usize) -> Disk {
        let mut disk = self.disk.clone();
        self.journal.first(n).iter().for_each(|operation| disk.apply(operation, self.journal.root()));
        disk
    }

    /// Cuts the power after each of the first `n` operations of this process.
    fn verify(&mut self, n: usize) {
        let operations = self.journal.first(n);
        let mut disk = self.disk.clone();
        for at in 0..=operations.len() {
            let mut cuts = vec![Cut::Nothing, Cut::Names];
            let mut random = StdRng::seed_from_u64(self.random.random());
            if random.random_ratio(1, 4) {
                cuts.push(Cut::Some(&mut random));
            }
            let images: Vec<Image> = cuts.iter_mut().map(|cut| disk.image(cut)).collect();
            for image in images {
                self.verify_image(&image, at, &operations[..at]);
            }
            if let Some(operation) = operations.get(at) {
                disk.apply(operation, self.journal.root());
            }
        }
    }

    fn verify_image(&mut self, image: &Image, at: usize, operations: &[Operation]) {
        let certain = self.facts.iter().rfind(|(from, _)| *from <= at).unwrap().1.clone();
        let mut hasher = DefaultHasher::new();
        (image, certain.last_seq.0, certain.tweets.len(), certain.cursor).hash(&mut hasher);
        if !self.checked.insert(hasher.finish()) {
            return;
        }
        let dir = TempDir::new_in(self.dir.path()).unwrap();
        write_image(image, dir.path());
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check_index(&IndexOptions { dir: index_dir(dir.path()), ..self.options.clone() }, &certain, &self.history);
        }));
        if let Err(panic) = checked {
            let last = operations.iter().rev().take(12).rev();
            let last: Vec<String> = last.map(|it| format!("{it:?}").chars().take(160).collect()).collect();
            eprintln!("cut after operation {at}, of which the last are:\n{}", last.join("\n"));
            std::panic::resume_unwind(panic);
        }
    }
}

fn check_index(options: &IndexOptions, certain: &Certain, history: &History) {
    let index = Index::open(options).unwrap();
    assert!(certain.epoch.is_none_or(|epoch| epoch == index.epoch()), "the epoch changed");
    assert!(index.last_seq() >= certain.last_seq, "{} is used again", certain.last_seq);
    let first_seq = index.first_seq();
    assert!(first_seq == Seq::ZERO || options.retention.size_bytes.is_some(), "nothing was to be deleted");
    let found = index.snapshot().newest(10_000).unwrap();
    for hit in &found {
        assert_eq!(history.ids.get(&hit.seq), Some(&hit.id), "seq {} is another tweet's", hit.seq);
    }
    let seqs: BTreeMap<u64, Seq> = found.iter().map(|hit| (hit.id, hit.seq)).collect();
    assert_eq!(seqs.len(), found.len(), "a tweet is there twice");
    let is_there = |id: &u64, seq: Seq| seq < first_seq || seqs.get(id).is_some_and(|&found| found >= seq);
    for (id, &seq) in &certain.tweets {
        assert!(is_there(id, seq), "tweet {id} with seq {seq} is lost");
    }
    let cursor: u64 = index.cursors().get(SOURCE).map_or(0, |at| at.parse().unwrap());
    assert!(cursor >= certain.cursor, "the source is at {cursor} and was at {}", certain.cursor);
    for seq in history.batches[..usize::try_from(cursor).unwrap()].iter().flatten() {
        assert!(is_there(&history.ids[seq], *seq), "the source is at {cursor}, and {seq} is missing");
    }
    let (items, _) = append(&index, [(1_000, text("another"))]);
    assert!(items[0].seq > certain.last_seq);
    index.commit_now().unwrap();
    assert_eq!(index.snapshot().count().unwrap(), found.len() as u64 + 1);
}

#[test]
fn a_model_of_a_disk_forgets_what_was_not_synced() {
    let root = Path::new("/it");
    let mut disk = Disk::empty();
    let file = root.join("file");
    let certain = |disk: &Disk| disk.image(&mut Cut::Nothing);
    let content = |bytes: &[u8]| Image::from([("file".into(), Some(bytes.to_vec()))]);
    disk.apply(&Operation::Create(file.clone()), root);
    disk.apply(&Operation::Write(file.clone(), b"text".to_vec()), root);
    assert_eq!(disk.image(&mut Cut::Everything), content(b"text"));
    assert_eq!(disk.image(&mut Cut::Names), content(b""));
    disk.apply(&Operation::SyncFile(file.clone()), root);
    assert_eq!(certain(&disk), Image::new(), "the directory does not know the name");
    disk.apply(&Operation::SyncDir(root.to_owned()), root);
    assert_eq!(certain(&disk), content(b"text"));
    disk.apply(&Operation::Rename(file.clone(), root.join("other")), root);
    assert_eq!(certain(&disk), content(b"text"));
    disk.apply(&Operation::Delete(root.join("other")), root);
    disk.apply(&Operation::SyncDir(root.to_owned()), root);
    assert_eq!(certain(&disk), Image::new());
}

#[test]
fn a_power_cut_behind_an_acknowledgement_loses_nothing() {
    let mut lives = Lives::new(Retention::default(), 1);
    for id in 1..10 {
        lives.step(&Step::Append(vec![id], true));
        lives.step(&Step::Commit);
    }
    lives.verify(lives.journal.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged(
        steps in vec(step(), 1..20),
        limit in proptest::option::of(10_000_u64..40_000),
        seed in any::<u64>(),
    ) {
        let mut lives = Lives::new(Retention { age: None, size_bytes: limit }, seed);
        for step in &steps {
            lives.step(step);
        }
        lives.index.close().unwrap();
        lives.acknowledged();
        lives.verify(lives.journal.len());
    }
}

/// `PERCH_LONG_TESTS=1` makes it more.
fn cases() -> u32 {
    if std::env::var_os("PERCH_LONG_TESTS").is_some() { 30 } else { 3 }
}
