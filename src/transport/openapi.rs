//! Shapes of requests and answers in `/api/openapi.json` that no type of perch has.
//!
//! These are errors, tweets and pages, which perch splices rather than serializes, and tweets as
//! perch reads them. Handlers name the shapes of their answers; `rest::document` makes the
//! document.

use utoipa::ToSchema;

use super::errors::{Code, ErrorLocation};
use crate::live::QueryWarning;

/// What every error looks like.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `ApiError` writes")]
pub(super) struct ErrorAnswer {
    error: ErrorBody,
}

/// An error.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `ApiError` writes")]
pub(super) struct ErrorBody {
    /// For programs; never changes.
    #[schema(example = "bad_query")]
    code: Code,
    /// For people.
    message: String,
    /// Where: the field, the column of the query, the path in its JSON form, or the first position
    /// that can be had.
    at: Option<ErrorLocation>,
}

/// What errors of `/xrpc` look like.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `XrpcError` writes")]
pub(super) struct XrpcErrorAnswer {
    /// For programs.
    #[schema(example = "UnknownFeed")]
    error: String,
    /// For people.
    message: String,
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
    /// Where perch had to guess what the query means. Left out when it did not.
    #[schema(required = false)]
    warnings: Vec<QueryWarning>,
}

/// Counts of matches by time or by term.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is spliced")]
pub(super) struct AggregateAnswer {
    /// The field.
    by: String,
    /// How many match in all.
    total: u64,
    /// Of a date: the length of each interval.
    #[schema(required = false)]
    interval_ms: i64,
    /// Of a date by time, else the most frequent first.
    buckets: Vec<AggregateBucket>,
    /// Where perch had to guess what the query means. Left out when it did not.
    #[schema(required = false)]
    warnings: Vec<QueryWarning>,
}

/// A bucket.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is spliced")]
pub(super) struct AggregateBucket {
    /// The term; of a date the start of the interval, in milliseconds since 1970.
    #[schema(value_type = Object)]
    key: (),
    count: u64,
}

/// A tweet, stripped to what is shown, with the names of Twitter's v1.1 API.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is spliced")]
pub(super) struct Tweet {
    /// The place in the order of all tweets: a number that JavaScript can't hold exactly.
    id: u64,
    /// The identity: 1 to 512 bytes of text without spaces.
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
    /// The quoted tweet, in the same form. docs/TWEET.md lists the other fields.
    #[schema(value_type = Option<Object>)]
    quoted_status: Option<()>,
    /// The network: `x`, `bluesky` or `mastodon`.
    source: Option<String>,
    url: Option<String>,
}

/// A tweet in the form of Twitter's v1.1 API. Other forms are recognized as well, and more fields
/// are kept.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the reader of tweets takes")]
pub(super) struct TweetInput {
    /// Its identity: text without spaces.
    #[schema(min_length = 1, max_length = 512, example = "547177163405844480")]
    id_str: String,
    #[schema(example = "hello #rust")]
    text: String,
    /// As `Tue Dec 23 00:59:25 +0000 2014` or as RFC 3339.
    created_at: Option<String>,
    #[schema(max_length = 35)]
    lang: Option<String>,
}

/// Several tweets as one JSON document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the reader of tweets takes")]
#[serde(untagged)]
pub(super) enum TweetsInput {
    /// An array.
    Array(Vec<TweetInput>),
    /// A search answer of Twitter's.
    SearchAnswer { statuses: Vec<TweetInput> },
    /// One tweet.
    One(TweetInput),
}

/// The answer of `/healthz`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a constant")]
pub(super) struct Health {
    alive: bool,
}
