//! `file`: tweets of a file or of standard input, in any form that [`super::reader`] reads.
//!
//! It hands over one chunk after the other, as fast as the pipeline takes them or at a rate, and is done when the last one is durable; with `follow`
//! it waits for more. Each batch moves the source's cursor, so that after a failure, a restart or a crash the file is read on from where its tweets are
//! durable. What was handed over and not durable comes again, with new seqs.
//!
//! A file that is cut or damaged is a failure. It is not read again before it has changed: until then each new start fails for the same reason.

mod follow;
mod place;

use std::collections::VecDeque;
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
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::follow::Growing;
use self::place::Place;
use super::reader::{BulkReader, Chunk, End, Input, ReadError, ReaderOptions};
use super::{Source, SourceContext, SourceKind};
use crate::config::{self, Problem};
use crate::ids::Seq;
use crate::pipeline::{Batch, Cursor, IntakeError};
use crate::telemetry;

/// The row in the table of sources.
pub(super) const KIND: SourceKind = SourceKind {
    name: "file",
    about: "tweets of a file: NDJSON, JSON array or Twitter search answer; plain, gzip or zstd; - is standard input",
    example: r#"
type = "file"
# Relative to the working directory; "-" is standard input.
path = "tweets.ndjson.zst"
# Tweets a second; left out, it goes as fast as it can.
rate = 100.0
# The longest line (or element of an array) that may be a tweet.
max_line_bytes = 1048576
# Wait for what is added to the file, also after it was rotated; without it, the end of the file is the end of the source.
follow = false
# Go on where the last start had come to; false reads the file from its beginning at each start.
resume = true
"#,
    build,
};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    path: PathBuf,
    #[serde(default)]
    rate: Option<f64>,
    #[serde(default = "default_max_line_bytes")]
    max_line_bytes: usize,
    #[serde(default)]
    follow: bool,
    #[serde(default = "yes")]
    resume: bool,
}

fn yes() -> bool {
    true
}

fn default_max_line_bytes() -> usize {
    ReaderOptions::default().max_line_bytes
}

fn build(table: toml::Table) -> Result<Box<dyn Source>, Vec<Problem>> {
    let options: Options = config::read(table)?;
    let mut problems = Vec::new();
    if let Some(rate) = options.rate
        && !(rate > 0.0 && rate <= 1e6)
    {
        problems.push(Problem::new("rate", format!("expected more than 0 and at most 1000000 tweets/s, found {rate}")));
    }
    if !(1_024..=64 * 1024 * 1024).contains(&options.max_line_bytes) {
        let message = format!("expected a number from 1024 to 67108864, found {}", options.max_line_bytes);
        problems.push(Problem::new("max_line_bytes", message));
    }
    if options.path.as_os_str().is_empty() {
        problems.push(Problem::new("path", "expected a file, or \"-\" for standard input, found an empty name"));
    }
    if options.follow && options.is_stdin() {
        problems.push(Problem::new("follow", "is for files: standard input is read until it ends"));
    }
    if problems.is_empty() { Ok(Box::new(FileSource::new(options))) } else { Err(problems) }
}

impl Options {
    fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

struct FileSource {
    options: Options,
    /// Something was made durable since perch started: it goes on from there, whatever it does at a start.
    has_moved: AtomicBool,
    damage: Mutex<Option<Damage>>,
}

/// Why the rest of a file can't be read, and which one it was.
struct Damage {
    of: Version,
    reason: String,
}

/// What changes when somebody writes to a file: its length and its time.
type Version = (u64, Option<SystemTime>);

impl FileSource {
    fn new(options: Options) -> FileSource {
        FileSource { options, has_moved: AtomicBool::new(false), damage: Mutex::new(None) }
    }

