//! The pushes that wait to be sent to a client, and those that were sent and are not acknowledged.
//!
//! Pushes are packed when their frame is made, since the client's format can change until then.
//! Only the latest of each count is kept.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::ids::Seq;
use crate::live::{Delivery, EncodedText};
use crate::transport::protocol::event;
use crate::transport::sente::profile::Profile;
use perch_sente::frame::{Format, Packing};
use perch_sente::transit::Codes;
use perch_sente::value::Value;

/// The most events in a batch. Clients buffer as many and drop older ones.
const MAX_OUTBOX_EVENTS: usize = 512;

/// A batch takes no more events once it has this many bytes.
const MAX_OUTBOX_BYTES: usize = 1024 * 1024;

/// While this many pushes wait or are not acknowledged, the task takes no more tweets.
const MAX_PUSHES: usize = 2_048;

/// The same, in bytes.
const MAX_PUSHED_BYTES: usize = 4 * 1024 * 1024;

/// A push.
#[derive(Clone, Debug)]
pub(super) enum Pushed {
    /// `tweet/new`
    Tweet(Arc<Delivery>),
    /// Another event.
    Event(Arc<EventPush>),
}

/// An event that is not packed yet.
#[derive(Debug)]
pub(super) struct EventPush {
    pub(super) id: &'static str,
    /// JSON.
    pub(super) data: String,
    pub(super) meta: Option<Value>,
}

impl Pushed {
    pub(super) fn event(id: &'static str, data: String, meta: Option<Value>) -> Pushed {
        Pushed::Event(Arc::new(EventPush { id, data, meta }))
    }

    fn size_bytes(&self) -> usize {
        match self {
            Pushed::Tweet(delivery) => delivery.size_bytes(),
            Pushed::Event(event) => event.data.len(),
        }
    }

    /// Whether the push needs a frame of its own: a page of history repeats many names, which
    /// Transit's cache codes shorten in the first value of a frame.
    fn is_alone(&self) -> bool {
        matches!(self, Pushed::Event(push) if push.id == event::PREV_CHUNK)
    }

    /// The push as it stands in a batch.
    pub(super) fn packed(&self, packing: Packing, profile: Profile) -> EncodedText {
        match self {
            Pushed::Tweet(delivery) => profile.tweet(delivery, packing),
            Pushed::Event(event) => {
                let codes = if self.is_alone() { Codes::Short } else { Codes::None };
                let packed = packing.event(event.id, &event.data, event.meta.as_ref(), codes);
                packed.expect("payloads are written as JSON").into()
            }
        }
    }
}

/// The pushes of one client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Pushed>,
    /// Pushes that were sent and are not acknowledged, with the number of their frame.
    sent: VecDeque<(u64, Pushed)>,
    /// The last tweet that was acknowledged, until [`Outbox::take_acknowledged`].
    acknowledged: Option<Seq>,
    /// The number of all pushes so far.
    n_pushed: u64,
    /// How many of them are acknowledged. Acknowledgements come in order.
    n_acknowledged: u64,
    /// The bytes that wait or are not acknowledged.
    bytes: usize,
    /// The number of the last frame.
    frames: u64,
    /// The latest count of users, until it is sent.
    pub(super) users: Option<u64>,
    /// The latest count of tweets, until it is sent.
    pub(super) tweets: Option<u64>,
    /// When the batch is to be sent.
    due: Option<Instant>,
    /// Whether the batch is to be sent as soon as possible.
    is_overdue: bool,
}

