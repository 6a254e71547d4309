//! A tolerant reader of JSON: one pass over a text makes a flat list of nodes that borrow from it.
//!
//! Whatever people's tools have written is read, and costs only the value that is wrong: `NaN` and
//! `Infinity` are values without meaning, the last of several equal keys wins, a lone surrogate
//! becomes U+FFFD, and a number keeps its digits until the caller converts it. Values of the
//! extended JSON of `MongoDB` (`{"$numberLong": "5"}`) stand for what they hold.

use std::borrow::Cow;

use memchr::memchr2;

/// The deepest nesting. What nests deeper is no tweet.
const MAX_DEPTH: usize = 256;

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Json<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

/// The nodes of a parsed text, without the text.
#[derive(Debug)]
pub(crate) struct Nodes(Vec<Node>);

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// The bytes of the value in the text. A string is without its quotes.
    start: u32,
    end: u32,
    /// The node behind this one and all that it contains.
    next: u32,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// `NaN` or an infinity.
    Invalid,
    /// A string without escapes.
    Plain,
    /// A string with escapes.
    Escaped,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    message: &'static str,
    line: usize,
    column: usize,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at line {} column {}", self.message, self.line, self.column)
    }
}

impl<'a> Json<'a> {
    /// Parses one value with nothing but space around it.
    pub(crate) fn parse(text: &'a str) -> Result<Json<'a>, SyntaxError> {
        let mut parser = Parser { bytes: text.as_bytes(), at: 0, nodes: Vec::with_capacity(text.len() / 16 + 4) };
        match parser.document() {
            Ok(()) => Ok(Json { text, nodes: parser.nodes }),
            Err(message) => {
                let before = &text.as_bytes()[..parser.at.min(text.len())];
                let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
                let line = memchr::memchr_iter(b'\n', before).count() + 1;
                Err(SyntaxError { message, line, column: before.len() - line_start + 1 })
            }
        }
    }

    /// The text that these nodes were made of.
    pub(crate) fn from_nodes(text: &'a str, Nodes(nodes): Nodes) -> Json<'a> {
        Json { text, nodes }
    }

    /// The nodes, which make a value again together with their text.
    pub(crate) fn into_nodes(self) -> Nodes {
        Nodes(self.nodes)
    }

    /// The value.
    pub(crate) fn root(&self) -> Value<'_> {
        Value { text: self.text, nodes: &self.nodes, at: 0 }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
}

impl Parser<'_> {
    fn peek(&mut self) -> u8 {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let next = self.nodes.len() + 1;
        self.nodes.push(Node { kind, start: small(start), end: small(end), next: small(next) });
    }

    fn document(&mut self) -> Result<(), &'static str> {
        if u32::try_from(self.bytes.len()).is_err() {
            return Err("the document is longer than 4 GiB");
        }
        // The open arrays and objects.
        let mut open: Vec<usize> = Vec::new();
        loop {
            // A value starts here.
            let start = self.at;
            match self.peek() {
                byte @ (b'{' | b'[') => {
                    let is_object = byte == b'{';
                    open.push(self.nodes.len());
                    if open.len() > MAX_DEPTH {
                        return Err("nested too deep");
                    }
                    self.push(if is_object { Kind::Object } else { Kind::Array }, self.at, 0);
                    self.at += 1;
                    let is_empty = self.peek() == if is_object { b'}' } else { b']' };
                    if !is_empty {
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                    self.close(open.pop());
                }
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' | b'+' | b'.' => self.number()?,
                b't' => self.word("true", Kind::Bool)?,
                b'f' => self.word("false", Kind::Bool)?,
                b'n' => self.word("null", Kind::Null)?,
                b'N' => self.word("NaN", Kind::Invalid)?,
                b'I' => self.word("Infinity", Kind::Invalid)?,
                0 if self.at >= self.bytes.len() => return Err("the text ends where a value should stand"),
                _ => return Err("expected a value"),
            }
            debug_assert!(self.at > start, "each value takes at least one byte");
            // A value has ended: close what ends with it.
            loop {
                let Some(&container) = open.last() else {
                    self.peek();
                    return if self.at < self.bytes.len() { Err("trailing characters") } else { Ok(()) };
                };
                let is_object = self.nodes[container].kind == Kind::Object;
                match self.peek() {
                    b',' => {
                        self.at += 1;
                        if is_object {
                            self.peek();
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    0 if self.at >= self.bytes.len() => return Err("the text ends inside a value"),
                    _ if is_object => return Err("expected `,` or `}`"),
                    _ => return Err("expected `,` or `]`"),
                }
                self.at += 1;
                self.close(open.pop());
            }
        }
    }

    fn close(&mut self, container: Option<usize>) {
        let (end, next) = (small(self.at), small(self.nodes.len()));
        if let Some(at) = container {
            self.nodes[at].end = end;
            self.nodes[at].next = next;
        }
    }

    fn key(&mut self) -> Result<(), &'static str> {
        if self.peek() != b'"' {
            return Err(if self.at < self.bytes.len() { "expected a key" } else { "the text ends inside an object" });
        }
        self.string()?;
        if self.peek() != b':' {
            return Err("expected `:`");
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), &'static str> {
        let start = self.at + 1;
        let mut kind = Kind::Plain;
        let mut at = start;
        loop {
            let Some(len) = memchr2(b'"', b'\\', &self.bytes[at..]) else {
                self.at = self.bytes.len();
                return Err("the text ends inside a string");
            };
            at += len;
            if self.bytes[at] == b'"' {
                break;
            }
            kind = Kind::Escaped;
            at = (at + 2).min(self.bytes.len());
        }
        // A string that goes on behind its line was cut off.
        if let Some(len) = memchr::memchr(b'\n', &self.bytes[start..at]) {
            self.at = start + len;
            return Err("a line break inside a string");
        }
        self.push(kind, start, at);
        self.at = at + 1;
        Ok(())
    }

    fn number(&mut self) -> Result<(), &'static str> {
        let start = self.at;
        let len = self.bytes[start..]
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(self.bytes.len() - start);
        self.at += len;
        let digits = &self.bytes[start..self.at];
        if digits == b"-" && self.bytes[self.at..].starts_with(b"Infinity") {
            self.at += "Infinity".len();
            self.push(Kind::Invalid, start, self.at);
            return Ok(());
        }
        if !digits.iter().any(u8::is_ascii_digit) {
            return Err("expected a value");
        }
        self.push(Kind::Number, start, self.at);
        Ok(())
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), &'static str> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err("expected a value");
        }
        self.push(kind, self.at, self.at + word.len());
        self.at += word.len();
        Ok(())
    }
}

