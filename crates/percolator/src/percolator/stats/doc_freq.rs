//! Document frequencies: how many documents contain each atom, learned from those that pass.
//!
//! Atoms are counted by number. Terms that no query has are counted in a sketch of fixed size, so
//! that a query registered later starts with what was seen. Counts age: they are halved from time
//! to time, some at each call. An atom starts with an estimate, which counts like some documents.

use crate::percolator::atoms::{AtomId, TRUE};
use crate::schema::FieldId;

/// The counters of the sketch: 256 KiB. Terms with the same counter are taken for more frequent.
const SKETCH_COUNTERS: usize = 1 << 16;
/// Documents after which all counts are halved.
const HALVE_AFTER_DOCS: u32 = 1 << 16;
/// Counts that are halved at each call of [`DocFreq::continue_aging`].
const HALVE_AT_ONCE: usize = 4096;
/// The documents that an estimate weighs as much as.
const PRIOR_DOCS: f32 = 64.0;
/// The count of an atom from which planning its queries again may pay off.
const MIN_REPLAN_COUNT: u32 = 32;
/// An atom is reported when it is this many times as frequent as was estimated.
const REPLAN_FACTOR: u32 = 4;

/// Document frequencies of atoms and terms, and recent values of fields.
#[derive(Debug)]
pub(crate) struct DocFreq {
    /// The documents counted, aged.
    n_docs: u32,
    /// By atom.
    counts: Vec<AtomCount>,
    sketch: Box<[u32]>,
    /// The next atom to halve, while counts are being halved.
    halving: Option<usize>,
    /// All documents counted, not aged.
    n_counted: u64,
    /// By field: the latest numbers and dates.
    recent: Vec<RecentValues>,
}

/// A ring of the latest values of a field.
#[derive(Clone, Debug, Default)]
struct RecentValues {
    values: Vec<i64>,
    /// The index of the oldest one, once the ring is full.
    oldest: usize,
}

/// The values of a field that are kept.
const RECENT_VALUES: usize = 256;
/// With fewer values, the selectivity of ranges is not derived from them.
const MIN_RECENT_VALUES: usize = 32;

#[derive(Clone, Copy, Debug, Default)]
struct AtomCount {
    /// The documents that contain the atom, aged.
    n: u32,
    /// The count at which the queries posted under the atom should be planned again.
    replan_at: u32,
    /// The estimated share of documents before any was counted.
    prior: f32,
}

impl Default for DocFreq {
    fn default() -> DocFreq {
        DocFreq {
            n_docs: 0,
            counts: Vec::new(),
            sketch: vec![0; SKETCH_COUNTERS].into(),
            halving: None,
            n_counted: 0,
            recent: Vec::new(),
        }
    }
}

impl DocFreq {
    /// Starts to count a new atom. The hash of a term finds what was counted before in the sketch.
    pub(crate) fn start(&mut self, atom: AtomId, prior: f32, term_hash: Option<u64>) {
        let at = atom as usize;
        if self.counts.len() <= at {
            self.counts.resize(at + 1, AtomCount::default());
        }
        let n = term_hash.map_or(0, |hash| self.sketch[counter(hash)]);
        self.counts[at] = AtomCount { n, prior, replan_at: 0 };
        self.counts[at].replan_at = self.next_replan(atom);
    }

    /// All documents counted, ever.
    pub(crate) fn n_counted(&self) -> u64 {
        self.n_counted
    }

    /// Counts documents, with their values and the hashes of terms that no query has.
    pub(crate) fn add_docs(&mut self, n: u32, values: &[(FieldId, i64)], unknown_terms: &[u64]) {
        self.n_docs += n;
        self.n_counted += u64::from(n);
        for &(field, value) in values {
            if self.recent.len() <= field.index() {
                self.recent.resize(field.index() + 1, RecentValues::default());
            }
            self.recent[field.index()].push(value);
        }
        for &hash in unknown_terms {
            let count = &mut self.sketch[counter(hash)];
            *count = count.saturating_add(1);
        }
        if self.n_docs >= HALVE_AFTER_DOCS && self.halving.is_none() {
            self.n_docs /= 2;
            self.halving = Some(0);
        }
    }

    /// Counts a document that contains the atom. Returns whether the atom is so much more frequent
    /// than was estimated that the queries posted under it should be planned again.
    pub(crate) fn add_occurrence(&mut self, atom: AtomId) -> bool {
        let Some(count) = self.counts.get_mut(atom as usize).filter(|_| atom != TRUE) else { return false };
        count.n += 1;
        if count.n < count.replan_at {
            return false;
        }
        self.counts[atom as usize].replan_at = self.next_replan(atom);
        true
    }

    fn next_replan(&self, atom: AtomId) -> u32 {
        let count = self.counts[atom as usize];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let estimated = (count.prior * self.n_docs.min(HALVE_AFTER_DOCS) as f32) as u32;
        (count.n.max(estimated).saturating_mul(REPLAN_FACTOR)).max(MIN_REPLAN_COUNT)
    }

    /// The estimated share of documents that contain the atom, from 0 to 1. `min_prior` is a lower
    /// bound of the estimate before any document was counted.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn selectivity(&self, atom: AtomId, min_prior: f32) -> f32 {
        let Some(count) = self.counts.get(atom as usize) else { return 1.0 };
        let prior = count.prior.max(min_prior);
        ((count.n as f32 + prior * PRIOR_DOCS) / (self.n_docs as f32 + PRIOR_DOCS)).min(1.0)
    }

    /// The share of a field's recent values from `min` to `max`, both included. None if there are
    /// too few values.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn selectivity_of_range(&self, field: FieldId, min: i64, max: i64) -> Option<f32> {
        let values = &self.recent.get(field.index())?.values;
        let inside = values.iter().filter(|&value| (min..=max).contains(value)).count();
        // Additive smoothing: a range without recent values may still match.
        (values.len() >= MIN_RECENT_VALUES).then(|| (inside as f32 + 0.5) / (values.len() as f32 + 1.0))
    }

    /// Halves some more counts, while that goes on. To be called once a batch.
    pub(crate) fn continue_aging(&mut self) {
        let Some(at) = self.halving else { return };
        let end = (at + HALVE_AT_ONCE).min(self.counts.len());
        for count in &mut self.counts[at.min(end)..end] {
            count.n /= 2;
        }
        if at == 0 {
            for count in &mut self.sketch {
                *count /= 2;
            }
        }
        self.halving = (end < self.counts.len()).then_some(end);
    }

    /// Forgets the atoms from this number on.
    pub(crate) fn truncate(&mut self, n_atoms: usize) {
        self.counts.truncate(n_atoms);
        if n_atoms * 4 < self.counts.capacity() {
            self.counts.shrink_to(n_atoms * 2);
        }
    }

    /// The memory that the counts hold, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<AtomCount>()
            + SKETCH_COUNTERS * size_of::<u32>()
            + self.recent.len() * RECENT_VALUES * size_of::<i64>()
    }
}

impl RecentValues {
    fn push(&mut self, value: i64) {
        if self.values.len() < RECENT_VALUES {
            self.values.push(value);
        } else {
            self.values[self.oldest] = value;
            self.oldest = (self.oldest + 1) % RECENT_VALUES;
        }
    }
}

fn counter(hash: u64) -> usize {
    (hash >> 24) as usize % SKETCH_COUNTERS
}
