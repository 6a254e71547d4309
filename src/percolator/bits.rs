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
