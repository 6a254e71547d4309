//! The writer: one thread that puts batches into tantivy, commits, and says when they are durable.
//!
//! It commits when the oldest uncommitted tweet has waited for the commit interval, or when so many wait that memory should
//! be freed. After a commit it opens new searchers, publishes them together with a tail that has let go of what they show,
//! and only then acknowledges.
//!
//! One document a tweet id: a tweet whose id is known, committed or not, is deleted first. tantivy applies a delete to what
//! was added before it, within a commit too. Looking an id up is cheaper than a delete that finds nothing, and ids mostly
//! rise, so most tweets are new at a glance.
//!
//! When tantivy fails, the batches since the last commit are answered with the reason and forgotten, and the next batch
//! starts with a new tantivy writer: a full disk ends nothing.

use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::query::RangeQuery;
use tantivy::{IndexWriter, TantivyError, Term};
use tokio::sync::Semaphore;

use super::ack::{Ack, IntakeError};
use super::cursor::{Cursor, Moves, Places};
use super::damage::guarded;
use super::fields::{Fields, IndexDocument};
use super::merging::Merging;
use super::retention::{Keeping, Part, Reason, Retention, RetentionClock, StoredClock, least_bytes};
use super::room::Room;
use super::shown::Shown;
use super::{IndexOptions, Shared};
use crate::ids::Seq;
use crate::telemetry;
use crate::tweet::SequencedTweet;

/// tantivy refuses to work with less memory, or with more.
const MEMORY_BYTES: std::ops::RangeInclusive<usize> = 15_000_000..=4_000_000_000;

/// How many tweets go to tantivy's own thread at once.
const GROUP: usize = 64;

/// When to look, after a commit, for what merges have done since: first after this time, then after twice as long.
const FIRST_TIDY: Duration = Duration::from_secs(1);
/// Merges take no longer.
const LAST_TIDY: Duration = Duration::from_secs(600);

/// What the writer is told.
pub(super) enum Message {
    /// Write this, move the source's cursor, and tell when both are durable.
    Batch(Arc<[SequencedTweet]>, Option<Ack>, Option<Cursor>),
    /// Commit now, and tell when everything before this message is durable.
    Commit(SyncSender<Result<(), IntakeError>>),
    /// Commit and stop.
    Close,
    /// Wait until the other end is gone, so that a test knows what comes before what.
    #[cfg(test)]
    Wait(Receiver<()>),
    /// Panic, so that a test sees what comes of it.
    #[cfg(test)]
    Panic,
}

/// What is stored with a commit.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Payload {
    /// The last seq that was committed.
    pub(super) last_seq: u64,
    /// What is kept.
    #[serde(flatten)]
    pub(super) keeping: Keeping,
    /// What ages are judged by, when tweets are deleted for their age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clock: Option<StoredClock>,
    /// How far each source had come.
    #[serde(default, skip_serializing_if = "Places::is_empty")]
    pub(super) cursors: Places,
}

impl Payload {
    /// What the last commit said; the default when there was none.
    pub(super) fn of(index: &tantivy::Index) -> tantivy::Result<Payload> {
        let payload = index.load_metas()?.payload;
        Ok(payload.and_then(|payload| serde_json::from_str(&payload).ok()).unwrap_or_default())
    }
}

/// The state of the writer's thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    index: tantivy::Index,
    dir: PathBuf,
    /// None after a failure.
    tantivy: Option<IndexWriter<IndexDocument>>,
    memory_bytes: usize,
    commit_interval: Duration,
    commit_tweets: usize,
    /// What searchers show.
    shown: Arc<Shown>,
    /// The last seq of each batch since the last commit, and who waits for it.
    pending: Vec<(Seq, Option<Ack>)>,
    pending_tweets: usize,
    /// The ids that were added and that searchers don't show yet.
    pending_ids: HashSet<u64>,
    /// When the oldest of the pending tweets came.
    oldest: Option<Instant>,
    retention: Retention,
    /// What is kept as of the last commit.
    keeping: Keeping,
    clock: RetentionClock,
    cursors: Moves,
    /// Is told whether commits go well.
    disk: Arc<Room>,
    /// When to look for tweets that are to be deleted, if no commit comes before.
    retain_at: Option<Instant>,
    /// Merges should give back what was deleted: the index is larger than it may be.
    is_tight: Arc<AtomicBool>,
    /// When to look for merges that are done, and how long the writer has waited for them.
    tidy: Option<(Instant, Duration)>,
}

