//! Which of many patterns may a term match?
//!
//! Each pattern has one or more *keys*, and a term that matches the pattern contains at least one
//! of them. A term looks up the keys that it contains, and only the patterns found are tested. Keys
//! are hashes of strings:
//!
//! | pattern | keys |
//! |---|---|
//! | starts with fixed characters | the first ten of them |
//! | starts and ends with fixed characters | up to four of the first and four of the last |
//! | ends with fixed characters | the last ten of them |
//! | has fixed characters inside | up to three adjacent ones |
//! | fuzzy term | its first eight characters with one or two deleted: all terms in reach share one |
//! | anything else | none: tested on each term of the field |
//!
//! The hash of any substring of a term costs two multiplications ([`TermHashes`]), and a Bloom
//! filter answers most lookups. A pattern also has the mask of its fixed characters, and is not
//! tested on a term that lacks one of them.
//!
//! A pattern whose key is a single character from inside a term, or that has no key, is *weak*: it
//! is tested on many terms. Weak patterns are found by a function of their own, so that only these
//! stay undecided in a document that exhausts its budget.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::pattern_keys::{
    KeyKind, MAX_EDGE, MAX_END, MAX_GRAM, is_weak_key, key_hash, keys_of_literals, keys_of_runs, mask_of_chars,
    mask_of_literals,
};
use super::term_hashes::TermHashes;
use crate::automaton::runs::Runs;
use crate::percolator::atoms::AtomId;
use crate::percolator::atoms::atom_table::AtomKind;
use crate::schema::FieldId;

/// The patterns that queries are posted under.
#[derive(Debug)]
pub(crate) struct PatternIndex {
    keys: HashTable<Entry>,
    /// Two bits for each hash in `keys`, and for some that were removed. The length is a power of
    /// two.
    filter: Vec<u64>,
    fields: Vec<FieldPatterns>,
    /// A bit for each field that has patterns.
    active_fields: u64,
    /// Increases with each change. 0 until the first pattern.
    version: u32,
    /// The latest changes, the newest last.
    changes: VecDeque<Change>,
    /// How many changes are kept: testing more of them costs as much as looking up all patterns.
    max_changes: usize,
    /// Scratch of [`PatternIndex::change`].
    term: TermHashes,
    runs: Runs,
    hashes: Vec<u64>,
}

/// A pattern under one of its keys.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    atom: AtomId,
    /// The mask of the fixed characters, and [`WEAK`].
    char_mask: u32,
}

/// Set in the mask of a weak pattern. No character has this bit.
const WEAK: u32 = 1 << 31;

/// A pattern that was added or removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) atom: AtomId,
    pub(crate) field: FieldId,
    pub(crate) added: bool,
}

/// The keys of one field. Terms look up only lengths that occur.
#[derive(Clone, Debug, Default)]
struct FieldPatterns {
    /// By length: how many prefix keys there are.
    prefixes: [u32; MAX_EDGE + 1],
    suffixes: [u32; MAX_EDGE + 1],
    grams: [u32; MAX_GRAM + 1],
    /// By the lengths of both ends.
    ends: [[u32; MAX_END + 1]; MAX_END + 1],
    /// By edit distance: how many fuzzy terms there are.
    fuzzy: [u32; 3],
    /// Patterns without a key.
    unindexed: Vec<AtomId>,
    n_patterns: u32,
}

impl PatternIndex {
    /// An index without patterns that keeps this many changes.
    pub(crate) fn new(max_changes: usize) -> PatternIndex {
        PatternIndex {
            keys: HashTable::new(),
            filter: Vec::new(),
            fields: Vec::new(),
            active_fields: 0,
            version: 0,
            changes: VecDeque::new(),
            max_changes,
            term: TermHashes::default(),
            runs: Runs::default(),
            hashes: Vec::new(),
        }
    }

    /// Whether there are no patterns.
    pub(crate) fn is_empty(&self) -> bool {
        self.active_fields == 0
    }

    /// Whether a field has patterns.
    #[inline]
    pub(crate) fn has_field(&self, field: FieldId) -> bool {
        self.active_fields >> field.0 & 1 == 1
    }

    /// The version of the set of patterns. Never 0 if there are any.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// The patterns of a field that are tested on each of its terms.
    pub(crate) fn unindexed(&self, field: FieldId) -> &[AtomId] {
        self.fields.get(field.index()).map_or(&[], |field| &field.unindexed)
    }

    /// Adds a pattern.
    pub(crate) fn insert(&mut self, atom: AtomId, kind: &AtomKind) {
        self.change(atom, kind, true);
    }

    /// Removes a pattern that was added.
    pub(crate) fn remove(&mut self, atom: AtomId, kind: &AtomKind) {
        self.change(atom, kind, false);
    }

