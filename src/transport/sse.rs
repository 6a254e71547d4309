//! `/api/stream`: one live search as server-sent events, for everything that speaks HTTP.
//!
//! One request is one session with one unnamed subscription. A tweet's `id:` is `<epoch>:<seq>`, so the `Last-Event-ID` that a client sends when it
//! comes back is the position to resume from, and is none in another index. A task of its own takes from the session and hands on, one portion at a time, to the answer's body; a client
//! that reads slowly makes it wait, so that what waits for the client waits in its session. One that takes nothing for too long loses its session.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::auth::{self, AccessToken};
use crate::config::{self, ConfigError};
use crate::ids::{Epoch, Seq};
use crate::live::{CloseReason, Event, Percolate, Session};
use crate::telemetry;

use super::access::{Caller, SessionSlot};
use super::errors::{Code, Fault};
use super::fields::{self, Fields};
use super::pace::Pace;
use super::query_form::QueryForm;
use super::wire::{self, HelloLimits};
use super::{Progress, Route, Transport, TransportContext, TransportKind, http};

pub(super) const KIND: TransportKind = TransportKind {
    name: "sse",
    about: "one live search as server-sent events, at /api/stream",
    example: "keep_alive_ms = 15000\nretry_ms = 2000\n",
    build,
};

pub(super) const ROUTES: &[Route<Arc<Stage>>] =
    &[Route { method: "GET", path: "/api/stream", handler: || get(stream) }];

/// What was withheld is said after so long, if no tweet comes before.
const SAY_WITHHELD: Duration = Duration::from_secs(1);

/// How long after the beginning of a shutdown a client may take what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How many events a portion holds.
const PORTION_EVENTS: usize = 8;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What replacements of `EventSource` send instead, since not all can set headers.
const LAST_EVENT_ID_PARAMETER: &str = "lastEventId";

/// `[[transport]] type = "sse"`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// How often a comment is sent when there is nothing else: often enough for proxies that cut off silent connections.
    keep_alive_ms: u64,
    /// How long a client is asked to wait before it comes back.
    retry_ms: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { keep_alive_ms: 15_000, retry_ms: 2_000 }
    }
}

fn build(table: toml::Table) -> Result<Box<dyn Transport>, Vec<ConfigError>> {
    let options = config::read::<Options>(table)?;
    if options.keep_alive_ms == 0 {
        return Err(vec![ConfigError::new("keep_alive_ms", "must be at least 1")]);
    }
    Ok(Box::new(Kind { options }))
}

struct Kind {
    options: Options,
}

impl Transport for Kind {
    fn routes(&self, context: TransportContext) -> Router {
        Route::router(ROUTES, Arc::new(Stage { options: self.options, context }))
    }
}

/// What all streams share.
pub(super) struct Stage {
    options: Options,
    context: TransportContext,
}

