//! Percolates a large batch on several threads.
//!
//! The documents are dealt out in runs of at most [`MAX_DOCS`], each to whichever thread is free, which takes them one after the other or
//! together. The calling thread is one of them: while the others wake up, it learns from the batch before. The table is only read
//! meanwhile; marks, and what is remembered of patterns, belong to a thread. What a run found, and what is to be learned from it, is put
//! together in the order of the documents: answers do not depend on the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::Matches;
use super::arena::Arena;
use super::facts::{Mask, Seen, Tools};
use super::learning::Learning;
use super::many::{MAX_DOCS, Many};
use super::memo::Memo;
use super::one::{LONG_DOC, One};
use super::presearch::Presearch;
use crate::doc::Doc;

/// What a batch must cost, in candidates, to be worth the waking of threads: about a tenth of a millisecond. Less in tests,
/// whose batches are small and should be dealt out too.
const WORTH: f32 = if cfg!(test) { 1_000.0 } else { 30_000.0 };
/// What a document costs besides its candidates.
const PER_DOC: f32 = 300.0;
/// Fewer documents are never divided.
const MIN_DOCS: usize = 16;
/// Documents are dealt out in so many runs for each thread, if there are enough: with fewer, some threads wait longer for the last one.
const RUNS: usize = 16;
/// No runs are shorter where documents are taken one after the other: what is found is shared within a run.
const MIN_RUN: usize = 32;
/// Fewer documents are taken one after the other. Less in tests, as above.
const FEW: usize = if cfg!(test) { 4 } else { 16 };

/// The threads, each with what it needs.
#[derive(Debug)]
pub(super) struct Threads {
    /// All but the calling one.
    pool: ThreadPool,
    /// By thread, which locks no other than its own; the last is the calling one's.
    workers: Vec<Mutex<Worker>>,
    /// By run of documents; kept for their memory. Locked by the thread that takes the run.
    runs: Vec<Mutex<Run>>,
}

/// What belongs to a thread. Alone in its cache lines, of which processors fetch two at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Worker {
    one: One,
    many: Many,
    tools: Tools,
}

impl Worker {
    /// Finds what matches a run of documents, of which the first has this number in its batch, and takes down those that are counted.
    fn percolate(
        &mut self,
        (presearch, codes): (&Presearch, &Arena<u32>),
        (first, docs, way): (u32, &[&Doc], Way),
        counted: Mask,
        run: &mut Run,
    ) {
        let Worker { one, many, tools } = self;
        run.seen.clear();
        match way {
            Way::Many if many.percolate(presearch, codes, tools, (first, docs), &mut run.matches) => {
                many.see(&presearch.waits, docs, counted, &mut run.seen);
            }
            Way::Many | Way::One => {
                one.percolate((presearch, codes), tools, (first, docs), &mut run.matches, |one, at| {
                    if counted >> at & 1 == 1 {
                        one.see(&presearch.waits, docs[at], &mut run.seen);
                    }
                });
            }
        }
    }
}

/// How a thread takes documents that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One after the other.
    One,
    /// Together.
    Many,
}

impl Way {
    /// For documents that stand together, where it is said whether that saves enough looks at queries. Long ones are taken
    /// alone, which bounds the work of each.
    pub(super) fn of(docs: &[&Doc], is_deep: bool) -> Way {
        let is_long = |doc: &&Doc| doc.tokens().len() > LONG_DOC;
        if docs.len() >= FEW && is_deep && !docs.iter().any(is_long) { Way::Many } else { Way::One }
    }
}

/// Documents that stand together in a batch, and what came of them. Alone in its cache lines, because threads take neighbors at the same time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Run {
    matches: Matches,
    seen: Seen,
}

impl Threads {
    /// So many threads. None when one is enough, or when the system gives no more.
    pub(super) fn new(n: usize) -> Option<Threads> {
        if n < 2 {
            return None;
        }
        let name = |at| format!("percolator-{at}");
        let pool = ThreadPoolBuilder::new().num_threads(n - 1).thread_name(name).build().ok()?;
        let workers = (0..n).map(|_| Mutex::default()).collect();
        Some(Threads { pool, workers, runs: Vec::new() })
    }

    /// Whether so many documents with so many candidates each are worth it.
    #[expect(clippy::cast_precision_loss)]
    pub(super) fn are_worth_it(n_docs: usize, candidates_per_doc: f32) -> bool {
        n_docs >= MIN_DOCS && n_docs as f32 * (PER_DOC + candidates_per_doc) >= WORTH
    }

    /// Appends the matches of a batch to `matches`, learns from what was seen before, and takes down what is to be learned from this batch.
    pub(super) fn percolate(
        &mut self,
        (presearch, codes): (&Presearch, &Arena<u32>),
        (docs, is_deep): (&[&Doc], bool),
        learning: &mut Learning,
        matches: &mut Matches,
    ) {
        let most = if is_deep { MAX_DOCS } else { (docs.len() / (RUNS * self.workers.len())).clamp(MIN_RUN, MAX_DOCS) };
        let n = docs.len().div_ceil(most).next_multiple_of(self.workers.len());
        let len = docs.len().div_ceil(n);
        let n = docs.len().div_ceil(len);
        if self.runs.len() < n || self.runs.len() / 8 > n {
            self.runs.resize_with(n, Mutex::default);
            self.runs.shrink_to_fit();
        }
        let (runs, workers) = (&self.runs[..n], &self.workers);
        let next = AtomicUsize::new(0);
        let counting = learning.counting;
        let work = |own: usize| {
            let worker = &mut *lock(&workers[own]);
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(run) = runs.get(at) else { return };
                let from = at * len;
                let docs = &docs[from..docs.len().min(from + len)];
                let way = Way::of(docs, is_deep);
                let first = u32::try_from(from).expect("a batch has fewer than 2^32 documents");
                let counted = counting.of(from, docs.len());
                worker.percolate((presearch, codes), (first, docs, way), counted, &mut lock(run));
            }
        };
        self.pool.in_place_scope(|scope| {
            for own in 0..workers.len() - 1 {
                let work = &work;
                scope.spawn(move |_| work(own));
            }
            learning.learn(&presearch.waits);
            work(workers.len() - 1);
        });
        learning.counting.pass(docs.len());
        for run in &mut self.runs[..n] {
            let run = run.get_mut().unwrap_or_else(PoisonError::into_inner);
            matches.take(&mut run.matches);
            learning.seen.append(&run.seen);
        }
    }

    /// Gives back what fewer atoms and queries do not need.
    pub(super) fn give_back(&mut self, n_atoms: usize, n_queries: usize, keep_memo: bool) {
        for worker in &mut self.workers {
            let worker = worker.get_mut().unwrap_or_else(PoisonError::into_inner);
            worker.one.give_back(n_atoms, n_queries);
            worker.many.give_back(n_atoms, n_queries);
            if !keep_memo {
                worker.tools.memo = Memo::default();
            }
        }
    }

    /// The memory that the threads' marks take, and what came of the last batches, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let worker = |worker: &Mutex<Worker>| {
            let worker = lock(worker);
            worker.one.size_bytes() + worker.many.size_bytes() + worker.tools.memo.size_bytes()
        };
        let run = |run: &Mutex<Run>| {
            let run = lock(run);
            run.matches.size_bytes() + run.seen.size_bytes()
        };
        self.workers.iter().map(worker).sum::<usize>() + self.runs.iter().map(run).sum::<usize>()
    }
}

/// A panic while documents are percolated ends the process' pipeline, and marks start anew with each batch.
fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
