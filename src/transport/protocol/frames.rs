//! Writes the frames that perch sends, and their payloads for other transports.
//!
//! A stored tweet is JSON, and is spliced into its frame unchanged: perch never parses a tweet on
//! its way out. The payload of `tweet/new` is encoded once for all sessions that get it under the
//! same names, whichever transport they use; so is that of `tweet/gone`.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Ref, event};
use crate::auth::AccessToken;
use crate::ids::{Epoch, QueryId, Seq, Uid};
use crate::index::{OverTime, TopTerms};
use crate::live::{
    Aggregate, ApiError, ClientEvent, Delivery, DeliveryKind, EncodedText, EncoderKey, GoneReason, Percolated,
    Published, QueryWarning, Registration, Reply, SearchPage, TextTerm, Withheld,
};
use crate::schema::{FieldId, Schema};
use crate::tweet;

/// `[event, payload]` or `[event, payload, ref]`, of a payload that is JSON.
pub(crate) fn frame(event: &str, payload: &str, reference: Option<&Ref>) -> String {
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

/// The event and the payload of a reply. A transport may write some replies in another way.
pub(crate) fn reply(reply: &Reply) -> (&'static str, String) {
    match reply {
        Reply::Authenticated(access_token) => (event::AUTH_OK, authenticated(access_token)),
        Reply::Percolated(percolated) => (event::PERCOLATE_OK, self::percolated(percolated)),
        Reply::Unpercolated(name) => (event::UNPERCOLATE_OK, format!("{{\"name\":{}}}", json(&name.as_deref()))),
        Reply::Page { page, warnings } => (event::PREV_CHUNK, page_payload(page, warnings)),
        Reply::Tweet(hit) => (event::MISSING_TWEET, hit.json.to_string()),
        Reply::Aggregate { by, aggregate, warnings } => {
            (event::AGGREGATE_OK, aggregate_payload(*by, aggregate, warnings))
        }
        Reply::Analyzed(texts) => (event::ANALYZE_OK, analyzed(texts)),
        Reply::TotalTweetCount(n) => (event::TOTAL_TWEET_COUNT, n.to_string()),
        Reply::Published(published) => (event::PUBLISH_OK, self::published(published)),
        Reply::Pong => (event::PONG, "{}".to_owned()),
        Reply::UsersCount(n) => (event::USERS_COUNT, n.to_string()),
    }
}

/// The event and the payload about the state of a session; `None` for other events.
pub(crate) fn notice<T>(event: &ClientEvent<T>) -> Option<(&'static str, String)> {
    match event {
        ClientEvent::CatchingUp { from: Seq(from) } => Some((event::CATCHING_UP, format!("{{\"from_seq\":{from}}}"))),
        ClientEvent::Live { seq: Seq(seq) } => Some((event::LIVE, format!("{{\"seq\":{seq}}}"))),
        ClientEvent::Withheld(Withheld { count, seq: Seq(seq) }) => {
            Some((event::LIMITED, format!("{{\"count\":{count},\"seq\":{seq}}}")))
        }
        ClientEvent::Tweet(_) | ClientEvent::Reply(_) | ClientEvent::Closed(_) => None,
    }
}

fn percolated(Percolated { name, registration, warnings, .. }: &Percolated) -> String {
    #[derive(Serialize)]
    struct Ok<'a> {
        name: Option<&'a str>,
        query_id: uuid::Uuid,
        seq: u64,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        warnings: &'a [QueryWarning],
    }
    let Registration { query_id: QueryId(query_id), seq: Seq(seq) } = *registration;
    json(&Ok { name: name.as_deref(), query_id, seq, warnings })
}

/// The payload of `analyze/ok`: of each text a list of terms with their first byte and the byte
/// behind them.
fn analyzed(texts: &[Vec<TextTerm>]) -> String {
    #[derive(Serialize)]
    struct Analyzed<'a> {
        terms: Vec<Vec<(&'a str, usize, usize)>>,
    }
    let terms = texts
        .iter()
        .map(|text| text.iter().map(|TextTerm { term, range }| (term.as_str(), range.start, range.end)).collect());
    json(&Analyzed { terms: terms.collect() })
}

