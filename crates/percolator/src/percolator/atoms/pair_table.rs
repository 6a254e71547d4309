//! From two atoms to one: sequences of adjacent terms, and conjunctions.
//!
//! Nearly all pairs that are looked up are not in the table. A Bloom filter with one hash rejects
//! them before the hash table is read.

use hashbrown::HashTable;

use super::AtomId;

/// A map from pairs of atoms to atoms.
#[derive(Debug, Default)]
pub(crate) struct PairTable {
    table: HashTable<(u64, AtomId)>,
    /// A bit for each pair in the table, and for some that were removed. The length is a power of
    /// two, or 0.
    filter: Vec<u64>,
}

/// The smallest filter, in 64-bit words.
const MIN_FILTER_WORDS: usize = 64;

fn key(first: AtomId, second: AtomId) -> u64 {
    u64::from(first) << 32 | u64::from(second)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
fn hash(key: u64) -> u64 {
    // No seed is needed: atoms are numbered in order, so a client can't choose numbers that
    // collide.
    let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    (product >> 64) as u64 ^ product as u64
}

#[inline]
fn bit(hash: u64, n_words: usize) -> (usize, u64) {
    ((hash >> 6) as usize & n_words.wrapping_sub(1), 1 << (hash & 63))
}

impl PairTable {
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The atom of a pair, if the pair is in the table.
    #[inline]
    pub(crate) fn find(&self, first: AtomId, second: AtomId) -> Option<AtomId> {
        let key = key(first, second);
        let hash = hash(key);
        let (word, bit) = bit(hash, self.filter.len());
        if self.filter.get(word)? & bit == 0 {
            return None;
        }
        self.table.find(hash, |(it, _)| *it == key).map(|&(_, atom)| atom)
    }

    /// Adds a pair that is not in the table.
    pub(crate) fn insert(&mut self, first: AtomId, second: AtomId, atom: AtomId) {
        let key = key(first, second);
        self.table.insert_unique(hash(key), (key, atom), |&(key, _)| hash(key));
        // At least 16 bits a pair keep false positives below 6 %.
        if self.table.len() > self.filter.len() * 4 {
            self.rebuild_filter();
        } else {
            let (word, bit) = bit(hash(key), self.filter.len());
            self.filter[word] |= bit;
        }
    }

    /// Removes a pair if it is in the table.
    pub(crate) fn remove(&mut self, first: AtomId, second: AtomId) {
        let key = key(first, second);
        if let Ok(entry) = self.table.find_entry(hash(key), |(it, _)| *it == key) {
            entry.remove();
        }
        if self.table.len() * 4 < self.table.capacity() {
            let capacity = self.table.len() * 2;
            self.table.shrink_to(capacity, |&(key, _)| hash(key));
            self.rebuild_filter();
        }
    }

    fn rebuild_filter(&mut self) {
        let n_words = (self.table.len() / 2).next_power_of_two().max(MIN_FILTER_WORDS);
        let mut filter = vec![0; n_words];
        for &(key, _) in &self.table {
            let (word, bit) = bit(hash(key), n_words);
            filter[word] |= bit;
        }
        self.filter = filter;
    }

    /// The memory that the table holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.table.capacity() * (size_of::<(u64, AtomId)>() + 1) + self.filter.capacity() * 8
    }
}
