//! What all sessions of a run share: the plan, commands to the sessions, and their reports.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::plan::Plan;
use super::schedule::Schedule;
use super::socket::Address;

/// How many sessions connect at one time before it begins.
const TURNS: usize = 64;

/// What the sessions do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// All read at full speed.
    Steady,
    /// The slow ones read slowly.
    Slow,
    /// All connections are closed.
    Away,
    /// All connect again, at once.
    Back,
    /// The number of tweets that were sent: the reader reports when it has all of them.
    Drain { tweets: u32 },
    /// End.
    Stop { tweets: u32 },
}

/// What a session says.
#[derive(Debug)]
pub(super) enum Report {
    Registered,
    Gone,
    /// It was told that it is live again.
    Live(Instant),
    Complete,
    Failed(String),
}

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) schedule: Schedule,
    pub(super) address: Address,
    /// Tweets that came, all sessions together.
    pub(super) deliveries: AtomicU64,
    pub(super) turns: Semaphore,
    /// Which share of the sessions reads slowly: 0 to 1.
    pub(super) slow_share: f64,
    /// How many times too slowly.
    pub(super) slow_factor: f64,
    /// What the frame of a tweet weighs, about.
    pub(super) frame_bytes: f64,
    /// How long the tweets of the plan are scheduled to take.
    pub(super) planned_s: f64,
}

impl Shared {
    pub(super) fn turns() -> Semaphore {
        Semaphore::new(TURNS)
    }

    /// Spread evenly, and not over the same sessions as the overlapping queries.
    pub(super) fn is_slow(&self, session: u32) -> bool {
        let sum = |n: u32| (f64::from(n) * self.slow_share + 0.5).floor();
        sum(session + 1) > sum(session)
    }

    /// What a slow session reads in this time, in bytes.
    pub(super) fn slow_bytes(&self, session: u32, time: Duration) -> usize {
        let owed = f64::from(u32::try_from(self.plan.owed(session).len()).unwrap_or(u32::MAX));
        let bytes = owed / self.planned_s * self.frame_bytes / self.slow_factor * time.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and cut off where it is absurd"
        )]
        let bytes = bytes.ceil() as usize;
        bytes
    }
}
