//! The directory of an index: who may use it, whose it is, and which seqs are given away.
//!
//! ```text
//! perch.json   the schema version, the epoch, and the seq up to which numbers may have been used
//! perch.lock   locked while a perch uses the directory
//! tantivy/     the index itself
//! ```
//!
//! Seqs are reserved in blocks: `perch.json` names the end of a block, durably, before the first seq of it is used. After a
//! crash the next seq is one behind the block, so no seq is used twice, whether its tweet was committed or not.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::schema_version::schema_version;
use super::{checksum, durable, swap};
use crate::ids::{Epoch, Seq};

/// How many seqs are reserved at once.
const BLOCK: u64 = 1 << 20;

const NOTE: &str = "perch.json";
const LOCK: &str = "perch.lock";
/// What clients of Sente have registered is kept in files whose names begin so.
const SENTE: &str = "sente%2F";
/// The directory of the tantivy index.
pub(super) const TANTIVY: &str = "tantivy";

/// Why an index can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was made by another version of perch.
    #[error(
        "the index in {} has schema version {found}, this perch reads version {}: \
         `perch reindex` builds it anew from the tweets in it", .dir.display(), schema_version()
    )]
    Version {
        /// The directory.
        dir: PathBuf,
        /// Its schema version.
        found: u32,
    },
    /// Another process has it open.
    #[error("another perch uses the index in {}", .dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// This process may not read or write it.
    #[error("no permission to read and write the index in {}: {source}", .dir.display())]
    Permission {
        /// The directory.
        dir: PathBuf,
        /// What was refused.
        source: io::Error,
    },
    /// The directory holds something else.
    #[error("{} is not the directory of an index: it holds {file}; choose an empty or a new one", .dir.display())]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// A file that perch didn't make.
        file: String,
    },
    /// There is none.
    #[error("there is no index in {}", .dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// Files are missing or can't be understood.
    #[error(
        "the index in {} is damaged: {reason}; `perch check-index` lists what is damaged, `perch reindex --salvage` keeps what can \
         be read; or restore a backup", .dir.display()
    )]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Anything else that the file system refuses.
    #[error("the index in {} can't be opened: {source}", .dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OpenError {
    pub(super) fn io(dir: &Path, source: io::Error) -> OpenError {
        let dir = dir.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => OpenError::Permission { dir, source },
            _ => OpenError::Io { dir, source },
        }
    }

    pub(super) fn damaged(dir: &Path, reason: impl Into<String>) -> OpenError {
        OpenError::Damaged { dir: dir.to_owned(), reason: reason.into() }
    }
}

/// What `perch.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    schema_version: u32,
    epoch: Uuid,
    reserved_seq: u64,
    /// The schema version of the index that is to take the place of this one: see [`super::swap`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    built_version: Option<u32>,
}

/// An index that nothing is written to.
#[derive(Debug)]
pub(super) struct ReadOnlyHome {
    /// The directory of the tantivy index that counts.
    pub(super) tantivy: PathBuf,
    /// No seq above this one was given away.
    pub(super) last_seq: Seq,
    /// Held while there is one to be locked. Who uses the index has locked it for itself.
    lock: Option<File>,
    lock_path: PathBuf,
}

impl ReadOnlyHome {
    /// Whether a perch has begun to use the index since it was opened.
    pub(super) fn is_in_use(&self) -> bool {
        self.lock.is_none() && self.lock_path.exists()
    }
}

/// The directory of an index, locked for this process until it is left or dropped.
#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
    note: Note,
    /// The last seq that was given away, or could have been by a perch before this one.
    last: u64,
    lock: File,
}

impl Home {
    /// Locks a directory and reads what it is, or makes it the home of a new index.
    pub(super) fn open(dir: &Path) -> Result<Home, OpenError> {
        let home = Home::lock(dir, false)?;
        let failed = |error| OpenError::io(dir, error);
        if home.last > 0 && !home.tantivy().join("meta.json").try_exists().map_err(failed)? {
            return Err(OpenError::damaged(dir, "tantivy/meta.json is missing"));
        }
        durable::create_dir_all(&home.tantivy()).map_err(failed)?;
        Ok(home)
    }

