//! Cursors: how far each source had come, durable in the same commit as the tweets up to there.
//!
//! A cursor moves from one place to the next. One whose tweets could not be kept leaves a gap, and those behind it don't move over it: what a
//! source is told at its next start is the end of everything that is durable without a gap.
//!
//! What a cursor says is the source's own affair.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::lock;

/// A batch brings a source from one place to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which source: the same at every start.
    pub source: Arc<str>,
    /// Where it was before the batch; `None` is the start.
    pub after: Option<Arc<str>>,
    /// Where it is behind the batch.
    pub at: Arc<str>,
}

/// The cursors by source.
pub(super) type Places = BTreeMap<Arc<str>, Arc<str>>;

/// The cursors of the last commit. Cheap to clone; the default knows none, as tests of sources want it.
#[derive(Clone, Debug, Default)]
pub struct Cursors {
    durable: Arc<Mutex<Places>>,
}

impl Cursors {
    /// How far a source has come; `None` when it has yet to begin.
    #[must_use]
    pub fn get(&self, source: &str) -> Option<Arc<str>> {
        lock(&self.durable).get(source).cloned()
    }

    /// The places are those of the last commit.
    pub(super) fn set(&self, places: &Places) {
        lock(&self.durable).clone_from(places);
    }
}

/// The writer's cursors.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Of the last commit.
    committed: Places,
    /// Of what was added since.
    pending: Places,
    shown: Cursors,
}

impl Moves {
    pub(super) fn new(committed: Places, shown: Cursors) -> Moves {
        shown.set(&committed);
        Moves { committed, pending: Places::new(), shown }
    }

    /// A batch was added. Where its source is not where the batch begins, something before it is missing, and the cursor stays.
    pub(super) fn add(&mut self, cursor: Cursor) {
        let Cursor { source, after, at } = cursor;
        if self.pending.get(&source).or_else(|| self.committed.get(&source)) == after.as_ref() {
            self.pending.insert(source, at);
        }
    }

    /// The places that a commit of everything that was added makes durable.
    pub(super) fn next(&self) -> Places {
        let mut places = self.committed.clone();
        places.extend(self.pending.iter().map(|(source, at)| (Arc::clone(source), Arc::clone(at))));
        places
    }

    /// These are durable, and nothing else is on its way.
    pub(super) fn settle(&mut self, committed: Places) {
        self.shown.set(&committed);
        self.committed = committed;
        self.pending.clear();
    }

    /// What was added since the last commit is lost.
    pub(super) fn give_up(&mut self) {
        self.pending.clear();
    }
}
