//! Cursors: how far each source has been read, durable in the same commit as its tweets.
//!
//! A cursor advances from batch to batch. A batch that could not be committed leaves a gap, and
//! cursors behind the gap do not advance over it: a source resumes at the end of everything that is
//! durable without a gap.
//!
//! The value of a cursor is opaque: only its source reads it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::lock;

/// The advance of a source by one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The name of the source, the same at every start.
    pub source: Arc<str>,
    /// The cursor before the batch; `None` at the beginning.
    pub after: Option<Arc<str>>,
    /// The cursor behind the batch.
    pub at: Arc<str>,
}

/// Cursors by source.
pub(super) type CursorPositions = BTreeMap<Arc<str>, Arc<str>>;

/// The cursors of the last commit. Cheap to clone. The default has none.
#[derive(Clone, Debug, Default)]
pub struct Cursors {
    durable: Arc<Mutex<CursorPositions>>,
}

impl Cursors {
    /// The cursor of a source; `None` when it has not begun.
    #[must_use]
    pub fn get(&self, source: &str) -> Option<Arc<str>> {
        lock(&self.durable).get(source).cloned()
    }

    /// Publishes the cursors of a commit.
    pub(super) fn set(&self, places: &CursorPositions) {
        lock(&self.durable).clone_from(places);
    }
}

/// The cursors as the writer adds batches.
#[derive(Debug, Default)]
pub(super) struct CursorTracker {
    /// As of the last commit.
    committed: CursorPositions,
    /// Advanced since.
    pending: CursorPositions,
    published: Cursors,
}

impl CursorTracker {
    pub(super) fn new(committed: CursorPositions, published: Cursors) -> CursorTracker {
        published.set(&committed);
        CursorTracker { committed, pending: CursorPositions::new(), published }
    }

    /// Advances the cursor of a batch that was added. It stays when the batch does not begin where
    /// the cursor is: a batch before it is missing.
    pub(super) fn add(&mut self, cursor: Cursor) {
        let Cursor { source, after, at } = cursor;
        if self.pending.get(&source).or_else(|| self.committed.get(&source)) == after.as_ref() {
            self.pending.insert(source, at);
        }
    }

    /// The cursors that a commit of all added batches makes durable.
    pub(super) fn next(&self) -> CursorPositions {
        let mut places = self.committed.clone();
        places.extend(self.pending.iter().map(|(source, at)| (Arc::clone(source), Arc::clone(at))));
        places
    }

    /// Records that these cursors are durable and nothing is pending.
    pub(super) fn settle(&mut self, committed: CursorPositions) {
        self.published.set(&committed);
        self.committed = committed;
        self.pending.clear();
    }

    /// Forgets what was added since the last commit.
    pub(super) fn give_up(&mut self) {
        self.pending.clear();
    }
}
