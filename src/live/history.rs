//! Searches of history: pages of tweets, aggregates and single tweets.

use std::sync::Arc;
use std::time::Instant;

use super::compiled_queries::PreparedQuery;
use super::{Live, LiveError};
use crate::ids::Seq;
use crate::index::{Hit, OverTime, PageRequest, TopTerms};
use crate::schema::{FieldId, Kind, Schema};
use crate::telemetry;
use crate::tweet::{PageKey, TweetKey};

/// The order of a page of history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Highest id first.
    #[default]
    Newest,
    /// Lowest id first.
    Oldest,
}

/// A request for a page of history.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// The query.
    pub query: PreparedQuery,
    /// The size of the page.
    pub n: usize,
    /// Matching tweets to skip before it.
    pub from: usize,
    /// Only tweets beyond this place: lower ids with [`Sort::Newest`], higher ones with
    /// [`Sort::Oldest`].
    pub before_id: Option<PageKey>,
    /// Only tweets with a seq up to this one.
    pub until_seq: Option<Seq>,
    /// The order.
    pub sort: Sort,
}

/// A page of history.
#[derive(Clone, Debug)]
pub struct SearchPage {
    /// The tweets, in order.
    pub hits: Vec<Hit>,
    /// The number of matching tweets on all pages.
    pub total: u64,
    /// The `before_id` of the next page; `None` if this is the last.
    pub next: Option<PageKey>,
}

/// A request for the distribution of matching tweets over a field.
#[derive(Clone, Debug)]
pub struct AggregateRequest {
    /// The query.
    pub query: PreparedQuery,
    /// The field: a date, or one of words or keywords.
    pub by: FieldId,
    /// The largest number of buckets.
    pub n: usize,
    /// Only tweets with a seq up to this one.
    pub until_seq: Option<Seq>,
}

/// The distribution of matching tweets over a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Over a date.
    OverTime(OverTime),
    /// Over words or keywords.
    TopTerms(TopTerms),
}

impl Live {
    /// A page of history.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unavailable`].
    pub async fn search(&self, request: SearchRequest) -> Result<SearchPage, LiveError> {
        let inner = Arc::clone(&self.inner);
        self.read_in_time(move |snapshot| {
            let started = Instant::now();
            let search = request.query.compile(&inner.compiled_queries);
            let page = snapshot.page(
                &search,
                &PageRequest {
                    n: request.n,
                    from: request.from,
                    before_id: request.before_id,
                    until_seq: request.until_seq,
                    oldest_first: request.sort == Sort::Oldest,
                },
            )?;
            telemetry::searched(started.elapsed());
            Ok(SearchPage { hits: page.hits, total: page.total, next: page.next })
        })
        .await
    }

    /// The distribution of matching tweets over a field. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unavailable`].
    pub async fn aggregate(&self, request: AggregateRequest) -> Result<Aggregate, LiveError> {
        let inner = Arc::clone(&self.inner);
        self.read_in_time(move |snapshot| {
            let started = Instant::now();
            let AggregateRequest { query, by, n, until_seq } = request;
            let search = query.compile(&inner.compiled_queries);
            let aggregate = if Schema::tweet().field(by).kind == Kind::Date {
                Aggregate::OverTime(snapshot.over_time(&search, by, until_seq, n)?)
            } else {
                Aggregate::TopTerms(snapshot.top_terms(&search, by, until_seq, n)?)
            };
            telemetry::searched(started.elapsed());
            Ok(aggregate)
        })
        .await
    }

    /// A tweet by its `id_str`. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::NotFound`], [`LiveError::Limit`], [`LiveError::Unavailable`].
    pub async fn tweet(&self, id_str: &str) -> Result<Hit, LiveError> {
        let key = TweetKey::new(id_str);
        let hit = self.read_in_time(move |snapshot| snapshot.get(key)).await?;
        hit.ok_or_else(|| LiveError::NotFound(format!("there is no tweet {id_str}")))
    }
}
