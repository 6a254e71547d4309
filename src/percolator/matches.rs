//! What was found: for each document the queries that it matches.
//!
//! The keys of documents stand one behind the other in pieces. Threads fill pieces of their own, which are handed over as they are:
//! nothing is copied when what they found is put together.

use std::iter;

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
///     println!("document {doc} matches {queries:?}");
/// }
/// assert!(matches.pairs().eq([(0, QueryKey(7)), (0, QueryKey(3)), (2, QueryKey(3))]));
/// ```
#[derive(Debug, Default)]
pub struct Matches {
    /// How many (document, query) pairs the presearch could not rule out, those included that needed no verification.
    pub candidates: u64,
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
    /// Those that match something: the index in the batch, and where its keys end.
    docs: Vec<(u32, usize)>,
}

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
    pub fn by_doc(&self) -> impl Iterator<Item = (u32, &[QueryKey])> {
        self.pieces.iter().flat_map(|piece| {
            let mut start = 0;
            piece.docs.iter().map(move |&(doc, end)| (doc, &piece.keys[std::mem::replace(&mut start, end)..end]))
        })
    }

    /// Each document with each query that it matches: the index of the document in the batch, and the query. By document.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, QueryKey)> {
        self.by_doc().flat_map(|(doc, keys)| iter::zip(iter::repeat(doc), keys.iter().copied()))
    }

    /// Adds the queries that a document matches, all at once. For those who make an engine: documents come in the order of the batch.
    pub fn add(&mut self, doc: u32, keys: impl IntoIterator<Item = QueryKey>) {
        self.open().extend(keys);
        self.close(doc);
    }

    /// Forgets everything and keeps the memory, as far as so much was needed this time.
    pub fn clear(&mut self) {
        self.candidates = 0;
        self.n = 0;
        self.spare.truncate(self.pieces.len());
        self.spare.extend(self.pieces.drain(..).map(|mut piece| {
            again(&mut piece.keys);
            again(&mut piece.docs);
            piece
        }));
    }

    /// Where the keys of the next document are added, before [`Matches::close`].
    #[inline]
    pub(super) fn open(&mut self) -> &mut Vec<QueryKey> {
        if self.pieces.is_empty() {
            self.pieces.push(self.spare.pop().unwrap_or_default());
        }
        let last = self.pieces.len() - 1;
        &mut self.pieces[last].keys
    }

    /// What was added since the last time is what this document matches.
    #[inline]
    pub(super) fn close(&mut self, doc: u32) {
        let Some(Piece { keys, docs }) = self.pieces.last_mut() else { return };
        let before = docs.last().map_or(0, |&(_, end)| end);
        if keys.len() > before {
            self.n += keys.len() - before;
            docs.push((doc, keys.len()));
        }
    }

    /// Takes what was found over, for documents that come behind all that are here; gives as many pieces of memory in exchange as there are.
    pub(super) fn take(&mut self, other: &mut Matches) {
        self.candidates += std::mem::take(&mut other.candidates);
        self.n += std::mem::take(&mut other.n);
        let kept = self.spare.len() - other.pieces.len().min(self.spare.len());
        other.spare.extend(self.spare.drain(kept..));
        self.pieces.append(&mut other.pieces);
    }

    /// The memory that it holds, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let pieces = self.pieces.iter().chain(&self.spare);
        pieces
            .map(|it| it.keys.capacity() * size_of::<QueryKey>() + it.docs.capacity() * size_of::<(u32, usize)>())
            .sum()
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
            let docs: Vec<(u32, Vec<QueryKey>)> = all.by_doc().map(|(doc, keys)| (doc, keys.to_vec())).collect();
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
