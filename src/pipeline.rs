//! The one loop that numbers tweets, percolates them, and hands them to index and hub.
//!
//! ```text
//! sources ──Batch──> [number → tail → percolate → session queues → writer] ──> ack when committed
//! sessions ─Control─>  between two slices
//! ```
//!
//! The loop runs on its own thread and owns the [`Hub`]. Registrations and tweets pass through it
//! one after the other, so a registration lies between two seqs and its watermark is exact. Nothing
//! is lost: the loop takes a batch only when the index's writer has room for it, and a full intake
//! makes the sources wait. Commands come before batches, so that a registration does not wait for a
//! busy stream; but at most [`MAX_CONTROLS_PER_TURN`], so that registrations don't starve
//! ingestion.
//!
//! The loop appends a whole batch to the tail and percolates it in slices of about 5 ms
//! ([`Slicer`]). The matches of a slice are in the queues before the next slice begins, and
//! commands are handled in between. The position is that of the last slice, so a watermark is exact
//! between slices too. A view may show tweets beyond the position: they are in the tail, and are
//! pushed with their slice.

mod slicer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::unconstrained;
use tokio_util::sync::CancellationToken;

use crate::hub::{
    ClientKey, DisconnectQueue, Hub, MatchingQueries, QueryListing, RegistrationError, SessionQueue, SubscriptionName,
};
use crate::ids::{Seq, Uid};
pub use crate::index::{Ack, Cursor, Durable, IntakeError};
use crate::index::{Index, ReplacedVersions};
use crate::query::Query;
use crate::telemetry;
use crate::tweet::{AnalyzedTweet, SequencedTweet, TweetKey, deletion_in_order};
use slicer::Slicer;

/// Capacity of the command channel. When it is full, the sessions that ask wait.
const CONTROL_CAPACITY: usize = 256;

/// At most this many commands are handled before a waiting batch gets its turn, so that a burst of
/// registrations can't starve ingestion.
const MAX_CONTROLS_PER_TURN: usize = 64;

/// Tweets and [`deletions`](crate::tweet::deletion) of a source.
#[derive(Debug)]
pub struct Batch {
    /// In order of arrival. A deletion of a tweet that perch does not have is dropped.
    pub tweets: Vec<Arc<AnalyzedTweet>>,
    /// Sent once, when all tweets are committed or can't be.
    pub ack: Option<Ack>,
    /// The source's cursor behind the batch. It becomes durable together with the tweets.
    pub cursor: Option<Cursor>,
    /// Whether no client waits for the acknowledgement. Such batches are committed less often.
    pub may_wait: bool,
}

/// Sends batches into the pipeline. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    batches: mpsc::Sender<Batch>,
}

impl Intake {
    /// Sends a batch. Waits while the pipeline is full.
    ///
    /// # Errors
    ///
    /// [`IntakeError::Closed`] when perch is shutting down.
    pub async fn send(&self, batch: Batch) -> Result<(), IntakeError> {
        self.batches.send(batch).await.map_err(|_| IntakeError::Closed)
    }

    /// Sends tweets and waits until they are durable.
    ///
    /// # Errors
    ///
    /// Why they could not be stored.
    pub async fn send_durably(&self, tweets: Vec<Arc<AnalyzedTweet>>) -> Result<Durable, IntakeError> {
        let (ack, durable) = oneshot::channel();
        self.send(Batch { tweets, ack: Some(ack), cursor: None, may_wait: false }).await?;
        durable.await.unwrap_or(Err(IntakeError::Closed))
    }

    /// An intake and the receiver of its batches, for the pipeline and for tests of sources.
    #[must_use]
    pub fn channel(capacity: usize) -> (Intake, mpsc::Receiver<Batch>) {
        let (batches, receiver) = mpsc::channel(capacity);
        (Intake { batches }, receiver)
    }
}

/// The answer to [`Control::Subscribe`].
#[derive(Debug)]
pub(crate) struct Subscribed {
    /// Tweets up to here are history, later ones are pushed.
    pub(crate) watermark: Seq,
    /// The registered query, whose memory all its subscriptions share.
    pub(crate) query: Query,
}

/// A command for the loop. The loop handles it between two tweets.
pub(crate) enum Control {
    /// Adds a subscription.
    Subscribe {
        client: ClientKey,
        queue: Arc<SessionQueue>,
        name: SubscriptionName,
        query: Query,
        resume: bool,
        reply: oneshot::Sender<Result<Subscribed, RegistrationError>>,
    },
    /// Adds the unnamed subscription of each of these new sessions. The replies have their order.
    SubscribeAll {
        sessions: Vec<(ClientKey, Arc<SessionQueue>, Query)>,
        reply: oneshot::Sender<Vec<Result<Subscribed, RegistrationError>>>,
    },
    /// Ends a subscription. Replies whether there was one.
    Unsubscribe { uid: Uid, name: SubscriptionName, reply: oneshot::Sender<bool> },
    /// Asks which queries a tweet matches. Costs as much as a tweet, so a waiting batch comes next.
    Matching { tweet: Arc<AnalyzedTweet>, reply: oneshot::Sender<MatchingQueries> },
}

