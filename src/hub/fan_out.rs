//! The fan-out: from a query that matched to the queues of the sessions that subscribed to it.
//!
//! A look-up by query key finds the subscriptions of a query, so the cost of a match grows with its
//! subscriptions and not with the number of sessions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::catalog::{ClientIndex, Percolated};
use super::memory::{map_bytes, name_bytes};
use super::{Delivery, DeliveryKind, GoneReason, SessionQueue, SubscriptionName};
use crate::ids::{QueryKey, Uid};
use crate::index::Hit;
use crate::telemetry;
use crate::tweet::SequencedTweet;

/// The index of a session in the fan-out. Indices of ended sessions are reused.
pub(super) type SessionIndex = u32;

/// One session's subscription to a query.
#[derive(Debug)]
struct Subscription {
    session: SessionIndex,
    /// The client whose budget it counts in.
    client: ClientIndex,
    name: SubscriptionName,
}

/// A session with at least one subscription since it began.
#[derive(Debug)]
struct Subscriber {
    queue: Arc<SessionQueue>,
    queries: NamedQueries,
}

/// The queries of a session, by the names of its subscriptions. Most sessions have one, which needs
/// no map.
#[derive(Debug, Default)]
enum NamedQueries {
    #[default]
    None,
    One(SubscriptionName, QueryKey),
    Many(HashMap<SubscriptionName, QueryKey>),
}

impl NamedQueries {
    /// Sets the query of a name, and returns the query that the name had.
    fn insert(&mut self, name: SubscriptionName, key: QueryKey) -> Option<QueryKey> {
        match self {
            NamedQueries::One(known, old) if *known == name => Some(std::mem::replace(old, key)),
            NamedQueries::Many(queries) => queries.insert(name, key),
            NamedQueries::None => {
                *self = NamedQueries::One(name, key);
                None
            }
            NamedQueries::One(..) => {
                *self = NamedQueries::Many(std::mem::take(self).into_pairs().chain([(name, key)]).collect());
                None
            }
        }
    }

    /// Removes a name, and returns its query.
    fn remove(&mut self, name: &SubscriptionName) -> Option<QueryKey> {
        match self {
            NamedQueries::One(known, key) if known == name => {
                let key = *key;
                *self = NamedQueries::None;
                Some(key)
            }
            NamedQueries::Many(queries) => queries.remove(name),
            NamedQueries::None | NamedQueries::One(..) => None,
        }
    }

    fn into_pairs(self) -> impl Iterator<Item = (SubscriptionName, QueryKey)> {
        let (one, many) = match self {
            NamedQueries::None => (None, HashMap::new()),
            NamedQueries::One(name, key) => (Some((name, key)), HashMap::new()),
            NamedQueries::Many(queries) => (None, queries),
        };
        one.into_iter().chain(many)
    }

    /// Its heap memory.
    fn size_bytes(&self) -> usize {
        match self {
            NamedQueries::None => 0,
            NamedQueries::One(name, _) => name_bytes(name),
            NamedQueries::Many(queries) => map_bytes(queries) + queries.keys().map(name_bytes).sum::<usize>(),
        }
    }
}

/// A subscription that ended.
#[derive(Debug)]
pub(super) struct EndedSubscription {
    pub(super) client: ClientIndex,
    /// Whether its client has other subscriptions to the query.
    pub(super) is_still_held: bool,
    /// Subscriptions that the query has left.
    pub(super) remaining: usize,
}

/// A document that was percolated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// The index of its tweet among those that are delivered.
    pub(super) tweet: usize,
    /// Whether it is the version that the tweet replaces.
    pub(super) is_older: bool,
}

/// Subscriptions by query and by session, and the way from a match to the sessions' queues.
#[derive(Debug, Default)]
pub(super) struct FanOut {
    /// By session index; `None` is free.
    sessions: Vec<Option<Subscriber>>,
    free: Vec<SessionIndex>,
    indices: HashMap<Uid, SessionIndex>,
    /// By query key; empty where the key is free.
    subscriptions: Vec<Vec<Subscription>>,
    /// Scratch of [`FanOut::deliver`], by session index: the names that the current tweet matches.
    names: Vec<Vec<SubscriptionName>>,
}

impl FanOut {
    /// The index of the session with this queue, added if it is new.
    pub(super) fn session(&mut self, queue: &Arc<SessionQueue>) -> SessionIndex {
        if let Some(&session) = self.indices.get(&queue.uid()) {
            return session;
        }
        let subscriber = Some(Subscriber { queue: Arc::clone(queue), queries: NamedQueries::default() });
        let session = if let Some(session) = self.free.pop() {
            self.sessions[session as usize] = subscriber;
            session
        } else {
            self.sessions.push(subscriber);
            self.names.push(Vec::new());
            SessionIndex::try_from(self.sessions.len() - 1).expect("fewer than 2^32 sessions")
        };
        self.indices.insert(queue.uid(), session);
        session
    }

