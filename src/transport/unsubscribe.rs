//! `/unsubscribe/{token}`: the links of mails.
//!
//! RFC 8058: mail programs POST `List-Unsubscribe=One-Click` to the address. People who follow the
//! link get a page with a button, because scanners of mails follow each link too.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::TransportContext;
use super::access::Anyone;
use super::errors::{ApiError, Code};
use super::http::Path;
use super::openapi;

/// A page with this text, without scripts.
fn page(text: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Unsubscribe</title>\n{text}\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; form-action 'self'"),
        // The address is a secret of the recipient.
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, html).into_response()
}

/// Asks whether to unsubscribe from the mails of a saved search.
#[utoipa::path(get, path = "/unsubscribe/{token}", tag = "saved",
    params(("token" = String, Path, description = "The last part of the link in a mail.")),
    responses(
        (status = 200, description = "A page with a button.", body = String, content_type = "text/html"),
        (status = 404, description = "perch has made no such link.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn ask(
    _: Anyone,
    State(context): State<Arc<TransportContext>>,
    Path(token): Path<String>,
) -> Result<Response, ApiError> {
    if !context.saved.is_unsubscribe_token(&token) {
        return Err(ApiError::new(Code::NotFound, "there is no such link"));
    }
    Ok(page("<p>No more mails of this search?</p>\n<form method=\"post\"><button>Unsubscribe</button></form>"))
}

/// Unsubscribes from the mails of a saved search.
///
/// The recipient is removed from the search; its other receivers go on. A second request changes
/// nothing.
#[utoipa::path(post, path = "/unsubscribe/{token}", tag = "saved",
    params(("token" = String, Path, description = "The last part of the link in a mail.")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`List-Unsubscribe=One-Click`. perch does not read it."),
    responses(
        (status = 200, description = "There will be no more mails.", body = String, content_type = "text/html"),
        (status = 404, description = "perch has made no such link.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn unsubscribe(
    _: Anyone,
    State(context): State<Arc<TransportContext>>,
    Path(token): Path<String>,
) -> Result<Response, ApiError> {
    context.saved.unsubscribe(&token).await?;
    Ok(page("<p>You get no more mails of this search.</p>"))
}
