//! Operations on the directory of an index: copy, verify, rebuild and salvage.
//!
//! ```text
//! backup    a running perch ── files of one commit ─> another directory   files never change
//! check     every file and every tweet                                    writes nothing
//! reindex   stored tweets ── analyze ─> tantivy.new ── rename ─> tantivy  replaces the index last
//! salvage   as reindex, with what can be read of a damaged index
//! ```
//!
//! All but `salvage` refuse a damaged index: a copy of it, or an index built from it, would look
//! undamaged.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::TantivyError;
use tantivy::indexer::{IndexWriterOptions, UserOperation};

use super::Hit;
use super::commit_files::Commit;
pub use super::commit_files::DamagedFile;
use super::committed::CommittedIndex;
use super::damage::{Damage, guarded};
use super::directory::{IndexDir, OpenError};
use super::durable::{self, sync_dir};
use super::seq_allocator::SeqAllocator;
use super::swap::{self, NEW, TANTIVY};
use super::tantivy_directory::{META, TantivyDirectory, open_index};
use super::tweet_fields::TweetFields;
use crate::ids::{Epoch, Seq};
use crate::lower::Fields;
use crate::tweet;
use salvage::StoredTweets;
pub use salvage::{Losses, LostTweet};

mod salvage;
mod store_scan;

/// Attempts of a backup, each after a commit came in between. Each has less to copy than the one
/// before.
const LOOKS: usize = 1_000;

/// Tweets per operation of tantivy's writer during a rebuild, and its memory.
const GROUP_TWEETS: usize = 64;
const MEMORY_BYTES: usize = 128_000_000;

/// Problems that [`check`] lists, and damaged files that an error names.
const MAX_PROBLEMS: usize = 20;

/// Seqs to skip when the reserved ones are unknown: more than perch reserves at once.
const SKIPPED_SEQS: u64 = 1 << 21;

/// Why an index could not be copied, verified or rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The directory can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The directory for a backup is the index, or inside of it.
    #[error("{} is in the index {}: choose a directory outside of it", .to.display(), .index.display())]
    Inside {
        /// The directory of the index.
        index: PathBuf,
        /// The directory for the backup.
        to: PathBuf,
    },
    /// The directory for a backup is not empty.
    #[error("{} is not empty: choose an empty directory or a new one", .0.display())]
    NotEmpty(PathBuf),
    /// Files don't match their checksums.
    #[error("{}", list_damage(.0))]
    Damaged(Vec<DamagedFile>),
    /// Stored tweets can't be read any more, although their files are what was written.
    #[error(
        "{} stored tweets can't be read, the first of them is {} (seq {}); `perch reindex --salvage` builds the index without them",
        .0.tweets.len(), .0.tweets.first().map_or(0, |lost| lost.id), .0.tweets.first().map_or(Seq::ZERO, |lost| lost.seq)
    )]
    Unreadable(Losses),
    /// The file system refused an operation.
    #[error("{what}: {source}")]
    Io {
        /// The operation or the path.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// tantivy refused an operation.
    #[error("the index can't be read or written: {0}")]
    Tantivy(#[from] TantivyError),
    /// Commits came faster than the backup copies.
    #[error("the index changes faster than it can be copied: try again, or with a faster disk")]
    Restless,
}

/// The content of an index, and its problems.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many tweets.
    pub tweets: u64,
    /// In how many segments.
    pub segments: usize,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// Deletions that are kept so that clients learn of them.
    pub deletions: u64,
    /// Stored texts of deleted tweets that no merge has removed from the disk yet.
    pub deleted_texts: u64,
    /// The first problems, at most 20, as sentences without a period. Empty when there is none.
    pub problems: Vec<String>,
}

