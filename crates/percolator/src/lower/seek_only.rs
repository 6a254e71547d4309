//! Queries whose scorers are yield points and are only advanced: the parts of a combination.
//!
//! An intersection, an exclusion or a disjunction of tantivy advances its parts until it finds a
//! document, which can take as long as their postings are. Each part asks [`coop::stopped`] at
//! every step, and ends when the search is stopped.
//!
//! tantivy 0.27 also has a shortcut, `seek_danger`, which asks a scorer about one document. An
//! exclusion uses it for documents that the scorer has passed, which the scorers of ranges and
//! phrases don't support inside an intersection. A [`SeekOnly`] answers by `seek` alone. Lucene
//! Monitor has `ForceNoBulkScoringQuery` for a similar reason.

use tantivy::query::{EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError, Term};

use crate::coop;

/// Finds what the inner query finds.
#[derive(Debug)]
pub(super) struct SeekOnlyQuery(pub(super) Box<dyn Query>);

impl Clone for SeekOnlyQuery {
    fn clone(&self) -> SeekOnlyQuery {
        SeekOnlyQuery(self.0.box_clone())
    }
}

impl Query for SeekOnlyQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(SeekOnlyWeight(self.0.weight(scoring)?)))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.0.query_terms(visitor);
    }
}

struct SeekOnlyWeight(Box<dyn Weight>);

impl Weight for SeekOnlyWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        if coop::stopped_now() {
            return Ok(Box::new(EmptyScorer));
        }
        Ok(Box::new(SeekOnly::new(self.0.scorer(reader, boost)?)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(reader, doc)
    }
}

/// Finds the documents of a term. Adds nothing to the postings but the yield point.
#[derive(Clone, Debug)]
pub(super) struct SeekOnlyTerm(pub(super) Term);

impl Query for SeekOnlyTerm {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for SeekOnlyTerm {
    fn scorer(&self, reader: &SegmentReader, _: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let index = reader.inverted_index(self.0.field())?;
        let Some(info) = index.get_term_info(&self.0)? else { return Ok(Box::new(EmptyScorer)) };
        let postings = index.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
        Ok(Box::new(SeekOnly::new(postings)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("perch does not explain scores".into()))
    }
}

/// Documents that end when the search is stopped.
struct SeekOnly<D> {
    docs: D,
    is_stopped: bool,
}

impl<D: DocSet> SeekOnly<D> {
    fn new(docs: D) -> SeekOnly<D> {
        SeekOnly { docs, is_stopped: false }
    }

    #[inline]
    fn has_ended(&mut self) -> bool {
        self.is_stopped = self.is_stopped || coop::stopped();
        self.is_stopped
    }
}

/// Nothing is scored.
impl<D: DocSet + 'static> Scorer for SeekOnly<D> {
    fn score(&mut self) -> Score {
        1.0
    }
}

/// All but `seek_danger`, which falls back to `doc` and `seek`.
impl<D: DocSet> DocSet for SeekOnly<D> {
    #[inline]
    fn advance(&mut self) -> DocId {
        if self.has_ended() { TERMINATED } else { self.docs.advance() }
    }

    #[inline]
    fn seek(&mut self, target: DocId) -> DocId {
        if self.has_ended() { TERMINATED } else { self.docs.seek(target) }
    }

    fn fill_buffer(&mut self, buffer: &mut [DocId; COLLECT_BLOCK_BUFFER_LEN]) -> usize {
        if self.has_ended() { 0 } else { self.docs.fill_buffer(buffer) }
    }

    #[inline]
    fn doc(&self) -> DocId {
        if self.is_stopped { TERMINATED } else { self.docs.doc() }
    }

    fn size_hint(&self) -> u32 {
        self.docs.size_hint()
    }

    fn cost(&self) -> u64 {
        self.docs.cost()
    }
}
