//! The table of *atoms*: everything a registered query can ask of a document, each once, with the queries that wait for it.
//!
//! An atom is a term, some terms in a row, a pattern, a range, a place, or that a field is there. Queries speak of atoms
//! by number, so equal parts of different queries are looked up once per document. Each atom counts who mentions it and is
//! forgotten with the last of them; its number is given out again.
//!
//! Who waits for an atom is known to [`super::waits`].

use std::hash::{BuildHasher as _, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::pairs::Pairs;
use super::terms::{TermKey, Terms};
use crate::automaton::Expression;
use crate::query::{GeoBox, GeoCircle};
use crate::schema::{FieldId, Schema};

/// The number of an atom; below [`MAX_ATOMS`].
pub(super) type AtomId = u32;

/// The atom that every document has.
pub(super) const TRUE: AtomId = 0;

/// Three bits of a number are needed for other things.
pub(super) const MAX_ATOMS: u32 = 1 << 29;

/// What an atom asks of a document.
#[derive(Debug)]
pub(super) enum AtomKind {
    /// A number that is free.
    Free,
    /// Nothing: [`TRUE`].
    True,
    /// A term of a field.
    Term(TermKey),
    /// A term, or a run of terms that is such a pair itself, and a term of the same field right behind it.
    Pair(AtomId, AtomId),
    /// Both of these; the first is a term, a pair, or such a conjunction, the second is a term.
    Both(AtomId, AtomId),
    /// The field has a value.
    Exists(FieldId),
    /// A term of the field starts like this.
    Prefix(FieldId, Box<str>),
    /// A term of the field has this form.
    Wildcard(FieldId, Box<str>),
    /// A term of the field is within so many edits of this one.
    Fuzzy(FieldId, u8, Box<str>),
    /// This expression matches a term of the field.
    Regex(FieldId, Expression),
    /// A value of the field lies between these, both included.
    Range(FieldId, i64, i64),
    /// A place of the field lies in the box.
    Within(FieldId, Box<GeoBox>),
    /// A place of the field lies in the circle.
    Near(FieldId, Box<GeoCircle>),
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than 2^29 different parts of queries fit into memory")
}

/// All atoms.
#[derive(Debug)]
pub(super) struct Atoms {
    terms: Terms,
    pairs: Pairs,
    /// The conjunctions of two atoms, that queries wait for.
    both: Pairs,
    /// All other atoms, by what they ask.
    others: HashTable<AtomId>,
    hasher: RandomState,
    /// By atom: in how many places programs and pairs mention it.
    references: Vec<u32>,
    kinds: Vec<AtomKind>,
    /// By field: how often programs mention one of its terms.
    mentions: Vec<u32>,
    /// Numbers that are free; some may be in use again, or beyond the last one.
    free: Vec<AtomId>,
    /// Atoms that nobody was told of yet.
    new: Vec<AtomId>,
}

impl Atoms {
    pub(super) fn new() -> Atoms {
        Atoms {
            terms: Terms::new(),
            pairs: Pairs::default(),
            both: Pairs::default(),
            others: HashTable::new(),
            hasher: RandomState::default(),
            references: vec![1],
            kinds: vec![AtomKind::True],
            mentions: vec![0; Schema::MAX_FIELDS],
            free: Vec::new(),
            new: Vec::new(),
        }
    }

    /// How many numbers were ever given out at the same time; all are below this.
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// How many atoms there are that queries mention, without [`TRUE`].
    pub(super) fn n_used(&self) -> usize {
        let is_used = |kind: &&AtomKind| !matches!(kind, AtomKind::Free | AtomKind::True | AtomKind::Both(..));
        self.kinds.iter().filter(is_used).count()
    }

    pub(super) fn kind(&self, atom: AtomId) -> &AtomKind {
        &self.kinds[atom as usize]
    }

    /// The terms.
    #[inline]
    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Which part of all mentions of terms of its field are mentions of this one.
    #[expect(clippy::cast_precision_loss)]
    pub(super) fn popularity(&self, atom: AtomId, field: FieldId) -> f32 {
        // The first few mentions say little.
        self.references[atom as usize] as f32 / (self.mentions[field.index()] as f32 + 20.0)
    }

    /// The pairs of terms.
    #[inline]
    pub(super) fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// The conjunctions.
    #[inline]
    pub(super) fn both(&self) -> &Pairs {
        &self.both
    }

    /// The number of a term, new or not; one more place mentions it.
    pub(super) fn term(&mut self, field: FieldId, term: &str) -> AtomId {
        self.mentions[field.index()] += 1;
        let probe = self.terms.probe(field, term);
        if let Some(atom) = self.terms.find(&probe, term) {
            self.references[atom as usize] += 1;
            return atom;
        }
        let atom = self.add(AtomKind::Free);
        self.kinds[atom as usize] = AtomKind::Term(self.terms.insert(&probe, term, atom));
        atom
    }

    /// The number of a term or run of terms and the term right behind it, new or not; one more place mentions it. A new one mentions
    /// both.
    pub(super) fn pair(&mut self, first: AtomId, second: AtomId) -> AtomId {
        if let Some(atom) = self.pairs.find(first, second) {
            self.references[atom as usize] += 1;
            return atom;
        }
        let atom = self.add(AtomKind::Pair(first, second));
        self.pairs.insert(first, second, atom);
        for term in [first, second] {
            self.retain(term);
        }
        atom
    }

    /// One more place mentions the atom.
    pub(super) fn retain(&mut self, atom: AtomId) {
        self.references[atom as usize] += 1;
        if let AtomKind::Term(key) = &self.kinds[atom as usize] {
            self.mentions[key.field().index()] += 1;
        }
    }

    /// The number of the conjunction of two atoms, and whether it is new; one more place mentions it. A new one mentions both.
    pub(super) fn conjunction(&mut self, first: AtomId, second: AtomId) -> (AtomId, bool) {
        if let Some(atom) = self.both.find(first, second) {
            self.references[atom as usize] += 1;
            return (atom, false);
        }
        let atom = self.add(AtomKind::Both(first, second));
        self.both.insert(first, second, atom);
        self.retain(first);
        self.retain(second);
        (atom, true)
    }

    /// The number of an atom that is neither a term nor a pair, new or not; one more place mentions it.
    pub(super) fn other(&mut self, kind: AtomKind) -> AtomId {
        let hash = self.hasher.hash_one(&kind);
        if let Some(&atom) = self.others.find(hash, |&atom| self.kinds[atom as usize].asks_the_same(&kind)) {
            self.references[atom as usize] += 1;
            return atom;
        }
        let atom = self.add(kind);
        let Atoms { others, hasher, kinds, .. } = self;
        others.insert_unique(hash, atom, |&atom| hasher.hash_one(&kinds[atom as usize]));
        atom
    }

    fn add(&mut self, kind: AtomKind) -> AtomId {
        while let Some(atom) = self.free.pop() {
            // Numbers at the end were given back, and may have come again, since this one was noted.
            if !matches!(self.kinds.get(atom as usize), Some(AtomKind::Free)) {
                continue;
            }
            self.references[atom as usize] = 1;
            self.kinds[atom as usize] = kind;
            self.new.push(atom);
            return atom;
        }
        let atom = number(self.kinds.len());
        assert!(atom < MAX_ATOMS, "fewer than 2^30 different terms fit into memory");
        self.references.push(1);
        self.kinds.push(kind);
        self.new.push(atom);
        atom
    }

    /// An atom that is new since it was last asked.
    pub(super) fn pop_new(&mut self) -> Option<AtomId> {
        while let Some(atom) = self.new.pop() {
            // It may be gone again: parts of a query that can't change its meaning are.
            if !matches!(self.kinds.get(atom as usize), None | Some(AtomKind::Free)) {
                return Some(atom);
            }
        }
        None
    }

    /// One place less mentions the atom; the last one takes it along. Tells what it was when it is gone. What a conjunction mentions is
    /// left to the caller.
    pub(super) fn release(&mut self, atom: AtomId) -> Option<AtomKind> {
        if let AtomKind::Term(key) = &self.kinds[atom as usize] {
            self.mentions[key.field().index()] -= 1;
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
            &AtomKind::Pair(first, second) => {
                self.pairs.remove(first, second);
                self.release(first);
                self.release(second);
            }
            &AtomKind::Both(first, second) => self.both.remove(first, second),
            kind => {
                if let Ok(entry) = self.others.find_entry(self.hasher.hash_one(kind), |&it| it == atom) {
                    entry.remove();
                }
                if self.others.len() * 4 < self.others.capacity() {
                    let room = self.others.len() * 2;
                    let Atoms { others, hasher, kinds, .. } = self;
                    others.shrink_to(room, |&atom| hasher.hash_one(&kinds[atom as usize]));
                }
            }
        }
        self.free.push(atom);
        self.trim();
        Some(kind)
    }

    /// Gives memory back that is not needed any more.
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

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let terms = self.terms.size_bytes() + self.pairs.size_bytes() + self.both.size_bytes();
        let others = self.others.capacity() * (size_of::<AtomId>() + 1);
        let kinds = self.kinds.capacity() * size_of::<AtomKind>();
        let behind: usize = self.kinds.iter().map(AtomKind::heap_bytes).sum();
        let numbers = self.references.capacity() + self.free.capacity();
        terms + others + kinds + behind + numbers * size_of::<u32>()
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

    /// Whether two atoms that are no terms or pairs ask the same.
    fn asks_the_same(&self, other: &AtomKind) -> bool {
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

/// How a pattern is written, as it is hashed.
#[derive(Hash)]
struct Written<'a>(u8, FieldId, &'a str);

const PREFIX: u8 = 1;
const WILDCARD: u8 = 2;
const FUZZY: u8 = 3;
const REGEX: u8 = 4;

/// Equal for atoms that ask the same.
impl Hash for AtomKind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            AtomKind::Free | AtomKind::True | AtomKind::Term(_) | AtomKind::Pair(..) | AtomKind::Both(..) => {}
            AtomKind::Exists(field) => field.hash(state),
            AtomKind::Prefix(field, text) => Written(PREFIX, *field, text).hash(state),
            AtomKind::Wildcard(field, text) => Written(WILDCARD, *field, text).hash(state),
            AtomKind::Fuzzy(field, distance, text) => Written(FUZZY + (distance << 4), *field, text).hash(state),
            AtomKind::Regex(field, expression) => Written(REGEX, *field, expression).hash(state),
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
