//! Whether the index could be written now: for those who ask whether tweets would be taken.
//!
//! A commit that fails says so by itself, but only tweets bring commits: a disk that is full would stay unseen until the next tweet, and one that has space
//! again would count as full until then. So who asks gets a file written, now and then.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{IntakeError, lock};

/// What must fit: about what a commit of some hundred tweets takes.
const PROBE_BYTES: usize = 1024 * 1024;
/// How long an answer stands while all is well, and while it isn't.
const GOOD_FOR: Duration = Duration::from_secs(10);
const BAD_FOR: Duration = Duration::from_millis(500);

const PROBE: &str = "perch.probe";

/// The room that is left for the index.
#[derive(Debug)]
pub(super) struct Room {
    dir: PathBuf,
    /// When was last looked, and what was found. Never held while a file is written: commits tell what they came to.
    last: Mutex<Option<(Instant, Result<(), IntakeError>)>>,
    /// Held by who writes the file.
    probing: Mutex<()>,
}

impl Room {
    pub(super) fn new(dir: &Path) -> Room {
        Room { dir: dir.to_owned(), last: Mutex::new(None), probing: Mutex::new(()) }
    }

    /// What a commit came to.
    pub(super) fn committed(&self, outcome: Result<(), IntakeError>) {
        *lock(&self.last) = Some((Instant::now(), outcome));
    }

    /// Whether there is room. Writes a file when the last answer is old; who asks meanwhile gets the last answer, so that a disk that hangs
    /// doesn't take one thread after the other.
    pub(super) fn look(&self) -> Result<(), IntakeError> {
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

/// Bytes that no file system packs.
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
