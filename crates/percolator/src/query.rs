//! Queries: parses text or JSON to one [`Ast`], with its canonical form and id; and evaluates it
//! plainly.
//!
//! ```
//! use perch_percolator::query::{Query, QueryLimits};
//! use perch_percolator::schema::Schema;
//!
//! let limits = QueryLimits::default();
//! let query = Query::parse("Rust (jobs OR hiring) -unpaid", Schema::tweet(), &limits)?;
//! let same = Query::parse("-unpaid (hiring OR jobs) AND rust", Schema::tweet(), &limits)?;
//! assert_eq!(query.id(), same.id());
//! assert_eq!(query.canonical(), "-unpaid (hiring OR jobs) rust");
//! # Ok::<(), perch_percolator::query::Diagnostics>(())
//! ```
//!
//! `parse` (text) or `json` reads the form, `build` makes the leaves and checks fields and limits,
//! and `canonical` normalizes. [`matches()`] defines what a query means; index and percolator are
//! tested against it. `docs/QUERY.md` describes the language for its users; its examples are tests.

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
mod satisfy;
mod words;

pub use ast::{Ast, Phrase};
pub use describe::{describe, show_value};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use eval::matches;
pub use geo::{GeoBox, GeoCircle};
#[cfg(any(test, feature = "testing"))]
pub use satisfy::possible_leaves;
pub use words::words;

use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use crate::ids::QueryId;
use crate::schema::{FieldId, Schema};

/// The namespace of query ids, perch's own.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c1f_9a52_0d3e_4b87_9f54_e2a7_71c8_3b06);

/// Limits of a query. A query beyond one is refused, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// The length of the text or the JSON form, in bytes.
    pub max_bytes: usize,
    /// The nesting depth of brackets and other operators.
    pub max_depth: usize,
    /// The number of terms, phrases, ranges and other leaves.
    pub max_clauses: usize,
    /// The size of all automata of wildcards, regular expressions and fuzzy terms, in bytes.
    pub max_automaton_bytes: usize,
    /// The cost: 1 for each clause and each word of a phrase, [`PATTERN_COST`] more for each
    /// wildcard, regular expression and fuzzy term, and 1 for each [`AUTOMATON_BYTES_A_COST`] of
    /// its automaton.
    pub max_cost: usize,
}

/// The cost of a pattern besides its automaton: history enumerates the terms of each segment for
/// it.
pub const PATTERN_COST: usize = 16;
/// The size of an automaton of cost 1, in bytes.
pub const AUTOMATON_BYTES_A_COST: usize = 256;

impl QueryLimits {
    /// No limits except the depth, which protects the stack: for queries that were checked before.
    pub(crate) const NONE: QueryLimits = QueryLimits {
        max_bytes: usize::MAX,
        max_depth: 256,
        max_clauses: usize::MAX,
        max_automaton_bytes: usize::MAX,
        max_cost: usize::MAX,
    };
}

impl Default for QueryLimits {
    /// 16 KiB of text, 32 levels, 1,024 clauses (Lucene's limit), 1 MiB of automata, a cost of
    /// 8,192.
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

/// The operator between words without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// All of them must match.
    #[default]
    And,
    /// One of them must match. If some have a `+`, those must match and the others are optional.
    Or,
}

/// Defaults for what a query text does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// The field of words without a field. None for the schema's default field.
    pub default_field: Option<FieldId>,
    /// The operator between words.
    pub join: Join,
    /// The moment that moving dates (`now-7d`) refer to, in milliseconds since 1970. None refuses
    /// them: the meaning of a registered query stays the same.
    pub now: Option<i64>,
    /// The slop of phrases without one.
    pub phrase_slop: u32,
}

/// A query, and where perch had to guess what its author means.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The query.
    pub query: Query,
    /// What was left out or guessed, in the order of the text.
    pub warnings: Vec<Diagnostic>,
}

impl Parsed {
    /// Parses query text.
    ///
    /// # Errors
    ///
    /// All syntax errors and exceeded limits, with their places; and a query that no document can
    /// match.
    pub fn from_text(
        text: &str,
        schema: &Schema,
        limits: &QueryLimits,
        options: ParseOptions,
    ) -> Result<Parsed, Diagnostics> {
        let mut builder = build::Builder::new(schema, limits);
        builder.now = options.now;
        let parse::ParsedText { ast, mistakes, warnings } = parse::parse(text, &mut builder, options);
        if let Some(diagnostics) = Diagnostics::new(mistakes) {
            return Err(diagnostics);
        }
        let query = Query::normalized(ast, schema);
        match satisfy::refutation(query.ast(), schema) {
            Some(reason) => {
                let message = format!("no tweet can match this: {reason}");
                Err(Diagnostics::one(Diagnostic::in_text(text, 0..text.len(), message, None)))
            }
            None => Ok(Parsed { query, warnings }),
        }
    }

