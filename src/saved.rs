//! Saved searches: live searches without a connection, whose matches are sent to receivers.
//!
//! ```text
//! PUT ──> SearchSpec ──> file ──> Worker of a receiver: Session ──> batches ──> POST
//!                            <── position <── 2xx
//! ```
//!
//! A delivery uses a [`Session`](crate::live::Session) like every client: the hub's queue while it
//! keeps up, and the index when it has fallen behind or perch was restarted. So there is no second
//! way for a tweet to leave.
//! Its position is stored after the receiver has answered, so a match is delivered at least once.

mod addresses;
mod batch;
mod bulk;
mod change;
mod copy;
mod delivery;
mod delivery_id;
mod digest;
mod digest_delivery;
mod feed;
mod feed_settings;
mod feed_token;
mod fold;
mod http;
mod load;
mod mail;
mod mail_client;
mod message;
mod pacing;
mod receiver;
mod receivers;
mod registry;
mod running;
mod sample_limit;
mod schedule;
mod sent;
mod spec;
mod status;
mod store;
mod template;
mod templates;
mod unsubscribe;
mod view;
pub(crate) mod webhook;
mod worker;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::auth::SearchScope;
use crate::config::{Config, LimitsSection};
use crate::ids::QueryId;
use crate::live::{ApiError, Code, Live, QueryParserPool, SearchRequest as HistorySearch, Sort};
use crate::query::QueryLimits;

use batch::Batch;
pub(crate) use bulk::Prepared;
pub(crate) use copy::Snapshot;
use delivery::{RunningDelivery, stop_all};
use digest::DigestSlots;
pub(crate) use feed::Feed;
pub(crate) use feed_settings::FeedSort;
pub use http::DeliveryClient;
use mail_client::MailClient;
pub use receiver::ReceiverKind;
pub use receivers::RECEIVERS;
use registry::{Entry, Registry, raise_floor};
use running::wake_deliveries;
pub(crate) use sample_limit::SAMPLE_INTERVAL;
use sample_limit::SampleLimit;
pub(crate) use spec::{SearchRequest, SearchSpec, check_name};
use store::{Change, Store, StoreError};
pub(crate) use templates::TEMPLATES;
use unsubscribe::UnsubscribeKey;
use view::time;
pub(crate) use view::{Filter, SavedSearch, TestResult, TryView};

/// The limits of saved searches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SavedLimits {
    /// All of them.
    pub(crate) all: usize,
    /// Those of one owner.
    pub(crate) per_owner: usize,
}

impl SavedLimits {
    pub(crate) fn new(limits: &LimitsSection) -> SavedLimits {
        SavedLimits { all: limits.max_saved_searches, per_owner: limits.max_saved_searches_per_owner }
    }
}

/// Who asks for saved searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The subject of the token; empty is the operator.
    pub(crate) subject: Arc<str>,
    /// Whose searches it may see and change.
    pub(crate) scope: SearchScope,
}

impl Owner {
    fn owns(&self, owner: &str) -> bool {
        self.scope == SearchScope::All || *self.subject == *owner
    }
}

/// What a request expects of the stored search, for optimistic concurrency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Anything.
    Any,
    /// There is none (`If-None-Match: *`).
    None,
    /// There is one (`If-Match: *`).
    Some,
    /// It has this revision (`If-Match: "7"`).
    Revision(u64),
}

/// The saved searches. Cheap to clone.
#[derive(Clone)]
pub struct SavedSearches(Arc<Registry>);

impl std::fmt::Debug for SavedSearches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SavedSearches").field("searches", &self.0.entries().by_name.len()).finish_non_exhaustive()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        ApiError::new(Code::Unavailable, error.to_string())
    }
}

fn unreadable(error: &anyhow::Error) -> ApiError {
    tracing::error!(error = format!("{error:#}"), "the saved searches can't be read");
    ApiError::new(Code::Unavailable, "the saved searches can't be read")
}

fn not_found(name: &str) -> ApiError {
    ApiError::new(Code::NotFound, format!("there is no saved search {name:?}"))
}

/// What the saved searches need of the other stages.
pub(crate) struct Context<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) live: &'a Live,
    pub(crate) queries: Arc<QueryParserPool>,
    pub(crate) query_limits: QueryLimits,
    pub(crate) config: &'a Config,
}

