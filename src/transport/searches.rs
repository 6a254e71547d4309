//! `/api/searches`: saved searches.

pub(super) mod bulk;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use serde::Serialize;
use utoipa::IntoResponses;

use crate::saved::{Expected, Filter, SAMPLE_INTERVAL, SavedSearch, SearchRequest, TestResult, TryView};

use super::access::{BaseUrl, QueryBody, Saver, guarded};
use super::errors::{ApiError, Code};
use super::http::Path;
use super::{Route, TransportContext, http, openapi, unsubscribe};

/// The refusals that all requests can get.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes what `ApiError` writes")]
enum Refusals {
    /// A token is needed.
    #[response(status = 401)]
    Unauthorized(openapi::ErrorAnswer),
    /// The search belongs to another owner, or the token has no right `searches`.
    #[response(status = 403)]
    Forbidden(openapi::ErrorAnswer),
    /// There is no search of this name.
    #[response(status = 404)]
    NotFound(openapi::ErrorAnswer),
    /// Too many requests, or too many saved searches.
    #[response(status = 429)]
    Limit(openapi::ErrorAnswer),
    /// Not now.
    #[response(status = 503)]
    Unavailable(openapi::ErrorAnswer),
}

/// The default and the largest number of listed searches.
const DEFAULT_SEARCHES: usize = 100;
pub(super) const MAX_SEARCHES: usize = 1_000;

/// The longest tag, owner and name in a request.
const MAX_PARAMETER_CHARS: usize = 256;

const SEARCH: &str = "/api/searches/{name}";
const UNSUBSCRIBE: &str = "/unsubscribe/{token}";

const FEED_TOKEN: &str = "/api/searches/{name}/feed-token";

pub(super) const ROUTES: &[Route<Arc<TransportContext>>] = &[
    Route { method: "GET", path: "/api/searches", handler: || guarded(MethodFilter::GET, list) },
    Route { method: "POST", path: "/api/searches", handler: || guarded(MethodFilter::POST, bulk::put_all) },
    Route { method: "GET", path: SEARCH, handler: || guarded(MethodFilter::GET, get) },
    Route { method: "PUT", path: SEARCH, handler: || guarded(MethodFilter::PUT, put) },
    Route { method: "DELETE", path: SEARCH, handler: || guarded(MethodFilter::DELETE, remove) },
    Route { method: "POST", path: "/api/searches/{name}/test", handler: || guarded(MethodFilter::POST, test) },
    Route {
        method: "GET",
        path: "/api/searches/{name}/deliveries",
        handler: || guarded(MethodFilter::GET, deliveries),
    },
    Route { method: "POST", path: FEED_TOKEN, handler: || guarded(MethodFilter::POST, create_feed_token) },
    Route { method: "DELETE", path: FEED_TOKEN, handler: || guarded(MethodFilter::DELETE, revoke_feed_token) },
    Route { method: "GET", path: UNSUBSCRIBE, handler: || guarded(MethodFilter::GET, unsubscribe::ask) },
    Route { method: "POST", path: UNSUBSCRIBE, handler: || guarded(MethodFilter::POST, unsubscribe::unsubscribe) },
];

/// The answer with one search. Secrets and states are not to be kept by caches.
fn answer(status: StatusCode, search: &SavedSearch) -> Response {
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], Json(search)).into_response();
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", search.revision)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// What `If-Match` and `If-None-Match` expect.
fn expected(headers: &HeaderMap) -> Result<Expected, ApiError> {
    let value = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default().trim());
    match (value(header::IF_MATCH), value(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Expected::Any),
        (Some("*"), None) => Ok(Expected::Some),
        (None, Some("*")) => Ok(Expected::None),
        (Some(etag), None) => {
            let revision = etag.trim_start_matches("W/").strip_prefix('"').and_then(|etag| etag.strip_suffix('"'));
            let revision = revision.and_then(|revision| revision.parse().ok());
            revision
                .map(Expected::Revision)
                .ok_or_else(|| ApiError::new(Code::BadPayload, "`If-Match` must be the `ETag` of an answer, or `*`"))
        }
        (_, Some(_)) => Err(ApiError::new(Code::BadPayload, "`If-None-Match` must be `*`, without `If-Match`")),
    }
}

