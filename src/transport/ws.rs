//! `/ws`: the event protocol over WebSocket, one task per connection.
//!
//! ```text
//! socket ──> parse ──> session, searches ──┐
//! Session::next ──> events ────────────────┼──> out ──> one flush for all that is ready
//! counts, pings ───────────────────────────┘
//! ```
//!
//! The task waits for whichever comes first. Searches run beside it, so a slow one delays neither pushes nor pings. While a client doesn't
//! read, the task waits for its socket and takes nothing from its session, which is bounded; a client that reads nothing for
//! `write_timeout_ms` is cut off. Everything is written in the order of `out`: `percolate/ok` before what its registration brings.

mod close;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::time::{Instant, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::auth::{self, Pass};
use crate::config::{self, Problem};
use crate::live::{CloseReason, Event, Percolate, Session};
use crate::telemetry;

use super::counts::{self, Counts};
use super::errors::{Code, Fault};
use super::gate::{Caller, Place};
use super::pace::{Bucket, Pace};
use super::publish::{Publisher, Right};
use super::wire::{self, AggregateCommand, Command, HelloLimits, PercolateCommand, PublishCommand, QueryCommand, Ref};
use super::{Route, Transport, TransportContext, TransportKind};
use close::End;

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

/// What a connection reads at once. The socket's default, 128 KiB, is for files.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// What is written at once: many small frames go out in one packet.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// A client may save up the commands of so many seconds.
const SAVED_UP_S: u32 = 2;

/// What was withheld is said after so long, if no tweet comes before.
const SAY_WITHHELD: Duration = Duration::from_secs(1);

/// How long after the beginning of a shutdown a client may take what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// `[[transport]] type = "ws"`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// How often a ping is sent: often enough for proxies that cut off silent connections.
    ping_interval_ms: u64,
    /// After so long without a sign of life a client counts as gone.
    idle_timeout_ms: u64,
    /// After so long without taking what it is sent a client counts as stuck.
    write_timeout_ms: u64,
    /// How many searches of one connection may run at one time.
    searches: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { ping_interval_ms: 25_000, idle_timeout_ms: 90_000, write_timeout_ms: 60_000, searches: 4 }
    }
}

fn build(table: toml::Table) -> Result<Box<dyn Transport>, Vec<Problem>> {
    let options = config::read::<Options>(table)?;
    let zero = [
        ("ping_interval_ms", options.ping_interval_ms),
        ("idle_timeout_ms", options.idle_timeout_ms),
        ("write_timeout_ms", options.write_timeout_ms),
        ("searches", options.searches as u64),
    ];
    let mut problems = zero
        .iter()
        .filter(|(_, value)| *value == 0)
        .map(|&(key, _)| Problem::new(key, "must be at least 1"))
        .collect::<Vec<_>>();
    if options.idle_timeout_ms <= options.ping_interval_ms {
        let message =
            "must be longer than ping_interval_ms: a silent client's only sign of life is its answer to a ping";
        problems.push(Problem::new("idle_timeout_ms", message));
    }
    if problems.is_empty() { Ok(Box::new(Kind { options })) } else { Err(problems) }
}

struct Kind {
    options: Options,
}

impl Transport for Kind {
    fn routes(&self, context: TransportContext) -> Router {
        let counts = counts::spawn(&context);
        Route::router(ROUTES, Arc::new(Ws { options: self.options, context, counts }))
    }
}

/// What all connections share.
pub(super) struct Ws {
    options: Options,
    context: TransportContext,
    counts: Counts,
}

