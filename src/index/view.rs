//! Searching: searchers and tail as one snapshot.
//!
//! A [`View`] never changes: it holds every tweet up to its last seq, each in its newest version, whether searchers show it
//! already or not. The index on disk and the tail are searched with the same compiled query, and their hits are merged.
//!
//! Pages are in the order of tweet ids. Every matching document is visited once, because the total is asked for too;
//! segments that can't add to the page are only counted, and JSON is read for the hits of the page alone.
//!
//! A stored tweet that can't be read is left out: the others of a page are delivered, and the next page goes on behind it.
//! It counts in the total.
//!
//! A search can be stopped ([`coop`]): every loop ends early then, and every function here answers [`SearchError::Stopped`]
//! instead of a part of what there is.

use std::sync::{Arc, OnceLock};

use hashbrown::HashSet;
use tantivy::{DocAddress, TantivyError};

use super::Hit;
use super::fields::Fields;
use super::lower::lower;
use super::shown::{Filter, Shown};
use super::tail::Chunk;
use super::top::Top;
use crate::coop::{self, Stopped};
use crate::doc::Doc;
use crate::ids::Seq;
use crate::matcher::Matcher;
use crate::query::Ast;
use crate::tweet::SequencedTweet;

/// Why nothing was found out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SearchError {
    /// The index.
    #[error("the index could not be read: {0}")]
    Index(#[from] TantivyError),
    /// One stored tweet, because its file is damaged. That is logged and counted where it is found.
    #[error("the stored tweet {0} can't be read: the index is damaged")]
    Tweet(u64),
    /// Whoever asked has gone, or its time is up.
    #[error("the search was stopped")]
    Stopped(#[from] Stopped),
}

/// A query, compiled for both the index and the tail. It can be used with any number of views.
#[derive(Debug)]
pub struct Search {
    query: Box<dyn tantivy::query::Query>,
    matcher: Matcher,
}

impl Search {
    /// Compiles a query.
    #[must_use]
    pub fn new(ast: &Ast) -> Search {
        Search { query: lower(ast, Fields::tweet()), matcher: Matcher::new(ast) }
    }

    /// Whether a tweet matches.
    pub(super) fn matches(&self, doc: &Doc) -> bool {
        self.matcher.matches(doc)
    }

    /// The query for the index.
    pub(super) fn query(&self) -> &dyn tantivy::query::Query {
        &*self.query
    }
}

/// Which part of the tweets that match is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// How many tweets at most.
    pub n: usize,
    /// How many to skip. The work grows with it; a deep page is asked for with `before_id`.
    pub from: usize,
    /// Only tweets on the far side of this id: lower ids, or higher ones with `oldest_first`.
    pub before_id: Option<u64>,
    /// Only tweets that arrived up to here.
    pub until_seq: Option<Seq>,
    /// Lowest id first instead of highest.
    pub oldest_first: bool,
}

/// A part of the tweets that match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The tweets, in order.
    pub hits: Vec<Hit>,
    /// How many match in all, on any page.
    pub total: u64,
    /// The `before_id` of the next page. None when there is nothing more.
    pub next: Option<u64>,
}

/// Everything that was accepted up to one seq. Cheap to clone.
///
/// A view keeps what it shows alive, in memory and on disk: take one for each search.
#[derive(Clone, Debug)]
pub struct View {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shown: Arc<Shown>,
    chunks: Arc<[Arc<Chunk>]>,
    first_seq: Seq,
    last_seq: Seq,
    /// Ids whose version in the index is not the newest.
    hidden: OnceLock<HashSet<u64>>,
    count: OnceLock<u64>,
}

/// Where a hit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Index(DocAddress),
    /// The index in the list of matching items.
    Tail(usize),
}

impl View {
    pub(super) fn new(shown: Arc<Shown>, chunks: Arc<[Arc<Chunk>]>, first_seq: Seq, last_seq: Seq) -> View {
        let (hidden, count) = (OnceLock::new(), OnceLock::new());
        View { inner: Arc::new(Inner { shown, chunks, first_seq, last_seq, hidden, count }) }
    }