fn small(at: usize) -> u32 {
    u32::try_from(at).expect("the parser refuses longer texts, and a node takes a byte at least")
}

/// A value of a parsed text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'j> {
    text: &'j str,
    nodes: &'j [Node],
    at: usize,
}

impl<'j> Value<'j> {
    fn node(self) -> Node {
        self.nodes[self.at]
    }

    /// Its kind.
    pub(crate) fn kind(self) -> Kind {
        self.node().kind
    }

    /// Whether it is an object.
    pub(crate) fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    /// Whether it is an array.
    pub(crate) fn is_array(self) -> bool {
        self.kind() == Kind::Array
    }

    /// Its JSON; of a string what stands between the quotes.
    pub(crate) fn raw(self) -> &'j str {
        let node = self.node();
        &self.text[node.start as usize..node.end as usize]
    }

    /// The value behind its last equal key. `None` if there is none, or it is null.
    pub(crate) fn get(self, key: &str) -> Option<Value<'j>> {
        let node = self.node();
        if node.kind != Kind::Object {
            return None;
        }
        let (mut at, mut found) = (self.at + 1, None);
        while at < node.next as usize {
            let name = self.nodes[at];
            let value = at + 1;
            let is_it = match name.kind {
                Kind::Plain => {
                    (name.end - name.start) as usize == key.len()
                        && &self.text.as_bytes()[name.start as usize..name.end as usize] == key.as_bytes()
                }
                _ => Value { at, ..self }.str().is_some_and(|name| name == key),
            };
            if is_it {
                found = Some(Value { at: value, ..self });
            }
            at = self.nodes[value].next as usize;
        }
        found.map(Value::meaning).filter(|value| value.kind() != Kind::Null)
    }

    /// The value at the end of a path of keys.
    pub(crate) fn path(self, keys: &[&str]) -> Option<Value<'j>> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// What a value of `MongoDB`'s extended JSON stands for; any other value itself.
    fn meaning(self) -> Value<'j> {
        let node = self.node();
        if node.kind != Kind::Object || (node.next as usize) < self.at + 3 {
            return self;
        }
        let key = Value { at: self.at + 1, ..self }.raw();
        let is_wrapped =
            matches!(key, "$numberLong" | "$numberInt" | "$numberDouble" | "$numberDecimal" | "$date" | "$oid");
        if is_wrapped { Value { at: self.at + 2, ..self }.meaning() } else { self }
    }

    /// The elements of an array; none of any other value.
    pub(crate) fn items(self) -> impl Iterator<Item = Value<'j>> {
        self.items_from(None).map(|(_, item)| item)
    }

    /// The elements of an array from this one on, or all, each with the number of its node.
    pub(crate) fn items_from(self, from: Option<usize>) -> impl Iterator<Item = (usize, Value<'j>)> {
        let node = self.node();
        let mut at = from.unwrap_or(self.at + 1);
        let end = if node.kind == Kind::Array { node.next as usize } else { 0 };
        std::iter::from_fn(move || {
            let here = at;
            let item = (here < end).then_some(Value { at: here, ..self })?;
            at = self.nodes[here].next as usize;
            Some((here, item.meaning()))
        })
    }

    /// Whether the node of this number is inside the value.
    pub(crate) fn contains(self, node: usize) -> bool {
        (self.at + 1..self.node().next as usize).contains(&node)
    }

    /// The keys and values of an object; none of any other value.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Cow<'j, str>, Value<'j>)> {
        let node = self.node();
        let mut at = self.at + 1;
        let end = if node.kind == Kind::Object { node.next as usize } else { 0 };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (key, value) = (Value { at, ..self }, Value { at: at + 1, ..self });
            at = self.nodes[at + 1].next as usize;
            Some((key.str().unwrap_or_default(), value.meaning()))
        })
    }

    /// The text of a string.
    pub(crate) fn str(self) -> Option<Cow<'j, str>> {
        match self.kind() {
            Kind::Plain => Some(Cow::Borrowed(self.raw())),
            Kind::Escaped => Some(Cow::Owned(unescape(self.raw()).0)),
            _ => None,
        }
    }

    /// The text of a string, and whether a lone surrogate in it became U+FFFD.
    pub(crate) fn text(self) -> Option<(String, bool)> {
        match self.kind() {
            Kind::Plain => Some((self.raw().to_owned(), false)),
            Kind::Escaped => Some(unescape(self.raw())),
            _ => None,
        }
    }
}

/// The text of a string with escapes, and whether a part of it was no text. A backslash before
/// any other character stands for nothing.
fn unescape(raw: &str) -> (String, bool) {
    let mut text = String::with_capacity(raw.len());
    let mut is_lossy = false;
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        text.push_str(&rest[..at]);
        let mut chars = rest[at + 1..].chars();
        let escape = chars.next();
        rest = chars.as_str();
        match escape {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => {
                let unit = hex(rest);
                let low = rest.get(4..).and_then(|rest| rest.strip_prefix("\\u")).and_then(hex);
                let (c, len) = match (unit, low) {
                    (Some(high @ 0xD800..0xDC00), Some(low @ 0xDC00..0xE000)) => {
                        (char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)), 10)
                    }
                    (Some(unit), _) => (char::from_u32(unit), 4),
                    (None, _) => (None, 0),
                };
                rest = &rest[len..];
                is_lossy |= c.is_none();
                text.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(c) => text.push(c),
            None => {}
        }
    }
    text.push_str(rest);
    (text, is_lossy)
}

/// The number of four hexadecimal digits at the start of a text.
fn hex(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests;
