//! What became of a batch that was sent.

use std::time::Duration;

/// Whether a batch was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The last try, if any, succeeded.
    First,
    /// The last try failed.
    Again,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The HTTP status of the answer, if one came.
    pub status: Option<u16>,
    /// What to do next.
    pub outcome: Outcome,
}

/// What to do after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has the batch.
    Delivered,
    /// Try again, after this time if the receiver named one.
    Failed {
        /// Why.
        reason: String,
        /// The receiver's own wish.
        retry_after: Option<Duration>,
    },
    /// The receiver wants no more: the search is paused.
    Refused(String),
}
