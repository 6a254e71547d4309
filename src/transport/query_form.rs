//! A query as a client sends it, and what is wrong with it in the protocol's words.

use std::time::Duration;

use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::live::{Requester, Scheduler};
use crate::query::{Diagnostic, Diagnostics, Query, QueryLimits};
use crate::schema::Schema;
use crate::telemetry;

use super::errors::{At, Code, Fault};

/// A query as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum QueryForm {
    /// In the query language.
    Text(String),
    /// In its JSON form.
    Json(Value),
}

impl QueryForm {
    /// A string is query text, or the JSON form written as text; an object is the JSON form.
    pub(crate) fn read(field: &'static str, value: Value) -> Result<QueryForm, Fault> {
        match value {
            // No query text starts with a brace.
            Value::String(text) if text.trim_start().starts_with('{') => match serde_json::from_str(&text) {
                Ok(json) => Ok(QueryForm::Json(json)),
                Err(error) => {
                    let message = format!("the query's JSON form can't be read: {error}");
                    Err(Fault::new(Code::BadQuery, message))
                }
            },
            Value::String(text) => Ok(QueryForm::Text(text)),
            object @ Value::Object(_) => Ok(QueryForm::Json(object)),
            _ => Err(Fault::field(field, "must be query text or an object, its JSON form")),
        }
    }

    /// Understands it. It takes as long as it takes: see [`Reader`].
    pub(crate) fn parse(self, limits: &QueryLimits) -> Result<Query, Fault> {
        let query = match &self {
            QueryForm::Text(text) => Query::parse(text, Schema::tweet(), limits),
            QueryForm::Json(json) => Query::from_json(json, Schema::tweet(), limits),
        };
        query.map_err(|diagnostics| fault(&diagnostics))
    }

    /// Whether understanding it is a matter of microseconds: a short text without anything that becomes an automaton.
    fn is_cheap(&self) -> bool {
        match self {
            QueryForm::Text(text) if text.len() <= CHEAP_BYTES => {
                text.trim() == "*" || !text.bytes().any(|byte| matches!(byte, b'*' | b'?' | b'/' | b'~'))
            }
            QueryForm::Text(_) | QueryForm::Json(_) => false,
        }
    }
}

/// The longest text that is understood where it comes in.
const CHEAP_BYTES: usize = 512;

/// Queries that are understood at one time, beside cheap ones.
const AT_ONE_TIME: usize = 2;

/// Queries of one client that wait for that.
const MAX_WAITING: usize = 1_000;

/// Understands queries for all doors. A pattern can take milliseconds to become an automaton: that is done beside the connections, few at a
/// time, and clients take turns.
#[derive(Debug)]
pub(crate) struct Reader {
    limits: QueryLimits,
    scheduler: Scheduler,
    /// How long a query waits for its turn.
    patience: Duration,
}

impl Reader {
    pub(crate) fn new(limits: QueryLimits, patience: Duration) -> Reader {
        Reader { limits, scheduler: Scheduler::new(AT_ONE_TIME, MAX_WAITING, |_, _, _| {}), patience }
    }

    /// Understands a query.
    pub(crate) async fn read(&self, form: QueryForm, requester: &Requester) -> Result<Query, Fault> {
        if form.is_cheap() {
            return form.parse(&self.limits);
        }
        let (limits, patience) = (self.limits, self.patience);
        let (ticket, turn) = self.scheduler.enqueue(requester, true).map_err(|_full| {
            telemetry::turned_away("queries");
            Fault::new(Code::Limit, format!("{MAX_WAITING} queries of this client wait to be read; try again"))
        })?;
        // In a task of its own: a connection does one thing after the other, and a slot that came to a search of its while it waits for another
        // one here would be nobody's.
        let read = AbortOnDropHandle::new(tokio::spawn(async move {
            let Ok(Ok(slot)) = tokio::time::timeout(patience, turn).await else {
                telemetry::turned_away("query_timeout");
                return Ok(Err(Fault::new(Code::Unavailable, "too many queries wait to be read; try again")));
            };
            let read = tokio::task::spawn_blocking(move || {
                let _slot = slot;
                form.parse(&limits)
            });
            read.await
        }));
        let read = read.await;
        drop(ticket);
        read.flatten().unwrap_or_else(|panic| {
            tracing::error!(error = %panic, "a query could not be read");
            Err(Fault::new(Code::Internal, "perch made a mistake; this query failed"))
        })
    }
}

/// What is wrong, and where the first mistake is.
fn fault(diagnostics: &Diagnostics) -> Fault {
    if diagnostics.first().is_limit() {
        telemetry::turned_away("query_limits");
    }
    let Diagnostic { path, text, span, column, message, expected } = diagnostics.first();
    let message = match expected {
        Some(expected) => format!("{message}; {expected}"),
        None => message.clone(),
    };
    let path = (!path.is_empty()).then(|| path.clone());
    let at = if text.is_empty() {
        path.map(|path| At::Path { path })
    } else {
        let length = text.get(span.clone()).map_or(0, |wrong| wrong.chars().count());
        Some(At::Query { column: *column, length, path })
    };
    Fault { code: Code::BadQuery, message, at }
}

#[cfg(test)]
mod tests;
