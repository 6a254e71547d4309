//! Compresses long answers for clients that take it: zstd, brotli or gzip, as `Accept-Encoding`
//! says.
//!
//! An answer is compressed whole before it is sent. So its size is known, only the compressed bytes
//! wait for the client, and no encoder, with its hundreds of kilobytes, waits with them. The
//! fastest level is used: it makes a sixth of a page of tweets, and slower ones little less for
//! many times the work.
//!
//! Event streams are not compressed: each event would have to be flushed by itself. Neither is what
//! another layer may not keep (`no-store`, cookies): a secret beside text that somebody else chose
//! could be guessed from the compressed size (BREACH).

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokio::sync::Semaphore;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};

/// A shorter answer fits into a few packets as it is.
const MIN_BYTES: u64 = 4 * 1024;

/// Adds compression to all routes.
pub(super) fn compress(router: Router) -> Router {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // The other cores are left for matching and for clients that take answers as they are.
    let turns = Arc::new(Semaphore::new((cores / 2).max(1)));
    let predicate =
        SizeAbove::new(MIN_BYTES).and(NotForContentType::IMAGES).and(NotForContentType::SSE).and(is_compressible);
    let layer = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(predicate);
    router.layer(layer).layer(middleware::from_fn_with_state(turns, finish))
}

fn is_compressible(status: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let may_be_kept = headers
        .get(header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .is_none_or(|value| !value.contains("no-store"));
    // The page has its own gzip, under an `ETag` that is good for the bytes as they are.
    let is_fixed = headers.contains_key(header::ETAG);
    status == StatusCode::OK && may_be_kept && !is_fixed && !headers.contains_key(header::SET_COOKIE)
}

/// Compresses to the end what the layer below has begun to compress.
async fn finish(State(turns): State<Arc<Semaphore>>, request: Request, next: Next) -> Result<Response, Infallible> {
    let response = next.run(request).await;
    let is_begun = response.headers().contains_key(header::CONTENT_ENCODING);
    if !is_begun || response.body().size_hint().exact().is_some() {
        return Ok(response);
    }
    let _turn = turns.acquire_owned().await;
    let (head, mut body) = response.into_parts();
    let mut compressed = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(bytes)) => compressed.extend_from_slice(&bytes),
            Ok(Err(_)) => {}
            Err(error) => {
                tracing::error!(%error, "an answer can't be compressed");
                return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
            }
        }
        // Each piece takes a moment: others get theirs in between.
        tokio::task::coop::consume_budget().await;
    }
    Ok(Response::from_parts(head, Body::from(compressed)))
}
