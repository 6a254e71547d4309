//! The hub: the query catalog, and the fan-out of matching tweets to sessions.
//!
//! ```text
//! subscription ─> QueryCatalog (engine, statistics, budgets) ─> key ─> FanOut (sessions by key)
//! tweets ─> QueryCatalog ─(tweet, key)*─> FanOut ─> a Delivery for equal names ─> session queues
//! ```
//!
//! The pipeline's loop owns the [`Hub`]. Two parts are shared with others: each session's queue,
//! and the [`QueryListing`]. A slow session costs the hub no more than a fast one: its queue is
//! bounded, and when it overflows the hub drops it and the session reads from the index
//! ([`crate::live`]).

mod catalog;
mod client_key;
mod delivery;
mod disconnect_queue;
mod fan_out;
mod memory;
mod session_queue;

use std::sync::Arc;

use crate::doc::Doc;
use crate::ids::{QueryKey, Uid};
use crate::percolator::Engine;
use crate::query::Query;
use crate::telemetry;
use crate::tweet::{AnalyzedTweet, SequencedTweet};

use catalog::QueryCatalog;
pub(crate) use catalog::{ClientLimits, MatchingQueries, QueryListing, RegistrationError};
pub use catalog::{CostOrder, QueryCounts, QueryStats};
pub use client_key::{ClientKey, client_network};
pub use delivery::{Delivery, DeliveryKind, EncodedText, EncoderKey, Encodings, GoneReason, SubscriptionName};
pub(crate) use disconnect_queue::DisconnectQueue;
use fan_out::{FanOut, SessionIndex, Version};
use memory::{MemoryBudget, subscription_bytes};
pub use session_queue::{QueueLimits, SessionQueue};
pub(crate) use session_queue::{TakeOutcome, Wake};

/// Keeps the catalog and the fan-out in step.
pub(crate) struct Hub {
    catalog: QueryCatalog,
    fan_out: FanOut,
    memory: MemoryBudget,
}

impl Hub {
    pub(crate) fn new(engine: Box<dyn Engine>, max_queries: usize, max_bytes: usize) -> Hub {
        Hub {
            catalog: QueryCatalog::new(engine, max_queries),
            fan_out: FanOut::default(),
            memory: MemoryBudget::new(max_bytes),
        }
    }

    /// Sets how much each client may hold.
    #[must_use]
    pub(crate) fn with_client_limits(mut self, limits: ClientLimits) -> Hub {
        self.catalog.set_client_limits(limits);
        self
    }

    /// The registered queries, readable beside the loop.
    pub(crate) fn listing(&self) -> Arc<QueryListing> {
        self.catalog.listing()
    }

    /// The number of registered queries.
    pub(crate) fn queries(&self) -> usize {
        self.catalog.len()
    }

    /// The memory of queries and subscriptions in bytes: measured a few changes ago, and estimated
    /// since.
    pub(crate) fn size_bytes(&self) -> usize {
        self.memory.used_bytes()
    }

    /// Counts a subscription that came or went.
    fn changed(&mut self, added_bytes: usize) {
        if self.memory.change(added_bytes, self.catalog.len()) {
            self.memory.set_measured(self.catalog.size_bytes() + self.fan_out.size_bytes());
        }
    }

    /// Adds a subscription of perch itself.
    #[cfg(test)]
    pub(crate) fn subscribe(
        &mut self,
        queue: &Arc<SessionQueue>,
        name: &SubscriptionName,
        query: &Query,
    ) -> Result<Query, RegistrationError> {
        self.subscribe_for(&ClientKey::Server, queue, name, query)
    }

