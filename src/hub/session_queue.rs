//! The bounded queue of one session, and whether the session is live or behind.
//!
//! The hub offers deliveries, the session takes them. While a session is *live*, every match goes
//! through the queue. It is *behind* after the queue has overflowed, and while it resumes. Then the
//! hub only records the seq of the newest match, and the session reads from the index until it has
//! passed that seq ([`SessionQueue::go_live`]).

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use super::{Delivery, DeliveryKind, SubscriptionName};
use crate::ids::{Seq, Uid};

/// The bounds of a session's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Number of deliveries.
    pub max_frames: usize,
    /// Bytes of tweets.
    pub max_bytes: usize,
}

/// Is told that the queue of a session that is not waited for has something to take.
pub(crate) trait Wake: Debug + Send + Sync {
    /// Called once, by the hub. Must not wait.
    fn wake(self: Arc<Self>);
}

/// The queue of one session, shared by the hub and the session.
#[derive(Debug)]
pub struct SessionQueue {
    uid: Uid,
    limits: QueueLimits,
    state: Mutex<State>,
    /// Notified when there is something to take.
    ready: Notify,
    /// Notified at [`BACKLOG_DELIVERIES`], for a session that does not wait for `ready` while it
    /// coalesces.
    backlogged: Notify,
}

/// A queue of this many deliveries is a backlog: the session should take them soon.
const BACKLOG_DELIVERIES: usize = 64;

/// An empty queue with more capacity than this releases its memory.
const KEPT_CAPACITY: usize = 16;

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Delivery>>,
    bytes: usize,
    behind: bool,
    /// While live: the session has read the tweets up to here from the index.
    after: Seq,
    /// The newest match that was not queued because the session was behind.
    newest_missed: Seq,
    /// While behind: every match up to here was taken.
    settled: Seq,
    /// Deliveries were taken, or read from the index, and [`SessionQueue::settle`] was not called
    /// since.
    outstanding: bool,
    /// perch is shutting down. Deliveries in the queue may still be taken.
    closed: bool,
    /// Is told in the place of the session, once.
    parked: Option<Weak<dyn Wake>>,
}

/// The result of [`SessionQueue::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakeOutcome {
    /// Deliveries were appended.
    Taken,
    /// The queue is empty.
    Empty,
    /// The session is behind: it has to read from the index.
    Behind,
    /// The queue is empty and closed.
    Closed,
}

impl SessionQueue {
    pub(crate) fn new(uid: Uid, limits: QueueLimits) -> SessionQueue {
        SessionQueue { uid, limits, state: Mutex::default(), ready: Notify::new(), backlogged: Notify::new() }
    }

    pub(crate) fn uid(&self) -> Uid {
        self.uid
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a delivery for a live session. On overflow the queue is dropped and the session is
    /// behind.
    pub(super) fn offer(&self, delivery: &Arc<Delivery>) {
        let seq = delivery.hit.seq;
        let mut state = self.state();
        if state.behind {
            state.newest_missed = seq;
            return;
        }
        if seq <= state.after {
            return;
        }
        let bytes = state.bytes + delivery.size_bytes();
        if state.waiting.len() >= self.limits.max_frames || (bytes > self.limits.max_bytes && !state.waiting.is_empty())
        {
            let dropped = state.waiting.len() + 1;
            state.fall_behind(Seq(seq.0 - 1));
            state.newest_missed = seq;
            self.notify(state);
            crate::telemetry::queue_overflowed(dropped);
        } else {
            state.bytes = bytes;
            state.waiting.push_back(Arc::clone(delivery));
            // The session drains the queue at each notification, so only the first delivery
            // notifies it.
            let (waiting, parked) = (state.waiting.len(), state.parked.take());
            drop(state);
            match waiting {
                1 => self.ready.notify_one(),
                BACKLOG_DELIVERIES => self.backlogged.notify_one(),
                _ => {}
            }
            wake(parked);
        }
    }

    /// Makes the session read from the index from this tweet on: the engine did not decide whether
    /// it matches. Called in the order of seqs, as [`SessionQueue::offer`] is.
    pub(super) fn defer(&self, seq: Seq) {
        let mut state = self.state();
        if seq <= state.after && !state.behind {
            return;
        }
        state.fall_behind(Seq(seq.0 - 1));
        state.newest_missed = seq;
        self.notify(state);
    }

    /// The seq up to which a live session has read from the index. May be beyond the position of
    /// the loop, while a batch is being percolated.
    pub(crate) fn after(&self) -> Seq {
        self.state().after
    }

    fn notify(&self, mut state: MutexGuard<'_, State>) {
        let parked = state.parked.take();
        drop(state);
        self.ready.notify_one();
        self.backlogged.notify_one();
        wake(parked);
    }

    /// Tells `parked` in the place of the session when there is something to take: at once if
    /// there is already.
    pub(crate) fn park(&self, parked: Weak<dyn Wake>) {
        let mut state = self.state();
        if state.waiting.is_empty() && !state.behind {
            state.parked = Some(parked);
            return;
        }
        drop(state);
        wake(Some(parked));
    }

    /// Makes the session read from the index. `position` is the seq of the last tweet that was
    /// offered.
    pub(crate) fn resume(&self, position: Seq) {
        let mut state = self.state();
        state.fall_behind(position);
        self.notify(state);
    }

    /// The seq from which a session that is behind starts to read: every match up to it was taken.
    /// May be far beyond the last delivery, which for a quiet subscription can be a tweet that was
    /// deleted since.
    pub(crate) fn settled(&self) -> Seq {
        self.state().settled
    }

    /// Removes a subscription's name from the queued deliveries, and the deliveries that have no
    /// other name.
    pub(super) fn purge(&self, name: &SubscriptionName) {
        let mut state = self.state();
        if !state.waiting.iter().any(|delivery| delivery.names.contains(name)) {
            return;
        }
        let waiting = std::mem::take(&mut state.waiting);
        state.waiting = waiting
            .into_iter()
            .filter_map(|delivery| {
                if !delivery.names.contains(name) {
                    return Some(delivery);
                }
                let names: Arc<[SubscriptionName]> =
                    delivery.names.iter().filter(|&other| other != name).cloned().collect();
                (!names.is_empty()).then(|| Arc::new(Delivery::of_kind(delivery.kind, delivery.hit.clone(), names)))
            })
            .collect();
        state.mark_unfollowed();
        state.bytes = state.waiting.iter().map(|delivery| delivery.size_bytes()).sum();
    }

    /// Whether the session is live and the queue is empty.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state();
        !state.behind && state.waiting.is_empty()
    }

