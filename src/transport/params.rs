//! Reads the fields of a command's payload, or the parameters of a URL. Errors name the field.
//!
//! Frames and URLs share this reader, so that `before_id` means the same in both. Ids and positions
//! are whole numbers or strings of digits, never floats: a JSON reader that uses floats has lost
//! their last digits.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::doc::Point;
use crate::ids::{Epoch, QueryId, Seq};
use crate::live::{QueryInput, Sort};
use crate::tweet::{PageKey, is_id};

use super::errors::{ApiError, Code, ErrorLocation, shorten};

/// The longest name of a subscription, in bytes. The name comes back with every tweet.
pub(crate) const MAX_NAME_BYTES: usize = 128;

/// The fields or parameters that are not read yet.
#[derive(Debug)]
pub(crate) struct Params {
    /// The command or path, for messages.
    owner: Cow<'static, str>,
    values: Map<String, Value>,
    /// The values of the body of a request, as JSON has them.
    body: Map<String, Value>,
    /// The names that were read, for the message about an unknown field.
    known: Vec<&'static str>,
    /// Whether numbers come as text, as in a URL.
    numbers_are_text: bool,
}

impl Params {
    /// The fields of a payload. `null` is a payload without fields.
    pub(crate) fn of_payload(event: &'static str, payload: Value) -> Result<Params, ApiError> {
        let values = match payload {
            Value::Object(values) => values,
            Value::Null => Map::new(),
            other => {
                let message = format!("the payload of {event} must be an object, not {}", kind(&other));
                return Err(ApiError::new(Code::BadPayload, message));
            }
        };
        let (owner, body) = (event.into(), Map::new());
        Ok(Params { owner, values, body, known: Vec::new(), numbers_are_text: false })
    }

    /// The parameters of a URL.
    pub(crate) fn of_url(
        path: impl Into<Cow<'static, str>>,
        parameters: Vec<(String, String)>,
    ) -> Result<Params, ApiError> {
        let (owner, values) = (path.into(), Params::values_of(parameters)?);
        Ok(Params { owner, values, body: Map::new(), known: Vec::new(), numbers_are_text: true })
    }

    /// The parameters of a URL or a form, by name. An empty one counts as left out, since forms
    /// send empty ones.
    pub(crate) fn values_of(parameters: Vec<(String, String)>) -> Result<Map<String, Value>, ApiError> {
        let mut values = Map::new();
        for (name, value) in parameters {
            if value.is_empty() && name != "q" {
                continue;
            }
            if values.insert(name.clone(), Value::String(value)).is_some() {
                return Err(ApiError::field(&shorten(&name), "is given twice"));
            }
        }
        Ok(values)
    }

