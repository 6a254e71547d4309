//! The access plan of a registered query, as a query.

use std::ops::Bound;

use super::Compiled;
use super::query_record::{QueryRecord, QuerySlot};
use crate::ids::QueryKey;
use crate::percolator::atoms::atom_table::AtomKind;
use crate::percolator::atoms::{AtomId, TRUE};
use crate::percolator::query_index::posting::{Guard, PostingKind};
use crate::query::{Ast, Phrase};

impl Compiled {
    /// The query that documents must match to be candidates: see
    /// [`Engine::presearch`](crate::percolator::Engine::presearch).
    pub(super) fn access_query(&self, key: QueryKey) -> Ast {
        let mut parts: Vec<Ast> = self
            .access_keys(key)
            .into_iter()
            .map(|(key, guard)| match guard {
                Guard::Present(TRUE) => self.atom(key),
                Guard::Present(guard) => Ast::And(vec![self.atom(key), self.atom(guard)]),
                Guard::Absent(guard) => Ast::And(vec![self.atom(key), Ast::Not(Box::new(self.atom(guard)))]),
            })
            .collect();
        match parts.len() {
            0 => Ast::None,
            1 => parts.remove(0),
            _ => Ast::Or(parts),
        }
    }

    /// The keys that a query is posted under, each with its guard. A posting with several
    /// conditions or a program has none.
    pub(crate) fn access_keys(&self, key: QueryKey) -> Vec<(AtomId, Guard)> {
        match self.queries.get(key.index()) {
            Some(slot) if slot.is_free() => Vec::new(),
            None => Vec::new(),
            Some(QuerySlot::SingleAtom { atom, .. }) => vec![(*atom, Guard::Present(TRUE))],
            Some(&QuerySlot::Record(record)) => QueryRecord::postings(self.index.programs.get(record))
                .map(|posting| match posting.kind {
                    PostingKind::Plain | PostingKind::AnyOf => (posting.atom, Guard::Present(TRUE)),
                    PostingKind::Guarded => {
                        let guarded = self.index.postings.of(posting.atom).guarded;
                        (posting.atom, guarded[posting.index as usize].guard())
                    }
                })
                .collect(),
        }
    }

    fn atom(&self, atom: AtomId) -> Ast {
        match self.index.atoms.kind(atom) {
            AtomKind::Free => Ast::None,
            AtomKind::True => Ast::All,
            AtomKind::Term(key) => {
                Ast::Term { field: key.field(), term: self.index.atoms.terms().text(key, str::to_owned) }
            }
            &AtomKind::Sequence(first, second) => match (self.atom(first), self.atom(second)) {
                (Ast::Term { field, term: first }, Ast::Term { term: second, .. }) => {
                    Ast::Phrase(Phrase { field, terms: vec![first, second], slop: 0, last_is_prefix: false })
                }
                (Ast::Phrase(mut phrase), Ast::Term { term, .. }) => {
                    phrase.terms.push(term);
                    Ast::Phrase(phrase)
                }
                _ => Ast::All,
            },
            &AtomKind::And2(first, second) => {
                let mut parts = match self.atom(first) {
                    Ast::And(parts) => parts,
                    part => vec![part],
                };
                parts.push(self.atom(second));
                Ast::And(parts)
            }
            &AtomKind::Exists(field) => Ast::Exists { field },
            AtomKind::Prefix(field, prefix) => Ast::Prefix { field: *field, prefix: prefix.to_string() },
            AtomKind::Wildcard(field, pattern) => Ast::Wildcard { field: *field, pattern: pattern.to_string() },
            AtomKind::Fuzzy(field, distance, term) => {
                Ast::Fuzzy { field: *field, term: term.to_string(), distance: *distance }
            }
            AtomKind::Regex(field, expression) => Ast::Regex { field: *field, pattern: expression.clone() },
            &AtomKind::Range(field, low, high) => {
                Ast::Range { field, lower: bound(low, i64::MIN), upper: bound(high, i64::MAX) }
            }
            AtomKind::Within(field, bounds) => Ast::Within { field: *field, bounds: **bounds },
            AtomKind::Near(field, circle) => Ast::Near { field: *field, circle: **circle },
        }
    }
}

fn bound(value: i64, open: i64) -> Bound<i64> {
    if value == open { Bound::Unbounded } else { Bound::Included(value) }
}
