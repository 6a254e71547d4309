//! The directory of an index: its lock, its identity, and the seqs that are reserved.
//!
//! ```text
//! perch.json   schema version, epoch, and the highest reserved seq
//! perch.lock   locked while a perch uses the directory
//! tantivy/     the tantivy index
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tantivy::TantivyError;
use uuid::Uuid;

use super::schema_version::schema_version;
use super::swap::{self, TANTIVY};
use super::{checksum, durable};
use crate::ids::{Epoch, Seq};

const MANIFEST: &str = "perch.json";
const LOCK: &str = "perch.lock";
/// Prefix of the files with the subscriptions of Sente clients.
const SENTE: &str = "sente%2F";
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

    pub(super) fn tantivy(dir: &Path, error: TantivyError) -> OpenError {
        match error {
            TantivyError::LockFailure(..) => OpenError::Locked { dir: dir.to_owned() },
            // Damage comes as an error of the file system too.
            TantivyError::IoError(error) if error.kind() != io::ErrorKind::InvalidData => {
                OpenError::io(dir, io::Error::new(error.kind(), error.to_string()))
            }
            error => OpenError::damaged(dir, error.to_string()),
        }
    }

    pub(super) fn damaged(dir: &Path, reason: impl Into<String>) -> OpenError {
        OpenError::Damaged { dir: dir.to_owned(), reason: reason.into() }
    }
}

/// The content of `perch.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    schema_version: u32,
    epoch: Uuid,
    /// No seq above it was ever allocated.
    reserved_seq: u64,
    /// The schema version of the index that replaces this one: see [`super::swap`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    built_version: Option<u32>,
}

/// The directory of an index, opened to read.
#[derive(Debug)]
pub(super) struct ReadOnlyIndexDir {
    /// The directory of the current tantivy index.
    pub(super) tantivy: PathBuf,
    /// No seq above it was ever allocated.
    pub(super) last_seq: Seq,
    /// A shared lock. `None` when the directory has no lock file, as a backup.
    lock: Option<File>,
    lock_path: PathBuf,
}

impl ReadOnlyIndexDir {
    /// Whether a perch has opened the directory meanwhile.
    pub(super) fn is_in_use(&self) -> bool {
        self.lock.is_none() && self.lock_path.exists()
    }
}

/// The directory of an index, locked for this process until it is unlocked or dropped.
#[derive(Debug)]
pub(super) struct IndexDir {
    dir: PathBuf,
    manifest: Manifest,
    lock: File,
}

impl IndexDir {
    /// Locks the directory of an index, or creates a new index in it.
    pub(super) fn open(dir: &Path) -> Result<IndexDir, OpenError> {
        let index_dir = IndexDir::lock(dir, false)?;
        let failed = |error| OpenError::io(dir, error);
        if index_dir.manifest.reserved_seq > 0 && !index_dir.tantivy().join("meta.json").try_exists().map_err(failed)? {
            return Err(OpenError::damaged(dir, "tantivy/meta.json is missing"));
        }
        durable::create_dir_all(&index_dir.tantivy()).map_err(failed)?;
        Ok(index_dir)
    }

    /// Opens an index that no perch uses. Writes nothing, so that the file system may be read-only.
    pub(super) fn open_read_only(dir: &Path) -> Result<ReadOnlyIndexDir, OpenError> {
        let failed = |error| OpenError::io(dir, error);
        let lock_path = dir.join(LOCK);
        let lock = match File::open(&lock_path) {
            Ok(lock) => Some(lock),
            // A backup has none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if let Some(lock) = &lock {
            lock.try_lock_shared().map_err(|error| IndexDir::not_locked(dir, error))?;
        }
        let manifest = read_manifest_in(dir, false)?;
        let tantivy = swap::current(dir, manifest.built_version.is_some());
        Ok(ReadOnlyIndexDir { tantivy, last_seq: Seq(manifest.reserved_seq), lock, lock_path })
    }

    /// Locks the directory of an existing index of any schema version.
    pub(super) fn open_any_version(dir: &Path) -> Result<IndexDir, OpenError> {
        IndexDir::read_epoch(dir)?;
        IndexDir::lock(dir, true)
    }

    /// Locks the directory of an index whose `perch.json` may be damaged. Then the index gets
    /// another epoch, its reserved seqs are unknown, and the second value is true.
    pub(super) fn open_to_salvage(dir: &Path) -> Result<(IndexDir, bool), OpenError> {
        match IndexDir::open_any_version(dir) {
            Err(OpenError::Damaged { .. } | OpenError::Missing { .. }) if swap::current(dir, false).exists() => {
                let lock = IndexDir::lock_file(dir)?;
                let manifest = Manifest {
                    schema_version: schema_version(),
                    epoch: Uuid::new_v4(),
                    reserved_seq: 0,
                    built_version: None,
                };
                swap::finish(dir, false).map_err(|error| OpenError::io(dir, error))?;
                Ok((IndexDir { dir: dir.to_owned(), manifest, lock }, true))
            }
            index_dir => index_dir.map(|index_dir| (index_dir, false)),
        }
    }

    /// The epoch of the index in a directory.
    pub(super) fn read_epoch(dir: &Path) -> Result<Epoch, OpenError> {
        Ok(Epoch(read_manifest_in(dir, true)?.epoch))
    }

    /// The directory of the current tantivy index. A perch may use it.
    pub(super) fn current_tantivy(dir: &Path) -> Result<PathBuf, OpenError> {
        Ok(swap::current(dir, read_manifest_in(dir, true)?.built_version.is_some()))
    }

