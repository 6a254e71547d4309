//! Public saved searches as Bluesky feeds: a feed generator.
//!
//! Bluesky's servers ask for a skeleton, the addresses of posts, and add the rest. Which posts
//! there are is what the search finds among the posts of Bluesky that are in the index. Errors have
//! the form of `XRPC`.
//!
//! A cursor says the place of the last post of its page in the order of the feed. So posts that
//! come in shift no page.

mod cursor;

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::{FeedsState, feed_id, query};
use crate::config::host_name;
use crate::index::feed_page::{FeedOrder, FeedPageRequest};
use crate::live::shorten;
use crate::saved::FeedSort;
use crate::telemetry;
use crate::transport::access::{Anyone, Client, FeedReader};
use crate::transport::errors::{ApiError, Code};
use crate::transport::params::whole;
use crate::transport::{http, openapi};
use crate::tweet::{Network, id_str_of, order_id};
use cursor::Cursor;

/// The collection of the records that name feeds.
const GENERATORS: &str = "app.bsky.feed.generator";
/// The collection of posts.
const POSTS: &str = "/app.bsky.feed.post/";

/// The default and the largest number of posts of a page.
const DEFAULT_POSTS: u64 = 50;
pub(in crate::transport) const MAX_POSTS: u64 = 100;

/// The most feeds that a description lists. Others can be read too.
const MAX_DESCRIBED: usize = 1_000;

/// The paths of the two methods of XRPC.
pub(super) const DESCRIBE: &str = "/xrpc/app.bsky.feed.describeFeedGenerator";
pub(super) const SKELETON: &str = "/xrpc/app.bsky.feed.getFeedSkeleton";

/// Who this feed generator is.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    /// The DID of the account that publishes the feeds.
    publisher: String,
    /// The name by which Bluesky calls perch.
    host: String,
}

impl Generator {
    /// The generator of the feeds that this account publishes, at this host.
    ///
    /// # Errors
    ///
    /// The key that is wrong, and why.
    pub(super) fn new(publisher: &str, host: &str) -> Result<Generator, (&'static str, String)> {
        if !is_did(publisher) {
            let expected = "expected the DID of an account, such as \"did:plc:ewvi7nxzyoun6zhxrhs64oiz\"";
            return Err(("bluesky_publisher", format!("{expected}, found {publisher:?}")));
        }
        if host_name(host).is_none_or(|name| name != host || !name.contains('.')) {
            let expected = "expected the public name of perch without a port, such as \"feeds.example.org\"";
            return Err(("bluesky_host", format!("{expected}, found {host:?}")));
        }
        Ok(Generator { publisher: publisher.to_owned(), host: host.to_owned() })
    }

    /// The DID of the service.
    fn did(&self) -> String {
        format!("did:web:{}", self.host)
    }

    /// The address of a feed, if its name can be a key of a record.
    fn uri(&self, name: &str) -> Option<String> {
        name.is_ascii().then(|| format!("at://{}/{GENERATORS}/{name}", self.publisher))
    }

    /// The name in the address of a feed of this generator.
    fn name<'u>(&self, uri: &'u str) -> Option<&'u str> {
        let (authority, rest) = uri.strip_prefix("at://")?.split_once('/')?;
        let (collection, name) = rest.split_once('/')?;
        (authority == self.publisher && collection == GENERATORS).then_some(name)
    }
}

/// Whether a text has the form of a DID that accounts have.
fn is_did(text: &str) -> bool {
    let of_plc = |id: &str| id.len() == 24 && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    let of_web = |host: &str| {
        let is_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'%');
        !host.is_empty() && host.bytes().all(is_char)
    };
    text.strip_prefix("did:plc:").is_some_and(of_plc) || text.strip_prefix("did:web:").is_some_and(of_web)
}

/// An error in the form of XRPC.
pub(in crate::transport) struct XrpcError {
    status: StatusCode,
    name: &'static str,
    message: String,
    /// The error that it stands for, with its headers.
    cause: ApiError,
}

impl XrpcError {
    fn invalid(message: impl Into<String>) -> XrpcError {
        ApiError::new(Code::BadPayload, message).into()
    }

    fn unknown_feed(message: impl Into<String>) -> XrpcError {
        let cause = ApiError::new(Code::BadPayload, message);
        XrpcError { name: "UnknownFeed", ..XrpcError::from(cause) }
    }
}

impl From<ApiError> for XrpcError {
    fn from(cause: ApiError) -> XrpcError {
        let name = match cause.code {
            Code::Limit => "RateLimitExceeded",
            Code::Unavailable => "UpstreamFailure",
            Code::Internal => "InternalServerError",
            Code::NotFound => "NotFound",
            _ => "InvalidRequest",
        };
        XrpcError { status: cause.code.status(), name, message: cause.message.clone(), cause }
    }
}

