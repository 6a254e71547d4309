//! What every percolator engine does.

use std::time::Duration;

use super::matches::Matches;
use super::thresholds::Thresholds;
use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::query::Ast;
use crate::schema::Schema;

/// A percolator: registered queries, and the way to match documents against them.
///
/// The pipeline owns one engine and calls it from one thread. `insert` and `remove` take effect for
/// the next document.
pub trait Engine: Send {
    /// Registers a query, and replaces the query that has the key. Keys should be dense, since they
    /// index tables.
    ///
    /// Regular expressions are compiled when a [`Query`](crate::query::Query) is parsed. In an
    /// `Ast` built by hand they are compiled lazily, on the matching path.
    fn insert(&mut self, key: QueryKey, query: &Ast);

    /// Removes a query and frees its memory. Returns whether the key was in use.
    fn remove(&mut self, key: QueryKey) -> bool;

    /// The number of registered queries.
    fn len(&self) -> usize;

    /// Whether no query is registered.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the matches of a batch of documents to `matches`.
    fn percolate(&mut self, docs: &[&Doc], matches: &mut Matches);

    /// The memory that the engine holds, in bytes, estimated.
    fn size_bytes(&self) -> usize;

    /// Percolates one document slowly and appends each candidate once, with the time that deciding
    /// on it took: samples of what queries cost.
    ///
    /// A candidate that needs no decision takes no time. A query with a pattern that is tested on
    /// every document is a candidate. An engine that cannot tell appends nothing.
    fn inspect(&mut self, doc: &Doc, candidates: &mut Vec<(QueryKey, Duration)>) {
        let _ = (doc, candidates);
    }

    /// The query that a document must match to be a candidate for a registered query. It matches at
    /// least the documents that the registered query matches; everything in an engine without a
    /// presearcher.
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
    /// How many threads may share a large batch. Small batches stay on the calling thread.
    pub threads: usize,
    /// The steps of about a nanosecond that a document may take to find the patterns that queries
    /// are posted under, and again for the patterns and phrases that programs evaluate. What is
    /// undecided then is in [`Matches::undecided`]. An engine without a budget decides everything.
    pub max_steps: u64,
    /// The sizes at which the engine changes its method.
    pub thresholds: Thresholds,
}

/// The [`EngineOptions::max_steps`] of a service: some milliseconds.
pub const MAX_STEPS: u64 = 8_000_000;

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            schema: Schema::tweet().clone(),
            threads: 1,
            max_steps: u64::MAX,
            thresholds: Thresholds::default(),
        }
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
