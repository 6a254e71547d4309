//! For those who run perch: is it alive, is it ready, and how is it doing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{TransportContext, http, openapi};

/// Says that the process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation",
    responses((status = 200, description = "It does: `{\"alive\": true}`.", body = openapi::Health))
)]
pub(super) async fn healthz() -> Response {
    http::json(r#"{"alive":true}"#)
}

/// Says whether tweets and clients are taken, and how the sources are.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses(
        (status = 200, description = "They are.", body = openapi::Ready),
        (status = 503, description = "Not yet, or no longer.", body = openapi::Ready),
    )
)]
pub(super) async fn readyz(State(context): State<Arc<TransportContext>>) -> Response {
    let mut state = context.readiness.state();
    state.ready &= !context.shutdown.is_cancelled();
    let status = if state.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(state)).into_response()
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "In Prometheus' text format.", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(context): State<Arc<TransportContext>>) -> Response {
    const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], context.metrics.render()).into_response()
}
