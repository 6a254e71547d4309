//! Interns atoms: equal parts of different queries are one atom.
//!
//! The table counts the references to each atom. With the last reference the atom is removed, and
//! its number is free for another. The queries that are posted under an atom are in
//! [`QueryPostings`](crate::percolator::query_index::postings::QueryPostings).

use std::hash::{BuildHasher as _, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::pair_table::PairTable;
use super::term_dict::{TermDict, TermKey};
use super::{AtomId, MAX_ATOMS, TRUE};
use crate::automaton::Expression;
use crate::query::{GeoBox, GeoCircle};
use crate::schema::{FieldId, Schema};

/// What an atom asks of a document.
#[derive(Debug)]
pub(crate) enum AtomKind {
    /// The number is free.
    Free,
    /// Nothing: this is [`TRUE`].
    True,
    /// A term of a field.
    Term(TermKey),
    /// A term or a shorter sequence, directly followed by a term of the same field.
    Sequence(AtomId, AtomId),
    /// A conjunction of two atoms. The first is a term, a sequence or a conjunction, the second a
    /// term.
    And2(AtomId, AtomId),
    /// The field has a value.
    Exists(FieldId),
    /// A term of the field starts with this text.
    Prefix(FieldId, Box<str>),
    /// A term of the field matches this wildcard pattern.
    Wildcard(FieldId, Box<str>),
    /// A term of the field is within this edit distance of this term.
    Fuzzy(FieldId, u8, Box<str>),
    /// The expression matches a term of the field.
    Regex(FieldId, Expression),
    /// A value of the field lies between these, both included.
    Range(FieldId, i64, i64),
    /// A point of the field lies in the box.
    Within(FieldId, Box<GeoBox>),
    /// A point of the field lies in the circle.
    Near(FieldId, Box<GeoCircle>),
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than 2^29 atoms")
}

/// All atoms of the registered queries.
#[derive(Debug)]
pub(crate) struct AtomTable {
    terms: TermDict,
    sequences: PairTable,
    conjunctions: PairTable,
    /// All other atoms, hashed by their kind.
    others: HashTable<AtomId>,
    hasher: RandomState,
    /// By atom: the references that programs, postings and other atoms hold.
    references: Vec<u32>,
    kinds: Vec<AtomKind>,
    /// By field: the references to all of its terms.
    term_references: Vec<u32>,
    /// Free numbers. Some may be in use again, or beyond the end of `kinds`.
    free: Vec<AtomId>,
    /// Atoms that [`AtomTable::take_new`] has not returned yet.
    new: Vec<AtomId>,
}

impl AtomTable {
    pub(crate) fn new() -> AtomTable {
        AtomTable {
            terms: TermDict::new(),
            sequences: PairTable::default(),
            conjunctions: PairTable::default(),
            others: HashTable::new(),
            hasher: RandomState::default(),
            references: vec![1],
            kinds: vec![AtomKind::True],
            term_references: vec![0; Schema::MAX_FIELDS],
            free: Vec::new(),
            new: Vec::new(),
        }
    }

    /// An upper bound of the numbers in use: the length of a table that is indexed by atom.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// How many atoms the queries use, without [`TRUE`] and conjunctions.
    pub(crate) fn n_used(&self) -> usize {
        let is_used = |kind: &&AtomKind| !matches!(kind, AtomKind::Free | AtomKind::True | AtomKind::And2(..));
        self.kinds.iter().filter(is_used).count()
    }

    pub(crate) fn kind(&self, atom: AtomId) -> &AtomKind {
        &self.kinds[atom as usize]
    }

    #[inline]
    pub(crate) fn terms(&self) -> &TermDict {
        &self.terms
    }

    /// The share of a term in the references to all terms of its field, from 0 to 1.
    #[expect(clippy::cast_precision_loss)]
    pub(crate) fn popularity(&self, atom: AtomId, field: FieldId) -> f32 {
        // Additive smoothing: the first few references say little.
        self.references[atom as usize] as f32 / (self.term_references[field.index()] as f32 + 20.0)
    }

    #[inline]
    pub(crate) fn sequences(&self) -> &PairTable {
        &self.sequences
    }

    #[inline]
    pub(crate) fn conjunctions(&self) -> &PairTable {
        &self.conjunctions
    }

    /// Interns a term and adds a reference.
    pub(crate) fn intern_term(&mut self, field: FieldId, term: &str) -> AtomId {
        self.term_references[field.index()] += 1;
        let probe = self.terms.probe(field, term);
        if let Some(atom) = self.terms.find(&probe, term) {
            self.references[atom as usize] += 1;
            return atom;
        }
        let atom = self.add(AtomKind::Free);
        self.kinds[atom as usize] = AtomKind::Term(self.terms.insert(&probe, term, atom));
        atom
    }

    /// Interns a term or sequence that is followed by a term, and adds a reference. A new atom
    /// holds a reference to both.
    pub(crate) fn intern_sequence(&mut self, first: AtomId, second: AtomId) -> AtomId {
        if let Some(atom) = self.sequences.find(first, second) {
            self.references[atom as usize] += 1;
            return atom;
        }
        let atom = self.add(AtomKind::Sequence(first, second));
        self.sequences.insert(first, second, atom);
        for term in [first, second] {
            self.retain(term);
        }
        atom
    }

    /// Adds a reference.
    pub(crate) fn retain(&mut self, atom: AtomId) {
        self.references[atom as usize] += 1;
        if let AtomKind::Term(key) = &self.kinds[atom as usize] {
            self.term_references[key.field().index()] += 1;
        }
    }

    /// Interns a conjunction and adds a reference. Returns the atom and whether it is new. A new
    /// atom holds a reference to both.
    pub(crate) fn intern_conjunction(&mut self, first: AtomId, second: AtomId) -> (AtomId, bool) {
        if let Some(atom) = self.conjunctions.find(first, second) {
            self.references[atom as usize] += 1;
            return (atom, false);
        }
        let atom = self.add(AtomKind::And2(first, second));
        self.conjunctions.insert(first, second, atom);
        self.retain(first);
        self.retain(second);
        (atom, true)
    }

    /// Interns an atom that is no term, sequence or conjunction, and adds a reference.
    pub(crate) fn intern(&mut self, kind: AtomKind) -> AtomId {
        let hash = self.hasher.hash_one(&kind);
        if let Some(&atom) = self.others.find(hash, |&atom| self.kinds[atom as usize].is_same(&kind)) {
            self.references[atom as usize] += 1;
            return atom;
        }
        let atom = self.add(kind);
        let AtomTable { others, hasher, kinds, .. } = self;
        others.insert_unique(hash, atom, |&atom| hasher.hash_one(&kinds[atom as usize]));
        atom
    }

    fn add(&mut self, kind: AtomKind) -> AtomId {
        while let Some(atom) = self.free.pop() {
            // The table was trimmed, and may have grown again, since the number was freed.
            if !matches!(self.kinds.get(atom as usize), Some(AtomKind::Free)) {
                continue;
            }
            self.references[atom as usize] = 1;
            self.kinds[atom as usize] = kind;
            self.new.push(atom);
            return atom;
        }
        let atom = number(self.kinds.len());
        assert!(atom < MAX_ATOMS, "fewer than 2^29 atoms");
        self.references.push(1);
        self.kinds.push(kind);
        self.new.push(atom);
        atom
    }

    /// An atom that was added and not returned before.
    pub(crate) fn take_new(&mut self) -> Option<AtomId> {
        while let Some(atom) = self.new.pop() {
            // The compiler may have released it already, with a part that cannot change the result.
            if !matches!(self.kinds.get(atom as usize), None | Some(AtomKind::Free)) {
                return Some(atom);
            }
        }
        None
    }

    /// Removes a reference, and the atom with the last one. Returns the kind of a removed atom. The
    /// references that a removed conjunction held are left to the caller.
    pub(crate) fn release(&mut self, atom: AtomId) -> Option<AtomKind> {
        if let AtomKind::Term(key) = &self.kinds[atom as usize] {
            self.term_references[key.field().index()] -= 1;
        }
        let references = &mut self.references[atom as usize];
        if atom == TRUE || *references > 1 {
            *references -= u32::from(atom != TRUE);
            return None;
        }
        *references = 0;
        let kind = std::mem::replace(&mut self.kinds[atom as usize], AtomKind::Free);
        match &kind {
            AtomKind::Term(key) => self.terms.remove(key),
            &AtomKind::Sequence(first, second) => {
                self.sequences.remove(first, second);
                self.release(first);
                self.release(second);
            }
            &AtomKind::And2(first, second) => self.conjunctions.remove(first, second),
            kind => {
                if let Ok(entry) = self.others.find_entry(self.hasher.hash_one(kind), |&it| it == atom) {
                    entry.remove();
                }
                if self.others.len() * 4 < self.others.capacity() {
                    let capacity = self.others.len() * 2;
                    let AtomTable { others, hasher, kinds, .. } = self;
                    others.shrink_to(capacity, |&atom| hasher.hash_one(&kinds[atom as usize]));
                }
            }
        }
        self.free.push(atom);
        self.trim();
        Some(kind)
    }

    /// Frees memory that removed atoms used.
    fn trim(&mut self) {
        while matches!(self.kinds.last(), Some(AtomKind::Free)) {
            self.kinds.pop();
            self.references.pop();
        }
        let len = self.kinds.len();
        if len * 4 < self.kinds.capacity() {
            self.kinds.shrink_to(len * 2);
            self.references.shrink_to(len * 2);
            self.free.retain(|&atom| (atom as usize) < len);
            self.free.shrink_to(len);
        }
    }

    /// The memory that the table holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let terms = self.terms.size_bytes() + self.sequences.size_bytes() + self.conjunctions.size_bytes();
        let others = self.others.capacity() * (size_of::<AtomId>() + 1);
        let kinds = self.kinds.capacity() * size_of::<AtomKind>();
        let heap: usize = self.kinds.iter().map(AtomKind::heap_bytes).sum();
        let numbers = self.references.capacity() + self.free.capacity();
        terms + others + kinds + heap + numbers * size_of::<u32>()
    }
}

