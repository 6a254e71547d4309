//! Profiles: which events and payloads the clients of an endpoint know.
//!
//! All profiles serve the same live search. They differ in the form of payloads, and in which
//! events are sent: `BirdWatch`'s client throws an exception at an event that it does not know.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::live::{Delivery, EncodedText, EncoderKey, QueryWarning, Reply, SearchPage};
use crate::transport::protocol::{self, event};
use perch_sente::frame::Packing;
use perch_sente::transit::Codes;
use perch_sente::value::Value;

/// A set of events and payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Profile {
    /// The events of `/ws` (docs/PROTOCOL.md), with keywords for names.
    Plain,
    /// The events of `BirdWatch` of 2014.
    Birdwatch,
    /// The events of `BirdWatch` of 2017: each payload is `{:msg … :msg-meta …}`.
    BirdwatchHead,
}

/// A command, out of its envelope.
pub(super) struct Command {
    /// The payload as JSON.
    pub(super) payload: Json,
    /// The meta that comes back with the answer.
    pub(super) meta: Option<Value>,
}

impl Profile {
    /// Whether clients of this profile may send the event.
    pub(super) fn takes(self, id: &str) -> bool {
        match self {
            Profile::Plain => true,
            Profile::Birdwatch | Profile::BirdwatchHead => {
                matches!(id, event::PERCOLATE | event::QUERY | event::MISSING)
            }
        }
    }

    /// Whether perch sends events beyond tweets and counts: answers to commands, errors, catching
    /// up. Other profiles do not know them.
    pub(super) fn sends_all_events(self) -> bool {
        self == Profile::Plain
    }

    /// Takes a payload out of its envelope. Drops the uid in it, since perch knows the sender.
    pub(super) fn open(self, mut data: Value) -> Command {
        let mut meta = self.meta();
        if self == Profile::BirdwatchHead
            && let Value::Map(entries) = &mut data
            && entries.iter().any(|(key, _)| is_keyword(key, "msg"))
        {
            let mut message = Value::Nil;
            for (key, value) in std::mem::take(entries) {
                if is_keyword(&key, "msg") {
                    message = value;
                } else if is_keyword(&key, "msg-meta") && matches!(value, Value::Map(_)) {
                    meta = Some(value);
                }
            }
            data = message;
        }
        let mut payload = data.to_json();
        if let Json::Object(fields) = &mut payload {
            fields.remove("uid");
        }
        Command { payload, meta }
    }

    /// The meta of pushes. `None` where payloads have no envelope.
    pub(super) fn meta(self) -> Option<Value> {
        (self == Profile::BirdwatchHead).then(|| Value::Map(Vec::new()))
    }

    /// `tweet/new` or `tweet/gone`, packed once for all clients of one profile and packing.
    pub(super) fn tweet(self, delivery: &Delivery, packing: Packing) -> EncodedText {
        let encoder = EncoderKey(match (self, packing) {
            (Profile::Plain, Packing::Edn) => "sente/plain/edn",
            (Profile::Plain, Packing::Transit) => "sente/plain/transit",
            (Profile::Birdwatch, Packing::Edn) => "sente/birdwatch/edn",
            (Profile::Birdwatch, Packing::Transit) => "sente/birdwatch/transit",
            (Profile::BirdwatchHead, Packing::Edn) => "sente/birdwatch-head/edn",
            (Profile::BirdwatchHead, Packing::Transit) => "sente/birdwatch-head/transit",
        });
        delivery.encodings.get_or_encode(encoder, || {
            let packed = if self == Profile::Plain {
                let frame = protocol::pushed(delivery);
                let payload = protocol::pushed_payload(delivery, frame.as_str());
                packing.event(protocol::pushed_event(delivery), payload, None, Codes::None)
            } else {
                packing.event(event::TWEET_NEW, &delivery.hit.json, self.meta().as_ref(), Codes::None)
            };
            packed.expect("a stored tweet is JSON")
        })
    }

    /// The event and the payload of a reply, as JSON.
    pub(super) fn reply(self, reply: &Reply) -> (&'static str, String) {
        match reply {
            Reply::Page { page, warnings } => (event::PREV_CHUNK, self.page(page, warnings)),
            Reply::TotalTweetCount(n) => (event::TOTAL_TWEET_COUNT, self.total_tweet_count(*n)),
            reply => protocol::reply(reply),
        }
    }

    /// The payload of `tweet/prev-chunk`, as JSON.
    fn page(self, page: &SearchPage, warnings: &[QueryWarning]) -> String {
        match self {
            Profile::Plain => protocol::page_payload(page, warnings),
            Profile::Birdwatch => tweets("[", page, "]"),
            Profile::BirdwatchHead => tweets("{\"result\":[", page, "]}"),
        }
    }

    /// The payload of `stats/total-tweet-count`, as JSON. `BirdWatch` shows the text unchanged.
    pub(super) fn total_tweet_count(self, n: u64) -> String {
        match self {
            Profile::Plain => n.to_string(),
            Profile::Birdwatch => format!("\"{:>15}\"", with_commas(n)),
            Profile::BirdwatchHead => format!("\"{}\"", with_commas(n)),
        }
    }
}

fn is_keyword(key: &Value, name: &str) -> bool {
    matches!(key, Value::Keyword(key) if **key == *name)
}

fn tweets(open: &str, page: &SearchPage, close: &str) -> String {
    let len = page.hits.iter().map(|hit| hit.json.len() + 1).sum::<usize>();
    let mut payload = String::with_capacity(len + open.len() + close.len());
    payload.push_str(open);
    for (at, hit) in page.hits.iter().enumerate() {
        payload.push_str(if at > 0 { "," } else { "" });
        payload.push_str(&hit.json);
    }
    payload.push_str(close);
    payload
}

fn with_commas(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
