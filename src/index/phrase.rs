//! Phrases: exact ones, those whose terms may be out of place, and those that end with the start of a term.
//!
//! tantivy's own slop is measured differently, its phrase prefixes look at a few terms only, and its phrases can't be
//! excluded safely (`PhraseScorer::seek_danger` of 0.27 must not be asked for a document that it has passed, and is). This
//! query finds what [`Phrase`] says.
//!
//! It evaluates a segment at once. Where a term is in a good part of the candidates, all its documents and positions are
//! decoded in sequence, which costs some nanoseconds each; where it is not, its postings are asked for the candidates.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use tantivy::index::{InvertedIndexReader, SegmentReader};
use tantivy::postings::{Postings, SegmentPostings, TermInfo};
use tantivy::query::{ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocId, DocSet, Score, TERMINATED, TantivyError};

use super::positions::PositionScanner;
use crate::coop;
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
        let mut scanner = PositionScanner::open(reader, self.field)?;
        let whole = self.phrase.terms.len() - usize::from(self.phrase.last_is_prefix);
        let mut terms = Vec::with_capacity(whole);
        for term in &self.phrase.terms[..whole] {
            match scanner.index().get_term_info(&Term::from_field_text(self.field, term))? {
                Some(term) => terms.push(term),
                None => return Ok(Vec::new()),
            }
        }
        if self.phrase.slop == 0 {
            self.consecutive(&mut scanner, &terms, reader.max_doc())
        } else {
            self.sloppy(&mut scanner, &terms, reader.max_doc())
        }
    }

    /// The documents where each term follows the one before.
    ///
    /// The rarest term says where the phrase can start. Each other term leaves the starts that it
    /// follows at its distance, and so does the union of the terms with the prefix.
    fn consecutive(
        &self,
        scanner: &mut PositionScanner,
        terms: &[TermInfo],
        max_doc: DocId,
    ) -> tantivy::Result<Vec<DocId>> {
        let mut order: Vec<(u32, &TermInfo)> = (0..).zip(terms).collect();
        order.sort_by_key(|(_, term)| term.doc_freq);
        let Some(&(offset, rarest)) = order.first() else { return Ok(Vec::new()) };
        let mut starts = Starts::default();
        scanner.scan(rarest, |doc, positions| {
            starts.push(doc, positions.iter().filter_map(|position| position.checked_sub(offset)));
        })?;
        for &(offset, term) in &order[1..] {
            let candidates = Candidates::new(starts.docs.clone(), max_doc);
            let mut followed = Starts::default();
            candidates.join(scanner, term, |at, positions| {
                let starts = starts.of(at).iter().filter(|&start| positions.binary_search(&(start + offset)).is_ok());
                followed.push(candidates.docs[at], starts.copied());
            })?;
            starts = followed;
        }
        let Some(prefix) = self.phrase.terms.get(terms.len()).filter(|_| !starts.docs.is_empty()) else {
            return Ok(starts.docs);
        };
        let offset = u32::try_from(terms.len()).expect("a phrase is short");
        let candidates = Candidates::new(starts.docs.clone(), max_doc);
        let mut is_followed = vec![false; starts.docs.len()];
        for term in terms_with_prefix(scanner.index(), prefix)? {
            if coop::stopped() {
                break;
            }
            candidates.join(scanner, &term, |at, positions| {
                is_followed[at] |= starts.of(at).iter().any(|start| positions.binary_search(&(start + offset)).is_ok());
            })?;
        }
        Ok(starts.docs.iter().zip(is_followed).filter_map(|(&doc, is_followed)| is_followed.then_some(doc)).collect())
    }

    /// The documents where the terms are out of place by `slop` at most.
    fn sloppy(&self, scanner: &mut PositionScanner, terms: &[TermInfo], max_doc: DocId) -> tantivy::Result<Vec<DocId>> {
        let slop = self.phrase.slop;
        let mut postings = Vec::with_capacity(terms.len());
        for term in terms {
            let option = IndexRecordOption::WithFreqsAndPositions;
            postings.push(scanner.index().read_postings_from_terminfo(term, option)?);
        }
        let mut positions = vec![Vec::new(); self.phrase.terms.len()];
        let Some(prefix) = self.phrase.terms.get(terms.len()) else {
            let mut found = Vec::new();
            for_each_holding_all(&mut postings, |doc, postings| {
                for (postings, positions) in postings.iter_mut().zip(&mut positions) {
                    postings.positions(positions);
                }
                if near(&positions, slop) {
                    found.push(doc);
                }
            });
            return Ok(found);
        };
        let mut docs = Vec::new();
        for_each_holding_all(&mut postings.clone(), |doc, _| docs.push(doc));
        let candidates = Candidates::new(docs, max_doc);
        // Which candidate holds a term with the prefix, and where.
        let mut ends: Vec<(usize, u32)> = Vec::new();
        for term in terms_with_prefix(scanner.index(), prefix)? {
            if coop::stopped() {
                break;
            }
            candidates.join(scanner, &term, |at, positions| {
                ends.extend(positions.iter().map(|&position| (at, position)));
            })?;
        }
        ends.sort_unstable();
        let mut found = Vec::new();
        for ends in ends.chunk_by(|a, b| a.0 == b.0) {
            if coop::stopped() {
                break;
            }
            let doc = candidates.docs[ends[0].0];
            for (postings, positions) in postings.iter_mut().zip(&mut positions) {
                if postings.doc() < doc {
                    postings.seek(doc);
                }
                postings.positions(positions);
            }
            positions[terms.len()].clear();
            positions[terms.len()].extend(ends.iter().map(|&(_, position)| position));
            if near(&positions, slop) {
                found.push(doc);
            }
        }
        Ok(found)
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
    while !coop::stopped() && terms.advance() {
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

/// Calls `with` for each document that is in all of these, when all of them are there.
fn for_each_holding_all(postings: &mut [SegmentPostings], mut with: impl FnMut(DocId, &mut [SegmentPostings])) {
    let Some(rarest) = (0..postings.len()).min_by_key(|&at| postings[at].size_hint()) else { return };
    let mut doc = postings[rarest].doc();
    'docs: while doc != TERMINATED && !coop::stopped() {
        for at in 0..postings.len() {
            let other = &mut postings[at];
            let next = if other.doc() < doc { other.seek(doc) } else { other.doc() };
            if next != doc {
                doc = if next == TERMINATED { TERMINATED } else { postings[rarest].seek(next) };
                continue 'docs;
            }
        }
        with(doc, postings);
        doc = postings[rarest].advance();
    }
}

/// Where a phrase can start: documents, and positions in each.
#[derive(Debug, Default)]
struct Starts {
    docs: Vec<DocId>,
    /// Where the positions of each document end in `positions`.
    ends: Vec<usize>,
    positions: Vec<u32>,
}

impl Starts {
    /// Adds a document, unless there is no position.
    fn push(&mut self, doc: DocId, positions: impl Iterator<Item = u32>) {
        let before = self.positions.len();
        self.positions.extend(positions);
        if self.positions.len() > before {
            self.docs.push(doc);
            self.ends.push(self.positions.len());
        }
    }

    /// The positions in the document of this index.
    fn of(&self, at: usize) -> &[u32] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.positions[start..self.ends[at]]
    }
}

