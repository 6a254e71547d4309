//! The output of the splitter: documents that are not parsed yet, and where they stand.

use std::ops::Range;
use std::sync::Arc;

use super::{RefusalKind, RefusedDoc};
use crate::format::table::Table;
use crate::tweet::User;

/// Consecutive documents of an input, and the bytes that hold them.
#[derive(Debug, Default)]
pub(super) struct RawChunk {
    /// The bytes of all documents, and the separators between them.
    pub bytes: Vec<u8>,
    /// The documents, in order.
    pub docs: Vec<RawDoc>,
    /// The table whose rows the documents are.
    pub table: Option<Arc<Table>>,
    /// The file of an archive that it comes from.
    pub member: Option<Arc<str>>,
    /// The owner of the archive.
    pub author: Option<User>,
    /// What the splitter refused without parsing it, in order.
    pub refused: Vec<RefusedDoc>,
    /// Where the chunk ends.
    pub end: Offset,
    /// The start of the last line, if the input ends with it and without a line break: its writer
    /// may not have completed it.
    pub unfinished: Option<Offset>,
}

/// A position between two documents of an input, from which reading can resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset {
    /// Lines (or elements) before it.
    pub docs: u64,
    /// Bytes before it, after decompression. `None` where the reader has to count documents from
    /// the start of the input.
    pub bytes: Option<u64>,
}

/// A document that may be a tweet.
#[derive(Clone, Debug)]
pub(super) struct RawDoc {
    /// Where it stands in the input.
    pub location: Location,
    /// Its bytes in [`RawChunk::bytes`].
    pub range: Range<usize>,
}

/// Where a document stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// The line, from 1.
    Line(u64),
    /// The element of the array, or the document where several follow each other, from 1.
    Element(u64),
}

impl Location {
    /// The refusal of the document at this location.
    #[must_use]
    pub fn refuse(self, kind: RefusalKind, reason: &str) -> RefusedDoc {
        match self {
            Location::Line(line) => RefusedDoc { line, kind, reason: reason.to_owned() },
            Location::Element(line) => RefusedDoc { line, kind, reason: format!("element {line}: {reason}") },
        }
    }
}
