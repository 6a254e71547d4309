//! Where tweets are kept and searched: tantivy on disk, and the tail of what is not visible there
//! yet.
//!
//! ```text
//! pipeline ── append ─┬─> tail ──────────────────────────┐
//!                     │                                  ├─> View ── page, replay, get
//!                     └─> writer ── commit ─> searchers ─┘
//! ```
//!
//! A tweet can be found as soon as [`Index::append`] has returned: first in the tail, and when the
//! writer has committed it, in the searchers. Both change hands under one lock, so a [`View`] holds
//! every tweet exactly once, and no search waits for a commit. A batch is acknowledged when it is
//! committed.
//!
//! A tweet id has one document: a newer version replaces the older one, everywhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tantivy::store::Compressor;
use tantivy::{IndexSettings, TantivyError};
use tokio::sync::{Semaphore, watch};

use crate::ids::{Epoch, Seq};
use crate::telemetry;
use crate::tweet::SequencedTweet;

mod ack;
mod aggregate;
mod checked_directory;
mod checksum;
mod commit_files;
mod cursor;
mod damage;
mod durable;
mod durable_directory;
mod fields;
mod home;
mod lower;
mod merging;
mod multi_term;
pub mod offline;
mod phrase_candidates;
mod phrase_query;
mod position_scanner;
mod replay;
mod retention;
mod room;
mod schema_version;
mod seek_only;
mod shown;
mod slop;
mod swap;
mod tail;
mod term_infos;
mod top;
mod value_range;
mod view;
mod writer;
mod zone_map;

pub use ack::{Ack, IntakeError};
pub use aggregate::{INTERVALS_MS, OverTime, TopTerms};
pub use cursor::{Cursor, Cursors};
pub use fields::{Fields, IndexDocument, Leaf};
pub use home::OpenError;
pub use lower::lower;
pub use replay::{PageLimits, QuerySet, Replay, ReplayPage, ReplayQuery};
pub use retention::Retention;
pub use schema_version::schema_version;
pub use view::{Page, PageRequest, Search, SearchError, View};

use checked_directory::CheckedDirectory;
use cursor::Moves;
use damage::{Damage, guarded};
use durable_directory::DurableDirectory;
use home::Home;
use retention::{RetentionClock, SystemTimeSource, TimeSource};
use room::Room;
use shown::Shown;
use tail::{Chunk, Tail};
use writer::{Message, Payload, Writer};

/// A page of scattered hits reads one block for each: small blocks are read faster, large ones are
/// packed better.
const STORE_BLOCK_BYTES: usize = 4_096;

/// A longer time without a perch on the index is worth a line in the log, since it can come from a
/// clock that is wrong.
const LONG_DOWNTIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A stored tweet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its position.
    pub seq: Seq,
    /// Its own id.
    pub id: u64,
    /// The stripped tweet as JSON.
    pub json: Arc<str>,
}

/// How to keep an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexOptions {
    /// The directory. It is made when it does not exist.
    pub dir: PathBuf,
    /// How long a tweet waits for its commit at most.
    pub commit_interval: Duration,
    /// Commit earlier when this many tweets wait.
    pub commit_tweets: usize,
    /// The memory that uncommitted documents may take in tantivy, in bytes; at least 15 MB.
    pub writer_memory_bytes: usize,
    /// How many batches may wait for the writer, at least 1. [`Index::append`] blocks while there
    /// are more.
    pub queue_batches: usize,
    /// What to delete when it is too old or too much.
    pub retention: Retention,
}

impl Default for IndexOptions {
    fn default() -> IndexOptions {
        IndexOptions {
            dir: "index-data".into(),
            commit_interval: Duration::from_millis(250),
            commit_tweets: 50_000,
            writer_memory_bytes: 64_000_000,
            queue_batches: 64,
            retention: Retention::default(),
        }
    }
}

/// Counts of the present moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Tweets that searchers show. [`View::count`] counts those in the tail too.
    pub documents: u64,
    /// Segments that searchers look through.
    pub segments: usize,
    /// Bytes that the segments of the last commit take on disk. Merges need more while they run.
    pub size_bytes: u64,
    /// Tweets in the tail, older versions included.
    pub tail_tweets: usize,
    /// Bytes of the tweets in the tail.
    pub tail_bytes: usize,
    /// Commits since the start.
    pub commits: u64,
    /// How long the last commit took, until its tweets could be searched.
    pub last_commit: Duration,
}

