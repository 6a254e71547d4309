//! What each registered query costs and brings.
//!
//! Matches are counted, each of them. Candidates and time are sampled, because counting them would cost more than many queries do: now and then one tweet is percolated
//! once more, query by query and with a clock ([`Engine::inspect`]), and stands for all tweets since the one before. Where tweets come slowly that is every tweet;
//! where they come fast, one of at least [`EVERY`], and never so often that it takes more than a small share of the time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::percolator::Engine;
use crate::telemetry;

/// A sample is due after so many tweets,
const EVERY: u64 = 64;
/// or after so much time.
const PAUSE: Duration = Duration::from_millis(50);
/// But for so many times the time that the last one took, there is none.
const REST: u32 = 50;

/// What is counted of one query.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    /// How many tweets had been percolated when it was registered.
    since: u64,
    /// How many tweets matched.
    matches: u64,
    /// How many tweets it was looked at for, by the samples.
    candidates: u64,
    /// How long that took, by the samples.
    nanos: u64,
}

impl Count {
    /// One more match.
    #[inline]
    pub(super) fn matched(&mut self) {
        self.matches += 1;
    }

    /// For how many tweets it was looked at. What matches was looked at, also where no sample says so.
    fn candidates(&self) -> u64 {
        self.candidates.max(self.matches)
    }
}

/// By what queries are listed, the highest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CostOrder {
    /// The time that it took to decide on them; where that is equal, candidates.
    #[default]
    Cost,
    /// How many tweets match.
    Matches,
    /// How many tweets they were looked at for.
    Candidates,
}

/// What one query costs and brings, since it was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryCounts {
    /// How many tweets were percolated.
    pub tweets: u64,
    /// How many of them match.
    pub matches: u64,
    /// For how many of them the presearch could not rule it out: an estimate.
    pub candidates: u64,
    /// How long it took to decide on those: an estimate.
    pub time: Duration,
}

/// When to sample, and what was sampled.
#[derive(Debug, Default)]
pub(super) struct Costs {
    /// How many tweets were percolated.
    tweets: u64,
    /// How many of them came since the last sample.
    since_last: u64,
    /// How many samples were taken.
    samples: u64,
    /// When the last sample ended, and how long it took.
    last: Option<(Instant, Duration)>,
    /// The candidates of a sample.
    candidates: Vec<(QueryKey, Duration)>,
}

impl Costs {
    /// The counts of a query that is registered now.
    pub(super) fn start(&self) -> Count {
        Count { since: self.tweets, ..Count::default() }
    }

    /// What was counted.
    pub(super) fn counts(&self, count: &Count) -> QueryCounts {
        QueryCounts {
            tweets: self.tweets - count.since,
            matches: count.matches,
            candidates: count.candidates(),
            time: Duration::from_nanos(count.nanos),
        }
    }

    /// A batch was percolated: takes a sample of it when one is due. `with_count` hands over the counts of a query.
    pub(super) fn percolated(
        &mut self,
        engine: &mut dyn Engine,
        docs: &[&Doc],
        with_count: impl FnMut(QueryKey, &mut dyn FnMut(&mut Count)),
    ) {
        let now = Instant::now();
        self.tweets += docs.len() as u64;
        self.since_last += docs.len() as u64;
        // Not always the first of a batch, because batches may be alike: each place in turn, also where all batches have the
        // same size and a sample comes every so many of them.
        let at = self.samples % docs.len().max(1) as u64;
        if self.is_due(now)
            && let Some(doc) = usize::try_from(at).ok().and_then(|at| docs.get(at))
        {
            self.candidates.clear();
            engine.inspect(doc, &mut self.candidates);
            self.add(with_count);
            let took = now.elapsed();
            self.last = Some((now + took, took));
            self.samples += 1;
            telemetry::percolation_sampled(took);
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.last.is_none_or(|(ended, took)| {
            let rested = now.saturating_duration_since(ended);
            rested >= took * REST && (self.since_last >= EVERY || rested >= PAUSE)
        })
    }

    /// Counts the candidates of a sample for all tweets since the one before.
    fn add(&mut self, mut with_count: impl FnMut(QueryKey, &mut dyn FnMut(&mut Count))) {
        let since_last = std::mem::take(&mut self.since_last);
        for &(key, time) in &self.candidates {
            with_count(key, &mut |count| {
                // Not for all of them, when it was registered in between.
                let tweets = since_last.min(self.tweets - count.since);
                count.candidates += tweets;
                let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                count.nanos = count.nanos.saturating_add(nanos.saturating_mul(tweets));
            });
        }
    }
}

/// The keys with the highest counts, the highest first.
pub(super) fn top<'a>(
    counts: impl Iterator<Item = (QueryKey, &'a Count)>,
    order: CostOrder,
    n: usize,
) -> Vec<QueryKey> {
    // The lowest is on top; of equal ones the lower key is listed first.
    let mut heap = BinaryHeap::with_capacity(n + 1);
    for (key, count) in counts {
        let rank = match order {
            CostOrder::Cost => (count.nanos, count.candidates()),
            CostOrder::Matches => (count.matches, count.candidates()),
            CostOrder::Candidates => (count.candidates(), count.nanos),
        };
        heap.push(Reverse((rank, Reverse(key.0))));
        if heap.len() > n {
            heap.pop();
        }
    }
    heap.into_sorted_vec().into_iter().map(|Reverse((_, Reverse(key)))| QueryKey(key)).collect()
}

#[cfg(test)]
mod tests;