    /// Adds the fields of a body.
    pub(crate) fn add_body(&mut self, mut body: Map<String, Value>) -> Result<(), ApiError> {
        if let Some(name) = body.keys().find(|name| self.values.contains_key(*name)) {
            return Err(ApiError::field(&shorten(name), "is given twice: in the URL and in the body"));
        }
        body.retain(|_, value| !value.is_null());
        self.body = body;
        Ok(())
    }

    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        match self.values.remove(field).or_else(|| self.body.remove(field)) {
            None | Some(Value::Null) => None,
            Some(value) => Some(value),
        }
    }

    /// The query of a request: `q`, or `query` of a body. All fields of a body that were not read
    /// before belong to that `query`, as in a search body of Elasticsearch. To be read last.
    pub(crate) fn query(&mut self) -> Result<QueryInput, ApiError> {
        let (q, query) = (self.take("q"), self.body.remove("query"));
        match (q, query) {
            (Some(_), Some(_)) => Err(ApiError::field("query", "can't stand beside `q`")),
            (None, None) => Err(ApiError::field("q", "is missing")),
            (Some(q), None) => QueryInput::read("q", q),
            (None, Some(Value::String(text))) if text.trim_start().starts_with('{') => {
                let rest = Value::Object(std::mem::take(&mut self.body)).to_string();
                let comma = if rest == "{}" { "" } else { "," };
                Ok(QueryInput::JsonText(format!("{{\"query\":{text}{comma}{}", &rest[1..])))
            }
            (None, Some(query)) => QueryInput::read("query", query),
        }
    }

    /// Gives a field of a search body the name that it has in perch.
    pub(crate) fn rename_in_body(&mut self, from: &str, to: &str) {
        if self.body.contains_key("query")
            && !self.body.contains_key(to)
            && !self.values.contains_key(to)
            && let Some(value) = self.body.remove(from)
        {
            self.body.insert(to.to_owned(), value);
        }
    }

    /// The order of a page. The `sort` of a search body stays in it, unless it is a word.
    pub(crate) fn sort(&mut self, field: &'static str) -> Result<Sort, ApiError> {
        if self.body.contains_key("query") && self.body.get(field).is_some_and(|sort| !sort.is_string()) {
            self.known.push(field);
            return Ok(Sort::default());
        }
        match self.take(field) {
            None => Ok(Sort::default()),
            Some(Value::String(sort)) if sort == "newest" => Ok(Sort::Newest),
            Some(Value::String(sort)) if sort == "oldest" => Ok(Sort::Oldest),
            Some(_) => Err(ApiError::field(field, "must be \"newest\" or \"oldest\"")),
        }
    }

    /// An optional field of any kind.
    pub(crate) fn optional(&mut self, field: &'static str) -> Option<Value> {
        self.take(field)
    }

    /// A required field of any kind.
    pub(crate) fn required(&mut self, field: &'static str) -> Result<Value, ApiError> {
        self.take(field).ok_or_else(|| ApiError::field(field, "is missing"))
    }

    /// A count in a range.
    pub(crate) fn count(
        &mut self,
        field: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> Result<usize, ApiError> {
        let Some(value) = self.take(field) else { return Ok(default) };
        let number = match &value {
            Value::String(digits) if self.numbers_are_text => whole(digits),
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        number.and_then(|number| usize::try_from(number).ok()).filter(|number| range.contains(number)).ok_or_else(
            || {
                let expected = format!("must be a whole number from {} to {}", range.start(), range.end());
                ApiError::field(field, &expected)
            },
        )
    }

    /// A place in a text, from 0.
    pub(crate) fn index(&mut self, field: &'static str) -> Result<Option<usize>, ApiError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let index = id(field, &value).ok().and_then(|index| usize::try_from(index).ok());
        index.map(Some).ok_or_else(|| ApiError::field(field, "must be a whole number from 0"))
    }

    /// Any text. Empty when left out.
    pub(crate) fn any_text(&mut self, field: &'static str) -> Result<String, ApiError> {
        match self.take(field) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(ApiError::field(field, "must be a text")),
        }
    }

    /// True or false. False when left out.
    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, ApiError> {
        match self.take(field) {
            None | Some(Value::Bool(false)) => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(Value::String(text)) if self.numbers_are_text && text == "true" => Ok(true),
            Some(Value::String(text)) if self.numbers_are_text && text == "false" => Ok(false),
            Some(_) => Err(ApiError::field(field, "must be true or false")),
        }
    }

    /// A tweet's `id_str`, which may be written as a number.
    pub(crate) fn id_str(&mut self, field: &'static str) -> Result<Option<String>, ApiError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let id = match &value {
            Value::String(text) if is_id(text) => Some(text.clone()),
            Value::Number(number) => number.as_u64().map(|number| number.to_string()),
            _ => None,
        };
        id.map(Some).ok_or_else(|| ApiError::field(field, NO_ID))
    }

    /// The place behind which a page begins: the `next` of another, or an id.
    pub(crate) fn page_key(&mut self, field: &'static str) -> Result<Option<PageKey>, ApiError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let key = match &value {
            Value::String(text) => PageKey::parse(text),
            Value::Number(number) => number.as_u64().map(PageKey::from),
            _ => None,
        };
        key.map(Some)
            .ok_or_else(|| ApiError::field(field, "must be the `next` of a page, or a whole number below 2^64"))
    }

    /// A position.
    pub(crate) fn seq(&mut self, field: &'static str) -> Result<Option<Seq>, ApiError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        seq(field, id(field, &value).ok()).map(Some)
    }

    /// The epoch of a log.
    pub(crate) fn epoch(&mut self, field: &'static str) -> Result<Option<Epoch>, ApiError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let epoch = value.as_str().and_then(|text| text.parse().ok());
        epoch.map(Some).ok_or_else(|| ApiError::field(field, "must be the `epoch` of a `hello`, a UUID"))
    }

    /// The id of a query.
    pub(crate) fn query_id(&mut self, field: &'static str) -> Result<Option<QueryId>, ApiError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let id = value.as_str().and_then(|text| text.parse().ok()).map(QueryId);
        id.map(Some).ok_or_else(|| ApiError::field(field, "must be the `query_id` of a `percolate/ok`, a UUID"))
    }

    /// The name of a subscription.
    pub(crate) fn name(&mut self, field: &'static str) -> Result<Option<Arc<str>>, ApiError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(name)) if !name.is_empty() && name.len() <= MAX_NAME_BYTES => Ok(Some(name.into())),
            Some(_) => {
                let expected = format!("must be a string of 1 to {MAX_NAME_BYTES} bytes, or left out");
                Err(ApiError::field(field, &expected))
            }
        }
    }

    /// A text of 1 to `max_chars` characters that is not blank.
    pub(crate) fn text(&mut self, field: &'static str, max_chars: usize) -> Result<Option<String>, ApiError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= max_chars => Ok(Some(text)),
            Some(_) => Err(ApiError::field(field, &format!("must be a text of 1 to {max_chars} characters"))),
        }
    }

    /// A place: longitude and latitude in degrees.
    pub(crate) fn point(&mut self, field: &'static str) -> Result<Option<Point>, ApiError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let place = match value.as_array().map(Vec::as_slice) {
            Some([lon, lat]) => lon.as_f64().zip(lat.as_f64()),
            _ => None,
        };
        match place {
            Some((lon, lat)) if lon.abs() <= 180.0 && lat.abs() <= 90.0 => Ok(Some(Point { lon, lat })),
            _ => Err(ApiError::field(field, "must be [longitude, latitude], in degrees")),
        }
    }

    /// Checks that every field was read.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        let Some((field, _)) = self.values.into_iter().chain(self.body).next() else { return Ok(()) };
        let field = shorten(&field);
        let there_is = match self.known.as_slice() {
            [] => "none is known".to_owned(),
            known => format!("there is: {}", known.join(", ")),
        };
        Err(ApiError {
            code: Code::BadPayload,
            message: format!("{} has no field `{field}` ({there_is})", self.owner),
            at: Some(ErrorLocation::Field { field }),
        })
    }
}

/// What an `id_str` must be.
pub(crate) const NO_ID: &str = "must be the id_str of a tweet: 1 to 512 bytes of text without spaces";

/// Checks a position.
pub(crate) fn seq(field: &str, number: Option<u64>) -> Result<Seq, ApiError> {
    let seq = number.map(Seq).filter(|&seq| seq <= Seq::MAX);
    seq.ok_or_else(|| ApiError::field(field, "must be a position: a whole number from 0 to 2^53 - 1"))
}

fn id(field: &str, value: &Value) -> Result<u64, ApiError> {
    let id = match value {
        Value::String(digits) => whole(digits),
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    id.ok_or_else(|| ApiError::field(field, "must be a whole number or a string of digits, below 2^64"))
}

/// A whole number of digits only: no sign, point, exponent or blank.
pub(crate) fn whole(digits: &str) -> Option<u64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// The kind of a JSON value, for messages.
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

#[cfg(test)]
mod tests;
