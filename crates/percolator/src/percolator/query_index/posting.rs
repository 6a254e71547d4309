//! The entries of posting lists: what happens when a document contains the atom of the list.
//!
//! | kind | entry | on a hit |
//! |---|---|---|
//! | plain | a query | the query matches |
//! | any of | an [`AnyOfPosting`] | the query matches, unless another posting reports it |
//! | guarded | a [`Signature`] and a [`GuardedPosting`] | the conditions or the program decide |

use super::bloom::Signature;
use crate::percolator::atoms::{AtomId, TRUE};
use crate::percolator::program::{ABSENT, ATOM, TAG};

/// A posting to add to a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Posting {
    /// The query.
    Plain(u32),
    AnyOf(AnyOfPosting),
    Guarded(Signature, GuardedPosting),
}

/// The list of an atom that a posting is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostingKind {
    Plain,
    AnyOf,
    Guarded,
}

impl Posting {
    pub(crate) fn kind(&self) -> PostingKind {
        match self {
            Posting::Plain(_) => PostingKind::Plain,
            Posting::AnyOf(_) => PostingKind::AnyOf,
            Posting::Guarded(..) => PostingKind::Guarded,
        }
    }
}

/// A query that matches if the document contains this or another atom, and is posted under each.
///
/// To report the query once, a posting names the atoms ranked before its own, and is skipped if the
/// document contains one of them. With more than [`AnyOfPosting::MAX_EARLIER`] such atoms, the
/// matcher records the reported queries instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AnyOfPosting {
    pub(crate) query: u32,
    /// A single atom stands here twice. [`TRUE`] stands for none.
    earlier: [AtomId; AnyOfPosting::MAX_EARLIER],
}

impl AnyOfPosting {
    /// How many atoms fit.
    pub(crate) const MAX_EARLIER: usize = 2;

    /// A query that is posted under these atoms, from 1 to [`AnyOfPosting::MAX_EARLIER`], before.
    pub(crate) fn after(query: u32, earlier: &[AtomId]) -> AnyOfPosting {
        debug_assert!(!earlier.contains(&TRUE) && earlier.len() <= AnyOfPosting::MAX_EARLIER);
        AnyOfPosting { query, earlier: [earlier[0], earlier[earlier.len() - 1]] }
    }

    /// A query whose reports the matcher records.
    pub(crate) fn recorded(query: u32) -> AnyOfPosting {
        AnyOfPosting { query, earlier: [TRUE; AnyOfPosting::MAX_EARLIER] }
    }

    /// The atoms ranked before this one. None if the matcher records the reports of the query.
    #[inline]
    pub(crate) fn earlier(self) -> Option<[AtomId; AnyOfPosting::MAX_EARLIER]> {
        (self.earlier[0] != TRUE).then_some(self.earlier)
    }
}

/// What a posting requires besides its atom, if that is one atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The document contains the atom, which may be [`TRUE`].
    Present(AtomId),
    /// The document does not contain the atom.
    Absent(AtomId),
}

/// What happens when a document contains the atom of a posting and meets its conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnHit {
    /// The query matches, and no other posting reports it.
    Match,
    /// The query matches, and another posting may have reported it.
    MatchDedup,
    /// The program decides.
    Verify,
    /// The program decides, and another posting may have reported the query.
    VerifyDedup,
}

/// The bits of a posting below its [`OnHit`].
const CODE_MASK: u32 = (1 << 30) - 1;

/// A query that requires more than the atom it is posted under. 32 bytes, in one cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(32))]
pub(crate) struct GuardedPosting {
    pub(crate) query: u32,
    /// [`OnHit`] in the two high bits, the start of the program in the others.
    on_hit_and_code: u32,
    /// Atoms that must be present or absent, tagged as in programs. Unused ones are always met.
    conditions: [u32; GuardedPosting::MAX_CONDITIONS],
}

impl GuardedPosting {
    /// How many conditions fit.
    pub(crate) const MAX_CONDITIONS: usize = 6;

    /// A query that matches if all conditions, at most [`GuardedPosting::MAX_CONDITIONS`], are met.
    pub(crate) fn with_conditions(query: u32, conditions: &[u32], dedup: bool) -> GuardedPosting {
        let mut posting = GuardedPosting::new(query, if dedup { OnHit::MatchDedup } else { OnHit::Match });
        posting.conditions[..conditions.len()].copy_from_slice(conditions);
        posting
    }

    /// A query that matches if the guard is met.
    pub(crate) fn with_guard(query: u32, guard: Guard, dedup: bool) -> GuardedPosting {
        match guard {
            Guard::Present(atom) => GuardedPosting::with_conditions(query, &[ATOM | atom], dedup),
            Guard::Absent(atom) => GuardedPosting::with_conditions(query, &[ABSENT | atom], dedup),
        }
    }

    /// A query whose program, which starts at `code`, decides.
    pub(crate) fn with_program(query: u32, code: u32, dedup: bool) -> GuardedPosting {
        let mut posting = GuardedPosting::new(query, if dedup { OnHit::VerifyDedup } else { OnHit::Verify });
        posting.set_code(code);
        posting
    }

    fn new(query: u32, on_hit: OnHit) -> GuardedPosting {
        let conditions = [ATOM | TRUE; GuardedPosting::MAX_CONDITIONS];
        GuardedPosting { query, on_hit_and_code: (on_hit as u32) << 30, conditions }
    }

    /// The conditions, as atoms that must be present (true) or absent.
    #[inline]
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (AtomId, bool)> {
        let conditions = self.conditions.iter().take_while(|&&word| word != ATOM | TRUE);
        conditions.map(|&word| (word & !TAG, word & TAG == ATOM))
    }

    /// Whether all conditions are met. Branchless: it evaluates all of them, because where the
    /// signature matches nearly all are met, and their number cannot be predicted.
    #[inline]
    pub(crate) fn is_met(&self, contains: impl Fn(AtomId) -> bool) -> bool {
        self.conditions.iter().fold(true, |all, &word| all & (contains(word & !TAG) == (word & TAG == ATOM)))
    }

    /// The condition if there is one, else [`TRUE`].
    pub(crate) fn guard(&self) -> Guard {
        let mut conditions = self.conditions();
        match (conditions.next(), conditions.next()) {
            (Some((atom, true)), None) => Guard::Present(atom),
            (Some((atom, false)), None) => Guard::Absent(atom),
            _ => Guard::Present(TRUE),
        }
    }

    /// The start of the program.
    #[inline]
    pub(crate) fn code(&self) -> u32 {
        self.on_hit_and_code & CODE_MASK
    }

    /// Sets the start of the program, if the posting has one.
    pub(crate) fn set_code(&mut self, code: u32) {
        assert!(code <= CODE_MASK, "programs take fewer than 2^30 words");
        if self.needs_program() {
            self.on_hit_and_code = self.on_hit_and_code & !CODE_MASK | code;
        }
    }

    #[inline]
    pub(crate) fn on_hit(&self) -> OnHit {
        match self.on_hit_and_code >> 30 {
            0 => OnHit::Match,
            1 => OnHit::MatchDedup,
            2 => OnHit::Verify,
            _ => OnHit::VerifyDedup,
        }
    }

    /// Whether the program decides.
    pub(crate) fn needs_program(&self) -> bool {
        matches!(self.on_hit(), OnHit::Verify | OnHit::VerifyDedup)
    }
}
