//! The table of *atoms*: everything a registered query can ask of a document, each once, with the queries that wait for it.
//!
//! An atom is a term, a pattern, a range, a place, or that a field is there. Queries speak of atoms by number, so
//! equal parts of different queries are looked up once per document. Each atom counts the programs that mention it and is
//! forgotten with the last of them; its number is given out again.
//!
//! The queries that an atom may wake stand behind it in one flat list of [`Posting`]s. Terms are found through a hash table
//! that holds short terms in place, so that a hit costs one cache line there and one for the list.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::automaton::TermAutomaton;
use crate::query::{GeoBox, GeoCircle};
use crate::schema::FieldId;

/// The number of an atom; below [`MAX_ATOMS`].
pub(super) type AtomId = u32;

/// The atom that every document has.
pub(super) const TRUE: AtomId = 0;

/// Two bits of a number are needed for other things.
pub(super) const MAX_ATOMS: u32 = 1 << 30;

/// What an atom asks of a document.
#[derive(Debug)]
pub(super) enum AtomKind {
    /// A number that is free.
    Free,
    /// Nothing: [`TRUE`].
    True,
    /// A term of the field: where its text is.
    Term(TermKey),
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

/// A query that waits for an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Posting {
    /// The query's key.
    pub(super) query: u32,
    /// What is to be done when the atom is there: the low bits name another atom that must be there, the high two bits
    /// are the [`Wake`].
    guarded: u32,
}

/// What happens when an atom and its guard are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// The query matches, and no other posting of it can say so.
    Match,
    /// The query matches; another posting may have said so before.
    MatchOnce,
    /// The program decides.
    Verify,
    /// The program decides; another posting may have asked it before.
    VerifyOnce,
}

impl Posting {
    pub(super) fn new(query: u32, guard: AtomId, wake: Wake) -> Posting {
        debug_assert!(guard < MAX_ATOMS);
        Posting { query, guarded: guard | (wake as u32) << 30 }
    }

    pub(super) fn guard(self) -> AtomId {
        self.guarded & (MAX_ATOMS - 1)
    }

    pub(super) fn wake(self) -> Wake {
        match self.guarded >> 30 {
            0 => Wake::Match,
            1 => Wake::MatchOnce,
            2 => Wake::Verify,
            _ => Wake::VerifyOnce,
        }
    }
}

/// The queries that wait for one atom. Most atoms have one.
#[derive(Debug, Default)]
enum Postings {
    #[default]
    None,
    One(Posting),
    Many(Vec<Posting>),
}

impl Postings {
    fn as_slice(&self) -> &[Posting] {
        match self {
            Postings::None => &[],
            Postings::One(posting) => std::slice::from_ref(posting),
            Postings::Many(postings) => postings,
        }
    }

    /// Adds a posting and tells its place.
    fn push(&mut self, posting: Posting) -> u32 {
        match self {
            Postings::None => *self = Postings::One(posting),
            Postings::One(first) => *self = Postings::Many(vec![*first, posting]),
            Postings::Many(postings) => postings.push(posting),
        }
        place(self.as_slice().len() - 1)
    }

    /// Removes the posting at a place; the last one takes it. Tells which one that was, when it was another.
    fn swap_remove(&mut self, at: u32) -> Option<Posting> {
        let Postings::Many(postings) = self else {
            *self = Postings::None;
            return None;
        };
        postings.swap_remove(at as usize);
        let moved = postings.get(at as usize).copied();
        match postings.as_slice() {
            [one] => *self = Postings::One(*one),
            rest if rest.len() * 4 <= postings.capacity() => {
                let room = rest.len() * 2;
                postings.shrink_to(room);
            }
            _ => {}
        }
        moved
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Postings::Many(postings) => postings.capacity() * size_of::<Posting>(),
            _ => 0,
        }
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("a query waits for one atom a few times at most, and keys are 32 bits")
}

/// What is read for each atom that a document has.
#[derive(Debug, Default)]
struct Atom {
    postings: Postings,
    /// In how many places programs mention it.
    references: u32,
}

/// Terms of up to this many bytes are held in place.
const SHORT: usize = 14;

/// A term with its field. Short ones hold their text, others the place of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TermKey {
    pub(super) field: FieldId,
    len: u8,
    bytes: [u8; SHORT],
}

/// The terms, by field and text.
#[derive(Debug, Default)]
struct Terms {
    table: HashTable<(TermKey, AtomId)>,
    hasher: RandomState,
    /// The texts of long terms; free places are empty.
    long: Vec<Box<str>>,
    free_long: Vec<u32>,
}

impl Terms {
    fn hash(&self, field: FieldId, term: &[u8]) -> u64 {
        // The seed tells fields apart, so that the term alone is hashed.
        hash_term(&self.hasher, field, term)
    }

