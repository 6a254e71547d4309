//! `file`: tweets of a file or of standard input, in any format of [`crate::format::reader`].
//!
//! The source sends chunks at the pipeline's speed or at a configured rate. Without `follow` it
//! ends when its last tweet is durable; with it, it keeps reading what is appended.
//!
//! Each batch moves the source's cursor. After a failure, a restart or a crash, reading resumes
//! behind the last durable tweet. Tweets that were sent and are not durable are sent again, with
//! new seqs.
//!
//! A truncated or damaged file is a failure, and so is one none of whose documents is a tweet.
//! Until the file changes, each restart fails at once for the same reason.

mod followed_file;
mod position;

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::io::AsyncRead;
use tokio::time::Instant;

use self::followed_file::FollowedFile;
use self::position::FilePosition;
use super::in_flight::InFlight;
use super::{Source, SourceContext, SourceKind};
use crate::config::{self, ConfigError};
use crate::format;
use crate::format::reader::{BulkReader, Chunk, InputStream, Offset, ReadError, ReaderOptions};
use crate::pipeline::{Batch, Cursor};
use crate::telemetry;
use crate::tweet::AnalyzedTweet;

/// The row of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "file",
    about: "tweets of a file in any format, also packed, in a tar or a zip; - is standard input",
    example: r#"
type = "file"
# Relative to the working directory; "-" is standard input.
path = "tweets.ndjson.zst"
# Tweets a second; left out, it goes as fast as it can.
rate = 100.0
# The format of all documents; left out, perch recognizes each.
# format = "twitter-v1"
# Wait for what is added to the file, also after it was rotated; without it, the end of the file is the end of the source.
follow = false
# Go on where the last start had come to; false reads the file from its beginning at each start.
resume = true
"#,
    build,
};

/// Batches that may be sent and not yet durable, so that reading continues during commits.
const MAX_IN_FLIGHT: usize = 64;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOptions {
    path: PathBuf,
    #[serde(default)]
    rate: Option<f64>,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    follow: bool,
    #[serde(default = "yes")]
    resume: bool,
}

fn yes() -> bool {
    true
}

fn build(table: toml::Table) -> Result<Box<dyn Source>, Vec<ConfigError>> {
    let options: FileOptions = config::read(table)?;
    let mut errors = Vec::new();
    if let Some(rate) = options.rate
        && !(rate > 0.0 && rate <= 1e6)
    {
        errors
            .push(ConfigError::new("rate", format!("expected more than 0 and at most 1000000 tweets/s, found {rate}")));
    }
    if let Some(name) = &options.format
        && format::find(name).is_none()
    {
        let names: Vec<&str> = format::FORMATS.iter().map(|kind| kind.name).collect();
        errors.push(ConfigError::new("format", format!("expected one of {}, found {name:?}", names.join(", "))));
    }
    if options.path.as_os_str().is_empty() {
        errors.push(ConfigError::new("path", "expected a file, or \"-\" for standard input, found an empty name"));
    }
    if options.follow && options.is_stdin() {
        errors.push(ConfigError::new("follow", "is for files: standard input is read until it ends"));
    }
    if errors.is_empty() { Ok(Box::new(FileSource::new(options))) } else { Err(errors) }
}

impl FileOptions {
    fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

struct FileSource {
    options: FileOptions,
    /// A batch became durable since the start: from then on the cursor decides, also with
    /// `resume = false`.
    has_moved: AtomicBool,
    damage: Mutex<Option<DamagedFile>>,
}

/// A file that could not be read to its end.
struct DamagedFile {
    version: FileVersion,
    reason: String,
}

/// Length and modification time: at least one changes when the file is written to.
type FileVersion = (u64, Option<SystemTime>);

impl FileSource {
    fn new(options: FileOptions) -> FileSource {
        FileSource { options, has_moved: AtomicBool::new(false), damage: Mutex::new(None) }
    }

    /// Reads one input to its end.
    async fn read(&self, opened: OpenInput, context: &SourceContext) -> anyhow::Result<()> {
        let version = opened.version;
        {
            let damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(damage), Some(version)) = (&*damage, version)
                && damage.version == version
            {
                bail!(damage.reason.clone());
            }
        }
        let mut in_flight = InFlight::new(MAX_IN_FLIGHT);
        let fed = feed(opened, &self.options, context, &mut in_flight).await;
        // Every batch is acknowledged before the source restarts: a late acknowledgement would move
        // the cursor while it reads.
        in_flight.drain().await;
        self.has_moved.fetch_or(in_flight.has_moved, Ordering::Relaxed);
        if let (Err(error), Some(version)) = (&fed, version)
            && let Some(
                ReadError::Truncated(_)
                | ReadError::Corrupt(_)
                | ReadError::Unknown(_)
                | ReadError::NothingAccepted(..),
            ) = error.downcast_ref()
        {
            let damage = DamagedFile { version, reason: telemetry::message_of(error) };
            *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = Some(damage);
        }
        fed
    }
}

