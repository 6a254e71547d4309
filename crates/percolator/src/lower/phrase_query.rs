//! Finds phrases: exact ones, those with slop, and those that end with the start of a term.
//!
//! tantivy's own phrase queries can't be used. An exclusion may ask `PhraseScorer::seek_danger` of
//! 0.27 for a document that the scorer has passed, slop is measured differently, and a prefix
//! stands for 50 terms at most.
//!
//! A segment is evaluated at once. The rarest term gives the candidates; the posting list of each
//! other term is scanned, or asked for the candidates alone where it is much longer than their
//! list.

use std::sync::Arc;

use tantivy::index::{InvertedIndexReader, SegmentReader};
use tantivy::postings::{Postings as _, SegmentPostings, TermInfo};
use tantivy::query::{ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocId, DocSet, Score, TERMINATED, TantivyError};

use super::phrase_candidates::{DocBits, Ends, FIRST_SHARED, PositionLists, RankedDocs, Starts};
use super::position_scanner::{PositionScanner, PostingVisitor};
use super::slop::SlopMatcher;
use super::term_infos::TermInfos;
use crate::coop;
use crate::query::Phrase;

/// A posting list with more documents than this for each candidate is not scanned: its skip list
/// leads to the candidates.
const SCAN_PER_CANDIDATE: usize = 16;

/// With a candidate in this many documents or fewer, the positions of all documents are decoded. To
/// decode those of the candidates alone is a branch that can't be predicted, and costs more. A list
/// of the candidates costs more than a mask of each document, too.
const DENSE_DOCS_PER_CANDIDATE: usize = 8;

/// Finds the documents that contain a phrase.
#[derive(Clone, Debug)]
pub(super) struct PhraseQuery {
    field: Field,
    phrase: Arc<Phrase>,
}

impl PhraseQuery {
    /// The query for a phrase in a field of the index.
    pub(super) fn new(field: Field, phrase: &Phrase) -> PhraseQuery {
        PhraseQuery { field, phrase: Arc::new(phrase.clone()) }
    }

    /// The documents of a segment that match, deleted ones included.
    fn docs(&self, reader: &SegmentReader) -> tantivy::Result<Vec<DocId>> {
        let mut scanner = PositionScanner::open(reader, self.field)?;
        let n_whole = self.phrase.terms.len() - usize::from(self.phrase.last_is_prefix);
        let mut terms = Vec::with_capacity(n_whole);
        for term in &self.phrase.terms[..n_whole] {
            match scanner.index().get_term_info(&Term::from_field_text(self.field, term))? {
                Some(term) => terms.push(term),
                None => return Ok(Vec::new()),
            }
        }
        if self.phrase.slop == 0 {
            self.exact(reader, &mut scanner, &terms)
        } else {
            self.sloppy(reader, &mut scanner, &terms)
        }
    }

    /// The documents where each term directly follows the one before.
    ///
    /// The rarest term gives the starts. Each other term keeps the starts that it follows at its
    /// distance. The last one, or the union of the terms with the prefix, keeps their documents.
    fn exact(
        &self,
        reader: &SegmentReader,
        scanner: &mut PositionScanner,
        terms: &[TermInfo],
    ) -> tantivy::Result<Vec<DocId>> {
        let max_doc = reader.max_doc();
        let mut order: Vec<(u32, &TermInfo)> = (0..).zip(terms).collect();
        order.sort_by_key(|(_, term)| term.doc_freq);
        let Some((&(offset, rarest), mut others)) = order.split_first() else { return Ok(Vec::new()) };
        let prefix = self.phrase.terms.get(terms.len());
        let last = if prefix.is_none() { others.split_off_last() } else { None };
        let last_offset = last.map_or_else(|| small(terms.len()), |&(offset, _)| offset);
        let is_dense = |n_docs: usize| n_docs >= max_doc as usize / DENSE_DOCS_PER_CANDIDATE;

        let mut starts = Starts::default();
        // A phrase of one term.
        let is_last = last.is_none() && prefix.is_none();
        let ends = if others.is_empty() && !is_last && is_dense(rarest.doc_freq as usize) {
            // No list of starts is needed.
            let mut dense = DenseTerm { offset, last_offset, ends: Ends::new(max_doc) };
            scanner.scan(rarest, &mut dense)?;
            dense.ends
        } else {
            let mut first = FirstTerm { offset, starts: Starts::with_capacity(rarest.doc_freq as usize) };
            scanner.scan(rarest, &mut first)?;
            starts = first.starts;
            for &(offset, term) in others {
                let candidates = RankedDocs::new(starts.docs(), max_doc);
                let followed = Starts::default();
                let mut next = NextTerm { offset, starts: &starts, candidates: &candidates, followed };
                visit_candidates(scanner, term, starts.docs(), &mut next)?;
                starts = next.followed;
            }
            if starts.docs().is_empty() || is_last {
                return Ok(starts.docs().to_vec());
            }
            Ends::of(&starts, max_doc, last_offset)
        };
        let is_dense = starts.docs().is_empty() || is_dense(starts.docs().len());
        let candidates = (!is_dense).then(|| DocBits::new(starts.docs(), max_doc));
        let mut visitor = LastTerm { ends, candidates, found: DocBits::empty(max_doc) };
        let index = Arc::clone(scanner.index());
        let mut visit = |term: &TermInfo| -> tantivy::Result<()> {
            if is_dense {
                return Ok(scanner.scan(term, &mut visitor)?);
            }
            visit_candidates(scanner, term, starts.docs(), &mut visitor)
        };
        match (last, prefix) {
            (Some((_, term)), _) => visit(term)?,
            (None, Some(prefix)) => {
                TermInfos::open(reader, self.field)?.for_each_with_prefix(&index, prefix, visit)?;
            }
            (None, None) => {}
        }
        Ok(visitor.found.docs())
    }

