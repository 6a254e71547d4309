//! One client's task: what is attached to it, what it asks, what waits for it.
//!
//! ```text
//! inbox ──> attach socket or poll, obey events ──┐
//! socket ──> obey events ────────────────────────┤
//! session, searches, counts ──> outbox ──────────┴──> batches ──> socket, or answer of the poll
//! ```
//!
//! Tweets are taken from the session only while something is attached, and are kept in the outbox until the client has shown that it got
//! them: a socket by answering a ping that was sent behind them, a poll by the next poll. When the connection breaks before,
//! they are sent again to the next one. A socket is closed by dropping it: clients of some versions don't come back after a close frame.

mod commands;
mod frames;
mod input;
mod outbox;
mod registrations;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::options::{FrameFormat, Options};
use super::{Endpoint, KIND};
use crate::auth::{self, AccessToken};
use crate::live::{ClientKey, CloseReason, Event, Registration, Session};
use crate::telemetry;
use crate::transport::Progress;
use crate::transport::access::{AddressSlot, SessionSlot};
use crate::transport::errors::{Code, Fault};
use crate::transport::pace::{Bucket, Pace};
use crate::transport::publish::{Publisher, Right};
use crate::transport::response_budget::ResponseSlot;
use commands::{Found, ReplyTo};
pub(super) use input::{Answer, Input};
use outbox::{Outbox, Pushed};
use perch_sente::frame::{Format, Inbound, Version};
use perch_sente::value::Value;
use registrations::Registrations;

/// Why a client's task ends that perch takes down.
const SHUTTING_DOWN: &str = "shutting_down";

/// Why a client's task ends whose session can't go on: the index can't be read, or retention has
/// deleted what the client was to be sent next.
const FAILED: &str = "failed";

/// How long a client may take to fetch what is left when perch shuts down.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What was withheld is said after so long, if no tweet comes before.
const SAY_WITHHELD: Duration = Duration::from_secs(1);

/// A client may save up the commands of so many seconds.
const SAVED_UP_S: u32 = 2;

/// How often a socket is asked whether it got what was sent.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(1);

/// Rests end at multiples of this: clients that wake at one moment cost a worker one sleep, and those at different moments one each.
const REST_STEP: Duration = Duration::from_millis(5);

/// The answer to an event that wants none.
fn no_callback() -> Value {
    Value::keyword("chsk/dummy-cb-200")
}

/// An open socket.
struct Socket {
    stream: Box<WebSocket>,
    _address_slot: Option<Arc<AddressSlot>>,
    /// What its client has taken.
    progress: Progress,
    /// Ready to be written.
    out: Vec<Message>,
    /// Tells this socket from the one before, for answers that belong to one.
    number: u64,
    /// Cancels the searches whose answers would go to a callback on this socket.
    gone: DropGuard,
    /// Whether who opened it may publish.
    right: Right,
    /// Whether the stream has yet to write its own answer to a ping or a goodbye.
    owes_answer: bool,
    /// When the client last gave a sign of life.
    heard: Instant,
    next_ping: Instant,
    /// Not before this time, what was sent is followed by a ping.
    next_question: Instant,
}

impl Socket {
    /// Asks for a sign of life when it is time. True when it was.
    fn ping_when_due(&mut self, now: Instant, outbox: &Outbox, options: &Options) -> bool {
        let is_due = now >= self.next_ping;
        if is_due {
            self.next_ping = now + Duration::from_millis(options.ping_interval_ms);
            self.next_question = now + ACKNOWLEDGE_EVERY;
            self.out.push(Message::Ping(outbox.ping()));
        }
        is_due
    }
}

/// A poll that waits for something to say.
struct Poll {
    reply: oneshot::Sender<Answer>,
    slot: ResponseSlot,
    until: Instant,
}