impl Source for FileSource {
    fn run(&self, context: SourceContext) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async move {
            let path = &self.options.path;
            let mut from_start = !self.options.resume && !self.has_moved.load(Ordering::Relaxed);
            loop {
                let opened = if self.options.is_stdin() {
                    // One version for good: behind damage, nothing tells where the next document
                    // starts.
                    OpenInput { version: Some((0, None)), ..OpenInput::without_position(tokio::io::stdin()) }
                } else {
                    let (options, key) = (self.options.clone(), key(&self.options));
                    let known = context.cursors.get(&key);
                    let open = move || OpenInput::open(&options, key, known, from_start);
                    let open = tokio::task::spawn_blocking(open);
                    open.await?.with_context(|| format!("can't open {}", path.display()))?
                };
                self.read(opened, &context).await.with_context(|| path.display().to_string())?;
                if !self.options.follow || context.shutdown.is_cancelled() {
                    return Ok(());
                }
                // The path names another file now, which has no position yet.
                from_start = false;
            }
        })
    }
}

/// The key of the file's cursor.
fn key(options: &FileOptions) -> Arc<str> {
    format!("file:{}", options.path.display()).into()
}

/// An open input, and the position where it starts.
struct OpenInput {
    input: InputStream,
    /// The file, if it is whole and perch may seek in it. Opening a pipe a second time would wait
    /// for another writer.
    file: Option<File>,
    from: Offset,
    /// Tweets behind `from` that are durable already.
    skip: usize,
    /// `None` for inputs without positions, such as pipes.
    tracker: Option<PositionTracker>,
    /// `None` for inputs that can't be opened a second time.
    version: Option<FileVersion>,
}

impl OpenInput {
    /// An input that can't be resumed.
    fn without_position(input: impl AsyncRead + Send + Unpin + 'static) -> OpenInput {
        OpenInput { input: Box::new(input), file: None, from: Offset::default(), skip: 0, tracker: None, version: None }
    }

    /// Opens the file behind its last durable tweet.
    fn open(
        options: &FileOptions,
        key: Arc<str>,
        known: Option<Arc<str>>,
        from_start: bool,
    ) -> std::io::Result<OpenInput> {
        let mut file = File::open(&options.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            // A pipe has no positions, and is followed by its nature.
            return Ok(OpenInput::without_position(tokio::fs::File::from_std(file)));
        }
        let version = Some((metadata.len(), metadata.modified().ok()));
        let witness = followed_file::reopen(&file, &options.path)?;
        let position = match known.as_deref().and_then(FilePosition::parse) {
            Some(position) if !from_start && position.is_of(&witness)? => Some(position),
            _ => None,
        };
        let (from, skip) = position.map(|position| (position.offset(), position.tweets())).unwrap_or_default();
        let read_bytes = from.bytes.unwrap_or(0);
        file.seek(SeekFrom::Start(read_bytes))?;
        let base = match position {
            Some(position) => position,
            None => FilePosition::new(&witness, Offset::default())?,
        };
        // The first batch replaces the stored cursor, also one of another file.
        let tracker = Some(PositionTracker { key, witness: Arc::new(witness), base, after: known });
        let whole = if options.follow { None } else { Some(followed_file::reopen(&file, &options.path)?) };
        let input: InputStream = if options.follow {
            Box::new(FollowedFile::new(file, options.path.clone(), read_bytes)?)
        } else {
            Box::new(tokio::fs::File::from_std(file))
        };
        Ok(OpenInput { input, file: whole, from, skip, tracker, version })
    }
}

/// Makes the cursors of a file's batches.
struct PositionTracker {
    key: Arc<str>,
    /// A second handle of the file, for fingerprints.
    witness: Arc<File>,
    /// The end of the last chunk that was sent.
    base: FilePosition,
    /// The cursor of the last batch that was sent.
    after: Option<Arc<str>>,
}

impl PositionTracker {
    /// The cursor of the next batch, which ends at this position.
    fn step(&mut self, position: FilePosition) -> Cursor {
        let at = position.text();
        let after = self.after.replace(Arc::clone(&at));
        self.base = position;
        Cursor { source: Arc::clone(&self.key), after, at }
    }

    async fn position(&self, end: Offset) -> anyhow::Result<FilePosition> {
        let witness = Arc::clone(&self.witness);
        Ok(tokio::task::spawn_blocking(move || FilePosition::new(&witness, end)).await??)
    }
}

