//! The plain HTTP interface: history, single tweets, percolation without a session, explanation of
//! queries, counts, bulk ingestion, probes, `openapi.json`, and the web app.

mod document;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::MethodFilter;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use tokio_util::io::StreamReader;
use utoipa::ToSchema;

use crate::config::{self, ConfigError};
use crate::format::reader::{BulkReader, ReaderOptions};
use crate::live::{AggregateCommand, AggregateRequest, QuerySource, QueryWarning, UseOf};
use crate::query::{Parsed, words};
use crate::schema::Schema;
use crate::tweet::is_id;

use super::access::{Inspector, Searcher, guarded};
use super::errors::{ApiError, Code};
use super::explain::{ExplainedTweet, QueryPart, QueryPrice, query_parts};
use super::http::Path;
use super::protocol;
use super::request_params::RequestParams;
use super::response_budget::ResponseSlot;
use super::{
    Route, Transport, TransportContext, TransportKind, deletion, export, health, http, ingest, openapi, params,
    queries, searches, suggest, web_app,
};

pub(super) const KIND: TransportKind = TransportKind {
    name: "rest",
    about: "search, bulk ingestion, probes and metrics over HTTP, under /api, and the page at /",
    example: "page = true\n",
    build,
};

pub(super) const ROUTES: &[Route<Arc<TransportContext>>] = &[
    Route { method: "GET", path: "/api/search", handler: || guarded(MethodFilter::GET, search) },
    Route { method: "POST", path: "/api/search", handler: || guarded(MethodFilter::POST, search) },
    Route { method: "GET", path: "/api/aggregate", handler: || guarded(MethodFilter::GET, aggregate) },
    Route { method: "POST", path: "/api/aggregate", handler: || guarded(MethodFilter::POST, aggregate) },
    Route { method: "GET", path: "/api/export", handler: || guarded(MethodFilter::GET, export::export) },
    Route { method: "POST", path: "/api/export", handler: || guarded(MethodFilter::POST, export::export) },
    Route { method: "GET", path: "/api/tweets/{id}", handler: || guarded(MethodFilter::GET, tweet) },
    Route { method: "DELETE", path: "/api/tweets/{id}", handler: || guarded(MethodFilter::DELETE, deletion::delete) },
    Route {
        method: "DELETE",
        path: "/api/tweets",
        handler: || guarded(MethodFilter::DELETE, deletion::delete_matching),
    },
    Route { method: "POST", path: "/api/tweets", handler: || guarded(MethodFilter::POST, ingest::ingest) },
    Route { method: "POST", path: "/api/percolate", handler: || guarded(MethodFilter::POST, percolate) },
    Route { method: "GET", path: "/api/explain", handler: || guarded(MethodFilter::GET, explain) },
    Route { method: "POST", path: "/api/explain", handler: || guarded(MethodFilter::POST, explain) },
    Route { method: "GET", path: "/api/suggest", handler: || guarded(MethodFilter::GET, suggest::suggest) },
    Route { method: "GET", path: "/api/stats", handler: || guarded(MethodFilter::GET, stats) },
    Route { method: "GET", path: "/api/queries", handler: || guarded(MethodFilter::GET, queries::queries) },
    Route { method: "GET", path: "/api/openapi.json", handler: || guarded(MethodFilter::GET, document::document) },
];

/// `[[transport]] type = "rest"`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Whether the page is served at `/`.
    page: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { page: true }
    }
}

fn build(table: toml::Table) -> Result<Box<dyn Transport>, Vec<ConfigError>> {
    let options = config::read::<Options>(table)?;
    Ok(Box::new(Rest { options }))
}

struct Rest {
    options: Options,
}

impl Transport for Rest {
    fn routes(&self, context: TransportContext) -> Router {
        let elsewhere = context.admin_elsewhere;
        let routes = ROUTES.iter().chain(health::ROUTES).chain(searches::ROUTES);
        let routes = routes.filter(|route| !(elsewhere && route.path == http::METRICS));
        let router = Route::router(routes, Arc::new(context));
        if self.options.page { router.merge(web_app::routes()) } else { router }
    }
}

