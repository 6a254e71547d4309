//! Phrases: exact ones, those whose terms may be out of place, and those that end with the start of a term.
//!
//! tantivy's own slop is measured differently, its phrase prefixes look at a few terms only, and its phrases can't be
//! excluded safely (`PhraseScorer::seek_danger` of 0.27 must not be asked for a document that it has passed, and is). This
//! query finds what [`Phrase`] says. It evaluates a segment at once: first the documents that hold all terms, then their
//! positions.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use tantivy::index::{InvertedIndexReader, SegmentReader};
use tantivy::postings::{Postings, SegmentPostings, TermInfo};
use tantivy::query::{ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocId, DocSet, Score, TERMINATED, TantivyError};

use crate::query::Phrase;

/// Finds the documents that hold a phrase.
#[derive(Clone, Debug)]
pub(super) struct NearQuery {
    field: Field,
    phrase: Arc<Phrase>,
}

impl NearQuery {
    /// The query for a phrase in the field of the index that its field stands for.
    pub(super) fn new(field: Field, phrase: &Phrase) -> NearQuery {
        NearQuery { field, phrase: Arc::new(phrase.clone()) }
    }

    /// The documents of a segment that match, deleted ones too.
    fn docs(&self, reader: &SegmentReader) -> tantivy::Result<Vec<DocId>> {
        let index = reader.inverted_index(self.field)?;
        let whole = self.phrase.terms.len() - usize::from(self.phrase.last_is_prefix);
        let mut postings = Vec::with_capacity(whole);
        for term in &self.phrase.terms[..whole] {
            let term = Term::from_field_text(self.field, term);
            match index.read_postings(&term, IndexRecordOption::WithFreqsAndPositions)? {
                Some(found) => postings.push(found),
                None => return Ok(Vec::new()),
            }
        }
        let mut candidates = holding_all(&mut postings.clone());
        // Which candidate holds a term with the prefix, and where.
        let mut ends: Vec<(usize, u32)> = Vec::new();
        let prefix = self.phrase.terms.get(whole);
        if let Some(prefix) = prefix {
            let mut of_doc = Vec::new();
            for info in terms_with_prefix(&index, prefix)? {
                let mut of_term = index.read_postings_from_terminfo(&info, IndexRecordOption::WithFreqsAndPositions)?;
                join(&candidates, &mut of_term, |at, of_term| {
                    of_term.positions(&mut of_doc);
                    ends.extend(of_doc.iter().map(|&position| (at, position)));
                });
            }
            ends.sort_unstable();
        }
        let mut ends = ends.chunk_by(|a, b| a.0 == b.0).peekable();
        let mut at = 0;
        let mut positions = vec![Vec::new(); self.phrase.terms.len()];
        candidates.retain(|&doc| {
            let this = at;
            at += 1;
            if prefix.is_some() {
                let Some(ends) = ends.next_if(|ends| ends[0].0 == this) else { return false };
                positions[whole].clear();
                positions[whole].extend(ends.iter().map(|&(_, position)| position));
            }
            for (postings, positions) in postings.iter_mut().zip(&mut positions) {
                postings.seek(doc);
                postings.positions(positions);
            }
            near(&positions, self.phrase.slop)
        });
        Ok(candidates)
    }
}

impl Query for NearQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for NearQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let docs = DocList { docs: self.docs(reader)?.into(), at: 0 };
        Ok(Box::new(ConstScorer::new(docs, boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("perch does not explain scores".into()))
    }
}

/// The terms of a field that start like this.
pub(super) fn terms_with_prefix(index: &InvertedIndexReader, prefix: &str) -> io::Result<Vec<TermInfo>> {
    let mut terms = index.terms().range().ge(prefix);
    if let Some(end) = end_of_prefix(prefix.as_bytes()) {
        terms = terms.lt(end);
    }
    let mut terms = terms.without_keys().into_stream()?;
    let mut found = Vec::new();
    while terms.advance() {
        found.push(terms.value().clone());
    }
    Ok(found)
}

/// The first string of bytes behind all that start with the prefix. None when there is no such string.
fn end_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// The documents that are in all of these.
fn holding_all(postings: &mut [SegmentPostings]) -> Vec<DocId> {
    postings.sort_by_key(DocSet::size_hint);
    let Some((first, others)) = postings.split_first_mut() else { return Vec::new() };
    let mut found = Vec::new();
    let mut doc = first.doc();
    'docs: while doc != TERMINATED {
        for other in &mut *others {
            let next = if other.doc() < doc { other.seek(doc) } else { other.doc() };
            if next != doc {
                doc = if next == TERMINATED { TERMINATED } else { first.seek(next) };
                continue 'docs;
            }
        }
        found.push(doc);
        doc = first.advance();
    }
    found
}

/// Calls `with` for each of the sorted documents that is in the postings, with its index among the documents.
fn join(docs: &[DocId], postings: &mut SegmentPostings, mut with: impl FnMut(usize, &mut SegmentPostings)) {
    let mut at = 0;
    while postings.doc() != TERMINATED {
        at += docs[at..].partition_point(|&doc| doc < postings.doc());
        let Some(&doc) = docs.get(at) else { return };
        if postings.doc() == doc || postings.seek(doc) == doc {
            with(at, postings);
            postings.advance();
        }
    }
}

