//! The task of one connection: waits for the socket, the session, searches and deadlines, and
//! writes what they bring.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::{Instant, Sleep};

use super::close::{self, WsClose};
use super::coalesce::WriteCoalescer;
use super::frame_writer::ResumePoint;
use super::read_ready::{IoEvent, ReadReadiness, TOO_MUCH_BYTES, io_event};
use super::timers::{TWEETS_EVERY, Times, USERS_EVERY, is_silent};
use super::{KIND, Socket, WsState};
use crate::live::{AddressSlot, ClientSession, Demand};
use crate::telemetry;
use crate::transport::TransportContext;
use crate::transport::protocol::{self, HelloLimits, Ref};

/// While this much waits to be written, the connection takes no tweets from its session.
const ENOUGH_BYTES: usize = 64 * 1024;

/// How long a client may take the rest after perch has begun to shut down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// One client.
pub(super) struct Connection {
    pub(super) socket: Socket,
    /// Dropping it ends the subscriptions.
    pub(super) session: ClientSession<Option<Ref>>,
    /// The connection's slot, where a proxy's connections carry many clients.
    pub(super) _address_slot: Option<Arc<AddressSlot>>,
    pub(super) ws: Arc<WsState>,
    /// The number of tweets, and of notices that one is gone, that wait to be written.
    pub(super) out_tweets: usize,
    /// Whether the socket has something to read.
    pub(super) read_ready: ReadReadiness,
    /// When to write.
    pub(super) coalescer: WriteCoalescer,
    /// Whether something waits that must not be held back, which is every frame but tweets and
    /// counts.
    pub(super) urgent: bool,
    pub(super) times: Times,
    /// Fires at the next deadline, or before.
    pub(super) alarm: Pin<Box<Sleep>>,
    /// When the client last sent something.
    pub(super) last_received: Instant,
    /// Set when the session is over. The connection closes once everything is written.
    pub(super) ending: Option<WsClose>,
}

impl Connection {
    pub(super) async fn run(mut self: Box<Connection>) {
        tracing::debug!("connected");
        let end = match self.talk().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        telemetry::disconnected(KIND.name, end.name());
        tracing::debug!(reason = end.name(), "disconnected");
        // The session goes before the close frame, so that nothing more is matched for the client.
        let Connection { socket, session, .. } = *self;
        let mut socket = Box::new(socket);
        drop(session);
        close::close(&mut socket, end).await;
    }

