//! Queries: text or JSON in, one [`Ast`], its canonical form and id out; and the plain evaluation.
//!
//! ```
//! use perch::query::{Query, QueryLimits};
//! use perch::schema::Schema;
//!
//! let limits = QueryLimits::default();
//! let query = Query::parse("Rust (jobs OR hiring) -unpaid", Schema::tweet(), &limits)?;
//! let same = Query::parse("-unpaid (hiring OR jobs) AND rust", Schema::tweet(), &limits)?;
//! assert_eq!(query.id(), same.id());
//! assert_eq!(query.canonical(), "-unpaid (hiring OR jobs) rust");
//! # Ok::<(), perch::query::Diagnostics>(())
//! ```
//!
//! How a query is read: `parse` (text) or `json` know the form, `build` makes the leaves and knows
//! the fields and limits, `canonical` normalizes. What it means is said by [`matches()`], and by
//! nothing else: the index and the percolator are tested against it. The language is described for
//! its users in `docs/QUERY.md`, whose examples are tests.

mod ast;
mod build;
mod canonical;
mod dates;
mod describe;
mod diagnostic;
mod eval;
mod geo;
mod json;
pub(crate) mod naive;
mod parse;

pub use ast::{Ast, Phrase};
pub use describe::{describe, show_value};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use eval::matches;
pub use geo::{GeoBox, GeoCircle};

use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use crate::ids::QueryId;
use crate::schema::{FieldId, Schema};

/// The namespace of query ids, perch's own.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c1f_9a52_0d3e_4b87_9f54_e2a7_71c8_3b06);

/// How much a query may ask for. Anything beyond is refused with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Length of the text or of the JSON form, in bytes.
    pub max_bytes: usize,
    /// Brackets and other operators inside each other.
    pub max_depth: usize,
    /// Terms, phrases, ranges and so on, in all.
    pub max_clauses: usize,
    /// Size of the automata of all wildcards, regular expressions and fuzzy terms of a query
    /// together, in bytes.
    pub max_automaton_bytes: usize,
    /// What it costs in all: 1 for each clause and each word of a phrase, [`PATTERN_COST`] more for
    /// each wildcard, regular expression and fuzzy term, and 1 for each [`AUTOMATON_BYTES_A_COST`]
    /// of its automaton.
    pub max_cost: usize,
}

/// What a pattern costs beside its automaton: history walks the terms of each segment for it.
pub const PATTERN_COST: usize = 16;
/// How large an automaton of cost 1 is.
pub const AUTOMATON_BYTES_A_COST: usize = 256;

impl QueryLimits {
    /// No limits but the depth, which keeps the stack safe: for what was checked before.
    pub(crate) const NONE: QueryLimits = QueryLimits {
        max_bytes: usize::MAX,
        max_depth: 256,
        max_clauses: usize::MAX,
        max_automaton_bytes: usize::MAX,
        max_cost: usize::MAX,
    };
}

impl Default for QueryLimits {
    /// 16 KiB of text, 32 levels, 1,024 clauses (as many as Lucene takes), 1 MiB of automata, a
    /// cost of 8,192.
    fn default() -> QueryLimits {
        QueryLimits {
            max_bytes: 16_384,
            max_depth: 32,
            max_clauses: 1_024,
            max_automaton_bytes: 1 << 20,
            max_cost: 8_192,
        }
    }
}

/// What words are joined by when nothing stands between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// All of them must match.
    #[default]
    And,
    /// One of them must match; with `+` before some, those must match and the others are optional.
    Or,
}

/// What a query text leaves open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// The field of words without a field; None for the schema's own.
    pub default_field: Option<FieldId>,
    /// What words are joined by.
    pub join: Join,
}

/// A query that was understood: normalized, with its canonical form and its id. Cheap to clone:
/// clones share all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Query(Arc<Understood>);

#[derive(Debug, PartialEq)]
struct Understood {
    id: QueryId,
    canonical: Box<str>,
    ast: Ast,
}

