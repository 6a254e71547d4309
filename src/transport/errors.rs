//! Errors over HTTP: the status of each code, and `{"error": …}`.
//!
//! The content is that of `cmd/error` in the event protocol.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

pub(crate) use crate::live::{ApiError, Code, ErrorLocation, shorten};
use crate::telemetry;

/// `Retry-After`, in seconds.
const RETRY_AFTER_S: &str = "1";

impl Code {
    /// The HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Code::BadFrame | Code::BadEvent | Code::BadPayload | Code::BadQuery => StatusCode::BAD_REQUEST,
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::Forbidden => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Code::Unrecoverable => StatusCode::GONE,
            Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::Limit => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl ApiError {
    /// Gives a response the status and the headers of this error.
    pub(crate) fn with_status_headers(&self, mut response: Response) -> Response {
        telemetry::error_answered(self.code.name());
        *response.status_mut() = self.code.status();
        if matches!(self.code, Code::Limit | Code::Unavailable) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        if matches!(self.code, Code::TooLarge | Code::TooSlow) {
            // perch does not read the rest of such a body, so no request can follow on the
            // connection. HTTP/2, where one could, drops the header.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.code == Code::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a ApiError,
        }
        let response = Json(Body { error: &self }).into_response();
        self.with_status_headers(response)
    }
}

/// The whole answer to a request whose head hyper refuses, as bytes of HTTP/1.1. `None` for a
/// status that hyper does not give to heads.
pub(crate) fn head_refusal(status: u16, date: &str) -> Option<Bytes> {
    let (code, reason, message) = match status {
        400 => (Code::BadPayload, "Bad Request", "the head of the request is not HTTP/1.1"),
        414 => (Code::TooLarge, "URI Too Long", "the URL is too long"),
        431 => (
            Code::TooLarge,
            "Request Header Fields Too Large",
            "the head of the request is too long, or has too many header fields",
        ),
        _ => return None,
    };
    telemetry::error_answered(code.name());
    let body = serde_json::json!({"error": ApiError::new(code, message)}).to_string();
    let len = body.len();
    Some(Bytes::from(format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len}\r\n\
         connection: close\r\nx-content-type-options: nosniff\r\ndate: {date}\r\n\r\n{body}"
    )))
}

#[cfg(test)]
mod tests;
