//! One client's task: owns the session, the attached socket or poll, and what waits to be sent.
//!
//! ```text
//! inbox ──> attach socket or poll, handle events ──┐
//! socket ──> handle events ────────────────────────┤
//! session, counts ──> outbox ──────────────────────┴──> batches ──> socket, or poll's answer
//! ```
//!
//! The task takes tweets from the session only while something is attached. The outbox keeps them
//! until the client has acknowledged them: a socket by its answer to a ping sent behind them, a
//! poll by the next poll. When the connection breaks before, the next connection gets them again.
//! perch closes a socket by dropping it: clients of some versions don't come back after a close
//! frame.

mod attachment;
mod commands;
mod delivery;
mod frames;
mod input;
mod outbox;
mod registrations;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use perch_sente::frame::{Format, Version};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::options::FrameFormat;
use super::{Endpoint, KIND};
use crate::live::{ClientSession, CloseReason, Demand, Registration, TokenBucket};
use crate::telemetry;
use attachment::{Poll, Socket, next_message, poll_gone};
use commands::PendingCommand;
pub(super) use input::{Input, RequestAnswer};
use outbox::Outbox;
use registrations::Registrations;

/// The reason when perch shuts down.
const SHUTTING_DOWN: &str = "shutting_down";

/// The reason when the session can't go on: the index can't be read, or retention has deleted what
/// the client was to be sent next.
const FAILED: &str = "failed";

/// The reason when the client's token has expired, or none came in time.
const UNAUTHORIZED: &str = "unauthorized";

/// How long a client may take to fetch the rest when perch shuts down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// Everything about one client.
struct ClientTask {
    endpoint: Arc<Endpoint>,
    id: Box<str>,
    /// Whether the client knows its id, and so can come back.
    can_return: bool,
    /// What perch keeps of the client over a restart.
    registrations: Registrations,
    /// Dropping it ends the subscriptions.
    session: ClientSession<PendingCommand>,
    inbox: mpsc::Receiver<Input>,
    /// An input that came during a write to the socket.
    stashed: Option<Input>,
    /// The format of frames: that of the client's last frame.
    format: Format,
    /// Whether the client has sent a frame.
    has_spoken: bool,
    /// Whether a poll was answered with a handshake.
    has_polled: bool,
    socket: Option<Socket>,
    n_sockets: u64,
    poll: Option<Poll>,
    outbox: Outbox,
    /// Cancelled and replaced when the client counts as away, to stop the searches whose answers
    /// would be pushed.
    away: CancellationToken,
    /// The unnamed search and its watermark. A page of this search that names no position is read
    /// at the watermark, so that pages don't shift.
    registered: Option<Registration>,
    has_subscribed: bool,
    /// Until when the task takes nothing from the session, after a batch.
    rests_until: Option<Instant>,
    /// The rate of events, polls and connections.
    budget: TokenBucket,
    /// Until when perch does not read from a socket above the rate of events.
    unread_until: Option<Instant>,
    /// Whether the client has just shown a token: what it had registered is to be restored.
    is_restore_due: bool,
    presence: Presence,
}

/// Whether the client is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// A socket or poll is attached.
    Here,
    /// Nothing is attached since then. perch expects the client at once, as between two polls.
    Between(Instant),
    /// Nothing is attached since then, and the client doesn't count as connected.
    Away(Instant),
}

/// Runs the task until the client has gone for good.
pub(super) async fn run(
    endpoint: Arc<Endpoint>,
    (id, can_return): (Box<str>, bool),
    session: ClientSession<PendingCommand>,
    inbox: mpsc::Receiver<Input>,
) {
    let now = Instant::now();
    let format = endpoint.options.packer.format(Version::V1);
    let registrations = Registrations::new((can_return && endpoint.options.grace_seconds > 0).then_some(&*id));
    let _running = endpoint.saved.enter();
    let mut client = ClientTask {
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
        away: CancellationToken::new(),
        registered: None,
        has_subscribed: false,
        rests_until: None,
        budget: TokenBucket::new(endpoint.options.events_per_second, 1, now),
        unread_until: None,
        is_restore_due: false,
        presence: Presence::Between(now),
    };
    tracing::debug!("client comes");
    client.restore().await;
    let reason = client.serve().await;
    // Before the inbox closes, because a new task of this client may begin then.
    match reason {
        SHUTTING_DOWN => client.note_quiet(),
        // The client comes back, and a new session restores what it had registered.
        FAILED => client.release(),
        _ => client.forget(),
    }
    client.inbox.close();
    endpoint.table.remove_closed(&client.id);
    telemetry::disconnected(KIND.name, reason);
    tracing::debug!(reason, "client goes");
}

