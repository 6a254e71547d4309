//! What is done to the directory of an index from outside: copy it, look whether it is whole, and build it anew.
//!
//! ```text
//! backup    a running perch ── files of one commit ─> another directory   files never change, so nothing is locked
//! check     every file, every tweet
//! reindex   stored tweets ── analyze ─> tantivy.new ── rename ─> tantivy  the old one stays until the new one is whole
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::{IndexReader, ReloadPolicy, TantivyError};

use super::fields::Fields;
use super::home::{Home, OpenError, TANTIVY};
use super::shown::Shown;
use super::writer::Payload;
use super::{Hit, create_tantivy};
use crate::ids::Seq;
use crate::tweet::{self, Item};

/// The new index of a [`reindex`] until it is whole.
const NEW: &str = "tantivy.new";
/// The old one, once it is not used any more.
const OLD: &str = "tantivy.old";

/// How often a backup looks again because a commit came in between. Each look has less to copy than the one before.
const LOOKS: usize = 1_000;

/// How many tweets a reindex hands to tantivy at once, and how much memory tantivy takes.
const GROUP: usize = 64;
const MEMORY_BYTES: usize = 128_000_000;

/// How many problems [`check`] lists.
const MAX_PROBLEMS: usize = 20;

/// Why an index could not be copied, checked or built.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The directory can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The directory for a backup is in the index, or the index itself.
    #[error("{} is in the index {}: choose a directory outside of it", .to.display(), .index.display())]
    Inside {
        /// The directory of the index.
        index: PathBuf,
        /// The directory for the backup.
        to: PathBuf,
    },
    /// The directory for a backup holds something.
    #[error("{} is not empty: choose an empty directory or a new one", .0.display())]
    NotEmpty(PathBuf),
    /// A stored tweet can't be read any more.
    #[error("the stored tweet {id} can't be read: {reason}")]
    Tweet {
        /// Its id.
        id: u64,
        /// Why.
        reason: String,
    },
    /// The file system refuses something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// tantivy refuses something.
    #[error("the index can't be read or written: {0}")]
    Tantivy(#[from] TantivyError),
    /// Commits came too fast.
    #[error("the index changes faster than it can be copied: try again, or with a faster disk")]
    Restless,
}

/// What an index holds, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many tweets.
    pub tweets: u64,
    /// In how many segments.
    pub segments: usize,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// The first problems, at most 20, as sentences without a stop. Empty when all is well.
    pub problems: Vec<String>,
}

impl Report {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> OfflineError {
    move |source| OfflineError::Io { what: what.into(), source }
}

/// Copies the index in `from` to `to`, whether a perch uses it or not: the tweets of its last commit.
///
/// Files are linked where both directories are on one file system, and copied otherwise. The copy has an epoch of its own: what
/// happens to it from now on is another life, and positions of one must not be taken for positions of the other.
///
/// # Errors
///
/// When there is no index, `to` is in its directory or not empty, or the disk fails.
pub fn backup(from: &Path, to: &Path) -> Result<Report, OfflineError> {
    let target = to.join(TANTIVY);
    // A copy that goes with what it is a copy of is none.
    let index = real(from).map_err(doing(from.display().to_string()))?;
    if real(to).map_err(doing(to.display().to_string()))?.starts_with(&index) {
        return Err(OfflineError::Inside { index: from.to_owned(), to: to.to_owned() });
    }
    fs::create_dir_all(to).map_err(doing(to.display().to_string()))?;
    if fs::read_dir(to).map_err(doing(to.display().to_string()))?.next().is_some() {
        return Err(OfflineError::NotEmpty(to.to_owned()));
    }
    Home::read_epoch(from)?;
    fs::create_dir(&target).map_err(doing(target.display().to_string()))?;
    let (meta, files) = copy_commit(&from.join(TANTIVY), &target)?;
    for entry in fs::read_dir(&target).map_err(doing(target.display().to_string()))? {
        let entry = entry.map_err(doing(target.display().to_string()))?;
        if !files.contains(&*entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).map_err(doing(entry.path().display().to_string()))?;
        }
    }
    // tantivy deletes only what this file lists, once it is not needed any more.
    let managed: Vec<&str> = files.iter().map(String::as_str).chain(["meta.json"]).collect();
    let managed = serde_json::to_vec(&managed).map_err(|error| doing("the list of files")(error.into()))?;
    for (name, bytes) in [(".managed.json", managed), ("meta.json", meta)] {
        fs::write(target.join(name), bytes).map_err(doing(target.join(name).display().to_string()))?;
    }
    for name in files.iter().map(String::as_str).chain([".managed.json", "meta.json", "."]) {
        let path = target.join(name);
        File::open(&path).and_then(|file| file.sync_all()).map_err(doing(path.display().to_string()))?;
    }
    // Last, because it makes the directory an index. Its seqs are read now, so they are no lower than those of the tweets.
    Home::copy_note(from, to)?;
    let (_, _, shown) = open(&target)?;
    Ok(report(&shown))
}

