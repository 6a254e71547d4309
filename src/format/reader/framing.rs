//! How an input separates its documents, detected from its first bytes.

use std::mem;

use super::value_scanner::{ScanResult, ValueScanner};

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

/// The length of `window.YTD.tweets.part0 =` and its like, which stand before the array of a file
/// of an X archive. 0 for other inputs, `None` if the bytes do not decide it yet.
pub(super) fn assignment_len(bytes: &[u8], at_end: bool) -> Option<usize> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    let text = &bytes[start..];
    if text.is_empty() {
        return Some(0);
    }
    let is_start = |word: &[u8]| text.starts_with(word) || !at_end && word.starts_with(text);
    if ![&b"window."[..], b"Grailbird.", b"var ", b"const ", b"let "].into_iter().any(is_start) {
        return Some(0);
    }
    let head = &text[..text.len().min(MAX_ASSIGNMENT_BYTES)];
    match head.iter().position(|&byte| matches!(byte, b'=' | b'\n')) {
        Some(at) if head[at] == b'=' => Some(start + at + 1),
        None if head.len() < MAX_ASSIGNMENT_BYTES && !at_end => None,
        _ => Some(0),
    }
}

/// The longest name before an array.
const MAX_ASSIGNMENT_BYTES: usize = 200;

/// Detects the framing from the start of an input. `None` if the bytes do not decide it yet.
pub(super) fn sniff(bytes: &[u8], max_bytes: usize, at_end: bool) -> Option<Framing> {
    let undecided = if at_end || bytes.len() > max_bytes { Some(Framing::Lines) } else { None };
    let bytes = &bytes[..bytes.len().min(max_bytes + 1)];
    if b"\xEF\xBB\xBF".starts_with(bytes) {
        // These may be the first bytes of a byte order mark.
        return if at_end { Some(Framing::Lines) } else { None };
    }
    let Some(first) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else { return undecided };
    match bytes[first] {
        b'[' => return Some(Framing::Values),
        b'{' => {}
        _ => return Some(Framing::Lines),
    }
    // An object: values if it has a list of tweets or continues behind its line, otherwise lines.
    let line_len = memchr::memchr(b'\n', &bytes[first..]);
    let line = &bytes[first..first + line_len.unwrap_or(bytes.len() - first)];
    let mut value = ValueScanner::new(b'{', true);
    match value.scan(line, 1, 0) {
        ScanResult::List(_) => return Some(Framing::Values),
        ScanResult::End(_) => return Some(Framing::Lines),
        ScanResult::Incomplete if value.in_string && line_len.is_some() => return Some(Framing::Lines),
        ScanResult::Incomplete => {}
    }
    let Some(line_len) = line_len else { return undecided };
    let Some(next) = bytes[first + line_len..].iter().find(|byte| !byte.is_ascii_whitespace()) else {
        return undecided;
    };
    Some(if may_follow(line, *next) { Framing::Values } else { Framing::Lines })
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
