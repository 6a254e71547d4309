//! When a failed source is started again: backoff, jitter, and pauses that a server asks for.

use std::time::Duration;

use rand::RngExt as _;

/// Delay before the first restart of a failed source. Doubles with each further failure.
pub(super) const FIRST_RETRY_DELAY: Duration = Duration::from_millis(500);
/// Longest delay before a restart, unless a server asks for a longer one.
pub(super) const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);
/// The longest pause that a server can ask for.
const MAX_ASKED_DELAY: Duration = Duration::from_secs(3_600);

/// The context of an error after which the server wants a pause.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the server asks for a pause of {} s", .at_least.as_secs())]
pub(super) struct RetryLater {
    at_least: Duration,
}

impl RetryLater {
    /// A pause of at least this long.
    pub(super) fn after(at_least: Duration) -> RetryLater {
        RetryLater { at_least: at_least.min(MAX_ASKED_DELAY) }
    }
}

/// The pause before the next restart, after this many failures in a row before this one.
pub(super) fn pause(first_delay: Duration, failures: u32, error: &anyhow::Error) -> Duration {
    let jitter = rand::rng().random_range(0.5..1.0);
    let own = delay(first_delay, failures).mul_f64(jitter);
    match error.downcast_ref::<RetryLater>() {
        // Clients that were refused together come back one after the other.
        Some(later) => own.max(later.at_least.mul_f64(jitter + 0.5)),
        None => own,
    }
}

pub(super) fn delay(first_delay: Duration, failures: u32) -> Duration {
    first_delay.saturating_mul(2_u32.saturating_pow(failures)).min(MAX_RETRY_DELAY)
}
