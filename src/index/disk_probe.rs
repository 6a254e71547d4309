//! Checks whether the index can be written, for `/readyz` and for requests that bring tweets.
//!
//! A failed commit reports a full disk, but commits follow tweets only: a disk that fills up would
//! stay undetected until the next tweet, and a disk that has space again would count as full until
//! then. So a check writes and deletes a file of 1 MiB, at most every 10 s while the disk is fine.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{IntakeError, lock};

/// Size of the probe file: about a commit of some hundred tweets.
const PROBE_BYTES: usize = 1024 * 1024;
/// How long a result is valid: a good one, and a bad one.
const GOOD_FOR: Duration = Duration::from_secs(10);
const BAD_FOR: Duration = Duration::from_millis(500);

const PROBE: &str = "perch.probe";

/// Probes the disk of an index, and remembers the last result.
#[derive(Debug)]
pub(super) struct DiskProbe {
    dir: PathBuf,
    /// The last result and its time. Not locked while the probe file is written, so that commits
    /// can report meanwhile.
    last: Mutex<Option<(Instant, Result<(), IntakeError>)>>,
    /// Locked by the thread that writes the probe file.
    probing: Mutex<()>,
}

impl DiskProbe {
    pub(super) fn new(dir: &Path) -> DiskProbe {
        DiskProbe { dir: dir.to_owned(), last: Mutex::new(None), probing: Mutex::new(()) }
    }

    /// Records the result of a commit.
    pub(super) fn committed(&self, outcome: Result<(), IntakeError>) {
        *lock(&self.last) = Some((Instant::now(), outcome));
    }

    /// Returns the last result while it is valid, or writes the probe file. While one thread
    /// writes, others get the last result, so that a hanging disk does not block one thread after
    /// the other.
    pub(super) fn check(&self) -> Result<(), IntakeError> {
        let last = lock(&self.last).clone();
        if let Some((at, outcome)) = &last
            && at.elapsed() < if outcome.is_ok() { GOOD_FOR } else { BAD_FOR }
        {
            return outcome.clone();
        }
        let Ok(_one) = self.probing.try_lock() else { return last.map_or(Ok(()), |(_, outcome)| outcome) };
        let outcome = probe(&self.dir).map_err(|error| (&error).into());
        *lock(&self.last) = Some((Instant::now(), outcome.clone()));
        outcome
    }
}

fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join(PROBE);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&noise())?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

/// Bytes that no file system can compress.
fn noise() -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(PROBE_BYTES / 8).flatten().collect()
}
