//! The queries that were reported, of those that several postings can report.

/// The entries of the smallest table. The length is always a power of two.
const MIN_ENTRIES: usize = 256;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    query: u32,
    /// The generation in which the query was inserted. 0 is none.
    generation: u32,
}

/// A set of queries.
///
/// Covers one document only, so it stays in the cache whatever the number of queries. Cleared by
/// starting a new generation.
#[derive(Debug, Default)]
pub(crate) struct SeenQueries {
    /// A hash table with linear probing.
    entries: Vec<Entry>,
    /// From 1.
    generation: u32,
    /// How many entries are of this generation.
    len: usize,
}

impl SeenQueries {
    pub(crate) fn clear(&mut self) {
        if self.generation == u32::MAX || self.entries.is_empty() {
            self.entries.clear();
            self.entries.resize(MIN_ENTRIES, Entry::default());
            self.generation = 0;
        }
        self.generation += 1;
        self.len = 0;
    }

    /// Adds a query. Returns whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, query: u32) -> bool {
        let (at, generation) = (self.index_of(query), self.generation);
        let entry = &mut self.entries[at];
        if entry.generation == generation {
            return false;
        }
        *entry = Entry { query, generation };
        self.len += 1;
        if self.len * 2 > self.entries.len() {
            self.grow();
        }
        true
    }

    /// The index of the entry of a query, or of the free entry where it belongs.
    #[inline]
    fn index_of(&self, query: u32) -> usize {
        let mask = self.entries.len() - 1;
        let mut at = (query.wrapping_mul(0x9e37_79b9) >> 8) as usize & mask;
        while self.entries[at].generation == self.generation && self.entries[at].query != query {
            at = (at + 1) & mask;
        }
        at
    }

    #[cold]
    fn grow(&mut self) {
        let n = self.entries.len() * 2;
        let old = std::mem::replace(&mut self.entries, vec![Entry::default(); n]);
        for entry in old {
            if entry.generation == self.generation {
                let at = self.index_of(entry.query);
                self.entries[at] = entry;
            }
        }
    }

    /// Frees memory if there are few queries now.
    pub(crate) fn release_memory(&mut self, n_queries: usize) {
        if self.entries.len() > MIN_ENTRIES && self.entries.len() / 8 > n_queries {
            *self = SeenQueries::default();
        }
    }

    /// The memory that the set holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn agrees_with_a_set_over_generations() {
        let mut seen = SeenQueries::default();
        for generation in 0..5_u32 {
            seen.clear();
            let mut model: HashSet<u32> = HashSet::new();
            for at in 0..3_000_u32 {
                // Queries repeat, and many have the same hash.
                let query = (at * 7 + generation) % 1_000 * 65_536;
                assert_eq!(seen.insert(query), model.insert(query), "{query} in generation {generation}");
            }
        }
        assert!(seen.size_bytes() > 0);
        seen.release_memory(1);
        assert_eq!(seen.size_bytes(), 0);
    }
}