    /// Moves up to `max` deliveries to the end of `deliveries`.
    pub(crate) fn take(&self, max: usize, deliveries: &mut Vec<Arc<Delivery>>) -> TakeOutcome {
        let mut state = self.state();
        if state.behind && !state.closed {
            return TakeOutcome::Behind;
        }
        if state.waiting.is_empty() {
            return if state.closed { TakeOutcome::Closed } else { TakeOutcome::Empty };
        }
        state.outstanding = true;
        let n = state.waiting.len().min(max);
        let first = deliveries.len();
        deliveries.extend(state.waiting.drain(..n));
        state.bytes -= deliveries[first..].iter().map(|delivery| delivery.size_bytes()).sum::<usize>();
        if state.waiting.is_empty() && state.waiting.capacity() > KEPT_CAPACITY {
            state.waiting = VecDeque::new();
        }
        TakeOutcome::Taken
    }

    /// Waits until [`SessionQueue::take`] may return something else than `Empty`. Cancel safe.
    pub(crate) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// Waits until the queue has a backlog, or the session is behind or closed. Cancel safe.
    /// Spurious wake-ups are possible.
    pub(crate) async fn backlogged(&self) {
        self.backlogged.notified().await;
    }

    /// Makes a session live again that has read everything up to `until`. False if there was a
    /// newer match: the session has to read on.
    pub(crate) fn go_live(&self, until: Seq) -> bool {
        let mut state = self.state();
        if state.newest_missed > until {
            return false;
        }
        state.behind = false;
        state.outstanding = true;
        state.after = until;
        true
    }

    /// Says that the client has everything that was taken from the queue.
    pub(crate) fn settle(&self) {
        self.state().outstanding = false;
    }

    /// Says that the client may lack something.
    pub(crate) fn unsettle(&self) {
        self.state().outstanding = true;
    }

    /// Whether the client has every match that was offered so far.
    pub(crate) fn is_settled(&self) -> bool {
        let state = self.state();
        !state.behind && state.waiting.is_empty() && !state.outstanding
    }

    /// Closes the queue: the session ends when it has taken the deliveries in it. One that is
    /// parked has nothing to take.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.ready.notify_one();
        self.backlogged.notify_one();
    }

    /// Whether [`SessionQueue::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }
}

fn wake(parked: Option<Weak<dyn Wake>>) {
    if let Some(parked) = parked.and_then(|parked| parked.upgrade()) {
        parked.wake();
    }
}

impl State {
    /// Corrects the notices that a tweet is gone whose tweet is not in the queue any more.
    fn mark_unfollowed(&mut self) {
        for at in 0..self.waiting.len() {
            let delivery = &self.waiting[at];
            let DeliveryKind::Gone { reason, is_followed: true } = delivery.kind else { continue };
            if self.waiting.get(at + 1).is_none_or(|next| next.hit.seq != delivery.hit.seq) {
                let kind = DeliveryKind::Gone { reason, is_followed: false };
                let unfollowed = Delivery::of_kind(kind, delivery.hit.clone(), Arc::clone(&delivery.names));
                self.waiting[at] = Arc::new(unfollowed);
            }
        }
    }

    /// Drops the queue. `offered`: the tweets up to here were offered.
    fn fall_behind(&mut self, offered: Seq) {
        if self.behind {
            return;
        }
        self.behind = true;
        self.settled = self.waiting.front().map_or(offered, |delivery| Seq(delivery.hit.seq.0 - 1));
        self.waiting = VecDeque::new();
        self.bytes = 0;
    }
}
