//! A query as a client sends it, and the pool that parses queries.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;
use utoipa::ToSchema;

use super::error::{ApiError, Code, ErrorLocation};
use super::requester::Requester;
use super::scheduler::Scheduler;
use crate::query::{Diagnostic, Diagnostics, ParseOptions, Parsed, Query, QueryLimits};
use crate::schema::Schema;
use crate::telemetry;

/// A query that is not parsed yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum QueryInput {
    /// In the query language.
    Text(String),
    /// In its JSON form.
    Json(Value),
    /// In its JSON form, as text.
    JsonText(String),
}

impl QueryInput {
    /// A string is query text, or the JSON form written as text; an object is the JSON form.
    pub(crate) fn read(field: &'static str, value: Value) -> Result<QueryInput, ApiError> {
        match value {
            // No query text starts with a brace.
            Value::String(text) if text.trim_start().starts_with('{') => Ok(QueryInput::JsonText(text)),
            Value::String(text) => Ok(QueryInput::Text(text)),
            object @ Value::Object(_) => Ok(QueryInput::Json(object)),
            _ => Err(ApiError::field(field, "must be query text or an object, its JSON form")),
        }
    }

    /// Parses the query on this thread. A pattern can take milliseconds: see [`QueryParserPool`].
    pub(crate) fn parse(&self, limits: &QueryLimits, use_of: UseOf) -> Result<Parsed, ApiError> {
        let options = ParseOptions { now: use_of.now(), ..ParseOptions::default() };
        let parsed = match self {
            QueryInput::Text(text) => Parsed::from_text(text, Schema::tweet(), limits, options),
            QueryInput::Json(json) => Parsed::from_json(json, Schema::tweet(), limits, options),
            QueryInput::JsonText(text) => {
                let json = serde_json::from_str(text).map_err(|error| {
                    ApiError::new(Code::BadQuery, format!("the query's JSON form can't be read: {error}"))
                })?;
                Parsed::from_json(&json, Schema::tweet(), limits, options)
            }
        };
        parsed.map_err(|diagnostics| query_error(&diagnostics))
    }

    /// Whether parsing takes microseconds: a short text without patterns, which become automata.
    fn is_cheap(&self) -> bool {
        match self {
            QueryInput::Text(text) if text.len() <= CHEAP_BYTES => {
                text.trim() == "*" || !text.bytes().any(|byte| matches!(byte, b'*' | b'?' | b'/' | b'~'))
            }
            QueryInput::Text(_) | QueryInput::Json(_) | QueryInput::JsonText(_) => false,
        }
    }
}

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UseOf {
    /// It is registered: its meaning must not change.
    Registration,
    /// It searches history once, so dates may refer to this moment: `now-7d`.
    History,
}

impl UseOf {
    /// The moment that `now` means, in milliseconds since 1970.
    fn now(self) -> Option<i64> {
        (self == UseOf::History).then(|| jiff::Timestamp::now().as_millisecond())
    }
}

/// Where perch had to guess what the author of a query means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct QueryWarning {
    /// What was guessed or left out.
    message: String,
    /// The place in the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<ErrorLocation>,
}

impl QueryWarning {
    /// The warnings of a query, as they are sent.
    pub(crate) fn list(warnings: &[Diagnostic]) -> Vec<QueryWarning> {
        warnings.iter().map(|it| QueryWarning { message: message(it), at: location(it) }).collect()
    }
}

/// The longest text that is parsed on the connection's task.
const CHEAP_BYTES: usize = 512;

/// How many queries the pool parses at one time.
const AT_ONE_TIME: usize = 2;

/// The most queries of one client that wait for the pool.
const MAX_WAITING: usize = 1_000;

/// Parses queries for all transports. Building the automaton of a pattern can take milliseconds, so
/// such queries are parsed on blocking threads, a few at a time, and clients take turns.
#[derive(Debug)]
pub(crate) struct QueryParserPool {
    limits: QueryLimits,
    scheduler: Scheduler,
    /// How long a query waits for its turn.
    patience: Duration,
}

impl QueryParserPool {
    pub(crate) fn new(limits: QueryLimits, patience: Duration) -> QueryParserPool {
        QueryParserPool { limits, scheduler: Scheduler::new(AT_ONE_TIME, MAX_WAITING, |_, _, _| {}), patience }
    }

    /// Parses a query that is registered.
    pub(crate) async fn read(&self, form: QueryInput, requester: &Requester) -> Result<Query, ApiError> {
        self.parse(form, UseOf::Registration, requester).await.map(|parsed| parsed.query)
    }

    /// Parses a query on this thread if that takes microseconds.
    pub(crate) fn parse_at_once(&self, form: &QueryInput, use_of: UseOf) -> Option<Result<Parsed, ApiError>> {
        form.is_cheap().then(|| form.parse(&self.limits, use_of))
    }

    /// Parses a query.
    pub(crate) async fn parse(
        &self,
        form: QueryInput,
        use_of: UseOf,
        requester: &Requester,
    ) -> Result<Parsed, ApiError> {
        if let Some(parsed) = self.parse_at_once(&form, use_of) {
            return parsed;
        }
        let (limits, patience) = (self.limits, self.patience);
        let (ticket, turn) = self.scheduler.enqueue(requester, true).map_err(|_full| {
            telemetry::turned_away("queries");
            ApiError::new(Code::Limit, format!("{MAX_WAITING} queries of this client wait to be read; try again"))
        })?;
        // Spawned so that it is always polled: the scheduler may give a turn to a task that is not
        // polled, and a connection does one thing after the other.
        let read = AbortOnDropHandle::new(tokio::spawn(async move {
            let Ok(Ok(slot)) = tokio::time::timeout(patience, turn).await else {
                telemetry::turned_away("query_timeout");
                return Ok(Err(ApiError::new(Code::Unavailable, "too many queries wait to be read; try again")));
            };
            let read = tokio::task::spawn_blocking(move || {
                let _slot = slot;
                form.parse(&limits, use_of)
            });
            read.await
        }));
        let read = read.await;
        drop(ticket);
        read.flatten().unwrap_or_else(|panic| {
            tracing::error!(error = %panic, "a query could not be read");
            Err(ApiError::new(Code::Internal, "perch made a mistake; this query failed"))
        })
    }
}

/// The error of a query, with the location of the first mistake.
fn query_error(diagnostics: &Diagnostics) -> ApiError {
    if diagnostics.first().is_limit() {
        telemetry::turned_away("query_limits");
    }
    let first = diagnostics.first();
    ApiError { code: Code::BadQuery, message: message(first), at: location(first) }
}

fn message(Diagnostic { message, expected, .. }: &Diagnostic) -> String {
    match expected {
        Some(expected) => format!("{message}; {expected}"),
        None => message.clone(),
    }
}

fn location(Diagnostic { path, text, span, column, .. }: &Diagnostic) -> Option<ErrorLocation> {
    let path = (!path.is_empty()).then(|| path.clone());
    if text.is_empty() {
        return path.map(|path| ErrorLocation::Path { path });
    }
    let length = text.get(span.clone()).map_or(0, |wrong| wrong.chars().count());
    Some(ErrorLocation::Query { column: *column, length, path })
}

#[cfg(test)]
mod tests;