    fn change(&mut self, atom: AtomId, kind: &AtomKind, add: bool) {
        let (AtomKind::Prefix(field, _)
        | AtomKind::Wildcard(field, _)
        | AtomKind::Regex(field, _)
        | AtomKind::Fuzzy(field, ..)) = kind
        else {
            return;
        };
        let field = *field;
        if self.changes.len() == self.max_changes {
            self.changes.pop_front();
        }
        self.version = self.version.wrapping_add(1).max(1);
        self.changes.push_back(Change { atom, field, added: add });
        if self.fields.len() <= field.index() {
            self.fields.resize(field.index() + 1, FieldPatterns::default());
        }
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        let counts = &mut self.fields[field.index()];
        let step = |n: &mut u32| *n = if add { *n + 1 } else { *n - 1 };
        step(&mut counts.n_patterns);
        let mut is_weak = false;
        let mut key = |kind: KeyKind, len: usize, hash: u64| {
            hashes.push(key_hash(field, kind, hash));
            is_weak |= is_weak_key(kind, len);
            step(match kind {
                KeyKind::Prefix => &mut counts.prefixes[len],
                KeyKind::Suffix => &mut counts.suffixes[len],
                KeyKind::Ends => &mut counts.ends[len / (MAX_END + 1)][len % (MAX_END + 1)],
                KeyKind::Gram | KeyKind::Fuzzy => &mut counts.grams[len],
            });
        };
        let mut char_mask = 0;
        let has_key = match kind {
            AtomKind::Fuzzy(_, distance, term) => {
                let distance = usize::from((*distance).min(2));
                step(&mut counts.fuzzy[distance]);
                self.term.set(term.chars());
                self.term.deletions(distance, |hash| hashes.push(key_hash(field, KeyKind::Fuzzy, hash)));
                true
            }
            AtomKind::Regex(_, expression) if !self.runs.of_regex(expression) => {
                char_mask = mask_of_literals(expression.literals());
                keys_of_literals(expression.literals(), &mut key)
            }
            AtomKind::Regex(..) => {
                char_mask = mask_of_chars(self.runs.chars());
                keys_of_runs(&self.runs, &mut key)
            }
            AtomKind::Wildcard(_, pattern) => {
                self.runs.of_wildcard(pattern);
                char_mask = mask_of_chars(self.runs.chars());
                keys_of_runs(&self.runs, &mut key)
            }
            AtomKind::Prefix(_, prefix) => {
                self.runs.of_prefix(prefix);
                char_mask = mask_of_chars(self.runs.chars());
                keys_of_runs(&self.runs, &mut key)
            }
            _ => true,
        };
        if is_weak {
            char_mask |= WEAK;
        }
        match (has_key, add) {
            (true, _) => {}
            (false, true) => counts.unindexed.push(atom),
            (false, false) => counts.unindexed.retain(|&other| other != atom),
        }
        let bit = 1 << field.0;
        self.active_fields = if counts.n_patterns > 0 { self.active_fields | bit } else { self.active_fields & !bit };
        if counts.n_patterns == 0 {
            *counts = FieldPatterns::default();
        }
        for &hash in &hashes {
            if add { self.add_key(Entry { hash, atom, char_mask }) } else { self.remove_key(hash, atom) }
        }
        self.hashes = hashes;
    }

    /// The changes since a version, the oldest first, unless too many were made. A removed atom's
    /// number may be in use again: only the state after the last change is right.
    pub(crate) fn changes_since(&self, version: u32) -> Option<impl Iterator<Item = &Change>> {
        let n = self.version.wrapping_sub(version) as usize;
        (n <= self.changes.len()).then(|| self.changes.range(self.changes.len() - n..))
    }

    fn add_key(&mut self, entry: Entry) {
        self.keys.insert_unique(entry.hash, entry, |entry| entry.hash);
        // At least 12 bits a key, which sets two of them, keep false positives near two percent.
        if self.keys.len() * 12 > self.filter.len() * 64 {
            self.rebuild_filter();
        } else {
            self.set_bits(entry.hash);
        }
    }

    fn remove_key(&mut self, hash: u64, atom: AtomId) {
        if let Ok(entry) = self.keys.find_entry(hash, |it| (it.hash, it.atom) == (hash, atom)) {
            entry.remove();
        }
        if self.keys.len() * 4 < self.keys.capacity() && self.keys.capacity() > 64 {
            let capacity = self.keys.len() * 2;
            self.keys.shrink_to(capacity, |entry| entry.hash);
            self.rebuild_filter();
        }
    }