/// Lists saved searches.
#[utoipa::path(get, path = "/api/searches", tag = "saved",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(
        ("tag" = Option<String>, Query, description = "Only searches with this tag."),
        ("state" = Option<String>, Query, description = "Only `live`, `catching-up`, `failing` or `paused` ones."),
        ("owner" = Option<String>, Query, description = "Only those of this owner."),
        ("after" = Option<String>, Query, description = "Only names behind this one: the `next` of the answer before."),
        ("n" = Option<usize>, Query, description = "How many at most, 1 to 1,000: 100 when left out."),
    ),
    responses(
        (status = 200, description = "`{\"searches\": […], \"next\": …, \"receivers\": […], \"feeds\": …}`, by name.", body = Object),
        (status = 400, description = "A parameter is wrong.", body = openapi::ErrorAnswer),
        Refusals,
    )
)]
pub(super) async fn list(
    Saver { owner, .. }: Saver,
    State(context): State<Arc<TransportContext>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Answer {
        searches: Vec<SavedSearch>,
        next: Option<Arc<str>>,
        receivers: Vec<&'static str>,
        feeds: bool,
    }
    let mut fields = http::parameters("/api/searches", query.as_deref())?;
    let (tag, state) = (fields.text("tag", MAX_PARAMETER_CHARS)?, fields.text("state", MAX_PARAMETER_CHARS)?);
    let (of_owner, after) = (fields.text("owner", MAX_PARAMETER_CHARS)?, fields.text("after", MAX_PARAMETER_CHARS)?);
    let n = fields.count("n", DEFAULT_SEARCHES, 1..=MAX_SEARCHES)?;
    fields.finish()?;
    if let Some(state) = state.as_deref()
        && !["live", "catching-up", "failing", "paused"].contains(&state)
    {
        return Err(ApiError::field("state", "must be `live`, `catching-up`, `failing` or `paused`"));
    }
    let saved = context.saved.clone();
    // One more than asked for says whether there is another page.
    let filter = Filter { tag, state, owner: of_owner, after, n: n + 1 };
    let mut searches = blocking(move || saved.list(&owner, &filter)).await?;
    let is_cut = searches.len() > n;
    searches.truncate(n);
    let next = searches.last().filter(|_| is_cut).map(|last| Arc::clone(&last.name));
    let (receivers, feeds) = (context.saved.available_receivers(), context.has_feeds);
    let answer = Answer { searches, next, receivers, feeds };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Runs what reads the file on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(read)
        .await
        .unwrap_or_else(|_| Err(ApiError::new(Code::Internal, "perch made a mistake; this request failed")))
}

/// A saved search with its state.
#[utoipa::path(get, path = "/api/searches/{name}", tag = "saved",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The search. `ETag` is its revision.", body = Object),
        Refusals,
    )
)]
pub(super) async fn get(
    Saver { owner, .. }: Saver,
    State(context): State<Arc<TransportContext>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let saved = context.saved.clone();
    let search = blocking(move || saved.get(&name, &owner)).await?;
    Ok(answer(StatusCode::OK, &search))
}

/// Saves a search, or changes the one of this name.
///
/// The answer comes when the search is durable. Matches are delivered from this moment on, or after
/// `since`. Another query starts the search anew. Otherwise deliveries to the same receivers go on
/// where they are.
#[utoipa::path(put, path = "/api/searches/{name}", tag = "saved",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(
        ("name" = String, Path, description = "Its name: letters, digits, `.`, `_` and `-`."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the search must have, or `*`."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none of this name."),
    ),
    request_body(content = Object, description = "`query`, and what else: `deliver`, `tags`, `places`, `public`, `feed`, `paused`, `since`, `epoch`."),
    responses(
        (status = 200, description = "It is changed, or was so already.", body = Object),
        (status = 201, description = "It is new.", body = Object),
        (status = 400, description = "A field is wrong, or the query is.", body = openapi::ErrorAnswer),
        (status = 408, description = "The body came too slowly.", body = openapi::ErrorAnswer),
        (status = 410, description = "`since` is not in this index.", body = openapi::ErrorAnswer),
        (status = 412, description = "The search is not what `If-Match` or `If-None-Match` expects.", body = openapi::ErrorAnswer),
        (status = 413, description = "The body is too long.", body = openapi::ErrorAnswer),
        Refusals,
    )
)]
pub(super) async fn put(
    Saver { owner, .. }: Saver,
    State(context): State<Arc<TransportContext>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body): (_, Body) = request.into_parts();
    let expected = expected(&parts.headers)?;
    let QueryBody { bytes, room: _room } = context.access.query_body(&parts, body).await?;
    let body = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::new(Code::BadPayload, format!("the body is no JSON: {error}")))?;
    let (search, is_new) = context.saved.put(&name, SearchRequest::read(body)?, &owner, &expected).await?;
    Ok(answer(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &search))
}