/// The payload of `tweet/prev-chunk`. `next` is a string, since JavaScript can't hold every id.
pub(crate) fn page_payload(page: &SearchPage, warnings: &[QueryWarning]) -> String {
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
        Some(next) => write!(payload, "],\"total\":{},\"next\":\"{next}\"", page.total),
        None => write!(payload, "],\"total\":{},\"next\":null", page.total),
    };
    written.expect("a string takes everything");
    if !warnings.is_empty() {
        payload.push_str(",\"warnings\":");
        payload.push_str(&json(&warnings));
    }
    payload.push('}');
    payload
}

fn authenticated(access_token: &AccessToken) -> String {
    format!("{{\"sub\":{},\"exp\":{}}}", json(&access_token.subject), access_token.expires_s)
}

fn published(published: &Published) -> String {
    #[derive(Serialize)]
    struct Ok<'a> {
        id_str: String,
        screen_name: &'a str,
        seq: u64,
    }
    let Published { id, screen_name, seq: Seq(seq) } = published;
    json(&Ok { id_str: id.to_string(), screen_name, seq: *seq })
}

/// The payload of `aggregate/ok`. The key of a bucket is the start of an interval, or a term.
pub(crate) fn aggregate_payload(by: FieldId, aggregate: &Aggregate, warnings: &[QueryWarning]) -> String {
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
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        warnings: &'a [QueryWarning],
    }
    let by = &*Schema::tweet().field(by).name;
    match aggregate {
        Aggregate::OverTime(OverTime { total, interval_ms, buckets }) => {
            let buckets = buckets.iter().map(|&(key, count)| Bucket { key, count }).collect();
            json(&Ok { by, total: *total, interval_ms: Some(*interval_ms), buckets, warnings })
        }
        Aggregate::TopTerms(TopTerms { total, buckets }) => {
            let buckets = buckets.iter().map(|(key, count)| Bucket { key, count: *count }).collect();
            json(&Ok { by, total: *total, interval_ms: None, buckets, warnings })
        }
    }
}

/// The frame of the number of users, as it is sent regularly.
pub(crate) fn users_count(n: u64) -> String {
    frame(event::USERS_COUNT, &n.to_string(), None)
}

/// The frame of the number of tweets, as it is sent regularly.
pub(crate) fn total_tweet_count(n: u64) -> String {
    frame(event::TOTAL_TWEET_COUNT, &n.to_string(), None)
}

/// The payload of `cmd/error`.
pub(crate) fn error_payload(error: &ApiError) -> String {
    json(error)
}

/// The event of a delivery.
pub(crate) fn pushed_event(delivery: &Delivery) -> &'static str {
    if delivery.is_gone() { event::TWEET_GONE } else { event::TWEET_NEW }
}

/// The frame of `tweet/new` or `tweet/gone`. The first session that needs it encodes it, the others
/// share it.
pub(crate) fn pushed(delivery: &Delivery) -> EncodedText {
    const ENCODER: EncoderKey = EncoderKey("json");
    delivery.encodings.get_or_encode(ENCODER, || {
        let payload = match delivery.kind {
            DeliveryKind::Matches => tweet_new(delivery),
            DeliveryKind::Gone { reason, .. } => tweet_gone(delivery, reason),
        };
        frame(pushed_event(delivery), &payload, None)
    })
}

/// The payload within the frame of a delivery.
pub(crate) fn pushed_payload<'f>(delivery: &Delivery, frame: &'f str) -> &'f str {
    let start = "[\"".len() + pushed_event(delivery).len() + "\",".len();
    &frame[start..frame.len() - "]".len()]
}

fn tweet_new(delivery: &Delivery) -> String {
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

fn tweet_gone(delivery: &Delivery, reason: GoneReason) -> String {
    #[derive(Serialize)]
    struct Gone<'a> {
        id_str: String,
        seq: u64,
        reason: &'static str,
        matches: Vec<Option<&'a str>>,
    }
    let Seq(seq) = delivery.position();
    let matches = delivery.names.iter().map(|name| name.as_deref()).collect();
    let id_str = tweet::id_str_of(&delivery.hit.json).unwrap_or_default();
    json(&Gone { id_str, seq, reason: reason.name(), matches })
}
