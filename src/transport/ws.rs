//! `/ws`: the event protocol over WebSocket, one task per connection.
//!
//! ```text
//! socket ──> parse ──> session, searches ──┐
//! Session::next ──> events ────────────────┼──> Line ──> one write for all that is ready
//! counts, pings ───────────────────────────┘
//! ```
//!
//! The task waits for whichever comes first, and reads and writes at the same time. Searches run beside it, so a slow one delays neither
//! pushes nor pings. Nothing is taken from the session, which is bounded, while much waits for a client that does not read; a client that takes
//! no byte for `write_timeout_ms` is cut off. Everything is written in the order in which it was made: `percolate/ok` before what its
//! registration brings. A client that sends more than it may is not read for a while, so that TCP slows it down. Frames for a busy session are joined ([`writes`]), and so are its wake-ups.

mod close;
mod line;
mod options;
mod reads;
mod writes;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tracing::Instrument;

use crate::auth::AccessToken;
use crate::config::ConfigError;
use crate::live::{ClientKey, CloseReason, Event, Percolate, Session};
use crate::telemetry;

use super::access::{AddressSlot, Caller, SessionSlot, subprotocol};
use super::counts::{self, Counts};
use super::errors::{Code, Fault};
use super::pace::{Bucket, Pace};
use super::publish::{Publisher, Right};
use super::wire::{self, AggregateCommand, Command, HelloLimits, PercolateCommand, PublishCommand, QueryCommand, Ref};
use super::{Route, Transport, TransportContext, TransportKind, http};
use close::End;
use line::{Line, Mark};
use options::Options;
use reads::{Moved, Reads, moved};
use writes::Writes;

pub(super) const KIND: TransportKind = TransportKind {
    name: "ws",
    about: "the event protocol over WebSocket, at /ws",
    example: "ping_interval_ms = 25000\nidle_timeout_ms = 90000\nwrite_timeout_ms = 60000\nsearches = 4\n",
    build,
};

pub(super) const ROUTES: &[Route<Arc<Ws>>] = &[Route { method: "GET", path: "/ws", handler: || get(upgrade) }];

/// How much larger than allowed a message may be and still be read whole, so that its sender can be told properly. Beyond, the socket's own
/// limit ends the connection in the middle of the message.
const READABLE_FACTOR: usize = 4;

/// What a connection reads at once. Clients send little; a longer frame takes some more reads, and an idle session holds this much less.
const READ_BUFFER_BYTES: usize = 1024;

/// When so much waits to be written, nothing is taken from the session.
const ENOUGH_BYTES: usize = 64 * 1024;

/// When so much waits to be written, the client is not read either: it asks for more than it takes.
const TOO_MUCH_BYTES: usize = 1024 * 1024;

/// Control frames have at most 125 bytes; tungstenite holds few of them back, since nothing is read then.
const MAX_REFUSED_BYTES: usize = 1024;

/// A client may save up the commands of so many seconds.
const SAVED_UP_S: u32 = 2;

/// Room for more events than this is given back: sessions that get much now may get nothing later.
const KEPT_EVENTS: usize = 16;

/// What was withheld is said after so long, if no tweet comes before.
const SAY_WITHHELD: Duration = Duration::from_secs(1);

/// How often a client is told how many others there are.
const USERS_EVERY: Duration = Duration::from_secs(2);

/// It is told every so many times also how many tweets there are.
const TWEETS_EVERY: u32 = 5;

/// How long after a shutdown was noticed a client may take what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

fn build(table: toml::Table) -> Result<Box<dyn Transport>, Vec<ConfigError>> {
    Ok(Box::new(Kind { options: Options::read(table)? }))
}

struct Kind {
    options: Options,
}

impl Transport for Kind {
    fn routes(&self, context: TransportContext) -> Router {
        let counts = counts::spawn(&context);
        Route::router(
            ROUTES,
            Arc::new(Ws { options: self.options, context, counts, frames_sent: telemetry::FramesSent::new(KIND.name) }),
        )
    }
}

/// What all connections share.
pub(super) struct Ws {
    options: Options,
    context: TransportContext,
    counts: Counts,
    frames_sent: telemetry::FramesSent,
}

