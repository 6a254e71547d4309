//! `POST /api/tweets`: bulk ingestion.
//!
//! ```text
//! body ──bytes──> BulkReader ──chunks──> Intake ──> acks ──┐
//!   ^                                                      v
//!   └── as fast as the pipeline takes it ──         counts, answer
//! ```
//!
//! The body is never held: chunks go to the pipeline as soon as they are read, many of them on
//! their way to the disk at once, and the answer waits until all are committed. So tweets are
//! pushed while a long body is still coming in. Memory is bounded by the reader and the intake.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::io::StreamReader;
use utoipa::ToSchema;

use crate::ids::Seq;
use crate::pipeline::{Batch, IntakeError};
use crate::source::reader::{BulkReader, Compression, ReadError, ReaderOptions, RefusalKind, RefusedDoc, TweetChunk};
use crate::telemetry;

use super::access::Caller;
use super::errors::{Code, Fault};
use super::{TransportContext, openapi};

/// The source's name in metrics.
const SOURCE: &str = "http";

/// How many refused lines an answer lists.
const MAX_ERRORS: usize = 100;

/// How many batches of one body may wait for their commit. When there are more, the body waits. It
/// is far above what one commit takes, and there so that a body can't pile up acknowledgements if
/// commits take very long.
const MAX_UNCOMMITTED: usize = 4_096;

/// The largest window of a zstd body, as a power of two: 8 MiB, what RFC 9659 allows over HTTP.
pub(super) const MAX_ZSTD_WINDOW_LOG: u32 = 23;

/// The answer of bulk ingestion.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct IngestAnswer {
    /// Tweets that are durable now.
    accepted: u64,
    /// Lines that are no tweet.
    refused: u64,
    /// The first of them, at most 100.
    errors: Vec<RefusedLine>,
    /// The position of the last tweet; null when none was accepted.
    seq: Option<u64>,
    /// Why the body was not read to its end, if so. What was accepted before stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi::ErrorBody>)]
    error: Option<Fault>,
    /// Lines that were read, for the place where a body is cut.
    #[serde(skip)]
    #[schema(ignore)]
    docs: u64,
}

/// A line that is no tweet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefusedLine {
    /// Counted from 1.
    line: u64,
    /// Why.
    reason: String,
}

impl IngestAnswer {
    fn refuse(&mut self, refused: Vec<RefusedDoc>) {
        for RefusedDoc { line, kind, reason } in &refused {
            telemetry::tweet_refused(SOURCE, kind.label(), *line, reason);
        }
        self.refused += refused.len() as u64;
        let room = MAX_ERRORS.saturating_sub(self.errors.len());
        let lines = refused.into_iter().take(room);
        self.errors.extend(lines.map(|RefusedDoc { line, reason, .. }| RefusedLine { line, reason }));
    }

