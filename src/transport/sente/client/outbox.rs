//! What waits to be sent to a client, and what was sent and may have been lost.
//!
//! Pushes are packed only when their frame is made, since how a client wants them can change until then. Counts are not kept: only
//! the latest is of use.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::ids::Seq;
use crate::live::{Delivery, EncodedText};
use crate::transport::sente::profile::Profile;
use crate::transport::wire::event;
use perch_sente::frame::{Format, Packing};
use perch_sente::transit::Codes;
use perch_sente::value::Value;

/// How many events a batch holds at most: clients keep as many and lose older ones.
const MAX_EVENTS: usize = 512;

/// How many bytes a batch holds at most, about.
const MAX_BYTES: usize = 1024 * 1024;

/// How many pushes may wait, or be on their way, before no more tweets are taken.
const MAX_PUSHES: usize = 2_048;

/// The same in bytes.
const MAX_PUSHED_BYTES: usize = 4 * 1024 * 1024;

/// What is pushed.
#[derive(Clone, Debug)]
pub(super) enum Pushed {
    /// `tweet/new`
    Tweet(Arc<Delivery>),
    /// Any other event.
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
            Pushed::Tweet(delivery) => delivery.hit.json.len(),
            Pushed::Event(event) => event.data.len(),
        }
    }

    /// A page of history is long and full of equal names: it has a frame of its own, in which they are coded.
    fn is_alone(&self) -> bool {
        matches!(self, Pushed::Event(push) if push.id == event::PREV_CHUNK)
    }

    /// As it stands in a batch.
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

/// What waits and what is on its way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Pushed>,
    /// What was sent, with the number of its frame, until the client has shown that it got it.
    sent: VecDeque<(u64, Pushed)>,
    /// The last tweet that the client has shown to have got, until it is taken.
    acknowledged: Option<Seq>,
    /// How many pushes there were.
    n_pushed: u64,
    /// How many of them, from the first on, are acknowledged.
    n_acknowledged: u64,
    /// The bytes of both.
    bytes: usize,
    /// The number of the last frame.
    frames: u64,
    /// The latest count of users, when it is due.
    pub(super) users: Option<u64>,
    /// The latest count of tweets, when it is due.
    pub(super) tweets: Option<u64>,
    /// When what waits is to be sent.
    due: Option<Instant>,
    /// Whether what waits is to be sent as soon as it can be.
    is_overdue: bool,
}

impl Outbox {
    /// Whether tweets may be taken from the session.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_EVENTS
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

    /// What waits now is sent at this time, with what comes until then, unless it is due before.
    pub(super) fn open_window(&mut self, until: Instant) {
        if !self.is_empty() {
            self.due.get_or_insert(until);
        }
    }

    /// What waits now is sent as soon as it can be.
    pub(super) fn make_due(&mut self) {
        self.is_overdue = !self.is_empty();
    }

    /// When what waits is to be sent.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.is_empty()
            && (self.is_overdue || self.waiting.len() >= MAX_EVENTS || self.due.is_some_and(|due| now >= due))
    }

    /// The next frame, and how many tweets are in it.
    pub(super) fn frame(&mut self, format: Format, profile: Profile) -> (String, usize) {
        let packing = format.packing;
        self.frames += 1;
        let mut packed: Vec<EncodedText> = Vec::new();
        let (mut bytes, mut tweets) = (0, 0);
        let max_events = if format.has_batches() { MAX_EVENTS - 2 } else { 1 };
        while let Some(pushed) = self.waiting.front() {
            if !packed.is_empty() && (pushed.is_alone() || packed.len() >= max_events || bytes >= MAX_BYTES) {
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

    /// Whether something that was sent may be lost.
    pub(super) fn waits_for_acknowledgement(&self) -> bool {
        !self.sent.is_empty()
    }

    /// The payload of a ping: an answer to it acknowledges all frames up to now.
    pub(super) fn ping(&self) -> Bytes {
        Bytes::copy_from_slice(&self.frames.to_be_bytes())
    }

    /// Takes the answer to a ping.
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
                self.acknowledged = Some(delivery.hit.seq);
            }
            self.n_acknowledged += 1;
            self.sent.pop_front();
        }
    }

    /// The client has got everything.
    pub(super) fn acknowledge_all(&mut self) {
        self.acknowledge(&self.frames.to_be_bytes());
    }

    /// The last tweet that was acknowledged since this was asked.
    pub(super) fn take_acknowledged(&mut self) -> Option<Seq> {
        self.acknowledged.take()
    }

    /// How many pushes there were.
    pub(super) fn pushed(&self) -> u64 {
        self.n_pushed
    }

    /// How many of them are acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.n_acknowledged
    }

    /// Whether all of them are.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// What may be lost waits again, before everything else.
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
