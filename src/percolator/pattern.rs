//! Which of many patterns a term matches, without trying one after the other.
//!
//! Each pattern is filed under a few *keys*; a term that matches it has at least one of them. A term asks for the keys that it
//! has, and only the patterns found are tried. Keys are hashes of strings of characters:
//!
//! | pattern | keys |
//! |---|---|
//! | prefix, and wildcards and regular expressions that start with many fixed characters | these first characters |
//! | those that start and end with fixed characters | up to four of the first, and up to four of the last |
//! | those that end with fixed characters | these last characters |
//! | those with fixed characters inside | up to three of them in a row |
//! | fuzzy terms | the first eight characters without any one (or two) of them: a term so near has one of these in common |
//! | anything else | none: tried for each term of the field |
//!
//! The hash of a string grows by a character at a time and can be taken from any stretch of a term with two
//! multiplications; a bit set answers most questions before the table is asked.
//!
//! A pattern with a key carries a *signature* as well: a bit for each of its fixed characters. A term whose signature
//! lacks one of them is not tried.
//!
//! A pattern whose key is one character from inside a term, or that has none, is *weak*: many terms make it be tried. Weak
//! patterns are found apart from the others, so that a long document can leave just these undecided.

use std::collections::VecDeque;

use hashbrown::HashTable;

use super::distance;
use super::table::{AtomId, AtomKind};
use crate::automaton::Expression;
use crate::automaton::literal::{Literals, simple};
use crate::automaton::runs::Runs;
use crate::query::Ast;
use crate::schema::FieldId;

/// Longer prefixes and suffixes are filed under this many characters.
const MAX_EDGE: usize = 10;
/// Those of patterns that are filed under both are shorter.
const MAX_END: usize = 4;
/// The longest stretch from inside a term.
const MAX_GRAM: usize = 3;
/// How many characters of a fuzzy term are looked at.
const FUZZY_PREFIX: usize = 8;

/// What a key is the hash of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Prefix,
    Suffix,
    Gram,
    Fuzzy,
    Ends,
}

/// The patterns that queries wait for.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    keys: HashTable<Entry>,
    /// A bit for each hash in `keys`, and for some that are there no more; a power of two.
    filter: Vec<u64>,
    fields: Vec<FieldPatterns>,
    /// One bit for each field that has patterns.
    pub(super) active: u64,
    /// Another one after each change; never 0 when there are patterns.
    pub(super) version: u32,
    /// The last changes, the newest at the end.
    changes: VecDeque<Change>,
    /// Scratch of [`Patterns::change`].
    term: Term,
    runs: Runs,
    filed: Vec<u64>,
}

/// A pattern under one of its keys.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    atom: AtomId,
    /// The signature of its fixed characters, and [`WEAK`].
    signature: u32,
}

/// Says of an entry that its pattern is weak. No signature has this bit.
const WEAK: u32 = 1 << 31;

/// The bit of a character, in simple form, in a signature. Letters of ASCII have one each.
#[inline]
fn signature_of(simple: char) -> u32 {
    let char = u32::from(simple);
    1 << ((char ^ char >> 7) % 31)
}

/// A pattern that came or went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) atom: AtomId,
    pub(super) field: FieldId,
    pub(super) added: bool,
}

/// So many changes are remembered; to try more costs as much as to look for all patterns.
const MAX_CHANGES: usize = if cfg!(test) { 6 } else { 256 };

/// What to ask for the terms of one field.
#[derive(Clone, Debug, Default)]
struct FieldPatterns {
    /// How many keys there are, by class and length.
    prefixes: [u32; MAX_EDGE + 1],
    suffixes: [u32; MAX_EDGE + 1],
    grams: [u32; MAX_GRAM + 1],
    /// By length of both ends.
    ends: [[u32; MAX_END + 1]; MAX_END + 1],
    /// How many fuzzy terms there are, by distance.
    fuzzy: [u32; 3],
    /// Patterns without a key.
    others: Vec<AtomId>,
    n: u32,
}

/// The characters of a term, and the hashes of its beginnings.
#[derive(Clone, Debug, Default)]
pub(super) struct Term {
    /// `hashes[i]` is that of the first `i` characters.
    hashes: Vec<u64>,
    /// Has the bits of all of them.
    signature: u32,
}

const BASE: u64 = 0x9e37_79b9_7f4a_7c55;

