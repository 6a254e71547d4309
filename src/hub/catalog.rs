//! The query catalog: the registered queries, the engine that matches them, what they cost, and how
//! much a client may hold of them.
//!
//! ```text
//! query ──registry──> key ──> engine         matches by key ──> counters ──┐
//!           │                                 sampled costs ──> counters ──┤
//!           └──> client budgets                                    listing: read beside the loop
//! ```
//!
//! The pipeline's loop owns the [`QueryCatalog`]. Only the [`QueryListing`] is shared: it answers
//! which queries are registered and what they cost, without the loop.

mod client_budgets;
mod cost_sampler;
mod listing;
mod query_stats;
mod registry;

use std::sync::Arc;

use super::memory::{QUERY_BYTES, subscription_bytes};
use super::{ClientKey, SubscriptionName};
use crate::doc::Doc;
use crate::ids::{QueryId, QueryKey};
use crate::percolator::{Engine, Matches};
use crate::query::Query;

use client_budgets::ClientBudgets;
pub(crate) use client_budgets::ClientLimits;
pub(super) use client_budgets::{BudgetUsage, ClientIndex};
use cost_sampler::CostSampler;
pub(crate) use listing::QueryListing;
pub use query_stats::{CostOrder, QueryCounts, QueryStats};
use registry::Registry;

/// Why a subscription was refused. Public texts: clients are sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// `limits.max_queries` is reached.
    #[error("perch holds at most {0} different queries")]
    TooManyQueries(usize),
    /// `limits.max_queries_mb` is reached.
    #[error("the registered queries take all of the {0} bytes that they may")]
    OutOfMemory(usize),
    /// `limits.max_queries_mb_per_client` is reached.
    #[error("the queries of this client take all of the {0} bytes that they may (limits.max_queries_mb_per_client)")]
    ClientOutOfMemory(usize),
    /// `limits.max_weak_patterns_per_client` is reached.
    #[error(
        "the queries of this client may have {0} patterns that nearly every word is tried on, such as *e* \
         (limits.max_weak_patterns_per_client)"
    )]
    TooManyWeakPatterns(usize),
}

/// The result of percolating a batch.
#[derive(Debug)]
pub(super) struct Percolated<'a> {
    pub(super) matches: &'a Matches,
    /// Pairs of document and query that the engine left undecided, sorted. The document reached its
    /// bound of work.
    pub(super) undecided: Vec<(u32, QueryKey)>,
}

/// The registered queries that a document matches.
#[derive(Debug, Default)]
pub(crate) struct MatchingQueries {
    /// Those that match, by id.
    pub(crate) matched: Vec<Query>,
    /// Those that the engine left undecided.
    pub(crate) undecided: Vec<Query>,
}

/// Registered queries, their engine, their statistics and the budgets of clients.
pub(super) struct QueryCatalog {
    engine: Box<dyn Engine>,
    registry: Registry,
    listing: Arc<QueryListing>,
    sampler: CostSampler,
    budgets: ClientBudgets,
    /// Scratch of the last percolation.
    matches: Matches,
    max_queries: usize,
}

impl QueryCatalog {
    pub(super) fn new(engine: Box<dyn Engine>, max_queries: usize) -> QueryCatalog {
        let listing = Arc::<QueryListing>::default();
        QueryCatalog {
            engine,
            registry: Registry::default(),
            sampler: CostSampler::new(Arc::clone(&listing)),
            listing,
            budgets: ClientBudgets::default(),
            matches: Matches::default(),
            max_queries,
        }
    }

    pub(super) fn set_client_limits(&mut self, limits: ClientLimits) {
        self.budgets.limits = limits;
    }

    pub(super) fn listing(&self) -> Arc<QueryListing> {
        Arc::clone(&self.listing)
    }

    /// The number of registered queries.
    pub(super) fn len(&self) -> usize {
        self.registry.len()
    }

    /// The key of a query, if it is registered.
    pub(super) fn key(&self, id: QueryId) -> Option<QueryKey> {
        self.registry.key(id)
    }

    /// The index of a client, if it holds a query.
    pub(super) fn client(&self, client: &ClientKey) -> Option<ClientIndex> {
        self.budgets.index(client)
    }

