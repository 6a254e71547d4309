//! How an input separates its documents, detected from its first bytes.

use std::mem;

use super::value_scanner::{Lists, ScanResult, ValueScanner};

/// How an input separates its documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Not enough bytes to tell.
    Unknown,
    /// NDJSON: one document a line.
    Lines,
    /// JSON values: elements of an array, tweets of a page, or documents of several lines.
    Values,
    /// The rows of a table.
    Rows,
}

/// What encloses the documents of an input with the framing `Values`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// Nothing: they are top-level values.
    Top,
    /// An array.
    Array,
    /// The list of tweets of a page, whose braces are open at this depth.
    List { depth: u32 },
}

/// Where in a cell of a table the scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Start,
    Plain,
    Quoted,
    /// Behind a quote in a quoted cell: it ends the cell unless another quote follows.
    Quote,
}

/// The length of `window.YTD.tweets.part0 =` and its like, which stand before the array of a file
/// of an X archive. 0 for other inputs, `None` if the bytes do not decide it yet. They must not
/// begin with a space.
pub(super) fn assignment_len(text: &[u8], at_end: bool) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let is_start = |word: &[u8]| text.starts_with(word) || !at_end && word.starts_with(text);
    if ![&b"window."[..], b"Grailbird.", b"var ", b"const ", b"let "].into_iter().any(is_start) {
        return Some(0);
    }
    let head = &text[..text.len().min(MAX_ASSIGNMENT_BYTES)];
    match head.iter().position(|&byte| matches!(byte, b'=' | b'\n')) {
        Some(at) if head[at] == b'=' => Some(at + 1),
        None if head.len() < MAX_ASSIGNMENT_BYTES && !at_end => None,
        _ => Some(0),
    }
}

/// The longest name before an array.
const MAX_ASSIGNMENT_BYTES: usize = 200;

/// Detects the framing of an input while its first bytes come. Looks at each byte once.
#[derive(Debug, Default)]
pub(super) struct Sniffer {
    /// Bytes that were looked at.
    at: usize,
    /// The scan of the object that the first line begins.
    value: Option<ValueScanner>,
    /// The end of the first line.
    line_end: Option<usize>,
    /// The end of the object, if it is in the first line.
    object_end: Option<usize>,
}

impl Sniffer {
    /// The framing of an input that begins with `bytes`, and with no space. `None` if they do not
    /// decide it yet. An object is a page if it has one of `lists`.
    pub(super) fn sniff(&mut self, bytes: &[u8], max_bytes: usize, at_end: bool, lists: Lists) -> Option<Framing> {
        let undecided = if at_end || bytes.len() > max_bytes { Some(Framing::Lines) } else { None };
        let bytes = &bytes[..bytes.len().min(max_bytes + 1)];
        if b"\xEF\xBB\xBF".starts_with(bytes) {
            // These may be the first bytes of a byte order mark.
            return if at_end { Some(Framing::Lines) } else { None };
        }
        match bytes[0] {
            b'[' => return Some(Framing::Values),
            b'{' => {}
            _ => return Some(Framing::Lines),
        }
        // An object: values if it has a list of tweets, continues behind its line, or has another
        // one or a comma behind it, otherwise lines.
        if self.object_end.is_none() && self.line_end.is_none() {
            self.at = self.at.max(1);
            self.line_end = memchr::memchr(b'\n', &bytes[self.at..]).map(|len| self.at + len);
            let scanned = self.line_end.unwrap_or(bytes.len());
            let value = self.value.get_or_insert_with(|| ValueScanner::new(b'{', lists));
            match value.scan(&bytes[..scanned], self.at, 0) {
                ScanResult::List(_) => return Some(Framing::Values),
                ScanResult::End(end) => self.object_end = Some(end),
                ScanResult::Incomplete if value.in_string && self.line_end.is_some() => return Some(Framing::Lines),
                ScanResult::Incomplete => {}
            }
            self.at = scanned;
        }
        if let Some(end) = self.object_end {
            let more =
                bytes[end..].iter().position(|byte| !matches!(byte, b' ' | b'\t')).map(|len| &bytes[end + len..]);
            return match more {
                None | Some([b'\r']) => undecided,
                Some([b'{' | b',', ..]) => Some(Framing::Values),
                // Files of old Macs have no other line ends.
                Some([b'\r', next, ..]) if *next != b'\n' => Some(Framing::Values),
                Some(_) => Some(Framing::Lines),
            };
        }
        let Some(line_end) = self.line_end else { return undecided };
        let Some(spaces) = bytes[self.at..].iter().position(|byte| !byte.is_ascii_whitespace()) else {
            self.at = bytes.len();
            return undecided;
        };
        Some(if may_follow(&bytes[..line_end], bytes[self.at + spaces]) { Framing::Values } else { Framing::Lines })
    }
}

/// Whether an object that starts with this line, and does not end in it, can continue with this
/// byte.
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
