//! The set of atoms of a document.

use crate::percolator::atoms::AtomId;
use crate::percolator::query_index::bloom::{DocBloom, Signature};
use crate::percolator::scratch::{clear_and_trim, ensure_len, trim};

/// The set of atoms of a document.
///
/// An array of generations by atom, cleared by starting a new generation. A Bloom filter in front
/// of it answers most lookups from the first-level cache.
#[derive(Debug, Default)]
pub(crate) struct DocAtoms {
    /// The generation of this document, an even number from 2 on.
    generation: u16,
    /// By atom: the generation of the last document for which the atom was evaluated, plus 1 if the
    /// document contains it. Two bytes each, so that many atoms share a cache line.
    evaluated: Vec<u16>,
    bloom: DocBloom,
    /// The atoms that the document contains, each once, without [`DocAtoms::ranges`].
    found: Vec<AtomId>,
    /// Those of `found` that are terms.
    terms: Vec<AtomId>,
    /// The ranges that contain a value of the document, each once. Not in `evaluated`: a document
    /// can have many, and a program compares the values as fast.
    ranges: Vec<AtomId>,
}

impl DocAtoms {
    /// Starts a document, without atoms.
    pub(crate) fn clear(&mut self, n_atoms: usize) {
        if self.generation >= u16::MAX - 3 {
            self.generation = 0;
            self.evaluated.fill(0);
        }
        self.generation += 2;
        self.bloom.clear();
        clear_and_trim(&mut self.found);
        self.terms.clear();
        clear_and_trim(&mut self.ranges);
        ensure_len(&mut self.evaluated, n_atoms);
    }

    /// Adds an atom. Returns whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, atom: AtomId) -> bool {
        let evaluated = &mut self.evaluated[atom as usize];
        let is_new = *evaluated != self.generation | 1;
        if is_new {
            *evaluated = self.generation | 1;
            self.bloom.insert(atom);
            self.found.push(atom);
        }
        is_new
    }

    /// Adds a term. Returns whether it is new.
    #[inline]
    pub(crate) fn insert_term(&mut self, atom: AtomId) -> bool {
        let is_new = self.insert(atom);
        if is_new {
            self.terms.push(atom);
        }
        is_new
    }

    /// Adds a range that was not added before.
    #[inline]
    pub(crate) fn push_range(&mut self, atom: AtomId) {
        self.ranges.push(atom);
    }

    /// Adds a conjunction that was not added before. Programs never refer to conjunctions, so it
    /// needs no generation.
    #[inline]
    pub(crate) fn push_conjunction(&mut self, atom: AtomId) {
        self.found.push(atom);
    }

    /// Whether the document contains the atom, as far as it was evaluated.
    #[inline]
    pub(crate) fn contains(&self, atom: AtomId) -> bool {
        self.bloom.may_contain(atom) && self.contains_unfiltered(atom)
    }

    /// The same without the Bloom filter, for callers that must not branch.
    #[inline]
    pub(crate) fn contains_unfiltered(&self, atom: AtomId) -> bool {
        self.evaluated[atom as usize] == self.generation | 1
    }

    /// Whether the document contains the atom. None if it was not evaluated.
    #[inline]
    pub(crate) fn evaluated(&self, atom: AtomId) -> Option<bool> {
        let evaluated = self.evaluated[atom as usize];
        (evaluated & !1 == self.generation).then_some(evaluated & 1 == 1)
    }

    /// Records the value of an atom that a program evaluated.
    #[inline]
    pub(crate) fn set_evaluated(&mut self, atom: AtomId, is_contained: bool) {
        self.evaluated[atom as usize] = self.generation | u16::from(is_contained);
    }

    #[inline]
    pub(crate) fn bloom(&self) -> &DocBloom {
        &self.bloom
    }

    /// Whether the document may contain all atoms of a signature.
    #[inline]
    pub(crate) fn may_contain_all(&self, signature: Signature) -> bool {
        self.bloom.may_contain_all(signature)
    }

    /// The atoms that the document contains, without ranges.
    pub(crate) fn found(&self) -> &[AtomId] {
        &self.found
    }

    /// The terms that the document contains.
    pub(crate) fn terms(&self) -> &[AtomId] {
        &self.terms
    }

    /// All atoms that the document contains, each once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = AtomId> {
        self.found.iter().chain(&self.ranges).copied()
    }

    /// Frees memory if there are few atoms now.
    pub(crate) fn release_memory(&mut self, n_atoms: usize) {
        trim(&mut self.evaluated, n_atoms);
    }

    /// The memory that the set holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let atoms = self.found.capacity() + self.terms.capacity() + self.ranges.capacity();
        self.evaluated.capacity() * size_of::<u16>() + atoms * size_of::<AtomId>()
    }
}
