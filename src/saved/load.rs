//! The start of the searches that are in the file.
//!
//! ```text
//! file ──> pages ──> parsed on all cores ──> registered together ──> idle
//! ```
//!
//! Most of them wait for their next match: nothing has come since their position. These register
//! together and get no task. The others have something to read or to send, and start one by one.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::delivery::RunningDelivery;
use super::delivery_id::DeliveryId;
use super::pacing::PacingState;
use super::receivers::RECEIVERS;
use super::registry::{Entry, Registry, client_of};
use super::running::Start;
use super::spec::StoredSearch;
use super::status::DeliveryState;
use super::store::{Change, Position, Store};
use super::worker::park;
use crate::ids::Seq;
use crate::live::{ApiError, QueryInput, Session, UseOf};
use crate::query::{Query, QueryLimits};

/// The searches of a page. Their registration is a few commands to the pipeline's loop.
const PAGE_SEARCHES: usize = 2_048;

/// What a search needs that waits for its next match. The rest is read with the match.
#[derive(Deserialize)]
struct Head<'a> {
    query: Value,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    public: bool,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(borrow)]
    owner: Cow<'a, str>,
    revision: u64,
    #[serde(default)]
    refused: Vec<IgnoredAny>,
    deliveries: Vec<DeliveryId>,
    #[serde(borrow, default)]
    deliver: Vec<ReceiverHead<'a>>,
}

#[derive(Deserialize)]
struct ReceiverHead<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    every: Option<IgnoredAny>,
    max_per_hour: Option<IgnoredAny>,
}

impl ReceiverHead<'_> {
    /// Whether it may get digests.
    fn is_paced(&self) -> bool {
        let row = RECEIVERS.iter().find(|row| row.name == self.kind);
        self.every.is_some() || self.max_per_hour.is_some() || row.is_none_or(|row| row.every.is_some())
    }
}

/// A search that waits for its next match.
struct Waiting {
    name: Arc<str>,
    owner: String,
    /// Without deliveries.
    entry: Entry,
    query: Query,
    deliveries: Vec<(DeliveryId, Position)>,
}

/// A search of the file.
enum Read {
    Waiting(Waiting),
    Other(Arc<str>, Box<StoredSearch>, Vec<(Position, Option<PacingState>)>),
}

impl Registry {
    /// Starts the searches that are in the file, before the first tweet comes.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub(super) async fn load(self: &Arc<Registry>, limits: QueryLimits) -> anyhow::Result<()> {
        let now = self.live.seq();
        let start = (self.store.clone(), None);
        let pages = futures_util::stream::try_unfold(start, |(store, after)| async move {
            let (of, after): (Store, Option<Arc<str>>) = (store.clone(), after);
            let page = tokio::task::spawn_blocking(move || of.page(after.as_deref(), PAGE_SEARCHES)).await??;
            let last = page.last().map(|(last, _)| Arc::clone(last));
            anyhow::Ok(last.map(|last| (page, (store, Some(last)))))
        });
        let registry = Arc::clone(self);
        let read = move |page: Vec<(Arc<str>, Vec<u8>)>| {
            let registry = Arc::clone(&registry);
            let read = move || page.into_iter().map(|row| registry.read(row, now, &limits)).collect();
            async move { tokio::task::spawn_blocking(read).await.map_err(anyhow::Error::from).flatten() }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut read = std::pin::pin!(pages.map_ok(read).try_buffered(cores));
        while let Some(searches) = read.try_next().await? {
            let searches: Vec<Read> = searches;
            let mut waiting = Vec::with_capacity(searches.len());
            for search in searches {
                match search {
                    Read::Waiting(search) => waiting.push(search),
                    Read::Other(name, search, positions) => self.load_one(&name, &search, positions, &limits),
                }
            }
            self.load_waiting(waiting, &limits).await?;
        }
        Ok(())
    }

    /// Reads a row of the file, whose index is at `now`.
    fn read(&self, (name, json): (Arc<str>, Vec<u8>), now: Seq, limits: &QueryLimits) -> anyhow::Result<Read> {
        let unreadable = || format!("the saved search {name:?} can't be read");
        let head: Head<'_> = serde_json::from_slice(&json).with_context(unreadable)?;
        let rows = self.store.positions(&head.deliveries)?;
        let floor = self.floor();
        let waits = |(position, pacing): &(Position, Option<PacingState>)| {
            let seq = if position.follows_floor { position.seq.max(floor) } else { position.seq };
            seq >= now && position.sending.is_none() && position.failing_since_ms.is_none() && pacing.is_none()
        };
        let is_waiting = !head.paused
            && head.refused.is_empty()
            && rows.iter().all(waits)
            && !head.deliver.iter().any(ReceiverHead::is_paced);
        let query = QueryInput::read("query", head.query).and_then(|input| input.parse(limits, UseOf::Registration));
        let (Ok(query), true) = (query, is_waiting) else {
            let search = serde_json::from_slice(&json).with_context(unreadable)?;
            return Ok(Read::Other(name, Box::new(search), rows));
        };
        let deliveries = std::iter::zip(head.deliveries, rows.into_iter().map(|(position, _)| position)).collect();
        let entry = Entry {
            owner: Arc::default(),
            revision: head.revision,
            is_paused: false,
            is_public: head.public,
            tags: head.tags,
            query: Some(query.query.id()),
            deliveries: Vec::new(),
        };
        Ok(Read::Waiting(Waiting { name, owner: head.owner.into_owned(), entry, query: query.query, deliveries }))
    }

