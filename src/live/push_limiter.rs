//! Limits how many tweets a session is sent in a second.
//!
//! A live session above the limit is not sent the surplus: the limiter counts it, and the session
//! gets `stream/limited`. A session that catches up is sent everything. It goes into debt instead,
//! and nothing is taken from it until the debt is paid.
//!
//! Pure: the caller passes the time.

use std::time::Duration;

use tokio::time::Instant;

use crate::ids::Seq;

use super::token_bucket::TokenBucket;

/// The tweets that were withheld from a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Withheld {
    /// Their number.
    pub(crate) count: u64,
    /// The position of the last one.
    pub(crate) seq: Seq,
}

/// The limiter of one session.
#[derive(Debug)]
pub(crate) struct PushLimiter {
    /// `None` without a limit.
    bucket: Option<TokenBucket>,
    catching_up: bool,
    /// Withheld and not reported yet.
    withheld: Option<Withheld>,
}

impl PushLimiter {
    /// Allows this many tweets a second. 0 is any number.
    pub(crate) fn new(per_second: u32, now: Instant) -> PushLimiter {
        let bucket = (per_second > 0).then(|| TokenBucket::new(per_second, 1, now));
        PushLimiter { bucket, catching_up: false, withheld: None }
    }

    /// Sets whether the session catches up.
    pub(crate) fn catching_up(&mut self, catching_up: bool) {
        self.catching_up = catching_up;
    }

    /// Whether the tweet at this position may be sent. Counts it as withheld if not.
    pub(crate) fn admit(&mut self, seq: Seq, now: Instant) -> bool {
        let Some(bucket) = &mut self.bucket else { return true };
        if self.catching_up {
            bucket.owe(now);
            return true;
        }
        if bucket.take(now) {
            return true;
        }
        let count = self.withheld.map_or(0, |withheld| withheld.count) + 1;
        self.withheld = Some(Withheld { count, seq });
        false
    }

    /// Takes the withheld tweets, to be reported before anything else is sent.
    pub(crate) fn take_withheld(&mut self) -> Option<Withheld> {
        self.withheld.take()
    }

    /// How long to take nothing from the session.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        self.bucket.as_ref()?.debt(now)
    }
}

#[cfg(test)]
mod tests;
