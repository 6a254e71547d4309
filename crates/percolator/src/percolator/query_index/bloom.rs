//! Rejects candidates by a Bloom filter of the document that stays in the first-level cache.
//!
//! The filter has [`BITS`] entries and one hash function. A query that requires several atoms
//! stores the hashes of up to three of them in its [`Signature`], next to those of other queries in
//! the same posting list. If the document lacks one, the query does not match, and nothing else of
//! it is read. As in every Bloom filter there are false positives and no false negatives.

use crate::percolator::atoms::{AtomId, TRUE};

/// The bits of a hash.
const HASH_BITS: u32 = 10;
/// The entries of the filter: 1 KiB, which leaves most of the first-level cache to other data.
const BITS: usize = 1 << HASH_BITS;

/// The entry of an atom in the filter.
#[inline]
fn hash(atom: AtomId) -> u32 {
    atom.wrapping_mul(0x9e37_79b9) >> (32 - HASH_BITS)
}

/// The hashes of up to three atoms that a query requires. Unused ones are that of [`TRUE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature(u32);

impl Default for Signature {
    fn default() -> Signature {
        Signature::of([])
    }
}

impl Signature {
    /// How many atoms fit into a signature.
    pub(crate) const ATOMS: usize = 3;

    /// The signature of the first [`Signature::ATOMS`] of these atoms.
    pub(crate) fn of(atoms: impl IntoIterator<Item = AtomId>) -> Signature {
        let atoms = atoms.into_iter().chain(std::iter::repeat(TRUE));
        Signature(atoms.take(Signature::ATOMS).map(hash).fold(0, Signature::push))
    }

    /// A signature that rejects only documents that both reject.
    pub(crate) fn intersection(self, other: Signature) -> Signature {
        let hashes = |it: Signature| [0, HASH_BITS, 2 * HASH_BITS].map(|shift| it.0 >> shift & ((1 << HASH_BITS) - 1));
        let others = hashes(other);
        let both = hashes(self).into_iter().filter(|hash| others.contains(hash));
        Signature(both.chain(std::iter::repeat(hash(TRUE))).take(Signature::ATOMS).fold(0, Signature::push))
    }

    /// Appends a hash, and drops the first one.
    fn push(hashes: u32, hash: u32) -> u32 {
        hashes >> HASH_BITS | hash << (2 * HASH_BITS)
    }

    /// The packed hashes. For prefetching.
    #[inline]
    pub(crate) fn bits(self) -> u32 {
        self.0
    }
}

/// The filter of one document. [`TRUE`] must be inserted like every other atom.
#[derive(Debug)]
pub(crate) struct DocBloom([u8; BITS]);

impl Default for DocBloom {
    fn default() -> DocBloom {
        DocBloom([0; BITS])
    }
}

impl DocBloom {
    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    #[inline]
    pub(crate) fn insert(&mut self, atom: AtomId) {
        self.0[hash(atom) as usize] = 1;
    }

    /// Whether the document may contain the atom.
    #[inline]
    pub(crate) fn may_contain(&self, atom: AtomId) -> bool {
        self.0[hash(atom) as usize] != 0
    }

    /// Whether the document may contain all atoms of a signature.
    #[inline]
    pub(crate) fn may_contain_all(&self, signature: Signature) -> bool {
        let bit = |shift: u32| self.0[(signature.0 >> shift) as usize % BITS];
        bit(0) & bit(HASH_BITS) & bit(2 * HASH_BITS) != 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn bloom(doc: &HashSet<AtomId>) -> DocBloom {
        let mut bloom = DocBloom::default();
        bloom.insert(TRUE);
        doc.iter().for_each(|&atom| bloom.insert(atom));
        bloom
    }

    proptest! {
        #[test]
        fn a_document_may_contain_what_it_contains(
            docs in prop::collection::vec(prop::collection::hash_set(1_u32..5_000, 0..30), 64),
            signatures in prop::collection::vec(prop::collection::vec(1_u32..5_000, 0..5), 100),
        ) {
            // Signatures of the documents' own atoms, so that some match.
            let own = docs.iter().map(|doc| doc.iter().copied().take(3).collect::<Vec<_>>());
            for atoms in signatures.into_iter().chain(own) {
                let first = &atoms[..atoms.len().min(Signature::ATOMS)];
                for doc in &docs {
                    let bloom = bloom(doc);
                    let may_contain = bloom.may_contain_all(Signature::of(atoms.iter().copied()));
                    let has_hash = |atom: u32| doc.iter().chain([&TRUE]).any(|&it| hash(it) == hash(atom));
                    prop_assert_eq!(may_contain, first.iter().all(|&atom| has_hash(atom)));
                    prop_assert!(may_contain || !first.iter().all(|atom| doc.contains(atom)));
                    for &atom in first {
                        prop_assert!(bloom.may_contain(atom) || !may_contain);
                    }
                }
            }
            for pair in docs.windows(2) {
                let signatures = [&pair[0], &pair[1]].map(|doc| Signature::of(doc.iter().copied()));
                let common = signatures[0].intersection(signatures[1]);
                for doc in &docs {
                    let bloom = bloom(doc);
                    for signature in signatures {
                        prop_assert!(!bloom.may_contain_all(signature) || bloom.may_contain_all(common));
                        prop_assert_eq!(
                            bloom.may_contain_all(signature.intersection(signature)),
                            bloom.may_contain_all(signature)
                        );
                    }
                }
            }
            let mut bloom = bloom(&docs[0]);
            bloom.clear();
            prop_assert!(!bloom.may_contain_all(Signature::default()));
        }
    }
}
