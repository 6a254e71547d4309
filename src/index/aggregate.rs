//! Counts matches over time and by term, without reading tweets.
//!
//! An aggregation is of one [`Snapshot`], up to a seq: it and the tweets that are pushed behind
//! that seq add up exactly, each tweet in its newest version.
//!
//! Over time, the date of every matching document is read from its column. By term, the matching
//! documents are marked, and the dictionary of the field is walked once, reading the postings of
//! terms that are frequent enough. The cost follows the size of the field, not that of the tweets,
//! and memory holds no more terms than requested.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::{HashMap, HashSet};
use tantivy::postings::TermInfo;
use tantivy::schema::IndexRecordOption;
use tantivy::termdict::TermMerger;
use tantivy::{DocSet as _, TERMINATED};

use super::committed::Filter;

use super::snapshot::{CompiledSearch, SearchError, Snapshot};
use super::tweet_fields::TweetFields;
use crate::coop;
use crate::ids::Seq;
use crate::lower::FieldMapping;
use crate::schema::FieldId;

/// Lengths of the buckets of time, in milliseconds. Each divides the next, so that buckets can be
/// merged when there are too many.
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

/// Matches over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverTime {
    /// How many tweets match, dated or not.
    pub total: u64,
    /// The length of a bucket in milliseconds: one of [`INTERVALS_MS`].
    pub interval_ms: i64,
    /// The start of each bucket that is not empty, in milliseconds since 1970, a multiple of the
    /// interval, and the number of its tweets. In order of time.
    pub buckets: Vec<(i64, u64)>,
}

/// The most frequent terms of the matching tweets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopTerms {
    /// How many tweets match, with a term or without.
    pub total: u64,
    /// Terms, folded, and the number of tweets with each: most frequent first, then by term.
    pub buckets: Vec<(String, u64)>,
}

impl Snapshot {
    /// Counts the matching tweets by a date, in the shortest intervals that give at most `n`
    /// buckets.
    ///
    /// Dates are close enough that the longest interval gives some thousands at most.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn over_time(
        &self,
        search: &CompiledSearch,
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
        if let FieldMapping::Values(_, name) = TweetFields::get().searched().mapping(field) {
            let filter = Filter { after: Seq::ZERO, until, hidden: self.hidden() };
            let weight = self.committed().weight(search.query())?;
            for (segment, _) in self.committed().segments_by(|_| 0) {
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

    /// The `n` most frequent terms of a field of words or keywords among the matching tweets.
    ///
    /// Keeps at most `n` terms of the index in memory.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn top_terms(
        &self,
        search: &CompiledSearch,
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
        let mut top = TopTermsCollector::new(n);
        if let FieldMapping::Words(of_tantivy) | FieldMapping::Keywords(of_tantivy) =
            TweetFields::get().searched().mapping(field)
        {
            let filter = Filter { after: Seq::ZERO, until, hidden: self.hidden() };
            let weight = self.committed().weight(search.query())?;
            // Of each segment with matches: its dictionary, its matching documents, their number.
            let mut segments = Vec::new();
            for (segment, _) in self.committed().segments_by(|_| 0) {
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
                // Most terms are too rare for the result: their postings need not be read.
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
    /// The index of the interval.
    level: usize,
    /// By start, in intervals since 1970.
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

/// Keeps the most frequent terms; of equally frequent ones, the first in order.
struct TopTermsCollector {
    most: usize,
    /// The greatest is removed first.
    terms: BinaryHeap<(Reverse<u64>, String)>,
}

impl TopTermsCollector {
    fn new(most: usize) -> TopTermsCollector {
        TopTermsCollector { most, terms: BinaryHeap::new() }
    }

    /// A term behind all earlier ones needs a higher count than this.
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
