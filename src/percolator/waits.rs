//! Who waits for which atom: behind each, three flat lists of queries.
//!
//! | list | an entry | what happens when the atom is there |
//! |---|---|---|
//! | plain | a key | the query matches |
//! | either | a key | the query matches, if no other atom has said so |
//! | guarded | a signature and a [`Posting`] | the query is looked at |
//!
//! A document finds the lists of its atoms by number: one cache line for the three, one more for the entries. The signatures of a
//! guarded list stand together, so that several are looked at in one step; a posting is read only where the signature fits.

use super::arena::{Arena, Span};
use super::program::{ABSENT, ATOM, TAG};
use super::table::{AtomId, TRUE};

/// How many other atoms a posting has room for.
pub(super) const LEAVES: usize = 6;

/// A query that waits for an atom and asks for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Posting {
    /// The query's key.
    pub(super) query: u32,
    /// The high two bits are the [`Wake`]; when the program decides, the others are where it starts.
    more: u32,
    /// Atoms that must be there, or not, tagged as in programs. Unused ones are what is always there.
    leaves: [u32; LEAVES],
}

/// One bit for each atom that must be there, among 32. Often enough, one of them is not.
pub(super) type Signature = u32;

/// The bit that stands for an atom.
#[inline]
pub(super) fn signature(atom: AtomId) -> Signature {
    1 << (atom.wrapping_mul(0x9e37_79b9) >> 27)
}

/// How many signatures are looked at in one step.
const STEP: usize = 8;

/// Calls `found` with the place of each signature that has no bit of `missing`.
#[inline]
pub(super) fn for_each_fit(signatures: &[Signature], missing: Signature, mut found: impl FnMut(usize)) {
    let (steps, rest) = signatures.as_chunks::<STEP>();
    for (step, at) in steps.iter().zip((0..).step_by(STEP)) {
        // Without an early end, this is a few instructions for all of them.
        if step.iter().fold(0, |any, signature| any | u32::from(signature & missing == 0)) != 0 {
            for (signature, at) in step.iter().zip(at..) {
                if signature & missing == 0 {
                    found(at);
                }
            }
        }
    }
    for (signature, at) in rest.iter().zip(steps.len() * STEP..) {
        if signature & missing == 0 {
            found(at);
        }
    }
}

/// What a posting asks for besides its atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// This atom is there; `TRUE` always is.
    There(AtomId),
    /// This atom is not there.
    Absent(AtomId),
}

/// What happens when an atom is there and the others of the posting are as they should be.
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
    /// A query that matches where these, at most [`LEAVES`], hold.
    pub(super) fn complete(query: u32, leaves: &[u32], once: bool) -> Posting {
        let wake = if once { Wake::MatchOnce } else { Wake::Match };
        let mut posting = Posting { query, more: (wake as u32) << 30, leaves: [ATOM | TRUE; LEAVES] };
        posting.leaves[..leaves.len()].copy_from_slice(leaves);
        posting
    }

    /// A query that matches with its guard.
    pub(super) fn guarded(query: u32, guard: Guard, once: bool) -> Posting {
        match guard {
            Guard::There(atom) => Posting::complete(query, &[ATOM | atom], once),
            Guard::Absent(atom) => Posting::complete(query, &[ABSENT | atom], once),
        }
    }

    /// A query of which the program at this place decides.
    pub(super) fn verified(query: u32, code: u32, once: bool) -> Posting {
        let wake = if once { Wake::VerifyOnce } else { Wake::Verify };
        let mut posting = Posting { query, more: (wake as u32) << 30, leaves: [ATOM | TRUE; LEAVES] };
        posting.set_code(code);
        posting
    }

    /// Atoms, and whether each must be there or must not, up to the last one that says anything.
    #[inline]
    pub(super) fn leaves(&self) -> impl Iterator<Item = (AtomId, bool)> {
        let leaves = self.leaves.iter().take_while(|&&word| word != ATOM | TRUE);
        leaves.map(|&word| (word & !TAG, word & TAG == ATOM))
    }

    /// What it asks for when that is one atom.
    pub(super) fn guard(&self) -> Guard {
        let mut leaves = self.leaves();
        match (leaves.next(), leaves.next()) {
            (Some((atom, true)), None) => Guard::There(atom),
            (Some((atom, false)), None) => Guard::Absent(atom),
            _ => Guard::There(TRUE),
        }
    }

    /// Where the program starts.
    #[inline]
    pub(super) fn code(&self) -> u32 {
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
    pub(super) fn wake(&self) -> Wake {
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
    pub(super) signatures: &'a [Signature],
    pub(super) guarded: &'a [Posting],
    /// The number of the first posting among all.
    pub(super) first: u32,
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
    /// In step with the postings: what is done to one is done to the other.
    signatures: Arena<Signature>,
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
            signatures: self.signatures.get(lists.guarded),
            guarded: self.postings.get(lists.guarded),
            first: lists.guarded.start(),
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
        plain ^ self.signatures.touch(lists.guarded).copied().unwrap_or(0)
    }

    /// A posting by its number among all.
    #[inline]
    pub(super) fn posting(&self, number: u32) -> &Posting {
        &self.postings.from(number)[0]
    }

    /// Lets a query wait for an atom; only a guarded posting has more than the key. Tells its place, and whether it is the
    /// first to wait for the atom.
    pub(super) fn wait(&mut self, atom: AtomId, rank: Rank, signature: Signature, posting: Posting) -> (u32, bool) {
        let at = atom as usize;
        if self.lists.len() <= at {
            self.lists.resize(at + 1, Lists::default());
        }
        let lists = &mut self.lists[at];
        let first = lists.are_empty();
        let place = match rank {
            Rank::Plain => self.keys.push(&mut lists.plain, posting.query),
            Rank::Either => self.keys.push(&mut lists.either, posting.query),
            Rank::Guarded => {
                self.signatures.push(&mut lists.guarded.clone(), signature);
                self.postings.push(&mut lists.guarded, posting)
            }
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
                self.signatures.swap_remove(&mut lists.guarded.clone(), place);
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
            let (mut signatures, mut postings) = (Arena::default(), Arena::default());
            for lists in &mut self.lists {
                signatures.store(self.signatures.get(lists.guarded));
                lists.guarded = postings.store(self.postings.get(lists.guarded));
            }
            (self.signatures, self.postings) = (signatures, postings);
        }
        moved
    }

    /// Tells a guarded posting that its program has moved.
    pub(super) fn set_code(&mut self, atom: AtomId, place: u32, code: u32) {
        self.postings.get_mut(self.lists[atom as usize].guarded)[place as usize].set_code(code);
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.lists.capacity() * size_of::<Lists>()
            + self.keys.size_bytes()
            + self.signatures.size_bytes()
            + self.postings.size_bytes()
    }
}
