//! `bluesky`: posts of Bluesky as they are written, from Jetstream.
//!
//! A run of the source is one connection to one host; the next run takes the next host. The cursor
//! is the time that the host gave to the last event. After an interruption perch asks for some
//! seconds more, and drops the events that it has read before ([`SeenEvents`]). Hosts give
//! different times to the same event, so the seconds also cover the change to another host.

mod seen;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use self::seen::SeenEvents;
use super::feed::{Connection, DocReader, Feed, Progress};
use super::recent::RecentMap;
use super::websocket::{Frame, WebSocket};
use super::{Source, SourceContext, SourceKind};
use crate::config::{self, ConfigError};
use crate::format;
use crate::tweet::Tweet;
use crate::tweet::json::Value;

/// The row of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "bluesky",
    about: "posts of Bluesky as they are written, from Jetstream; needs no account",
    example: r#"
type = "bluesky"
# Servers, tried in turn. Without a scheme it is wss://.
hosts = ["jetstream1.us-east.bsky.network", "jetstream2.us-west.bsky.network"]
# Only posts of these accounts; left out, all posts.
# dids = ["did:plc:z72i7hdynmk6r22z27h6tvur"]
# After an interruption perch asks for this much more, in seconds, and drops what it has.
rewind_seconds = 5
# Compressed frames: half the traffic.
compress = true
"#,
    build,
};

const POST: &str = "app.bsky.feed.post";

/// The most accounts that Jetstream accepts.
const MAX_DIDS: usize = 10_000;

/// The least handles that are kept. Posts carry only the DID.
const MAX_HANDLES: usize = 100_000;

/// The longest rewind. Every event of the time is kept in memory.
const MAX_REWIND_SECONDS: u64 = 300;

/// A gap is reported if the first event is this much later than the one asked for.
const GAP: Duration = Duration::from_secs(60);

/// With `dids` there may be no event for long. Jetstream keeps events for a day.
const GAP_OF_FEW: Duration = Duration::from_secs(24 * 3_600);

/// The dictionary with which Jetstream compresses.
const DICTIONARY: &[u8] = include_bytes!("bluesky/jetstream.dict");

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BlueskyOptions {
    hosts: Vec<String>,
    dids: Vec<String>,
    rewind_seconds: u64,
    compress: bool,
}

impl Default for BlueskyOptions {
    fn default() -> BlueskyOptions {
        let hosts = ["jetstream1.us-east", "jetstream2.us-east", "jetstream1.us-west", "jetstream2.us-west"];
        BlueskyOptions {
            hosts: hosts.into_iter().map(|host| format!("{host}.bsky.network")).collect(),
            dids: Vec::new(),
            rewind_seconds: 5,
            compress: true,
        }
    }
}

fn build(table: toml::Table) -> Result<Box<dyn Source>, Vec<ConfigError>> {
    let BlueskyOptions { hosts, dids, rewind_seconds, compress } = config::read(table)?;
    let mut errors = Vec::new();
    let mut urls = Vec::new();
    for (at, host) in hosts.iter().enumerate() {
        match subscription_url(host) {
            Some(url) => urls.push(url),
            None => errors.push(ConfigError::new(
                format!("hosts[{at}]"),
                format!("expected a host such as jetstream1.us-east.bsky.network, or a ws:// or wss:// address, found {host:?}"),
            )),
        }
    }
    if hosts.is_empty() {
        errors.push(ConfigError::new("hosts", "expected at least one host"));
    }
    for (at, did) in dids.iter().enumerate().filter(|(_, did)| !did.starts_with("did:")) {
        errors
            .push(ConfigError::new(format!("dids[{at}]"), format!("expected a DID such as did:plc:…, found {did:?}")));
    }
    if dids.len() > MAX_DIDS {
        let message = format!("expected at most {MAX_DIDS} accounts, found {}", dids.len());
        errors.push(ConfigError::new("dids", message));
    }
    if rewind_seconds > MAX_REWIND_SECONDS {
        let message = format!("expected at most {MAX_REWIND_SECONDS}, found {rewind_seconds}");
        errors.push(ConfigError::new("rewind_seconds", message));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let rewind = Duration::from_secs(rewind_seconds);
    Ok(Box::new(BlueskySource {
        urls,
        dids,
        rewind,
        compress,
        next_host: AtomicUsize::new(0),
        memory: Mutex::new(Memory { handles: RecentMap::new(MAX_HANDLES), seen: SeenEvents::new(rewind) }),
    }))
}

/// The address of a host's stream.
fn subscription_url(host: &str) -> Option<Url> {
    let address = if host.contains("://") { host.to_owned() } else { format!("wss://{host}") };
    let mut url = Url::parse(&address).ok()?;
    if !matches!(url.scheme(), "ws" | "wss") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    if url.path() == "/" {
        url.set_path("/subscribe");
    }
    Some(url)
}

struct BlueskySource {
    urls: Vec<Url>,
    dids: Vec<String>,
    rewind: Duration,
    compress: bool,
    /// The number of the host of the next run.
    next_host: AtomicUsize,
    memory: Mutex<Memory>,
}

/// What outlives a connection.
struct Memory {
    /// The handles of accounts by DID, as identity events tell them.
    handles: RecentMap,
    seen: SeenEvents,
}

/// How far the source has come, as JSON the value of its cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The time of the last event, in microseconds since 1970, by the clock of the host.
    time_us: u64,
    host: String,
}

