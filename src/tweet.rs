//! The tweet: what comes in, what is kept of it, and its analysis.

use std::sync::Arc;

use crate::doc::Doc;
use crate::ids::Seq;

/// A tweet that is ready for the pipeline: read, stripped, analysed.
#[derive(Debug)]
pub struct Prepared {
    /// The tweet's own id.
    pub id: u64,
    /// The stripped tweet as JSON: what is stored and what clients get.
    pub json: Arc<str>,
    /// What queries see.
    pub doc: Doc,
}

/// A tweet with its place in the order of arrival.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its position.
    pub seq: Seq,
    /// The tweet.
    pub tweet: Arc<Prepared>,
}
