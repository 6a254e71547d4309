//! Reads the fields of a command's payload, or the parameters of a URL, one by one; whatever is wrong is named.
//!
//! Both kinds of door read through this, so that `before_id` means the same in a frame and in a URL. Ids and positions are whole numbers or
//! strings of digits, never floats: a JSON reader that goes through floats has lost their last digits already.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::doc::Point;
use crate::ids::{Epoch, Seq};
use crate::live::Sort;

use super::errors::{At, Code, Fault};

/// The longest name of a subscription, in bytes: it comes back with every tweet.
pub(crate) const MAX_NAME_BYTES: usize = 128;

/// The fields that were not read yet.
#[derive(Debug)]
pub(crate) struct Fields {
    /// The command or path that they belong to, for messages.
    owner: &'static str,
    values: Map<String, Value>,
    /// Every field that was asked for, so that a field that is left over can be answered with what there is.
    known: Vec<&'static str>,
    /// In a URL everything is text.
    numbers_are_text: bool,
}

impl Fields {
    /// The fields of a payload. `null`, or none at all, is a payload without fields.
    pub(crate) fn of_payload(event: &'static str, payload: Value) -> Result<Fields, Fault> {
        let values = match payload {
            Value::Object(values) => values,
            Value::Null => Map::new(),
            other => {
                let message = format!("the payload of {event} must be an object, not {}", kind(&other));
                return Err(Fault::new(Code::BadPayload, message));
            }
        };
        Ok(Fields { owner: event, values, known: Vec::new(), numbers_are_text: false })
    }

    /// The parameters of a URL. An empty one counts as left out, as forms send them.
    pub(crate) fn of_url(path: &'static str, parameters: Vec<(String, String)>) -> Result<Fields, Fault> {
        let mut values = Map::new();
        for (name, value) in parameters {
            if value.is_empty() && name != "q" {
                continue;
            }
            if values.insert(name.clone(), Value::String(value)).is_some() {
                return Err(Fault::field(&name, "is given twice"));
            }
        }
        Ok(Fields { owner: path, values, known: Vec::new(), numbers_are_text: true })
    }

    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        match self.values.remove(field) {
            None | Some(Value::Null) => None,
            Some(value) => Some(value),
        }
    }

    /// A field that may be there, whatever it is.
    pub(crate) fn optional(&mut self, field: &'static str) -> Option<Value> {
        self.take(field)
    }

    /// A field that must be there, whatever it is.
    pub(crate) fn required(&mut self, field: &'static str) -> Result<Value, Fault> {
        self.take(field).ok_or_else(|| Fault::field(field, "is missing"))
    }

    /// A count in a range.
    pub(crate) fn count(
        &mut self,
        field: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> Result<usize, Fault> {
        let Some(value) = self.take(field) else { return Ok(default) };
        let number = match &value {
            Value::String(digits) if self.numbers_are_text => whole(digits),
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        number.and_then(|number| usize::try_from(number).ok()).filter(|number| range.contains(number)).ok_or_else(
            || {
                let expected = format!("must be a whole number from {} to {}", range.start(), range.end());
                Fault::field(field, &expected)
            },
        )
    }

    /// Yes or no; no when left out.
    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Fault> {
        match self.take(field) {
            None | Some(Value::Bool(false)) => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(Value::String(text)) if self.numbers_are_text && text == "true" => Ok(true),
            Some(Value::String(text)) if self.numbers_are_text && text == "false" => Ok(false),
            Some(_) => Err(Fault::field(field, "must be true or false")),
        }
    }

    /// A tweet's id.
    pub(crate) fn id(&mut self, field: &'static str) -> Result<Option<u64>, Fault> {
        self.take(field).as_ref().map(|value| id(field, value)).transpose()
    }

    /// A position.
    pub(crate) fn seq(&mut self, field: &'static str) -> Result<Option<Seq>, Fault> {
        let Some(value) = self.take(field) else { return Ok(None) };
        seq(field, id(field, &value).ok()).map(Some)
    }

    /// The life of an index.
    pub(crate) fn epoch(&mut self, field: &'static str) -> Result<Option<Epoch>, Fault> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let epoch = value.as_str().and_then(|text| text.parse().ok());
        epoch.map(Some).ok_or_else(|| Fault::field(field, "must be the `epoch` of a `hello`, a UUID"))
    }

    /// The name of a subscription.
    pub(crate) fn name(&mut self, field: &'static str) -> Result<Option<Arc<str>>, Fault> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(name)) if !name.is_empty() && name.len() <= MAX_NAME_BYTES => Ok(Some(name.into())),
            Some(_) => {
                let expected = format!("must be a string of 1 to {MAX_NAME_BYTES} bytes, or left out");
                Err(Fault::field(field, &expected))
            }
        }
    }

    /// A text of 1 to `max_chars` characters that is not all blank.
    pub(crate) fn text(&mut self, field: &'static str, max_chars: usize) -> Result<Option<String>, Fault> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= max_chars => Ok(Some(text)),
            Some(_) => Err(Fault::field(field, &format!("must be a text of 1 to {max_chars} characters"))),
        }
    }

    /// A place: longitude and latitude in degrees.
    pub(crate) fn point(&mut self, field: &'static str) -> Result<Option<Point>, Fault> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let place = match value.as_array().map(Vec::as_slice) {
            Some([lon, lat]) => lon.as_f64().zip(lat.as_f64()),
            _ => None,
        };
        match place {
            Some((lon, lat)) if lon.abs() <= 180.0 && lat.abs() <= 90.0 => Ok(Some(Point { lon, lat })),
            _ => Err(Fault::field(field, "must be [longitude, latitude], in degrees")),
        }
    }

    /// The order of a page.
    pub(crate) fn sort(&mut self, field: &'static str) -> Result<Sort, Fault> {
        match self.take(field) {
            None => Ok(Sort::default()),
            Some(Value::String(sort)) if sort == "newest" => Ok(Sort::Newest),
            Some(Value::String(sort)) if sort == "oldest" => Ok(Sort::Oldest),
            Some(_) => Err(Fault::field(field, "must be \"newest\" or \"oldest\"")),
        }
    }

    /// Nothing may be left over.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        let Some((field, _)) = self.values.into_iter().next() else { return Ok(()) };
        let field = shorten(&field);
        let there_is = match self.known.as_slice() {
            [] => "none is known".to_owned(),
            known => format!("there is: {}", known.join(", ")),
        };
        Err(Fault {
            code: Code::BadPayload,
            message: format!("{} has no field `{field}` ({there_is})", self.owner),
            at: Some(At::Field { field }),
        })
    }
}

/// A position that was given as a number.
pub(crate) fn seq(field: &str, number: Option<u64>) -> Result<Seq, Fault> {
    let seq = number.map(Seq).filter(|&seq| seq <= Seq::MAX);
    seq.ok_or_else(|| Fault::field(field, "must be a position: a whole number from 0 to 2^53 - 1"))
}

fn id(field: &str, value: &Value) -> Result<u64, Fault> {
    let id = match value {
        Value::String(digits) => whole(digits),
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    id.ok_or_else(|| Fault::field(field, "must be a whole number or a string of digits, below 2^64"))
}

/// A number in digits alone: no sign, no point, no exponent, no blanks.
pub(crate) fn whole(digits: &str) -> Option<u64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// What kind of JSON value this is, for messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// As much of a client's text as fits into a message.
pub(crate) fn shorten(text: &str) -> String {
    const MAX_CHARS: usize = 40;
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests;
