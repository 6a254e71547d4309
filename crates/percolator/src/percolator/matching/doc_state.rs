//! What is known about the document that is being percolated.

use super::doc_atoms::DocAtoms;
use super::doc_tokens::DocTokens;
use super::work_budget::WorkBudget;

/// The patterns for which it is not known whether the document matches them, except for those that
/// are known to match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UndecidedPatterns {
    #[default]
    None,
    Weak,
    All,
}

/// What is known about the document that is being percolated. Reused for the next one.
#[derive(Debug, Default)]
pub(crate) struct DocState {
    pub(crate) tokens: DocTokens,
    pub(crate) atoms: DocAtoms,
    pub(crate) undecided_patterns: UndecidedPatterns,
    /// What patterns and phrases may still cost.
    pub(crate) budget: WorkBudget,
    /// Whether a program needed a value that the budget was exhausted for. Its result is then void.
    pub(crate) ran_out: bool,
}
