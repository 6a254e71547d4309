//! What sampled documents contained, until the engine learns from it.

use crate::percolator::atoms::AtomId;
use crate::percolator::scratch::clear_and_trim;
use crate::schema::FieldId;

/// One document in this many is sampled, after the first [`SAMPLE_ALL`].
const SAMPLE_EVERY: u32 = 16;
/// The first documents are all sampled.
const SAMPLE_ALL: u32 = 4096;

/// What sampled documents contained.
#[derive(Debug, Default)]
pub(crate) struct DocStats {
    pub(crate) n_docs: u32,
    /// The atoms of each document, without ranges.
    pub(crate) atoms: Vec<AtomId>,
    /// The hashes of terms that no query has.
    pub(crate) unknown_terms: Vec<u64>,
    pub(crate) values: Vec<(FieldId, i64)>,
}

impl DocStats {
    /// Adds a document.
    pub(crate) fn add(
        &mut self,
        atoms: &[AtomId],
        unknown_terms: impl Iterator<Item = u64>,
        values: &[(FieldId, i64)],
    ) {
        self.n_docs += 1;
        self.atoms.extend(atoms);
        self.unknown_terms.extend(unknown_terms);
        self.values.extend(values);
    }

    /// Adds the documents of another sample.
    pub(crate) fn append(&mut self, other: &DocStats) {
        self.n_docs += other.n_docs;
        self.atoms.extend(&other.atoms);
        self.unknown_terms.extend(&other.unknown_terms);
        self.values.extend(&other.values);
    }

    pub(crate) fn clear(&mut self) {
        self.n_docs = 0;
        clear_and_trim(&mut self.atoms);
        clear_and_trim(&mut self.unknown_terms);
        clear_and_trim(&mut self.values);
    }

    /// The memory that the sample holds, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.atoms.capacity() * size_of::<AtomId>()
            + self.unknown_terms.capacity() * size_of::<u64>()
            + self.values.capacity() * size_of::<(FieldId, i64)>()
    }
}

/// Which documents are sampled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SampleSchedule {
    /// How many documents passed before this batch. Wraps around.
    n_docs: u32,
}

impl SampleSchedule {
    /// Whether the document with this index in the batch is sampled.
    pub(crate) fn is_sampled(self, index: u32) -> bool {
        let number = self.n_docs.wrapping_add(index);
        number < SAMPLE_ALL || number.is_multiple_of(SAMPLE_EVERY)
    }

    /// Counts the documents of a batch.
    pub(crate) fn advance(&mut self, n_docs: usize) {
        #[expect(clippy::cast_possible_truncation, reason = "the number wraps around")]
        let next = self.n_docs.wrapping_add(n_docs as u32);
        self.n_docs = next;
    }
}
