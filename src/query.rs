//! Queries: text or JSON in, one [`Ast`], its canonical form and id out; and the plain evaluation.

mod ast;
mod eval;
mod geo;
pub(crate) mod naive;

pub use ast::{Ast, Phrase};
pub use eval::matches;
pub use geo::{GeoBox, GeoCircle};

use crate::ids::QueryId;

/// How much a query may ask for. Anything beyond is refused with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Length of the text or of the JSON form, in bytes.
    pub max_bytes: usize,
    /// Brackets and other operators inside each other.
    pub max_depth: usize,
    /// Terms, phrases, ranges and so on, in all.
    pub max_clauses: usize,
    /// Size of the automaton of a wildcard or regular expression, in bytes.
    pub max_automaton_bytes: usize,
}

/// A query that was understood: normalised, with its canonical form and its id.
#[derive(Clone, Debug)]
pub struct Query {
    id: QueryId,
    canonical: String,
    ast: Ast,
}

impl Query {
    /// The id: a UUIDv5 of the canonical form.
    #[must_use]
    pub fn id(&self) -> QueryId {
        self.id
    }

    /// The canonical form: query text that means the same.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// What it means, normalised.
    #[must_use]
    pub fn ast(&self) -> &Ast {
        &self.ast
    }
}
