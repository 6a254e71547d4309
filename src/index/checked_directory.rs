//! tantivy's directory, in which damage is found before it does harm.
//!
//! tantivy reads a file without looking at its checksum. A damaged file can so give wrong results,
//! and what is written from it has a right checksum again. This directory
//!
//! - adds a checksum to `meta.json` and refuses one that is damaged,
//! - compares the list of deleted documents with its checksum: with each commit, tantivy writes a
//!   new list from the old one,
//! - opens a segment whose stored tweets are damaged: everything but those tweets can be used,
//! - reads the list of files that tantivy may delete as what there is, when the list is damaged.
//!
//! Files that are large are not read as a whole when they are opened. Merges are preceded by a
//! check ([`super::merging`]), and everything else is found by `perch check-index`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{DirectoryLock, FileHandle, FileSlice, Lock, MmapDirectory, OwnedBytes};
use tantivy::directory::{WatchCallback, WatchHandle, WritePtr};

use super::checksum;
use super::durable_directory::META;

/// Lists the files that tantivy made, and may delete.
const MANAGED: &str = ".managed.json";

/// A directory of an index that checks what tantivy does not.
#[derive(Clone, Debug)]
pub(super) struct CheckedDirectory {
    files: Box<dyn Directory>,
    dir: PathBuf,
    /// Nothing is written, no lock either: nobody else uses the directory, or its files never
    /// change.
    is_read_only: bool,
}

impl CheckedDirectory {
    /// The files in `dir`, which `files` reads and writes.
    pub(super) fn new(files: impl Directory, dir: &Path) -> CheckedDirectory {
        CheckedDirectory { files: Box::new(files), dir: dir.to_owned(), is_read_only: false }
    }

    /// A directory that may be on a file system that can't be written.
    pub(super) fn read_only(dir: &Path) -> Result<CheckedDirectory, OpenDirectoryError> {
        Ok(CheckedDirectory { is_read_only: true, ..CheckedDirectory::new(MmapDirectory::open(dir)?, dir) })
    }

    /// The names of files that look like those of a segment.
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

/// A file without content, with a footer that tantivy accepts.
fn empty_file() -> io::Result<Vec<u8>> {
    /// What tantivy ends its footers with.
    const MAGIC: u32 = 1337;
    let mut file = serde_json::to_vec(&serde_json::json!({ "version": tantivy::version(), "crc": 0 }))?;
    let len = u32::try_from(file.len()).map_err(io::Error::other)?;
    file.extend_from_slice(&len.to_le_bytes());
    file.extend_from_slice(&MAGIC.to_le_bytes());
    Ok(file)
}

impl Directory for CheckedDirectory {
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
            // A merge would take the empty file for the stored tweets; but it reads only what was
            // checked before.
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
        match std::str::from_utf8(data) {
            Ok(json) if path == Path::new(META) => self.files.atomic_write(path, checksum::seal_json(json).as_bytes()),
            _ => self.files.atomic_write(path, data),
        }
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
