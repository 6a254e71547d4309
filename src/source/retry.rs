//! When a failed source is started again: backoff, jitter, and pauses that a server asks for.

use std::time::Duration;

use rand::RngExt as _;

use crate::backoff::Backoff;
use crate::telemetry;

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

/// How the delay grows with the failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceBackoff {
    /// By the same step each time.
    Linear { step: Duration, longest: Duration },
    /// Twice as long each time.
    Exponential { first: Duration, longest: Duration },
}

impl SourceBackoff {
    /// For what a person has to put right, such as a token.
    pub(super) const SLOW: SourceBackoff =
        SourceBackoff::Exponential { first: Duration::from_secs(60), longest: Duration::from_secs(600) };

    pub(super) fn delay(self, failures: u32) -> Duration {
        match self {
            SourceBackoff::Linear { step, longest } => step.saturating_mul(failures.saturating_add(1)).min(longest),
            SourceBackoff::Exponential { first, longest } => Backoff::new(first, longest).delay(failures),
        }
    }

    /// The error with this backoff. It keeps the pause that a server asked for.
    pub(super) fn of(self, error: &anyhow::Error) -> anyhow::Error {
        PacedError { message: telemetry::message_of(error), backoff: self, at_least: asked_pause(error) }.into()
    }
}

/// Whether an error has a backoff of its own.
pub(super) fn has_backoff(error: &anyhow::Error) -> bool {
    error.downcast_ref::<PacedError>().is_some()
}

/// The pause that a server asks for.
pub(super) fn asked_pause(error: &anyhow::Error) -> Option<Duration> {
    match error.downcast_ref::<PacedError>() {
        Some(paced) => paced.at_least,
        None => error.downcast_ref::<RetryLater>().map(|later| later.at_least),
    }
}

/// An error with a backoff of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct PacedError {
    message: String,
    backoff: SourceBackoff,
    at_least: Option<Duration>,
}

/// The pause before the next restart, after this many failures in a row before this one.
pub(super) fn pause(first_delay: Duration, failures: u32, error: &anyhow::Error) -> Duration {
    let jitter = rand::rng().random_range(0.5..1.0);
    let own = match error.downcast_ref::<PacedError>() {
        // The backoff is the least that the server expects.
        Some(paced) => paced.backoff.delay(failures).mul_f64(jitter + 0.5),
        None => delay(first_delay, failures).mul_f64(jitter),
    };
    // Clients that were refused together come back one after the other.
    asked_pause(error).map_or(own, |at_least| own.max(at_least.mul_f64(jitter + 0.5)))
}

pub(super) fn delay(first_delay: Duration, failures: u32) -> Duration {
    Backoff::new(first_delay, MAX_RETRY_DELAY).delay(failures)
}
