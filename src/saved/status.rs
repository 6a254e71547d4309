//! The state of a delivery, which its task, the hub and views share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::delivery_id::DeliveryId;
use super::pacing::PacingState;
use super::store::Position;
use crate::live::{IdleSession, SessionMonitor, Wake};

/// The state of a delivery, as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DeliveryState {
    /// It waits for matches, or sends them.
    Live,
    /// It reads matches from the index.
    CatchingUp,
    /// Its tries fail.
    Failing {
        /// Why the last one failed.
        reason: String,
        /// When the next one is, in milliseconds since 1970; `None` when perch has given up.
        next_try_ms: Option<u64>,
    },
    /// Its receiver wants no more.
    Paused {
        /// What it has answered.
        reason: String,
    },
}

/// What other tasks see of a delivery.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) id: DeliveryId,
    /// The name of its search.
    pub(super) search: Arc<str>,
    fields: Mutex<StatusFields>,
    /// Where it is left when it needs a task.
    wake_list: Arc<WakeList>,
}

#[derive(Debug)]
pub(super) struct StatusFields {
    pub(super) state: DeliveryState,
    pub(super) position: Position,
    /// Events that were delivered since the start.
    pub(super) delivered: u64,
    /// The number of the next try, if it is known.
    pub(super) next_try: Option<u64>,
    /// The stored pacing, if it has one.
    pub(super) pacing: Option<Box<PacingState>>,
    /// When the next digest is due, while the delivery waits for it.
    pub(super) due_ms: Option<u64>,
    pub(super) session: SessionStatus,
}

/// Where the session of a delivery is.
#[derive(Debug)]
pub(super) enum SessionStatus {
    /// There is none.
    None,
    /// The task of the delivery has it.
    Running(SessionMonitor),
    /// It waits here for a match. There is no task.
    Idle(IdleSession),
}

impl Status {
    pub(super) fn new(
        id: DeliveryId,
        search: Arc<str>,
        position: Position,
        pacing: Option<PacingState>,
        wake_list: Arc<WakeList>,
    ) -> Status {
        let fields = StatusFields {
            state: DeliveryState::Live,
            position,
            delivered: 0,
            next_try: None,
            pacing: pacing.map(Box::new),
            due_ms: None,
            session: SessionStatus::None,
        };
        Status { id, search, fields: Mutex::new(fields), wake_list }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, StatusFields> {
        // No code panics while it holds the lock.
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Status {
    fn wake(self: Arc<Self>) {
        let wake_list = Arc::clone(&self.wake_list);
        wake_list.push(self);
    }
}

impl StatusFields {
    /// Whether every match that was offered so far is delivered.
    pub(super) fn is_settled(&self) -> bool {
        match &self.session {
            SessionStatus::None => false,
            SessionStatus::Running(monitor) => monitor.is_settled(),
            SessionStatus::Idle(session) => session.is_settled(),
        }
    }

    /// Takes the session that waits for a match, if it does.
    pub(super) fn take_idle(&mut self) -> Option<IdleSession> {
        match std::mem::replace(&mut self.session, SessionStatus::None) {
            SessionStatus::Idle(session) => Some(session),
            other => {
                self.session = other;
                None
            }
        }
    }
}

/// Deliveries that need a task. The hub can't wait, so it leaves them here.
#[derive(Debug, Default)]
pub(super) struct WakeList {
    deliveries: Mutex<Vec<Arc<Status>>>,
    notify: Notify,
}

impl WakeList {
    /// Adds a delivery.
    pub(super) fn push(&self, delivery: Arc<Status>) {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
        self.notify.notify_one();
    }

    /// Waits until [`WakeList::take`] may return deliveries. Cancel safe.
    pub(super) async fn ready(&self) {
        self.notify.notified().await;
    }

    /// Takes all deliveries.
    pub(super) fn take(&self) -> Vec<Arc<Status>> {
        std::mem::take(&mut *self.deliveries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_that_waits_takes_a_quarter_of_a_kilobyte() {
        assert!(size_of::<Status>() <= 256);
    }
}