impl IntoResponse for XrpcError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            message: String,
        }
        let XrpcError { status, name, message, cause } = self;
        let response = Json(Body { error: name, message }).into_response();
        let mut response = cause.with_status_headers(response);
        *response.status_mut() = status;
        response
    }
}

/// The answer to a method of `XRPC` that perch does not have.
pub(in crate::transport) fn unknown_method(cause: ApiError) -> Response {
    XrpcError { status: StatusCode::NOT_IMPLEMENTED, name: "MethodNotImplemented", ..XrpcError::from(cause) }
        .into_response()
}

/// The generator, or the reason why there is none.
fn generator(state: &FeedsState) -> Result<&Generator, ApiError> {
    state.generator.as_ref().ok_or_else(|| {
        ApiError::new(
            Code::NotFound,
            "this perch is no feed generator of Bluesky; see `bluesky_publisher` in docs/FEEDS.md",
        )
    })
}

/// The DID document of the feed generator.
#[utoipa::path(get, path = "/.well-known/did.json", tag = "saved",
    responses(
        (status = 200, description = "The document.", body = Object),
        (status = 404, description = "This perch is no feed generator.", body = openapi::ErrorAnswer),
    )
)]
pub(in crate::transport) async fn did(_: Anyone, State(state): State<Arc<FeedsState>>) -> Result<Response, ApiError> {
    let generator = generator(&state)?;
    let document = serde_json::json!({
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": generator.did(),
        "service": [{"id": "#bsky_fg", "type": "BskyFeedGenerator", "serviceEndpoint": format!("https://{}", generator.host)}],
    });
    Ok(http::json(document.to_string()))
}

/// The feeds that this perch generates: the public saved searches, the first 1,000 by name.
#[utoipa::path(get, path = "/xrpc/app.bsky.feed.describeFeedGenerator", tag = "saved",
    responses(
        (status = 200, description = "As the lexicon of Bluesky says.", body = Object),
        (status = 404, description = "This perch is no feed generator.", body = openapi::XrpcErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::XrpcErrorAnswer),
    )
)]
pub(in crate::transport) async fn describe(
    reader: Result<FeedReader, ApiError>,
    State(state): State<Arc<FeedsState>>,
) -> Result<Response, XrpcError> {
    let _ = reader?;
    let generator = generator(&state)?;
    let names = state.context.saved.public_names(MAX_DESCRIBED);
    let feeds: Vec<_> = names.iter().filter_map(|name| generator.uri(name)).collect();
    let feeds: Vec<_> = feeds.iter().map(|uri| serde_json::json!({"uri": uri})).collect();
    Ok(http::json(serde_json::json!({"did": generator.did(), "feeds": feeds}).to_string()))
}

#[derive(Serialize)]
struct Skeleton {
    feed: Vec<SkeletonPost>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct SkeletonPost {
    post: String,
}

/// A page of a feed: the addresses of its posts.
#[utoipa::path(get, path = "/xrpc/app.bsky.feed.getFeedSkeleton", tag = "saved",
    params(
        ("feed" = String, Query, description = "The address of the feed: `at://{publisher}/app.bsky.feed.generator/{name}`."),
        ("limit" = Option<u64>, Query, description = "How many posts at most: 50 when left out."),
        ("cursor" = Option<String>, Query, description = "The `cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "As the lexicon of Bluesky says.", body = Object),
        (status = 400, description = "A parameter is wrong, or there is no such feed (`UnknownFeed`).", body = openapi::XrpcErrorAnswer),
        (status = 404, description = "This perch is no feed generator.", body = openapi::XrpcErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::XrpcErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::XrpcErrorAnswer),
    )
)]
pub(in crate::transport) async fn skeleton(
    reader: Result<FeedReader, ApiError>,
    State(state): State<Arc<FeedsState>>,
    RawQuery(parameters): RawQuery,
) -> Result<Response, XrpcError> {
    let answer = match reader {
        Ok(reader) => page(&state, &reader.client, parameters.as_deref()).await,
        Err(error) => Err(error.into()),
    };
    telemetry::feed_read("bluesky", if answer.is_ok() { "full" } else { "refused" });
    let page = serde_json::to_string(&answer?).expect("a page is made of strings");
    Ok(([(header::CACHE_CONTROL, "no-cache")], http::json(page)).into_response())
}