impl BlueskySource {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A poisoned lock guards a valid value: at worst one event is read twice.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of the cursor. Sources of different accounts have different ones.
    fn key(&self) -> Arc<str> {
        if self.dids.is_empty() {
            return "bluesky".into();
        }
        format!("bluesky:{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, self.dids.join(" ").as_bytes())).into()
    }

    /// The address with its parameters.
    fn url(&self, host: &Url, from_us: Option<u64>, max_bytes: usize) -> Url {
        let mut url = host.clone();
        let mut parameters = url.query_pairs_mut();
        parameters.append_pair("wantedCollections", POST);
        parameters.append_pair("maxMessageSizeBytes", &max_bytes.to_string());
        if self.compress {
            parameters.append_pair("compress", "true");
        }
        if let Some(from_us) = from_us {
            parameters.append_pair("cursor", &from_us.to_string());
        }
        if !self.dids.is_empty() {
            // An address can't hold ten thousand accounts.
            parameters.append_pair("requireHello", "true");
        }
        drop(parameters);
        url
    }

    async fn run_once(&self, context: SourceContext) -> anyhow::Result<()> {
        let host = &self.urls[self.next_host.load(Ordering::Relaxed) % self.urls.len()];
        let name = authority(host);
        let kind = format::find("bluesky").context("the format bluesky")?;
        let mut feed = Feed::new(&context, kind, self.key());
        let position: Option<Position> = feed.cursor().and_then(|cursor| serde_json::from_str(cursor).ok());
        self.memory().seen.go_back_to(position.as_ref(), &name);
        let rewind_us = u64::try_from(self.rewind.as_micros()).unwrap_or(u64::MAX);
        let from_us = position.as_ref().map(|position| position.time_us.saturating_sub(rewind_us));
        let url = self.url(host, from_us, context.max_line_bytes);
        let connecting = WebSocket::connect(&url, None, max_frame_bytes(&context));
        let Some(socket) = context.shutdown.run_until_cancelled(connecting).await else { return Ok(()) };
        let mut socket = socket?;
        if !self.dids.is_empty() {
            let options = json!({
                "wantedCollections": [POST],
                "wantedDids": self.dids,
                "maxMessageSizeBytes": context.max_line_bytes,
            });
            socket.send(json!({"type": "options_update", "payload": options}).to_string()).await?;
        }
        tracing::info!(source = context.name, host = name, from_us, "connected");
        let durable_us = position.filter(|position| position.host == name).map(|position| position.time_us);
        let decompressor =
            if self.compress { Some(zstd::bulk::Decompressor::with_dictionary(DICTIONARY)?) } else { None };
        let mut jetstream = Jetstream {
            source: self,
            context: &context,
            socket,
            decompressor,
            host: name,
            asked_us: from_us,
            newest_us: durable_us,
            lag: None,
        };
        feed.pump(&mut jetstream).await
    }
}

impl Source for BlueskySource {
    fn run(&self, context: SourceContext) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async move {
            let ended = self.run_once(context).await;
            if ended.is_err() {
                self.next_host.fetch_add(1, Ordering::Relaxed);
            }
            ended
        })
    }
}

