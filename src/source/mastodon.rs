//! `mastodon`: posts of an instance as it receives them.
//!
//! A run of the source is one connection: a WebSocket for all streams, or server-sent events. After
//! an interruption perch reads what was posted since from the timelines ([`CatchUp`]), while new
//! posts come live. The cursor has an id for each stream: perch has read everything up to there.
//!
//! A deletion names the number that the instance gave to the post, and not its identity. perch
//! remembers the identities of the last posts.

mod catch_up;
mod stream_name;
mod subscription;
mod timeline;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use url::Url;
use uuid::Uuid;

use self::catch_up::{CatchUp, Progress as CatchUpProgress};
use self::stream_name::StreamName;
use self::subscription::Subscription;
use self::timeline::{PostId, Timelines};
use super::feed::{Connection, DocReader, Feed, Progress};
use super::http::{HttpClient, Token, host_of, refused_with, shortened};
use super::recent::{RecentMap, RecentSet};
use super::retry::SourceBackoff;
use super::{Source, SourceContext, SourceKind};
use crate::config::{self, ConfigError};
use crate::tweet::json::{Json, Value};
use crate::{format, telemetry};

/// The row of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "mastodon",
    about: "posts of a Mastodon instance as it receives them: public, local, or with a hashtag",
    example: r##"
type = "mastodon"
# One instance; another one has a table of its own. Without a scheme it is https://.
instance = "mastodon.social"
# A file with an access token of an account there. Most instances want one.
token_file = "mastodon.token"
# "public", "public:local", "public:remote", "#tag", "#tag:local".
streams = ["public", "#birds"]
# After an interruption perch asks for posts from this much earlier, in seconds, and drops what it
# has: posts of other instances come late.
rewind_seconds = 60
# The most posts of a stream that perch reads after an interruption.
catch_up_posts = 20_000
"##,
    build,
};

/// The most streams of a source. Each costs a request after an interruption.
const MAX_STREAMS: usize = 100;

/// The longest rewind. Posts of the time come again after a restart.
const MAX_REWIND_SECONDS: u64 = 3_600;

/// A page has up to 40 posts. It may be this many times as long as one post may be.
const PAGE_FACTOR: usize = 16;

/// The least posts whose identities are kept, for deletions.
const MAX_IDENTITIES: usize = 100_000;

/// The least versions of posts that are known when they come again.
const MAX_SEEN: usize = 200_000;

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MastodonOptions {
    instance: String,
    token_file: Option<PathBuf>,
    streams: Vec<String>,
    rewind_seconds: u64,
    catch_up_posts: usize,
}

impl Default for MastodonOptions {
    fn default() -> MastodonOptions {
        MastodonOptions {
            instance: String::new(),
            token_file: None,
            streams: vec!["public".to_owned()],
            rewind_seconds: 60,
            catch_up_posts: 20_000,
        }
    }
}

fn build(table: toml::Table) -> Result<Box<dyn Source>, Vec<ConfigError>> {
    let MastodonOptions { instance, token_file, streams, rewind_seconds, catch_up_posts } = config::read(table)?;
    let mut errors = Vec::new();
    let url = instance_url(&instance);
    if instance.is_empty() {
        errors.push(ConfigError::new("instance", "is missing: the name of an instance, such as mastodon.social"));
    } else if url.is_none() {
        let message = format!("expected the name of an instance, such as mastodon.social, found {instance:?}");
        errors.push(ConfigError::new("instance", message));
    }
    let mut names = BTreeSet::new();
    for (at, stream) in streams.iter().enumerate() {
        match StreamName::parse(stream) {
            Some(name) => drop(names.insert(name)),
            None => errors.push(ConfigError::new(
                format!("streams[{at}]"),
                format!("expected public, public:local, public:remote, #tag or #tag:local, found {stream:?}"),
            )),
        }
    }
    if streams.is_empty() || streams.len() > MAX_STREAMS {
        let message = format!("expected 1 to {MAX_STREAMS} streams, found {}", streams.len());
        errors.push(ConfigError::new("streams", message));
    }
    if rewind_seconds > MAX_REWIND_SECONDS {
        let message = format!("expected at most {MAX_REWIND_SECONDS}, found {rewind_seconds}");
        errors.push(ConfigError::new("rewind_seconds", message));
    }
    if let (Some(instance), []) = (url, &*errors) {
        let memory = Memory { identities: RecentMap::new(MAX_IDENTITIES), seen: RecentSet::new(MAX_SEEN) };
        return Ok(Box::new(MastodonSource {
            instance,
            token_file,
            streams: names.into_iter().collect(),
            rewind: Duration::from_secs(rewind_seconds),
            max_catch_up: catch_up_posts,
            memory: Mutex::new(memory),
        }));
    }
    Err(errors)
}

