//! The work that patterns and phrases cost a document, counted in steps, so that it can be bounded.
//!
//! A step is about a nanosecond. Steps are counted by what is looked at and not by a clock: the
//! same documents and queries always take the same number. Terms, ranges and places are not
//! counted: each is found by a look-up.

use super::table::AtomKind;

/// What a pattern costs that is tried on a term, besides the characters of both.
const TRY: u64 = 16;

/// The steps that a document has left, and those that it took.
#[derive(Debug, Default)]
pub(super) struct Work {
    left: u64,
    spent: u64,
}

impl Work {
    /// Allows so many steps from here on.
    pub(super) fn allow(&mut self, steps: u64) {
        self.left = steps;
    }

    /// Counts steps. They are taken even when fewer are left.
    #[inline]
    pub(super) fn charge(&mut self, steps: u64) {
        self.left = self.left.saturating_sub(steps);
        self.spent = self.spent.saturating_add(steps);
    }

    /// Whether none are left.
    #[inline]
    pub(super) fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// How many were taken since this was asked last.
    pub(super) fn take_spent(&mut self) -> u64 {
        std::mem::take(&mut self.spent)
    }
}

/// What it costs to try a pattern on a term, at most.
#[inline]
pub(super) fn of_pattern(kind: &AtomKind, term: &str) -> u64 {
    let n = term.len() as u64;
    match kind {
        // Behind each `*`, each place of the term may be tried.
        AtomKind::Wildcard(_, pattern) => TRY + n + n * n.min(pattern.len() as u64) / 4,
        // Edits are looked for where the two differ; a term of another length is done with at once.
        AtomKind::Fuzzy(..) => TRY + 4 * n,
        _ => TRY + n,
    }
}

/// What it costs to look for a phrase of `n` terms among so many tokens, at most.
#[inline]
pub(super) fn of_phrase(n_tokens: usize, n: usize, slop: u32) -> u64 {
    let (tokens, n) = (n_tokens as u64, n as u64);
    if slop == 0 {
        return TRY + tokens * 2;
    }
    // Each place of each term is the start of a window in which every term is looked for, and may
    // move the others.
    let window = tokens.min(u64::from(slop).saturating_add(n));
    TRY + tokens.saturating_mul(n).saturating_mul(n).saturating_mul(window)
}
