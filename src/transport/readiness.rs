//! What `/readyz` answers: whether perch can do its work, and how its sources are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// How a source is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum SourceState {
    /// It runs.
    Running,
    /// It failed and is started again soon.
    Failing {
        /// Why.
        reason: String,
    },
    /// It has nothing more to bring.
    Done,
}

/// The handle of what `/readyz` answers. Cheap to clone; whoever starts things writes it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<State>>);

/// What is known at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct State {
    /// Whether tweets and clients are taken.
    pub(super) ready: bool,
    /// By name.
    pub(super) sources: BTreeMap<String, SourceState>,
}

impl Readiness {
    /// Says that perch takes tweets and clients, or no longer does.
    pub fn set_ready(&self, ready: bool) {
        self.with(|state| state.ready = ready);
    }

    /// Says how a source is.
    pub fn set_source(&self, name: &str, source: SourceState) {
        self.with(|state| state.sources.insert(name.to_owned(), source));
    }

    pub(super) fn state(&self) -> State {
        self.with(|state| state.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // Every write is whole, so the state is good even if a writer panicked.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
