//! The abstract syntax tree of a query, the same for text and JSON.
//!
//! Terms are analyzed ([`crate::text`]), fields are resolved, dates are milliseconds.

use std::ops::Bound;

use super::{GeoBox, GeoCircle};
use crate::automaton::Expression;
use crate::schema::FieldId;

/// A query: a condition on a [`crate::doc::Doc`].
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields of each kind are in its sentence")]
pub enum Ast {
    /// Every document.
    All,
    /// No document.
    None,
    /// The field has this term.
    Term { field: FieldId, term: String },
    /// The field has these terms, in this order.
    Phrase(Phrase),
    /// The field has a term with this prefix.
    Prefix { field: FieldId, prefix: String },
    /// The field has a term that matches this wildcard: `?` is any character, `*` any number of
    /// them, and `\` escapes the next character.
    Wildcard { field: FieldId, pattern: String },
    /// The field has a term that this regular expression matches as a whole, ignoring case.
    Regex { field: FieldId, pattern: Expression },
    /// The field has a term within this many edits of this one. Edits insert, remove or replace a
    /// character, or swap two adjacent ones.
    Fuzzy { field: FieldId, term: String, distance: u8 },
    /// The field has a number or date between the bounds, as ordered keys
    /// ([`crate::schema::float_key`]).
    Range { field: FieldId, lower: Bound<i64>, upper: Bound<i64> },
    /// The field has a value.
    Exists { field: FieldId },
    /// The field has a point inside this box, edges included.
    Within { field: FieldId, bounds: GeoBox },
    /// The field has a point inside this circle, edge included.
    Near { field: FieldId, circle: GeoCircle },
    /// All of these match.
    And(Vec<Ast>),
    /// One of these matches.
    Or(Vec<Ast>),
    /// At least `min` of these match.
    AtLeast { min: usize, of: Vec<Ast> },
    /// This does not match.
    Not(Box<Ast>),
}

impl Ast {
    /// The field of a condition. `None` for a combination of conditions, and for all or no
    /// documents.
    #[must_use]
    pub fn field(&self) -> Option<FieldId> {
        match self {
            Ast::Term { field, .. }
            | Ast::Prefix { field, .. }
            | Ast::Wildcard { field, .. }
            | Ast::Regex { field, .. }
            | Ast::Fuzzy { field, .. }
            | Ast::Range { field, .. }
            | Ast::Exists { field }
            | Ast::Within { field, .. }
            | Ast::Near { field, .. }
            | Ast::Phrase(Phrase { field, .. }) => Some(*field),
            Ast::All | Ast::None | Ast::And(_) | Ast::Or(_) | Ast::AtLeast { .. } | Ast::Not(_) => None,
        }
    }

    /// The heap memory of the tree, in bytes, without regular expressions that other trees share.
    pub(super) fn heap_bytes(&self) -> usize {
        let all =
            |parts: &Vec<Ast>| parts.capacity() * size_of::<Ast>() + parts.iter().map(Ast::heap_bytes).sum::<usize>();
        match self {
            Ast::Term { term: text, .. }
            | Ast::Prefix { prefix: text, .. }
            | Ast::Wildcard { pattern: text, .. }
            | Ast::Fuzzy { term: text, .. } => text.capacity(),
            Ast::Phrase(Phrase { terms, .. }) => {
                terms.capacity() * size_of::<String>() + terms.iter().map(String::capacity).sum::<usize>()
            }
            Ast::Regex { pattern, .. } => pattern.own_bytes(),
            Ast::And(parts) | Ast::Or(parts) | Ast::AtLeast { of: parts, .. } => all(parts),
            Ast::Not(part) => size_of::<Ast>() + part.heap_bytes(),
            Ast::All | Ast::None | Ast::Range { .. } | Ast::Exists { .. } | Ast::Within { .. } | Ast::Near { .. } => 0,
        }
    }
}

/// Terms in order.
///
/// A document matches if it has distinct positions `p[i]` of the terms `i` such that the largest
/// `p[i] - i` exceeds the smallest by at most `slop`, as Lucene's `SloppyPhraseMatcher` has it.
/// With a `slop` of 0, the terms are adjacent and in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Phrase {
    /// The field.
    pub field: FieldId,
    /// At least two terms. A single prefix is an [`Ast::Prefix`].
    pub terms: Vec<String>,
    /// How far the terms may be displaced, in positions.
    pub slop: u32,
    /// Whether the last term is only a prefix.
    pub last_is_prefix: bool,
}