/// An open index. Cheap to clone.
///
/// The last clone to go closes it; [`Index::close`] does it earlier and says how it went.
#[derive(Clone)]
pub struct Index {
    inner: Arc<Inner>,
}

struct Inner {
    epoch: Epoch,
    home: Mutex<Home>,
    shared: Arc<Shared>,
    cursors: Cursors,
    disk: Arc<Room>,
    damage: Arc<Damage>,
    /// The way to the writer. None when the index is closed.
    messages: Mutex<Option<SyncSender<Message>>>,
    thread: Mutex<Option<JoinHandle<Result<(), IntakeError>>>>,
    /// One permit for each batch that the writer's queue has room for.
    room: Arc<Semaphore>,
    failure: watch::Receiver<Option<Arc<str>>>,
}

/// What the writer's thread and everyone else share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shown: Arc<Shown>,
    tail: Tail,
    last_seq: Seq,
    /// Nothing before it is left.
    first_seq: Seq,
    /// The last seq that was committed.
    committed: Seq,
    /// The view of this state, once someone has asked for it.
    view: Option<View>,
    size_bytes: u64,
    commits: u64,
    last_commit: Duration,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn forget(&self, until: Seq) -> Vec<Arc<Chunk>> {
        let mut state = self.lock();
        state.view = None;
        state.tail.forget(until)
    }
}

