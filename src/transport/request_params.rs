//! The parameters of a request that searches: of its URL, and of the body of a POST.
//!
//! ```text
//! ?q=rust&n=10 ────────────────────┐
//! q=rust&n=10 (a form) ────────────┼──> Params ──> handler
//! {"q": "rust", "n": 10} ──────────┤
//! {"query": {…}, "size": 10} ──────┘
//! ```
//!
//! A query in the JSON form stays text here. It becomes a tree where queries are parsed, a few at
//! a time, because the tree takes many times the memory of its text.

use std::fmt;

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, header};
use serde::Deserializer;
use serde::de::{Deserialize, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::access::{BodyRoom, HasAccess, QueryBody};
use super::errors::{ApiError, Code, shorten};
use super::http;
use super::params::Params;

/// An extractor, the last of its handler.
pub(super) struct RequestParams {
    pub(super) params: Params,
    /// Room for the body. To be kept until the query is parsed.
    pub(super) room: Option<BodyRoom>,
}

impl<S: HasAccess + Sync> FromRequest<S> for RequestParams {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<RequestParams, ApiError> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let mut params = Params::of_url(path, http::pairs(parts.uri.query().unwrap_or_default().as_bytes())?)?;
        if parts.method != Method::POST || body.is_end_stream() {
            return Ok(RequestParams { params, room: None });
        }
        let media_type = MediaType::of(&parts.headers)?;
        let QueryBody { bytes, room } = state.access().query_body(&parts, body).await?;
        let fields = tokio::task::spawn_blocking(move || media_type.read(&bytes)).await;
        params.add_body(fields.map_err(|_| ApiError::new(Code::Internal, "the body could not be read"))??)?;
        Ok(RequestParams { params, room })
    }
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaType {
    Json,
    Form,
}

impl MediaType {
    fn of(headers: &HeaderMap) -> Result<MediaType, ApiError> {
        const KNOWN: &str = "must be application/json or application/x-www-form-urlencoded";
        let unsupported = |what: &str| ApiError::unsupported_media_type(what);
        let is_plain = |coding: &str| coding.trim().is_empty() || coding.trim().eq_ignore_ascii_case("identity");
        let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
        if !codings.all(|coding| coding.to_str().is_ok_and(|coding| coding.split(',').all(is_plain))) {
            return Err(unsupported("`Content-Encoding` must be left out: a query is sent as it is"));
        }
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(only), None) = (types.next(), types.next()) else {
            return Err(unsupported(&format!("`Content-Type` {KNOWN}")));
        };
        let essence = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        match essence.trim().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Ok(MediaType::Form),
            "application/json" => Ok(MediaType::Json),
            // Clients of Elasticsearch send application/vnd.elasticsearch+json.
            vendor if vendor.starts_with("application/") && vendor.ends_with("+json") => Ok(MediaType::Json),
            other => Err(unsupported(&format!("`Content-Type` {KNOWN}, not {:?}", shorten(other)))),
        }
    }

    fn read(self, bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
        match self {
            // `curl -d '{…}'` says that it sends a form.
            MediaType::Form if bytes.trim_ascii_start().starts_with(b"{") => Err(ApiError::unsupported_media_type(
                "the body is JSON, and `Content-Type` says that it is a form: send `Content-Type: application/json`",
            )),
            MediaType::Form => Params::values_of(http::pairs(bytes)?),
            MediaType::Json => read_json(bytes),
        }
    }
}

/// The most fields of a body.
const MAX_FIELDS: usize = 64;

/// The longest field of a body beside its query, in bytes.
const MAX_FIELD_BYTES: usize = 64 * 1024;

/// The fields of a body of JSON. A query is text, whatever its form.
fn read_json(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let bad = |message: String| ApiError::new(Code::BadPayload, message);
    let Fields(fields) =
        serde_json::from_slice(bytes).map_err(|error| bad(format!("the body can't be read: {error}")))?;
    let mut values = Map::new();
    for (name, raw) in fields {
        let is_query = matches!(name.as_str(), "q" | "query");
        let value = if is_query && raw.get().starts_with('{') {
            Value::String(raw.get().to_owned())
        } else if !is_query && raw.get().len() > MAX_FIELD_BYTES {
            return Err(ApiError::field(&shorten(&name), &format!("is longer than {MAX_FIELD_BYTES} bytes")));
        } else if is_query && !raw.get().starts_with('"') {
            // No tree is built of what is no query.
            return Err(ApiError::field(&name, "must be query text or an object, its JSON form"));
        } else {
            serde_json::from_str(raw.get()).map_err(|error| bad(format!("`{}`: {error}", shorten(&name))))?
        };
        if values.insert(name.clone(), value).is_some() {
            return Err(ApiError::field(&shorten(&name), "is given twice"));
        }
    }
    Ok(values)
}

/// The fields of an object, not parsed.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'de>, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the parameters, such as {\"q\": \"rust\"}")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    if fields.len() == MAX_FIELDS {
                        return Err(serde::de::Error::custom(format_args!("more than {MAX_FIELDS} fields")));
                    }
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests;
