//! Queries compiled for the index, shared by all sessions that are behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::coop;
use crate::ids::QueryId;
use crate::index::CompiledSearch;
use crate::query::Query;

/// The compiled queries in use. There is at most one for each registered query, so the limits of
/// registered queries also bound their memory.
#[derive(Debug, Default)]
pub(super) struct CompiledQueries {
    searches: Mutex<HashMap<QueryId, Weak<CompiledSearch>>>,
}

impl CompiledQueries {
    /// The compiled query, shared with its other users.
    pub(super) fn get_or_compile(&self, query: &Query) -> Arc<CompiledSearch> {
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
