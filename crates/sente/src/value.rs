//! The values of EDN and Transit, as far as clients of Sente use them.
//!
//! ```text
//! EDN text ──edn::read──┐                 ┌──edn::write──> EDN text
//!                       ├──> Value ───────┤
//! Transit ──transit::read┘                └──transit::write──> Transit
//! ```
//!
//! Numbers that fit are [`Value::Int`] or [`Value::Float`]. Numbers of any precision and UUIDs stay
//! the text that was read. A reader never returns a value nested deeper than [`MAX_DEPTH`], so
//! recursion over it is safe.

use serde_json::{Map, Number, Value as Json};

/// The deepest nesting that a reader accepts.
pub const MAX_DEPTH: usize = 64;

/// The largest whole number that JavaScript holds exactly.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// A value of EDN or Transit.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// A larger whole number: its digits, with a sign when it is negative.
    BigInt(Box<str>),
    /// A floating point number.
    Float(f64),
    /// A decimal number of any precision, as it was written, without the `M`.
    Decimal(Box<str>),
    /// A character.
    Char(char),
    /// A string.
    Str(Box<str>),
    /// A keyword without its colon: `ns/name` or `name`.
    Keyword(Box<str>),
    /// A symbol.
    Symbol(Box<str>),
    /// A moment, in milliseconds since 1970.
    Inst(i64),
    /// A UUID, as it was written.
    Uuid(Box<str>),
    /// `[…]`
    Vector(Vec<Value>),
    /// `(…)`
    List(Vec<Value>),
    /// `#{…}`, in the order in which it was written.
    Set(Vec<Value>),
    /// `{…}`, in the order in which it was written.
    Map(Vec<(Value, Value)>),
    /// A value with another tag, which stands here without `#`. A tag of one letter takes Transit's
    /// short form.
    Tagged(Box<str>, Box<Value>),
}

impl Value {
    /// A string.
    #[must_use]
    pub fn str(text: &str) -> Value {
        Value::Str(text.into())
    }

    /// A keyword, given without its colon.
    #[must_use]
    pub fn keyword(name: &str) -> Value {
        Value::Keyword(name.into())
    }

    /// The elements of a vector or a list.
    #[must_use]
    pub fn elements(&self) -> Option<&[Value]> {
        match self {
            Value::Vector(elements) | Value::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The value of a map under a keyword or a string of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let Value::Map(entries) = self else { return None };
        let named = |key: &Value| matches!(key, Value::Keyword(key) | Value::Str(key) if **key == *name);
        entries.iter().find(|(key, _)| named(key)).map(|(_, value)| value)
    }

    /// Whether ClojureScript takes it for true: every value except `nil` and `false`.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        !matches!(self, Value::Nil | Value::Bool(false))
    }

    /// Converts to JSON: keywords and symbols become strings without a colon, moments become
    /// milliseconds, and tags are dropped. A number that JSON can't hold becomes `null`. An entry
    /// whose key is a collection or a float is dropped.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Value::Nil => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(number) | Value::Inst(number) => Json::from(*number),
            Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
            Value::BigInt(text)
            | Value::Decimal(text)
            | Value::Str(text)
            | Value::Keyword(text)
            | Value::Symbol(text)
            | Value::Uuid(text) => Json::from(&**text),
            Value::Char(char) => Json::from(char.to_string()),
            Value::Vector(elements) | Value::List(elements) | Value::Set(elements) => {
                Json::Array(elements.iter().map(Value::to_json).collect())
            }
            Value::Map(entries) => {
                let entries = entries.iter().filter_map(|(key, value)| Some((key.name()?, value.to_json())));
                Json::Object(entries.collect::<Map<_, _>>())
            }
            Value::Tagged(_, value) => value.to_json(),
        }
    }

    fn name(&self) -> Option<String> {
        match self {
            Value::Str(text) | Value::Keyword(text) | Value::Symbol(text) | Value::Uuid(text) | Value::BigInt(text) => {
                Some(text.to_string())
            }
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Converts from JSON. Keys become keywords where [`is_plain_name`] allows it, else strings.
    #[must_use]
    pub fn from_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Nil,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => Value::Int(number),
                (_, Some(number), _) => Value::BigInt(number.to_string().into()),
                (.., number) => number.map_or(Value::Nil, Value::Float),
            },
            Json::String(text) => Value::str(text),
            Json::Array(elements) => Value::Vector(elements.iter().map(Value::from_json).collect()),
            Json::Object(entries) => {
                let key = |key: &String| if is_plain_name(key) { Value::keyword(key) } else { Value::str(key) };
                Value::Map(entries.iter().map(|(name, value)| (key(name), Value::from_json(value))).collect())
            }
        }
    }
}

/// Whether a key of JSON can be a keyword that every reader understands. This is stricter than the
/// grammar of symbols, because keys come from strangers.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    name.as_bytes().first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'?' | b'!' | b'*'))
}

/// Whether the text can stand as a symbol, or behind a colon as a keyword, in EDN.
#[must_use]
pub fn is_symbol(text: &str) -> bool {
    let allowed = |char: char| char.is_alphanumeric() || "*+!-_'?<>=./&%$#:|".contains(char);
    let starts_number =
        |text: &str| text.trim_start_matches(['+', '-']).starts_with(|first: char| first.is_ascii_digit());
    !text.is_empty() && text.chars().all(allowed) && !text.starts_with([':', '#', '\'']) && !starts_number(text)
}

/// Why a text can't be read. The message quotes nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested too deeply")]
    TooDeep,
    /// It ends too early.
    #[error("incomplete")]
    Incomplete,
    /// It is malformed.
    #[error("{0}")]
    Bad(&'static str),
}

#[cfg(test)]
pub(crate) mod strategies;