/// The progress of the loop, readable by all.
#[derive(Debug)]
pub(crate) struct PipelinePosition {
    seq: AtomicU64,
    offered: AtomicU64,
    queries: AtomicU64,
}

impl PipelinePosition {
    /// The newest tweet whose percolation has begun.
    pub(crate) fn seq(&self) -> Seq {
        Seq(self.seq.load(Ordering::Acquire))
    }

    /// The newest tweet that was offered to sessions, as all before it.
    pub(crate) fn offered(&self) -> Seq {
        Seq(self.offered.load(Ordering::Acquire))
    }

    /// The number of registered queries.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }
}

/// Access to the loop, for sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct PipelineHandle {
    pub(crate) control: mpsc::Sender<Control>,
    pub(crate) disconnects: Arc<DisconnectQueue>,
    pub(crate) position: Arc<PipelinePosition>,
    pub(crate) listing: Arc<QueryListing>,
}

/// A batch that is being percolated.
struct InProgress {
    tweets: Arc<[SequencedTweet]>,
    replaced: ReplacedVersions,
    /// The number of tweets that were percolated.
    done: usize,
}

/// The loop and its state.
pub(crate) struct Pipeline {
    hub: Hub,
    index: Index,
    batches: mpsc::Receiver<Batch>,
    control: mpsc::Receiver<Control>,
    disconnects: Arc<DisconnectQueue>,
    position: Arc<PipelinePosition>,
    in_progress: Option<InProgress>,
    slicer: Slicer,
}

impl Pipeline {
    /// A pipeline that reads from `batches`. Its position starts at the last seq that was used.
    pub(crate) fn new(hub: Hub, index: Index, batches: mpsc::Receiver<Batch>) -> (Pipeline, PipelineHandle) {
        let (control_sender, control) = mpsc::channel(CONTROL_CAPACITY);
        let disconnects = Arc::new(DisconnectQueue::default());
        let position = Arc::new(PipelinePosition {
            seq: AtomicU64::new(index.last_seq().0),
            offered: AtomicU64::new(index.last_seq().0),
            queries: AtomicU64::new(hub.queries() as u64),
        });
        let handle = PipelineHandle {
            control: control_sender,
            disconnects: Arc::clone(&disconnects),
            position: Arc::clone(&position),
            listing: hub.listing(),
        };
        let (in_progress, slicer) = (None, Slicer::default());
        (Pipeline { hub, index, batches, control, disconnects, position, in_progress, slicer }, handle)
    }

