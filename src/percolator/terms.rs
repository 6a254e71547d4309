//! The terms that queries mention, by field and text: a hash table made for being asked about words that are not in it.
//!
//! Short terms (nearly all) lie in their entry, as two numbers with the field and the length; the same numbers are what is
//! hashed. So a look costs one cache line, two comparisons, and no call. Entries follow one another where they collide, and
//! move back when one is removed; the table grows and shrinks with what it holds.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;

use super::table::AtomId;
use crate::schema::FieldId;

/// Terms of up to this many bytes are held in place.
const SHORT: usize = 14;
/// The atom of an entry that is free.
const NONE: AtomId = AtomId::MAX;
/// The smallest table.
const MIN_ENTRIES: usize = 16;

/// A term with its field, in 16 bytes: field and length, then the text, or of a long term its hash and the place of its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TermKey {
    low: u64,
    high: u64,
}

/// A term that is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    key: TermKey,
    pub(super) hash: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: TermKey,
    atom: AtomId,
    /// The high bits of the hash, for when entries move.
    hash: u32,
}

const FREE: Entry = Entry { key: TermKey { low: 0, high: 0 }, atom: NONE, hash: 0 };

/// The table.
#[derive(Debug)]
pub(super) struct Terms {
    /// A power of two.
    entries: Vec<Entry>,
    len: usize,
    /// What is chosen anew by each process, so that nobody can make terms that collide.
    seed: [u64; 2],
    /// For long terms.
    hasher: RandomState,
    /// The texts of long terms; free places are empty.
    long: Vec<Box<str>>,
    free_long: Vec<u32>,
}

/// Up to eight bytes as a number.
#[inline]
fn up_to_eight(bytes: &[u8]) -> u64 {
    let n = bytes.len();
    if let (Some(front), Some(back)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two overlap; what is written twice is the same.
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
    /// What is the same for no other term; nothing for long terms.
    #[inline]
    pub(super) fn short_key(&self) -> Option<TermKey> {
        (self.key.len() <= SHORT).then_some(self.key)
    }
}

impl TermKey {
    /// The key of a short term.
    #[inline]
    fn short(field: FieldId, term: &[u8]) -> TermKey {
        debug_assert!(term.len() <= SHORT);
        let head = u64::from(field.0) | (term.len() as u64) << 8;
        match term.split_first_chunk::<8>() {
            Some((front, back)) => TermKey { low: head | up_to_eight(back) << 16, high: u64::from_le_bytes(*front) },
            None => TermKey { low: head, high: up_to_eight(term) },
        }
    }

    /// The key of a long term.
    fn long(field: FieldId, len: usize, hash: u64, place: u32) -> TermKey {
        TermKey { low: u64::from(field.0) | (len as u64) << 8 | u64::from(place) << 16, high: hash }
    }

    pub(super) fn field(&self) -> FieldId {
        FieldId(self.low.to_le_bytes()[0])
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.low.to_le_bytes()[1])
    }

    /// Where the text of a long term is.
    #[expect(clippy::cast_possible_truncation, reason = "it has 32 bits, behind the field and the length")]
    fn place(&self) -> usize {
        (self.low >> 16) as u32 as usize
    }

    /// Without the place of its text.
    fn without_place(self) -> TermKey {
        TermKey { low: self.low & 0xffff, high: self.high }
    }
}

/// Both halves of the product of two numbers, put together.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of the product are put together")]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

impl Terms {
    pub(super) fn new() -> Terms {
        let hasher = RandomState::default();
        let seed = [hasher.hash_one(1_u64) | 1, hasher.hash_one(2_u64)];
        Terms { entries: vec![FREE; MIN_ENTRIES], len: 0, seed, hasher, long: Vec::new(), free_long: Vec::new() }
    }

    /// What to look for.
    #[inline]
    pub(super) fn probe(&self, field: FieldId, term: &str) -> Probe {
        let bytes = term.as_bytes();
        let key = if bytes.len() <= SHORT {
            TermKey::short(field, bytes)
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

    /// The place where an entry with this hash should be: its highest bits.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.entries.len() as u64) >> 32) as usize
    }

    /// Reads what [`Terms::find`] will need, so that it is near when it is asked for.
    #[inline]
    pub(super) fn touch(&self, probe: &Probe) -> AtomId {
        self.entries[self.home((probe.hash >> 32) as u32)].atom
    }

    /// The atom of a term.
    #[inline]
    pub(super) fn find(&self, probe: &Probe, term: &str) -> Option<AtomId> {
        let mask = self.entries.len() - 1;
        let mut at = self.home((probe.hash >> 32) as u32);
        if term.len() <= SHORT {
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
            if entry.key.without_place() == probe.key && *self.long[entry.key.place()] == *term {
                return Some(entry.atom);
            }
            at += 1;
        }
    }

    /// Adds a term that is not there. Tells its key.
    pub(super) fn insert(&mut self, probe: &Probe, term: &str, atom: AtomId) -> TermKey {
        if (self.len + 1) * 8 > self.entries.len() * 5 {
            self.resize(self.entries.len() * 2);
        }
        let key = if term.len() <= SHORT {
            probe.key
        } else {
            let place = self.free_long.pop().unwrap_or_else(|| {
                self.long.push(Box::default());
                u32::try_from(self.long.len() - 1).expect("fewer than 2^30 terms")
            });
            self.long[place as usize] = term.into();
            TermKey::long(probe.key.field(), term.len(), probe.key.high, place)
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

    /// Removes a term that is there.
    pub(super) fn remove(&mut self, key: &TermKey) {
        let bare = if key.len() <= SHORT { *key } else { key.without_place() };
        let mask = self.entries.len() - 1;
        let mut at = self.home((self.hash(bare) >> 32) as u32);
        while self.entries[at & mask].key != *key || self.entries[at & mask].atom == NONE {
            at += 1;
        }
        if key.len() > SHORT {
            self.long[key.place()] = Box::default();
            self.free_long.push(u32::try_from(key.place()).expect("it was a u32"));
        }
        // What stands behind the gap moves into it, unless it is at home already or its home is behind the gap.
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

    /// Calls `read` with the text of a term that is there.
    pub(super) fn text<T>(&self, key: &TermKey, read: impl FnOnce(&str) -> T) -> T {
        if key.len() > SHORT {
            return read(&self.long[key.place()]);
        }
        let mut bytes = [0; 16];
        let (front, back) = bytes.split_at_mut(8);
        front.copy_from_slice(&key.high.to_le_bytes());
        back[..6].copy_from_slice(&key.low.to_le_bytes()[2..]);
        read(std::str::from_utf8(&bytes[..key.len()]).expect("terms are copied from strings as a whole"))
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
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
    fn terms_of_every_length_are_told_apart() {
        let mut terms = Terms::new();
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
        fn is_a_map(operations in prop::collection::vec((any::<bool>(), "[ab]{0,3}(xxxxxxxxxxxxxx)?", 0_u8..2), 0..200)) {
            let mut terms = Terms::new();
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
