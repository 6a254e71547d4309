//! What a client has registered, for the time after a restart of perch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Client;
use super::commands::Found;
use crate::ids::Seq;
use crate::live::SubscriptionName;
use crate::transport::errors::{At, Code};
use crate::transport::query_form::QueryForm;
use crate::transport::sente::saved::{ClientKey, SavedClient, SavedSubscription};
use crate::transport::wire::PercolateCommand;

/// A subscription that could not be restored is tried again after so long.
const RETRY: Duration = Duration::from_secs(5);

/// How often the position of a client that nothing is sent to moves.
const QUIET_INTERVAL: Duration = Duration::from_secs(5);

/// Whether tweets from before newer ones are still to be acknowledged. Until then the position
/// stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    None,
    /// They are still read from the index.
    UntilLive,
    /// All of them are in the outbox: until so many pushes are acknowledged.
    UntilAcknowledged(u64),
}

/// What is kept of a client over a restart.
#[derive(Debug)]
pub(super) struct Registrations {
    /// By which the client is found; `None` when it can't come back.
    key: Option<ClientKey>,
    /// Whether what was kept was asked for.
    has_restored: bool,
    subscriptions: BTreeMap<SubscriptionName, SavedSubscription>,
    /// Those of them that are still to be restored.
    missing: BTreeSet<SubscriptionName>,
    retry_at: Instant,
    /// The client has shown that it got everything up to here.
    position: Option<Seq>,
    hold: Hold,
    next_quiet: Instant,
}

impl Registrations {
    /// Of a client with this id; `None` when it can't come back.
    pub(super) fn new(id: Option<&str>) -> Registrations {
        Registrations {
            key: id.map(ClientKey::new),
            has_restored: false,
            subscriptions: BTreeMap::new(),
            missing: BTreeSet::new(),
            retry_at: Instant::now(),
            position: None,
            hold: Hold::None,
            next_quiet: Instant::now() + QUIET_INTERVAL,
        }
    }

    pub(super) fn insert(&mut self, name: SubscriptionName, query: Arc<str>, since: Option<Seq>, watermark: Seq) {
        let from = since.unwrap_or(watermark);
        self.position = Some(self.position.map_or(from, |position| position.min(from)));
        if since.is_some() {
            self.hold = Hold::UntilLive;
        }
        self.missing.remove(&name);
        self.subscriptions.insert(name.clone(), SavedSubscription { name, query, since: from.0 });
    }

    pub(super) fn remove(&mut self, name: &SubscriptionName) {
        self.subscriptions.remove(name);
        self.missing.remove(name);
    }

    /// Whether it is still to be restored.
    pub(super) fn is_missing(&self, name: &SubscriptionName) -> bool {
        self.missing.contains(name)
    }