/// Opens the event protocol.
#[utoipa::path(get, path = "/ws", tag = "live", responses(
    (status = 101, description = "The event protocol, as docs/PROTOCOL.md describes it, in text frames."),
    (status = 400, description = "Not a WebSocket handshake.", body = super::openapi::ErrorAnswer),
    (status = 401, description = "The token is not good.", body = super::openapi::ErrorAnswer),
    (status = 403, description = "A web page from an origin that may not connect.", body = super::openapi::ErrorAnswer),
    (status = 426, description = "Not a connection that can be upgraded.", body = super::openapi::ErrorAnswer),
))]
pub(super) async fn upgrade(
    State(ws): State<Arc<Ws>>,
    caller: Caller,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    // Before the upgrade: a page that may not connect learns nothing.
    let checked = ws.context.gate.check_origin(&caller).and_then(|()| ws.context.gate.pass(&caller));
    let pass = match checked {
        Ok(pass) => pass,
        Err(fault) => return fault.into_response(),
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let status = rejection.status();
            let mut response = Fault::new(Code::BadPayload, rejection.body_text()).into_response();
            *response.status_mut() = status;
            return response;
        }
    };
    let max_bytes = ws.context.limits.max_frame_bytes.saturating_mul(READABLE_FACTOR);
    let tasks = ws.context.tasks.clone();
    upgrade
        .max_message_size(max_bytes)
        .max_frame_size(max_bytes)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .on_upgrade(move |socket| tasks.track_future(serve(socket, ws, caller, pass)))
}

async fn serve(mut socket: WebSocket, ws: Arc<Ws>, caller: Caller, pass: Option<Pass>) {
    let Ok(place) = ws.context.gate.admit(&caller) else {
        return close::close(&mut socket, End::TooMany).await;
    };
    let right = Right::of(&caller, &ws.context);
    drop(caller);
    let session = match ws.context.live.connect() {
        Ok(session) => session,
        Err(error) => {
            tracing::debug!(%error, "connection refused");
            let end = if ws.context.shutdown.is_cancelled() { End::ShuttingDown } else { End::refused(&error) };
            return close::close(&mut socket, end).await;
        }
    };
    let span = tracing::info_span!("ws", uid = %session.uid());
    let overdue = Box::pin(overdue(ws.context.shutdown.clone()));
    let (searches, out) = (FuturesUnordered::new(), Vec::new());
    let now = Instant::now();
    let limits = &ws.context.limits;
    let commands = Bucket::new(limits.commands_per_second, SAVED_UP_S, now);
    let pace = Pace::new(limits.pushes_per_second, now);
    let publisher = Publisher::new(session.uid(), limits.publish_per_second);
    let connection = Connection {
        socket,
        session,
        right,
        publisher,
        place,
        pass,
        ws,
        searches,
        out,
        out_tweets: 0,
        commands,
        pace,
        spoken: false,
        heard: now,
        overdue,
    };
    connection.run().instrument(span).await;
}

