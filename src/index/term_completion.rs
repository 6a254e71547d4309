//! Terms of a field that begin with a prefix, the most frequent first.
//!
//! A dictionary is sorted, so the terms with a prefix are one run of it. perch reads a bounded
//! number of terms of each segment's run. Where a run is longer, terms that the caller names as
//! likely take part as well, and the counts of the best are looked up.
//!
//! Counts come from the dictionaries: a tweet that was replaced or deleted counts until its part of
//! the index is merged.

use std::cmp::Reverse;

use hashbrown::HashMap;
use tantivy::InvertedIndexReader;

use super::snapshot::{SearchError, Snapshot};
use super::tweet_fields::TweetFields;
use crate::coop;
use crate::ids::Seq;
use crate::lower::FieldMapping;
use crate::schema::FieldId;

/// The most terms that are read of all dictionaries together, which bounds the time.
const MAX_TERMS: usize = 16_384;

/// The fewest terms that a completion reads of each dictionary.
const MIN_TERMS_PER_SEGMENT: usize = 64;

/// The most tweets of the tail whose terms are read.
const MAX_TAIL_TWEETS: usize = 2_048;

/// The most terms whose counts are looked up in each dictionary.
const MAX_LOOKUPS: usize = 128;

impl Snapshot {
    /// The `n` most frequent terms of a field of words or keywords that begin with `prefix`, each
    /// with the number of its tweets. `likely` are terms that may be frequent.
    ///
    /// # Errors
    ///
    /// When the index can't be read, or the search is stopped.
    pub fn complete<'a>(
        &self,
        field: FieldId,
        prefix: &str,
        likely: impl IntoIterator<Item = &'a str>,
        n: usize,
    ) -> Result<Vec<(String, u64)>, SearchError> {
        let mut counts = self.tail_terms(field, prefix);
        if let FieldMapping::Words(of_tantivy) | FieldMapping::Keywords(of_tantivy) =
            TweetFields::get().searched().mapping(field)
        {
            let segments = self.committed().segments_by(|_| 0);
            let most = (MAX_TERMS / segments.len().max(1)).max(MIN_TERMS_PER_SEGMENT);
            let mut dictionaries = Vec::with_capacity(segments.len());
            let mut is_whole = true;
            let mut committed: HashMap<String, u64> = HashMap::new();
            for (segment, _) in segments {
                let dictionary = segment.reader().inverted_index(*of_tantivy)?;
                is_whole &= read_terms(&dictionary, prefix, most, &mut committed)?;
                dictionaries.push(dictionary);
            }
            if !is_whole {
                let likely = likely.into_iter().filter(|term| term.starts_with(prefix));
                look_up(&dictionaries, likely, &mut committed)?;
            }
            for (term, count) in committed {
                *counts.entry(term).or_default() += count;
            }
        }
        coop::check()?;
        let mut terms: Vec<(String, u64)> = counts.into_iter().filter(|&(_, count)| count > 0).collect();
        let order = |(a, of_a): &(String, u64), (b, of_b): &(String, u64)| of_b.cmp(of_a).then_with(|| a.cmp(b));
        // Most of many terms are too rare for the answer and need no order.
        if n < terms.len() {
            terms.select_nth_unstable_by(n, order);
            terms.truncate(n);
        }
        terms.sort_unstable_by(order);
        Ok(terms)
    }

    /// The terms of the tail with this prefix, and the number of tweets with each.
    fn tail_terms(&self, field: FieldId, prefix: &str) -> HashMap<String, u64> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        let tweets = self.tail_items(Seq::ZERO, Seq::MAX).map(|(item, _)| &item.tweet);
        for tweet in tweets.filter(|tweet| !tweet.is_deleted).take(MAX_TAIL_TWEETS) {
            if coop::stopped() {
                break;
            }
            let doc = &tweet.doc;
            let mut terms: Vec<&str> = doc.field_tokens(field).iter().map(|token| doc.term(token)).collect();
            terms.retain(|term| term.starts_with(prefix));
            terms.sort_unstable();
            terms.dedup();
            for term in terms {
                *counts.entry_ref(term).or_default() += 1;
            }
        }
        counts
    }
}

/// Adds up to `most` terms with a prefix. Returns whether these are all.
fn read_terms(
    dictionary: &InvertedIndexReader,
    prefix: &str,
    most: usize,
    counts: &mut HashMap<String, u64>,
) -> Result<bool, SearchError> {
    let mut terms =
        dictionary.terms().range().ge(prefix.as_bytes()).into_stream().map_err(tantivy::TantivyError::from)?;
    let mut read = 0;
    while !coop::stopped() && terms.advance() {
        if !terms.key().starts_with(prefix.as_bytes()) {
            return Ok(true);
        }
        if read == most {
            return Ok(false);
        }
        read += 1;
        if let Ok(term) = std::str::from_utf8(terms.key()) {
            *counts.entry_ref(term).or_default() += u64::from(terms.value().doc_freq);
        }
    }
    Ok(true)
}

/// Replaces the counts of the most frequent terms, and of likely ones, by their counts in all
/// dictionaries.
fn look_up<'a>(
    dictionaries: &[std::sync::Arc<InvertedIndexReader>],
    likely: impl Iterator<Item = &'a str>,
    counts: &mut HashMap<String, u64>,
) -> Result<(), SearchError> {
    let mut terms: Vec<String> = likely.take(MAX_LOOKUPS / 2).map(str::to_owned).collect();
    let mut best: Vec<(u64, &String)> = counts.iter().map(|(term, &count)| (count, term)).collect();
    let n = (MAX_LOOKUPS / 2).min(best.len());
    if n > 0 {
        best.select_nth_unstable_by_key(n - 1, |&(count, term)| (Reverse(count), term));
    }
    terms.extend(best[..n].iter().map(|(_, term)| (*term).clone()));
    for term in terms {
        coop::check()?;
        let mut count = 0;
        for dictionary in dictionaries {
            let info = dictionary.terms().get(term.as_bytes()).map_err(tantivy::TantivyError::from)?;
            count += info.map_or(0, |info| u64::from(info.doc_freq));
        }
        counts.insert(term, count);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
