//! The task of one delivery: follows a live search, and sends what it finds in batches.
//!
//! ```text
//! Session ──> events ──> batch ──> `sending` is durable ──> request ──> 2xx ──> position
//! ```
//!
//! A batch has the same id and the same events whenever it is sent: its end is durable before the
//! first request, and after a restart the session begins again at the position. So the receiver
//! gets every match at least once, in order, and can tell repeats by the id. While a receiver fails
//! for long its search is not registered, and costs the others nothing; the index has what it
//! misses.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::batch::{Batch, BatchSource};
use super::delivery_id::DeliveryId;
use super::digest::DigestSlots;
use super::http::DeliveryClient;
use super::pacing::{Pacing, millis};
use super::receiver::Receiver;
use super::sent::{Attempt, Outcome, Sent};
use super::status::{DeliveryState, SessionStatus, Status};
use super::store::{Change, Position, Store, Try};
use crate::backoff::Backoff;
use crate::ids::Seq;
use crate::live::{CloseReason, Delivery, Event, Live, LiveError, Percolate, Session, Wake};
use crate::query::Query;
use crate::telemetry;

/// The pause after the first failed try. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause that perch chooses.
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);

/// The time to pause the delivery of a receiver that wants no more.
const PAUSE_PATIENCE: Duration = Duration::from_secs(60);

/// For a longer pause the search is not registered.
const KEEP_SESSION: Duration = Duration::from_secs(10);

/// A delivery without a match for so long needs no task.
const KEEP_TASK: Duration = Duration::from_secs(10);

/// Why a session or a digest of a delivery ended.
pub(super) enum End {
    /// Everything is delivered, and nothing has come for some time.
    Idle,
    /// perch shuts down.
    ShutDown,
    /// Go on with a new session after this pause.
    Pause(Duration),
    /// perch has given up.
    GaveUp,
    /// The receiver wants no more.
    Refused(String),
}

/// The task of one delivery.
pub(super) struct Worker {
    pub(super) id: DeliveryId,
    pub(super) search: Arc<str>,
    pub(super) query: Query,
    pub(super) receiver: Arc<dyn Receiver>,
    /// `None` sends matches as they come.
    pub(super) pacing: Option<Box<Pacing>>,
    pub(super) digests: Arc<DigestSlots>,
    /// On behalf of the owner.
    pub(super) live: Live,
    pub(super) store: Store,
    pub(super) client: Arc<DeliveryClient>,
    pub(super) give_up: Duration,
    pub(super) status: Arc<Status>,
    /// Pauses the delivery, for this reason.
    pub(super) pause: Box<dyn Fn(String) + Send + Sync>,
    /// The position that deliveries share.
    pub(super) floor: Arc<AtomicU64>,
    /// Failed tries in a row.
    pub(super) failures: u32,
}

impl Worker {
    /// Runs until perch shuts down or the receiver wants no more. Dropping it stops it at any
    /// moment; the position stays right.
    pub(super) async fn run(mut self, mut session: Option<Box<Session>>) {
        loop {
            if let Some(due_ms) = self.digest_due() {
                session = None;
                let end = Box::pin(self.digest(due_ms)).await;
                if !Box::pin(self.go_on(end)).await {
                    return;
                }
                continue;
            }
            let registered = match session.take() {
                Some(session) => Ok(session),
                None => Box::pin(self.register()).await,
            };
            let end = match registered {
                Ok(mut followed) => {
                    self.status.lock().session = SessionStatus::Running(followed.monitor());
                    match self.follow(&mut followed).await {
                        End::Idle => match park(&self.status, followed) {
                            Ok(()) => return,
                            Err(followed) => {
                                session = Some(followed);
                                continue;
                            }
                        },
                        end => {
                            self.status.lock().session = SessionStatus::None;
                            end
                        }
                    }
                }
                Err(reason) => self.failed(reason, None),
            };
            if !Box::pin(self.go_on(end)).await {
                return;
            }
        }
    }

    /// Waits until the delivery goes on. Returns whether it does.
    async fn go_on(&mut self, end: End) -> bool {
        match end {
            End::ShutDown | End::Idle => return false,
            End::Pause(pause) => sleep(pause).await,
            End::GaveUp => return std::future::pending().await,
            End::Refused(reason) => {
                (self.pause)(reason.clone());
                // Only where the pause can't be stored there is another try.
                match self.failed(reason, Some(PAUSE_PATIENCE)) {
                    End::Pause(pause) => sleep(pause).await,
                    _ => return std::future::pending().await,
                }
            }
        }
        true
    }

