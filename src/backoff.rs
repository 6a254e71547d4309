//! Growing pauses between attempts.

use std::time::Duration;

use rand::RngExt as _;

/// Pauses that double from `first` up to `longest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    /// Attempts in a row that have failed.
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, failures: 0 }
    }

    /// The pause after this many failures before the last one, without chance.
    pub(crate) fn delay(self, failures: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(failures)).min(self.longest)
    }

    /// Counts a failure. Returns the next pause, at random between its half and its whole, so that
    /// clients that failed together do not come back together.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.delay(self.failures).mul_f64(rand::rng().random_range(0.5..1.0));
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 5);
        for longest in [1, 2, 4, 5, 5] {
            let pause = backoff.pause();
            assert!(pause >= second * longest / 2 && pause <= second * longest, "{pause:?}");
        }
    }
}