    /// The documents where the terms are out of place by `slop` at most.
    fn sloppy(
        &self,
        reader: &SegmentReader,
        scanner: &mut PositionScanner,
        terms: &[TermInfo],
    ) -> tantivy::Result<Vec<DocId>> {
        let max_doc = reader.max_doc();
        let docs = docs_with_all(scanner.index(), terms)?;
        let candidates = RankedDocs::new(&docs, max_doc);
        let mut lists = Vec::with_capacity(self.phrase.terms.len());
        for term in terms {
            let mut visitor = AllPositions { candidates: &candidates, pairs: Vec::new() };
            visit_candidates(scanner, term, &docs, &mut visitor)?;
            lists.push(PositionLists::new(docs.len(), &visitor.pairs));
        }
        if let Some(prefix) = self.phrase.terms.get(terms.len()) {
            let mut visitor = AllPositions { candidates: &candidates, pairs: Vec::new() };
            let index = Arc::clone(scanner.index());
            TermInfos::open(reader, self.field)?
                .for_each_with_prefix(&index, prefix, |term| visit_candidates(scanner, term, &docs, &mut visitor))?;
            lists.push(PositionLists::new(docs.len(), &visitor.pairs));
        }
        let mut matcher = SlopMatcher::new(self.phrase.slop);
        let mut found = Vec::new();
        let mut positions = Vec::with_capacity(lists.len());
        for (at, &doc) in docs.iter().enumerate() {
            if coop::stopped() {
                break;
            }
            positions.clear();
            positions.extend(lists.iter().map(|lists| lists.of(at)));
            if matcher.matches(&positions) {
                found.push(doc);
            }
        }
        Ok(found)
    }
}

impl Query for PhraseQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for PhraseQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let docs = DocList { docs: self.docs(reader)?.into(), at: 0 };
        Ok(Box::new(ConstScorer::new(docs, boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("perch does not explain scores".into()))
    }
}

fn small(offset: usize) -> u32 {
    u32::try_from(offset).expect("a phrase is short")
}

/// Visits the documents of a term that are among the candidates.
fn visit_candidates(
    scanner: &mut PositionScanner,
    term: &TermInfo,
    candidates: &[DocId],
    visitor: &mut impl PostingVisitor,
) -> tantivy::Result<()> {
    if term.doc_freq as usize / SCAN_PER_CANDIDATE <= candidates.len() {
        return Ok(scanner.scan(term, visitor)?);
    }
    let option = IndexRecordOption::WithFreqsAndPositions;
    let mut postings = scanner.index().read_postings_from_terminfo(term, option)?;
    let mut positions = Vec::new();
    for &doc in candidates {
        if coop::stopped() {
            break;
        }
        if !visitor.wants(doc) {
            continue;
        }
        let next = if postings.doc() < doc { postings.seek(doc) } else { postings.doc() };
        if next == doc {
            postings.positions(&mut positions);
            visitor.visit(doc, &positions);
        }
    }
    Ok(())
}

/// The rarest term of a phrase.
struct FirstTerm {
    /// Its place in the phrase.
    offset: u32,
    starts: Starts,
}

impl PostingVisitor for FirstTerm {
    fn wants(&self, _: DocId) -> bool {
        true
    }

    #[inline]
    fn visit(&mut self, doc: DocId, positions: &[u32]) {
        let n_early = positions.iter().take_while(|&&position| position < self.offset).count();
        self.starts.push(doc, positions[n_early..].iter().map(|position| position - self.offset));
    }

