//! The result of percolation: for each document, the queries that it matches.
//!
//! Keys are in segments. A document has one or more spans of a segment's keys, and several
//! documents can share a span, so that the keys of a long posting list are stored once. Threads
//! fill segments of their own, which are moved into the result without copying.

use std::iter;
use std::ops::Range;

use super::scratch::clear_and_trim;
use crate::ids::QueryKey;

/// The results of calls of [`Engine::percolate`](crate::percolator::Engine::percolate).
///
/// ```
/// use perch_percolator::ids::QueryKey;
/// use perch_percolator::percolator::Matches;
///
/// let mut matches = Matches::default();
/// matches.add(0, [QueryKey(7), QueryKey(3)]);
/// matches.add(2, [QueryKey(3)]);
/// assert_eq!(matches.len(), 3);
/// for (doc, queries) in matches.by_doc() {
///     println!("document {doc} matches {:?}", queries.collect::<Vec<_>>());
/// }
/// assert!(matches.pairs().eq([(0, QueryKey(7)), (0, QueryKey(3)), (2, QueryKey(3))]));
/// ```
#[derive(Debug, Default)]
pub struct Matches {
    /// How many pairs of a document and a query the presearcher did not reject, including those
    /// that needed no verification.
    pub candidates: u64,
    /// The steps that patterns and phrases took: see
    /// [`EngineOptions::max_steps`](crate::percolator::EngineOptions::max_steps).
    pub steps: u64,
    /// Pairs that the engine left undecided, in any order, possibly repeated.
    undecided: Vec<(u32, QueryKey)>,
    /// In the order of documents. Only the last one grows.
    segments: Vec<Segment>,
    /// Empty segments, kept for their memory.
    spare: Vec<Segment>,
    /// The number of matches.
    len: usize,
}

/// The matches of adjacent documents.
#[derive(Debug, Default)]
struct Segment {
    keys: Vec<QueryKey>,
    /// The spans of all documents, one or more for each.
    spans: Vec<Span>,
    /// The documents that match: the index in the batch, and the end of its spans.
    docs: Vec<(u32, usize)>,
}

/// A range of a segment's keys.
pub(crate) type Span = Range<usize>;

impl Matches {
    /// The number of pairs of a document and a query that it matches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The documents that match, in the order of the batch, each with the queries that it matches:
    /// in any order, without repetitions.
    pub fn by_doc(&self) -> impl Iterator<Item = (u32, impl Iterator<Item = QueryKey>)> {
        self.segments.iter().flat_map(|Segment { keys, spans, docs }| {
            let mut start = 0;
            docs.iter().map(move |&(doc, end)| {
                let spans = &spans[std::mem::replace(&mut start, end)..end];
                (doc, spans.iter().flat_map(|span| keys[span.clone()].iter().copied()))
            })
        })
    }

