//! A batch of matches for one receiver.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::delivery_id::DeliveryId;
use crate::ids::{Epoch, Seq};
use crate::index::Hit;
use crate::live::{Delivery, DeliveryKind, EncodedText, EncoderKey};
use crate::query::Query;
use crate::tweet;

/// The most events of a batch.
pub(super) const MAX_EVENTS: usize = 100;

/// The most bytes of a batch, unless its only event is longer.
const MAX_BYTES: usize = 1_000_000;

/// How an event of a tweet begins.
const NEW: &str = "[\"tweet/new\",";

/// What a digest says besides its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestSummary {
    /// The end of the digest before.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// All events after the digest before.
    pub count: u64,
    /// Those that are neither among its events nor folded with one.
    pub left_out: u64,
}

/// Matches in the order of arrival.
#[derive(Debug)]
pub struct Batch {
    /// The same for every try of this batch, also after a restart.
    pub id: String,
    /// The name of the search.
    pub search: Arc<str>,
    /// The epoch of the seqs.
    pub epoch: Epoch,
    /// When the batch was made.
    pub at: Timestamp,
    /// The `type` of the message: `search.matches`, `search.digest` or `search.test`.
    pub kind: &'static str,
    /// The events, as `[name, payload]` in JSON.
    pub events: Vec<EncodedText>,
    /// What a digest says besides its events.
    pub digest: Option<DigestSummary>,
    /// Every match up to this seq is in an earlier batch.
    pub(super) after: Seq,
    /// Every match up to this seq is in this batch or in an earlier one.
    pub(super) until: Seq,
    /// The query of the search; `None` in a test.
    pub(super) query: Option<Query>,
}

/// Whose batches are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchSource<'a> {
    pub(super) search: &'a Arc<str>,
    pub(super) query: &'a Query,
    pub(super) delivery: DeliveryId,
    pub(super) epoch: Epoch,
}

impl Batch {
    /// Takes the next batch of up to `max_events` from the front of `waiting`.
    pub(super) fn take(
        waiting: &mut VecDeque<Arc<Delivery>>,
        max_events: usize,
        source: BatchSource<'_>,
    ) -> Option<Batch> {
        let (mut events, mut bytes, mut until) = (Vec::new(), 0, Seq::ZERO);
        let after = waiting.front().map_or(Seq::ZERO, |delivery| delivery.hit.seq.before());
        while let Some(delivery) = waiting.front() {
            let event = event(delivery);
            bytes += event.as_str().len();
            if !events.is_empty() && (events.len() >= max_events || bytes > MAX_BYTES) {
                break;
            }
            until = delivery.position();
            events.push(event);
            waiting.pop_front();
        }
        let id = message_id(source.delivery, source.epoch, until);
        (!events.is_empty()).then(|| Batch::of_matches(id, events, (after, until), source))
    }

    /// Takes the batch that an earlier session has begun to send, which ends at `sending`.
    ///
    /// Its tweets are among those of the first time. But a session that begins anew does not know
    /// which tweets that are gone the receiver had, so it may name more of them than there were.
    /// Those that have no place in the batch follow in batches of their own.
    pub(super) fn take_again(
        waiting: &mut VecDeque<Arc<Delivery>>,
        sending: Seq,
        max_events: usize,
        source: BatchSource<'_>,
    ) -> Vec<Batch> {
        let end = waiting.iter().position(|delivery| delivery.position() > sending).unwrap_or(waiting.len());
        let after = waiting.front().map_or(Seq::ZERO, |delivery| delivery.hit.seq.before());
        let begun: Vec<_> = waiting.drain(..end).map(|delivery| (event(&delivery), delivery.is_gone())).collect();
        let of_tweets = begun.iter().filter(|(_, is_gone)| !is_gone);
        let (tweets, mut bytes) =
            of_tweets.fold((0, 0), |(n, bytes), (event, _)| (n + 1, bytes + event.as_str().len()));
        let mut room = max_events.saturating_sub(tweets);
        let (mut events, mut rest) = (Vec::new(), Vec::new());
        for (event, is_gone) in begun {
            if is_gone {
                bytes += event.as_str().len();
                if room == 0 || bytes > MAX_BYTES {
                    rest.push(event);
                    continue;
                }
                room -= 1;
            }
            events.push(event);
        }
        let range = (after, sending);
        let id = message_id(source.delivery, source.epoch, sending);
        let first = (!events.is_empty()).then(|| Batch::of_matches(id, events, range, source));
        let rest = rest.chunks(max_events.max(1)).enumerate().map(|(at, events)| {
            let id = id_of(source.epoch, &format!("{}:{sending}:gone:{at}", source.delivery.0));
            Batch::of_matches(id, events.to_vec(), range, source)
        });
        first.into_iter().chain(rest).collect()
    }

