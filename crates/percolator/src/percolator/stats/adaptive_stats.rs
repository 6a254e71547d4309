//! Learns how often atoms occur, and which access plans rest on a wrong estimate.

use super::doc_freq::DocFreq;
use super::doc_stats::{DocStats, SampleSchedule};
use crate::percolator::atoms::AtomId;
use crate::percolator::query_index::postings::QueryPostings;

/// What was learned, and what is to be learned.
///
/// The sample of a batch is learned from after the batch, or while other threads start the next
/// one; always before a query is added or removed, since atoms may get other meanings then. A
/// conjunction that was removed in between is the exception: its count may go to another atom.
#[derive(Debug, Default)]
pub(crate) struct AdaptiveStats {
    pub(crate) doc_freq: DocFreq,
    pub(crate) schedule: SampleSchedule,
    /// The sample that was not learned from yet.
    pub(crate) pending: DocStats,
    /// Atoms that are far more frequent than was estimated, so that the queries posted under them
    /// should be planned again, and the index of the guarded posting to continue at.
    pub(crate) stale: Vec<(AtomId, u32)>,
}

impl AdaptiveStats {
    /// Learns from the pending sample.
    pub(crate) fn learn(&mut self, postings: &QueryPostings) {
        self.doc_freq.continue_aging();
        if self.pending.n_docs == 0 {
            return;
        }
        let DocStats { n_docs, atoms, unknown_terms, values } = &self.pending;
        self.doc_freq.add_docs(*n_docs, values, unknown_terms);
        for &atom in atoms {
            if self.doc_freq.add_occurrence(atom) && postings.n_guarded(atom) > 0 {
                self.stale.push((atom, 0));
            }
        }
        self.pending.clear();
    }

    /// The memory that the statistics hold, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.pending.size_bytes() + self.doc_freq.size_bytes() + self.stale.capacity() * size_of::<(AtomId, u32)>()
    }
}