impl AtomKind {
    fn heap_bytes(&self) -> usize {
        match self {
            AtomKind::Prefix(_, text) | AtomKind::Wildcard(_, text) | AtomKind::Fuzzy(_, _, text) => text.len() + 8,
            AtomKind::Regex(_, expression) => expression.size_bytes(),
            AtomKind::Within(..) | AtomKind::Near(..) => 40,
            _ => 0,
        }
    }

    /// Whether two atoms that are interned by kind are equal.
    fn is_same(&self, other: &AtomKind) -> bool {
        match (self, other) {
            (AtomKind::Exists(a), AtomKind::Exists(b)) => a == b,
            (AtomKind::Prefix(a, x), AtomKind::Prefix(b, y)) | (AtomKind::Wildcard(a, x), AtomKind::Wildcard(b, y)) => {
                (a, x) == (b, y)
            }
            (AtomKind::Fuzzy(a, n, x), AtomKind::Fuzzy(b, m, y)) => (a, n, x) == (b, m, y),
            (AtomKind::Regex(a, x), AtomKind::Regex(b, y)) => (a, x) == (b, y),
            (AtomKind::Range(a, min, max), AtomKind::Range(b, from, to)) => (a, min, max) == (b, from, to),
            (AtomKind::Within(a, x), AtomKind::Within(b, y)) => (a, x) == (b, y),
            (AtomKind::Near(a, x), AtomKind::Near(b, y)) => (a, x) == (b, y),
            _ => false,
        }
    }
}

