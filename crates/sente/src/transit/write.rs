//! Writes Transit, from values and from pieces of JSON text.

use std::fmt::Write as _;

use super::cache::{WriteCache, push_code};
use crate::json::{LargeInteger, NotJson, content, first_byte, large_integer};
use crate::quoted;
use crate::value::{MAX_SAFE_INTEGER, Value, is_plain_name};

/// Whether a writer replaces repeated strings by cache codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// Never. The output can stand anywhere in a text.
    None,
    /// Always. The output is about a third shorter, and valid only in a text that has no cacheable
    /// string before it.
    Short,
}

/// Appends the value as the first or only value of a text.
pub fn write(value: &Value, codes: Codes, out: &mut String) {
    Writer::new(codes, out).value(value);
}

/// What stands before a string with this first byte, so that it is read as a string.
fn escape(first: u8) -> &'static str {
    if matches!(first, b'~' | b'^' | b'`') { "~" } else { "" }
}

/// Writes values one after the other into one text, with the cache codes of that text.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut String,
    /// `None` with [`Codes::None`].
    cache: Option<WriteCache>,
    /// The string that is being written, before JSON's escapes. Kept to reuse its memory.
    wire: String,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`. Only brackets and commas may stand there yet.
    pub fn new(codes: Codes, out: &'a mut String) -> Writer<'a> {
        let cache = (codes == Codes::Short).then(WriteCache::default);
        Writer { out, cache, wire: String::new() }
    }

    /// Appends JSON that holds no cacheable string, such as brackets.
    pub(crate) fn raw(&mut self, json: &str) {
        self.out.push_str(json);
    }

    /// Appends a keyword, given without its colon.
    pub(crate) fn keyword(&mut self, name: &str) {
        self.string(format_args!("~:{name}"), false);
    }

    /// Appends a keyword as the key of a map.
    pub(crate) fn keyword_key(&mut self, name: &str) {
        self.string(format_args!("~:{name}"), true);
    }

    /// Appends a value.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Int(number) if number.unsigned_abs() <= MAX_SAFE_INTEGER => self.display(format_args!("{number}")),
            Value::Float(number) if number.is_finite() => match serde_json::Number::from_f64(*number) {
                Some(number) => self.display(format_args!("{number}")),
                None => self.out.push_str("null"),
            },
            Value::Vector(elements) => self.array(elements),
            Value::List(elements) => self.tagged("list", |writer| writer.array(elements)),
            Value::Set(elements) => self.tagged("set", |writer| writer.array(elements)),
            Value::Map(entries) if entries.iter().all(|(key, _)| is_scalar(key)) => self.map(entries),
            Value::Map(entries) => self.tagged("cmap", |writer| {
                writer.out.push('[');
                for (at, (key, value)) in entries.iter().enumerate() {
                    writer.out.push_str(if at > 0 { "," } else { "" });
                    writer.value(key);
                    writer.out.push(',');
                    writer.value(value);
                }
                writer.out.push(']');
            }),
            Value::Tagged(tag, value) if !is_short_tag(tag, value) => self.tagged(tag, |writer| writer.value(value)),
            scalar => self.scalar(scalar, false),
        }
    }

    fn display(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("a string takes everything");
    }

    fn array(&mut self, elements: &[Value]) {
        self.out.push('[');
        for (at, element) in elements.iter().enumerate() {
            self.out.push_str(if at > 0 { "," } else { "" });
            self.value(element);
        }
        self.out.push(']');
    }

    fn map(&mut self, entries: &[(Value, Value)]) {
        self.begin_map();
        for (key, value) in entries {
            self.out.push(',');
            self.scalar(key, true);
            self.out.push(',');
            self.value(value);
        }
        self.out.push(']');
    }

    fn tagged(&mut self, tag: &str, value: impl FnOnce(&mut Self)) {
        self.out.push('[');
        self.string(format_args!("~#{tag}"), false);
        self.out.push(',');
        value(self);
        self.out.push(']');
    }

    /// Appends a value that fits into a string. As a key, that is every value that [`is_scalar`].
    fn scalar(&mut self, value: &Value, is_key: bool) {
        match value {
            Value::Nil => self.string(format_args!("~_"), is_key),
            Value::Bool(value) => self.string(format_args!("~?{}", if *value { 't' } else { 'f' }), is_key),
            Value::Int(number) => self.string(format_args!("~i{number}"), is_key),
            Value::BigInt(digits) => self.string(format_args!("~n{digits}"), is_key),
            Value::Float(number) if number.is_nan() => self.string(format_args!("~zNaN"), is_key),
            Value::Float(number) if number.is_infinite() => {
                self.string(format_args!("~z{}", if *number > 0.0 { "INF" } else { "-INF" }), is_key);
            }
            Value::Float(number) => self.string(format_args!("~d{number:?}"), is_key),
            Value::Decimal(text) => self.string(format_args!("~f{text}"), is_key),
            Value::Char(char) => self.string(format_args!("~c{char}"), is_key),
            Value::Str(text) => {
                let escape = text.as_bytes().first().map_or("", |&first| escape(first));
                self.string(format_args!("{escape}{text}"), is_key);
            }
            Value::Keyword(name) => self.string(format_args!("~:{name}"), is_key),
            Value::Symbol(name) => self.string(format_args!("~${name}"), is_key),
            Value::Inst(millisecond) => self.string(format_args!("~m{millisecond}"), is_key),
            Value::Uuid(text) => self.string(format_args!("~u{text}"), is_key),
            Value::Tagged(tag, value) => match &**value {
                Value::Str(text) => self.string(format_args!("~{tag}{text}"), is_key),
                value => self.scalar(value, is_key),
            },
            Value::Vector(_) | Value::List(_) | Value::Set(_) | Value::Map(_) => {
                debug_assert!(false, "a collection is no scalar");
                self.out.push_str("null");
            }
        }
    }

    /// Appends a string as it stands on the wire, or its cache code.
    fn string(&mut self, wire: std::fmt::Arguments<'_>, is_key: bool) {
        self.wire.clear();
        self.wire.write_fmt(wire).expect("a string takes everything");
        if let Some(number) = self.cache.as_mut().and_then(|cache| cache.number(&self.wire, is_key)) {
            self.code(number);
        } else {
            quoted::json(&self.wire, self.out);
        }
    }

    /// Appends the start of a map. Each key and each value brings its own comma.
    pub(crate) fn begin_map(&mut self) {
        self.out.push_str("[\"^ \"");
    }

    /// Appends a key of a JSON object, given with its quotes.
    pub(crate) fn json_key(&mut self, json: &str) -> Result<(), NotJson> {
        let name = content(json)?;
        // A plain name has no escapes.
        let prefix = if is_plain_name(name) { "~:" } else { escape(first_byte(json)?) };
        if let Some(cache) = &mut self.cache {
            self.wire.clear();
            self.wire.push_str(prefix);
            if name.as_bytes().contains(&b'\\') {
                self.wire.push_str(&serde_json::from_str::<String>(json).unwrap_or_default());
            } else {
                self.wire.push_str(name);
            }
            if let Some(number) = cache.number(&self.wire, true) {
                self.code(number);
                return Ok(());
            }
        }
        self.prefixed(prefix, json);
        Ok(())
    }

    /// Appends a string of JSON that is no key, given with its quotes.
    pub(crate) fn json_string(&mut self, json: &str) -> Result<(), NotJson> {
        let prefix = escape(first_byte(json)?);
        self.prefixed(prefix, json);
        Ok(())
    }

    /// Appends `null`, `true`, `false` or a number of JSON.
    pub(crate) fn json_literal(&mut self, json: &str) -> Result<(), NotJson> {
        match large_integer(json)? {
            Some(LargeInteger::Long) => self.display(format_args!("\"~i{json}\"")),
            Some(LargeInteger::Longer) => self.display(format_args!("\"~n{json}\"")),
            None => self.raw(json),
        }
        Ok(())
    }

    /// Appends a string of JSON with a prefix behind its first quote.
    fn prefixed(&mut self, prefix: &str, json: &str) {
        self.out.push('"');
        self.out.push_str(prefix);
        self.out.push_str(&json[1..]);
    }

    fn code(&mut self, number: usize) {
        self.out.push('"');
        push_code(number, self.out);
        self.out.push('"');
    }
}

/// Whether the value fits into a string. A map whose keys all do takes the short form.
fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Vector(_) | Value::List(_) | Value::Set(_) | Value::Map(_) => false,
        Value::Tagged(tag, value) => is_short_tag(tag, value),
        _ => true,
    }
}

/// Whether the tag is one letter before a string, and a letter that Transit itself does not use.
fn is_short_tag(tag: &str, value: &Value) -> bool {
    matches!(value, Value::Str(_)) && tag.len() == 1 && !"~^`:$#_?infdzcmtu".contains(tag)
}