    /// The pairs of a document, as its index in the batch, and a query that it matches. By
    /// document.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, QueryKey)> {
        self.by_doc().flat_map(|(doc, keys)| iter::zip(iter::repeat(doc), keys))
    }

    /// The pairs that the engine did not decide, because the document exhausted its
    /// [`EngineOptions::max_steps`](crate::percolator::EngineOptions::max_steps). Sorted, without
    /// repetitions. Such a pair may be a match as well.
    pub fn undecided(&mut self) -> &[(u32, QueryKey)] {
        self.undecided.sort_unstable();
        self.undecided.dedup();
        &self.undecided
    }

    /// Adds a pair that the engine does not decide.
    #[inline]
    pub(crate) fn leave_undecided(&mut self, doc: u32, query: QueryKey) {
        self.undecided.push((doc, query));
    }

    /// Adds the queries that a document matches, for engines. Documents come in the order of the
    /// batch.
    pub fn add(&mut self, doc: u32, keys: impl IntoIterator<Item = QueryKey>) {
        let all = self.open();
        let start = all.len();
        all.extend(keys);
        let own = start..all.len();
        if !own.is_empty() {
            self.close(doc, &[own]);
        }
    }

    /// Removes everything, and keeps the memory that was used this time.
    pub fn clear(&mut self) {
        self.candidates = 0;
        self.steps = 0;
        clear_and_trim(&mut self.undecided);
        self.len = 0;
        self.spare.truncate(self.segments.len());
        self.spare.extend(self.segments.drain(..).map(|mut segment| {
            clear_and_trim(&mut segment.keys);
            clear_and_trim(&mut segment.spans);
            clear_and_trim(&mut segment.docs);
            segment
        }));
    }

    /// The keys of the last segment, to append to before [`Matches::close`].
    #[inline]
    pub(crate) fn open(&mut self) -> &mut Vec<QueryKey> {
        if self.segments.is_empty() {
            self.segments.push(self.spare.pop().unwrap_or_default());
        }
        let last = self.segments.len() - 1;
        &mut self.segments[last].keys
    }

    /// Adds a document, with the spans of keys that it matches.
    #[inline]
    pub(crate) fn close(&mut self, doc: u32, spans: &[Span]) {
        let Some(segment) = self.segments.last_mut() else { return };
        if !spans.is_empty() {
            self.len += spans.iter().map(Span::len).sum::<usize>();
            segment.spans.extend_from_slice(spans);
            segment.docs.push((doc, segment.spans.len()));
        }
    }

    /// Moves the matches of later documents here, and gives spare segments in exchange.
    pub(crate) fn take(&mut self, other: &mut Matches) {
        self.candidates += std::mem::take(&mut other.candidates);
        self.steps += std::mem::take(&mut other.steps);
        self.undecided.append(&mut other.undecided);
        self.len += std::mem::take(&mut other.len);
        let kept = self.spare.len() - other.segments.len().min(self.spare.len());
        other.spare.extend(self.spare.drain(kept..));
        self.segments.append(&mut other.segments);
    }

    /// The memory that the matches hold, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let segments = self.segments.iter().chain(&self.spare);
        segments
            .map(|Segment { keys, spans, docs }| {
                keys.capacity() * size_of::<QueryKey>()
                    + spans.capacity() * size_of::<Span>()
                    + docs.capacity() * size_of::<(u32, usize)>()
            })
            .sum::<usize>()
            + self.undecided.capacity() * size_of::<(u32, QueryKey)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: impl IntoIterator<Item = u32>) -> Vec<QueryKey> {
        of.into_iter().map(QueryKey).collect()
    }

    #[test]
    fn matches_of_other_threads_keep_their_order() {
        let (mut all, mut other) = (Matches::default(), Matches::default());
        for round in 0..3 {
            all.add(0, keys([5, 2]));
            all.add(1, keys([]));
            other.add(3, keys([1]));
            other.add(4, keys(10..200));
            other.candidates = 300;
            all.take(&mut other);
            assert!(other.is_empty() && other.by_doc().next().is_none(), "in round {round}");
            all.add(7, keys([9]));
            let docs: Vec<(u32, Vec<QueryKey>)> = all.by_doc().map(|(doc, keys)| (doc, keys.collect())).collect();
            assert_eq!(
                docs,
                [(0, keys([5, 2])), (3, keys([1])), (4, keys(10..200)), (7, keys([9]))],
                "in round {round}"
            );
            assert_eq!((all.len(), all.pairs().count(), all.candidates), (194, 194, 300));
            all.clear();
            assert!(all.is_empty() && all.pairs().next().is_none() && all.candidates == 0);
        }
    }

    #[test]
    fn documents_may_share_keys() {
        let mut matches = Matches::default();
        matches.add(0, keys([1]));
        let start = matches.open().len();
        matches.open().extend(keys(10..20));
        let shared = start..start + 10;
        matches.close(1, std::slice::from_ref(&shared));
        matches.close(2, &[]);
        matches.open().push(QueryKey(7));
        matches.close(3, &[start..start + 2, start + 10..start + 11]);
        matches.add(4, keys([2]));
        let docs: Vec<(u32, Vec<QueryKey>)> = matches.by_doc().map(|(doc, keys)| (doc, keys.collect())).collect();
        assert_eq!(docs, [(0, keys([1])), (1, keys(10..20)), (3, keys([10, 11, 7])), (4, keys([2]))]);
        assert_eq!((matches.len(), matches.pairs().count()), (15, 15));
    }

    #[test]
    fn spare_memory_is_exchanged_and_does_not_grow() {
        let (mut all, mut other) = (Matches::default(), Matches::default());
        let mut round = || {
            for doc in 0..4 {
                other.add(doc, keys(0..5_000));
                all.take(&mut other);
            }
            all.clear();
            all.size_bytes() + other.size_bytes()
        };
        let sizes: Vec<usize> = (0..10).map(|_| round()).collect();
        assert!(sizes[9] <= sizes[3], "{sizes:?}");
    }
}
