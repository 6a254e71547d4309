//! Strings in quotes, with escapes where they need them: EDN and JSON share all but one rule.

use std::fmt::Write as _;

/// Appends a string of EDN. Control characters without a named escape stay as they are.
pub(crate) fn edn(text: &str, out: &mut String) {
    append(text, out, false);
}

/// Appends a string of JSON. Control characters without a named escape become `\u00..`.
pub(crate) fn json(text: &str, out: &mut String) {
    append(text, out, true);
}

fn append(text: &str, out: &mut String, escapes_controls: bool) {
    out.push('"');
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x0c => "\\f",
            0x08 => "\\b",
            0..0x20 if escapes_controls => "",
            _ => continue,
        };
        out.push_str(&text[written..at]);
        if escape.is_empty() {
            write!(out, "\\u{byte:04x}").expect("a string takes everything");
        } else {
            out.push_str(escape);
        }
        written = at + 1;
    }
    out.push_str(&text[written..]);
    out.push('"');
}