    /// The index of a session that is known.
    pub(super) fn index(&self, uid: Uid) -> Option<SessionIndex> {
        self.indices.get(&uid).copied()
    }

    /// Whether the client has a subscription to the query.
    pub(super) fn is_held_by(&self, key: QueryKey, client: ClientIndex) -> bool {
        self.subscriptions
            .get(key.index())
            .is_some_and(|subscriptions| subscriptions.iter().any(|it| it.client == client))
    }

    /// Adds a subscription to a query, and returns how many the query has. Does not end the
    /// subscription that the session has under this name: [`FanOut::name_query`] returns that one's
    /// query.
    pub(super) fn add(
        &mut self,
        key: QueryKey,
        session: SessionIndex,
        client: ClientIndex,
        name: SubscriptionName,
    ) -> usize {
        if self.subscriptions.len() <= key.index() {
            self.subscriptions.resize_with(key.index() + 1, Vec::new);
        }
        let subscriptions = &mut self.subscriptions[key.index()];
        if subscriptions.len() == subscriptions.capacity() {
            // Most queries have one subscription.
            subscriptions.reserve_exact(subscriptions.len().max(1));
        }
        subscriptions.push(Subscription { session, client, name });
        subscriptions.len()
    }

    /// Sets the query of a name, and returns the query that the name had.
    pub(super) fn name_query(
        &mut self,
        session: SessionIndex,
        name: SubscriptionName,
        key: QueryKey,
    ) -> Option<QueryKey> {
        self.sessions[session as usize].as_mut()?.queries.insert(name, key)
    }

    /// Removes a name of a session, and returns its query.
    pub(super) fn remove_name(&mut self, session: SessionIndex, name: &SubscriptionName) -> Option<QueryKey> {
        self.sessions[session as usize].as_mut()?.queries.remove(name)
    }

    /// Removes the oldest subscription of a session to a query under a name.
    pub(super) fn remove(
        &mut self,
        key: QueryKey,
        session: SessionIndex,
        name: &SubscriptionName,
    ) -> Option<EndedSubscription> {
        let subscriptions = self.subscriptions.get_mut(key.index())?;
        let at = subscriptions.iter().position(|it| it.session == session && it.name == *name)?;
        let Subscription { client, .. } = subscriptions.swap_remove(at);
        let is_still_held = subscriptions.iter().any(|it| it.client == client);
        let remaining = subscriptions.len();
        if remaining == 0 {
            *subscriptions = Vec::new();
        }
        Some(EndedSubscription { client, is_still_held, remaining })
    }

    /// Removes a session, and returns its subscriptions, which the caller has to remove.
    pub(super) fn remove_session(
        &mut self,
        uid: Uid,
    ) -> Option<(SessionIndex, impl Iterator<Item = (SubscriptionName, QueryKey)> + use<>)> {
        let session = self.indices.remove(&uid)?;
        let subscriber = self.sessions[session as usize].take()?;
        self.free.push(session);
        Some((session, subscriber.queries.into_pairs()))
    }

    /// Drops the deliveries that wait for a subscription.
    pub(super) fn purge(&self, session: SessionIndex, name: &SubscriptionName) {
        if let Some(subscriber) = &self.sessions[session as usize] {
            subscriber.queue.purge(name);
        }
    }