    /// Looks at an index that no perch uses, and writes nothing: the directory may be on a file system that can't be
    /// written.
    pub(super) fn open_read_only(dir: &Path) -> Result<ReadOnlyHome, OpenError> {
        let failed = |error| OpenError::io(dir, error);
        let lock_path = dir.join(LOCK);
        let lock = match File::open(&lock_path) {
            Ok(lock) => Some(lock),
            // A backup has none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if let Some(lock) = &lock {
            lock.try_lock_shared().map_err(|error| Home::not_locked(dir, error))?;
        }
        let note = read_note_in(dir, false)?;
        let tantivy = swap::current(dir, note.built_version.is_some());
        Ok(ReadOnlyHome { tantivy, last_seq: Seq(note.reserved_seq), lock, lock_path })
    }

    /// Locks a directory that is an index already, also when it was made by another version of perch.
    pub(super) fn open_any_version(dir: &Path) -> Result<Home, OpenError> {
        Home::read_epoch(dir)?;
        Home::lock(dir, true)
    }

    /// Locks the directory of an index even when its `perch.json` is damaged. Then the index gets another epoch, and nothing
    /// is known of its seqs.
    pub(super) fn open_to_salvage(dir: &Path) -> Result<(Home, bool), OpenError> {
        match Home::open_any_version(dir) {
            Err(OpenError::Damaged { .. } | OpenError::Missing { .. }) if swap::current(dir, false).exists() => {
                let lock = Home::lock_file(dir)?;
                let note = Note {
                    schema_version: schema_version(),
                    epoch: Uuid::new_v4(),
                    reserved_seq: 0,
                    built_version: None,
                };
                swap::finish(dir, false).map_err(|error| OpenError::io(dir, error))?;
                Ok((Home { dir: dir.to_owned(), last: 0, note, lock }, true))
            }
            home => home.map(|home| (home, false)),
        }
    }

    /// Whose index is in a directory.
    pub(super) fn read_epoch(dir: &Path) -> Result<Epoch, OpenError> {
        Ok(Epoch(read_note_in(dir, true)?.epoch))
    }

    /// The directory of the tantivy index, of an index that may be in use.
    pub(super) fn current_tantivy(dir: &Path) -> Result<PathBuf, OpenError> {
        Ok(swap::current(dir, read_note_in(dir, true)?.built_version.is_some()))
    }

    /// Makes a copied directory an index: with the seqs of the other, and an epoch of its own.
    pub(super) fn copy_note(from: &Path, to: &Path) -> Result<(), OpenError> {
        let bytes = fs::read(from.join(NOTE)).map_err(|error| OpenError::io(from, error))?;
        let mut note = Note { epoch: Uuid::new_v4(), ..read_note(from, &bytes, true)? };
        note.schema_version = note.built_version.take().unwrap_or(note.schema_version);
        write_note(to, &note).map_err(|error| OpenError::io(to, error))
    }

    /// Puts the new index, which is durable, in the place of the old one.
    pub(super) fn swap(&mut self) -> io::Result<()> {
        self.note.built_version = Some(schema_version());
        write_note(&self.dir, &self.note)?;
        finish_swap(&self.dir, &mut self.note).map(drop)
    }

    fn lock(dir: &Path, any_version: bool) -> Result<Home, OpenError> {
        let failed = |error| OpenError::io(dir, error);
        durable::create_dir_all(dir).map_err(failed)?;
        let is_new = !dir.join(NOTE).try_exists().map_err(failed)?;
        if is_new {
            refuse_foreign(dir)?;
        }
        let lock = Home::lock_file(dir)?;
        // Another process can have made it in the meantime: what counts is what is there now that it is ours.
        let note = match fs::read(dir.join(NOTE)) {
            Ok(bytes) => {
                let mut note = read_note(dir, &bytes, any_version)?;
                if finish_swap(dir, &mut note).map_err(failed)? {
                    tracing::info!("perch has finished a reindex that was cut off");
                }
                note
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let note = Note {
                    schema_version: schema_version(),
                    epoch: Uuid::new_v4(),
                    reserved_seq: 0,
                    built_version: None,
                };
                write_note(dir, &note).map_err(failed)?;
                note
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Home { dir: dir.to_owned(), last: note.reserved_seq, note, lock })
    }

    fn lock_file(dir: &Path) -> Result<File, OpenError> {
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join(LOCK));
        let lock = lock.map_err(|error| OpenError::io(dir, error))?;
        lock.try_lock().map_err(|error| Home::not_locked(dir, error))?;
        Ok(lock)
    }

