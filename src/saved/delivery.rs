//! A delivery: its state, and its task while it has one.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::delivery_id::DeliveryId;
use super::status::{DeliveryState, SessionStatus, Status};

/// A delivery of a search that is there.
pub(super) struct RunningDelivery {
    pub(super) status: Arc<Status>,
    /// `None` while it is paused, or waits for a match.
    pub(super) task: Option<AbortOnDropHandle<()>>,
}

impl RunningDelivery {
    pub(super) fn id(&self) -> DeliveryId {
        self.status.id
    }

    /// Ends its session, with or without a task.
    pub(super) fn pause(&mut self) {
        self.task = None;
        self.status.lock().session = SessionStatus::None;
    }

    /// Ends it, and waits until its task has noted nothing more.
    pub(super) async fn stop(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
        self.pause();
    }

    /// Ends a delivery that can't go on until its search is saved again.
    pub(super) fn fail(&mut self, reason: &str) {
        tracing::error!(search = &*self.status.search, reason, "a delivery can't be started");
        self.pause();
        let reason = reason.to_owned();
        self.status.lock().state = DeliveryState::Failing { reason, next_try_ms: None };
    }
}

pub(super) async fn stop_all(deliveries: Vec<RunningDelivery>) {
    for delivery in deliveries {
        delivery.stop().await;
    }
}
