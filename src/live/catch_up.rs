//! Catching up: reads the matches of a session's subscriptions from the index, page by page, in
//! order of arrival.
//!
//! Each subscription has a cursor. Matches up to the cursor were returned, or are history, which
//! the client searches by itself. A [`Replay`] reads the matches behind the cursors and returns
//! each tweet once, with the subscriptions that it matches.
//!
//! The replay moves into the task that reads the next page, and returns with it. The cursors are
//! authoritative: if a page is discarded because the subscriptions have changed, its replay is
//! discarded too, and the next one starts from the cursors.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::task::AbortOnDropHandle;

use super::compiled_queries::PreparedQuery;
use super::{Delivery, Live, LiveError, SubscriptionName};
use crate::hub::{DeliveryKind, GoneReason};
use crate::ids::{QueryId, Seq};
use crate::index::{PageLimits, QuerySet, Replay, ReplayHit, ReplayQuery, SearchError, Snapshot};

/// The size of a page: large enough to be worth a search slot, and small in the memory of a session
/// whose client reads nothing.
const PAGE_LIMITS: PageLimits = PageLimits { tweets: 256, bytes: 256 * 1_024 };

/// A subscription, and the seq up to which its matches were returned.
#[derive(Clone, Debug)]
struct SubscriptionCursor {
    name: SubscriptionName,
    query: PreparedQuery,
    cursor: Seq,
}

/// The subscriptions of a session, and their cursors.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    subscriptions: Vec<SubscriptionCursor>,
    /// The reader of the next page, while the session is behind.
    reader: Option<CatchUpReader>,
    /// Whether the client has no tweet from before this catch-up.
    is_first: bool,
}

/// A replay of all subscriptions.
#[derive(Debug)]
pub(super) struct CatchUpReader {
    /// By index in the replay. Sorted, as the names of a delivery are.
    names: Vec<SubscriptionName>,
    replay: Replay,
}

/// A page of matches, in order of arrival.
#[derive(Debug)]
pub(super) struct CatchUpPage {
    pub(super) deliveries: Vec<Arc<Delivery>>,
    /// Every match up to here is in this page or an earlier one.
    pub(super) until: Seq,
    /// Whether there were no matches behind it when it was read.
    pub(super) is_last: bool,
    /// The reader of the next page.
    pub(super) reader: CatchUpReader,
}

/// The read of a page, in a task of its own. May be awaited again after an await was dropped.
#[derive(Debug)]
pub(super) struct PageRead(AbortOnDropHandle<Result<CatchUpPage, LiveError>>);

impl Future for PageRead {
    type Output = Result<CatchUpPage, LiveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let failed = |panic| Err(LiveError::Unavailable(format!("the page could not be read: {panic}")));
        Pin::new(&mut self.0).poll(cx).map(|page| page.unwrap_or_else(failed))
    }
}

impl CatchUp {
    pub(super) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Its subscription, query and cursor, if there is exactly one.
    pub(super) fn only(&self) -> Option<(&SubscriptionName, &PreparedQuery, Seq)> {
        let [SubscriptionCursor { name, query, cursor }] = &self.subscriptions[..] else { return None };
        Some((name, query, *cursor))
    }

