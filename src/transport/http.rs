//! What the handlers share: parameters of URLs, answers, and the check of a request's head.

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::telemetry;

use super::errors::{ApiError, Code, shorten};
use super::params::Params;

/// Where the metrics are.
pub(super) const METRICS: &str = "/metrics";

/// The paths of probes and metrics. They answer to any name, and have a response budget of their
/// own.
pub(super) const OPERATION_PATHS: [&str; 3] = ["/healthz", "/readyz", METRICS];

/// Checks the head of a request: at most `max_headers` header fields (hyper checks HTTP/1.1
/// before), and exactly one `Host` in HTTP/1.1 (RFC 9112, 3.2).
///
/// # Errors
///
/// The answer that refuses the request.
#[expect(clippy::result_large_err, reason = "it is an answer that most requests don't get")]
pub fn check_head(version: Version, headers: &HeaderMap, max_headers: usize) -> Result<(), Response> {
    if headers.len() > max_headers {
        telemetry::turned_away("headers");
        let message = format!("a request has at most {max_headers} header fields");
        let mut response = ApiError::new(Code::TooLarge, message).into_response();
        *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(response);
    }
    match headers.get_all(header::HOST).iter().count() {
        1 => Ok(()),
        0 if version != Version::HTTP_11 => Ok(()),
        0 => Err(ApiError::new(Code::BadPayload, "a request of HTTP/1.1 has a `Host`").into_response()),
        _ => Err(ApiError::new(Code::BadPayload, "`Host` is given twice").into_response()),
    }
}

pub(super) async fn not_found(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::new(Code::NotFound, format!("there is nothing at {}", shorten(uri.path())))
}

/// The parameters of a path. A path that is no UTF-8 is an error as every other one.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, ApiError> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let axum::extract::Path(value) = read.map_err(|_| {
            ApiError::new(Code::BadPayload, format!("{} is no path in UTF-8", shorten(parts.uri.path())))
        })?;
        Ok(Path(value))
    }
}

/// Parses the parameters of a URL.
pub(super) fn parameters(path: &'static str, query: Option<&str>) -> Result<Params, ApiError> {
    Params::of_url(path, pairs(query.unwrap_or_default().as_bytes())?)
}

/// The names and values of a form, or of the query of a URL.
pub(super) fn pairs(form: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    // The parser would silently replace other bytes.
    if percent_decode(form).decode_utf8().is_err() {
        return Err(ApiError::new(Code::BadPayload, "the parameters are not UTF-8"));
    }
    Ok(form_urlencoded::parse(form).into_owned().collect())
}

/// Adds to the refusal of a WebSocket handshake the version that perch speaks (RFC 6455, 4.4), and
/// to a 426 the protocol to upgrade to (RFC 9110, 15.5.22).
pub(super) fn with_handshake_headers(mut refusal: Response) -> Response {
    const VERSION: HeaderValue = HeaderValue::from_static("13");
    let is_upgrade_required = refusal.status() == StatusCode::UPGRADE_REQUIRED;
    let headers = refusal.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
    if is_upgrade_required {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    refusal
}

/// An answer of JSON text.
pub(super) fn json(body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