impl Writer {
    /// A writer that is ready to run. Fails when tantivy's own writer can't be made.
    pub(super) fn new(
        shared: Arc<Shared>,
        index: tantivy::Index,
        dir: PathBuf,
        options: &IndexOptions,
        (keeping, clock, cursors, disk): (Keeping, RetentionClock, Moves, Arc<Room>),
    ) -> tantivy::Result<Writer> {
        let shown = Arc::clone(&shared.lock().shown);
        let mut writer = Writer {
            shared,
            index,
            dir,
            tantivy: None,
            memory_bytes: options.writer_memory_bytes.clamp(*MEMORY_BYTES.start(), *MEMORY_BYTES.end()),
            commit_interval: options.commit_interval,
            commit_tweets: options.commit_tweets.max(1),
            shown,
            pending: Vec::new(),
            pending_tweets: 0,
            pending_ids: HashSet::new(),
            oldest: None,
            retention: options.retention,
            keeping,
            clock,
            cursors,
            disk,
            retain_at: options.retention.interval().map(|_| Instant::now()),
            is_tight: Arc::default(),
            tidy: None,
        };
        writer.open_tantivy()?;
        Ok(writer)
    }

    /// Works until it is closed or nobody can send any more. Answers whether the last commit went well.
    pub(super) fn run(mut self, messages: &Receiver<Message>, room: &Semaphore) -> Result<(), IntakeError> {
        loop {
            let commit_at = self.oldest.map(|oldest| oldest + self.commit_interval);
            let wake_at = commit_at.into_iter().chain(self.tidy.map(|(at, _)| at)).chain(self.retain_at).min();
            let message = match wake_at {
                Some(at) => messages.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Batch(items, ack, cursor)) => {
                    room.add_permits(1);
                    self.add(&items, ack, cursor);
                }
                Ok(Message::Commit(done)) => {
                    // Nobody needs to wait for the answer.
                    let _ = done.send(self.commit());
                }
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => {
                    for message in messages.try_iter() {
                        if let Message::Batch(items, ack, cursor) = message {
                            self.add(&items, ack, cursor);
                        }
                    }
                    return self.commit();
                }
                #[cfg(test)]
                Ok(Message::Wait(held)) => {
                    // Nothing is ever sent.
                    let _ = held.recv();
                }
                #[cfg(test)]
                Ok(Message::Panic) => panic!("a test wants this"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if self.pending_tweets >= self.commit_tweets
                || self.oldest.is_some_and(|at| now >= at + self.commit_interval)
            {
                // The batches have their answer.
                let _ = self.commit();
            }
            if self.retain_at.is_some_and(|at| now >= at) {
                self.retain();
            }
            if self.tidy.is_some_and(|(at, _)| now >= at) {
                self.show_merges();
            }
        }
    }

    /// tantivy's writer; a new one after a failure.
    fn open_tantivy(&mut self) -> tantivy::Result<&mut IndexWriter<IndexDocument>> {
        if self.tantivy.is_none() {
            let options = IndexWriterOptions::builder()
                .num_worker_threads(1)
                .num_merge_threads(1)
                .memory_budget_per_thread(self.memory_bytes)
                .build();
            let writer = self.index.writer_with_options(options)?;
            let (is_tight, damage) = (Arc::clone(&self.is_tight), Arc::clone(self.shown.damage()));
            writer.set_merge_policy(Box::new(Merging::new(is_tight, &self.dir, damage)));
            self.tantivy = Some(writer);
            // What a crash or a full disk left half written takes space that the next commit may need.
            self.collect_garbage();
        }
        Ok(self.tantivy.as_mut().expect("it was just made"))
    }

    fn add(&mut self, items: &[SequencedTweet], ack: Option<Ack>, cursor: Option<Cursor>) {
        let Some(last) = items.last() else { return };
        if let Some(cursor) = cursor {
            self.cursors.add(cursor);
        }
        self.pending.push((last.seq, ack));
        self.pending_tweets += items.len();
        self.oldest.get_or_insert_with(Instant::now);
        if let Err(error) = self.try_add(items) {
            // tantivy's thread is gone, and only a commit says why.
            let cause = self.tantivy.as_mut().and_then(|writer| writer.prepare_commit().err());
            self.fail(&cause.unwrap_or(error));
        }
    }

    fn try_add(&mut self, items: &[SequencedTweet]) -> tantivy::Result<()> {
        let fields = Fields::tweet();
        for group in items.chunks(GROUP) {
            let mut operations = Vec::with_capacity(group.len());
            for item in group {
                let id = item.tweet.id;
                if self.exists(id)? {
                    operations.push(UserOperation::Delete(Term::from_field_u64(fields.id(), id)));
                }
                self.pending_ids.insert(id);
                operations.push(UserOperation::Add(fields.tweet_document(item)));
            }
            self.open_tantivy()?.run(operations)?;
        }
        Ok(())
    }

    /// Whether there is a tweet with this id, committed or not.
    fn exists(&self, id: u64) -> tantivy::Result<bool> {
        Ok(self.pending_ids.contains(&id)
            || self.shown.highest_id().is_some_and(|highest| id <= highest)
                && guarded(|| self.shown.find(id))?.is_some())
    }

    fn commit(&mut self) -> Result<(), IntakeError> {
        let Some(&(last, _)) = self.pending.last() else { return Ok(()) };
        let started = Instant::now();
        let now_ms = self.read_clock();
        let mut keeping = self.keeping.clone();
        keeping.mark(&self.retention, last, now_ms);
        let reason = self.cut(&mut keeping, now_ms);
        if let Err(error) = self.try_commit(last, keeping, reason) {
            return Err(self.fail(&error));
        }
        self.disk.committed(Ok(()));
        telemetry::committed(self.pending_tweets, started.elapsed());
        // When this fails, the tail keeps the tweets until the next commit can show them: they are durable and can be found.
        let published = self.publish(last, Some(started));
        self.shown.damage().searchable(&published);
        self.pending_tweets = 0;
        self.oldest = None;
        self.tidy = Some((Instant::now() + FIRST_TIDY, FIRST_TIDY));
        for (seq, ack) in self.pending.drain(..) {
            if let Some(ack) = ack {
                // Whoever asked may be gone.
                let _ = ack.send(Ok(seq));
            }
        }
        Ok(())
    }

    fn try_commit(&mut self, last: Seq, keeping: Keeping, reason: Option<Reason>) -> tantivy::Result<()> {
        let cursors = self.cursors.next();
        let clock = self.retention.age.map(|_| self.clock.stored());
        let payload = Payload { last_seq: last.0, keeping: keeping.clone(), clock, cursors: cursors.clone() };
        let payload = serde_json::to_string(&payload)?;
        let writer = self.open_tantivy()?;
        if reason.is_some() {
            let first = Term::from_field_u64(Fields::tweet().seq(), keeping.first_seq().0);
            writer.delete_query(Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(first))))?;
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&payload);
        commit.commit()?;
        if let Some(reason) = reason {
            let first = keeping.first_seq();
            let tweets = self.shown.count_before(first);
            match reason {
                Reason::Age(age) => telemetry::deleted_for_age(tweets, first.before(), age),
                Reason::Size(bytes) => telemetry::deleted_for_size(tweets, first.before(), bytes),
            }
        }
        self.keeping = keeping;
        self.cursors.settle(cursors);
        Ok(())
    }

    /// Finds out what is too old or too much now.
    fn cut(&mut self, keeping: &mut Keeping, now_ms: u64) -> Option<Reason> {
        let interval = self.retention.interval()?;
        self.retain_at = Some(Instant::now() + interval);
        let parts = self.shown.parts();
        let reason = keeping.cut(&self.retention, now_ms, &parts);
        // What is deleted for its age is left to the merges that come anyway.
        self.is_tight.store(self.is_too_large(), Ordering::Relaxed);
        reason
    }

    /// The time by which retention goes.
    fn read_clock(&mut self) -> u64 {
        let reading = self.clock.read();
        let (last, ms) = reading.aged;
        self.keeping.age(last, ms);
        if self.retention.age.is_some()
            && let Some(jump) = reading.jump
        {
            telemetry::clock_jumped(jump.is_ahead, jump.by);
        }
        reading.now_ms
    }

    fn is_too_large(&self) -> bool {
        self.retention.size_bytes.is_some_and(|limit| self.shown.size_bytes() > limit)
    }

    /// Deletes what is too old or too much, when there is such and no commit comes anyway.
    fn retain(&mut self) {
        let now_ms = self.read_clock();
        let mut keeping = self.keeping.clone();
        let last = self.shared.lock().committed;
        if self.retention.age.is_some() && !keeping.is_marked() {
            // The index was made without an age to keep to: what is there counts as new.
            keeping.mark(&self.retention, last, now_ms);
        }
        let reason = self.cut(&mut keeping, now_ms);
        // A commit is also what starts merges.
        let reclaims = self.is_too_large() && self.shown.parts().iter().any(Part::is_wasteful);
        if self.oldest.is_some() || keeping == self.keeping && !reclaims {
            return;
        }
        let done = self.try_commit(last, keeping, reason).and_then(|()| self.publish(Seq::ZERO, None));
        match done {
            Ok(()) => self.tidy = Some((Instant::now() + FIRST_TIDY, FIRST_TIDY)),
            Err(error) => {
                tracing::error!(%error, "old tweets can't be deleted");
                self.tantivy = None;
            }
        }
    }

    /// Shows what is committed, up to `last`, and lets the tail go of it.
    fn publish(&mut self, last: Seq, commit_started: Option<Instant>) -> tantivy::Result<()> {
        let shown = Arc::new(self.shown.reopen(&self.index, &self.dir)?);
        let size_bytes = shown.size_bytes();
        let gone = {
            let mut state = self.shared.lock();
            state.shown = Arc::clone(&shown);
            state.view = None;
            state.size_bytes = size_bytes;
            state.first_seq = self.keeping.first_seq();
            state.committed = state.committed.max(last);
            if let Some(started) = commit_started {
                state.commits += 1;
                state.last_commit = started.elapsed();
            }
            state.tail.forget(last)
        };
        drop(gone);
        telemetry::index_size(size_bytes, shown.documents());
        self.shown = shown;
        self.pending_ids.clear();
        if let Some(limit) = self.retention.size_bytes {
            // What this commit has brought is too much: the next look at it need not be the next commit or minute.
            let unasked = self.is_too_large() && !self.is_tight.load(Ordering::Relaxed);
            if unasked || least_bytes(&self.shown.parts()) > limit {
                let soon = Instant::now() + FIRST_TIDY;
                self.retain_at = self.retain_at.map(|at| at.min(soon));
            }
        }
        Ok(())
    }

    /// Deletes the files that no commit needs any more.
    fn collect_garbage(&self) {
        if let Some(writer) = &self.tantivy
            && let Err(error) = writer.garbage_collect_files().wait()
        {
            tracing::warn!(%error, "unused files of the index can't be deleted");
        }
    }

    /// Gives up what was added since the last commit, and answers everyone who waits for it.
    fn fail(&mut self, error: &TantivyError) -> IntakeError {
        let reason = reason(error);
        self.disk.committed(Err(reason.clone()));
        tracing::error!(tweets = self.pending_tweets, %error, "the index can't be written");
        self.tantivy = None;
        let last = self.pending.last().map_or(Seq::ZERO, |&(last, _)| last);
        // A commit that failed may have come through nevertheless: look what there is.
        if let Ok(payload) = Payload::of(&self.index) {
            self.keeping = payload.keeping;
            self.cursors.settle(payload.cursors);
        } else {
            self.cursors.give_up();
        }
        if self.publish(last, None).is_err() {
            let gone = self.shared.forget(last);
            drop(gone);
        }
        self.pending_tweets = 0;
        self.oldest = None;
        for (_, ack) in self.pending.drain(..) {
            if let Some(ack) = ack {
                let _ = ack.send(Err(reason.clone()));
            }
        }
        reason
    }

    /// Shows the segments that merges have made, and deletes the files of the old ones.
    fn show_merges(&mut self) {
        let waited = self.tidy.take().map_or(FIRST_TIDY, |(_, waited)| waited);
        // With tweets on the way, their commit does this.
        if self.oldest.is_some() {
            return;
        }
        let is_new = self.index.searchable_segment_ids().is_ok_and(|ids| ids.iter().any(|id| !self.shown.holds(*id)));
        if is_new && let Err(error) = self.publish(Seq::ZERO, None) {
            tracing::warn!(%error, "merged segments can't be opened");
        }
        // tantivy does so at the end of a merge and of a commit, but not while somebody opens what is there.
        self.collect_garbage();
        let wait = waited * 2;
        self.tidy = (wait <= LAST_TIDY).then(|| (Instant::now() + wait, wait));
    }
}

/// What tantivy's error means to those who wait.
fn reason(error: &TantivyError) -> IntakeError {
    // tantivy turns most errors of the disk into text or wraps them: the kind, or the number (ENOSPC, EDQUOT), is left in it.
    const FULL: [&str; 4] = ["StorageFull", "QuotaExceeded", "(os error 28)", "(os error 122)"];
    let text = error.to_string();
    let details = format!("{text} {error:?}");
    if FULL.iter().any(|sign| details.contains(sign)) { IntakeError::Full } else { IntakeError::Failed(text) }
}
