//! The registrations of a client, kept for its return after a restart of perch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ClientTask;
use crate::ids::Seq;
use crate::live::{ApiError, Code, ErrorLocation, PercolateCommand, QueryInput, QuerySource, SubscriptionName};
use crate::transport::sente::saved::{ClientIdHash, SavedClient, SavedSubscription};

/// The pause before a subscription that could not be restored is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// How often the position of a client without pushes moves.
const QUIET_INTERVAL: Duration = Duration::from_secs(5);

/// Whether the position must stay, because tweets older than those of live pushes are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    None,
    /// Until the session has read them from the index.
    UntilLive,
    /// Until this many pushes are acknowledged: all the older tweets are among them.
    UntilAcknowledged(u64),
}

/// What perch keeps of a client over a restart.
#[derive(Debug)]
pub(super) struct Registrations {
    /// The key of the record. `None` when the client can't come back.
    key: Option<ClientIdHash>,
    /// Whether an earlier record was looked for.
    has_restored: bool,
    subscriptions: BTreeMap<SubscriptionName, SavedSubscription>,
    /// The subscriptions that are still to be restored.
    missing: BTreeSet<SubscriptionName>,
    retry_at: Instant,
    /// The client has acknowledged everything up to here.
    position: Option<Seq>,
    hold: Hold,
    next_quiet: Instant,
}

impl Registrations {
    /// The registrations of a client with this id. `None` when the client can't come back.
    pub(super) fn new(id: Option<&str>) -> Registrations {
        Registrations {
            key: id.map(ClientIdHash::new),
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

    /// Whether a subscription is still to be restored.
    pub(super) fn is_missing(&self, name: &SubscriptionName) -> bool {
        self.missing.contains(name)
    }

    /// When to try again to restore subscriptions, if any are missing.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        (!self.missing.is_empty()).then_some(self.retry_at)
    }

    /// The session is live: tweets come in order from now on, behind this many pushes.
    pub(super) fn has_caught_up(&mut self, pushed: u64) {
        if self.hold == Hold::UntilLive {
            self.hold = Hold::UntilAcknowledged(pushed);
        }
    }

    /// Whether the position must stay, now that this many pushes are acknowledged.
    fn holds_position(&mut self, acknowledged: u64) -> bool {
        if matches!(self.hold, Hold::UntilAcknowledged(pushed) if acknowledged >= pushed) {
            self.hold = Hold::None;
        }
        self.hold != Hold::None || !self.missing.is_empty()
    }
}

impl ClientTask {
    /// Saves the registrations.
    pub(super) fn save(&self) {
        let Registrations { key: Some(key), subscriptions, position, .. } = &self.registrations else { return };
        if subscriptions.is_empty() {
            return self.endpoint.saved.remove(key);
        }
        let client = SavedClient {
            subject: self.session.access_token().map(|access_token| access_token.subject.clone()),
            position: position.map_or(0, |position| position.0),
            subscriptions: subscriptions.values().cloned().collect(),
        };
        self.endpoint.saved.put(key, client);
    }

    /// Removes the record: the client has gone for good.
    pub(super) fn forget(&self) {
        if let Some(key) = &self.registrations.key {
            self.endpoint.saved.remove(key);
        }
    }

    /// Keeps the record for the client's next session: this one has failed.
    pub(super) fn release(&self) {
        if let Some(key) = &self.registrations.key {
            self.endpoint.saved.release(key);
        }
    }

    /// Moves the position to the last acknowledged tweet.
    pub(super) fn note_position(&mut self) {
        let acknowledged = self.outbox.take_acknowledged();
        let holds_position = self.registrations.holds_position(self.outbox.acknowledged());
        if let Some(seq) = acknowledged.filter(|_| !holds_position) {
            self.move_position(seq);
        }
    }

    /// Calls [`ClientTask::note_quiet`] every [`QUIET_INTERVAL`].
    pub(super) fn note_quiet_when_due(&mut self, now: Instant) {
        if now >= self.registrations.next_quiet {
            self.registrations.next_quiet = now + QUIET_INTERVAL;
            self.note_quiet();
        }
    }

    /// Moves the position to where the percolator is, when nothing waits and everything is
    /// acknowledged.
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

    /// Restores what the client had registered before, once the client is known. The client gets no
    /// answer, because it takes itself for registered.
    pub(super) async fn restore(&mut self) {
        let Registrations { key: Some(key), has_restored: false, .. } = &self.registrations else { return };
        if !self.session.is_authenticated() {
            return;
        }
        let subject = self.session.access_token().map(|access_token| access_token.subject.as_str());
        let saved = self.endpoint.saved.claim(key, subject);
        self.registrations.has_restored = true;
        let Some(SavedClient { position, subscriptions, .. }) = saved else { return };
        // Noted at once, so that a save keeps those too that can't be restored yet.
        for subscription in subscriptions {
            self.registrations.missing.insert(subscription.name.clone());
            self.registrations.subscriptions.insert(subscription.name.clone(), subscription);
        }
        self.registrations.position = Some(Seq(position));
        // The client has something to come back to, also while nothing is restored.
        self.has_subscribed = true;
        self.restore_missing().await;
    }

    /// Tries to restore the missing subscriptions.
    pub(super) async fn restore_missing(&mut self) {
        let Registrations { missing, subscriptions, position, .. } = &self.registrations;
        let position = position.unwrap_or(Seq::ZERO);
        let missing: Vec<_> = missing.iter().filter_map(|name| subscriptions.get(name).cloned()).collect();
        for subscription in missing {
            let name = subscription.name.clone();
            let Err(error) = self.restore_one(subscription, position).await else { continue };
            // Another version of perch, or other limits, may refuse the query for good.
            let is_passing = matches!(error.code, Code::Limit | Code::Unavailable | Code::Unrecoverable);
            tracing::debug!(
                code = error.code.name(),
                message = error.message,
                is_passing,
                "a subscription is not restored"
            );
            if !is_passing {
                self.registrations.remove(&name);
                self.save();
            }
        }
        self.registrations.retry_at = Instant::now() + RETRY_DELAY;
    }

    async fn restore_one(&mut self, subscription: SavedSubscription, position: Seq) -> Result<(), ApiError> {
        let SavedSubscription { name, query, since } = subscription;
        let mut since = Some(position.max(Seq(since)));
        loop {
            let query = QuerySource::Input(QueryInput::Text(query.to_string()));
            let command = PercolateCommand { query, name: name.clone(), since, epoch: None };
            let error = match self.session.restore(command).await {
                Ok(percolated) => {
                    self.percolated(&percolated);
                    return Ok(());
                }
                Err(error) => error,
            };
            let Some(tried) = since.filter(|_| error.code == Code::Unrecoverable) else { return Err(error) };
            since = match error.at {
                // Retention has deleted what lies before. Start with the first tweet that is left.
                Some(ErrorLocation::Position { since: first }) if first > tried.0 => Some(Seq(first)),
                // A crash has lost the position. Start with new tweets.
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
