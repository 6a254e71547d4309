//! `x`: posts of X that match rules, from the filtered stream of API v2.
//!
//! A run of the source is one connection. X does not say where a stream was interrupted, and sends
//! the missed posts again only for projects with backfill. So the cursor is the time of the last
//! line, and what lies between it and the next connection is a gap.

mod rules;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use self::rules::Rules;
use super::feed::{Connection, DocReader, Feed, Progress};
use super::http::{HttpClient, Token, host_of, is_web_page, reason_in, refused_with};
use super::line_reader::LineReader;
use super::recent::RecentSet;
use super::retry::{SourceBackoff, has_backoff};
use super::{Source, SourceContext, SourceKind};
use crate::config::{self, ConfigError};
use crate::format;
use crate::tweet::json::{Json, Value};

/// The row of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "x",
    about: "posts of X that match rules, from the filtered stream of API v2; X bills each post",
    example: r#"
type = "x"
# A file with the bearer token of an app.
token_file = "x.token"
# Which posts; the syntax is X's. perch adds them at X, and deletes those that stand here no more.
rules = ["birds lang:en -is:retweet", "from:perch has:images"]
# The tag of perch's rules at X. Rules with another tag stay as they are.
tag = "perch"
# After an interruption X sends again what it sent in this many minutes, for projects that may: 0 to 5.
backfill_minutes = 0
url = "https://api.x.com"
"#,
    build,
};

/// X sends an empty line every 20 s at the latest; the rest is for the network.
const MAX_SILENCE: Duration = Duration::from_secs(25);

/// A line has a post with those that it refers to, and their authors.
const LINE_FACTOR: usize = 8;

/// The longest time that X sends again.
const MAX_BACKFILL_MINUTES: u64 = 5;

/// The least posts that are known when they come again.
const MAX_SEEN: usize = 100_000;

/// What X asks for when a connection breaks off.
const NETWORK_BACKOFF: SourceBackoff =
    SourceBackoff::Linear { step: Duration::from_millis(250), longest: Duration::from_secs(16) };
/// What X asks for after an error over HTTP.
const HTTP_BACKOFF: SourceBackoff =
    SourceBackoff::Exponential { first: Duration::from_secs(5), longest: Duration::from_secs(320) };
/// What X asks for after status 429. Its limits are for 15 minutes.
const TOO_MANY_BACKOFF: SourceBackoff =
    SourceBackoff::Exponential { first: Duration::from_secs(60), longest: Duration::from_secs(960) };

/// What the format reads.
const FIELDS: &[(&str, &str)] = &[
    (
        "tweet.fields",
        "attachments,author_id,conversation_id,created_at,edit_history_tweet_ids,entities,geo,id,in_reply_to_user_id,\
         lang,note_tweet,possibly_sensitive,public_metrics,referenced_tweets,text",
    ),
    (
        "expansions",
        "attachments.media_keys,attachments.poll_ids,author_id,geo.place_id,in_reply_to_user_id,referenced_tweets.id,\
         referenced_tweets.id.attachments.media_keys,referenced_tweets.id.author_id",
    ),
    ("user.fields", "description,id,name,profile_image_url,public_metrics,username,verified"),
    ("media.fields", "alt_text,media_key,preview_image_url,type,url"),
    ("poll.fields", "id,options"),
    ("place.fields", "country_code,full_name,id,name"),
];

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct XOptions {
    token_file: PathBuf,
    rules: Vec<String>,
    tag: String,
    backfill_minutes: u64,
    url: String,
}

impl Default for XOptions {
    fn default() -> XOptions {
        XOptions {
            token_file: PathBuf::new(),
            rules: Vec::new(),
            tag: "perch".to_owned(),
            backfill_minutes: 0,
            url: "https://api.x.com".to_owned(),
        }
    }
}

