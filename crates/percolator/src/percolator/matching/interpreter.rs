//! Evaluates the [program](crate::percolator::program) of a query on a document.

use super::doc_state::DocState;
use super::work_budget::{WorkBudget, pattern_steps, phrase_steps};
use crate::doc::Doc;
use crate::percolator::atoms::AtomId;
use crate::percolator::atoms::atom_table::{AtomKind, AtomTable};
use crate::percolator::program::{ABSENT, ATOM, LAZY, Node, Parts, TAG, node};
use crate::percolator::query_index::pattern_match;

/// Whether a program matches a document. Void if [`DocState::ran_out`] is set afterwards.
pub(crate) fn matches(code: &[u32], atoms: &AtomTable, doc: &Doc, state: &mut DocState) -> bool {
    match node(code) {
        Node::Atom(atom) => state.atoms.contains(atom),
        Node::Absent(atom) => !state.atoms.contains(atom),
        Node::Lazy(atom) => evaluate(atom, atoms, doc, state),
        Node::And(parts) => {
            // Leaves come first, and most programs have nothing else.
            let mut rest = parts.words();
            while let Some((&word, more)) = rest.split_first() {
                let is_match = match word & TAG {
                    ATOM => state.atoms.contains(word & !TAG),
                    ABSENT => !state.atoms.contains(word & !TAG),
                    LAZY => evaluate(word & !TAG, atoms, doc, state),
                    _ => return Parts::from_words(rest).all(|part| matches(part, atoms, doc, state)),
                };
                if !is_match {
                    return false;
                }
                rest = more;
            }
            true
        }
        Node::Or(mut parts) => parts.any(|part| matches(part, atoms, doc, state)),
        Node::Not(part) => !matches(part, atoms, doc, state),
        Node::AtLeast(min, parts) => {
            let mut n = 0;
            for part in parts {
                n += u32::from(matches(part, atoms, doc, state));
                if n == min {
                    return true;
                }
            }
            false
        }
        Node::Phrase(phrase) => {
            if !phrase.whole_terms().iter().all(|&term| state.atoms.contains(term)) {
                return false;
            }
            let n_tokens = state.tokens.n_of_field(phrase.field);
            state.budget.charge(phrase_steps(n_tokens, phrase.terms.len(), phrase.slop));
            if state.budget.is_exhausted() {
                state.ran_out = true;
                return false;
            }
            state.tokens.have_phrase(atoms, doc, &phrase)
        }
    }
}

/// The value of a lazy atom, which is evaluated once for each document.
fn evaluate(atom: AtomId, atoms: &AtomTable, doc: &Doc, state: &mut DocState) -> bool {
    if let AtomKind::Range(..) = atoms.kind(atom) {
        // Comparing a few values costs less than recording the result.
        return scan(atoms, atom, doc, &mut state.budget);
    }
    if let Some(value) = state.atoms.evaluated(atom) {
        return value;
    }
    let value = scan(atoms, atom, doc, &mut state.budget);
    if state.budget.is_exhausted() && !value {
        state.ran_out = true;
        return false;
    }
    state.atoms.set_evaluated(atom, value);
    value
}

/// Whether a document contains a lazy atom, found without any index.
///
/// Charges the budget for each term that a pattern is tested on. Returns false once the budget is
/// exhausted.
pub(crate) fn scan(atoms: &AtomTable, atom: AtomId, doc: &Doc, budget: &mut WorkBudget) -> bool {
    match atoms.kind(atom) {
        AtomKind::Free
        | AtomKind::True
        | AtomKind::Term(_)
        | AtomKind::Sequence(..)
        | AtomKind::And2(..)
        | AtomKind::Exists(_) => {
            debug_assert!(false, "the presearcher finds these in every document");
            false
        }
        kind @ (AtomKind::Prefix(field, _)
        | AtomKind::Wildcard(field, _)
        | AtomKind::Fuzzy(field, ..)
        | AtomKind::Regex(field, _)) => {
            for term in doc.field_tokens(*field).iter().map(|it| doc.term(it)) {
                budget.charge(pattern_steps(kind, term));
                if budget.is_exhausted() {
                    return false;
                }
                if pattern_match::matches(kind, term) {
                    return true;
                }
            }
            false
        }
        AtomKind::Range(field, min, max) => {
            doc.values().iter().any(|(of, value)| of == field && (min..=max).contains(&value))
        }
        AtomKind::Within(field, bounds) => doc.points().iter().any(|(of, it)| of == field && bounds.contains(*it)),
        AtomKind::Near(field, circle) => doc.points().iter().any(|(of, it)| of == field && circle.contains(*it)),
    }
}
