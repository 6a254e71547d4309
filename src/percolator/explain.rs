//! What a registered query waits for, in the words of the query language.

use std::ops::Bound;

use super::compiled::Compiled;
use super::table::{AtomId, AtomKind, TRUE};
use super::terms::TermKey;
use super::waits::Guard;
use crate::ids::QueryKey;
use crate::query::{Ast, Phrase};
use crate::schema::FieldId;

impl Compiled {
    /// What [`super::Engine::presearch`] answers.
    pub(super) fn waits_for(&self, key: QueryKey) -> Ast {
        let clauses = self.clauses(key);
        let mut parts: Vec<Ast> = clauses
            .into_iter()
            .map(|(key, guard)| match guard {
                Guard::There(TRUE) => self.atom(key),
                Guard::There(guard) => Ast::And(vec![self.atom(key), self.atom(guard)]),
                Guard::Absent(guard) => Ast::And(vec![self.atom(key), Ast::Not(Box::new(self.atom(guard)))]),
            })
            .collect();
        match parts.len() {
            0 => Ast::None,
            1 => parts.remove(0),
            _ => Ast::Or(parts),
        }
    }

    fn atom(&self, atom: AtomId) -> Ast {
        match self.atoms().kind(atom) {
            AtomKind::Free => Ast::None,
            AtomKind::True => Ast::All,
            AtomKind::Term(key) => {
                let (field, term) = self.term(key);
                Ast::Term { field, term }
            }
            &AtomKind::Pair(first, second) => match (self.atom(first), self.atom(second)) {
                (Ast::Term { field, term: first }, Ast::Term { term: second, .. }) => {
                    Ast::Phrase(Phrase { field, terms: vec![first, second], slop: 0, last_is_prefix: false })
                }
                (Ast::Phrase(mut run), Ast::Term { term, .. }) => {
                    run.terms.push(term);
                    Ast::Phrase(run)
                }
                _ => Ast::All,
            },
            &AtomKind::Both(first, second) => {
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

impl Compiled {
    fn term(&self, key: &TermKey) -> (FieldId, String) {
        (key.field(), self.atoms().terms().text(key, str::to_owned))
    }
}

fn bound(value: i64, open: i64) -> Bound<i64> {
    if value == open { Bound::Unbounded } else { Bound::Included(value) }
}