/// Every section that holds one of our locks leaves its data whole, so a panic in another thread is
/// no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Index {
    /// Opens the index in a directory, or makes one there, and starts its writer.
    ///
    /// # Errors
    ///
    /// [`OpenError`], in words for the person who chose the directory.
    pub fn open(options: &IndexOptions) -> Result<Index, OpenError> {
        Index::open_with(options, Arc::new(SystemTimeSource::new()))
    }

    /// The same with these clocks.
    pub(crate) fn open_with(options: &IndexOptions, time: Arc<dyn TimeSource>) -> Result<Index, OpenError> {
        let mut home = Home::open(&options.dir)?;
        let failed = |error| open_error(options, error);
        let index = open_tantivy(&home.tantivy()).map_err(failed)?;
        if index.schema() != Fields::tweet().tantivy_schema() {
            return Err(OpenError::damaged(&options.dir, "its fields are not those of its schema version"));
        }
        Fields::register(&index);
        let damage = Arc::new(Damage::default());
        let shown = Arc::new(Shown::open(&index, &home.tantivy(), Arc::clone(&damage)).map_err(failed)?);

        // Numbers below these are in use, whatever perch.json says: it may come from an older
        // backup.
        let committed = Payload::of(&index).map_err(failed)?;
        let last_committed = shown.highest_seq().max(Seq(committed.last_seq));
        home.skip_to(last_committed).map_err(|error| OpenError::io(&options.dir, error))?;

        let size_bytes = shown.size_bytes();
        telemetry::index_size(size_bytes, shown.documents());
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                shown,
                tail: Tail::default(),
                last_seq: home.last_seq(),
                first_seq: committed.keeping.first_seq(),
                committed: last_committed,
                view: None,
                size_bytes,
                commits: 0,
                last_commit: Duration::ZERO,
            }),
        });
        let cursors = Cursors::default();
        let disk = Arc::new(Room::new(&options.dir));
        let newest_arrival_ms = committed.keeping.newest_arrival_ms();
        let (clock, jump) = RetentionClock::start(time, committed.clock.as_ref(), newest_arrival_ms, last_committed);
        if options.retention.age.is_some() {
            if let Some(jump) = jump {
                telemetry::clock_jumped(jump.is_ahead, jump.by);
            }
            if clock.downtime() > LONG_DOWNTIME {
                telemetry::downtime_claimed(clock.downtime());
            }
        }
        let kept = (committed.keeping, clock, Moves::new(committed.cursors, cursors.clone()), Arc::clone(&disk));
        let writer = Writer::new(Arc::clone(&shared), index, home.tantivy(), options, kept).map_err(failed)?;
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
                epoch: home.epoch(),
                home: Mutex::new(home),
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

    /// The life of this index: made with it, gone with it.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.inner.epoch
    }

    /// The position from which everything can be had: what came before it may have been deleted for
    /// its age or its size.
    #[must_use]
    pub fn first_seq(&self) -> Seq {
        self.inner.shared.lock().first_seq
    }

    /// The position up to which every tweet that there is can be found, and behind which every new
    /// one will be.
    ///
    /// That is the highest seq that was appended. After a restart, seqs that a crash may have cost
    /// count as appended.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.inner.shared.lock().last_seq
    }

    /// Takes the next `n` seqs for good, and answers with the first of them. For the one who
    /// appends.
    ///
    /// Now and then this writes to disk: no seq is given away before it is certain that no later
    /// start gives it away again.
    ///
    /// # Errors
    ///
    /// When that could not be written. No seq is lost then.
    pub fn take_seqs(&self, n: usize) -> io::Result<Seq> {
        lock(&self.inner.home).take_seqs(n).inspect_err(|error| self.inner.disk.committed(Err(error.into())))
    }

    /// Adds tweets, with seqs from [`Index::take_seqs`] in rising order. They can be found when
    /// this returns; they are durable when the ack says so.
    ///
    /// Blocks while the writer's queue is full, so wait for [`Index::ready`] first. To be called by
    /// one thread, the pipeline's.
    pub fn append(&self, items: Arc<[SequencedTweet]>, ack: Option<Ack>) {
        self.append_from(items, ack, None);
    }

    /// The same for the batch of a source that goes on where it was: its cursor becomes durable
    /// together with the tweets.
    pub fn append_from(&self, items: Arc<[SequencedTweet]>, ack: Option<Ack>, cursor: Option<Cursor>) {
        let answer = |ack: Option<Ack>, result| {
            if let Some(ack) = ack {
                // Whoever asked may be gone.
                let _ = ack.send(result);
            }
        };
        let Some(messages) = lock(&self.inner.messages).clone() else { return answer(ack, Err(IntakeError::Closed)) };
        {
            let mut state = self.inner.shared.lock();
            let Some(last) = items.last() else { return answer(ack, Ok(state.last_seq)) };
            state.last_seq = last.seq;
            let highest_id = state.shown.highest_id();
            state.tail.push(Arc::clone(&items), highest_id);
            state.view = None;
        }
        if let Ok(permit) = self.inner.room.try_acquire() {
            permit.forget();
        }
        if let Err(refused) = messages.send(Message::Batch(items, ack, cursor))
            && let Message::Batch(_, ack, _) = refused.0
        {
            answer(ack, Err(self.gone()));
        }
    }

    /// How far the sources had come with the last commit.
    #[must_use]
    pub fn cursors(&self) -> Cursors {
        self.inner.cursors.clone()
    }

    /// Waits until the writer's queue has room for a batch. Cancel safe. For the one who appends:
    /// only it takes room.
    ///
    /// # Errors
    ///
    /// When the writer is gone.
    pub async fn ready(&self) -> Result<(), IntakeError> {
        self.inner.room.acquire().await.map(drop).map_err(|_| self.gone())
    }

    /// Everything that was appended, as one snapshot.
    #[must_use]
    pub fn view(&self) -> View {
        let mut state = self.inner.shared.lock();
        if let Some(view) = &state.view {
            return view.clone();
        }
        let view = View::new(Arc::clone(&state.shown), state.tail.chunks(), state.first_seq, state.last_seq);
        state.view = Some(view.clone());
        view
    }

    /// Counts of the present moment.
    #[must_use]
    pub fn stats(&self) -> IndexStats {
        let state = self.inner.shared.lock();
        IndexStats {
            documents: state.shown.documents(),
            segments: state.shown.segments(),
            size_bytes: state.size_bytes,
            tail_tweets: state.tail.tweets(),
            tail_bytes: state.tail.bytes(),
            commits: state.commits,
            last_commit: state.last_commit,
        }
    }

    /// Commits what was appended before this call, without waiting for the commit interval.
    ///
    /// # Errors
    ///
    /// Why it could not be committed.
    pub fn commit_now(&self) -> Result<(), IntakeError> {
        let done = self.begin_commit()?;
        done.recv().unwrap_or_else(|_| Err(self.gone()))
    }

    /// The same without waiting: the result comes when it is committed, and what is appended
    /// meanwhile belongs to the next commit.
    pub(crate) fn begin_commit(&self) -> Result<Receiver<Result<(), IntakeError>>, IntakeError> {
        let messages = lock(&self.inner.messages).clone().ok_or(IntakeError::Closed)?;
        let (done, result) = sync_channel(1);
        messages.send(Message::Commit(done)).map_err(|_| self.gone())?;
        Ok(result)
    }

    /// Commits what was appended and stops the writer. What is appended from now on is refused;
    /// searching goes on.
    ///
    /// # Errors
    ///
    /// Why the last tweets could not be committed. A second call has nothing to do.
    pub fn close(&self) -> Result<(), IntakeError> {
        self.inner.close()
    }

    /// Whether tweets could be kept at the moment. Now and then this writes a file of 1 MiB, and
    /// takes it away again: not for threads that must not wait.
    ///
    /// # Errors
    ///
    /// Why they could not.
    pub fn check_room(&self) -> Result<(), IntakeError> {
        if self.inner.damage.is_unsearchable() {
            return Err(IntakeError::Failed("committed tweets can't be opened to search".to_owned()));
        }
        self.inner.disk.look()
    }

    /// What is wrong with the files although they are read and written, in words for everybody.
    /// Empty when nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.inner.damage.problems()
    }

    /// A search of a view failed.
    pub(crate) fn search_failed(&self, error: &SearchError) {
        self.inner.damage.search_failed(error);
    }

    /// Becomes `Some`, with the reason, when the writer has died: nothing can be appended any more.
    ///
    /// An error of the disk does not kill it: that is answered to those who wait for the batch.
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

    /// Keeps the writer from its work until what this answers with is dropped.
    #[cfg(test)]
    pub(crate) fn hold_writer(&self) -> SyncSender<()> {
        let (hold, held) = sync_channel(1);
        if let Some(messages) = lock(&self.inner.messages).as_ref() {
            // It can be gone already.
            let _ = messages.send(Message::Wait(held));
        }
        hold
    }

    /// Why the writer does not answer.
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
        // When the writer is gone already, its thread says why.
        let _ = messages.send(Message::Close);
        drop(messages);
        let Some(thread) = lock(&self.thread).take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(IntakeError::Failed(PANICKED.into())))?;
        if let Err(error) = lock(&self.home).leave() {
            // Everything is durable; the next start only skips some numbers, and the lock goes with
            // the last handle.
            tracing::warn!(%error, "numbers that were reserved can't be given back");
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

/// Tells when the writer's thread dies.
struct Alarm {
    told: watch::Sender<Option<Arc<str>>>,
    room: Arc<Semaphore>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.told.send_replace(Some(PANICKED.into()));
        }
        // Nobody waits for room that will never be made.
        self.room.close();
    }
}