    pub(super) fn contains(&self, name: &SubscriptionName) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.name == *name)
    }

    /// The query of this id, if a subscription has it.
    pub(super) fn query(&self, id: QueryId) -> Option<&PreparedQuery> {
        self.subscriptions.iter().map(|subscription| &subscription.query).find(|query| query.query().id() == id)
    }

    /// Adds a subscription, or replaces the one of that name.
    pub(super) fn insert(&mut self, name: SubscriptionName, query: PreparedQuery, cursor: Seq) {
        self.remove(&name);
        self.subscriptions.push(SubscriptionCursor { name, query, cursor });
    }

    pub(super) fn remove(&mut self, name: &SubscriptionName) {
        self.subscriptions.retain(|subscription| subscription.name != *name);
        self.reader = None;
        self.is_first = false;
    }

    /// Says that the client has no tweet yet, so that none is gone that it was not sent.
    pub(super) fn begin_first(&mut self) {
        self.is_first = true;
    }

    /// Moves the cursors: all matches up to here were returned.
    pub(super) fn sent_until(&mut self, seq: Seq) {
        for subscription in &mut self.subscriptions {
            subscription.cursor = subscription.cursor.max(seq);
        }
    }

    /// The lowest cursor.
    pub(super) fn position(&self) -> Option<Seq> {
        self.subscriptions.iter().map(|subscription| subscription.cursor).min()
    }

    /// Keeps the reader of a page that was returned, for the next page.
    pub(super) fn keep(&mut self, reader: CatchUpReader) {
        self.reader = Some(reader);
        // Another reader begins behind tweets that the client has.
        self.is_first = false;
    }

    /// Drops the reader: the session is live again.
    pub(super) fn finish(&mut self) {
        self.reader = None;
        self.is_first = false;
    }
}

impl CatchUpReader {
    fn new(live: &Live, mut subscriptions: Vec<SubscriptionCursor>, is_first: bool) -> CatchUpReader {
        subscriptions.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let queries = subscriptions.iter().map(|subscription| ReplayQuery {
            search: subscription.query.compiled(&live.inner.compiled_queries),
            after: subscription.cursor,
            holds: if is_first { Seq::ZERO } else { subscription.cursor },
        });
        let replay = Replay::new(queries.collect());
        CatchUpReader { replay, names: subscriptions.into_iter().map(|subscription| subscription.name).collect() }
    }

    /// Reads the next page. `until` is the newest position that the snapshot is known to hold.
    fn page(mut self, snapshot: &Snapshot, until: Seq) -> Result<CatchUpPage, SearchError> {
        let page = self.replay.page(snapshot, until, PAGE_LIMITS)?;
        let mut names: HashMap<QuerySet, Arc<[SubscriptionName]>> = HashMap::new();
        let mut names_of = |queries: QuerySet| {
            let name = |at: usize| self.names[at].clone();
            Arc::clone(names.entry(queries).or_insert_with_key(|queries| queries.iter().map(name).collect()))
        };
        let mut deliveries = Vec::with_capacity(page.hits.len());
        for ReplayHit { hit, is_deleted, queries, gone } in page.hits {
            let (matches, is_gone) = (!queries.is_empty(), !gone.is_empty());
            if is_gone {
                let reason = if is_deleted { GoneReason::Deleted } else { GoneReason::Changed };
                let kind = DeliveryKind::Gone { reason, is_followed: matches };
                deliveries.push(Arc::new(Delivery::of_kind(kind, hit.clone(), names_of(gone))));
            }
            if matches {
                deliveries.push(Arc::new(Delivery::new(hit, names_of(queries))));
            }
        }
        Ok(CatchUpPage { deliveries, until: page.until, is_last: page.until == until, reader: self })
    }
}

/// Starts the read of the next page.
pub(super) fn read(live: &Live, catch_up: &mut CatchUp) -> PageRead {
    let (live, is_first) = (live.clone(), catch_up.is_first);
    let reader = catch_up.reader.take().ok_or_else(|| catch_up.subscriptions.clone());
    PageRead(AbortOnDropHandle::new(tokio::spawn(async move {
        // Read before the snapshot is taken, so the snapshot holds every tweet up to this position.
        // After a crash the position is beyond the last stored tweet, since no seq is used twice.
        let position = live.seq();
        let reads = live.clone();
        let page = reads.read(move |snapshot| {
            let reader = reader.unwrap_or_else(|subscriptions| CatchUpReader::new(&live, subscriptions, is_first));
            let first = snapshot.first_seq().before();
            // Matches that retention deleted before they were read are reported, not skipped.
            if reader.replay.position() < first {
                return Ok(Err(first));
            }
            reader.page(&snapshot, snapshot.last_seq().max(position)).map(Ok)
        });
        page.await?.map_err(|first| LiveError::Unrecoverable {
            message: format!("tweets up to position {first} are gone"),
            since: first,
        })
    })))
}
