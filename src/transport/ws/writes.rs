//! When may what waits for a session be written: at once, or together with what comes within a moment?
//!
//! A write costs the kernel far more than a frame costs us. A session that is written to now and then is written to at once; one that is
//! written to all the time gets what comes within [`WINDOW`] in one write. Pure: whoever asks says what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// How long a frame for a busy session waits for others, at most.
const WINDOW: Duration = Duration::from_millis(20);

/// So many writes may follow one another before a session counts as busy.
const SAVED_UP: u32 = 4;

/// The writes of one session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writes {
    /// When all windows of the writes so far are over, had each been waited for.
    over: Instant,
}

impl Writes {
    pub(super) fn new(now: Instant) -> Writes {
        Writes { over: now }
    }

    /// Until when the next write should wait; `None` when it should not.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        let ahead = self.over.saturating_duration_since(now);
        let wait = ahead.checked_sub(WINDOW * (SAVED_UP - 1)).filter(|wait| !wait.is_zero())?;
        Some(now + wait)
    }

    /// Something was written.
    pub(super) fn wrote(&mut self, now: Instant) {
        // However often what could not wait was written: nothing waits longer than a window.
        self.over = (self.over.max(now) + WINDOW).min(now + WINDOW * SAVED_UP);
    }
}

#[cfg(test)]
mod tests;
