//! Feeds of saved searches: Atom, JSON Feed, and feeds of Bluesky.
//!
//! A feed is a search: it reads the index as `/api/search` does, on behalf of its reader. So it has
//! what the search finds now, history included, and no tweet that is deleted. Whether a reader may
//! read it is a matter of the saved search ([`crate::saved::SavedSearches::feed`]).

mod atom;
pub(super) mod bluesky;
mod entry;
mod freshness;
mod html;
mod json_feed;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::{IntoParams, IntoResponses};
use uuid::Uuid;

use crate::config::{self, ConfigError};
use crate::index::feed_page::{FeedOrder, FeedPage, FeedPageRequest, FeedPlace};
use crate::live::{Live, PreparedQuery, QueryInput};
use crate::saved::Feed;
use crate::telemetry;
use crate::tweet::PageKey;

use super::access::{AccessControl, BaseUrl, Client, FeedReader, HasAccess, guarded};
use super::errors::{ApiError, Code};
use super::http::Path;
use super::response_budget::ResponseSlot;
use super::{Route, Transport, TransportContext, TransportKind, http, openapi};
use bluesky::Generator;
use entry::Entry;
use freshness::{ChangeTimes, Freshness};

pub(super) const KIND: TransportKind =
    TransportKind { name: "feeds", about: "saved searches as Atom and JSON Feed, at /feeds", example: "", build };

/// The default and the largest number of entries of a page.
const DEFAULT_ENTRIES: usize = 50;
pub(super) const MAX_ENTRIES: usize = 200;

/// How long caches may keep a public feed, in seconds: a deleted tweet stays for as long.
const PUBLIC_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");
const PRIVATE_CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// A feed runs nothing and loads nothing, also in a browser that shows it as a page.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

pub(super) const ROUTES: &[Route<Arc<FeedsState>>] = &[
    Route { method: "GET", path: "/.well-known/did.json", handler: || guarded(MethodFilter::GET, bluesky::did) },
    Route { method: "GET", path: bluesky::DESCRIBE, handler: || guarded(MethodFilter::GET, bluesky::describe) },
    Route { method: "GET", path: bluesky::SKELETON, handler: || guarded(MethodFilter::GET, bluesky::skeleton) },
    Route { method: "GET", path: "/feeds/{file}", handler: || guarded(MethodFilter::GET, public) },
    Route { method: "GET", path: "/feeds/{token}/{file}", handler: || guarded(MethodFilter::GET, private) },
];

/// `[[transport]] type = "feeds"`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// The DID of the account that publishes public searches as Bluesky feeds; empty is none.
    bluesky_publisher: String,
    /// The name by which Bluesky calls perch, over https.
    bluesky_host: String,
}

fn build(table: toml::Table) -> Result<Box<dyn Transport>, Vec<ConfigError>> {
    let Options { bluesky_publisher, bluesky_host } = config::read::<Options>(table)?;
    let generator = if bluesky_publisher.is_empty() && bluesky_host.is_empty() {
        None
    } else {
        let wrong = |(key, message): (&str, String)| vec![ConfigError::new(key, message)];
        Some(Generator::new(&bluesky_publisher, &bluesky_host).map_err(wrong)?)
    };
    Ok(Box::new(Feeds { generator }))
}

struct Feeds {
    generator: Option<Generator>,
}

impl Transport for Feeds {
    fn routes(&self, context: TransportContext) -> Router {
        let (context, generator) = (Arc::new(context), self.generator.clone());
        Route::router(ROUTES, Arc::new(FeedsState { context, times: ChangeTimes::new(), generator }))
    }
}

/// What the handlers share.
#[derive(Debug)]
pub(super) struct FeedsState {
    context: Arc<TransportContext>,
    times: ChangeTimes,
    /// The feed generator of Bluesky, if it is configured.
    generator: Option<Generator>,
}

impl HasAccess for Arc<FeedsState> {
    fn access(&self) -> &Arc<AccessControl> {
        &self.context.access
    }
}

/// The forms of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Atom,
    Json,
}

