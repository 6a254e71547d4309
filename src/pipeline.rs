//! The one loop that numbers tweets, percolates them, and hands them to index and hub.
//!
//! ```text
//! sources ──Batch──> [number → tail → percolate → session queues → writer] ──> ack when committed
//! sessions ─Control─>  between two batches
//! ```
//!
//! The loop runs on its own thread and owns the [`Hub`]: registrations and tweets pass through it one after the other, so a
//! registration lies between two seqs and its watermark is exact. Nothing is lost here: the loop takes a batch only when the index's writer
//! has room for it, and a full intake makes the sources wait. Control comes before data, so nobody waits for a stream to end; but only
//! [`CONTROLS_IN_A_ROW`] at a time, so that tweets don't wait for a stream of sessions either.
//!
//! A batch goes into the tail as a whole, and is percolated in slices of about 5 ms ([`Slicer`]): the matches of a slice
//! are in the queues before the next one begins, and commands are carried out in between. The position is that of the last
//! slice, so a watermark is exact there too. A view may show tweets beyond the position: they are in the tail, and are
//! pushed when their slice comes.

mod slicer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::unconstrained;
use tokio_util::sync::CancellationToken;

use crate::hub::{Catalog, ClientKey, Departures, Full, Hub, Matching, Name, SessionQueue};
use crate::ids::{Seq, Uid};
use crate::index::Index;
pub use crate::index::{Ack, Cursor, IntakeError};
use crate::query::Query;
use crate::telemetry;
use crate::tweet::{AnalyzedTweet, SequencedTweet};
use slicer::Slicer;

/// How many commands may wait for the loop. When it is full, the asking sessions wait.
const CONTROL_CAPACITY: usize = 256;

/// How many commands may be carried out one after the other while a batch waits: so many sessions may come at one moment that there is always one.
const CONTROLS_IN_A_ROW: usize = 64;

/// What a source hands over.
#[derive(Debug)]
pub struct Batch {
    /// In order of arrival.
    pub tweets: Vec<Arc<AnalyzedTweet>>,
    /// Told once, when all of them are committed or can't be.
    pub ack: Option<Ack>,
    /// How far its source has come with it; becomes durable together with the tweets. A batch without tweets moves no cursor.
    pub cursor: Option<Cursor>,
}

/// The way into the pipeline, for sources. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    batches: mpsc::Sender<Batch>,
}

impl Intake {
    /// Hands over a batch. Waits while the pipeline is full.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Closed`] when perch is shutting down.
    pub async fn send(&self, batch: Batch) -> Result<(), IntakeError> {
        self.batches.send(batch).await.map_err(|_| IntakeError::Closed)
    }

    /// Hands over tweets and waits until they are durable. Answers with the seq of the last one.
    ///
    /// # Errors
    ///
    /// Why they are not.
    pub async fn send_durably(&self, tweets: Vec<Arc<AnalyzedTweet>>) -> Result<Seq, IntakeError> {
        let (ack, durable) = oneshot::channel();
        self.send(Batch { tweets, ack: Some(ack), cursor: None }).await?;
        durable.await.unwrap_or(Err(IntakeError::Closed))
    }

    /// An intake and the receiver of what is handed over, for the pipeline and for tests of sources.
    #[must_use]
    pub fn channel(capacity: usize) -> (Intake, mpsc::Receiver<Batch>) {
        let (batches, receiver) = mpsc::channel(capacity);
        (Intake { batches }, receiver)
    }
}

/// A subscription that was made.
#[derive(Debug)]
pub(crate) struct Subscribed {
    /// Tweets up to here are history, later ones are pushed.
    pub(crate) watermark: Seq,
    /// The query as it is registered, which all its subscriptions share.
    pub(crate) query: Query,
}

/// What sessions ask of the loop. Each is carried out between two tweets.
pub(crate) enum Control {
    /// Answers with the watermark, or why there is no room for another query.
    Subscribe {
        client: ClientKey,
        queue: Arc<SessionQueue>,
        name: Name,
        query: Query,
        resume: bool,
        reply: oneshot::Sender<Result<Subscribed, Full>>,
    },
    /// Answers whether there was one.
    Unsubscribe { uid: Uid, name: Name, reply: oneshot::Sender<bool> },
    /// Answers with the queries that the tweet matches. Costs as much as a tweet, so a batch that waits comes next.
    Matching { tweet: Arc<AnalyzedTweet>, reply: oneshot::Sender<Matching> },
}

