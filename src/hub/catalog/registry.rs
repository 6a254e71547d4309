//! Registered queries, counted by reference: equal queries share one key.

use std::collections::HashMap;
use std::sync::Arc;

use super::client_budgets::BudgetUsage;
use super::query_stats::ListedQuery;
use crate::hub::memory::map_bytes;
use crate::ids::{QueryId, QueryKey};
use crate::query::Query;

/// A registered query.
#[derive(Debug)]
struct RegisteredQuery {
    /// Subscriptions to it.
    references: u32,
    /// What it uses of the budget of each client that holds it.
    usage: BudgetUsage,
    listed: Arc<ListedQuery>,
}

/// Query id ↔ query key. Keys are dense; those of removed queries are reused.
#[derive(Debug, Default)]
pub(super) struct Registry {
    keys: HashMap<QueryId, QueryKey>,
    /// By key; `None` is free.
    queries: Vec<Option<RegisteredQuery>>,
    free: Vec<QueryKey>,
}

impl Registry {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn key(&self, id: QueryId) -> Option<QueryKey> {
        self.keys.get(&id).copied()
    }

    fn get(&self, key: QueryKey) -> Option<&RegisteredQuery> {
        self.queries.get(key.index())?.as_ref()
    }

    pub(super) fn usage(&self, key: QueryKey) -> Option<BudgetUsage> {
        self.get(key).map(|query| query.usage)
    }

    /// The query's entry in the listing.
    #[inline]
    pub(super) fn listed(&self, key: QueryKey) -> Option<&ListedQuery> {
        self.get(key).map(|query| &*query.listed)
    }

    /// Adds a reference to a query, and returns its key and whether it is new. `register` is called
    /// with the key of a new query.
    pub(super) fn acquire(
        &mut self,
        query: &Query,
        register: impl FnOnce(QueryKey) -> (BudgetUsage, Arc<ListedQuery>),
    ) -> (QueryKey, bool) {
        if let Some(&key) = self.keys.get(&query.id()) {
            if let Some(registered) = &mut self.queries[key.index()] {
                registered.references += 1;
            }
            return (key, false);
        }
        let key = self.free.pop().unwrap_or_else(|| {
            self.queries.push(None);
            QueryKey(u32::try_from(self.queries.len() - 1).expect("fewer than 2^32 queries"))
        });
        let (usage, listed) = register(key);
        self.queries[key.index()] = Some(RegisteredQuery { references: 1, usage, listed });
        self.keys.insert(query.id(), key);
        (key, true)
    }

    /// Drops a reference. True if it was the last: the key is free.
    pub(super) fn release(&mut self, key: QueryKey) -> bool {
        let Some(registered) = &mut self.queries[key.index()] else { return false };
        registered.references -= 1;
        if registered.references > 0 {
            return false;
        }
        self.keys.remove(&registered.listed.query.id());
        self.queries[key.index()] = None;
        self.free.push(key);
        true
    }

    /// Its memory in bytes, the queries included and the entries of the listing not.
    pub(super) fn size_bytes(&self) -> usize {
        let queries = self.queries.iter().flatten().map(|registered| registered.listed.query.size_bytes());
        map_bytes(&self.keys)
            + self.queries.capacity() * size_of::<Option<RegisteredQuery>>()
            + self.free.capacity() * size_of::<QueryKey>()
            + queries.sum::<usize>()
    }
}
