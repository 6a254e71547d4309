//! The options of an index, and its figures.

use std::path::PathBuf;
use std::time::Duration;

use super::retention::Retention;

/// How to open and keep an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexOptions {
    /// The directory. perch creates it when it does not exist.
    pub dir: PathBuf,
    /// A commit follows the arrival of a tweet within this time.
    pub commit_interval: Duration,
    /// The same for tweets of a source whose commit no client waits for.
    pub source_commit_interval: Duration,
    /// A commit follows earlier when this many tweets wait.
    pub commit_tweets: usize,
    /// Memory of uncommitted documents in tantivy, in bytes: at least 15 MB.
    pub writer_memory_bytes: usize,
    /// Batches that may wait for the writer, at least 1. [`Index::append`](super::Index::append)
    /// blocks while there are more.
    pub queue_batches: usize,
    /// Which tweets are deleted for their age or their size.
    pub retention: Retention,
    /// How long the text of a deleted tweet may stay on the disk.
    pub purge_after: Duration,
}

impl Default for IndexOptions {
    fn default() -> IndexOptions {
        IndexOptions {
            dir: "index-data".into(),
            commit_interval: Duration::from_millis(250),
            source_commit_interval: Duration::from_secs(3),
            commit_tweets: 50_000,
            writer_memory_bytes: 64_000_000,
            queue_batches: 64,
            retention: Retention::default(),
            purge_after: Duration::from_secs(12 * 3_600),
        }
    }
}

/// The current figures of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Searchable committed tweets. [`Snapshot::count`](super::Snapshot::count) counts those in the
    /// tail too.
    pub documents: u64,
    /// Searchable segments.
    pub segments: usize,
    /// Bytes that the segments of the last commit take on disk. Merges need more while they run.
    pub size_bytes: u64,
    /// Tweets in the tail, older versions included.
    pub tail_tweets: usize,
    /// Bytes of the tweets in the tail.
    pub tail_bytes: usize,
    /// Commits since the start.
    pub commits: u64,
    /// Time of the last commit, until its tweets were searchable.
    pub last_commit: Duration,
}