impl ClientTask {
    /// Handles inputs, events and deadlines. Returns the reason when the client has gone for good.
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
                tokio::time::sleep(SHUTDOWN_GRACE).await;
            })
        };
        let mut events = Vec::new();
        let mut closed = None;
        loop {
            let is_busy = self.session.is_busy();
            if std::mem::take(&mut self.is_restore_due) {
                self.restore().await;
            }
            if !is_busy && let Some(input) = self.stashed.take() {
                self.input(input).await;
                continue;
            }
            let now = Instant::now();
            let has_rested = self.rests_until.is_some_and(|until| now >= until);
            if closed.is_none() && (has_rested || self.outbox.is_due(now)) {
                closed = self.gather(&mut events);
            }
            if has_rested {
                // What came during the rest has waited long enough.
                self.rests_until = None;
                self.outbox.make_due();
            }
            self.send_batch();
            tokio::select! {
                () = self.write() => {}
                () = &mut overdue => return SHUTTING_DOWN,
            }
            if closed == Some(CloseReason::Unauthorized) {
                return UNAUTHORIZED;
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
                    CloseReason::Unauthorized => UNAUTHORIZED,
                };
            }
            let now = Instant::now();
            let Some(mut wake) = self.tick(now) else { return "gone" };
            self.note_quiet_when_due(now);
            if let Some(retry_at) = self.registrations.retry_at().filter(|_| !is_busy) {
                if now >= retry_at {
                    self.restore_missing().await;
                    continue;
                }
                wake = wake.min(retry_at);
            }
            let is_attached = self.is_attached();
            // While a batch is collected, matches wait in the session. They are taken together when
            // the batch is due.
            let is_collecting = self.outbox.due().is_some() || self.rests_until.is_some();
            let takes_tweets = is_attached && !is_collecting && self.outbox.has_room();
            let demand = if takes_tweets { Demand::All } else { Demand::Replies };
            self.unread_until = self.unread_until.filter(|&until| now < until);
            let paused_until = self.unread_until.max(self.session.reads_paused_until(now));
            let wake = [self.rests_until, paused_until].into_iter().flatten().fold(wake, Instant::min);
            tokio::select! {
                () = &mut overdue => return SHUTTING_DOWN,
                () = shutdown.cancelled(), if !is_attached => return SHUTTING_DOWN,
                Some(input) = self.inbox.recv(), if !is_busy => self.input(input).await,
                message = next_message(&mut self.socket), if paused_until.is_none() && !is_busy => self.message(message),
                () = poll_gone(&mut self.poll) => self.poll = None,
                () = self.session.next(demand, &mut events) => closed = self.events(&mut events),
                Ok(()) = users.changed(), if !self.is_away() => {
                    self.outbox.users = Some(users.borrow_and_update().n);
                    self.open_window();
                }
                Ok(()) = tweets.changed(), if !self.is_away() => {
                    self.outbox.tweets = Some(tweets.borrow_and_update().n);
                    self.open_window();
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    fn is_raw(&self) -> bool {
        self.endpoint.options.format == FrameFormat::Raw
    }

    fn is_attached(&self) -> bool {
        self.socket.is_some() || self.poll.is_some()
    }

    /// Does what is due. Returns the next deadline, or `None` when the client has gone for good.
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
            // A client without a token has only its first socket.
            if !self.session.is_authenticated() && self.n_sockets > 0 {
                return None;
            }
            // A client that never subscribed has nothing to come back to.
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
            if now.duration_since(socket.last_received) > Duration::from_millis(options.idle_timeout_ms) {
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
            // What the client posts while it is away is answered when it is back.
            std::mem::replace(&mut self.away, CancellationToken::new()).cancel();
        }
    }
}
