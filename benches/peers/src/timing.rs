//! How each peer is timed.
//!
//! A peer warms up on the tweets that give the words of the queries ([`warm_up`]), then passes the
//! others [`ROUNDS`] times ([`round`]). All times are processor time of the matching thread.
//! `Main.java` has the same rules: the same clock, read as often, the same caps and rounds.

use std::ops::Range;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Rounds, of which the fastest counts.
pub(crate) const ROUNDS: u32 = 3;
/// Tweets between two readings of the clocks, which would otherwise take much of a fast peer's
/// time. At the start the clocks are read sooner, for peers that need seconds for a tweet.
const LOOK: usize = 16;
/// The wall-clock time of a pass on a busy machine, as a multiple of its cap.
const PATIENCE: u32 = 4;
/// Passes of the warm-up, if the time allows it, as in `benches/percolation`.
const WARM_UPS: usize = 3;

/// The result of a pass.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pass {
    pub(crate) tweets: usize,
    pub(crate) matches: u64,
    pub(crate) candidates: u64,
    time: Duration,
}

impl Pass {
    /// Tweets a second of processor time.
    #[expect(clippy::cast_precision_loss)]
    pub(crate) fn per_second(&self) -> f64 {
        self.tweets as f64 / self.time.as_secs_f64()
    }
}

/// The best of all rounds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Best {
    /// The fastest round, which gives the rate.
    pub(crate) fastest: Pass,
    /// The longest round, which gives the matches.
    pub(crate) longest: Pass,
}

impl Best {
    pub(crate) fn add(&mut self, pass: Pass) {
        if self.fastest.tweets == 0 || pass.per_second() > self.fastest.per_second() {
            self.fastest = pass;
        }
        if pass.tweets > self.longest.tweets {
            self.longest = pass;
        }
    }
}

/// Runs `percolate` on `n` tweets, several times, for half the cap at most. See [`round`].
pub(crate) fn warm_up(cap: Duration, batch: usize, n: usize, percolate: impl FnMut(Range<usize>) -> (u64, u64)) {
    run(cap / 2, batch, n, WARM_UPS, percolate);
}

/// Runs `percolate` once on `n` tweets, or on as many as its part of the cap allows. `percolate`
/// gets the range of a batch and returns matches and candidates.
pub(crate) fn round(cap: Duration, batch: usize, n: usize, percolate: impl FnMut(Range<usize>) -> (u64, u64)) -> Pass {
    run(cap / ROUNDS, batch, n, 1, percolate)
}

fn run(
    cap: Duration,
    batch: usize,
    n: usize,
    laps: usize,
    mut percolate: impl FnMut(Range<usize>) -> (u64, u64),
) -> Pass {
    let mut pass = Pass::default();
    let mut look = 1;
    let clock = Clock::start();
    while pass.tweets < n * laps {
        let at = pass.tweets % n;
        let end = (at + batch).min(n);
        let (matches, candidates) = percolate(at..end);
        pass.matches += matches;
        pass.candidates += candidates;
        pass.tweets += end - at;
        if pass.tweets >= look {
            look = pass.tweets + pass.tweets.min(LOOK);
            if clock.is_over(cap) {
                break;
            }
        }
    }
    pass.time = clock.busy();
    pass
}

/// Measures the processor time of this thread.
pub(crate) struct Clock {
    wall: Instant,
    busy: Duration,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { wall: Instant::now(), busy: busy() }
    }

    /// The processor time of the thread since the start.
    pub(crate) fn busy(&self) -> Duration {
        busy().saturating_sub(self.busy)
    }

    /// Whether the processor time exceeds the cap, or the wall-clock time its multiple.
    pub(crate) fn is_over(&self, cap: Duration) -> bool {
        self.busy() > cap || self.wall.elapsed() > cap * PATIENCE
    }
}

fn busy() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("no thread has run for less than no time")
}
