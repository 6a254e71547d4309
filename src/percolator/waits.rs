//! What a registered query waits for, in the words of the query language.

use std::ops::Bound;

use super::compiled::Compiled;
use super::table::{AtomId, AtomKind, Pattern, PatternSource, TRUE};
use crate::ids::QueryKey;
use crate::query::Ast;

impl Compiled {
    /// What [`super::Engine::presearch`] answers.
    pub(super) fn waits_for(&self, key: QueryKey) -> Ast {
        let clauses = self.clauses(key);
        let mut parts: Vec<Ast> = clauses
            .into_iter()
            .map(|(key, guard)| match guard {
                TRUE => self.atom(key),
                guard => Ast::And(vec![self.atom(key), self.atom(guard)]),
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
            AtomKind::Term(key) => Ast::Term { field: key.field, term: self.atoms().term_text(key).to_owned() },
            &AtomKind::Exists(field) => Ast::Exists { field },
            AtomKind::Prefix(field, prefix) => Ast::Prefix { field: *field, prefix: prefix.to_string() },
            AtomKind::Pattern(pattern) => pattern_ast(pattern),
            &AtomKind::Range(field, low, high) => {
                Ast::Range { field, lower: bound(low, i64::MIN), upper: bound(high, i64::MAX) }
            }
            AtomKind::Within(field, bounds) => Ast::Within { field: *field, bounds: **bounds },
            AtomKind::Near(field, circle) => Ast::Near { field: *field, circle: **circle },
        }
    }
}

fn pattern_ast(pattern: &Pattern) -> Ast {
    let field = pattern.field;
    match &pattern.source {
        PatternSource::Wildcard(pattern) => Ast::Wildcard { field, pattern: pattern.to_string() },
        PatternSource::Regex(pattern) => Ast::Regex { field, pattern: pattern.to_string() },
        PatternSource::Fuzzy(term, distance) => Ast::Fuzzy { field, term: term.to_string(), distance: *distance },
    }
}

fn bound(value: i64, open: i64) -> Bound<i64> {
    if value == open { Bound::Unbounded } else { Bound::Included(value) }
}
