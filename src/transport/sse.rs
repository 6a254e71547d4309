//! `/api/stream`: one live search as server-sent events, for everything that speaks HTTP.
//!
//! One request is one session with one unnamed subscription. A tweet's `id:` is `<epoch>:<seq>`, so
//! the `Last-Event-ID` of a client that comes back is the position to resume from, and another
//! index refuses it. A task takes events from the session and hands them to the answer's body, one
//! portion at a time. A slow client makes the task wait, so that events wait in the session. perch
//! ends the session of a client that takes nothing for too long.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{self, ConfigError};
use crate::ids::{Epoch, Seq};
use crate::live::{
    ClientEvent, ClientSession, CloseReason, Command, Demand, PercolateCommand, Percolated, QuerySource, QueryWarning,
    Reply, UseOf,
};
use crate::query::Parsed;
use crate::telemetry;

use super::access::{AccessControl, HasAccess, Subscriber, guarded};
use super::errors::{ApiError, Code};
use super::params::{self, Params};
use super::protocol::{self, HelloLimits};
use super::request_params::RequestParams;
use super::{Progress, Route, Transport, TransportContext, TransportKind};

pub(super) const KIND: TransportKind = TransportKind {
    name: "sse",
    about: "one live search as server-sent events, at /api/stream",
    example: "keep_alive_ms = 15000\nretry_ms = 2000\n",
    build,
};

pub(super) const ROUTES: &[Route<Arc<SseState>>] = &[
    Route { method: "GET", path: "/api/stream", handler: || guarded(MethodFilter::GET, stream) },
    Route { method: "POST", path: "/api/stream", handler: || guarded(MethodFilter::POST, stream) },
];

/// How long a client may take the rest after perch has begun to shut down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// The events of a portion.
const PORTION_EVENTS: usize = 8;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The parameter of `EventSource` polyfills that can't set headers.
const LAST_EVENT_ID_PARAMETER: &str = "lastEventId";

/// `[[transport]] type = "sse"`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// How often perch sends a comment when there is nothing else, so that proxies don't cut the
    /// silent connection.
    keep_alive_ms: u64,
    /// The time after which clients should reconnect.
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
    Ok(Box::new(SseTransport { options }))
}

struct SseTransport {
    options: Options,
}

impl Transport for SseTransport {
    fn routes(&self, context: TransportContext) -> Router {
        Route::router(ROUTES, Arc::new(SseState { options: self.options, context }))
    }
}

/// What all streams of the transport share.
pub(super) struct SseState {
    options: Options,
    context: TransportContext,
}

impl HasAccess for Arc<SseState> {
    fn access(&self) -> &Arc<AccessControl> {
        &self.context.access
    }
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
    Subscriber { client, access_token, .. }: Subscriber,
    State(state): State<Arc<SseState>>,
    headers: HeaderMap,
    RequestParams { mut params, room }: RequestParams,
) -> Result<Response, ApiError> {
    let TransportContext { limits, query_limits, tasks, .. } = &state.context;
    let since = params.seq("since")?;
    let epoch = params.epoch("epoch")?;
    let last_event_id = last_event_id(&headers, &mut params)?;
    let query = params.query()?;
    params.finish()?;
    let live = state.context.live_for(&client, access_token.as_ref());
    // Parsed before the session is opened: a wrong query takes no session of others.
    let Parsed { query, warnings } =
        state.context.clients.queries.parse(query, UseOf::Registration, live.requester()).await?;
    drop(room);
    let (since, epoch) = match last_event_id {
        Some((epoch, since)) => (Some(since), Some(epoch)),
        None => (since, epoch),
    };

    let mut session = state.context.open_session(&client, access_token, 0);
    session.admit()?;
    session.handle(
        Command::Percolate(PercolateCommand { query: QuerySource::Parsed(query.into()), name: None, since, epoch }),
        (),
    );
    let (mut percolated, events) = first_reply(&mut session).await?;
    percolated.warnings = QueryWarning::list(&warnings);
    let registered = percolated.registration;
    let limits = HelloLimits {
        frame_bytes: limits.max_frame_bytes,
        query_bytes: query_limits.max_bytes,
        subscriptions: 1,
        page: limits.max_page,
        searches: 0,
    };
    let hello = sse::Event::default()
        .event(protocol::event::HELLO)
        .retry(Duration::from_millis(state.options.retry_ms))
        .data(protocol::hello_payload(session.uid(), live.epoch(), registered.seq, limits));
    // A client that is cut off before the first tweet resumes from where this stream started.
    let start = since.unwrap_or(registered.seq);
    let ok = sse::Event::default()
        .event(protocol::event::PERCOLATE_OK)
        .id(event_id(live.epoch(), start))
        .data(protocol::reply(&Reply::Percolated(percolated)).1);
    let feed = SseFeed {
        session,
        epoch: live.epoch(),
        progress: client.progress(),
        ready: VecDeque::from([hello, ok]),
        events,
        write_timeout: state.context.write_timeout,
        shutdown: state.context.shutdown.clone(),
    };
    let (portions, body) = mpsc::channel(1);
    tasks.spawn(feed.run(portions));
    let keep_alive = KeepAlive::new().interval(Duration::from_millis(state.options.keep_alive_ms));
    let mut response = Sse::new(body_events(body)).keep_alive(keep_alive).into_response();
    // For proxies that would buffer the stream.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// The reply to the registration, which is the first event of its session, and the events that came
/// with it.
async fn first_reply(session: &mut ClientSession<()>) -> Result<(Percolated, Vec<ClientEvent<()>>), ApiError> {
    let mut events = Vec::new();
    session.next(Demand::All, &mut events).await;
    match events.remove(0) {
        ClientEvent::Reply(reply) => match reply.reply? {
            Reply::Percolated(percolated) => Ok((percolated, events)),
            _ => Err(ApiError::new(Code::Internal, "a registration has another reply")),
        },
        ClientEvent::Closed(CloseReason::Unauthorized) => {
            Err(ApiError::new(Code::Unauthorized, "the token has expired"))
        }
        _ => Err(ApiError::new(Code::Unavailable, "perch is shutting down")),
    }
}

/// The `id:` of an event.
fn event_id(epoch: Epoch, seq: Seq) -> String {
    format!("{epoch}:{seq}")
}

/// The position to resume from, from the header or from a polyfill's parameter.
fn last_event_id(headers: &HeaderMap, params: &mut Params) -> Result<Option<(Epoch, Seq)>, ApiError> {
    let in_url = params.optional(LAST_EVENT_ID_PARAMETER);
    let (name, id) = match (headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()), &in_url) {
        (Some(id), _) => ("Last-Event-ID", id.to_str().ok()),
        (None, Some(id)) => (LAST_EVENT_ID_PARAMETER, id.as_str()),
        (None, None) => return Ok(None),
    };
    let read = || {
        let (epoch, seq) = id?.split_once(':')?;
        let seq = params::seq(name, params::whole(seq)).ok()?;
        Some((epoch.parse().ok()?, seq))
    };
    read().map(Some).ok_or_else(|| ApiError::field(name, "must be the `id:` of an event, `<epoch>:<seq>`"))
}

