//! Finds the end of a JSON value in a stream of bytes.
//!
//! Knows brackets and strings and no more of JSON: the parser finds every other mistake.

use std::mem;

use crate::format::{FORMATS, FormatKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    /// An object or array.
    Nested,
    String,
    /// A number, `true`, `false` or `null`.
    Scalar,
}

/// The state of the scan within one value.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueScanner {
    pub(super) kind: ValueKind,
    /// Open brackets.
    pub(super) depth: u32,
    /// Whether the scan is inside a string.
    pub(super) in_string: bool,
    /// Whether the last byte was a backslash in a string.
    escaped: bool,
    /// The lists to report: `"statuses": [` at depth 1.
    pub(super) lists: Lists,
    /// Start of the current string, from the start of the value.
    string_start: usize,
    /// How much of the key of a list the scan has just passed.
    key: ListKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListKey {
    None,
    Name,
    Colon,
}

/// Result of a scan. Positions are indices into the scanned bytes.
pub(super) enum ScanResult {
    /// The value does not end in these bytes.
    Incomplete,
    /// The value ends before this position.
    End(usize),
    /// The list of a page starts at this position.
    List(usize),
}

/// Which lists make an object a page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lists {
    /// None: the object is no page.
    None,
    /// Those of all formats.
    All,
    /// Those of one format.
    Of(&'static FormatKind),
}

impl Lists {
    /// Whether this is the key of the list of a page, at this depth of braces.
    fn has(self, key: &[u8], depth: u32) -> bool {
        let is_it = |list: &str| {
            let name = list.rsplit('.').next().unwrap_or(list);
            name.as_bytes() == key && list.matches('.').count() + 1 == depth as usize
        };
        let kinds = match self {
            Lists::None => return false,
            Lists::All => FORMATS,
            Lists::Of(kind) => std::slice::from_ref(kind),
        };
        depth <= 2 && kinds.iter().any(|kind| kind.lists.iter().any(|list| is_it(list)))
    }
}

impl ValueScanner {
    /// The scan of the rest of a page, behind its list at this depth.
    pub(super) fn rest(depth: u32) -> ValueScanner {
        ValueScanner { depth, ..ValueScanner::new(b'{', Lists::None) }
    }

    /// The scan of a value, behind its first byte.
    pub(super) fn new(first: u8, lists: Lists) -> ValueScanner {
        let kind = match first {
            b'{' | b'[' => ValueKind::Nested,
            b'"' => ValueKind::String,
            _ => ValueKind::Scalar,
        };
        ValueScanner {
            kind,
            depth: u32::from(kind == ValueKind::Nested),
            in_string: kind == ValueKind::String,
            escaped: false,
            lists,
            string_start: 0,
            key: ListKey::None,
        }
    }

    /// Continues at `at`; the value starts at `start`.
    pub(super) fn scan(&mut self, bytes: &[u8], mut at: usize, start: usize) -> ScanResult {
        while at < bytes.len() {
            if self.in_string {
                if mem::take(&mut self.escaped) {
                    at += 1;
                    continue;
                }
                // A JSON string holds no line break. One that does was truncated and ends here.
                let Some(len) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[at..]) else {
                    return ScanResult::Incomplete;
                };
                at += len;
                if bytes[at] == b'\\' {
                    self.escaped = true;
                } else {
                    self.in_string = false;
                    if self.lists.has(bytes.get(start + self.string_start..at).unwrap_or_default(), self.depth) {
                        self.key = ListKey::Name;
                    }
                    if self.kind == ValueKind::String {
                        return ScanResult::End(at + 1);
                    }
                }
                at += 1;
                continue;
            }
            let byte = bytes[at];
            if self.kind == ValueKind::Scalar {
                if matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b']' | b'}' | b'[' | b'{' | b'"') {
                    return ScanResult::End(at);
                }
                at += 1;
                continue;
            }
            at += 1;
            match byte {
                b'"' => {
                    self.in_string = true;
                    self.key = ListKey::None;
                    // Unused where `start` is behind it: then no document is open.
                    self.string_start = at.saturating_sub(start);
                }
                b'[' if self.key == ListKey::Colon => {
                    self.key = ListKey::None;
                    return ScanResult::List(at);
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return ScanResult::End(at);
                    }
                }
                b':' if self.key == ListKey::Name => self.key = ListKey::Colon,
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => self.key = ListKey::None,
            }
        }
        ScanResult::Incomplete
    }
}
