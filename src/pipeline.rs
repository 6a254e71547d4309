//! The one loop that numbers tweets, percolates them, and hands them to index and hub.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::ids::Seq;
use crate::tweet::Prepared;

pub use crate::index::{Ack, IntakeError};

/// What a source hands over.
#[derive(Debug)]
pub struct Batch {
    /// In order of arrival.
    pub tweets: Vec<Arc<Prepared>>,
    /// Told once, when all of them are committed or can't be.
    pub ack: Option<Ack>,
}

/// The way into the pipeline, for sources. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    batches: mpsc::Sender<Batch>,
}

impl Intake {
    /// Hands over a batch. Waits while the pipeline is full.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Closed`] when perch is shutting down.
    pub async fn send(&self, batch: Batch) -> Result<(), IntakeError> {
        self.batches.send(batch).await.map_err(|_| IntakeError::Closed)
    }

    /// Hands over tweets and waits until they are durable. Answers with the seq of the last one.
    ///
    /// # Errors
    ///
    /// Why they are not.
    pub async fn send_durably(&self, tweets: Vec<Arc<Prepared>>) -> Result<Seq, IntakeError> {
        let (ack, durable) = oneshot::channel();
        self.send(Batch { tweets, ack: Some(ack) }).await?;
        durable.await.unwrap_or(Err(IntakeError::Closed))
    }

    /// An intake and the receiver of what is handed over, for the pipeline and for tests of sources.
    #[must_use]
    pub fn channel(capacity: usize) -> (Intake, mpsc::Receiver<Batch>) {
        let (batches, receiver) = mpsc::channel(capacity);
        (Intake { batches }, receiver)
    }
}
