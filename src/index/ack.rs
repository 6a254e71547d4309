//! The acknowledgement of a batch: that it is durable, or why it is not.

use std::io;

use tantivy::TantivyError;
use tokio::sync::oneshot;

use crate::ids::Seq;

/// Why a batch is not durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// perch is shutting down.
    #[error("shutting down")]
    Closed,
    /// The disk is full.
    #[error("no space left for the index")]
    Full,
    /// The index could not be written.
    #[error("the index could not be written: {0}")]
    Failed(String),
}

impl From<&io::Error> for IntakeError {
    fn from(error: &io::Error) -> IntakeError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => IntakeError::Full,
            _ => IntakeError::Failed(error.to_string()),
        }
    }
}

/// What became durable with a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// The seq of its last entry.
    pub seq: Seq,
    /// How many tweets it has deleted.
    pub deleted: u64,
}

/// Receives the answer to a batch when the batch is durable.
pub type Ack = oneshot::Sender<Result<Durable, IntakeError>>;

/// Answers a batch, if its sender waits.
pub(super) fn answer(ack: Option<Ack>, result: Result<Durable, IntakeError>) {
    if let Some(ack) = ack {
        // The receiver may be gone.
        let _ = ack.send(result);
    }
}

/// The answer to the batches for an error of tantivy.
pub(super) fn reason(error: &TantivyError) -> IntakeError {
    // tantivy turns most errors of the disk into text or wraps them: the kind, or the number
    // (ENOSPC, EDQUOT), is left in it.
    const FULL: [&str; 4] = ["StorageFull", "QuotaExceeded", "(os error 28)", "(os error 122)"];
    let text = error.to_string();
    let details = format!("{text} {error:?}");
    if FULL.iter().any(|sign| details.contains(sign)) { IntakeError::Full } else { IntakeError::Failed(text) }
}
