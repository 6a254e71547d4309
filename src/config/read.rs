//! Deserializes a TOML table and reports every error in it.
//!
//! Serde stops at the first error and names Rust's types. So the table goes through a deserializer
//! that knows the keys of the type and removes unknown ones, and that records the key at which
//! serde stopped. That key is removed too, and the rest is tried again.

use serde::de::value::StringDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};
use toml::de::Error;
use toml::{Table, Value};

use super::ConfigError;

/// Reads a plugin's table into its options. Unknown keys are errors, with the nearest known key as
/// a hint.
///
/// # Errors
///
/// All errors; paths are relative to the table.
pub fn read<T: DeserializeOwned>(table: Table) -> Result<T, Vec<ConfigError>> {
    match read_lenient(table) {
        (Some(value), errors) if errors.is_empty() => Ok(value),
        (_, errors) => Err(errors),
    }
}

/// Reads a table into a `T`, with defaults for invalid keys. `None` if a key without a default is
/// invalid or missing.
pub(super) fn read_lenient<T: DeserializeOwned>(mut table: Table) -> (Option<T>, Vec<ConfigError>) {
    let mut errors = Vec::new();
    if let Some(known) = fields_of::<T>() {
        let unknown = table.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect::<Vec<_>>();
        for key in unknown {
            table.remove(&key);
            let hint = nearest(&key, known.iter().copied());
            errors.push(ConfigError::new(key, unknown_key(hint, known)));
        }
    }
    let mut dropped = Vec::<String>::new();
    loop {
        let mut at = None;
        match T::deserialize(TrackedTable { table: table.clone(), at: &mut at }) {
            Ok(value) => return (Some(value), errors),
            Err(error) => {
                if let Some(key) = at {
                    table.remove(&key);
                    errors.push(ConfigError::new(&key, plain_words(error.message())));
                    dropped.push(key);
                } else {
                    let missing =
                        error.message().strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
                    match missing {
                        Some(key) if dropped.iter().any(|dropped| dropped == key) => {}
                        Some(key) => errors.push(ConfigError::new(key, "is missing")),
                        None => errors.push(ConfigError::new("", plain_words(error.message()))),
                    }
                    return (None, errors);
                }
            }
        }
    }
}

/// The keys of a struct. `None` for a type that takes any key.
fn fields_of<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let mut fields = None;
    // Always fails: the probe only records the fields that serde asks for.
    let _ = T::deserialize(FieldProbe { fields: &mut fields });
    fields
}

struct FieldProbe<'a> {
    fields: &'a mut Option<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for FieldProbe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("there is nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.fields = Some(fields);
        Err(Error::custom("there is nothing to read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A table that records the key at which deserialization failed.
struct TrackedTable<'a> {
    table: Table,
    at: &'a mut Option<String>,
}

impl<'de> Deserializer<'de> for TrackedTable<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(TrackedEntries { rest: self.table.into_iter(), value: None, at: self.at })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct TrackedEntries<'a> {
    rest: toml::map::IntoIter<String, Value>,
    value: Option<(String, Value)>,
    at: &'a mut Option<String>,
}

impl<'de> MapAccess<'de> for TrackedEntries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        let name: StringDeserializer<Error> = key.clone().into_deserializer();
        self.value = Some((key, value));
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (key, value) = self.value.take().ok_or_else(|| Error::custom("a value without a key"))?;
        seed.deserialize(value).inspect_err(|_| *self.at = Some(key))
    }
}

/// Serde's messages in the terms of TOML: what was expected, then what was found.
fn plain_words(message: &str) -> String {
    let message = message.trim();
    if message.starts_with("invalid socket address") {
        return "expected an address and a port, such as \"127.0.0.1:8888\"".to_owned();
    }
    let expected_found = |rest: &str| {
        let (found, expected) = rest.rsplit_once(", expected ")?;
        let expected = match expected {
            "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
            "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
            "f32" | "f64" => "a number",
            "a boolean" => "true or false",
            other => other,
        };
        let found = found.replace('`', "").replace("integer ", "the number ").replace("floating point ", "the number ");
        Some(format!("expected {expected}, found {}", found.replace("string \"", "the string \"")))
    };
    if let Some(plain) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(expected_found)
    {
        return plain;
    }
    if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((found, expected)) = rest.split_once("`, expected ")
    {
        let hint = nearest(found, expected.split('`').skip(1).step_by(2));
        let hint = hint.map(|hint| format!("; did you mean \"{hint}\"?")).unwrap_or_default();
        return format!("expected {}, found \"{found}\"{hint}", expected.replace('`', "\""));
    }
    message.to_owned()
}

/// The message for an unknown key.
pub(super) fn unknown_key(hint: Option<&str>, known: &[&str]) -> String {
    match hint {
        Some(hint) => format!("there is no such key; did you mean \"{hint}\"?"),
        None if known.is_empty() => "there is no such key, nor any other".to_owned(),
        None => format!("there is no such key (there is: {})", known.join(", ")),
    }
}

/// The known name that is most similar to this one, if one is similar.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known))
        .filter(|&(similarity, _)| similarity >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// A value in a message.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the string \"{text}\""),
        Value::Integer(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Boolean(value) => value.to_string(),
        Value::Datetime(moment) => format!("the date {moment}"),
        Value::Array(_) => "an array".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}
