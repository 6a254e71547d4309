//! Finds documents with any of the terms of some patterns: prefixes, wildcards, regular
//! expressions, fuzzy terms.
//!
//! tantivy's own prefix and fuzzy queries stop at a number of terms; this one finds all. It walks
//! the dictionary of a segment once for each pattern and marks the documents of every term in one
//! bit set. Both loops are yield points, also where no term matches: a stopped automaton accepts
//! nothing more.

use std::sync::Arc;

use tantivy::index::SegmentReader;
use tantivy::postings::TermInfo;
use tantivy::query::{BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, Score, TantivyError};
use tantivy_fst::Automaton;

use super::term_infos::TermInfos;
use crate::automaton::TermAutomaton;
use crate::coop;

/// A set of terms of a dictionary.
#[derive(Clone, Debug)]
pub(super) enum TermSet {
    /// Terms with this prefix.
    Prefix(Box<str>),
    /// Terms that the automaton accepts.
    Automaton(Arc<TermAutomaton>),
}

/// Finds the documents with a term of one of the sets.
#[derive(Clone, Debug)]
pub(super) struct MultiTermQuery {
    field: Field,
    sets: Arc<[TermSet]>,
}

impl MultiTermQuery {
    pub(super) fn new(field: Field, sets: Vec<TermSet>) -> MultiTermQuery {
        MultiTermQuery { field, sets: sets.into() }
    }
}

impl TermSet {
    /// Calls `with` for each term of a field's dictionary that is in the set, until the search is
    /// stopped.
    fn for_each_term(
        &self,
        reader: &SegmentReader,
        field: Field,
        mut with: impl FnMut(&TermInfo) -> tantivy::Result<()>,
    ) -> tantivy::Result<()> {
        let index = reader.inverted_index(field)?;
        match self {
            TermSet::Prefix(prefix) => TermInfos::open(reader, field)?.for_each_with_prefix(&index, prefix, with),
            TermSet::Automaton(automaton) => {
                let mut terms = index.terms().search(Stoppable(automaton)).without_keys().into_stream()?;
                while !coop::stopped() && terms.advance() {
                    with(terms.value())?;
                }
                Ok(())
            }
        }
    }
}

impl Query for MultiTermQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for MultiTermQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let index = reader.inverted_index(self.field)?;
        let mut found = BitSet::with_max_value(reader.max_doc());
        for set in &*self.sets {
            set.for_each_term(reader, self.field, |info| {
                let mut postings = index.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?;
                // A block is 128 documents.
                while !postings.docs().is_empty() && !coop::stopped() {
                    for &doc in postings.docs() {
                        found.insert(doc);
                    }
                    postings.advance();
                }
                Ok(())
            })?;
        }
        if coop::stopped_now() {
            return Ok(Box::new(EmptyScorer));
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("perch does not explain scores".into()))
    }
}

/// An automaton that accepts nothing once the search is stopped.
struct Stoppable<'a>(&'a TermAutomaton);

impl Automaton for Stoppable<'_> {
    type State = u32;

    fn start(&self) -> u32 {
        self.0.start()
    }

    fn is_match(&self, state: &u32) -> bool {
        self.0.is_match(*state)
    }

    fn can_match(&self, state: &u32) -> bool {
        !coop::stopped() && self.0.can_match(*state)
    }

    fn accept(&self, state: &u32, byte: u8) -> u32 {
        self.0.step(*state, byte)
    }
}
