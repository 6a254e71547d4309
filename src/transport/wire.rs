//! The shapes of the event protocol: what clients may send, as [`Command`]s, and every frame that perch sends.
//!
//! ```text
//! text frame ──parse──> Command ──(session)──> encoders below ──> text frame
//! ```
//!
//! Pure: no socket, no clock. A stored tweet is JSON already and is spliced into its frame as it is, so a tweet is never parsed again on its
//! way out. The payload of `tweet/new` is encoded once for all sessions that get it under the same names, whichever transport they use.

mod command_kind;

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::auth::AccessToken;
use crate::config::LimitsSection;
use crate::doc::Point;
use crate::ids::{Epoch, QueryId, Seq, Uid};
use crate::index::{OverTime, TopTerms};
use crate::live::{
    Aggregate, AggregateRequest, Delivery, EncodedText, EncoderKey, Registration, Requester, SearchPage, SearchRequest,
    Sort,
};
use crate::schema::{FieldId, Kind, Schema};
use crate::telemetry;

use super::errors::{Code, Fault};
use super::fields::{Fields, shorten};
use super::pace::Withheld;
use super::publish::{MAX_TEXT_CHARS, Published};
use super::query_form::{QueryForm, Reader};
use command_kind::CommandKind;

/// The events of the protocol. Each is described in `docs/PROTOCOL.md`; a test checks that.
pub(crate) mod event {
    pub(crate) const AUTH: &str = "cmd/auth";
    pub(crate) const PERCOLATE: &str = "cmd/percolate";
    pub(crate) const UNPERCOLATE: &str = "cmd/unpercolate";
    pub(crate) const QUERY: &str = "cmd/query";
    pub(crate) const MISSING: &str = "cmd/missing";
    pub(crate) const AGGREGATE: &str = "cmd/aggregate";
    pub(crate) const PUBLISH: &str = "cmd/publish";
    pub(crate) const PING: &str = "cmd/ping";
    pub(crate) const USERS_COUNT: &str = "stats/users-count";
    pub(crate) const TOTAL_TWEET_COUNT: &str = "stats/total-tweet-count";

    pub(crate) const HELLO: &str = "hello";
    pub(crate) const AUTH_OK: &str = "auth/ok";
    pub(crate) const PERCOLATE_OK: &str = "percolate/ok";
    pub(crate) const UNPERCOLATE_OK: &str = "unpercolate/ok";
    pub(crate) const PREV_CHUNK: &str = "tweet/prev-chunk";
    pub(crate) const MISSING_TWEET: &str = "tweet/missing-tweet";
    pub(crate) const AGGREGATE_OK: &str = "aggregate/ok";
    pub(crate) const PUBLISH_OK: &str = "publish/ok";
    pub(crate) const PONG: &str = "pong";
    pub(crate) const TWEET_NEW: &str = "tweet/new";
    pub(crate) const CATCHING_UP: &str = "stream/catching-up";
    pub(crate) const LIVE: &str = "stream/live";
    pub(crate) const LIMITED: &str = "stream/limited";
    pub(crate) const ERROR: &str = "cmd/error";

    /// What perch sends.
    #[cfg(test)]
    pub(crate) const PUSHES: &[&str] = &[
        HELLO,
        AUTH_OK,
        PERCOLATE_OK,
        UNPERCOLATE_OK,
        PREV_CHUNK,
        MISSING_TWEET,
        AGGREGATE_OK,
        PUBLISH_OK,
        PONG,
        TWEET_NEW,
        USERS_COUNT,
        TOTAL_TWEET_COUNT,
        CATCHING_UP,
        LIVE,
        LIMITED,
        ERROR,
    ];
}

/// How many tweets a page of history has when the client doesn't say.
pub(crate) const DEFAULT_PAGE: usize = 50;

/// How many buckets an aggregation has at most when the client doesn't say.
pub(crate) const DEFAULT_BUCKETS: usize = 50;

/// The most buckets that an aggregation can be asked for.
pub(crate) const MAX_BUCKETS: usize = 1_000;

/// How much history one search may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    /// Tweets of one page.
    pub(crate) max_page: usize,
    /// How far behind the first tweet a page may end.
    pub(crate) max_depth: usize,
}

impl From<&LimitsSection> for Paging {
    fn from(limits: &LimitsSection) -> Paging {
        Paging { max_page: limits.max_page, max_depth: limits.max_search_depth }
    }
}

/// The longest code of a language.
const MAX_LANG_CHARS: usize = 8;

/// The longest `ref`, in bytes: it is only ever echoed.
const MAX_REF_BYTES: usize = 128;

/// The client's mark on a command, a JSON string or number, as it was written: it comes back with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ref(Box<str>);

