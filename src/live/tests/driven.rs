//! The stages, driven by the test: it decides when the loop runs, the index commits and searches
//! get their turn.

use futures_util::future::LocalBoxFuture;
use tokio::runtime::Handle as Runtime;
use tokio::sync::oneshot;
use tokio::task::{unconstrained, yield_now};

use super::*;
use crate::live::scheduler::{SearchSlot, SearchTicket};
use crate::pipeline::{Durable, IntakeError};

/// Searches that run at one time.
const SEARCHES: usize = 4;

/// The stages, driven by the test.
pub(super) struct Driven {
    pub(super) live: Live,
    pub(super) intake: Intake,
    pub(super) index: Index,
    shutdown: CancellationToken,
    pub(super) pipeline: LocalBoxFuture<'static, anyhow::Result<()>>,
    /// The probability of a commit at each opportunity.
    pub(super) commits: f64,
    /// The last seq of each uncommitted batch, and the receiver of its acknowledgement.
    pub(super) pending: Vec<(Seq, oneshot::Receiver<Result<Durable, IntakeError>>)>,
    /// All search slots, held by the test.
    turns: Vec<(SearchTicket, SearchSlot)>,
    _dir: tempfile::TempDir,
}

impl Driven {
    /// Sessions have queues of `max_frames`, and hold at most `max_subscriptions`.
    pub(super) fn start(max_frames: usize, max_subscriptions: usize, commits: f64) -> Driven {
        // `/dev/shm` avoids waiting for a disk.
        let memory = std::path::Path::new("/dev/shm");
        let dir = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).expect("a directory");
        let options = IndexOptions {
            dir: dir.path().to_owned(),
            commit_interval: Duration::from_secs(3_600),
            commit_tweets: usize::MAX,
            writer_memory_bytes: 0,
            queue_batches: 1_000,
            ..IndexOptions::default()
        };
        let index = Index::open(&options).expect("it opens");
        let (intake, batches) = Intake::channel(4);
        let hub = Hub::new(Box::new(PlainEngine::default()), 1_000, usize::MAX);
        let (pipeline, handle) = Pipeline::new(hub, index.clone(), batches);
        let limits = LiveLimits {
            max_sessions: 1_000,
            max_subscriptions,
            queue: QueueLimits { max_frames, max_bytes: 10_000 },
            max_searches: SEARCHES,
            max_waiting_searches: 1_000,
            search_timeout: Duration::from_secs(3_600),
        };
        let live = Live::new(index.clone(), handle, limits, ENGINES[0]);
        let turns = live.inner.searches.take_all();
        let shutdown = CancellationToken::new();
        let pipeline = Box::pin(pipeline.run(shutdown.clone()));
        let pending = Vec::new();
        Driven { live, intake, index, shutdown, pipeline, commits, pending, turns, _dir: dir }
    }

    /// Runs the loop until it is idle.
    pub(super) fn turn(&mut self) {
        loop {
            assert!(unconstrained(&mut self.pipeline).now_or_never().is_none(), "the loop goes on");
            // It yields between two slices of a batch.
            if self.live.seq() == self.index.last_seq() {
                return;
            }
        }
    }

    pub(super) fn commit(&self) {
        self.index.commit_now().expect("it is committed");
    }

    /// Runs all waiting reads on the index as it is now.
    pub(super) async fn read(&mut self) {
        yield_now().await;
        let runtime = Runtime::current().metrics();
        if runtime.num_alive_tasks() == 0 {
            return;
        }
        self.turns.clear();
        while runtime.num_alive_tasks() > 0 {
            // On another thread, so that the reads do not share this thread with the loop.
            tokio::task::spawn_blocking(std::thread::yield_now).await.expect("no panic");
        }
        self.turns = self.live.inner.searches.take_all();
    }

    pub(super) async fn stop(self) {
        self.commit();
        for (last, acked) in self.pending {
            assert_eq!(acked.await.expect("an answer").expect("it is durable").seq, last);
        }
        self.shutdown.cancel();
        self.pipeline.await.expect("the loop ends well");
        self.index.close().expect("the index closes");
    }
}
