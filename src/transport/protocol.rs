//! The event protocol: commands of clients are read here, frames of perch are written by `frames`.
//!
//! ```text
//! text frame ──parse──> Command ──(session)──> frames ──> text frame
//! ```
//!
//! Pure: no socket, no clock.

mod command_kind;
mod frames;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::LimitsSection;
use crate::live::{
    AggregateCommand, Command, CommandRef, MAX_PUBLISHED_CHARS, MAX_TEXT_BYTES, MAX_TEXTS, PageCommand,
    PercolateCommand, PublishCommand, QueryInput, QuerySource, SearchCommand, Token,
};
use crate::schema::{FieldId, Kind, Schema};
use crate::telemetry;

use super::errors::{ApiError, Code, shorten};
use super::params::Params;
use command_kind::CommandKind;
pub(crate) use frames::{
    HelloLimits, aggregate_payload, error_payload, frame, hello, hello_payload, notice, page_payload, pushed,
    pushed_event, pushed_payload, reply, total_tweet_count, users_count,
};

/// The names of events. `docs/PROTOCOL.md` describes each, as a test checks.
pub(crate) mod event {
    pub(crate) const AUTH: &str = "cmd/auth";
    pub(crate) const PERCOLATE: &str = "cmd/percolate";
    pub(crate) const UNPERCOLATE: &str = "cmd/unpercolate";
    pub(crate) const QUERY: &str = "cmd/query";
    pub(crate) const MISSING: &str = "cmd/missing";
    pub(crate) const AGGREGATE: &str = "cmd/aggregate";
    pub(crate) const ANALYZE: &str = "cmd/analyze";
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
    pub(crate) const ANALYZE_OK: &str = "analyze/ok";
    pub(crate) const PUBLISH_OK: &str = "publish/ok";
    pub(crate) const PONG: &str = "pong";
    pub(crate) const TWEET_NEW: &str = "tweet/new";
    pub(crate) const TWEET_GONE: &str = "tweet/gone";
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
        ANALYZE_OK,
        PUBLISH_OK,
        PONG,
        TWEET_NEW,
        TWEET_GONE,
        USERS_COUNT,
        TOTAL_TWEET_COUNT,
        CATCHING_UP,
        LIVE,
        LIMITED,
        ERROR,
    ];
}

/// The default number of tweets of a page of history.
pub(crate) const DEFAULT_PAGE: usize = 50;

/// The default number of buckets of an aggregation.
pub(crate) const DEFAULT_BUCKETS: usize = 50;

/// The largest number of buckets of an aggregation.
pub(crate) const MAX_BUCKETS: usize = 1_000;

/// The limits of paging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    /// The most tweets of a page.
    pub(crate) max_page: usize,
    /// The deepest position, counted from the first tweet, at which a page may end.
    pub(crate) max_depth: usize,
}

impl From<&LimitsSection> for Paging {
    fn from(limits: &LimitsSection) -> Paging {
        Paging { max_page: limits.max_page, max_depth: limits.max_search_depth }
    }
}

/// The longest language code.
const MAX_LANG_CHARS: usize = 8;

/// The longest `ref`, in bytes.
const MAX_REF_BYTES: usize = 128;

/// The `ref` of a command: a JSON string or number, which comes back with the answer as it was
/// written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ref(Box<str>);

impl CommandRef for Option<Ref> {}

/// How the query of a search is read: from the fields of a frame, or from those of a request.
pub(crate) type ReadQuery = fn(&mut Params) -> Result<QuerySource, ApiError>;

/// Reads a request for a page of history.
pub(crate) fn page(mut fields: Params, read_query: ReadQuery, paging: Paging) -> Result<PageCommand, ApiError> {
    fields.rename_in_body("size", "n");
    let command = PageCommand {
        n: fields.count("n", DEFAULT_PAGE.min(paging.max_page), 0..=paging.max_page)?,
        from: fields.count("from", 0, 0..=paging.max_depth)?,
        before_id: fields.page_key("before_id")?,
        until_seq: fields.seq("until_seq")?,
        sort: fields.sort("sort")?,
        watermark_of: None,
        query: read_query(&mut fields)?,
    };
    fields.finish()?;
    let max = paging.max_depth;
    if command.from + command.n > max {
        telemetry::turned_away("search_depth");
        let expected = format!("and `n` together must be at most {max}; `before_id` goes any distance back");
        return Err(ApiError::field("from", &expected));
    }
    Ok(command)
}

/// Reads a request for the distribution of matches over a field.
pub(crate) fn aggregate(mut fields: Params, read_query: ReadQuery) -> Result<AggregateCommand, ApiError> {
    let command = AggregateCommand {
        by: fields.required("by").and_then(|by| countable(&by))?,
        n: fields.count("n", DEFAULT_BUCKETS, 1..=MAX_BUCKETS)?,
        until_seq: fields.seq("until_seq")?,
        query: read_query(&mut fields)?,
    };
    fields.finish()?;
    Ok(command)
}

/// The query of a request over HTTP.
pub(crate) fn request_query(fields: &mut Params) -> Result<QuerySource, ApiError> {
    fields.query().map(QuerySource::Input)
}

