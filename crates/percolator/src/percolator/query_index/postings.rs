//! The inverted index over queries: under each atom, the queries to consider when a document
//! contains it.
//!
//! Each atom has three posting lists, one of each [`PostingKind`]. The signatures of guarded
//! postings are contiguous in an array of their own, and a posting is read only if its signature
//! matches. A document finds the lists of an atom by its number: one cache line for the spans of
//! all lists, and one more for the entries.
//!
//! Invariant: a document that matches a query contains at least one atom that the query is posted
//! under.

use super::bloom::{DocBloom, Signature};
use super::posting::{AnyOfPosting, GuardedPosting, Posting, PostingKind};
use crate::percolator::arena::{Arena, Span};
use crate::percolator::atoms::AtomId;

/// Lists up to this length are read without their signatures, which would be one more cache line.
const MAX_UNSIGNED_LEN: usize = 2;

/// Signatures in a cache line.
const SIGNATURES_PER_LINE: usize = 16;
/// The cache lines of a list that are prefetched. The processor prefetches the rest on its own.
const PREFETCH_LINES: usize = 32;

/// The postings of one atom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtomPostings<'a> {
    pub(crate) plain: &'a [u32],
    pub(crate) any_of: &'a [AnyOfPosting],
    pub(crate) signatures: &'a [Signature],
    /// In the order of `signatures`.
    pub(crate) guarded: &'a [GuardedPosting],
    /// The number of the first guarded posting in the whole index.
    first_guarded: u32,
}

impl AtomPostings<'_> {
    pub(crate) fn len(&self) -> usize {
        self.plain.len() + self.any_of.len() + self.guarded.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the numbers of the guarded postings whose signature the document may contain.
    ///
    /// Branchless, because which signatures match cannot be predicted: each number is written to
    /// the next output slot, which advances only if the signature matches.
    #[inline]
    pub(crate) fn filter_guarded(&self, bloom: &DocBloom, numbers: &mut Vec<u32>) {
        let all = (self.first_guarded..).take(self.signatures.len());
        if self.signatures.len() <= MAX_UNSIGNED_LEN {
            numbers.extend(all);
            return;
        }
        let before = numbers.len();
        numbers.resize(before + self.signatures.len(), 0);
        let (output, mut n) = (&mut numbers[before..], 0);
        for (number, &signature) in all.zip(self.signatures) {
            output[n] = number;
            n += usize::from(bloom.may_contain_all(signature));
        }
        numbers.truncate(before + n);
    }
}

/// The lists of an atom, in half a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct PostingLists {
    plain: Span,
    any_of: Span,
    guarded: Span,
    /// The conjunctions that start with the atom.
    conjunctions: Span,
}

impl PostingLists {
    const EMPTY: &PostingLists =
        &PostingLists { plain: Span::EMPTY, any_of: Span::EMPTY, guarded: Span::EMPTY, conjunctions: Span::EMPTY };

    fn n_postings(self) -> usize {
        self.plain.len() + self.any_of.len() + self.guarded.len()
    }

    fn are_empty(self) -> bool {
        self.n_postings() + self.conjunctions.len() == 0
    }
}

/// A conjunction in the list of its first atom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConjunctionKey {
    /// The other atom of the conjunction.
    pub(crate) second: AtomId,
    /// The atom of the conjunction itself.
    pub(crate) conjunction: AtomId,
}

/// The posting lists of all atoms.
#[derive(Debug, Default)]
pub(crate) struct QueryPostings {
    /// By atom. Atoms beyond the end have no postings.
    lists: Vec<PostingLists>,
    plain: Arena<u32>,
    any_of: Arena<AnyOfPosting>,
    /// Parallel to `guarded`: every operation on one is done on the other, so their spans are
    /// equal.
    signatures: Arena<Signature>,
    guarded: Arena<GuardedPosting>,
    conjunctions: Arena<ConjunctionKey>,
}

