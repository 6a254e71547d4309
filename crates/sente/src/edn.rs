//! EDN: what ClojureScript prints and reads.
//!
//! The reader takes what clients of every version print, up to the end of the first form, as their
//! own readers do. The writer keeps to what the oldest of their readers understand: no characters,
//! no big numbers, no namespaced maps.

use std::fmt::Write as _;

use crate::quoted;
use crate::value::{MAX_DEPTH, MAX_SAFE_INTEGER, ReadError, Value, is_symbol};

/// Reads the first form of the text, and ignores the rest.
///
/// # Errors
///
/// [`ReadError`], when the first form is malformed or missing.
pub fn read(text: &str) -> Result<Value, ReadError> {
    let mut reader = Reader { text, at: 0 };
    reader.form(0)?.ok_or(ReadError::Incomplete)
}

struct Reader<'a> {
    text: &'a str,
    /// The offset of the next byte.
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next form; `None` before a closing bracket and at the end.
    fn form(&mut self, depth: usize) -> Result<Option<Value>, ReadError> {
        if depth > MAX_DEPTH {
            return Err(ReadError::TooDeep);
        }
        loop {
            self.skip_blanks();
            let Some(byte) = self.peek() else { return Ok(None) };
            let value = match byte {
                b')' | b']' | b'}' => return Ok(None),
                b'(' => Value::List(self.elements(b')', depth)?),
                b'[' => Value::Vector(self.elements(b']', depth)?),
                b'{' => Value::Map(self.entries(depth)?),
                b'"' => Value::Str(self.string()?.into()),
                b'\\' => Value::Char(self.char()?),
                b':' => self.keyword()?,
                b'#' => match self.dispatch(depth)? {
                    Some(value) => value,
                    None => continue,
                },
                _ => symbol_or_number(self.token())?,
            };
            return Ok(Some(value));
        }
    }

    /// The next form, which must be there.
    fn required(&mut self, depth: usize) -> Result<Value, ReadError> {
        self.form(depth)?.ok_or(ReadError::Bad("a form is missing"))
    }

    fn skip_blanks(&mut self) {
        while let Some(char) = self.text[self.at..].chars().next() {
            match char {
                ';' => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                ',' => self.at += 1,
                blank if blank.is_whitespace() => self.at += blank.len_utf8(),
                _ => return,
            }
        }
    }

    /// From the opening bracket to behind the closing one.
    fn elements(&mut self, close: u8, depth: usize) -> Result<Vec<Value>, ReadError> {
        self.at += 1;
        let mut elements = Vec::new();
        while let Some(element) = self.form(depth + 1)? {
            elements.push(element);
        }
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(elements)
            }
            Some(_) => Err(ReadError::Bad("the wrong closing bracket")),
            None => Err(ReadError::Incomplete),
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(Value, Value)>, ReadError> {
        let mut elements = self.elements(b'}', depth)?.into_iter();
        let mut entries = Vec::with_capacity(elements.len() / 2);
        while let Some(key) = elements.next() {
            let value = elements.next().ok_or(ReadError::Bad("a map has a key without a value"))?;
            entries.push((key, value));
        }
        Ok(entries)
    }

    /// Everything that starts with `#`. `None` after a form that was discarded.
    fn dispatch(&mut self, depth: usize) -> Result<Option<Value>, ReadError> {
        self.at += 1;
        match self.peek() {
            Some(b'{') => return self.elements(b'}', depth).map(|elements| Some(Value::Set(elements))),
            Some(b'_') => {
                self.at += 1;
                self.required(depth + 1)?;
                return Ok(None);
            }
            Some(b'#') => {
                self.at += 1;
                return match self.token() {
                    "NaN" => Ok(Some(Value::Float(f64::NAN))),
                    "Inf" => Ok(Some(Value::Float(f64::INFINITY))),
                    "-Inf" => Ok(Some(Value::Float(f64::NEG_INFINITY))),
                    _ => Err(ReadError::Bad("a symbolic value that is not known")),
                };
            }
            Some(b':') => {
                self.at += 1;
                let namespace = self.token();
                if !is_symbol(namespace) {
                    return Err(ReadError::Bad("a namespace that is no symbol"));
                }
                self.skip_blanks();
                if self.peek() != Some(b'{') {
                    return Err(ReadError::Bad("a namespace without a map"));
                }
                let mut entries = self.entries(depth)?;
                for (key, _) in &mut entries {
                    qualify(key, namespace);
                }
                return Ok(Some(Value::Map(entries)));
            }
            _ => {}
        }
        let tag = self.token();
        if !is_symbol(tag) {
            return Err(ReadError::Bad("a tag that is no symbol"));
        }
        Ok(Some(tagged(tag, self.required(depth + 1)?)))
    }

    /// Up to the next blank or bracket.
    fn token(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let ends = |char: char| {
            char.is_whitespace() || matches!(char, ',' | ';' | '"' | '(' | ')' | '[' | ']' | '{' | '}' | '\\')
        };
        let token = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += token.len();
        token
    }

    fn keyword(&mut self) -> Result<Value, ReadError> {
        self.at += 1;
        let name = self.token();
        let allowed = |char: char| char.is_alphanumeric() || "*+!-_'?<>=./&%$#:|".contains(char);
        // Keywords of digits are no symbols, but every reader takes them.
        if name.is_empty() || name.starts_with(':') || !name.chars().all(allowed) {
            return Err(ReadError::Bad("a keyword that is no symbol"));
        }
        Ok(Value::keyword(name))
    }

    fn char(&mut self) -> Result<char, ReadError> {
        self.at += 1;
        let first = self.text[self.at..].chars().next().ok_or(ReadError::Incomplete)?;
        self.at += first.len_utf8();
        let rest = self.token();
        if rest.is_empty() {
            return Ok(first);
        }
        let hex = |digits| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        let octal = |digits| u32::from_str_radix(digits, 8).ok().filter(|&code| code <= 0o377).and_then(char::from_u32);
        let char = match (first, rest) {
            ('n', "ewline") => Some('\n'),
            ('r', "eturn") => Some('\r'),
            ('s', "pace") => Some(' '),
            ('t', "ab") => Some('\t'),
            ('f', "ormfeed") => Some('\u{c}'),
            ('b', "ackspace") => Some('\u{8}'),
            ('u', digits) if digits.len() == 4 => hex(digits),
            ('o', digits) => octal(digits),
            _ => None,
        };
        char.ok_or(ReadError::Bad("a character that is not known"))
    }

    fn string(&mut self) -> Result<String, ReadError> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = memchr::memchr2(b'"', b'\\', rest.as_bytes()).ok_or(ReadError::Incomplete)?;
            string.push_str(&rest[..plain]);
            self.at += plain + 1;
            if rest.as_bytes()[plain] == b'"' {
                return Ok(string);
            }
            string.push(self.escape()?);
        }
    }

    /// Behind a backslash.
    fn escape(&mut self) -> Result<char, ReadError> {
        let byte = self.peek().ok_or(ReadError::Incomplete)?;
        let octal_digits =
            |digits: &[u8]| digits.iter().take(3).take_while(|digit| (b'0'..b'8').contains(*digit)).count();
        let char = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'f' => '\u{c}',
            b'b' => '\u{8}',
            b'u' => {
                self.at += 1;
                return self.unicode_escape();
            }
            b'o' | b'0'..=b'7' => {
                self.at += usize::from(byte == b'o');
                let n = octal_digits(&self.text.as_bytes()[self.at..]);
                let digits = &self.text[self.at..self.at + n];
                self.at += n;
                let code = u32::from_str_radix(digits, 8).ok().filter(|&code| code <= 0o377);
                return code.and_then(char::from_u32).ok_or(ReadError::Bad("an octal escape that is none"));
            }
            _ => return Err(ReadError::Bad("an escape that is not known")),
        };
        self.at += 1;
        Ok(char)
    }

    /// Behind `\u`. Characters beyond the first plane come as two escapes.
    fn unicode_escape(&mut self) -> Result<char, ReadError> {
        let first = self.hex4()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(ReadError::Bad("half of a character"));
        }
        if !self.text[self.at..].starts_with("\\u") {
            return Err(ReadError::Bad("half of a character"));
        }
        self.at += 2;
        let second = self.hex4()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or(ReadError::Bad("half of a character"))?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low).ok_or(ReadError::Bad("half of a character"))
    }

    fn hex4(&mut self) -> Result<u32, ReadError> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(ReadError::Bad("an escape without four digits"))?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex);
        self.at += 4;
        code.ok_or(ReadError::Bad("an escape without four digits"))
    }
}