impl Format {
    /// The form, and the name of the search, of a file name.
    fn of_file(file: &str) -> Option<(Format, &str)> {
        let (name, ending) = file.rsplit_once('.')?;
        match ending {
            "atom" => Some((Format::Atom, name)),
            "json" => Some((Format::Json, name)),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Atom => "atom",
            Format::Json => "json",
        }
    }
}

/// A page of a feed, in no form yet.
struct FeedDocument {
    id: String,
    title: String,
    description: Option<String>,
    /// Its own address.
    url: String,
    first_url: String,
    next_url: Option<String>,
    updated: Timestamp,
    entries: Vec<Entry>,
}

/// The page of a feed that a reader asks for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `read` takes")]
struct FeedParams {
    /// How many entries at most: 50 when left out.
    n: Option<usize>,
    /// Only tweets beyond this place, as the link to the next page says it.
    before_id: Option<String>,
}

/// What a reader may get instead of a page.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes what `read` answers")]
enum NoPage {
    /// The reader has it already.
    #[response(status = 304)]
    NotModified,
    /// A parameter is wrong.
    #[response(status = 400)]
    BadParameter(openapi::ErrorAnswer),
    /// There is no feed at this address.
    #[response(status = 404)]
    NotFound(openapi::ErrorAnswer),
    /// Too many requests.
    #[response(status = 429)]
    Limit(openapi::ErrorAnswer),
    /// Not now.
    #[response(status = 503)]
    Unavailable(openapi::ErrorAnswer),
}

/// The feed of a public saved search.
#[utoipa::path(get, path = "/feeds/{file}", tag = "saved",
    params(
        ("file" = String, Path, description = "The name of the search with `.atom` or `.json`."),
        FeedParams,
    ),
    responses(
        (status = 200, description = "A page, newest first, with a link to the next one (RFC 5005).",
            content((String = "application/atom+xml"), (Object = "application/feed+json"))),
        NoPage,
    )
)]
pub(super) async fn public(
    FeedReader { client, .. }: FeedReader,
    State(state): State<Arc<FeedsState>>,
    base: BaseUrl,
    slot: ResponseSlot,
    Path(file): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, _) = request.into_parts();
    read(&state, &client, &Address { base, token: None, file }, &slot, &head).await
}

/// The feed of a saved search, for those who have its feed token.
#[utoipa::path(get, path = "/feeds/{token}/{file}", tag = "saved",
    params(
        ("token" = String, Path, description = "The feed token of the search."),
        ("file" = String, Path, description = "The name of the search with `.atom` or `.json`."),
        FeedParams,
    ),
    responses(
        (status = 200, description = "A page, newest first, with a link to the next one (RFC 5005).",
            content((String = "application/atom+xml"), (Object = "application/feed+json"))),
        NoPage,
    )
)]
pub(super) async fn private(
    FeedReader { client, .. }: FeedReader,
    State(state): State<Arc<FeedsState>>,
    base: BaseUrl,
    slot: ResponseSlot,
    Path((token, file)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, _) = request.into_parts();
    read(&state, &client, &Address { base, token: Some(token), file }, &slot, &head).await
}

/// What a reader calls.
struct Address {
    base: BaseUrl,
    token: Option<String>,
    file: String,
}

/// Which page a reader asks for.
#[derive(Clone, Copy)]
struct Paging {
    n: usize,
    before: Option<PageKey>,
}

impl Address {
    /// The address of a page.
    fn url(&self, paging: Paging) -> String {
        let mut url = self.base.feed(self.token.as_deref(), &self.file);
        let n = (paging.n != DEFAULT_ENTRIES).then(|| format!("n={}", paging.n));
        let before = paging.before.map(|before| format!("before_id={before}"));
        for (at, parameter) in n.into_iter().chain(before).enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.push_str(&parameter);
        }
        url
    }
}

