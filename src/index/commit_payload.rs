//! What perch stores with each commit of tantivy, in `meta.json`.

use serde::{Deserialize, Serialize};

use super::cursor::CursorPositions;
use super::retention::{RetentionState, StoredClock};

/// What a commit stores beside the segments.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct CommitPayload {
    /// The highest committed seq.
    pub(super) last_seq: u64,
    /// What retention keeps.
    #[serde(flatten)]
    pub(super) retained: RetentionState,
    /// The clock of retention, when tweets are deleted for their age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clock: Option<StoredClock>,
    /// The cursors of the sources.
    #[serde(default, skip_serializing_if = "CursorPositions::is_empty")]
    pub(super) cursors: CursorPositions,
}

impl CommitPayload {
    /// The payload of the last commit; the default when there was none.
    pub(super) fn of(index: &tantivy::Index) -> tantivy::Result<CommitPayload> {
        let payload = index.load_metas()?.payload;
        Ok(payload.and_then(|payload| serde_json::from_str(&payload).ok()).unwrap_or_default())
    }
}