    /// When to try again what could not be restored.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        (!self.missing.is_empty()).then_some(self.retry_at)
    }

    /// Tweets come in order from now on, behind so many pushes.
    pub(super) fn has_caught_up(&mut self, pushed: u64) {
        if self.hold == Hold::UntilLive {
            self.hold = Hold::UntilAcknowledged(pushed);
        }
    }

    /// Whether the position has to stay, now that so many pushes are acknowledged.
    fn holds_position(&mut self, acknowledged: u64) -> bool {
        if matches!(self.hold, Hold::UntilAcknowledged(pushed) if acknowledged >= pushed) {
            self.hold = Hold::None;
        }
        self.hold != Hold::None || !self.missing.is_empty()
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
            subject: self.access_token.as_ref().map(|access_token| access_token.subject.clone()),
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

    /// Keeps what is registered for the client's next session: this one has failed.
    pub(super) fn release(&self) {
        if let Some(key) = &self.registrations.key {
            self.endpoint.saved.release(key);
        }
    }

    /// Notes how far the client has shown to have come.
    pub(super) fn note_position(&mut self) {
        let acknowledged = self.outbox.take_acknowledged();
        let holds_position = self.registrations.holds_position(self.outbox.acknowledged());
        if let Some(seq) = acknowledged.filter(|_| !holds_position) {
            self.move_position(seq);
        }
    }

    /// Notes that there was nothing to send, once in a while.
    pub(super) fn note_quiet_when_due(&mut self, now: Instant) {
        if now >= self.registrations.next_quiet {
            self.registrations.next_quiet = now + QUIET_INTERVAL;
            self.note_quiet();
        }
    }

    /// Notes that the client has all there is for it: nothing waits, and nothing is unacknowledged.
    pub(super) fn note_quiet(&mut self) {
        if self.registrations.subscriptions.is_empty()
            || !self.outbox.is_acknowledged()
            || self.registrations.holds_position(self.outbox.acknowledged())
        {
            return;
        }
        let passed = self.session.passed().filter(|&seq| self.registrations.position.is_none_or(|old| old < seq));
        if let Some(seq) = passed {
            self.move_position(seq);
        }
    }

    fn move_position(&mut self, seq: Seq) {
        self.registrations.position = Some(seq);
        if let Some(key) = &self.registrations.key {
            self.endpoint.saved.set_position(key, seq);
        }
    }

    /// Registers what the client had before a restart, once it is known who it is. The client is
    /// told nothing: it believes to be registered.
    pub(super) async fn restore(&mut self) {
        let Registrations { key: Some(key), has_restored: false, .. } = &self.registrations else { return };
        if self.endpoint.context.gate.needs_token() && self.access_token.is_none() {
            return;
        }
        let subject = self.access_token.as_ref().map(|access_token| access_token.subject.as_str());
        let saved = self.endpoint.saved.claim(key, subject);
        self.registrations.has_restored = true;
        let Some(SavedClient { position, subscriptions, .. }) = saved else { return };
        // All of them at once: what is saved meanwhile has those too that can't be restored yet.
        for subscription in subscriptions {
            self.registrations.missing.insert(subscription.name.clone());
            self.registrations.subscriptions.insert(subscription.name.clone(), subscription);
        }
        self.registrations.position = Some(Seq(position));
        // It has something to come back to, also when none can be restored yet.
        self.has_subscribed = true;
        self.restore_missing().await;
    }

    /// Tries to restore what is not restored yet.
    pub(super) async fn restore_missing(&mut self) {
        let Registrations { missing, subscriptions, position, .. } = &self.registrations;
        let position = position.unwrap_or(Seq::ZERO);
        let missing: Vec<_> = missing.iter().filter_map(|name| subscriptions.get(name).cloned()).collect();
        for subscription in missing {
            let name = subscription.name.clone();
            let Err(fault) = self.restore_one(subscription, position).await else { continue };
            // Of another perch, or with other limits, the query may be none.
            let is_passing = matches!(fault.code, Code::Limit | Code::Unavailable | Code::Unrecoverable);
            tracing::debug!(
                code = fault.code.name(),
                message = fault.message,
                is_passing,
                "a subscription is not restored"
            );
            if !is_passing {
                self.registrations.remove(&name);
                self.save();
            }
        }
        self.registrations.retry_at = Instant::now() + RETRY;
    }

    async fn restore_one(&mut self, subscription: SavedSubscription, position: Seq) -> Found {
        let SavedSubscription { name, query, since } = subscription;
        let mut since = Some(position.max(Seq(since)));
        loop {
            let query = QueryForm::Text(query.to_string());
            let found = self.percolate(PercolateCommand { query, name: name.clone(), since, epoch: None }, None).await;
            let (Err(fault), Some(tried)) = (&found, since) else { return found };
            if fault.code != Code::Unrecoverable {
                return found;
            }
            since = match fault.at {
                // Retention has deleted what lies before: what is left is sent.
                Some(At::Position { since: first }) if first > tried.0 => Some(Seq(first)),
                // A crash has lost what lay there.
                _ => None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_stays_until_what_was_caught_up_is_acknowledged() {
        let mut registrations = Registrations::new(Some("an id"));
        registrations.insert(None, "rust".into(), None, Seq(100));
        assert!(!registrations.holds_position(0));
        registrations.insert(None, "java".into(), Some(Seq(50)), Seq(120));
        assert_eq!(registrations.position, Some(Seq(50)));
        assert!(registrations.holds_position(0), "it is caught up");
        registrations.has_caught_up(3);
        assert!(registrations.holds_position(2), "one of them is on its way");
        assert!(!registrations.holds_position(3));
        // A session that falls behind gets everything in order.
        registrations.has_caught_up(9);
        assert!(!registrations.holds_position(3));
    }
}
