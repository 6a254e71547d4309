//! `POST /api/tweets`: bulk ingestion.
//!
//! ```text
//! body ──bytes──> BulkReader ──chunks──> Intake ──> acks ──┐
//!   ^                                                      v
//!   └── as fast as the pipeline takes it            counts, answer
//! ```
//!
//! perch never holds a whole body. Chunks go to the pipeline as soon as they are read, and many are
//! on their way to the disk at once. The answer waits until all are committed. So perch pushes
//! tweets while a long body is still coming in. Reader and intake bound the memory.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
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

use crate::format::reader::{BulkReader, Chunk, Compression, ReadError, ReaderOptions, RefusalKind, RefusedDoc};
use crate::format::{self, FORMATS, FormatKind};
use crate::ids::Seq;
use crate::pipeline::{Batch, Durable, IntakeError};
use crate::telemetry;

use super::access::Ingestor;
use super::errors::{ApiError, Code};
use super::{TransportContext, http, openapi};

/// The source's name in metrics.
const SOURCE: &str = "http";

/// The most refused lines that an answer lists.
pub(super) const MAX_ERRORS: usize = 100;

/// The most batches of one body that wait for their commit, before perch stops reading the body. It
/// is far above what one commit takes, and keeps acknowledgements from piling up when commits are
/// slow.
const MAX_UNCOMMITTED: usize = 4_096;

/// The largest window of a body in zstd or xz, as a power of two: 8 MiB, as RFC 9659 allows for
/// zstd over HTTP. `xz -6`, which is its default, has this dictionary.
pub(super) const MAX_WINDOW_LOG: u32 = 23;

/// The answer of bulk ingestion.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct IngestAnswer {
    /// Tweets that are durable now.
    accepted: u64,
    /// Lines that are no tweet.
    refused: u64,
    /// The first of them, at most 100.
    errors: Vec<RefusedLine>,
    /// Messages that a tweet was deleted.
    #[serde(skip_serializing_if = "is_zero")]
    deletions: u64,
    /// Tweets that these messages have deleted: those that perch had.
    #[serde(skip_serializing_if = "is_zero")]
    deleted: u64,
    /// Messages of streams and other things that are no tweets and no mistakes.
    #[serde(skip_serializing_if = "is_zero")]
    skipped: u64,
    /// Wrong values that accepted tweets were kept without.
    #[serde(skip_serializing_if = "is_zero")]
    dropped_values: u64,
    /// The position of the last tweet or deletion; null when there is none.
    seq: Option<u64>,
    /// Why the body was not read to its end, if so. What was accepted before stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi::ErrorBody>)]
    error: Option<ApiError>,
    /// The number of lines read so far, which says where a body was cut.
    #[serde(skip)]
    #[schema(ignore)]
    docs: u64,
}

