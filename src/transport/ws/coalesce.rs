//! Coalesces writes: decides whether a frame is written at once or together with those that follow.
//!
//! A write costs the kernel far more than a frame costs perch. Frames for a quiet session are
//! written at once. Frames for a busy session wait for up to [`WINDOW`] and go out in one write.
//! Pure: the caller passes the time.

use std::time::Duration;

use tokio::time::Instant;

/// The longest time that a frame for a busy session waits for others.
const WINDOW: Duration = Duration::from_millis(20);

/// This many writes may follow one another before a session counts as busy.
const BURST_WRITES: u32 = 4;

/// Paces the writes of one session.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteCoalescer {
    /// The end of the windows of all writes so far, laid one after the other.
    over: Instant,
}

impl WriteCoalescer {
    pub(super) fn new(now: Instant) -> WriteCoalescer {
        WriteCoalescer { over: now }
    }

    /// Until when the next write should wait. `None` when it should not wait.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        let ahead = self.over.saturating_duration_since(now);
        let wait = ahead.checked_sub(WINDOW * (BURST_WRITES - 1)).filter(|wait| !wait.is_zero())?;
        Some(now + wait)
    }

    /// Notes a write.
    pub(super) fn wrote(&mut self, now: Instant) {
        // Bounded, so that urgent writes never make a frame wait longer than one window.
        self.over = (self.over.max(now) + WINDOW).min(now + WINDOW * BURST_WRITES);
    }
}

#[cfg(test)]
mod tests;
