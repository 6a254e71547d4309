//! Posts queries under the keys of their access plan, and removes their postings.

use super::Compiled;
use super::query_record::{PostingRef, QueryRecord, QuerySlot};
use crate::percolator::arena::{Arena, Span};
use crate::percolator::atoms::atom_table::AtomKind;
use crate::percolator::atoms::{AtomId, TRUE};
use crate::percolator::plan::access_plan::{AccessPlan, AccessPredicate, all_required};
use crate::percolator::plan::cost_model::CostModel as _;
use crate::percolator::program;
use crate::percolator::query_index::bloom::Signature;
use crate::percolator::query_index::posting::{AnyOfPosting, Guard, GuardedPosting, Posting, PostingKind};

/// The atoms of a conjunction, at most.
const MAX_CONJUNCTION: usize = 8;

/// The key of a posting, and what it implies besides the key of the access predicate.
struct PostingKey {
    atom: AtomId,
    /// The other atoms of a conjunction.
    implied: Vec<AtomId>,
}

impl Compiled {
    /// Posts a query as planned. Returns what the engine keeps of it.
    pub(super) fn post(&mut self, query: u32, code: &[u32], plan: &AccessPlan) -> QuerySlot {
        if let (&[_], [predicate]) = (code, plan.predicates.as_slice())
            && predicate.is_plain()
        {
            let index = self.index.post(predicate.key, Posting::Plain(query));
            return QuerySlot::SingleAtom { atom: predicate.key, index };
        }
        let n = plan.predicates.len();
        let mut predicates: Vec<&AccessPredicate> = plan.predicates.iter().collect();
        // A disjunction of few atoms: posted under each, the most frequent first, so that most
        // matches need no check.
        let is_ranked = (2..=1 + AnyOfPosting::MAX_EARLIER).contains(&n)
            && predicates.iter().all(|it| it.is_plain() && self.index.is_always_found(it.key));
        if is_ranked {
            let costs = self.costs();
            predicates.sort_by(|a, b| costs.selectivity(b.key).total_cmp(&costs.selectivity(a.key)));
        }
        let keys: Vec<AtomId> = predicates.iter().map(|predicate| predicate.key).collect();
        let span = self.index.programs.store(&QueryRecord::words(n, code));
        let start = span.start() + u32::try_from(QueryRecord::code_at(n)).expect("a query has fewer than 2^30 parts");
        let leaves = match plan.predicates.as_slice() {
            [predicate] => program::conjunction_leaves(code, predicate.key),
            _ => None,
        };
        for (number, predicate) in predicates.into_iter().enumerate() {
            let key = self.specialize_key(code, predicate);
            let posting = if !is_ranked {
                self.posting(query, &key, predicate, leaves, n > 1, start)
            } else if number == 0 {
                Posting::Plain(query)
            } else {
                Posting::AnyOf(AnyOfPosting::after(query, &keys[..number]))
            };
            let kind = posting.kind();
            let index = self.index.post(key.atom, posting);
            if kind == PostingKind::Guarded && self.is_overfull(key.atom) && !self.overfull.contains(&key.atom) {
                self.overfull.push(key.atom);
            }
            let posting = PostingRef { atom: key.atom, kind, index };
            QueryRecord::set_posting(self.index.programs.get_mut(span), number, posting);
        }
        QuerySlot::Record(span)
    }

    /// The posting for an access predicate. `leaves` are the leaves of a program that is a
    /// conjunction, `start` is where the program starts, and `dedup` says whether other postings
    /// may report the query.
    fn posting(
        &self,
        query: u32,
        key: &PostingKey,
        predicate: &AccessPredicate,
        leaves: Option<&[u32]>,
        dedup: bool,
        start: u32,
    ) -> Posting {
        let is_key = |atom| atom == predicate.key || key.implied.contains(&atom);
        let guard = match predicate.guard {
            Guard::Present(atom) if is_key(atom) => Guard::Present(TRUE),
            guard => guard,
        };
        // The leaves that the key does not imply. If there are few, the posting has all of them.
        let conditions = leaves.map(|leaves| {
            let is_implied = |word: u32| word & program::TAG != program::ABSENT && is_key(word & !program::TAG);
            let mut conditions: Vec<u32> = leaves.iter().copied().filter(|&word| !is_implied(word)).collect();
            // Put the most selective atoms into the signature: they reject most often.
            let costs = self.costs();
            conditions.sort_by_cached_key(|&word| match word & program::TAG {
                program::ATOM => costs.selectivity(word & !program::TAG).to_bits(),
                _ => (1.0 - costs.selectivity(word & !program::TAG)).to_bits(),
            });
            conditions
        });
        let signature = match &conditions {
            Some(words) => Signature::of(words.iter().copied().filter(|word| word & program::TAG == program::ATOM)),
            None => Signature::of(predicate.required.iter().copied().filter(|&atom| !is_key(atom))),
        };
        let has_no_guard = guard == Guard::Present(TRUE);
        match conditions.filter(|conditions| conditions.len() <= GuardedPosting::MAX_CONDITIONS) {
            Some(conditions) if conditions.is_empty() && !key.implied.is_empty() => Posting::Plain(query),
            _ if predicate.sufficient && has_no_guard && dedup => Posting::AnyOf(AnyOfPosting::recorded(query)),
            _ if predicate.sufficient && has_no_guard && !key.implied.is_empty() => Posting::Plain(query),
            _ if predicate.sufficient => Posting::Guarded(signature, GuardedPosting::with_guard(query, guard, dedup)),
            Some(conditions) => Posting::Guarded(signature, GuardedPosting::with_conditions(query, &conditions, dedup)),
            None => Posting::Guarded(signature, GuardedPosting::with_program(query, start, dedup)),
        }
    }