/// Where a directory is or would be, without links on the way.
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

/// Links or copies the files of the last commit, and answers with its `meta.json` and their names.
fn copy_commit(from: &Path, to: &Path) -> Result<(Vec<u8>, BTreeSet<String>), OfflineError> {
    let meta_path = from.join("meta.json");
    let mut meta = fs::read(&meta_path).map_err(doing(meta_path.display().to_string()))?;
    for _ in 0..LOOKS {
        let files = files_of(from, &meta)?;
        for name in &files {
            let (from, to) = (from.join(name), to.join(name));
            if to.exists() {
                continue;
            }
            match fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)) {
                Ok(()) => {}
                // A merge has replaced it: then there is another commit to look at.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(doing(to.display().to_string())(error)),
            }
        }
        // As long as meta.json names them, tantivy deletes none of them.
        let now = fs::read(&meta_path).map_err(doing(meta_path.display().to_string()))?;
        if now == meta {
            return Ok((meta, files));
        }
        meta = now;
    }
    Err(OfflineError::Restless)
}

/// The names of the files that a `meta.json` speaks of.
fn files_of(dir: &Path, meta: &[u8]) -> Result<BTreeSet<String>, OfflineError> {
    #[derive(Deserialize)]
    struct Meta {
        segments: Vec<Segment>,
    }
    #[derive(Deserialize)]
    struct Segment {
        segment_id: String,
        deletes: Option<Deletes>,
    }
    #[derive(Deserialize)]
    struct Deletes {
        opstamp: u64,
    }
    let meta: Meta = serde_json::from_slice(meta).map_err(|error| doing("meta.json")(error.into()))?;
    let segments: Vec<(String, Option<String>)> = (meta.segments.into_iter())
        .map(|segment| {
            let id = segment.segment_id.replace('-', "");
            let deletes = segment.deletes.map(|deletes| format!("{id}.{}.del", deletes.opstamp));
            (id, deletes)
        })
        .collect();
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(doing(dir.display().to_string()))? {
        let name = entry.map_err(doing(dir.display().to_string()))?.file_name().to_string_lossy().into_owned();
        let is_wanted = |(id, deletes): &(String, Option<String>)| {
            name.strip_prefix(&**id).is_some_and(|rest| rest.starts_with('.'))
                && (Path::new(&name).extension().is_none_or(|extension| extension != "del")
                    || deletes.as_ref() == Some(&name))
        };
        if segments.iter().any(is_wanted) {
            files.insert(name);
        }
    }
    Ok(files)
}

/// Reads everything in the index that no perch may use meanwhile, and says what is wrong.
///
/// # Errors
///
/// When there is no index, it is in use, or it can't be opened at all.
pub fn check(dir: &Path) -> Result<Report, OfflineError> {
    let home = Home::open_existing(dir)?;
    let (index, _reader, shown) = open(&home.tantivy())?;
    let mut report = report(&shown);
    if index.schema() != Fields::tweet().tantivy_schema() {
        report.problem("its fields are not those of its schema version".to_owned());
    }
    for file in index.validate_checksum()? {
        report.problem(format!("{} is damaged", file.display()));
    }
    let payload = Payload::of(&index)?;
    let (first, last) = (payload.keeping.first_seq(), home.last_seq());
    let all = shown.all();
    for &(seq, id, address) in &all {
        if seq < first || seq > last || seq == Seq::ZERO {
            report.problem(format!("tweet {id} has seq {seq}, which is not from {first} to {last}"));
        }
        match shown.hit(address).map_err(|error| error.to_string()).and_then(|hit| read(&hit)) {
            Ok(_) => {}
            Err(reason) => report.problem(format!("tweet {id} can't be read: {reason}")),
        }
    }
    for pair in all.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        report.problem(format!("tweets {} and {} have one seq, {}", pair[0].1, pair[1].1, pair[0].0));
    }
    let mut ids: Vec<u64> = all.iter().map(|&(_, id, _)| id).collect();
    ids.sort_unstable();
    for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
        report.problem(format!("tweet {} is there twice", pair[0]));
    }
    Ok(report)
}

