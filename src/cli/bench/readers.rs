//! The threads that the sessions run on, their commands and their reports.
//!
//! Each thread has a runtime, a buffer and a tally of its own, so that nothing is shared while
//! tweets come but one counter.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::LocalSet;

use super::plan::Plan;
use super::publisher::Schedule;
use super::session::{Session, Tally, Thread};
use super::socket::Address;

/// What a thread reads at once.
const BUFFER_BYTES: usize = 256 * 1024;

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

/// Starts the threads. What they counted comes from joining them.
///
/// # Errors
///
/// When a thread can't be started.
pub(super) fn spawn(
    threads: u32,
    shared: &Arc<Shared>,
    phases: &watch::Receiver<Phase>,
    reports: &mpsc::Sender<Report>,
) -> anyhow::Result<Vec<std::thread::JoinHandle<anyhow::Result<Tally>>>> {
    (0..threads)
        .map(|at| {
            let (shared, phases, reports) = (Arc::clone(shared), phases.clone(), reports.clone());
            let run = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let sessions = shared.plan.options().sessions;
                let thread = Rc::new(Thread {
                    shared,
                    reports,
                    buffer: vec![0; BUFFER_BYTES].into_boxed_slice().into(),
                    tally: Tally::default().into(),
                });
                let tasks = LocalSet::new();
                for number in (0..sessions).filter(|number| number % threads == at) {
                    tasks.spawn_local(Session::new(Rc::clone(&thread), number).run(phases.clone()));
                }
                drop(phases);
                runtime.block_on(tasks);
                Ok(thread.tally.take())
            };
            std::thread::Builder::new().name(format!("sessions-{at}")).spawn(run).context("can't start a thread")
        })
        .collect()
}