    fn visit_single(&mut self, docs: &[DocId], positions: &[u32]) {
        let least = positions.iter().fold(u32::MAX, |least, &position| position.min(least));
        if least >= self.offset {
            self.starts.push_single(docs, positions.iter().map(|position| position - self.offset));
        } else {
            docs.iter().zip(positions).for_each(|(&doc, &position)| self.visit(doc, &[position]));
        }
    }
}

/// Another term of a phrase, and the starts that it follows.
struct NextTerm<'a> {
    offset: u32,
    starts: &'a Starts,
    candidates: &'a RankedDocs,
    followed: Starts,
}

impl PostingVisitor for NextTerm<'_> {
    #[inline]
    fn wants(&self, doc: DocId) -> bool {
        self.candidates.contains(doc)
    }

    #[inline]
    fn visit(&mut self, doc: DocId, positions: &[u32]) {
        let at = self.candidates.index(doc);
        let starts = positions.iter().filter_map(|position| position.checked_sub(self.offset));
        let mask = self.starts.mask(at);
        self.followed.push(doc, starts.filter(|&start| self.starts.contains(mask, start, || at)));
    }
}

/// The rarest term of a phrase of two, where it is in many documents.
struct DenseTerm {
    offset: u32,
    /// The place of the last term.
    last_offset: u32,
    ends: Ends,
}

impl PostingVisitor for DenseTerm {
    fn wants(&self, _: DocId) -> bool {
        true
    }

    #[inline]
    fn visit(&mut self, doc: DocId, positions: &[u32]) {
        for start in positions.iter().filter_map(|position| position.checked_sub(self.offset)) {
            self.ends.add(doc, start + self.last_offset);
        }
    }
}

/// The last term of a phrase that is read, or all terms with the prefix at its end: only the
/// documents are wanted.
struct LastTerm {
    ends: Ends,
    /// `None` if most documents are candidates.
    candidates: Option<DocBits>,
    found: DocBits,
}

impl PostingVisitor for LastTerm {
    #[inline]
    fn wants(&self, doc: DocId) -> bool {
        self.candidates.as_ref().is_none_or(|candidates| candidates.contains(doc))
    }

    #[inline]
    fn visit(&mut self, doc: DocId, positions: &[u32]) {
        // No branch for what differs at random from document to document.
        let (mut hits, mut last) = (0, 0);
        for &position in positions {
            hits |= self.ends.bit(doc, position);
            last = position;
        }
        if last >= FIRST_SHARED && hits != 0 {
            hits = u32::from(self.ends.contain_any(doc, positions));
        }
        self.found.insert_if(doc, hits);
    }

    #[inline]
    fn visit_single(&mut self, docs: &[DocId], positions: &[u32]) {
        let are_near = positions.iter().fold(0, |max, &position| position.max(max)) < FIRST_SHARED;
        for (&doc, position) in docs.iter().zip(positions) {
            if are_near {
                self.found.insert_if(doc, self.ends.bit(doc, *position));
            } else {
                self.visit(doc, std::slice::from_ref(position));
            }
        }
    }
}

/// Every position of the candidates, as the index of the candidate and the position.
struct AllPositions<'a> {
    candidates: &'a RankedDocs,
    pairs: Vec<(u32, u32)>,
}

impl PostingVisitor for AllPositions<'_> {
    #[inline]
    fn wants(&self, doc: DocId) -> bool {
        self.candidates.contains(doc)
    }

    #[inline]
    fn visit(&mut self, doc: DocId, positions: &[u32]) {
        let at = u32::try_from(self.candidates.index(doc)).expect("fewer than documents");
        self.pairs.extend(positions.iter().map(|&position| (at, position)));
    }
}

/// The documents that contain all of these terms.
fn docs_with_all(index: &InvertedIndexReader, terms: &[TermInfo]) -> tantivy::Result<Vec<DocId>> {
    let open = |term| index.read_postings_from_terminfo(term, IndexRecordOption::Basic);
    let mut postings = terms.iter().map(open).collect::<Result<Vec<SegmentPostings>, _>>()?;
    postings.sort_by_key(SegmentPostings::size_hint);
    let mut docs = Vec::new();
    let Some((rarest, others)) = postings.split_first_mut() else { return Ok(docs) };
    let mut doc = rarest.doc();
    'docs: while doc != TERMINATED && !coop::stopped() {
        for other in &mut *others {
            let next = if other.doc() < doc { other.seek(doc) } else { other.doc() };
            if next != doc {
                doc = if next == TERMINATED { TERMINATED } else { rarest.seek(next) };
                continue 'docs;
            }
        }
        docs.push(doc);
        doc = rarest.advance();
    }
    Ok(docs)
}

/// A sorted list of documents.
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
