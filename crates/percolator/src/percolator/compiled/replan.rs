//! Plans queries again when the estimates that their plans rest on turn out to be wrong.
//!
//! Some queries are planned again with each batch, never all at once.

use super::Compiled;
use super::query_record::{PostingRef, QueryRecord, QuerySlot};
use crate::percolator::atoms::AtomId;
use crate::percolator::plan::access_plan::plan;
use crate::percolator::plan::cost_model::{CostModel as _, LearnedCosts};
use crate::percolator::program;
use crate::percolator::query_index::posting::PostingKind;

/// Queries that are planned again for each document, at most.
const REPLANS_PER_DOC: usize = 2;
/// And one more for this many candidates: bad plans cause many, and should be replaced sooner.
const CANDIDATES_PER_REPLAN: usize = 128;
/// Documents counted before the first sweep over all queries.
const FIRST_SWEEP_DOCS: u64 = 1_000;
/// The factor between the documents counted before one sweep and before the next.
const SWEEP_GROWTH: u64 = 8;
/// A new plan must cost less than this share of the old one to be adopted.
const MIN_GAIN: f32 = 0.5;

/// A pass over all queries that plans each again, some with each batch.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The next query, while a sweep goes on.
    next: Option<u32>,
    /// The number of counted documents at which the next sweep starts.
    starts_at: u64,
}

impl Default for Sweep {
    fn default() -> Sweep {
        Sweep { next: None, starts_at: FIRST_SWEEP_DOCS }
    }
}

impl Compiled {
    /// Plans all queries again and adopts every plan that is cheaper.
    ///
    /// The engine does this by itself, for some queries with each batch. This is for callers that
    /// want it at once, after a warm-up.
    pub fn replan_all(&mut self) {
        self.stats.learn(&self.index.postings);
        self.stats.stale.clear();
        for key in 0..self.queries.len() {
            self.replan(u32::try_from(key).expect("keys are 32 bits"), 1.0);
        }
    }

    /// Plans some of the queries posted under stale atoms again, then some of the sweep.
    pub(super) fn replan_some(&mut self, n_docs: usize, n_candidates: u64) {
        let candidates = usize::try_from(n_candidates).unwrap_or(usize::MAX);
        let mut left = REPLANS_PER_DOC * n_docs + candidates / CANDIDATES_PER_REPLAN;
        if self.sweep.next.is_none() && self.stats.doc_freq.n_counted() >= self.sweep.starts_at {
            self.sweep = Sweep { next: Some(0), starts_at: self.sweep.starts_at * SWEEP_GROWTH };
        }
        while let Some((atom, mut at)) = self.stats.stale.pop() {
            while left > 0 {
                let Some(&posting) = self.index.postings.of(atom).guarded.get(at as usize) else { break };
                left -= 1;
                self.replan(posting.query, MIN_GAIN);
                // If the query was posted elsewhere, another posting has this index now.
                if self.index.postings.of(atom).guarded.get(at as usize) == Some(&posting) {
                    at += 1;
                }
            }
            if left == 0 {
                self.stats.stale.push((atom, at));
                return;
            }
        }
        while let Some(query) = self.sweep.next.filter(|_| left > 0) {
            left -= 1;
            let is_query = (query as usize) < self.queries.len();
            self.sweep.next = is_query.then_some(query + 1);
            if is_query {
                self.replan(query, MIN_GAIN);
            }
        }
    }

    /// Plans a query again, and adopts a plan that costs less than this share of the old one.
    fn replan(&mut self, query: u32, min_gain: f32) {
        let QuerySlot::Record(record) = self.queries[query as usize] else { return };
        let words = self.index.programs.get(record);
        if QueryRecord::n_postings(words) == 1
            && let PostingRef { atom, .. } = QueryRecord::posting(words, 0)
            && let Some(leaves) = program::conjunction_leaves(QueryRecord::code(words), atom)
            && min_gain < 1.0
        {
            // A shortcut for conjunctions, which are most queries: nearly always no leaf is that
            // much more selective than the key.
            let doc_freq = &self.stats.doc_freq;
            let atoms = leaves.iter().filter(|&&word| word & program::TAG == program::ATOM);
            let least = atoms.fold(1.0_f32, |least, &word| least.min(doc_freq.selectivity(word & !program::TAG, 0.0)));
            if least >= doc_freq.selectivity(atom, 0.0) * min_gain {
                return;
            }
        }
        self.replan_if(query, |before, after| after < before * min_gain);
        self.split_overfull();
    }

    /// Plans a query again, and adopts the plan if the costs before and after are right.
    pub(super) fn replan_if(&mut self, query: u32, is_right: impl Fn(f32, f32) -> bool) {
        let QuerySlot::Record(mut record) = self.queries[query as usize] else { return };
        let words = self.index.programs.get(record);
        let costs = self.costs();
        let plan = plan(QueryRecord::code(words), &costs);
        let before = cost_of_keys(QueryRecord::postings(words).map(|posting| posting.atom), &costs);
        let after = cost_of_keys(plan.predicates.iter().map(|predicate| predicate.key), &costs);
        if !is_right(before, after) && !is_misranked(QueryRecord::postings(words), &costs) {
            return;
        }
        let code = QueryRecord::code(words).to_vec();
        let slot = std::mem::replace(&mut self.queries[query as usize], QuerySlot::FREE);
        let conjunctions = self.conjunctions_of(record);
        self.unpost(&slot);
        self.index.programs.free(&mut record);
        self.queries[query as usize] = self.post(query, &code, &plan);
        // Released last, so that an atom stays split while its only query is moved.
        conjunctions.into_iter().for_each(|atom| self.index.release(atom));
    }
}

/// The cost per document of posting a query under these atoms.
fn cost_of_keys(atoms: impl Iterator<Item = AtomId>, costs: &LearnedCosts<'_>) -> f32 {
    atoms.map(|atom| costs.selectivity(atom) + costs.lookup_cost(atom)).sum()
}

/// Whether the first atom of a ranked disjunction is much less frequent than another.
fn is_misranked(mut postings: impl Iterator<Item = PostingRef>, costs: &LearnedCosts<'_>) -> bool {
    let Some(first) = postings.next().filter(|first| first.kind == PostingKind::Plain) else { return false };
    let first = costs.selectivity(first.atom);
    postings.any(|it| it.kind == PostingKind::AnyOf && first < costs.selectivity(it.atom) * MIN_GAIN)
}