/// `POWERS[i]` is the base to the power of `i`.
const POWERS: [u64; 256] = {
    let mut powers = [1_u64; 256];
    let mut at = 1;
    while at < 256 {
        powers[at] = powers[at - 1].wrapping_mul(BASE);
        at += 1;
    }
    powers
};

impl Term {
    pub(super) fn set(&mut self, chars: impl Iterator<Item = char>) {
        self.hashes.clear();
        self.signature = 0;
        let mut hash = 0_u64;
        self.hashes.push(hash);
        for char in chars.take(POWERS.len() - 1).map(simple) {
            hash = longer(hash, char);
            self.hashes.push(hash);
            self.signature |= signature_of(char);
        }
    }

    fn len(&self) -> usize {
        self.hashes.len() - 1
    }

    /// The hash of the characters from one place to another.
    #[inline]
    fn stretch(&self, from: usize, to: usize) -> u64 {
        self.hashes[to].wrapping_sub(self.hashes[from].wrapping_mul(POWERS[to - from]))
    }

    /// Calls `found` with the hash of each string that up to `distance` (at most 2) removals make of the first characters.
    fn removals(&self, distance: usize, mut found: impl FnMut(u64)) {
        let n = self.len().min(FUZZY_PREFIX);
        found(self.hashes[n]);
        if distance == 0 {
            return;
        }
        // Of equal characters in a row, it does not matter which is removed.
        let is_again = |at: usize| at > 0 && self.stretch(at - 1, at) == self.stretch(at, at + 1);
        for i in (0..n).filter(|&i| !is_again(i)) {
            found(self.append(self.hashes[i], i + 1, n));
            if distance == 1 {
                continue;
            }
            for j in (i + 1..n).filter(|&j| j == i + 1 || !is_again(j)) {
                found(self.append(self.append(self.hashes[i], i + 1, j), j + 1, n));
            }
        }
    }

    /// The hash of a string with the characters from one place to another behind it.
    #[inline]
    fn append(&self, front: u64, from: usize, to: usize) -> u64 {
        front.wrapping_mul(POWERS[to - from]).wrapping_add(self.stretch(from, to))
    }
}

/// The hash of a string with one more character behind it.
#[inline]
fn longer(hash: u64, simple: char) -> u64 {
    hash.wrapping_mul(BASE).wrapping_add(u64::from(u32::from(simple)) + 1)
}

/// The hash of a string of characters that are simple already.
fn hash_of<'a>(simple: impl IntoIterator<Item = &'a char>) -> u64 {
    simple.into_iter().fold(0, |hash, &char| longer(hash, char))
}

/// The hash of a key from that of its characters.
#[inline]
fn key(field: FieldId, class: Class, hash: u64) -> u64 {
    let tag = u64::from(field.0) << 3 | class as u64;
    let mixed = u128::from(hash ^ tag.wrapping_mul(0xd6e8_feb8_6659_fd93)) * 0xa076_1d64_78bd_642f;
    #[expect(clippy::cast_possible_truncation)]
    let folded = (mixed ^ mixed >> 64) as u64;
    folded
}

impl Patterns {
    /// The patterns of a field that are tried for each of its terms.
    pub(super) fn blind(&self, field: FieldId) -> &[AtomId] {
        self.fields.get(field.index()).map_or(&[], |field| &field.others)
    }

    /// Lets a pattern be found.
    pub(super) fn insert(&mut self, atom: AtomId, kind: &AtomKind) {
        self.change(atom, kind, true);
    }

