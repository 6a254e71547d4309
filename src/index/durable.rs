//! File operations that are durable when they return: they survive a power cut.
//!
//! A file system may keep a new name, a rename or a deletion in memory after the content of the
//! file is on disk. Only an fsync of the directory makes it durable. POSIX promises nothing else,
//! and ext4 delays it for up to five seconds.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

#[cfg(test)]
use super::tests::journal::{Operation, record};

/// Creates a directory and its missing parents.
///
/// The name of a directory that exists already is made durable too: the process that created it may
/// have been killed before it could do so.
pub(super) fn create_dir_all(dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() {
        return Ok(());
    }
    if !dir.try_exists()? {
        create_dir_all(parent(dir))?;
        match fs::create_dir(dir) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created?,
        }
        #[cfg(test)]
        record(Operation::CreateDir(dir.to_owned()));
    }
    match sync_dir(parent(dir)) {
        // A directory without read permission can't be synced.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Replaces the content of a file, or creates the file. A crash leaves the old content or the new
/// one.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    let mut file = File::create(temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    #[cfg(test)]
    {
        record(Operation::Create(temporary.to_owned()));
        record(Operation::Write(temporary.to_owned(), content.to_owned()));
        record(Operation::SyncFile(temporary.to_owned()));
    }
    rename(temporary, path)
}

/// Renames a file or a directory. Both names are in one directory.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    #[cfg(test)]
    record(Operation::Rename(from.to_owned(), to.to_owned()));
    sync_dir(parent(to))
}

/// Makes the names in a directory durable: created files, renames and deletions.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(test)]
    record(Operation::SyncDir(dir.to_owned()));
    // Elsewhere a directory can't be opened like this, and needs no sync.
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// The directory of a path; the working directory when it has only a name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        // The root of the file system, whose name needs no sync.
        None => path,
    }
}
