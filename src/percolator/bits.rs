//! A few bits for what a document or a batch has, near enough to be asked all the time: whether an atom may be there.
//!
//! Most questions are about atoms that are not, and the answer to them is here, in the first-level cache. A yes must be looked up.

use super::table::AtomId;

/// `N` words of bits; a power of two.
#[derive(Debug)]
pub(super) struct Bits<const N: usize>([u64; N]);

impl<const N: usize> Default for Bits<N> {
    fn default() -> Bits<N> {
        Bits([0; N])
    }
}

impl<const N: usize> Bits<N> {
    /// The word of an atom, and the bit in it.
    #[inline]
    fn place(atom: AtomId) -> (usize, u64) {
        let hash = atom.wrapping_mul(0x9e37_79b9) >> 12;
        ((hash >> 6) as usize & (N - 1), 1 << (hash & 63))
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0 = [0; N];
    }

    /// The atom is there.
    #[inline]
    pub(super) fn set(&mut self, atom: AtomId) {
        let (word, bit) = Bits::<N>::place(atom);
        self.0[word] |= bit;
    }

    /// Whether the atom may be there. When not, it is not.
    #[inline]
    pub(super) fn may_have(&self, atom: AtomId) -> bool {
        let (word, bit) = Bits::<N>::place(atom);
        self.0[word] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Numbers of atoms: mostly small ones, as they are given out in order.
    fn atoms() -> impl Strategy<Value = BTreeSet<AtomId>> {
        prop::collection::btree_set(prop_oneof![0_u32..2_000, 0_u32..1 << 30], 0..60)
    }

    proptest! {
        #[test]
        fn what_is_there_is_never_denied_and_what_is_cleared_is_gone(first in atoms(), second in atoms()) {
            let mut bits = Bits::<32>::default();
            for atoms in [&first, &second] {
                for &atom in atoms {
                    bits.set(atom);
                }
                prop_assert!(atoms.iter().all(|&atom| bits.may_have(atom)));
                bits.clear();
                prop_assert!(first.union(&second).all(|&atom| !bits.may_have(atom)));
            }
        }
    }

    /// Of atoms that are not there, few look as if they were: a little more than the share of bits that are set.
    #[test]
    fn atoms_that_are_not_there_are_denied_nearly_always() {
        for step in [1, 2, 64, 1_000] {
            let mut bits = Bits::<32>::default();
            let n = 64;
            (0..n).for_each(|at| bits.set(at * step));
            let others = n * step..n * step + 10_000;
            let wrong = others.filter(|&atom| bits.may_have(atom)).count();
            // 64 of 2,048 bits are a thirty-second.
            assert!(wrong < 10_000 / 16, "{wrong} of 10,000, with steps of {step}");
        }
    }
}