fn tagged(tag: &str, value: Value) -> Value {
    match (tag, value) {
        ("uuid", Value::Str(text)) => Value::Uuid(text),
        ("inst", Value::Str(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(moment) => Value::Inst(moment.as_millisecond()),
            Err(_) => Value::Tagged("inst".into(), Box::new(Value::Str(text))),
        },
        (tag, value) => Value::Tagged(tag.into(), Box::new(value)),
    }
}

/// Puts a namespace in front of a key that has none. The namespace `_` stands for none at all.
fn qualify(key: &mut Value, namespace: &str) {
    let (Value::Keyword(name) | Value::Symbol(name)) = key else { return };
    if let Some(bare) = name.strip_prefix("_/") {
        *name = bare.into();
    } else if !name.contains('/') {
        *name = format!("{namespace}/{name}").into();
    }
}

fn symbol_or_number(token: &str) -> Result<Value, ReadError> {
    let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token);
    if unsigned.starts_with(|first: char| first.is_ascii_digit()) {
        return number(token).ok_or(ReadError::Bad("a number that is none"));
    }
    match token {
        "nil" => Ok(Value::Nil),
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        "NaN" => Ok(Value::Float(f64::NAN)),
        "Infinity" => Ok(Value::Float(f64::INFINITY)),
        "-Infinity" => Ok(Value::Float(f64::NEG_INFINITY)),
        symbol if is_symbol(symbol) => Ok(Value::Symbol(symbol.into())),
        _ => Err(ReadError::Bad("a sign that means nothing here")),
    }
}

