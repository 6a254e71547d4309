//! The registered queries as clients list them, beside the loop.
//!
//! The loop adds and removes entries and counts in them. A reader walks the entries chunk by chunk
//! and holds the lock of one chunk at a time, so the loop waits at most for a scan of [`CHUNK`]
//! entries, whatever the number of queries. A listing is no snapshot of one moment: a query that
//! comes or goes during the walk may be listed or not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::query_stats::{CostOrder, ListedQuery, QueryCounter, QueryStats, TopQueries};
use crate::ids::QueryKey;
use crate::query::Query;

/// Entries that share one lock.
const CHUNK: usize = 1_024;

/// All registered queries.
#[derive(Debug, Default)]
pub(crate) struct QueryListing {
    /// By key, [`CHUNK`] to a chunk.
    chunks: RwLock<Vec<Arc<ListingChunk>>>,
    /// Tweets percolated.
    tweets: AtomicU64,
}

type ListingChunk = Mutex<Vec<Option<Arc<ListedQuery>>>>;

impl QueryListing {
    /// The number of tweets percolated.
    pub(super) fn tweets(&self) -> u64 {
        self.tweets.load(Ordering::Relaxed)
    }

    /// Counts percolated tweets.
    pub(super) fn add_tweets(&self, n: u64) {
        self.tweets.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds a query under a free key.
    pub(super) fn insert(&self, key: QueryKey, query: Query) -> Arc<ListedQuery> {
        let listed = Arc::new(ListedQuery::new(query, QueryCounter::since(self.tweets())));
        self.set(key, Some(Arc::clone(&listed)));
        listed
    }

    /// Removes a query.
    pub(super) fn remove(&self, key: QueryKey) {
        self.set(key, None);
    }

    fn set(&self, key: QueryKey, entry: Option<Arc<ListedQuery>>) {
        let (chunk, at) = (key.index() / CHUNK, key.index() % CHUNK);
        let known = self.chunks.read().unwrap_or_else(PoisonError::into_inner).get(chunk).map(Arc::clone);
        let chunk = known.unwrap_or_else(|| {
            let mut chunks = self.chunks.write().unwrap_or_else(PoisonError::into_inner);
            // Only the loop adds chunks.
            chunks.resize_with(chunk + 1, Arc::default);
            Arc::clone(&chunks[chunk])
        });
        let mut entries = lock(&chunk);
        if entries.len() <= at {
            entries.resize_with(at + 1, || None);
        }
        entries[at] = entry;
    }

    /// The first `n` queries in an order, of those that `is_listed`.
    pub(crate) fn first(&self, order: CostOrder, n: usize, is_listed: impl Fn(&Query) -> bool) -> Vec<QueryStats> {
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut top = TopQueries::new(order, n);
        for (chunk, first) in chunks.iter().zip((0_u32..).step_by(CHUNK)) {
            for (entry, key) in lock(chunk).iter().zip(first..) {
                if let Some(listed) = entry.as_ref().filter(|listed| is_listed(&listed.query)) {
                    top.push(QueryKey(key), listed);
                }
            }
        }
        let tweets = self.tweets();
        top.into_sorted().into_iter().map(|listed| listed.stats(tweets)).collect()
    }

    /// Its memory in bytes, without that of the queries.
    pub(super) fn size_bytes(&self) -> usize {
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner);
        let of_chunk = |chunk: &Arc<ListingChunk>| {
            let entries = lock(chunk);
            size_of::<ListingChunk>()
                + 2 * size_of::<usize>()
                + entries.capacity() * size_of::<Option<Arc<ListedQuery>>>()
                + entries.iter().flatten().count() * (size_of::<ListedQuery>() + 2 * size_of::<usize>())
        };
        chunks.capacity() * size_of::<Arc<ListingChunk>>() + chunks.iter().map(of_chunk).sum::<usize>()
    }
}

/// A poisoned lock still guards valid entries: each change is one assignment.
fn lock(chunk: &ListingChunk) -> MutexGuard<'_, Vec<Option<Arc<ListedQuery>>>> {
    chunk.lock().unwrap_or_else(PoisonError::into_inner)
}
