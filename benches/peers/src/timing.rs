//! How each peer is timed.

use std::time::{Duration, Instant};

/// So many rounds; the fastest counts.
const ROUNDS: u32 = 3;
/// The clock is read every so many tweets.
const LOOK: usize = 16;

/// A run lasts as long at least, and sees the tweets again if they are over: the system counts the time of a thread in steps of
/// some milliseconds.
const LEAST: Duration = Duration::from_millis(500);

/// What a run over tweets gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pass {
    /// Those that were seen once; matches and candidates are theirs.
    pub(crate) tweets: usize,
    pub(crate) matches: u64,
    pub(crate) candidates: u64,
    /// All, in the time.
    passed: usize,
    time: Duration,
}

impl Pass {
    #[expect(clippy::cast_precision_loss)]
    pub(crate) fn per_second(&self) -> f64 {
        self.passed as f64 / self.time.as_secs_f64()
    }
}

/// Runs `percolate` over `n_before` tweets to warm up and then in rounds over `n` tweets. It gets the range of tweets of
/// a batch and which of the two streams they are of (`true`: the measured one), and answers with matches and candidates.
///
/// The first pass of the answer is the fastest, the second the one that got farthest.
pub(crate) fn rounds(
    cap: Duration,
    batch: usize,
    n_before: usize,
    n: usize,
    mut percolate: impl FnMut(bool, std::ops::Range<usize>) -> (u64, u64),
) -> (Pass, Pass) {
    run(cap / 2, batch, n_before, |range| percolate(false, range));
    let (mut best, mut longest) = (Pass::default(), Pass::default());
    for _ in 0..ROUNDS {
        let pass = run(cap / ROUNDS, batch, n, |range| percolate(true, range));
        if best.tweets == 0 || pass.per_second() > best.per_second() {
            best = pass;
        }
        if pass.tweets > longest.tweets {
            longest = pass;
        }
    }
    (best, longest)
}

fn run(cap: Duration, batch: usize, n: usize, mut percolate: impl FnMut(std::ops::Range<usize>) -> (u64, u64)) -> Pass {
    let mut pass = Pass::default();
    let start = Instant::now();
    let busy = busy();
    let (mut look, mut at) = (0, 0);
    loop {
        let end = (at + batch).min(n);
        let (matches, candidates) = percolate(at..end);
        if pass.passed < n {
            pass.matches += matches;
            pass.candidates += candidates;
            pass.tweets = end;
        }
        pass.passed += end - at;
        at = end;
        if pass.passed >= look || at == n {
            look = pass.passed + LOOK;
            let elapsed = start.elapsed();
            if elapsed > cap || at == n && elapsed > LEAST {
                break;
            }
        }
        if at == n {
            at = 0;
        }
    }
    pass.time = time_since(start, busy);
    pass
}

/// The processor time of this thread, where the system tells it.
pub(crate) fn busy() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
}

/// The time that this thread has really run since then; the clock, where the system does not tell.
pub(crate) fn time_since(start: Instant, busy_then: Option<Duration>) -> Duration {
    match (busy_then, busy()) {
        (Some(then), Some(now)) if now > then => now.saturating_sub(then),
        _ => start.elapsed(),
    }
}