impl Outbox {
    /// Whether tweets may be taken from the session.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_OUTBOX_EVENTS
            && self.waiting.len() + self.sent.len() < MAX_PUSHES
            && self.bytes < MAX_PUSHED_BYTES
    }

    pub(super) fn push(&mut self, pushed: Pushed) {
        self.bytes += pushed.size_bytes();
        self.n_pushed += 1;
        self.waiting.push_back(pushed);
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.users.is_none() && self.tweets.is_none()
    }

    /// Sets the time of the batch that waits, unless it has one. Later pushes join it.
    pub(super) fn open_window(&mut self, until: Instant) {
        if !self.is_empty() {
            self.due.get_or_insert(until);
        }
    }

    /// Has what waits sent as soon as possible.
    pub(super) fn make_due(&mut self) {
        self.is_overdue = !self.is_empty();
    }

    /// When the batch is to be sent.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.is_empty()
            && (self.is_overdue || self.waiting.len() >= MAX_OUTBOX_EVENTS || self.due.is_some_and(|due| now >= due))
    }

    /// Makes the next frame. Returns it and the number of its tweets.
    pub(super) fn frame(&mut self, format: Format, profile: Profile) -> (String, usize) {
        let packing = format.packing;
        self.frames += 1;
        let mut packed: Vec<EncodedText> = Vec::new();
        let (mut bytes, mut tweets) = (0, 0);
        let max_events = if format.has_batches() { MAX_OUTBOX_EVENTS - 2 } else { 1 };
        while let Some(pushed) = self.waiting.front() {
            if !packed.is_empty() && (pushed.is_alone() || packed.len() >= max_events || bytes >= MAX_OUTBOX_BYTES) {
                break;
            }
            let is_alone = pushed.is_alone();
            tweets += usize::from(matches!(pushed, Pushed::Tweet(_)));
            let text = pushed.packed(packing, profile);
            bytes += text.as_str().len();
            packed.push(text);
            if let Some(pushed) = self.waiting.pop_front() {
                self.sent.push_back((self.frames, pushed));
            }
            if is_alone {
                break;
            }
        }
        if self.waiting.is_empty() {
            let meta = profile.meta();
            let count = |id, data: &str| {
                let count = packing.event(id, data, meta.as_ref(), Codes::None);
                EncodedText::from(count.expect("a number is JSON"))
            };
            let has_room = |packed: usize| format.has_batches() || packed == 0;
            if has_room(packed.len())
                && let Some(n) = self.users.take()
            {
                packed.push(count(event::USERS_COUNT, &n.to_string()));
            }
            if has_room(packed.len())
                && let Some(n) = self.tweets.take()
            {
                packed.push(count(event::TOTAL_TWEET_COUNT, &profile.total_tweet_count(n)));
            }
        }
        if self.is_empty() {
            self.due = None;
        }
        self.is_overdue = !self.is_empty();
        (format.batch(packed.iter().map(EncodedText::as_str)), tweets)
    }

    /// Whether something that was sent is not acknowledged.
    pub(super) fn waits_for_acknowledgement(&self) -> bool {
        !self.sent.is_empty()
    }

    /// The payload of a ping. The answer to it acknowledges all frames so far.
    pub(super) fn ping(&self) -> Bytes {
        Bytes::copy_from_slice(&self.frames.to_be_bytes())
    }

    /// Handles the answer to a ping.
    pub(super) fn acknowledge(&mut self, pong: &[u8]) {
        let Ok(number) = <[u8; 8]>::try_from(pong) else { return };
        let number = u64::from_be_bytes(number);
        if number > self.frames {
            return;
        }
        while let Some((frame, pushed)) = self.sent.front() {
            if *frame > number {
                break;
            }
            self.bytes -= pushed.size_bytes();
            if let Pushed::Tweet(delivery) = pushed {
                self.acknowledged = Some(delivery.position());
            }
            self.n_acknowledged += 1;
            self.sent.pop_front();
        }
    }

    /// Acknowledges everything that was sent.
    pub(super) fn acknowledge_all(&mut self) {
        self.acknowledge(&self.frames.to_be_bytes());
    }

    /// The last tweet that was acknowledged since the last call.
    pub(super) fn take_acknowledged(&mut self) -> Option<Seq> {
        self.acknowledged.take()
    }

    /// The number of all pushes so far.
    pub(super) fn pushed(&self) -> u64 {
        self.n_pushed
    }

    /// How many pushes are acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.n_acknowledged
    }

    /// Whether every push is acknowledged.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// Queues the pushes that are not acknowledged again, before all others.
    pub(super) fn send_again(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        for (_, pushed) in self.sent.drain(..).rev() {
            self.waiting.push_front(pushed);
        }
        self.is_overdue = true;
    }
}

#[cfg(test)]
mod tests;