    /// Lets a pattern be found no more.
    pub(super) fn remove(&mut self, atom: AtomId, kind: &AtomKind) {
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
        if self.changes.len() == MAX_CHANGES {
            self.changes.pop_front();
        }
        self.version = self.version.wrapping_add(1).max(1);
        self.changes.push_back(Change { atom, field, added: add });
        if self.fields.len() <= field.index() {
            self.fields.resize(field.index() + 1, FieldPatterns::default());
        }
        let mut filed = std::mem::take(&mut self.filed);
        filed.clear();
        let counts = &mut self.fields[field.index()];
        let step = |n: &mut u32| *n = if add { *n + 1 } else { *n - 1 };
        step(&mut counts.n);
        let mut is_weak = false;
        let mut file = |class: Class, len: usize, hash: u64| {
            filed.push(key(field, class, hash));
            is_weak |= class == Class::Gram && len == 1;
            step(match class {
                Class::Prefix => &mut counts.prefixes[len],
                Class::Suffix => &mut counts.suffixes[len],
                Class::Ends => &mut counts.ends[len / (MAX_END + 1)][len % (MAX_END + 1)],
                Class::Gram | Class::Fuzzy => &mut counts.grams[len],
            });
        };
        let mut signature = 0;
        let has_key = match kind {
            AtomKind::Fuzzy(_, distance, term) => {
                let distance = usize::from((*distance).min(2));
                step(&mut counts.fuzzy[distance]);
                self.term.set(term.chars());
                self.term.removals(distance, |hash| filed.push(key(field, Class::Fuzzy, hash)));
                true
            }
            AtomKind::Regex(_, expression) if !self.runs.of_regex(expression) => {
                signature = signature_of_literals(expression.literals());
                file_literals(expression.literals(), &mut file)
            }
            AtomKind::Regex(..) => {
                signature = signature_of_chars(self.runs.chars());
                file_runs(&self.runs, &mut file)
            }
            AtomKind::Wildcard(_, pattern) => {
                self.runs.of_wildcard(pattern);
                signature = signature_of_chars(self.runs.chars());
                file_runs(&self.runs, &mut file)
            }
            AtomKind::Prefix(_, prefix) => {
                self.runs.of_prefix(prefix);
                signature = signature_of_chars(self.runs.chars());
                file_runs(&self.runs, &mut file)
            }
            _ => true,
        };
        if is_weak {
            signature |= WEAK;
        }
        match (has_key, add) {
            (true, _) => {}
            (false, true) => counts.others.push(atom),
            (false, false) => counts.others.retain(|&other| other != atom),
        }
        let bit = 1 << field.0;
        self.active = if counts.n > 0 { self.active | bit } else { self.active & !bit };
        if counts.n == 0 {
            *counts = FieldPatterns::default();
        }
        for &hash in &filed {
            if add { self.add_key(Entry { hash, atom, signature }) } else { self.remove_key(hash, atom) }
        }
        self.filed = filed;
    }

    /// What changed since a version, the oldest first, unless that is too much. An atom's number may have been given out anew meanwhile;
    /// whoever goes through all changes is right in the end.
    pub(super) fn changes_since(&self, version: u32) -> Option<impl Iterator<Item = &Change>> {
        let n = self.version.wrapping_sub(version) as usize;
        (n <= self.changes.len()).then(|| self.changes.range(self.changes.len() - n..))
    }

    fn add_key(&mut self, entry: Entry) {
        self.keys.insert_unique(entry.hash, entry, |entry| entry.hash);
        // Some sixteen bits a key, of which it sets two, keep the share of false alarms at one or two percent.
        if self.keys.len() * 12 > self.filter.len() * 64 {
            self.rebuild_filter();
        } else {
            self.set_bit(entry.hash);
        }
    }

    fn remove_key(&mut self, hash: u64, atom: AtomId) {
        if let Ok(entry) = self.keys.find_entry(hash, |it| (it.hash, it.atom) == (hash, atom)) {
            entry.remove();
        }
        if self.keys.len() * 4 < self.keys.capacity() && self.keys.capacity() > 64 {
            let room = self.keys.len() * 2;
            self.keys.shrink_to(room, |entry| entry.hash);
            self.rebuild_filter();
        }
    }

    fn rebuild_filter(&mut self) {
        self.filter = vec![0; (self.keys.len() / 4).next_power_of_two().max(64)];
        let mut filter = std::mem::take(&mut self.filter);
        for entry in &self.keys {
            let (word, bit) = place(entry.hash, filter.len());
            filter[word] |= bit;
        }
        self.filter = filter;
    }

    fn set_bit(&mut self, hash: u64) {
        let (word, bit) = place(hash, self.filter.len());
        self.filter[word] |= bit;
    }

