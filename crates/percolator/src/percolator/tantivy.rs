//! The reference engine: builds an index in memory of each batch, and runs every registered query
//! on it.
//!
//! Slow and simple. It shares nothing with the compiled engine, but schema and lowering of queries
//! with the index on disk, so it finds what history finds.

use tantivy::collector::DocSetCollector;
use tantivy::directory::RamDirectory;
use tantivy::query::Query;
use tantivy::schema::Schema as TantivySchema;
use tantivy::tokenizer::TokenizerManager;
use tantivy::{Index, ReloadPolicy, Searcher};

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::lower::{Fields, IndexDocument, lower};
use crate::query::Ast;

use super::engine::{Engine, EngineKind, EngineOptions};
use super::matches::Matches;

/// The row in the table of engines.
pub(crate) const KIND: EngineKind = EngineKind {
    name: "tantivy",
    about: "every query on an index in memory of each batch: the reference, slow and simple",
    build: |options| Box::new(Tantivy::new(options)),
};

/// The memory arena of a batch's index writer, in bytes: the smallest that tantivy accepts.
const WRITER_BYTES: usize = 15_000_000;
/// The size of a lowered query, in bytes, estimated.
const QUERY_BYTES: usize = 512;

/// The reference engine.
pub struct Tantivy {
    schema: TantivySchema,
    fields: Arc<Fields>,
    tokenizers: TokenizerManager,
    /// By key.
    queries: Vec<Option<Box<dyn Query>>>,
    n_queries: usize,
}

impl std::fmt::Debug for Tantivy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tantivy").field("queries", &self.n_queries).finish_non_exhaustive()
    }
}

impl Tantivy {
    /// An engine without queries.
    #[must_use]
    pub fn new(options: &EngineOptions) -> Tantivy {
        let mut builder = TantivySchema::builder();
        let fields = Fields::add_to(&mut builder, &options.schema);
        let schema = builder.build();
        // A writer needs the tokenizers, and only an index registers them.
        let index = Index::create_in_ram(schema.clone());
        Fields::register(&index);
        let tokenizers = index.tokenizers().clone();
        Tantivy { schema, fields: Arc::new(fields), tokenizers, queries: Vec::new(), n_queries: 0 }
    }

    /// An index of the documents in one segment, so that each has its index in the batch as number.
    fn index(&self, docs: &[&Doc]) -> tantivy::Result<Searcher> {
        let mut writer = Index::builder()
            .schema(self.schema.clone())
            .tokenizers(self.tokenizers.clone())
            .single_segment_index_writer(RamDirectory::create(), WRITER_BYTES)?;
        for &doc in docs {
            writer.add_document(IndexDocument::new(&self.fields, doc.clone()))?;
        }
        let index = writer.finalize()?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(reader.searcher())
    }

    fn search(&self, docs: &[&Doc], matches: &mut Matches) -> tantivy::Result<()> {
        let searcher = self.index(docs)?;
        let mut pairs = Vec::new();
        for (key, query) in (0..).zip(&self.queries) {
            let Some(query) = query else { continue };
            let found = searcher.search(query, &DocSetCollector)?;
            pairs.extend(found.into_iter().map(|address| (address.doc_id, QueryKey(key))));
        }
        pairs.sort_unstable();
        for of_one in pairs.chunk_by(|a, b| a.0 == b.0) {
            matches.add(of_one[0].0, of_one.iter().map(|&(_, key)| key));
        }
        matches.candidates += (self.n_queries * docs.len()) as u64;
        Ok(())
    }
}

impl Engine for Tantivy {
    fn insert(&mut self, key: QueryKey, query: &Ast) {
        self.remove(key);
        if self.queries.len() <= key.index() {
            self.queries.resize_with(key.index() + 1, || None);
        }
        self.queries[key.index()] = Some(lower(query, &self.fields));
        self.n_queries += 1;
    }

    fn remove(&mut self, key: QueryKey) -> bool {
        let removed = self.queries.get_mut(key.index()).and_then(Option::take).is_some();
        self.n_queries -= usize::from(removed);
        while matches!(self.queries.last(), Some(None)) {
            self.queries.pop();
        }
        if self.queries.len() * 4 < self.queries.capacity() {
            self.queries.shrink_to(self.queries.len() * 2);
        }
        removed
    }

    fn len(&self) -> usize {
        self.n_queries
    }

    fn percolate(&mut self, docs: &[&Doc], matches: &mut Matches) {
        if docs.is_empty() || self.n_queries == 0 {
            return;
        }
        self.search(docs, matches).expect("an index in memory can be written and read");
    }

    fn inspect(&mut self, doc: &Doc, candidates: &mut Vec<(QueryKey, Duration)>) {
        if self.n_queries == 0 {
            return;
        }
        let searcher = self.index(&[doc]).expect("an index in memory can be written and read");
        for (key, query) in (0..).zip(&self.queries) {
            let Some(query) = query else { continue };
            let started = Instant::now();
            searcher.search(query, &DocSetCollector).expect("an index in memory can be read");
            candidates.push((QueryKey(key), started.elapsed()));
        }
    }

    fn size_bytes(&self) -> usize {
        size_of::<Tantivy>() + self.queries.capacity() * size_of::<Box<dyn Query>>() + self.n_queries * QUERY_BYTES
    }
}
