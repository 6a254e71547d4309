//! Feeding a session from the index: what its subscriptions are owed, read in pages, in order of arrival.
//!
//! Each subscription has a cursor: everything up to it was sent, or is history that the client asks for itself. A page reads what
//! each subscription is owed up to the end of one view, merges it by position, and puts the names together, so that a tweet that
//! several subscriptions are owed is sent once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Delivery, Live, LiveError, Name};
use crate::ids::Seq;
use crate::index::{Hit, Search, SearchError, View};
use crate::query::Query;

/// How many tweets a page holds, about: enough to make a read worth it, few enough to stay small in memory.
const PAGE_TWEETS: usize = 256;

#[derive(Clone, Debug)]
struct Subscription {
    name: Name,
    query: Query,
    cursor: Seq,
}

/// The subscriptions of a session, and how far each has come.
#[derive(Clone, Debug, Default)]
pub(super) struct CatchUp {
    subscriptions: Vec<Subscription>,
}

/// Tweets to send, in order of arrival.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) deliveries: Vec<Arc<Delivery>>,
    /// Everything up to here is in this page or was sent before.
    pub(super) until: Seq,
    /// Whether this was all there was when it was read.
    pub(super) is_last: bool,
}

/// A read that is under way: `.0` can be waited for again after a wait was dropped.
pub(super) struct Reading(pub(super) BoxFuture<'static, Result<Page, LiveError>>);

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reading")
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

    /// Reads the next page. `until` is the newest position that the view is known to hold.
    fn page(&self, view: &View, until: Seq) -> Result<Page, SearchError> {
        let n = (PAGE_TWEETS / self.subscriptions.len().max(1)).max(16);
        let mut owed: BTreeMap<Seq, (Hit, Vec<Name>)> = BTreeMap::new();
        let mut page_end = until;
        for subscription in &self.subscriptions {
            if subscription.cursor >= until {
                continue;
            }
            let hits = view.after(&Search::new(subscription.query.ast()), subscription.cursor, until, n)?;
            if hits.len() == n
                && let Some(last) = hits.last()
            {
                page_end = page_end.min(last.seq);
            }
            for hit in hits {
                owed.entry(hit.seq).or_insert_with(|| (hit, Vec::new())).1.push(subscription.name.clone());
            }
        }
        let deliveries = owed
            .into_values()
            .take_while(|(hit, _)| hit.seq <= page_end)
            .map(|(hit, mut names)| {
                names.sort_unstable();
                Arc::new(Delivery::new(hit, names.into()))
            })
            .collect();
        Ok(Page { deliveries, until: page_end, is_last: page_end == until })
    }
}

/// Starts to read the next page.
pub(super) fn read(live: &Live, catch_up: &CatchUp) -> Reading {
    let (live, catch_up) = (live.clone(), catch_up.clone());
    Reading(Box::pin(async move {
        // Taken before the view, which so holds everything up to it. After a crash it lies beyond the last tweet that was kept,
        // because no position is used twice.
        let position = live.seq();
        let page = live.read(move |view| {
            let first = view.first_seq().before();
            // Nobody is to take what was deleted before it was read for something that never was.
            if catch_up.position().is_some_and(|position| position < first) {
                return Ok(Err(first));
            }
            catch_up.page(&view, view.last_seq().max(position)).map(Ok)
        });
        page.await?.map_err(|first| LiveError::Unrecoverable {
            message: format!("tweets up to position {first} are gone"),
            since: first,
        })
    }))
}