/// A line that is refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefusedLine {
    /// Counted from 1.
    pub(super) line: u64,
    /// Why.
    pub(super) reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
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

    fn committed(&mut self, tweets: u64, outcome: Result<Durable, IntakeError>) {
        match outcome {
            Ok(Durable { seq: Seq(seq), deleted }) => {
                self.accepted += tweets;
                self.deleted += deleted;
                self.seq = self.seq.max(Some(seq));
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// Whether anything of the body was understood.
    fn has_taken(&self) -> bool {
        self.accepted > 0 || self.deletions > 0 || self.skipped > 0
    }

    /// Keeps the first error, which is the cause of those that follow.
    fn fail(&mut self, error: ApiError) {
        self.error.get_or_insert(error);
    }
}

impl IntoResponse for IngestAnswer {
    fn into_response(self) -> Response {
        let mut response = Json(&self).into_response();
        if let Some(error) = &self.error
            && (error.code != Code::BadPayload || !self.has_taken())
        {
            return error.with_status_headers(response);
        }
        if !self.has_taken() && self.refused > 0 {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response
    }
}

/// Takes tweets in bulk.
///
/// The body is a file in any format that perch reads (docs/FORMATS.md): tweets of X, Bluesky or
/// Mastodon as NDJSON, a JSON array or a page (`{"statuses": […]}`), exports of accounts, or a
/// table. It may be packed with gzip, zstd, bzip2 or xz, which are known by their first bytes, with
/// brotli or deflate (`Content-Encoding`), and in a tar or zip. The answer comes when everything is
/// durable; pushes do not wait for it.
#[utoipa::path(post, path = "/api/tweets", tag = "ingestion",
    security((), ("ingest_token" = []), ("jwt" = [])),
    params(("format" = Option<String>, Query, description = "The format of all documents, instead of the one that each is recognized as: a name of docs/FORMATS.md, such as `bluesky`.")),
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
    _: Ingestor,
    State(context): State<Arc<TransportContext>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<IngestAnswer, ApiError> {
    let compression = compression(&headers)?;
    let format = format_of(query.as_deref())?;
    let max_bytes = context.limits.max_body_bytes;
    let (bytes, stopped) = limited(body, max_bytes, context.body_timeout);
    let options = ReaderOptions {
        max_line_bytes: context.limits.max_line_bytes,
        max_unpacked_bytes: context.limits.max_unpacked_bytes,
        compression,
        max_window_log: MAX_WINDOW_LOG,
        format,
        ..ReaderOptions::default()
    };
    let mut answer = IngestAnswer::default();
    let ended = take_in(&context, BulkReader::new(StreamReader::new(bytes), options), &mut answer).await;
    if let Err(error) = ended {
        let error = read_error(&error, &stopped, max_bytes);
        if error.code == Code::BadPayload {
            answer.refuse(vec![RefusedDoc {
                line: answer.docs + 1,
                kind: RefusalKind::Truncated,
                reason: error.message.clone(),
            }]);
        }
        answer.fail(error);
    }
    Ok(answer)
}

/// The format that a request names.
fn format_of(query: Option<&str>) -> Result<Option<&'static FormatKind>, ApiError> {
    let mut params = http::parameters("/api/tweets", query)?;
    let name = params.optional("format");
    params.finish()?;
    let Some(name) = name else { return Ok(None) };
    let names = || FORMATS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let found = name.as_str().and_then(format::find);
    found.map(Some).ok_or_else(|| ApiError::field("format", &format!("must be one of {}", names())))
}

/// Reads to the end of the body, or to the first error, and waits for all commits.
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
                Ok(Some(mut chunk)) => {
                    let (n, deletions) = (chunk.tweets.len(), chunk.deletions.len());
                    chunk.merge_deletions();
                    let Chunk { tweets, skipped, dropped, refused, end, .. } = chunk;
                    answer.docs = end.map_or(answer.docs, |end| end.docs);
                    answer.refuse(refused);
                    answer.deletions += deletions as u64;
                    answer.skipped += skipped.values().sum::<u64>();
                    answer.dropped_values += dropped.iter().map(|(_, n)| n).sum::<u64>();
                    telemetry::values_dropped(&dropped);
                    if tweets.is_empty() {
                        continue;
                    }
                    telemetry::tweets_received(SOURCE, n);
                    let n = n as u64;
                    let (ack, committed) = oneshot::channel();
                    match context.intake.send(Batch { tweets, ack: Some(ack), cursor: None, may_wait: false }).await {
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

/// The compression of the body, from `Content-Encoding`. The reader recognizes gzip and zstd by
/// their first bytes, so a body that a proxy has unpacked is read too. perch refuses a body that is
/// compressed twice: a short one could expand without bound.
pub(super) fn compression(headers: &HeaderMap) -> Result<Compression, ApiError> {
    const KNOWN: &str = "must be one of gzip, zstd, br, deflate and identity";
    let mut compression = None;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let codings = value.to_str().map_err(|_| ApiError::field("Content-Encoding", KNOWN))?;
        for coding in codings.split(',').map(|coding| coding.trim().to_ascii_lowercase()) {
            let found = match coding.as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" | "zstd" => Compression::Detect,
                "br" => Compression::Brotli,
                "deflate" => Compression::Deflate,
                _ => return Err(ApiError::field("Content-Encoding", KNOWN)),
            };
            if compression.replace(found).is_some() {
                return Err(ApiError::field("Content-Encoding", "must name one coding: pack the body once"));
            }
        }
    }
    Ok(compression.unwrap_or(Compression::Detect))
}

/// Why perch stopped reading a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The body is too long.
    TooLong,
    /// The next bytes did not come in time.
    TooSlow,
}

/// Set when perch stops reading a body.
pub(super) type Stopped = Arc<OnceLock<Stop>>;

/// The bytes of a body, up to `max_bytes` (0 is any number), as long as they come in time. Then an
/// error, and `stopped` has the reason.
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
        // The time runs only while perch waits for bytes, not while the pipeline is full.
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

/// The error of a body that was not read to its end. The noted reason comes first, because an error
/// loses its kind on its way through a decoder.
pub(super) fn read_error(error: &ReadError, stopped: &Stopped, max_bytes: u64) -> ApiError {
    match (stopped.get(), error) {
        (Some(Stop::TooLong), _) => ApiError::new(Code::TooLarge, format!("the body is longer than {max_bytes} bytes")),
        (Some(Stop::TooSlow), _) => too_slow(),
        (None, ReadError::TooLong(_)) => ApiError::new(Code::TooLarge, error.to_string()),
        (
            None,
            ReadError::Truncated(_) | ReadError::Corrupt(_) | ReadError::Unknown(_) | ReadError::NothingAccepted(..),
        ) => ApiError::new(Code::BadPayload, error.to_string()),
        (None, ReadError::Failed(error)) if error.kind() == io::ErrorKind::StorageFull => IntakeError::Full.into(),
        (None, ReadError::Failed(error)) => {
            tracing::error!(%error, "a body was not read");
            ApiError::new(Code::Internal, "perch failed to read the body; its log says why")
        }
        (None, ReadError::Io(_)) => ApiError::new(Code::BadPayload, "the body ended too early"),
    }
}

/// The error of a body that does not come in time.
pub(super) fn too_slow() -> ApiError {
    telemetry::turned_away("body_timeout");
    ApiError::new(Code::TooSlow, "the body came too slowly")
}

#[cfg(test)]
mod tests;