/// A term in more documents than this for each candidate is asked about the candidates only.
const SCAN_PER_CANDIDATE: usize = 16;

/// Documents that can match, with the index of each: a bit set with ranks.
#[derive(Debug)]
struct Candidates {
    docs: Vec<DocId>,
    bits: Vec<u64>,
    /// The number of documents before each word of `bits`.
    before: Vec<u32>,
}

impl Candidates {
    fn new(docs: Vec<DocId>, max_doc: DocId) -> Candidates {
        let mut bits = vec![0_u64; max_doc.div_ceil(64) as usize];
        for doc in &docs {
            bits[(doc / 64) as usize] |= 1 << (doc % 64);
        }
        let mut sum = 0;
        let ranks = bits.iter().map(|word| {
            let before = sum;
            sum += word.count_ones();
            before
        });
        let before = ranks.collect();
        Candidates { docs, bits, before }
    }

    fn index(&self, doc: DocId) -> Option<usize> {
        let (word, bit) = ((doc / 64) as usize, 1_u64 << (doc % 64));
        let bits = self.bits[word];
        (bits & bit != 0).then(|| (self.before[word] + (bits & (bit - 1)).count_ones()) as usize)
    }

    /// Calls `with` for each candidate that holds the term, with the term's positions there.
    fn join(
        &self,
        scanner: &mut PositionScanner,
        term: &TermInfo,
        mut with: impl FnMut(usize, &[u32]),
    ) -> tantivy::Result<()> {
        if term.doc_freq as usize / SCAN_PER_CANDIDATE <= self.docs.len() {
            scanner.scan(term, |doc, positions| {
                if let Some(at) = self.index(doc) {
                    with(at, positions);
                }
            })?;
            return Ok(());
        }
        let option = IndexRecordOption::WithFreqsAndPositions;
        let mut postings = scanner.index().read_postings_from_terminfo(term, option)?;
        let mut positions = Vec::new();
        for (at, &doc) in self.docs.iter().enumerate() {
            if coop::stopped() {
                break;
            }
            let found = if postings.doc() < doc { postings.seek(doc) } else { postings.doc() };
            if found == doc {
                postings.positions(&mut positions);
                with(at, &positions);
            }
        }
        Ok(())
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
