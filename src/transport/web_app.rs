//! The web app at `/`: the files of `web/dist`, embedded in the binary.
//!
//! perch serves each file with brotli, with gzip or plain, as the browser accepts, under an `ETag`
//! of its content. `web/bundle.mjs` has made the brotli files, because the best compression is
//! slow.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use axum::routing::MethodRouter;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::Embed;
use uuid::Uuid;

use super::access::{Anyone, guarded};

/// What `web/bundle.mjs` makes of `web/`. A debug build reads it from the disk.
#[derive(Embed)]
#[folder = "web/dist"]
struct Dist;

/// The endings of served files, and their media types.
const MEDIA_TYPES: &[(&str, &str)] = &[
    (".html", "text/html; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".svg", "image/svg+xml"),
    (".txt", "text/plain; charset=utf-8"),
];

/// Only perch's own files run or style, and no site may frame the page. Tweets are hostile: if
/// their text ever got into the page as markup, this policy would keep it from doing anything.
/// Pictures come from the addresses in tweets; `data:` is for charts that are saved as pictures.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' https: http: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the web app.
struct Asset {
    path: String,
    media_type: &'static str,
    etag: String,
    plain: Bytes,
    /// The content with brotli. `None` for files that gain little.
    brotli: Option<Bytes>,
    /// The content with gzip, made at its first use.
    gzip: OnceLock<Bytes>,
}

impl Asset {
    /// `None` for a kind of file that perch does not serve.
    fn new(path: String, content: Cow<'static, [u8]>, brotli: Option<Cow<'static, [u8]>>) -> Option<Asset> {
        let (_, media_type) = MEDIA_TYPES.iter().find(|(ending, _)| path.ends_with(ending))?;
        let etag = format!("\"{}\"", Uuid::new_v5(&Uuid::NAMESPACE_OID, &content).simple());
        let plain = Bytes::from(content.into_owned());
        let brotli = brotli.map(|bytes| Bytes::from(bytes.into_owned()));
        Some(Asset { path, media_type, etag, plain, brotli, gzip: OnceLock::new() })
    }

    fn gzip(&self) -> Bytes {
        let compress = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&self.plain).and_then(|()| encoder.finish()).expect("memory takes everything").into()
        };
        self.gzip.get_or_init(compress).clone()
    }

    fn serve(&self, headers: &HeaderMap) -> Response {
        // The files change with the binary, so the browser keeps them and revalidates each time.
        let lasting = [
            (header::ETAG, self.etag.clone()),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
            (header::VARY, "accept-encoding".to_owned()),
        ];
        if headers.get(header::IF_NONE_MATCH).is_some_and(|known| names(known, &self.etag)) {
            return (StatusCode::NOT_MODIFIED, lasting).into_response();
        }
        let fixed: [(HeaderName, &'static str); 2] =
            [(header::CONTENT_TYPE, self.media_type), (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)];
        let takes = |coding| headers.get(header::ACCEPT_ENCODING).is_some_and(|accepted| takes(accepted, coding));
        if let Some(brotli) = self.brotli.as_ref().filter(|_| takes("br")) {
            return (lasting, fixed, [(header::CONTENT_ENCODING, "br")], brotli.clone()).into_response();
        }
        if takes("gzip") {
            return (lasting, fixed, [(header::CONTENT_ENCODING, "gzip")], self.gzip()).into_response();
        }
        (lasting, fixed, self.plain.clone()).into_response()
    }
}

/// All files of the web app.
fn assets() -> Vec<Asset> {
    let content = |file: &str| Dist::get(file).map(|file| file.data);
    Dist::iter()
        .filter_map(|file| Asset::new(format!("/{file}"), content(&file)?, content(&format!("{file}.br"))))
        .collect()
}

/// One route for each file, and `/` for the first.
pub(super) fn routes() -> Router {
    handlers().fold(Router::new(), |router, (path, (handler, _))| router.route(&path, handler))
}

/// The path of each file, its handler, and who may call it.
pub(super) fn handlers() -> impl Iterator<Item = (String, (MethodRouter, &'static str))> {
    assets().into_iter().map(Arc::new).map(|asset| {
        let path = if asset.path == "/index.html" { "/" } else { &asset.path }.to_owned();
        let serve = move |_: Anyone, headers: HeaderMap| async move { asset.serve(&headers) };
        (path, guarded(MethodFilter::GET, serve))
    })
}

/// Whether an `Accept-Encoding` takes a coding.
fn takes(accepted: &HeaderValue, wanted: &str) -> bool {
    let Ok(accepted) = accepted.to_str() else { return false };
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_wanted = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        let is_refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32)));
        is_wanted && !is_refused
    })
}

fn names(known: &HeaderValue, etag: &str) -> bool {
    let Ok(known) = known.to_str() else { return false };
    known.split(',').any(|known| known.trim().trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests;