fn number(token: &str) -> Option<Value> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (sign, unsigned) = match token.as_bytes().first()? {
        b'-' => ("-", &token[1..]),
        b'+' => ("", &token[1..]),
        _ => ("", token),
    };
    let whole = unsigned.strip_suffix('N').unwrap_or(unsigned);
    if is_digits(whole) {
        if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        let text = format!("{sign}{whole}");
        return Some(text.parse().map_or_else(|_| Value::BigInt(text.into()), Value::Int));
    }
    let decimal = unsigned.strip_suffix('M');
    let number = decimal.unwrap_or(unsigned);
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (number, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_is_right = exponent.is_none_or(|text| is_digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    if !is_digits(whole) || !(fraction.is_empty() || is_digits(fraction)) || !exponent_is_right {
        return None;
    }
    let text = format!("{sign}{number}");
    if decimal.is_some() {
        return Some(Value::Decimal(text.into()));
    }
    text.parse().ok().map(Value::Float)
}

/// Appends the value as EDN.
pub fn write(value: &Value, out: &mut String) {
    match value {
        Value::Nil => out.push_str("nil"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        // A reader in JavaScript would round it.
        Value::Int(number) if number.unsigned_abs() > MAX_SAFE_INTEGER => display(out, format_args!("\"{number}\"")),
        Value::Int(number) => display(out, format_args!("{number}")),
        Value::Float(number) => match serde_json::Number::from_f64(*number) {
            Some(number) => display(out, format_args!("{number}")),
            None => out.push_str("nil"),
        },
        Value::BigInt(text) | Value::Decimal(text) | Value::Str(text) => quoted::edn(text, out),
        Value::Char(char) => quoted::edn(char.encode_utf8(&mut [0; 4]), out),
        Value::Keyword(name) if is_symbol(name) || is_number_name(name) => {
            out.push(':');
            out.push_str(name);
        }
        Value::Symbol(name) if is_symbol(name) => out.push_str(name),
        // A name that came from Transit may hold any character, brackets too.
        Value::Keyword(name) | Value::Symbol(name) => quoted::edn(name, out),
        Value::Inst(millisecond) => match jiff::Timestamp::from_millisecond(*millisecond) {
            Ok(moment) => display(out, format_args!("#inst \"{moment:.3}\"")),
            Err(_) => out.push_str("nil"),
        },
        Value::Uuid(text) => {
            out.push_str("#uuid ");
            quoted::edn(text, out);
        }
        Value::Vector(elements) => sequence("[", elements, "]", out),
        Value::List(elements) => sequence("(", elements, ")", out),
        Value::Set(elements) => sequence("#{", elements, "}", out),
        Value::Map(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write(key, out);
                out.push(' ');
                write(value, out);
            }
            out.push('}');
        }
        Value::Tagged(tag, value) => {
            if is_symbol(tag) {
                out.push('#');
                out.push_str(tag);
                out.push(' ');
            }
            write(value, out);
        }
    }
}

fn is_number_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

fn display(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

fn sequence(open: &str, elements: &[Value], close: &str, out: &mut String) {
    out.push_str(open);
    for (at, element) in elements.iter().enumerate() {
        out.push_str(if at > 0 { " " } else { "" });
        write(element, out);
    }
    out.push_str(close);
}

#[cfg(test)]
mod tests;