/// Opens the tantivy index in a directory, or makes one there.
fn open_tantivy(dir: &Path) -> tantivy::Result<tantivy::Index> {
    let directory = CheckedDirectory::new(DurableDirectory::open(dir)?, dir);
    if tantivy::Index::exists(&directory)? {
        return guarded(|| tantivy::Index::open(directory));
    }
    create_in(directory)
}

fn create_in(directory: CheckedDirectory) -> tantivy::Result<tantivy::Index> {
    let settings = IndexSettings {
        docstore_compression: Compressor::Lz4,
        docstore_blocksize: STORE_BLOCK_BYTES,
        // A commit takes less than starting a thread for it is worth.
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    tantivy::Index::create(directory, Fields::tweet().tantivy_schema(), settings)
}

fn open_error(options: &IndexOptions, error: TantivyError) -> OpenError {
    match error {
        TantivyError::LockFailure(..) => OpenError::Locked { dir: options.dir.clone() },
        // Damage comes as an error of the file system too.
        TantivyError::IoError(error) if error.kind() != io::ErrorKind::InvalidData => {
            OpenError::io(&options.dir, io::Error::new(error.kind(), error.to_string()))
        }
        error => OpenError::damaged(&options.dir, error.to_string()),
    }
}

#[cfg(test)]
mod strategies;
#[cfg(test)]
mod tests;
