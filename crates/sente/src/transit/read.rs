//! Reads Transit in one pass over its JSON.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::cache::ReadCache;
use crate::value::{MAX_DEPTH, ReadError, Value};

/// Reads one value of Transit, in the short or the verbose form of its JSON.
///
/// # Errors
///
/// [`ReadError`], when the text is not one value of Transit.
pub fn read(text: &str) -> Result<Value, ReadError> {
    let mut state = State { cache: ReadCache::default(), is_too_deep: false };
    let mut json = serde_json::Deserializer::from_str(text);
    let element = Seed { state: &mut state, depth: 0, is_key: false }.deserialize(&mut json);
    match element.and_then(|element| json.end().map(|()| element)) {
        Ok(Element::Value(value)) => Ok(value),
        Ok(_) => Err(ReadError::Bad("a tag or a marker alone")),
        Err(_) if state.is_too_deep => Err(ReadError::TooDeep),
        Err(error) if error.is_eof() => Err(ReadError::Incomplete),
        Err(error) if error.is_data() => Err(ReadError::Bad("not Transit")),
        Err(_) => Err(ReadError::Bad("not JSON")),
    }
}

struct State {
    cache: ReadCache,
    is_too_deep: bool,
}

/// What one JSON value stands for.
enum Element {
    Value(Value),
    /// `"~#tag"`, which says what follows.
    Tag(Box<str>),
    /// `"^ "`, which makes a map of the array.
    MapMarker,
}

impl Element {
    fn value<E: serde::de::Error>(self) -> Result<Value, E> {
        match self {
            Element::Value(value) => Ok(value),
            Element::Tag(_) | Element::MapMarker => Err(E::custom("a tag or a marker out of its place")),
        }
    }
}

