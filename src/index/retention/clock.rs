//! The clock by which retention measures ages. A wrong wall clock deletes nothing.
//!
//! The age of a tweet is the time during which perch ran since its arrival, plus the downtimes in
//! between. The monotonic clock measures the first and does not jump. Only the wall clock tells the
//! second, and it may be wrong at the start, before NTP has set it. So a downtime counts step by
//! step, no faster than perch runs: after an hour of running, at most an hour of it counts. When
//! the wall clock goes back, the downtime shrinks by as much.
//!
//! | the wall clock | effect |
//! |---|---|
//! | jumps while perch runs | none |
//! | is behind at the start | none; the downtime does not count |
//! | is ahead at the start, for some time | tweets are deleted too early by at most that time |
//!
//! The time during which the machine sleeps does not count, and neither does the rest of a downtime
//! that has not counted in full when the next one begins.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::ids::Seq;

/// The writer reads the clock more often than this. A longer step comes from a machine that slept,
/// or from a wrong monotonic clock.
const MAX_CLOCK_STEP: Duration = Duration::from_secs(600);

/// NTP corrects smaller errors all the time.
const JUMP_MS: u64 = 60_000;

/// A source of time.
pub(crate) trait TimeSource: fmt::Debug + Send + Sync {
    /// Milliseconds since 1970.
    fn wall_ms(&self) -> u64;
    /// The time since some moment. It never decreases.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the machine.
#[derive(Debug)]
pub(crate) struct SystemTimeSource {
    started: Instant,
}

impl SystemTimeSource {
    pub(crate) fn new() -> SystemTimeSource {
        SystemTimeSource { started: Instant::now() }
    }
}

impl TimeSource for SystemTimeSource {
    fn wall_ms(&self) -> u64 {
        millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The part of the clock that is stored with each commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::index) struct StoredClock {
    /// The time of retention.
    now_ms: u64,
    /// The wall clock.
    wall_ms: u64,
    /// What does not count yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    downtime: Option<Downtime>,
}

/// A time during which perch did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Downtime {
    /// The last seq that arrived before it.
    last_seq: u64,
    ms: u64,
}

/// Goes forward while perch runs.
#[derive(Debug)]
pub(in crate::index) struct RetentionClock {
    source: Arc<dyn TimeSource>,
    now_ms: u64,
    /// The last and the first reading of the monotonic clock.
    looked_at: Duration,
    started_at: Duration,
    /// The wall clock at these readings.
    looked_wall_ms: u64,
    started_wall_ms: u64,
    /// The downtime before the start, by the wall clock at the start.
    claimed: Downtime,
    /// The part of it that counts by now.
    counted_ms: u64,
}

/// The difference between the wall clock and its expected value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) struct Jump {
    pub(in crate::index) is_ahead: bool,
    pub(in crate::index) by: Duration,
}

impl Jump {
    /// `None` when the difference is as small as usual.
    fn between(expected_ms: u64, wall_ms: u64) -> Option<Jump> {
        let by_ms = expected_ms.abs_diff(wall_ms);
        (by_ms > JUMP_MS).then(|| Jump { is_ahead: wall_ms > expected_ms, by: Duration::from_millis(by_ms) })
    }
}

/// A reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) struct Reading {
    /// The time.
    pub(in crate::index) now_ms: u64,
    /// The tweets up to this seq are older than at the last reading, by this time in milliseconds.
    pub(in crate::index) aged: (Seq, i64),
    /// The jump of the wall clock since the last reading.
    pub(in crate::index) jump: Option<Jump>,
}

impl RetentionClock {
    /// Continues a stored clock. An index without one continues from its newest arrival, if it is
    /// known.
    pub(in crate::index) fn start(
        source: Arc<dyn TimeSource>,
        stored: Option<&StoredClock>,
        newest_arrival_ms: Option<u64>,
        last: Seq,
    ) -> (RetentionClock, Option<Jump>) {
        let (wall_ms, monotonic) = (source.wall_ms(), source.monotonic());
        let known_ms = newest_arrival_ms.unwrap_or(wall_ms);
        let new = StoredClock { now_ms: known_ms, wall_ms: known_ms, downtime: None };
        let stored = stored.unwrap_or(&new);
        let downtime = Downtime { last_seq: last.0, ms: wall_ms.saturating_sub(stored.wall_ms) };
        let behind_ms = stored.wall_ms.saturating_sub(wall_ms);
        let earlier = stored.downtime.map(|it| Downtime { ms: it.ms.saturating_sub(behind_ms), ..it });
        // Keeps the longer one: at worst tweets stay too long.
        let claimed = earlier.filter(|earlier| earlier.ms > downtime.ms).unwrap_or(downtime);
        // A wall clock that is ahead shows the downtime; only one that is behind has jumped.
        let behind = Jump::between(stored.wall_ms, stored.wall_ms.min(wall_ms));
        let clock = RetentionClock {
            source,
            now_ms: stored.now_ms,
            looked_at: monotonic,
            started_at: monotonic,
            looked_wall_ms: wall_ms,
            started_wall_ms: wall_ms,
            claimed,
            counted_ms: 0,
        };
        (clock, behind)
    }

    /// The downtime before the start that does not count yet.
    pub(in crate::index) fn downtime(&self) -> Duration {
        Duration::from_millis(self.claimed.ms)
    }

    /// Reads the clock.
    pub(in crate::index) fn read(&mut self) -> Reading {
        let (wall_ms, monotonic) = (self.source.wall_ms(), self.source.monotonic());
        let step = monotonic.saturating_sub(self.looked_at);
        let jump = Jump::between(self.looked_wall_ms.saturating_add(millis(step)), wall_ms);
        self.looked_at = monotonic;
        self.looked_wall_ms = wall_ms;
        let step_ms = millis(step.min(MAX_CLOCK_STEP));
        self.now_ms = self.now_ms.saturating_add(step_ms);
        let counted_ms = self.believed_ms().min(self.counted_ms.saturating_add(step_ms));
        let aged_ms =
            i64::try_from(counted_ms).unwrap_or(i64::MAX) - i64::try_from(self.counted_ms).unwrap_or(i64::MAX);
        self.counted_ms = counted_ms;
        Reading { now_ms: self.now_ms, aged: (Seq(self.claimed.last_seq), aged_ms), jump }
    }

    /// The clock of the last reading, to store with a commit.
    pub(in crate::index) fn stored(&self) -> StoredClock {
        let ms = self.believed_ms().saturating_sub(self.counted_ms);
        StoredClock {
            now_ms: self.now_ms,
            // A clock that goes back and is right again would turn the difference into a downtime.
            wall_ms: self.looked_wall_ms.max(self.expected_wall_ms()),
            downtime: (ms > 0).then_some(Downtime { ms, ..self.claimed }),
        }
    }

    /// The wall clock, had it been right at the start.
    fn expected_wall_ms(&self) -> u64 {
        self.started_wall_ms.saturating_add(millis(self.looked_at.saturating_sub(self.started_at)))
    }

    /// The downtime by the current wall clock, at most that at the start.
    fn believed_ms(&self) -> u64 {
        self.claimed.ms.saturating_sub(self.expected_wall_ms().saturating_sub(self.looked_wall_ms))
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests;
