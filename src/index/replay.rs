//! Replays a backlog: the matches of several queries, in order of arrival, page by page.
//!
//! ```text
//! segments ──(a window of seqs, all queries)──> located matches ──(a page at a time)──> tweets
//! tail ──(each tweet, all queries)────────────────────────────────────────────────────> tweets
//! ```
//!
//! A page is small, because a client may read slowly. A search of all segments for each page would
//! make the cost of a page grow with the index. So [`Replay`] locates the matches of all queries in
//! a window of thousands of seqs at once, in the documents that the zone maps name, and remembers
//! segment, document and matching queries of each. The next pages only load the stored tweets.
//!
//! A replay also returns which tweets are gone. A document that has replaced an older version says
//! since which seq its tweet is known. If a client may have been sent an older version, and the
//! query does not match the document, the tweet is gone for this query: it has changed, or it is
//! deleted. The replay does not know whether the older version matched, so it also names tweets
//! that the client was never sent. It names none that the client can't have: versions from before
//! the replay are up to [`ReplayQuery::holds`], and those of the replay itself were replaced after
//! its first page.
//!
//! A replay keeps no snapshot and no segment alive between pages. Each page takes a new snapshot
//! and leaves out tweets that were deleted or replaced meanwhile. When a merge has replaced a
//! segment, the replay locates the rest of the window again.

use std::ops::Range;
use std::sync::Arc;

use tantivy::index::SegmentId;
use tantivy::query::Query;
use tantivy::{DocAddress, DocId};

use super::Hit;
use super::committed::CommittedIndex;
use super::snapshot::{CompiledSearch, SearchError, Snapshot, hit_of};
use crate::coop;
use crate::ids::Seq;

/// Located matches in memory at most: 16 bytes each, and a bit for each query.
const MAX_LOCATED: usize = if cfg!(test) { 16 } else { 4_096 };
/// Seqs of the first window: twice the located matches, so that a window in which everything
/// matches costs at most twice what is needed.
const FIRST_WINDOW: u64 = 2 * MAX_LOCATED as u64;
/// Seqs of the largest window: 20 bytes each, and a bit for each query, while the window is read.
const MAX_WINDOW: u64 = 65_536;
/// Words of the largest table of matching queries: 4 MiB.
const MAX_TABLE_WORDS: u64 = 512 * 1_024;

/// A query of a replay.
#[derive(Debug)]
pub struct ReplayQuery {
    /// The compiled query.
    pub search: Arc<CompiledSearch>,
    /// Only tweets above this seq.
    pub after: Seq,
    /// The client may have versions up to this seq from before the replay: `after`, or
    /// [`Seq::ZERO`] for a client that has none.
    pub holds: Seq,
}

/// The queries of a replay that a tweet matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuerySet {
    words: Box<[u64]>,
}

impl QuerySet {
    /// Whether it has no query.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The indexes of the queries, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let bits = |word: u64| (0..64).filter(move |bit| word >> bit & 1 == 1);
        self.words.iter().enumerate().flat_map(move |(at, &word)| bits(word).map(move |bit| at * 64 + bit))
    }
}

/// The size of a page. It ends with the tweet that reaches one of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// Tweets.
    pub tweets: usize,
    /// Bytes of JSON.
    pub bytes: usize,
}

/// A tweet of a replay.
#[derive(Debug)]
pub struct ReplayHit {
    /// Its newest version, which may be a deletion.
    pub hit: Hit,
    /// Whether it is a deletion.
    pub is_deleted: bool,
    /// The queries that it matches.
    pub queries: QuerySet,
    /// The queries for which the tweet is gone: an older version may have matched.
    pub gone: QuerySet,
}

/// The next matching tweets.
#[derive(Debug)]
pub struct ReplayPage {
    /// Each tweet once, in order of arrival.
    pub hits: Vec<ReplayHit>,
    /// Every match up to this seq is in this page or in an earlier one.
    pub until: Seq,
    bytes: usize,
    limits: PageLimits,
}

impl ReplayPage {
    fn is_full(&self) -> bool {
        self.hits.len() >= self.limits.tweets || self.bytes >= self.limits.bytes
    }

