//! What each registered query costs and how much it matches.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::ids::QueryKey;
use crate::query::Query;

/// The counters of one query. Only the loop writes them; others read.
#[derive(Debug, Default)]
pub(super) struct QueryCounter {
    /// Tweets percolated before the query was registered.
    since: u64,
    /// Tweets that matched.
    matches: AtomicU64,
    /// Tweets for which the query was a candidate, by the samples.
    candidates: AtomicU64,
    /// Time of deciding on those, by the samples.
    nanos: AtomicU64,
}

impl QueryCounter {
    /// The counters of a query that is registered after this many percolated tweets.
    pub(super) fn since(tweets: u64) -> QueryCounter {
        QueryCounter { since: tweets, ..QueryCounter::default() }
    }

    /// Counts a match.
    #[inline]
    pub(super) fn count_match(&self) {
        // A single writer, so a load and a store are enough.
        self.matches.store(self.matches.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Counts the query as a candidate of this many tweets, each of which took this time.
    pub(super) fn add_candidates(&self, tweets: u64, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).saturating_mul(tweets);
        self.candidates.fetch_add(tweets, Ordering::Relaxed);
        self.nanos.store(self.nanos.load(Ordering::Relaxed).saturating_add(nanos), Ordering::Relaxed);
    }

    /// The tweets that were percolated since the registration, of `all` tweets.
    pub(super) fn tweets(&self, all: u64) -> u64 {
        all.saturating_sub(self.since)
    }

    /// The number of candidates. A match was one, also where no sample says so.
    pub(super) fn candidates(&self) -> u64 {
        self.candidates.load(Ordering::Relaxed).max(self.matches.load(Ordering::Relaxed))
    }

    /// The counts after `all` percolated tweets.
    pub(super) fn counts(&self, all: u64) -> QueryCounts {
        QueryCounts {
            tweets: self.tweets(all),
            matches: self.matches.load(Ordering::Relaxed),
            candidates: self.candidates(),
            time: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
        }
    }

    #[cfg(test)]
    pub(super) fn for_test(matches: u64, candidates: u64, nanos: u64) -> QueryCounter {
        QueryCounter { since: 0, matches: matches.into(), candidates: candidates.into(), nanos: nanos.into() }
    }
}

/// The order of a listing, the highest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CostOrder {
    /// By the time of deciding; where that is equal, by candidates.
    #[default]
    Cost,
    /// By matches.
    Matches,
    /// By candidates.
    Candidates,
}

/// The counts of one query since its registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryCounts {
    /// Tweets percolated.
    pub tweets: u64,
    /// Tweets that matched.
    pub matches: u64,
    /// Estimate of the tweets for which the presearcher could not rule out the query.
    pub candidates: u64,
    /// Estimate of the time of deciding on the candidates.
    pub time: Duration,
}

/// A registered query and its statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryStats {
    /// The query.
    pub query: Query,
    /// The number of its subscriptions.
    pub subscriptions: usize,
    /// Its counts.
    pub counts: QueryCounts,
}

/// A registered query, shared by the loop and by readers.
#[derive(Debug)]
pub(super) struct ListedQuery {
    pub(super) query: Query,
    subscriptions: AtomicU32,
    pub(super) counter: QueryCounter,
}

impl ListedQuery {
    pub(super) fn new(query: Query, counter: QueryCounter) -> ListedQuery {
        ListedQuery { query, subscriptions: AtomicU32::new(0), counter }
    }

    /// Sets the number of subscriptions.
    pub(super) fn set_subscriptions(&self, n: usize) {
        self.subscriptions.store(u32::try_from(n).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Its statistics after `all` percolated tweets.
    pub(super) fn stats(&self, all: u64) -> QueryStats {
        QueryStats {
            query: self.query.clone(),
            subscriptions: self.subscriptions.load(Ordering::Relaxed) as usize,
            counts: self.counter.counts(all),
        }
    }
}

/// Selects the `n` queries with the highest counts.
pub(super) struct TopQueries {
    order: CostOrder,
    n: usize,
    highest: BTreeMap<Rank, Arc<ListedQuery>>,
}

/// Of equal counts, the lower key ranks higher.
type Rank = ((u64, u64), Reverse<QueryKey>);

impl TopQueries {
    /// A selection of at most `n` queries.
    pub(super) fn new(order: CostOrder, n: usize) -> TopQueries {
        TopQueries { order, n, highest: BTreeMap::new() }
    }

    /// Adds a query, ranked by its present counts.
    pub(super) fn push(&mut self, key: QueryKey, listed: &Arc<ListedQuery>) {
        let counts = listed.counter.counts(0);
        let nanos = u64::try_from(counts.time.as_nanos()).unwrap_or(u64::MAX);
        let rank = match self.order {
            CostOrder::Cost => (nanos, counts.candidates),
            CostOrder::Matches => (counts.matches, counts.candidates),
            CostOrder::Candidates => (counts.candidates, nanos),
        };
        let rank = (rank, Reverse(key));
        if self.highest.len() < self.n {
            self.highest.insert(rank, Arc::clone(listed));
        } else if self.highest.first_key_value().is_some_and(|(lowest, _)| *lowest < rank) {
            self.highest.pop_first();
            self.highest.insert(rank, Arc::clone(listed));
        }
    }

    /// The selected queries, highest first.
    pub(super) fn into_sorted(self) -> Vec<Arc<ListedQuery>> {
        self.highest.into_values().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    fn listed((matches, candidates, nanos): (u64, u64, u64)) -> Arc<ListedQuery> {
        let query = Query::parse("rust", Schema::tweet(), &crate::query::QueryLimits::default());
        Arc::new(ListedQuery::new(query.expect("a query"), QueryCounter::for_test(matches, candidates, nanos)))
    }

    #[test]
    fn the_highest_come_first_and_no_more_than_asked_for() {
        let entries = [(1, 9, 5), (7, 2, 5), (3, 3, 8), (3, 3, 8)].map(listed);
        let top = |order, n| -> Vec<usize> {
            let mut top = TopQueries::new(order, n);
            (0..).zip(&entries).for_each(|(key, entry)| top.push(QueryKey(key), entry));
            let at = |found: Arc<ListedQuery>| entries.iter().position(|it| Arc::ptr_eq(it, &found));
            top.into_sorted().into_iter().map(|found| at(found).expect("one of them")).collect()
        };
        assert_eq!(top(CostOrder::Cost, 10), [2, 3, 0, 1]);
        assert_eq!(top(CostOrder::Matches, 10), [1, 2, 3, 0]);
        // The second was a candidate for each of its seven matches, though samples saw two.
        assert_eq!(top(CostOrder::Candidates, 3), [0, 1, 2]);
        assert_eq!(top(CostOrder::Cost, 1), [2]);
    }
}