/// Whether there are different positions `p[i]`, one from each list, such that the largest `p[i] - i` is at most `slop` more
/// than the smallest. The lists are sorted.
fn near(positions: &[Vec<u32>], slop: u32) -> bool {
    let Some((first, others)) = positions.split_first() else { return false };
    if slop == 0 {
        let follow = |start: u32| (start + 1..).zip(others).all(|(at, list)| list.binary_search(&at).is_ok());
        return first.iter().any(|&start| follow(start));
    }
    let shift = |at: usize, position: u32| i64::from(position) - i64::try_from(at).expect("a phrase is short");
    // The part of a list with shifted positions from `low` to `low + slop`.
    let window = |at: usize, low: i64| -> Range<usize> {
        let list = &positions[at];
        let start = list.partition_point(|&position| shift(at, position) < low);
        start..start + list[start..].partition_point(|&position| shift(at, position) <= low + i64::from(slop))
    };
    // Some position is the smallest after shifting: try them all.
    let mut windows = Vec::with_capacity(positions.len());
    positions.iter().enumerate().any(|(first, list)| {
        list.iter().any(|&position| {
            let low = shift(first, position);
            windows.clear();
            windows.extend((0..positions.len()).map(|at| window(at, low)));
            !windows.iter().any(Range::is_empty) && can_differ(positions, &windows)
        })
    })
}

/// Whether each list can give a position out of its window that no other gives: a matching, found by augmenting paths.
fn can_differ(positions: &[Vec<u32>], windows: &[Range<usize>]) -> bool {
    // Who has a position, as (position, list).
    let mut taken: Vec<(u32, usize)> = Vec::with_capacity(windows.len());
    (0..windows.len()).all(|list| take(list, positions, windows, &mut taken, &mut Vec::new()))
}

/// Finds a position for a list; others may have to take another one.
fn take(
    list: usize,
    positions: &[Vec<u32>],
    windows: &[Range<usize>],
    taken: &mut Vec<(u32, usize)>,
    tried: &mut Vec<u32>,
) -> bool {
    for &position in &positions[list][windows[list].clone()] {
        if tried.contains(&position) {
            continue;
        }
        tried.push(position);
        let owner = taken.iter().position(|&(at, _)| at == position);
        match owner {
            None => taken.push((position, list)),
            Some(owner) if take(taken[owner].1, positions, windows, taken, tried) => {
                let owner = taken.iter().position(|&(at, _)| at == position).expect("positions stay taken");
                taken[owner].1 = list;
            }
            Some(_) => continue,
        }
        return true;
    }
    false
}

/// Documents that are known already.
#[derive(Debug)]
struct DocList {
    docs: Box<[DocId]>,
    at: usize,
}

impl DocSet for DocList {
    fn advance(&mut self) -> DocId {
        self.at += 1;
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if let Some(rest) = self.docs.get(self.at..) {
            self.at += rest.partition_point(|&doc| doc < target);
        }
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.docs.get(self.at).copied().unwrap_or(TERMINATED)
    }

    fn size_hint(&self) -> u32 {
        u32::try_from(self.docs.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    /// All ways to choose.
    fn near_naive(positions: &[Vec<u32>], chosen: &mut Vec<u32>, slop: u32) -> bool {
        let Some(list) = positions.get(chosen.len()) else {
            let shifted = || chosen.iter().enumerate().map(|(at, &p)| i64::from(p) - i64::try_from(at).unwrap());
            return shifted().max().unwrap_or(0) - shifted().min().unwrap_or(0) <= i64::from(slop);
        };
        list.iter().any(|&position| {
            !chosen.contains(&position) && {
                chosen.push(position);
                let found = near_naive(positions, chosen, slop);
                chosen.pop();
                found
            }
        })
    }

    proptest! {
        #[test]
        fn near_is_what_trying_everything_finds(
            lists in vec(btree_set(0_u32..14, 0..5), 2..5),
            slop in 0_u32..7,
        ) {
            let lists: Vec<Vec<u32>> = lists.into_iter().map(|list| list.into_iter().collect()).collect();
            prop_assert_eq!(near(&lists, slop), near_naive(&lists, &mut Vec::new(), slop));
        }
    }

    #[test]
    fn two_terms_may_change_places_within_slop_two() {
        assert!(!near(&[vec![1], vec![0]], 1));
        assert!(near(&[vec![1], vec![0]], 2));
    }

    #[test]
    fn one_position_does_not_serve_two_terms() {
        assert!(!near(&[vec![3], vec![3]], 5));
    }

    #[test]
    fn the_end_of_a_prefix_is_behind_all_it_starts() {
        assert_eq!(end_of_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end_of_prefix(&[b'a', 0xFF]), Some(b"b".to_vec()));
        assert_eq!(end_of_prefix(b""), None);
    }
}