/// Reads one JSON value.
struct Seed<'a> {
    state: &'a mut State,
    depth: usize,
    is_key: bool,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Element;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Element, D::Error> {
        if self.depth > MAX_DEPTH {
            self.state.is_too_deep = true;
            return Err(D::Error::custom("too deep"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transit")
    }

    fn visit_unit<E>(self) -> Result<Element, E> {
        Ok(Element::Value(Value::Nil))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Element, E> {
        Ok(Element::Value(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Element, E> {
        Ok(Element::Value(Value::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Element, E> {
        Ok(Element::Value(i64::try_from(value).map_or_else(|_| Value::BigInt(value.to_string().into()), Value::Int)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Element, E> {
        Ok(Element::Value(Value::Float(value)))
    }

    fn visit_str<E: serde::de::Error>(self, wire: &str) -> Result<Element, E> {
        if wire == "^ " {
            return Ok(Element::MapMarker);
        }
        let string = self.state.cache.resolve(wire, self.is_key);
        let string = string.ok_or_else(|| E::custom("a code that was not given out"))?;
        decode(&string).ok_or_else(|| E::custom("a string that means nothing"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Element, A::Error> {
        let Seed { state, depth, .. } = self;
        let depth = depth + 1;
        let first = array.next_element_seed(Seed { state, depth, is_key: false })?;
        let value = match first {
            None => Value::Vector(Vec::new()),
            Some(Element::MapMarker) => {
                let mut entries = Vec::new();
                while let Some(key) = array.next_element_seed(Seed { state, depth, is_key: true })? {
                    let value = array.next_element_seed(Seed { state, depth, is_key: false })?;
                    let value = value.ok_or_else(|| A::Error::custom("a map has a key without a value"))?;
                    entries.push((key.value()?, value.value()?));
                }
                Value::Map(entries)
            }
            Some(Element::Tag(tag)) => {
                let value = array.next_element_seed(Seed { state, depth, is_key: false })?;
                let value = value.ok_or_else(|| A::Error::custom("a tag without a value"))?.value()?;
                if array.next_element::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::custom("a tag with more than one value"));
                }
                tagged(&tag, value).ok_or_else(|| A::Error::custom("a tag with the wrong value"))?
            }
            Some(Element::Value(first)) => {
                let mut elements = vec![first];
                while let Some(element) = array.next_element_seed(Seed { state, depth, is_key: false })? {
                    elements.push(element.value()?);
                }
                Value::Vector(elements)
            }
        };
        Ok(Element::Value(value))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Element, A::Error> {
        let Seed { state, depth, .. } = self;
        let depth = depth + 1;
        let mut entries = Vec::new();
        while let Some(key) = object.next_key_seed(Seed { state, depth, is_key: true })? {
            let value = object.next_value_seed(Seed { state, depth, is_key: false })?.value()?;
            match key {
                Element::Tag(tag) if entries.is_empty() => {
                    if object.next_key::<IgnoredAny>()?.is_some() {
                        return Err(A::Error::custom("a tag with more than one value"));
                    }
                    let value = tagged(&tag, value).ok_or_else(|| A::Error::custom("a tag with the wrong value"))?;
                    return Ok(Element::Value(value));
                }
                key => entries.push((key.value()?, value)),
            }
        }
        Ok(Element::Value(Value::Map(entries)))
    }
}

/// What a string says once its cache code is replaced. `None` when it is malformed.
fn decode(string: &str) -> Option<Element> {
    let Some(rest) = string.strip_prefix('~') else { return Some(Element::Value(Value::str(string))) };
    let mut chars = rest.chars();
    let kind = chars.next()?;
    let rest = chars.as_str();
    let value = match kind {
        '~' | '^' | '`' => Value::str(&string[1..]),
        ':' if !rest.is_empty() => Value::keyword(rest),
        '$' if !rest.is_empty() => Value::Symbol(rest.into()),
        '#' if !rest.is_empty() => return Some(Element::Tag(rest.into())),
        ':' | '$' | '#' => return None,
        '_' if rest.is_empty() => Value::Nil,
        '?' => match rest {
            "t" => Value::Bool(true),
            "f" => Value::Bool(false),
            _ => return None,
        },
        'i' | 'n' => integer(rest)?,
        'd' => Value::Float(rest.parse().ok().filter(|number: &f64| number.is_finite())?),
        'f' => Value::Decimal(rest.into()),
        'z' => match rest {
            "NaN" => Value::Float(f64::NAN),
            "INF" => Value::Float(f64::INFINITY),
            "-INF" => Value::Float(f64::NEG_INFINITY),
            _ => return None,
        },
        'c' => {
            let mut chars = rest.chars();
            let char = chars.next()?;
            chars.next().is_none().then_some(Value::Char(char))?
        }
        'm' => Value::Inst(rest.parse().ok()?),
        't' => Value::Inst(rest.parse::<jiff::Timestamp>().ok()?.as_millisecond()),
        'u' => Value::Uuid(rest.into()),
        kind => Value::Tagged(kind.encode_utf8(&mut [0; 4]).to_owned().into(), Box::new(Value::str(rest))),
    };
    Some(Element::Value(value))
}

fn integer(digits: &str) -> Option<Value> {
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().map_or_else(|_| Value::BigInt(digits.into()), Value::Int))
}

fn tagged(tag: &str, value: Value) -> Option<Value> {
    match (tag, value) {
        ("'", value) => Some(value),
        ("set", Value::Vector(elements)) => Some(Value::Set(elements)),
        ("list", Value::Vector(elements)) => Some(Value::List(elements)),
        ("cmap", Value::Vector(elements)) if elements.len() % 2 == 0 => {
            let mut elements = elements.into_iter();
            let mut entries = Vec::with_capacity(elements.len() / 2);
            while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
                entries.push((key, value));
            }
            Some(Value::Map(entries))
        }
        ("set" | "list" | "cmap", _) => None,
        (tag, value) => Some(Value::Tagged(tag.into(), Box::new(value))),
    }
}
