//! What waits for one session, bounded; and whether the session is live or behind.
//!
//! The hub offers, the session takes. A session is *live* while everything that matches goes through the queue, and *behind*
//! after the queue has overflowed or while it resumes: then the hub only notes the position of the newest tweet it kept
//! back, and the session reads from the index until it has passed that position ([`SessionQueue::go_live`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Delivery, Name};
use crate::ids::{Seq, Uid};

/// How much may wait for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Deliveries.
    pub max_frames: usize,
    /// Bytes of tweets.
    pub max_bytes: usize,
}

/// The queue of one session, shared by the hub and the session.
#[derive(Debug)]
pub struct SessionQueue {
    uid: Uid,
    limits: QueueLimits,
    state: Mutex<State>,
    /// Told when there is something to take.
    ready: Notify,
    /// Told when there is much to take, for who does not listen to `ready`.
    crowded: Notify,
}

/// So many waiting deliveries are a crowd.
const CROWD: usize = 64;

/// A queue that was longer gives its memory back when it is empty.
const KEPT: usize = 16;

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Delivery>>,
    bytes: usize,
    behind: bool,
    /// While live: tweets up to here came from the index already.
    after: Seq,
    /// The newest tweet that was kept back while the session was behind.
    missed: Seq,
    /// While behind: everything up to here was taken, or does not match.
    settled: Seq,
    /// perch is shutting down; what waits may still be taken.
    closed: bool,
}

/// What [`SessionQueue::take`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Deliveries were appended.
    Some,
    /// Nothing waits.
    Empty,
    /// The session has fallen behind.
    Behind,
    /// Nothing waits and nothing will.
    Closed,
}

impl SessionQueue {
    pub(crate) fn new(uid: Uid, limits: QueueLimits) -> SessionQueue {
        SessionQueue { uid, limits, state: Mutex::default(), ready: Notify::new(), crowded: Notify::new() }
    }

    pub(crate) fn uid(&self) -> Uid {
        self.uid
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a delivery into the queue of a live session. On overflow the queue goes and the session is behind.
    pub(super) fn offer(&self, delivery: &Arc<Delivery>) {
        let seq = delivery.hit.seq;
        let mut state = self.state();
        if state.behind {
            state.missed = seq;
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
            state.missed = seq;
            drop(state);
            crate::telemetry::queue_overflowed(dropped);
        } else {
            state.bytes = bytes;
            state.waiting.push_back(Arc::clone(delivery));
            // The session drains the queue each time it is told, so only the first delivery needs to tell.
            let waiting = state.waiting.len();
            drop(state);
            match waiting {
                1 => self.ready.notify_one(),
                CROWD => self.crowded.notify_one(),
                _ => {}
            }
            return;
        }
        self.notify();
    }

    /// Makes the session read from the index from a tweet on, which may match and was not decided. Called in the order of
    /// tweets, as [`SessionQueue::offer`] is.
    pub(super) fn defer(&self, seq: Seq) {
        let mut state = self.state();
        if seq <= state.after && !state.behind {
            return;
        }
        state.fall_behind(Seq(seq.0 - 1));
        state.missed = seq;
        drop(state);
        self.notify();
    }

    /// Up to where a session that is live took everything from the index; lies beyond the position of the loop while a
    /// batch is on its way.
    pub(crate) fn after(&self) -> Seq {
        self.state().after
    }

    fn notify(&self) {
        self.ready.notify_one();
        self.crowded.notify_one();
    }

    /// Makes the session read from the index. Called between two tweets, the last of which is at `position`.
    pub(crate) fn resume(&self, position: Seq) {
        self.state().fall_behind(position);
        self.notify();
    }

    /// Where a session that is behind starts to read: everything up to here was taken, or does not match. It may be far beyond what was
    /// taken last, which for a quiet subscription can be a tweet that is long gone.
    pub(crate) fn settled(&self) -> Seq {
        self.state().settled
    }

    /// Drops what waits for the subscription of this name, and takes the name off what others wait for too.
    pub(super) fn purge(&self, name: &Name) {
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
                let names: Arc<[Name]> = delivery.names.iter().filter(|&other| other != name).cloned().collect();
                (!names.is_empty()).then(|| Arc::new(Delivery::new(delivery.hit.clone(), names)))
            })
            .collect();
        state.bytes = state.waiting.iter().map(|delivery| delivery.size_bytes()).sum();
    }

    /// Whether the session is live and nothing waits for it.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state();
        !state.behind && state.waiting.is_empty()
    }

    /// Appends up to `max` waiting deliveries to `deliveries`.
    pub(crate) fn take(&self, max: usize, deliveries: &mut Vec<Arc<Delivery>>) -> Taken {
        let mut state = self.state();
        if state.behind && !state.closed {
            return Taken::Behind;
        }
        if state.waiting.is_empty() {
            return if state.closed { Taken::Closed } else { Taken::Empty };
        }
        let n = state.waiting.len().min(max);
        let first = deliveries.len();
        deliveries.extend(state.waiting.drain(..n));
        state.bytes -= deliveries[first..].iter().map(|delivery| delivery.size_bytes()).sum::<usize>();
        if state.waiting.is_empty() && state.waiting.capacity() > KEPT {
            state.waiting = VecDeque::new();
        }
        Taken::Some
    }

    /// Waits until [`SessionQueue::take`] may find something. Cancel safe.
    pub(crate) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// Waits until there is much to take, or the session is behind or over. Cancel safe; may end for nothing.
    pub(crate) async fn crowded(&self) {
        self.crowded.notified().await;
    }

    /// Makes a session that has read everything up to `until` live again. False when more was kept back since: read on.
    pub(crate) fn go_live(&self, until: Seq) -> bool {
        let mut state = self.state();
        if state.missed > until {
            return false;
        }
        state.behind = false;
        state.after = until;
        true
    }

    /// Ends the session once what waits is taken.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.notify();
    }

    /// Whether [`SessionQueue::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }
}

impl State {
    /// `offered`: everything up to here was offered.
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