/// The address of an instance.
fn instance_url(instance: &str) -> Option<Url> {
    let instance = instance.trim();
    let address = if instance.contains("://") { instance.to_owned() } else { format!("https://{instance}") };
    let url = Url::parse(&address).ok()?;
    let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    (matches!(url.scheme(), "http" | "https") && has_host && is_plain).then_some(url)
}

struct MastodonSource {
    instance: Url,
    token_file: Option<PathBuf>,
    streams: Vec<StreamName>,
    rewind: Duration,
    max_catch_up: usize,
    memory: Mutex<Memory>,
}

/// What outlives a connection.
struct Memory {
    /// The identities of posts, by the numbers of the instance.
    identities: RecentMap,
    /// Versions of posts that were read: a post with two hashtags comes in two streams.
    seen: RecentSet,
}

/// How far the source has come, as JSON the value of its cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The id up to which everything was read, by the name of the stream.
    streams: BTreeMap<String, String>,
}

impl MastodonSource {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A poisoned lock guards a valid value: at worst one post is read twice.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of the cursor. Sources of different streams have different ones.
    fn key(&self) -> Arc<str> {
        let streams: Vec<String> = self.streams.iter().map(ToString::to_string).collect();
        let streams = Uuid::new_v5(&Uuid::NAMESPACE_OID, streams.join(" ").as_bytes());
        format!("mastodon:{}:{streams}", &self.instance[url::Position::BeforeHost..url::Position::AfterPort]).into()
    }

    async fn run_once(&self, context: &SourceContext) -> anyhow::Result<()> {
        let token = self.token_file.as_deref().map(Token::of_file).transpose()?;
        let kind = format::find("mastodon").context("the format mastodon")?;
        let timelines = Timelines {
            http: HttpClient::new(&self.instance, token)?,
            instance: self.instance.clone(),
            max_page_bytes: context.max_line_bytes.saturating_mul(PAGE_FACTOR),
            source: context.name.clone(),
        };
        let connecting = async {
            let url = timelines.streaming_url().await?;
            // A post is a string of JSON in the JSON of its message.
            let max_bytes = context.max_line_bytes.saturating_mul(2);
            Subscription::open(&url, &timelines.http, &self.streams, max_bytes).await
        };
        let Some(subscription) = context.shutdown.run_until_cancelled(connecting).await else { return Ok(()) };
        let subscription = subscription?;
        let mut feed = Feed::new(context, kind, self.key());
        let position: Position = feed.cursor().and_then(|cursor| serde_json::from_str(cursor).ok()).unwrap_or_default();
        tracing::info!(source = context.name, instance = host_of(&self.instance), ?position.streams, "connected");
        let states: Vec<StreamState> = self.streams.iter().map(|stream| StreamState::new(stream, &position)).collect();
        let streams = states.iter().map(|state| (state.name.clone(), state.position.clone())).collect();
        let (rewind, max_posts) = (self.rewind, self.max_catch_up);
        let (progress, task) = CatchUp { timelines, streams, rewind, max_posts }.start();
        let mut connection = Streaming {
            source: self,
            context,
            subscription,
            catch_up: Some((progress, task)),
            came_live: RecentSet::new(MAX_SEEN),
            queue: VecDeque::new(),
            states,
            cursor: None,
            lag: None,
        };
        let pumped = feed.pump(&mut connection).await;
        if feed.has_lost() {
            self.memory().seen.clear();
        }
        pumped
    }
}

