//! `/api/export`: everything that a search finds, as one stream of NDJSON or CSV.
//!
//! ```text
//! page ──> lines ──> body ──> client takes them ──> next page ──> …
//! ```
//!
//! An export holds one page in memory. Each page is a search of its own, so exports take turns with
//! the searches of other clients. All pages are of one position: tweets that arrive meanwhile are
//! in none of them. A failure on the way breaks the answer off, so that no client takes a part for
//! all of it.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::index::Hit;
use crate::live::{Live, QuerySource, SearchPage, SearchRequest, Sort, UseOf};
use crate::tweet::{Referenced, decode, read};

use super::access::Searcher;
use super::errors::ApiError;
use super::params::Params;
use super::request_params::RequestParams;
use super::{TransportContext, openapi};

/// Tweets of a page. An export holds so many in memory.
const PAGE_TWEETS: usize = 100;

/// The longest name of a format.
const MAX_FORMAT_CHARS: usize = 16;

const COLUMNS: &str = "id,created_at,screen_name,name,followers,lang,text,retweets,favorites,retweet_of\r\n";

/// How the tweets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// One JSON object a line.
    Ndjson,
    /// A table with a heading (RFC 4180).
    Csv,
}

impl Format {
    fn read(params: &mut Params) -> Result<Format, ApiError> {
        match params.text("format", MAX_FORMAT_CHARS)?.as_deref() {
            None | Some("ndjson") => Ok(Format::Ndjson),
            Some("csv") => Ok(Format::Csv),
            Some(_) => Err(ApiError::field("format", "must be `ndjson` or `csv`")),
        }
    }

    fn headers(self) -> [(header::HeaderName, HeaderValue); 3] {
        let (media_type, file) = match self {
            Format::Ndjson => ("application/x-ndjson", "attachment; filename=\"perch.ndjson\""),
            Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"perch.csv\""),
        };
        [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (header::CONTENT_DISPOSITION, HeaderValue::from_static(file)),
            // Compression would collect the whole stream first: it leaves such answers alone.
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ]
    }

    fn head(self) -> &'static str {
        match self {
            Format::Ndjson => "",
            Format::Csv => COLUMNS,
        }
    }

    fn write(self, json: &str, to: &mut String) {
        match self {
            Format::Ndjson => {
                to.push_str(json);
                to.push('\n');
            }
            Format::Csv => write_row(json, to),
        }
    }
}

/// Everything that a search finds.
///
/// Newest first. Tweets that arrive meanwhile are not in the answer. An answer that breaks off is
/// not complete: send the request again, with the id of the last tweet as `before_id` and the same
/// `until_seq`.
#[utoipa::path(get, path = "/api/export", tag = "history",
    security((), ("jwt" = [])),
    params(
        ("q" = String, Query, description = "The query, as text or in its JSON form."),
        ("format" = Option<String>, Query, description = "`ndjson`, one tweet a line, or `csv`: `ndjson` when left out."),
        ("before_id" = Option<String>, Query, description = "Only tweets with lower ids."),
        ("until_seq" = Option<u64>, Query, description = "Only what arrived up to this position: the present one when left out."),
    ),
    responses(
        (status = 200, description = "The tweets.", content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 401, description = "A token is needed, or it is not good.", body = openapi::ErrorAnswer),
        (status = 400, description = "A parameter is wrong, or the query is.", body = openapi::ErrorAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = openapi::ErrorAnswer),
    )
)]
pub(super) async fn export(
    Searcher { client, access_token, .. }: Searcher,
    State(context): State<Arc<TransportContext>>,
    RequestParams { mut params, room }: RequestParams,
) -> Result<Response, ApiError> {
    let format = Format::read(&mut params)?;
    let (before_id, until_seq) = (params.page_key("before_id")?, params.seq("until_seq")?);
    let query = QuerySource::Input(params.query()?);
    params.finish()?;
    let live = context.live_for(&client, access_token.as_ref());
    let (query, _) = context.clients.query(query, UseOf::History, live.requester()).await?;
    drop(room);
    let until_seq = Some(until_seq.unwrap_or_else(|| live.seq()));
    let request = SearchRequest { query, n: PAGE_TWEETS, from: 0, before_id, until_seq, sort: Sort::Newest };
    // Read before the answer begins, so that a search that fails has a status.
    let first = live.search(request.clone()).await?;
    let export = Export { live, request, format, next: Next::Page(first), shutdown: context.shutdown.clone() };
    let body = Body::from_stream(stream::try_unfold(export, Export::advance));
    Ok((format.headers(), body).into_response())
}

/// What is left of an export.
struct Export {
    live: Live,
    request: SearchRequest,
    format: Format,
    next: Next,
    shutdown: CancellationToken,
}

enum Next {
    /// The first page, which is read already.
    Page(SearchPage),
    /// The page that `request` asks for.
    Search,
    End,
}

impl Export {
    /// The lines of the next page; `None` behind the last.
    async fn advance(mut self) -> io::Result<Option<(Bytes, Export)>> {
        let (page, mut text) = match std::mem::replace(&mut self.next, Next::End) {
            Next::End => return Ok(None),
            Next::Page(page) => (page, self.format.head().to_owned()),
            Next::Search if self.shutdown.is_cancelled() => return Err(io::Error::other("perch is shutting down")),
            Next::Search => (self.live.search(self.request.clone()).await.map_err(io::Error::other)?, String::new()),
        };
        for Hit { json, .. } in &page.hits {
            self.format.write(json, &mut text);
        }
        if page.next.is_some() {
            self.request.before_id = page.next;
            self.next = Next::Search;
        }
        Ok(Some((Bytes::from(text), self)))
    }
}

/// Writes a tweet as a row. A stored tweet that can't be read is left out.
fn write_row(json: &str, to: &mut String) {
    let Ok(tweet) = read(json.as_bytes()) else { return };
    let created_at = tweet.created_at.and_then(|at| Timestamp::from_second(at).ok()).map(|at| at.to_string());
    let retweet_of = match &tweet.retweet {
        Some(Referenced::Tweet(tweet)) => tweet.id_str.as_str(),
        Some(Referenced::Id(id)) => id,
        Some(Referenced::Unknown) | None => "",
    };
    cell(&tweet.id_str, to);
    for text in [created_at.as_deref().unwrap_or_default(), &tweet.user.screen_name, &tweet.user.name] {
        to.push(',');
        cell(text, to);
    }
    let _ = write!(to, ",{},", tweet.user.followers_count);
    cell(tweet.lang.as_deref().unwrap_or_default(), to);
    to.push(',');
    cell(&decode(&tweet.text), to);
    let _ = write!(to, ",{},{},", tweet.retweet_count, tweet.favorite_count);
    cell(retweet_of, to);
    to.push_str("\r\n");
}

/// Writes a text as a cell. A spreadsheet would run what starts like a formula, so such a text gets
/// an apostrophe in front.
fn cell(text: &str, to: &mut String) {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let is_quoted = text.contains(['"', ',', '\r', '\n']);
    if is_quoted {
        to.push('"');
    }
    if is_formula {
        to.push('\'');
    }
    if is_quoted {
        to.push_str(&text.replace('"', "\"\""));
        to.push('"');
    } else {
        to.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_no_formula() {
        let written = |text: &str| {
            let mut to = String::new();
            cell(text, &mut to);
            to
        };
        assert_eq!(written("plain text"), "plain text");
        assert_eq!(written("a \"b\", c\nd"), "\"a \"\"b\"\", c\nd\"");
        assert_eq!(written("=1+1"), "'=1+1");
        assert_eq!(written("@ann, hi"), "\"'@ann, hi\"");
    }
}