    fn of_matches(
        id: String,
        events: Vec<EncodedText>,
        (after, until): (Seq, Seq),
        BatchSource { search, query, epoch, delivery: _ }: BatchSource<'_>,
    ) -> Batch {
        Batch {
            id,
            search: Arc::clone(search),
            epoch,
            at: Timestamp::now(),
            kind: "search.matches",
            events,
            digest: None,
            after,
            until,
            query: Some(query.clone()),
        }
    }

    /// How many of its events are tweets, and not tweets that are gone.
    pub(super) fn tweets(&self) -> usize {
        self.events.iter().filter(|event| event.as_str().starts_with(NEW)).count()
    }

    /// A batch to try a receiver with: this tweet, or a made-up one.
    pub(super) fn test(search: Arc<str>, epoch: Epoch, tweet: Option<&Hit>) -> Batch {
        const SAMPLE: &str = r#"{"id_str":"1","text":"This is a test of perch.","user":{"screen_name":"perch"}}"#;
        let (json, seq) = tweet.map_or((SAMPLE, 0), |hit| (&*hit.json, hit.seq.0));
        let event = format!("[\"tweet/new\",{{\"tweet\":{json},\"seq\":{seq}}}]");
        Batch {
            id: format!("msg_{}", Uuid::new_v4().simple()),
            search,
            epoch,
            at: Timestamp::now(),
            kind: "search.test",
            events: vec![event.into()],
            digest: None,
            after: Seq::ZERO,
            until: Seq::ZERO,
            query: None,
        }
    }
}

/// The id of the message of a delivery that ends at this seq.
pub(super) fn message_id(delivery: DeliveryId, epoch: Epoch, until: Seq) -> String {
    id_of(epoch, &format!("{}:{until}", delivery.0))
}

fn id_of(epoch: Epoch, name: &str) -> String {
    format!("msg_{}", Uuid::new_v5(&epoch.0, name.as_bytes()).simple())
}

/// `["tweet/new", …]` or `["tweet/gone", …]`. All receivers share the text.
pub(super) fn event(delivery: &Delivery) -> EncodedText {
    delivery.encodings.get_or_encode(EncoderKey("delivery"), || match delivery.kind {
        DeliveryKind::Matches => {
            format!("[\"tweet/new\",{{\"tweet\":{},\"seq\":{}}}]", delivery.hit.json, delivery.hit.seq)
        }
        DeliveryKind::Gone { reason, .. } => {
            #[derive(Serialize)]
            struct Gone {
                id_str: String,
                seq: u64,
                reason: &'static str,
            }
            let id_str = tweet::id_str_of(&delivery.hit.json).unwrap_or_default();
            let gone = Gone { id_str, seq: delivery.position().0, reason: reason.name() };
            serde_json::to_string(&("tweet/gone", gone)).expect("strings and numbers are JSON")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::GoneReason;
    use crate::query::QueryLimits;
    use crate::schema::Schema;

    #[test]
    fn a_batch_that_is_sent_again_has_its_id_and_no_more_events_than_fit() {
        let delivery = |seq: u64| {
            let json = serde_json::json!({"id_str": seq.to_string(), "text": "a"}).to_string();
            let tweet = tweet::analyze(&tweet::read(json.as_bytes()).unwrap());
            let gone = DeliveryKind::Gone { reason: GoneReason::Deleted, is_followed: false };
            let kind = if seq.is_multiple_of(5) { DeliveryKind::Matches } else { gone };
            Arc::new(Delivery::of_kind(kind, Hit { seq: Seq(seq), id: seq, json: tweet.json }, Arc::new([None])))
        };
        let query = Query::parse("a", Schema::tweet(), &QueryLimits::default()).unwrap();
        let (search, epoch) = ("a".into(), Epoch(Uuid::nil()));
        let source = BatchSource { search: &search, query: &query, delivery: DeliveryId(1), epoch };
        let mut waiting: VecDeque<_> = (1..=250).map(delivery).collect();
        let batches = Batch::take_again(&mut waiting, Seq(240), 100, source);
        let sizes: Vec<_> = batches.iter().map(|batch| (batch.events.len(), batch.tweets())).collect();
        assert_eq!(sizes, [(100, 48), (100, 0), (40, 0)]);
        assert_eq!((waiting.len(), &batches[0].id), (10, &message_id(DeliveryId(1), epoch, Seq(240))));
        assert!(batches.iter().all(|batch| batch.until == Seq(240)));
        assert!(batches[0].id != batches[1].id && batches[1].id != batches[2].id);
    }
}