impl SavedSearches {
    /// Opens the file, and starts the deliveries of all searches in it.
    ///
    /// # Errors
    ///
    /// The file is damaged, or can't be opened or written.
    pub(crate) async fn open(context: Context<'_>) -> anyhow::Result<SavedSearches> {
        let epoch = context.live.epoch();
        let (deliveries, public_url) = (&context.config.deliveries, context.config.server.public_url.as_str());
        let (store, writer, loaded) = Store::open(context.dir, epoch, context.live.seq())?;
        let timeout = deliveries.timeout;
        let unsubscribe_key = UnsubscribeKey::new(loaded.unsubscribe_key);
        let mail = MailClient::new(&context.config.mail, public_url, timeout, unsubscribe_key.clone())?;
        let inner = Arc::new(Registry {
            live: context.live.clone(),
            queries: context.queries,
            store,
            writer: Mutex::new(Some(writer)),
            client: Arc::new(DeliveryClient::new(deliveries, mail, public_url)),
            digests: Arc::new(DigestSlots::new(deliveries.max_requests)),
            limits: SavedLimits::new(&context.config.limits),
            unsubscribe_key,
            give_up: deliveries.give_up,
            samples: SampleLimit::default(),
            wake_list: Arc::default(),
            entries: Mutex::default(),
            locks: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            floor_turn: tokio::sync::RwLock::new(()),
            next_id: AtomicU64::new(loaded.next_id),
            floor: Arc::new(AtomicU64::new(loaded.floor.0)),
        });
        if loaded.is_of_other_epoch && loaded.searches > 0 {
            tracing::warn!("the index is a new one: saved searches begin at its present position");
        }
        inner.load(context.query_limits).await?;
        tokio::spawn(wake_deliveries(Arc::downgrade(&inner)));
        tokio::spawn(raise_floor(Arc::downgrade(&inner)));
        Ok(SavedSearches(inner))
    }

    /// Stops the deliveries, and waits until their positions are durable.
    pub(crate) async fn stop(&self) {
        self.0.raise_floor().await;
        let deliveries: Vec<_> =
            self.0.entries().by_name.values_mut().flat_map(|entry| std::mem::take(&mut entry.deliveries)).collect();
        stop_all(deliveries).await;
        // The positions that the tasks have noted are before this change.
        let _ = self.0.store.change(Change::Close).await;
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }

    /// Adds a search, or changes the one of this name. Returns whether it is new. A request that
    /// changes nothing does nothing.
    ///
    /// # Errors
    ///
    /// A field is wrong, the query can't be registered, the search belongs to another owner, a
    /// limit is reached, or the expectation does not hold.
    pub(crate) async fn put(
        &self,
        name: &str,
        request: SearchRequest,
        owner: &Owner,
        expected: &Expected,
    ) -> Result<(SavedSearch, bool), ApiError> {
        let (inner, name) = (Arc::clone(&self.0), name.to_owned());
        let (owner, expected) = (owner.clone(), expected.clone());
        // Spawned, because a client that hangs up must not stop it half-way.
        to_the_end(async move { inner.put(&name, request, &owner, &expected).await }).await
    }

    /// A search.
    ///
    /// # Errors
    ///
    /// There is none of this name, or it belongs to another owner.
    pub(crate) fn get(&self, name: &str, owner: &Owner) -> Result<SavedSearch, ApiError> {
        self.0.check_owner(name, owner)?;
        self.0.view(name)?.ok_or_else(|| not_found(name))
    }