/// Opens the event protocol.
#[utoipa::path(get, path = "/ws", tag = "live",
    security((), ("jwt" = [])), responses(
    (status = 101, description = "The event protocol, as docs/PROTOCOL.md describes it, in text frames."),
    (status = 400, description = "Not a WebSocket handshake.", body = super::openapi::ErrorAnswer),
    (status = 401, description = "The token is not good.", body = super::openapi::ErrorAnswer),
    (status = 403, description = "A web page from an origin that may not connect.", body = super::openapi::ErrorAnswer),
    (status = 426, description = "Not a connection that can be upgraded.", body = super::openapi::ErrorAnswer),
))]
pub(super) async fn upgrade(
    State(ws): State<Arc<Ws>>,
    caller: Caller,
    headers: HeaderMap,
    raw: Raw,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    // Before the upgrade: a page that may not connect learns nothing.
    let checked = ws.context.gate.check_origin(&caller).and_then(|()| ws.context.gate.access_token(&caller));
    let access_token = match checked {
        Ok(access_token) => access_token,
        Err(fault) => return fault.into_response(),
    };
    let subprotocol = match subprotocol(&headers) {
        Ok(subprotocol) => subprotocol,
        Err(fault) => return fault.into_response(),
    };
    // axum checks the handshake; the socket is our own, because axum's does not let go of its stream.
    if let Err(rejection) = upgrade {
        let status = rejection.status();
        let mut response = Fault::new(Code::BadPayload, rejection.body_text()).into_response();
        *response.status_mut() = status;
        return http::with_handshake_headers(response);
    }
    let (Raw(Some(upgrade)), Some(key)) = (raw, headers.get(header::SEC_WEBSOCKET_KEY)) else {
        return Fault::new(Code::BadPayload, "not a WebSocket handshake of HTTP/1.1").into_response();
    };
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64");
    let tasks = ws.context.tasks.clone();
    tasks.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => serve(upgraded, ws, caller, access_token).await,
            Err(error) => tracing::debug!(%error, "the upgrade failed"),
        }
    });
    let answer = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, answer).into_response();
    if let Some(name) = subprotocol {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    response
}

/// The connection below HTTP, which comes once the answer is out. To be taken before axum's own extractor, which takes it away.
pub(super) struct Raw(Option<OnUpgrade>);

impl<S: Sync> FromRequestParts<S> for Raw {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Raw, Self::Rejection> {
        Ok(Raw(parts.extensions.get::<OnUpgrade>().cloned()))
    }
}

/// A client's socket.
type Socket = WebSocketStream<Line<TokioIo<Upgraded>>>;

async fn serve(upgraded: Upgraded, ws: Arc<Ws>, caller: Caller, access_token: Option<AccessToken>) {
    let max_bytes = Some(ws.context.limits.max_frame_bytes.saturating_mul(READABLE_FACTOR));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        // Nothing is to wait in tungstenite: what it writes waits in the line. What finds no room there is the answer to one ping, and a goodbye.
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_REFUSED_BYTES)
        .max_message_size(max_bytes)
        .max_frame_size(max_bytes);
    let line = Line::new(TokioIo::new(upgraded));
    let mut socket = WebSocketStream::from_raw_socket(line, Role::Server, Some(config)).await;
    let gate = &ws.context.gate;
    let mut slot = gate.session_slot(&caller);
    let right = Right::of(&caller, &ws.context);
    let address_slot = caller.connection();
    let mut session = ws.context.live_for(&caller, access_token.as_ref()).connect_unadmitted();
    drop(caller);
    // Until a client has said who it is, it is a connection and no session.
    if (access_token.is_some() || !gate.needs_token())
        && let Err((end, fault)) = admit(&mut slot, &mut session)
    {
        tracing::debug!(message = fault.message, "connection refused");
        telemetry::disconnected(KIND.name, end.name());
        return close::close(&mut socket, end).await;
    }
    let span = tracing::info_span!("ws", uid = %session.uid());
    let now = Instant::now();
    let limits = &ws.context.limits;
    let commands = Bucket::new(limits.commands_per_second, SAVED_UP_S, now);
    let pace = Pace::new(limits.pushes_per_second, now);
    let publisher = Publisher::new(session.uid(), limits.publish_per_second);
    // On the heap, so that none of the futures below has room for it: an idle session is little more than this.
    let connection = Box::new(Connection {
        socket,
        session,
        right,
        publisher,
        slot,
        _address_slot: address_slot,
        searches: FuturesUnordered::new(),
        out_tweets: 0,
        reads: Reads::new(),
        writes: Writes::new(now),
        urgent: false,
        commands,
        pace,
        times: Times::new(now, &ws, access_token.as_ref()),
        alarm: Box::pin(sleep_until(now)),
        heard: now,
        ending: None,
        access_token,
        ws,
    });
    connection.run().instrument(span).await;
}

