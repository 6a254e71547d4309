//! The events of a digest.
//!
//! A digest is of all events between two positions. It shows the newest ones, near-duplicates as
//! one, and counts the others. So its memory is bounded, however many there are.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::batch::{Batch, BatchSource, DigestSummary, event, message_id};
use super::fold::FoldKey;
use super::sent::Attempt;
use crate::ids::Seq;
use crate::live::{Delivery, EncodedText};
use crate::tweet;

/// The most memory of the events of a digest.
const MAX_BYTES: usize = 512 * 1_024;

/// Bounds the digests that are held in memory: each takes up to [`MAX_BYTES`] and a page of the
/// index.
#[derive(Debug)]
pub(super) struct DigestSlots {
    all: Semaphore,
    /// For deliveries whose last try failed, so that dead receivers don't hold up the others.
    failing: Semaphore,
}

impl DigestSlots {
    /// Slots that are in proportion to the requests at one time.
    pub(super) fn new(max_requests: usize) -> DigestSlots {
        let slots = |share: usize| Semaphore::new((max_requests / share).max(1));
        DigestSlots { all: slots(4), failing: slots(16) }
    }

    /// Waits for a slot.
    pub(super) async fn take(&self, attempt: Attempt) -> SemaphorePermit<'_> {
        let slots = match attempt {
            Attempt::First => &self.all,
            Attempt::Again => &self.failing,
        };
        slots.acquire().await.expect("it is never closed")
    }
}

/// An event that is shown.
#[derive(Debug)]
struct Entry {
    delivery: Arc<Delivery>,
    /// `None` for what is gone, which folds with nothing.
    key: Option<FoldKey>,
    /// How many near-duplicates before it are folded with it.
    similar: u64,
    bytes: usize,
}

/// The events of a digest, while they are read.
#[derive(Debug)]
pub(super) struct Digest {
    /// In the order of arrival.
    entries: VecDeque<Entry>,
    bytes: usize,
    /// All events.
    count: u64,
    /// The most entries.
    cap: usize,
}