    fn short(field: FieldId, term: &[u8]) -> Option<TermKey> {
        let mut bytes = [0; SHORT];
        bytes.get_mut(..term.len())?.copy_from_slice(term);
        Some(TermKey { field, len: u8::try_from(term.len()).ok()?, bytes })
    }

    fn text<'a>(long: &'a [Box<str>], key: &'a TermKey) -> &'a [u8] {
        if usize::from(key.len) <= SHORT { &key.bytes[..usize::from(key.len)] } else { long[key.long()].as_bytes() }
    }

    fn is(long: &[Box<str>], key: &TermKey, field: FieldId, term: &[u8]) -> bool {
        key.field == field && usize::from(key.len) == term.len() && Terms::text(long, key) == term
    }

    #[inline]
    fn find(&self, hash: u64, field: FieldId, term: &[u8]) -> Option<AtomId> {
        let found = match Terms::short(field, term) {
            Some(short) => self.table.find(hash, |(key, _)| *key == short),
            None => self.table.find(hash, |(key, _)| Terms::is(&self.long, key, field, term)),
        };
        found.map(|&(_, atom)| atom)
    }

    fn key(&mut self, field: FieldId, term: &str) -> TermKey {
        if let Some(key) = Terms::short(field, term.as_bytes()) {
            return key;
        }
        let at = self.free_long.pop().unwrap_or_else(|| {
            self.long.push(Box::default());
            place(self.long.len() - 1)
        });
        self.long[at as usize] = term.into();
        let mut bytes = [0; SHORT];
        bytes[..4].copy_from_slice(&at.to_le_bytes());
        TermKey { field, len: u8::try_from(term.len()).unwrap_or(u8::MAX), bytes }
    }
}

fn hash_term(hasher: &RandomState, field: FieldId, term: &[u8]) -> u64 {
    hasher.hash_one((field.0, term))
}

impl TermKey {
    fn long(&self) -> usize {
        let [a, b, c, d, ..] = self.bytes;
        u32::from_le_bytes([a, b, c, d]) as usize
    }
}

/// All atoms.
#[derive(Debug)]
pub(super) struct Atoms {
    terms: Terms,
    others: HashMap<AtomKey, AtomId, RandomState>,
    hot: Vec<Atom>,
    kinds: Vec<AtomKind>,
    free: Vec<AtomId>,
    /// How many free numbers make it worth the while to look for those at the end.
    trim_at: usize,
    /// Atoms that nobody was told of yet.
    new: Vec<AtomId>,
}

impl Atoms {
    pub(super) fn new() -> Atoms {
        Atoms {
            terms: Terms::default(),
            others: HashMap::default(),
            hot: vec![Atom { references: 1, ..Atom::default() }],
            kinds: vec![AtomKind::True],
            free: Vec::new(),
            trim_at: 0,
            new: Vec::new(),
        }
    }

    /// How many numbers were ever given out at the same time; all are below this.
    pub(super) fn len(&self) -> usize {
        self.hot.len()
    }

    /// How many atoms there are, without [`TRUE`].
    pub(super) fn n_used(&self) -> usize {
        self.kinds.len() - 1 - self.free.len()
    }

    pub(super) fn kind(&self, atom: AtomId) -> &AtomKind {
        &self.kinds[atom as usize]
    }

    #[inline]
    pub(super) fn postings(&self, atom: AtomId) -> &[Posting] {
        self.hot[atom as usize].postings.as_slice()
    }

    /// The hash under which a term is kept.
    #[inline]
    pub(super) fn hash(&self, field: FieldId, term: &str) -> u64 {
        self.terms.hash(field, term.as_bytes())
    }

    /// The atom of a term, if a query mentions it.
    #[inline]
    pub(super) fn find(&self, hash: u64, field: FieldId, term: &str) -> Option<AtomId> {
        self.terms.find(hash, field, term.as_bytes())
    }

    /// The text of a term.
    pub(super) fn term_text<'a>(&'a self, key: &'a TermKey) -> &'a str {
        let text = Terms::text(&self.terms.long, key);
        std::str::from_utf8(text).expect("terms are copied from strings as a whole")
    }

    /// The number of a term, new or not; one more place mentions it.
    pub(super) fn term(&mut self, field: FieldId, term: &str) -> AtomId {
        let hash = self.terms.hash(field, term.as_bytes());
        if let Some(atom) = self.terms.find(hash, field, term.as_bytes()) {
            self.hot[atom as usize].references += 1;
            return atom;
        }
        let key = self.terms.key(field, term);
        let atom = self.add(AtomKind::Term(key));
        let Terms { table, hasher, long, .. } = &mut self.terms;
        table.insert_unique(hash, (key, atom), |(key, _)| hash_term(hasher, key.field, Terms::text(long, key)));
        atom
    }

