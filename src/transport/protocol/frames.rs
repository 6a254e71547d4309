//! Writes the frames that perch sends, and their payloads for other transports.
//!
//! A stored tweet is JSON, and is spliced into its frame unchanged: perch never parses a tweet on
//! its way out. The payload of `tweet/new` is encoded once for all sessions that get it under the
//! same names, whichever transport they use.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Ref, event};
use crate::auth::AccessToken;
use crate::ids::{Epoch, QueryId, Seq, Uid};
use crate::index::{OverTime, TopTerms};
use crate::live::{Aggregate, Delivery, EncodedText, EncoderKey, Registration, SearchPage};
use crate::schema::{FieldId, Schema};
use crate::transport::errors::ApiError;
use crate::transport::publish::Published;
use crate::transport::push_limiter::Withheld;

/// `[event, payload]` or `[event, payload, ref]`, of a payload that is JSON.
fn frame(event: &str, payload: &str, reference: Option<&Ref>) -> String {
    let reference = reference.map(|reference| &*reference.0);
    let mut frame = String::with_capacity(event.len() + payload.len() + reference.map_or(0, str::len) + 8);
    // No event name needs an escape.
    frame.push_str("[\"");
    frame.push_str(event);
    frame.push_str("\",");
    frame.push_str(payload);
    if let Some(reference) = reference {
        frame.push(',');
        frame.push_str(reference);
    }
    frame.push(']');
    frame
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a payload is made of strings, numbers and structs")
}

/// The limits in `hello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HelloLimits {
    pub(crate) frame_bytes: usize,
    pub(crate) query_bytes: usize,
    pub(crate) subscriptions: usize,
    pub(crate) page: usize,
    pub(crate) searches: usize,
}

/// The payload of `hello`.
pub(crate) fn hello_payload(uid: Uid, epoch: Epoch, Seq(seq): Seq, limits: HelloLimits) -> String {
    #[derive(Serialize)]
    struct Hello {
        uid: uuid::Uuid,
        version: &'static str,
        epoch: uuid::Uuid,
        seq: u64,
        limits: HelloLimits,
    }
    json(&Hello { uid: uid.0, version: env!("CARGO_PKG_VERSION"), epoch: epoch.0, seq, limits })
}

pub(crate) fn hello(payload: &str) -> String {
    frame(event::HELLO, payload, None)
}

/// The payload of `percolate/ok`.
pub(crate) fn percolate_ok_payload(name: Option<&str>, registration: Registration) -> String {
    #[derive(Serialize)]
    struct Ok<'a> {
        name: Option<&'a str>,
        query_id: uuid::Uuid,
        seq: u64,
    }
    let Registration { query_id: QueryId(query_id), seq: Seq(seq) } = registration;
    json(&Ok { name, query_id, seq })
}

pub(crate) fn percolate_ok(name: Option<&str>, registration: Registration, reference: Option<&Ref>) -> String {
    frame(event::PERCOLATE_OK, &percolate_ok_payload(name, registration), reference)
}

/// The payload of `unpercolate/ok`.
pub(crate) fn unpercolate_ok_payload(name: Option<&str>) -> String {
    #[derive(Serialize)]
    struct Ok<'a> {
        name: Option<&'a str>,
    }
    json(&Ok { name })
}

pub(crate) fn unpercolate_ok(name: Option<&str>, reference: Option<&Ref>) -> String {
    frame(event::UNPERCOLATE_OK, &unpercolate_ok_payload(name), reference)
}

/// The payload of `tweet/prev-chunk`. `next` is a string, since JavaScript can't hold every id.
pub(crate) fn page_payload(page: &SearchPage) -> String {
    let tweets_len = page.hits.iter().map(|hit| hit.json.len() + 1).sum::<usize>();
    let mut payload = String::with_capacity(tweets_len + 64);
    payload.push_str("{\"result\":[");
    for (at, hit) in page.hits.iter().enumerate() {
        if at > 0 {
            payload.push(',');
        }
        payload.push_str(&hit.json);
    }
    let written = match page.next {
        Some(next) => write!(payload, "],\"total\":{},\"next\":\"{next}\"}}", page.total),
        None => write!(payload, "],\"total\":{},\"next\":null}}", page.total),
    };
    written.expect("a string takes everything");
    payload
}

pub(crate) fn prev_chunk(page: &SearchPage, reference: Option<&Ref>) -> String {
    frame(event::PREV_CHUNK, &page_payload(page), reference)
}

pub(crate) fn missing_tweet(tweet: &str, reference: Option<&Ref>) -> String {
    frame(event::MISSING_TWEET, tweet, reference)
}

pub(crate) fn auth_ok(access_token: &AccessToken, reference: Option<&Ref>) -> String {
    frame(event::AUTH_OK, &auth_ok_payload(access_token), reference)
}