    /// Adds a tweet with the bits of the queries that it matches, and those for which it is gone.
    fn push(&mut self, hit: Hit, is_deleted: bool, (queries, gone): (&[u64], &[u64])) {
        self.bytes += hit.json.len();
        let [queries, gone] = [queries, gone].map(|words| QuerySet { words: words.into() });
        self.hits.push(ReplayHit { hit, is_deleted, queries, gone });
    }
}

/// A match whose tweet is not loaded yet.
#[derive(Clone, Copy, Debug)]
struct Located {
    seq: Seq,
    /// Its index among the replay's segments.
    segment: u32,
    doc: DocId,
}

/// A pass over the matches of some queries, from their positions on.
#[derive(Debug)]
pub struct Replay {
    queries: Vec<ReplayQuery>,
    /// Every match up to this seq was returned.
    position: Seq,
    /// The matches above `position`, up to `located_until`, from `next` on.
    located: Vec<Located>,
    /// The matching queries of each of `located` as a bit set, and behind it those for which the
    /// tweet is gone.
    sets: Vec<u64>,
    segments: Vec<SegmentId>,
    next: usize,
    located_until: Seq,
    /// Seqs of the next window. It grows while few match.
    window: u64,
    /// The newest seq of the first page. A version that a tweet up to it replaced was never
    /// returned.
    began_at: Option<Seq>,
}

impl Replay {
    /// Starts above the lowest position of the queries.
    #[must_use]
    pub fn new(queries: Vec<ReplayQuery>) -> Replay {
        Replay {
            position: queries.iter().map(|query| query.after).min().unwrap_or_default(),
            queries,
            located: Vec::new(),
            sets: Vec::new(),
            segments: Vec::new(),
            next: 0,
            located_until: Seq::ZERO,
            window: FIRST_WINDOW,
            began_at: None,
        }
    }

