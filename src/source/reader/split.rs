//! Cuts a stream of bytes into the pieces that may be tweets, without holding the stream.
//!
//! The form is found out from the first bytes:
//!
//! - *lines*: NDJSON, one document a line;
//! - *values*: JSON arrays, whose elements are the documents; search answers, `{"statuses": […]}`, whose statuses are; and documents
//!   that stand over several lines, one after the other.
//!
//! Lines are the safe form: a broken one hurts no other. An array with a broken bracket is lost from there on.
//!
//! Pure: bytes in, chunks out. How the bytes are cut on their way here changes nothing; a property test holds that.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;

use super::{Refused, RefusedKind};

/// A chunk is handed on when it has so many bytes.
const CHUNK_BYTES: usize = 256 * 1024;
/// A chunk is handed on when it has so many pieces.
const CHUNK_PIECES: usize = 500;

/// Some pieces and the bytes that they are made of.
#[derive(Debug, Default)]
pub struct RawChunk {
    /// The bytes of all pieces, and what stands between them.
    pub bytes: Vec<u8>,
    /// In order.
    pub pieces: Vec<Piece>,
    /// What was refused before anybody looked into it, in order.
    pub refused: Vec<Refused>,
    /// Where the chunk ends.
    pub end: End,
    /// Where its last line begins, when the input ends with it and without a line break: it may not be complete.
    pub unfinished: Option<End>,
}

/// A place between two pieces of an input, from which reading can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// How many lines (or elements) come before it.
    pub pieces: u64,
    /// How many bytes, after unpacking, come before it. Without these, the pieces have to be counted off from the start.
    pub line_bytes: Option<u64>,
}

/// What may be one tweet.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where it stands in the input.
    pub place: Place,
    /// Its bytes in [`RawChunk::bytes`].
    pub range: Range<usize>,
}

/// Where a piece stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The line, from 1.
    Line(u64),
    /// The element of the array (or the document, where several stand one after the other), from 1.
    Element(u64),
}