impl Report {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

fn list_damage(files: &[DamagedFile]) -> String {
    let mut lines: Vec<String> = files.iter().take(MAX_PROBLEMS).map(ToString::to_string).collect();
    if files.len() > MAX_PROBLEMS {
        lines.push(format!("and {} more", files.len() - MAX_PROBLEMS));
    }
    lines.push(
        "the index is damaged: restore a backup, or keep what can be read with `perch reindex --salvage`".to_owned(),
    );
    lines.join("\n")
}

fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> MaintenanceError {
    move |source| MaintenanceError::Io { what: what.into(), source }
}

/// Copies the last commit of the index in `from` to `to`. A perch may use the index. Verifies every
/// file.
///
/// Files are hard-linked where both directories are on one file system, and copied otherwise. The
/// copy gets an epoch of its own, so that positions of one index are not valid in the other.
///
/// # Errors
///
/// When there is no index, it is damaged, `to` is inside its directory or not empty, or the disk
/// fails. Then `to` is empty.
pub fn backup(from: &Path, to: &Path) -> Result<Report, MaintenanceError> {
    let target = to.join(TANTIVY);
    // A copy inside of the original would be lost with it.
    let index = real(from).map_err(doing(from.display().to_string()))?;
    if real(to).map_err(doing(to.display().to_string()))?.starts_with(&index) {
        return Err(MaintenanceError::Inside { index: from.to_owned(), to: to.to_owned() });
    }
    durable::create_dir_all(to).map_err(doing(to.display().to_string()))?;
    if fs::read_dir(to).map_err(doing(to.display().to_string()))?.next().is_some() {
        return Err(MaintenanceError::NotEmpty(to.to_owned()));
    }
    let source = IndexDir::current_tantivy(from)?;
    fs::create_dir(&target).map_err(doing(target.display().to_string()))?;
    let copied = copy_commit(&source, &target).and_then(|(meta, commit)| {
        // Verify the copies: a merge may delete the originals.
        let damaged = commit.damaged_files(&target);
        if damaged.is_empty() { Ok((meta, commit)) } else { Err(MaintenanceError::Damaged(damaged)) }
    });
    let (meta, commit) = copied.inspect_err(|_| {
        // The first error is returned.
        let _ = fs::remove_dir_all(&target);
    })?;
    let files: BTreeSet<String> = commit.files().collect();
    for entry in fs::read_dir(&target).map_err(doing(target.display().to_string()))? {
        let entry = entry.map_err(doing(target.display().to_string()))?;
        if !files.contains(&*entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).map_err(doing(entry.path().display().to_string()))?;
        }
    }
    // tantivy deletes only files of this list.
    let managed: Vec<&str> = files.iter().map(String::as_str).chain([META]).collect();
    let managed = serde_json::to_vec(&managed).map_err(|error| doing("the list of files")(error.into()))?;
    for (name, bytes) in [(".managed.json", managed), (META, meta)] {
        fs::write(target.join(name), bytes).map_err(doing(target.join(name).display().to_string()))?;
    }
    for name in files.iter().map(String::as_str).chain([".managed.json", META, "."]) {
        let path = target.join(name);
        File::open(&path).and_then(|file| file.sync_all()).map_err(doing(path.display().to_string()))?;
    }
    // Last, because it makes the directory an index. The reserved seqs are read after the tweets
    // and are no lower.
    IndexDir::copy_manifest(from, to)?;
    report(&target)
}

/// The epoch of the index in a directory.
///
/// # Errors
///
/// There is no index.
pub fn epoch(dir: &Path) -> Result<Epoch, MaintenanceError> {
    Ok(IndexDir::read_epoch(dir)?)
}

/// The canonical path of a directory that may not exist yet.
fn real(dir: &Path) -> io::Result<PathBuf> {
    let dir = std::path::absolute(dir)?;
    for there in dir.ancestors() {
        match there.canonicalize() {
            Ok(real) => return Ok(real.join(dir.strip_prefix(there).unwrap_or(Path::new("")))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(dir)
}

/// Links or copies the files of the last commit. Returns its `meta.json`, raw and parsed.
fn copy_commit(from: &Path, to: &Path) -> Result<(Vec<u8>, Commit), MaintenanceError> {
    let meta_path = from.join(META);
    let mut meta = fs::read(&meta_path).map_err(doing(meta_path.display().to_string()))?;
    for _ in 0..LOOKS {
        let commit = Commit::parse(&meta).map_err(|damage| MaintenanceError::Damaged(vec![damage]))?;
        let mut missing = Vec::new();
        for name in commit.files() {
            let (from, to) = (from.join(&name), to.join(&name));
            if to.exists() {
                continue;
            }
            match fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)) {
                Ok(()) => {}
                // A merge has replaced it: then there is another commit to look at.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missing.push(DamagedFile { name, reason: "it is missing".to_owned() });
                }
                Err(error) => return Err(doing(to.display().to_string())(error)),
            }
        }
        // tantivy deletes no file that meta.json names.
        let now = fs::read(&meta_path).map_err(doing(meta_path.display().to_string()))?;
        if now == meta {
            return if missing.is_empty() { Ok((meta, commit)) } else { Err(MaintenanceError::Damaged(missing)) };
        }
        meta = now;
    }
    Err(MaintenanceError::Restless)
}

