//! The table of *atoms*: everything a registered query can ask of a document, each once, with the queries that wait for it.
//!
//! An atom is a term, two terms side by side, a pattern, a range, a place, or that a field is there. Queries speak of atoms
//! by number, so equal parts of different queries are looked up once per document. Each atom counts who mentions it and is
//! forgotten with the last of them; its number is given out again.
//!
//! Behind each atom stand the queries that it may wake, in two flat lists: those that match when it is there, by key, and
//! those of which more is asked, as [`Posting`]s.

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

/// A query that waits for an atom and asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Posting {
    /// The query's key.
    pub(super) query: u32,
    /// The low bits name another atom, the next one says that it must not be there (else it must), the high two
    /// bits are the [`Wake`].
    guarded: u32,
    /// One bit for each of the atoms that must be there ([`signature`]); often enough, one of them is not.
    pub(super) signature: u64,
}

/// The bit that stands for an atom among 64.
#[inline]
pub(super) fn signature(atom: AtomId) -> u64 {
    1 << (atom.wrapping_mul(0x9e37_79b9) >> 26)
}

/// In the word of a guard: it must not be there.
const ABSENT: u32 = MAX_ATOMS;

/// What a posting asks for besides its atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// This atom is there; [`TRUE`] always is.
    There(AtomId),
    /// This atom is not there.
    Absent(AtomId),
}

/// What happens when an atom is there and its guard as it should be.
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
    pub(super) fn new(query: u32, guard: Guard, signature: u64, wake: Wake) -> Posting {
        let guard = match guard {
            Guard::There(atom) => atom,
            Guard::Absent(atom) => atom | ABSENT,
        };
        Posting { query, guarded: guard | (wake as u32) << 30, signature }
    }

    /// The guard, and whether it must be there.
    #[inline]
    pub(super) fn guard(self) -> (AtomId, bool) {
        (self.guarded & (MAX_ATOMS - 1), self.guarded & ABSENT == 0)
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

/// A list that is mostly empty or has one entry.
#[derive(Debug, Default)]
enum List<T> {
    #[default]
    None,
    One(T),
    Many(Vec<T>),
}

impl<T: Copy> List<T> {
    #[inline]
    fn as_slice(&self) -> &[T] {
        match self {
            List::None => &[],
            List::One(entry) => std::slice::from_ref(entry),
            List::Many(entries) => entries,
        }
    }

    /// Adds an entry and tells its place.
    fn push(&mut self, entry: T) -> u32 {
        match self {
            List::None => *self = List::One(entry),
            List::One(first) => *self = List::Many(vec![*first, entry]),
            List::Many(entries) => entries.push(entry),
        }
        place(self.as_slice().len() - 1)
    }

    /// Removes the entry at a place; the last one takes it. Tells which one that was and its place, when it was another.
    fn swap_remove(&mut self, at: u32) -> Option<(T, u32)> {
        let List::Many(entries) = self else {
            *self = List::None;
            return None;
        };
        entries.swap_remove(at as usize);
        let moved = entries.get(at as usize).map(|&entry| (entry, place(entries.len())));
        match entries.as_slice() {
            [one] => *self = List::One(*one),
            rest if rest.len() * 4 <= entries.capacity() => {
                let room = rest.len() * 2;
                entries.shrink_to(room);
            }
            _ => {}
        }
        moved
    }

    fn heap_bytes(&self) -> usize {
        match self {
            List::Many(entries) => entries.capacity() * size_of::<T>(),
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
    /// The queries that match when it is there, by key.
    plain: List<u32>,
    /// The queries that match when it is there, and may have been found already by another atom, by key.
    either: List<u32>,
    /// The queries that ask for more.
    guarded: List<Posting>,
    /// In how many places programs and pairs mention it.
    references: u32,
}

/// In which list of an atom a query waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// It matches when the atom is there.
    Plain,
    /// So it does, and it waits for other atoms too.
    Either,
    /// It asks for more.
    Guarded,
}

/// The queries that wait for an atom, by [`Rank`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting<'a> {
    pub(super) plain: &'a [u32],
    pub(super) either: &'a [u32],
    pub(super) guarded: &'a [Posting],
}

impl Waiting<'_> {
    pub(super) fn n(&self) -> usize {
        self.plain.len() + self.either.len() + self.guarded.len()
    }
}