/// A pattern as it is hashed: its type, field and source text.
#[derive(Hash)]
struct PatternSource<'a>(u8, FieldId, &'a str);

const PREFIX: u8 = 1;
const WILDCARD: u8 = 2;
const FUZZY: u8 = 3;
const REGEX: u8 = 4;

/// Equal atoms have equal hashes.
impl Hash for AtomKind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            AtomKind::Free | AtomKind::True | AtomKind::Term(_) | AtomKind::Sequence(..) | AtomKind::And2(..) => {}
            AtomKind::Exists(field) => field.hash(state),
            AtomKind::Prefix(field, text) => PatternSource(PREFIX, *field, text).hash(state),
            AtomKind::Wildcard(field, text) => PatternSource(WILDCARD, *field, text).hash(state),
            AtomKind::Fuzzy(field, distance, text) => PatternSource(FUZZY + (distance << 4), *field, text).hash(state),
            AtomKind::Regex(field, expression) => PatternSource(REGEX, *field, expression).hash(state),
            AtomKind::Range(field, min, max) => (field, min, max).hash(state),
            AtomKind::Within(field, it) => {
                (field, [it.west, it.south, it.east, it.north].map(|degrees| (degrees + 0.0).to_bits())).hash(state);
            }
            AtomKind::Near(field, it) => {
                (field, [it.lon, it.lat, it.meters].map(|number| (number + 0.0).to_bits())).hash(state);
            }
        }
    }
}
