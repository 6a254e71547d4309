//! The registered queries as those see them who list them, beside the loop.
//!
//! The loop adds and removes entries and counts in them; whoever lists walks the entries, a chunk
//! at a time, and holds the lock of that chunk only. So the loop waits at most for a look at
//! [`CHUNK`] entries, however many queries there are. What is listed is of no one moment: a query
//! that comes or goes meanwhile is listed or not.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::Registered;
use super::costs::{CostOrder, Count, Top};
use crate::ids::QueryKey;
use crate::query::Query;

/// How many entries have one lock.
const CHUNK: usize = 1_024;

/// A registered query, shared by the loop and by those who list.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) query: Query,
    pub(super) subscriptions: AtomicU32,
    pub(super) count: Count,
}

/// All registered queries.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// By key, so many to a chunk.
    chunks: RwLock<Vec<Arc<Chunk>>>,
    /// How many tweets were percolated.
    tweets: AtomicU64,
}

type Chunk = Mutex<Vec<Option<Arc<Entry>>>>;

impl Catalog {
    /// How many tweets were percolated.
    pub(super) fn tweets(&self) -> u64 {
        self.tweets.load(Ordering::Relaxed)
    }

    /// So many tweets more were percolated.
    pub(super) fn add_tweets(&self, n: u64) {
        self.tweets.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds a query under a key that is free.
    pub(super) fn insert(&self, key: QueryKey, query: Query) -> Arc<Entry> {
        let count = Count::since(self.tweets());
        let entry = Arc::new(Entry { query, subscriptions: AtomicU32::new(0), count });
        self.set(key, Some(Arc::clone(&entry)));
        entry
    }

    /// Removes a query.
    pub(super) fn remove(&self, key: QueryKey) {
        self.set(key, None);
    }

    fn set(&self, key: QueryKey, entry: Option<Arc<Entry>>) {
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

    /// The queries that come first in an order, at most `n`.
    pub(crate) fn first(&self, order: CostOrder, n: usize) -> Vec<Registered> {
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut top = Top::new(order, n);
        for (chunk, first) in chunks.iter().zip((0_u32..).step_by(CHUNK)) {
            for (entry, key) in lock(chunk).iter().zip(first..) {
                if let Some(entry) = entry {
                    top.push(QueryKey(key), entry);
                }
            }
        }
        let tweets = self.tweets();
        let registered = |entry: Arc<Entry>| Registered {
            subscriptions: entry.subscriptions.load(Ordering::Relaxed) as usize,
            counts: entry.count.counts(tweets),
            query: entry.query.clone(),
        };
        top.into_sorted().into_iter().map(registered).collect()
    }

    /// The memory that it holds, without the queries themselves, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner);
        let of_chunk = |chunk: &Arc<Chunk>| {
            let entries = lock(chunk);
            size_of::<Chunk>()
                + 2 * size_of::<usize>()
                + entries.capacity() * size_of::<Option<Arc<Entry>>>()
                + entries.iter().flatten().count() * (size_of::<Entry>() + 2 * size_of::<usize>())
        };
        chunks.capacity() * size_of::<Arc<Chunk>>() + chunks.iter().map(of_chunk).sum::<usize>()
    }
}

/// What is in a chunk is whole at any time.
fn lock(chunk: &Chunk) -> MutexGuard<'_, Vec<Option<Arc<Entry>>>> {
    chunk.lock().unwrap_or_else(PoisonError::into_inner)
}
