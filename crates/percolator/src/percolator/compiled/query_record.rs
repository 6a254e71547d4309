//! What the engine keeps of each registered query.

use crate::percolator::arena::Span;
use crate::percolator::atoms::{AtomId, MAX_ATOMS};
use crate::percolator::query_index::posting::PostingKind;

/// A registered query.
#[derive(Debug)]
pub(crate) enum QuerySlot {
    /// The query is a single atom, and posted under it at this index. [`NO_ATOM`] if the key is
    /// free.
    SingleAtom { atom: AtomId, index: u32 },
    /// The query has a [`QueryRecord`].
    Record(Span),
}

const NO_ATOM: AtomId = AtomId::MAX;

impl QuerySlot {
    /// No query.
    pub(crate) const FREE: QuerySlot = QuerySlot::SingleAtom { atom: NO_ATOM, index: 0 };

    pub(crate) fn is_free(&self) -> bool {
        matches!(self, QuerySlot::SingleAtom { atom: NO_ATOM, .. })
    }
}

/// Where a query is posted: the atom, the kind of the posting, and its index in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PostingRef {
    pub(crate) atom: AtomId,
    pub(crate) kind: PostingKind,
    pub(crate) index: u32,
}

/// The layout of a query's postings and program in an arena of words: the number of postings, each
/// posting, then the program.
///
/// A posting is two words: the atom, with the kind in the two high bits, and the index in the list.
pub(crate) struct QueryRecord;

const KIND_SHIFT: u32 = 30;

impl QueryRecord {
    pub(crate) fn n_postings(words: &[u32]) -> usize {
        words[0] as usize
    }

    pub(crate) fn postings(words: &[u32]) -> impl Iterator<Item = PostingRef> {
        (0..Self::n_postings(words)).map(|number| Self::posting(words, number))
    }

    /// The posting with this number.
    pub(crate) fn posting(words: &[u32], number: usize) -> PostingRef {
        PostingRef::unpack([words[1 + 2 * number], words[2 + 2 * number]])
    }

    pub(crate) fn set_posting(words: &mut [u32], number: usize, posting: PostingRef) {
        words[1 + 2 * number..3 + 2 * number].copy_from_slice(&posting.pack());
    }

    /// Where the program starts in a record with this many postings.
    pub(crate) fn code_at(n_postings: usize) -> usize {
        1 + 2 * n_postings
    }

    pub(crate) fn code(words: &[u32]) -> &[u32] {
        &words[Self::code_at(Self::n_postings(words))..]
    }

    /// The words of a record with this program, whose postings are to be set.
    pub(crate) fn words(n_postings: usize, code: &[u32]) -> Vec<u32> {
        let start = Self::code_at(n_postings);
        let mut words = Vec::with_capacity(start + code.len());
        words.push(u32::try_from(n_postings).expect("a query has fewer than 2^32 parts"));
        words.resize(start, 0);
        words.extend(code);
        words
    }
}

impl PostingRef {
    fn pack(self) -> [u32; 2] {
        [self.atom | (self.kind as u32) << KIND_SHIFT, self.index]
    }

    fn unpack([atom, index]: [u32; 2]) -> PostingRef {
        let kind = match atom >> KIND_SHIFT {
            0 => PostingKind::Plain,
            1 => PostingKind::AnyOf,
            _ => PostingKind::Guarded,
        };
        PostingRef { atom: atom & (MAX_ATOMS - 1), kind, index }
    }
}