impl Place {
    /// Says why the piece is no tweet.
    #[must_use]
    pub fn refuse(self, kind: RefusedKind, reason: &str) -> Refused {
        match self {
            Place::Line(line) => Refused { line, kind, reason: reason.to_owned() },
            Place::Element(line) => Refused { line, kind, reason: format!("element {line}: {reason}") },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Unknown,
    Lines,
    Values,
}

/// Where the values stand that are cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// Not in anything.
    Top,
    /// In an array.
    Array,
    /// In the statuses of a search answer.
    Statuses,
}

/// The state of the cutting; see the module.
#[derive(Debug)]
pub(super) struct Splitter {
    max_bytes: usize,
    form: Form,
    /// What has come in and is not handed on.
    buffer: Vec<u8>,
    /// Everything before it was looked at.
    scanned: usize,
    /// Where the piece starts that is not complete yet.
    open: Option<usize>,
    /// The open piece was refused as too long: its bytes are let go until it ends.
    skipping: bool,
    /// The number of the last line or element that was begun.
    number: u64,
    /// Pieces up to this one are passed over: they were read before.
    seen: u64,
    /// How many bytes came before the buffer.
    base_bytes: u64,
    /// How many of them belong to the open piece, which is skipped.
    skipped_bytes: u64,
    home: Home,
    /// The value that is being read: the open piece, or what stands behind the statuses of a search answer.
    value: Option<Value>,
    pieces: Vec<Piece>,
    refused: Vec<Refused>,
    ready: VecDeque<RawChunk>,
}

impl Splitter {
    /// A splitter of an input whose first pieces, up to `from`, were read before: they are passed over. With its `line_bytes` the input consists
    /// of lines and begins behind them.
    pub(super) fn new(max_bytes: usize, from: End) -> Splitter {
        let (form, number) = match from.line_bytes {
            Some(_) => (Form::Lines, from.pieces),
            None => (Form::Unknown, 0),
        };
        Splitter {
            max_bytes,
            form,
            buffer: Vec::new(),
            scanned: 0,
            open: None,
            skipping: false,
            number,
            seen: from.pieces,
            base_bytes: from.line_bytes.unwrap_or(0),
            skipped_bytes: 0,
            home: Home::Top,
            value: None,
            pieces: Vec::new(),
            refused: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for bytes in bytes.chunks(CHUNK_BYTES / 4) {
            self.buffer.extend_from_slice(bytes);
            self.scan(false);
            if self.buffer.len() >= CHUNK_BYTES
                || self.pieces.len() >= CHUNK_PIECES
                || self.refused.len() >= CHUNK_PIECES
            {
                self.cut();
            }
        }
    }

    /// The input has ended; `cut` says that it should not have ended here. What is left becomes the last chunk.
    ///
    /// # Errors
    ///
    /// Where the input ended when it did so too early.
    pub(super) fn finish(&mut self, cut: bool) -> Result<(), String> {
        self.scan(true);
        let mut result = Ok(());
        let mut unfinished = None;
        match self.form {
            Form::Unknown => {}
            Form::Lines => {
                if let Some(start) = self.open {
                    let end = self.buffer.len();
                    if cut && start < end {
                        result = Err(format!("it ends inside of line {}", self.number));
                    } else {
                        unfinished = Some(self.end(start));
                        self.open = None;
                        if !self.skipping {
                            self.line(start, end);
                        }
                    }
                }
            }
            Form::Values => {
                if self.home == Home::Top
                    && !cut
                    && let (Some(start), Some(Value { kind: Kind::Scalar, .. })) = (self.open, self.value)
                {
                    self.complete(start, self.buffer.len());
                }
                if self.open.is_some() {
                    result = Err(format!("it ends inside of element {}", self.number));
                } else if self.home != Home::Top {
                    result = Err(format!("it ends inside of its array, after element {}", self.number));
                } else if self.value.is_some() {
                    result = Err("it ends inside of the search answer, after its statuses".to_owned());
                }
            }
        }
        // What is not complete is not passed over: whoever comes back when it is goes on with it.
        self.cut();
        self.open = None;
        if let Some(last) = self.ready.back_mut() {
            last.unfinished = unfinished;
        }
        if cut && result.is_ok() {
            result = Err(match self.form {
                Form::Lines => format!("it ends after line {}", self.number),
                _ => format!("it ends after element {}", self.number),
            });
        }
        result
    }

    /// Whether there is something that [`Splitter::flush`] would make a chunk of.
    pub(super) fn has_pieces(&self) -> bool {
        !self.pieces.is_empty() || !self.refused.is_empty()
    }

    /// Makes a chunk of what is complete, however little it is.
    pub(super) fn flush(&mut self) {
        if self.has_pieces() {
            self.cut();
        }
    }

    /// The next chunk.
    pub(super) fn next_chunk(&mut self) -> Option<RawChunk> {
        self.ready.pop_front()
    }

    /// How much memory the input takes at the moment.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.len() + self.refused.len() * 100
    }

    fn cut(&mut self) {
        if self.form == Form::Unknown {
            return;
        }
        let at = self.open.unwrap_or(self.scanned);
        let end = self.end(at);
        let rest = self.buffer.split_off(at);
        self.base_bytes += at as u64;
        self.scanned = rest.len();
        self.open = self.open.map(|_| 0);
        let chunk = RawChunk {
            end,
            unfinished: None,
            bytes: mem::replace(&mut self.buffer, rest),
            pieces: mem::take(&mut self.pieces),
            refused: mem::take(&mut self.refused),
        };
        if !chunk.pieces.is_empty() || !chunk.refused.is_empty() {
            self.ready.push_back(chunk);
        }
    }

    /// The place of this byte of the buffer, where a piece begins or none does.
    fn end(&self, at: usize) -> End {
        let is_open = self.open == Some(at);
        let line_bytes = self.base_bytes + at as u64 - if is_open { self.skipped_bytes } else { 0 };
        End { pieces: self.number - u64::from(is_open), line_bytes: (self.form == Form::Lines).then_some(line_bytes) }
    }

