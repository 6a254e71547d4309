//! What each registered query costs and brings.
//!
//! Matches are counted, each of them. Candidates and time are sampled, because counting them would cost more than many queries do: now and then one tweet is percolated
//! once more, query by query and with a clock ([`Engine::inspect`]), and stands for all tweets since the one before. Where tweets come slowly that is every tweet;
//! where they come fast, one of at least [`EVERY`], and never so often that it takes more than a small share of the time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::catalog::{Catalog, Entry};

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

/// Documents with more terms are no samples: query by query, one would keep the loop for long.
const MAX_TERMS: usize = 512;

/// What is counted of one query. Only the loop counts; others read.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// How many tweets had been percolated when it was registered.
    since: u64,
    /// How many tweets matched.
    matches: AtomicU64,
    /// How many tweets it was looked at for, by the samples.
    candidates: AtomicU64,
    /// How long that took, by the samples.
    nanos: AtomicU64,
}

impl Count {
    /// Nothing, for a query that is registered when so many tweets have been percolated.
    pub(super) fn since(tweets: u64) -> Count {
        Count { since: tweets, ..Count::default() }
    }

    /// One more match.
    #[inline]
    pub(super) fn matched(&self) {
        // Nobody else adds: a plain addition is enough.
        self.matches.store(self.matches.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// It took so long to decide on each of so many tweets.
    fn add(&self, tweets: u64, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).saturating_mul(tweets);
        self.candidates.fetch_add(tweets, Ordering::Relaxed);
        self.nanos.store(self.nanos.load(Ordering::Relaxed).saturating_add(nanos), Ordering::Relaxed);
    }

    /// For how many tweets it was looked at. What matches was looked at, also where no sample says so.
    fn candidates(&self) -> u64 {
        self.candidates.load(Ordering::Relaxed).max(self.matches.load(Ordering::Relaxed))
    }

    /// What was counted when so many tweets have been percolated.
    pub(super) fn counts(&self, tweets: u64) -> QueryCounts {
        QueryCounts {
            tweets: tweets.saturating_sub(self.since),
            matches: self.matches.load(Ordering::Relaxed),
            candidates: self.candidates(),
            time: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
        }
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
    /// Knows how many tweets were percolated.
    catalog: Arc<Catalog>,
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
    /// Counts for those who list this catalog.
    pub(super) fn new(catalog: Arc<Catalog>) -> Costs {
        Costs { catalog, ..Costs::default() }
    }

    /// A batch was percolated: takes a sample of it when one is due. `count` is what was counted of a query.
    pub(super) fn percolated<'a>(
        &mut self,
        engine: &mut dyn Engine,
        docs: &[&Doc],
        count: impl Fn(QueryKey) -> Option<&'a Count>,
    ) {
        let now = Instant::now();
        self.catalog.add_tweets(docs.len() as u64);
        self.since_last += docs.len() as u64;
        // Not always the first of a batch, because batches may be alike: each place in turn, also where all batches have the
        // same size and a sample comes every so many of them.
        let at = self.samples % docs.len().max(1) as u64;
        if self.is_due(now)
            && let Some(doc) = usize::try_from(at).ok().and_then(|at| docs.get(at))
            && doc.tokens().len() <= MAX_TERMS
        {
            self.candidates.clear();
            engine.inspect(doc, &mut self.candidates);
            self.add(count);
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
    fn add<'a>(&mut self, count: impl Fn(QueryKey) -> Option<&'a Count>) {
        let (since_last, all) = (std::mem::take(&mut self.since_last), self.catalog.tweets());
        for &(key, time) in &self.candidates {
            if let Some(count) = count(key) {
                // Not for all of them, when it was registered in between.
                count.add(since_last.min(all - count.since), time);
            }
        }
    }
}

/// The queries with the highest counts of those that were pushed.
pub(super) struct Top {
    order: CostOrder,
    n: usize,
    highest: BTreeMap<Rank, Arc<Entry>>,
}

/// Of equal counts the lower key is listed first, so it is the higher one here.
type Rank = ((u64, u64), Reverse<QueryKey>);

impl Top {
    /// At most `n` in this order.
    pub(super) fn new(order: CostOrder, n: usize) -> Top {
        Top { order, n, highest: BTreeMap::new() }
    }

    /// One more query. Its counts may go on while it is here; it keeps its rank.
    pub(super) fn push(&mut self, key: QueryKey, entry: &Arc<Entry>) {
        let counts = entry.count.counts(0);
        let nanos = u64::try_from(counts.time.as_nanos()).unwrap_or(u64::MAX);
        let rank = match self.order {
            CostOrder::Cost => (nanos, counts.candidates),
            CostOrder::Matches => (counts.matches, counts.candidates),
            CostOrder::Candidates => (counts.candidates, nanos),
        };
        let rank = (rank, Reverse(key));
        if self.highest.len() < self.n {
            self.highest.insert(rank, Arc::clone(entry));
        } else if self.highest.first_key_value().is_some_and(|(lowest, _)| *lowest < rank) {
            self.highest.pop_first();
            self.highest.insert(rank, Arc::clone(entry));
        }
    }

    /// The highest first.
    pub(super) fn into_sorted(self) -> Vec<Arc<Entry>> {
        self.highest.into_values().rev().collect()
    }
}

#[cfg(test)]
mod tests;