/// Reads everything in an index that no perch uses, and lists its problems. Writes nothing.
///
/// # Errors
///
/// When there is no index, it is in use, or it can't be opened at all.
pub fn check(dir: &Path) -> Result<Report, MaintenanceError> {
    let index_dir = IndexDir::open_read_only(dir)?;
    let checked = check_files(&index_dir.tantivy, index_dir.last_seq);
    // A perch that was started meanwhile has deleted files.
    if index_dir.is_in_use() {
        return Err(OpenError::Locked { dir: dir.to_owned() }.into());
    }
    checked
}

fn check_files(tantivy: &Path, last: Seq) -> Result<Report, MaintenanceError> {
    let commit = match Commit::read(tantivy) {
        Ok(commit) => commit,
        Err(damage) => return Ok(Report { problems: vec![damage.to_string()], ..Report::default() }),
    };
    let mut report = report(tantivy)?;
    for damaged in commit.damaged_files(tantivy) {
        report.problem(damaged.to_string());
    }
    if !report.problems.is_empty() {
        // tantivy can do anything with them.
        return Ok(report);
    }
    let directory = TantivyDirectory::open_read_only(tantivy).map_err(TantivyError::from)?;
    let index = guarded(|| tantivy::Index::open(directory))?;
    Fields::register(&index);
    if index.schema() != TweetFields::get().tantivy_schema() {
        report.problem("its fields are not those of its schema version".to_owned());
        return Ok(report);
    }
    let committed = CommittedIndex::open(&index, tantivy, Arc::new(Damage::default()))?;
    (report.deletions, report.deleted_texts) = committed.deletions();
    report.tweets = committed.documents();
    let first = commit.payload.retained.first_seq();
    let all = committed.all();
    for &(seq, _, address) in &all {
        let id = committed.position(address).1;
        if seq < first || seq > last || seq == Seq::ZERO {
            report.problem(format!("tweet {id} has seq {seq}, which is not from {first} to {last}"));
        }
        match committed.hit(address).map_err(|error| error.to_string()).and_then(|hit| read(&hit)) {
            Ok(_) => {}
            Err(reason) => report.problem(format!("tweet {id} can't be read: {reason}")),
        }
    }
    for pair in all.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let [first, second] = [pair[0], pair[1]].map(|(_, _, address)| committed.position(address).1);
        report.problem(format!("tweets {first} and {second} have one seq, {}", pair[0].0));
    }
    let mut keys: Vec<_> = all.iter().map(|&(_, key, address)| (key, address)).collect();
    keys.sort_unstable();
    for pair in keys.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        report.problem(format!("tweet {} is there twice", committed.position(pair[0].1).1));
    }
    Ok(report)
}

/// Rebuilds the index from its stored tweets, whatever its schema version. Seqs and epoch stay. No
/// perch may use the index. Verifies every file first.
///
/// Needs the size of the index once more. After an interruption it can be run again: the old index
/// is still there, or the next perch that opens the index finishes the replacement.
///
/// # Errors
///
/// When there is no index, it is in use, it is damaged, or the disk fails.
pub fn reindex(dir: &Path) -> Result<Report, MaintenanceError> {
    let mut seqs = SeqAllocator::new(IndexDir::open_any_version(dir)?);
    let tweets = StoredTweets::open(&seqs.dir().tantivy())?;
    if !tweets.damaged.is_empty() {
        return Err(MaintenanceError::Damaged(tweets.damaged));
    }
    let losses = build(&mut seqs, dir, tweets, false)?;
    debug_assert!(losses.is_empty());
    report(&seqs.dir().tantivy())
}

/// The result of [`salvage()`].
#[derive(Clone, Debug, Default)]
pub struct Salvaged {
    /// The content of the index now.
    pub report: Report,
    /// The files that did not match their checksums.
    pub damaged: Vec<DamagedFile>,
    /// What the index has lost.
    pub losses: Losses,
}