/// What the loop lets others see.
#[derive(Debug)]
pub(crate) struct Position {
    seq: AtomicU64,
    offered: AtomicU64,
    queries: AtomicU64,
}

impl Position {
    /// The newest tweet that the loop has passed.
    pub(crate) fn seq(&self) -> Seq {
        Seq(self.seq.load(Ordering::Acquire))
    }

    /// The newest tweet that sessions were offered, with all before it.
    pub(crate) fn offered(&self) -> Seq {
        Seq(self.offered.load(Ordering::Acquire))
    }

    /// How many queries are registered.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }
}

/// The ends of the loop that sessions hold.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) control: mpsc::Sender<Control>,
    pub(crate) departures: Arc<Departures>,
    pub(crate) position: Arc<Position>,
    pub(crate) catalog: Arc<Catalog>,
}

/// A batch of which some tweets are percolated, and some are yet to be.
struct InProgress {
    items: Arc<[SequencedTweet]>,
    /// How many are done.
    done: usize,
}

/// The loop and what it owns.
pub(crate) struct Pipeline {
    hub: Hub,
    index: Index,
    batches: mpsc::Receiver<Batch>,
    control: mpsc::Receiver<Control>,
    departures: Arc<Departures>,
    position: Arc<Position>,
    in_progress: Option<InProgress>,
    slicer: Slicer,
}

impl Pipeline {
    /// A pipeline that reads from `batches`. The position starts behind everything that was ever numbered.
    pub(crate) fn new(hub: Hub, index: Index, batches: mpsc::Receiver<Batch>) -> (Pipeline, Handle) {
        let (control_sender, control) = mpsc::channel(CONTROL_CAPACITY);
        let departures = Arc::new(Departures::default());
        let position = Arc::new(Position {
            seq: AtomicU64::new(index.last_seq().0),
            offered: AtomicU64::new(index.last_seq().0),
            queries: AtomicU64::new(hub.queries() as u64),
        });
        let handle = Handle {
            control: control_sender,
            departures: Arc::clone(&departures),
            position: Arc::clone(&position),
            catalog: hub.catalog(),
        };
        let (in_progress, slicer) = (None, Slicer::default());
        (Pipeline { hub, index, batches, control, departures, position, in_progress, slicer }, handle)
    }

