//! Which queries were found already, of those that can be found in more than one way.
//!
//! A table of those of one document or batch only, so that it stays near however many queries there are. It is forgotten by counting
//! on, not by wiping.

use super::facts::Mask;

/// The smallest table; a power of two, as all are.
const MIN_ENTRIES: usize = 256;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    query: u32,
    /// In which round it was found; 0 is none.
    round: u32,
    docs: Mask,
}

/// The queries that were found, and for which documents.
#[derive(Debug, Default)]
pub(super) struct Found {
    entries: Vec<Entry>,
    /// From 1.
    round: u32,
    /// How many entries are of this round.
    n: usize,
}

impl Found {
    /// Forgets all.
    pub(super) fn start(&mut self) {
        if self.round == u32::MAX || self.entries.is_empty() {
            self.entries.clear();
            self.entries.resize(MIN_ENTRIES, Entry::default());
            self.round = 0;
        }
        self.round += 1;
        self.n = 0;
    }

    /// Notes that a query was found for these documents. Tells for which it was not before.
    #[inline]
    pub(super) fn find(&mut self, query: u32, docs: Mask) -> Mask {
        let (at, round) = (self.place(query), self.round);
        let entry = &mut self.entries[at];
        if entry.round == round {
            let new = docs & !entry.docs;
            entry.docs |= docs;
            return new;
        }
        *entry = Entry { query, round, docs };
        self.n += 1;
        if self.n * 2 > self.entries.len() {
            self.grow();
        }
        docs
    }

    /// Where the entry of a query is, or the free one where it belongs.
    #[inline]
    fn place(&self, query: u32) -> usize {
        let mask = self.entries.len() - 1;
        let mut at = (query.wrapping_mul(0x9e37_79b9) >> 8) as usize & mask;
        while self.entries[at].round == self.round && self.entries[at].query != query {
            at = (at + 1) & mask;
        }
        at
    }

    #[cold]
    fn grow(&mut self) {
        let n = self.entries.len() * 2;
        let old = std::mem::replace(&mut self.entries, vec![Entry::default(); n]);
        for entry in old {
            if entry.round == self.round {
                let at = self.place(entry.query);
                self.entries[at] = entry;
            }
        }
    }

    /// Gives back what so many queries do not need.
    pub(super) fn give_back(&mut self, n_queries: usize) {
        if self.entries.len() > MIN_ENTRIES && self.entries.len() / 8 > n_queries {
            *self = Found::default();
        }
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn agrees_with_a_map_over_rounds() {
        let mut found = Found::default();
        for round in 0..5_u32 {
            found.start();
            let mut model: HashMap<u32, Mask> = HashMap::new();
            for at in 0..3_000_u32 {
                // Some numbers come again, and many begin their search in the same place.
                let query = (at * 7 + round) % 1_000 * 65_536;
                let docs = 1 << (at % 64) | 1 << (at % 3);
                let known = model.entry(query).or_default();
                assert_eq!(found.find(query, docs), docs & !*known, "{query} in round {round}");
                *known |= docs;
            }
        }
        assert!(found.size_bytes() > 0);
        found.give_back(1);
        assert_eq!(found.size_bytes(), 0);
    }
}
