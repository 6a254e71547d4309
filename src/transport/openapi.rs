//! `/api/openapi.json`, made from the handlers and from the shapes below.
//!
//! The shapes of what is spliced rather than serialized (tweets, pages, errors) are written down here. Tests hold the document to the routes,
//! and to `docs/openapi.json`, so that no change of the interface goes unseen.

use axum::response::Response;
use utoipa::{OpenApi, ToSchema};

use super::http;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "perch",
        description = "Live search over tweets: history and future in one result. The event protocol is described in docs/PROTOCOL.md.",
    ),
    paths(
        super::ws::upgrade,
        super::sse::stream,
        super::rest::search,
        super::rest::tweet,
        super::ingest::ingest,
        super::rest::percolate,
        super::rest::explain,
        super::rest::stats,
        super::queries::queries,
        document,
        super::probes::healthz,
        super::probes::readyz,
        super::probes::metrics,
    ),
    tags(
        (name = "live", description = "Tweets as they come in."),
        (name = "history", description = "Tweets that came in before."),
        (name = "ingestion", description = "Bringing tweets in."),
        (name = "operation", description = "For those who run perch."),
    ),
)]
struct Document;

/// The document, for people and for programs.
pub(super) fn json() -> String {
    let mut json = Document::openapi().to_pretty_json().expect("the document is made of strings");
    json.push('\n');
    json
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object))
)]
pub(super) async fn document() -> Response {
    http::json(json())
}

/// What every error looks like.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `Fault` writes")]
pub(super) struct ErrorAnswer {
    error: ErrorBody,
}

/// An error.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `Fault` writes")]
pub(super) struct ErrorBody {
    /// For programs; never changes.
    #[schema(example = "bad_query")]
    code: String,
    /// For people.
    message: String,
    /// Where: the field, the column of the query, the path in its JSON form, or the first position that can be had.
    #[schema(value_type = Option<Object>)]
    at: Option<()>,
}

/// A page of tweets.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is spliced")]
pub(super) struct PageAnswer {
    /// In order.
    result: Vec<Tweet>,
    /// How many match in all.
    total: u64,
    /// The `before_id` of the next page; null when this is the last.
    next: Option<String>,
}

/// A tweet, stripped to what is shown, with the names of Twitter's v1.1 API.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is spliced")]
pub(super) struct Tweet {
    /// A number that JavaScript can't hold exactly: use `id_str`.
    id: u64,
    id_str: String,
    text: String,
    created_at: Option<String>,
    lang: Option<String>,
    #[schema(value_type = Option<Object>)]
    user: Option<()>,
    #[schema(value_type = Option<Object>)]
    entities: Option<()>,
    retweet_count: Option<u64>,
    favorite_count: Option<u64>,
    /// The retweeted tweet, in the same form.
    #[schema(value_type = Option<Object>)]
    retweeted_status: Option<()>,
}

/// The answer of `/healthz`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a constant")]
pub(super) struct Health {
    alive: bool,
}

#[cfg(test)]
mod tests;