    /// Puts each tweet into the queues of the sessions that subscribed to a query that it matches,
    /// and tells those whose query matches its older version only that it is gone. `versions` are
    /// the documents that were percolated.
    pub(super) fn deliver(&mut self, tweets: &[SequencedTweet], versions: &[Version], percolated: &Percolated<'_>) {
        let mut undecided = &percolated.undecided[..];
        let mut matched_sessions = Vec::new();
        let mut deliveries: HashMap<Vec<SubscriptionName>, Arc<Delivery>> = HashMap::new();
        let mut by_doc = percolated.matches.by_doc().peekable();
        while let Some((doc, queries)) = by_doc.next() {
            let Version { tweet: at, is_older } = versions[doc as usize];
            let mut gone: HashSet<QueryKey> = HashSet::new();
            let mut queries = Some(queries);
            if is_older {
                gone.extend(queries.take().into_iter().flatten());
                let is_newer = |doc: u32| versions[doc as usize].tweet == at;
                queries = by_doc.next_if(|&(doc, _)| is_newer(doc)).map(|(_, queries)| queries);
            }
            self.defer(&mut undecided, versions, at, tweets);
            let tweet = &tweets[at];
            let hit = || Hit { seq: tweet.seq, id: tweet.tweet.id, json: Arc::clone(&tweet.tweet.json) };
            for key in queries.into_iter().flatten() {
                gone.remove(&key);
                let Some(subscriptions) = self.subscriptions.get(key.index()) else { continue };
                for subscription in subscriptions {
                    let names = &mut self.names[subscription.session as usize];
                    if names.is_empty() {
                        matched_sessions.push(subscription.session);
                    }
                    names.push(subscription.name.clone());
                }
            }
            self.offer_gone(&gone, GoneReason::of(&tweet.tweet), hit);
            // Most sessions use the same name, or none, so most share the last delivery.
            let mut last: Option<Arc<Delivery>> = None;
            for session in matched_sessions.drain(..) {
                let mut names = std::mem::take(&mut self.names[session as usize]);
                names.sort_unstable();
                if let Some(subscriber) = &self.sessions[session as usize] {
                    let delivery = match &last {
                        Some(last) if last.names[..] == names[..] => last,
                        _ => {
                            let delivery = deliveries
                                .entry(names.clone())
                                .or_insert_with(|| Arc::new(Delivery::new(hit(), names.as_slice().into())));
                            last.insert(Arc::clone(delivery))
                        }
                    };
                    subscriber.queue.offer(delivery);
                }
                names.clear();
                self.names[session as usize] = names;
            }
            deliveries.clear();
        }
        self.defer(&mut undecided, versions, usize::MAX, tweets);
    }

    /// Tells the sessions that subscribed to these queries that a tweet is gone. `self.names` has
    /// the names of each session that are about to get its newest version.
    fn offer_gone(&self, gone: &HashSet<QueryKey>, reason: GoneReason, hit: impl Fn() -> Hit) {
        let mut by_session: BTreeMap<SessionIndex, Vec<SubscriptionName>> = BTreeMap::new();
        for subscription in gone.iter().filter_map(|key| self.subscriptions.get(key.index())).flatten() {
            by_session.entry(subscription.session).or_default().push(subscription.name.clone());
        }
        let mut deliveries: HashMap<(Vec<SubscriptionName>, bool), Arc<Delivery>> = HashMap::new();
        for (session, mut names) in by_session {
            let Some(subscriber) = &self.sessions[session as usize] else { continue };
            names.sort_unstable();
            let is_followed = !self.names[session as usize].is_empty();
            let delivery = deliveries.entry((names, is_followed)).or_insert_with_key(|(names, is_followed)| {
                let kind = DeliveryKind::Gone { reason, is_followed: *is_followed };
                Arc::new(Delivery::of_kind(kind, hit(), names.as_slice().into()))
            });
            subscriber.queue.offer(delivery);
        }
    }

    /// Makes the subscribers of undecided queries read from the index, for all tweets up to the one
    /// at `until`. They fall behind before later tweets are offered to them.
    fn defer(&self, undecided: &mut &[(u32, QueryKey)], versions: &[Version], until: usize, tweets: &[SequencedTweet]) {
        let due = undecided.iter().take_while(|&&(doc, _)| versions[doc as usize].tweet <= until).count();
        let (due, later) = undecided.split_at(due);
        *undecided = later;
        for &(doc, key) in due {
            let seq = tweets[versions[doc as usize].tweet].seq;
            for subscription in self.subscriptions.get(key.index()).into_iter().flatten() {
                if let Some(subscriber) = &self.sessions[subscription.session as usize] {
                    subscriber.queue.defer(seq);
                }
            }
        }
        if !due.is_empty() {
            telemetry::percolation_deferred(due.len() as u64);
        }
    }

    /// Its memory in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let of_query = |subscriptions: &Vec<Subscription>| subscriptions.capacity() * size_of::<Subscription>();
        self.subscriptions.capacity() * size_of::<Vec<Subscription>>()
            + self.subscriptions.iter().map(of_query).sum::<usize>()
            + self.sessions.capacity() * size_of::<Option<Subscriber>>()
            + self.sessions.iter().flatten().map(|subscriber| subscriber.queries.size_bytes()).sum::<usize>()
            + map_bytes(&self.indices)
            + self.free.capacity() * size_of::<SessionIndex>()
            + self.names.capacity() * size_of::<Vec<SubscriptionName>>()
    }

    /// Sessions and free indices.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.sessions.len()
    }
}
