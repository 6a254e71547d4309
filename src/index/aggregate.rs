//! Counting what matches, without reading a tweet: over time, and by term.
//!
//! Like a page, an aggregation is taken of one [`View`], bounded at a seq: it and what is pushed behind that seq add up
//! exactly, each tweet in its newest version.
//!
//! Over time, the column of a date is read for every document that matches. By term, the documents that match are marked, and the
//! dictionary of the field is walked once, with the postings of those terms that are frequent enough: that costs what the field
//! holds, not what the tweets say, and memory for no more terms than are asked for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::{HashMap, HashSet};
use tantivy::postings::TermInfo;
use tantivy::schema::IndexRecordOption;
use tantivy::termdict::TermMerger;
use tantivy::{DocSet as _, TERMINATED};

use super::fields::{Fields, Place};
use super::shown::Filter;
use super::view::{Search, SearchError, View};
use crate::coop;
use crate::ids::Seq;
use crate::schema::FieldId;

/// How long the buckets of time may be, in milliseconds: each length divides the next, so that fine buckets can be put
/// together when there are too many.
pub const INTERVALS_MS: [i64; 16] = {
    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const WEEK: i64 = 7 * DAY;
    [
        SECOND,
        5 * SECOND,
        10 * SECOND,
        30 * SECOND,
        MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        30 * MINUTE,
        HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        WEEK,
        4 * WEEK,
        52 * WEEK,
    ]
};

/// What matches, over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverTime {
    /// How many tweets match, dated or not.
    pub total: u64,
    /// How long a bucket is, in milliseconds: one of [`INTERVALS_MS`].
    pub interval_ms: i64,
    /// The start of each bucket that is not empty, in milliseconds since 1970, a multiple of the interval; and how many
    /// tweets are in it. In order of time.
    pub buckets: Vec<(i64, u64)>,
}

/// The most frequent terms of what matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopTerms {
    /// How many tweets match, with a term or without.
    pub total: u64,
    /// The terms, folded, and how many tweets have them: most frequent first, then in the order of the terms.
    pub buckets: Vec<(String, u64)>,
}

