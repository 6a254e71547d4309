//! The fast engine: an inverted index over queries, and a small program for each.
//!
//! ```text
//! insert      Ast ─ compile ─> program ─ plan ─> access plan ─ post ─> posting lists of atoms
//! percolate   Doc ─ presearch ─> atoms ─> postings ─> signature ─> conditions, program ─> match
//! ```
//!
//! First find every atom the document contains, then walk the posting lists of each. A posting's
//! signature and conditions are a cheap pre-check; the program decides the rest. A query none of
//! whose keys is present is never visited. Queries whose plan leaves nothing to check (one or two
//! words, or any of some words) match without a program. `docs/PERCOLATOR.md` describes the whole.

mod access_query;
mod post;
mod query_record;
mod replan;

use std::time::Duration;

use super::atoms::AtomId;
use super::engine::{Engine, EngineKind, EngineOptions};
use super::matches::Matches;
use super::matching::doc_matcher::{DocMatcher, DocRange};
use super::matching::parallel::ParallelMatcher;
use super::plan::access_plan::plan;
use super::plan::cost_model::LearnedCosts;
use super::program;
use super::program::compile::compile;
use super::query_index::QueryIndex;
use super::stats::adaptive_stats::AdaptiveStats;
use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::query::Ast;
use query_record::{QueryRecord, QuerySlot};

/// The row in the table of engines.
pub(crate) const KIND: EngineKind = EngineKind {
    name: "compiled",
    about: "an inverted index over queries and a small program for each: the fast one",
    build: |options| Box::new(Compiled::new(options)),
};

/// The documents over which the number of candidates is averaged.
const LOAD_DOCS: f32 = 64.0;

/// The compiled engine.
#[derive(Debug)]
pub struct Compiled {
    index: QueryIndex,
    /// By key.
    queries: Vec<QuerySlot>,
    n_queries: usize,
    /// For batches that stay on the calling thread.
    matcher: DocMatcher,
    /// For large batches.
    parallel: Option<ParallelMatcher>,
    /// The candidates per document, a moving average.
    load: f32,
    stats: AdaptiveStats,
    /// Atoms whose guarded postings reached [`super::Thresholds::split_postings`] and are to be
    /// moved to conjunctions.
    overfull: Vec<AtomId>,
    sweep: replan::Sweep,
}

impl Compiled {
    /// An engine without queries.
    #[must_use]
    pub fn new(options: &EngineOptions) -> Compiled {
        Compiled {
            index: QueryIndex::new(&options.schema, options.max_steps, options.thresholds),
            queries: Vec::new(),
            n_queries: 0,
            matcher: DocMatcher::default(),
            parallel: ParallelMatcher::new(options.threads),
            load: 0.0,
            stats: AdaptiveStats::default(),
            overfull: Vec::new(),
            sweep: replan::Sweep::default(),
        }
    }

    /// The number of distinct atoms of the registered queries.
    #[must_use]
    pub fn n_atoms(&self) -> usize {
        self.index.atoms.n_used()
    }

    /// Whether queries are posted under conjunctions.
    #[cfg(test)]
    pub(super) fn has_conjunctions(&self) -> bool {
        !self.index.atoms.conjunctions().is_empty()
    }