/// Removes a saved search.
#[utoipa::path(delete, path = "/api/searches/{name}", tag = "saved",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(
        ("name" = String, Path, description = "Its name."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the search must have, or `*`."),
    ),
    responses(
        (status = 204, description = "It is removed."),
        (status = 412, description = "The search is not what `If-Match` expects.", body = openapi::ErrorAnswer),
        Refusals,
    )
)]
pub(super) async fn remove(
    Saver { owner, .. }: Saver,
    State(context): State<Arc<TransportContext>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    context.saved.remove(&name, &owner, &expected(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends one sample to each receiver of a saved search.
///
/// A receiver gets at most one in a minute.
#[utoipa::path(post, path = "/api/searches/{name}/test", tag = "saved",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "`{\"results\": […]}`: the status or the error of each receiver.", body = Object),
        Refusals,
    )
)]
pub(super) async fn test(
    Saver { owner, .. }: Saver,
    State(context): State<Arc<TransportContext>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Answer {
        results: Vec<TestResult>,
    }
    match context.saved.test(&name, &owner).await {
        Ok(results) => Ok(Json(Answer { results }).into_response()),
        Err(error) if error.code == Code::Limit => {
            let mut response = error.into_response();
            response.headers_mut().insert(header::RETRY_AFTER, SAMPLE_INTERVAL.as_secs().into());
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

/// The last 100 tries of a saved search's deliveries, the newest first.
#[utoipa::path(get, path = "/api/searches/{name}/deliveries", tag = "saved",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "`{\"deliveries\": […]}`.", body = Object),
        Refusals,
    )
)]
pub(super) async fn deliveries(
    Saver { owner, .. }: Saver,
    State(context): State<Arc<TransportContext>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Answer {
        deliveries: Vec<TryView>,
    }
    let saved = context.saved.clone();
    let deliveries = blocking(move || saved.tries(&name, &owner)).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Answer { deliveries })).into_response())
}

/// Makes a feed token for a saved search.
///
/// A reader with the token can read the feeds of the search, also where the search is not public.
/// The old token of the search is revoked. perch shows a token once, and keeps only a hash of it.
#[utoipa::path(post, path = "/api/searches/{name}/feed-token", tag = "saved",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 201, description = "`{\"token\": …, \"atom\": …, \"json\": …}`: the token, and the URLs with it.", body = Object),
        Refusals,
    )
)]
pub(super) async fn create_feed_token(
    Saver { owner, .. }: Saver,
    State(context): State<Arc<TransportContext>>,
    base: BaseUrl,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Answer {
        atom: String,
        json: String,
        token: String,
    }
    let token = context.saved.create_feed_token(&name, &owner).await?;
    let url = |ending| base.feed(Some(&token), &format!("{name}.{ending}"));
    let answer = Answer { atom: url("atom"), json: url("json"), token };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Revokes the feed token of a saved search.
#[utoipa::path(delete, path = "/api/searches/{name}/feed-token", tag = "saved",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 204, description = "The search has no token now."), Refusals)
)]
pub(super) async fn revoke_feed_token(
    Saver { owner, .. }: Saver,
    State(context): State<Arc<TransportContext>>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    context.saved.revoke_feed_token(&name, &owner).await?;
    Ok(StatusCode::NO_CONTENT)
}