impl View {
    /// How many tweets match, by a date: in the finest intervals that make `n` buckets at most.
    ///
    /// Dates are never so far apart that the longest interval makes more than some thousands.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn over_time(
        &self,
        search: &Search,
        field: FieldId,
        until: Option<Seq>,
        n: usize,
    ) -> Result<OverTime, SearchError> {
        let until = until.unwrap_or(Seq::MAX);
        let mut buckets = Buckets::new(n);
        let mut total = 0;
        for item in self.tail(search, Seq::ZERO, until) {
            total += 1;
            let values = item.tweet.doc.values().iter().filter(|(of, _)| *of == field);
            values.take(1).for_each(|&(_, time)| buckets.add(time));
        }
        if let Place::Values(_, name) = Fields::tweet().place(field) {
            let filter = Filter { after: Seq::ZERO, until, hidden: self.hidden() };
            let weight = self.shown().weight(search.query())?;
            for (segment, _) in self.shown().segments_by(|_| 0) {
                let column = segment.reader().fast_fields().column_opt::<i64>(name)?;
                segment.for_each(&*weight, &filter, |docs, _| {
                    total += docs.len() as u64;
                    let Some(column) = &column else { return };
                    docs.iter().filter_map(|&doc| column.first(doc)).for_each(|time| buckets.add(time));
                })?;
            }
        }
        coop::check()?;
        let interval_ms = INTERVALS_MS[buckets.level];
        let mut buckets: Vec<(i64, u64)> =
            buckets.counts.into_iter().map(|(bucket, count)| (bucket * interval_ms, count)).collect();
        buckets.sort_unstable();
        Ok(OverTime { total, interval_ms, buckets })
    }

    /// The `n` most frequent terms of a field of words or keywords, among the tweets that match.
    ///
    /// No more than `n` terms of the index are kept at one time, however many there are.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn top_terms(
        &self,
        search: &Search,
        field: FieldId,
        until: Option<Seq>,
        n: usize,
    ) -> Result<TopTerms, SearchError> {
        let until = until.unwrap_or(Seq::MAX);
        let mut in_tail: HashMap<String, u64> = HashMap::new();
        let mut total = 0;
        for item in self.tail(search, Seq::ZERO, until) {
            total += 1;
            let doc = &item.tweet.doc;
            // A tweet counts once, however often it says something.
            let terms: HashSet<&str> = doc.field_tokens(field).iter().map(|token| doc.term(token)).collect();
            for term in terms {
                *in_tail.entry_ref(term).or_default() += 1;
            }
        }
        let mut top = Top::new(n);
        if let Place::Words(of_tantivy) | Place::Keywords(of_tantivy) = Fields::tweet().place(field) {
            let filter = Filter { after: Seq::ZERO, until, hidden: self.hidden() };
            let weight = self.shown().weight(search.query())?;
            // Of each segment with matches: its dictionary, and which of its documents they are.
            let mut segments = Vec::new();
            for (segment, _) in self.shown().segments_by(|_| 0) {
                let mut matches = vec![false; segment.reader().max_doc() as usize];
                let mut found = 0;
                segment.for_each(&*weight, &filter, |docs, _| {
                    found += docs.len() as u64;
                    for &doc in docs {
                        matches[doc as usize] = true;
                    }
                })?;
                total += found;
                if found > 0 {
                    segments.push((segment.reader().inverted_index(*of_tantivy)?, matches, found));
                }
            }
            let streams = segments.iter().map(|(index, ..)| index.terms().stream());
            let streams = streams.collect::<Result<Vec<_>, _>>().map_err(tantivy::TantivyError::from)?;
            let mut terms = TermMerger::new(streams);
            while !coop::stopped() && terms.advance() {
                let Ok(term) = std::str::from_utf8(terms.key()) else { continue };
                let mut count = in_tail.remove(term).unwrap_or(0);
                let postings: Vec<_> = terms.current_segment_ords_and_term_infos().collect();
                // Most terms are too rare for the top, whatever matches: their postings need not be read.
                let at_most = |&(at, ref info): &(usize, TermInfo)| u64::from(info.doc_freq).min(segments[at].2);
                if count + postings.iter().map(at_most).sum::<u64>() <= top.bar() {
                    continue;
                }
                for (at, info) in &postings {
                    let (index, matches, _) = &segments[*at];
                    let mut postings = index
                        .read_postings_from_terminfo(info, IndexRecordOption::Basic)
                        .map_err(tantivy::TantivyError::from)?;
                    let mut doc = postings.doc();
                    while doc != TERMINATED && !coop::stopped() {
                        count += u64::from(matches[doc as usize]);
                        doc = postings.advance();
                    }
                }
                top.offer(term, count);
            }
        }
        for (term, count) in in_tail {
            top.offer(&term, count);
        }
        coop::check()?;
        Ok(TopTerms { total, buckets: top.finish() })
    }
}

/// Counts by time, in intervals that grow when there are too many.
struct Buckets {
    /// The number of the interval.
    level: usize,
    /// By the start, in intervals since 1970.
    counts: HashMap<i64, u64>,
    most: usize,
}

impl Buckets {
    fn new(most: usize) -> Buckets {
        Buckets { level: 0, counts: HashMap::new(), most }
    }

    fn add(&mut self, time_ms: i64) {
        *self.counts.entry(time_ms.div_euclid(INTERVALS_MS[self.level])).or_default() += 1;
        while self.counts.len() > self.most && self.level + 1 < INTERVALS_MS.len() {
            let factor = INTERVALS_MS[self.level + 1] / INTERVALS_MS[self.level];
            self.level += 1;
            for (bucket, count) in std::mem::take(&mut self.counts) {
                *self.counts.entry(bucket.div_euclid(factor)).or_default() += count;
            }
        }
    }
}

/// The most frequent terms of those that are offered; of equal ones, the first in their order.
struct Top {
    most: usize,
    /// The one to go first is the greatest.
    terms: BinaryHeap<(Reverse<u64>, String)>,
}

impl Top {
    fn new(most: usize) -> Top {
        Top { most, terms: BinaryHeap::new() }
    }

    /// A term that comes behind all that were offered needs a higher count than this.
    fn bar(&self) -> u64 {
        match self.terms.peek() {
            Some((Reverse(count), _)) if self.terms.len() == self.most => *count,
            _ => 0,
        }
    }

    fn offer(&mut self, term: &str, count: u64) {
        if count == 0 {
            return;
        }
        self.terms.push((Reverse(count), term.to_owned()));
        if self.terms.len() > self.most {
            self.terms.pop();
        }
    }

    fn finish(self) -> Vec<(String, u64)> {
        self.terms.into_sorted_vec().into_iter().map(|(Reverse(count), term)| (term, count)).collect()
    }
}

#[cfg(test)]
mod tests;