    /// The searches of an owner, by name.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub(crate) fn list(&self, owner: &Owner, filter: &Filter) -> Result<Vec<SavedSearch>, ApiError> {
        use std::ops::Bound;
        let names: Vec<Arc<str>> = {
            let entries = self.0.entries();
            let after: Bound<Arc<str>> =
                filter.after.as_deref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.into()));
            let is_listed = |entry: &Entry| {
                owner.owns(&entry.owner)
                    && filter.owner.as_deref().is_none_or(|wanted| wanted == &*entry.owner)
                    && filter.tag.as_ref().is_none_or(|tag| entry.tags.contains(tag))
                    && filter.state.as_deref().is_none_or(|state| self.0.state(entry, None).state == state)
            };
            let listed =
                entries.by_name.range::<Arc<str>, _>((after, Bound::Unbounded)).filter(|(_, entry)| is_listed(entry));
            listed.take(filter.n).map(|(name, _)| Arc::clone(name)).collect()
        };
        names.iter().filter_map(|name| self.0.view(name).transpose()).collect()
    }

    /// The types of receivers that the configuration has what they need for.
    pub(crate) fn available_receivers(&self) -> Vec<&'static str> {
        RECEIVERS.iter().filter(|kind| (kind.is_available)(&self.0.client)).map(|kind| kind.name).collect()
    }

    /// The queries that saved searches with this tag have registered, with the names of those
    /// searches. Takes as long as there are saved searches.
    pub(crate) fn with_tag(&self, tag: &str) -> HashMap<QueryId, Vec<Arc<str>>> {
        let mut queries: HashMap<QueryId, Vec<Arc<str>>> = HashMap::new();
        for (name, entry) in &self.0.entries().by_name {
            if let Some(query) = entry.registered().filter(|_| entry.tags.iter().any(|it| it == tag)) {
                queries.entry(query).or_default().push(Arc::clone(name));
            }
        }
        queries
    }

    /// Removes a search.
    ///
    /// # Errors
    ///
    /// There is none of this name, it belongs to another owner, or the expectation does not hold.
    pub(crate) async fn remove(&self, name: &str, owner: &Owner, expected: &Expected) -> Result<(), ApiError> {
        let (inner, name) = (Arc::clone(&self.0), name.to_owned());
        let (owner, expected) = (owner.clone(), expected.clone());
        to_the_end(async move { inner.remove(&name, &owner, &expected).await }).await
    }

    /// Whether a link for unsubscribing from a search that is there has this token.
    pub(crate) fn is_unsubscribe_token(&self, token: &str) -> bool {
        let recipient = self.0.unsubscribe_key.recipient(token);
        recipient.is_some_and(|it| self.0.entries().by_name.contains_key(it.search.as_str()))
    }

    /// Removes the recipient of a mail from its search.
    ///
    /// # Errors
    ///
    /// perch has made no such token, the search is gone, or the change can't be stored.
    pub(crate) async fn unsubscribe(&self, token: &str) -> Result<(), ApiError> {
        let recipient = self.0.unsubscribe_key.recipient(token);
        let recipient = recipient.ok_or_else(|| ApiError::new(Code::NotFound, "there is no such link"))?;
        let inner = Arc::clone(&self.0);
        to_the_end(async move { inner.unsubscribe(recipient).await }).await
    }

    /// The last tries of a search's deliveries, the newest first.
    ///
    /// # Errors
    ///
    /// There is no search of this name, or it belongs to another owner.
    pub(crate) fn tries(&self, name: &str, owner: &Owner) -> Result<Vec<TryView>, ApiError> {
        self.0.check_owner(name, owner)?;
        let ids: Vec<_> = self
            .0
            .entries()
            .by_name
            .get(name)
            .into_iter()
            .flat_map(|it| it.deliveries.iter().map(RunningDelivery::id))
            .collect();
        let mut tries = Vec::new();
        for (deliver, id) in ids.into_iter().enumerate() {
            for tried in self.0.store.tries(id).map_err(|error| unreadable(&error))? {
                tries.push((deliver, tried));
            }
        }
        tries.sort_by_key(|(_, tried)| std::cmp::Reverse(tried.at_ms));
        tries.truncate(usize::try_from(store::MAX_TRIES).unwrap_or(usize::MAX));
        let view = |(deliver, tried): (usize, store::Try)| TryView {
            deliver,
            at: time(tried.at_ms),
            took_ms: tried.took_ms,
            id: tried.id,
            events: tried.events,
            status: tried.status,
            error: tried.error,
        };
        Ok(tries.into_iter().map(view).collect())
    }

    /// Sends the newest match, or a made-up tweet, once to each receiver of a search.
    ///
    /// # Errors
    ///
    /// There is no search of this name, it belongs to another owner, or a receiver has got a sample
    /// less than [`SAMPLE_INTERVAL`] ago.
    pub(crate) async fn test(&self, name: &str, owner: &Owner) -> Result<Vec<TestResult>, ApiError> {
        self.0.check_owner(name, owner)?;
        let search = self.0.stored(name).await?.ok_or_else(|| not_found(name))?;
        let destinations = search.spec.destinations()?;
        let keys = destinations.iter().map(|destination| destination.receiver.key()).collect();
        self.0.samples.take(keys, Instant::now())?;
        let (query, _) = self.0.parse(&search.spec, owner).await?;
        let request = HistorySearch {
            query: query.into(),
            n: 1,
            from: 0,
            before_id: None,
            until_seq: Some(self.0.live.seq()),
            sort: Sort::Newest,
        };
        let live = self.0.live_of(&search.owner.as_str().into());
        let newest = live.search(request).await?.hits.into_iter().next();
        let batch = Batch::test(name.into(), self.0.live.epoch(), newest.as_ref());
        let mut results = Vec::new();
        for (deliver, destination) in destinations.iter().enumerate() {
            let sent = destination.receiver.send(&batch, &self.0.client, sent::Attempt::First).await;
            let error = match sent.outcome {
                sent::Outcome::Delivered => None,
                sent::Outcome::Failed { reason, .. } | sent::Outcome::Refused(reason) => Some(reason),
            };
            results.push(TestResult { deliver, status: sent.status, error });
        }
        Ok(results)
    }
}

fn check_expected(expected: &Expected, revision: Option<u64>) -> Result<(), ApiError> {
    let holds = match expected {
        Expected::Any => true,
        Expected::None => revision.is_none(),
        Expected::Some => revision.is_some(),
        Expected::Revision(wanted) => revision == Some(*wanted),
    };
    if holds {
        return Ok(());
    }
    let message = match revision {
        Some(revision) => format!("the saved search has revision {revision}"),
        None => "there is no saved search of this name".to_owned(),
    };
    Err(ApiError::new(Code::PreconditionFailed, message))
}

/// Runs a change to its end, also when its client has hung up.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let mistake = || ApiError::new(Code::Internal, "perch made a mistake; this request failed");
    tokio::spawn(change).await.unwrap_or_else(|_| Err(mistake()))
}

#[cfg(test)]
mod tests;
