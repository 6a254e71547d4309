//! The term dictionary: from field and text to atom. Tuned for lookups of terms that no query uses.
//!
//! A hash table with open addressing and linear probing. A removal shifts later entries back
//! instead of leaving a tombstone. Terms of up to [`MAX_INLINE_LEN`] bytes, which nearly all are,
//! are stored in their entry as two integers with field and length, and these integers are hashed.
//! A lookup thus costs one cache line, two comparisons and no call.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;

use super::AtomId;
use crate::schema::FieldId;

/// Terms of up to this many bytes are stored in their entry, which leaves two bytes of 16 for field
/// and length.
const MAX_INLINE_LEN: usize = 14;
/// The atom of a free entry.
const NONE: AtomId = AtomId::MAX;
/// The entries of the smallest table.
const MIN_ENTRIES: usize = 16;

/// A term and its field in 16 bytes: field, length and text. A long term has its hash and the index
/// of its text in place of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TermKey {
    low: u64,
    high: u64,
}

/// A term to look up: its key and hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    key: TermKey,
    pub(crate) hash: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: TermKey,
    atom: AtomId,
    /// The high bits of the hash, so that moving an entry needs no rehash.
    hash: u32,
}

const FREE: Entry = Entry { key: TermKey { low: 0, high: 0 }, atom: NONE, hash: 0 };

/// From field and text to atom.
#[derive(Debug)]
pub(crate) struct TermDict {
    /// The length is a power of two.
    entries: Vec<Entry>,
    len: usize,
    /// Random for each process, so that a client can't choose terms that collide.
    seed: [u64; 2],
    /// Hashes long terms.
    hasher: RandomState,
    /// The texts of long terms. Free entries are empty.
    long: Vec<Box<str>>,
    free_long: Vec<u32>,
}

/// Up to eight bytes as a little-endian integer.
#[inline]
fn le_bytes(bytes: &[u8]) -> u64 {
    let n = bytes.len();
    if let (Some(front), Some(back)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two halves may overlap. Then both have the same bytes there.
        return u64::from(u32::from_le_bytes(*front)) | u64::from(u32::from_le_bytes(*back)) << (8 * (n - 4));
    }
    match *bytes {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c, ..] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
    }
}

impl Probe {
    /// The key of a short term, which identifies it. None for long terms.
    #[inline]
    pub(crate) fn inline_key(&self) -> Option<TermKey> {
        (self.key.len() <= MAX_INLINE_LEN).then_some(self.key)
    }
}

impl TermKey {
    #[inline]
    fn inline(field: FieldId, term: &[u8]) -> TermKey {
        debug_assert!(term.len() <= MAX_INLINE_LEN);
        let head = u64::from(field.0) | (term.len() as u64) << 8;
        match term.split_first_chunk::<8>() {
            Some((front, back)) => TermKey { low: head | le_bytes(back) << 16, high: u64::from_le_bytes(*front) },
            None => TermKey { low: head, high: le_bytes(term) },
        }
    }

    fn long(field: FieldId, len: usize, hash: u64, text: u32) -> TermKey {
        TermKey { low: u64::from(field.0) | (len as u64) << 8 | u64::from(text) << 16, high: hash }
    }

    pub(crate) fn field(&self) -> FieldId {
        FieldId(self.low.to_le_bytes()[0])
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.low.to_le_bytes()[1])
    }

    /// The index of the text of a long term.
    #[expect(clippy::cast_possible_truncation, reason = "32 bits above the field and the length")]
    fn text_index(&self) -> usize {
        (self.low >> 16) as u32 as usize
    }

    /// The key of a long term as a probe has it.
    fn without_text_index(self) -> TermKey {
        TermKey { low: self.low & 0xffff, high: self.high }
    }
}

/// The XOR of both halves of the 128-bit product.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

impl TermDict {
    pub(crate) fn new() -> TermDict {
        let hasher = RandomState::default();
        let seed = [hasher.hash_one(1_u64) | 1, hasher.hash_one(2_u64)];
        TermDict { entries: vec![FREE; MIN_ENTRIES], len: 0, seed, hasher, long: Vec::new(), free_long: Vec::new() }
    }

