//! What live sources share: documents of a connection become batches, with a cursor.
//!
//! ```text
//! Connection::next ─> Connection::read ─> batch (10 ms, or 128 documents) ─> Intake
//! ```
//!
//! [`Feed::pump`] ends with an error when the connection does; the supervisor then starts the
//! source again, with backoff and jitter. Before it ends, it waits for the acknowledgement of all
//! batches, so that the durable cursor is where the source resumes.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, timeout_at};

use super::SourceContext;
use super::in_flight::InFlight;
use crate::format::{FormatKind, Item, Output, read_value};
use crate::pipeline::{Batch, Cursor};
use crate::telemetry;
use crate::tweet::json::{Json, Value};
use crate::tweet::{self, AnalyzedTweet, ReadContext, Tweet};

/// How long documents are collected after the first of a batch. Each batch has a cost of its own.
const BATCH_TIME: Duration = Duration::from_millis(10);
/// Documents of a batch. More would keep a thread of the runtime busy for long.
const MAX_BATCH_DOCS: usize = 128;
/// Batches that wait for their commit: those of ten seconds.
const MAX_IN_FLIGHT: usize = 1_000;
/// While nothing is a tweet, the cursor moves this often.
const EMPTY_BATCH_INTERVAL: Duration = Duration::from_secs(10);

/// A connection to a server that sends documents.
pub(super) trait Connection: Send {
    /// The next document; `None` when the connection has only come further, as with a keep-alive.
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// The connection has ended; the source has to make a new one.
    fn next(&mut self) -> impl Future<Output = anyhow::Result<Option<String>>> + Send;

    /// Reads a document.
    fn read(&mut self, document: Value<'_>, reader: &mut DocReader<'_>);

    /// The cursor behind all documents that were read, and the age of the newest when it arrived.
    fn progress(&self) -> Progress;
}

/// How far a connection has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) cursor: Option<Arc<str>>,
    pub(super) lag: Option<Duration>,
}

/// Reads documents of one format to tweets and deletions.
pub(super) struct DocReader<'a> {
    source: &'a str,
    format: &'static FormatKind,
    max_bytes: usize,
    context: ReadContext,
    tweets: Vec<Arc<AnalyzedTweet>>,
    /// The number of the document, for the log.
    n_docs: u64,
}

impl DocReader<'_> {
    /// Reads what a document holds. `edit` may change tweets before they are analyzed.
    pub(super) fn read(&mut self, document: Value<'_>, mut edit: impl FnMut(&mut Tweet)) {
        let mut out = Output::new(&self.context, self.max_bytes);
        read_value(document, Some(self.format), &mut out);
        telemetry::values_dropped(&out.reading.dropped);
        for item in out.items {
            match item {
                Ok(Item::Tweet(mut tweet)) => {
                    edit(&mut tweet);
                    self.tweets.push(Arc::new(tweet::analyze(&tweet)));
                }
                Ok(Item::Delete { id_str }) => self.delete(&id_str),
                Ok(Item::DeleteStatus { .. } | Item::Skipped { .. }) => {}
                Err(error) => self.refuse("no_tweet", &error.to_string()),
            }
        }
    }

    /// Deletes a tweet.
    pub(super) fn delete(&mut self, id_str: &str) {
        self.tweets.push(Arc::new(tweet::deletion(id_str)));
    }

    /// Counts a document that is no tweet.
    pub(super) fn refuse(&self, reason: &'static str, detail: &str) {
        telemetry::tweet_refused(self.source, reason, self.n_docs, detail);
    }
}

/// Sends what a live source reads.
pub(super) struct Feed<'a> {
    context: &'a SourceContext,
    format: &'static FormatKind,
    key: Arc<str>,
    /// The cursor of the last batch that was sent.
    cursor: Option<Arc<str>>,
    in_flight: InFlight,
    /// When the last batch was sent.
    sent: Instant,
    /// Whether the server sends again what was not committed.
    is_sent_again: bool,
}

