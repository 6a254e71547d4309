//! What a client has registered, for the time after a restart of perch.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Client;
use crate::ids::Seq;
use crate::live::Name;
use crate::transport::errors::Code;
use crate::transport::query_form::QueryForm;
use crate::transport::sente::saved::{ClientKey, SavedClient, SavedSubscription};
use crate::transport::wire::PercolateCommand;

/// What is kept of a client over a restart.
#[derive(Debug)]
pub(super) struct Registrations {
    /// By which the client is found; `None` when it can't come back.
    key: Option<ClientKey>,
    /// Whether what was kept was asked for.
    has_restored: bool,
    subscriptions: BTreeMap<Name, SavedSubscription>,
    /// The client has shown that it got everything up to here.
    position: Option<Seq>,
    /// Whether tweets from before newer ones are still to be sent: until then the position stays.
    holds_position: bool,
}

impl Registrations {
    /// Of a client with this id; `None` when it can't come back.
    pub(super) fn new(id: Option<&str>) -> Registrations {
        Registrations {
            key: id.map(ClientKey::new),
            has_restored: false,
            subscriptions: BTreeMap::new(),
            position: None,
            holds_position: false,
        }
    }

    pub(super) fn insert(&mut self, name: Name, query: Arc<str>, since: Option<Seq>, watermark: Seq) {
        let from = since.unwrap_or(watermark);
        self.position = Some(self.position.map_or(from, |position| position.min(from)));
        self.holds_position |= since.is_some();
        self.subscriptions.insert(name.clone(), SavedSubscription { name, query, since: from.0 });
    }

    pub(super) fn remove(&mut self, name: &Name) {
        self.subscriptions.remove(name);
    }

    /// Tweets come in order from now on.
    pub(super) fn has_caught_up(&mut self) {
        self.holds_position = false;
    }
}

impl Client {
    /// Keeps what is registered.
    pub(super) fn save(&self) {
        let Registrations { key: Some(key), subscriptions, position, .. } = &self.registrations else { return };
        if subscriptions.is_empty() {
            return self.endpoint.saved.remove(key);
        }
        let client = SavedClient {
            subject: self.pass.as_ref().map(|pass| pass.subject.clone()),
            position: position.map_or(0, |position| position.0),
            subscriptions: subscriptions.values().cloned().collect(),
        };
        self.endpoint.saved.put(key, client);
    }

    /// Keeps nothing: the client has gone for good.
    pub(super) fn forget(&self) {
        if let Some(key) = &self.registrations.key {
            self.endpoint.saved.remove(key);
        }
    }

    /// Notes how far the client has shown to have come.
    pub(super) fn note_position(&mut self) {
        let acknowledged = self.outbox.take_acknowledged();
        let Registrations { key, position, holds_position, .. } = &mut self.registrations;
        if let Some(seq) = acknowledged.filter(|_| !*holds_position) {
            *position = Some(seq);
            if let Some(key) = key {
                self.endpoint.saved.set_position(key, seq);
            }
        }
    }

    /// Registers what the client had before a restart, once it is known who it is. The client is
    /// told nothing: it believes to be registered.
    pub(super) async fn restore(&mut self) {
        let Registrations { key: Some(key), has_restored: false, .. } = &self.registrations else { return };
        if self.endpoint.context.gate.needs_token() && self.pass.is_none() {
            return;
        }
        let subject = self.pass.as_ref().map(|pass| pass.subject.as_str());
        let saved = self.endpoint.saved.claim(key, subject);
        self.registrations.has_restored = true;
        let Some(SavedClient { position, subscriptions, .. }) = saved else { return };
        for SavedSubscription { name, query, since } in subscriptions {
            let query = QueryForm::Text(query.to_string());
            let command = |since| PercolateCommand { query: query.clone(), name: name.clone(), since, epoch: None };
            let mut found = self.percolate(command(Some(Seq(position.max(since)))), None).await;
            if found.as_ref().is_err_and(|fault| fault.code == Code::Unrecoverable) {
                // Retention has deleted what came meanwhile, or a crash has lost it.
                found = self.percolate(command(None), None).await;
            }
            if let Err(fault) = found {
                tracing::debug!(code = fault.code.name(), message = fault.message, "a subscription is not restored");
            }
        }
    }
}
