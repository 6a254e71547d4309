//! Finds the atoms that a document contains and that queries are posted under.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::doc_atoms::DocAtoms;
use super::doc_state::{DocState, UndecidedPatterns};
use super::doc_tokens::DocTokens;
use super::interpreter::scan;
use super::pattern_cache::PatternCache;
use super::work_budget::{WorkBudget, pattern_steps};
use crate::doc::{Doc, Token};
use crate::percolator::atoms::pair_table::PairTable;
use crate::percolator::atoms::{AtomId, MAX_ATOMS, TRUE};
use crate::percolator::query_index::QueryIndex;
use crate::percolator::query_index::pattern_match;
use crate::percolator::query_index::term_hashes::TermHashes;
use crate::percolator::scratch::prefetch;

/// Finds the atoms of documents. Each thread has its own, with its own pattern cache.
#[derive(Debug, Default)]
pub(crate) struct Presearcher {
    cache: PatternCache,
    /// Scratch: the tokens to look up in the pattern index.
    pattern_tokens: Vec<usize>,
    term: TermHashes,
    matching: Vec<AtomId>,
}

impl Presearcher {
    /// Sets the state of a document, which must not match a query whose atoms are not in it.
    pub(crate) fn analyze(&mut self, index: &QueryIndex, doc: &Doc, state: &mut DocState) {
        let DocState { tokens, atoms, undecided_patterns, budget, ran_out } = state;
        atoms.clear(index.atoms.len());
        *undecided_patterns = UndecidedPatterns::None;
        *ran_out = false;
        tokens.set(doc, &index.atoms);
        atoms.insert(TRUE);
        self.find_terms(index, doc, tokens, atoms);
        find_sequences(index.atoms.sequences(), doc.tokens(), tokens.atoms(), atoms);
        find_fields(index, doc, atoms);
        // Only now does the Bloom filter have all that signatures can require.
        find_ranges(index, doc, atoms);
        find_shapes(index, doc, atoms);
        budget.refill(index.max_steps);
        if !self.find_patterns(index, doc, tokens, atoms, budget) {
            budget.refill(index.max_steps);
            *undecided_patterns = self.find_patterns_of_long_doc(index, doc, tokens, atoms, budget);
        }
        // Programs have a budget of their own, also if there were too many patterns.
        budget.refill(index.max_steps);
        expand_conjunctions(index, atoms);
    }

    fn find_terms(&mut self, index: &QueryIndex, doc: &Doc, tokens: &DocTokens, atoms: &mut DocAtoms) {
        self.pattern_tokens.clear();
        for (at, (token, &atom)) in doc.tokens().iter().zip(tokens.atoms()).enumerate() {
            let is_new = atom == MAX_ATOMS || atoms.insert_term(atom);
            if is_new && index.patterns.has_field(token.field) {
                self.pattern_tokens.push(at);
            }
        }
    }

    /// Finds the patterns that match terms. Returns false, with some of them found, if the document
    /// is long or the budget does not suffice.
    fn find_patterns(
        &mut self,
        index: &QueryIndex,
        doc: &Doc,
        tokens: &DocTokens,
        atoms: &mut DocAtoms,
        budget: &mut WorkBudget,
    ) -> bool {
        let Presearcher { cache, pattern_tokens, term: hashes, matching } = self;
        if pattern_tokens.len() > index.thresholds.long_doc_terms {
            return false;
        }
        for &at in &*pattern_tokens {
            let (token, probe) = (&doc.tokens()[at], tokens.probe(at));
            let term = doc.term(token);
            if let Some(patterns) = cache.get(probe, term, &index.patterns, &index.atoms) {
                for &atom in patterns {
                    atoms.insert(atom);
                }
                continue;
            }
            matching.clear();
            hashes.set(term.chars());
            let mut candidate = |atom| {
                if test(index, atom, term, budget) {
                    matching.push(atom);
                }
            };
            let steps = index.patterns.find(hashes, token.field, &mut candidate)
                + index.patterns.find_weak(hashes, token.field, &mut candidate);
            budget.charge(steps);
            if budget.is_exhausted() {
                return false;
            }
            for &atom in &*matching {
                atoms.insert(atom);
            }
            cache.insert(probe, index.patterns.version(), matching);
        }
        true
    }

