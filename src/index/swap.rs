//! The exchange of the index for the one that `reindex` built. Each step can be the last one before
//! a crash.
//!
//! ```text
//! 1  perch.json names the version of tantivy.new       from here on the new index counts
//! 2  tantivy     -> tantivy.old
//! 3  tantivy.new -> tantivy
//! 4  tantivy.old is deleted
//! 5  perch.json has the version of the new index, and names no other
//! ```
//!
//! Whoever locks the directory first finishes what was cut off. Who may only read uses the
//! directory that counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::durable;
use super::home::TANTIVY;

/// The new index, until it takes the place of the old one.
pub(super) const NEW: &str = "tantivy.new";
/// The old one, until it is deleted.
pub(super) const OLD: &str = "tantivy.old";

/// The directory of the tantivy index that counts. `is_built` says whether the new one is whole.
pub(super) fn current(dir: &Path, is_built: bool) -> PathBuf {
    let [tantivy, new, old] = [TANTIVY, NEW, OLD].map(|name| dir.join(name));
    if is_built && new.exists() {
        new
    } else if !tantivy.exists() && old.exists() {
        // A perch that did not note in perch.json what it was about to do was cut off behind step
        // 2.
        old
    } else {
        tantivy
    }
}

/// Puts the index that counts in its place and deletes the old one. Answers whether there was
/// something to do.
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
        // The old one is in its place again, and the new one may be half of one.
        remove(&new)?;
    }
    Ok(is_built || current != tantivy)
}

/// Deletes a directory that may be there.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
