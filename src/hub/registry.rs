//! Registrations, counted by reference: equal searches share one key, and the last to go removes the query.

use std::collections::HashMap;

use crate::ids::{QueryId, QueryKey};
use crate::query::Query;

#[derive(Debug)]
struct Entry {
    query: Query,
    references: u32,
}

/// Query id ↔ query key. Keys are dense, those of removed queries are given out again.
#[derive(Debug, Default)]
pub(super) struct Registry {
    keys: HashMap<QueryId, QueryKey>,
    /// By key; `None` is free.
    entries: Vec<Option<Entry>>,
    free: Vec<QueryKey>,
}

impl Registry {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn contains(&self, id: QueryId) -> bool {
        self.keys.contains_key(&id)
    }

    pub(super) fn key(&self, id: QueryId) -> Option<QueryKey> {
        self.keys.get(&id).copied()
    }

    pub(super) fn get(&self, key: QueryKey) -> Option<&Query> {
        self.entries.get(key.index())?.as_ref().map(|entry| &entry.query)
    }

    /// The query's key, with one more reference; and whether it is new.
    pub(super) fn acquire(&mut self, query: &Query) -> (QueryKey, bool) {
        if let Some(&key) = self.keys.get(&query.id()) {
            if let Some(entry) = &mut self.entries[key.index()] {
                entry.references += 1;
            }
            return (key, false);
        }
        let entry = Some(Entry { query: query.clone(), references: 1 });
        let key = if let Some(key) = self.free.pop() {
            self.entries[key.index()] = entry;
            key
        } else {
            self.entries.push(entry);
            QueryKey(u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 queries"))
        };
        self.keys.insert(query.id(), key);
        (key, true)
    }

    /// Takes one reference back. True when it was the last: the key is free.
    pub(super) fn release(&mut self, key: QueryKey) -> bool {
        let Some(entry) = &mut self.entries[key.index()] else { return false };
        entry.references -= 1;
        if entry.references > 0 {
            return false;
        }
        self.keys.remove(&entry.query.id());
        self.entries[key.index()] = None;
        self.free.push(key);
        true
    }

    /// The memory that it holds, the queries included, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let queries = self.entries.iter().flatten().map(|entry| entry.query.size_bytes());
        super::map_bytes(&self.keys)
            + self.entries.capacity() * size_of::<Option<Entry>>()
            + self.free.capacity() * size_of::<QueryKey>()
            + queries.sum::<usize>()
    }
}
