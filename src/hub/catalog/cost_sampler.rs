//! Samples what each registered query costs.
//!
//! Counting the candidates and the time of every tweet would cost more than many queries do. So now
//! and then the sampler percolates one tweet again, query by query and with a clock
//! ([`Engine::inspect`]). The sample stands for all tweets since the one before. From a slow stream
//! every tweet is sampled; from a fast one a tweet in [`SAMPLE_INTERVAL_TWEETS`] at most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::listing::QueryListing;
use super::query_stats::QueryCounter;
use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::percolator::Engine;
use crate::telemetry;

/// A sample is due after this many tweets,
const SAMPLE_INTERVAL_TWEETS: u64 = 64;
/// or after this time, whichever comes first.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);
/// After a sample the sampler rests this many times as long as the sample took, so that sampling
/// takes at most 2 % of the time.
const REST_FACTOR: u32 = 50;

/// Documents with more terms are not sampled: inspecting one could block the loop for long.
const MAX_SAMPLE_TERMS: usize = 512;

/// Decides when to sample, and adds the samples to the counters.
#[derive(Debug, Default)]
pub(super) struct CostSampler {
    /// Counts the percolated tweets.
    listing: Arc<QueryListing>,
    /// Tweets since the last sample.
    since_last: u64,
    /// Samples taken.
    samples: u64,
    /// The end of the last sample, and how long it took.
    last: Option<(Instant, Duration)>,
    /// The candidates of a sample, and the time of each.
    candidates: Vec<(QueryKey, Duration)>,
}

impl CostSampler {
    /// A sampler that counts tweets in this listing.
    pub(super) fn new(listing: Arc<QueryListing>) -> CostSampler {
        CostSampler { listing, ..CostSampler::default() }
    }

    /// Counts a percolated batch, and samples one of its tweets if a sample is due. `counter` finds
    /// the counter of a query.
    pub(super) fn percolated<'a>(
        &mut self,
        engine: &mut dyn Engine,
        docs: &[&Doc],
        counter: impl Fn(QueryKey) -> Option<&'a QueryCounter>,
    ) {
        let now = Instant::now();
        self.listing.add_tweets(docs.len() as u64);
        self.since_last += docs.len() as u64;
        // Each position of a batch in turn: batches may resemble each other, and always sampling
        // the first tweet would be biased.
        let at = self.samples % docs.len().max(1) as u64;
        if self.is_due(now)
            && let Some(doc) = usize::try_from(at).ok().and_then(|at| docs.get(at))
            && doc.tokens().len() <= MAX_SAMPLE_TERMS
        {
            self.candidates.clear();
            engine.inspect(doc, &mut self.candidates);
            self.add(counter);
            let took = now.elapsed();
            self.last = Some((now + took, took));
            self.samples += 1;
            telemetry::percolation_sampled(took);
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.last.is_none_or(|(ended, took)| {
            let rested = now.saturating_duration_since(ended);
            rested >= took * REST_FACTOR && (self.since_last >= SAMPLE_INTERVAL_TWEETS || rested >= SAMPLE_INTERVAL)
        })
    }

    /// Adds the candidates of a sample to the counters, for all tweets since the one before.
    fn add<'a>(&mut self, counter: impl Fn(QueryKey) -> Option<&'a QueryCounter>) {
        let (since_last, all) = (std::mem::take(&mut self.since_last), self.listing.tweets());
        for &(key, time) in &self.candidates {
            if let Some(counter) = counter(key) {
                // A query that was registered in between has seen fewer tweets.
                counter.add_candidates(since_last.min(counter.tweets(all)), time);
            }
        }
    }
}

#[cfg(test)]
mod tests;