    /// Registers the search at its position.
    pub(super) async fn register(&mut self) -> Result<Box<Session>, String> {
        let mut session = Box::new(self.live.connect_unadmitted());
        loop {
            let position = self.position().seq;
            // Without `since` nothing is read, which makes a start with many searches fast.
            let mut since = (position < self.live.seq()).then_some(position);
            loop {
                let request = Percolate { query: self.query.clone(), name: None, since, epoch: None };
                match session.percolate(request).await {
                    Ok(registration) if since.is_none() && registration.seq > position => since = Some(position),
                    Ok(_) => return Ok(session),
                    Err(LiveError::Unrecoverable { message, since: first }) => {
                        tracing::warn!(search = &*self.search, %message, "matches were lost before they were delivered");
                        let first = first.max(position.next()).min(self.live.seq().max(first));
                        let sending = self.position().sending.filter(|&end| end > first);
                        self.move_to(Position { seq: first, sending, ..self.position() });
                        break;
                    }
                    Err(error) => return Err(error.to_string()),
                }
            }
        }
    }

    /// Delivers until the session ends. Most deliveries wait most of the time, so what they do
    /// otherwise is boxed: it takes no memory of a task that waits.
    async fn follow(&mut self, session: &mut Session) -> End {
        let mut events = Vec::new();
        let mut waiting: VecDeque<Arc<Delivery>> = VecDeque::new();
        loop {
            // Set by an earlier session.
            let sending = self.position().sending;
            // A batch that was cut off by a restart is read as a whole, also over several pages.
            let is_partial = sending
                .is_some_and(|end| session.is_behind() && waiting.back().is_none_or(|last| last.position() < end));
            if waiting.is_empty() || is_partial {
                if !is_partial && sending.is_none() && self.settle(session) {
                    if timeout(KEEP_TASK, session.next(&mut events)).await.is_err() {
                        return End::Idle;
                    }
                } else {
                    session.next(&mut events).await;
                }
                for event in events.drain(..) {
                    match event {
                        Event::Tweet(delivery) if delivery.is_gone() && !self.receiver.shows_gone() => {}
                        Event::Tweet(delivery) => waiting.push_back(delivery),
                        Event::CatchingUp { .. } => self.set(DeliveryState::CatchingUp),
                        Event::Live { .. } => self.set(DeliveryState::Live),
                        Event::Closed(CloseReason::ShuttingDown) => return End::ShutDown,
                        Event::Closed(_) => return self.failed("the index can't be read".to_owned(), None),
                    }
                }
                if waiting.is_empty() && sending.is_some() && !session.is_behind() {
                    // Nothing of the batch is left in the index.
                    return self.resumed(sending);
                }
                continue;
            }
            if let Some(end) = sending {
                return Box::pin(self.send_again(&mut waiting, end)).await;
            }
            let Some(batch) = Batch::take(&mut waiting, self.max_events(), self.source()) else { continue };
            if let Err(error) = Box::pin(self.begin(&batch)).await {
                return self.failed(error, None);
            }
            if let Some(end) = Box::pin(self.deliver(&batch)).await {
                return end;
            }
            self.status.lock().delivered += batch.events.len() as u64;
            self.move_to(Position { seq: batch.until, ..Position::default() });
            if self.digest_due().is_some() {
                // The events of the hour are used up.
                return End::Pause(Duration::ZERO);
            }
        }
    }

    /// Sends a batch that an earlier session began, unless its tweets were deleted meanwhile.
    async fn send_again(&mut self, waiting: &mut VecDeque<Arc<Delivery>>, sending: Seq) -> End {
        for batch in Batch::take_again(waiting, sending, self.receiver.max_events(), self.source()) {
            if let Some(end) = self.deliver(&batch).await {
                return end;
            }
            self.status.lock().delivered += batch.events.len() as u64;
        }
        self.resumed(Some(sending))
    }

    /// Ends a batch that an earlier session began. Tweets in it may be gone since, and a session
    /// that began before them does not know that the receiver has them. The next session begins
    /// behind them, and says that they are gone.
    fn resumed(&self, sending: Option<Seq>) -> End {
        let position = self.position();
        self.move_to(Position { seq: sending.unwrap_or(position.seq), ..Position::default() });
        End::Pause(Duration::ZERO)
    }

