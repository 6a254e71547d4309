//! Splits a stream of bytes into documents that may be tweets. Memory is bounded by one document
//! and one chunk.
//!
//! The first bytes decide the framing ([`Framing`]):
//!
//! - *lines*: NDJSON, one document a line;
//! - *rows*: the rows of a table, each as long as its quotes say;
//! - *values*: the elements of a JSON array, the tweets of a page (`{"statuses": […]}`), or
//!   documents of several lines that follow each other.
//!
//! A broken line spoils no other. A broken bracket in an array spoils everything behind it.
//!
//! Pure: bytes in, chunks out. The result does not depend on how the bytes are portioned (property
//! test `how_the_input_comes_changes_nothing`).

mod rows;

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use super::framing::{Cell, Container, Framing, Sniffer, assignment_len};
use super::raw_chunk::{Location, Offset, RawChunk, RawDoc};
use super::value_scanner::{Lists, ScanResult, ValueKind, ValueScanner};
use super::{RefusalKind, RefusedDoc, too_long};
use crate::format::table::{self, Table};
use crate::format::{ColumnMap, FormatKind};

/// A chunk is complete when it has this many bytes.
const CHUNK_BYTES: usize = 256 * 1024;
/// A chunk is complete when it has this many documents.
const CHUNK_DOCS: usize = 500;

/// Splits an input; see the module.
#[derive(Debug)]
pub(super) struct Splitter {
    /// The longest document.
    max_bytes: usize,
    /// The longest tweet, which refusals name.
    max_tweet_bytes: usize,
    framing: Framing,
    /// The spaces at the start of the buffer, and what decides about the framing behind them.
    n_spaces: usize,
    sniffer: Sniffer,
    /// Bytes that are in no chunk yet.
    buffer: Vec<u8>,
    /// Bytes of the buffer that were scanned.
    scanned: usize,
    /// Start of the incomplete document in the buffer.
    open: Option<usize>,
    /// The open document was refused as too long: its bytes are dropped until it ends.
    skipping: bool,
    /// Number of the last line or element that began.
    number: u64,
    /// Documents in the files of an archive before this one.
    first: u64,
    /// Documents up to this number are skipped: an earlier reader returned them.
    seen: u64,
    /// Bytes before the buffer.
    base_bytes: u64,
    /// Those of `base_bytes` that belong to the open document, which is being skipped.
    skipped_bytes: u64,
    container: Container,
    /// The value being scanned: the open document, or what follows the list of a page.
    value: Option<ValueScanner>,
    docs: Vec<RawDoc>,
    refused: Vec<RefusedDoc>,
    ready: VecDeque<RawChunk>,
    /// The format of all documents, if it is known.
    format: Option<&'static FormatKind>,
    columns: ColumnMap,
    table: Option<Arc<Table>>,
    cell: Cell,
    /// Whether the open row has several lines.
    is_row_long: bool,
    /// The byte that ends a row.
    row_end: u8,
    /// The lines that ended, and the first line of the open row.
    n_lines: u64,
    row_line: u64,
}

impl Splitter {
    /// A splitter that resumes at `from`. If `from` has `bytes`, the input consists of lines and
    /// starts there; otherwise it starts at its beginning, and the first `from.docs` documents are
    /// skipped.
    pub(super) fn new(max_bytes: usize, max_tweet_bytes: usize, from: Offset) -> Splitter {
        let (framing, number) = match from.bytes {
            Some(_) => (Framing::Lines, from.docs),
            None => (Framing::Unknown, 0),
        };
        Splitter {
            max_bytes,
            max_tweet_bytes,
            framing,
            n_spaces: 0,
            sniffer: Sniffer::default(),
            buffer: Vec::new(),
            scanned: 0,
            open: None,
            skipping: false,
            number,
            first: 0,
            seen: from.docs,
            base_bytes: from.bytes.unwrap_or(0),
            skipped_bytes: 0,
            container: Container::Top,
            value: None,
            docs: Vec::new(),
            refused: Vec::new(),
            ready: VecDeque::new(),
            format: None,
            columns: ColumnMap::new(),
            table: None,
            cell: Cell::Start,
            is_row_long: false,
            row_end: b'\n',
            n_lines: 0,
            row_line: 0,
        }
    }