    /// Calls `candidate` with the patterns of the field that the term may match, but for weak ones; some more than once.
    /// Tells how many steps the search took, without the calls.
    pub(super) fn find(&self, term: &Term, field: FieldId, candidate: &mut impl FnMut(AtomId)) -> u64 {
        let Some(counts) = self.of_field(field) else { return 0 };
        let n = term.len();
        let mut steps = 0;
        let mut ask = |class, hash| steps += self.ask(key(field, class, hash), term, candidate);
        for (len, _) in counts.prefixes.iter().enumerate().take(n + 1).filter(|(_, n)| **n > 0) {
            ask(Class::Prefix, term.hashes[len]);
        }
        for (len, _) in counts.suffixes.iter().enumerate().take(n + 1).filter(|(_, n)| **n > 0) {
            ask(Class::Suffix, term.stretch(n - len, n));
        }
        for (front, counts) in counts.ends.iter().enumerate().take(n + 1) {
            for (back, _) in counts.iter().enumerate().take(n + 1 - front).filter(|(_, n)| **n > 0) {
                ask(Class::Ends, term.append(term.hashes[front], n - back, n));
            }
        }
        for (len, _) in counts.grams.iter().enumerate().take(n + 1).skip(2).filter(|(_, n)| **n > 0) {
            for start in 0..=n - len {
                ask(Class::Gram, term.stretch(start, start + len));
            }
        }
        if let Some(distance) = counts.fuzzy.iter().rposition(|&n| n > 0) {
            term.removals(distance, |hash| ask(Class::Fuzzy, hash));
        }
        steps
    }

    /// The same for weak patterns.
    pub(super) fn find_weak(&self, term: &Term, field: FieldId, candidate: &mut impl FnMut(AtomId)) -> u64 {
        let Some(counts) = self.of_field(field) else { return 0 };
        let mut steps = counts.others.len() as u64;
        if counts.grams[1] > 0 {
            for start in 0..term.len() {
                steps += self.ask(key(field, Class::Gram, term.stretch(start, start + 1)), term, candidate);
            }
        }
        counts.others.iter().for_each(|&atom| candidate(atom));
        steps
    }

    /// Calls `candidate` with the patterns under a key whose signature the term has.
    #[inline]
    fn ask(&self, hash: u64, term: &Term, candidate: &mut impl FnMut(AtomId)) -> u64 {
        let (word, bit) = place(hash, self.filter.len());
        if self.filter.get(word).is_none_or(|bits| bits & bit != bit) {
            return 1;
        }
        let mut steps = 1;
        for entry in self.keys.iter_hash(hash).filter(|it| it.hash == hash) {
            steps += 2;
            if entry.signature & !WEAK & !term.signature == 0 {
                candidate(entry.atom);
            }
        }
        steps
    }

    fn of_field(&self, field: FieldId) -> Option<&FieldPatterns> {
        self.fields.get(field.index()).filter(|counts| counts.n > 0)
    }

    /// Calls `each` with all patterns, of whatever field, or with all that are weak; some more than once.
    pub(super) fn for_each(&self, only_weak: bool, mut each: impl FnMut(AtomId)) {
        self.fields.iter().flat_map(|field| &field.others).for_each(|&atom| each(atom));
        for entry in self.keys.iter().filter(|entry| !only_weak || entry.signature & WEAK != 0) {
            each(entry.atom);
        }
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.keys.capacity() * (size_of::<Entry>() + 1)
            + self.filter.capacity() * 8
            + self.fields.iter().map(|field| size_of::<FieldPatterns>() + field.others.capacity() * 4).sum::<usize>()
    }
}

fn signature_of_chars(chars: &[char]) -> u32 {
    chars.iter().fold(0, |bits, &char| bits | signature_of(char))
}

/// What every term has that matches one of each set.
fn signature_of_literals(Literals { prefix, suffix, inner }: &Literals) -> u32 {
    let common = |set: &[Vec<char>]| set.iter().map(|chars| signature_of_chars(chars)).reduce(|a, b| a & b);
    [prefix, suffix, inner].into_iter().filter_map(|set| common(set)).fold(0, |all, bits| all | bits)
}

/// Whether the term is what the pattern asks for.
pub(super) fn is_match(kind: &AtomKind, term: &str) -> bool {
    match kind {
        AtomKind::Prefix(_, prefix) => term.starts_with(&**prefix),
        AtomKind::Wildcard(_, pattern) => distance::is_wildcard(pattern, term),
        AtomKind::Fuzzy(_, distance, near) => distance::is_near(near, term, *distance),
        AtomKind::Regex(_, expression) => expression.matches(term),
        _ => false,
    }
}

/// The word and the two bits of a hash in a filter of so many words, a power of two.
#[inline]
fn place(hash: u64, n_words: usize) -> (usize, u64) {
    ((hash >> 6) as usize & n_words.wrapping_sub(1), 1 << (hash & 63) | 1 << (hash >> 58))
}