    /// Whose batches it makes.
    pub(super) fn source(&self) -> BatchSource<'_> {
        BatchSource { search: &self.search, query: &self.query, delivery: self.id, epoch: self.live.epoch() }
    }

    /// The position, which may be the floor.
    pub(super) fn position(&self) -> Position {
        let position = self.status.lock().position;
        let floor = if position.follows_floor { Seq(self.floor.load(Ordering::Relaxed)) } else { Seq::ZERO };
        Position { seq: position.seq.max(floor), ..position }
    }

    pub(super) fn set(&self, state: DeliveryState) {
        self.status.lock().state = state;
    }

    /// Moves the delivery; it becomes durable with the next commit.
    fn move_to(&self, position: Position) {
        // The changes of a delivery are queued in the order in which they are made.
        let mut status = self.status.lock();
        status.position = position;
        self.store.note(Change::Move(self.id, position));
    }

    /// Says that everything is delivered that was offered. Returns whether it is.
    fn settle(&mut self, session: &Session) -> bool {
        // Under the lock, so that the floor does not rise past a match that comes in between.
        let mut status = self.status.lock();
        let Some(passed) = session.passed() else { return false };
        session.settle();
        if !status.position.follows_floor {
            let seq = status.position.seq.max(passed);
            status.position = Position { seq, follows_floor: true, ..Position::default() };
            self.store.note(Change::Move(self.id, status.position));
        }
        status.state = DeliveryState::Live;
        drop(status);
        self.failures = 0;
        true
    }

    /// Makes the end of a batch durable.
    async fn begin(&self, batch: &Batch) -> Result<(), String> {
        // Everything before the first match is delivered, so nothing before it is read again.
        let old = self.position();
        let old = Position { seq: old.seq.max(batch.after), follows_floor: false, ..old };
        let (durable, pacing) = {
            let mut status = self.status.lock();
            let old_pacing = status.pacing.clone();
            status.position = Position { sending: Some(batch.until), ..old };
            let (position, used) = (status.position, self.count_used(&mut status, batch.tweets()));
            let change = match used {
                Some(pacing) => Change::MovePaced(self.id, position, pacing),
                None => Change::Move(self.id, position),
            };
            (self.store.begin(change), old_pacing)
        };
        durable.await.map_err(|error| {
            let mut status = self.status.lock();
            (status.position, status.pacing) = (old, pacing);
            error.to_string()
        })
    }

    /// Sends a batch until it has arrived. Returns why it has not.
    async fn deliver(&mut self, batch: &Batch) -> Option<End> {
        loop {
            match self.attempt(batch).await {
                Some(End::Pause(pause)) if pause <= KEEP_SESSION => sleep(pause).await,
                end => return end,
            }
        }
    }

    /// Sends a batch once. Returns why it has not arrived.
    pub(super) async fn attempt(&mut self, batch: &Batch) -> Option<End> {
        let attempt = if self.failures > 0 { Attempt::Again } else { Attempt::First };
        let (at, started) = (Timestamp::now(), Instant::now());
        let Sent { status, outcome } = self.receiver.send(batch, &self.client, attempt).await;
        let error = match &outcome {
            Outcome::Delivered => None,
            Outcome::Failed { reason, .. } | Outcome::Refused(reason) => Some(reason.clone()),
        };
        telemetry::delivery_tried(self.receiver.kind(), error.is_none(), batch.events.len());
        self.note_try(Try {
            at_ms: millis(at),
            took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            id: batch.id.clone(),
            events: batch.events.len(),
            status,
            error,
        });
        match outcome {
            Outcome::Delivered => {
                self.failures = 0;
                if matches!(self.status.lock().state, DeliveryState::Failing { .. }) {
                    self.set(DeliveryState::Live);
                }
                None
            }
            Outcome::Refused(reason) => Some(End::Refused(reason)),
            Outcome::Failed { reason, retry_after } => Some(self.failed(reason, retry_after)),
        }
    }

    fn note_try(&self, tried: Try) {
        let known = self.status.lock().next_try;
        let number = known.unwrap_or_else(|| self.store.next_try(self.id));
        self.status.lock().next_try = Some(number + 1);
        self.store.note(Change::Tried(self.id, number, Box::new(tried)));
    }

    /// Says what to do after a failure.
    pub(super) fn failed(&mut self, reason: String, retry_after: Option<Duration>) -> End {
        let now = millis(Timestamp::now());
        let position = self.position();
        let since = position.failing_since_ms.unwrap_or(now);
        if position.failing_since_ms.is_none() {
            self.move_to(Position { failing_since_ms: Some(now), follows_floor: false, ..position });
        }
        if u128::from(now.saturating_sub(since)) >= self.give_up.as_millis() {
            tracing::warn!(search = &*self.search, reason, "perch has given up a delivery");
            self.set(DeliveryState::Failing { reason, next_try_ms: None });
            return End::GaveUp;
        }
        let own = Backoff::new(FIRST_PAUSE, MAX_PAUSE).delay(self.failures);
        self.failures = self.failures.saturating_add(1);
        let pause = own.mul_f64(rand::rng().random_range(0.5..1.0)).max(retry_after.unwrap_or_default());
        let next_try_ms = now.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        self.set(DeliveryState::Failing { reason, next_try_ms: Some(next_try_ms) });
        End::Pause(pause)
    }
}

/// Lets a delivery wait for its next match without a task. Returns its session if that needs one.
pub(super) fn park(status: &Arc<Status>, session: Box<Session>) -> Result<(), Box<Session>> {
    let wake: Weak<dyn Wake> = Arc::<Status>::downgrade(status);
    // The lock comes first: a delivery that is woken at once waits for it.
    let mut fields = status.lock();
    fields.session = SessionStatus::Idle(session.park(wake)?);
    Ok(())
}
