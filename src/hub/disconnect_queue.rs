//! The uids of sessions that have ended, for the pipeline's loop.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::ids::Uid;

/// Sessions that ended. A session's `Drop` can't wait for the loop, so it leaves its uid here.
/// Bounded by the number of sessions.
#[derive(Debug, Default)]
pub(crate) struct DisconnectQueue {
    uids: Mutex<Vec<Uid>>,
    notify: Notify,
}

impl DisconnectQueue {
    /// Adds a session that ended.
    pub(crate) fn push(&self, uid: Uid) {
        self.uids.lock().unwrap_or_else(PoisonError::into_inner).push(uid);
        self.notify.notify_one();
    }

    /// Waits until [`DisconnectQueue::take`] may return sessions. Cancel safe.
    pub(crate) async fn ready(&self) {
        self.notify.notified().await;
    }

    /// Takes all sessions that ended.
    pub(crate) fn take(&self) -> Vec<Uid> {
        std::mem::take(&mut *self.uids.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
