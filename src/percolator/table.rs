//! The table of *atoms*: everything a registered query can ask of a document, each once, with the queries that wait for it.
//!
//! An atom is a term, two terms side by side, a pattern, a range, a place, or that a field is there. Queries speak of atoms
//! by number, so equal parts of different queries are looked up once per document. Each atom counts who mentions it and is
//! forgotten with the last of them; its number is given out again.
//!
//! Who waits for an atom is known to [`super::waits`].

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::pairs::Pairs;
use super::terms::{TermKey, Terms};
use crate::automaton::TermAutomaton;
use crate::query::{GeoBox, GeoCircle};
use crate::schema::FieldId;

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
    /// Two terms of a field, the second right behind the first.
    Pair(AtomId, AtomId),
    /// The field has a value.
    Exists(FieldId),
    /// A term of the field starts like this.
    Prefix(FieldId, Box<str>),
    /// A term of the field is in this set.
    Pattern(Box<Pattern>),
    /// A value of the field lies between these, both included.
    Range(FieldId, i64, i64),
    /// A place of the field lies in the box.
    Within(FieldId, Box<GeoBox>),
    /// A place of the field lies in the circle.
    Near(FieldId, Box<GeoCircle>),
}

/// A wildcard, regular expression or fuzzy term.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) field: FieldId,
    pub(super) source: PatternSource,
    pub(super) automaton: TermAutomaton,
    /// Nothing is known about the terms that match, so it has to be tried for each.
    pub(super) is_blind: bool,
}

/// What a pattern was written as.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum PatternSource {
    Wildcard(Box<str>),
    Regex(Box<str>),
    Fuzzy(Box<str>, u8),
}

/// What makes two atoms other than terms the same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum AtomKey {
    Exists(FieldId),
    Prefix(FieldId, Box<str>),
    Pattern(FieldId, PatternSource),
    Range(FieldId, i64, i64),
    /// The field and the bits of west, south, east, north.
    Within(FieldId, [u64; 4]),
    /// The field and the bits of longitude, latitude, radius.
    Near(FieldId, [u64; 3]),
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than 2^29 different parts of queries fit into memory")
}

/// All atoms.
#[derive(Debug)]
pub(super) struct Atoms {
    terms: Terms,
    pairs: Pairs,
    others: HashMap<AtomKey, AtomId, RandomState>,
    /// By atom: in how many places programs and pairs mention it.
    references: Vec<u32>,
    kinds: Vec<AtomKind>,
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
            others: HashMap::default(),
            references: vec![1],
            kinds: vec![AtomKind::True],
            free: Vec::new(),
            new: Vec::new(),
        }
    }

    /// How many numbers were ever given out at the same time; all are below this.
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// How many atoms there are, without [`TRUE`].
    pub(super) fn n_used(&self) -> usize {
        self.kinds.iter().filter(|kind| !matches!(kind, AtomKind::Free | AtomKind::True)).count()
    }

    pub(super) fn kind(&self, atom: AtomId) -> &AtomKind {
        &self.kinds[atom as usize]
    }

    /// The terms.
    #[inline]
    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The pairs of terms.
    #[inline]
    pub(super) fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// The number of a term, new or not; one more place mentions it.
    pub(super) fn term(&mut self, field: FieldId, term: &str) -> AtomId {
        let probe = self.terms.probe(field, term);
        if let Some(atom) = self.terms.find(&probe, term) {
            self.references[atom as usize] += 1;
            return atom;
        }
        let atom = self.add(AtomKind::Free);
        self.kinds[atom as usize] = AtomKind::Term(self.terms.insert(&probe, term, atom));
        atom
    }

    /// The number of two terms side by side, new or not; one more place mentions it. A new one mentions its terms.
    pub(super) fn pair(&mut self, first: AtomId, second: AtomId) -> AtomId {
        if let Some(atom) = self.pairs.find(first, second) {
            self.references[atom as usize] += 1;
            return atom;
        }
        let atom = self.add(AtomKind::Pair(first, second));
        self.pairs.insert(first, second, atom);
        self.references[first as usize] += 1;
        self.references[second as usize] += 1;
        atom
    }

    /// The number of an atom that is no term, if there is one; one more place mentions it.
    pub(super) fn find_other(&mut self, key: &AtomKey) -> Option<AtomId> {
        let &atom = self.others.get(key)?;
        self.references[atom as usize] += 1;
        Some(atom)
    }

    /// The number of another atom, new or not; one more place mentions it.
    pub(super) fn other(&mut self, key: AtomKey, kind: impl FnOnce() -> AtomKind) -> AtomId {
        if let Some(&atom) = self.others.get(&key) {
            self.references[atom as usize] += 1;
            return atom;
        }
        let atom = self.add(kind());
        self.others.insert(key, atom);
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

    /// One place less mentions the atom; the last one takes it along. Tells what it was when it is gone.
    pub(super) fn release(&mut self, atom: AtomId) -> Option<AtomKind> {
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
            kind => {
                if let Some(key) = key_of(kind) {
                    self.others.remove(&key);
                    if self.others.len() * 4 < self.others.capacity() {
                        let room = self.others.len() * 2;
                        self.others.shrink_to(room);
                    }
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
        let terms = self.terms.size_bytes() + self.pairs.size_bytes();
        let others = self.others.capacity() * (size_of::<(AtomKey, AtomId)>() + 1);
        let kinds = self.kinds.capacity() * size_of::<AtomKind>();
        let behind: usize = self.kinds.iter().map(AtomKind::heap_bytes).sum();
        let numbers = self.references.capacity() + self.free.capacity();
        terms + others + kinds + behind + numbers * size_of::<u32>()
    }
}

impl AtomKind {
    fn heap_bytes(&self) -> usize {
        match self {
            AtomKind::Prefix(_, prefix) => prefix.len() * 2,
            AtomKind::Pattern(pattern) => size_of::<Pattern>() + pattern.automaton.size_bytes(),
            AtomKind::Within(..) | AtomKind::Near(..) => 32,
            _ => 0,
        }
    }
}

/// The key under which an atom that is no term is kept.
pub(super) fn key_of(kind: &AtomKind) -> Option<AtomKey> {
    Some(match kind {
        AtomKind::Free | AtomKind::True | AtomKind::Term(_) | AtomKind::Pair(..) => return None,
        AtomKind::Exists(field) => AtomKey::Exists(*field),
        AtomKind::Prefix(field, prefix) => AtomKey::Prefix(*field, prefix.clone()),
        AtomKind::Pattern(pattern) => AtomKey::Pattern(pattern.field, pattern.source.clone()),
        AtomKind::Range(field, min, max) => AtomKey::Range(*field, *min, *max),
        AtomKind::Within(field, it) => {
            AtomKey::Within(*field, [it.west, it.south, it.east, it.north].map(f64::to_bits))
        }
        AtomKind::Near(field, it) => AtomKey::Near(*field, [it.lon, it.lat, it.meters].map(f64::to_bits)),
    })
}
