//! Checksums of files, stored tweets and JSON files.
//!
//! | what | its checksum |
//! |---|---|
//! | files of a segment | tantivy's footer: a CRC32 of the content |
//! | `meta.json`, `perch.json` | the last key, `perch_crc32`: a CRC32 of everything before it |
//! | a stored tweet | a last line behind its JSON: its seq, and a CRC32 of JSON and seq |
//!
//! The CRC32 of a file detects damage but does not locate it. That of each tweet tells which tweets
//! are undamaged, so that the others of a damaged file can be delivered and salvaged. With its seq,
//! a stored tweet is all that is needed to build an index.
//!
//! Files and tweets of earlier versions of perch have no checksum of perch's and count as
//! undamaged.

use std::io;
use std::path::Path;

use tantivy::HasLen as _;
use tantivy::directory::FileSlice;
use tantivy::directory::footer::Footer;

use crate::ids::Seq;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The length and the magic number behind tantivy's footer, in bytes.
const FOOTER_TAIL_BYTES: u64 = 8;

/// Why a file is not what was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileDamage {
    #[error("it is missing")]
    Missing,
    #[error("its footer can't be read: {0}")]
    Footer(String),
    #[error("its checksum is wrong")]
    Checksum,
    #[error("it can't be read: {0}")]
    Io(#[source] io::Error),
}

impl FileDamage {
    fn io(error: io::Error) -> FileDamage {
        if error.kind() == io::ErrorKind::NotFound { FileDamage::Missing } else { FileDamage::Io(error) }
    }
}

/// Verifies a file of a segment. Returns its content.
pub(super) fn verify_file(path: &Path) -> Result<FileSlice, FileDamage> {
    let len = std::fs::metadata(path).map_err(FileDamage::io)?.len();
    if len < FOOTER_TAIL_BYTES {
        return Err(FileDamage::Footer(format!("the file has {len} bytes")));
    }
    verify(FileSlice::open(path).map_err(FileDamage::io)?)
}

/// Verifies a file of a segment. Returns its content.
pub(super) fn verify(file: FileSlice) -> Result<FileSlice, FileDamage> {
    let (footer, content) = footer(file)?;
    let mut hasher = crc32fast::Hasher::new();
    for start in (0..content.len()).step_by(CHUNK_BYTES) {
        let end = content.len().min(start + CHUNK_BYTES);
        hasher.update(&content.read_bytes_slice(start..end).map_err(FileDamage::io)?);
    }
    if hasher.finalize() == footer.crc { Ok(content) } else { Err(FileDamage::Checksum) }
}

/// Splits a file into tantivy's footer and the content before it.
pub(super) fn footer(file: FileSlice) -> Result<(Footer, FileSlice), FileDamage> {
    let failed = |error: &dyn std::fmt::Display| FileDamage::Footer(error.to_string());
    if (file.len() as u64) < FOOTER_TAIL_BYTES {
        return Err(FileDamage::Footer(format!("the file has {} bytes", file.len())));
    }
    let (footer, content) = Footer::extract_footer(file).map_err(|error| failed(&error))?;
    footer.is_compatible().map_err(|error| failed(&format!("{error:?}")))?;
    Ok((footer, content))
}

/// Separates the JSON of a file from its checksum.
const JSON_SEAL: &str = ",\n  \"perch_crc32\": \"";

/// Adds the checksum to a JSON object.
pub(super) fn seal_json(json: &str) -> String {
    match json.trim_end().strip_suffix('}') {
        Some(open) => {
            let open = open.trim_end();
            format!("{open}{JSON_SEAL}{:08x}\"\n}}\n", crc32fast::hash(open.as_bytes()))
        }
        None => json.to_owned(),
    }
}

/// Whether a JSON object matches its checksum, or has none.
pub(super) fn is_json_whole(json: &[u8]) -> bool {
    let seal = JSON_SEAL.as_bytes();
    let Some(at) = json.windows(seal.len()).rposition(|window| window == seal) else { return true };
    json[at + seal.len()..] == *format!("{:08x}\"\n}}\n", crc32fast::hash(&json[..at])).as_bytes()
}

/// The stored form of a tweet: its JSON, and a line with its seq and its checksum.
pub(super) fn seal_tweet(json: &str, seq: Seq) -> String {
    let sealed = format!("{json}\n{:x}", seq.0);
    let crc = crc32fast::hash(sealed.as_bytes());
    sealed + &format!(".{crc:08x}")
}

/// A stored tweet that matches its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredTweet<'a> {
    pub(super) json: &'a str,
    /// `None` when an earlier version of perch stored it, without a checksum.
    pub(super) seq: Option<Seq>,
}

/// Parses what [`seal_tweet`] made. `None` when it does not match its checksum.
pub(super) fn open_tweet(stored: &str) -> Option<StoredTweet<'_>> {
    let Some((json, line)) = stored.rsplit_once('\n') else {
        // Earlier versions of perch stored JSON on one line.
        let is_object = stored.starts_with('{') && stored.ends_with('}');
        return is_object.then_some(StoredTweet { json: stored, seq: None });
    };
    let (seq, crc) = line.rsplit_once('.')?;
    let sealed = &stored[..json.len() + 1 + seq.len()];
    let is_whole = *crc == *format!("{:08x}", crc32fast::hash(sealed.as_bytes()));
    let seq = u64::from_str_radix(seq, 16).ok()?;
    is_whole.then_some(StoredTweet { json, seq: Some(Seq(seq)) })
}

#[cfg(test)]
mod tests;
