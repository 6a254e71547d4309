//! The size of a slice: the number of tweets whose percolation takes about [`MAX_SLICE_TIME`],
//! estimated from the slices before.
//!
//! A registration can change the cost of a tweet, so the first slice after one is short.

use std::time::Duration;

use crate::tweet::SequencedTweet;

/// The intended time of a slice. Commands wait this long. Much shorter slices would be too small to
/// share between threads.
pub(super) const MAX_SLICE_TIME: Duration = Duration::from_millis(5);

/// The fixed cost of a tweet, in terms.
const TERMS_PER_TWEET: usize = 32;

/// The most tweets of the first slice after a registration.
const FIRST_SLICE_TWEETS: usize = 64;

/// The estimate before the first slice, in nanoseconds a term.
const INITIAL_NANOS_PER_TERM: f64 = 100.0;

/// The weight of the last slice in the estimate, if it took less time than estimated.
const SMOOTHING: f64 = 0.25;

/// Estimates the time of percolation.
#[derive(Debug)]
pub(super) struct Slicer {
    nanos_per_term: f64,
    /// A query was registered since the last slice.
    is_stale: bool,
}

impl Default for Slicer {
    fn default() -> Slicer {
        Slicer { nanos_per_term: INITIAL_NANOS_PER_TERM, is_stale: true }
    }
}

impl Slicer {
    /// The number of tweets of the next slice: at least one, if there is one.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn next(&self, tweets: &[SequencedTweet]) -> usize {
        let most = MAX_SLICE_TIME.as_nanos() as f64 / self.nanos_per_term;
        let mut n_terms = 0;
        let fits = |tweet: &&SequencedTweet| {
            n_terms += n_terms_of(tweet);
            n_terms as f64 <= most
        };
        let most = if self.is_stale { FIRST_SLICE_TWEETS } else { tweets.len() };
        tweets.iter().take(most).take_while(fits).count().max(1).min(tweets.len())
    }

    /// Notes that a query was registered.
    pub(super) fn registered(&mut self) {
        self.is_stale = true;
    }

    /// Adds the time of a slice to the estimate. A longer time than estimated replaces the
    /// estimate.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn took(&mut self, slice: &[SequencedTweet], time: Duration) {
        let n_terms = slice.iter().map(n_terms_of).sum::<usize>().max(1);
        let per_term = (time.as_nanos() as f64 / n_terms as f64).max(0.1);
        let share = if per_term > self.nanos_per_term { 1.0 } else { SMOOTHING };
        self.nanos_per_term += (per_term - self.nanos_per_term) * share;
        self.is_stale = false;
    }
}

fn n_terms_of(tweet: &SequencedTweet) -> usize {
    TERMS_PER_TWEET + tweet.tweet.doc.tokens().len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::doc::Doc;
    use crate::ids::Seq;
    use crate::tweet::{AnalyzedTweet, TweetKey};

    #[test]
    fn slices_get_as_long_as_the_time_allows() {
        let tweet = Arc::new(AnalyzedTweet {
            id: 1,
            key: TweetKey::of_number(1),
            json: "{}".into(),
            doc: Doc::default(),
            is_deleted: false,
        });
        let tweets: Vec<SequencedTweet> =
            (1..=3_000).map(|seq| SequencedTweet { seq: Seq(seq), tweet: Arc::clone(&tweet) }).collect();
        let mut slicer = Slicer::default();
        assert_eq!(slicer.next(&[]), 0);
        assert_eq!(slicer.next(&tweets), FIRST_SLICE_TWEETS);
        slicer.took(&tweets[..100], MAX_SLICE_TIME * 10);
        assert_eq!(slicer.next(&tweets), 10);
        slicer.took(&tweets[..1], MAX_SLICE_TIME * 10);
        assert_eq!(slicer.next(&tweets), 1, "one tweet is a slice, however long it takes");
        for _ in 0..100 {
            slicer.took(&tweets[..1], Duration::from_micros(1));
        }
        assert_eq!(slicer.next(&tweets), 3_000);
        slicer.registered();
        assert_eq!(slicer.next(&tweets), FIRST_SLICE_TWEETS);
    }
}