impl Source for MastodonSource {
    fn run(&self, context: SourceContext) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async move {
            self.run_once(&context).await.map_err(|error| match refused_with(&error) {
                Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => SourceBackoff::SLOW.of(&error),
                _ => error,
            })
        })
    }
}

/// A stream of a connection.
struct StreamState {
    name: StreamName,
    /// The stream as messages name it.
    names: Vec<String>,
    position: Option<PostId>,
    /// Whether everything up to the live posts was read. Until then live posts do not move the
    /// position.
    is_live: bool,
    newest_live: Option<PostId>,
}

impl StreamState {
    fn new(name: &StreamName, position: &Position) -> StreamState {
        StreamState {
            names: name.names(),
            position: position.streams.get(&name.to_string()).cloned().map(PostId),
            name: name.clone(),
            is_live: false,
            newest_live: None,
        }
    }

    /// Moves the position forward. Answers whether it has moved.
    fn reach(&mut self, id: Option<PostId>) -> bool {
        let is_further = id > self.position;
        if is_further {
            self.position = id;
        }
        is_further
    }
}

/// What waits to be read.
enum Queued {
    Post(String),
    /// The posts before it are read: the stream has come to this id.
    Reached {
        at: usize,
        id: Option<PostId>,
        is_live: bool,
    },
}

type CatchUpTask = (mpsc::Receiver<anyhow::Result<CatchUpProgress>>, AbortOnDropHandle<()>);

/// An open connection.
struct Streaming<'a> {
    source: &'a MastodonSource,
    context: &'a SourceContext,
    subscription: Subscription,
    /// Until all streams are live.
    catch_up: Option<CatchUpTask>,
    /// Numbers of posts that came live while perch catches up: a timeline may have older versions.
    came_live: RecentSet,
    /// Of the timelines.
    queue: VecDeque<Queued>,
    states: Vec<StreamState>,
    /// Made again when a position has moved.
    cursor: Option<Arc<str>>,
    lag: Option<Duration>,
}

impl Connection for Streaming<'_> {
    async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            match self.queue.pop_front() {
                Some(Queued::Post(post)) => return Ok(Some(post)),
                Some(Queued::Reached { at, id, is_live }) => {
                    self.reached(at, id, is_live);
                    return Ok(None);
                }
                None => {}
            }
            let progress = async {
                match &mut self.catch_up {
                    Some((progress, _)) => progress.recv().await.transpose(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                progress = progress => if let Some(progress) = progress? {
                    self.queue(progress);
                } else {
                    self.catch_up = None;
                    self.came_live.clear();
                },
                message = self.subscription.next() => {
                    let message = message?;
                    if let Some(reason) = error_in(&message) {
                        let host = host_of(&self.source.instance);
                        return Err(SourceBackoff::SLOW.of(&anyhow!("{host} refuses a stream: {reason}")));
                    }
                    return Ok(Some(message));
                }
            }
        }
    }

    fn read(&mut self, document: Value<'_>, reader: &mut DocReader<'_>) {
        let text = |key| document.get(key).and_then(Value::str);
        let Some(event) = text("event") else { return self.read_post(document, Version::OfTimeline, reader) };
        match &*event {
            "update" | "status.update" => {
                let Some(payload) = document.get("payload") else {
                    return reader.refuse("no_tweet", "an event without payload");
                };
                let payload = payload.str().unwrap_or_else(|| payload.raw().into());
                match Json::parse(&payload) {
                    Ok(json) if event == "update" => {
                        let names: Vec<_> =
                            document.get("stream").into_iter().flat_map(Value::items).filter_map(Value::str).collect();
                        self.move_live(&names, json.root());
                        self.read_post(json.root(), Version::New, reader);
                    }
                    Ok(json) => self.read_post(json.root(), Version::Changed, reader),
                    Err(error) => reader.refuse("no_tweet", &format!("payload: no JSON: {error}")),
                }
            }
            "delete" => {
                let Some(id) = text("payload") else { return reader.refuse("no_tweet", "a deletion without payload") };
                if self.catch_up.is_some() {
                    self.came_live.insert(&*id);
                }
                match self.source.memory().identities.get(&id) {
                    Some(identity) => reader.delete(&identity),
                    None => telemetry::deletions_received(1, 0),
                }
            }
            _ => {}
        }
    }

    fn progress(&self) -> Progress {
        Progress { cursor: self.cursor.clone(), lag: self.lag }
    }
}

