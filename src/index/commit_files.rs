//! Which files the last commit consists of, as `meta.json` names them, and whether they are what
//! was written.
//!
//! Reads `meta.json` without tantivy: an index that tantivy can't open is checked and salvaged too.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use tantivy::SegmentMeta;

use super::checksum;
use super::commit_payload::CommitPayload;
use super::tantivy_directory::META;

/// The files that every segment has. tantivy writes them all, also when one of them is of no use to
/// the schema.
const EXTENSIONS: [&str; 6] = ["fast", "fieldnorm", "idx", "pos", "store", "term"];

/// What a `meta.json` says.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) segments: Vec<CommittedSegment>,
    pub(super) payload: CommitPayload,
}

/// A segment as `meta.json` describes it.
#[derive(Clone, Debug)]
pub(super) struct CommittedSegment {
    /// What the names of its files begin with.
    pub(super) id: String,
    /// How many documents its files hold.
    pub(super) max_doc: u64,
    /// How many of them are deleted, and the number in the name of the file that says which.
    pub(super) deletes: Option<(u64, u64)>,
}

impl From<&SegmentMeta> for CommittedSegment {
    fn from(segment: &SegmentMeta) -> CommittedSegment {
        CommittedSegment {
            id: segment.id().uuid_string(),
            max_doc: segment.max_doc().into(),
            deletes: segment.delete_opstamp().map(|opstamp| (segment.num_deleted_docs().into(), opstamp)),
        }
    }
}

impl CommittedSegment {
    /// The name of one of its files.
    pub(super) fn file(&self, extension: &str) -> String {
        format!("{}.{extension}", self.id)
    }

    /// The name of the file that says which documents are deleted.
    pub(super) fn deletes_file(&self) -> Option<String> {
        self.deletes.map(|(_, opstamp)| self.file(&format!("{opstamp}.del")))
    }

    /// The names of all its files.
    pub(super) fn files(&self) -> impl Iterator<Item = String> {
        EXTENSIONS.iter().map(|extension| self.file(extension)).chain(self.deletes_file())
    }
}

/// A file that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedFile {
    /// Its name in the directory of the tantivy index.
    pub name: String,
    /// What is wrong with it, as in "its checksum is wrong".
    pub reason: String,
}

impl std::fmt::Display for DamagedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is damaged: {}", self.name, self.reason)
    }
}

impl Commit {
    /// Reads the `meta.json` of a directory.
    pub(super) fn read(dir: &Path) -> Result<Commit, DamagedFile> {
        match fs::read(dir.join(META)) {
            Ok(meta) => Commit::parse(&meta),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged_meta("it is missing")),
            Err(error) => Err(damaged_meta(format!("it can't be read: {error}"))),
        }
    }

    /// Reads the content of a `meta.json`.
    pub(super) fn parse(meta: &[u8]) -> Result<Commit, DamagedFile> {
        #[derive(Deserialize)]
        struct Meta {
            segments: Vec<Segment>,
            payload: Option<String>,
        }
        #[derive(Deserialize)]
        struct Segment {
            #[serde(rename = "segment_id")]
            id: uuid::Uuid,
            max_doc: u64,
            deletes: Option<Deletes>,
        }
        #[derive(Deserialize)]
        struct Deletes {
            num_deleted_docs: u64,
            opstamp: u64,
        }
        if !checksum::is_json_whole(meta) {
            return Err(damaged_meta("its checksum is wrong"));
        }
        let meta: Meta = serde_json::from_slice(meta).map_err(|error| damaged_meta(error.to_string()))?;
        let payload = meta.payload.as_deref().map(serde_json::from_str).transpose();
        let payload: Option<CommitPayload> = payload.map_err(|error| damaged_meta(format!("payload: {error}")))?;
        let segment = |segment: Segment| CommittedSegment {
            id: segment.id.simple().to_string(),
            max_doc: segment.max_doc,
            deletes: segment.deletes.map(|deletes| (deletes.num_deleted_docs, deletes.opstamp)),
        };
        Ok(Commit { segments: meta.segments.into_iter().map(segment).collect(), payload: payload.unwrap_or_default() })
    }

    /// How many tweets there are.
    pub(super) fn tweets(&self) -> u64 {
        let alive = |segment: &CommittedSegment| {
            segment.max_doc.saturating_sub(segment.deletes.map_or(0, |(deleted, _)| deleted))
        };
        self.segments.iter().map(alive).sum()
    }

    /// The names of all files of all segments.
    pub(super) fn files(&self) -> impl Iterator<Item = String> {
        self.segments.iter().flat_map(CommittedSegment::files)
    }

    /// Reads every file and compares it with its checksum.
    pub(super) fn damaged_files(&self, dir: &Path) -> Vec<DamagedFile> {
        let mut damaged = Vec::new();
        for name in self.files() {
            if let Err(damage) = checksum::verify_file(&dir.join(&name)) {
                damaged.push(DamagedFile { name, reason: damage.to_string() });
            }
        }
        damaged
    }
}

fn damaged_meta(reason: impl Into<String>) -> DamagedFile {
    DamagedFile { name: META.to_owned(), reason: reason.into() }
}
