//! tantivy's directory, with commits that survive a power cut.
//!
//! tantivy syncs the content of every file, and the directory before it replaces `meta.json`. It
//! does not sync the directory afterwards, so that after a power cut the old `meta.json` can be
//! back, and the commit is lost. Even an older commit can be lost, when the deletion of its files
//! was durable earlier than the rename.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    DirectoryLock, FileHandle, FileSlice, Lock, MmapDirectory, WatchCallback, WatchHandle, WritePtr,
};

/// The file that names the segments of the last commit.
pub(super) const META: &str = "meta.json";

/// A [`MmapDirectory`] in which a `meta.json` is durable when it is written.
#[derive(Clone, Debug)]
pub(super) struct DurableDirectory {
    files: Box<dyn Directory>,
}

impl DurableDirectory {
    /// Opens a directory that exists.
    pub(super) fn open(dir: &Path) -> Result<DurableDirectory, OpenDirectoryError> {
        let files: Box<dyn Directory> = Box::new(MmapDirectory::open(dir)?);
        #[cfg(test)]
        let files = super::tests::journal::recorded(files, dir);
        // A process that was killed may have replaced meta.json without a sync. What only the old
        // one needs is soon deleted.
        files.sync_directory().map_err(|error| OpenDirectoryError::wrap_io_error(error, dir.to_owned()))?;
        Ok(DurableDirectory { files })
    }
}

impl Directory for DurableDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn open_read(&self, path: &Path) -> Result<FileSlice, OpenReadError> {
        self.files.open_read(path)
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
        self.files.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.files.atomic_write(path, data)?;
        // tantivy's other file, the list of what it may delete, is written for each new file. It is
        // durable with the next commit, which is soon enough: at worst a file is never deleted.
        if path == Path::new(META) { self.files.sync_directory() } else { Ok(()) }
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.files.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.files.acquire_lock(lock)
    }

    fn watch(&self, watch_callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(watch_callback)
    }
}