/// Ends when a shutdown has begun and a client had its time to take what is left.
async fn overdue(shutdown: CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// One client.
struct Connection {
    socket: WebSocket,
    /// Dropped with the connection, which ends its subscriptions.
    session: Session,
    /// Whether the client may publish without a token.
    right: Right,
    publisher: Publisher,
    /// Held for its address.
    place: Place,
    /// Who the client is, where that is asked.
    pass: Option<Pass>,
    ws: Arc<Ws>,
    /// Answers that are being searched, at most [`Options::searches`].
    searches: FuturesUnordered<BoxFuture<'static, String>>,
    /// What is ready to be written. Empty while the task waits for more.
    out: Vec<Message>,
    /// How many of them are tweets.
    out_tweets: usize,
    /// The commands that the client may send.
    commands: Bucket,
    /// The tweets that it may be sent.
    pace: Pace,
    /// Whether the client has sent anything but pongs.
    spoken: bool,
    /// When the client last gave a sign of life.
    heard: Instant,
    /// See [`overdue`]. Polled wherever the task waits, and never after it has ended.
    overdue: BoxFuture<'static, ()>,
}

impl Connection {
    async fn run(mut self) {
        tracing::debug!("connected");
        let end = match self.talk().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        tracing::debug!(reason = end.reason(), "disconnected");
        // The session goes first: nothing more is matched for a client that is told goodbye.
        let Connection { mut socket, session, place, .. } = self;
        drop((session, place));
        close::close(&mut socket, end).await;
    }

    async fn talk(&mut self) -> Result<std::convert::Infallible, End> {
        let ws = Arc::clone(&self.ws);
        let mut users = ws.counts.users.clone();
        let mut tweets = ws.counts.tweets.clone();
        users.mark_unchanged();
        tweets.mark_unchanged();
        let ping_interval = Duration::from_millis(ws.options.ping_interval_ms);
        let mut pings = interval_at(Instant::now() + ping_interval, ping_interval);
        let mut events = Vec::new();
        let first_frame = ws.context.limits.first_frame;
        let mut mute = Box::pin(sleep(first_frame));
        self.hello();
        loop {
            self.flush().await?;
            let pause = self.pace.pause(Instant::now());
            let is_expected = !self.spoken || self.needs_token();
            tokio::select! {
                () = &mut self.overdue => return Err(End::ShuttingDown),
                () = auth::expiry(self.pass.as_ref()) => return Err(End::Unauthorized),
                message = self.socket.next() => self.message(message).await?,
                () = self.session.next(&mut events), if pause.is_none() => self.events(&mut events).await?,
                () = sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                () = sleep(SAY_WITHHELD), if self.pace.has_withheld() => self.say_withheld(),
                () = &mut mute, if is_expected && !first_frame.is_zero() => {
                    telemetry::turned_away("first_frame");
                    return Err(if self.needs_token() { End::Unauthorized } else { End::Silent });
                }
                Some(answer) = self.searches.next(), if !self.searches.is_empty() => self.text(answer),
                Ok(()) = users.changed() => { let frame = users.borrow_and_update().frame.clone(); self.text(frame) }
                Ok(()) = tweets.changed() => { let frame = tweets.borrow_and_update().frame.clone(); self.text(frame) }
                _ = pings.tick() => self.ping()?,
            }
        }
    }

    fn text(&mut self, frame: impl Into<Utf8Bytes>) {
        self.out.push(Message::Text(frame.into()));
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

    fn ping(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > Duration::from_millis(self.ws.options.idle_timeout_ms) {
            return Err(End::Silent);
        }
        self.out.push(Message::Ping(bytes::Bytes::new()));
        Ok(())
    }

    /// Writes all that is ready, in one go.
    async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let write = async {
            for message in self.out.drain(..) {
                self.socket.feed(message).await?;
            }
            self.socket.flush().await
        };
        telemetry::frames_sent(KIND.name, std::mem::take(&mut self.out_tweets));
        tokio::select! {
            () = &mut self.overdue => Err(End::ShuttingDown),
            () = auth::expiry(self.pass.as_ref()) => Err(End::Unauthorized),
            written = timeout(Duration::from_millis(self.ws.options.write_timeout_ms), write) => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(End::Gone),
                Err(_) => Err(End::TooSlow),
            },
        }
    }

    async fn events(&mut self, events: &mut Vec<Event>) -> Result<(), End> {
        let mut end = None;
        let now = Instant::now();
        for event in events.drain(..) {
            match event {
                Event::Tweet(delivery) => {
                    if self.pace.admit(delivery.hit.seq, now) {
                        self.say_withheld();
                        self.out_tweets += 1;
                        self.text(wire::tweet_new(&delivery));
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
                Event::Closed(CloseReason::ShuttingDown) => end = Some(End::ShuttingDown),
                Event::Closed(CloseReason::Failed) => end = Some(End::Failed),
            }
        }
        match end {
            None => Ok(()),
            Some(end) => {
                self.flush().await?;
                Err(end)
            }
        }
    }

    /// Whether the client has yet to say who it is.
    fn needs_token(&self) -> bool {
        self.pass.is_none() && self.ws.context.gate.needs_token()
    }

    fn say_withheld(&mut self) {
        if let Some(withheld) = self.pace.take_withheld() {
            telemetry::tweets_withheld(withheld.count);
            self.text(wire::limited(withheld));
        }
    }

    async fn message(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        match message {
            Some(Ok(Message::Text(frame))) if frame.len() > self.ws.context.limits.max_frame_bytes => {
                telemetry::turned_away("frame_size");
                Err(End::TooLarge)
            }
            Some(Ok(Message::Text(frame))) => {
                self.spoken = true;
                self.command(&frame).await;
                Ok(())
            }
            Some(Ok(Message::Binary(_))) => Err(End::NotText),
            // The socket answers pings by itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(End::Gone),
            Some(Err(error)) => Err(End::of_read(error)),
        }
    }

    async fn command(&mut self, frame: &str) {
        let (reference, command) = wire::parse(frame, self.ws.context.limits.max_page);
        let done = match command {
            Ok(_) if !self.commands.take(self.heard) => {
                telemetry::turned_away("commands");
                let max = self.ws.context.limits.commands_per_second;
                Err(Fault::new(Code::Limit, format!("{max} commands a second are taken; this one was not")))
            }
            Ok(command) => self.obey(command, reference.clone()).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = done {
            telemetry::error_answered(fault.code.name());
            tracing::debug!(code = fault.code.name(), message = fault.message, "command failed");
            self.text(wire::error(&fault, reference.as_ref()));
        }
    }

    async fn obey(&mut self, command: Command, reference: Option<Ref>) -> Result<(), Fault> {
        let TransportContext { live, gate, .. } = &self.ws.context;
        if !matches!(command, Command::Auth(_) | Command::Ping | Command::Publish(_)) {
            gate.check_search(self.pass.as_ref())?;
        }
        match command {
            Command::Auth(token) => {
                let pass = gate.check_token(&token.0)?;
                self.renew(&pass)?;
                self.text(wire::auth_ok(&pass, reference.as_ref()));
                self.pass = Some(pass);
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
                        Err(error) => wire::error(&error.into(), reference.as_ref()),
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
                        Err(error) => wire::error(&error.into(), reference.as_ref()),
                    }
                });
            }
        }
        Ok(())
    }

    fn publish(&mut self, command: &PublishCommand, reference: Option<Ref>) -> Result<(), Fault> {
        let right = (self.right, self.pass.as_ref());
        let published = self.publisher.publish(command, right, &self.ws.context.intake)?;
        self.search(async move {
            match published.await {
                Ok(published) => wire::publish_ok(&published, reference.as_ref()),
                Err(fault) => wire::error(&fault, reference.as_ref()),
            }
        })
    }

    /// A later token prolongs a session; it makes it nobody else's, and takes nothing away that is in use.
    fn renew(&self, new: &Pass) -> Result<(), Fault> {
        let Some(old) = &self.pass else { return Ok(()) };
        let fewer = (old.rights.search && !new.rights.search)
            || new.rights.max_subscriptions.is_some_and(|max| self.session.subscriptions() > max);
        let refuse = |message| Err(Fault::new(Code::Forbidden, message));
        match () {
            () if old.subject != new.subject => refuse("the token is somebody else's"),
            () if fewer => refuse("the token is good for less than the session does"),
            () => Ok(()),
        }
    }

    async fn percolate(&mut self, command: PercolateCommand, reference: Option<Ref>) -> Result<(), Fault> {
        if let Some(max) = self.pass.as_ref().and_then(|pass| pass.rights.max_subscriptions)
            && !self.session.has_subscription(&command.name)
            && self.session.subscriptions() >= max
        {
            return Err(Fault::new(Code::Limit, format!("the token is good for {max} subscriptions")));
        }
        let query = command.query.parse(&self.ws.context.query_limits)?;
        let name = command.name.clone();
        let request = Percolate { query, name: command.name, since: command.since, epoch: command.epoch };
        let registered = self.session.percolate(request).await?;
        self.text(wire::percolate_ok(name.as_deref(), registered, reference.as_ref()));
        Ok(())
    }

    fn query(&mut self, command: QueryCommand, reference: Option<Ref>) -> Result<(), Fault> {
        let request = command.request(&self.ws.context.query_limits)?;
        let live = self.ws.context.live.clone();
        self.search(async move {
            match live.search(request).await {
                Ok(page) => wire::prev_chunk(&page, reference.as_ref()),
                Err(error) => wire::error(&error.into(), reference.as_ref()),
            }
        })
    }

    fn aggregate(&mut self, command: AggregateCommand, reference: Option<Ref>) -> Result<(), Fault> {
        let request = command.request(&self.ws.context.query_limits)?;
        let live = self.ws.context.live.clone();
        self.search(async move {
            let by = request.by;
            match live.aggregate(request).await {
                Ok(aggregate) => wire::aggregate_ok(by, &aggregate, reference.as_ref()),
                Err(error) => wire::error(&error.into(), reference.as_ref()),
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

#[cfg(test)]
mod tests;