    fn scan(&mut self, at_end: bool) {
        if self.form == Form::Unknown {
            let bom = self.buffer.starts_with(b"\xEF\xBB\xBF");
            let start = if bom { 3 } else { 0 };
            let Some(form) = sniff(&self.buffer[start..], self.max_bytes, at_end) else { return };
            self.form = form;
            self.scanned = start;
        }
        match self.form {
            Form::Unknown => {}
            Form::Lines => self.scan_lines(),
            Form::Values => self.scan_values(),
        }
        self.scanned = self.buffer.len();
        let Some(open) = self.open else { return };
        if !self.skipping && self.buffer.len() - open > self.max_bytes {
            self.refuse_long();
            self.skipping = true;
            if let Some(value) = &mut self.value {
                value.watch = false;
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

    fn place(&self) -> Place {
        if self.form == Form::Lines { Place::Line(self.number) } else { Place::Element(self.number) }
    }

    fn refuse_long(&mut self) {
        if self.number <= self.seen {
            return;
        }
        let reason = format!("too long: more than {} bytes", self.max_bytes);
        self.refused.push(self.place().refuse(RefusedKind::TooLong, &reason));
    }

    /// The open piece is complete.
    fn complete(&mut self, start: usize, end: usize) {
        self.skipped_bytes = 0;
        if mem::take(&mut self.skipping) || self.number <= self.seen {
            // Refused already, or read before.
        } else if end - start > self.max_bytes {
            self.refuse_long();
        } else {
            self.pieces.push(Piece { place: self.place(), range: start..end });
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

    fn scan_values(&mut self) {
        let mut at = self.scanned;
        while at < self.buffer.len() {
            let Some(value) = &mut self.value else {
                at = self.between(at);
                continue;
            };
            let open = self.open;
            match value.scan(&self.buffer, at, open.unwrap_or(at)) {
                Scan::More => return,
                Scan::End(end) => {
                    match open {
                        Some(start) => self.complete(start, end),
                        None => self.value = None,
                    }
                    at = end;
                }
                Scan::Statuses(end) => {
                    let start = open.unwrap_or(at);
                    if self.skipping || end - start > self.max_bytes {
                        // What comes before the statuses is too long to be kept: this is no search answer.
                        value.watch = false;
                        value.depth += 1;
                    } else {
                        self.home = Home::Statuses;
                        self.open = None;
                        self.value = None;
                        self.number -= 1;
                    }
                    at = end;
                }
            }
        }
    }

    /// Looks at the byte between two values. Commas are passed over wherever they stand.
    fn between(&mut self, at: usize) -> usize {
        match self.buffer[at] {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {}
            b'[' if self.home == Home::Top => self.home = Home::Array,
            b']' if self.home == Home::Array => self.home = Home::Top,
            b']' if self.home == Home::Statuses => {
                // What is left of the search answer is read and let go.
                self.home = Home::Top;
                self.value = Some(Value { depth: 1, ..Value::new(b'{', false) });
            }
            byte => {
                self.number += 1;
                self.open = Some(at);
                if matches!(byte, b'}' | b']' | b':') {
                    self.complete(at, at + 1);
                } else {
                    self.value = Some(Value::new(byte, self.home == Home::Top && byte == b'{'));
                }
            }
        }
        at + 1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Container,
    Text,
    Scalar,
}

/// How far a JSON value was read: enough of JSON to find its end.
#[derive(Clone, Copy, Debug)]
struct Value {
    kind: Kind,
    /// Brackets that are open.
    depth: u32,
    /// Whether this is inside of a string.
    string: bool,
    /// Whether the last byte was a backslash in a string.
    escaped: bool,
    /// Whether to look out for `"statuses": [`.
    watch: bool,
    /// Where the string began, from the start of the value.
    string_start: usize,
    /// How much of `"statuses":` was just read.
    key: Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    None,
    Name,
    Colon,
}

enum Scan {
    More,
    /// The value ends before this place.
    End(usize),
    /// The statuses of a search answer start at this place.
    Statuses(usize),
}

impl Value {
    /// A value whose first byte was read.
    fn new(first: u8, watch: bool) -> Value {
        let kind = match first {
            b'{' | b'[' => Kind::Container,
            b'"' => Kind::Text,
            _ => Kind::Scalar,
        };
        Value {
            kind,
            depth: u32::from(kind == Kind::Container),
            string: kind == Kind::Text,
            escaped: false,
            watch,
            string_start: 0,
            key: Key::None,
        }
    }

    /// Reads on at `at`; the value starts at `start`.
    fn scan(&mut self, bytes: &[u8], mut at: usize, start: usize) -> Scan {
        while at < bytes.len() {
            if self.string {
                if mem::take(&mut self.escaped) {
                    at += 1;
                    continue;
                }
                // A string never holds a line break: one that does was cut off.
                let Some(len) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[at..]) else { return Scan::More };
                at += len;
                if bytes[at] == b'\\' {
                    self.escaped = true;
                } else {
                    self.string = false;
                    if self.watch && self.depth == 1 && bytes[start + self.string_start..at] == *b"statuses" {
                        self.key = Key::Name;
                    }
                    if self.kind == Kind::Text {
                        return Scan::End(at + 1);
                    }
                }
                at += 1;
                continue;
            }
            let byte = bytes[at];
            if self.kind == Kind::Scalar {
                if matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b']' | b'}' | b'[' | b'{' | b'"') {
                    return Scan::End(at);
                }
                at += 1;
                continue;
            }
            at += 1;
            match byte {
                b'"' => {
                    self.string = true;
                    self.key = Key::None;
                    // Nothing reads it when there is no piece that it could be counted from.
                    self.string_start = at.saturating_sub(start);
                }
                b'[' if self.key == Key::Colon => {
                    self.key = Key::None;
                    return Scan::Statuses(at);
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Scan::End(at);
                    }
                }
                b':' if self.key == Key::Name => self.key = Key::Colon,
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => self.key = Key::None,
            }
        }
        Scan::More
    }
}

/// Finds out the form from how the input starts. `None`: not enough of it is known.
fn sniff(bytes: &[u8], max_bytes: usize, at_end: bool) -> Option<Form> {
    let undecided = if at_end || bytes.len() > max_bytes { Some(Form::Lines) } else { None };
    let bytes = &bytes[..bytes.len().min(max_bytes + 1)];
    if b"\xEF\xBB\xBF".starts_with(bytes) {
        // It may be the start of a byte order mark, or of nothing at all.
        return if at_end { Some(Form::Lines) } else { None };
    }
    let Some(first) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else { return undecided };
    match bytes[first] {
        b'[' => return Some(Form::Values),
        b'{' => {}
        _ => return Some(Form::Lines),
    }
    // An object: values if it has statuses, or goes on behind the end of its line; else lines.
    let line_len = memchr::memchr(b'\n', &bytes[first..]);
    let line = &bytes[first..first + line_len.unwrap_or(bytes.len() - first)];
    let mut value = Value::new(b'{', true);
    match value.scan(line, 1, 0) {
        Scan::Statuses(_) => return Some(Form::Values),
        Scan::End(_) => return Some(Form::Lines),
        Scan::More if value.string && line_len.is_some() => return Some(Form::Lines),
        Scan::More => {}
    }
    let Some(line_len) = line_len else { return undecided };
    let Some(next) = bytes[first + line_len..].iter().find(|byte| !byte.is_ascii_whitespace()) else {
        return undecided;
    };
    Some(if may_follow(line, *next) { Form::Values } else { Form::Lines })
}

/// Whether a JSON object that starts with this line, and does not end in it, can go on with this byte.
fn may_follow(line: &[u8], next: u8) -> bool {
    let mut brackets = Vec::new();
    let (mut string, mut escaped) = (false, false);
    for &byte in line {
        match byte {
            _ if mem::take(&mut escaped) => {}
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            _ if string => {}
            b'{' | b'[' => brackets.push(byte),
            b'}' | b']' => {
                brackets.pop();
            }
            _ => {}
        }
    }
    let in_object = brackets.last() == Some(&b'{');
    match line.trim_ascii_end().last() {
        Some(b'{') => matches!(next, b'"' | b'}'),
        Some(b',') if in_object => next == b'"',
        Some(b',' | b'[' | b':') => true,
        _ => matches!(next, b',' | b':' | b'}' | b']'),
    }
}
