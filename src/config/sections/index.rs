//! `[index]`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check_range;
use super::serde_units::milliseconds;
use crate::config::ConfigError;

/// `[index]`: storage, commits and retention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexSection {
    /// The directory of the index, created at the first start.
    pub dir: PathBuf,
    /// Longest time between the arrival of a tweet and its commit.
    #[serde(rename = "commit_interval_ms", with = "milliseconds")]
    pub commit_interval: Duration,
    /// The same for tweets of live sources.
    #[serde(rename = "source_commit_interval_ms", with = "milliseconds")]
    pub source_commit_interval: Duration,
    /// Number of tweets after which a commit is early.
    pub commit_tweets: usize,
    /// Memory of the writer before it writes a segment, in MiB.
    pub writer_memory_mb: usize,
    /// Batches that may wait for the writer; a full queue makes the pipeline wait.
    pub queue_batches: usize,
    /// Days after which tweets are deleted, counted from their arrival; 0 keeps them.
    pub retention_days: u64,
    /// Size above which the oldest tweets are deleted, in bytes; 0 is any size.
    pub retention_bytes: u64,
}

impl Default for IndexSection {
    fn default() -> IndexSection {
        IndexSection {
            dir: PathBuf::from("index-data"),
            commit_interval: Duration::from_millis(250),
            source_commit_interval: Duration::from_secs(3),
            commit_tweets: 50_000,
            writer_memory_mb: 64,
            queue_batches: 16,
            retention_days: 0,
            retention_bytes: 0,
        }
    }
}

impl IndexSection {
    pub(in crate::config) fn check(&self, errors: &mut Vec<ConfigError>) {
        if self.dir.as_os_str().is_empty() {
            errors.push(ConfigError::new("index.dir", "expected a directory, found an empty name"));
        }
        check_range(errors, "index.commit_interval_ms", self.commit_interval.as_millis(), 1..=60_000);
        let milliseconds = self.source_commit_interval.as_millis();
        check_range(errors, "index.source_commit_interval_ms", milliseconds, 1..=60_000);
        check_range(errors, "index.commit_tweets", self.commit_tweets, 1..=10_000_000);
        // Tantivy takes at least 15 MB and less than 4 GiB a thread.
        check_range(errors, "index.writer_memory_mb", self.writer_memory_mb, 16..=4_000);
        check_range(errors, "index.queue_batches", self.queue_batches, 1..=10_000);
        check_range(errors, "index.retention_days", self.retention_days, 0..=36_500);
        if self.retention_bytes > 0 {
            check_range(errors, "index.retention_bytes", self.retention_bytes, 1024 * 1024..=1 << 50);
        }
    }
}
