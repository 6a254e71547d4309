//! What was found: for each document the queries that it matches.
//!
//! Keys stand in pieces, one behind the other: those of a document, or those that several documents share, which are there once. Of each
//! document it is known where its keys are. Threads fill pieces of their own, which are handed over as they are: nothing is copied when what they found is put together.

use std::iter;
use std::ops::Range;

use super::one::again;
use crate::ids::QueryKey;

/// What calls of [`super::Engine::percolate`] found.
///
/// ```
/// use perch::ids::QueryKey;
/// use perch::percolator::Matches;
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
    /// How many (document, query) pairs the presearch could not rule out, those included that needed no verification.
    pub candidates: u64,
    /// The work that patterns and phrases took, in steps of about a nanosecond: see [`super::EngineOptions::max_steps`].
    pub steps: u64,
    /// Pairs that the engine left undecided, in no order.
    undecided: Vec<(u32, QueryKey)>,
    /// In the order of documents. Only the last one grows.
    pieces: Vec<Piece>,
    /// Empty ones, kept for their memory.
    spare: Vec<Piece>,
    /// How many pairs there are.
    n: usize,
}

/// Some documents that stand together.
#[derive(Debug, Default)]
struct Piece {
    keys: Vec<QueryKey>,
    /// Where the keys of a document are, one or several for each.
    spans: Vec<Span>,
    /// Those that match something: the index in the batch, and where its spans end.
    docs: Vec<(u32, usize)>,
}

/// Some keys of a piece that stand together.
pub(super) type Span = Range<usize>;

impl Matches {
    /// How many pairs of a document and a query that it matches there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether nothing matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The documents that match anything, in the order of the batch, each with all queries that it matches: these are in no order, and
    /// none is there twice.
    pub fn by_doc(&self) -> impl Iterator<Item = (u32, impl Iterator<Item = QueryKey>)> {
        self.pieces.iter().flat_map(|Piece { keys, spans, docs }| {
            let mut start = 0;
            docs.iter().map(move |&(doc, end)| {
                let spans = &spans[std::mem::replace(&mut start, end)..end];
                (doc, spans.iter().flat_map(|span| keys[span.clone()].iter().copied()))
            })
        })
    }

    /// Each document with each query that it matches: the index of the document in the batch, and the query. By document.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, QueryKey)> {
        self.by_doc().flat_map(|(doc, keys)| iter::zip(iter::repeat(doc), keys))
    }

    /// Pairs of a document and a query that the engine did not decide, because the document's work reached
    /// [`super::EngineOptions::max_steps`]: sorted, none twice. Such a pair may be among the matches as well.
    pub fn undecided(&mut self) -> &[(u32, QueryKey)] {
        self.undecided.sort_unstable();
        self.undecided.dedup();
        &self.undecided
    }

    /// The engine does not decide whether the document matches the query.
    #[inline]
    pub(super) fn leave_undecided(&mut self, doc: u32, query: QueryKey) {
        self.undecided.push((doc, query));
    }

    /// Adds the queries that a document matches, all at once. For those who make an engine: documents come in the order of the batch.
    pub fn add(&mut self, doc: u32, keys: impl IntoIterator<Item = QueryKey>) {
        let all = self.open();
        let start = all.len();
        all.extend(keys);
        let own = start..all.len();
        if !own.is_empty() {
            self.close(doc, &[own]);
        }
    }

    /// Forgets everything and keeps the memory, as far as so much was needed this time.
    pub fn clear(&mut self) {
        self.candidates = 0;
        self.steps = 0;
        again(&mut self.undecided);
        self.n = 0;
        self.spare.truncate(self.pieces.len());
        self.spare.extend(self.pieces.drain(..).map(|mut piece| {
            again(&mut piece.keys);
            again(&mut piece.spans);
            again(&mut piece.docs);
            piece
        }));
    }

    /// Where keys are added, those of one document or of several, before [`Matches::close`].
    #[inline]
    pub(super) fn open(&mut self) -> &mut Vec<QueryKey> {
        if self.pieces.is_empty() {
            self.pieces.push(self.spare.pop().unwrap_or_default());
        }
        let last = self.pieces.len() - 1;
        &mut self.pieces[last].keys
    }

    /// This document matches these of the keys that were added.
    #[inline]
    pub(super) fn close(&mut self, doc: u32, spans: &[Span]) {
        let Some(piece) = self.pieces.last_mut() else { return };
        if !spans.is_empty() {
            self.n += spans.iter().map(Span::len).sum::<usize>();
            piece.spans.extend_from_slice(spans);
            piece.docs.push((doc, piece.spans.len()));
        }
    }

    /// Takes what was found over, for documents that come behind all that are here; gives as many pieces of memory in exchange as there are.
    pub(super) fn take(&mut self, other: &mut Matches) {
        self.candidates += std::mem::take(&mut other.candidates);
        self.steps += std::mem::take(&mut other.steps);
        self.undecided.append(&mut other.undecided);
        self.n += std::mem::take(&mut other.n);
        let kept = self.spare.len() - other.pieces.len().min(self.spare.len());
        other.spare.extend(self.spare.drain(kept..));
        self.pieces.append(&mut other.pieces);
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let pieces = self.pieces.iter().chain(&self.spare);
        pieces
            .map(|Piece { keys, spans, docs }| {
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
    fn documents_keep_their_queries_whoever_found_them() {
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
    fn memory_goes_round_and_does_not_grow() {
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
