//! Feeding a session from the index: what its subscriptions are owed, in pages, in order of arrival.
//!
//! Each subscription has a cursor: everything up to it was sent, or is history that the client asks
//! for itself. A [`Replay`] reads what all subscriptions are owed and gives each tweet once, with
//! the subscriptions that are owed it.
//!
//! The replay moves into the task that reads the next page and comes back with it. The cursors are
//! the truth: when a page is not taken, because the subscriptions have changed meanwhile, the
//! replay goes with it and the next one starts from the cursors.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::task::AbortOnDropHandle;

use super::{Delivery, Live, LiveError, Name};
use crate::ids::Seq;
use crate::index::{PageLimits, QuerySet, Replay, ReplayQuery, SearchError, View};
use crate::query::Query;

/// A page is made while the client takes the one before: large enough to be worth a turn of the
/// search threads, and small in the memory of a session whose client takes nothing.
const PAGE: PageLimits = PageLimits { tweets: 256, bytes: 256 * 1_024 };

#[derive(Clone, Debug)]
struct Subscription {
    name: Name,
    query: Query,
    cursor: Seq,
}

/// The subscriptions of a session, and how far each has come.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    subscriptions: Vec<Subscription>,
    /// While the session is behind: where its pages come from.
    reader: Option<Reader>,
}

/// A replay of all subscriptions.
#[derive(Debug)]
pub(super) struct Reader {
    /// By their index in the replay: sorted, as the names of a delivery are.
    names: Vec<Name>,
    replay: Replay,
}

/// Tweets to send, in order of arrival.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) deliveries: Vec<Arc<Delivery>>,
    /// Everything up to here is in this page or was sent before.
    pub(super) until: Seq,
    /// Whether this was all there was when it was read.
    pub(super) is_last: bool,
    /// Reads the next page.
    pub(super) reader: Reader,
}

/// A read that is under way in a task of its own. It can be waited for again after a wait was
/// dropped.
#[derive(Debug)]
pub(super) struct Reading(AbortOnDropHandle<Result<Page, LiveError>>);

impl Future for Reading {
    type Output = Result<Page, LiveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let failed = |panic| Err(LiveError::Unavailable(format!("the page could not be read: {panic}")));
        Pin::new(&mut self.0).poll(cx).map(|page| page.unwrap_or_else(failed))
    }
}

impl CatchUp {
    pub(super) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    pub(super) fn contains(&self, name: &Name) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.name == *name)
    }

    /// Adds a subscription, or replaces the one of that name, that was sent everything up to `cursor`.
    pub(super) fn insert(&mut self, name: Name, query: Query, cursor: Seq) {
        self.remove(&name);
        self.subscriptions.push(Subscription { name, query, cursor });
    }

    pub(super) fn remove(&mut self, name: &Name) {
        self.subscriptions.retain(|subscription| subscription.name != *name);
        self.reader = None;
    }

    /// Everything up to here was sent to all subscriptions.
    pub(super) fn sent_until(&mut self, seq: Seq) {
        for subscription in &mut self.subscriptions {
            subscription.cursor = subscription.cursor.max(seq);
        }
    }

    /// What was sent to all subscriptions.
    pub(super) fn position(&self) -> Option<Seq> {
        self.subscriptions.iter().map(|subscription| subscription.cursor).min()
    }

    /// Keeps the reader of a page whose tweets were handed out, for the next page.
    pub(super) fn keep(&mut self, reader: Reader) {
        self.reader = Some(reader);
    }

    /// The session is live again.
    pub(super) fn finish(&mut self) {
        self.reader = None;
    }
}

impl Reader {
    fn new(live: &Live, mut subscriptions: Vec<Subscription>) -> Reader {
        subscriptions.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let queries = subscriptions.iter().map(|subscription| ReplayQuery {
            search: live.inner.compiled.get_or_compile(&subscription.query),
            after: subscription.cursor,
        });
        let replay = Replay::new(queries.collect());
        Reader { replay, names: subscriptions.into_iter().map(|subscription| subscription.name).collect() }
    }

    /// Reads the next page. `until` is the newest position that the view is known to hold.
    fn page(mut self, view: &View, until: Seq) -> Result<Page, SearchError> {
        let page = self.replay.page(view, until, PAGE)?;
        let mut names: HashMap<QuerySet, Arc<[Name]>> = HashMap::new();
        let deliveries = page.hits.into_iter().map(|(hit, queries)| {
            let name = |at: usize| self.names[at].clone();
            let names = names.entry(queries).or_insert_with_key(|queries| queries.iter().map(name).collect());
            Arc::new(Delivery::new(hit, Arc::clone(names)))
        });
        Ok(Page { deliveries: deliveries.collect(), until: page.until, is_last: page.until == until, reader: self })
    }
}

/// Starts to read the next page.
pub(super) fn read(live: &Live, catch_up: &mut CatchUp) -> Reading {
    let live = live.clone();
    let reader = catch_up.reader.take().ok_or_else(|| catch_up.subscriptions.clone());
    Reading(AbortOnDropHandle::new(tokio::spawn(async move {
        // Taken before the view, which so holds everything up to it. After a crash it lies beyond the last tweet that was kept,
        // because no position is used twice.
        let position = live.seq();
        let reads = live.clone();
        let page = reads.read(move |view| {
            let reader = reader.unwrap_or_else(|subscriptions| Reader::new(&live, subscriptions));
            let first = view.first_seq().before();
            // Nobody is to take what was deleted before it was read for something that never was.
            if reader.replay.position() < first {
                return Ok(Err(first));
            }
            reader.page(&view, view.last_seq().max(position)).map(Ok)
        });
        page.await?.map_err(|first| LiveError::Unrecoverable {
            message: format!("tweets up to position {first} are gone"),
            since: first,
        })
    })))
}
