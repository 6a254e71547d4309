//! The saved searches in memory, and the tasks of their deliveries.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::RwLock;

use super::delivery::RunningDelivery;
use super::digest::DigestSlots;
use super::http::DeliveryClient;
use super::sample_limit::SampleLimit;
use super::spec::StoredSearch;
use super::status::{StatusFields, WakeList};
use super::store::{Change, Position, Store, StoreWriter};
use super::unsubscribe::UnsubscribeKey;
use super::{Owner, SavedLimits, SearchSpec, not_found, unreadable};
use crate::ids::{QueryId, Seq};
use crate::live::{ApiError, ClientKey, Live, QueryInput, QueryParserPool, QueryWarning, Requester, SessionKey, UseOf};
use crate::query::Query;
use crate::telemetry;

/// How often the floor rises.
const FLOOR_INTERVAL: Duration = Duration::from_secs(10);

/// Changes of one search come one after the other.
const LOCKS: usize = 64;

/// The saved searches and what they need.
pub(super) struct Registry {
    pub(super) live: Live,
    pub(super) queries: Arc<QueryParserPool>,
    pub(super) store: Store,
    pub(super) writer: Mutex<Option<StoreWriter>>,
    pub(super) client: Arc<DeliveryClient>,
    pub(super) limits: SavedLimits,
    pub(super) unsubscribe_key: UnsubscribeKey,
    pub(super) give_up: Duration,
    pub(super) digests: Arc<DigestSlots>,
    pub(super) wake_list: Arc<WakeList>,
    pub(super) samples: SampleLimit,
    pub(super) entries: Mutex<Entries>,
    pub(super) locks: [tokio::sync::Mutex<()>; LOCKS],
    /// Held by changes that add deliveries, from their registration until they are in `entries`;
    /// and alone while the floor rises, so that it passes no match of theirs.
    pub(super) floor_turn: RwLock<()>,
    pub(super) next_id: AtomicU64,
    /// Every match up to this seq was delivered, but for the deliveries that do not follow it.
    pub(super) floor: Arc<AtomicU64>,
}

/// The saved searches in memory.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) by_name: BTreeMap<Arc<str>, Entry>,
    /// How many each owner has.
    pub(super) by_owner: HashMap<Arc<str>, usize>,
    /// The names of searches whose feeds need no token.
    pub(super) public: BTreeSet<Arc<str>>,
}

impl Entries {
    /// The name of an owner, which its searches share.
    pub(super) fn owner(&self, owner: &str) -> Arc<str> {
        self.by_owner.get_key_value(owner).map_or_else(|| owner.into(), |(owner, _)| Arc::clone(owner))
    }

    pub(super) fn insert(&mut self, name: Arc<str>, entry: Entry) {
        let owner = Arc::clone(&entry.owner);
        if entry.is_public {
            self.public.insert(Arc::clone(&name));
        } else {
            self.public.remove(&name);
        }
        if self.by_name.insert(name, entry).is_none() {
            *self.by_owner.entry(owner).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Entry> {
        let entry = self.by_name.remove(name)?;
        self.public.remove(name);
        if let Some(count) = self.by_owner.get_mut(&entry.owner) {
            *count -= 1;
            if *count == 0 {
                self.by_owner.remove(&entry.owner);
            }
        }
        Some(entry)
    }
}

/// A saved search in memory. The rest is in the file.
pub(super) struct Entry {
    pub(super) owner: Arc<str>,
    pub(super) revision: u64,
    pub(super) is_paused: bool,
    pub(super) is_public: bool,
    pub(super) tags: Vec<String>,
    /// `None` if the query can't be registered.
    pub(super) query: Option<QueryId>,
    pub(super) deliveries: Vec<RunningDelivery>,
}

impl Entry {
    pub(super) fn new(
        search: &StoredSearch,
        owner: Arc<str>,
        query: Option<QueryId>,
        deliveries: Vec<RunningDelivery>,
    ) -> Entry {
        Entry {
            owner,
            revision: search.revision,
            is_paused: search.spec.paused,
            is_public: search.spec.public,
            tags: search.spec.tags.clone(),
            query,
            deliveries,
        }
    }

    /// The query that its deliveries have registered.
    pub(super) fn registered(&self) -> Option<QueryId> {
        self.query.filter(|_| !self.is_paused && !self.deliveries.is_empty())
    }
}

/// The client on whose behalf the searches of an owner are registered.
pub(super) fn client_of(owner: &Arc<str>) -> ClientKey {
    if owner.is_empty() { ClientKey::Server } else { ClientKey::Subject(Arc::clone(owner)) }
}

/// Raises the floor now and then.
pub(super) async fn raise_floor(inner: Weak<Registry>) {
    loop {
        tokio::time::sleep(FLOOR_INTERVAL).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.raise_floor().await;
    }
}

impl Registry {
    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        // No code panics while it holds the lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other change of this search is under way.
    pub(super) async fn turn(&self, name: &str) -> tokio::sync::MutexGuard<'_, ()> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        self.locks[usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or(0)].lock().await
    }

    /// Waits until no change of any search is under way.
    pub(super) async fn all_turns(&self) -> Vec<tokio::sync::MutexGuard<'_, ()>> {
        let mut turns = Vec::with_capacity(LOCKS);
        // Always in this order, and no other task takes more than one: none waits in a circle.
        for lock in &self.locks {
            turns.push(lock.lock().await);
        }
        turns
    }