    /// The key to post under. If the key of the predicate has too many postings, that is a
    /// conjunction of it and other required atoms, which gets a reference.
    fn specialize_key(&mut self, code: &[u32], predicate: &AccessPredicate) -> PostingKey {
        let mut key = PostingKey { atom: predicate.key, implied: Vec::new() };
        if predicate.is_plain() || !self.is_split(key.atom) {
            return key;
        }
        let mut others = Vec::new();
        all_required(code, &mut others);
        if let Guard::Present(guard) = predicate.guard {
            others.push(guard);
        }
        let costs = self.costs();
        others.sort_by(|&a, &b| costs.selectivity(a).total_cmp(&costs.selectivity(b)).then(a.cmp(&b)));
        for other in others {
            if !self.is_split(key.atom) || key.implied.len() + 1 == MAX_CONJUNCTION {
                break;
            }
            if !self.index.can_extend_conjunction(key.atom, other) {
                continue;
            }
            let conjunction = self.index.intern_conjunction(key.atom, other);
            if !key.implied.is_empty() {
                // The longer conjunction holds a reference to the shorter one.
                self.index.release(key.atom);
            }
            key.atom = conjunction;
            key.implied.push(other);
        }
        self.count_new_atoms();
        key
    }

    /// Whether queries are posted under conjunctions that start with the atom, instead of the atom.
    fn is_split(&self, atom: AtomId) -> bool {
        let is_overfull = || self.overfull.contains(&atom) && self.index.can_start_conjunction(atom);
        !self.index.postings.conjunctions(atom).is_empty() || is_overfull()
    }

    /// Whether an atom has enough guarded postings to be split. Postings that cannot
    /// be moved may be many; trying each time that they have doubled costs little.
    fn is_overfull(&self, atom: AtomId) -> bool {
        let threshold = self.index.thresholds.split_postings;
        let n = self.index.postings.n_guarded(atom);
        n.is_multiple_of(threshold)
            && (n / threshold).is_power_of_two()
            && self.index.postings.conjunctions(atom).is_empty()
            && self.index.can_start_conjunction(atom)
    }

    /// Moves the queries posted under overfull atoms to conjunctions.
    pub(super) fn split_overfull(&mut self) {
        let mut at = 0;
        // A query that is posted under several atoms may make one overfull while another is split.
        while let Some(&atom) = self.overfull.get(at) {
            at += 1;
            let mut queries: Vec<u32> = self.index.postings.of(atom).guarded.iter().map(|it| it.query).collect();
            queries.sort_unstable();
            queries.dedup();
            for query in queries {
                self.replan_if(query, |_, _| true);
            }
        }
        self.overfull.clear();
    }

    /// The conjunctions that a query is posted under.
    pub(super) fn conjunctions_of(&self, record: Span) -> Vec<AtomId> {
        let atoms = QueryRecord::postings(self.index.programs.get(record)).map(|posting| posting.atom);
        atoms.filter(|&atom| matches!(self.index.atoms.kind(atom), AtomKind::And2(..))).collect()
    }

    /// Removes the postings of a query, which has no slot any more.
    pub(super) fn unpost(&mut self, slot: &QuerySlot) {
        match *slot {
            QuerySlot::SingleAtom { atom, index } => {
                self.remove_posting(PostingRef { atom, kind: PostingKind::Plain, index }, None);
            }
            QuerySlot::Record(record) => {
                for number in 0..QueryRecord::n_postings(self.index.programs.get(record)) {
                    let posting = QueryRecord::posting(self.index.programs.get(record), number);
                    self.remove_posting(posting, Some((record, number + 1)));
                }
            }
        }
    }

    /// Removes a posting, and updates the query whose posting takes its index. `own` is the record
    /// of the query itself, which may be posted under the atom twice, and how many of its postings
    /// were removed.
    fn remove_posting(&mut self, posting: PostingRef, own: Option<(Span, usize)>) {
        let PostingRef { atom, kind, index } = posting;
        let Some((moved, from)) = self.index.unpost(atom, kind, index) else { return };
        let record = match &mut self.queries[moved as usize] {
            slot if slot.is_free() => own,
            QuerySlot::SingleAtom { index: old, .. } => {
                *old = index;
                return;
            }
            QuerySlot::Record(record) => Some((*record, 0)),
        };
        let Some((record, n_removed)) = record else { return };
        let words = self.index.programs.get_mut(record);
        let is_moved = |it: &PostingRef| *it == PostingRef { atom, kind, index: from };
        let number = QueryRecord::postings(words).skip(n_removed).position(|it| is_moved(&it));
        if let Some(number) = number {
            QueryRecord::set_posting(words, n_removed + number, posting);
        }
    }

    /// Copies the records out of an arena that is mostly free.
    pub(super) fn compact_programs(&mut self) {
        if !self.index.programs.is_sparse() {
            return;
        }
        let mut fresh = Arena::default();
        for slot in &mut self.queries {
            let QuerySlot::Record(record) = slot else { continue };
            let words = self.index.programs.get(*record);
            let moved = fresh.store(words);
            let start = QueryRecord::code_at(QueryRecord::n_postings(words));
            let code = moved.start() + u32::try_from(start).expect("a query has fewer than 2^30 parts");
            for posting in QueryRecord::postings(words).filter(|it| it.kind == PostingKind::Guarded) {
                self.index.postings.set_code(posting.atom, posting.index, code);
            }
            *record = moved;
        }
        self.index.programs = fresh;
    }
}
