//! Finds documents with a value in a range by scanning the column of the field.
//!
//! tantivy's own range query scans a column up to its next match and can't be stopped. This one
//! scans windows of growing size, with a yield point between them. Asked about one document, as by
//! an intersection, it reads the values of that document alone.

use std::ops::RangeInclusive;

use tantivy::columnar::{Cardinality, Column};
use tantivy::index::SegmentReader;
use tantivy::query::{AllScorer, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SeekDangerResult, TERMINATED, TantivyError};

use crate::coop;

/// Documents of the first window of a scan: the next call may be a seek.
const FIRST_WINDOW: u32 = 128;

/// Documents of the largest window: some ten microseconds.
const LARGEST_WINDOW: u32 = 16_384;

/// Finds the documents with a value in a range.
#[derive(Clone, Debug)]
pub(super) struct ValueRangeQuery {
    column: Box<str>,
    range: RangeInclusive<i64>,
}

impl ValueRangeQuery {
    /// The query for a column of integers and a range that is not empty.
    pub(super) fn new(column: &str, range: RangeInclusive<i64>) -> ValueRangeQuery {
        ValueRangeQuery { column: column.into(), range }
    }
}

impl Query for ValueRangeQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for ValueRangeQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let Some(column) = reader.fast_fields().column_opt::<i64>(&self.column)? else {
            return Ok(Box::new(EmptyScorer));
        };
        let (min, max) = (column.min_value(), column.max_value());
        if *self.range.end() < min || *self.range.start() > max {
            return Ok(Box::new(EmptyScorer));
        }
        let holds_all = self.range.contains(&min) && self.range.contains(&max);
        if holds_all && column.get_cardinality() == Cardinality::Full {
            return Ok(Box::new(AllScorer::new(reader.max_doc())));
        }
        Ok(Box::new(ConstScorer::new(ValueRange::new(column, self.range.clone()), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("perch does not explain scores".into()))
    }
}

/// The documents of a column with a value in a range.
struct ValueRange {
    column: Column<i64>,
    range: RangeInclusive<i64>,
    /// The matching documents of the last window, and the index of the current one.
    found: Vec<DocId>,
    at: usize,
    /// The end of that window.
    scanned: DocId,
    /// The size of the next window.
    window: u32,
}

impl ValueRange {
    fn new(column: Column<i64>, range: RangeInclusive<i64>) -> ValueRange {
        let mut docs = ValueRange { column, range, found: Vec::new(), at: 0, scanned: 0, window: FIRST_WINDOW };
        docs.scan();
        docs
    }

    /// Scans until a document matches.
    fn scan(&mut self) -> DocId {
        let end = self.column.num_docs();
        self.found.clear();
        self.at = 0;
        while self.found.is_empty() && self.scanned < end {
            if coop::stopped_now() {
                self.scanned = end;
                break;
            }
            let until = self.scanned.saturating_add(self.window).min(end);
            self.column.get_docids_for_value_range(self.range.clone(), self.scanned..until, &mut self.found);
            self.scanned = until;
            self.window = (self.window * 2).min(LARGEST_WINDOW);
        }
        self.doc()
    }
}

impl DocSet for ValueRange {
    fn advance(&mut self) -> DocId {
        self.at += 1;
        if self.at < self.found.len() { self.doc() } else { self.scan() }
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc() >= target {
            return self.doc();
        }
        if target < self.scanned {
            self.at += self.found[self.at..].partition_point(|&doc| doc < target);
            if self.at < self.found.len() {
                return self.doc();
            }
        } else {
            self.scanned = target;
            self.window = FIRST_WINDOW;
        }
        self.scan()
    }

    fn seek_danger(&mut self, target: DocId) -> SeekDangerResult {
        if target >= self.column.num_docs() || coop::stopped() {
            return SeekDangerResult::SeekLowerBound(TERMINATED);
        }
        if !self.column.values_for_doc(target).any(|value| self.range.contains(&value)) {
            return SeekDangerResult::SeekLowerBound(target + 1);
        }
        self.found.clear();
        self.found.push(target);
        self.at = 0;
        self.scanned = target + 1;
        SeekDangerResult::Found
    }

    fn doc(&self) -> DocId {
        self.found.get(self.at).copied().unwrap_or(TERMINATED)
    }

    fn size_hint(&self) -> u32 {
        // Nothing is known; tantivy's own guess.
        self.column.num_docs() / 10
    }

    fn cost(&self) -> u64 {
        // A scan costs about as much as postings of most documents.
        u64::from(self.column.num_docs()) * 4 / 5
    }
}