fn build(table: toml::Table) -> Result<Box<dyn Source>, Vec<ConfigError>> {
    let XOptions { token_file, rules, tag, backfill_minutes, url } = config::read(table)?;
    let mut errors = Vec::new();
    let address = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if address.is_none() {
        let message = format!("expected an address such as https://api.x.com, found {url:?}");
        errors.push(ConfigError::new("url", message));
    }
    if token_file.as_os_str().is_empty() {
        errors.push(ConfigError::new("token_file", "is missing: a file with the bearer token of an app"));
    }
    let rules: Vec<String> = rules.iter().map(|rule| rule.trim().to_owned()).collect();
    if rules.is_empty() {
        errors.push(ConfigError::new("rules", "is missing: at least one rule that says which posts X sends"));
    }
    for at in rules.iter().enumerate().filter(|(_, rule)| rule.is_empty()).map(|(at, _)| at) {
        errors.push(ConfigError::new(format!("rules[{at}]"), "expected a rule, found an empty text"));
    }
    if tag.trim().is_empty() {
        errors.push(ConfigError::new("tag", "expected a text: rules without a tag are not perch's"));
    }
    if backfill_minutes > MAX_BACKFILL_MINUTES {
        let message = format!("expected at most {MAX_BACKFILL_MINUTES}, found {backfill_minutes}");
        errors.push(ConfigError::new("backfill_minutes", message));
    }
    if let (Some(url), []) = (address, &*errors) {
        return Ok(Box::new(XSource {
            url,
            token_file,
            rules: rules.into_iter().collect(),
            tag,
            backfill: Duration::from_secs(backfill_minutes * 60),
            is_warned: AtomicBool::new(false),
            memory: Mutex::new(Memory { heard_ms: None, seen: RecentSet::new(MAX_SEEN) }),
        }));
    }
    Err(errors)
}

struct XSource {
    url: Url,
    token_file: PathBuf,
    rules: BTreeSet<String>,
    tag: String,
    backfill: Duration,
    /// Whether the price was named in the log.
    is_warned: AtomicBool,
    memory: Mutex<Memory>,
}

/// What outlives a connection.
struct Memory {
    /// When the last line came, in milliseconds since 1970.
    heard_ms: Option<i64>,
    /// Posts that were read.
    seen: RecentSet,
}

/// How far the source has come, as JSON the value of its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// When the last line came, in milliseconds since 1970.
    heard_ms: i64,
}

impl XSource {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A poisoned lock guards a valid value: at worst one post is read twice.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of the cursor. Sources of different rules have different ones.
    fn key(&self) -> Arc<str> {
        let rules: Vec<&str> = self.rules.iter().map(String::as_str).collect();
        format!("x:{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, rules.join("\n").as_bytes())).into()
    }

    /// The address of an interface of the API.
    fn endpoint(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }

    async fn run_once(&self, context: &SourceContext) -> anyhow::Result<()> {
        if !self.is_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(source = context.name, "X bills each post that it sends; see docs/SOURCES.md");
        }
        let http = HttpClient::new(&self.url, Some(Token::of_file(&self.token_file)?))?;
        let kind = format::find("x-api-v2").context("the format x-api-v2")?;
        let mut feed = Feed::new(context, kind, self.key()).with_early_commits();
        let position: Option<Position> = feed.cursor().and_then(|cursor| serde_json::from_str(cursor).ok());
        let heard_ms = position.map(|position| position.heard_ms).max(self.memory().heard_ms);
        let connecting = async {
            let rules = Rules { http: &http, url: self.endpoint("/2/tweets/search/stream/rules"), tag: &self.tag };
            rules.keep_in_step(&self.rules, &context.name).await?;
            let mut url = self.endpoint("/2/tweets/search/stream");
            url.query_pairs_mut().extend_pairs(FIELDS);
            if heard_ms.is_some() && !self.backfill.is_zero() {
                let minutes = self.backfill.as_secs() / 60;
                url.query_pairs_mut().append_pair("backfill_minutes", &minutes.to_string());
            }
            http.get(&url, "a stream").await
        };
        let Some(response) = context.shutdown.run_until_cancelled(connecting).await else { return Ok(()) };
        let response = response?;
        let host = host_of(&self.url);
        if is_web_page(response.headers()) {
            return Err(HTTP_BACKOFF.of(&anyhow!("{host} answers with a web page, not with a stream")));
        }
        tracing::info!(source = context.name, host, "connected");
        if let Some(heard_ms) = heard_ms {
            self.report_gap(context, heard_ms);
        }
        let max_bytes = context.max_line_bytes.saturating_mul(LINE_FACTOR);
        let lines = LineReader::new(response, host, max_bytes, MAX_SILENCE);
        let pumped = feed.pump(&mut FilteredStream { source: self, lines, lag: None }).await;
        if feed.has_lost() {
            self.memory().seen.clear();
        }
        pumped
    }