/// Rebuilds the index from what can be read of it, and lists what is lost. Seqs and epoch stay if
/// they can be read. No perch may use the index. The damaged files are deleted at the end.
///
/// # Errors
///
/// When there is no index, it is in use, or the disk fails.
pub fn salvage(dir: &Path) -> Result<Salvaged, MaintenanceError> {
    let (index_dir, is_epoch_lost) = IndexDir::open_to_salvage(dir)?;
    let mut seqs = SeqAllocator::new(index_dir);
    let mut tweets = StoredTweets::open(&seqs.dir().tantivy())?;
    let mut damaged = std::mem::take(&mut tweets.damaged);
    if is_epoch_lost {
        let last = tweets.last_seq().max(Seq(tweets.payload.last_seq));
        let skipped = Seq(last.0.saturating_add(SKIPPED_SEQS).min(Seq::MAX.0));
        seqs.skip_to(skipped).map_err(doing(dir.display().to_string()))?;
        damaged.insert(0, DamagedFile { name: "perch.json".to_owned(), reason: "it can't be read".to_owned() });
        tweets.losses.notes.push("the epoch: clients that come back with a position are told to begin anew".to_owned());
    }
    let losses = build(&mut seqs, dir, tweets, true)?;
    Ok(Salvaged { report: report(&seqs.dir().tantivy())?, damaged, losses })
}

/// Builds an index of these tweets and replaces the one that they come from. Returns what is lost.
fn build(
    seqs: &mut SeqAllocator,
    dir: &Path,
    tweets: StoredTweets,
    may_lose: bool,
) -> Result<Losses, MaintenanceError> {
    let new = dir.join(NEW);
    let doing_new = || doing(new.display().to_string());
    for rest in [&new, &dir.join(swap::OLD)] {
        swap::remove(rest).map_err(doing(rest.display().to_string()))?;
    }
    // Positions below these are in use, whatever perch.json says: it may come from an older backup.
    let last = tweets.last_seq().max(Seq(tweets.payload.last_seq));
    seqs.skip_to(last).map_err(doing(dir.display().to_string()))?;
    let first_new = match tweets.unplaced() {
        0 => Seq::MAX,
        n => seqs.allocate(n).map_err(doing(dir.display().to_string()))?,
    };
    fs::create_dir(&new).map_err(doing_new())?;
    let losses = build_in(&new, seqs, tweets, first_new, may_lose).inspect_err(|_| {
        // The first error is returned.
        let _ = swap::remove(&new);
    })?;
    sync_dir(dir).map_err(doing(dir.display().to_string()))?;
    seqs.dir_mut().swap().map_err(doing(dir.display().to_string()))?;
    Ok(losses)
}

/// Builds an index of these tweets in an empty directory. Tweets without a seq get seqs from
/// `first_new` on.
fn build_in(
    new: &Path,
    seqs: &SeqAllocator,
    mut tweets: StoredTweets,
    first_new: Seq,
    may_lose: bool,
) -> Result<Losses, MaintenanceError> {
    let rebuilt = open_index(new)?;
    Fields::register(&rebuilt);
    let options = IndexWriterOptions::builder().num_worker_threads(1).memory_budget_per_thread(MEMORY_BYTES).build();
    let mut writer = rebuilt.writer_with_options(options)?;
    tweets.for_each_group(GROUP_TWEETS, first_new, |items| {
        let add = |(item, first_seq): &(_, _)| UserOperation::Add(TweetFields::get().document(item, *first_seq));
        let documents = items.iter().map(add);
        writer.run(documents.collect::<Vec<_>>())?;
        Ok(())
    })?;
    if !may_lose && !tweets.losses.is_empty() {
        return Err(MaintenanceError::Unreadable(tweets.losses));
    }
    tweets.payload.last_seq = seqs.last_seq().0;
    let payload = serde_json::to_string(&tweets.payload).map_err(|error| doing("the payload")(error.into()))?;
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(&payload);
    commit.commit()?;
    writer.wait_merging_threads()?;
    let losses = std::mem::take(&mut tweets.losses);
    drop((tweets, rebuilt));
    sync_dir(new).map_err(doing(new.display().to_string()))?;
    Ok(losses)
}

/// The content of a tantivy index, from its `meta.json`.
fn report(tantivy: &Path) -> Result<Report, MaintenanceError> {
    let commit = Commit::read(tantivy).map_err(|damage| MaintenanceError::Damaged(vec![damage]))?;
    let size = |name: String| tantivy.join(name).metadata().map_or(0, |metadata| metadata.len());
    Ok(Report {
        tweets: commit.tweets(),
        segments: commit.segments.len(),
        size_bytes: commit.files().map(size).sum(),
        ..Report::default()
    })
}

/// Analyzes a stored tweet as if it arrived now.
fn read(hit: &Hit) -> Result<tweet::AnalyzedTweet, String> {
    let tweet = tweet::read_stored(&hit.json).map_err(|error| error.to_string())?;
    if tweet.id == hit.id { Ok(tweet) } else { Err("it is another tweet".to_owned()) }
}

#[cfg(test)]
mod tests;