async fn feed(
    opened: OpenInput,
    options: &FileOptions,
    context: &SourceContext,
    in_flight: &mut InFlight,
) -> anyhow::Result<()> {
    let OpenInput { input, file, from, mut skip, mut tracker, version: _ } = opened;
    let format = options.format.as_deref().and_then(format::find);
    let reader_options = ReaderOptions { max_line_bytes: context.max_line_bytes, format, ..ReaderOptions::default() };
    let author = format::author_beside(&options.path);
    let mut reader = BulkReader::resume(input, reader_options, from).with_author(author).with_file(file);
    let mut first_reason = None;
    let mut throttle = Throttle::new(options.rate);
    let (mut accepted, mut refused) = (0_usize, 0_usize);
    let mut has_ended = false;
    let end = 'read: loop {
        let chunk = tokio::select! {
            () = context.shutdown.cancelled() => break Ok(()),
            // Also while the source waits for input, a batch that could not be stored ends it.
            durable = in_flight.oldest(), if !in_flight.is_empty() => {
                durable?;
                continue;
            }
            chunk = reader.next_chunk(), if in_flight.has_room() => chunk,
        };
        let Chunk { mut tweets, refused: mistakes, end, dropped, .. } = match chunk {
            Ok(Some(mut chunk)) => {
                chunk.merge_deletions();
                chunk
            }
            Ok(None) => {
                has_ended = true;
                break Ok(());
            }
            Err(error) => break Err(error),
        };
        refused += mistakes.len();
        telemetry::values_dropped(&dropped);
        for mistake in &mistakes {
            telemetry::tweet_refused(&context.name, mistake.kind.label(), mistake.line, &mistake.reason);
        }
        first_reason = first_reason.or_else(|| mistakes.into_iter().next().map(|mistake| mistake.reason));
        tweets.drain(..durable_len(&tweets, &mut skip));
        let n_tweets = tweets.iter().filter(|tweet| !tweet.is_deleted).count();
        accepted += n_tweets;
        telemetry::tweets_received(&context.name, n_tweets);
        let batch_tweets = throttle.batch_tweets();
        let n_batches = tweets.len().div_ceil(batch_tweets);
        for (at, batch) in tweets.chunks(batch_tweets).enumerate() {
            if context.shutdown.run_until_cancelled(throttle.wait_for(batch.len())).await.is_none() {
                break 'read Ok(());
            }
            let cursor = match &mut tracker {
                Some(tracker) => {
                    let position = match end.filter(|_| at + 1 == n_batches) {
                        Some(end) => tracker.position(end).await?,
                        None => tracker.base.and_tweets(batch.iter().filter(|tweet| !tweet.is_deleted).count()),
                    };
                    Some(tracker.step(position))
                }
                None => None,
            };
            let ack = Some(in_flight.ack());
            context.intake.send(Batch { tweets: batch.to_vec(), ack, cursor, may_wait: false }).await?;
        }
    };
    while !in_flight.is_empty() {
        in_flight.oldest().await?;
    }
    tracing::info!(source = context.name, accepted, refused, "read");
    match first_reason {
        Some(reason) if end.is_ok() && accepted == 0 && from == Offset::default() => {
            Err(ReadError::NothingAccepted(refused as u64, reason).into())
        }
        _ => {
            end?;
            match reader.emptiness() {
                // A file that is followed may be empty.
                Some(error) if has_ended && !options.follow && from == Offset::default() => Err(error.into()),
                _ => Ok(()),
            }
        }
    }
}

/// How many of these tweets and deletions are durable, if the first `n_durable` tweets are.
/// Deletions don't count: some name a tweet by a number that only an earlier document explains.
fn durable_len(tweets: &[Arc<AnalyzedTweet>], n_durable: &mut usize) -> usize {
    let mut len = 0;
    while *n_durable > 0 && len < tweets.len() {
        *n_durable -= usize::from(!tweets[len].is_deleted);
        len += 1;
    }
    len
}

/// Spreads tweets over time, at the configured rate.
struct Throttle {
    rate: Option<f64>,
    started: Instant,
    sent: usize,
}

impl Throttle {
    fn new(rate: Option<f64>) -> Throttle {
        Throttle { rate, started: Instant::now(), sent: 0 }
    }

    /// Tweets of one batch: about 20 batches a second.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are from above 0 to a million")]
    fn batch_tweets(&self) -> usize {
        self.rate.map_or(usize::MAX, |rate| ((rate / 20.0) as usize).max(1))
    }

    /// Waits until the next tweets are due.
    #[expect(clippy::cast_precision_loss, reason = "a count of tweets is far below 2^53")]
    async fn wait_for(&mut self, tweets: usize) {
        if let Some(rate) = self.rate {
            let due = Duration::from_secs_f64(self.sent as f64 / rate);
            tokio::time::sleep_until(self.started + due).await;
        }
        self.sent += tweets;
    }
}
