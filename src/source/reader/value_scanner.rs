//! Finds the end of a JSON value in a stream of bytes.
//!
//! Knows brackets and strings and no more of JSON: the parser finds every other mistake.

use std::mem;

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
    /// Whether to report `"statuses": [` at depth 1.
    pub(super) finds_statuses: bool,
    /// Start of the current string, from the start of the value.
    string_start: usize,
    /// How much of `"statuses":` the scan has just passed.
    key: StatusesKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StatusesKey {
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
    /// The array of `"statuses"` starts at this position.
    Statuses(usize),
}

impl ValueScanner {
    /// The scan of a value, behind its first byte.
    pub(super) fn new(first: u8, finds_statuses: bool) -> ValueScanner {
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
            finds_statuses,
            string_start: 0,
            key: StatusesKey::None,
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
                    if self.finds_statuses && self.depth == 1 && bytes[start + self.string_start..at] == *b"statuses" {
                        self.key = StatusesKey::Name;
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
                    self.key = StatusesKey::None;
                    // Unused where `start` is behind it: then no document is open.
                    self.string_start = at.saturating_sub(start);
                }
                b'[' if self.key == StatusesKey::Colon => {
                    self.key = StatusesKey::None;
                    return ScanResult::Statuses(at);
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return ScanResult::End(at);
                    }
                }
                b':' if self.key == StatusesKey::Name => self.key = StatusesKey::Colon,
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => self.key = StatusesKey::None,
            }
        }
        ScanResult::Incomplete
    }
}
