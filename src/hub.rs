//! The hub: which sessions want what a tweet matched, and what waits for each of them.
//!
//! ```text
//! (tweet, query key)*  ──registry──> query key ──subscriptions──> session, name ──> one Delivery for equal names ──> session queue
//! ```
//!
//! The pipeline's loop owns the [`Hub`]; only the queues are shared, each with its one session. Finding the sessions of a query is a look-up
//! in a table, never a scan over all sessions. A slow session costs the hub no more than a fast one: its queue is bounded, and when
//! it is full the queue goes and the session reads what it missed from the index ([`crate::live`]).

mod costs;
mod queue;
mod registry;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;

use crate::ids::{QueryId, QueryKey, Uid};
use crate::index::Hit;
use crate::percolator::{Engine, Matches};
use crate::query::{Ast, Query};
use crate::tweet::Item;

pub use costs::{CostOrder, QueryCounts};
use costs::{Costs, Count};
pub(crate) use queue::Taken;
pub use queue::{QueueLimits, SessionQueue};
use registry::Registry;

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
    name: Name,
}

/// What the hub knows of a query.
#[derive(Debug, Default)]
struct Standing {
    subscriptions: Vec<Subscription>,
    count: Count,
}

/// A registered query, and what it costs and brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: QueryId,
    /// Its canonical form.
    pub canonical: Arc<str>,
    /// How many subscriptions it has.
    pub subscriptions: usize,
    /// What was counted.
    pub counts: QueryCounts,
}

/// What the hub knows of a session.
#[derive(Debug)]
struct Subscriber {
    queue: Arc<SessionQueue>,
    queries: HashMap<Name, QueryKey>,
}

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
    costs: Costs,
    /// Scratch of [`Hub::dispatch`], by session number: the names that the present tweet matches.
    names: Vec<Vec<Name>>,
    matches: Matches,
    max_queries: usize,
    max_bytes: usize,
    /// The memory that the engine held when it was asked last, and how many registrations and removals ago that was.
    engine_bytes: usize,
    changes: usize,
}

impl Hub {
    pub(crate) fn new(engine: Box<dyn Engine>, max_queries: usize, max_bytes: usize) -> Hub {
        Hub {
            engine,
            registry: Registry::default(),
            sessions: Vec::new(),
            free: Vec::new(),
            numbers: HashMap::new(),
            standings: Vec::new(),
            costs: Costs::default(),
            names: Vec::new(),
            matches: Matches::default(),
            max_queries,
            max_bytes,
            engine_bytes: 0,
            changes: 0,
        }
    }

    /// How many different queries are registered.
    pub(crate) fn queries(&self) -> usize {
        self.registry.len()
    }

    /// The memory that the engine holds, in bytes, as of a few changes ago.
    pub(crate) fn engine_bytes(&self) -> usize {
        self.engine_bytes
    }

    /// Counts a registration or removal. An engine counts its memory query by query, so it is asked after a share of them has changed.
    fn changed(&mut self) {
        self.changes += 1;
        if self.changes > self.registry.len() / 16 {
            self.changes = 0;
            self.engine_bytes = self.engine.size_bytes();
        }
    }

    /// Adds a subscription, or gives an existing one of that name another query. What waits in the queue for the old one goes.
    ///
    /// # Errors
    ///
    /// [`Full`], when one more query would be too many.
    pub(crate) fn subscribe(&mut self, queue: &Arc<SessionQueue>, name: &Name, query: &Query) -> Result<(), Full> {
        if !self.registry.contains(query.id()) {
            if self.registry.len() >= self.max_queries {
                return Err(Full::Queries(self.max_queries));
            }
            if self.engine_bytes >= self.max_bytes {
                return Err(Full::Bytes(self.max_bytes));
            }
        }
        let session = self.session(queue);
        // The new one first: where it is the same query it stays registered.
        let (key, is_new) = self.registry.acquire(query);
        if is_new {
            self.engine.insert(key, query.ast());
            self.changed();
            if self.standings.len() <= key.index() {
                self.standings.resize_with(key.index() + 1, Standing::default);
            }
            self.standings[key.index()].count = self.costs.start();
        }
        self.unsubscribe_session(session, name);
        queue.purge(name);
        self.standings[key.index()].subscriptions.push(Subscription { session, name: name.clone() });
        if let Some(subscriber) = &mut self.sessions[session as usize] {
            subscriber.queries.insert(name.clone(), key);
        }
        Ok(())
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
        let subscriptions = &mut self.standings[key.index()].subscriptions;
        if let Some(at) = subscriptions.iter().position(|s| s.session == session && s.name == *name) {
            subscriptions.swap_remove(at);
        }
        if self.registry.release(key) {
            self.engine.remove(key);
            self.changed();
            self.standings[key.index()] = Standing::default();
        }
    }

    /// Percolates a batch and puts what matches into the queues. Answers with the numbers of matches and of candidates.
    pub(crate) fn dispatch(&mut self, items: &[Item]) -> (usize, u64) {
        let docs: Vec<_> = items.iter().map(|item| &item.tweet.doc).collect();
        self.matches.clear();
        self.engine.percolate(&docs, &mut self.matches);
        let mut touched = Vec::new();
        let mut deliveries: HashMap<Vec<Name>, Arc<Delivery>> = HashMap::new();
        for (doc, queries) in self.matches.by_doc() {
            let item = &items[doc as usize];
            // Most sessions use the same name, or none: the last delivery of this tweet is nearly always the one.
            let mut last: Option<Arc<Delivery>> = None;
            for key in queries {
                let standing = &mut self.standings[key.index()];
                standing.count.matched();
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
        let standings = &mut self.standings;
        self.costs.percolated(&mut *self.engine, &docs, |key, counted| {
            if let Some(standing) = standings.get_mut(key.index()) {
                counted(&mut standing.count);
            }
        });
        (self.matches.len(), self.matches.candidates)
    }

    /// The registered queries with the highest costs, at most `n`, the highest first.
    pub(crate) fn registered(&self, order: CostOrder, n: usize) -> Vec<Registered> {
        // A key without subscriptions is free.
        let standings = (0..).map(QueryKey).zip(&self.standings).filter(|(_, it)| !it.subscriptions.is_empty());
        let top = costs::top(standings.map(|(key, standing)| (key, &standing.count)), order, n);
        let registered = |key: QueryKey| {
            let (id, canonical) = self.registry.get(key)?;
            let Standing { subscriptions, count } = &self.standings[key.index()];
            Some(Registered { id, canonical, subscriptions: subscriptions.len(), counts: self.costs.counts(count) })
        };
        top.into_iter().filter_map(registered).collect()
    }

    /// What the engine would wait for on behalf of a query. It is registered for the moment if it is not.
    pub(crate) fn presearch(&mut self, query: &Query) -> Ast {
        let (key, is_new) = self.registry.acquire(query);
        if is_new {
            self.engine.insert(key, query.ast());
        }
        let presearch = self.engine.presearch(key);
        if self.registry.release(key) {
            self.engine.remove(key);
        }
        presearch
    }

    /// Which registered queries a document matches: id and canonical form, by id.
    pub(crate) fn matching(&mut self, doc: &crate::doc::Doc) -> Vec<(QueryId, Arc<str>)> {
        self.matches.clear();
        self.engine.percolate(&[doc], &mut self.matches);
        let mut found: Vec<_> = self.matches.pairs().filter_map(|(_, key)| self.registry.get(key)).collect();
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
pub(crate) mod tests;
