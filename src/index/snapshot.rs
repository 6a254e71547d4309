//! Searches of one moment: the committed index and the tail as a snapshot.
//!
//! A [`Snapshot`] never changes: it contains every tweet up to its last seq, each in its newest
//! version. The committed index and the tail are searched with the same compiled query, and their
//! hits are merged.
//!
//! Pages are in the order of tweet ids. Every matching document is visited once, because a page has
//! the total. Segments that can't contribute to the page are only counted, and JSON is read for the
//! hits of the page alone.
//!
//! A stored tweet that can't be read is left out of the page and counts in the total.
//!
//! A search can be stopped ([`coop`]). Then every loop ends early, and every function returns
//! [`SearchError::Stopped`], never a part of the result.

pub mod feed_page;

use std::sync::{Arc, OnceLock};

use hashbrown::HashSet;
use tantivy::{DocAddress, TantivyError};

use super::Hit;
use super::committed::{CommittedIndex, Filter};
use super::tail::{Chunk, FirstSeq};
use super::top_k::TopK;
use super::tweet_fields::TweetFields;
use crate::coop::{self, Stopped};
use crate::ids::Seq;
use crate::lower::lower;
use crate::matcher::Matcher;
use crate::query::Ast;
use crate::tweet::{AnalyzedTweet, PageKey, SequencedTweet, TweetKey};

/// Why a search failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SearchError {
    /// The index can't be read.
    #[error("the index could not be read: {0}")]
    Index(#[from] TantivyError),
    /// The file of a stored tweet is damaged. This was logged and counted.
    #[error("the stored tweet {0} can't be read: the index is damaged")]
    Tweet(u64),
    /// The client is gone, or the time is up.
    #[error("the search was stopped")]
    Stopped(#[from] Stopped),
}

/// A query, compiled for the committed index and for the tail. It works with any snapshot.
#[derive(Debug)]
pub struct CompiledSearch {
    query: Box<dyn tantivy::query::Query>,
    matcher: Matcher,
}

impl CompiledSearch {
    /// Compiles a query.
    #[must_use]
    pub fn new(ast: &Ast) -> CompiledSearch {
        CompiledSearch { query: lower(ast, TweetFields::get().searched()), matcher: Matcher::new(ast) }
    }

    /// Whether a tweet matches.
    pub(super) fn matches(&self, tweet: &AnalyzedTweet) -> bool {
        !tweet.is_deleted && self.matcher.matches(&tweet.doc)
    }

    /// The query for the committed index.
    pub(super) fn query(&self) -> &dyn tantivy::query::Query {
        &*self.query
    }
}

/// A range of the matching tweets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// At most this many tweets.
    pub n: usize,
    /// Skip this many. The cost grows with it; deep pages use `before_id`.
    pub from: usize,
    /// Only tweets beyond this place: lower ids, or higher ones with `oldest_first`.
    pub before_id: Option<PageKey>,
    /// Only tweets up to this seq.
    pub until_seq: Option<Seq>,
    /// Ascending ids, instead of descending ones.
    pub oldest_first: bool,
}

/// A page of the matching tweets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The tweets, in order.
    pub hits: Vec<Hit>,
    /// The number of matching tweets on all pages.
    pub total: u64,
    /// The `before_id` of the next page. `None` on the last page.
    pub next: Option<PageKey>,
}

/// Everything that was accepted up to one seq. Cheap to clone.
///
/// A snapshot keeps its segments and chunks alive, on disk and in memory: take one for each search.
#[derive(Clone, Debug)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    committed: Arc<CommittedIndex>,
    chunks: Arc<[Arc<Chunk>]>,
    first_seq: Seq,
    last_seq: Seq,
    /// Keys with a newer version in the tail.
    hidden: OnceLock<HashSet<TweetKey>>,
    count: OnceLock<u64>,
}

/// The location of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HitLocation {
    Index(DocAddress),
    /// The index in the list of matching tweets of the tail.
    Tail(usize),
}

impl Snapshot {
    pub(super) fn new(
        committed: Arc<CommittedIndex>,
        chunks: Arc<[Arc<Chunk>]>,
        first_seq: Seq,
        last_seq: Seq,
    ) -> Snapshot {
        let (hidden, count) = (OnceLock::new(), OnceLock::new());
        Snapshot { inner: Arc::new(Inner { committed, chunks, first_seq, last_seq, hidden, count }) }
    }

    /// The lowest seq that retention keeps.
    #[must_use]
    pub fn first_seq(&self) -> Seq {
        self.inner.first_seq
    }

