//! How often each atom occurs: learned from the documents that pass, with a guess to start from.
//!
//! Atoms are counted by number. Terms that no query mentions are counted too, in a sketch of fixed size, so that
//! a query that is registered later starts with what was seen before. Old documents count less and less: from time to
//! time all counts are halved, a few at a call.

use super::table::{AtomId, TRUE};
use crate::schema::FieldId;

/// Counters of the sketch. Terms that share one are taken for more frequent than they are.
const SKETCH: usize = 1 << 16;
/// Documents after which all counts are halved.
const HALVE_AFTER: u32 = 1 << 16;
/// Counts that are halved at a call.
const HALVE_AT_ONCE: usize = 4096;
/// As how many documents the guess counts.
const GUESS_WEIGHT: f32 = 64.0;
/// A count from which it may pay to look at the plans again.
const FIRST_ALARM: u32 = 32;

/// The counts.
#[derive(Debug)]
pub(super) struct Frequencies {
    /// Documents that were counted, older ones less.
    docs: u32,
    counts: Vec<Count>,
    sketch: Box<[u32]>,
    /// How far the halving has come, while it goes on.
    halving: Option<usize>,
    /// Documents that were counted, ever.
    n_counted: u64,
    /// By field: numbers and dates that were seen lately.
    values: Vec<Recent>,
}

/// Some of the numbers of a field.
#[derive(Clone, Debug, Default)]
struct Recent {
    values: Vec<i64>,
    /// The place of the oldest one.
    oldest: usize,
}

/// How many numbers of a field are remembered.
const RECENT: usize = 256;
/// With fewer, no share is told from them.
const ENOUGH: usize = 32;

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    n: u32,
    /// At this count, the plans that rest on the atom are to be looked at.
    alarm: u32,
    /// What is believed before it was counted: the share of documents.
    guess: f32,
}

impl Frequencies {
    pub(super) fn new() -> Frequencies {
        Frequencies {
            docs: 0,
            counts: Vec::new(),
            sketch: vec![0; SKETCH].into(),
            halving: None,
            n_counted: 0,
            values: Vec::new(),
        }
    }

    /// Starts to count an atom. A term comes with its hash, so that it is known if it was seen before.
    pub(super) fn start(&mut self, atom: AtomId, guess: f32, hash: Option<u64>) {
        let at = atom as usize;
        if self.counts.len() <= at {
            self.counts.resize(at + 1, Count::default());
        }
        let n = hash.map_or(0, |hash| self.sketch[slot(hash)]);
        self.counts[at] = Count { n, guess, alarm: 0 };
        self.counts[at].alarm = self.next_alarm(atom);
    }

    /// How many documents were counted, ever.
    pub(super) fn n_counted(&self) -> u64 {
        self.n_counted
    }

    /// So many documents more, with these numbers, and the hashes of their terms that are no atoms.
    pub(super) fn count_docs(&mut self, n: u32, values: &[(FieldId, i64)], others: &[u64]) {
        self.docs += n;
        self.n_counted += u64::from(n);
        for &(field, value) in values {
            if self.values.len() <= field.index() {
                self.values.resize(field.index() + 1, Recent::default());
            }
            let recent = &mut self.values[field.index()];
            if recent.values.len() < RECENT {
                recent.values.push(value);
            } else {
                recent.values[recent.oldest] = value;
                recent.oldest = (recent.oldest + 1) % RECENT;
            }
        }
        for &hash in others {
            let count = &mut self.sketch[slot(hash)];
            *count = count.saturating_add(1);
        }
        if self.docs >= HALVE_AFTER && self.halving.is_none() {
            self.docs /= 2;
            self.halving = Some(0);
        }
    }

    /// The document has the atom. True when that is so much more often than was believed that plans should be looked at.
    pub(super) fn count(&mut self, atom: AtomId) -> bool {
        let Some(count) = self.counts.get_mut(atom as usize).filter(|_| atom != TRUE) else { return false };
        count.n += 1;
        if count.n < count.alarm {
            return false;
        }
        self.counts[atom as usize].alarm = self.next_alarm(atom);
        true
    }

    fn next_alarm(&self, atom: AtomId) -> u32 {
        let count = self.counts[atom as usize];
        // As a count that grows over all the documents between two halvings.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let believed = (count.guess * self.docs.min(HALVE_AFTER) as f32) as u32;
        (count.n.max(believed).saturating_mul(4)).max(FIRST_ALARM)
    }

    /// The share of documents that have the atom, as far as is known, when `at_least` is believed before it was counted.
    #[expect(clippy::cast_precision_loss)]
    pub(super) fn share(&self, atom: AtomId, at_least: f32) -> f32 {
        let Some(count) = self.counts.get(atom as usize) else { return 1.0 };
        let guess = count.guess.max(at_least);
        ((count.n as f32 + guess * GUESS_WEIGHT) / (self.docs as f32 + GUESS_WEIGHT)).min(1.0)
    }

    /// The share of the field's values that lie between two, both included, once enough of them were seen.
    #[expect(clippy::cast_precision_loss)]
    pub(super) fn share_of_range(&self, field: FieldId, min: i64, max: i64) -> Option<f32> {
        let values = &self.values.get(field.index())?.values;
        let inside = values.iter().filter(|&value| (min..=max).contains(value)).count();
        // One that was not seen may still come.
        (values.len() >= ENOUGH).then(|| (inside as f32 + 0.5) / (values.len() as f32 + 1.0))
    }

    /// Goes on with halving. To be called once a batch.
    pub(super) fn tick(&mut self) {
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

    /// Forgets atoms from this number on.
    pub(super) fn truncate(&mut self, n_atoms: usize) {
        self.counts.truncate(n_atoms);
        if n_atoms * 4 < self.counts.capacity() {
            self.counts.shrink_to(n_atoms * 2);
        }
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<Count>()
            + SKETCH * size_of::<u32>()
            + self.values.len() * RECENT * size_of::<i64>()
    }
}

fn slot(hash: u64) -> usize {
    (hash >> 24) as usize % SKETCH
}

/// The share of documents that have a term of so many characters, before any was seen: short words are frequent.
///
/// `split` says whether the field's texts are split into words; short keywords are names of languages and the like.
pub(super) fn guess_term(n_chars: usize, split: bool) -> f32 {
    match (n_chars, split) {
        (0..=1, true) => 0.05,
        (2, true) => 0.08,
        (3, true) => 0.04,
        (4, true) => 0.01,
        (5, true) => 0.004,
        (6..=7, true) => 0.002,
        (_, true) => 0.000_5,
        (0..=3, false) => 0.2,
        (4..=5, false) => 0.02,
        (_, false) => 0.002,
    }
}
