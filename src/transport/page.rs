//! The page at `/`: a few files from `web/`, embedded in the binary.

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};

/// Only what is listed here is served: a file that lies in `web/` for another reason stays there.
#[derive(Embed)]
#[folder = "web"]
struct Files;

/// Path, file and media type.
const FILES: &[(&str, &str, &str)] = &[
    ("/", "index.html", "text/html; charset=utf-8"),
    ("/app.js", "app.js", "text/javascript; charset=utf-8"),
    ("/style.css", "style.css", "text/css; charset=utf-8"),
    ("/icon.svg", "icon.svg", "image/svg+xml"),
];

/// Nothing but our own files runs or loads, and nobody may frame the page. Tweets are hostile: should their text ever get into the page as
/// markup, this keeps it from doing anything.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One route for each file.
pub(super) fn routes() -> Router {
    FILES.iter().fold(Router::new(), |router, &(path, file, media_type)| {
        router.route(path, get(move |headers: HeaderMap| async move { serve(file, media_type, &headers) }))
    })
}

fn serve(file: &str, media_type: &'static str, headers: &HeaderMap) -> Response {
    let Some(EmbeddedFile { data, metadata }) = Files::get(file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = format!("\"{}\"", hex(&metadata.sha256_hash()[..16]));
    // The files change with the binary: the browser may keep them and asks each time whether they are still the ones.
    let lasting = [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| names(known, &etag)) {
        return (StatusCode::NOT_MODIFIED, lasting).into_response();
    }
    let fixed: [(HeaderName, &'static str); 2] =
        [(header::CONTENT_TYPE, media_type), (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)];
    (lasting, fixed, data.into_owned()).into_response()
}

fn names(known: &HeaderValue, etag: &str) -> bool {
    let Ok(known) = known.to_str() else { return false };
    known.split(',').any(|known| known.trim().trim_start_matches("W/") == etag)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