    /// Adds a subscription of a client, or replaces the session's subscription of this name and
    /// drops what waits for it. Returns the query as it is registered: a clone of it takes no
    /// further memory.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`]; nothing has changed then.
    pub(crate) fn subscribe_for(
        &mut self,
        client: &ClientKey,
        queue: &Arc<SessionQueue>,
        name: &SubscriptionName,
        query: &Query,
    ) -> Result<Query, RegistrationError> {
        if self.memory.is_exhausted() {
            return Err(RegistrationError::OutOfMemory(self.memory.max_bytes));
        }
        let held = self.catalog.key(query.id()).zip(self.catalog.client(client));
        let is_held = held.is_some_and(|(key, client)| self.fan_out.is_held_by(key, client));
        let (key, client, is_new) = self.catalog.acquire(client, name, query, is_held)?;
        let session = self.fan_out.session(queue);
        let subscriptions = self.fan_out.add(key, session, client, name.clone());
        self.catalog.set_subscriptions(key, subscriptions);
        // The old subscription ends after the new one has begun: if both have the same query, it
        // stays registered.
        if let Some(old) = self.fan_out.name_query(session, name.clone(), key) {
            self.end_subscription(old, session, name);
        }
        queue.purge(name);
        let registered = self.catalog.query(key).unwrap_or(query).clone();
        let query_bytes = if is_new { QueryCatalog::estimate_bytes(query) } else { 0 };
        self.changed(subscription_bytes(name) + query_bytes);
        Ok(registered)
    }

    /// Ends a subscription and drops what waits for it. False if there is none of this name.
    pub(crate) fn unsubscribe(&mut self, uid: Uid, name: &SubscriptionName) -> bool {
        let Some(session) = self.fan_out.index(uid) else { return false };
        let Some(key) = self.fan_out.remove_name(session, name) else { return false };
        self.end_subscription(key, session, name);
        self.fan_out.purge(session, name);
        true
    }

    /// Ends all subscriptions of a session.
    pub(crate) fn disconnect(&mut self, uid: Uid) {
        let Some((session, queries)) = self.fan_out.remove_session(uid) else { return };
        for (name, key) in queries {
            self.end_subscription(key, session, &name);
        }
    }

    fn end_subscription(&mut self, key: QueryKey, session: SessionIndex, name: &SubscriptionName) {
        if let Some(ended) = self.fan_out.remove(key, session, name) {
            self.catalog.release(key, ended.client, name, (ended.remaining, ended.is_still_held));
        }
        self.changed(0);
    }

    /// Percolates tweets and puts the matching ones into the queues of sessions. `older` are the
    /// versions that they replace, each with the index of its tweet, in order. Where a query
    /// matches the older version and not the newer one, its sessions learn that the tweet is gone.
    /// Returns the numbers of matches and of candidates.
    pub(crate) fn dispatch(
        &mut self,
        tweets: &[SequencedTweet],
        older: &[(usize, Arc<AnalyzedTweet>)],
    ) -> (usize, u64) {
        let mut older = older.iter().peekable();
        let (mut docs, mut versions) = (Vec::with_capacity(tweets.len()), Vec::with_capacity(tweets.len()));
        for (at, tweet) in tweets.iter().enumerate() {
            if let Some((_, older)) = older.next_if(|(of, _)| *of == at) {
                docs.push(&older.doc);
                versions.push(Version { tweet: at, is_older: true });
            }
            if !tweet.tweet.is_deleted {
                docs.push(&tweet.tweet.doc);
                versions.push(Version { tweet: at, is_older: false });
            }
        }
        let percolated = self.catalog.percolate(&docs, |doc| !versions[doc as usize].is_older);
        self.fan_out.deliver(tweets, &versions, &percolated);
        let matches = percolated.matches;
        let (mut n, candidates, steps) = (matches.len(), matches.candidates, matches.steps);
        if versions.iter().any(|version| version.is_older) {
            // Older versions were counted when they came.
            n = matches.pairs().filter(|&(doc, _)| !versions[doc as usize].is_older).count();
            docs = docs.into_iter().zip(&versions).filter(|(_, it)| !it.is_older).map(|(doc, _)| doc).collect();
        }
        self.catalog.sample(&docs);
        telemetry::percolation_steps(steps);
        (n, candidates)
    }

    /// The registered queries that a document matches.
    pub(crate) fn matching(&mut self, doc: &Doc) -> MatchingQueries {
        self.catalog.matching(doc)
    }
}

#[cfg(test)]
pub(crate) mod tests;