    /// What came before it may have been deleted.
    #[must_use]
    pub fn first_seq(&self) -> Seq {
        self.inner.first_seq
    }

    /// Every tweet that was accepted up to here is in this view, and none behind it.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.inner.last_seq
    }

    /// A page of the tweets that match, newest first by id.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn page(&self, search: &Search, request: &PageRequest) -> Result<Page, SearchError> {
        let &PageRequest { n, from, before_id, until_seq, oldest_first } = request;
        let key = |id: u64| if oldest_first { !id } else { id };
        let until = until_seq.unwrap_or(Seq::MAX);
        let below = before_id.map(key);
        // One more than asked for, to know whether there is more.
        let mut top = Top::new(if n == 0 { 0 } else { from.saturating_add(n).saturating_add(1) });
        let mut total = 0_u64;

        let tail: Vec<&SequencedTweet> = self.tail(search, Seq::ZERO, until).collect();
        for (at, item) in tail.iter().enumerate() {
            total += 1;
            let key = key(item.tweet.id);
            if below.is_none_or(|below| key < below) {
                top.push(key, Place::Tail(at));
            }
        }

        let shown = &self.inner.shown;
        let hidden = self.hidden();
        let weight = shown.weight(&*search.query)?;
        for (segment, ord) in shown.segments_by(|segment| {
            let (low, high) = segment.ids();
            key(low).max(key(high))
        }) {
            let (low, high) = segment.ids();
            let (worst, best) = (key(low).min(key(high)), key(low).max(key(high)));
            let can_add = top.takes(best) && below.is_none_or(|below| worst < below);
            let filter = Filter { after: Seq::ZERO, until, hidden };
            if !can_add {
                total += segment.count(&*search.query, &*weight, &filter)?;
                continue;
            }
            segment.for_each_id(&*weight, &filter, |doc, id| {
                total += 1;
                let key = key(id);
                if top.takes(key) && below.is_none_or(|below| key < below) {
                    top.push(key, Place::Index(DocAddress::new(ord, doc)));
                }
            })?;
        }

        let mut places = top.into_sorted();
        let is_more = places.len() > from.saturating_add(n);
        places.truncate(from.saturating_add(n));
        let places = places.get(from..).unwrap_or(&[]);
        let next = places.last().filter(|_| is_more).map(|&place| self.position(place, &tail).1);
        Ok(Page { hits: self.hits(places, &tail)?, total, next })
    }

    /// The newest `n` tweets by arrival, newest first.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn newest(&self, n: usize) -> Result<Vec<Hit>, SearchError> {
        let everything = Search::new(&Ast::All);
        let mut top = Top::new(n);
        let tail: Vec<&SequencedTweet> = self.tail(&everything, Seq::ZERO, Seq::MAX).collect();
        for (at, item) in tail.iter().enumerate() {
            top.push(item.seq.0, Place::Tail(at));
        }
        let shown = &self.inner.shown;
        let weight = shown.weight(&*everything.query)?;
        let filter = Filter { after: Seq::ZERO, until: Seq::MAX, hidden: self.hidden() };
        for (segment, ord) in shown.segments_by(|segment| segment.seqs().1.0) {
            if top.takes(segment.seqs().1.0) {
                segment.for_each_seq(&*weight, &filter, |doc, seq| {
                    top.push(seq, Place::Index(DocAddress::new(ord, doc)));
                })?;
            }
        }
        self.hits(&top.into_sorted(), &tail)
    }

    /// The tweet with this id.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn get(&self, id: u64) -> Result<Option<Hit>, SearchError> {
        let last_seq = self.last_seq();
        let mut items = self.inner.chunks.iter().rev().flat_map(|chunk| chunk.items(last_seq).rev());
        if let Some(item) = items.find(|item| item.tweet.id == id) {
            return Ok(Some(hit_of(item)));
        }
        let address = self.inner.shown.find(id)?;
        address.map(|address| self.inner.shown.hit(address).map_err(|_| SearchError::Tweet(id))).transpose()
    }

    /// How many tweets a search for everything finds.
    ///
    /// # Errors
    ///
    /// When the search is stopped.
    pub fn count(&self) -> Result<u64, SearchError> {
        if let Some(&count) = self.inner.count.get() {
            return Ok(count);
        }
        let last_seq = self.last_seq();
        let tail: usize = self.inner.chunks.iter().map(|chunk| chunk.items(last_seq).count()).sum();
        let hidden = self.inner.shown.count_ids(self.hidden());
        let count = self.inner.shown.documents().saturating_sub(hidden) + u64::try_from(tail).unwrap_or(u64::MAX);
        // Only a whole count is kept.
        coop::check()?;
        Ok(*self.inner.count.get_or_init(|| count))
    }

    /// The tweets of the tail that match and arrived behind `after`, up to and with `until`: in order of arrival. Fewer when the
    /// search is stopped.
    pub(super) fn tail<'a>(
        &'a self,
        search: &'a Search,
        after: Seq,
        until: Seq,
    ) -> impl Iterator<Item = &'a SequencedTweet> {
        self.tail_items(after, until)
            .take_while(|_| !coop::stopped_now())
            .filter(|item| search.matches(&item.tweet.doc))
    }

    /// The tweets of the tail that arrived behind `after`, up to and with `until`: in order of arrival.
    pub(super) fn tail_items(&self, after: Seq, until: Seq) -> impl Iterator<Item = &SequencedTweet> {
        let chunks =
            self.inner.chunks.iter().filter(move |chunk| chunk.last_seq() > after && chunk.first_seq() <= until);
        let items = chunks.flat_map(|chunk| chunk.items(self.inner.last_seq));
        items.filter(move |item| item.seq > after && item.seq <= until)
    }

    /// The last position up to `until` that the tail does not hold: what arrived up to there is in the segments.
    pub(super) fn committed(&self, until: Seq) -> Seq {
        self.inner.chunks.first().map_or(until, |chunk| chunk.first_seq().before().min(until))
    }

    /// Ids whose version in the index is not the newest.
    pub(super) fn hidden(&self) -> &HashSet<u64> {
        self.inner.hidden.get_or_init(|| self.inner.chunks.iter().flat_map(|chunk| chunk.replaces()).copied().collect())
    }

    /// What searchers show.
    pub(super) fn shown(&self) -> &Shown {
        &self.inner.shown
    }

    /// The position and the id of a tweet.
    fn position(&self, place: Place, tail: &[&SequencedTweet]) -> (Seq, u64) {
        match place {
            Place::Index(address) => self.inner.shown.position(address),
            Place::Tail(item) => (tail[item].seq, tail[item].tweet.id),
        }
    }

    /// Reads the tweets, without those that can't be read.
    fn hits(&self, places: &[Place], tail: &[&SequencedTweet]) -> Result<Vec<Hit>, SearchError> {
        // Neighbors in the index are stored in one block: read them one behind the other.
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_unstable_by_key(|&at| match places[at] {
            Place::Index(address) => (address.segment_ord, address.doc_id),
            Place::Tail(_) => (0, 0),
        });
        let mut hits = vec![None; places.len()];
        for at in order {
            coop::check()?;
            hits[at] = match places[at] {
                // It is noted as damage where it is read.
                Place::Index(address) => self.inner.shown.hit(address).ok(),
                Place::Tail(item) => Some(hit_of(tail[item])),
            };
        }
        // Also of what led here.
        coop::check()?;
        Ok(hits.into_iter().flatten().collect())
    }
}

/// The tweet as searches give it.
pub(super) fn hit_of(item: &SequencedTweet) -> Hit {
    Hit { seq: item.seq, id: item.tweet.id, json: Arc::clone(&item.tweet.json) }
}

#[cfg(test)]
mod tests;
