//! Finds all registered queries that a document matches.
//!
//! The reverse of search: queries are stored, and documents are matched against them as they come.
//! An [`Engine`] stores queries under keys that its owner chooses; [`ENGINES`] is the table of
//! engines. Documents have the fields of any [`Schema`](crate::schema::Schema), not only those of
//! tweets. `docs/PERCOLATOR.md` describes the compiled engine.
//!
//! From the bottom up, each using those above it:
//!
//! | module | holds |
//! |---|---|
//! | `scratch`, `arena`, `thresholds` | helpers: buffers, lists, sizes at which the engine changes its method |
//! | `atoms` | everything that a query can ask of a document, numbered |
//! | `program` | the expression tree of a query over atoms |
//! | `query_index` | the inverted index over queries |
//! | `stats` | document frequencies |
//! | `plan` | under which atoms a query is posted |
//! | `matching` | the presearcher, the matcher of a document, and that of a batch on several threads |
//! | `engine`, `compiled`, `tantivy` | the trait and the two engines |
//!
//! ```
//! use perch_percolator::doc::DocBuilder;
//! use perch_percolator::ids::QueryKey;
//! use perch_percolator::percolator::{Compiled, Engine, EngineOptions, Matches};
//! use perch_percolator::query::{Query, QueryLimits};
//! use perch_percolator::schema::{Kind, Schema};
//!
//! let mut schema = Schema::new();
//! let body = schema.add("body", Kind::Text, &[]);
//! let price = schema.add("price", Kind::Float, &[]);
//!
//! let options = EngineOptions { schema: schema.clone(), ..EngineOptions::default() };
//! let mut engine = Compiled::new(&options);
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
//! # Ok::<(), perch_percolator::query::Diagnostics>(())
//! ```

mod arena;
mod atoms;
mod compiled;
mod engine;
mod matches;
mod matching;
mod plan;
mod program;
mod query_index;
mod scratch;
mod stats;
#[cfg(feature = "tantivy")]
mod tantivy;
mod thresholds;

pub use compiled::Compiled;
pub use engine::{Engine, EngineKind, EngineOptions, MAX_STEPS};
pub use matches::Matches;
pub use query_index::pattern_keys::is_weak;
#[cfg(feature = "tantivy")]
pub use tantivy::Tantivy;
pub use thresholds::Thresholds;

/// All engines; the first is the default. To add one: write the file, add the line.
pub const ENGINES: &[EngineKind] = &[
    compiled::KIND,
    #[cfg(feature = "tantivy")]
    tantivy::KIND,
];

#[cfg(test)]
mod tests;
