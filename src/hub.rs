//! The hub: which sessions want what a tweet matched, and what waits for each of them.
//!
//! ```text
//! (tweet, query key)*  ──registry──> query key ──subscriptions──> session, name ──> one Delivery for equal names ──> session queue
//! ```
//!
//! The pipeline's loop owns the [`Hub`]; only the queues are shared, each with its one session. Finding the sessions of a query is a look-up
//! in a table, never a scan over all sessions. A slow session costs the hub no more than a fast one: its queue is bounded, and when
//! it is full the queue goes and the session reads what it missed from the index ([`crate::live`]).

mod catalog;
mod client_key;
mod costs;
mod queue;
mod registry;
mod shares;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;

use crate::ids::{QueryKey, Uid};
use crate::index::Hit;
use crate::percolator::{Engine, Matches};
use crate::query::Query;
use crate::telemetry;
use crate::tweet::SequencedTweet;

pub(crate) use catalog::Catalog;
pub use client_key::ClientKey;
use costs::Costs;
pub use costs::{CostOrder, QueryCounts};
pub(crate) use queue::Taken;
pub use queue::{QueueLimits, SessionQueue};
use registry::Registry;
pub(crate) use shares::ShareLimits;
use shares::{ClientNumber, Shares, Weight};

/// The client's name for a subscription; `None` is its unnamed one.
pub type Name = Option<Arc<str>>;

/// A tweet for one session: shared by all sessions that get it under the same names.
#[derive(Debug)]
pub struct Delivery {
    /// The tweet.
    pub hit: Hit,
    /// The names of the subscriptions that it matches, sorted.
    pub names: Arc<[Name]>,
    /// The frame of `/ws`, encoded by the first session that needs it and shared.
    pub frame: OnceLock<Utf8Bytes>,
    /// What other transports make of it.
    pub encodings: Encodings,
}

/// How many ways there are to encode a delivery, besides the frame of `/ws`.
const MAX_ENCODINGS: usize = 6;

/// Encodings of a delivery, each made by the first session that needs it and shared. Takes next to no memory while nobody needs any.
#[derive(Debug, Default)]
pub struct Encodings {
    slots: OnceLock<Box<[OnceLock<Utf8Bytes>; MAX_ENCODINGS]>>,
}

impl Encodings {
    /// The encoding of that number, made now when nobody needed it before.
    ///
    /// # Panics
    ///
    /// When the number is 6 or more.
    pub fn get_or_init(&self, number: usize, encode: impl FnOnce() -> Utf8Bytes) -> Utf8Bytes {
        self.slots.get_or_init(Box::default)[number].get_or_init(encode).clone()
    }
}

impl Delivery {
    /// A delivery that nobody has encoded yet.
    #[must_use]
    pub fn new(hit: Hit, names: Arc<[Name]>) -> Delivery {
        Delivery { hit, names, frame: OnceLock::new(), encodings: Encodings::default() }
    }

    /// What it counts in a session's queue: the bytes of the tweet, about those of its frame.
    pub(crate) fn size_bytes(&self) -> usize {
        self.hit.json.len()
    }
}

/// Why no other query can be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// There are so many.
    #[error("perch holds at most {0} different queries")]
    Queries(usize),
    /// They take so much memory.
    #[error("the registered queries take all of the {0} bytes that they may")]
    Bytes(usize),
    /// Those of one client take so much memory.
    #[error("the queries of this client take all of the {0} bytes that they may (limits.max_queries_mb_per_client)")]
    ClientBytes(usize),
    /// Those of one client have so many weak patterns.
    #[error(
        "the queries of this client may have {0} patterns that nearly every word is tried on, such as *e* \
         (limits.max_weak_patterns_per_client)"
    )]
    ClientPatterns(usize),
}

/// Sessions that are gone, told by their `Drop` without waiting. Bounded by the number of sessions.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    uids: Mutex<Vec<Uid>>,
    pub(crate) notify: Notify,
}

impl Departures {
    pub(crate) fn push(&self, uid: Uid) {
        self.uids.lock().unwrap_or_else(PoisonError::into_inner).push(uid);
        self.notify.notify_one();
    }