/// A client's token, which nothing shows.
#[derive(Clone, PartialEq)]
pub(crate) struct Token(pub(crate) String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// Say who it is.
    Auth(Token),
    /// Register a query.
    Percolate(PercolateCommand),
    /// End a subscription.
    Unpercolate {
        /// Which; `None` is the unnamed one.
        name: Option<Arc<str>>,
    },
    /// A page of history.
    Query(QueryCommand),
    /// One tweet.
    Missing {
        /// Its id.
        id: u64,
    },
    /// How what matches is spread.
    Aggregate(AggregateCommand),
    /// Publish a tweet.
    Publish(PublishCommand),
    /// An answer.
    Ping,
    /// How many clients are connected.
    UsersCount,
    /// How many tweets there are.
    TotalTweetCount,
}

/// The payload of `cmd/percolate`, and the parameters of the event stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PercolateCommand {
    pub(crate) query: QueryForm,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) since: Option<Seq>,
    pub(crate) epoch: Option<Epoch>,
}

/// The payload of `cmd/query`, and the parameters of `/api/search`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueryCommand {
    pub(crate) query: QueryForm,
    pub(crate) n: usize,
    pub(crate) from: usize,
    pub(crate) before_id: Option<u64>,
    pub(crate) until_seq: Option<Seq>,
    pub(crate) sort: Sort,
}

impl QueryCommand {
    /// Reads the fields; the query is in the field `query`, `q` in a URL.
    pub(crate) fn read(mut fields: Fields, query: &'static str, paging: Paging) -> Result<QueryCommand, Fault> {
        let command = QueryCommand {
            query: QueryForm::read(query, fields.required(query)?)?,
            n: fields.count("n", DEFAULT_PAGE.min(paging.max_page), 0..=paging.max_page)?,
            from: fields.count("from", 0, 0..=paging.max_depth)?,
            before_id: fields.id("before_id")?,
            until_seq: fields.seq("until_seq")?,
            sort: fields.sort("sort")?,
        };
        fields.finish()?;
        let max = paging.max_depth;
        if command.from + command.n > max {
            telemetry::turned_away("search_depth");
            let expected = format!("and `n` together must be at most {max}; `before_id` goes any distance back");
            return Err(Fault::field("from", &expected));
        }
        Ok(command)
    }

    /// What it asks of the live search.
    pub(crate) async fn request(self, queries: &Reader, requester: &Requester) -> Result<SearchRequest, Fault> {
        let QueryCommand { query, n, from, before_id, until_seq, sort } = self;
        Ok(SearchRequest { query: queries.read(query, requester).await?, n, from, before_id, until_seq, sort })
    }
}

/// The payload of `cmd/publish`. Whose the tweet is, is nothing that a client can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PublishCommand {
    pub(crate) text: String,
    pub(crate) lang: Option<String>,
    pub(crate) coordinates: Option<Point>,
}

/// The payload of `cmd/aggregate`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AggregateCommand {
    pub(crate) query: QueryForm,
    pub(crate) by: FieldId,
    pub(crate) n: usize,
    pub(crate) until_seq: Option<Seq>,
}

impl AggregateCommand {
    fn read(mut fields: Fields) -> Result<AggregateCommand, Fault> {
        let command = AggregateCommand {
            query: QueryForm::read("query", fields.required("query")?)?,
            by: fields.required("by").and_then(|by| countable(&by))?,
            n: fields.count("n", DEFAULT_BUCKETS, 1..=MAX_BUCKETS)?,
            until_seq: fields.seq("until_seq")?,
        };
        fields.finish()?;
        Ok(command)
    }

    /// What it asks of the live search.
    pub(crate) async fn request(self, queries: &Reader, requester: &Requester) -> Result<AggregateRequest, Fault> {
        let AggregateCommand { query, by, n, until_seq } = self;
        Ok(AggregateRequest { query: queries.read(query, requester).await?, by, n, until_seq })
    }
}

/// A field that tweets can be counted by.
fn countable(by: &Value) -> Result<FieldId, Fault> {
    let is_countable = |kind: Kind| matches!(kind, Kind::Date | Kind::Keyword | Kind::Text);
    let schema = Schema::tweet();
    let found = by.as_str().and_then(|name| schema.find(name)).filter(|&field| is_countable(schema.field(field).kind));
    found.ok_or_else(|| {
        let fields = schema.iter().filter(|(_, field)| is_countable(field.kind));
        let names = fields.map(|(_, field)| field.name.as_str()).collect::<Vec<_>>();
        Fault::field("by", &format!("must be the name of a date, of words or of keywords: {}", names.join(", ")))
    })
}