    /// Completes a copy of an index with the reserved seqs of the original and an epoch of its own.
    pub(super) fn copy_manifest(from: &Path, to: &Path) -> Result<(), OpenError> {
        let bytes = fs::read(from.join(MANIFEST)).map_err(|error| OpenError::io(from, error))?;
        let mut manifest = Manifest { epoch: Uuid::new_v4(), ..read_manifest(from, &bytes, true)? };
        manifest.schema_version = manifest.built_version.take().unwrap_or(manifest.schema_version);
        write_manifest(to, &manifest).map_err(|error| OpenError::io(to, error))
    }

    /// Replaces the tantivy index with the one in `tantivy.new`, which is durable.
    pub(super) fn swap(&mut self) -> io::Result<()> {
        self.manifest.built_version = Some(schema_version());
        write_manifest(&self.dir, &self.manifest)?;
        finish_swap(&self.dir, &mut self.manifest).map(drop)
    }

    fn lock(dir: &Path, any_version: bool) -> Result<IndexDir, OpenError> {
        let failed = |error| OpenError::io(dir, error);
        durable::create_dir_all(dir).map_err(failed)?;
        let is_new = !dir.join(MANIFEST).try_exists().map_err(failed)?;
        if is_new {
            refuse_foreign(dir)?;
        }
        let lock = IndexDir::lock_file(dir)?;
        // Another process may have created the index before this one got the lock.
        let manifest = match fs::read(dir.join(MANIFEST)) {
            Ok(bytes) => {
                let mut manifest = read_manifest(dir, &bytes, any_version)?;
                if finish_swap(dir, &mut manifest).map_err(failed)? {
                    tracing::info!("perch has finished a reindex that was interrupted");
                }
                manifest
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let manifest = Manifest {
                    schema_version: schema_version(),
                    epoch: Uuid::new_v4(),
                    reserved_seq: 0,
                    built_version: None,
                };
                write_manifest(dir, &manifest).map_err(failed)?;
                manifest
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(IndexDir { dir: dir.to_owned(), manifest, lock })
    }

    fn lock_file(dir: &Path) -> Result<File, OpenError> {
        let lock = File::options().create(true).truncate(false).write(true).open(dir.join(LOCK));
        let lock = lock.map_err(|error| OpenError::io(dir, error))?;
        lock.try_lock().map_err(|error| IndexDir::not_locked(dir, error))?;
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

    /// Identifies the index in positions of clients.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.manifest.epoch)
    }

    /// No seq above it was ever allocated.
    pub(super) fn reserved_seq(&self) -> Seq {
        Seq(self.manifest.reserved_seq)
    }

    /// Records durably that no seq above `until` is allocated.
    pub(super) fn reserve(&mut self, until: Seq) -> io::Result<()> {
        let manifest = Manifest { reserved_seq: until.0, ..self.manifest };
        write_manifest(&self.dir, &manifest)?;
        self.manifest = manifest;
        Ok(())
    }

    /// Lets another perch lock the directory. The lock would otherwise last as long as any handle
    /// of the file, and a child process that is being started has copies of all handles.
    pub(super) fn unlock(&self) -> io::Result<()> {
        self.lock.unlock()
    }
}

/// A new index may share its directory with hidden files, a README, and the files of an interrupted
/// start.
fn refuse_foreign(dir: &Path) -> Result<(), OpenError> {
    for entry in fs::read_dir(dir).map_err(|error| OpenError::io(dir, error))? {
        let name = entry.map_err(|error| OpenError::io(dir, error))?.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with('.')
            || ["README.md", LOCK].contains(&&*name)
            || [MANIFEST, SENTE].iter().any(|own| name.starts_with(own)))
        {
            return Err(OpenError::Foreign { dir: dir.to_owned(), file: name.into_owned() });
        }
    }
    Ok(())
}

fn read_manifest_in(dir: &Path, any_version: bool) -> Result<Manifest, OpenError> {
    match fs::read(dir.join(MANIFEST)) {
        Ok(bytes) => read_manifest(dir, &bytes, any_version),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Missing { dir: dir.to_owned() }),
        Err(error) => Err(OpenError::io(dir, error)),
    }
}

fn read_manifest(dir: &Path, bytes: &[u8], any_version: bool) -> Result<Manifest, OpenError> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
        built_version: Option<u32>,
    }
    let unreadable = |error| OpenError::damaged(dir, format!("{MANIFEST} can't be read: {error}"));
    // Other versions may have other fields.
    let version: Version = serde_json::from_slice(bytes).map_err(unreadable)?;
    let version = version.built_version.unwrap_or(version.schema_version);
    if version != schema_version() && !any_version {
        return Err(OpenError::Version { dir: dir.to_owned(), found: version });
    }
    if version == schema_version() && !checksum::is_json_whole(bytes) {
        return Err(OpenError::damaged(dir, format!("the checksum of {MANIFEST} is wrong")));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// Finishes an interrupted replacement of the tantivy index. Returns whether there was one.
fn finish_swap(dir: &Path, manifest: &mut Manifest) -> io::Result<bool> {
    let is_finished = swap::finish(dir, manifest.built_version.is_some())?;
    if let Some(version) = manifest.built_version.take() {
        manifest.schema_version = version;
        write_manifest(dir, manifest)?;
    }
    Ok(is_finished)
}

/// Writes `perch.json` atomically.
fn write_manifest(dir: &Path, manifest: &Manifest) -> io::Result<()> {
    let text = checksum::seal_json(&serde_json::to_string_pretty(manifest)?);
    durable::write(&dir.join(MANIFEST), text.as_bytes())
}