impl QueryPostings {
    /// The postings of an atom.
    #[inline]
    pub(crate) fn of(&self, atom: AtomId) -> AtomPostings<'_> {
        let lists = self.lists(atom);
        AtomPostings {
            plain: self.plain.get_or_inline(&lists.plain),
            any_of: self.any_of.get(lists.any_of),
            signatures: self.signatures.get(lists.guarded),
            guarded: self.guarded.get(lists.guarded),
            first_guarded: lists.guarded.start(),
        }
    }

    #[inline]
    fn lists(&self, atom: AtomId) -> &PostingLists {
        self.lists.get(atom as usize).unwrap_or(PostingLists::EMPTY)
    }

    /// How many guarded postings an atom has.
    pub(crate) fn n_guarded(&self, atom: AtomId) -> usize {
        self.lists(atom).guarded.len()
    }

    /// The conjunctions that start with an atom.
    #[inline]
    pub(crate) fn conjunctions(&self, first: AtomId) -> &[ConjunctionKey] {
        self.conjunctions.get(self.lists(first).conjunctions)
    }

    /// A guarded posting by its number in the whole index.
    #[inline]
    pub(crate) fn guarded(&self, number: u32) -> &GuardedPosting {
        &self.guarded.from(number)[0]
    }

    /// Reads a word of the lists of an atom. For prefetching.
    #[inline]
    pub(crate) fn peek_lists(&self, atom: AtomId) -> u32 {
        self.lists(atom).guarded.start()
    }

    /// Reads a word of each cache line that [`AtomPostings::filter_guarded`] and the readers of the
    /// other lists need first. For prefetching.
    #[inline]
    pub(crate) fn peek_postings(&self, atom: AtomId) -> u32 {
        let lists = self.lists(atom);
        let mut words = 0;
        if lists.plain.len() > 1 {
            words ^= self.plain.peek(lists.plain).copied().unwrap_or(0);
        }
        if lists.any_of.len() > 0 {
            words ^= self.any_of.peek(lists.any_of).map_or(0, |posting| posting.query);
        }
        if lists.guarded.len() > MAX_UNSIGNED_LEN {
            let signatures = self.signatures.get(lists.guarded).iter();
            let lines = signatures.step_by(SIGNATURES_PER_LINE).take(PREFETCH_LINES);
            words ^= lines.fold(0, |words, signature| words ^ signature.bits());
        } else if lists.guarded.len() > 0 {
            words ^= self.guarded.peek(lists.guarded).map_or(0, |posting| posting.query);
        }
        words
    }

    /// Posts a query under an atom. Returns the index in the list, and whether the atom had no
    /// postings before.
    pub(crate) fn insert(&mut self, atom: AtomId, posting: Posting) -> (u32, bool) {
        let lists = ensure_lists(&mut self.lists, atom);
        let is_first = lists.n_postings() == 0;
        let index = match posting {
            Posting::Plain(query) => self.plain.push_or_inline(&mut lists.plain, query),
            Posting::AnyOf(posting) => self.any_of.push(&mut lists.any_of, posting),
            Posting::Guarded(signature, posting) => {
                self.signatures.push(&mut lists.guarded.clone(), signature);
                self.guarded.push(&mut lists.guarded, posting)
            }
        };
        (index, is_first)
    }

    /// Removes a posting; the last one of the list takes its index. Returns the query of the moved
    /// posting and its former index, unless the removed posting was the last.
    pub(crate) fn remove(&mut self, atom: AtomId, kind: PostingKind, index: u32) -> Option<(u32, u32)> {
        let lists = &mut self.lists[atom as usize];
        let moved = match kind {
            PostingKind::Plain => self.plain.swap_remove_or_inline(&mut lists.plain, index),
            PostingKind::AnyOf => {
                let moved = self.any_of.swap_remove(&mut lists.any_of, index);
                moved.map(|(posting, from)| (posting.query, from))
            }
            PostingKind::Guarded => {
                self.signatures.swap_remove(&mut lists.guarded.clone(), index);
                let moved = self.guarded.swap_remove(&mut lists.guarded, index);
                moved.map(|(posting, from)| (posting.query, from))
            }
        };
        self.trim();
        self.compact();
        moved
    }

    /// Adds a conjunction to the list of its first atom.
    pub(crate) fn insert_conjunction(&mut self, first: AtomId, key: ConjunctionKey) {
        self.conjunctions.push(&mut ensure_lists(&mut self.lists, first).conjunctions, key);
    }

    /// Removes a conjunction from the list of its first atom.
    pub(crate) fn remove_conjunction(&mut self, first: AtomId, conjunction: AtomId) {
        let span = self.lists[first as usize].conjunctions;
        let index = self.conjunctions.get(span).iter().position(|key| key.conjunction == conjunction);
        if let Some(index) = index.and_then(|index| u32::try_from(index).ok()) {
            self.conjunctions.swap_remove(&mut self.lists[first as usize].conjunctions, index);
        }
        self.trim();
        self.compact();
    }

    /// Copies the lists out of arenas that are mostly free.
    fn compact(&mut self) {
        if self.plain.is_sparse() {
            let mut fresh = Arena::default();
            for lists in self.lists.iter_mut().filter(|lists| !lists.plain.is_inline()) {
                lists.plain = fresh.store(self.plain.get(lists.plain));
            }
            self.plain = fresh;
        }
        if self.any_of.is_sparse() {
            let mut fresh = Arena::default();
            for lists in &mut self.lists {
                lists.any_of = fresh.store(self.any_of.get(lists.any_of));
            }
            self.any_of = fresh;
        }
        if self.guarded.is_sparse() {
            let (mut signatures, mut guarded) = (Arena::default(), Arena::default());
            for lists in &mut self.lists {
                signatures.store(self.signatures.get(lists.guarded));
                lists.guarded = guarded.store(self.guarded.get(lists.guarded));
            }
            (self.signatures, self.guarded) = (signatures, guarded);
        }
        if self.conjunctions.is_sparse() {
            let mut fresh = Arena::default();
            for lists in &mut self.lists {
                lists.conjunctions = fresh.store(self.conjunctions.get(lists.conjunctions));
            }
            self.conjunctions = fresh;
        }
    }

    /// Removes empty entries at the end of the table of lists.
    fn trim(&mut self) {
        while self.lists.last().is_some_and(|lists| lists.are_empty()) {
            self.lists.pop();
        }
        if self.lists.len() * 4 < self.lists.capacity() {
            self.lists.shrink_to(self.lists.len() * 2);
        }
    }

    /// Updates a guarded posting whose program moved.
    pub(crate) fn set_code(&mut self, atom: AtomId, index: u32, code: u32) {
        self.guarded.get_mut(self.lists[atom as usize].guarded)[index as usize].set_code(code);
    }

    /// The memory that the index holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.lists.capacity() * size_of::<PostingLists>()
            + self.plain.size_bytes()
            + self.any_of.size_bytes()
            + self.signatures.size_bytes()
            + self.guarded.size_bytes()
            + self.conjunctions.size_bytes()
    }
}

/// The lists of an atom, created if the table ends before it.
fn ensure_lists(lists: &mut Vec<PostingLists>, atom: AtomId) -> &mut PostingLists {
    let at = atom as usize;
    if lists.len() <= at {
        lists.resize(at + 1, PostingLists::default());
    }
    &mut lists[at]
}