/// Where a version of a post comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    OfTimeline,
    New,
    Changed,
}

impl Streaming<'_> {
    fn queue(&mut self, progress: CatchUpProgress) {
        match progress {
            CatchUpProgress::Posts { at, page } => {
                self.queue.extend(page.posts.into_iter().map(Queued::Post));
                self.queue.push_back(Queued::Reached { at, id: page.newest, is_live: false });
            }
            CatchUpProgress::Live { at, position } => {
                self.queue.push_back(Queued::Reached { at, id: position, is_live: true });
            }
            CatchUpProgress::Gap(gap) => self.context.report_gap(gap),
        }
    }

    fn reached(&mut self, at: usize, id: Option<PostId>, is_live: bool) {
        let Some(state) = self.states.get_mut(at) else { return };
        let mut has_moved = state.reach(id);
        if is_live {
            state.is_live = true;
            let newest = state.newest_live.take();
            has_moved |= state.reach(newest);
        }
        if has_moved {
            self.set_cursor();
        }
    }

    /// Moves the position of a stream behind a new post.
    fn move_live(&mut self, names: &[std::borrow::Cow<'_, str>], post: Value<'_>) {
        let Some(id) = post.get("id").and_then(Value::str).map(|id| PostId(id.into_owned())) else { return };
        let is_named = |state: &&mut StreamState| {
            state.names.len() == names.len()
                && state.names.iter().zip(names).all(|(own, name)| *own == name.to_lowercase())
        };
        let Some(state) = self.states.iter_mut().find(is_named) else { return };
        if !state.is_live {
            state.newest_live = state.newest_live.take().max(Some(id));
        } else if state.reach(Some(id)) {
            self.set_cursor();
        }
    }

    fn set_cursor(&mut self) {
        let positions =
            self.states.iter().filter_map(|state| Some((state.name.to_string(), state.position.clone()?.0)));
        let position = Position { streams: positions.collect() };
        self.cursor = serde_json::to_string(&position).ok().map(Arc::from);
    }

    fn read_post(&mut self, post: Value<'_>, version: Version, reader: &mut DocReader<'_>) {
        let text = |key| post.get(key).and_then(Value::str).unwrap_or_default();
        let (id, uri, edited_at) = (text("id"), text("uri"), text("edited_at"));
        if let Ok(created) = text("created_at").parse::<Timestamp>() {
            self.lag = Some(Duration::try_from(Timestamp::now().duration_since(created)).unwrap_or_default());
        }
        if self.catch_up.is_some() {
            if version == Version::OfTimeline && self.came_live.contains(&*id) {
                return;
            }
            if version != Version::OfTimeline {
                self.came_live.insert(&*id);
            }
        }
        let mut memory = self.source.memory();
        let is_new = memory.seen.insert((&*uri, &*edited_at));
        // Some changes, such as those of a poll, are no edits.
        let is_changed = version == Version::Changed && memory.seen.insert((&*uri, post.raw()));
        if is_new || is_changed {
            reader.read(post, |tweet| memory.identities.insert(&id, &tweet.id_str));
        }
    }
}

/// What an instance says is wrong with a subscription.
fn error_in(message: &str) -> Option<String> {
    let is_short = message.len() < 2_000 && message.contains("\"error\"");
    let json = Json::parse(message).ok().filter(|_| is_short)?;
    let error = json.root().get("error").filter(|_| json.root().get("event").is_none())?;
    Some(shortened(&error.str()?))
}
