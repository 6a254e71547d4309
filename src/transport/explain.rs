//! What perch says about a query: how it is parsed, why a tweet matches it or not, and its price.
//!
//! The shapes of the answers of `/api/explain` and `/api/percolate`, and of `perch explain --json`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::live::QueryEstimate;
use crate::query::{Ast, canonical_text};
use crate::schema::Schema;
use crate::tweet::explain::{Explained, ExplainedPart, FailedPart, MatchRange};

/// Why a tweet matches a query, or why not.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainedTweet {
    /// The tweet's id.
    id_str: String,
    /// Whether it matches.
    matches: bool,
    /// The parts of the query by which it matches: of an OR those that hold, of a NOT the NOT
    /// itself. Empty when it doesn't match.
    parts: Vec<QueryPart>,
    /// The first part that fails; null when it matches.
    failed: Option<FailedQueryPart>,
}

/// A part of a query that holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueryPart {
    /// The part, in canonical form.
    query: String,
    /// The field that it asks; null for `*` and for the exclusion of several fields.
    field: Option<&'static str>,
    /// Where the words stand; the first hundred.
    ranges: Vec<TextRange>,
    /// What was found that stands in no text: numbers, dates, coordinates, the names of `has:` and
    /// `is:`.
    values: Vec<String>,
}

/// Some bytes of a text of the tweet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TextRange {
    /// Which text: its path in the tweet as perch sends it.
    #[schema(example = "entities.hashtags[0].text")]
    at: String,
    /// The first byte in UTF-8.
    start: usize,
    /// The one behind the last.
    end: usize,
    /// What stands there.
    text: String,
}

/// The first part of a query that fails.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailedQueryPart {
    /// The part, in canonical form.
    query: String,
    /// Its first byte in the query's canonical form.
    start: usize,
    /// The one behind its last.
    end: usize,
    /// The field that it asks; null when it asks several.
    field: Option<&'static str>,
    /// When it excludes something: what of that is there.
    excluded: Vec<QueryPart>,
    /// What the tweet has in that field instead, unless that is a text or an address.
    instead: Vec<String>,
}

impl ExplainedTweet {
    pub(crate) fn new(id_str: String, explained: Explained) -> ExplainedTweet {
        let matches = explained.matches();
        let Explained { parts, failed } = explained;
        let failed = failed.map(|FailedPart { query, range, field, excluded, instead }| FailedQueryPart {
            query,
            start: range.start,
            end: range.end,
            field,
            excluded: query_parts(excluded),
            instead,
        });
        ExplainedTweet { id_str, matches, parts: query_parts(parts), failed }
    }
}

/// What a query costs and brings, judged by the newest tweets.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct QueryPrice {
    /// Query texts. The query is a candidate only for tweets that match one of these.
    pub(crate) waits_for: Vec<String>,
    /// How many of the newest tweets this is judged by: 1,000, or all that there are.
    pub(crate) tweets: usize,
    /// For how many of them this query is a candidate.
    pub(crate) candidates: usize,
    /// How many of them match.
    pub(crate) matches: usize,
    /// How many tweets come in an hour, by the times at which those were written; null when fewer
    /// than two say it.
    pub(crate) tweets_per_hour: Option<f64>,
    /// How many matches an hour that makes: `tweets_per_hour` × `matches` / `tweets`.
    pub(crate) matches_per_hour: Option<f64>,
}

impl QueryPrice {
    pub(crate) fn new(estimate: &QueryEstimate) -> QueryPrice {
        let ways = match &estimate.presearch {
            Ast::Or(ways) => ways.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut waits_for: Vec<String> = ways.iter().map(|way| canonical_text(way, Schema::tweet())).collect();
        // Sorted, because the engine's own order changes with its statistics.
        waits_for.sort_unstable();
        QueryPrice {
            waits_for,
            tweets: estimate.tweets,
            candidates: estimate.candidates,
            matches: estimate.matches,
            tweets_per_hour: estimate.tweets_per_hour,
            matches_per_hour: estimate.matches_per_hour(),
        }
    }
}

/// The parts as they are sent.
pub(crate) fn query_parts(parts: Vec<ExplainedPart>) -> Vec<QueryPart> {
    let part = |ExplainedPart { query, field, ranges, values }| {
        let range = |MatchRange { at, range, text }| TextRange { at, start: range.start, end: range.end, text };
        QueryPart { query, field, ranges: ranges.into_iter().map(range).collect(), values }
    };
    parts.into_iter().map(part).collect()
}
