//! Finds all registered queries that a document matches.
//!
//! The reverse of search: queries are kept, and documents come by. An [`Engine`] holds the queries
//! under keys that its owner chooses; the table of them is [`ENGINES`]. Nothing here knows of
//! tweets: documents have the fields of any [`Schema`]. How the compiled engine works is described
//! in `docs/PERCOLATOR.md`.
//!
//! ```
//! use perch::doc::DocBuilder;
//! use perch::ids::QueryKey;
//! use perch::percolator::{Compiled, Engine, EngineOptions, Matches};
//! use perch::query::{Query, QueryLimits};
//! use perch::schema::{Kind, Schema};
//!
//! let mut schema = Schema::new();
//! let body = schema.add("body", Kind::Text, &[]);
//! let price = schema.add("price", Kind::Float, &[]);
//!
//! let mut engine = Compiled::new(&EngineOptions { schema: schema.clone(), ..EngineOptions::default() });
//! for (key, text) in (0..).zip(["bicycle price:<100", "\"racing bike\" OR bicycle", "unicycle"]) {
//!     let query = Query::parse(text, &schema, &QueryLimits::default())?;
//!     engine.insert(QueryKey(key), query.ast());
//! }
//!
//! let mut builder = DocBuilder::new(&schema);
//! builder.text(body, "A nearly new bicycle");
//! builder.float(price, 120.0);
//! let mut matches = Matches::default();
//! engine.percolate(&[builder.doc()], &mut matches);
//! assert!(matches.pairs().eq([(0, QueryKey(1))]));
//!
//! engine.remove(QueryKey(1));
//! matches.clear();
//! engine.percolate(&[builder.doc()], &mut matches);
//! assert!(matches.is_empty());
//! # Ok::<(), perch::query::Diagnostics>(())
//! ```

mod arena;
mod compile;
mod compiled;
mod distance;
mod explain;
mod facts;
mod found;
mod frequency;
mod grid;
mod interval;
mod learning;
mod many;
mod matches;
mod memo;
mod one;
mod pairs;
mod pattern;
mod places;
mod plan;
mod presearch;
mod program;
mod spread;
mod table;
mod tantivy;
mod terms;
mod waits;
mod words;
mod work;

pub use compiled::Compiled;
pub use matches::Matches;
pub(crate) use pattern::is_weak;
pub use tantivy::Tantivy;

use std::time::Duration;

use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::query::Ast;
use crate::schema::Schema;

/// A percolator: the registered queries, and the way to match documents against them.
///
/// The pipeline owns one engine and calls it from one thread. A call of `insert` or `remove` takes
/// effect for the next document.
pub trait Engine: Send {
    /// Registers a query under a key that is free. Keys should be dense: they index tables. What is
    /// dear about it was done when a [`crate::query::Query`] was made; in an `Ast` that none was
    /// made of, a regular expression is built while documents pass.
    fn insert(&mut self, key: QueryKey, query: &Ast);

    /// Removes a query and gives its memory back. False when there was none.
    fn remove(&mut self, key: QueryKey) -> bool;

    /// How many queries are registered.
    fn len(&self) -> usize;

    /// Whether no query is registered.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the matches of a batch to `matches`.
    fn percolate(&mut self, docs: &[&Doc], matches: &mut Matches);

    /// The memory that the queries take, in bytes, as near as the engine knows.
    fn size_bytes(&self) -> usize;

    /// Percolates one document slowly and appends each of its candidates, once, with the time that
    /// it took to decide on it: for samples of what queries cost. A candidate that needs no
    /// decision takes no time. A query that has to be tried on every document counts as a
    /// candidate. An engine that can't tell appends nothing.
    fn inspect(&mut self, doc: &Doc, candidates: &mut Vec<(QueryKey, Duration)>) {
        let _ = (doc, candidates);
    }

    /// What the engine waits for on behalf of a query: a weaker query, so that only documents that
    /// match it are looked at. An engine without a presearch looks at all of them.
    fn presearch(&self, key: QueryKey) -> Ast {
        let _ = key;
        Ast::All
    }
}

/// What an engine is built from.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The fields of the documents.
    pub schema: Schema,
    /// How many threads may percolate a batch that is large enough; single documents and small
    /// batches stay on the caller's.
    pub threads: usize,
    /// How many steps of about a nanosecond the patterns, or the phrases, of all queries may take
    /// for one document; documents that are percolated together may take a few times as many. What
    /// takes more is left undecided, and is told by [`Matches::undecided`]. An engine without a
    /// bound decides everything.
    pub max_steps: u64,
}

/// What a service should allow for [`EngineOptions::max_steps`]: some milliseconds.
pub const MAX_STEPS: u64 = 8_000_000;

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions { schema: Schema::tweet().clone(), threads: 1, max_steps: u64::MAX }
    }
}

/// A kind of engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineKind {
    /// The `engine = "…"` in the configuration.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Makes an engine without queries.
    pub build: fn(&EngineOptions) -> Box<dyn Engine>,
}

/// All engines; the first is the default. To add one: write the file, add the line.
pub const ENGINES: &[EngineKind] = &[compiled::KIND, tantivy::KIND];

#[cfg(test)]
mod tests;
