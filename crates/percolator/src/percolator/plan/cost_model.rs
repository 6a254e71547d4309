//! What the planner knows about atoms: how often they occur, and what finding them costs.

use crate::percolator::atoms::AtomId;
use crate::percolator::atoms::atom_table::AtomKind;
use crate::percolator::query_index::QueryIndex;
use crate::percolator::query_index::pattern_keys;
use crate::percolator::stats::doc_freq::DocFreq;

/// The costs of atoms. The unit is one evaluation of a program.
pub(crate) trait CostModel {
    /// The share of documents that contain the atom, from 0 to 1.
    fn selectivity(&self, atom: AtomId) -> f32;
    /// What searching each document for the atom costs.
    fn lookup_cost(&self, atom: AtomId) -> f32;
}

/// Costs by what was learned from documents.
#[derive(Debug)]
pub(crate) struct LearnedCosts<'a> {
    pub(crate) index: &'a QueryIndex,
    pub(crate) doc_freq: &'a DocFreq,
}

impl CostModel for LearnedCosts<'_> {
    fn selectivity(&self, atom: AtomId) -> f32 {
        match self.index.atoms.kind(atom) {
            AtomKind::True => 1.0,
            &AtomKind::Range(field, min, max) => self
                .doc_freq
                .selectivity_of_range(field, min, max)
                .unwrap_or_else(|| self.doc_freq.selectivity(atom, 0.0)),
            // In a field with few values, like a language, what many queries have many documents
            // have.
            AtomKind::Term(key) if !self.index.has_words(key.field()) => {
                self.doc_freq.selectivity(atom, self.index.atoms.popularity(atom, key.field()))
            }
            _ => self.doc_freq.selectivity(atom, 0.0),
        }
    }

    fn lookup_cost(&self, atom: AtomId) -> f32 {
        match self.index.atoms.kind(atom) {
            AtomKind::Prefix(..) => 0.01,
            // The ranges that contain a value are contiguous, and most are rejected by their
            // signature.
            AtomKind::Range(..) => 0.000_5 + 0.05 * self.selectivity(atom),
            AtomKind::Within(..) | AtomKind::Near(..) => 0.02,
            kind @ (AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..)) => {
                if pattern_keys::is_unindexed(kind) { 4.0 } else { 0.05 }
            }
            _ => 0.0,
        }
    }
}

impl LearnedCosts<'_> {
    /// The estimated selectivity of an atom before documents were counted, and the hash of a term.
    pub(crate) fn prior(&self, atom: AtomId) -> (f32, Option<u64>) {
        match *self.index.atoms.kind(atom) {
            // At most that of either, and these were counted.
            AtomKind::And2(first, second) => (self.selectivity(first).min(self.selectivity(second)), None),
            _ => prior(self.index, atom),
        }
    }
}

fn prior(index: &QueryIndex, atom: AtomId) -> (f32, Option<u64>) {
    match index.atoms.kind(atom) {
        AtomKind::Free | AtomKind::True => (1.0, None),
        AtomKind::Term(key) => {
            let terms = index.atoms.terms();
            let is_word = index.has_words(key.field());
            terms.text(key, |text| {
                (prior_of_term(text.chars().count(), is_word), Some(terms.probe(key.field(), text).hash))
            })
        }
        &AtomKind::Sequence(first, second) => {
            let last = prior(index, second).0;
            // Only the last term of a long sequence counts.
            let first =
                if let AtomKind::Sequence(..) = index.atoms.kind(first) { last * 0.1 } else { prior(index, first).0 };
            (first.min(last) * 0.1, None)
        }
        &AtomKind::And2(first, second) => (prior(index, first).0.min(prior(index, second).0), None),
        AtomKind::Prefix(_, prefix) => (if prefix.len() < 3 { 0.1 } else { 0.02 }, None),
        AtomKind::Wildcard(..) | AtomKind::Fuzzy(..) | AtomKind::Regex(..) => (0.02, None),
        AtomKind::Exists(_) | AtomKind::Range(_, i64::MIN, _) | AtomKind::Range(_, _, i64::MAX) => (0.5, None),
        AtomKind::Range(..) => (0.03, None),
        AtomKind::Within(..) | AtomKind::Near(..) => (0.01, None),
    }
}

/// The estimated selectivity of a term of this length. Short words are frequent. Short terms of a
/// field that is not split into words are names of languages and the like.
fn prior_of_term(n_chars: usize, is_word: bool) -> f32 {
    match (n_chars, is_word) {
        (0..=1, true) => 0.05,
        (2, true) => 0.08,
        (3, true) => 0.04,
        (4, true) => 0.01,
        (5, true) => 0.004,
        (6..=7, true) => 0.002,
        (_, true) => 0.000_5,
        (0..=3, false) => 0.2,
        (4..=5, false) => 0.02,
        (_, false) => 0.002,
    }
}