/// The longest frame. perch asks the server for less, and refuses what is between.
fn max_frame_bytes(context: &SourceContext) -> usize {
    context.max_line_bytes.saturating_mul(4)
}

/// Host and port, as the cursor names them.
fn authority(url: &Url) -> String {
    url[url::Position::BeforeHost..url::Position::AfterPort].to_owned()
}

/// An open connection.
struct Jetstream<'a> {
    source: &'a BlueskySource,
    context: &'a SourceContext,
    socket: WebSocket,
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
    host: String,
    /// The time that the server was asked for, until the first event.
    asked_us: Option<u64>,
    /// The latest time of an event by the clock of this host.
    newest_us: Option<u64>,
    lag: Option<Duration>,
}

impl Connection for Jetstream<'_> {
    async fn next(&mut self) -> anyhow::Result<Option<String>> {
        let text = match self.socket.next().await? {
            Frame::Text(text) => text,
            Frame::Binary(bytes) => {
                let Some(decompressor) = &mut self.decompressor else {
                    bail!("{} sends compressed frames that perch did not ask for", self.host);
                };
                let max_bytes = max_frame_bytes(self.context);
                let capacity = zstd::bulk::Decompressor::upper_bound(&bytes).unwrap_or(max_bytes).min(max_bytes);
                let text = decompressor
                    .decompress(&bytes, capacity)
                    .with_context(|| format!("{} sends a frame that can't be decompressed", self.host))?;
                String::from_utf8(text).with_context(|| format!("{} sends a frame that is no text", self.host))?
            }
        };
        Ok(Some(text))
    }

    fn read(&mut self, event: Value<'_>, reader: &mut DocReader<'_>) {
        let Some(time_us) = event.get("time_us").and_then(|time| time.raw().parse::<u64>().ok()) else {
            return reader.refuse("no_tweet", "an event without time_us");
        };
        if let Some(asked_us) = self.asked_us.take() {
            self.check_gap(asked_us, time_us);
        }
        // The rewind does not move the cursor back.
        self.newest_us = self.newest_us.max(Some(time_us));
        let now_us = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
        self.lag = Some(Duration::from_micros(now_us.saturating_sub(time_us)));
        let mut memory = self.source.memory();
        let Memory { handles, seen } = &mut *memory;
        if !seen.is_new(time_us, event) {
            return;
        }
        if let Some(identity) = event.get("identity") {
            let text = |key| identity.get(key).and_then(Value::str);
            if let (Some(did), Some(handle)) = (text("did"), text("handle")) {
                handles.insert(&did, &handle);
            }
        }
        reader.read(event, |tweet| name_accounts(tweet, handles));
    }

    fn progress(&self) -> Progress {
        let position = self.newest_us.map(|time_us| Position { time_us, host: self.host.clone() });
        let cursor = position.and_then(|position| serde_json::to_string(&position).ok()).map(Arc::from);
        Progress { cursor, lag: self.lag }
    }
}

impl Jetstream<'_> {
    /// Reports events that the server no longer has: it then begins with the oldest that it has.
    fn check_gap(&self, asked_us: u64, first_us: u64) {
        let missing = Duration::from_micros(first_us.saturating_sub(asked_us));
        let limit = if self.source.dids.is_empty() { GAP } else { GAP_OF_FEW };
        if missing > limit {
            let time = |us: u64| i64::try_from(us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
            let time = |us| time(us).map_or_else(|| us.to_string(), |time| time.strftime("%FT%TZ").to_string());
            let (from, to) = (time(asked_us), time(first_us));
            self.context.report_gap(format!("{} has no events from {from} to {to}", self.host));
        }
    }
}

/// Puts known handles in the place of DIDs.
fn name_accounts(tweet: &mut Tweet, handles: &mut RecentMap) {
    if let Some(handle) = handles.get(&tweet.user.screen_name) {
        tweet.user.screen_name = handle;
    }
    if let Some(name) = &mut tweet.in_reply_to_screen_name
        && let Some(handle) = handles.get(name)
    {
        *name = handle;
    }
}