/// Searches history.
#[utoipa::path(get, path = "/api/search", tag = "history",
    security((), ("jwt" = [])),
    params(
        ("q" = String, Query, description = "The query, as text or in its JSON form."),
        ("n" = Option<usize>, Query, description = "How many tweets at most: 50 when left out."),
        ("from" = Option<usize>, Query, description = "How many to skip. To go far back, use `before_id`."),
        ("before_id" = Option<String>, Query, description = "Only tweets beyond this place: the `next` of the page before, or an id."),
        ("until_seq" = Option<u64>, Query, description = "Only what arrived up to this position."),
        ("sort" = Option<String>, Query, description = "`newest`, highest id first, or `oldest`."),
    ),
    responses(
        (status = 200, description = "A page of tweets.", body = openapi::PageAnswer),
        (status = 401, description = "A token is needed, or it is not good.", body = openapi::ErrorAnswer),
        (status = 400, description = "A parameter is wrong, or the query is.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn search(
    Searcher { client, access_token, .. }: Searcher,
    State(context): State<Arc<TransportContext>>,
    slot: ResponseSlot,
    RequestParams { params, room }: RequestParams,
) -> Result<Response, ApiError> {
    let mut command = protocol::page(params, protocol::request_query, (&context.limits).into())?;
    let live = context.live_for(&client, access_token.as_ref());
    // Parsed before room is reserved: a query that waits for the parser takes no room of others.
    let (query, warnings) = context.clients.query(command.query, UseOf::History, live.requester()).await?;
    drop(room);
    command.query = QuerySource::Parsed(query);
    slot.reserve(command.n).await?;
    let (page, _) = context.clients.page(&live, command).await?;
    Ok(http::json(protocol::page_payload(&page, &warnings)))
}

/// Counts matches by time or by term.
#[utoipa::path(get, path = "/api/aggregate", tag = "history",
    security((), ("jwt" = [])),
    params(
        ("q" = String, Query, description = "The query, as text or in its JSON form."),
        ("by" = String, Query, description = "The field: a date, words or keywords, as `created_at`, `text`, `hashtag`."),
        ("n" = Option<usize>, Query, description = "How many buckets at most: 50 when left out."),
        ("until_seq" = Option<u64>, Query, description = "Only what arrived up to this position."),
    ),
    responses(
        (status = 200, description = "The buckets.", body = openapi::AggregateAnswer),
        (status = 401, description = "A token is needed, or it is not good.", body = openapi::ErrorAnswer),
        (status = 400, description = "A parameter is wrong, or the query is.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn aggregate(
    Searcher { client, access_token, .. }: Searcher,
    State(context): State<Arc<TransportContext>>,
    RequestParams { params, room }: RequestParams,
) -> Result<Response, ApiError> {
    let AggregateCommand { query, by, n, until_seq } = protocol::aggregate(params, protocol::request_query)?;
    let live = context.live_for(&client, access_token.as_ref());
    let (query, warnings) = context.clients.query(query, UseOf::History, live.requester()).await?;
    drop(room);
    let aggregate = live.aggregate(AggregateRequest { query, by, n, until_seq }).await?;
    Ok(http::json(protocol::aggregate_payload(by, &aggregate, &warnings)))
}

/// Gives one tweet.
#[utoipa::path(get, path = "/api/tweets/{id}", tag = "history",
    security((), ("jwt" = [])),
    params(("id" = String, Path, description = "Its id_str, percent-encoded.")),
    responses(
        (status = 200, description = "The tweet.", body = openapi::Tweet),
        (status = 401, description = "A token is needed, or it is not good.", body = openapi::ErrorAnswer),
        (status = 400, description = "Not an id.", body = openapi::ErrorAnswer),
        (status = 404, description = "There is no such tweet.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn tweet(
    Searcher { client, access_token, .. }: Searcher,
    State(context): State<Arc<TransportContext>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    if !is_id(&id) {
        return Err(ApiError::field("id", params::NO_ID));
    }
    let hit = context.live_for(&client, access_token.as_ref()).tweet(&id).await?;
    Ok(http::json(hit.json.to_string()))
}

/// The answer of `/api/percolate`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Matching {
    /// The registered queries that match, in no order.
    matches: Vec<MatchingQuery>,
}

/// A registered query.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MatchingQuery {
    /// The UUID of the canonical form.
    query_id: String,
    /// The canonical form.
    query: String,
    /// The saved searches with the tag that have it, when a tag was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    searches: Option<Vec<Arc<str>>>,
    /// The parts by which the tweet matches, when that was asked for: of the first 1,000 queries.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<QueryPart>>,
}

/// The most matches that perch explains.
const MAX_EXPLAINED: usize = 1_000;

/// Finds the registered queries that a tweet matches, and indexes nothing.
#[utoipa::path(post, path = "/api/percolate", tag = "live",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(
        ("explain" = Option<bool>, Query, description = "Whether to say by which parts it matches, and where they are in the tweet."),
        ("tag" = Option<String>, Query, description = "Only queries of saved searches with this tag."),
    ),
    request_body(
        description = "One tweet in any form that bulk ingestion takes.",
        content((openapi::TweetInput = "application/json"), ("application/gzip"), ("application/zstd")),
    ),
    responses(
        (status = 200, description = "The queries.", body = Matching),
        (status = 400, description = "Not one tweet.", body = openapi::ErrorAnswer),
        (status = 401, description = "The token of ingestion is missing or wrong.", body = openapi::ErrorAnswer),
        (status = 403, description = "A web page from an origin that may not connect.", body = openapi::ErrorAnswer),
        (status = 413, description = "Too large for a tweet.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn percolate(
    Inspector { client, .. }: Inspector,
    State(context): State<Arc<TransportContext>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Json<Matching>, ApiError> {
    let mut fields = http::parameters("/api/percolate", query.as_deref())?;
    let (explain, tag) = (fields.flag("explain")?, fields.text("tag", queries::MAX_TAG_CHARS)?);
    fields.finish()?;
    let max_bytes = context.limits.max_line_bytes;
    let options = ReaderOptions {
        max_line_bytes: max_bytes,
        max_unpacked_bytes: max_bytes as u64,
        compression: ingest::compression(&headers)?,
        max_window_log: ingest::MAX_WINDOW_LOG,
        ..ReaderOptions::default()
    };
    let (bytes, stopped) = ingest::limited(body, max_bytes as u64, context.body_timeout);
    let mut reader = BulkReader::new(StreamReader::new(bytes), options);
    let mut tweets = Vec::new();
    let until = Instant::now() + context.body_timeout;
    loop {
        match timeout_at(until, reader.next_chunk()).await {
            Ok(Ok(Some(chunk))) => match chunk.refused.into_iter().next() {
                Some(refused) => return Err(ApiError::new(Code::BadPayload, refused.reason)),
                None => tweets.extend(chunk.tweets),
            },
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(ingest::read_error(&error, &stopped, max_bytes as u64)),
            Err(_) => return Err(ingest::too_slow()),
        }
    }
    let (Some(tweet), true) = (tweets.pop(), tweets.is_empty()) else {
        return Err(ApiError::new(Code::BadPayload, "the body must be one tweet"));
    };
    let live = context.live_for(&client, None);
    let mut matches = live.matching(Arc::clone(&tweet)).await?;
    let tagged = queries::tagged(&context.saved, tag).await?;
    if let Some(tagged) = &tagged {
        matches.retain(|query| tagged.contains_key(&query.id()));
    }
    let mut parts = Vec::new().into_iter();
    if explain {
        let queries = matches.iter().take(MAX_EXPLAINED).cloned().collect();
        parts = live.explain_all(tweet, queries).await?.into_iter();
    }
    let matches = matches.into_iter().map(|query| MatchingQuery {
        query_id: query.id().to_string(),
        query: query.canonical().to_owned(),
        searches: tagged.as_ref().map(|tagged| tagged.get(&query.id()).cloned().unwrap_or_default()),
        parts: parts.next().map(|explained| query_parts(explained.parts)),
    });
    Ok(Json(Matching { matches: matches.collect() }))
}

/// The answer of `/api/explain`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// The UUID of the canonical form: the same for queries that mean the same.
    query_id: String,
    /// The canonical form, which is query text.
    canonical: String,
    /// What it asks for, in words.
    words: String,
    /// Where perch had to guess.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<QueryWarning>,
    /// Why the tweet matches or why not, when one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    tweet: Option<ExplainedTweet>,
    /// What the query costs and brings, when that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<QueryPrice>,
}

/// Says how a query is understood, or what is wrong with it; and why a tweet matches it.
#[utoipa::path(get, path = "/api/explain", tag = "history",
    security((), ("jwt" = [])),
    params(
        ("q" = String, Query, description = "The query, as text or in its JSON form."),
        ("id" = Option<String>, Query, description = "A tweet: answers with the parts by which it matches, or the first that fails."),
        ("price" = Option<bool>, Query, description = "Whether to say what it costs and brings."),
    ),
    responses(
        (status = 200, description = "It is understood.", body = Explanation),
        (status = 401, description = "A token is needed, or it is not good.", body = openapi::ErrorAnswer),
        (status = 400, description = "It is not: what is wrong, and where.", body = openapi::ErrorAnswer),
        (status = 404, description = "There is no such tweet.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn explain(
    Searcher { client, access_token, .. }: Searcher,
    State(context): State<Arc<TransportContext>>,
    RequestParams { mut params, room }: RequestParams,
) -> Result<Json<Explanation>, ApiError> {
    let (id, wants_price) = (params.id_str("id")?, params.flag("price")?);
    let query = params.query()?;
    params.finish()?;
    let live = context.live_for(&client, access_token.as_ref());
    let Parsed { query, warnings } =
        context.clients.queries.parse(query, UseOf::Registration, live.requester()).await?;
    drop(room);
    let (query_id, canonical) = (query.id().to_string(), query.canonical().to_owned());
    let (words, warnings) = (words(query.ast(), Schema::tweet()), QueryWarning::list(&warnings));
    let mut price = None;
    if wants_price {
        price = Some(QueryPrice::new(&live.estimate(query.clone()).await?));
    }
    let tweet = match id {
        Some(id) => {
            let explained = live.explain(query, id.clone()).await?;
            Some(ExplainedTweet::new(id, explained))
        }
        None => None,
    };
    Ok(Json(Explanation { query_id, canonical, words, warnings, tweet, price }))
}

/// The answer of `/api/stats`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsAnswer {
    /// Of perch.
    version: &'static str,
    /// The life of the index.
    epoch: String,
    /// The position of the newest tweet.
    seq: u64,
    /// Tweets that a search for everything would find.
    tweets: u64,
    /// Open sessions.
    sessions: u64,
    /// Registered queries.
    queries: u64,
    /// The index on disk.
    index_bytes: u64,
    /// How the sources are, by name.
    sources: BTreeMap<String, health::SourceStatus>,
}

/// Counts of the present moment.
#[utoipa::path(get, path = "/api/stats", tag = "operation",
    security((), ("jwt" = [])),
    responses(
        (status = 200, description = "The counts.", body = StatsAnswer),
        (status = 401, description = "A token is needed, or it is not good.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn stats(
    Searcher { client, access_token, .. }: Searcher,
    State(context): State<Arc<TransportContext>>,
) -> Result<Json<StatsAnswer>, ApiError> {
    let stats = context.live_for(&client, access_token.as_ref()).stats().await?;
    Ok(Json(StatsAnswer {
        version: env!("CARGO_PKG_VERSION"),
        epoch: context.live.epoch().to_string(),
        seq: stats.seq.0,
        tweets: stats.tweets,
        sessions: stats.sessions,
        queries: stats.queries,
        index_bytes: stats.index_bytes,
        sources: health::sources(&context.sources),
    }))
}