    fn committed(&mut self, tweets: u64, outcome: Result<Seq, IntakeError>) {
        match outcome {
            Ok(Seq(seq)) => {
                self.accepted += tweets;
                self.seq = self.seq.max(Some(seq));
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// The first fault is the cause of those that follow.
    fn fail(&mut self, fault: Fault) {
        self.error.get_or_insert(fault);
    }
}

impl IntoResponse for IngestAnswer {
    fn into_response(self) -> Response {
        let mut response = Json(&self).into_response();
        if let Some(fault) = &self.error
            && (fault.code != Code::BadPayload || self.accepted == 0)
        {
            return fault.with_status_headers(response);
        }
        if self.accepted == 0 && self.refused > 0 {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response
    }
}

/// Takes tweets in bulk.
///
/// The body is NDJSON, a JSON array, or a search answer (`{"statuses": […]}`), plain or packed with
/// gzip, zstd, brotli or deflate (`Content-Encoding`; gzip and zstd are known by their first bytes
/// as well). The answer comes when everything is durable; pushes do not wait for it.
#[utoipa::path(post, path = "/api/tweets", tag = "ingestion",
    security((), ("ingest_token" = []), ("jwt" = [])),
    request_body(
        description = "Tweets. The form is found out from the bytes, whatever the content type says.",
        content(
            ("application/x-ndjson", example = json!("{\"id_str\": \"1\", \"text\": \"hello #rust\"}\n")),
            (openapi::TweetsInput = "application/json"),
            ("application/gzip"),
            ("application/zstd"),
            ("application/octet-stream"),
        ),
    ),
    responses(
        (status = 200, description = "Something was accepted, or nothing was sent. Where the body is cut or damaged, `error` says so.", body = IngestAnswer),
        (status = 400, description = "Every line was refused, or the body is damaged from its start.", body = IngestAnswer),
        (status = 401, description = "The token of ingestion is missing or wrong.", body = openapi::ErrorAnswer),
        (status = 403, description = "A web page from an origin that may not connect.", body = openapi::ErrorAnswer),
        (status = 413, description = "The body is too long; what came before its limit stays.", body = IngestAnswer),
        (status = 503, description = "perch is shutting down, or the index can't be written, for another reason than a full disk: send again what was not accepted.", body = IngestAnswer),
        (status = 507, description = "The disk is full.", body = IngestAnswer),
    )
)]
pub(super) async fn ingest(
    State(context): State<Arc<TransportContext>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<IngestAnswer, Fault> {
    context.gate.check_ingestion(&caller)?;
    let compression = compression(&headers)?;
    let max_bytes = context.limits.max_body_bytes;
    let (bytes, stopped) = limited(body, max_bytes, context.body_timeout);
    let options = ReaderOptions {
        max_line_bytes: context.limits.max_line_bytes,
        max_unpacked_bytes: context.limits.max_unpacked_bytes,
        compression,
        max_zstd_window_log: MAX_ZSTD_WINDOW_LOG,
        ..ReaderOptions::default()
    };
    let mut answer = IngestAnswer::default();
    let ended = take_in(&context, BulkReader::new(StreamReader::new(bytes), options), &mut answer).await;
    if let Err(error) = ended {
        let fault = fault(&error, &stopped, max_bytes);
        if fault.code == Code::BadPayload {
            answer.refuse(vec![RefusedDoc {
                line: answer.docs + 1,
                kind: RefusalKind::Truncated,
                reason: fault.message.clone(),
            }]);
        }
        answer.fail(fault);
    }
    Ok(answer)
}

/// Reads to the end of the body, or to the first fault, and waits for all commits.
async fn take_in(
    context: &TransportContext,
    mut reader: BulkReader,
    answer: &mut IngestAnswer,
) -> Result<(), ReadError> {
    let mut commits = FuturesUnordered::new();
    let mut ended = None;
    loop {
        let reading = ended.is_none() && answer.error.is_none();
        if !reading && commits.is_empty() {
            return ended.unwrap_or(Ok(()));
        }
        tokio::select! {
            Some((tweets, outcome)) = commits.next(), if !commits.is_empty() => answer.committed(tweets, outcome),
            chunk = reader.next_chunk(), if reading && commits.len() < MAX_UNCOMMITTED => match chunk {
                Ok(Some(TweetChunk { tweets, refused, end })) => {
                    answer.docs = end.docs;
                    answer.refuse(refused);
                    if tweets.is_empty() {
                        continue;
                    }
                    telemetry::tweets_received(SOURCE, tweets.len());
                    let n = tweets.len() as u64;
                    let (ack, committed) = oneshot::channel();
                    match context.intake.send(Batch { tweets, ack: Some(ack), cursor: None }).await {
                        Ok(()) => commits.push(async move { (n, committed.await.unwrap_or(Err(IntakeError::Closed))) }),
                        Err(error) => answer.fail(error.into()),
                    }
                }
                Ok(None) => ended = Some(Ok(())),
                Err(error) => ended = Some(Err(error)),
            },
            () = context.shutdown.cancelled(), if reading => answer.fail(IntakeError::Closed.into()),
        }
    }
}

/// How the body is packed, as `Content-Encoding` says it. gzip and zstd are known by their first
/// bytes, so a body that somebody on the way has unpacked is read as well. What is packed twice is
/// refused: the inner packing could be of any length and hold nothing.
pub(super) fn compression(headers: &HeaderMap) -> Result<Compression, Fault> {
    const KNOWN: &str = "must be one of gzip, zstd, br, deflate and identity";
    let mut compression = None;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let codings = value.to_str().map_err(|_| Fault::field("Content-Encoding", KNOWN))?;
        for coding in codings.split(',').map(|coding| coding.trim().to_ascii_lowercase()) {
            let found = match coding.as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" | "zstd" => Compression::Detect,
                "br" => Compression::Brotli,
                "deflate" => Compression::Deflate,
                _ => return Err(Fault::field("Content-Encoding", KNOWN)),
            };
            if compression.replace(found).is_some() {
                return Err(Fault::field("Content-Encoding", "must name one coding: pack the body once"));
            }
        }
    }
    Ok(compression.unwrap_or(Compression::Detect))
}

/// Why the bytes of a body stopped coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// There are more than there may be.
    TooLong,
    /// The next ones did not come in time.
    TooSlow,
}