/// The payload of `auth/ok`.
pub(crate) fn auth_ok_payload(access_token: &AccessToken) -> String {
    format!("{{\"sub\":{},\"exp\":{}}}", json(&access_token.subject), access_token.expires_s)
}

/// The payload of `publish/ok`.
pub(crate) fn publish_ok_payload(published: &Published) -> String {
    #[derive(Serialize)]
    struct Ok<'a> {
        id_str: String,
        screen_name: &'a str,
        seq: u64,
    }
    let Published { id, screen_name, seq: Seq(seq) } = published;
    json(&Ok { id_str: id.to_string(), screen_name, seq: *seq })
}

pub(crate) fn publish_ok(published: &Published, reference: Option<&Ref>) -> String {
    frame(event::PUBLISH_OK, &publish_ok_payload(published), reference)
}

/// The payload of `aggregate/ok`. The key of a bucket is the start of an interval, or a term.
pub(crate) fn aggregate_ok_payload(by: FieldId, aggregate: &Aggregate) -> String {
    #[derive(Serialize)]
    struct Bucket<Key> {
        key: Key,
        count: u64,
    }
    #[derive(Serialize)]
    struct Ok<'a, Key> {
        by: &'a str,
        total: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        interval_ms: Option<i64>,
        buckets: Vec<Bucket<Key>>,
    }
    let by = &*Schema::tweet().field(by).name;
    match aggregate {
        Aggregate::OverTime(OverTime { total, interval_ms, buckets }) => {
            let buckets = buckets.iter().map(|&(key, count)| Bucket { key, count }).collect();
            json(&Ok { by, total: *total, interval_ms: Some(*interval_ms), buckets })
        }
        Aggregate::TopTerms(TopTerms { total, buckets }) => {
            let buckets = buckets.iter().map(|(key, count)| Bucket { key, count: *count }).collect();
            json(&Ok { by, total: *total, interval_ms: None, buckets })
        }
    }
}

pub(crate) fn aggregate_ok(by: FieldId, aggregate: &Aggregate, reference: Option<&Ref>) -> String {
    frame(event::AGGREGATE_OK, &aggregate_ok_payload(by, aggregate), reference)
}

pub(crate) fn pong(reference: Option<&Ref>) -> String {
    frame(event::PONG, "{}", reference)
}

pub(crate) fn users_count(n: u64, reference: Option<&Ref>) -> String {
    frame(event::USERS_COUNT, &n.to_string(), reference)
}

pub(crate) fn total_tweet_count(n: u64, reference: Option<&Ref>) -> String {
    frame(event::TOTAL_TWEET_COUNT, &n.to_string(), reference)
}

pub(crate) fn catching_up_payload(Seq(from): Seq) -> String {
    format!("{{\"from_seq\":{from}}}")
}

pub(crate) fn catching_up(from: Seq) -> String {
    frame(event::CATCHING_UP, &catching_up_payload(from), None)
}

pub(crate) fn live_payload(Seq(seq): Seq) -> String {
    format!("{{\"seq\":{seq}}}")
}

pub(crate) fn live(seq: Seq) -> String {
    frame(event::LIVE, &live_payload(seq), None)
}

pub(crate) fn limited_payload(Withheld { count, seq: Seq(seq) }: Withheld) -> String {
    format!("{{\"count\":{count},\"seq\":{seq}}}")
}

pub(crate) fn limited(withheld: Withheld) -> String {
    frame(event::LIMITED, &limited_payload(withheld), None)
}

/// The payload of `cmd/error`.
pub(crate) fn error_payload(error: &ApiError) -> String {
    json(error)
}

pub(crate) fn error(error: &ApiError, reference: Option<&Ref>) -> String {
    frame(event::ERROR, &error_payload(error), reference)
}

/// The frame of `tweet/new`. The first session that needs it encodes it, the others share it.
pub(crate) fn tweet_new(delivery: &Delivery) -> EncodedText {
    const ENCODER: EncoderKey = EncoderKey("json");
    delivery.encodings.get_or_encode(ENCODER, || frame(event::TWEET_NEW, &tweet_new_encode(delivery), None))
}

/// The payload within the frame of `tweet/new`.
pub(crate) fn tweet_new_payload(frame: &str) -> &str {
    let start = "[\"".len() + event::TWEET_NEW.len() + "\",".len();
    &frame[start..frame.len() - "]".len()]
}

fn tweet_new_encode(delivery: &Delivery) -> String {
    let Seq(seq) = delivery.hit.seq;
    let mut payload = String::with_capacity(delivery.hit.json.len() + 64);
    payload.push_str("{\"tweet\":");
    payload.push_str(&delivery.hit.json);
    write!(payload, ",\"seq\":{seq},\"matches\":[").expect("a string takes everything");
    for (at, name) in delivery.names.iter().enumerate() {
        if at > 0 {
            payload.push(',');
        }
        payload.push_str(&json(&name.as_deref()));
    }
    payload.push_str("]}");
    payload
}
