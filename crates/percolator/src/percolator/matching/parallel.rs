//! Matches a large batch on several threads.
//!
//! The batch is divided into chunks, and each thread takes the next one when it is free. The
//! calling thread is one of them; while the others wake up, it learns from the batch before. All
//! threads only read the query index. The results of the chunks are joined in the order of the
//! documents, so they do not depend on the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::doc_matcher::{DocMatcher, DocRange};
use crate::doc::Doc;
use crate::percolator::matches::Matches;
use crate::percolator::query_index::QueryIndex;
use crate::percolator::stats::adaptive_stats::AdaptiveStats;
use crate::percolator::stats::doc_stats::DocStats;

/// What a document costs besides its candidates, in candidates.
const COST_PER_DOC: f32 = 300.0;
/// Smaller batches are never divided.
const MIN_BATCH_DOCS: usize = 16;
/// Chunks for each thread, if there are enough documents: with fewer, threads wait for the last
/// one.
const CHUNKS_PER_THREAD: usize = 16;
/// The documents of a chunk, at least: documents of a chunk share lists of keys.
const MIN_CHUNK_DOCS: usize = 32;
/// And at most, which bounds how long the others wait for the last thread.
const MAX_CHUNK_DOCS: usize = 64;

/// Matches a large batch on several threads.
#[derive(Debug)]
pub(crate) struct ParallelMatcher {
    /// All threads but the calling one.
    pool: ThreadPool,
    /// By thread, the last for the calling one. A thread locks only its own.
    workers: Vec<Mutex<Worker>>,
    /// By chunk. Locked by the thread that takes the chunk, and reused for the next batch.
    results: Vec<Mutex<ChunkResult>>,
}

/// The matcher of a thread. Aligned to two cache lines, which processors fetch together, so that
/// threads do not contend for one.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Worker(DocMatcher);

/// The result of a chunk, aligned for the same reason.
#[derive(Debug, Default)]
#[repr(align(128))]
struct ChunkResult {
    matches: Matches,
    stats: DocStats,
}

impl ParallelMatcher {
    /// A matcher for this many threads. None if one suffices, or if the system gives no more.
    pub(crate) fn new(n_threads: usize) -> Option<ParallelMatcher> {
        if n_threads < 2 {
            return None;
        }
        let name = |at| format!("percolator-{at}");
        let pool = ThreadPoolBuilder::new().num_threads(n_threads - 1).thread_name(name).build().ok()?;
        let workers = (0..n_threads).map(|_| Mutex::default()).collect();
        Some(ParallelMatcher { pool, workers, results: Vec::new() })
    }

    /// Whether a batch costs at least `min_cost`, in candidates, so that dividing it pays off.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn pays_off(n_docs: usize, candidates_per_doc: f32, min_cost: f32) -> bool {
        n_docs >= MIN_BATCH_DOCS && n_docs as f32 * (COST_PER_DOC + candidates_per_doc) >= min_cost
    }

    /// Appends the matches of a batch to `matches`, and learns from the batch before.
    pub(crate) fn percolate(
        &mut self,
        index: &QueryIndex,
        docs: &[&Doc],
        stats: &mut AdaptiveStats,
        matches: &mut Matches,
    ) {
        let n_threads = self.workers.len();
        let max_len = (docs.len() / (CHUNKS_PER_THREAD * n_threads)).clamp(MIN_CHUNK_DOCS, MAX_CHUNK_DOCS);
        let len = docs.len().div_ceil(docs.len().div_ceil(max_len).next_multiple_of(n_threads));
        let n = docs.len().div_ceil(len);
        if self.results.len() < n || self.results.len() / 8 > n {
            self.results.resize_with(n, Mutex::default);
            self.results.shrink_to_fit();
        }
        let (results, workers) = (&self.results[..n], &self.workers);
        let next = AtomicUsize::new(0);
        let schedule = stats.schedule;
        let work = |thread: usize| {
            let Worker(matcher) = &mut *lock(&workers[thread]);
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(result) = results.get(at) else { return };
                let from = at * len;
                let first = u32::try_from(from).expect("a batch has fewer than 2^32 documents");
                let range = DocRange { first, docs: &docs[from..docs.len().min(from + len)] };
                let ChunkResult { matches, stats } = &mut *lock(result);
                stats.clear();
                matcher.percolate(index, range, schedule, matches, stats);
            }
        };
        self.pool.in_place_scope(|scope| {
            for thread in 0..n_threads - 1 {
                let work = &work;
                scope.spawn(move |_| work(thread));
            }
            stats.learn(&index.postings);
            work(n_threads - 1);
        });
        stats.schedule.advance(docs.len());
        for result in &mut self.results[..n] {
            let result = result.get_mut().unwrap_or_else(PoisonError::into_inner);
            matches.take(&mut result.matches);
            stats.pending.append(&result.stats);
        }
    }

    /// Frees memory if there are few atoms, queries or patterns now.
    pub(crate) fn release_memory(&mut self, index: &QueryIndex, n_queries: usize) {
        for worker in &mut self.workers {
            let Worker(matcher) = worker.get_mut().unwrap_or_else(PoisonError::into_inner);
            matcher.release_memory(index, n_queries);
        }
    }

    /// The memory that the threads hold, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let result = |result: &Mutex<ChunkResult>| {
            let result = lock(result);
            result.matches.size_bytes() + result.stats.size_bytes()
        };
        self.workers.iter().map(|worker| lock(worker).0.size_bytes()).sum::<usize>()
            + self.results.iter().map(result).sum::<usize>()
    }
}

/// A panic during percolation ends the pipeline, and all state is reset for each document.
fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