/// What a digest is of.
pub(super) struct DigestRange<'a> {
    pub(super) source: BatchSource<'a>,
    pub(super) after: Seq,
    pub(super) until: Seq,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Digest {
    /// A digest that shows at most `cap` events.
    pub(super) fn new(cap: usize) -> Digest {
        Digest { entries: VecDeque::new(), bytes: 0, count: 0, cap }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds the next event. The oldest ones make room for it, those of tweets that are gone first:
    /// the receiver may never have had such a tweet.
    pub(super) fn add(&mut self, delivery: Arc<Delivery>) {
        self.count += 1;
        let key = if delivery.is_gone() {
            None
        } else {
            tweet::read(delivery.hit.json.as_bytes()).ok().map(|tweet| FoldKey::of(&tweet))
        };
        let folded = key.as_ref().and_then(|key| {
            let is_same = |entry: &Entry| entry.key.as_ref().is_some_and(|other| key.folds(other));
            let at = self.entries.iter().position(is_same)?;
            self.entries.remove(at)
        });
        let similar = folded.map_or(0, |folded| {
            self.bytes -= folded.bytes;
            folded.similar + 1
        });
        let bytes = event_bytes(&delivery) + key.as_ref().map_or(0, FoldKey::bytes);
        self.bytes += bytes;
        self.entries.push_back(Entry { delivery, key, similar, bytes });
        while self.entries.len() > self.cap || (self.bytes > MAX_BYTES && self.entries.len() > 1) {
            let is_gone = |entry: &Entry| entry.delivery.is_gone();
            let oldest = self.entries.iter().position(is_gone).unwrap_or(0);
            let Some(oldest) = self.entries.remove(oldest) else { break };
            self.bytes -= oldest.bytes;
        }
    }

    /// The message.
    pub(super) fn into_batch(self, range: &DigestRange<'_>) -> Batch {
        let shown: u64 = self.entries.iter().map(|entry| entry.similar + 1).sum();
        let left_out = self.count - shown;
        let BatchSource { search, query, delivery, epoch } = range.source;
        Batch {
            id: message_id(delivery, epoch, range.until),
            search: Arc::clone(search),
            epoch,
            at: Timestamp::now(),
            kind: "search.digest",
            events: self.entries.iter().map(Entry::event).collect(),
            digest: Some(DigestSummary { from: range.from, to: range.to, count: self.count, left_out }),
            after: range.after,
            until: range.until,
            query: Some(query.clone()),
        }
    }
}

impl Entry {
    /// `["tweet/new", {…, "similar": 2}]`, or the event of every other receiver.
    fn event(&self) -> EncodedText {
        if self.similar == 0 {
            return event(&self.delivery);
        }
        let (json, seq, similar) = (&self.delivery.hit.json, self.delivery.hit.seq, self.similar);
        format!("[\"tweet/new\",{{\"tweet\":{json},\"seq\":{seq},\"similar\":{similar}}}]").into()
    }
}

fn event_bytes(delivery: &Delivery) -> usize {
    // What is gone has the document of its last version, but says only its id.
    delivery.hit.json.len()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::super::delivery_id::DeliveryId;
    use super::*;
    use crate::hub::{DeliveryKind, GoneReason};
    use crate::ids::Epoch;
    use crate::index::Hit;
    use crate::query::{Query, QueryLimits};
    use crate::schema::Schema;

    fn delivery(seq: u64, text: &str, kind: DeliveryKind) -> Arc<Delivery> {
        let json = json!({"id_str": seq.to_string(), "text": text}).to_string();
        let tweet = tweet::analyze(&tweet::read(json.as_bytes()).unwrap());
        let hit = Hit { seq: Seq(seq), id: seq, json: tweet.json };
        Arc::new(Delivery::of_kind(kind, hit, Arc::new([None])))
    }

    fn batch(cap: usize, texts: &[&str]) -> (Vec<Value>, DigestSummary) {
        let mut digest = Digest::new(cap);
        for (seq, text) in (1..).zip(texts) {
            digest.add(delivery(seq, text, DeliveryKind::Matches));
        }
        summary(digest)
    }

    fn summary(digest: Digest) -> (Vec<Value>, DigestSummary) {
        let (time, epoch) = (Timestamp::UNIX_EPOCH, Epoch(Uuid::nil()));
        let query = Query::parse("a", Schema::tweet(), &QueryLimits::default()).unwrap();
        let range = DigestRange {
            source: BatchSource { search: &"a".into(), query: &query, delivery: DeliveryId(1), epoch },
            after: Seq(0),
            until: Seq(99),
            from: time,
            to: time,
        };
        let batch = digest.into_batch(&range);
        let events = batch.events.iter().map(|event| serde_json::from_str(event.as_str()).unwrap());
        (events.collect(), batch.digest.unwrap())
    }

    fn shown(events: &[Value]) -> Vec<(u64, u64)> {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        events.iter().map(|event| (number(&event[1]["seq"]), number(&event[1]["similar"]))).collect()
    }

    #[test]
    fn near_duplicates_are_one_with_a_count_and_every_event_is_counted() {
        let (events, summary) = batch(10, &["a", "b", "A https://t.co/1", "c", "@ann a"]);
        assert_eq!(shown(&events), [(2, 0), (4, 0), (5, 2)]);
        assert_eq!((summary.count, summary.left_out), (5, 0));
        // The oldest are left out.
        let (events, summary) = batch(2, &["a", "b", "b", "c", "d", "d"]);
        assert_eq!(shown(&events), [(4, 0), (6, 1)]);
        assert_eq!((summary.count, summary.left_out), (6, 3));
    }

    #[test]
    fn a_smaller_cap_shows_the_same_after_a_restart() {
        let texts = ["a", "b", "a", "c", "d", "a", "c"];
        let (events, summary) = batch(3, &texts);
        assert_eq!(batch(3, &texts), (events, summary));
    }

    #[test]
    fn long_tweets_bound_the_memory() {
        let mut digest = Digest::new(100);
        for seq in 1..50 {
            let text = format!("{seq} {}", "word ".repeat(12_000));
            digest.add(delivery(seq, &text, DeliveryKind::Matches));
            assert!(digest.bytes <= MAX_BYTES, "{}", digest.bytes);
        }
        let (events, summary) = summary(digest);
        assert_eq!((events.len() as u64 + summary.left_out, summary.count), (49, 49));
        assert!(!events.is_empty() && summary.left_out > 0);
    }

    #[test]
    fn what_is_gone_takes_no_place_of_a_tweet() {
        let mut digest = Digest::new(2);
        let gone = DeliveryKind::Gone { reason: GoneReason::Deleted, is_followed: false };
        digest.add(delivery(1, "a", DeliveryKind::Matches));
        (2..50).for_each(|seq| digest.add(delivery(seq, "x", gone)));
        digest.add(delivery(50, "b", DeliveryKind::Matches));
        digest.add(delivery(51, "x", gone));
        let (events, summary) = summary(digest);
        assert_eq!((shown(&events), summary.count, summary.left_out), (vec![(1, 0), (50, 0)], 51, 49));
    }

    #[test]
    fn what_is_gone_is_an_event_of_its_own() {
        let mut digest = Digest::new(10);
        digest.add(delivery(1, "a", DeliveryKind::Matches));
        let gone = DeliveryKind::Gone { reason: GoneReason::Changed, is_followed: false };
        digest.add(delivery(2, "a", gone));
        let (events, summary) = summary(digest);
        assert_eq!(
            (events[1][0].as_str(), shown(&events), summary.count),
            (Some("tweet/gone"), vec![(1, 0), (2, 0)], 2)
        );
    }
}
