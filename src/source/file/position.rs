//! The position up to which a file's tweets are durable, and the check whether a file is still the
//! one that the position belongs to.
//!
//! Log rotation and restored backups reuse names and inodes, but not content. So a position holds a
//! fingerprint of the first and the last bytes before it. If the fingerprint does not match, the
//! file is another one, and perch reads it from its start.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::format::reader::Offset;

/// Bytes of either end that a fingerprint covers.
const FINGERPRINT_BYTES: u64 = 1_024;

/// A position in a file, as JSON the value of the file's cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilePosition {
    /// Lines or elements before it.
    #[serde(rename = "pieces")]
    docs: u64,
    /// Bytes before it, if the file consists of lines and is not compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    line_bytes: Option<u64>,
    /// Tweets behind it that are durable as well.
    #[serde(default)]
    tweets: u64,
    /// The length of the prefix that the fingerprint covers.
    bytes: u64,
    fingerprint: Uuid,
}

impl FilePosition {
    /// The position of `file` at `offset`.
    pub(super) fn new(file: &File, offset: Offset) -> io::Result<FilePosition> {
        let bytes = match offset.bytes {
            Some(bytes) => bytes,
            None => file.metadata()?.len(),
        };
        let fingerprint = fingerprint(file, bytes)?;
        Ok(FilePosition { docs: offset.docs, line_bytes: offset.bytes, tweets: 0, bytes, fingerprint })
    }

    /// The position this many tweets further.
    pub(super) fn and_tweets(self, tweets: usize) -> FilePosition {
        FilePosition { tweets: self.tweets + tweets as u64, ..self }
    }

    /// The JSON that is stored.
    pub(super) fn text(&self) -> Arc<str> {
        serde_json::to_string(self).expect("numbers and a UUID can be written").into()
    }

    /// Reads the stored JSON.
    pub(super) fn parse(text: &str) -> Option<FilePosition> {
        serde_json::from_str(text).ok()
    }

    /// Where reading resumes.
    pub(super) fn offset(&self) -> Offset {
        Offset { docs: self.docs, bytes: self.line_bytes }
    }

    /// Tweets behind [`FilePosition::offset`] that are durable already.
    pub(super) fn tweets(&self) -> usize {
        usize::try_from(self.tweets).unwrap_or(usize::MAX)
    }

    /// Whether it is a position of this file.
    pub(super) fn is_of(&self, file: &File) -> io::Result<bool> {
        Ok(file.metadata()?.len() >= self.bytes && fingerprint(file, self.bytes)? == self.fingerprint)
    }
}

/// The fingerprint of a file's first `bytes` bytes, from their start and their end.
pub(super) fn fingerprint(mut file: &File, bytes: u64) -> io::Result<Uuid> {
    let len = FINGERPRINT_BYTES.min(bytes);
    let mut covered = Vec::new();
    for start in [0, bytes - len] {
        file.seek(SeekFrom::Start(start))?;
        file.take(len).read_to_end(&mut covered)?;
    }
    Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, &covered))
}