/// All atoms.
#[derive(Debug)]
pub(super) struct Atoms {
    terms: Terms,
    pairs: Pairs,
    others: HashMap<AtomKey, AtomId, RandomState>,
    hot: Vec<Atom>,
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
            hot: vec![Atom { references: 1, ..Atom::default() }],
            kinds: vec![AtomKind::True],
            free: Vec::new(),
            new: Vec::new(),
        }
    }

    /// How many numbers were ever given out at the same time; all are below this.
    pub(super) fn len(&self) -> usize {
        self.hot.len()
    }

    /// How many atoms there are, without [`TRUE`].
    pub(super) fn n_used(&self) -> usize {
        self.kinds.iter().filter(|kind| !matches!(kind, AtomKind::Free | AtomKind::True)).count()
    }

    pub(super) fn kind(&self, atom: AtomId) -> &AtomKind {
        &self.kinds[atom as usize]
    }

    /// The queries that wait for the atom.
    #[inline]
    pub(super) fn waiting(&self, atom: AtomId) -> Waiting<'_> {
        let atom = &self.hot[atom as usize];
        Waiting { plain: atom.plain.as_slice(), either: atom.either.as_slice(), guarded: atom.guarded.as_slice() }
    }

    /// The queries that wait for the atom and ask for more.
    pub(super) fn guarded(&self, atom: AtomId) -> &[Posting] {
        self.hot[atom as usize].guarded.as_slice()
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
            self.hot[atom as usize].references += 1;
            return atom;
        }
        let atom = self.add(AtomKind::Free);
        self.kinds[atom as usize] = AtomKind::Term(self.terms.insert(&probe, term, atom));
        atom
    }

    /// The number of two terms side by side, new or not; one more place mentions it. A new one mentions its terms.
    pub(super) fn pair(&mut self, first: AtomId, second: AtomId) -> AtomId {
        if let Some(atom) = self.pairs.find(first, second) {
            self.hot[atom as usize].references += 1;
            return atom;
        }
        let atom = self.add(AtomKind::Pair(first, second));
        self.pairs.insert(first, second, atom);
        self.hot[first as usize].references += 1;
        self.hot[second as usize].references += 1;
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
        while let Some(atom) = self.free.pop() {
            // Numbers at the end were given back, and may have come again, since this one was noted.
            if !matches!(self.kinds.get(atom as usize), Some(AtomKind::Free)) {
                continue;
            }
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
        let hot = &mut self.hot[atom as usize];
        if atom == TRUE || hot.references > 1 {
            hot.references -= u32::from(atom != TRUE);
            return None;
        }
        hot.references = 0;
        debug_assert!(self.waiting(atom).n() == 0, "a posting mentions an atom that its program does not");
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

    /// Lets a query wait for an atom. Only a guarded posting has more than the key. Tells its place, and whether the atom
    /// is new to be waited for.
    pub(super) fn wait(&mut self, atom: AtomId, rank: Rank, posting: Posting) -> (u32, bool) {
        let new = self.waiting(atom).n() == 0;
        let hot = &mut self.hot[atom as usize];
        let place = match rank {
            Rank::Plain => hot.plain.push(posting.query),
            Rank::Either => hot.either.push(posting.query),
            Rank::Guarded => hot.guarded.push(posting),
        };
        (place, new)
    }

    /// Ends a wait. Tells which query moved to its place, and from where, if one did.
    pub(super) fn unwait(&mut self, atom: AtomId, rank: Rank, place: u32) -> Option<(u32, u32)> {
        let hot = &mut self.hot[atom as usize];
        match rank {
            Rank::Plain => hot.plain.swap_remove(place),
            Rank::Either => hot.either.swap_remove(place),
            Rank::Guarded => hot.guarded.swap_remove(place).map(|(posting, from)| (posting.query, from)),
        }
    }

    /// Gives memory back that is not needed any more.
    fn trim(&mut self) {
        while matches!(self.kinds.last(), Some(AtomKind::Free)) {
            self.kinds.pop();
            self.hot.pop();
        }
        let len = self.kinds.len();
        if len * 4 < self.kinds.capacity() {
            self.kinds.shrink_to(len * 2);
            self.hot.shrink_to(len * 2);
            self.free.retain(|&atom| (atom as usize) < len);
            self.free.shrink_to(len);
        }
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let terms = self.terms.size_bytes() + self.pairs.size_bytes();
        let others = self.others.capacity() * (size_of::<(AtomKey, AtomId)>() + 1);
        let hot = self.hot.capacity() * size_of::<Atom>();
        let postings: usize = self
            .hot
            .iter()
            .map(|atom| atom.plain.heap_bytes() + atom.either.heap_bytes() + atom.guarded.heap_bytes())
            .sum();
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
