//! The state of an open index behind one lock: its segments and its tail change together.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::committed::CommittedIndex;
use super::lock;
use super::snapshot::Snapshot;
use super::tail::{Chunk, Tail};
use crate::ids::Seq;

/// The state that the writer's thread, sessions and searches share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
}

/// What a snapshot is taken of, and figures.
#[derive(Debug)]
pub(super) struct State {
    pub(super) committed: Arc<CommittedIndex>,
    pub(super) tail: Tail,
    pub(super) last_seq: Seq,
    /// The lowest seq that retention keeps.
    pub(super) first_seq: Seq,
    /// The highest committed seq.
    pub(super) committed_seq: Seq,
    /// The snapshot of this state, created when it is first needed.
    pub(super) snapshot: Option<Snapshot>,
    pub(super) size_bytes: u64,
    pub(super) commits: u64,
    pub(super) last_commit: Duration,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Drops the tail up to a seq. The chunks are returned because freeing them takes longer than
    /// the lock should be held.
    pub(super) fn forget(&self, until: Seq) -> Vec<Arc<Chunk>> {
        let mut state = self.lock();
        state.snapshot = None;
        state.tail.forget(until)
    }
}
