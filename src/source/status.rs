//! How each source is: for `/readyz` and metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The state of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It runs.
    Running,
    /// It failed, and its supervisor will restart it.
    Failing {
        /// The error.
        reason: String,
    },
    /// It has ended.
    Done,
}

/// What is known of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its state.
    pub state: SourceState,
    /// The age of the newest event when it arrived. `None` for sources without live events.
    pub lag: Option<Duration>,
    /// What the server could not deliver after the last interruption that left a gap.
    pub gap: Option<String>,
}

/// The statuses of all sources. Sources and their supervisors write them, `/readyz` reads them.
#[derive(Debug, Default)]
pub struct StatusBoard {
    statuses: Mutex<BTreeMap<String, SourceStatus>>,
}

impl StatusBoard {
    /// Sets the state of a source.
    pub fn set(&self, name: &str, state: SourceState) {
        self.change(name, |status| status.state = state);
    }

    /// Sets the lag of a source.
    pub fn set_lag(&self, name: &str, lag: Duration) {
        self.change(name, |status| status.lag = Some(lag));
    }

    /// Sets the last gap of a source.
    pub fn set_gap(&self, name: &str, gap: String) {
        self.change(name, |status| status.gap = Some(gap));
    }

    /// The statuses of all sources, by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(String, SourceStatus)> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.iter().map(|(name, status)| (name.clone(), status.clone())).collect()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut SourceStatus)) {
        // A poisoned lock still guards a valid map: each write is one value.
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        if !statuses.contains_key(name) {
            let status = SourceStatus { state: SourceState::Running, lag: None, gap: None };
            statuses.insert(name.to_owned(), status);
        }
        if let Some(status) = statuses.get_mut(name) {
            change(status);
        }
    }
}