/// Makes a session of a client that is known: one of its address's, and one of all.
fn admit(slot: &mut SessionSlot, session: &mut Session) -> Result<(), (End, Fault)> {
    slot.take().map_err(|fault| (End::TooMany { of_address: true }, fault))?;
    session.admit().map_err(|error| (End::refused(&error), error.into()))
}

/// One client.
struct Connection {
    socket: Socket,
    /// Dropped with the connection, which ends its subscriptions.
    session: Session,
    /// Whether the client may publish without a token.
    right: Right,
    publisher: Publisher,
    /// The session's among those of its address, taken once the client is known.
    slot: SessionSlot,
    /// The connection's, where a proxy's connections carry many clients.
    _address_slot: Option<Arc<AddressSlot>>,
    /// Who the client is, where that is asked.
    access_token: Option<AccessToken>,
    ws: Arc<Ws>,
    /// Answers that are being searched, at most [`Options::searches`].
    searches: FuturesUnordered<BoxFuture<'static, String>>,
    /// How many tweets wait to be written.
    out_tweets: usize,
    /// When the socket is to be read.
    reads: Reads,
    /// When the next write is due.
    writes: Writes,
    /// What waits to be written can't be held back: it is no tweet.
    urgent: bool,
    /// The commands that the client may send.
    commands: Bucket,
    /// The tweets that it may be sent.
    pace: Pace,
    times: Times,
    /// Rings at the next of the times, or before.
    alarm: Pin<Box<Sleep>>,
    /// When the client last sent something.
    heard: Instant,
    /// The session is over, and ends once everything is written.
    ending: Option<End>,
}

/// What has its time.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// The next count of users.
    users: Instant,
    /// Counts of users until the next count of tweets.
    until_tweets: u32,
    ping: Instant,
    /// Until when the client must have sent its first command, or its token.
    first_frame: Option<Instant>,
    /// When the token ends.
    expiry: Option<Instant>,
    /// When what was withheld has to be said.
    withheld: Option<Instant>,
    /// When a client has had its time to take what was left at a shutdown.
    overdue: Option<Instant>,
    /// Until when a client that has sent too much is not read.
    deaf: Option<Instant>,
}

impl Times {
    fn new(now: Instant, ws: &Ws, access_token: Option<&AccessToken>) -> Times {
        let first_frame = ws.context.limits.first_frame;
        // Not all clients at one moment: that moment would be long.
        let users = now + USERS_EVERY.mul_f64(rand::random_range(0.5..1.0));
        Times {
            users,
            until_tweets: rand::random_range(1..=TWEETS_EVERY),
            ping: now + Duration::from_millis(ws.options.ping_interval_ms),
            first_frame: (!first_frame.is_zero()).then(|| now + first_frame),
            expiry: access_token.and_then(|access_token| now.checked_add(access_token.remaining())),
            withheld: None,
            overdue: None,
            deaf: None,
        }
    }

    fn next(&self) -> Instant {
        let some = [self.first_frame, self.expiry, self.withheld, self.overdue, self.deaf];
        some.into_iter().flatten().fold(self.users.min(self.ping), Instant::min)
    }
}

/// Whether a client has given no sign of life for too long: neither sent anything, nor made room in a socket that was full.
fn is_silent(now: Instant, heard: Instant, drained: Option<Instant>, timeout: Duration) -> bool {
    now.saturating_duration_since(heard.max(drained.unwrap_or(heard))) > timeout
}