async fn page(state: &FeedsState, client: &Client, parameters: Option<&str>) -> Result<Skeleton, XrpcError> {
    let generator = generator(state)?;
    let Parameters { feed, limit, cursor } = Parameters::read(parameters)?;
    let name = generator.name(&feed);
    let name = name.ok_or_else(|| XrpcError::unknown_feed(format!("{} is no feed of this service", shorten(&feed))))?;
    let found = state.context.saved.feed(name, None).await.map_err(|error| match error.code {
        Code::NotFound => XrpcError::unknown_feed(format!("there is no public feed {}", shorten(name))),
        _ => error.into(),
    })?;
    let mut order = match found.settings.sort {
        FeedSort::Newest => FeedOrder::Newest,
        FeedSort::Likes => FeedOrder::MostLiked { above: window_start(found.settings.window_hours()) },
    };
    let id = feed_id(&found);
    let mut behind = None;
    if let Some(cursor) = cursor {
        let wrong = || XrpcError::invalid("`cursor` must be the cursor of a page of this feed");
        let cursor = Cursor::parse(&cursor, id).ok_or_else(wrong)?;
        // The window stays where it was on the first page.
        order = match (order, cursor.order) {
            (FeedOrder::Newest, FeedOrder::Newest) => order,
            (FeedOrder::MostLiked { .. }, FeedOrder::MostLiked { .. }) => cursor.order,
            _ => return Err(wrong()),
        };
        behind = Some(cursor.place);
    }
    let live = state.context.live_for(client, None);
    let query = query(&state.context, &live, found.query).await?;
    let page = live.feed_page(query, Some(Network::Bluesky), FeedPageRequest { n: limit, order, behind }).await;
    let page = page.map_err(ApiError::from)?;
    let posts = page.hits.iter().filter_map(|hit| id_str_of(&hit.json));
    let feed = posts.filter(|id| id.starts_with("at://did:") && id.contains(POSTS)).map(|post| SkeletonPost { post });
    let cursor = page.next.map(|place| Cursor { order, place }.text(id));
    Ok(Skeleton { feed: feed.collect(), cursor })
}

/// The id of a post that was written when the window begins.
fn window_start(hours: u32) -> u64 {
    let start = Timestamp::now().as_millisecond() - i64::from(hours) * 3_600_000;
    order_id("at://", start)
}

/// The parameters of a request for a page.
struct Parameters {
    feed: String,
    limit: usize,
    cursor: Option<String>,
}

impl Parameters {
    /// Reads the parameters. Unknown ones are ignored, as XRPC wants it.
    fn read(query: Option<&str>) -> Result<Parameters, XrpcError> {
        let (mut feed, mut limit, mut cursor) = (None, None, None);
        for (name, value) in http::pairs(query.unwrap_or_default().as_bytes())? {
            let parameter = match name.as_str() {
                "feed" => &mut feed,
                "limit" => &mut limit,
                "cursor" => &mut cursor,
                _ => continue,
            };
            if parameter.replace(value).is_some() {
                return Err(XrpcError::invalid(format!("`{name}` is given twice")));
            }
        }
        let feed = feed.ok_or_else(|| XrpcError::invalid("`feed` is missing"))?;
        let limit = match limit {
            None => DEFAULT_POSTS,
            Some(limit) => whole(&limit)
                .filter(|limit| (1..=MAX_POSTS).contains(limit))
                .ok_or_else(|| XrpcError::invalid(format!("`limit` must be a whole number from 1 to {MAX_POSTS}")))?,
        };
        let limit = usize::try_from(limit).unwrap_or_default();
        Ok(Parameters { feed, limit, cursor: cursor.filter(|cursor| !cursor.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_needs_an_account_and_a_public_name() {
        let plc = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
        let generator = Generator::new(plc, "feeds.example.org").expect("it is right");
        assert_eq!(generator.did(), "did:web:feeds.example.org");
        assert!(Generator::new("did:web:ann.example", "feeds.example.org").is_ok());
        for publisher in ["ann.example", "did:plc:short", "did:web:", ""] {
            assert_eq!(Generator::new(publisher, "a.example").unwrap_err().0, "bluesky_publisher", "{publisher}");
        }
        for host in ["", "localhost", "a.example:8888", "https://a.example", "a.example/p", "A.example"] {
            assert_eq!(Generator::new(plc, host).unwrap_err().0, "bluesky_host", "{host}");
        }
        let uri = generator.uri("rust-lang").expect("a key");
        assert_eq!((generator.name(&uri), generator.uri("größe")), (Some("rust-lang"), None));
        for other in ["at://did:plc:b/app.bsky.feed.generator/a", "at://a", "", &uri.replace("generator", "post")] {
            assert_eq!(generator.name(other), None, "{other}");
        }
    }
}
