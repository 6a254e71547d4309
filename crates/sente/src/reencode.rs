//! Turns JSON text into Transit or EDN without building values: the fast path for documents that
//! are stored as JSON.
//!
//! ```text
//! {"id_str":"1","text":"~"}  ──transit──>  ["^ ","~:id_str","1","~:text","~~"]
//!                            ──edn──────>  {:id_str "1", :text "~"}
//! ```
//!
//! One pass, without recursion; the only allocation is the output. Runs that need no change are
//! copied whole. The result is the same as that of [`Value::from_json`](crate::Value::from_json)
//! and the writers. Text that is not JSON gives an error or nonsense, never a panic.

use std::fmt::Write as _;

use crate::json::{content, large_integer};
use crate::quoted;
use crate::transit::Writer;
use crate::value::is_plain_name;

pub use crate::json::NotJson;

/// Receives the events of a walk through JSON.
trait Sink {
    fn object(&mut self);
    fn end_object(&mut self);
    fn array(&mut self);
    fn end_array(&mut self);
    /// Between two elements of an array.
    fn element_separator(&mut self);
    /// Before the second and each later key.
    fn entry_separator(&mut self);
    /// With its quotes.
    fn key(&mut self, json: &str) -> Result<(), NotJson>;
    /// Between a key and its value.
    fn value_separator(&mut self);
    /// With its quotes.
    fn string(&mut self, json: &str) -> Result<(), NotJson>;
    /// `null`, `true`, `false` or a number.
    fn literal(&mut self, json: &str) -> Result<(), NotJson>;
}

/// Appends JSON as Transit.
///
/// # Errors
///
/// When the text is not JSON. What was appended then is of no use.
pub fn transit(json: &str, writer: &mut Writer<'_>) -> Result<(), NotJson> {
    walk(json, &mut TransitSink(writer))
}

/// Appends JSON as EDN.
///
/// # Errors
///
/// When the text is not JSON. What was appended then is of no use.
pub fn edn(json: &str, out: &mut String) -> Result<(), NotJson> {
    walk(json, &mut EdnSink(out))
}

fn walk(json: &str, sink: &mut impl Sink) -> Result<(), NotJson> {
    let bytes = json.as_bytes();
    let mut at = 0;
    // One entry for each container that is open: whether it is an object.
    let mut open: Vec<bool> = Vec::with_capacity(16);
    let mut is_key = false;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            b'"' => {
                let end = string_end(bytes, at).ok_or(NotJson)?;
                let string = json.get(at..end).ok_or(NotJson)?;
                if is_key {
                    sink.key(string)?;
                } else {
                    sink.string(string)?;
                }
                at = end;
            }
            b'{' => {
                sink.object();
                open.push(true);
                is_key = true;
                at += 1;
            }
            b'[' => {
                sink.array();
                open.push(false);
                is_key = false;
                at += 1;
            }
            b'}' | b']' => {
                match (open.pop(), byte) {
                    (Some(true), b'}') => sink.end_object(),
                    (Some(false), b']') => sink.end_array(),
                    _ => return Err(NotJson),
                }
                is_key = false;
                at += 1;
            }
            b':' => {
                if !is_key {
                    return Err(NotJson);
                }
                sink.value_separator();
                is_key = false;
                at += 1;
            }
            b',' => {
                is_key = *open.last().ok_or(NotJson)?;
                if is_key {
                    sink.entry_separator();
                } else {
                    sink.element_separator();
                }
                at += 1;
            }
            _ => {
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b':' | b'"');
                let len = bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at);
                sink.literal(json.get(at..at + len).ok_or(NotJson)?)?;
                at += len;
            }
        }
    }
    if open.is_empty() { Ok(()) } else { Err(NotJson) }
}

/// The byte behind the closing quote of the string that starts at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

struct TransitSink<'a, 'b>(&'a mut Writer<'b>);

impl Sink for TransitSink<'_, '_> {
    fn object(&mut self) {
        self.0.begin_map();
    }

    fn end_object(&mut self) {
        self.0.raw("]");
    }

    fn array(&mut self) {
        self.0.raw("[");
    }

    fn end_array(&mut self) {
        self.0.raw("]");
    }

    fn element_separator(&mut self) {
        self.0.raw(",");
    }

    // Each key brings its own comma, since the marker of the map stands before the first.
    fn entry_separator(&mut self) {}

    fn key(&mut self, json: &str) -> Result<(), NotJson> {
        self.0.raw(",");
        self.0.json_key(json)
    }

    fn value_separator(&mut self) {
        self.0.raw(",");
    }

    fn string(&mut self, json: &str) -> Result<(), NotJson> {
        self.0.json_string(json)
    }

    fn literal(&mut self, json: &str) -> Result<(), NotJson> {
        self.0.json_literal(json)
    }
}

struct EdnSink<'a>(&'a mut String);

impl Sink for EdnSink<'_> {
    fn object(&mut self) {
        self.0.push('{');
    }

    fn end_object(&mut self) {
        self.0.push('}');
    }

    fn array(&mut self) {
        self.0.push('[');
    }

    fn end_array(&mut self) {
        self.0.push(']');
    }

    fn element_separator(&mut self) {
        self.0.push(' ');
    }

    fn entry_separator(&mut self) {
        self.0.push_str(", ");
    }

    fn key(&mut self, json: &str) -> Result<(), NotJson> {
        let name = content(json)?;
        if is_plain_name(name) {
            self.0.push(':');
            self.0.push_str(name);
            return Ok(());
        }
        self.string(json)
    }

    fn value_separator(&mut self) {
        self.0.push(' ');
    }

    fn string(&mut self, json: &str) -> Result<(), NotJson> {
        if memchr::memchr(b'\\', json.as_bytes()).is_none() {
            self.0.push_str(json);
            return Ok(());
        }
        let text = serde_json::from_str::<String>(json).map_err(|_| NotJson)?;
        quoted::edn(&text, self.0);
        Ok(())
    }

    fn literal(&mut self, json: &str) -> Result<(), NotJson> {
        match (json, large_integer(json)?) {
            ("null", _) => self.0.push_str("nil"),
            (number, Some(_)) => write!(self.0, "\"{number}\"").expect("a string takes everything"),
            (literal, None) => self.0.push_str(literal),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
