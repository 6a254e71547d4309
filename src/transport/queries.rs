//! `/api/queries`: what the registered queries cost and bring, the highest first.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::ids::QueryId;
use crate::live::CostOrder;
use crate::query::Query;
use crate::saved::SavedSearches;

use super::access::Inspector;
use super::errors::ApiError;
use super::params::Params;
use super::{TransportContext, http, openapi, searches};

/// The default and the largest number of listed queries.
const DEFAULT_QUERIES: usize = 50;
pub(super) const MAX_QUERIES: usize = 1_000;

/// The longest tag in a request.
pub(super) const MAX_TAG_CHARS: usize = 256;

/// The answer of `/api/queries`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueriesAnswer {
    /// The queries, highest first.
    queries: Vec<RegisteredQuery>,
    /// How many are registered in all, or with the tag.
    total: u64,
}

/// A registered query, and what was counted since it was registered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegisteredQuery {
    /// The UUID of the canonical form.
    query_id: String,
    /// The canonical form.
    query: String,
    /// The saved searches with the tag that have it, when a tag was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    searches: Option<Vec<Arc<str>>>,
    /// How many subscriptions it has.
    subscriptions: usize,
    /// How many tweets were percolated.
    tweets: u64,
    /// How many of them match it.
    matches: u64,
    /// How many of them the presearch could not rule out: an estimate from samples.
    candidates: u64,
    /// How long it took to decide on those, in microseconds: an estimate from samples.
    time_us: f64,
}

/// Lists registered queries by what they cost.
#[utoipa::path(get, path = "/api/queries", tag = "operation",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(
        ("sort" = Option<String>, Query, description = "`cost` (time; when left out), `matches` or `candidates`; the highest first."),
        ("n" = Option<usize>, Query, description = "How many at most, 1 to 1,000: 50 when left out."),
        ("tag" = Option<String>, Query, description = "Only queries of saved searches with this tag."),
    ),
    responses(
        (status = 200, description = "The queries.", body = QueriesAnswer),
        (status = 400, description = "A parameter is wrong.", body = openapi::ErrorAnswer),
        (status = 401, description = "The token of ingestion is missing or wrong.", body = openapi::ErrorAnswer),
        (status = 403, description = "A web page from an origin that may not connect.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn queries(
    // The queries of others are private, so the right of ingestion is needed.
    _: Inspector,
    State(context): State<Arc<TransportContext>>,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, ApiError> {
    let mut fields = http::parameters("/api/queries", query.as_deref())?;
    let order = order(&mut fields)?;
    let n = fields.count("n", DEFAULT_QUERIES, 1..=MAX_QUERIES)?;
    let tag = fields.text("tag", MAX_TAG_CHARS)?;
    fields.finish()?;
    let tagged = tagged(&context.saved, tag).await?.map(Arc::new);
    let is_listed = tagged.clone();
    let is_listed = move |query: &Query| is_listed.as_ref().is_none_or(|tagged| tagged.contains_key(&query.id()));
    let listed = context.live.list_queries(order, n, is_listed).await?;
    let queries = listed.into_iter().map(|listed| RegisteredQuery {
        query_id: listed.query.id().to_string(),
        query: listed.query.canonical().to_owned(),
        searches: tagged.as_ref().map(|tagged| tagged.get(&listed.query.id()).cloned().unwrap_or_default()),
        subscriptions: listed.subscriptions,
        tweets: listed.counts.tweets,
        matches: listed.counts.matches,
        candidates: listed.counts.candidates,
        time_us: listed.counts.time.as_secs_f64() * 1e6,
    });
    let total = tagged.as_ref().map_or_else(|| context.live.queries(), |tagged| tagged.len() as u64);
    let answer = QueriesAnswer { queries: queries.collect(), total };
    // `no-store` keeps this from being compressed: clients choose some of the queries, and the
    // compressed size would tell them about the others.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)))
}

/// The registered queries of the saved searches with a tag, if one is given.
pub(super) async fn tagged(saved: &SavedSearches, tag: Option<String>) -> Result<Option<Tagged>, ApiError> {
    let Some(tag) = tag else { return Ok(None) };
    let saved = saved.clone();
    searches::blocking(move || Ok(Some(saved.with_tag(&tag)))).await
}

/// Names of saved searches by their queries.
type Tagged = HashMap<QueryId, Vec<Arc<str>>>;

fn order(fields: &mut Params) -> Result<CostOrder, ApiError> {
    match fields.optional("sort") {
        None => Ok(CostOrder::default()),
        Some(Value::String(sort)) if sort == "cost" => Ok(CostOrder::Cost),
        Some(Value::String(sort)) if sort == "matches" => Ok(CostOrder::Matches),
        Some(Value::String(sort)) if sort == "candidates" => Ok(CostOrder::Candidates),
        Some(_) => Err(ApiError::field("sort", "must be `cost`, `matches` or `candidates`")),
    }
}