    /// The number of an atom that is no term, if there is one; one more place mentions it.
    pub(super) fn find_other(&mut self, key: &AtomKey) -> Option<AtomId> {
        let &atom = self.others.get(key)?;
        self.hot[atom as usize].references += 1;
        Some(atom)
    }

    /// The number of another atom, new or not; one more place mentions it.
    pub(super) fn other(&mut self, key: AtomKey, kind: impl FnOnce() -> AtomKind) -> AtomId {
        if let Some(&atom) = self.others.get(&key) {
            self.hot[atom as usize].references += 1;
            return atom;
        }
        let atom = self.add(kind());
        self.others.insert(key, atom);
        atom
    }

    fn add(&mut self, kind: AtomKind) -> AtomId {
        let new = Atom { references: 1, ..Atom::default() };
        if let Some(atom) = self.free.pop() {
            self.hot[atom as usize] = new;
            self.kinds[atom as usize] = kind;
            self.new.push(atom);
            return atom;
        }
        let atom = place(self.hot.len());
        assert!(atom < MAX_ATOMS, "fewer than 2^30 different terms fit into memory");
        self.hot.push(new);
        self.kinds.push(kind);
        self.new.push(atom);
        atom
    }

    /// An atom that is new since it was last asked.
    pub(super) fn pop_new(&mut self) -> Option<AtomId> {
        self.new.pop()
    }

    /// One place less mentions the atom; the last one takes it along. Tells what it was when it is gone.
    pub(super) fn release(&mut self, atom: AtomId) -> Option<AtomKind> {
        let hot = &mut self.hot[atom as usize];
        if atom == TRUE || hot.references > 1 {
            hot.references -= u32::from(atom != TRUE);
            return None;
        }
        hot.references = 0;
        debug_assert!(hot.postings.as_slice().is_empty(), "a posting mentions an atom that its program does not");
        let kind = std::mem::replace(&mut self.kinds[atom as usize], AtomKind::Free);
        match &kind {
            AtomKind::Term(key) => self.forget_term(key, atom),
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
        Some(kind)
    }

    fn forget_term(&mut self, key: &TermKey, atom: AtomId) {
        let Terms { table, hasher, long, free_long } = &mut self.terms;
        let hash = hash_term(hasher, key.field, Terms::text(long, key));
        if let Ok(entry) = table.find_entry(hash, |&(_, it)| it == atom) {
            entry.remove();
        }
        if usize::from(key.len) > SHORT {
            long[key.long()] = Box::default();
            free_long.push(place(key.long()));
        }
        if table.len() * 4 < table.capacity() {
            let room = table.len() * 2;
            table.shrink_to(room, |(key, _)| hash_term(hasher, key.field, Terms::text(long, key)));
        }
    }

    /// Lets a query wait for an atom. Tells the posting's place, and whether it is the atom's first.
    pub(super) fn wait(&mut self, atom: AtomId, posting: Posting) -> (u32, bool) {
        let place = self.hot[atom as usize].postings.push(posting);
        (place, place == 0)
    }

    /// Ends a wait. Tells which posting moved to its place, if one did.
    pub(super) fn unwait(&mut self, atom: AtomId, place: u32) -> Option<Posting> {
        self.hot[atom as usize].postings.swap_remove(place)
    }

    /// Gives back the numbers at the end that are free, when most numbers are. Tells whether it did.
    pub(super) fn trim(&mut self) -> bool {
        if self.free.len() < self.trim_at.max(1024) {
            return false;
        }
        while matches!(self.kinds.last(), Some(AtomKind::Free)) {
            self.kinds.pop();
            self.hot.pop();
        }
        let len = place(self.kinds.len());
        self.free.retain(|&atom| atom < len);
        self.free.shrink_to_fit();
        self.kinds.shrink_to(self.kinds.len() * 2);
        self.hot.shrink_to(self.hot.len() * 2);
        // The next time when as many more have become free, so that the work stays a small part of theirs.
        self.trim_at = self.free.len() * 2 + self.kinds.len() / 2;
        true
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let terms = self.terms.table.capacity() * (size_of::<(TermKey, AtomId)>() + 1)
            + self.terms.long.iter().map(|text| text.len() + size_of::<Box<str>>()).sum::<usize>();
        let others = self.others.capacity() * (size_of::<(AtomKey, AtomId)>() + 1);
        let hot = self.hot.capacity() * size_of::<Atom>();
        let postings: usize = self.hot.iter().map(|atom| atom.postings.heap_bytes()).sum();
        let kinds = self.kinds.capacity() * size_of::<AtomKind>();
        let behind: usize = self.kinds.iter().map(AtomKind::heap_bytes).sum();
        terms + others + hot + postings + kinds + behind + self.free.capacity() * size_of::<AtomId>()
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
        AtomKind::Free | AtomKind::True | AtomKind::Term(_) => return None,
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