    /// Parses the JSON form. A string is query text.
    ///
    /// # Errors
    ///
    /// All errors, with their paths in the JSON.
    pub fn from_json(
        value: &serde_json::Value,
        schema: &Schema,
        limits: &QueryLimits,
        options: ParseOptions,
    ) -> Result<Parsed, Diagnostics> {
        let (ast, warnings) = json::parse(value, schema, limits, options)?;
        let query = Query::normalized(ast, schema);
        match satisfy::refutation(query.ast(), schema) {
            Some(reason) => {
                let message = format!("no tweet can match this: {reason}");
                Err(Diagnostics::one(Diagnostic::in_json("", message, None)))
            }
            None => Ok(Parsed { query, warnings }),
        }
    }
}

/// A valid query: normalized, with its canonical form and id. Clones share everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Query(Arc<QueryInner>);

#[derive(Debug, PartialEq)]
struct QueryInner {
    id: QueryId,
    canonical: Box<str>,
    ast: Ast,
}

impl Query {
    /// Parses query text.
    ///
    /// # Errors
    ///
    /// All syntax errors and exceeded limits, with their places; and a query that no document can
    /// match.
    pub fn parse(text: &str, schema: &Schema, limits: &QueryLimits) -> Result<Query, Diagnostics> {
        Query::parse_with(text, schema, limits, ParseOptions::default())
    }

    /// Parses query text with other defaults.
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
        Parsed::from_text(text, schema, limits, options).map(|parsed| parsed.query)
    }

    /// Parses a canonical form without limits, which were checked when it was made.
    ///
    /// # Errors
    ///
    /// If the text is no canonical form.
    pub fn from_canonical(text: &str, schema: &Schema) -> Result<Query, Diagnostics> {
        let mut builder = build::Builder::new(schema, &QueryLimits::NONE);
        let parse::ParsedText { ast, mistakes, .. } = parse::parse(text, &mut builder, ParseOptions::default());
        match Diagnostics::new(mistakes) {
            Some(diagnostics) => Err(diagnostics),
            None => Ok(Query::normalized(ast, schema)),
        }
    }

    /// Parses the JSON form. A string is query text.
    ///
    /// # Errors
    ///
    /// All errors, with their paths in the JSON.
    pub fn from_json(value: &serde_json::Value, schema: &Schema, limits: &QueryLimits) -> Result<Query, Diagnostics> {
        Parsed::from_json(value, schema, limits, ParseOptions::default()).map(|parsed| parsed.query)
    }

    /// Checks and normalizes an `Ast` built by a program. Its terms are not analyzed.
    ///
    /// # Errors
    ///
    /// If a field cannot answer a condition, or a limit is exceeded.
    pub fn from_ast(ast: Ast, schema: &Schema, limits: &QueryLimits) -> Result<Query, Diagnostics> {
        let checked = check(&ast, &mut build::Builder::new(schema, limits));
        match checked {
            Ok(()) => Ok(Query::normalized(ast, schema)),
            Err(problem) => Err(Diagnostics::one(Diagnostic::in_json("", problem.message, problem.expected))),
        }
    }

    /// Normalizes a checked query.
    fn normalized(ast: Ast, schema: &Schema) -> Query {
        let (ast, canonical) = canonical::canonical(ast, schema);
        let id = QueryId(Uuid::new_v5(&NAMESPACE, canonical.as_bytes()));
        Query(Arc::new(QueryInner { id, canonical: canonical.into(), ast }))
    }

    /// The id: the `UUIDv5` of the canonical form.
    #[must_use]
    pub fn id(&self) -> QueryId {
        self.0.id
    }

    /// The canonical form: query text with the same meaning.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }

    /// The normalized query.
    #[must_use]
    pub fn ast(&self) -> &Ast {
        &self.0.ast
    }

    /// The memory that the query and its clones hold together, in bytes, without regular
    /// expressions that other queries share.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<QueryInner>() + 2 * size_of::<usize>() + self.0.canonical.len() + self.0.ast.heap_bytes()
    }

    /// The required parts, in the order of the canonical form, each with its bytes there: those of
    /// an AND, or the whole query.
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

#[cfg(any(test, feature = "testing"))]
pub mod arbitrary;
#[cfg(test)]
mod tests;