impl<'a> Feed<'a> {
    /// A feed that goes on at the durable cursor with this key, where the server sends everything
    /// behind the cursor again.
    pub(super) fn new(context: &'a SourceContext, format: &'static FormatKind, key: Arc<str>) -> Feed<'a> {
        let cursor = context.cursors.get(&key);
        let in_flight = InFlight::new(MAX_IN_FLIGHT);
        Feed { context, format, key, cursor, in_flight, sent: Instant::now(), is_sent_again: true }
    }

    /// The same where a crash loses what was not committed: its commits come soon.
    pub(super) fn with_early_commits(mut self) -> Feed<'a> {
        self.is_sent_again = false;
        self
    }

    /// The cursor of the last batch.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Whether a batch could not be stored: the source has to read it again.
    pub(super) fn has_lost(&self) -> bool {
        self.in_flight.has_failed
    }

    /// Sends what comes from a connection until perch shuts down.
    ///
    /// # Errors
    ///
    /// The connection has ended, or a batch could not be stored.
    pub(super) async fn pump(&mut self, connection: &mut impl Connection) -> anyhow::Result<()> {
        let pumped = self.pump_until_error(connection).await;
        if !self.in_flight.is_empty() {
            // An empty batch that does not wait is committed soon, with those before it.
            let batch = Batch { tweets: Vec::new(), ack: None, cursor: None, may_wait: false };
            let _ = self.context.intake.send(batch).await;
        }
        // A late acknowledgement would move the cursor while the source reads from it again.
        self.in_flight.drain().await;
        pumped
    }

    async fn pump_until_error(&mut self, connection: &mut impl Connection) -> anyhow::Result<()> {
        let context = self.context;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut reader = DocReader {
            source: &context.name,
            format: self.format,
            max_bytes: context.max_line_bytes,
            context: ReadContext { arrival_ms: i64::try_from(now.as_millis()).ok(), author: None },
            tweets: Vec::new(),
            n_docs: 0,
        };
        loop {
            let mut received = tokio::select! {
                () = context.shutdown.cancelled() => return Ok(()),
                durable = self.in_flight.oldest(), if !self.in_flight.is_empty() => {
                    durable?;
                    continue;
                }
                received = connection.next(), if self.in_flight.has_room() => Some(received?),
            };
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            reader.context.arrival_ms = i64::try_from(now.as_millis()).ok();
            let until = Instant::now() + BATCH_TIME;
            let mut end = Ok(());
            let mut n_docs = 0;
            while let Some(document) = received.take() {
                if let Some(text) = document {
                    reader.n_docs += 1;
                    n_docs += 1;
                    if text.len() > context.max_line_bytes {
                        reader.refuse("too_long", "longer than limits.max_line_bytes");
                    } else {
                        match Json::parse(&text) {
                            Ok(json) => connection.read(json.root(), &mut reader),
                            Err(error) => reader.refuse("no_tweet", &format!("no JSON: {error}")),
                        }
                    }
                }
                if n_docs < MAX_BATCH_DOCS {
                    received = match timeout_at(until, connection.next()).await {
                        Ok(Ok(document)) => Some(document),
                        Ok(Err(error)) => {
                            end = Err(error);
                            None
                        }
                        Err(_) => None,
                    };
                }
            }
            let Progress { cursor, lag } = connection.progress();
            if let Some(lag) = lag {
                context.report_lag(lag);
            }
            self.send(std::mem::take(&mut reader.tweets), cursor).await?;
            end?;
        }
    }

    /// Sends a batch. One without tweets only moves the cursor, from time to time.
    async fn send(&mut self, tweets: Vec<Arc<AnalyzedTweet>>, at: Option<Arc<str>>) -> anyhow::Result<()> {
        if tweets.is_empty() && (at.is_none() || self.sent.elapsed() < EMPTY_BATCH_INTERVAL) {
            return Ok(());
        }
        self.sent = Instant::now();
        let n_tweets = tweets.iter().filter(|tweet| !tweet.is_deleted).count();
        telemetry::tweets_received(&self.context.name, n_tweets);
        let cursor = at.filter(|at| self.cursor.as_ref() != Some(at)).map(|at| {
            let after = self.cursor.replace(Arc::clone(&at));
            Cursor { source: Arc::clone(&self.key), after, at }
        });
        let ack = Some(self.in_flight.ack());
        let batch = Batch { tweets, ack, cursor, may_wait: self.is_sent_again };
        self.context.intake.send(batch).await?;
        Ok(())
    }
}
