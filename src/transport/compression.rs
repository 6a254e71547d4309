//! Compresses long answers with zstd, brotli or gzip, as `Accept-Encoding` allows.
//!
//! perch compresses an answer whole before it is sent. So the size is known, only the compressed
//! bytes wait for the client, and no encoder with its hundreds of kilobytes waits with them. perch
//! uses the fastest level: it compresses a page of tweets to a sixth, and slower levels gain little
//! for many times the work.
//!
//! At most half of the cores compress at one time. While they are busy, perch sends answers
//! uncompressed, so that no client waits for the long answers of others.
//!
//! perch does not compress event streams, because each event would need a flush. Nor does it
//! compress answers with `no-store` or cookies: the compressed size of a secret beside text that
//! another party chose reveals the secret (BREACH).

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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};

/// A shorter answer fits into a few packets uncompressed.
const MIN_BYTES: u64 = 4 * 1024;

/// Adds compression to all routes.
pub(super) fn compress(router: Router) -> Router {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // The other cores stay free for matching and for uncompressed answers.
    compress_in(router, Arc::new(Semaphore::new((cores / 2).max(1))))
}

fn compress_in(router: Router, turns: Arc<Semaphore>) -> Router {
    let layer = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(has_turn);
    router.layer(middleware::from_fn_with_state(turns, take_turn)).layer(layer).layer(middleware::from_fn(finish))
}

/// The permit to compress an answer, in the answer's extensions.
#[derive(Clone)]
struct Turn(#[expect(dead_code, reason = "it is held")] Arc<OwnedSemaphorePermit>);

fn has_turn(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<Turn>().is_some()
}

/// Takes a permit for an answer that is long enough, if one is free.
async fn take_turn(State(turns): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let is_wanted = request.headers().contains_key(header::ACCEPT_ENCODING);
    let mut response = next.run(request).await;
    let predicate =
        SizeAbove::new(MIN_BYTES).and(NotForContentType::IMAGES).and(NotForContentType::SSE).and(is_compressible);
    if is_wanted
        && predicate.should_compress(&response)
        && let Ok(turn) = turns.try_acquire_owned()
    {
        response.extensions_mut().insert(Turn(Arc::new(turn)));
    }
    response
}

fn is_compressible(status: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let may_be_kept = headers
        .get(header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .is_none_or(|value| !value.contains("no-store"));
    // The web app has its own gzip, under an `ETag` of the uncompressed bytes.
    let is_fixed = headers.contains_key(header::ETAG);
    status == StatusCode::OK && may_be_kept && !is_fixed && !headers.contains_key(header::SET_COOKIE)
}

/// Collects the compressed body that the layer below produces.
async fn finish(request: Request, next: Next) -> Result<Response, Infallible> {
    let mut response = next.run(request).await;
    let _turn = response.extensions_mut().remove::<Turn>();
    let is_begun = response.headers().contains_key(header::CONTENT_ENCODING);
    if !is_begun || response.body().size_hint().exact().is_some() {
        return Ok(response);
    }
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
        // Each chunk takes a while, so other tasks run in between.
        tokio::task::coop::consume_budget().await;
    }
    Ok(Response::from_parts(head, Body::from(compressed)))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use futures_util::FutureExt as _;
    use tower_service::Service as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_does_not_wait_for_a_turn() {
        let turns = Arc::new(Semaphore::new(1));
        let text = "a tweet ".repeat(10_000);
        let expected = text.clone();
        let mut router = compress_in(Router::new().route("/", get(async || text)), Arc::clone(&turns));
        let mut coding = async |accepted: &'static str| {
            let request = Request::get("/").header(header::ACCEPT_ENCODING, accepted).body(Body::empty()).unwrap();
            let response = router.call(request).await.unwrap();
            let coding = response.headers().get(header::CONTENT_ENCODING).cloned();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(coding.is_none(), bytes == expected.as_bytes());
            coding
        };
        let held = turns.acquire().await.unwrap();
        assert_eq!(coding("gzip").now_or_never(), Some(None), "at once, as it is");
        drop(held);
        assert_eq!(coding("gzip").await.unwrap(), "gzip");
        assert_eq!(coding("identity").await, None);
        assert_eq!(turns.available_permits(), 1);
    }
}
