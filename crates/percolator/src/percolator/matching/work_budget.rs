//! The budget of a document for patterns and phrases, in steps.
//!
//! A step is about a nanosecond. Steps are derived from the sizes of what is compared, not from a
//! clock, so the same documents and queries always take the same number. Terms, ranges and shapes
//! take none: each is one lookup.

use crate::percolator::atoms::atom_table::AtomKind;

/// The steps of testing a pattern on a term, besides those for the characters of both.
const TEST_STEPS: u64 = 16;

/// The steps that a document may still take, and those that it took.
#[derive(Debug, Default)]
pub(crate) struct WorkBudget {
    left: u64,
    spent: u64,
}

impl WorkBudget {
    /// Sets the steps that are left.
    pub(crate) fn refill(&mut self, steps: u64) {
        self.left = steps;
    }

    /// Spends steps, also if fewer are left.
    #[inline]
    pub(crate) fn charge(&mut self, steps: u64) {
        self.left = self.left.saturating_sub(steps);
        self.spent = self.spent.saturating_add(steps);
    }

    /// Whether no steps are left.
    #[inline]
    pub(crate) fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// The steps that were spent since the last call.
    pub(crate) fn take_spent(&mut self) -> u64 {
        std::mem::take(&mut self.spent)
    }
}

/// The steps of testing a pattern on a term, at most.
#[inline]
pub(crate) fn pattern_steps(kind: &AtomKind, term: &str) -> u64 {
    let n = term.len() as u64;
    match kind {
        // After each `*`, each position of the term may be tried.
        AtomKind::Wildcard(_, pattern) => TEST_STEPS + n + n * n.min(pattern.len() as u64) / 4,
        // Two edits branch where the terms differ. Terms of a very different length are rejected
        // first.
        AtomKind::Fuzzy(..) => TEST_STEPS + 4 * n,
        _ => TEST_STEPS + n,
    }
}

/// The steps of searching a field of `n_tokens` tokens for a phrase of `n_terms` terms, at most.
#[inline]
pub(crate) fn phrase_steps(n_tokens: usize, n_terms: usize, slop: u32) -> u64 {
    let (tokens, terms) = (n_tokens as u64, n_terms as u64);
    if slop == 0 {
        return TEST_STEPS + tokens * 2;
    }
    // Each position of each term starts a window in which every term is searched for, and may move
    // the others.
    let window = tokens.min(u64::from(slop).saturating_add(terms));
    TEST_STEPS + tokens.saturating_mul(terms).saturating_mul(terms).saturating_mul(window)
}