    /// Every match up to this seq was returned.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.position
    }

    /// Reads the next page, up to `until`, which must not decrease. The last page is the one that
    /// ends at `until`; pages before it may be empty.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the read is stopped. The replay must not be used
    /// afterwards.
    pub fn page(&mut self, snapshot: &Snapshot, until: Seq, limits: PageLimits) -> Result<ReplayPage, SearchError> {
        self.began_at.get_or_insert(until.min(snapshot.last_seq()));
        let mut page = ReplayPage { hits: Vec::new(), until, bytes: 0, limits };
        let committed = snapshot.committed_until(until);
        if self.position < committed && !self.load(snapshot, &mut page) {
            self.locate(snapshot, committed)?;
            self.load(snapshot, &mut page);
        }
        if self.position >= committed {
            self.read_tail(snapshot, until, &mut page);
        }
        page.until = self.position;
        coop::check()?;
        Ok(page)
    }

    /// Words of a set of queries.
    fn words(&self) -> usize {
        self.queries.len().div_ceil(64).max(1)
    }

    /// Adds located tweets to the page. Returns false when the next window must be located first.
    fn load(&mut self, snapshot: &Snapshot, page: &mut ReplayPage) -> bool {
        if self.located_until <= self.position {
            return false;
        }
        let (committed, hidden, words) = (snapshot.committed(), snapshot.hidden(), self.words());
        let ords: Vec<Option<u32>> = self.segments.iter().map(|&segment| committed.ord(segment)).collect();
        while let Some(&Located { seq, segment, doc }) = self.located.get(self.next) {
            if page.is_full() {
                return true;
            }
            if coop::stopped_now() {
                return true;
            }
            let Some(ord) = ords[segment as usize] else {
                self.forget();
                return false;
            };
            let address = DocAddress::new(ord, doc);
            if let Some(hit) = committed.current_hit(address, hidden) {
                let sets = self.sets[self.next * 2 * words..][..2 * words].split_at(words);
                page.push(hit, committed.is_deletion(address), sets);
            }
            self.position = seq;
            self.next += 1;
        }
        self.position = self.located_until;
        self.forget();
        true
    }

    fn forget(&mut self) {
        self.located.clear();
        self.sets.clear();
        self.segments.clear();
        self.next = 0;
        self.located_until = self.position;
    }

    /// Locates the matches in the next window of the segments.
    fn locate(&mut self, snapshot: &Snapshot, committed: Seq) -> Result<(), SearchError> {
        self.forget();
        let words = self.words();
        let span = self.window.min(MAX_TABLE_WORDS / words as u64).max(1);
        let end = Seq(self.position.0.saturating_add(span));
        // A crash may have skipped any number of seqs above the last tweet.
        let end = if end >= snapshot.committed().highest_seq() { committed } else { end.min(committed) };
        let window = Window::new(snapshot, self.position, end);
        coop::check()?;
        let mut sets = vec![0_u64; window.docs.len() * words];
        for (at, query) in self.queries.iter().enumerate().filter(|(_, query)| query.after < end) {
            let (word, bit) = (at / 64, 1 << (at % 64));
            window.for_each_match(snapshot.committed(), query.search.query(), |slot| {
                let doc = &window.docs[slot];
                if doc.seq > query.after && !doc.is_deletion {
                    sets[slot * words + word] |= bit;
                }
            })?;
        }
        self.segments = window.segments;
        self.located_until = end;
        let mut gone = vec![0_u64; words];
        for (doc, set) in window.docs.iter().zip(sets.chunks_exact(words)) {
            // The page checks for it at its end.
            if coop::stopped() {
                break;
            }
            gone.fill(0);
            if doc.first_seq < doc.seq {
                self.mark_gone(doc.seq, doc.first_seq, set, &mut gone);
            }
            if set.iter().chain(&gone).all(|&word| word == 0) {
                continue;
            }
            if self.located.len() == MAX_LOCATED {
                self.located_until = self.located[MAX_LOCATED - 1].seq;
                break;
            }
            let segment = window.slices[doc.slice as usize].segment;
            self.located.push(Located { seq: doc.seq, segment, doc: doc.doc });
            self.sets.extend_from_slice(set);
            self.sets.extend_from_slice(&gone);
        }
        if self.located_until < end {
            self.window = self.located_until.0 - self.position.0;
        } else if self.located.len() < MAX_LOCATED / 2 {
            self.window = (self.window * 2).min(MAX_WINDOW);
        }
        Ok(())
    }

    /// Marks the queries that a document does not match and whose clients may have an older version
    /// of it. The replay has returned an older version only if that was the newest one when the
    /// replay began, and is up to its position.
    fn mark_gone(&self, seq: Seq, first_seq: Seq, matching: &[u64], gone: &mut [u64]) {
        let returned = if self.began_at.is_some_and(|began_at| seq > began_at) { self.position } else { Seq::ZERO };
        for (at, query) in self.queries.iter().enumerate() {
            let (word, bit) = (at / 64, 1 << (at % 64));
            if matching[word] & bit == 0 && seq > query.after && first_seq <= query.holds.max(returned) {
                gone[word] |= bit;
            }
        }
    }

    /// Adds the tweets of the tail to the page.
    fn read_tail(&mut self, snapshot: &Snapshot, until: Seq, page: &mut ReplayPage) {
        let (mut set, mut gone) = (vec![0; self.words()], vec![0; self.words()]);
        let mut position = self.position;
        for (item, first_seq) in snapshot.tail_items(self.position, until) {
            if page.is_full() || coop::stopped_now() {
                self.position = position;
                return;
            }
            set.fill(0);
            gone.fill(0);
            for (at, query) in self.queries.iter().enumerate() {
                if item.seq > query.after && query.search.matches(&item.tweet) {
                    set[at / 64] |= 1 << (at % 64);
                }
            }
            let matches_all =
                set.iter().map(|word: &u64| word.count_ones() as usize).sum::<usize>() == self.queries.len();
            if !matches_all && (first_seq.may_be_indexed() || first_seq.in_tail() < item.seq) {
                let find = || snapshot.committed().first_seq(item.tweet.key);
                let indexed = if first_seq.may_be_indexed() { find() } else { None };
                let first_seq = indexed.map_or(first_seq.in_tail(), |indexed| indexed.min(first_seq.in_tail()));
                if first_seq < item.seq {
                    self.mark_gone(item.seq, first_seq, &set, &mut gone);
                }
            }
            if set.iter().chain(&gone).any(|&word| word != 0) {
                page.push(hit_of(item), item.tweet.is_deleted, (&set, &gone));
            }
            position = item.seq;
        }
        self.position = position.max(until);
    }
}