    /// Gives the format of all documents.
    pub(super) fn with_format(mut self, format: Option<&'static FormatKind>) -> Splitter {
        self.format = format;
        self
    }

    /// Says what the columns of a table are called.
    pub(super) fn set_columns(&mut self, columns: ColumnMap) {
        self.columns = columns;
    }

    /// Begins the next file of an archive. Documents are counted on.
    pub(super) fn restart(&mut self) {
        let fresh = Splitter::new(self.max_bytes, self.max_tweet_bytes, Offset::default());
        let fresh = fresh.with_format(self.format);
        let columns = mem::take(&mut self.columns);
        let ready = mem::take(&mut self.ready);
        *self = Splitter { number: self.number, first: self.number, seen: self.seen, columns, ready, ..fresh };
    }

    /// Refuses what follows the last document.
    pub(super) fn refuse_rest(&mut self, reason: &str) {
        let number = self.number + 1 - self.first;
        let refused = vec![Location::Line(number).refuse(RefusalKind::Truncated, reason)];
        let end = Offset { docs: self.number, bytes: None };
        self.ready.push_back(RawChunk { refused, end, ..RawChunk::default() });
    }

    /// What an input is of which no document came. `None` for an empty array or page.
    pub(super) fn emptiness(&self) -> Option<&'static str> {
        match self.framing {
            Framing::Rows => Some("a table with a row of names and no other row"),
            Framing::Values => None,
            Framing::Unknown | Framing::Lines => Some("an empty file"),
        }
    }

    /// The position behind the last document.
    pub(super) fn position(&self) -> Offset {
        Offset { docs: self.number, bytes: None }
    }

    /// Appends bytes of the input.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for bytes in bytes.chunks(CHUNK_BYTES / 4) {
            self.buffer.extend_from_slice(bytes);
            self.scan(false);
            let is_long = self.buffer.len() >= CHUNK_BYTES && (self.has_docs() || self.open != Some(0));
            if is_long || self.docs.len() >= CHUNK_DOCS || self.refused.len() >= CHUNK_DOCS {
                self.cut();
            }
        }
    }

    /// Ends the input and makes the last chunk. `is_truncated`: the input failed before its end.
    ///
    /// # Errors
    ///
    /// Where the input ended, if it is incomplete.
    pub(super) fn finish(&mut self, is_truncated: bool) -> Result<(), String> {
        self.scan(true);
        let mut result = Ok(());
        let mut unfinished = None;
        match self.framing {
            Framing::Unknown => {}
            Framing::Rows => {
                if self.open.is_some() && is_truncated {
                    result = Err(format!("it ends inside row {}", self.number));
                } else {
                    self.finish_rows();
                }
            }
            Framing::Lines => {
                if let Some(start) = self.open {
                    let end = self.buffer.len();
                    if is_truncated && start < end {
                        result = Err(format!("it ends inside line {}", self.number));
                    } else {
                        unfinished = Some(self.offset(start));
                        self.open = None;
                        if !self.skipping {
                            self.line(start, end);
                        }
                    }
                }
            }
            Framing::Values => {
                if self.container == Container::Top
                    && !is_truncated
                    && let (Some(start), Some(ValueScanner { kind: ValueKind::Scalar, .. })) = (self.open, self.value)
                {
                    self.complete(start, self.buffer.len());
                }
                if self.open.is_some() {
                    result = Err(format!("it ends inside element {}", self.number));
                } else if self.container != Container::Top {
                    result = Err(format!("it ends inside its array, after element {}", self.number));
                } else if self.value.is_some() {
                    result = Err("it ends inside the page, behind its list of tweets".to_owned());
                }
            }
        }
        // The chunk ends before an incomplete document, so that a later reader returns it.
        self.cut();
        self.open = None;
        if let Some(last) = self.ready.back_mut() {
            last.unfinished = unfinished;
        }
        if is_truncated && result.is_ok() {
            result = Err(match self.framing {
                Framing::Lines => format!("it ends after line {}", self.number),
                _ => format!("it ends after element {}", self.number),
            });
        }
        result
    }

    /// Whether [`Splitter::flush`] would make a chunk.
    pub(super) fn has_docs(&self) -> bool {
        !self.docs.is_empty() || !self.refused.is_empty()
    }

    /// Makes a chunk of the complete documents, however few.
    pub(super) fn flush(&mut self) {
        if self.has_docs() {
            self.cut();
        }
    }

    /// The next chunk.
    pub(super) fn next_chunk(&mut self) -> Option<RawChunk> {
        self.ready.pop_front()
    }

    /// Memory that the splitter holds, about.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.len() + self.refused.len() * 100
    }

    fn cut(&mut self) {
        if self.framing == Framing::Unknown {
            return;
        }
        let at = self.open.unwrap_or(self.scanned);
        let end = self.offset(at);
        let rest = self.buffer.split_off(at);
        self.base_bytes += at as u64;
        self.scanned = rest.len();
        self.open = self.open.map(|_| 0);
        let chunk = RawChunk {
            end,
            unfinished: None,
            bytes: mem::replace(&mut self.buffer, rest),
            table: self.table.clone(),
            member: None,
            author: None,
            docs: mem::take(&mut self.docs),
            refused: mem::take(&mut self.refused),
        };
        if !chunk.docs.is_empty() || !chunk.refused.is_empty() {
            self.ready.push_back(chunk);
        }
    }

    /// The offset of this byte of the buffer, which lies between two documents.
    fn offset(&self, at: usize) -> Offset {
        let is_open = self.open == Some(at);
        let bytes = self.base_bytes + at as u64 - if is_open { self.skipped_bytes } else { 0 };
        Offset { docs: self.number - u64::from(is_open), bytes: (self.framing == Framing::Lines).then_some(bytes) }
    }

    fn scan(&mut self, at_end: bool) {
        if self.framing == Framing::Unknown {
            let bom_len = if self.buffer.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
            let start = self.n_spaces.max(bom_len);
            let spaces = self.buffer[start..].iter().take_while(|byte| byte.is_ascii_whitespace());
            self.n_spaces = start + spaces.count();
            let Some(assignment) = assignment_len(&self.buffer[self.n_spaces..], at_end) else { return };
            let framing = if assignment > 0 { Some(Framing::Values) } else { self.sniff(at_end) };
            let Some(framing) = framing else { return };
            self.framing = framing;
            self.scanned = match framing {
                // Empty lines count.
                Framing::Lines => bom_len,
                _ => self.n_spaces + assignment,
            };
        }
        match self.framing {
            Framing::Unknown => {}
            Framing::Lines => self.scan_lines(),
            Framing::Rows => self.scan_rows(),
            Framing::Values => self.scan_values(),
        }
        self.scanned = self.buffer.len();
        let Some(open) = self.open else { return };
        if !self.skipping && self.buffer.len() - open > self.max_doc_bytes() {
            self.refuse_long();
            self.skipping = true;
            if let Some(value) = &mut self.value {
                value.lists = Lists::None;
            }
        }
        if self.skipping {
            let skipped = (self.buffer.len() - open) as u64;
            self.base_bytes += skipped;
            self.skipped_bytes += skipped;
            self.buffer.truncate(open);
            self.scanned = open;
        }
    }

    /// The longest document: a row is no page.
    fn max_doc_bytes(&self) -> usize {
        if self.framing == Framing::Rows { self.max_tweet_bytes } else { self.max_bytes }
    }

    /// The lists that make an object at the top a page.
    fn lists(&self) -> Lists {
        self.format.map_or(Lists::All, Lists::Of)
    }

    fn location(&self) -> Location {
        let number = self.number - self.first;
        match self.framing {
            Framing::Lines => Location::Line(number),
            Framing::Rows => Location::Line(self.row_line),
            Framing::Unknown | Framing::Values => Location::Element(number),
        }
    }

    fn refuse_long(&mut self) {
        if self.number <= self.seen {
            return;
        }
        let reason = too_long(self.max_tweet_bytes);
        self.refused.push(self.location().refuse(RefusalKind::TooLong, &reason));
    }

    /// Ends the open document.
    fn complete(&mut self, start: usize, end: usize) {
        self.skipped_bytes = 0;
        if mem::take(&mut self.skipping) || self.number <= self.seen {
            // It was refused already, or an earlier reader returned it.
        } else if end - start > self.max_doc_bytes() {
            self.refuse_long();
        } else {
            self.docs.push(RawDoc { location: self.location(), range: start..end });
        }
        self.open = None;
        self.value = None;
    }

    fn line(&mut self, start: usize, end: usize) {
        if self.skipping || !self.buffer[start..end].trim_ascii().is_empty() {
            self.complete(start, end);
        }
        self.open = None;
    }

    fn scan_lines(&mut self) {
        let mut at = self.scanned;
        while at < self.buffer.len() {
            let start = *self.open.get_or_insert_with(|| {
                self.number += 1;
                at
            });
            let Some(len) = memchr::memchr(b'\n', &self.buffer[at..]) else { return };
            self.line(start, at + len);
            at += len + 1;
        }
    }

    /// The framing of what stands behind the spaces at the start.
    fn sniff(&mut self, at_end: bool) -> Option<Framing> {
        let bytes = &self.buffer[self.n_spaces..];
        if bytes.is_empty() {
            return (at_end || self.buffer.len() > self.max_bytes).then_some(Framing::Lines);
        }
        let is_forced = self.format.is_some_and(|format| format.name == table::KIND.name);
        let is_json = matches!(bytes.first(), None | Some(b'{' | b'['));
        if (is_forced || self.format.is_none() && !is_json) && self.detect_table(at_end, is_forced)? {
            return Some(Framing::Rows);
        }
        let (max_bytes, lists) = (self.max_bytes, self.lists());
        self.sniffer.sniff(&self.buffer[self.n_spaces..], max_bytes, at_end, lists)
    }

    fn scan_values(&mut self) {
        let mut at = self.scanned;
        while at < self.buffer.len() {
            let Some(value) = &mut self.value else {
                at = self.between(at);
                continue;
            };
            let open = self.open;
            match value.scan(&self.buffer, at, open.unwrap_or(at)) {
                ScanResult::Incomplete => return,
                ScanResult::End(end) => {
                    match open {
                        Some(start) => self.complete(start, end),
                        None => self.value = None,
                    }
                    at = end;
                }
                ScanResult::List(end) => {
                    let start = open.unwrap_or(at);
                    if self.skipping || end - start > self.max_bytes {
                        // The part before the list is too long for a page: an ordinary
                        // value.
                        value.lists = Lists::None;
                        value.depth += 1;
                    } else {
                        self.container = Container::List { depth: value.depth };
                        self.open = None;
                        self.value = None;
                        self.number -= 1;
                    }
                    at = end;
                }
            }
        }
    }

    /// Scans one byte between two values. Commas and semicolons are skipped wherever they stand.
    fn between(&mut self, at: usize) -> usize {
        match self.buffer[at] {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | b';' => {}
            b'[' if self.container == Container::Top => self.container = Container::Array,
            b']' if self.container == Container::Array => self.container = Container::Top,
            b']' if let Container::List { depth } = self.container => {
                // Scan the rest of the page, and drop it.
                self.container = Container::Top;
                self.value = Some(ValueScanner::rest(depth));
            }
            byte => {
                self.number += 1;
                self.open = Some(at);
                if matches!(byte, b'}' | b']' | b':') {
                    self.complete(at, at + 1);
                } else {
                    let is_page = self.container == Container::Top && byte == b'{';
                    self.value = Some(ValueScanner::new(byte, if is_page { self.lists() } else { Lists::None }));
                }
            }
        }
        at + 1
    }
}
