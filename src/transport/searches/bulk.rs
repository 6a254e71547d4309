//! `POST /api/searches`: many saved searches, one a line.
//!
//! ```text
//! body ──> lines ──> chunk ──> checked on a blocking thread ──> saved, while the next one is read
//! ```
//!
//! perch holds the chunk that is being saved, the one that is being checked and the one that is
//! being read, whatever the length of the body.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;
use utoipa::ToSchema;

use super::blocking;
use crate::format::reader::ReadError;
use crate::pipeline::IntakeError;
use crate::saved::{Owner, Prepared, SavedSearches, SearchRequest};
use crate::transport::access::Saver;
use crate::transport::errors::{ApiError, Code};
use crate::transport::ingest::{self, MAX_ERRORS, RefusedLine};
use crate::transport::{TransportContext, openapi};

/// The most lines of a chunk, which share a transaction.
const CHUNK_LINES: usize = 2_048;

/// The bytes at which a chunk is full.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The answer of bulk registration.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::transport) struct SearchesAnswer {
    /// Searches that are saved now, also those that were so already.
    accepted: u64,
    /// Those of them whose names are new.
    created: u64,
    /// Lines that are no search, or that are refused.
    refused: u64,
    /// The first of them, at most 100.
    errors: Vec<RefusedLine>,
    /// Why the body was not read to its end, if so. What was accepted before stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi::ErrorBody>)]
    error: Option<ApiError>,
}

impl SearchesAnswer {
    fn take(&mut self, line: u64, result: Result<bool, ApiError>) {
        match result {
            Ok(is_new) => {
                self.accepted += 1;
                self.created += u64::from(is_new);
            }
            // No fault of the line: the lines behind it would fail too.
            Err(error) if matches!(error.code, Code::Unavailable | Code::Internal) => {
                self.error.get_or_insert(error);
            }
            Err(error) => {
                self.refused += 1;
                if self.errors.len() < MAX_ERRORS {
                    self.errors.push(RefusedLine { line, reason: error.message });
                }
            }
        }
    }
}

impl IntoResponse for SearchesAnswer {
    fn into_response(mut self) -> Response {
        self.errors.sort_by_key(|error| error.line);
        let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(&self)).into_response();
        if let Some(error) = &self.error
            && (error.code != Code::BadPayload || self.accepted == 0)
        {
            return error.with_status_headers(response);
        }
        if self.accepted == 0 && self.refused > 0 {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response
    }
}

/// A line with its number, counted from 1; `None` where it is too long.
type Line = (u64, Option<Bytes>);

/// Splits a body into lines.
struct Lines {
    buffer: BytesMut,
    /// The bytes of the buffer that hold no end of a line.
    searched: usize,
    /// The number of the last line.
    number: u64,
    max_bytes: usize,
    /// Whether the rest of a line that is too long is left out.
    is_skipping: bool,
}

impl Lines {
    fn new(max_bytes: usize) -> Lines {
        Lines { buffer: BytesMut::new(), searched: 0, number: 0, max_bytes, is_skipping: false }
    }

    /// Takes bytes of the body, and moves the lines that end in them to the end of `lines`.
    fn split(&mut self, bytes: &[u8], lines: &mut Vec<Line>) {
        self.buffer.extend_from_slice(bytes);
        while let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            let line = self.buffer.split_to(self.searched + end + 1).freeze();
            self.searched = 0;
            self.push(line, lines);
        }
        self.searched = self.buffer.len();
        if self.buffer.len() > self.max_bytes {
            self.is_skipping = true;
            (self.buffer, self.searched) = (BytesMut::new(), 0);
        }
    }

    /// Moves the last line, which has no end.
    fn finish(&mut self, lines: &mut Vec<Line>) {
        let line = self.buffer.split().freeze();
        if !line.is_empty() || self.is_skipping {
            self.push(line, lines);
        }
    }

    fn push(&mut self, line: Bytes, lines: &mut Vec<Line>) {
        self.number += 1;
        if std::mem::take(&mut self.is_skipping) || line.len() > self.max_bytes {
            lines.push((self.number, None));
        } else if !line.trim_ascii().is_empty() {
            lines.push((self.number, Some(line)));
        }
    }
}

/// Lines that are checked.
type Chunk = Vec<(u64, Result<Prepared, ApiError>)>;

/// What became of lines: whether their names are new.
type Saved = Vec<(u64, Result<bool, ApiError>)>;

fn check(lines: Vec<Line>, saved: &SavedSearches, owner: &Owner, max_bytes: usize) -> Chunk {
    let read = |line: Option<Bytes>| {
        let too_long = || {
            let message = format!("the line is longer than {max_bytes} bytes (limits.max_query_body_bytes)");
            ApiError::new(Code::TooLarge, message)
        };
        let line = line.ok_or_else(too_long)?;
        let mut search: Value = serde_json::from_slice(&line)
            .map_err(|error| ApiError::new(Code::BadPayload, format!("the line is no JSON: {error}")))?;
        let name = search.as_object_mut().and_then(|search| search.remove("name"));
        let request = SearchRequest::read(search)?;
        match name {
            Some(Value::String(name)) => saved.prepare(name, request, owner),
            Some(_) => Err(ApiError::field("name", "must be a string")),
            None => Err(ApiError::field("name", "is missing")),
        }
    };
    lines.into_iter().map(|(number, line)| (number, read(line))).collect()
}