    /// Starts searches that wait for their next match.
    async fn load_waiting(self: &Arc<Registry>, searches: Vec<Waiting>, limits: &QueryLimits) -> anyhow::Result<()> {
        let of_search = |search: &Waiting| {
            let client = client_of(&self.entries().owner(&search.owner));
            vec![(client, search.query.clone()); search.deliveries.len()]
        };
        let queries = searches.iter().flat_map(of_search).collect();
        let mut sessions = self.live.subscribe_all(queries).await?.into_iter();
        for Waiting { name, owner, mut entry, deliveries, .. } in searches {
            let of_search: Vec<_> = sessions.by_ref().take(deliveries.len()).collect();
            let Ok(of_search) = of_search.into_iter().collect::<Result<Vec<_>, _>>() else {
                // A limit is reached. Its deliveries try again later, and say why they wait.
                let search = self.store.search(&name)?.context("the search was there before")?;
                let rows = self.store.positions(&search.deliveries)?;
                self.load_one(&name, &search, rows, limits);
                continue;
            };
            entry.owner = self.entries().owner(&owner);
            let load = |((id, position), (session, _))| self.load_delivery(&name, id, position, session);
            entry.deliveries = std::iter::zip(deliveries, of_search).map(load).collect();
            self.entries().insert(name, entry);
        }
        Ok(())
    }

    fn load_delivery(&self, name: &Arc<str>, id: DeliveryId, old: Position, session: Session) -> RunningDelivery {
        let position = Position { follows_floor: true, ..old };
        if position != old {
            self.store.note(Change::Move(id, position));
        }
        let status = self.status(id, name, position, None);
        // A new session has one subscription and has read nothing, so it can wait.
        let _ = park(&status, Box::new(session));
        RunningDelivery { status, task: None }
    }

    /// Starts any search.
    fn load_one(
        self: &Arc<Registry>,
        name: &Arc<str>,
        search: &StoredSearch,
        positions: Vec<(Position, Option<PacingState>)>,
        limits: &QueryLimits,
    ) {
        let floor = self.floor();
        let at_start = |position: Position| {
            let floor = if position.follows_floor { floor } else { Seq::ZERO };
            Position { seq: position.seq.max(floor), ..position }
        };
        let rows = std::iter::zip(&search.deliveries, positions);
        let rows = rows.map(|(id, (position, pacing))| (*id, at_start(position), pacing));
        let query = QueryInput::read("query", search.spec.query.clone())
            .and_then(|input| input.parse(limits, UseOf::Registration))
            .map(|parsed| parsed.query);
        let query_id = query.as_ref().ok().map(Query::id);
        let owner = self.entries().owner(&search.owner);
        let started = query.and_then(|query| Ok((query, search.spec.destinations()?)));
        let deliveries = match started {
            Ok((query, destinations)) => std::iter::zip(rows, destinations)
                .map(|((id, position, pacing), destination)| {
                    let refused = search.refused.iter().find(|(other, _)| *other == id);
                    let is_paused = search.spec.paused || refused.is_some();
                    let start = Start { id, position, pacing, destination, session: None, is_paused };
                    let delivery = self.start(name, &owner, &query, start);
                    if let Some((_, reason)) = refused {
                        delivery.status.lock().state = DeliveryState::Paused { reason: reason.clone() };
                    }
                    delivery
                })
                .collect(),
            Err(ApiError { message, .. }) => {
                tracing::error!(search = &**name, error = message, "a saved search can't be started");
                let failed = |(id, position, pacing)| {
                    let status = self.status(id, name, position, pacing);
                    let reason = message.clone();
                    status.lock().state = DeliveryState::Failing { reason, next_try_ms: None };
                    RunningDelivery { status, task: None }
                };
                rows.map(failed).collect()
            }
        };
        let entry = Entry::new(search, owner, query_id, deliveries);
        self.entries().insert(Arc::clone(name), entry);
    }

    /// The position that deliveries share.
    fn floor(&self) -> Seq {
        Seq(self.floor.load(std::sync::atomic::Ordering::Relaxed))
    }
}
