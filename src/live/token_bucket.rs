//! A token bucket: how many commands, requests or tweets a client may send or get.
//!
//! Pure: the caller passes the time.

use std::time::Duration;

use tokio::time::Instant;

/// Fills with time, and is emptied by use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    /// The tokens in the bucket. Negative while in debt.
    level: f64,
    capacity: f64,
    per_second: f64,
    filled: Instant,
}

impl TokenBucket {
    /// A full bucket with the tokens of `seconds` seconds.
    pub(crate) fn new(per_second: u32, seconds: u32, now: Instant) -> TokenBucket {
        let capacity = f64::from(per_second) * f64::from(seconds);
        TokenBucket { level: capacity, capacity, per_second: f64::from(per_second), filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        self.level = (self.level + passed.as_secs_f64() * self.per_second).min(self.capacity);
        self.filled = now;
    }

    /// Takes a token if there is one. Returns whether there was.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let there_is = self.level >= 1.0;
        if there_is {
            self.level -= 1.0;
        }
        there_is
    }

    /// Takes a token, into debt if need be. Returns the time until the debt is paid, if there was
    /// no token.
    pub(crate) fn charge(&mut self, now: Instant) -> Option<Duration> {
        if self.take(now) {
            return None;
        }
        self.level -= 1.0;
        Some(self.until_one())
    }

    /// The time from the last call until there is a token.
    pub(crate) fn until_one(&self) -> Duration {
        // Rounded up, so that there is a token then.
        Duration::from_secs_f64((1.0 - self.level).max(0.0) / self.per_second) + Duration::from_millis(1)
    }

    /// Whether the bucket is full.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled);
        self.level + passed.as_secs_f64() * self.per_second >= self.capacity
    }

    /// Takes a token, into debt if need be.
    pub(crate) fn owe(&mut self, now: Instant) {
        self.fill(now);
        self.level -= 1.0;
    }

    /// The time until the debt is paid.
    pub(crate) fn debt(&self, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        let seconds = -self.level / self.per_second - passed;
        (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
    }
}

#[cfg(test)]
mod tests;
