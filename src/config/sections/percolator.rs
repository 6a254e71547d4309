//! `[percolator]`.

use serde::{Deserialize, Serialize};

use super::check_range;
use crate::config::ConfigError;

/// `[percolator]`: how tweets are matched against the registered queries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PercolatorSection {
    /// The engine's name in the table of engines.
    pub engine: String,
    /// Threads that share a large batch; 0 is the number of cores minus one.
    pub threads: usize,
}

impl Default for PercolatorSection {
    fn default() -> PercolatorSection {
        PercolatorSection { engine: "compiled".to_owned(), threads: 0 }
    }
}

impl PercolatorSection {
    pub(in crate::config) fn check(&self, errors: &mut Vec<ConfigError>) {
        check_range(errors, "percolator.threads", self.threads, 0..=1_024);
    }

    /// The number of threads.
    #[must_use]
    pub fn n_threads(&self) -> usize {
        match self.threads {
            // One core is left for reading tweets and sending matches.
            0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)),
            n => n,
        }
    }
}