/// Builds the index anew from its stored tweets, whatever its schema version. Seqs and epoch stay; no perch may use it meanwhile.
///
/// It needs as much space again until it is done. Cut off at any moment, it can be run again, and the old index is still there.
///
/// # Errors
///
/// When there is no index, it is in use, a stored tweet can't be read, or the disk fails.
pub fn reindex(dir: &Path) -> Result<Report, OfflineError> {
    let mut home = Home::open_any_version(dir)?;
    let (current, new, old) = (home.tantivy(), dir.join(NEW), dir.join(OLD));
    if !current.exists() && old.exists() {
        // The last one was cut off between the two renames.
        fs::rename(&old, &current).map_err(doing(current.display().to_string()))?;
    }
    for rest in [&new, &old] {
        match fs::remove_dir_all(rest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(doing(rest.display().to_string())(error));
            }
            _ => {}
        }
    }
    let (index, reader, shown) = open(&current)?;
    fs::create_dir(&new).map_err(doing(new.display().to_string()))?;
    let rebuilt = create_tantivy(&new)?;
    Fields::register(&rebuilt);
    let options = IndexWriterOptions::builder().num_worker_threads(1).memory_budget_per_thread(MEMORY_BYTES).build();
    let mut writer = rebuilt.writer_with_options(options)?;
    for group in shown.all().chunks(GROUP) {
        let mut operations = Vec::with_capacity(group.len());
        for &(seq, id, address) in group {
            let hit = shown.hit(address)?;
            let tweet = read(&hit).map_err(|reason| OfflineError::Tweet { id, reason })?;
            let item = Item { seq, tweet: Arc::new(tweet) };
            operations.push(UserOperation::Add(Fields::tweet().tweet_document(&item)));
        }
        writer.run(operations)?;
    }
    let payload = serde_json::to_string(&Payload::of(&index)?).map_err(|error| doing("the payload")(error.into()))?;
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(&payload);
    commit.commit()?;
    writer.wait_merging_threads()?;
    drop((shown, reader, index, rebuilt));
    fs::rename(&current, &old).map_err(doing(old.display().to_string()))?;
    fs::rename(&new, &current).map_err(doing(current.display().to_string()))?;
    home.set_version().map_err(doing(dir.display().to_string()))?;
    fs::remove_dir_all(&old).map_err(doing(old.display().to_string()))?;
    let (_, _, shown) = open(&current)?;
    Ok(report(&shown))
}

fn open(dir: &Path) -> Result<(tantivy::Index, IndexReader, Shown), OfflineError> {
    let index = tantivy::Index::open_in_dir(dir)?;
    Fields::register(&index);
    let reader: IndexReader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    let shown = Shown::new(reader.searcher(), dir, None)?;
    Ok((index, reader, shown))
}

fn report(shown: &Shown) -> Report {
    Report {
        tweets: shown.documents(),
        segments: shown.segments(),
        size_bytes: shown.size_bytes(),
        problems: Vec::new(),
    }
}

/// The stored tweet, analyzed as it would be today.
fn read(hit: &Hit) -> Result<tweet::Prepared, String> {
    let tweets = tweet::read(hit.json.as_bytes()).map_err(|error| error.to_string())?;
    let tweet = tweets.iter().find(|tweet| tweet.id == hit.id).ok_or("it is another tweet")?;
    Ok(tweet::prepare(tweet))
}

#[cfg(test)]
mod tests;