    /// Runs until `shutdown` is cancelled and everything that was handed over before is in the index and in the queues.
    ///
    /// # Errors
    ///
    /// When the index's writer is gone.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let departures = Arc::clone(&self.departures);
        let mut closing = false;
        let mut controls = 0;
        loop {
            if controls >= CONTROLS_IN_A_ROW {
                controls = 0;
                if self.in_progress.is_some() {
                    self.slice();
                    continue;
                }
                // Unconstrained: the runtime hides what is there from a task that has done much.
                let waiting = unconstrained(next_batch(&self.index, &mut self.batches)).now_or_never();
                if let Some(batch) = waiting {
                    let Some(batch) = batch? else { return Ok(()) };
                    self.batch(batch);
                }
            }
            let batch = tokio::select! {
                biased;
                () = departures.notify.notified() => {
                    self.disconnect();
                    continue;
                }
                Some(control) = self.control.recv() => {
                    controls += if matches!(control, Control::Matching { .. }) { CONTROLS_IN_A_ROW } else { 1 };
                    self.control(control);
                    continue;
                }
                // Yields, because the runtime hides commands from a task that never does.
                () = tokio::task::yield_now(), if self.in_progress.is_some() => {
                    self.slice();
                    controls = 0;
                    continue;
                }
                () = shutdown.cancelled(), if !closing => {
                    closing = true;
                    self.batches.close();
                    continue;
                }
                batch = next_batch(&self.index, &mut self.batches), if self.in_progress.is_none() => batch?,
            };
            let Some(batch) = batch else { return Ok(()) };
            self.batch(batch);
            controls = 0;
        }
    }

    fn disconnect(&mut self) {
        for uid in self.departures.take() {
            self.hub.disconnect(uid);
        }
        self.count_queries();
    }

    fn control(&mut self, control: Control) {
        match control {
            // Whoever asked is gone, and may have departed before this was read: nobody would ever end the subscription.
            Control::Subscribe { reply, .. } if reply.is_closed() => {}
            // A reply that nobody waits for from here on belongs to a session whose departure follows.
            Control::Subscribe { client, queue, name, query, resume, reply } => {
                let subscribed = self.hub.subscribe_for(&client, &queue, &name, &query);
                self.slicer.registered();
                // Of a batch in progress, the session may have taken from the index what is yet to be percolated: that is
                // not pushed to it any more.
                let watermark = self.position.seq().max(queue.after());
                if subscribed.is_ok() && resume {
                    queue.resume(watermark);
                }
                self.count_queries();
                let _ = reply.send(subscribed.map(|query| Subscribed { watermark, query }));
            }
            Control::Unsubscribe { uid, name, reply } => {
                let existed = self.hub.unsubscribe(uid, &name);
                self.count_queries();
                let _ = reply.send(existed);
            }
            Control::Matching { tweet, reply } => {
                let _ = reply.send(self.hub.matching(&tweet.doc));
            }
        }
    }

    fn count_queries(&self) {
        let queries = self.hub.queries();
        self.position.queries.store(queries as u64, Ordering::Relaxed);
        telemetry::queries_registered(queries, self.hub.size_bytes());
    }

    fn batch(&mut self, batch: Batch) {
        let Batch { tweets, ack, cursor } = batch;
        if tweets.is_empty() {
            if let Some(ack) = ack {
                let _ = ack.send(Ok(self.position.seq()));
            }
            return;
        }
        let span = tracing::debug_span!("batch", tweets = tweets.len());
        let _entered = span.enter();
        let mut seq = match self.index.take_seqs(tweets.len()) {
            Ok(seq) => seq,
            Err(error) => {
                // The disk is full, say: that is told to whoever sent it, and the next batch may fare better.
                tracing::error!(%error, tweets = tweets.len(), "no positions can be reserved");
                if let Some(ack) = ack {
                    let _ = ack.send(Err((&error).into()));
                }
                return;
            }
        };
        let items: Arc<[SequencedTweet]> = tweets
            .into_iter()
            .map(|tweet| {
                let item = SequencedTweet { seq, tweet };
                seq = seq.next();
                item
            })
            .collect();
        telemetry::tweets_truncated(items.iter().filter(|item| item.tweet.doc.is_truncated()).count());
        // Into the tail first: whoever is told of a tweet can find it, and a session that catches up up to the position misses nothing.
        self.index.append_from(Arc::clone(&items), ack, cursor);
        self.in_progress = Some(InProgress { items, done: 0 });
        self.slice();
    }

    /// Percolates the next tweets of the batch in progress.
    fn slice(&mut self) {
        let Some(InProgress { items, done }) = self.in_progress.take() else { return };
        let rest = &items[done..];
        let slice = &rest[..self.slicer.next(rest)];
        let Some(last) = slice.last() else { return };
        self.position.seq.store(last.seq.0, Ordering::Release);
        let started = Instant::now();
        let (matches, candidates) = self.hub.dispatch(slice);
        let took = started.elapsed();
        self.position.offered.store(last.seq.0, Ordering::Release);
        self.slicer.took(slice, took);
        telemetry::percolated(slice.len(), matches, candidates, took);
        let done = done + slice.len();
        if done < items.len() {
            self.in_progress = Some(InProgress { items, done });
        }
    }
}

/// The next batch, once the index has room for it. Cancel safe.
async fn next_batch(index: &Index, batches: &mut mpsc::Receiver<Batch>) -> anyhow::Result<Option<Batch>> {
    index.ready().await?;
    Ok(batches.recv().await)
}

#[cfg(test)]
mod tests;