    /// The same for a long document, or one with many candidates: looks up each distinct term once,
    /// tests no pattern again that has matched, and leaves the cache alone. Weak patterns come
    /// last, so that they are the first to stay undecided.
    fn find_patterns_of_long_doc(
        &mut self,
        index: &QueryIndex,
        doc: &Doc,
        tokens: &DocTokens,
        atoms: &mut DocAtoms,
        budget: &mut WorkBudget,
    ) -> UndecidedPatterns {
        let terms = distinct_terms(doc, tokens, &self.pattern_tokens);
        for (is_weak, undecided) in [(false, UndecidedPatterns::All), (true, UndecidedPatterns::Weak)] {
            for &at in &terms {
                let token = &doc.tokens()[at];
                let term = doc.term(token);
                self.term.set(term.chars());
                let mut candidate = |atom| {
                    if !atoms.contains(atom) && test(index, atom, term, budget) {
                        atoms.insert(atom);
                    }
                };
                let steps = if is_weak {
                    index.patterns.find_weak(&self.term, token.field, &mut candidate)
                } else {
                    index.patterns.find(&self.term, token.field, &mut candidate)
                };
                budget.charge(steps);
                if budget.is_exhausted() {
                    return undecided;
                }
            }
        }
        UndecidedPatterns::None
    }

    /// Frees the cache.
    pub(crate) fn release_memory(&mut self) {
        self.cache = PatternCache::default();
    }

    /// The memory that the presearcher holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.cache.size_bytes()
            + self.pattern_tokens.capacity() * size_of::<usize>()
            + self.matching.capacity() * size_of::<AtomId>()
    }
}

/// Tests a pattern on a term. False once the budget is exhausted.
#[inline]
fn test(index: &QueryIndex, pattern: AtomId, term: &str, budget: &mut WorkBudget) -> bool {
    let kind = index.atoms.kind(pattern);
    budget.charge(pattern_steps(kind, term));
    !budget.is_exhausted() && pattern_match::matches(kind, term)
}

/// One of these tokens for each distinct field and term.
fn distinct_terms(doc: &Doc, tokens: &DocTokens, of: &[usize]) -> Vec<usize> {
    let hash = |&at: &usize| tokens.probe(at).hash;
    let key = |at: usize| (doc.tokens()[at].field, doc.term(&doc.tokens()[at]));
    let mut table: HashTable<usize> = HashTable::with_capacity(of.len());
    let mut distinct = Vec::new();
    for &at in of {
        if let Entry::Vacant(entry) = table.entry(hash(&at), |&it| key(it) == key(at), hash) {
            entry.insert(at);
            distinct.push(at);
        }
    }
    distinct
}

/// Finds sequences of adjacent terms: a sequence that ends at one position is continued by each
/// term at the next.
fn find_sequences(sequences: &PairTable, tokens: &[Token], terms: &[AtomId], atoms: &mut DocAtoms) {
    if sequences.is_empty() {
        return;
    }
    let position = |token: &Token| (token.field, token.position);
    // The sequences that end at the position before, and at this one.
    let (mut before, mut ending) = (Vec::new(), Vec::new());
    // The tokens at the position before, and the first at this one.
    let (mut tokens_before, mut at) = (0..0, 0);
    for here in tokens.chunk_by(|a, b| position(a) == position(b)) {
        let is_adjacent =
            |&first: &usize| tokens[first].field == here[0].field && tokens[first].position + 1 == here[0].position;
        if tokens_before.clone().next().is_some_and(|first| is_adjacent(&first)) {
            for &second in terms[at..at + here.len()].iter().filter(|&&atom| atom != MAX_ATOMS) {
                let firsts = terms[tokens_before.clone()].iter().filter(|&&atom| atom != MAX_ATOMS);
                for sequence in firsts.chain(&before).filter_map(|&first| sequences.find(first, second)) {
                    atoms.insert(sequence);
                    if !ending.contains(&sequence) {
                        ending.push(sequence);
                    }
                }
            }
        }
        std::mem::swap(&mut before, &mut ending);
        ending.clear();
        tokens_before = at..at + here.len();
        at += here.len();
    }
}

