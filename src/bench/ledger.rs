//! What one session was owed and what it got: the judge of gaps, duplicates and order.
//!
//! Pure. Almost every tweet is the next one that is owed, which costs one comparison; what was
//! skipped is kept until it comes or the run is over. Tweets of requests that ran side by side may
//! come in another order than the plan's: order is judged by seq alone.

use std::collections::BTreeSet;

use super::plan::{Owed, owed_of};

/// What was wrong with what sessions got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Owed tweets that never came.
    pub(super) gaps: u64,
    /// Tweets that came again.
    pub(super) duplicates: u64,
    /// Tweets whose seq was not above the one before.
    pub(super) order: u64,
    /// Tweets that were not owed.
    pub(super) foreign: u64,
    /// Repeated `stream/catching-up` or `stream/live` events.
    pub(super) repeated_states: u64,
}

impl Faults {
    pub(super) fn add(&mut self, other: Faults) {
        self.gaps += other.gaps;
        self.duplicates += other.duplicates;
        self.order += other.order;
        self.foreign += other.foreign;
        self.repeated_states += other.repeated_states;
    }

    pub(super) fn is_clean(self) -> bool {
        self == Faults::default()
    }
}

/// The ledger of one session.
#[derive(Debug)]
pub(super) struct Ledger {
    owed: Owed,
    /// The index behind the highest owed tweet that came.
    next: usize,
    /// Indices below `next` that have not come.
    skipped: BTreeSet<usize>,
    last_seq: u64,
    faults: Faults,
}

impl Ledger {
    pub(super) fn new(owed: Owed) -> Ledger {
        Ledger { owed, next: 0, skipped: BTreeSet::new(), last_seq: 0, faults: Faults::default() }
    }

    /// A tweet came. `None`: one that is not of this run.
    pub(super) fn take(&mut self, tweet: Option<u32>, seq: u64) {
        if seq <= self.last_seq {
            self.faults.order += 1;
        }
        self.last_seq = self.last_seq.max(seq);
        let Some(tweet) = tweet else {
            self.faults.foreign += 1;
            return;
        };
        if self.owed.get(self.next) == Some(&tweet) {
            self.next += 1;
            return;
        }
        match self.owed.binary_search(&tweet) {
            Err(_) => self.faults.foreign += 1,
            Ok(at) if at >= self.next => {
                self.skipped.extend(self.next..at);
                self.next = at + 1;
            }
            Ok(at) => {
                if !self.skipped.remove(&at) {
                    self.faults.duplicates += 1;
                }
            }
        }
    }

    /// Counts a repeated `stream/catching-up` or `stream/live` event.
    pub(super) fn repeated_states(&mut self) {
        self.faults.repeated_states += 1;
    }

    /// Whether everything came that is owed of the first `n` tweets.
    pub(super) fn is_complete(&self, n: u32) -> bool {
        self.skipped.is_empty() && self.next >= owed_of(&self.owed, n)
    }

    /// The faults when the first `n` tweets were sent and nothing more comes.
    pub(super) fn faults(&self, n: u32) -> Faults {
        let end = owed_of(&self.owed, n);
        let gaps = self.skipped.range(..end).count() + end.saturating_sub(self.next);
        Faults { gaps: gaps as u64, ..self.faults }
    }
}
