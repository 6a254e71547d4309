//! The events of the last seconds, to drop those that come again after an interruption.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use super::Position;
use crate::tweet::json::Value;

/// Seconds beyond the rewind: the clocks of hosts differ.
const MORE: Duration = Duration::from_secs(10);

/// The most events, some MiB.
const MAX_EVENTS: usize = 500_000;

/// Events that were read. An event is known by account, key, revision and operation, which are the
/// same on all hosts.
pub(super) struct SeenEvents {
    span_us: u64,
    hasher: RandomState,
    hashes: HashSet<u64>,
    /// In order of arrival, with the times of their hosts.
    order: VecDeque<(u64, u64)>,
    /// Events of the host up to this time are durable: its cursor says so.
    durable_us: u64,
}

impl SeenEvents {
    pub(super) fn new(rewind: Duration) -> SeenEvents {
        let span = rewind + MORE;
        SeenEvents {
            span_us: u64::try_from(span.as_micros()).unwrap_or(u64::MAX),
            hasher: RandomState::new(),
            hashes: HashSet::new(),
            order: VecDeque::new(),
            durable_us: 0,
        }
    }

    /// Forgets the events behind the durable position: they may not have been stored.
    pub(super) fn go_back_to(&mut self, position: Option<&Position>, host: &str) {
        let durable = position.map_or(0, |position| position.time_us);
        while let Some(&(time_us, hash)) = self.order.back()
            && time_us > durable
        {
            self.order.pop_back();
            self.hashes.remove(&hash);
        }
        // The time of another host says nothing about events of this one.
        self.durable_us = if position.is_some_and(|position| position.host == host) { durable } else { 0 };
    }

    /// Whether the event is new; from now on it is not.
    pub(super) fn is_new(&mut self, time_us: u64, event: Value<'_>) -> bool {
        let Some(commit) = event.get("commit") else { return true };
        let text = |value: Value<'_>, key| value.get(key).and_then(Value::str).unwrap_or_default().into_owned();
        let event = (text(event, "did"), text(commit, "rkey"), text(commit, "rev"), text(commit, "operation"));
        let hash = self.hasher.hash_one(event);
        if time_us <= self.durable_us || !self.hashes.insert(hash) {
            return false;
        }
        self.order.push_back((time_us, hash));
        let oldest_us = time_us.saturating_sub(self.span_us);
        while let Some(&(time_us, hash)) = self.order.front()
            && (time_us < oldest_us || self.order.len() > MAX_EVENTS)
        {
            self.order.pop_front();
            self.hashes.remove(&hash);
        }
        true
    }
}