impl Query {
    /// Reads query text.
    ///
    /// # Errors
    ///
    /// What is wrong and where: mistakes, and limits that are exceeded.
    pub fn parse(text: &str, schema: &Schema, limits: &QueryLimits) -> Result<Query, Diagnostics> {
        Query::parse_with(text, schema, limits, ParseOptions::default())
    }

    /// Reads query text that leaves other things open than usual.
    ///
    /// # Errors
    ///
    /// As for [`Query::parse`].
    pub fn parse_with(
        text: &str,
        schema: &Schema,
        limits: &QueryLimits,
        options: ParseOptions,
    ) -> Result<Query, Diagnostics> {
        let (ast, mistakes) = parse::parse(text, &mut build::Builder::new(schema, limits), options);
        match Diagnostics::new(mistakes) {
            Some(diagnostics) => Err(diagnostics),
            None => Ok(Query::normalized(ast, schema)),
        }
    }

    /// Reads a canonical form again, whatever it costs: it was checked when it was made.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn from_canonical(text: &str, schema: &Schema) -> Result<Query, Diagnostics> {
        Query::parse(text, schema, &QueryLimits::NONE)
    }

    /// Reads the JSON form; a string is query text.
    ///
    /// # Errors
    ///
    /// What is wrong and where, with the path in the JSON.
    pub fn from_json(value: &serde_json::Value, schema: &Schema, limits: &QueryLimits) -> Result<Query, Diagnostics> {
        json::parse(value, schema, limits).map(|ast| Query::normalized(ast, schema))
    }

    /// Takes a query that a program made. Its terms are taken as they are, without analysis.
    ///
    /// # Errors
    ///
    /// When a field cannot answer what is asked of it, or a limit is exceeded.
    pub fn from_ast(ast: Ast, schema: &Schema, limits: &QueryLimits) -> Result<Query, Diagnostics> {
        let checked = check(&ast, &mut build::Builder::new(schema, limits));
        match checked {
            Ok(()) => Ok(Query::normalized(ast, schema)),
            Err(problem) => Err(Diagnostics::one(Diagnostic::in_json("", problem.message, problem.expected))),
        }
    }

    /// Normalizes what was checked.
    fn normalized(ast: Ast, schema: &Schema) -> Query {
        let (ast, canonical) = canonical::canonical(ast, schema);
        let id = QueryId(Uuid::new_v5(&NAMESPACE, canonical.as_bytes()));
        Query(Arc::new(Understood { id, canonical: canonical.into(), ast }))
    }

    /// The id: a `UUIDv5` of the canonical form.
    #[must_use]
    pub fn id(&self) -> QueryId {
        self.0.id
    }

    /// The canonical form: query text that means the same.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }

    /// What it means, normalized.
    #[must_use]
    pub fn ast(&self) -> &Ast {
        &self.0.ast
    }

    /// The memory that it and its clones hold together, in bytes, without expressions that others
    /// hold too.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<Understood>() + 2 * size_of::<usize>() + self.0.canonical.len() + self.0.ast.heap_bytes()
    }

    /// The parts that must all hold, in the order of the canonical form, each with its bytes there:
    /// those of an AND, or the whole query.
    #[must_use]
    pub fn required(&self, schema: &Schema) -> Vec<(&Ast, Range<usize>)> {
        canonical::required(&self.0.ast, schema)
    }
}

/// The canonical form of a part of a query.
#[must_use]
pub fn canonical_text(part: &Ast, schema: &Schema) -> String {
    canonical::text(part, schema)
}

fn check(ast: &Ast, builder: &mut build::Builder<'_>) -> build::Built<()> {
    builder.enter()?;
    match ast {
        Ast::And(parts) | Ast::Or(parts) | Ast::AtLeast { of: parts, .. } => {
            parts.iter().try_for_each(|part| check(part, builder))?;
        }
        Ast::Not(part) => check(part, builder)?,
        leaf => builder.check_leaf(leaf)?,
    }
    builder.leave();
    Ok(())
}

#[cfg(test)]
pub(crate) mod arbitrary;
#[cfg(test)]
mod tests;
