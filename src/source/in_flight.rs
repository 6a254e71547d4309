//! Batches of a source that were sent and are not durable yet.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::pipeline::{Ack, Durable, IntakeError};

/// Batches that were sent and are not acknowledged yet, oldest first.
pub(super) struct InFlight {
    /// Batches that may be sent and not yet durable, so that reading continues until the commit.
    capacity: usize,
    batches: VecDeque<oneshot::Receiver<Result<Durable, IntakeError>>>,
    /// Whether a batch became durable.
    pub(super) has_moved: bool,
    /// Whether a batch could not be stored.
    pub(super) has_failed: bool,
}

impl InFlight {
    pub(super) fn new(capacity: usize) -> InFlight {
        InFlight { capacity, batches: VecDeque::new(), has_moved: false, has_failed: false }
    }

    /// The acknowledgement of a batch that is about to be sent.
    pub(super) fn ack(&mut self) -> Ack {
        let (ack, durable) = oneshot::channel();
        self.batches.push_back(durable);
        ack
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether another batch may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.batches.len() <= self.capacity
    }

    /// Waits for the oldest batch. Cancel safe.
    pub(super) async fn oldest(&mut self) -> Result<(), IntakeError> {
        let Some(first) = self.batches.front_mut() else { return Ok(()) };
        let durable = first.await.unwrap_or(Err(IntakeError::Closed));
        self.batches.pop_front();
        self.has_moved |= durable.is_ok();
        self.has_failed |= durable.is_err();
        durable.map(drop)
    }

    /// Waits until every batch has succeeded or failed.
    pub(super) async fn drain(&mut self) {
        while !self.is_empty() {
            let _ = self.oldest().await;
        }
    }
}
