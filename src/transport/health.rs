//! Health checks and metrics: `/healthz`, `/readyz` and `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use crate::pipeline::IntakeError;
use crate::source::{self, SourceState, StatusBoard};
use crate::telemetry;

use super::access::{Anyone, guarded};
use super::{Route, TransportContext, http, openapi};

/// The methods of probes: some load balancers ask with `OPTIONS`.
const PROBE: MethodFilter = MethodFilter::GET.or(MethodFilter::OPTIONS);

/// The listener of its own that metrics and probes can have.
pub fn admin_router(context: &TransportContext) -> Router {
    Route::router(ROUTES, Arc::new(context.clone())).fallback(http::not_found)
}

/// The routes that both listeners can have.
pub(super) const ROUTES: &[Route<Arc<TransportContext>>] = &[
    Route { method: "GET", path: "/healthz", handler: || guarded(PROBE, healthz) },
    Route { method: "GET", path: "/readyz", handler: || guarded(PROBE, readyz) },
    Route { method: "GET", path: http::METRICS, handler: || guarded(MethodFilter::GET, metrics) },
];

/// The answer of `/readyz`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// Whether tweets and clients are taken.
    #[expect(clippy::struct_field_names, reason = "that is what the answer calls it")]
    ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What is wrong with the index although perch is ready: damaged files, merges that fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    index_problems: Vec<String>,
    /// By name.
    sources: BTreeMap<String, SourceStatus>,
}

/// How a source is.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct SourceStatus {
    /// `running`, `failing` (and started again soon), or `done`.
    state: &'static str,
    /// Why it is failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of live sources: the age of the newest event when it arrived, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<f64>,
    /// What the server could not deliver after the last interruption that left a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<String>,
}

/// How all sources are, by name.
pub(super) fn sources(board: &StatusBoard) -> BTreeMap<String, SourceStatus> {
    let status = |status: source::SourceStatus| {
        let (state, reason) = match status.state {
            SourceState::Running => ("running", None),
            SourceState::Failing { reason } => ("failing", Some(reason)),
            SourceState::Done => ("done", None),
        };
        let lag_seconds = status.lag.map(|lag| lag.as_secs_f64());
        SourceStatus { state, reason, lag_seconds, gap: status.gap }
    };
    board.snapshot().into_iter().map(|(name, known)| (name, status(known))).collect()
}

/// Says that the process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation",
    responses((status = 200, description = "It does: `{\"alive\": true}`.", body = openapi::Health))
)]
pub(super) async fn healthz(_: Anyone) -> Response {
    http::json(r#"{"alive":true}"#)
}

/// Says whether tweets and clients are taken, and how the sources are.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses(
        (status = 200, description = "They are.", body = Ready),
        (status = 503, description = "Not now: shutting down, or the index can't be written.", body = Ready),
    )
)]
pub(super) async fn readyz(_: Anyone, State(context): State<Arc<TransportContext>>) -> Response {
    // The listener is bound before the index is open, but perch answers nothing until it is ready.
    let reason = if context.shutdown.is_cancelled() {
        Some("shutting down")
    } else {
        context.live.check_room().await.err().map(|error| match error {
            IntakeError::Full => "no space left for the index",
            IntakeError::Closed => "shutting down",
            // Names of files are in the log.
            IntakeError::Failed(_) => "the index can't be written",
        })
    };
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let index_problems = context.live.index_problems();
    let sources = sources(&context.sources);
    (status, Json(Ready { ready: reason.is_none(), reason, index_problems, sources })).into_response()
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "In Prometheus' text format.", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(_: Anyone) -> Response {
    const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], telemetry::render_metrics()).into_response()
}