    fn not_locked(dir: &Path, error: TryLockError) -> OpenError {
        match error {
            TryLockError::WouldBlock => OpenError::Locked { dir: dir.to_owned() },
            TryLockError::Error(error) => OpenError::io(dir, error),
        }
    }

    /// The directory of the tantivy index.
    pub(super) fn tantivy(&self) -> PathBuf {
        self.dir.join(TANTIVY)
    }

    /// The life of the index.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.note.epoch)
    }

    /// The last seq that was given away. Of those that an earlier perch had reserved, all count as given away.
    pub(super) fn last_seq(&self) -> Seq {
        Seq(self.last)
    }

    /// Gives away the next `n` seqs and answers with the first of them.
    pub(super) fn take_seqs(&mut self, n: usize) -> io::Result<Seq> {
        let last = u64::try_from(n).ok().and_then(|n| self.last.checked_add(n)).filter(|&last| last <= Seq::MAX.0);
        let last = last.ok_or_else(|| io::Error::other("there are no seqs left"))?;
        if last > self.note.reserved_seq {
            self.reserve(last.saturating_add(BLOCK).min(Seq::MAX.0))?;
        }
        let first = Seq(self.last + 1);
        self.last = last;
        Ok(first)
    }

    /// Counts all seqs up to this one as given away.
    pub(super) fn skip_to(&mut self, seq: Seq) -> io::Result<()> {
        if seq.0 > self.last {
            self.reserve(seq.0)?;
            self.last = seq.0;
        }
        Ok(())
    }

    /// Gives back what was reserved and not given away, which nobody will use before the next start, and lets another perch have the directory. That does not
    /// wait for the end of the last handle: a request that still reads may have one, and a process that is just being
    /// started has a copy of every open file for a moment.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        let given_back = self.reserve(self.last);
        self.lock.unlock().and(given_back)
    }

    fn reserve(&mut self, until: u64) -> io::Result<()> {
        let note = Note { reserved_seq: until, ..self.note };
        write_note(&self.dir, &note)?;
        self.note = note;
        Ok(())
    }
}

/// A directory that is to become an index may hold what people put next to one, and what a start that was cut short left.
fn refuse_foreign(dir: &Path) -> Result<(), OpenError> {
    for entry in fs::read_dir(dir).map_err(|error| OpenError::io(dir, error))? {
        let name = entry.map_err(|error| OpenError::io(dir, error))?.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with('.')
            || ["README.md", LOCK].contains(&&*name)
            || [NOTE, SENTE].iter().any(|own| name.starts_with(own)))
        {
            return Err(OpenError::Foreign { dir: dir.to_owned(), file: name.into_owned() });
        }
    }
    Ok(())
}

fn read_note_in(dir: &Path, any_version: bool) -> Result<Note, OpenError> {
    match fs::read(dir.join(NOTE)) {
        Ok(bytes) => read_note(dir, &bytes, any_version),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Missing { dir: dir.to_owned() }),
        Err(error) => Err(OpenError::io(dir, error)),
    }
}

fn read_note(dir: &Path, bytes: &[u8], any_version: bool) -> Result<Note, OpenError> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
        built_version: Option<u32>,
    }
    let unreadable = |error| OpenError::damaged(dir, format!("{NOTE} can't be read: {error}"));
    // The version first: the rest may look different in another one.
    let version: Version = serde_json::from_slice(bytes).map_err(unreadable)?;
    let version = version.built_version.unwrap_or(version.schema_version);
    if version != schema_version() && !any_version {
        return Err(OpenError::Version { dir: dir.to_owned(), found: version });
    }
    if version == schema_version() && !checksum::is_json_whole(bytes) {
        return Err(OpenError::damaged(dir, format!("the checksum of {NOTE} is wrong")));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// Finishes the exchange of an index for one that was built from it. Answers whether there was something to do.
fn finish_swap(dir: &Path, note: &mut Note) -> io::Result<bool> {
    let is_finished = swap::finish(dir, note.built_version.is_some())?;
    if let Some(version) = note.built_version.take() {
        note.schema_version = version;
        write_note(dir, note)?;
    }
    Ok(is_finished)
}

/// Writes `perch.json` so that a crash leaves the old or the new one.
fn write_note(dir: &Path, note: &Note) -> io::Result<()> {
    let text = checksum::seal_json(&serde_json::to_string_pretty(note)?);
    durable::write(&dir.join(NOTE), text.as_bytes())
}