    /// Reads one input to its end.
    async fn read(&self, opened: Opened, context: &SourceContext) -> anyhow::Result<()> {
        let version = opened.version;
        {
            let damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(damage), Some(version)) = (&*damage, version)
                && damage.of == version
            {
                bail!(damage.reason.clone());
            }
        }
        let mut on_the_way = OnTheWay { batches: VecDeque::new(), has_moved: &self.has_moved };
        let fed = hand_over(opened, &self.options, context, &mut on_the_way).await;
        // Each has its answer before the source starts again: a late one would move the cursor under its feet.
        on_the_way.settle().await;
        if let (Err(error), Some(of)) = (&fed, version)
            && let Some(ReadError::Cut(_) | ReadError::Packed(_)) = error.downcast_ref()
        {
            let damage = Damage { of, reason: telemetry::message_of(error) };
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
                    // It has one version: what is left of it, once a part was damaged, can't be made sense of.
                    Opened { version: Some((0, None)), ..Opened::unplaced(tokio::io::stdin()) }
                } else {
                    let (options, key) = (self.options.clone(), key(&self.options));
                    let known = context.cursors.get(&key);
                    let open = move || Opened::open(&options, key, known, from_start);
                    let open = tokio::task::spawn_blocking(open);
                    open.await?.with_context(|| format!("can't open {}", path.display()))?
                };
                self.read(opened, &context).await.with_context(|| path.display().to_string())?;
                if !self.options.follow || context.shutdown.is_cancelled() {
                    return Ok(());
                }
                // Another file has its name now, which has no place yet.
                from_start = false;
            }
        })
    }
}

/// What the file's cursor is called.
fn key(options: &Options) -> Arc<str> {
    format!("file:{}", options.path.display()).into()
}

/// An input, and where it begins.
struct Opened {
    input: Input,
    from: End,
    /// Tweets from there on that are durable already.
    skip: usize,
    /// How its places are found and what they are stored as; `None` where there are none.
    track: Option<Track>,
    /// None where the same input can't come twice.
    version: Option<Version>,
}

impl Opened {
    /// An input without places.
    fn unplaced(input: impl AsyncRead + Send + Unpin + 'static) -> Opened {
        Opened { input: Box::new(input), from: End::default(), skip: 0, track: None, version: None }
    }

    /// Opens the file, behind what is durable of it.
    fn open(options: &Options, key: Arc<str>, known: Option<Arc<str>>, from_start: bool) -> std::io::Result<Opened> {
        let mut file = File::open(&options.path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            // A pipe has no places, and grows by itself.
            return Ok(Opened::unplaced(tokio::fs::File::from_std(file)));
        }
        let version = Some((metadata.len(), metadata.modified().ok()));
        let witness = follow::open_again(&file, &options.path)?;
        let place = match known.as_deref().and_then(Place::parse) {
            Some(place) if !from_start && place.is_of(&witness)? => Some(place),
            _ => None,
        };
        let (from, skip) = place.map(|place| (place.end(), place.tweets())).unwrap_or_default();
        let read_bytes = from.line_bytes.unwrap_or(0);
        file.seek(SeekFrom::Start(read_bytes))?;
        let base = match place {
            Some(place) => place,
            None => Place::new(&witness, End::default())?,
        };
        // The cursor moves from what is stored, even where that is of another file.
        let track = Some(Track { key, witness: Arc::new(witness), base, after: known });
        let input: Input = if options.follow {
            Box::new(Growing::new(file, options.path.clone(), read_bytes)?)
        } else {
            Box::new(tokio::fs::File::from_std(file))
        };
        Ok(Opened { input, from, skip, track, version })
    }
}

/// Where a file's tweets are durable.
struct Track {
    key: Arc<str>,
    witness: Arc<File>,
    /// The end of the last chunk that was handed over.
    base: Place,
    /// The cursor behind the last batch that was handed over.
    after: Option<Arc<str>>,
}

impl Track {
    /// The cursor of the next batch, which ends at this place.
    fn step(&mut self, place: Place) -> Cursor {
        let at = place.text();
        let after = self.after.replace(Arc::clone(&at));
        self.base = place;
        Cursor { source: Arc::clone(&self.key), after, at }
    }

    async fn place(&self, end: End) -> anyhow::Result<Place> {
        let witness = Arc::clone(&self.witness);
        Ok(tokio::task::spawn_blocking(move || Place::new(&witness, end)).await??)
    }
}

/// How many chunks may be handed over and not durable yet: commits take their time, and reading goes on meanwhile.
const CHUNKS_ON_THE_WAY: usize = 64;