    /// The snapshot contains exactly the tweets up to this seq.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.inner.last_seq
    }

    /// A page of the tweets that match, newest first by id.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn page(&self, search: &CompiledSearch, request: &PageRequest) -> Result<Page, SearchError> {
        let &PageRequest { n, from, before_id, until_seq, oldest_first } = request;
        let key = |id: u64| if oldest_first { !id } else { id };
        let place = |at: PageKey| PageKey { id: key(at.id), tie: key(at.tie) };
        let until = until_seq.unwrap_or(Seq::MAX);
        let below = before_id.map(place);
        // One more than requested tells whether there is a next page.
        let mut top = TopK::new(if n == 0 { 0 } else { from.saturating_add(n).saturating_add(1) });
        let mut total = 0_u64;

        let tail: Vec<&SequencedTweet> = self.tail(search, Seq::ZERO, until).collect();
        for (at, item) in tail.iter().enumerate() {
            total += 1;
            let place = place(PageKey::new(item.tweet.id, item.tweet.key));
            if below.is_none_or(|below| place < below) {
                top.push(place, HitLocation::Tail(at));
            }
        }

        let committed = &self.inner.committed;
        let hidden = self.hidden();
        let weight = committed.weight(&*search.query)?;
        for (segment, ord) in committed.segments_by(|segment| {
            let (low, high) = segment.ids();
            key(low).max(key(high))
        }) {
            let (low, high) = segment.ids();
            let (worst, best) = (key(low).min(key(high)), key(low).max(key(high)));
            let best = PageKey { id: best, tie: u64::MAX };
            let can_add = top.takes(best) && below.is_none_or(|below| PageKey::from(worst) < below);
            let filter = Filter { after: Seq::ZERO, until, hidden };
            if !can_add {
                total += segment.count(&*search.query, &*weight, &filter)?;
                continue;
            }
            segment.for_each_id(&*weight, &filter, |doc, id| {
                total += 1;
                let id_key = key(id);
                // The rest of the key is read for documents that may be on the page.
                if top.takes(PageKey { id: id_key, tie: u64::MAX }) && below.is_none_or(|below| id_key <= below.id) {
                    let place = PageKey { id: id_key, tie: key(segment.key(doc).tie()) };
                    if below.is_none_or(|below| place < below) {
                        top.push(place, HitLocation::Index(DocAddress::new(ord, doc)));
                    }
                }
            })?;
        }

        let mut locations = top.into_sorted();
        let is_more = locations.len() > from.saturating_add(n);
        locations.truncate(from.saturating_add(n));
        let locations = locations.get(from..).unwrap_or(&[]);
        let next = locations.last().filter(|_| is_more).map(|&location| self.page_key(location, &tail));
        Ok(Page { hits: self.hits(locations, &tail)?, total, next })
    }

    /// The newest `n` tweets by arrival, newest first.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn newest(&self, n: usize) -> Result<Vec<Hit>, SearchError> {
        let everything = CompiledSearch::new(&Ast::All);
        let mut top = TopK::new(n);
        let tail: Vec<&SequencedTweet> = self.tail(&everything, Seq::ZERO, Seq::MAX).collect();
        for (at, item) in tail.iter().enumerate() {
            top.push(item.seq.0, HitLocation::Tail(at));
        }
        let committed = &self.inner.committed;
        let weight = committed.weight(&*everything.query)?;
        let filter = Filter { after: Seq::ZERO, until: Seq::MAX, hidden: self.hidden() };
        for (segment, ord) in committed.segments_by(|segment| segment.seqs().1.0) {
            if top.takes(segment.seqs().1.0) {
                segment.for_each_seq(&*weight, &filter, |doc, seq| {
                    top.push(seq, HitLocation::Index(DocAddress::new(ord, doc)));
                })?;
            }
        }
        self.hits(&top.into_sorted(), &tail)
    }

    /// The tweet with this key. `None` when it is deleted.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn get(&self, key: TweetKey) -> Result<Option<Hit>, SearchError> {
        let last_seq = self.last_seq();
        let mut items = self.inner.chunks.iter().rev().flat_map(|chunk| chunk.items(last_seq).rev());
        if let Some(item) = items.find(|item| item.tweet.key == key) {
            return Ok(Some(item).filter(|item| !item.tweet.is_deleted).map(hit_of));
        }
        let committed = &self.inner.committed;
        let unreadable = |address| SearchError::Tweet(committed.position(address).1);
        let address = committed.find(key)?.filter(|address| !committed.is_deletion(*address));
        address.map(|address| committed.hit(address).map_err(|_| unreadable(address))).transpose()
    }

    /// The number of tweets.
    ///
    /// # Errors
    ///
    /// When the search is stopped.
    pub fn count(&self) -> Result<u64, SearchError> {
        if let Some(&count) = self.inner.count.get() {
            return Ok(count);
        }
        let last_seq = self.last_seq();
        let tweets = |chunk: &Arc<Chunk>| chunk.items(last_seq).filter(|item| !item.tweet.is_deleted).count();
        let tail: usize = self.inner.chunks.iter().map(tweets).sum();
        let hidden = self.inner.committed.count_keys(self.hidden());
        let count = self.inner.committed.documents().saturating_sub(hidden) + u64::try_from(tail).unwrap_or(u64::MAX);
        // Only a whole count is kept.
        coop::check()?;
        Ok(*self.inner.count.get_or_init(|| count))
    }

    /// The matching tweets of the tail above `after`, up to `until`, in order of arrival. Leaves
    /// tweets out when the search is stopped.
    pub(super) fn tail<'a>(
        &'a self,
        search: &'a CompiledSearch,
        after: Seq,
        until: Seq,
    ) -> impl Iterator<Item = &'a SequencedTweet> {
        let items = self.tail_items(after, until).map(|(item, _)| item);
        items.take_while(|_| !coop::stopped_now()).filter(|item| search.matches(&item.tweet))
    }

    /// The tweets and deletions of the tail above `after`, up to `until`, in order of arrival: each
    /// with the seq of its first version in the tail.
    pub(super) fn tail_items(&self, after: Seq, until: Seq) -> impl Iterator<Item = (&SequencedTweet, FirstSeq)> {
        let chunks =
            self.inner.chunks.iter().filter(move |chunk| chunk.last_seq() > after && chunk.first_seq() <= until);
        let items = chunks.flat_map(|chunk| chunk.items_with_first_seqs(self.inner.last_seq));
        items.filter(move |(item, _)| item.seq > after && item.seq <= until)
    }

    /// The highest seq up to `until` below which the tail has no tweet.
    pub(super) fn committed_until(&self, until: Seq) -> Seq {
        self.inner.chunks.first().map_or(until, |chunk| chunk.first_seq().before().min(until))
    }

    /// Keys with a newer version in the tail.
    pub(super) fn hidden(&self) -> &HashSet<TweetKey> {
        self.inner.hidden.get_or_init(|| self.inner.chunks.iter().flat_map(|chunk| chunk.replaces()).copied().collect())
    }

    /// The committed part.
    pub(super) fn committed(&self) -> &CommittedIndex {
        &self.inner.committed
    }

    /// The place of a tweet in the order of pages.
    fn page_key(&self, location: HitLocation, tail: &[&SequencedTweet]) -> PageKey {
        match location {
            HitLocation::Index(address) => {
                let segment = self.inner.committed.segment(address.segment_ord);
                PageKey::new(segment.id(address.doc_id), segment.key(address.doc_id))
            }
            HitLocation::Tail(item) => PageKey::new(tail[item].tweet.id, tail[item].tweet.key),
        }
    }

    /// Reads the tweets and leaves out those that can't be read.
    fn hits(&self, locations: &[HitLocation], tail: &[&SequencedTweet]) -> Result<Vec<Hit>, SearchError> {
        // Neighbors share a block of the store: read them one after the other.
        let mut order: Vec<usize> = (0..locations.len()).collect();
        order.sort_unstable_by_key(|&at| match locations[at] {
            HitLocation::Index(address) => (address.segment_ord, address.doc_id),
            HitLocation::Tail(_) => (0, 0),
        });
        let mut hits = vec![None; locations.len()];
        for at in order {
            coop::check()?;
            hits[at] = match locations[at] {
                // The failure is recorded as damage.
                HitLocation::Index(address) => self.inner.committed.hit(address).ok(),
                HitLocation::Tail(item) => Some(hit_of(tail[item])),
            };
        }
        // Also of what led here.
        coop::check()?;
        Ok(hits.into_iter().flatten().collect())
    }
}

/// The tweet as a hit.
pub(super) fn hit_of(item: &SequencedTweet) -> Hit {
    Hit { seq: item.seq, id: item.tweet.id, json: Arc::clone(&item.tweet.json) }
}

#[cfg(test)]
mod tests;