    /// Runs until `shutdown` is cancelled and every batch that was sent before is in the index and
    /// the queues.
    ///
    /// # Errors
    ///
    /// The index's writer has ended.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let disconnects = Arc::clone(&self.disconnects);
        let mut closing = false;
        let mut n_controls = 0;
        loop {
            if n_controls >= MAX_CONTROLS_PER_TURN {
                n_controls = 0;
                if self.in_progress.is_some() {
                    self.slice();
                    continue;
                }
                // Unconstrained: tokio's budget would make a task that has done much see no batch.
                let waiting = unconstrained(next_batch(&self.index, &mut self.batches)).now_or_never();
                if let Some(batch) = waiting {
                    let Some(batch) = batch? else { return Ok(()) };
                    self.batch(batch);
                }
            }
            let batch = tokio::select! {
                biased;
                () = disconnects.ready() => {
                    self.disconnect();
                    continue;
                }
                Some(control) = self.control.recv() => {
                    n_controls += match &control {
                        Control::Matching { .. } => MAX_CONTROLS_PER_TURN,
                        Control::SubscribeAll { sessions, .. } => sessions.len(),
                        Control::Subscribe { .. } | Control::Unsubscribe { .. } => 1,
                    };
                    self.control(control);
                    continue;
                }
                // Yields, because tokio's budget makes a task that never yields see no commands.
                () = tokio::task::yield_now(), if self.in_progress.is_some() => {
                    self.slice();
                    n_controls = 0;
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
            n_controls = 0;
        }
    }

    fn disconnect(&mut self) {
        for uid in self.disconnects.take() {
            self.hub.disconnect(uid);
        }
        self.count_queries();
    }

    fn control(&mut self, control: Control) {
        match control {
            // The session has ended. Its disconnect may have been handled already, and nothing
            // would end this subscription.
            Control::Subscribe { reply, .. } if reply.is_closed() => {}
            // A session that ends from here on is disconnected later.
            Control::Subscribe { client, queue, name, query, resume, reply } => {
                let subscribed = self.subscribe(&client, &queue, &name, &query);
                if let Ok(subscribed) = &subscribed
                    && resume
                {
                    queue.resume(subscribed.watermark);
                }
                self.count_queries();
                let _ = reply.send(subscribed);
            }
            Control::SubscribeAll { reply, .. } if reply.is_closed() => {}
            Control::SubscribeAll { sessions, reply } => {
                let subscribe = |(client, queue, query)| self.subscribe(&client, &queue, &None, &query);
                let subscribed = sessions.into_iter().map(subscribe).collect();
                self.count_queries();
                let _ = reply.send(subscribed);
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

    fn subscribe(
        &mut self,
        client: &ClientKey,
        queue: &Arc<SessionQueue>,
        name: &SubscriptionName,
        query: &Query,
    ) -> Result<Subscribed, RegistrationError> {
        let query = self.hub.subscribe_for(client, queue, name, query)?;
        self.slicer.registered();
        // The session may have read tweets of the batch in progress from the index. These are not
        // pushed to it again.
        Ok(Subscribed { watermark: self.position.seq().max(queue.after()), query })
    }

    fn count_queries(&self) {
        let queries = self.hub.queries();
        self.position.queries.store(queries as u64, Ordering::Relaxed);
        telemetry::queries_registered(queries, self.hub.size_bytes());
    }

    fn batch(&mut self, batch: Batch) {
        let Batch { mut tweets, ack, cursor, may_wait } = batch;
        self.resolve_deletions(&mut tweets);
        if tweets.is_empty() {
            self.index.append_from([].into(), ack, cursor, may_wait);
            return;
        }
        let span = tracing::debug_span!("batch", tweets = tweets.len());
        let _entered = span.enter();
        let mut seq = match self.index.take_seqs(tweets.len()) {
            Ok(seq) => seq,
            Err(error) => {
                // For example a full disk. The source gets the error, and the next batch may
                // succeed.
                tracing::error!(%error, tweets = tweets.len(), "can't reserve seqs for a batch");
                if let Some(ack) = ack {
                    let _ = ack.send(Err((&error).into()));
                }
                return;
            }
        };
        let sequenced: Arc<[SequencedTweet]> = tweets
            .into_iter()
            .map(|tweet| {
                let item = SequencedTweet { seq, tweet };
                seq = seq.next();
                item
            })
            .collect();
        telemetry::tweets_truncated(sequenced.iter().filter(|tweet| tweet.tweet.doc.is_truncated()).count());
        // The tail comes first: a client that is pushed a tweet can find it, and a session that
        // reads up to the position misses nothing.
        let replaced = self.index.append_from(Arc::clone(&sequenced), ack, cursor, may_wait);
        self.in_progress = Some(InProgress { tweets: sequenced, replaced, done: 0 });
        self.slice();
    }

    /// Drops deletions of tweets that perch does not have, and gives the others the place of their
    /// tweets.
    fn resolve_deletions(&self, tweets: &mut Vec<Arc<AnalyzedTweet>>) {
        if !tweets.iter().any(|tweet| tweet.is_deleted) {
            return;
        }
        let received = tweets.iter().filter(|tweet| tweet.is_deleted).count();
        // The place of each tweet of the batch, as far as it was read; `None` is deleted.
        let mut in_batch: HashMap<TweetKey, Option<u64>> = HashMap::new();
        tweets.retain_mut(|tweet| {
            if !tweet.is_deleted {
                in_batch.insert(tweet.key, Some(tweet.id));
                return true;
            }
            let known = in_batch.insert(tweet.key, None);
            // An index that can't be read may have the tweet.
            let id = known.unwrap_or_else(|| self.index.id_of(tweet.key).unwrap_or(Some(tweet.id)));
            if let Some(id) = id.filter(|&id| id != tweet.id) {
                *tweet = Arc::new(deletion_in_order(&tweet.id_str(), id));
            }
            id.is_some()
        });
        telemetry::deletions_received(received, tweets.iter().filter(|tweet| tweet.is_deleted).count());
    }

    /// Percolates the next slice of the batch in progress.
    fn slice(&mut self) {
        let Some(InProgress { tweets, replaced, done }) = self.in_progress.take() else { return };
        let rest = &tweets[done..];
        let slice = &rest[..replaced.bound(done, self.slicer.next(rest))];
        let Some(last) = slice.last() else { return };
        self.position.seq.store(last.seq.0, Ordering::Release);
        let started = Instant::now();
        // Without queries no session gets `tweet/gone`.
        let older = if self.hub.queries() > 0 { replaced.read(done, slice) } else { Vec::new() };
        let (matches, candidates) = self.hub.dispatch(slice, &older);
        let took = started.elapsed();
        self.position.offered.store(last.seq.0, Ordering::Release);
        self.slicer.took(slice, took);
        telemetry::percolated(slice.len(), matches, candidates, took);
        let done = done + slice.len();
        if done < tweets.len() {
            self.in_progress = Some(InProgress { tweets, replaced, done });
        }
    }
}

/// The next batch, when the index has room for it. Cancel safe.
async fn next_batch(index: &Index, batches: &mut mpsc::Receiver<Batch>) -> anyhow::Result<Option<Batch>> {
    index.ready().await?;
    Ok(batches.recv().await)
}

#[cfg(test)]
mod tests;