/// The events that are handed on at one time.
type Portion = VecDeque<sse::Event>;

/// The events of the body.
fn body_events(body: mpsc::Receiver<Portion>) -> impl Stream<Item = Result<sse::Event, Infallible>> {
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
struct SseFeed {
    session: ClientSession<()>,
    /// The epoch in the ids.
    epoch: Epoch,
    /// How many bytes the connection has taken.
    progress: Progress,
    /// The events to hand on.
    ready: Portion,
    /// The events of the session that are not turned into events of the stream yet.
    events: Vec<ClientEvent<()>>,
    write_timeout: Duration,
    shutdown: CancellationToken,
}

/// Waits until a shutdown has begun and [`SHUTDOWN_GRACE`] is over.
async fn overdue(shutdown: CancellationToken) {
    shutdown.cancelled().await;
    sleep(SHUTDOWN_GRACE).await;
}

impl SseFeed {
    /// Feeds the body until the body, the session or the client's token ends.
    async fn run(mut self, portions: mpsc::Sender<Portion>) {
        let ended = {
            let mut overdue = pin!(overdue(self.shutdown.clone()));
            tokio::select! {
                ended = self.feed(&portions) => ended,
                () = portions.closed() => "gone",
                () = &mut overdue => "shutting_down",
            }
        };
        // The server has ended the connection or the stream.
        let ended = if ended == "gone" && self.progress.has_ended() { "too_slow" } else { ended };
        telemetry::disconnected(KIND.name, ended);
        tracing::debug!(uid = %self.session.uid(), reason = ended, "stream ends");
    }

    /// Returns the reason of the end.
    async fn feed(&mut self, portions: &mpsc::Sender<Portion>) -> &'static str {
        loop {
            if let Some(reason) = self.take_events() {
                if reason != CloseReason::Unauthorized && !self.ready.is_empty() {
                    // The client may have gone.
                    let _ = timeout(self.write_timeout, portions.send(std::mem::take(&mut self.ready))).await;
                }
                return match reason {
                    CloseReason::ShuttingDown => "shutting_down",
                    CloseReason::Failed => "failed",
                    CloseReason::Unauthorized => "unauthorized",
                };
            }
            if self.ready.is_empty() {
                self.session.next(Demand::All, &mut self.events).await;
                continue;
            }
            // In small portions, because each one that is taken shows that a slow client reads.
            let place = tokio::select! {
                biased;
                place = timeout(self.write_timeout, portions.reserve()) => place,
                () = expired(&mut self.session, &mut self.events) => continue,
            };
            match place {
                Ok(Ok(place)) => place.send(self.ready.drain(..self.ready.len().min(PORTION_EVENTS)).collect()),
                Ok(Err(_)) => return "gone",
                Err(_) => return "too_slow",
            }
        }
    }

    /// Turns events of the session into server-sent events. Returns the reason when the session has
    /// ended.
    fn take_events(&mut self) -> Option<CloseReason> {
        if self.events.is_empty() {
            return None;
        }
        let mut tweets = 0;
        let mut closed = None;
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                ClientEvent::Tweet(delivery) => {
                    tweets += 1;
                    let frame = protocol::pushed(&delivery);
                    let event = sse::Event::default()
                        .event(protocol::pushed_event(&delivery))
                        .id(event_id(self.epoch, delivery.position()));
                    self.ready.push_back(event.data(protocol::pushed_payload(&delivery, frame.as_str())));
                }
                ClientEvent::Closed(reason) => closed = Some(reason),
                notice => {
                    if let Some((event, payload)) = protocol::notice(&notice) {
                        self.ready.push_back(sse::Event::default().event(event).data(payload));
                    }
                }
            }
        }
        self.events = events;
        telemetry::frames_sent(KIND.name, tweets);
        closed
    }
}

/// Waits until the session of a client that takes nothing ends.
async fn expired(session: &mut ClientSession<()>, events: &mut Vec<ClientEvent<()>>) {
    session.next(Demand::Replies, events).await;
}

#[cfg(test)]
mod tests;
