//! How fast a client may be: a token bucket for its commands, and the pace of what it is sent.
//!
//! Pure: whoever asks says what time it is.
//!
//! A live session that is sent more than its limit gets the surplus withheld, counted and said (`stream/limited`). A session that catches up is owed
//! everything: it is slowed down instead, by going into debt and being left to wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::ids::Seq;

/// Fills with time and is emptied by use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// What may be taken at once; negative while in debt.
    level: f64,
    capacity: f64,
    per_second: f64,
    filled: Instant,
}

impl Bucket {
    /// A full one that holds so many seconds' worth.
    pub(super) fn new(per_second: u32, seconds: u32, now: Instant) -> Bucket {
        let capacity = f64::from(per_second) * f64::from(seconds);
        Bucket { level: capacity, capacity, per_second: f64::from(per_second), filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        self.level = (self.level + passed.as_secs_f64() * self.per_second).min(self.capacity);
        self.filled = now;
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let there_is = self.level >= 1.0;
        if there_is {
            self.level -= 1.0;
        }
        there_is
    }

    /// Takes one, whether there is one or not. When there was none: after how long there is one again.
    pub(super) fn charge(&mut self, now: Instant) -> Option<Duration> {
        if self.take(now) {
            return None;
        }
        self.level -= 1.0;
        Some(self.until_one())
    }

    /// How long after it was last asked there is one.
    pub(super) fn until_one(&self) -> Duration {
        // Rounded up, so that there is one then.
        Duration::from_secs_f64((1.0 - self.level).max(0.0) / self.per_second) + Duration::from_millis(1)
    }

    /// Whether nothing was taken for so long that it makes no difference any more.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled);
        self.level + passed.as_secs_f64() * self.per_second >= self.capacity
    }

    /// Takes one, whether there is one or not.
    fn owe(&mut self, now: Instant) {
        self.fill(now);
        self.level -= 1.0;
    }

    /// How long until the debt is paid.
    fn debt(&self, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        let seconds = -self.level / self.per_second - passed;
        (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
    }
}

/// What was withheld from a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    /// How many tweets.
    pub(super) count: u64,
    /// The last of them.
    pub(super) seq: Seq,
}

/// The pace of one session.
#[derive(Debug)]
pub(super) struct Pace {
    /// `None` without a limit.
    bucket: Option<Bucket>,
    catching_up: bool,
    /// Withheld and not said yet.
    withheld: Option<Withheld>,
}

impl Pace {
    /// With at most so many tweets a second; 0 is any number.
    pub(super) fn new(per_second: u32, now: Instant) -> Pace {
        let bucket = (per_second > 0).then(|| Bucket::new(per_second, 1, now));
        Pace { bucket, catching_up: false, withheld: None }
    }

    /// The session is fed from the index from now on, or no longer.
    pub(super) fn catching_up(&mut self, catching_up: bool) {
        self.catching_up = catching_up;
    }

    /// Whether the tweet at this position may be sent.
    pub(super) fn admit(&mut self, seq: Seq, now: Instant) -> bool {
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

    /// What has to be said before anything else is sent.
    pub(super) fn take_withheld(&mut self) -> Option<Withheld> {
        self.withheld.take()
    }

    /// Whether something has to be said.
    pub(super) fn has_withheld(&self) -> bool {
        self.withheld.is_some()
    }

    /// How long nothing should be taken out of the session.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        self.bucket.as_ref()?.debt(now)
    }
}

#[cfg(test)]
mod tests;