/// Waits for what happens to the session; while it is held back, until it is high time to look.
async fn next(session: &mut Session, held: bool, events: &mut Vec<Event>) {
    if held { session.backlogged().await } else { session.next(events).await }
}

impl Connection {
    async fn run(mut self: Box<Connection>) {
        tracing::debug!("connected");
        let end = match self.talk().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        telemetry::disconnected(KIND.name, end.name());
        tracing::debug!(reason = end.name(), "disconnected");
        // The session goes first: nothing more is matched for a client that is told goodbye.
        let Connection { socket, session, searches, slot, .. } = *self;
        let mut socket = Box::new(socket);
        drop((session, searches, slot));
        close::close(&mut socket, end).await;
    }

    async fn talk(&mut self) -> Result<std::convert::Infallible, End> {
        let mut events = Vec::new();
        self.hello();
        loop {
            let now = Instant::now();
            // Mostly the socket takes it at once, and there is nothing to wait for.
            if self.socket.get_ref().has_work() && self.held_until(now).is_none() {
                match poll_fn(|context| Poll::Ready(self.socket.get_mut().poll_send(context))).await {
                    Poll::Ready(Ok(())) => self.wrote(now),
                    Poll::Ready(Err(_)) => return Err(End::Gone),
                    // Only a write shows it: before, a command may have taken that long, or the write was held back.
                    Poll::Pending if self.is_stuck(now) => return Err(self.too_slow()),
                    Poll::Pending => {}
                }
            }
            let waiting = self.waiting_bytes();
            if waiting == 0
                && let Some(end) = self.ending
            {
                return Err(end);
            }
            let held = self.held_until(now);
            let (line, write_timeout) = (self.socket.get_ref(), self.write_timeout());
            let pause = self.pace.pause(now).map(|pause| now + pause);
            let stuck = line.stuck_for(now).map(|stuck| now + write_timeout.saturating_sub(stuck));
            let due = [held, pause, stuck].into_iter().flatten().fold(self.times.next(), Instant::min);
            if due < self.alarm.deadline() || self.alarm.is_elapsed() {
                self.alarm.as_mut().reset(due);
            }
            let (write, read) = (line.has_work() && held.is_none(), self.times.deaf.is_none());
            tokio::select! {
                biased;
                () = self.alarm.as_mut() => self.rung()?,
                moved = moved(&mut self.socket, &self.reads, write, read) => match moved {
                    Moved::Wrote(Ok(())) => self.wrote(Instant::now()),
                    Moved::Wrote(Err(_)) => return Err(End::Gone),
                    Moved::Read(message) => {
                        // What was matched before a command comes before its answer, as long as the session is live and keeps its pace.
                        while self.ending.is_none()
                            && self.pace.pause(Instant::now()).is_none()
                            && self.waiting_bytes() < TOO_MUCH_BYTES
                            && self.session.next(&mut events).now_or_never().is_some()
                        {
                            self.events(&mut events);
                        }
                        self.message(message).await?;
                    }
                },
                Some(answer) = self.searches.next(), if !self.searches.is_empty() => self.text(answer),
                () = next(&mut self.session, held.is_some(), &mut events), if pause.is_none() && waiting < ENOUGH_BYTES => {
                    if held.is_some() {
                        self.writes = Writes::new(now);
                    }
                    self.events(&mut events);
                }
            }
        }
    }

    /// The alarm rang: for what, is to be seen.
    fn rung(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.times.expiry.is_some_and(|expiry| expiry <= now) {
            return Err(End::Unauthorized);
        }
        if self.times.overdue.is_some_and(|overdue| overdue <= now) {
            return Err(End::ShuttingDown);
        }
        if self.times.first_frame.is_some_and(|until| until <= now) {
            telemetry::turned_away("first_frame");
            return Err(if self.needs_token() { End::Unauthorized } else { End::Silent });
        }
        if self.times.deaf.is_some_and(|until| until <= now) {
            self.times.deaf = None;
        }
        if self.times.withheld.is_some_and(|at| at <= now) {
            self.say_withheld();
        }
        if self.times.users <= now {
            self.counts(now);
        }
        if self.times.ping <= now {
            self.ping(now)?;
        }
        Ok(())
    }

