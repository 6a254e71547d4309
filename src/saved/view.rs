//! Saved searches and their deliveries, as clients see them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::delivery::RunningDelivery;
use super::registry::{Entry, Registry};
use super::spec::{SearchSpec, StoredSearch};
use super::status::DeliveryState;
use super::unreadable;
use crate::live::{ApiError, QueryWarning};

/// A saved search, as clients see it.
#[derive(Debug, Serialize)]
pub(crate) struct SavedSearch {
    pub(crate) name: Arc<str>,
    #[serde(flatten)]
    pub(super) spec: SearchSpec,
    pub(super) owner: String,
    pub(super) created_at: String,
    pub(super) changed_at: String,
    pub(crate) revision: u64,
    #[serde(flatten)]
    pub(super) state: StateOf,
    pub(super) epoch: String,
    /// Whether a token opens its feeds.
    pub(super) has_feed_token: bool,
    /// The addresses that get no more mails of it, whatever `deliver` says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unsubscribed: Vec<String>,
    pub(super) deliveries: Vec<DeliveryView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<QueryWarning>,
}

/// The state of a search or of one of its deliveries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct StateOf {
    pub(crate) state: &'static str,
    /// Every match up to this seq was delivered.
    pub(super) position: u64,
    /// Why it fails or is paused.
    pub(super) reason: Option<String>,
    /// When perch tries again.
    pub(super) next_try: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct DeliveryView {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(flatten)]
    pub(super) state: StateOf,
    /// Events that were delivered since perch was started.
    pub(super) delivered: u64,
    /// When the next digest is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_digest: Option<String>,
}

/// A try, as clients see it.
#[derive(Debug, Serialize)]
pub(crate) struct TryView {
    /// The place of the receiver in `deliver`.
    pub(super) deliver: usize,
    pub(super) at: String,
    pub(super) took_ms: u64,
    pub(super) id: String,
    pub(super) events: usize,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
}

/// The result of a test.
#[derive(Debug, Serialize)]
pub(crate) struct TestResult {
    pub(super) deliver: usize,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
}

/// Which searches are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) tag: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) owner: Option<String>,
    /// Only names behind this one.
    pub(crate) after: Option<String>,
    pub(crate) n: usize,
}

pub(super) fn time(ms: u64) -> String {
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default().to_string()
}

/// The states of deliveries, the first of which a search has that has several.
const STATES: [&str; 4] = ["failing", "catching-up", "live", "paused"];

impl Registry {
    pub(super) fn state(&self, entry: &Entry, paused_because: Option<&str>) -> StateOf {
        let position_now = self.live.offered();
        if entry.is_paused || entry.deliveries.is_empty() {
            let state = if entry.is_paused { "paused" } else { "live" };
            let position =
                entry.deliveries.iter().map(|it| it.status.lock().position.seq).min().unwrap_or(position_now);
            let reason = paused_because.map(str::to_owned);
            return StateOf { state, position: position.0, reason, next_try: None };
        }
        let states: Vec<_> = entry.deliveries.iter().map(|delivery| self.delivery_state(delivery)).collect();
        let position = states.iter().map(|state| state.position).min().unwrap_or(position_now.0);
        let rank = |state: &StateOf| STATES.iter().position(|name| *name == state.state);
        let worst = states.into_iter().min_by_key(rank);
        worst.map_or(StateOf { state: "live", position, reason: None, next_try: None }, |worst| StateOf {
            position,
            ..worst
        })
    }

    pub(super) fn delivery_state(&self, delivery: &RunningDelivery) -> StateOf {
        let offered = self.live.offered();
        let status = delivery.status.lock();
        let position = if status.is_settled() { offered.max(status.position.seq) } else { status.position.seq };
        let (state, reason, next_try) = match &status.state {
            DeliveryState::Live => ("live", None, None),
            DeliveryState::CatchingUp => ("catching-up", None, None),
            DeliveryState::Paused { reason } => ("paused", Some(reason.clone()), None),
            DeliveryState::Failing { reason, next_try_ms } => ("failing", Some(reason.clone()), next_try_ms.map(time)),
        };
        StateOf { state, position: position.0, reason, next_try }
    }

    /// A search as clients see it; `None` when there is none.
    pub(super) fn view(&self, name: &str) -> Result<Option<SavedSearch>, ApiError> {
        let search = self.store.search(name).map_err(|error| unreadable(&error))?;
        Ok(search.and_then(|search| self.view_of(name, search)))
    }

    pub(super) fn view_of(&self, name: &str, search: StoredSearch) -> Option<SavedSearch> {
        let entries = self.entries();
        let (name, entry) = entries.by_name.get_key_value(name)?;
        let kind = |at: usize| search.spec.deliver.get(at)?.get("type")?.as_str().map(str::to_owned);
        let deliveries = entry.deliveries.iter().enumerate().map(|(at, delivery)| {
            let state = self.delivery_state(delivery);
            let (delivered, due_ms) = {
                let status = delivery.status.lock();
                (status.delivered, status.due_ms)
            };
            let next_digest = due_ms.map(time);
            DeliveryView { kind: kind(at).unwrap_or_default(), state, delivered, next_digest }
        });
        Some(SavedSearch {
            name: Arc::clone(name),
            owner: search.owner,
            created_at: time(search.created_ms),
            changed_at: time(search.changed_ms),
            revision: search.revision,
            state: self.state(entry, search.paused_because.as_deref()),
            epoch: self.live.epoch().to_string(),
            has_feed_token: search.feed_token.is_some(),
            unsubscribed: search.unsubscribed,
            deliveries: deliveries.collect(),
            warnings: Vec::new(),
            spec: search.spec.masked(),
        })
    }
}