    /// Prepares a lookup.
    #[inline]
    pub(crate) fn probe(&self, field: FieldId, term: &str) -> Probe {
        let bytes = term.as_bytes();
        let key = if bytes.len() <= MAX_INLINE_LEN {
            TermKey::inline(field, bytes)
        } else {
            TermKey::long(field, bytes.len(), self.hasher.hash_one(bytes), 0)
        };
        Probe { key, hash: self.hash(key) }
    }

    #[inline]
    fn hash(&self, key: TermKey) -> u64 {
        fold(fold(key.high ^ self.seed[0], 0x9e37_79b9_7f4a_7c15) ^ key.low, self.seed[0] ^ 0xd6e8_feb8_6659_fd93)
            ^ self.seed[1]
    }

    /// The index at which the search for a hash starts. The order of hashes is kept, so resizing
    /// reads and writes the tables from front to back.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.entries.len() as u64) >> 32) as usize
    }

    /// Reads a word of the entry where [`TermDict::find`] starts. For prefetching.
    #[inline]
    pub(crate) fn peek(&self, probe: &Probe) -> AtomId {
        self.entries[self.home((probe.hash >> 32) as u32)].atom
    }

    /// The atom of a term.
    #[inline]
    pub(crate) fn find(&self, probe: &Probe, term: &str) -> Option<AtomId> {
        let mask = self.entries.len() - 1;
        let mut at = self.home((probe.hash >> 32) as u32);
        if term.len() <= MAX_INLINE_LEN {
            loop {
                let entry = &self.entries[at & mask];
                if entry.key == probe.key && entry.atom != NONE {
                    return Some(entry.atom);
                }
                if entry.atom == NONE {
                    return None;
                }
                at += 1;
            }
        }
        loop {
            let entry = &self.entries[at & mask];
            if entry.atom == NONE {
                return None;
            }
            if entry.key.without_text_index() == probe.key && *self.long[entry.key.text_index()] == *term {
                return Some(entry.atom);
            }
            at += 1;
        }
    }

    /// Adds a term that is not in the dictionary, and returns its key.
    pub(crate) fn insert(&mut self, probe: &Probe, term: &str, atom: AtomId) -> TermKey {
        if (self.len + 1) * 8 > self.entries.len() * 5 {
            self.resize(self.entries.len() * 2);
        }
        let key = if term.len() <= MAX_INLINE_LEN {
            probe.key
        } else {
            let text = self.free_long.pop().unwrap_or_else(|| {
                self.long.push(Box::default());
                u32::try_from(self.long.len() - 1).expect("fewer than 2^30 terms")
            });
            self.long[text as usize] = term.into();
            TermKey::long(probe.key.field(), term.len(), probe.key.high, text)
        };
        self.len += 1;
        self.put(Entry { key, atom, hash: (probe.hash >> 32) as u32 });
        key
    }

    fn put(&mut self, entry: Entry) {
        let mask = self.entries.len() - 1;
        let mut at = self.home(entry.hash);
        while self.entries[at & mask].atom != NONE {
            at += 1;
        }
        self.entries[at & mask] = entry;
    }

    fn resize(&mut self, n_entries: usize) {
        let old = std::mem::replace(&mut self.entries, vec![FREE; n_entries]);
        for entry in old.into_iter().filter(|entry| entry.atom != NONE) {
            self.put(entry);
        }
    }

    /// Removes a term that is in the dictionary.
    pub(crate) fn remove(&mut self, key: &TermKey) {
        let bare = if key.len() <= MAX_INLINE_LEN { *key } else { key.without_text_index() };
        let mask = self.entries.len() - 1;
        let mut at = self.home((self.hash(bare) >> 32) as u32);
        while self.entries[at & mask].key != *key || self.entries[at & mask].atom == NONE {
            at += 1;
        }
        if key.len() > MAX_INLINE_LEN {
            self.long[key.text_index()] = Box::default();
            self.free_long.push(u32::try_from(key.text_index()).expect("it was a u32"));
        }
        // Backward shift: an entry moves into the gap unless its home lies behind the gap.
        let mut gap = at & mask;
        let mut next = gap;
        loop {
            next = (next + 1) & mask;
            let entry = self.entries[next];
            if entry.atom == NONE {
                break;
            }
            let from_home = next.wrapping_sub(self.home(entry.hash)) & mask;
            if from_home >= next.wrapping_sub(gap) & mask {
                self.entries[gap] = entry;
                gap = next;
            }
        }
        self.entries[gap] = FREE;
        self.len -= 1;
        if self.len * 8 < self.entries.len() && self.entries.len() > MIN_ENTRIES {
            self.resize(self.entries.len() / 2);
        }
        if self.free_long.len() == self.long.len() {
            self.free_long = Vec::new();
            self.long = Vec::new();
        }
    }

    /// Calls `read` with the text of a term that is in the dictionary.
    pub(crate) fn text<T>(&self, key: &TermKey, read: impl FnOnce(&str) -> T) -> T {
        if key.len() > MAX_INLINE_LEN {
            return read(&self.long[key.text_index()]);
        }
        let mut bytes = [0; 16];
        let (front, back) = bytes.split_at_mut(8);
        front.copy_from_slice(&key.high.to_le_bytes());
        back[..6].copy_from_slice(&key.low.to_le_bytes()[2..]);
        read(std::str::from_utf8(&bytes[..key.len()]).expect("a key holds a whole term"))
    }

    /// The memory that the dictionary holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.long.iter().map(|text| text.len() + size_of::<Box<str>>()).sum::<usize>()
            + self.free_long.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terms_of_every_length_are_distinct() {
        let mut terms = TermDict::new();
        let text = "äbcdefghijklmnopqrstuvwxyzäbcdefghijklmnopqrstuvwxyz";
        let all: Vec<&str> = (0..=text.len()).filter(|&n| text.is_char_boundary(n)).map(|n| &text[..n]).collect();
        let mut keys = Vec::new();
        for (atom, term) in (0..).zip(&all) {
            let probe = terms.probe(FieldId(3), term);
            assert_eq!(terms.find(&probe, term), None, "{term}");
            keys.push(terms.insert(&probe, term, atom));
        }
        for (atom, term) in (0..).zip(&all) {
            assert_eq!(terms.find(&terms.probe(FieldId(3), term), term), Some(atom));
            assert_eq!(terms.find(&terms.probe(FieldId(4), term), term), None);
            terms.text(&keys[atom as usize], |it| assert_eq!(it, *term));
            assert_eq!((keys[atom as usize].field(), keys[atom as usize].len()), (FieldId(3), term.len()));
        }
    }

    proptest! {
        #[test]
        fn is_a_map(
            operations in prop::collection::vec(
                (any::<bool>(), "[ab]{0,3}(xxxxxxxxxxxxxx)?", 0_u8..2),
                0..200,
            ),
        ) {
            let mut terms = TermDict::new();
            let mut model: BTreeMap<(u8, String), (AtomId, TermKey)> = BTreeMap::new();
            for (atom, (add, term, field)) in (0..).zip(operations) {
                let probe = terms.probe(FieldId(field), &term);
                let known = model.get(&(field, term.clone())).copied();
                prop_assert_eq!(terms.find(&probe, &term), known.map(|(atom, _)| atom));
                match known {
                    None if add => {
                        let key = terms.insert(&probe, &term, atom);
                        model.insert((field, term), (atom, key));
                    }
                    Some((_, key)) if !add => {
                        terms.remove(&key);
                        model.remove(&(field, term));
                    }
                    _ => {}
                }
                prop_assert_eq!(terms.len, model.len());
            }
            for ((field, term), (atom, _)) in &model {
                prop_assert_eq!(terms.find(&terms.probe(FieldId(*field), term), term), Some(*atom));
            }
        }
    }
}
