//! What the engine learns from the documents that pass: how often each part occurs, and whether documents that come together share work.
//!
//! What was seen is learned from when a batch is through, or while other threads begin with the next one; always before queries come or go, because
//! their parts may be others then. Only a conjunction may have been given up in between, and counts for another then.

use super::facts::{COUNT_EVERY, Counting, Seen};
use super::frequency::Frequencies;
use super::many::MAX_DOCS;
use super::table::{AtomId, TRUE};
use super::waits::Waits;

/// Over how many documents the depth is averaged, about; some have a hundred times the atoms of others.
const SPAN: f32 = 512.0;

/// What was learned, and what is to be.
#[derive(Debug)]
pub(super) struct Learning {
    pub(super) frequencies: Frequencies,
    /// Which documents are seen.
    pub(super) counting: Counting,
    /// What is to be learned from.
    pub(super) seen: Seen,
    /// Atoms that are so much more frequent than was believed that the queries behind them should wait elsewhere, and
    /// the place in their postings up to which that was looked at.
    pub(super) stale: Vec<(AtomId, u32)>,
    /// How many candidates a document would not have to look at on its own, if it came with as many others as are percolated together.
    shared: f32,
    /// How many atoms it had.
    breadth: f32,
}

impl Learning {
    pub(super) fn new() -> Learning {
        Learning {
            frequencies: Frequencies::new(),
            counting: Counting::default(),
            seen: Seen::default(),
            stale: Vec::new(),
            shared: 0.0,
            // Each has the atom that every document has.
            breadth: 1.0,
        }
    }

    /// How many looks at queries documents that come together save for each of their atoms, on average.
    pub(super) fn depth(&self) -> f32 {
        self.shared / self.breadth
    }

    /// Learns from what was seen.
    #[expect(clippy::cast_precision_loss)]
    pub(super) fn learn(&mut self, waits: &Waits) {
        self.frequencies.tick();
        if self.seen.docs == 0 {
            return;
        }
        let (n_docs, n) = (self.seen.docs as f32, self.seen.atoms.len() + self.seen.ranges);
        // Of the documents, few are counted.
        let span = SPAN / COUNT_EVERY as f32;
        let weight = n_docs.min(span) / span;
        self.breadth += (n as f32 / n_docs - self.breadth) * weight;
        let looked_at = self.seen.atoms.iter().filter(|&&(_, looks)| looks > 0);
        let saved: f32 = looked_at.map(|&(atom, looks)| looks as f32 * self.saved(atom)).sum();
        self.shared += (saved / n_docs - self.shared) * weight;

        self.frequencies.count_docs(self.seen.docs, &self.seen.values, &self.seen.others);
        for &(atom, _) in &self.seen.atoms {
            if self.frequencies.count(atom) && !waits.waiting(atom).guarded.is_empty() {
                self.stale.push((atom, 0));
            }
        }
        self.seen.clear();
    }

    /// Which part of the looks at queries behind an atom a document saves when it is one of [`MAX_DOCS`]: each of those that have the atom does its part.
    #[expect(clippy::cast_precision_loss)]
    fn saved(&self, atom: AtomId) -> f32 {
        let share = if atom == TRUE { 1.0 } else { self.frequencies.share(atom, 0.0) };
        let n_others = share * (MAX_DOCS - 1) as f32;
        n_others / (1.0 + n_others)
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.seen.size_bytes() + self.frequencies.size_bytes() + self.stale.capacity() * size_of::<(AtomId, u32)>()
    }
}
