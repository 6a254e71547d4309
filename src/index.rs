//! Stores and searches tweets: a tantivy index on disk, and a tail in memory of the tweets that are
//! not searchable there yet.
//!
//! ```text
//! pipeline ── append ─┬─> tail ────────────────────────────────┐
//!                     │                                        ├─> Snapshot ── page, replay, get
//!                     └─> writer ── commit ─> CommittedIndex ──┘
//! ```
//!
//! [`Index::append`] makes a tweet searchable in the tail at once; a commit moves it from the tail
//! to the committed index. Both change under one lock, so that a [`Snapshot`] contains every tweet
//! exactly once and no search waits for a commit. A batch is acknowledged when it is committed.
//!
//! A tweet has one document: a newer version replaces the older one. A deletion is the last version
//! of a tweet: it has a seq and a document, and no search finds it.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tantivy::TantivyError;
use tokio::sync::{Semaphore, watch};

use crate::ids::{Epoch, Seq};
use crate::lower::Fields;
use crate::telemetry;
use crate::tweet::{SequencedTweet, TweetKey};

mod ack;
mod aggregate;
mod checksum;
mod commit_files;
mod commit_payload;
mod committed;
mod cursor;
mod damage;
mod directory;
mod disk_probe;
mod durable;
pub mod maintenance;
mod merge_policy;
mod options;
mod replaced;
mod replay;
mod retention;
mod schema_version;
mod seq_allocator;
mod shared;
mod snapshot;
mod swap;
mod tail;
mod tantivy_directory;
mod term_completion;
mod top_k;
mod tweet_fields;
mod writer;
mod zone_map;

pub use ack::{Ack, Durable, IntakeError};
pub use aggregate::{INTERVALS_MS, OverTime, TopTerms};
pub use cursor::{Cursor, Cursors};
pub use directory::OpenError;
pub use options::{IndexOptions, IndexStats};
pub(crate) use replaced::ReplacedVersions;
pub use replay::{PageLimits, QuerySet, Replay, ReplayHit, ReplayPage, ReplayQuery};
pub use retention::Retention;
pub use schema_version::schema_version;
pub use snapshot::{CompiledSearch, Page, PageRequest, SearchError, Snapshot, feed_page};
pub use tweet_fields::{TweetDocument, TweetFields};

use ack::answer;
use commit_payload::CommitPayload;
use committed::CommittedIndex;
use cursor::CursorTracker;
use damage::Damage;
use directory::IndexDir;
use disk_probe::DiskProbe;
use retention::{RetentionClock, SystemTimeSource, TimeSource};
use seq_allocator::SeqAllocator;
use shared::{Shared, State};
use tail::Tail;
use tantivy_directory::open_index;
use writer::{Message, Writer, WriterBatch};

/// A longer downtime is logged, because a wrong clock may be its cause.
const LONG_DOWNTIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A stored tweet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its position in the log.
    pub seq: Seq,
    /// The id of the tweet.
    pub id: u64,
    /// The stripped tweet as JSON.
    pub json: Arc<str>,
}

/// An open index. Cheap to clone.
///
/// Dropping the last clone closes it. [`Index::close`] also returns the result of the last commit.
#[derive(Clone)]
pub struct Index {
    inner: Arc<Inner>,
}

struct Inner {
    epoch: Epoch,
    seqs: Mutex<SeqAllocator>,
    shared: Arc<Shared>,
    cursors: Cursors,
    disk: Arc<DiskProbe>,
    damage: Arc<Damage>,
    /// The queue of the writer. `None` when the index is closed.
    messages: Mutex<Option<SyncSender<Message>>>,
    thread: Mutex<Option<JoinHandle<Result<(), IntakeError>>>>,
    /// One permit for each free place in the queue of the writer.
    room: Arc<Semaphore>,
    failure: watch::Receiver<Option<Arc<str>>>,
}