/// Everything about one client.
struct Client {
    endpoint: Arc<Endpoint>,
    id: Box<str>,
    /// Whether it knows its id, and so can come back.
    can_return: bool,
    /// What is kept of it over a restart.
    registrations: Registrations,
    /// Dropped with the task, which ends its subscriptions.
    session: Session,
    inbox: mpsc::Receiver<Input>,
    /// What came while a socket was being written to.
    stashed: Option<Input>,
    /// How frames are written: as the client last wrote one itself.
    format: Format,
    /// Whether the client has sent a frame.
    has_spoken: bool,
    /// Whether a poll was answered with a handshake.
    has_polled: bool,
    socket: Option<Socket>,
    n_sockets: u64,
    poll: Option<Poll>,
    outbox: Outbox,
    /// Answers that are being searched; none when whoever asked has gone.
    searches: FuturesUnordered<BoxFuture<'static, Option<(ReplyTo, Found)>>>,
    /// Cancelled, and replaced, when the client has not come back: nobody waits for an answer by a push any more.
    away: CancellationToken,
    /// Tweets that are being published, and the answers to them.
    publishes: FuturesUnordered<BoxFuture<'static, (ReplyTo, Found)>>,
    /// The unnamed search and its watermark: pages of it that name no position are asked at this one, so that they don't shift.
    registered: Option<Registration>,
    has_subscribed: bool,
    /// Until then the session is left alone: the last batch has just gone.
    rests_until: Option<Instant>,
    /// Whether the session is fed from the index.
    is_catching_up: bool,
    /// The events, polls and connections that the client may begin.
    budget: Bucket,
    /// The commands that it may send.
    commands: Bucket,
    /// Until when a socket that has sent too much is not read.
    deaf_until: Option<Instant>,
    /// Who the client is, where that is asked. The client ends with it.
    access_token: Option<AccessToken>,
    /// Until when the client must have said who it is, where that is asked.
    nameless_until: Option<Instant>,
    /// The tweets that it may be sent.
    pace: Pace,
    publisher: Publisher,
    /// The session's among those of its address, taken once the client is known.
    slot: SessionSlot,
    presence: Presence,
}

/// Whether the client is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// Something is attached.
    Here,
    /// Since then nothing is; it is expected back at once, as between two polls.
    Between(Instant),
    /// Since then nothing is; it doesn't count as connected.
    Away(Instant),
}

/// Runs until the client has gone for good.
pub(super) async fn run(
    endpoint: Arc<Endpoint>,
    (id, can_return): (Box<str>, bool),
    session: Session,
    slot: SessionSlot,
    inbox: mpsc::Receiver<Input>,
) {
    let now = Instant::now();
    let format = endpoint.options.packer.format(Version::V1);
    let limits = &endpoint.context.limits;
    let publisher = Publisher::new(session.uid(), limits.publish_per_second);
    let registrations = Registrations::new((can_return && endpoint.options.grace_seconds > 0).then_some(&*id));
    let _running = endpoint.saved.enter();
    let mut client = Client {
        endpoint: Arc::clone(&endpoint),
        id,
        can_return,
        registrations,
        session,
        inbox,
        stashed: None,
        format,
        has_spoken: false,
        has_polled: false,
        socket: None,
        n_sockets: 0,
        poll: None,
        outbox: Outbox::default(),
        searches: FuturesUnordered::new(),
        publishes: FuturesUnordered::new(),
        away: CancellationToken::new(),
        registered: None,
        has_subscribed: false,
        rests_until: None,
        is_catching_up: false,
        budget: Bucket::new(endpoint.options.events_per_second, 1, now),
        commands: Bucket::new(limits.commands_per_second, SAVED_UP_S, now),
        deaf_until: None,
        access_token: None,
        nameless_until: (endpoint.context.gate.needs_token() && !limits.first_frame.is_zero())
            .then(|| now + limits.first_frame),
        pace: Pace::new(limits.pushes_per_second, now),
        publisher,
        slot,
        presence: Presence::Between(now),
    };
    tracing::debug!("client comes");
    client.restore().await;
    let reason = client.serve().await;
    // Before the inbox is closed: a new task of this client may begin then.
    match reason {
        SHUTTING_DOWN => client.note_quiet(),
        // The client comes back, and gets a new session for what it had registered.
        FAILED => client.release(),
        _ => client.forget(),
    }
    client.inbox.close();
    endpoint.table.remove_closed(&client.id);
    telemetry::disconnected(KIND.name, reason);
    tracing::debug!(reason, "client goes");
}

/// The next message of a socket; without one, never.
async fn next_message(socket: &mut Option<Socket>) -> Option<Result<Message, axum::Error>> {
    match socket {
        Some(socket) => next_answered(&mut socket.stream, &mut socket.owes_answer).await,
        None => std::future::pending().await,
    }
}

/// The next message, once the stream's own answer to the one before is out: a client that pings and does not read is not read either, or its
/// answers would fill the memory.
async fn next_answered<S>(stream: &mut S, owes_answer: &mut bool) -> Option<Result<Message, axum::Error>>
where
    S: Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin,
{
    if *owes_answer {
        if let Err(error) = stream.flush().await {
            return Some(Err(error));
        }
        *owes_answer = false;
    }
    let message = stream.next().await;
    *owes_answer = matches!(message, Some(Ok(Message::Ping(_) | Message::Close(_))));
    message
}