    fn is_stuck(&self, now: Instant) -> bool {
        self.socket.get_ref().stuck_for(now).is_some_and(|stuck| stuck >= self.write_timeout())
    }

    /// The client took nothing of what it was sent. What did not begin to go out is not sent any more, so that it can be said how far it got.
    fn too_slow(&mut self) -> End {
        let line = self.socket.get_mut();
        line.drop_waiting();
        End::TooSlow(line.seq())
    }

    fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.ws.options.write_timeout_ms)
    }

    /// What waits to be written.
    fn waiting_bytes(&self) -> usize {
        self.socket.get_ref().waiting_bytes()
    }

    /// Until when that, and what else comes, should wait for each other. A session that reads from the index is not held up.
    fn held_until(&self, now: Instant) -> Option<Instant> {
        let can_wait = !self.urgent && self.waiting_bytes() < ENOUGH_BYTES && !self.session.is_behind();
        if can_wait { self.writes.held_until(now) } else { None }
    }

    fn wrote(&mut self, now: Instant) {
        self.urgent = false;
        let tweets = std::mem::take(&mut self.out_tweets);
        if tweets > 0 {
            self.writes.wrote(now);
            self.ws.frames_sent.sent(tweets);
        }
    }

    /// Counts for a client that takes what it is sent.
    fn counts(&mut self, now: Instant) {
        self.times.users = (self.times.users + USERS_EVERY).max(now);
        self.times.until_tweets -= 1;
        let with_tweets = self.times.until_tweets == 0;
        if with_tweets {
            self.times.until_tweets = TWEETS_EVERY;
        }
        if self.ws.context.shutdown.is_cancelled() {
            self.times.overdue.get_or_insert(now + LAST_WORDS);
        } else if !self.needs_token() && self.socket.get_ref().waiting_bytes() < ENOUGH_BYTES {
            let counts = &self.ws.counts;
            let tweets = with_tweets.then(|| counts.tweets.borrow().frame.clone());
            let users = counts.users.borrow().frame.clone();
            // Before anything was counted there is nothing to say.
            for frame in [Some(users), tweets].into_iter().flatten().filter(|frame| !frame.is_empty()) {
                self.push(frame);
            }
        }
    }

    /// Appends a frame that may be held back for a moment.
    fn push(&mut self, frame: impl Into<Bytes>) {
        self.socket.get_mut().push_text(frame, Mark::None);
    }

    /// Appends a frame that goes out at once, with all before it.
    fn text(&mut self, frame: impl Into<Bytes>) {
        self.push(frame);
        self.urgent = true;
    }

    fn hello(&mut self) {
        let TransportContext { live, limits, query_limits, .. } = &self.ws.context;
        let limits = HelloLimits {
            frame_bytes: limits.max_frame_bytes,
            query_bytes: query_limits.max_bytes,
            subscriptions: limits.max_subscriptions_per_session,
            page: limits.max_page,
            searches: self.ws.options.searches,
        };
        let payload = wire::hello_payload(self.session.uid(), live.epoch(), live.seq(), limits);
        self.text(wire::hello(&payload));
    }

    /// Is the client still there? Not to be asked while it takes what it is sent: that is an answer too, and the question would wait behind it.
    fn ping(&mut self, now: Instant) -> Result<(), End> {
        self.times.ping = now + Duration::from_millis(self.ws.options.ping_interval_ms);
        let line = self.socket.get_mut();
        if is_silent(now, self.heard, line.drained(), Duration::from_millis(self.ws.options.idle_timeout_ms)) {
            return Err(End::Silent);
        }
        if line.waiting_bytes() == 0 {
            line.push_ping();
            self.urgent = true;
        }
        Ok(())
    }

    fn events(&mut self, events: &mut Vec<Event>) {
        let now = Instant::now();
        for event in events.drain(..) {
            match event {
                Event::Tweet(delivery) => {
                    if self.pace.admit(delivery.hit.seq, now) {
                        self.say_withheld();
                        self.out_tweets += 1;
                        let (tweet, mark) = (wire::tweet_new(&delivery), Mark::Tweet(delivery.hit.seq));
                        self.socket.get_mut().push_text(tweet, mark);
                    } else {
                        self.times.withheld.get_or_insert(now + SAY_WITHHELD);
                    }
                }
                Event::CatchingUp { from } => {
                    self.say_withheld();
                    self.pace.catching_up(true);
                    self.text(wire::catching_up(from));
                }
                Event::Live { seq } => {
                    self.pace.catching_up(false);
                    self.text(wire::live(seq));
                }
                Event::Closed(CloseReason::ShuttingDown) => self.ending = Some(End::ShuttingDown),
                Event::Closed(CloseReason::Failed) => self.ending = Some(End::Failed),
            }
        }
        if events.capacity() > KEPT_EVENTS {
            *events = Vec::new();
        }
    }

    /// Whether the client has yet to say who it is.
    fn needs_token(&self) -> bool {
        self.access_token.is_none() && self.ws.context.gate.needs_token()
    }

    fn say_withheld(&mut self) {
        self.times.withheld = None;
        if let Some(withheld) = self.pace.take_withheld() {
            telemetry::tweets_withheld(withheld.count);
            self.text(wire::limited(withheld));
        }
    }

    async fn message(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        // Whatever it is: to read it, and to answer it, costs something.
        let wait = self.commands.charge(self.heard);
        if let Some(wait) = wait {
            self.times.deaf = Some(self.heard + wait);
        }
        match message {
            Some(Ok(Message::Text(frame))) if frame.len() > self.ws.context.limits.max_frame_bytes => {
                telemetry::turned_away("frame_size");
                Err(End::TooLarge)
            }
            Some(Ok(Message::Text(frame))) => {
                // Most sessions send few commands in a long life, and need no room for them.
                Box::pin(self.command(&frame, wait.is_none())).await;
                if !self.needs_token() {
                    self.times.first_frame = None;
                }
                Ok(())
            }
            Some(Ok(Message::Binary(_))) => Err(End::NotText),
            // The socket answers pings by itself, into the line.
            Some(Ok(Message::Ping(_))) => {
                self.urgent = true;
                Ok(())
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(End::Gone),
            Some(Err(error)) => {
                let end = End::of_read(&error);
                if end == End::TooLarge {
                    telemetry::turned_away("frame_size");
                }
                Err(end)
            }
        }
    }

    async fn command(&mut self, frame: &str, is_in_time: bool) {
        let (reference, command) = wire::parse(frame, (&self.ws.context.limits).into());
        let done = if is_in_time {
            match command {
                Ok(command) => self.obey(command, reference.clone()).await,
                Err(fault) => Err(fault),
            }
        } else {
            telemetry::turned_away("commands");
            let max = self.ws.context.limits.commands_per_second;
            Err(Fault::new(Code::Limit, format!("{max} commands a second are taken; this one was not")))
        };
        if let Err(fault) = done {
            self.text(failed(&fault, reference.as_ref()));
        }
    }

    async fn obey(&mut self, command: Command, reference: Option<Ref>) -> Result<(), Fault> {
        let (live, gate) = (self.session.live(), &self.ws.context.gate);
        if !matches!(command, Command::Auth(_) | Command::Ping | Command::Publish(_)) {
            gate.check_search(self.access_token.as_ref())?;
        }
        match command {
            Command::Auth(token) => {
                let access_token = gate.check_token(&token.0)?;
                access_token
                    .check_renewal(self.access_token.as_ref(), self.session.subscriptions())
                    .map_err(Fault::forbidden)?;
                admit(&mut self.slot, &mut self.session).map_err(|(_, fault)| fault)?;
                self.times.expiry = Instant::now().checked_add(access_token.remaining());
                self.text(wire::auth_ok(&access_token, reference.as_ref()));
                self.session.set_client(ClientKey::Subject(access_token.subject.as_str().into()));
                self.access_token = Some(access_token);
            }
            Command::Percolate(command) => return self.percolate(command, reference).await,
            Command::Unpercolate { name } => {
                self.session.unpercolate(name.as_deref()).await?;
                self.text(wire::unpercolate_ok(name.as_deref(), reference.as_ref()));
            }
            Command::Query(command) => return self.query(command, reference),
            Command::Aggregate(command) => return self.aggregate(command, reference),
            Command::Publish(command) => return self.publish(&command, reference),
            Command::Missing { id } => {
                let live = live.clone();
                return self.search(async move {
                    match live.tweet(id).await {
                        Ok(hit) => wire::missing_tweet(&hit.json, reference.as_ref()),
                        Err(error) => failed(&error.into(), reference.as_ref()),
                    }
                });
            }
            Command::Ping => self.text(wire::pong(reference.as_ref())),
            Command::UsersCount => {
                let frame = wire::users_count(live.sessions(), reference.as_ref());
                self.text(frame);
            }
            Command::TotalTweetCount => {
                let live = live.clone();
                return self.search(async move {
                    match live.stats().await {
                        Ok(stats) => wire::total_tweet_count(stats.tweets, reference.as_ref()),
                        Err(error) => failed(&error.into(), reference.as_ref()),
                    }
                });
            }
        }
        Ok(())
    }

    fn publish(&mut self, command: &PublishCommand, reference: Option<Ref>) -> Result<(), Fault> {
        let right = (self.right, self.access_token.as_ref());
        let published = self.publisher.publish(command, right, &self.ws.context.intake)?;
        self.search(async move {
            match published.await {
                Ok(published) => wire::publish_ok(&published, reference.as_ref()),
                Err(fault) => failed(&fault, reference.as_ref()),
            }
        })
    }

    async fn percolate(&mut self, command: PercolateCommand, reference: Option<Ref>) -> Result<(), Fault> {
        if let Some(max) = self.access_token.as_ref().and_then(|access_token| access_token.rights.max_subscriptions)
            && !self.session.has_subscription(&command.name)
            && self.session.subscriptions() >= max
        {
            return Err(Fault::new(Code::Limit, format!("the token is good for {max} subscriptions")));
        }
        let query = self.ws.context.queries.read(command.query, self.session.live().requester()).await?;
        let (name, mark) = (command.name.clone(), command.since.map_or(Mark::None, Mark::Owed));
        let request = Percolate { query, name: command.name, since: command.since, epoch: command.epoch };
        let registered = self.session.percolate(request).await?;
        self.socket.get_mut().push_text(wire::percolate_ok(name.as_deref(), registered, reference.as_ref()), mark);
        self.urgent = true;
        Ok(())
    }

    fn query(&mut self, command: QueryCommand, reference: Option<Ref>) -> Result<(), Fault> {
        let (live, queries) = (self.session.live().clone(), Arc::clone(&self.ws.context.queries));
        self.search(async move {
            let searched = async { Ok(live.search(command.request(&queries, live.requester()).await?).await?) };
            match searched.await {
                Ok(page) => wire::prev_chunk(&page, reference.as_ref()),
                Err(fault) => failed(&fault, reference.as_ref()),
            }
        })
    }

    fn aggregate(&mut self, command: AggregateCommand, reference: Option<Ref>) -> Result<(), Fault> {
        let (live, queries) = (self.session.live().clone(), Arc::clone(&self.ws.context.queries));
        self.search(async move {
            let by = command.by;
            let counted = async { Ok(live.aggregate(command.request(&queries, live.requester()).await?).await?) };
            match counted.await {
                Ok(aggregate) => wire::aggregate_ok(by, &aggregate, reference.as_ref()),
                Err(fault) => failed(&fault, reference.as_ref()),
            }
        })
    }

    fn search(&mut self, search: impl Future<Output = String> + Send + 'static) -> Result<(), Fault> {
        let max = self.ws.options.searches;
        if self.searches.len() >= max {
            let message = format!("{max} searches of this connection are running already; wait for an answer");
            return Err(Fault::new(Code::Limit, message));
        }
        self.searches.push(Box::pin(search));
        Ok(())
    }
}

/// The answer to a command that failed.
fn failed(fault: &Fault, reference: Option<&Ref>) -> String {
    telemetry::error_answered(fault.code.name());
    tracing::debug!(code = fault.code.name(), message = fault.message, "command failed");
    wire::error(fault, reference)
}

#[cfg(test)]
mod tests;
