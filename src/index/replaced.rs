//! The versions that the entries of a batch replace.

use std::sync::Arc;

use super::committed::CommittedIndex;
use super::damage::guarded;
use super::tail::OlderVersion;
use crate::tweet::{AnalyzedTweet, read_stored};

/// The versions that the entries of a batch replace, as of the moment in which the batch was
/// appended. Versions in the index are read when they are needed.
#[derive(Default)]
pub(crate) struct ReplacedVersions {
    committed: Option<Arc<CommittedIndex>>,
    /// By the index of the entry, in order.
    older: Vec<(usize, OlderVersion)>,
}

impl ReplacedVersions {
    pub(super) fn new(committed: Arc<CommittedIndex>, older: Vec<(usize, OlderVersion)>) -> ReplacedVersions {
        ReplacedVersions { committed: Some(committed).filter(|_| !older.is_empty()), older }
    }

    /// The versions that the `n` entries from `first` on replace, by their distance from `first`.
    /// Deletions, and versions that can't be read, are left out.
    pub(crate) fn read(&self, first: usize, n: usize) -> Vec<(usize, Arc<AnalyzedTweet>)> {
        let start = self.older.partition_point(|&(at, _)| at < first);
        let entries = self.older[start..].iter().take_while(|&&(at, _)| at < first + n);
        let read = |older: &OlderVersion| match older {
            OlderVersion::Tail(tweet) => Some(Arc::clone(tweet)).filter(|tweet| !tweet.is_deleted),
            OlderVersion::MaybeIndexed(key) => {
                let committed = self.committed.as_ref()?;
                let address = guarded(|| committed.find(*key)).ok()??;
                if committed.is_deletion(address) {
                    return None;
                }
                // `hit` has recorded the damage.
                let hit = committed.hit(address).ok()?;
                read_stored(&hit.json).ok().map(Arc::new)
            }
        };
        entries.filter_map(|(at, older)| Some((at - first, read(older)?))).collect()
    }
}
