//! The directory in which tantivy reads and writes: commits survive a power cut, and damage is
//! found before it spreads.
//!
//! tantivy syncs the content of every file, and the directory before it replaces `meta.json`. It
//! does not sync the directory afterwards, so that after a power cut the old `meta.json` can be
//! back, and the commit is lost. Even an older commit can be lost, when the deletion of its files
//! was durable earlier than the rename.
//!
//! tantivy reads files without verifying their checksums. A damaged file can give wrong results,
//! and a file that tantivy writes from it has a valid checksum again. This directory
//!
//! - adds a checksum to `meta.json` and refuses one that is damaged,
//! - verifies the list of deleted documents: tantivy writes a new list from the old one with each
//!   commit,
//! - opens a segment whose stored tweets are damaged: everything but those tweets can be used,
//! - replaces a damaged list of the files that tantivy may delete by a list of the directory.
//!
//! Large files are not read as a whole when they are opened. They are verified before a merge
//! ([`super::merge_policy`]) and by `perch check-index`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{DirectoryLock, FileHandle, FileSlice, Lock, MmapDirectory, OwnedBytes};
use tantivy::directory::{WatchCallback, WatchHandle, WritePtr};
use tantivy::store::Compressor;
use tantivy::{Directory, IndexSettings};

use super::checksum;
use super::damage::guarded;
use super::tweet_fields::TweetFields;

/// The file that names the segments of the last commit.
pub(super) const META: &str = "meta.json";

/// Lists the files that tantivy has created and may delete.
const MANAGED: &str = ".managed.json";

/// A [`MmapDirectory`] that syncs and verifies what tantivy does not.
#[derive(Clone, Debug)]
pub(super) struct TantivyDirectory {
    files: Box<dyn Directory>,
    dir: PathBuf,
    /// Nothing is written, no lock file either: no other process uses the directory, or its files
    /// never change.
    is_read_only: bool,
}

impl TantivyDirectory {
    /// Opens a directory that exists.
    pub(super) fn open(dir: &Path) -> Result<TantivyDirectory, OpenDirectoryError> {
        let files: Box<dyn Directory> = Box::new(MmapDirectory::open(dir)?);
        #[cfg(test)]
        let files = super::tests::journal::recorded(files, dir);
        // A process that was killed may have replaced meta.json without a sync. Files that only the
        // old one needs are soon deleted.
        files.sync_directory().map_err(|error| OpenDirectoryError::wrap_io_error(error, dir.to_owned()))?;
        Ok(TantivyDirectory { files, dir: dir.to_owned(), is_read_only: false })
    }

    /// Opens a directory that may be on a read-only file system.
    pub(super) fn open_read_only(dir: &Path) -> Result<TantivyDirectory, OpenDirectoryError> {
        Ok(TantivyDirectory { files: Box::new(MmapDirectory::open(dir)?), dir: dir.to_owned(), is_read_only: true })
    }

    /// The files of the directory that are named like those of a segment.
    fn segment_files(&self) -> io::Result<BTreeSet<PathBuf>> {
        let mut files = BTreeSet::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let is_of_segment = name.to_str().and_then(segment_of).is_some();
            if is_of_segment {
                files.insert(name.into());
            }
        }
        Ok(files)
    }
}

/// The id of the segment that a file belongs to, by its name.
pub(super) fn segment_of(name: &str) -> Option<&str> {
    let (id, rest) = name.split_once('.')?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && !rest.is_empty()).then_some(id)
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged: {reason}", path.display()))
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// An empty file with a footer that tantivy accepts.
fn empty_file() -> io::Result<Vec<u8>> {
    /// The end of tantivy's footers.
    const MAGIC: u32 = 1337;
    let mut file = serde_json::to_vec(&serde_json::json!({ "version": tantivy::version(), "crc": 0 }))?;
    let len = u32::try_from(file.len()).map_err(io::Error::other)?;
    file.extend_from_slice(&len.to_le_bytes());
    file.extend_from_slice(&MAGIC.to_le_bytes());
    Ok(file)
}

impl Directory for TantivyDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let failed = |error| OpenReadError::wrap_io_error(error, path.to_owned());
        let file = self.files.get_file_handle(path);
        if has_extension(path, "del") {
            let file = file?;
            let verified = checksum::verify(FileSlice::new(Arc::clone(&file)));
            verified.map_err(|damage| failed(damaged(path, damage)))?;
            return Ok(file);
        }
        if has_extension(path, "store") {
            // A merge would take the empty file for the stored tweets, but reads only verified
            // files.
            let is_open = file.as_ref().is_ok_and(|file| checksum::footer(FileSlice::new(Arc::clone(file))).is_ok());
            if !is_open {
                return Ok(Arc::new(OwnedBytes::new(empty_file().map_err(failed)?)));
            }
        }
        file
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.files.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.files.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let content = self.files.atomic_read(path);
        if path == Path::new(META) {
            let content = content?;
            if !checksum::is_json_whole(&content) {
                let error = damaged(path, "its checksum is wrong");
                return Err(OpenReadError::wrap_io_error(error, path.to_owned()));
            }
            return Ok(content);
        }
        if path == Path::new(MANAGED)
            && content.as_ref().is_ok_and(|content| serde_json::from_slice::<BTreeSet<PathBuf>>(content).is_err())
        {
            let failed = |error| OpenReadError::wrap_io_error(error, path.to_owned());
            let mut files = self.segment_files().map_err(failed)?;
            files.insert(META.into());
            return serde_json::to_vec(&files).map_err(|error| failed(error.into()));
        }
        content
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        if path != Path::new(META) {
            // The list of files that tantivy may delete is written for each new file. It is durable
            // with the next commit, which is soon enough: at worst a file is never deleted.
            return self.files.atomic_write(path, data);
        }
        match std::str::from_utf8(data) {
            Ok(json) => self.files.atomic_write(path, checksum::seal_json(json).as_bytes())?,
            Err(_) => self.files.atomic_write(path, data)?,
        }
        self.files.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.files.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        if self.is_read_only { Ok(DirectoryLock::from(Box::new(()))) } else { self.files.acquire_lock(lock) }
    }

    fn watch(&self, watch_callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(watch_callback)
    }
}

/// Block size of the stored tweets. A page of scattered hits reads a block for each hit, so that
/// small blocks are faster; large ones compress better.
const STORE_BLOCK_BYTES: usize = 4_096;

/// Opens the tantivy index in a directory, or creates one.
pub(super) fn open_index(dir: &Path) -> tantivy::Result<tantivy::Index> {
    let directory = TantivyDirectory::open(dir)?;
    if tantivy::Index::exists(&directory)? {
        return guarded(|| tantivy::Index::open(directory));
    }
    let settings = IndexSettings {
        docstore_compression: Compressor::Lz4,
        docstore_blocksize: STORE_BLOCK_BYTES,
        // Most commits are smaller than what starting a thread costs.
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    tantivy::Index::create(directory, TweetFields::get().tantivy_schema(), settings)
}
