//! Errors for clients: a stable code, a message, and the location.
//!
//! Every transport sends the same content. perch logs internal causes where they happen, and never
//! sends them.

use serde::Serialize;
use utoipa::ToSchema;

use super::LiveError;
use crate::ids::Seq;
use crate::pipeline::IntakeError;

/// What went wrong, for programs. The names are part of the protocol: none is ever changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Code {
    /// No JSON, or not `[event, payload, ref]`.
    BadFrame,
    /// There is no such event.
    BadEvent,
    /// A field, parameter or body that is missing, unknown or of the wrong kind.
    BadPayload,
    /// The query can't be understood or asks for too much.
    BadQuery,
    /// No token, or none that is good for this.
    Unauthorized,
    /// Not for this client.
    Forbidden,
    /// There is no such tweet, subscription or path.
    NotFound,
    /// The path is right and the method is not.
    MethodNotAllowed,
    /// The position can't be resumed from.
    Unrecoverable,
    /// Something else is stored than the client expects.
    PreconditionFailed,
    /// Longer than may be sent.
    TooLarge,
    /// A body that did not come in time.
    TooSlow,
    /// A body of a kind that is not read here.
    UnsupportedMediaType,
    /// More than one client may have, or than perch holds.
    Limit,
    /// Not now: perch is starting, shutting down, or can't read or write its index.
    Unavailable,
    /// The disk is full.
    NoSpace,
    /// A mistake of perch.
    Internal,
}

impl Code {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: &[Code] = &[
        Code::BadFrame,
        Code::BadEvent,
        Code::BadPayload,
        Code::BadQuery,
        Code::Unauthorized,
        Code::Forbidden,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::Unrecoverable,
        Code::PreconditionFailed,
        Code::TooLarge,
        Code::TooSlow,
        Code::UnsupportedMediaType,
        Code::Limit,
        Code::Unavailable,
        Code::NoSpace,
        Code::Internal,
    ];

    /// The name in the protocol.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Code::BadFrame => "bad_frame",
            Code::BadEvent => "bad_event",
            Code::BadPayload => "bad_payload",
            Code::BadQuery => "bad_query",
            Code::Unauthorized => "unauthorized",
            Code::Forbidden => "forbidden",
            Code::NotFound => "not_found",
            Code::MethodNotAllowed => "method_not_allowed",
            Code::Unrecoverable => "unrecoverable",
            Code::PreconditionFailed => "precondition_failed",
            Code::TooLarge => "too_large",
            Code::TooSlow => "too_slow",
            Code::UnsupportedMediaType => "unsupported_media_type",
            Code::Limit => "limit",
            Code::Unavailable => "unavailable",
            Code::NoSpace => "no_space",
            Code::Internal => "internal",
        }
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Where it went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = At)]
pub(crate) enum ErrorLocation {
    /// In this field of a payload, or this parameter of a URL.
    Field {
        /// Its name.
        field: String,
    },
    /// In a query's text.
    Query {
        /// The first wrong character, counted from 1.
        column: usize,
        /// How many characters are wrong; 0 where something is missing.
        length: usize,
        /// When the text stands in a JSON form: the way to it.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// In a query's JSON form.
    Path {
        /// The way to the value, `bool.must[0].term`.
        path: String,
    },
    /// Before the first position that can be resumed from.
    Position {
        /// That position.
        since: u64,
    },
}

/// Why a request or command failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ApiError {
    pub(crate) code: Code,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<ErrorLocation>,
}

impl ApiError {
    /// An error without a location.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into(), at: None }
    }

    /// A wrong field or parameter. The message starts with its name.
    pub(crate) fn field(field: &str, expected: &str) -> ApiError {
        ApiError {
            code: Code::BadPayload,
            message: format!("`{field}` {expected}"),
            at: Some(ErrorLocation::Field { field: field.to_owned() }),
        }
    }

    /// An error with [`Code::UnsupportedMediaType`].
    pub(crate) fn unsupported_media_type(message: impl Into<String>) -> ApiError {
        ApiError::new(Code::UnsupportedMediaType, message)
    }

    /// An error with [`Code::Forbidden`].
    pub(crate) fn forbidden(message: &'static str) -> ApiError {
        ApiError::new(Code::Forbidden, message)
    }
}

impl From<LiveError> for ApiError {
    fn from(error: LiveError) -> ApiError {
        match error {
            LiveError::Limit(message) => ApiError::new(Code::Limit, message),
            LiveError::NotFound(message) => ApiError::new(Code::NotFound, message),
            LiveError::Unrecoverable { message, since: Seq(since) } => {
                ApiError { code: Code::Unrecoverable, message, at: Some(ErrorLocation::Position { since }) }
            }
            LiveError::Unavailable(message) => ApiError::new(Code::Unavailable, message),
        }
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> ApiError {
        let code = match error {
            IntakeError::Closed => Code::Unavailable,
            IntakeError::Full => Code::NoSpace,
            // The cause names files. The writer logs it.
            IntakeError::Failed(_) => return ApiError::new(Code::Unavailable, "the index could not be written"),
        };
        ApiError::new(code, error.to_string())
    }
}

/// Shortens a client's text for a message.
pub(crate) fn shorten(text: &str) -> String {
    const MAX_CHARS: usize = 40;
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