/// Recovers a poisoned lock: every section that holds a lock of the index leaves the data
/// consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Index {
    /// Opens the index in a directory, or creates one, and starts its writer.
    ///
    /// # Errors
    ///
    /// [`OpenError`], with a message for the operator.
    pub fn open(options: &IndexOptions) -> Result<Index, OpenError> {
        Index::open_with(options, Arc::new(SystemTimeSource::new()))
    }

    /// As [`Index::open`], with a source of time.
    pub(crate) fn open_with(options: &IndexOptions, time: Arc<dyn TimeSource>) -> Result<Index, OpenError> {
        let mut seqs = SeqAllocator::new(IndexDir::open(&options.dir)?);
        let failed = |error| OpenError::tantivy(&options.dir, error);
        let index = open_index(&seqs.dir().tantivy()).map_err(failed)?;
        if index.schema() != TweetFields::get().tantivy_schema() {
            return Err(OpenError::damaged(&options.dir, "its fields are not those of its schema version"));
        }
        Fields::register(&index);
        let damage = Arc::new(Damage::default());
        let committed =
            Arc::new(CommittedIndex::open(&index, &seqs.dir().tantivy(), Arc::clone(&damage)).map_err(failed)?);

        // perch.json may come from an older backup and reserve fewer seqs than are in use.
        let payload = CommitPayload::of(&index).map_err(failed)?;
        let last_committed = committed.highest_seq().max(Seq(payload.last_seq));
        seqs.skip_to(last_committed).map_err(|error| OpenError::io(&options.dir, error))?;

        let size_bytes = committed.size_bytes();
        telemetry::index_size(size_bytes, committed.documents());
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                committed,
                tail: Tail::default(),
                last_seq: seqs.last_seq(),
                first_seq: payload.retained.first_seq(),
                committed_seq: last_committed,
                snapshot: None,
                size_bytes,
                commits: 0,
                last_commit: Duration::ZERO,
            }),
        });
        let cursors = Cursors::default();
        let disk = Arc::new(DiskProbe::new(&options.dir));
        let newest_arrival_ms = payload.retained.newest_arrival_ms();
        let (clock, jump) = RetentionClock::start(time, payload.clock.as_ref(), newest_arrival_ms, last_committed);
        if options.retention.age.is_some() {
            if let Some(jump) = jump {
                telemetry::clock_jumped(jump.is_ahead, jump.by);
            }
            if clock.downtime() > LONG_DOWNTIME {
                telemetry::downtime_claimed(clock.downtime());
            }
        }
        let kept = (payload.retained, clock, CursorTracker::new(payload.cursors, cursors.clone()), Arc::clone(&disk));
        let writer = Writer::new(Arc::clone(&shared), index, seqs.dir().tantivy(), options, kept).map_err(failed)?;
        let queue_batches = options.queue_batches.max(1);
        let (messages, receiver) = sync_channel(queue_batches);
        let room = Arc::new(Semaphore::new(queue_batches));
        let (alarm, failure) = watch::channel(None);
        let alarm = Alarm { told: alarm, room: Arc::clone(&room) };
        let thread = std::thread::Builder::new()
            .name("perch-index".into())
            .spawn(move || writer.run(&receiver, &alarm.room))
            .map_err(|error| OpenError::io(&options.dir, error))?;
        Ok(Index {
            inner: Arc::new(Inner {
                epoch: seqs.dir().epoch(),
                seqs: Mutex::new(seqs),
                shared,
                cursors,
                disk,
                damage,
                messages: Mutex::new(Some(messages)),
                thread: Mutex::new(Some(thread)),
                room,
                failure,
            }),
        })
    }

    /// Identifies this index. Positions of another epoch mean nothing in it.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.inner.epoch
    }

    /// The lowest seq that retention keeps.
    #[must_use]
    pub fn first_seq(&self) -> Seq {
        self.inner.shared.lock().first_seq
    }

    /// The highest appended seq. Every tweet up to it is searchable.
    ///
    /// After a restart, seqs that a crash may have lost count as appended.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.inner.shared.lock().last_seq
    }

    /// Allocates the next `n` seqs and returns the first of them. Only the pipeline calls it.
    ///
    /// Writes to disk once for about a million seqs: a seq is reserved durably before it is used.
    ///
    /// # Errors
    ///
    /// When the reservation could not be written. No seq is allocated then.
    pub fn take_seqs(&self, n: usize) -> io::Result<Seq> {
        lock(&self.inner.seqs).allocate(n).inspect_err(|error| self.inner.disk.committed(Err(error.into())))
    }

    /// Adds tweets with ascending seqs of [`Index::take_seqs`]. They are searchable when this
    /// returns, and durable when the ack arrives.
    ///
    /// Blocks while the queue of the writer is full: wait for [`Index::ready`] first. Only the
    /// pipeline calls it.
    pub fn append(&self, items: Arc<[SequencedTweet]>, ack: Option<Ack>) {
        let _ = self.append_from(items, ack, None, false);
    }

    /// As [`Index::append`], for a batch of a source: its cursor becomes durable together with the
    /// tweets. Without tweets only the cursor moves. A batch that `may_wait` is committed within
    /// [`IndexOptions::source_commit_interval`]. Returns the versions that the tweets replace.
    pub(crate) fn append_from(
        &self,
        items: Arc<[SequencedTweet]>,
        ack: Option<Ack>,
        cursor: Option<Cursor>,
        may_wait: bool,
    ) -> ReplacedVersions {
        let Some(messages) = lock(&self.inner.messages).clone() else {
            answer(ack, Err(IntakeError::Closed));
            return ReplacedVersions::default();
        };
        let mut committed = Arc::clone(&self.inner.shared.lock().committed);
        let (last, replaces, replaced) = loop {
            // A look-up may read from the disk, which must not take place under the lock.
            let is_published: Vec<bool> = items.iter().map(|item| committed.may_hold(&item.tweet)).collect();
            let mut state = self.inner.shared.lock();
            if !Arc::ptr_eq(&committed, &state.committed) {
                committed = Arc::clone(&state.committed);
                continue;
            }
            // The tweets are deleted already. Their deletion may still wait to be durable.
            if items.is_empty() && cursor.is_none() && state.tail.tweets() == 0 {
                answer(ack, Ok(Durable { seq: state.last_seq, deleted: 0 }));
                return ReplacedVersions::default();
            }
            state.last_seq = items.last().map_or(state.last_seq, |item| item.seq);
            let older = state.tail.push(Arc::clone(&items), &is_published);
            state.snapshot = None;
            let replaces = older.iter().map(|&(at, _)| at).collect();
            break (state.last_seq, replaces, ReplacedVersions::new(committed, older));
        };
        if let Ok(permit) = self.inner.room.try_acquire() {
            permit.forget();
        }
        if let Err(refused) =
            messages.send(Message::Batch(WriterBatch { items, replaces, last, ack, cursor, may_wait }))
            && let Message::Batch(WriterBatch { ack, .. }) = refused.0
        {
            answer(ack, Err(self.gone()));
        }
        replaced
    }

    /// The `id` of a tweet, wherever its newest version is. `None` when there is no such tweet, or
    /// it is deleted.
    ///
    /// # Errors
    ///
    /// When the index can't be read.
    pub(crate) fn id_of(&self, key: TweetKey) -> Result<Option<u64>, TantivyError> {
        let committed = {
            let state = self.inner.shared.lock();
            if let Some(newest) = state.tail.newest(key) {
                return Ok((!newest.tweet.is_deleted).then_some(newest.tweet.id));
            }
            Arc::clone(&state.committed)
        };
        let address = damage::guarded(|| committed.find(key))?.filter(|&address| !committed.is_deletion(address));
        Ok(address.map(|address| committed.position(address).1))
    }

    /// The cursors of the sources as of the last commit.
    #[must_use]
    pub fn cursors(&self) -> Cursors {
        self.inner.cursors.clone()
    }

    /// Waits until the queue of the writer has room for a batch. Cancel safe. Only the pipeline
    /// calls it.
    ///
    /// # Errors
    ///
    /// When the writer is gone.
    pub async fn ready(&self) -> Result<(), IntakeError> {
        self.inner.room.acquire().await.map(drop).map_err(|_| self.gone())
    }

    /// A snapshot of everything that was appended.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut state = self.inner.shared.lock();
        if let Some(snapshot) = &state.snapshot {
            return snapshot.clone();
        }
        let snapshot =
            Snapshot::new(Arc::clone(&state.committed), state.tail.chunks(), state.first_seq, state.last_seq);
        state.snapshot = Some(snapshot.clone());
        snapshot
    }

    /// The current figures.
    #[must_use]
    pub fn stats(&self) -> IndexStats {
        let state = self.inner.shared.lock();
        IndexStats {
            documents: state.committed.documents(),
            segments: state.committed.segments(),
            size_bytes: state.size_bytes,
            tail_tweets: state.tail.tweets(),
            tail_bytes: state.tail.bytes(),
            commits: state.commits,
            last_commit: state.last_commit,
        }
    }

    /// Commits everything appended before this call at once.
    ///
    /// # Errors
    ///
    /// The reason when the commit failed.
    pub fn commit_now(&self) -> Result<(), IntakeError> {
        let done = self.begin_commit()?;
        done.recv().unwrap_or_else(|_| Err(self.gone()))
    }

    /// As [`Index::commit_now`], without waiting. The result arrives after the commit; tweets that
    /// are appended meanwhile belong to the next one.
    pub(crate) fn begin_commit(&self) -> Result<Receiver<Result<(), IntakeError>>, IntakeError> {
        let messages = lock(&self.inner.messages).clone().ok_or(IntakeError::Closed)?;
        let (done, result) = sync_channel(1);
        messages.send(Message::Commit(done)).map_err(|_| self.gone())?;
        Ok(result)
    }

    /// Commits everything and stops the writer. Later appends are refused; searches still work.
    ///
    /// # Errors
    ///
    /// The reason when the last commit failed. A second call does nothing.
    pub fn close(&self) -> Result<(), IntakeError> {
        self.inner.close()
    }

    /// Whether tweets could be written now. Writes and deletes a file of 1 MiB when the last check
    /// is old, so it must not run on an async thread.
    ///
    /// # Errors
    ///
    /// The reason when they could not.
    pub fn check_room(&self) -> Result<(), IntakeError> {
        if self.inner.damage.is_unsearchable() {
            return Err(IntakeError::Failed("committed tweets can't be opened to search".to_owned()));
        }
        self.inner.disk.check()
    }

    /// What is wrong with the files of the index, as sentences without names of files. Empty when
    /// nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.inner.damage.problems()
    }

    /// Records that a search of a snapshot failed.
    pub(crate) fn search_failed(&self, error: &SearchError) {
        self.inner.damage.search_failed(error);
    }

    /// Becomes `Some`, with the reason, when the writer has panicked. Nothing can be appended then.
    ///
    /// An error of the disk does not stop the writer; it is the answer to the batches.
    #[must_use]
    pub fn failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.inner.failure.clone()
    }

    /// Makes the writer panic.
    #[cfg(test)]
    pub(crate) fn break_writer(&self) {
        if let Some(messages) = lock(&self.inner.messages).as_ref() {
            // It can be gone already.
            let _ = messages.send(Message::Panic);
        }
    }

    /// Blocks the writer until the returned sender is dropped.
    #[cfg(test)]
    pub(crate) fn hold_writer(&self) -> SyncSender<()> {
        let (hold, held) = sync_channel(1);
        if let Some(messages) = lock(&self.inner.messages).as_ref() {
            // It can be gone already.
            let _ = messages.send(Message::Wait(held));
        }
        hold
    }

    /// The reason why the writer does not answer.
    fn gone(&self) -> IntakeError {
        match &*self.inner.failure.borrow() {
            Some(reason) => IntakeError::Failed(reason.to_string()),
            None => IntakeError::Closed,
        }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("epoch", &self.inner.epoch).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Inner {
    fn close(&self) -> Result<(), IntakeError> {
        let Some(messages) = lock(&self.messages).take() else { return Ok(()) };
        // A writer that has panicked returns the reason when it is joined.
        let _ = messages.send(Message::Close);
        drop(messages);
        let Some(thread) = lock(&self.thread).take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(IntakeError::Failed(PANICKED.into())))?;
        if let Err(error) = lock(&self.seqs).close() {
            // Everything is durable. The next start skips the reserved seqs, and the lock ends with
            // the last handle.
            tracing::warn!(%error, "reserved seqs can't be returned");
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the index was not closed well");
        }
    }
}

const PANICKED: &str = "the writer of the index has panicked";

/// Reports the end of the writer's thread.
struct Alarm {
    told: watch::Sender<Option<Arc<str>>>,
    room: Arc<Semaphore>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.told.send_replace(Some(PANICKED.into()));
        }
        // Ends every wait for room in the queue.
        self.room.close();
    }
}

#[cfg(test)]
mod tests;
