//! The place of a file up to which its tweets are durable, and whether a file is still the one that the place belongs to.
//!
//! Names and inodes change hands when logs are rotated and files restored; content does not. So a place holds a fingerprint of what stands at the
//! start of the file and right before the place: where it is not there any more, the file is another one, and is read from its start.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::source::reader::End;

/// How much of either end goes into a fingerprint.
const PRINT_BYTES: u64 = 1_024;

/// A place in a file, as it is stored with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Lines or elements before it.
    pieces: u64,
    /// Bytes before it, where the file consists of lines and is not packed.
    #[serde(skip_serializing_if = "Option::is_none")]
    line_bytes: Option<u64>,
    /// Tweets behind it that are durable as well.
    #[serde(default)]
    tweets: u64,
    /// How much of the file the fingerprint is of.
    bytes: u64,
    fingerprint: Uuid,
}

impl Place {
    /// The place of a file where a reader has come to.
    pub(super) fn new(file: &File, end: End) -> io::Result<Place> {
        let bytes = match end.line_bytes {
            Some(bytes) => bytes,
            None => file.metadata()?.len(),
        };
        let fingerprint = fingerprint(file, bytes)?;
        Ok(Place { pieces: end.pieces, line_bytes: end.line_bytes, tweets: 0, bytes, fingerprint })
    }

    /// So many tweets behind this one.
    pub(super) fn and_tweets(self, tweets: usize) -> Place {
        Place { tweets: self.tweets + tweets as u64, ..self }
    }

    /// As it is stored.
    pub(super) fn text(&self) -> Arc<str> {
        serde_json::to_string(self).expect("numbers and a UUID can be written").into()
    }

    /// As it was stored.
    pub(super) fn parse(text: &str) -> Option<Place> {
        serde_json::from_str(text).ok()
    }

    /// Where reading goes on.
    pub(super) fn end(&self) -> End {
        End { pieces: self.pieces, line_bytes: self.line_bytes }
    }

    /// How many tweets from there on are durable already.
    pub(super) fn tweets(&self) -> usize {
        usize::try_from(self.tweets).unwrap_or(usize::MAX)
    }

    /// Whether it is a place of this file.
    pub(super) fn is_of(&self, file: &File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.bytes && fingerprint(file, self.bytes)? == self.fingerprint)
    }
}

/// Of the first so many bytes of a file: their start and their end.
pub(super) fn fingerprint(mut file: &File, bytes: u64) -> io::Result<Uuid> {
    let len = PRINT_BYTES.min(bytes);
    let mut print = Vec::new();
    for start in [0, bytes - len] {
        file.seek(SeekFrom::Start(start))?;
        file.take(len).read_to_end(&mut print)?;
    }
    Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, &print))
}