/// Set when the bytes of a body were stopped.
pub(super) type Stopped = Arc<OnceLock<Stop>>;

/// The bytes of a body, up to `max_bytes` (0 is any number) and while they come in time; then an
/// error, and it is noted why.
pub(super) fn limited(
    body: Body,
    max_bytes: u64,
    patience: Duration,
) -> (Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>, Stopped) {
    let stopped = Stopped::default();
    let noted = Arc::clone(&stopped);
    let stop = move |why| {
        noted.get_or_init(|| why);
        Some(Err(io::Error::other("stopped")))
    };
    let start = (body.into_data_stream(), 0_u64, stop);
    let bytes = futures_util::stream::unfold(start, move |(mut body, mut len_bytes, stop)| async move {
        // The time runs only while somebody waits for bytes: a pipeline that is full is not the
        // client's fault.
        let next = match timeout(patience, body.next()).await {
            Err(_) => stop(Stop::TooSlow),
            Ok(None) => None,
            Ok(Some(Err(error))) => Some(Err(io::Error::other(error))),
            Ok(Some(Ok(bytes))) => {
                len_bytes += bytes.len() as u64;
                if max_bytes > 0 && len_bytes > max_bytes { stop(Stop::TooLong) } else { Some(Ok(bytes)) }
            }
        };
        next.map(|bytes| (bytes, (body, len_bytes, stop)))
    });
    (Box::pin(bytes), stopped)
}

/// Why a body was not read to its end. What was noted comes first: on its way through a decoder, an
/// error loses its kind.
pub(super) fn fault(error: &ReadError, stopped: &Stopped, max_bytes: u64) -> Fault {
    match (stopped.get(), error) {
        (Some(Stop::TooLong), _) => Fault::new(Code::TooLarge, format!("the body is longer than {max_bytes} bytes")),
        (Some(Stop::TooSlow), _) => too_slow(),
        (None, ReadError::TooLong(_)) => Fault::new(Code::TooLarge, error.to_string()),
        (None, ReadError::Truncated(_) | ReadError::Corrupt(_)) => Fault::new(Code::BadPayload, error.to_string()),
        (None, ReadError::Io(_)) => Fault::new(Code::BadPayload, "the body ended too early"),
    }
}

/// A body that does not come in time.
pub(super) fn too_slow() -> Fault {
    telemetry::turned_away("body_timeout");
    Fault::new(Code::TooSlow, "the body came too slowly")
}

#[cfg(test)]
mod tests;
