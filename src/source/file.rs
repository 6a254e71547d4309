//! `file`: tweets of a file or of standard input, in any form that [`super::reader`] reads.
//!
//! It hands over one chunk after the other, as fast as the pipeline takes them or at a rate, and is done when the last one is durable.
//! After a failure it starts at the beginning: tweets that were there are replaced by themselves.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::reader::{BulkReader, Chunk, Input, ReaderOptions};
use super::{Source, SourceContext, SourceKind};
use crate::config::{self, Problem};
use crate::ids::Seq;
use crate::pipeline::{Batch, IntakeError};
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
    if problems.is_empty() { Ok(Box::new(FileSource { options })) } else { Err(problems) }
}

struct FileSource {
    options: Options,
}

impl Source for FileSource {
    fn run(&self, context: SourceContext) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async move {
            let path = &self.options.path;
            let input: Input = if path.as_os_str() == "-" {
                Box::new(tokio::io::stdin())
            } else {
                let file = tokio::fs::File::open(path).await;
                Box::new(file.with_context(|| format!("can't open {}", path.display()))?)
            };
            let read = feed(input, &self.options, &context).await;
            read.with_context(|| path.display().to_string())
        })
    }
}

/// How many chunks may be handed over and not durable yet: commits take their time, and reading goes on meanwhile.
const CHUNKS_ON_THE_WAY: usize = 64;

async fn feed(input: Input, options: &Options, context: &SourceContext) -> anyhow::Result<()> {
    let reader_options = ReaderOptions { max_line_bytes: options.max_line_bytes, ..ReaderOptions::default() };
    let mut reader = BulkReader::new(input, reader_options);
    let mut pace = Pace::new(options.rate);
    let mut on_the_way = VecDeque::new();
    let (mut accepted, mut refused) = (0_usize, 0_usize);
    let end = loop {
        let Some(chunk) = context.shutdown.run_until_cancelled(reader.next_chunk()).await else { break Ok(()) };
        let Chunk { tweets, refused: mistakes } = match chunk {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        refused += mistakes.len();
        for mistake in &mistakes {
            telemetry::tweet_refused(&context.name, mistake.kind.label(), mistake.line, &mistake.reason);
        }
        accepted += tweets.len();
        telemetry::tweets_received(&context.name, tweets.len());
        for batch in tweets.chunks(pace.batch_tweets()) {
            if context.shutdown.run_until_cancelled(pace.wait_for(batch.len())).await.is_none() {
                break;
            }
            let (ack, durable) = oneshot::channel();
            context.intake.send(Batch { tweets: batch.to_vec(), ack: Some(ack) }).await?;
            on_the_way.push_back(durable);
            if on_the_way.len() > CHUNKS_ON_THE_WAY {
                wait_for_first(&mut on_the_way).await?;
            }
        }
    };
    while !on_the_way.is_empty() {
        wait_for_first(&mut on_the_way).await?;
    }
    tracing::info!(source = context.name, accepted, refused, "read");
    match end {
        Ok(()) => Ok(()),
        // Reading it again would not help: what there is was taken.
        Err(error @ (super::reader::ReadError::Cut(_) | super::reader::ReadError::Packed(_))) => {
            tracing::error!(source = context.name, %error, "the rest can't be read");
            Ok(())
        }
        Err(error) => bail!(error),
    }
}

type Durable = oneshot::Receiver<Result<Seq, IntakeError>>;

async fn wait_for_first(on_the_way: &mut VecDeque<Durable>) -> Result<(), IntakeError> {
    let Some(first) = on_the_way.pop_front() else { return Ok(()) };
    first.await.unwrap_or(Err(IntakeError::Closed)).map(|_| ())
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