    fn costs(&self) -> LearnedCosts<'_> {
        LearnedCosts { index: &self.index, doc_freq: &self.stats.doc_freq }
    }

    /// Starts to count the atoms that are new.
    fn count_new_atoms(&mut self) {
        while let Some(atom) = self.index.atoms.take_new() {
            self.index.add_atom(atom);
            let (prior, hash) = self.costs().prior(atom);
            self.stats.doc_freq.start(atom, prior, hash);
        }
    }

    /// Appends the matches of a batch to `matches`, and learns from the batch; on several threads,
    /// from the one before.
    fn percolate_batch(&mut self, docs: &[&Doc], matches: &mut Matches) {
        let Compiled { index, matcher, parallel, stats, load, .. } = self;
        if let Some(parallel) = parallel
            && ParallelMatcher::pays_off(docs.len(), *load, index.thresholds.parallel_cost)
        {
            parallel.percolate(index, docs, stats, matches);
            return;
        }
        matcher.percolate(index, DocRange { first: 0, docs }, stats.schedule, matches, &mut stats.pending);
        stats.schedule.advance(docs.len());
        stats.learn(&index.postings);
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn update_load(&mut self, n_docs: usize, n_candidates: u64) {
        let weight = (n_docs as f32).clamp(1.0, LOAD_DOCS) / LOAD_DOCS;
        self.load += (n_candidates as f32 / n_docs.max(1) as f32 - self.load) * weight;
    }

    /// Frees memory that removed queries used.
    fn release_memory(&mut self) {
        while self.queries.last().is_some_and(QuerySlot::is_free) {
            self.queries.pop();
        }
        if self.queries.len() * 4 < self.queries.capacity() {
            self.queries.shrink_to(self.queries.len() * 2);
        }
        self.compact_programs();
        self.stats.doc_freq.truncate(self.index.atoms.len());
        self.matcher.release_memory(&self.index, self.queries.len());
        if let Some(parallel) = &mut self.parallel {
            parallel.release_memory(&self.index, self.queries.len());
        }
    }
}

impl Engine for Compiled {
    fn insert(&mut self, key: QueryKey, query: &Ast) {
        self.remove(key);
        self.stats.learn(&self.index.postings);
        let code = compile(query, &mut self.index.atoms);
        self.count_new_atoms();
        let plan = plan(&code, &self.costs());
        if self.queries.len() <= key.index() {
            self.queries.resize_with(key.index() + 1, || QuerySlot::FREE);
        }
        let slot = self.post(key.0, &code, &plan);
        self.queries[key.index()] = slot;
        self.split_overfull();
        self.n_queries += 1;
    }

    fn remove(&mut self, key: QueryKey) -> bool {
        let Some(slot) = self.queries.get_mut(key.index()) else { return false };
        let mut slot = std::mem::replace(slot, QuerySlot::FREE);
        if slot.is_free() {
            return false;
        }
        self.stats.learn(&self.index.postings);
        let conjunctions = match slot {
            QuerySlot::SingleAtom { .. } => Vec::new(),
            QuerySlot::Record(span) => self.conjunctions_of(span),
        };
        self.unpost(&slot);
        let mut release = |atom| self.index.release(atom);
        match &mut slot {
            QuerySlot::SingleAtom { atom, .. } => release(*atom),
            QuerySlot::Record(span) => {
                conjunctions.into_iter().for_each(&mut release);
                let code = QueryRecord::code(self.index.programs.get(*span)).to_vec();
                program::for_each_atom(&code, &mut |atom| self.index.release(atom));
                self.index.programs.free(span);
            }
        }
        self.n_queries -= 1;
        self.release_memory();
        true
    }

    fn len(&self) -> usize {
        self.n_queries
    }

    fn percolate(&mut self, docs: &[&Doc], matches: &mut Matches) {
        let before = matches.candidates;
        self.percolate_batch(docs, matches);
        let n_candidates = matches.candidates - before;
        self.update_load(docs.len(), n_candidates);
        self.replan_some(docs.len(), n_candidates);
        self.compact_programs();
    }

    fn size_bytes(&self) -> usize {
        size_of::<Compiled>()
            + self.queries.capacity() * size_of::<QuerySlot>()
            + self.index.size_bytes()
            + self.matcher.size_bytes()
            + self.parallel.as_ref().map_or(0, ParallelMatcher::size_bytes)
            + self.stats.size_bytes()
    }

    fn inspect(&mut self, doc: &Doc, candidates: &mut Vec<(QueryKey, Duration)>) {
        self.matcher.inspect(&self.index, doc, candidates);
    }

    fn presearch(&self, key: QueryKey) -> Ast {
        self.access_query(key)
    }
}