async fn hand_over(
    opened: Opened,
    options: &Options,
    context: &SourceContext,
    on_the_way: &mut OnTheWay<'_>,
) -> anyhow::Result<()> {
    let Opened { input, from, mut skip, mut track, version: _ } = opened;
    let reader_options = ReaderOptions { max_line_bytes: options.max_line_bytes, ..ReaderOptions::default() };
    let mut reader = BulkReader::resume(input, reader_options, from);
    let mut pace = Pace::new(options.rate);
    let (mut accepted, mut refused) = (0_usize, 0_usize);
    let end = 'read: loop {
        let chunk = tokio::select! {
            () = context.shutdown.cancelled() => break Ok(()),
            // What can't be kept is noticed while the source waits for more.
            durable = on_the_way.first(), if !on_the_way.batches.is_empty() => {
                durable?;
                continue;
            }
            chunk = reader.next_chunk(), if on_the_way.batches.len() <= CHUNKS_ON_THE_WAY => chunk,
        };
        let Chunk { mut tweets, refused: mistakes, end } = match chunk {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        refused += mistakes.len();
        for mistake in &mistakes {
            telemetry::tweet_refused(&context.name, mistake.kind.label(), mistake.line, &mistake.reason);
        }
        let skipped = skip.min(tweets.len());
        tweets.drain(..skipped);
        skip -= skipped;
        accepted += tweets.len();
        telemetry::tweets_received(&context.name, tweets.len());
        let batch_tweets = pace.batch_tweets();
        let n_batches = tweets.len().div_ceil(batch_tweets);
        for (at, batch) in tweets.chunks(batch_tweets).enumerate() {
            if context.shutdown.run_until_cancelled(pace.wait_for(batch.len())).await.is_none() {
                break 'read Ok(());
            }
            let cursor = match &mut track {
                Some(track) => {
                    let is_last = at + 1 == n_batches;
                    let place = if is_last { track.place(end).await? } else { track.base.and_tweets(batch.len()) };
                    Some(track.step(place))
                }
                None => None,
            };
            let (ack, durable) = oneshot::channel();
            context.intake.send(Batch { tweets: batch.to_vec(), ack: Some(ack), cursor }).await?;
            on_the_way.batches.push_back(durable);
        }
    };
    while !on_the_way.batches.is_empty() {
        on_the_way.first().await?;
    }
    tracing::info!(source = context.name, accepted, refused, "read");
    Ok(end?)
}

/// What was handed over and has no answer yet.
struct OnTheWay<'a> {
    batches: VecDeque<oneshot::Receiver<Result<Seq, IntakeError>>>,
    /// Set when one of them is durable.
    has_moved: &'a AtomicBool,
}

impl OnTheWay<'_> {
    /// Waits for the oldest. Cancel safe.
    async fn first(&mut self) -> Result<(), IntakeError> {
        let Some(first) = self.batches.front_mut() else { return Ok(()) };
        let durable = first.await.unwrap_or(Err(IntakeError::Closed));
        self.batches.pop_front();
        if durable.is_ok() {
            self.has_moved.store(true, Ordering::Relaxed);
        }
        durable.map(drop)
    }

    /// Waits for all of them, whatever becomes of each.
    async fn settle(&mut self) {
        while !self.batches.is_empty() {
            let _ = self.first().await;
        }
    }
}

/// Spreads tweets over time.
struct Pace {
    rate: Option<f64>,
    started: Instant,
    handed_over: usize,
}

impl Pace {
    fn new(rate: Option<f64>) -> Pace {
        Pace { rate, started: Instant::now(), handed_over: 0 }
    }

    /// How many tweets to hand over at one time: about 20 portions a second.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are from above 0 to a million")]
    fn batch_tweets(&self) -> usize {
        self.rate.map_or(usize::MAX, |rate| ((rate / 20.0) as usize).max(1))
    }

    /// Waits until the next tweets are due.
    #[expect(clippy::cast_precision_loss, reason = "a count of tweets is far below 2^53")]
    async fn wait_for(&mut self, tweets: usize) {
        if let Some(rate) = self.rate {
            let due = Duration::from_secs_f64(self.handed_over as f64 / rate);
            tokio::time::sleep_until(self.started + due).await;
        }
        self.handed_over += tweets;
    }
}
