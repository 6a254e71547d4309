//! What a query means, whichever way it was written.
//!
//! Terms in an [`Ast`] are analysed already ([`crate::text`]), fields are resolved, dates are milliseconds.

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
    /// The field has a term that starts like this.
    Prefix { field: FieldId, prefix: String },
    /// The field has a term of this form: `?` is any one character, `*` any number of them, `\` takes the next as it is.
    Wildcard { field: FieldId, pattern: String },
    /// The field has a term that this regular expression matches from its start to its end, ignoring case.
    Regex { field: FieldId, pattern: Expression },
    /// The field has a term within so many edits (insert, remove, replace, swap two neighbours) of this one.
    Fuzzy { field: FieldId, term: String, distance: u8 },
    /// The field has a number or date between the bounds (as ordered keys, [`crate::schema::float_key`]).
    Range { field: FieldId, lower: Bound<i64>, upper: Bound<i64> },
    /// The field has any value.
    Exists { field: FieldId },
    /// The field has a place inside this box, edges included.
    Within { field: FieldId, bounds: GeoBox },
    /// The field has a place at most this far away.
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
    /// The memory behind it, in bytes, without expressions that others hold too.
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
/// With positions `p[i]`, all different, of the terms `i`, a document matches when the largest `p[i] - i` is at most `slop` more than
/// the smallest: Lucene's `SloppyPhraseMatcher` in one line. `slop` 0 means one right behind the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Phrase {
    /// Where to look.
    pub field: FieldId,
    /// At least two (or one that is a prefix is an [`Ast::Prefix`]).
    pub terms: Vec<String>,
    /// How far the terms may be out of place, in positions.
    pub slop: u32,
    /// Whether the last term is the start of a term only.
    pub last_is_prefix: bool,
}