    async fn talk(&mut self) -> Result<std::convert::Infallible, WsClose> {
        let mut events = Vec::new();
        self.hello();
        loop {
            let now = Instant::now();
            // The socket mostly takes everything at once, and nothing is left to wait for.
            if self.socket.get_ref().has_work() && self.held_until(now).is_none() {
                match poll_fn(|context| Poll::Ready(self.socket.get_mut().poll_send(context))).await {
                    Poll::Ready(Ok(())) => self.wrote(now),
                    Poll::Ready(Err(_)) => return Err(WsClose::Gone),
                    // Only a failed write shows a stuck client. Before it, a command may have taken
                    // that long, or the write was held back.
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
            let (writer, write_timeout) = (self.socket.get_ref(), self.write_timeout());
            let stuck = writer.stuck_for(now).map(|stuck| now + write_timeout.saturating_sub(stuck));
            let paused_until = self.session.reads_paused_until(now);
            let due = [held, paused_until, stuck].into_iter().flatten().fold(self.times.next(), Instant::min);
            if due < self.alarm.deadline() || self.alarm.is_elapsed() {
                self.alarm.as_mut().reset(due);
            }
            let (write, read) =
                (writer.has_work() && held.is_none(), paused_until.is_none() && !self.session.is_busy());
            // The tweets before a registration's watermark go out before its reply.
            let enough = if self.session.is_busy() { TOO_MUCH_BYTES } else { ENOUGH_BYTES };
            let demand = if waiting >= enough {
                Demand::Replies
            } else if held.is_some() {
                Demand::UntilBacklog
            } else {
                Demand::All
            };
            tokio::select! {
                biased;
                () = self.alarm.as_mut() => self.deadlines_passed()?,
                moved = io_event(&mut self.socket, &self.read_ready, write, read) => match moved {
                    IoEvent::Wrote(Ok(())) => self.wrote(Instant::now()),
                    IoEvent::Wrote(Err(_)) => return Err(WsClose::Gone),
                    IoEvent::Read(message) => {
                        self.message(message)?;
                        // The reply, behind what was matched before the command.
                        while self.session.has_replies()
                            && self.session.next(Demand::All, &mut events).now_or_never().is_some()
                        {
                            self.events(&mut events)?;
                        }
                    }
                },
                () = self.session.next(demand, &mut events) => {
                    if held.is_some() && events.is_empty() {
                        self.coalescer = WriteCoalescer::new(now);
                    }
                    self.events(&mut events)?;
                }
            }
        }
    }

    /// Handles the deadlines that have passed.
    fn deadlines_passed(&mut self) -> Result<(), WsClose> {
        let now = Instant::now();
        if self.times.overdue.is_some_and(|overdue| overdue <= now) {
            return Err(WsClose::ShuttingDown);
        }
        if self.times.first_frame.is_some_and(|until| until <= now) {
            telemetry::turned_away("first_frame");
            return Err(WsClose::Silent);
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

    /// The close of a client that takes nothing. Drops the frames that have not begun to go out, so
    /// that the close frame can say how far the client got.
    fn too_slow(&mut self) -> WsClose {
        let writer = self.socket.get_mut();
        writer.drop_waiting();
        WsClose::TooSlow(writer.seq())
    }

    fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.ws.options.write_timeout_ms)
    }

    /// The bytes that wait to be written.
    fn waiting_bytes(&self) -> usize {
        self.socket.get_ref().waiting_bytes()
    }

    /// Until when to hold the next write back, so that frames go out together. A session that reads
    /// from the index is not held back.
    fn held_until(&self, now: Instant) -> Option<Instant> {
        let can_wait = !self.urgent && self.waiting_bytes() < ENOUGH_BYTES && !self.session.is_behind();
        if can_wait { self.coalescer.held_until(now) } else { None }
    }

    fn wrote(&mut self, now: Instant) {
        self.urgent = false;
        let tweets = std::mem::take(&mut self.out_tweets);
        if tweets > 0 {
            self.coalescer.wrote(now);
            self.ws.frames_sent.sent(tweets);
        }
    }

    /// Appends the counts, for a client that keeps up.
    fn counts(&mut self, now: Instant) {
        self.times.users = (self.times.users + USERS_EVERY).max(now);
        self.times.until_tweets -= 1;
        let with_tweets = self.times.until_tweets == 0;
        if with_tweets {
            self.times.until_tweets = TWEETS_EVERY;
        }
        if self.ws.context.shutdown.is_cancelled() {
            self.times.overdue.get_or_insert(now + SHUTDOWN_GRACE);
        } else if self.session.is_authenticated() && self.socket.get_ref().waiting_bytes() < ENOUGH_BYTES {
            let counts = &self.ws.counts;
            let tweets = with_tweets.then(|| counts.tweets.borrow().frame.clone());
            let users = counts.users.borrow().frame.clone();
            // The frames are empty before the first count.
            for frame in [Some(users), tweets].into_iter().flatten().filter(|frame| !frame.is_empty()) {
                self.push(frame);
            }
        }
    }

    /// Appends a frame that may be held back.
    pub(super) fn push(&mut self, frame: impl Into<Bytes>) {
        self.socket.get_mut().push_text(frame, ResumePoint::None);
    }

    /// Appends a frame that goes out at once, with all frames before it.
    pub(super) fn text(&mut self, frame: impl Into<Bytes>) {
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
        let payload = protocol::hello_payload(self.session.uid(), live.epoch(), live.seq(), limits);
        self.text(protocol::hello(&payload));
    }

    /// Closes a silent connection, and else sends a ping. While frames wait no ping is needed: the
    /// client shows that it is there by taking them.
    fn ping(&mut self, now: Instant) -> Result<(), WsClose> {
        self.times.ping = now + Duration::from_millis(self.ws.options.ping_interval_ms);
        let writer = self.socket.get_mut();
        if is_silent(now, self.last_received, writer.drained(), Duration::from_millis(self.ws.options.idle_timeout_ms))
        {
            return Err(WsClose::Silent);
        }
        if writer.waiting_bytes() == 0 {
            writer.push_ping();
            self.urgent = true;
        }
        Ok(())
    }
}
