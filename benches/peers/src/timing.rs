//! How each peer is timed.
//!
//! A peer warms up over the tweets that the words of the queries come from ([`warm_up`]), then passes [`ROUNDS`] times over the others
//! ([`round`]). All times are processor time of the thread that matches. `Main.java` follows the same rules: the same clock, read as
//! often, the same caps, the same number of rounds.

use std::ops::Range;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// So many rounds; the fastest counts.
pub(crate) const ROUNDS: u32 = 3;
/// The clocks are read once in so many tweets, or they would cost the quick peers much of their time. At the start they are read sooner,
/// for the peers that need seconds for a tweet.
const LOOK: usize = 16;
/// On a machine that is busy with other things, a pass may last so many times its cap by the clock on the wall.
const PATIENCE: u32 = 4;
/// So often the warm-up goes over its tweets, if the time allows it. `benches/percolation` does the same.
const WARM_UPS: usize = 3;

/// What a pass over tweets gave.
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

/// What remains of all rounds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Best {
    /// Tells how fast the peer is.
    pub(crate) fastest: Pass,
    /// The one that got farthest tells what the peer found.
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

/// Runs `percolate` over `n` tweets, some times, for half the cap at most. See [`round`].
pub(crate) fn warm_up(cap: Duration, batch: usize, n: usize, percolate: impl FnMut(Range<usize>) -> (u64, u64)) {
    run(cap / 2, batch, n, WARM_UPS, percolate);
}

/// Runs `percolate` once over `n` tweets, or as many as it can within its part of the cap. It gets the range of tweets of a batch and
/// answers with matches and candidates.
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

    /// How long the thread has really run since the start.
    pub(crate) fn busy(&self) -> Duration {
        busy().saturating_sub(self.busy)
    }

    /// Whether the thread has run for longer than the cap, or too long has passed.
    pub(crate) fn is_over(&self, cap: Duration) -> bool {
        self.busy() > cap || self.wall.elapsed() > cap * PATIENCE
    }
}

fn busy() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("no thread has run for less than no time")
}