/// Reads a text frame. The `ref` is there even when the command is wrong, so that the error can carry it.
pub(crate) fn parse(frame: &str, paging: Paging) -> (Option<Ref>, Result<Command, Fault>) {
    let bad_frame = |message: String| (None, Err(Fault::new(Code::BadFrame, message)));
    let parts = match serde_json::from_str::<Vec<&RawValue>>(frame) {
        Ok(parts) => parts,
        Err(error) if error.is_data() => return bad_frame(SHAPE.to_owned()),
        Err(error) => return bad_frame(format!("a frame must be JSON: {error}")),
    };
    let (event, payload, reference) = match parts.as_slice() {
        [event] => (*event, None, None),
        [event, payload] => (*event, Some(*payload), None),
        [event, payload, reference] => (*event, Some(*payload), Some(*reference)),
        _ => return bad_frame(format!("{SHAPE}, not an array of {}", parts.len())),
    };
    let reference = match reference.map(RawValue::get) {
        None | Some("null") => None,
        Some(text) if text.len() > MAX_REF_BYTES => {
            return bad_frame(format!("the ref must be no longer than {MAX_REF_BYTES} bytes"));
        }
        Some(text) if text.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit()) => {
            Some(Ref(text.into()))
        }
        Some(_) => return bad_frame("the ref must be a string or a number".to_owned()),
    };
    let Ok(event) = serde_json::from_str::<String>(event.get()) else {
        let fault = Fault::new(Code::BadFrame, format!("{SHAPE}; the event must be a string"));
        return (reference, Err(fault));
    };
    let payload = payload.map_or(Ok(Value::Null), |payload| serde_json::from_str(payload.get()));
    let command = match payload {
        Ok(payload) => command(&event, payload, paging),
        Err(error) => Err(Fault::new(Code::BadPayload, format!("the payload can't be read: {error}"))),
    };
    (reference, command)
}

/// What every frame is.
const SHAPE: &str = "a frame must be [event, payload] or [event, payload, ref]";

/// Reads the payload of a command, whatever frame it came in.
pub(crate) fn command(event: &str, payload: Value, paging: Paging) -> Result<Command, Fault> {
    let Some(kind) = CommandKind::of_event(event) else {
        let there_is = CommandKind::events().collect::<Vec<_>>().join(", ");
        return Err(Fault::new(
            Code::BadEvent,
            format!("there is no event {:?} (there is: {there_is})", shorten(event)),
        ));
    };
    let mut fields = Fields::of_payload(kind.event(), payload)?;
    let command = match kind {
        CommandKind::Percolate => Command::Percolate(PercolateCommand {
            query: QueryForm::read("query", fields.required("query")?)?,
            name: fields.name("name")?,
            since: fields.seq("since")?,
            epoch: fields.epoch("epoch")?,
        }),
        CommandKind::Auth => match fields.required("token")? {
            Value::String(token) => Command::Auth(Token(token)),
            _ => return Err(Fault::field("token", "must be a string")),
        },
        CommandKind::Unpercolate => Command::Unpercolate { name: fields.name("name")? },
        CommandKind::Query => return QueryCommand::read(fields, "query", paging).map(Command::Query),
        CommandKind::Publish => Command::Publish(PublishCommand {
            text: fields.text("text", MAX_TEXT_CHARS)?.ok_or_else(|| Fault::field("text", "is missing"))?,
            lang: fields.text("lang", MAX_LANG_CHARS)?,
            coordinates: fields.point("coordinates")?,
        }),
        CommandKind::Aggregate => return AggregateCommand::read(fields).map(Command::Aggregate),
        CommandKind::Missing => {
            let id = fields.id("id_str")?.ok_or_else(|| Fault::field("id_str", "is missing"))?;
            Command::Missing { id }
        }
        CommandKind::Ping => Command::Ping,
        CommandKind::UsersCount => Command::UsersCount,
        CommandKind::TotalTweetCount => Command::TotalTweetCount,
    };
    fields.finish()?;
    Ok(command)
}

/// `[event, payload]`, or with the `ref` behind, of a payload that is JSON already.
fn frame(event: &str, payload: &str, reference: Option<&Ref>) -> String {
    let reference = reference.map(|reference| &*reference.0);
    let mut frame = String::with_capacity(event.len() + payload.len() + reference.map_or(0, str::len) + 8);
    // No event needs escaping.
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

/// What a client must keep to, in `hello`.
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

/// The payload of `tweet/prev-chunk`: `next` is a string, since JavaScript can't hold every id.
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

/// The payload of `aggregate/ok`: starts of intervals and terms are both called keys.
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
pub(crate) fn error_payload(fault: &Fault) -> String {
    json(fault)
}

pub(crate) fn error(fault: &Fault, reference: Option<&Ref>) -> String {
    frame(event::ERROR, &error_payload(fault), reference)
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

#[cfg(test)]
mod tests;