/// Whether a pattern has no key, and is tried for every term of its field.
pub(super) fn is_blind(kind: &AtomKind) -> bool {
    match kind {
        AtomKind::Wildcard(_, pattern) => !pattern.chars().any(|char| !matches!(char, '*' | '?')),
        AtomKind::Prefix(_, prefix) => prefix.is_empty(),
        AtomKind::Regex(_, expression) => is_blind_regex(expression),
        _ => false,
    }
}

/// Whether a query is a pattern that is tried on many terms: one that is weak.
pub(crate) fn is_weak(ast: &Ast) -> bool {
    let mut runs = Runs::default();
    let mut is_weak = false;
    let mut file = |class: Class, len: usize, _| is_weak |= class == Class::Gram && len == 1;
    let has_key = match ast {
        Ast::Wildcard { pattern, .. } => {
            runs.of_wildcard(pattern);
            file_runs(&runs, &mut file)
        }
        Ast::Regex { pattern, .. } if runs.of_regex(pattern) => file_runs(&runs, &mut file),
        Ast::Regex { pattern, .. } => file_literals(pattern.literals(), &mut file),
        _ => true,
    };
    is_weak || !has_key
}

fn is_blind_regex(expression: &Expression) -> bool {
    let mut runs = Runs::default();
    if runs.of_regex(expression) {
        return runs.prefix().is_empty() && runs.inner().is_empty();
    }
    !file_literals(expression.literals(), &mut |_, _, _| {})
}

/// Chooses the key of a pattern by what is longest. Says whether there is one.
fn file_runs(runs: &Runs, file: &mut impl FnMut(Class, usize, u64)) -> bool {
    let first = |chars: &[char], most: usize| chars.len().min(most);
    let (prefix, suffix, inner) = (runs.prefix(), runs.suffix(), runs.inner());
    let (n_prefix, n_suffix) = (first(prefix, MAX_EDGE), first(suffix, MAX_EDGE));
    let (front, back) = match (first(prefix, MAX_END), first(suffix, MAX_END)) {
        (0, _) | (_, 0) => (0, 0),
        // The whole term is both, and its start is enough.
        _ if !runs.is_open() => (0, 0),
        ends => ends,
    };
    let n_inner = first(inner, MAX_GRAM);
    let most = n_prefix.max(front + back).max(n_suffix).max(n_inner);
    if most == 0 {
        return false;
    }
    if n_prefix == most {
        file(Class::Prefix, n_prefix, hash_of(&prefix[..n_prefix]));
    } else if front + back == most {
        let ends = prefix[..front].iter().chain(&suffix[suffix.len() - back..]);
        file(Class::Ends, front * (MAX_END + 1) + back, hash_of(ends));
    } else if n_suffix == most {
        file(Class::Suffix, n_suffix, hash_of(&suffix[suffix.len() - n_suffix..]));
    } else {
        file(Class::Gram, n_inner, hash_of(&inner[..n_inner]));
    }
    true
}

/// Chooses the keys of a pattern by what is longest. Says whether there are some.
fn file_literals(literals: &Literals, file: &mut impl FnMut(Class, usize, u64)) -> bool {
    let Literals { prefix, suffix, inner } = literals;
    let shortest = |set: &[Vec<char>]| set.iter().map(Vec::len).min().unwrap_or(0);
    let (n_prefix, n_suffix, n_inner) = (shortest(prefix), shortest(suffix), shortest(inner).min(MAX_GRAM));
    if n_prefix == 0 && n_suffix == 0 && n_inner == 0 {
        // The empty prefix is the start of any term; it is at home under "prefix" when it is all that is asked.
        return false;
    }
    let (class, set, most) = if n_prefix >= n_suffix.min(MAX_GRAM) && n_prefix >= n_inner {
        (Class::Prefix, prefix, MAX_EDGE)
    } else if n_suffix >= n_inner {
        (Class::Suffix, suffix, MAX_EDGE)
    } else {
        (Class::Gram, inner, MAX_GRAM)
    };
    for chars in set {
        let len = chars.len().min(most);
        let part = if class == Class::Suffix { &chars[chars.len() - len..] } else { &chars[..len] };
        file(class, len, hash_of(part));
    }
    true
}
