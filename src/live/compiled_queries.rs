//! Queries compiled for the index, shared by all who use them: sessions that are behind, and
//! searches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use crate::coop;
use crate::ids::QueryId;
use crate::index::CompiledSearch;
use crate::query::Query;

/// A query, and its compiled form once a search has needed it. Clones share both.
#[derive(Clone, Debug)]
pub struct PreparedQuery {
    query: Query,
    compiled: Arc<OnceLock<Arc<CompiledSearch>>>,
}

impl From<Query> for PreparedQuery {
    fn from(query: Query) -> PreparedQuery {
        PreparedQuery { query, compiled: Arc::default() }
    }
}

impl PartialEq for PreparedQuery {
    fn eq(&self, other: &PreparedQuery) -> bool {
        self.query == other.query
    }
}

impl PreparedQuery {
    /// The query.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The compiled form, kept as long as this query or a clone.
    pub(super) fn compile(&self, queries: &CompiledQueries) -> Arc<CompiledSearch> {
        let compiled = self.compiled(queries);
        if !coop::stopped_now() {
            // Another search may have been faster.
            let _ = self.compiled.set(Arc::clone(&compiled));
        }
        compiled
    }

    /// The compiled form, for a session that needs it only while it is behind.
    pub(super) fn compiled(&self, queries: &CompiledQueries) -> Arc<CompiledSearch> {
        self.compiled.get().map_or_else(|| queries.get_or_compile(&self.query), Arc::clone)
    }
}

/// The compiled queries in use. Each is one of a registered query or of a running search, so the
/// limits of these bound their memory.
#[derive(Debug, Default)]
pub(super) struct CompiledQueries {
    searches: Mutex<HashMap<QueryId, Weak<CompiledSearch>>>,
}

impl CompiledQueries {
    /// The compiled query, shared with its other users.
    fn get_or_compile(&self, query: &Query) -> Arc<CompiledSearch> {
        if let Some(search) = self.lock().get(&query.id()).and_then(Weak::upgrade) {
            return search;
        }
        // Compiled without the lock: building automata takes time.
        let search = Arc::new(CompiledSearch::new(query.ast()));
        if coop::stopped_now() {
            // Compiling was cancelled and may be incomplete: not shared.
            return search;
        }
        let mut searches = self.lock();
        if searches.len() == searches.capacity() {
            searches.retain(|_, search| search.strong_count() > 0);
        }
        searches.insert(query.id(), Arc::downgrade(&search));
        search
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<QueryId, Weak<CompiledSearch>>> {
        self.searches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::QueryLimits;
    use crate::schema::Schema;

    fn query(text: &str) -> Query {
        Query::parse(text, Schema::tweet(), &QueryLimits::default()).expect("a query")
    }

    #[test]
    fn a_prepared_query_is_compiled_at_its_first_search_and_kept() {
        let compiled = CompiledQueries::default();
        let prepared = PreparedQuery::from(query("rust"));
        let for_now = Arc::downgrade(&prepared.compiled(&compiled));
        assert!(for_now.upgrade().is_none(), "a session that is behind keeps it itself");
        let first = Arc::downgrade(&prepared.compile(&compiled));
        assert!(Weak::ptr_eq(&first, &Arc::downgrade(&prepared.clone().compile(&compiled))));
        assert!(Weak::ptr_eq(&first, &Arc::downgrade(&PreparedQuery::from(query("rust")).compile(&compiled))));
        drop(prepared);
        assert!(first.upgrade().is_none());
    }

    #[test]
    fn a_query_is_compiled_once_for_all_who_use_it_and_forgotten_with_the_last() {
        let compiled = CompiledQueries::default();
        let first = compiled.get_or_compile(&query("rust OR go"));
        assert!(Arc::ptr_eq(&first, &compiled.get_or_compile(&query("go OR rust"))));
        for at in 0..10_000 {
            compiled.get_or_compile(&query(&format!("word{at}")));
        }
        assert!(compiled.lock().capacity() < 100, "{}", compiled.lock().capacity());
        assert!(Arc::ptr_eq(&first, &compiled.get_or_compile(&query("rust OR go"))));
    }
}
