//! Replaces the index with the one that `reindex` has built. A crash may follow each step.
//!
//! ```text
//! 1  perch.json names the schema version of tantivy.new    from here on tantivy.new is current
//! 2  tantivy     -> tantivy.old
//! 3  tantivy.new -> tantivy
//! 4  tantivy.old is deleted
//! 5  perch.json has the schema version of the new index, and names no other
//! ```
//!
//! The next perch that locks the directory finishes an interrupted replacement. One that only reads
//! uses the current directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::durable;

/// The directory of the tantivy index.
pub(super) const TANTIVY: &str = "tantivy";
/// The new index, until it replaces the old one.
pub(super) const NEW: &str = "tantivy.new";
/// The old index, until it is deleted.
pub(super) const OLD: &str = "tantivy.old";

/// The directory of the current tantivy index. `is_built` says whether the new index is complete.
pub(super) fn current(dir: &Path, is_built: bool) -> PathBuf {
    let [tantivy, new, old] = [TANTIVY, NEW, OLD].map(|name| dir.join(name));
    if is_built && new.exists() {
        new
    } else if !tantivy.exists() && old.exists() {
        // A version of perch that left out step 1 was interrupted after step 2.
        old
    } else {
        tantivy
    }
}

/// Moves the current index to `tantivy` and deletes the other one. Returns whether there was
/// anything to do.
pub(super) fn finish(dir: &Path, is_built: bool) -> io::Result<bool> {
    let [tantivy, new, old] = [TANTIVY, NEW, OLD].map(|name| dir.join(name));
    let current = current(dir, is_built);
    if current == new && tantivy.exists() {
        remove(&old)?;
        durable::rename(&tantivy, &old)?;
    }
    if current != tantivy {
        durable::rename(&current, &tantivy)?;
    }
    if is_built {
        remove(&old)?;
    } else if current == old {
        // The new index may be incomplete.
        remove(&new)?;
    }
    Ok(is_built || current != tantivy)
}

/// Deletes a directory if it exists.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