/// When the sender of a poll has gone; without a poll, never.
async fn poll_gone(poll: &mut Option<Poll>) {
    match poll {
        Some(poll) => poll.reply.closed().await,
        None => std::future::pending().await,
    }
}

impl Client {
    /// Answers why the client has gone for good.
    async fn serve(&mut self) -> &'static str {
        let endpoint = Arc::clone(&self.endpoint);
        let shutdown = &endpoint.context.shutdown;
        let mut users = endpoint.counts.users.clone();
        let mut tweets = endpoint.counts.tweets.clone();
        users.mark_unchanged();
        tweets.mark_unchanged();
        let mut overdue: BoxFuture<'static, ()> = {
            let shutdown = shutdown.clone();
            Box::pin(async move {
                shutdown.cancelled().await;
                tokio::time::sleep(LAST_WORDS).await;
            })
        };
        let mut events = Vec::new();
        let mut closed = None;
        loop {
            if let Some(input) = self.stashed.take() {
                self.input(input).await;
                continue;
            }
            let now = Instant::now();
            let has_rested = self.rests_until.is_some_and(|until| now >= until);
            if closed.is_none() && (has_rested || self.outbox.is_due(now)) {
                closed = self.gather(&mut events);
            }
            if has_rested {
                // What came meanwhile has waited for as long as it may.
                self.rests_until = None;
                self.outbox.make_due();
            }
            self.send_batch();
            tokio::select! {
                () = self.write() => {}
                () = &mut overdue => return SHUTTING_DOWN,
            }
            if let Some(reason) = closed {
                self.outbox.make_due();
                self.send_batch();
                tokio::select! {
                    () = self.write() => {}
                    () = &mut overdue => {}
                }
                return match reason {
                    CloseReason::ShuttingDown => SHUTTING_DOWN,
                    CloseReason::Failed => FAILED,
                };
            }
            let now = Instant::now();
            let Some(mut wake) = self.tick(now) else { return "gone" };
            self.note_quiet_when_due(now);
            if let Some(retry_at) = self.registrations.retry_at() {
                if now >= retry_at {
                    self.restore_missing().await;
                    continue;
                }
                wake = wake.min(retry_at);
            }
            if let Some(until) = self.nameless_until.filter(|_| self.access_token.is_none()) {
                if now >= until {
                    telemetry::turned_away("first_frame");
                    return "unauthorized";
                }
                wake = wake.min(until);
            }
            let is_attached = self.is_attached();
            let pause = self.pace.pause(now);
            // While a batch is collected, what matches waits in the session: it is taken at once when the batch is due.
            let is_collecting = self.outbox.due().is_some() || self.rests_until.is_some();
            let takes_tweets = is_attached && !is_collecting && self.outbox.has_room() && pause.is_none();
            let pause = pause.map(|pause| now + pause);
            self.deaf_until = self.deaf_until.filter(|&until| now < until);
            let wake = [pause, self.rests_until, self.deaf_until].into_iter().flatten().fold(wake, Instant::min);
            tokio::select! {
                () = &mut overdue => return SHUTTING_DOWN,
                () = auth::expiry(self.access_token.as_ref()) => return "unauthorized",
                () = shutdown.cancelled(), if !is_attached => return SHUTTING_DOWN,
                Some(input) = self.inbox.recv() => self.input(input).await,
                message = next_message(&mut self.socket), if self.deaf_until.is_none() => self.message(message).await,
                () = poll_gone(&mut self.poll) => self.poll = None,
                () = self.session.next(&mut events), if takes_tweets => {
                    closed = self.events(&mut events);
                }
                Some(answer) = self.searches.next(), if !self.searches.is_empty() => {
                    if let Some((to, found)) = answer {
                        self.answer(to, found);
                    }
                }
                Some((to, found)) = self.publishes.next(), if !self.publishes.is_empty() => self.answer(to, found),
                Ok(()) = users.changed(), if !self.is_away() => {
                    self.outbox.users = Some(users.borrow_and_update().n);
                    self.open_window();
                }
                Ok(()) = tweets.changed(), if !self.is_away() => {
                    self.outbox.tweets = Some(tweets.borrow_and_update().n);
                    self.open_window();
                }
                () = sleep(SAY_WITHHELD), if self.pace.has_withheld() => {
                    self.say_withheld();
                    self.open_window();
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Whether the client has said who it is, where that is asked.
    fn is_known(&self) -> bool {
        self.access_token.is_some() || !self.endpoint.context.gate.needs_token()
    }

    /// Makes a session of a client that is known: one of its address's, and one of all.
    fn admit(&mut self) -> Result<(), Fault> {
        self.slot.take()?;
        Ok(self.session.admit()?)
    }

    fn is_raw(&self) -> bool {
        self.endpoint.options.format == FrameFormat::Raw
    }

    fn is_attached(&self) -> bool {
        self.socket.is_some() || self.poll.is_some()
    }

    /// Does what is due, and answers when to look again; `None` when the client has gone for good.
    fn tick(&mut self, now: Instant) -> Option<Instant> {
        let options = &self.endpoint.options;
        let mut wake = now + Duration::from_secs(60);
        if self.is_attached() {
            self.set_presence(Presence::Here);
            if let Some(due) = self.outbox.due() {
                wake = wake.min(due);
            }
        } else if !self.can_return && self.n_sockets > 0 {
            return None;
        } else {
            let left = match self.presence {
                Presence::Here => now,
                Presence::Between(left) | Presence::Away(left) => left,
            };
            let away = left + Duration::from_millis(options.away_after_ms);
            // A client that is known to nobody keeps nothing but its first socket.
            if !self.is_known() && self.n_sockets > 0 {
                return None;
            }
            // Whoever has asked for nothing has nothing to come back to.
            let grace = Duration::from_secs(if self.has_subscribed { options.grace_seconds } else { 0 });
            let gone = (left + grace).max(away);
            if now >= gone {
                return None;
            }
            let (presence, next) =
                if now >= away { (Presence::Away(left), gone) } else { (Presence::Between(left), away) };
            wake = wake.min(next);
            self.set_presence(presence);
        }
        if let Some(poll) = &self.poll {
            wake = wake.min(poll.until);
            if now >= poll.until {
                self.answer_poll(self.format.batch([].into_iter()));
                return Some(now);
            }
        }
        if let Some(socket) = &mut self.socket {
            let options = &self.endpoint.options;
            if now.duration_since(socket.heard) > Duration::from_millis(options.idle_timeout_ms) {
                tracing::debug!("socket is silent");
                self.drop_socket();
                return Some(now);
            }
            if socket.ping_when_due(now, &self.outbox, options) {
                return Some(now);
            }
            wake = wake.min(socket.next_ping);
        }
        Some(wake)
    }

    fn is_away(&self) -> bool {
        matches!(self.presence, Presence::Away(_))
    }

    fn set_presence(&mut self, presence: Presence) {
        let was_away = self.is_away();
        self.presence = presence;
        self.session.set_away(self.is_away());
        if self.is_away() && !was_away {
            // Whoever posts while it is away is answered when it is back.
            std::mem::replace(&mut self.away, CancellationToken::new()).cancel();
        }
    }

    async fn input(&mut self, mut input: Input) {
        if !self.budget.take(Instant::now()) {
            return input.refuse(Answer::TooMany);
        }
        if let Some(access_token) = input.take_access_token() {
            if let Err(message) = access_token.check_renewal(self.access_token.as_ref(), self.session.subscriptions()) {
                telemetry::turned_away("token");
                return input.refuse(Answer::Forbidden(message));
            }
            if self.admit().is_err() {
                return input.refuse(Answer::TooMany);
            }
            self.set_access_token(access_token);
            self.restore().await;
        }
        match input {
            Input::Socket { socket, address_slot, progress, format, right, .. } => {
                self.attach_socket((socket, address_slot), progress, format, right);
            }
            Input::Poll { wants_handshake, format, slot, reply, .. } => {
                self.attach_poll(wants_handshake, format, slot, reply);
            }
            Input::Post { ppstr, right, reply, .. } => self.post(&ppstr, right, reply).await,
        }
    }

    /// Says who the client is.
    fn set_access_token(&mut self, access_token: AccessToken) {
        self.session.set_client(ClientKey::Subject(access_token.subject.as_str().into()));
        self.access_token = Some(access_token);
    }

    async fn post(&mut self, ppstr: &str, right: Right, reply: oneshot::Sender<Answer>) {
        let inbound = match Format::read(ppstr, self.format.packing) {
            Ok(inbound) => inbound,
            Err(error) => {
                // What was sent is lost, as it would be on a socket; the request is answered as if it wanted nothing.
                telemetry::event_dropped(KIND.name, &error);
                let _ = reply.send(Answer::Frame(self.format.value(&no_callback())));
                return;
            }
        };
        self.heard(&inbound);
        let is_taken = self.commands.take(Instant::now());
        if !is_taken {
            telemetry::turned_away("commands");
        }
        let to = if inbound.callback.is_some() {
            let to = ReplyTo::Post { reply, format: inbound.format };
            if !is_taken {
                let max = self.endpoint.context.limits.commands_per_second;
                let fault = Fault::new(Code::Limit, format!("{max} commands a second are taken; this one was not"));
                return self.answer(to, Err(fault));
            }
            to
        } else if !is_taken {
            let _ = reply.send(Answer::TooMany);
            return;
        } else {
            let _ = reply.send(Answer::Frame(inbound.format.value(&no_callback())));
            ReplyTo::Push
        };
        self.event(inbound.event, right, to).await;
    }

    fn heard(&mut self, inbound: &Inbound) {
        self.format = inbound.format;
        self.has_spoken = true;
    }

    fn attach_socket(
        &mut self,
        (stream, address_slot): (Box<WebSocket>, Option<Arc<AddressSlot>>),
        progress: Progress,
        format: Format,
        right: Right,
    ) {
        if !self.has_spoken {
            self.format = format;
        }
        self.drop_socket();
        self.answer_poll(self.format.batch([].into_iter()));
        // What the last connection may not have got comes first.
        self.outbox.send_again();
        let now = Instant::now();
        self.n_sockets += 1;
        let handshake = Message::Text(self.format.handshake(&self.id).into());
        self.socket = Some(Socket {
            stream,
            _address_slot: address_slot,
            progress,
            out: if self.is_raw() { Vec::new() } else { vec![handshake] },
            number: self.n_sockets,
            gone: CancellationToken::new().drop_guard(),
            right,
            owes_answer: false,
            heard: now,
            next_ping: now + Duration::from_millis(self.endpoint.options.ping_interval_ms),
            next_question: now,
        });
        tracing::debug!("socket opens");
        self.outbox.make_due();
    }

    fn attach_poll(
        &mut self,
        wants_handshake: bool,
        format: Format,
        slot: ResponseSlot,
        reply: oneshot::Sender<Answer>,
    ) {
        self.drop_socket();
        self.answer_poll(self.format.batch([].into_iter()));
        if wants_handshake || !self.has_polled {
            if wants_handshake || !self.has_spoken {
                // A handshake shows which versions the client can be.
                let packing = if self.has_spoken { self.format } else { format };
                self.format = Format { version: format.version, ..packing };
            }
            self.has_polled = true;
            self.outbox.send_again();
            self.outbox.make_due();
            let _ = reply.send(Answer::Frame(self.format.handshake(&self.id)));
            self.set_presence(Presence::Between(Instant::now()));
            return;
        }
        self.outbox.acknowledge_all();
        self.note_position();
        let until = Instant::now() + Duration::from_millis(self.endpoint.options.poll_timeout_ms);
        self.poll = Some(Poll { reply, slot, until });
    }

    fn drop_socket(&mut self) {
        if self.socket.take().is_some() {
            self.outbox.send_again();
            tracing::debug!("socket closes");
        }
    }

    /// Answers the poll that waits, if one does. True when its sender was still there, and there
    /// was room for the answer. Without room the poll is turned away, and its client polls again.
    fn answer_poll(&mut self, frame: String) -> bool {
        let Some(poll) = self.poll.take() else { return false };
        self.set_presence(Presence::Between(Instant::now()));
        poll.slot.reserve_now(frame.len()) && poll.reply.send(Answer::Frame(frame)).is_ok()
    }

    /// Takes what has come while a batch was collected. Answers why the session has ended, if it has.
    fn gather(&mut self, events: &mut Vec<Event>) -> Option<CloseReason> {
        let may_take = |client: &Client| {
            client.is_attached() && client.outbox.has_room() && client.pace.pause(Instant::now()).is_none()
        };
        while may_take(self) && self.session.next(events).now_or_never().is_some() {
            let closed = self.events(events);
            if closed.is_some() {
                return closed;
            }
        }
        None
    }

    /// Takes events of the session. Answers why it has ended, if it has.
    fn events(&mut self, events: &mut Vec<Event>) -> Option<CloseReason> {
        let mut closed = None;
        let now = Instant::now();
        for event in events.drain(..) {
            match event {
                Event::Tweet(delivery) if self.pace.admit(delivery.hit.seq, now) => {
                    self.say_withheld();
                    self.outbox.push(Pushed::Tweet(delivery));
                }
                Event::Tweet(_) => {}
                Event::CatchingUp { from } => {
                    self.say_withheld();
                    self.pace.catching_up(true);
                    self.is_catching_up = true;
                    self.tell(commands::catching_up(from));
                }
                Event::Live { seq } => {
                    self.pace.catching_up(false);
                    self.is_catching_up = false;
                    self.registrations.has_caught_up(self.outbox.pushed());
                    self.tell(commands::live(seq));
                }
                Event::Closed(reason) => closed = Some(reason),
            }
        }
        self.open_window();
        closed
    }

    fn say_withheld(&mut self) {
        if let Some(withheld) = self.pace.take_withheld() {
            telemetry::tweets_withheld(withheld.count);
            self.tell(commands::limited(withheld));
        }
    }

    /// Pushes what only clients that know all events are told.
    fn tell(&mut self, pushed: Pushed) {
        if self.endpoint.options.profile.is_told_everything() {
            self.outbox.push(pushed);
        }
    }

    /// For how long pushes are collected.
    fn window(&self) -> Duration {
        let options = &self.endpoint.options;
        Duration::from_millis(if self.socket.is_some() { options.batch_ws_ms } else { options.batch_ajax_ms })
    }

    /// Collects what comes in the next moment into one batch.
    fn open_window(&mut self) {
        self.outbox.open_window(Instant::now() + self.window());
    }

    /// Leaves the session alone for a window: whoever gets one batch after another is then woken once for each, not twice, and nothing
    /// waits for longer than it would. A session that reads from the index is not held up.
    fn rest(&mut self) {
        let until = Instant::now() + self.window();
        let steps = until.duration_since(self.endpoint.started).as_millis() / REST_STEP.as_millis();
        let until = u32::try_from(steps).map_or(until, |steps| self.endpoint.started + REST_STEP * steps);
        self.rests_until = (!self.is_catching_up).then_some(until);
    }

    /// Hands what is due to the socket or the poll.
    fn send_batch(&mut self) {
        let profile = self.endpoint.options.profile;
        while self.is_attached() && self.outbox.is_due(Instant::now()) {
            let (frame, tweets) = self.outbox.frame(self.format, profile);
            if let Some(socket) = &mut self.socket {
                socket.out.push(Message::Text(frame.into()));
            } else if !self.answer_poll(frame) {
                self.outbox.send_again();
                return;
            }
            telemetry::frames_sent(KIND.name, tweets);
            if tweets > 0 {
                self.rest();
            }
        }
        if let Some(socket) = &mut self.socket
            && self.outbox.waits_for_acknowledgement()
        {
            socket.next_ping = socket.next_ping.min(socket.next_question);
            // It goes out with the batch.
            socket.ping_when_due(Instant::now(), &self.outbox, &self.endpoint.options);
        }
    }

    /// Writes all that is ready to the socket. A socket that takes no byte for the write timeout (which is seen within twice that time) is dropped, at
    /// once when the client has opened another.
    async fn write(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        if socket.out.is_empty() {
            return;
        }
        let Socket { stream, progress, out, heard, .. } = socket;
        let write = async {
            for message in out.drain(..) {
                stream.feed(message).await?;
            }
            stream.flush().await
        };
        let timeout = Duration::from_millis(self.endpoint.options.write_timeout_ms);
        let (mut give_up, mut before) = (Instant::now() + timeout, progress.bytes());
        let is_written = {
            tokio::pin!(write);
            loop {
                tokio::select! {
                    biased;
                    written = &mut write => break written.is_ok(),
                    () = sleep_until(give_up) => {
                        let bytes = progress.bytes();
                        if bytes == before {
                            break false;
                        }
                        (give_up, before) = (Instant::now() + timeout, bytes);
                        // Its pong waits behind what it takes.
                        *heard = Instant::now();
                    }
                    Some(input) = self.inbox.recv(), if self.stashed.is_none() => {
                        let is_other_socket = matches!(input, Input::Socket { .. });
                        self.stashed = Some(input);
                        if is_other_socket {
                            break false;
                        }
                    }
                }
            }
        };
        if !is_written {
            self.drop_socket();
        }
    }
}

#[cfg(test)]
mod tests;