/// Saves a chunk, and returns what became of each line.
async fn save(chunk: Chunk, saved: SavedSearches, owner: Owner) -> Saved {
    let (mut results, mut numbers, mut searches) = (Vec::new(), Vec::new(), Vec::new());
    for (number, line) in chunk {
        match line {
            Ok(search) => {
                numbers.push(number);
                searches.push(search);
            }
            Err(error) => results.push((number, Err(error))),
        }
    }
    match saved.put_all(searches, &owner).await {
        Ok(saved) => results.extend(numbers.into_iter().zip(saved)),
        Err(error) => results.extend(numbers.into_iter().map(|number| (number, Err(error.clone())))),
    }
    results
}

/// Saves many searches.
///
/// The body is NDJSON: a saved search in each line, as the body of `PUT /api/searches/{name}` with
/// its `name`, as `perch searches export` prints it. Each line is saved as a `PUT` would save it.
/// The answer comes when all are durable.
#[utoipa::path(post, path = "/api/searches", tag = "saved",
    security((), ("ingest_token" = []), ("jwt" = [])),
    request_body(
        description = "Saved searches, one a line.",
        content(("application/x-ndjson", example = json!("{\"name\": \"java\", \"query\": \"java OR kotlin\"}\n"))),
    ),
    responses(
        (status = 200, description = "Something was accepted, or nothing was sent. Where the body is cut, `error` says so.", body = SearchesAnswer),
        (status = 400, description = "Every line was refused, or the body is cut in its first line.", body = SearchesAnswer),
        (status = 401, description = "A token is needed.", body = openapi::ErrorAnswer),
        (status = 403, description = "The token has no right `searches`.", body = openapi::ErrorAnswer),
        (status = 408, description = "The body came too slowly; what came before stays.", body = SearchesAnswer),
        (status = 413, description = "The body is too long; what came before its limit stays.", body = SearchesAnswer),
        (status = 429, description = "Too many requests.", body = openapi::ErrorAnswer),
        (status = 503, description = "Not now: send again what was not accepted.", body = SearchesAnswer),
    )
)]
pub(in crate::transport) async fn put_all(
    Saver { owner, .. }: Saver,
    State(context): State<Arc<TransportContext>>,
    headers: HeaderMap,
    body: Body,
) -> Result<SearchesAnswer, ApiError> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(ApiError::field("Content-Encoding", "must be left out: this body is not packed"));
    }
    let (max_bytes, max_line_bytes) = (context.limits.max_body_bytes, context.limits.max_query_body_bytes);
    let (mut body, stopped) = ingest::limited(body, max_bytes, context.body_timeout);
    let (mut splitter, mut lines, mut bytes) = (Lines::new(max_line_bytes), Vec::new(), 0);
    let mut answer = SearchesAnswer::default();
    let mut saving: Option<AbortOnDropHandle<Saved>> = None;
    let mut ended = false;
    while !ended {
        let read = tokio::select! {
            read = body.next() => read,
            () = context.shutdown.cancelled() => Some(Err(std::io::Error::other(IntakeError::Closed))),
        };
        match read {
            Some(Ok(read)) => {
                bytes += read.len();
                splitter.split(&read, &mut lines);
            }
            Some(Err(error)) => {
                let stopped_by = ingest::read_error(&ReadError::Io(error), &stopped, max_bytes);
                let is_closed = context.shutdown.is_cancelled();
                answer.error = Some(if is_closed { IntakeError::Closed.into() } else { stopped_by });
                ended = true;
            }
            None => {
                splitter.finish(&mut lines);
                ended = true;
            }
        }
        let is_full = lines.len() >= CHUNK_LINES || bytes >= CHUNK_BYTES;
        if lines.is_empty() || !(is_full || ended) {
            continue;
        }
        bytes = 0;
        let (chunk, saved, of) = (std::mem::take(&mut lines), context.saved.clone(), owner.clone());
        let chunk = blocking(move || Ok(check(chunk, &saved, &of, max_line_bytes))).await?;
        collect(saving.take(), &mut answer).await;
        if answer.error.is_some() && !ended {
            break;
        }
        let saved = save(chunk, context.saved.clone(), owner.clone());
        saving = Some(AbortOnDropHandle::new(tokio::spawn(saved)));
    }
    collect(saving, &mut answer).await;
    Ok(answer)
}

/// Waits until a chunk is saved.
async fn collect(saving: Option<AbortOnDropHandle<Saved>>, answer: &mut SearchesAnswer) {
    let Some(saving) = saving else { return };
    if let Ok(results) = saving.await {
        results.into_iter().for_each(|(line, result)| answer.take(line, result));
    } else {
        answer.error.get_or_insert(ApiError::new(Code::Internal, "perch made a mistake; its log says why"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_body_however_it_is_cut() {
        let body = b"one\r\n\n  \nlonger than ten\nlast";
        let expected = [(1, Some("one\r\n")), (4, None), (5, Some("last"))];
        for size in 1..=body.len() {
            let (mut splitter, mut lines) = (Lines::new(10), Vec::new());
            body.chunks(size).for_each(|bytes| splitter.split(bytes, &mut lines));
            splitter.finish(&mut lines);
            let lines: Vec<_> = lines.iter().map(|(at, line)| (*at, line.as_deref())).collect();
            let expected = expected.map(|(at, line): (u64, Option<&str>)| (at, line.map(str::as_bytes)));
            assert_eq!(lines, expected, "{size} bytes at a time");
            assert!(splitter.buffer.is_empty());
        }
    }
}