/// Finds the fields that have a value.
fn find_fields(index: &QueryIndex, doc: &Doc, atoms: &mut DocAtoms) {
    let mut present = doc.present();
    while present != 0 {
        if let Some(atom) = index.exists(present.trailing_zeros() as usize) {
            atoms.insert(atom);
        }
        present &= present - 1;
    }
}

/// Finds the ranges that contain a value, without those whose queries require atoms that the
/// document lacks.
fn find_ranges(index: &QueryIndex, doc: &Doc, atoms: &mut DocAtoms) {
    for values in doc.values().chunk_by(|a, b| a.0 == b.0) {
        let Some(tree) = index.intervals(values[0].0) else { continue };
        if let &[(_, value)] = values {
            tree.stab(value, |atom, required| {
                if atoms.may_contain_all(required) {
                    atoms.push_range(atom);
                }
            });
            continue;
        }
        // Two values may lie in one range.
        for &(_, value) in values {
            tree.stab(value, |atom, required| {
                if atoms.may_contain_all(required) {
                    atoms.insert(atom);
                }
            });
        }
    }
}

/// Finds the boxes and circles that contain a point.
fn find_shapes(index: &QueryIndex, doc: &Doc, atoms: &mut DocAtoms) {
    for &(field, point) in doc.points() {
        let Some(grid) = index.grid(field) else { continue };
        for atom in grid.candidates(point) {
            if scan(&index.atoms, atom, doc, &mut WorkBudget::default()) {
                atoms.insert(atom);
            }
        }
    }
}

/// Finds the conjunctions of what was found, and conjunctions of these.
fn expand_conjunctions(index: &QueryIndex, atoms: &mut DocAtoms) {
    let (mut at, mut prefetched) = (0, 0);
    while let Some(&first) = atoms.found().get(at) {
        if at == prefetched {
            prefetched = atoms.found().len();
            prefetch(atoms.found()[at..].iter().map(|&atom| index.postings.peek_lists(atom)));
        }
        at += 1;
        // Either each conjunction of the atom looks for its second term, or each term of the
        // document for its conjunction, whichever takes fewer lookups.
        let conjunctions = index.postings.conjunctions(first);
        if conjunctions.len() <= atoms.terms().len() {
            for key in conjunctions {
                if atoms.contains(key.second) {
                    atoms.push_conjunction(key.conjunction);
                }
            }
        } else {
            for term in 0..atoms.terms().len() {
                if let Some(atom) = index.atoms.conjunctions().find(first, atoms.terms()[term]) {
                    atoms.push_conjunction(atom);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::doc::DocBuilder;
    use crate::percolator::atoms::atom_table::AtomTable;
    use crate::schema::{Schema, tweet};

    proptest! {
        #[test]
        fn each_distinct_term_is_looked_up_once(numbers in prop::collection::vec(0_u32..400, 0..60)) {
            let mut builder = DocBuilder::new(Schema::tweet());
            let words: Vec<String> = numbers.iter().map(|number| format!("w{number}")).collect();
            builder.text(tweet::TEXT, &words.join(" "));
            // Some are in another field too, where they are other terms.
            words[..words.len() / 3].iter().for_each(|word| builder.text(tweet::HASHTAG, word));
            let doc = builder.doc();
            let mut tokens = DocTokens::default();
            tokens.set(doc, &AtomTable::new());
            let all: Vec<usize> = (0..doc.tokens().len()).collect();
            let key = |&at: &usize| (doc.tokens()[at].field, doc.term(&doc.tokens()[at]));
            let distinct = distinct_terms(doc, &tokens, &all);
            let keys: BTreeSet<_> = distinct.iter().map(key).collect();
            prop_assert_eq!(keys.len(), distinct.len());
            prop_assert_eq!(keys, all.iter().map(key).collect::<BTreeSet<_>>());
        }
    }
}
