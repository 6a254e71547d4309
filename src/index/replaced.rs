//! The versions that the entries of a batch replace.

use std::sync::Arc;

use super::committed::CommittedIndex;
use super::damage::guarded;
use super::tail::OlderVersion;
use crate::tweet::{AnalyzedTweet, SequencedTweet, read_stored};

/// The entries of a slice whose older version is read from the index, at most: a read takes some
/// tens of microseconds, and commands wait for the slice.
const MAX_READS: usize = 64;

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

    /// How many of the next `n` entries from `first` on can be percolated at once: at most
    /// [`MAX_READS`] of them need a read from the index. At least one, if there is one.
    pub(crate) fn bound(&self, first: usize, n: usize) -> usize {
        let start = self.older.partition_point(|&(at, _)| at < first);
        let reads = self.older[start..].iter().filter(|(_, older)| matches!(older, OlderVersion::MaybeIndexed(_)));
        reads.skip(MAX_READS).map(|&(at, _)| at - first).next().map_or(n, |end| end.min(n))
    }

    /// The versions that the entries of a slice replace, by the index of the entry in the slice,
    /// which begins at the entry `first` of the batch. Leaves out deletions, versions that can't be
    /// read, and those that are equal to the new version.
    pub(crate) fn read(&self, first: usize, slice: &[SequencedTweet]) -> Vec<(usize, Arc<AnalyzedTweet>)> {
        let start = self.older.partition_point(|&(at, _)| at < first);
        let entries = self.older[start..].iter().take_while(|&&(at, _)| at < first + slice.len());
        let read = |newer: &AnalyzedTweet, older: &OlderVersion| match older {
            OlderVersion::Tail(tweet) => {
                Some(Arc::clone(tweet)).filter(|tweet| !tweet.is_deleted && tweet.json != newer.json)
            }
            OlderVersion::MaybeIndexed(key) => {
                let committed = self.committed.as_ref()?;
                let address = guarded(|| committed.find(*key)).ok()??;
                if committed.is_deletion(address) {
                    return None;
                }
                // `hit` has recorded the damage.
                let hit = committed.hit(address).ok().filter(|hit| hit.json != newer.json)?;
                read_stored(&hit.json).ok().map(Arc::new)
            }
        };
        let versions = entries.map(|(at, older)| (at - first, older));
        versions.filter_map(|(at, older)| Some((at, read(&slice[at].tweet, older)?))).collect()
    }
}