    fn rebuild_filter(&mut self) {
        self.filter = vec![0; (self.keys.len() / 4).next_power_of_two().max(64)];
        let mut filter = std::mem::take(&mut self.filter);
        for entry in &self.keys {
            let (word, bits) = filter_bits(entry.hash, filter.len());
            filter[word] |= bits;
        }
        self.filter = filter;
    }

    fn set_bits(&mut self, hash: u64) {
        let (word, bits) = filter_bits(hash, self.filter.len());
        self.filter[word] |= bits;
    }

    /// Calls `candidate` with the patterns of the field that the term may match, without weak ones.
    /// Some are reported more than once. Returns the steps that the lookups took.
    pub(crate) fn find(&self, term: &TermHashes, field: FieldId, candidate: &mut impl FnMut(AtomId)) -> u64 {
        let Some(counts) = self.of_field(field) else { return 0 };
        let n = term.len();
        let mut steps = 0;
        let mut look_up = |kind, hash| steps += self.look_up(key_hash(field, kind, hash), term, candidate);
        for (len, _) in counts.prefixes.iter().enumerate().take(n + 1).filter(|(_, n)| **n > 0) {
            look_up(KeyKind::Prefix, term.prefix(len));
        }
        for (len, _) in counts.suffixes.iter().enumerate().take(n + 1).filter(|(_, n)| **n > 0) {
            look_up(KeyKind::Suffix, term.substring(n - len, n));
        }
        for (front, counts) in counts.ends.iter().enumerate().take(n + 1) {
            for (back, _) in counts.iter().enumerate().take(n + 1 - front).filter(|(_, n)| **n > 0) {
                look_up(KeyKind::Ends, term.append(term.prefix(front), n - back, n));
            }
        }
        for (len, _) in counts.grams.iter().enumerate().take(n + 1).skip(2).filter(|(_, n)| **n > 0) {
            for start in 0..=n - len {
                look_up(KeyKind::Gram, term.substring(start, start + len));
            }
        }
        if let Some(distance) = counts.fuzzy.iter().rposition(|&n| n > 0) {
            term.deletions(distance, |hash| look_up(KeyKind::Fuzzy, hash));
        }
        steps
    }

    /// The same for weak patterns.
    pub(crate) fn find_weak(&self, term: &TermHashes, field: FieldId, candidate: &mut impl FnMut(AtomId)) -> u64 {
        let Some(counts) = self.of_field(field) else { return 0 };
        let mut steps = counts.unindexed.len() as u64;
        if counts.grams[1] > 0 {
            for start in 0..term.len() {
                let hash = key_hash(field, KeyKind::Gram, term.substring(start, start + 1));
                steps += self.look_up(hash, term, candidate);
            }
        }
        counts.unindexed.iter().for_each(|&atom| candidate(atom));
        steps
    }

    /// Calls `candidate` with the patterns under a key whose fixed characters the term has.
    #[inline]
    fn look_up(&self, hash: u64, term: &TermHashes, candidate: &mut impl FnMut(AtomId)) -> u64 {
        let (word, bits) = filter_bits(hash, self.filter.len());
        if self.filter.get(word).is_none_or(|it| it & bits != bits) {
            return 1;
        }
        let mut steps = 1;
        for entry in self.keys.iter_hash(hash).filter(|it| it.hash == hash) {
            steps += 2;
            if entry.char_mask & !WEAK & !term.char_mask() == 0 {
                candidate(entry.atom);
            }
        }
        steps
    }

    fn of_field(&self, field: FieldId) -> Option<&FieldPatterns> {
        self.fields.get(field.index()).filter(|counts| counts.n_patterns > 0)
    }

    /// Calls `each` with all patterns of all fields, or with the weak ones. Some are reported more
    /// than once.
    pub(crate) fn for_each(&self, only_weak: bool, mut each: impl FnMut(AtomId)) {
        self.fields.iter().flat_map(|field| &field.unindexed).for_each(|&atom| each(atom));
        for entry in self.keys.iter().filter(|entry| !only_weak || entry.char_mask & WEAK != 0) {
            each(entry.atom);
        }
    }

    /// The memory that the index holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let fields = self.fields.iter();
        self.keys.capacity() * (size_of::<Entry>() + 1)
            + self.filter.capacity() * 8
            + fields.map(|field| size_of::<FieldPatterns>() + field.unindexed.capacity() * 4).sum::<usize>()
    }
}

/// The word and the two bits of a hash in a filter of this many words, a power of two.
#[inline]
fn filter_bits(hash: u64, n_words: usize) -> (usize, u64) {
    ((hash >> 6) as usize & n_words.wrapping_sub(1), 1 << (hash & 63) | 1 << (hash >> 58))
}
