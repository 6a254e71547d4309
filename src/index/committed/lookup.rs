//! Finds tweets of a committed state by their keys.

use std::ops::Not as _;

use hashbrown::HashSet;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocSet as _, TERMINATED};

use super::CommittedIndex;
use crate::coop;
use crate::ids::Seq;
use crate::index::damage::guarded;
use crate::index::tweet_fields::TweetFields;
use crate::tweet::{AnalyzedTweet, TweetKey};

impl CommittedIndex {
    /// Whether it may hold a version of this tweet: always true when it does.
    pub(in crate::index) fn may_hold(&self, tweet: &AnalyzedTweet) -> bool {
        let is_above = self.highest_id.is_none_or(|highest| tweet.id > highest);
        match tweet.key.number() {
            Some(_) => !is_above,
            // Another version may have another time, and so another id.
            None if self.segments.iter().all(|segment| segment.keys.is_none()) => false,
            None => guarded(|| self.find(tweet.key)).is_ok_and(|found| found.is_none()).not(),
        }
    }

    /// The address of the newest version of the tweet with this key, which may be a deletion.
    pub(in crate::index) fn find(&self, key: TweetKey) -> tantivy::Result<Option<DocAddress>> {
        let term = TweetFields::get().key_term(key);
        for (segment, ord) in self.segments.iter().zip(0..) {
            let (low, high) = segment.ids();
            let may_hold = match key.number() {
                Some(id) => (low..=high).contains(&id),
                None => segment.keys.is_some(),
            };
            if !may_hold {
                continue;
            }
            let index = segment.reader.inverted_index(term.field())?;
            let Some(mut postings) = index.read_postings(&term, IndexRecordOption::Basic)? else { continue };
            let mut doc = postings.doc();
            while doc != TERMINATED {
                if !segment.reader.is_deleted(doc) {
                    return Ok(Some(DocAddress::new(ord, doc)));
                }
                doc = postings.advance();
            }
        }
        Ok(None)
    }

    /// The seq of the first known version of a tweet. `None` if there is no such tweet, or it can't
    /// be looked up.
    pub(in crate::index) fn first_seq(&self, key: TweetKey) -> Option<Seq> {
        let address = guarded(|| self.find(key)).ok()??;
        Some(self.segment(address.segment_ord).first_seq(address.doc_id))
    }

    /// The number of tweets with one of these keys. Does not count a tweet that can't be looked up,
    /// nor the rest when the search is stopped.
    pub(in crate::index) fn count_keys(&self, keys: &HashSet<TweetKey>) -> u64 {
        let is_shown = |key: &&TweetKey| {
            let found = guarded(|| self.find(**key)).ok().flatten();
            found.is_some_and(|address| !self.is_deletion(address))
        };
        keys.iter().take_while(|_| !coop::stopped()).filter(is_shown).map(|_| 1).sum()
    }
}