async fn read(
    state: &Arc<FeedsState>,
    client: &Client,
    address: &Address,
    slot: &ResponseSlot,
    head: &Parts,
) -> Result<Response, ApiError> {
    let Some((format, name)) = Format::of_file(&address.file) else {
        let message = "a feed is the name of a saved search with `.atom` or `.json`";
        return Err(ApiError::new(Code::NotFound, message));
    };
    let answer = answer(state, client, address, slot, head, (format, name)).await;
    telemetry::feed_read(
        format.name(),
        match &answer {
            Ok(response) if response.status() == StatusCode::NOT_MODIFIED => "not_modified",
            Ok(_) => "full",
            Err(_) => "refused",
        },
    );
    answer
}

async fn answer(
    state: &Arc<FeedsState>,
    client: &Client,
    address: &Address,
    slot: &ResponseSlot,
    head: &Parts,
    (format, name): (Format, &str),
) -> Result<Response, ApiError> {
    let mut params = http::parameters("/feeds", head.uri.query())?;
    let paging =
        Paging { n: params.count("n", DEFAULT_ENTRIES, 1..=MAX_ENTRIES)?, before: params.page_key("before_id")? };
    params.finish()?;
    let feed = state.context.saved.feed(name, address.token.as_deref()).await?;
    let live = state.context.live_for(client, None);
    let query = query(&state.context, &live, feed.query.clone()).await?;
    slot.reserve(paging.n).await?;
    let behind = paging.before.map(|key| FeedPlace { likes: 0, key });
    let page = live.feed_page(query, None, FeedPageRequest { n: paging.n, order: FeedOrder::Newest, behind }).await?;
    let url = address.url(paging);
    let freshness = freshness(state, &feed, &url, &page);
    let cache = if address.token.is_some() { PRIVATE_CACHE } else { PUBLIC_CACHE };
    let mut response = if freshness.is_known(&head.headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let document = FeedDocument {
            id: feed_id(&feed).urn().to_string(),
            title: html::clean(feed.settings.title.as_deref().unwrap_or(&feed.name)),
            description: feed.settings.description.as_deref().map(html::clean),
            first_url: address.url(Paging { before: None, ..paging }),
            next_url: page.next.map(|next| address.url(Paging { before: Some(next.key), ..paging })),
            url,
            updated: freshness.changed(),
            entries: page.hits.iter().filter_map(|hit| Entry::new(&hit.json)).collect(),
        };
        let (media_type, body) = match format {
            Format::Atom => (atom::MEDIA_TYPE, atom::document(&document)),
            Format::Json => (json_feed::MEDIA_TYPE, json_feed::document(&document)),
        };
        ([(header::CONTENT_TYPE, media_type)], body).into_response()
    };
    let headers = response.headers_mut();
    freshness.add_to(headers);
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    Ok(response)
}

/// Parses the query of a feed, on behalf of its reader.
async fn query(context: &TransportContext, live: &Live, query: serde_json::Value) -> Result<PreparedQuery, ApiError> {
    let unreadable = |error: ApiError| match error.code {
        // It was right when it was saved, by an earlier perch.
        Code::BadQuery => ApiError::new(Code::Unavailable, "the query of this feed can't be read any more"),
        _ => error,
    };
    let input = QueryInput::read("query", query)?;
    Ok(context.clients.queries.read(input, live.requester()).await.map_err(unreadable)?.into())
}

/// What makes a feed another one: a search that was removed and saved anew is another search.
fn feed_id(feed: &Feed) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("feed:{}:{}", feed.created_ms, feed.name).as_bytes())
}

fn freshness(state: &FeedsState, feed: &Feed, url: &str, page: &FeedPage) -> Freshness {
    let Feed { name: _, query: _, settings: _, created_ms: _, revision } = feed;
    let epoch = state.context.live.epoch().0;
    let mut version = format!("{} {epoch} {revision} {:?}", env!("CARGO_PKG_VERSION"), page.next).into_bytes();
    for hit in &page.hits {
        version.extend_from_slice(&hit.id.to_be_bytes());
        version.extend_from_slice(&hit.seq.0.to_be_bytes());
    }
    let page = Uuid::new_v5(&feed_id(feed), url.as_bytes());
    state.times.note(page, Uuid::new_v5(&page, &version), Timestamp::now())
}
