//! What a document or a batch has, in a table so small that it is always near: 1,024 places, and each atom has one of them.
//!
//! Whether an atom is there is asked far more often than it is, and most of these questions are answered here, in the first-level cache.
//! A query that waits for one atom and asks for more has the places of up to three others in its [`Print`], so that most are done
//! with before anything else of them is read. A yes means "perhaps": another atom may have the same place.

use std::ops::{BitAnd, BitOrAssign};

use super::table::{AtomId, TRUE};

/// How many bits say which place.
const BITS: u32 = 10;
const PLACES: usize = 1 << BITS;

/// The place of an atom.
#[inline]
fn place(atom: AtomId) -> u32 {
    atom.wrapping_mul(0x9e37_79b9) >> (32 - BITS)
}

/// The places of up to three atoms that must be there; where there are fewer, that of [`TRUE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print(u32);

impl Default for Print {
    fn default() -> Print {
        Print::of([])
    }
}

impl Print {
    /// How many atoms it has room for.
    pub(super) const ATOMS: usize = 3;

    /// What both require.
    pub(super) fn common(self, other: Print) -> Print {
        let places = |print: Print| [0, BITS, 2 * BITS].map(|shift| print.0 >> shift & ((1 << BITS) - 1));
        let others = places(other);
        let both = places(self).into_iter().filter(|place| others.contains(place));
        Print(both.chain(std::iter::repeat(place(TRUE))).take(Print::ATOMS).fold(0, Print::with))
    }

    /// One place more, instead of the oldest.
    fn with(all: u32, place: u32) -> u32 {
        all >> BITS | place << (2 * BITS)
    }

    /// Something that can't be known without it.
    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    /// The places of the first of these.
    pub(super) fn of(atoms: impl IntoIterator<Item = AtomId>) -> Print {
        let atoms = atoms.into_iter().chain(std::iter::repeat(TRUE));
        Print(atoms.take(Print::ATOMS).map(place).fold(0, Print::with))
    }
}

/// What is there, by place: a flag for one document, a mask for many. [`TRUE`] has to be added like any other atom.
#[derive(Debug)]
pub(super) struct Places<M>([M; PLACES]);

impl<M: Copy + Default> Default for Places<M> {
    fn default() -> Places<M> {
        Places([M::default(); PLACES])
    }
}

impl<M: Copy + Default + BitAnd<Output = M> + BitOrAssign> Places<M> {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.fill(M::default());
    }

    /// These have the atom.
    #[inline]
    pub(super) fn add(&mut self, atom: AtomId, docs: M) {
        self.0[place(atom) as usize] |= docs;
    }

    /// Those that may have the atom.
    #[inline]
    pub(super) fn may_have(&self, atom: AtomId) -> M {
        self.0[place(atom) as usize]
    }

    /// Those that may have all atoms of a print.
    #[inline]
    pub(super) fn may_match(&self, print: Print) -> M {
        let at = |shift: u32| self.0[(print.0 >> shift) as usize % PLACES];
        at(0) & at(BITS) & at(2 * BITS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_there_may_match(
            docs in prop::collection::vec(prop::collection::hash_set(1_u32..5_000, 0..30), 64),
            prints in prop::collection::vec(prop::collection::vec(1_u32..5_000, 0..5), 100),
        ) {
            let mut places = Places::<u64>::default();
            places.add(TRUE, u64::MAX);
            for (at, doc) in docs.iter().enumerate() {
                doc.iter().for_each(|&atom| places.add(atom, 1 << at));
            }
            // Such that some have all of what is asked.
            let real = docs.iter().map(|doc| doc.iter().copied().take(3).collect::<Vec<_>>());
            for atoms in prints.into_iter().chain(real) {
                let asked = &atoms[..atoms.len().min(Print::ATOMS)];
                let found = places.may_match(Print::of(atoms.iter().copied()));
                for (at, doc) in docs.iter().enumerate() {
                    let has_places = asked.iter().all(|&atom| doc.iter().any(|&it| place(it) == place(atom)) || place(atom) == place(TRUE));
                    prop_assert_eq!(found >> at & 1 == 1, has_places);
                    prop_assert!(found >> at & 1 == 1 || !asked.iter().all(|atom| doc.contains(atom)));
                }
                for &atom in asked {
                    prop_assert_eq!(found & !places.may_have(atom), 0);
                }
            }
            for pair in docs.windows(2) {
                let print = |doc: &std::collections::HashSet<u32>| Print::of(doc.iter().copied());
                let common = places.may_match(print(&pair[0]).common(print(&pair[1])));
                for doc in pair {
                    prop_assert_eq!(places.may_match(print(doc)) & !common, 0);
                }
                prop_assert_eq!(places.may_match(print(&pair[0]).common(print(&pair[0]))), places.may_match(print(&pair[0])));
            }
            places.clear();
            prop_assert_eq!(places.may_match(Print::default()), 0);
        }
    }
}
