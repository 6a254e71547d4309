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
    /// The delivery that it belongs to; `None` in a test.
    pub(super) delivery: Option<DeliveryId>,
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
    /// Takes the next batch of up to `max_events` from the front of `waiting`. With `sending`, the
    /// batch ends at that seq, as it did when it was sent before.
    pub(super) fn take(
        waiting: &mut VecDeque<Arc<Delivery>>,
        sending: Option<Seq>,
        max_events: usize,
        source: BatchSource<'_>,
    ) -> Option<Batch> {
        let (mut events, mut bytes, mut until) = (Vec::new(), 0, Seq::ZERO);
        let after = waiting.front().map_or(Seq::ZERO, |delivery| delivery.hit.seq.before());
        while let Some(delivery) = waiting.front() {
            let event = event(delivery);
            bytes += event.as_str().len();
            let is_full = match sending {
                Some(sending) => delivery.position() > sending,
                None => !events.is_empty() && (events.len() >= max_events || bytes > MAX_BYTES),
            };
            if is_full {
                break;
            }
            until = delivery.position();
            events.push(event);
            waiting.pop_front();
        }
        let until = sending.unwrap_or(until);
        let BatchSource { search, query, delivery, epoch } = source;
        let (search, at, kind) = (Arc::clone(search), Timestamp::now(), "search.matches");
        let query = Some(query.clone());
        let (id, delivery) = (message_id(delivery, epoch, until), Some(delivery));
        (!events.is_empty()).then(|| Batch {
            id,
            search,
            epoch,
            at,
            kind,
            events,
            digest: None,
            after,
            until,
            delivery,
            query,
        })
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
            delivery: None,
            query: None,
        }
    }
}

/// The id of the message of a delivery that ends at this seq.
pub(super) fn message_id(delivery: DeliveryId, epoch: Epoch, until: Seq) -> String {
    let id = Uuid::new_v5(&epoch.0, format!("{}:{until}", delivery.0).as_bytes());
    format!("msg_{}", id.simple())
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
