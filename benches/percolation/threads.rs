//! Large batches on one thread and on several, in wall-clock time, of tweets that were analyzed
//! before.
//!
//! The upper bound of the machine is measured in the same rounds: as many independent engines, each
//! with a part of the tweets.

use std::time::{Duration, Instant};

use perch::doc::Doc;
use perch::percolator::{Engine, Matches};

use crate::stream::{Setting, median, per_second};

/// Tweets in a batch. `perch ingest` sends the last number at once.
const BATCHES: [usize; 3] = [250, 1_000, 5_000];
/// Tweets of a round.
const TWEETS: usize = 20_000;
/// How long the engines take turns, for each size of batch.
const TIME: Duration = Duration::from_secs(3);

pub(crate) const HEAD: &str = "mix        |  queries | threads | batch | docs/s on one | docs/s on all | times | times, engines of their own\n\
                               -----------|----------|---------|-------|---------------|---------------|-------|----------------------------";

/// Measures one row for each size of batch.
pub(crate) fn measure(mix: &str, size: usize, engine: &str) -> String {
    let setting = Setting::new(mix, size, false);
    let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (mut all, _) = setting.engine(engine, n_threads);
    let mut own: Vec<Box<dyn Engine>> = (0..n_threads).map(|_| setting.engine(engine, 1).0).collect();
    let docs = setting.stream.docs(TWEETS);
    let docs: Vec<&Doc> = docs.iter().collect();
    BATCHES
        .map(|batch| format!("{mix:<10} | {size:>8} | {n_threads:>7} | {}", row(&mut all, &mut own, &docs, batch)))
        .join("\n")
}

/// The engine with threads, and the independent engines, with one size of batch.
fn row(all: &mut Box<dyn Engine>, own: &mut [Box<dyn Engine>], docs: &[&Doc], batch: usize) -> String {
    let (mut on_one, mut on_all, mut times, mut times_of_own) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    while start.elapsed() < TIME {
        let one = round(&mut *own[0], docs, batch);
        let many = round(&mut **all, docs, batch);
        let parts = docs.chunks(docs.len().div_ceil(own.len()));
        let of_own: f64 = std::thread::scope(|scope| {
            let parts: Vec<_> = own
                .iter_mut()
                .zip(parts)
                .map(|(it, docs)| scope.spawn(move || round(&mut **it, docs, batch)))
                .collect();
            parts.into_iter().map(|part| part.join().expect("it ends")).sum()
        });
        on_one.push(one);
        on_all.push(many);
        times.push(many / one);
        times_of_own.push(of_own / one);
    }
    // The median, because other load affects some rounds, and the fastest rounds of two engines
    // cannot be compared.
    let [on_one, on_all, times, times_of_own] = [on_one, on_all, times, times_of_own].map(median);
    format!("{batch:>5} | {on_one:>13.0} | {on_all:>13.0} | {times:>5.2} | {times_of_own:>27.2}")
}

fn round(engine: &mut dyn Engine, docs: &[&Doc], batch: usize) -> f64 {
    let mut matches = Matches::default();
    // The first batch allocates the memory that the others reuse.
    engine.percolate(&docs[..docs.len().min(batch)], &mut matches);
    let start = Instant::now();
    for docs in docs.chunks(batch) {
        matches.clear();
        engine.percolate(docs, &mut matches);
    }
    per_second(docs.len(), start.elapsed())
}