    /// Registers a query for a new subscription, and charges the client's budget. `is_held`: the
    /// client has another subscription to the query. Returns the key of the query, the index of the
    /// client, and whether the query is new.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`]; nothing has changed then.
    pub(super) fn acquire(
        &mut self,
        client: &ClientKey,
        name: &SubscriptionName,
        query: &Query,
        is_held: bool,
    ) -> Result<(QueryKey, ClientIndex, bool), RegistrationError> {
        let known = self.registry.key(query.id());
        if known.is_none() && self.registry.len() >= self.max_queries {
            return Err(RegistrationError::TooManyQueries(self.max_queries));
        }
        let usage = known.and_then(|key| self.registry.usage(key)).unwrap_or_else(|| BudgetUsage::of(query));
        let charge = BudgetUsage { bytes: subscription_bytes(name), weak_patterns: 0 };
        let charge = if is_held { charge } else { charge.plus(usage) };
        self.budgets.check(client, charge)?;
        let client = self.budgets.charge(client, charge);
        let (key, is_new) = self.registry.acquire(query, |key| {
            self.engine.insert(key, query.ast());
            (usage, self.listing.insert(key, query.clone()))
        });
        Ok((key, client, is_new))
    }

    /// Ends a subscription to a query: refunds the client, and removes the query with its last
    /// subscription. `remaining`: the subscriptions that are left. `is_still_held`: one of them is
    /// the client's.
    pub(super) fn release(
        &mut self,
        key: QueryKey,
        client: ClientIndex,
        name: &SubscriptionName,
        (remaining, is_still_held): (usize, bool),
    ) {
        let refund = BudgetUsage { bytes: subscription_bytes(name), weak_patterns: 0 };
        let usage = self.registry.usage(key).filter(|_| !is_still_held).unwrap_or_default();
        self.budgets.refund(client, refund.plus(usage));
        if self.registry.release(key) {
            self.engine.remove(key);
            self.listing.remove(key);
        } else {
            self.set_subscriptions(key, remaining);
        }
    }

    /// Publishes the number of a query's subscriptions.
    pub(super) fn set_subscriptions(&self, key: QueryKey, n: usize) {
        if let Some(listed) = self.registry.listed(key) {
            listed.set_subscriptions(n);
        }
    }

    /// The query as it is registered. Its clones share its memory.
    pub(super) fn query(&self, key: QueryKey) -> Option<&Query> {
        self.registry.listed(key).map(|listed| &listed.query)
    }

    /// Matches documents against all queries, and counts the matches of those that `counts` names.
    pub(super) fn percolate(&mut self, docs: &[&Doc], counts: impl Fn(u32) -> bool) -> Percolated<'_> {
        self.matches.clear();
        self.engine.percolate(docs, &mut self.matches);
        for (doc, key) in self.matches.pairs() {
            if counts(doc)
                && let Some(listed) = self.registry.listed(key)
            {
                listed.counter.count_match();
            }
        }
        let undecided = self.matches.undecided().to_vec();
        Percolated { matches: &self.matches, undecided }
    }

    /// Counts percolated documents, and samples what queries cost when a sample is due.
    pub(super) fn sample(&mut self, docs: &[&Doc]) {
        let registry = &self.registry;
        let counter = |key| registry.listed(key).map(|listed| &listed.counter);
        self.sampler.percolated(&mut *self.engine, docs, counter);
    }

    /// The queries that a document matches. Counts nothing.
    pub(super) fn matching(&mut self, doc: &Doc) -> MatchingQueries {
        self.matches.clear();
        self.engine.percolate(&[doc], &mut self.matches);
        let query = |key| self.registry.listed(key).map(|listed| listed.query.clone());
        let undecided = self.matches.undecided().iter().filter_map(|&(_, key)| query(key)).collect();
        let mut matched: Vec<Query> = self.matches.pairs().filter_map(|(_, key)| query(key)).collect();
        matched.sort_unstable_by_key(Query::id);
        MatchingQueries { matched, undecided }
    }

    /// The estimated memory of a new query, in bytes.
    pub(super) fn estimate_bytes(query: &Query) -> usize {
        query.size_bytes() + QUERY_BYTES
    }

    /// Its memory in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.engine.size_bytes() + self.registry.size_bytes() + self.listing.size_bytes() + self.budgets.size_bytes()
    }

    #[cfg(test)]
    pub(super) fn engine_len(&self) -> usize {
        self.engine.len()
    }

    #[cfg(test)]
    pub(super) fn budgets(&self) -> &ClientBudgets {
        &self.budgets
    }
}
