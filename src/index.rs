//! Where tweets are kept and searched: tantivy on disk, and the tail of what is not visible there yet.

use std::sync::Arc;

use crate::ids::Seq;

/// A stored tweet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its position.
    pub seq: Seq,
    /// Its own id.
    pub id: u64,
    /// The stripped tweet as JSON.
    pub json: Arc<str>,
}
