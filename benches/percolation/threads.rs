//! A large batch on one thread and on several, by the clock; the tweets are analyzed before.

use std::time::{Duration, Instant};

use perch::doc::Doc;
use perch::percolator::{Engine, Matches};

use crate::stream::{Setting, per_second};

/// Tweets in a batch.
const BATCH: usize = 2_048;
/// How many batches pass one after the other.
const BATCHES: usize = 8;
/// The engines take turns for so long; of all rounds the fastest counts.
const TIME: Duration = Duration::from_secs(6);

pub(crate) const HEAD: &str = "mix        |  queries | threads | docs/s on one | docs/s on all | times\n\
                               -----------|----------|---------|---------------|---------------|------";

/// Measures one row.
pub(crate) fn measure(mix: &str, size: usize, engine: &str, short: bool) -> String {
    let setting = Setting::new(mix, size, short);
    let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (mut one, _) = setting.engine(engine, 1);
    let (mut all, _) = setting.engine(engine, n_threads);
    let docs = setting.stream.docs(BATCH * BATCHES);
    let docs: Vec<&Doc> = docs.iter().collect();
    let (mut on_one, mut on_all) = (0.0_f64, 0.0_f64);
    let start = Instant::now();
    while start.elapsed() < TIME {
        on_one = on_one.max(round(&mut *one, &docs));
        on_all = on_all.max(round(&mut *all, &docs));
    }
    format!("{mix:<10} | {size:>8} | {n_threads:>7} | {on_one:>13.0} | {on_all:>13.0} | {:>5.2}", on_all / on_one)
}

fn round(engine: &mut dyn Engine, docs: &[&Doc]) -> f64 {
    let mut matches = Matches::default();
    // The first batch pays for the memory that the others take again.
    engine.percolate(&docs[..docs.len().min(BATCH)], &mut matches);
    let start = Instant::now();
    for docs in docs.chunks(BATCH) {
        matches.clear();
        engine.percolate(docs, &mut matches);
    }
    per_second(docs.len(), start.elapsed())
}
