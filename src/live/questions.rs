//! Questions about queries, tweets and perch itself. None but [`Live::matching`] asks the
//! pipeline's loop.

use std::sync::Arc;

use super::{Live, LiveError, QueryEstimate};
use crate::coop;
use crate::hub::{CostOrder, MatchingQueries, QueryStats};
use crate::ids::Seq;
use crate::matcher::Matcher;
use crate::pipeline::Control;
use crate::query::Query;
use crate::tweet::explain::{Explained, Explainer};
use crate::tweet::{AnalyzedTweet, TweetKey};

/// Counts of this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Tweets that a search for everything finds.
    pub tweets: u64,
    /// Connected clients.
    pub sessions: u64,
    /// Registered queries.
    pub queries: u64,
    /// The seq of the newest tweet.
    pub seq: Seq,
    /// Size of the index on disk, in bytes.
    pub index_bytes: u64,
}

impl Live {
    /// The registered queries that match a tweet, by id. Does not index the tweet. Counts as a
    /// search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unavailable`].
    pub async fn matching(&self, tweet: Arc<AnalyzedTweet>) -> Result<Vec<Query>, LiveError> {
        // A question costs the loop as much as a tweet, so only one is asked at a time.
        let permit = self.inner.matching.acquire().await;
        let asked = Arc::clone(&tweet);
        let MatchingQueries { mut matched, undecided } =
            self.ask(|reply| Control::Matching { tweet: asked, reply }).await?;
        drop(permit);
        if undecided.is_empty() {
            return Ok(matched);
        }
        // Queries that the engine left undecided are evaluated beside the loop.
        self.read_in_time(move |_| {
            for query in undecided {
                coop::check()?;
                if Matcher::new(query.ast()).matches(&tweet.doc) {
                    matched.push(query);
                }
            }
            matched.sort_unstable_by_key(Query::id);
            matched.dedup_by_key(|query| query.id());
            Ok(matched)
        })
        .await
    }

    /// Why a stored tweet matches a query, or why it does not. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::NotFound`], [`LiveError::Unavailable`].
    pub async fn explain(&self, query: Query, id_str: String) -> Result<Explained, LiveError> {
        let key = TweetKey::new(&id_str);
        let found = self.read_in_time(move |view| {
            let hit = view.get(key)?;
            Ok(hit.map(|hit| explain_json(&hit.json, [&query]).pop()))
        });
        match found.await? {
            None => Err(LiveError::NotFound(format!("there is no tweet {id_str}"))),
            Some(Some(explained)) => Ok(explained),
            Some(None) => Err(LiveError::Unavailable(format!("the stored tweet {id_str} can't be read"))),
        }
    }

    /// Why a tweet matches these queries. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Unavailable`].
    pub async fn explain_all(
        &self,
        tweet: Arc<AnalyzedTweet>,
        queries: Vec<Query>,
    ) -> Result<Vec<Explained>, LiveError> {
        self.read_in_time(move |_| Ok(explain_json(&tweet.json, &queries))).await
    }

    /// The first `n` registered queries in an order, with their statistics. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unavailable`].
    pub async fn list_queries(
        &self,
        order: CostOrder,
        n: usize,
        is_listed: impl Fn(&Query) -> bool + Send + 'static,
    ) -> Result<Vec<QueryStats>, LiveError> {
        let listing = Arc::clone(&self.inner.pipeline.listing);
        self.read_in_time(move |_| Ok(listing.first(order, n, is_listed))).await
    }

    /// The number of registered queries.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.inner.pipeline.position.queries()
    }

    /// Estimates what a query costs and how much it matches, from the newest tweets. Counts as a
    /// search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unavailable`].
    pub async fn estimate(&self, query: Query) -> Result<QueryEstimate, LiveError> {
        let inner = Arc::clone(&self.inner);
        self.read_in_time(move |view| {
            let sample = inner.sample.get_or_refresh(&view)?;
            sample.estimate(query.ast())
        })
        .await
    }

    /// Counts of this moment. Counts as a search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unavailable`].
    pub async fn stats(&self) -> Result<Stats, LiveError> {
        let index_bytes = self.inner.index.stats().size_bytes;
        let tweets = self.read_in_time(|view| view.count()).await?;
        Ok(Stats { tweets, sessions: self.sessions(), queries: self.queries(), seq: self.seq(), index_bytes })
    }
}

/// Explains a tweet's JSON for each query. Empty if the JSON can't be read.
fn explain_json<'a>(json: &str, queries: impl IntoIterator<Item = &'a Query>) -> Vec<Explained> {
    let Ok(tweet) = crate::tweet::read(json.as_bytes()) else { return Vec::new() };
    let explainer = Explainer::new(&tweet);
    queries.into_iter().take_while(|_| !coop::stopped_now()).map(|query| explainer.explain(query)).collect()
}