/// Streams a live search.
#[utoipa::path(get, path = "/api/stream", tag = "live",
    security((), ("jwt" = [])),
    params(
        ("q" = String, Query, description = "The query, as text or in its JSON form."),
        ("since" = Option<u64>, Query, description = "Send what came after this position first."),
        ("epoch" = Option<String>, Query, description = "The epoch that the position belongs to."),
        ("lastEventId" = Option<String>, Query, description = "As `Last-Event-ID`, for replacements of `EventSource` that set no header. The header comes first."),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id:` of the last event, `<epoch>:<seq>`: as `since` and `epoch`, and before them."),
    ),
    responses(
        (status = 200, description = "Events as docs/PROTOCOL.md describes them.", content_type = "text/event-stream"),
        (status = 400, description = "A parameter is wrong, or the query is.", body = super::openapi::ErrorAnswer),
        (status = 401, description = "A token is needed, or it is not good.", body = super::openapi::ErrorAnswer),
        (status = 403, description = "A web page from an origin that may not connect.", body = super::openapi::ErrorAnswer),
        (status = 410, description = "The position can't be resumed from.", body = super::openapi::ErrorAnswer),
        (status = 429, description = "Too many sessions.", body = super::openapi::ErrorAnswer),
        (status = 503, description = "Not now.", body = super::openapi::ErrorAnswer),
    )
)]
pub(super) async fn stream(
    State(stage): State<Arc<Stage>>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let TransportContext { limits, query_limits, tasks, gate, .. } = &stage.context;
    gate.check_origin(&caller)?;
    let access_token = gate.check_searcher(&caller)?;
    if access_token.as_ref().is_some_and(|access_token| access_token.rights.max_subscriptions == Some(0)) {
        return Err(Fault::new(Code::Limit, "the token is good for 0 subscriptions"));
    }
    let mut fields = http::parameters("/api/stream", query.as_deref())?;
    let query = QueryForm::read("q", fields.required("q")?)?;
    let since = fields.seq("since")?;
    let epoch = fields.epoch("epoch")?;
    let last_event_id = last_event_id(&headers, &mut fields)?;
    fields.finish()?;
    let live = stage.context.live_for(&caller, access_token.as_ref());
    let query = stage.context.queries.read(query, live.requester()).await?;
    let (since, epoch) = match last_event_id {
        Some((epoch, since)) => (Some(since), Some(epoch)),
        None => (since, epoch),
    };

    let slot = gate.admit(&caller)?;
    let mut session = live.connect()?;
    let registered = session.percolate(Percolate { query, name: None, since, epoch }).await?;
    let pace = Pace::new(limits.pushes_per_second, Instant::now());
    let limits = HelloLimits {
        frame_bytes: limits.max_frame_bytes,
        query_bytes: query_limits.max_bytes,
        subscriptions: 1,
        page: limits.max_page,
        searches: 0,
    };
    let hello = sse::Event::default()
        .event(wire::event::HELLO)
        .retry(Duration::from_millis(stage.options.retry_ms))
        .data(wire::hello_payload(session.uid(), live.epoch(), registered.seq, limits));
    // The position where this stream starts: whoever is cut off before the first tweet resumes from here.
    let start = since.unwrap_or(registered.seq);
    let ok = sse::Event::default()
        .event(wire::event::PERCOLATE_OK)
        .id(event_id(live.epoch(), start))
        .data(wire::percolate_ok_payload(None, registered));
    let feed = Feed {
        session,
        epoch: live.epoch(),
        progress: caller.progress(),
        ready: VecDeque::from([hello, ok]),
        events: Vec::new(),
        access_token,
        pace,
        write_timeout: stage.context.write_timeout,
        shutdown: stage.context.shutdown.clone(),
        _slot: slot,
    };
    let (portions, body) = mpsc::channel(1);
    tasks.spawn(feed.run(portions));
    let keep_alive = KeepAlive::new().interval(Duration::from_millis(stage.options.keep_alive_ms));
    let mut response = Sse::new(events(body)).keep_alive(keep_alive).into_response();
    // For proxies that would collect the stream before they pass it on.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// A position as a browser keeps it.
fn event_id(epoch: Epoch, seq: Seq) -> String {
    format!("{epoch}:{seq}")
}

/// Where the client wants to go on, as its browser says it, or a replacement of `EventSource`.
fn last_event_id(headers: &HeaderMap, fields: &mut Fields) -> Result<Option<(Epoch, Seq)>, Fault> {
    let in_url = fields.optional(LAST_EVENT_ID_PARAMETER);
    let (name, id) = match (headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()), &in_url) {
        (Some(id), _) => ("Last-Event-ID", id.to_str().ok()),
        (None, Some(id)) => (LAST_EVENT_ID_PARAMETER, id.as_str()),
        (None, None) => return Ok(None),
    };
    let read = || {
        let (epoch, seq) = id?.split_once(':')?;
        let seq = fields::seq(name, fields::whole(seq)).ok()?;
        Some((epoch.parse().ok()?, seq))
    };
    read().map(Some).ok_or_else(|| Fault::field(name, "must be the `id:` of an event, `<epoch>:<seq>`"))
}

/// What goes out at one time.
type Portion = VecDeque<sse::Event>;

/// The events of the body, until the feed ends.
fn events(body: mpsc::Receiver<Portion>) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    futures_util::stream::unfold((body, Portion::new()), |(mut body, mut portion)| async move {
        loop {
            if let Some(event) = portion.pop_front() {
                return Some((Ok(event), (body, portion)));
            }
            portion = body.recv().await?;
        }
    })
}

/// One stream.
struct Feed {
    session: Session,
    /// Of the positions in the ids.
    epoch: Epoch,
    /// Of its connection.
    progress: Progress,
    /// What can be sent at once.
    ready: Portion,
    /// Kept for its memory.
    events: Vec<Event>,
    /// Who the client is, where that is asked. The stream ends with it.
    access_token: Option<AccessToken>,
    /// The tweets that the client may be sent.
    pace: Pace,
    write_timeout: Duration,
    shutdown: CancellationToken,
    /// Held for its address.
    _slot: SessionSlot,
}

/// Ends when a shutdown has begun and a client had its time to take what is left.
async fn overdue(shutdown: CancellationToken) {
    shutdown.cancelled().await;
    sleep(LAST_WORDS).await;
}

impl Feed {
    /// Feeds the body until it, the session or the client's token ends.
    async fn run(mut self, portions: mpsc::Sender<Portion>) {
        let ended = {
            let mut overdue = pin!(overdue(self.shutdown.clone()));
            tokio::select! {
                ended = self.feed(&portions) => ended,
                () = portions.closed() => "gone",
                () = &mut overdue => "shutting_down",
            }
        };
        // The server has ended the connection, or its stream, under it.
        let ended = if ended == "gone" && self.progress.has_ended() { "too_slow" } else { ended };
        telemetry::disconnected(KIND.name, ended);
        tracing::debug!(uid = %self.session.uid(), reason = ended, "stream ends");
    }

    /// Answers why it ended.
    async fn feed(&mut self, portions: &mpsc::Sender<Portion>) -> &'static str {
        loop {
            // In small portions: each that is taken is a sign of life of a client that reads slowly.
            while !self.ready.is_empty() {
                let place = tokio::select! {
                    () = auth::expiry(self.access_token.as_ref()) => return "unauthorized",
                    place = timeout(self.write_timeout, portions.reserve()) => place,
                };
                match place {
                    Ok(Ok(place)) => place.send(self.ready.drain(..self.ready.len().min(PORTION_EVENTS)).collect()),
                    Ok(Err(_)) => return "gone",
                    Err(_) => return "too_slow",
                }
            }
            if let Some(pause) = self.pace.pause(Instant::now()) {
                tokio::select! {
                    () = auth::expiry(self.access_token.as_ref()) => return "unauthorized",
                    () = sleep(pause) => {}
                }
            }
            tokio::select! {
                () = auth::expiry(self.access_token.as_ref()) => return "unauthorized",
                () = self.session.next(&mut self.events) => {}
                () = sleep(SAY_WITHHELD), if self.pace.has_withheld() => self.say_withheld(),
            }
            if let Some(reason) = self.take_events() {
                if !self.ready.is_empty() {
                    // Nobody may be left to take it.
                    let _ = timeout(self.write_timeout, portions.send(std::mem::take(&mut self.ready))).await;
                }
                return match reason {
                    CloseReason::ShuttingDown => "shutting_down",
                    CloseReason::Failed => "failed",
                };
            }
        }
    }

    fn say_withheld(&mut self) {
        if let Some(withheld) = self.pace.take_withheld() {
            telemetry::tweets_withheld(withheld.count);
            self.ready
                .push_back(sse::Event::default().event(wire::event::LIMITED).data(wire::limited_payload(withheld)));
        }
    }

    /// Makes frames of what came out of the session. Answers why it has ended, if it has.
    fn take_events(&mut self) -> Option<CloseReason> {
        let mut tweets = 0;
        let mut closed = None;
        let now = Instant::now();
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                Event::Tweet(delivery) if !self.pace.admit(delivery.hit.seq, now) => {}
                Event::Tweet(delivery) => {
                    self.say_withheld();
                    tweets += 1;
                    let frame = wire::tweet_new(&delivery);
                    let event =
                        sse::Event::default().event(wire::event::TWEET_NEW).id(event_id(self.epoch, delivery.hit.seq));
                    self.ready.push_back(event.data(wire::tweet_new_payload(frame.as_str())));
                }
                Event::CatchingUp { from } => {
                    self.say_withheld();
                    self.pace.catching_up(true);
                    let event = sse::Event::default().event(wire::event::CATCHING_UP);
                    self.ready.push_back(event.data(wire::catching_up_payload(from)));
                }
                Event::Live { seq } => {
                    self.pace.catching_up(false);
                    let event = sse::Event::default().event(wire::event::LIVE);
                    self.ready.push_back(event.data(wire::live_payload(seq)));
                }
                Event::Closed(reason) => closed = Some(reason),
            }
        }
        self.events = events;
        telemetry::frames_sent(KIND.name, tweets);
        closed
    }
}

#[cfg(test)]
mod tests;