    pub(crate) fn take(&self) -> Vec<Uid> {
        std::mem::take(&mut *self.uids.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One (session, name) that wants what matches a query.
#[derive(Debug)]
struct Subscription {
    session: u32,
    /// For whom it counts.
    client: ClientNumber,
    name: Name,
}

/// What the hub knows of a query.
#[derive(Debug, Default)]
struct Standing {
    subscriptions: Vec<Subscription>,
    /// `None` when the key is free.
    entry: Option<Arc<catalog::Entry>>,
    /// What it counts for each client that holds it.
    weight: Weight,
}

impl Standing {
    fn count(&self) -> Option<&costs::Count> {
        self.entry.as_ref().map(|entry| &entry.count)
    }

    /// Tells those who list queries how many subscriptions there are.
    fn publish(&self) {
        if let Some(entry) = &self.entry {
            let n = u32::try_from(self.subscriptions.len()).unwrap_or(u32::MAX);
            entry.subscriptions.store(n, Ordering::Relaxed);
        }
    }
}

/// A registered query, and what it costs and brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    /// The query.
    pub query: Query,
    /// How many subscriptions it has.
    pub subscriptions: usize,
    /// What was counted.
    pub counts: QueryCounts,
}

/// Which registered queries a document matches.
#[derive(Debug, Default)]
pub(crate) struct Matching {
    /// Those that match, by id.
    pub(crate) found: Vec<Query>,
    /// Those that may, because the engine left them undecided.
    pub(crate) undecided: Vec<Query>,
}

/// What the hub knows of a session.
#[derive(Debug)]
struct Subscriber {
    queue: Arc<SessionQueue>,
    queries: HashMap<Name, QueryKey>,
}

/// What a query and a subscription take besides what is known of them at once, about: until the next walk.
const QUERY_BYTES: usize = 320;
const SUBSCRIPTION_BYTES: usize = 96;

/// Registered queries, subscriptions, and the way from a match to the sessions' queues.
pub(crate) struct Hub {
    engine: Box<dyn Engine>,
    registry: Registry,
    /// By session number; `None` is free.
    sessions: Vec<Option<Subscriber>>,
    free: Vec<u32>,
    numbers: HashMap<Uid, u32>,
    /// By query key.
    standings: Vec<Standing>,
    catalog: Arc<Catalog>,
    costs: Costs,
    shares: Shares,
    /// Scratch of [`Hub::dispatch`], by session number: the names that the present tweet matches.
    names: Vec<Vec<Name>>,
    matches: Matches,
    max_queries: usize,
    max_bytes: usize,
    /// What [`Hub::walk`] found last, and how many subscriptions came and went since.
    walked_bytes: usize,
    changes: usize,
    /// What the subscriptions take that came since, at least.
    added_bytes: usize,
}

/// The memory of a table of the standard library, without what its entries point to: a power of two of places, of which
/// seven eighths are used, with a byte each, and 16 more.
fn map_bytes<K, V>(map: &HashMap<K, V>) -> usize {
    match map.capacity() {
        0 => 0,
        n => (n * 8).div_ceil(7).next_power_of_two() * (size_of::<(K, V)>() + 1) + 16,
    }
}

/// The memory of a name, which all who know it share.
fn name_bytes(name: &Name) -> usize {
    name.as_ref().map_or(0, |name| (name.len() + 2 * size_of::<usize>()).next_multiple_of(size_of::<usize>()))
}

/// What a subscription takes, about.
fn subscription_bytes(name: &Name) -> usize {
    name_bytes(name) + SUBSCRIPTION_BYTES
}

impl Hub {
    pub(crate) fn new(engine: Box<dyn Engine>, max_queries: usize, max_bytes: usize) -> Hub {
        let catalog = Arc::<Catalog>::default();
        Hub {
            engine,
            costs: Costs::new(Arc::clone(&catalog)),
            catalog,
            shares: Shares::default(),
            registry: Registry::default(),
            sessions: Vec::new(),
            free: Vec::new(),
            numbers: HashMap::new(),
            standings: Vec::new(),
            names: Vec::new(),
            matches: Matches::default(),
            max_queries,
            max_bytes,
            walked_bytes: 0,
            changes: 0,
            added_bytes: 0,
        }
    }

    /// The same, where each client may hold so much.
    #[must_use]
    pub(crate) fn with_shares(mut self, limits: ShareLimits) -> Hub {
        self.shares.limits = limits;
        self
    }

    /// The registered queries, for those who list them beside the loop.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    /// How many different queries are registered.
    pub(crate) fn queries(&self) -> usize {
        self.registry.len()
    }

    /// The memory that queries and subscriptions take, in bytes: as of a few changes ago, and what was added since.
    pub(crate) fn size_bytes(&self) -> usize {
        self.walked_bytes + self.added_bytes
    }

    /// Counts a subscription that came or went. A walk takes time that grows with all of them, so there is one after a
    /// share of them has changed.
    fn changed(&mut self, added_bytes: usize) {
        self.changes += 1;
        self.added_bytes += added_bytes;
        if self.changes > self.registry.len() / 16 {
            self.walk();
        }
    }

    /// Adds up what everything takes that grows with queries and subscriptions.
    fn walk(&mut self) {
        self.changes = 0;
        self.added_bytes = 0;
        let standings = self.standings.iter().map(|it| it.subscriptions.capacity() * size_of::<Subscription>());
        let subscribers = self.sessions.iter().flatten().map(|subscriber| {
            map_bytes(&subscriber.queries) + subscriber.queries.keys().map(name_bytes).sum::<usize>()
        });
        self.walked_bytes = self.engine.size_bytes()
            + self.registry.size_bytes()
            + self.catalog.size_bytes()
            + self.shares.size_bytes()
            + self.standings.capacity() * size_of::<Standing>()
            + standings.sum::<usize>()
            + self.sessions.capacity() * size_of::<Option<Subscriber>>()
            + subscribers.sum::<usize>()
            + map_bytes(&self.numbers)
            + self.free.capacity() * size_of::<u32>()
            + self.names.capacity() * size_of::<Vec<Name>>();
    }

    /// Adds a subscription of perch itself.
    #[cfg(test)]
    pub(crate) fn subscribe(&mut self, queue: &Arc<SessionQueue>, name: &Name, query: &Query) -> Result<Query, Full> {
        self.subscribe_for(&ClientKey::Server, queue, name, query)
    }

    /// Whether the client holds the query.
    fn holds(&self, client: &ClientKey, query: &Query) -> bool {
        let (Some(number), Some(key)) = (self.shares.number(client), self.registry.key(query.id())) else {
            return false;
        };
        self.standings[key.index()].subscriptions.iter().any(|it| it.client == number)
    }

    /// What a subscription adds to what its client holds.
    fn added(&self, client: &ClientKey, name: &Name, query: &Query) -> Result<Weight, Full> {
        let mut added = Weight { bytes: subscription_bytes(name), weak_patterns: 0 };
        if *client == ClientKey::Server {
            return Ok(added);
        }
        if !self.holds(client, query) {
            let registered = self.registry.key(query.id()).map(|key| self.standings[key.index()].weight);
            let weight = registered.unwrap_or_else(|| Weight::of(query));
            added.bytes += weight.bytes;
            added.weak_patterns = weight.weak_patterns;
        }
        let (held, limits) = (self.shares.held(client), self.shares.limits);
        if added.weak_patterns > 0 && held.weak_patterns + added.weak_patterns > limits.weak_patterns {
            return Err(Full::ClientPatterns(limits.weak_patterns));
        }
        if held.bytes + added.bytes > limits.bytes {
            return Err(Full::ClientBytes(limits.bytes));
        }
        Ok(added)
    }

    /// Adds a subscription of a client, or gives an existing one of that name another query. What waits in the queue for the old one
    /// goes. Answers with the query as it is registered: to hold that one takes no memory more.
    ///
    /// # Errors
    ///
    /// [`Full`], when there is no room for one more.
    pub(crate) fn subscribe_for(
        &mut self,
        client: &ClientKey,
        queue: &Arc<SessionQueue>,
        name: &Name,
        query: &Query,
    ) -> Result<Query, Full> {
        if !self.registry.contains(query.id()) && self.registry.len() >= self.max_queries {
            return Err(Full::Queries(self.max_queries));
        }
        if self.size_bytes() >= self.max_bytes {
            return Err(Full::Bytes(self.max_bytes));
        }
        let added = self.added(client, name, query)?;
        let session = self.session(queue);
        let client = self.shares.add(client, added);
        // The new one first: where it is the same query it stays registered.
        let (key, is_new) = self.registry.acquire(query);
        let mut added_bytes = subscription_bytes(name);
        if is_new {
            let weight = Weight::of(query);
            self.engine.insert(key, query.ast());
            added_bytes += query.size_bytes() + QUERY_BYTES;
            if self.standings.len() <= key.index() {
                self.standings.resize_with(key.index() + 1, Standing::default);
            }
            let standing = &mut self.standings[key.index()];
            standing.weight = weight;
            standing.entry = Some(self.catalog.insert(key, query.clone()));
        }
        let standing = &mut self.standings[key.index()];
        if standing.subscriptions.len() == standing.subscriptions.capacity() {
            // Most queries have one subscription.
            standing.subscriptions.reserve_exact(standing.subscriptions.len().max(1));
        }
        standing.subscriptions.push(Subscription { session, client, name: name.clone() });
        standing.publish();
        let query = self.registry.get(key).unwrap_or(query).clone();
        // Only now, so that what is the same query is held all the time.
        self.unsubscribe_session(session, name);
        queue.purge(name);
        if let Some(subscriber) = &mut self.sessions[session as usize] {
            subscriber.queries.insert(name.clone(), key);
        }
        self.changed(added_bytes);
        Ok(query)
    }

    /// Ends a subscription and drops what waits for it. False when there is none of that name.
    pub(crate) fn unsubscribe(&mut self, uid: Uid, name: &Name) -> bool {
        let Some(&session) = self.numbers.get(&uid) else { return false };
        let existed = self.unsubscribe_session(session, name);
        if let Some(subscriber) = &self.sessions[session as usize] {
            subscriber.queue.purge(name);
        }
        existed
    }

    /// Forgets a session.
    pub(crate) fn disconnect(&mut self, uid: Uid) {
        let Some(session) = self.numbers.remove(&uid) else { return };
        let Some(subscriber) = self.sessions[session as usize].take() else { return };
        for (name, key) in subscriber.queries {
            self.drop_subscription(key, session, &name);
        }
        self.free.push(session);
    }

    fn session(&mut self, queue: &Arc<SessionQueue>) -> u32 {
        if let Some(&session) = self.numbers.get(&queue.uid()) {
            return session;
        }
        let subscriber = Some(Subscriber { queue: Arc::clone(queue), queries: HashMap::new() });
        let session = if let Some(session) = self.free.pop() {
            self.sessions[session as usize] = subscriber;
            session
        } else {
            self.sessions.push(subscriber);
            self.names.push(Vec::new());
            u32::try_from(self.sessions.len() - 1).expect("fewer than 2^32 sessions")
        };
        self.numbers.insert(queue.uid(), session);
        session
    }

    fn unsubscribe_session(&mut self, session: u32, name: &Name) -> bool {
        let Some(subscriber) = &mut self.sessions[session as usize] else { return false };
        let Some(key) = subscriber.queries.remove(name) else { return false };
        self.drop_subscription(key, session, name);
        true
    }

    fn drop_subscription(&mut self, key: QueryKey, session: u32, name: &Name) {
        let Standing { subscriptions, weight, .. } = &mut self.standings[key.index()];
        if let Some(at) = subscriptions.iter().position(|s| s.session == session && s.name == *name) {
            let Subscription { client, .. } = subscriptions.swap_remove(at);
            let is_held = subscriptions.iter().any(|it| it.client == client);
            let mut removed = if is_held { Weight::default() } else { *weight };
            removed.bytes += subscription_bytes(name);
            self.shares.remove(client, removed);
        }
        if self.registry.release(key) {
            self.engine.remove(key);
            self.catalog.remove(key);
            self.standings[key.index()] = Standing::default();
        } else {
            self.standings[key.index()].publish();
        }
        self.changed(0);
    }

    /// Percolates a batch and puts what matches into the queues. Answers with the numbers of matches and of candidates.
    pub(crate) fn dispatch(&mut self, items: &[SequencedTweet]) -> (usize, u64) {
        let docs: Vec<_> = items.iter().map(|item| &item.tweet.doc).collect();
        self.matches.clear();
        self.engine.percolate(&docs, &mut self.matches);
        let mut undecided = Undecided::take(&mut self.matches);
        let mut touched = Vec::new();
        let mut deliveries: HashMap<Vec<Name>, Arc<Delivery>> = HashMap::new();
        for (doc, queries) in self.matches.by_doc() {
            undecided.defer(doc, items, &self.standings, &self.sessions);
            let item = &items[doc as usize];
            // Most sessions use the same name, or none: the last delivery of this tweet is nearly always the one.
            let mut last: Option<Arc<Delivery>> = None;
            for key in queries {
                let standing = &self.standings[key.index()];
                if let Some(count) = standing.count() {
                    count.matched();
                }
                for subscription in &standing.subscriptions {
                    let names = &mut self.names[subscription.session as usize];
                    if names.is_empty() {
                        touched.push(subscription.session);
                    }
                    names.push(subscription.name.clone());
                }
            }
            for session in touched.drain(..) {
                let mut names = std::mem::take(&mut self.names[session as usize]);
                names.sort_unstable();
                if let Some(subscriber) = &self.sessions[session as usize] {
                    let delivery = match &last {
                        Some(last) if last.names[..] == names[..] => last,
                        _ => {
                            let delivery = deliveries.entry(names.clone()).or_insert_with(|| {
                                let hit = Hit { seq: item.seq, id: item.tweet.id, json: Arc::clone(&item.tweet.json) };
                                Arc::new(Delivery::new(hit, names.as_slice().into()))
                            });
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
        undecided.defer(u32::MAX, items, &self.standings, &self.sessions);
        let standings = &self.standings;
        self.costs.percolated(&mut *self.engine, &docs, |key| standings.get(key.index())?.count());
        telemetry::percolation_steps(self.matches.steps);
        (self.matches.len(), self.matches.candidates)
    }

    /// Which registered queries a document matches.
    pub(crate) fn matching(&mut self, doc: &crate::doc::Doc) -> Matching {
        self.matches.clear();
        self.engine.percolate(&[doc], &mut self.matches);
        let query = |key| self.registry.get(key).cloned();
        let undecided = self.matches.undecided().iter().filter_map(|&(_, key)| query(key)).collect();
        let mut found: Vec<Query> = self.matches.pairs().filter_map(|(_, key)| query(key)).collect();
        found.sort_unstable_by_key(Query::id);
        Matching { found, undecided }
    }
}

/// What the engine left undecided: tweets that cost it too much, and the queries that they may match. The sessions of
/// these fall behind: each reads the tweet from the index, in its own time, if it matches.
struct Undecided {
    /// By tweet.
    pairs: std::vec::IntoIter<(u32, QueryKey)>,
}

impl Undecided {
    fn take(matches: &mut Matches) -> Undecided {
        Undecided { pairs: matches.undecided().to_vec().into_iter() }
    }

    /// Defers all tweets up to that one, before what comes behind is offered.
    fn defer(&mut self, until: u32, items: &[SequencedTweet], standings: &[Standing], sessions: &[Option<Subscriber>]) {
        let mut n = 0;
        while let Some(&(doc, key)) = self.pairs.as_slice().first().filter(|&&(doc, _)| doc <= until) {
            self.pairs.next();
            n += 1;
            for subscription in &standings[key.index()].subscriptions {
                if let Some(subscriber) = &sessions[subscription.session as usize] {
                    subscriber.queue.defer(items[doc as usize].seq);
                }
            }
        }
        if n > 0 {
            telemetry::percolation_deferred(n);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