/// The document is not in the window.
const NO_SLOT: u32 = u32::MAX;

/// The documents of a window of seqs. The slot of a document is its rank by seq.
struct Window {
    segments: Vec<SegmentId>,
    slices: Vec<Slice>,
    /// By slot.
    docs: Vec<WindowDoc>,
}

/// A range of a segment's documents.
struct Slice {
    segment: u32,
    ord: u32,
    docs: Range<DocId>,
    /// The slot of each document; [`NO_SLOT`] when it is deleted, replaced or outside of the
    /// window.
    slots: Vec<u32>,
}

struct WindowDoc {
    seq: Seq,
    first_seq: Seq,
    is_deletion: bool,
    slice: u32,
    doc: DocId,
}

impl Window {
    fn new(snapshot: &Snapshot, after: Seq, until: Seq) -> Window {
        let mut window = Window { segments: Vec::new(), slices: Vec::new(), docs: Vec::new() };
        let hidden = snapshot.hidden();
        let mut seqs = Vec::new();
        for (segment, ord) in snapshot.committed().segments_by(|_| 0) {
            let (first, last) = segment.seqs();
            if last <= after || first > until {
                continue;
            }
            let number = narrow(window.segments.len());
            window.segments.push(segment.reader().segment_id());
            for docs in segment.zone_map().ranges(after, until) {
                if coop::stopped() {
                    break;
                }
                seqs.resize(docs.len(), 0);
                segment.read_seqs(docs.start, &mut seqs);
                let slice = narrow(window.slices.len());
                for (doc, &seq) in docs.clone().zip(&seqs) {
                    if seq > after.0 && seq <= until.0 && segment.is_current(doc, hidden) {
                        let (first_seq, is_deletion) = (segment.first_seq(doc), segment.is_deletion(doc));
                        window.docs.push(WindowDoc { seq: Seq(seq), first_seq, is_deletion, slice, doc });
                    }
                }
                let slots = vec![NO_SLOT; docs.len()];
                window.slices.push(Slice { segment: number, ord, docs, slots });
            }
        }
        // A stable sort is fast on documents that are mostly in order.
        window.docs.sort_by_key(|doc| doc.seq);
        for (slot, &WindowDoc { slice, doc, .. }) in (0..).zip(&window.docs) {
            let slice = &mut window.slices[slice as usize];
            slice.slots[(doc - slice.docs.start) as usize] = slot;
        }
        window
    }

    /// Calls `with` for the slot of each matching document.
    fn for_each_match(
        &self,
        committed: &CommittedIndex,
        query: &dyn Query,
        mut with: impl FnMut(usize),
    ) -> Result<(), SearchError> {
        if self.docs.is_empty() {
            return Ok(());
        }
        let weight = committed.weight(query)?;
        for slices in self.slices.chunk_by(|a, b| a.ord == b.ord) {
            coop::check()?;
            let mut scorer = weight.scorer(committed.segment(slices[0].ord).reader(), 1.0)?;
            for Slice { docs, slots, .. } in slices {
                let mut doc = scorer.doc();
                if doc < docs.start {
                    doc = scorer.seek(docs.start);
                }
                while doc < docs.end && !coop::stopped() {
                    let slot = slots[(doc - docs.start) as usize];
                    if slot != NO_SLOT {
                        with(slot as usize);
                    }
                    doc = scorer.advance();
                }
            }
        }
        Ok(())
    }
}

/// A number of segments, slices or documents, which tantivy counts in 32 bits.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).expect("tantivy counts documents in 32 bits")
}

#[cfg(test)]
mod tests;