/// The query of a search: in full, or as the id of a subscription's query.
fn query_or_id(fields: &mut Params) -> Result<QuerySource, ApiError> {
    match fields.query_id("query_id")? {
        None => query_source(fields, "query"),
        Some(_) if fields.optional("query").is_some() => Err(ApiError::field("query_id", "can't stand beside `query`")),
        Some(id) => Ok(QuerySource::Subscribed(id)),
    }
}

fn query_source(fields: &mut Params, field: &'static str) -> Result<QuerySource, ApiError> {
    QueryInput::read(field, fields.required(field)?).map(QuerySource::Input)
}

/// Whether tweets can be counted by a field of this kind.
fn is_countable(kind: Kind) -> bool {
    matches!(kind, Kind::Date | Kind::Keyword | Kind::Text)
}

/// The fields that tweets can be counted by.
pub(crate) fn countable_names() -> Vec<&'static str> {
    let fields = Schema::tweet().iter().filter(|(_, field)| is_countable(field.kind));
    fields.map(|(_, field)| field.name.as_str()).collect()
}

/// The field of an aggregation, if tweets can be counted by it.
fn countable(by: &Value) -> Result<FieldId, ApiError> {
    let schema = Schema::tweet();
    let found = by.as_str().and_then(|name| schema.find(name)).filter(|&field| is_countable(schema.field(field).kind));
    found.ok_or_else(|| {
        let names = countable_names().join(", ");
        ApiError::field("by", &format!("must be the name of a date, of words or of keywords: {names}"))
    })
}

/// Reads a text frame. Returns the `ref` also of a wrong command, so that the error can carry it.
pub(crate) fn parse(frame: &str, paging: Paging) -> (Option<Ref>, Result<Command, ApiError>) {
    let bad_frame = |message: String| (None, Err(ApiError::new(Code::BadFrame, message)));
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
        let error = ApiError::new(Code::BadFrame, format!("{SHAPE}; the event must be a string"));
        return (reference, Err(error));
    };
    let payload = payload.map_or(Ok(Value::Null), |payload| serde_json::from_str(payload.get()));
    let command = match payload {
        Ok(payload) => command(&event, payload, paging),
        Err(error) => Err(ApiError::new(Code::BadPayload, format!("the payload can't be read: {error}"))),
    };
    (reference, command)
}

/// The form of every frame, for messages.
const SHAPE: &str = "a frame must be [event, payload] or [event, payload, ref]";

/// Reads the payload of a command, whatever transport it came by.
pub(crate) fn command(event: &str, payload: Value, paging: Paging) -> Result<Command, ApiError> {
    let Some(kind) = CommandKind::of_event(event) else {
        let there_is = CommandKind::events().collect::<Vec<_>>().join(", ");
        return Err(ApiError::new(
            Code::BadEvent,
            format!("there is no event {:?} (there is: {there_is})", shorten(event)),
        ));
    };
    let mut fields = Params::of_payload(kind.event(), payload)?;
    let command = match kind {
        CommandKind::Percolate => Command::Percolate(PercolateCommand {
            query: query_source(&mut fields, "query")?,
            name: fields.name("name")?,
            since: fields.seq("since")?,
            epoch: fields.epoch("epoch")?,
        }),
        CommandKind::Auth => match fields.required("token")? {
            Value::String(token) => Command::Auth(Token(token)),
            _ => return Err(ApiError::field("token", "must be a string")),
        },
        CommandKind::Unpercolate => Command::Unpercolate(fields.name("name")?),
        CommandKind::Query => {
            return page(fields, query_or_id, paging).map(|page| Command::Search(SearchCommand::Page(page)));
        }
        CommandKind::Publish => Command::Publish(PublishCommand {
            text: fields.text("text", MAX_PUBLISHED_CHARS)?.ok_or_else(|| ApiError::field("text", "is missing"))?,
            lang: fields.text("lang", MAX_LANG_CHARS)?,
            coordinates: fields.point("coordinates")?,
        }),
        CommandKind::Aggregate => {
            return aggregate(fields, query_or_id)
                .map(|aggregate| Command::Search(SearchCommand::Aggregate(aggregate)));
        }
        CommandKind::Missing => {
            let id_str = fields.id_str("id_str")?.ok_or_else(|| ApiError::field("id_str", "is missing"))?;
            Command::Search(SearchCommand::Tweet(id_str))
        }
        CommandKind::Analyze => Command::Search(SearchCommand::Analyze(texts(&mut fields)?)),
        CommandKind::Ping => Command::Ping,
        CommandKind::UsersCount => Command::UsersCount,
        CommandKind::TotalTweetCount => Command::Search(SearchCommand::TotalTweetCount),
    };
    fields.finish()?;
    Ok(command)
}

/// The texts of `cmd/analyze`.
fn texts(fields: &mut Params) -> Result<Vec<String>, ApiError> {
    let wrong = || {
        let expected =
            format!("must be a list of at most {MAX_TEXTS} texts with at most {MAX_TEXT_BYTES} bytes in all");
        ApiError::field("texts", &expected)
    };
    let texts: Vec<String> = serde_json::from_value(fields.required("texts")?).map_err(|_| wrong())?;
    let bytes: usize = texts.iter().map(String::len).sum();
    if texts.len() > MAX_TEXTS || bytes > MAX_TEXT_BYTES { Err(wrong()) } else { Ok(texts) }
}

#[cfg(test)]
mod tests;
