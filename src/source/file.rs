//! `file`: tweets of a file or of standard input, in any form that [`super::reader`] reads.
//!
//! It hands over one chunk after the other, as fast as the pipeline takes them or at a rate, and is done when the last one is durable; with `follow`
//! it waits for more. Each batch moves the source's cursor, so that after a failure, a restart or a crash the file is read on from where its tweets are
//! durable. What was handed over and not durable comes again, with new seqs.

mod follow;
mod place;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::BoxFuture;
use serde::Deserialize;
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
    if problems.is_empty() { Ok(Box::new(FileSource { options, first: OnceLock::new() })) } else { Err(problems) }
}

impl Options {
    fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

struct FileSource {
    options: Options,
    /// The cursor when perch started.
    first: OnceLock<Option<Arc<str>>>,
}

impl Source for FileSource {
    fn run(&self, context: SourceContext) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async move {
            let path = &self.options.path;
            // After a failure it goes on from what it made durable since the start, whatever it does at a start.
            let known = context.cursors.get(&key(&self.options));
            let mut from_start = !self.options.resume && known == *self.first.get_or_init(|| known.clone());
            loop {
                let opened = if self.options.is_stdin() {
                    Opened::stdin()
                } else {
                    let (options, key) = (self.options.clone(), key(&self.options));
                    let known = context.cursors.get(&key);
                    let open = move || Opened::open(&options, key, known, from_start);
                    let open = tokio::task::spawn_blocking(open);
                    open.await?.with_context(|| format!("can't open {}", path.display()))?
                };
                feed(opened, &self.options, &context).await.with_context(|| path.display().to_string())?;
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
}

impl Opened {
    fn stdin() -> Opened {
        Opened { input: Box::new(tokio::io::stdin()), from: End::default(), skip: 0, track: None }
    }

    /// Opens the file, behind what is durable of it.
    fn open(options: &Options, key: Arc<str>, known: Option<Arc<str>>, from_start: bool) -> std::io::Result<Opened> {
        let mut file = File::open(&options.path)?;
        if !file.metadata()?.is_file() {
            // A pipe has no places, and grows by itself.
            return Ok(Opened { input: Box::new(tokio::fs::File::from_std(file)), ..Opened::stdin() });
        }
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
        Ok(Opened { input, from, skip, track })
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

async fn feed(opened: Opened, options: &Options, context: &SourceContext) -> anyhow::Result<()> {
    let mut on_the_way = VecDeque::new();
    let fed = hand_over(opened, options, context, &mut on_the_way).await;
    // Each has its answer before the source starts again: a late one would move the cursor under its feet.
    for durable in on_the_way {
        let _ = durable.await;
    }
    fed
}

async fn hand_over(
    opened: Opened,
    options: &Options,
    context: &SourceContext,
    on_the_way: &mut VecDeque<Durable>,
) -> anyhow::Result<()> {
    let Opened { input, from, mut skip, mut track } = opened;
    let reader_options = ReaderOptions { max_line_bytes: options.max_line_bytes, ..ReaderOptions::default() };
    let mut reader = BulkReader::resume(input, reader_options, from);
    let mut pace = Pace::new(options.rate);
    let (mut accepted, mut refused) = (0_usize, 0_usize);
    let end = 'read: loop {
        let chunk = tokio::select! {
            () = context.shutdown.cancelled() => break Ok(()),
            // What can't be kept is noticed while the source waits for more.
            durable = first_durable(on_the_way), if !on_the_way.is_empty() => {
                durable?;
                continue;
            }
            chunk = reader.next_chunk(), if on_the_way.len() <= CHUNKS_ON_THE_WAY => chunk,
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
            on_the_way.push_back(durable);
        }
    };
    while !on_the_way.is_empty() {
        first_durable(on_the_way).await?;
    }
    tracing::info!(source = context.name, accepted, refused, "read");
    match end {
        Ok(()) => Ok(()),
        // Reading it again would not help: what there is was taken.
        Err(error @ (ReadError::Cut(_) | ReadError::Packed(_))) => {
            tracing::error!(source = context.name, %error, "the rest can't be read");
            Ok(())
        }
        Err(error) => bail!(error),
    }
}

type Durable = oneshot::Receiver<Result<Seq, IntakeError>>;

/// Waits for the oldest batch on its way. Cancel safe.
async fn first_durable(on_the_way: &mut VecDeque<Durable>) -> Result<(), IntakeError> {
    let Some(first) = on_the_way.front_mut() else { return Ok(()) };
    let durable = first.await.unwrap_or(Err(IntakeError::Closed));
    on_the_way.pop_front();
    durable.map(drop)
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
