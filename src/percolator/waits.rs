//! Who waits for which atom: behind each, three flat lists of queries.
//!
//! | list | an entry | what happens when the atom is there |
//! |---|---|---|
//! | plain | a key | the query matches |
//! | either | a key | the query matches, if no other atom has said so |
//! | guarded | a [`Posting`] | the query is looked at |
//!
//! A document finds the lists of its atoms by number: one cache line for the three, one more for the entries.

use super::arena::{Arena, Span};
use super::table::{AtomId, MAX_ATOMS};

/// A query that waits for an atom and asks for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Posting {
    /// The query's key.
    pub(super) query: u32,
    /// The high two bits are the [`Wake`]. When the program decides, the others are where it starts. Else the low ones name
    /// another atom, and the one above says that it must not be there (else it must).
    more: u32,
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
    /// This atom is there; `TRUE` always is.
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

/// The bits below the [`Wake`].
const MORE: u32 = (1 << 30) - 1;

impl Posting {
    /// A query that matches with its guard.
    pub(super) fn guarded(query: u32, guard: Guard, signature: u64, once: bool) -> Posting {
        let guard = match guard {
            Guard::There(atom) => atom,
            Guard::Absent(atom) => atom | ABSENT,
        };
        let wake = if once { Wake::MatchOnce } else { Wake::Match };
        Posting { query, more: guard | (wake as u32) << 30, signature }
    }

    /// A query of which the program at this place decides.
    pub(super) fn verified(query: u32, code: u32, signature: u64, once: bool) -> Posting {
        let wake = if once { Wake::VerifyOnce } else { Wake::Verify };
        let mut posting = Posting { query, more: (wake as u32) << 30, signature };
        posting.set_code(code);
        posting
    }

    /// The guard, and whether it must be there.
    #[inline]
    pub(super) fn guard(self) -> (AtomId, bool) {
        (self.more & (MAX_ATOMS - 1), self.more & ABSENT == 0)
    }

    /// Where the program starts.
    #[inline]
    pub(super) fn code(self) -> u32 {
        self.more & MORE
    }

    /// The program has moved. Nothing happens when none decides.
    pub(super) fn set_code(&mut self, code: u32) {
        assert!(code <= MORE, "programs take fewer than 2^30 words");
        if matches!(self.wake(), Wake::Verify | Wake::VerifyOnce) {
            self.more = self.more & !MORE | code;
        }
    }

    #[inline]
    pub(super) fn wake(self) -> Wake {
        match self.more >> 30 {
            0 => Wake::Match,
            1 => Wake::MatchOnce,
            2 => Wake::Verify,
            _ => Wake::VerifyOnce,
        }
    }
}

/// In which list of an atom a query waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    Plain,
    Either,
    Guarded,
}

/// The queries that wait for an atom.
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

/// The lists of an atom.
#[derive(Clone, Copy, Debug, Default)]
struct Lists {
    plain: Span,
    either: Span,
    guarded: Span,
}

impl Lists {
    fn are_empty(self) -> bool {
        self.plain.len() + self.either.len() + self.guarded.len() == 0
    }
}

/// The lists of all atoms.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// By atom; those beyond the end have none.
    lists: Vec<Lists>,
    keys: Arena<u32>,
    postings: Arena<Posting>,
}

impl Waits {
    /// The queries that wait for an atom.
    #[inline]
    pub(super) fn waiting(&self, atom: AtomId) -> Waiting<'_> {
        let lists = self.lists(atom);
        Waiting {
            plain: self.keys.get(lists.plain),
            either: self.keys.get(lists.either),
            guarded: self.postings.get(lists.guarded),
        }
    }

    #[inline]
    fn lists(&self, atom: AtomId) -> Lists {
        self.lists.get(atom as usize).copied().unwrap_or_default()
    }

    /// Reads what [`Waits::waiting`] leads to, so that it is near when it is asked for.
    #[inline]
    pub(super) fn touch(&self, atom: AtomId) -> u32 {
        let lists = self.lists(atom);
        let plain = self.keys.touch(lists.plain).copied().unwrap_or(0);
        plain ^ self.postings.touch(lists.guarded).map_or(0, |posting| posting.query)
    }

    /// Lets a query wait for an atom; only a guarded posting has more than the key. Tells its place, and whether it is the
    /// first to wait for the atom.
    pub(super) fn wait(&mut self, atom: AtomId, rank: Rank, posting: Posting) -> (u32, bool) {
        let at = atom as usize;
        if self.lists.len() <= at {
            self.lists.resize(at + 1, Lists::default());
        }
        let lists = &mut self.lists[at];
        let first = lists.are_empty();
        let place = match rank {
            Rank::Plain => self.keys.push(&mut lists.plain, posting.query),
            Rank::Either => self.keys.push(&mut lists.either, posting.query),
            Rank::Guarded => self.postings.push(&mut lists.guarded, posting),
        };
        (place, first)
    }

    /// Ends a wait. Tells which query moved to its place, and from where, if one did.
    pub(super) fn unwait(&mut self, atom: AtomId, rank: Rank, place: u32) -> Option<(u32, u32)> {
        let lists = &mut self.lists[atom as usize];
        let moved = match rank {
            Rank::Plain => self.keys.swap_remove(&mut lists.plain, place),
            Rank::Either => self.keys.swap_remove(&mut lists.either, place),
            Rank::Guarded => {
                let moved = self.postings.swap_remove(&mut lists.guarded, place);
                moved.map(|(posting, from)| (posting.query, from))
            }
        };
        while self.lists.last().is_some_and(|lists| lists.are_empty()) {
            self.lists.pop();
        }
        if self.lists.len() * 4 < self.lists.capacity() {
            self.lists.shrink_to(self.lists.len() * 2);
        }
        if self.keys.is_sparse() {
            let mut fresh = Arena::default();
            for lists in &mut self.lists {
                lists.plain = fresh.store(self.keys.get(lists.plain));
                lists.either = fresh.store(self.keys.get(lists.either));
            }
            self.keys = fresh;
        }
        if self.postings.is_sparse() {
            let mut fresh = Arena::default();
            for lists in &mut self.lists {
                lists.guarded = fresh.store(self.postings.get(lists.guarded));
            }
            self.postings = fresh;
        }
        moved
    }

    /// Tells a guarded posting that its program has moved.
    pub(super) fn set_code(&mut self, atom: AtomId, place: u32, code: u32) {
        self.postings.get_mut(self.lists[atom as usize].guarded)[place as usize].set_code(code);
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.lists.capacity() * size_of::<Lists>() + self.keys.size_bytes() + self.postings.size_bytes()
    }
}
