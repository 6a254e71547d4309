//! How many tweets of a batch to percolate at once: as many as take about [`SLICE`], judged by
//! those before.
//!
//! What tweets take can change with every registration, so the first slice after one is short.

use std::time::Duration;

use crate::tweet::SequencedTweet;

/// How long a slice should take. So long others wait for their turn; much shorter ones would leave
/// nothing to share between threads.
pub(super) const SLICE: Duration = Duration::from_millis(5);

/// As how many terms a tweet counts, besides those that it has.
const TWEET: usize = 32;

/// How many tweets are in a slice after a registration, at most.
const FIRST: usize = 64;

/// What is believed of the first slice, in nanoseconds a term.
const FIRST_BELIEF: f64 = 100.0;

/// The share of the last slice in what is believed, when it took less time than that.
const SHARE: f64 = 0.25;

/// Knows what percolation took lately.
#[derive(Debug)]
pub(super) struct Slicer {
    /// In nanoseconds.
    per_term: f64,
    /// Queries came since the last slice.
    is_stale: bool,
}

impl Default for Slicer {
    fn default() -> Slicer {
        Slicer { per_term: FIRST_BELIEF, is_stale: true }
    }
}

impl Slicer {
    /// How many of these tweets are the next slice: at least one, if there is one.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn next(&self, items: &[SequencedTweet]) -> usize {
        let most = SLICE.as_nanos() as f64 / self.per_term;
        let mut n_terms = 0;
        let fits = |item: &&SequencedTweet| {
            n_terms += weight(item);
            n_terms as f64 <= most
        };
        let most = if self.is_stale { FIRST } else { items.len() };
        items.iter().take(most).take_while(fits).count().max(1).min(items.len())
    }

    /// A query was registered.
    pub(super) fn registered(&mut self) {
        self.is_stale = true;
    }

    /// The slice took so long. What takes longer than was believed is believed at once.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn took(&mut self, slice: &[SequencedTweet], time: Duration) {
        let n_terms = slice.iter().map(weight).sum::<usize>().max(1);
        let per_term = (time.as_nanos() as f64 / n_terms as f64).max(0.1);
        let share = if per_term > self.per_term { 1.0 } else { SHARE };
        self.per_term += (per_term - self.per_term) * share;
        self.is_stale = false;
    }
}

fn weight(item: &SequencedTweet) -> usize {
    TWEET + item.tweet.doc.tokens().len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::doc::Doc;
    use crate::ids::Seq;
    use crate::tweet::AnalyzedTweet;

    #[test]
    fn slices_get_as_long_as_the_time_allows() {
        let tweet = Arc::new(AnalyzedTweet { id: 1, json: "{}".into(), doc: Doc::default() });
        let items: Vec<SequencedTweet> =
            (1..=3_000).map(|seq| SequencedTweet { seq: Seq(seq), tweet: Arc::clone(&tweet) }).collect();
        let mut slicer = Slicer::default();
        assert_eq!(slicer.next(&[]), 0);
        assert_eq!(slicer.next(&items), FIRST);
        slicer.took(&items[..100], SLICE * 10);
        assert_eq!(slicer.next(&items), 10);
        slicer.took(&items[..1], SLICE * 10);
        assert_eq!(slicer.next(&items), 1, "one tweet is a slice, however long it takes");
        for _ in 0..100 {
            slicer.took(&items[..1], Duration::from_micros(1));
        }
        assert_eq!(slicer.next(&items), 3_000);
        slicer.registered();
        assert_eq!(slicer.next(&items), FIRST);
    }
}