    /// Reports what X does not send again.
    fn report_gap(&self, context: &SourceContext, heard_ms: i64) {
        let now = Timestamp::now();
        let sent_again = now.checked_sub(self.backfill).unwrap_or(now);
        let Ok(heard) = Timestamp::from_millisecond(heard_ms) else { return };
        if heard < sent_again {
            let (host, from, to) = (host_of(&self.url), heard.strftime("%FT%TZ"), sent_again.strftime("%FT%TZ"));
            context.report_gap(format!("{host} does not send again what it sent from {from} to {to}"));
        }
    }
}

impl Source for XSource {
    fn run(&self, context: SourceContext) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async move { self.run_once(&context).await.map_err(paced) })
    }
}

/// The error with the backoff that X asks for.
fn paced(error: anyhow::Error) -> anyhow::Error {
    match refused_with(&error) {
        _ if has_backoff(&error) => error,
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => SourceBackoff::SLOW.of(&error),
        Some(StatusCode::TOO_MANY_REQUESTS) => TOO_MANY_BACKOFF.of(&error),
        Some(_) => HTTP_BACKOFF.of(&error),
        None => NETWORK_BACKOFF.of(&error),
    }
}

/// An open stream.
struct FilteredStream<'a> {
    source: &'a XSource,
    lines: LineReader,
    lag: Option<Duration>,
}

impl Connection for FilteredStream<'_> {
    async fn next(&mut self) -> anyhow::Result<Option<String>> {
        let line = self.lines.next().await?;
        self.source.memory().heard_ms = Some(Timestamp::now().as_millisecond());
        if line.is_empty() {
            return Ok(None);
        }
        match error_in(&line) {
            Some(error) => Err(error.context(format!("{} ends the stream", host_of(&self.source.url)))),
            None => Ok(Some(line)),
        }
    }

    fn read(&mut self, line: Value<'_>, reader: &mut DocReader<'_>) {
        let text = |key| line.path(&["data", key]).and_then(Value::str);
        if let Some(Ok(created)) = text("created_at").map(|created| created.parse::<Timestamp>()) {
            self.lag = Some(Duration::try_from(Timestamp::now().duration_since(created)).unwrap_or_default());
        }
        let is_new = text("id").is_none_or(|id| self.source.memory().seen.insert(&*id));
        if is_new {
            reader.read(line, |_| {});
        }
    }

    fn progress(&self) -> Progress {
        let position = self.source.memory().heard_ms.map(|heard_ms| Position { heard_ms });
        let cursor = position.and_then(|position| serde_json::to_string(&position).ok()).map(Arc::from);
        Progress { cursor, lag: self.lag }
    }
}

/// The error of a line with which X ends a stream.
fn error_in(line: &str) -> Option<anyhow::Error> {
    let json = Json::parse(line).ok().filter(|_| line.contains("\"errors\""))?;
    let root = json.root();
    let errors = root.get("errors").filter(|errors| errors.is_array() && root.get("data").is_none())?;
    let reason = reason_in(line.as_bytes()).unwrap_or_else(|| "without a reason".to_owned());
    let is_connection = |error: Value<'_>| error.get("connection_issue").is_some();
    let backoff = if errors.items().any(is_connection) { TOO_MANY_BACKOFF } else { NETWORK_BACKOFF };
    Some(backoff.of(&anyhow!(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_errors_ends_the_stream_and_a_post_with_some_does_not() {
        let message = |line| error_in(line).map(|error| error.to_string());
        let disconnect = r#"{"errors": [{"title": "operational-disconnect", "detail": "upstream"}]}"#;
        assert_eq!(message(disconnect).as_deref(), Some("upstream"));
        assert_eq!(message(r#"{"data": {"id": "1", "text": "a"}, "errors": [{"detail": "no user"}]}"#), None);
        assert_eq!(message(r#"{"data": {"id": "1", "text": "about \"errors\""}}"#), None);
        assert_eq!(message("{broken \"errors\""), None);
    }
}
