//! The clock by which retention judges ages. A wall clock that is wrong deletes nothing.
//!
//! The age of a tweet is the time during which perch ran since it arrived, and the time in between
//! during which perch did not run. The first is measured by a monotonic clock, which does not jump.
//! The second can be learned only from the wall clock, which may be wrong at the start, before NTP
//! has set it. So a downtime is believed step by step, no faster than perch runs: after an hour of
//! running, at most an hour of it counts. When the wall clock goes back, what it claimed is taken
//! back.
//!
//! | the wall clock | effect |
//! |---|---|
//! | jumps while perch runs | none |
//! | is behind at the start | none; the downtime does not count |
//! | is ahead at the start, for some time | tweets go too early by that time at most |
//!
//! The time during which a machine sleeps counts as none, as does a downtime that ends with another
//! one before it has counted.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::ids::Seq;

/// The writer looks more often than this. A longer step comes from a machine that slept, or from a
/// monotonic clock that lies.
const MAX_STEP: Duration = Duration::from_secs(600);

/// NTP corrects smaller errors all the time.
const JUMP_MS: u64 = 60_000;

/// What a machine says about time.
pub(crate) trait TimeSource: fmt::Debug + Send + Sync {
    /// Milliseconds since 1970.
    fn wall_ms(&self) -> u64;
    /// The time since some moment. It never goes back.
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
    /// The clock of retention.
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
    /// When it was looked at, and when first.
    looked_at: Duration,
    started_at: Duration,
    /// The wall clock at these moments.
    looked_wall_ms: u64,
    started_wall_ms: u64,
    /// The downtime before the start, as the wall clock said then.
    claimed: Downtime,
    /// How much of it counts by now.
    counted_ms: u64,
}

/// How the wall clock differs from what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) struct Jump {
    pub(in crate::index) is_ahead: bool,
    pub(in crate::index) by: Duration,
}

impl Jump {
    /// `None` where a clock is as right as clocks are.
    fn between(expected_ms: u64, wall_ms: u64) -> Option<Jump> {
        let by_ms = expected_ms.abs_diff(wall_ms);
        (by_ms > JUMP_MS).then(|| Jump { is_ahead: wall_ms > expected_ms, by: Duration::from_millis(by_ms) })
    }
}

/// What a look at the clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::index) struct Reading {
    /// The time.
    pub(in crate::index) now_ms: u64,
    /// The tweets up to this seq are older than it seemed at the last look, by so many
    /// milliseconds; or younger.
    pub(in crate::index) aged: (Seq, i64),
    /// The wall clock jumped since the last look.
    pub(in crate::index) jump: Option<Jump>,
}

impl RetentionClock {
    /// A clock that goes on where it was stored. An index without one has its newest arrival to
    /// judge by, if it knows that.
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
        // The larger one: to remember both is not worth it, and tweets may be kept too long.
        let claimed = earlier.filter(|earlier| earlier.ms > downtime.ms).unwrap_or(downtime);
        // It is ahead by the downtime, and says so.
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

    /// Looks at the time.
    pub(in crate::index) fn read(&mut self) -> Reading {
        let (wall_ms, monotonic) = (self.source.wall_ms(), self.source.monotonic());
        let step = monotonic.saturating_sub(self.looked_at);
        let jump = Jump::between(self.looked_wall_ms.saturating_add(millis(step)), wall_ms);
        self.looked_at = monotonic;
        self.looked_wall_ms = wall_ms;
        let step_ms = millis(step.min(MAX_STEP));
        self.now_ms = self.now_ms.saturating_add(step_ms);
        let counted_ms = self.believed_ms().min(self.counted_ms.saturating_add(step_ms));
        let aged_ms =
            i64::try_from(counted_ms).unwrap_or(i64::MAX) - i64::try_from(self.counted_ms).unwrap_or(i64::MAX);
        self.counted_ms = counted_ms;
        Reading { now_ms: self.now_ms, aged: (Seq(self.claimed.last_seq), aged_ms), jump }
    }

    /// What is stored with a commit at the last look.
    pub(in crate::index) fn stored(&self) -> StoredClock {
        let ms = self.believed_ms().saturating_sub(self.counted_ms);
        StoredClock {
            now_ms: self.now_ms,
            // A clock that goes back and is right again would make a downtime of the difference.
            wall_ms: self.looked_wall_ms.max(self.expected_wall_ms()),
            downtime: (ms > 0).then_some(Downtime { ms, ..self.claimed }),
        }
    }

    /// What the wall clock would say if it had been right at the start.
    fn expected_wall_ms(&self) -> u64 {
        self.started_wall_ms.saturating_add(millis(self.looked_at.saturating_sub(self.started_at)))
    }

    /// The downtime as the wall clock says now, which may be less than at the start.
    fn believed_ms(&self) -> u64 {
        self.claimed.ms.saturating_sub(self.expected_wall_ms().saturating_sub(self.looked_wall_ms))
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests;
