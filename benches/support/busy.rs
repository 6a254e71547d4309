//! The processor time of a thread.

use std::time::{Duration, Instant};

/// The processor time of this thread, which other load affects less than wall-clock time.
/// Wall-clock time elsewhere than on Linux.
pub(crate) struct Busy {
    start: Instant,
    ran: Option<Duration>,
}

impl Busy {
    pub(crate) fn now() -> Busy {
        Busy { start: Instant::now(), ran: Busy::ran() }
    }

    fn ran() -> Option<Duration> {
        // The scheduler updates the number when it runs.
        std::thread::yield_now();
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        match (self.ran, Busy::ran()) {
            (Some(before), Some(now)) if now > before => now.saturating_sub(before),
            _ => self.start.elapsed(),
        }
    }
}
