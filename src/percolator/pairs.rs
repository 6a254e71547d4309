//! Pairs of atoms: of terms that stand side by side, as phrases ask for them, and of what conjunctions are made of.
//!
//! Nearly all neighbors in a document are no pair of any query; a bit set says so at once.

use hashbrown::HashTable;

use super::table::AtomId;

/// The pairs, by the numbers of both.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    table: HashTable<(u64, AtomId)>,
    /// A bit for each pair in the table, and for some that are there no more; as many words as a power of two, or none.
    filter: Vec<u64>,
}

/// The smallest filter, in words.
const MIN_FILTER: usize = 64;

fn key(first: AtomId, second: AtomId) -> u64 {
    u64::from(first) << 32 | u64::from(second)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of the product are put together")]
fn hash(key: u64) -> u64 {
    // Numbers of atoms are given out in order, so nobody can choose those that collide.
    let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    (product >> 64) as u64 ^ product as u64
}

#[inline]
fn bit(hash: u64, n_words: usize) -> (usize, u64) {
    ((hash >> 6) as usize & n_words.wrapping_sub(1), 1 << (hash & 63))
}

impl Pairs {
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The atom of a pair.
    #[inline]
    pub(super) fn find(&self, first: AtomId, second: AtomId) -> Option<AtomId> {
        let key = key(first, second);
        let hash = hash(key);
        let (word, bit) = bit(hash, self.filter.len());
        if self.filter.get(word)? & bit == 0 {
            return None;
        }
        self.table.find(hash, |(it, _)| *it == key).map(|&(_, atom)| atom)
    }

    /// Adds a pair that is not there.
    pub(super) fn insert(&mut self, first: AtomId, second: AtomId, atom: AtomId) {
        let key = key(first, second);
        self.table.insert_unique(hash(key), (key, atom), |&(key, _)| hash(key));
        // Sixteen bits a pair keep false alarms rare.
        if self.table.len() > self.filter.len() * 4 {
            self.rebuild_filter();
        } else {
            let (word, bit) = bit(hash(key), self.filter.len());
            self.filter[word] |= bit;
        }
    }

    /// Removes a pair.
    pub(super) fn remove(&mut self, first: AtomId, second: AtomId) {
        let key = key(first, second);
        if let Ok(entry) = self.table.find_entry(hash(key), |(it, _)| *it == key) {
            entry.remove();
        }
        if self.table.len() * 4 < self.table.capacity() {
            let room = self.table.len() * 2;
            self.table.shrink_to(room, |&(key, _)| hash(key));
            self.rebuild_filter();
        }
    }

    fn rebuild_filter(&mut self) {
        let n_words = (self.table.len() / 2).next_power_of_two().max(MIN_FILTER);
        let mut filter = vec![0; n_words];
        for &(key, _) in &self.table {
            let (word, bit) = bit(hash(key), n_words);
            filter[word] |= bit;
        }
        self.filter = filter;
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.table.capacity() * (size_of::<(u64, AtomId)>() + 1) + self.filter.capacity() * 8
    }
}