    pub(super) fn check_owner(&self, name: &str, owner: &Owner) -> Result<u64, ApiError> {
        match self.entries().by_name.get(name) {
            None => Err(not_found(name)),
            Some(entry) if owner.owns(&entry.owner) => Ok(entry.revision),
            Some(_) => Err(ApiError::forbidden("the saved search belongs to another owner")),
        }
    }

    pub(super) async fn stored(&self, name: &str) -> Result<Option<StoredSearch>, ApiError> {
        let (store, name) = (self.store.clone(), name.to_owned());
        let read = tokio::task::spawn_blocking(move || store.search(&name)).await;
        read.map_err(anyhow::Error::from).flatten().map_err(|error| unreadable(&error))
    }

    /// The live search on behalf of an owner.
    pub(super) fn live_of(&self, owner: &Arc<str>) -> Live {
        self.live.on_behalf_of(Requester { client: client_of(owner), session: SessionKey::connection(0) })
    }

    pub(super) async fn parse(&self, spec: &SearchSpec, owner: &Owner) -> Result<(Query, Vec<QueryWarning>), ApiError> {
        let input = QueryInput::read("query", spec.query.clone())?;
        let live = self.live_of(&owner.subject);
        let parsed = self.queries.parse(input, UseOf::Registration, live.requester()).await?;
        Ok((parsed.query, QueryWarning::list(&parsed.warnings)))
    }

    /// Gives a delivery a position of its own, in place of the floor.
    pub(super) fn leave_floor(&self, delivery: &RunningDelivery, status: &mut StatusFields) {
        if status.position.follows_floor {
            let seq = status.position.seq.max(Seq(self.floor.load(Ordering::Relaxed)));
            status.position = Position { seq, follows_floor: false, ..status.position };
            self.store.note(Change::Move(delivery.id(), status.position));
        }
    }

    /// Stores the position that most deliveries share.
    pub(super) async fn raise_floor(self: &Arc<Registry>) {
        let _turn = self.floor_turn.write().await;
        let inner = Arc::clone(self);
        let _ = tokio::task::spawn_blocking(move || inner.raise_floor_to_offered()).await;
    }

    fn raise_floor_to_offered(&self) {
        // Read before the deliveries are looked at: a match that is offered in between is behind
        // it.
        let floor = self.live.offered();
        let old = self.floor.load(Ordering::Relaxed);
        let (mut states, mut is_any) = (HashMap::<&'static str, usize>::new(), false);
        let mut entries = self.entries();
        for entry in entries.by_name.values_mut() {
            *states.entry(self.state(entry, None).state).or_default() += 1;
            for delivery in &mut entry.deliveries {
                // A task that has ended keeps the memory of its future.
                delivery.task.take_if(|task| task.is_finished());
                let mut status = delivery.status.lock();
                is_any |= status.position.follows_floor;
                if !status.is_settled() {
                    self.leave_floor(delivery, &mut status);
                }
            }
        }
        drop(entries);
        telemetry::saved_searches(&states);
        if is_any && floor.0 > old {
            self.floor.store(floor.0, Ordering::Relaxed);
            self.store.note(Change::Floor { floor });
        }
    }
}
