//! The writer: the thread that adds batches to tantivy, commits them and acknowledges them.
//!
//! It commits when an uncommitted tweet has waited for its commit interval, or when enough tweets
//! wait. Tweets of live sources, which no client waits for, have a longer interval: larger commits
//! cost less, and so do the merges that follow. After a commit it opens the new segments, publishes
//! them together with a tail without their tweets, and then acknowledges.
//!
//! A tweet id has one document: the writer deletes the older version of a tweet first. tantivy
//! applies a delete to the documents added before it, within a commit too. Looking up an id is
//! cheaper than a delete that finds nothing, and only entries of which the tail did not find out
//! that they are new need it.
//!
//! When tantivy fails, the writer answers the batches since the last commit with the reason,
//! forgets them, and continues with a new tantivy writer: it survives a full disk.

use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::query::RangeQuery;
use tantivy::{IndexWriter, TantivyError, Term};
use tokio::sync::Semaphore;

use super::ack::{Ack, Durable, IntakeError, answer, reason};
use super::commit_payload::CommitPayload;
use super::committed::CommittedIndex;
use super::cursor::{Cursor, CursorTracker};
use super::damage::guarded;
use super::disk_probe::DiskProbe;
use super::merge_policy::PerchMergePolicy;
use super::merge_policy::purge::Purge;
use super::options::IndexOptions;
use super::retention::{Part, Reason, Retention, RetentionClock, RetentionState, least_bytes};
use super::shared::Shared;
use super::tweet_fields::{TweetDocument, TweetFields};
use crate::ids::Seq;
use crate::telemetry;
use crate::tweet::{AnalyzedTweet, SequencedTweet, TweetKey};

/// The bounds that tantivy accepts.
const MEMORY_BYTES: std::ops::RangeInclusive<usize> = 15_000_000..=4_000_000_000;

/// Tweets per operation of tantivy's writer.
const GROUP_TWEETS: usize = 64;

/// Delay of the first check for finished merges after a commit. Each further check waits twice as
/// long.
const FIRST_TIDY: Duration = Duration::from_secs(1);
/// No merge takes longer.
const LAST_TIDY: Duration = Duration::from_secs(600);

/// A message to the writer.
pub(super) enum Message {
    /// Add a batch, advance the cursor of its source, and acknowledge both when they are durable.
    Batch(WriterBatch),
    /// Commit now, and answer when everything before this message is durable.
    Commit(SyncSender<Result<(), IntakeError>>),
    /// Commit and stop.
    Close,
    /// Block until the sender is dropped, so that a test controls the order of events.
    #[cfg(test)]
    Wait(Receiver<()>),
    /// Panic, for a test.
    #[cfg(test)]
    Panic,
}

/// A batch for the writer.
pub(super) struct WriterBatch {
    /// The tweets and deletions. There are none if the batch only moves a cursor.
    pub(super) items: Arc<[SequencedTweet]>,
    /// The entries that may replace a version, by their index, in order. The others are new: when
    /// they came, neither the index nor the tail had a version.
    pub(super) replaces: Vec<usize>,
    /// The last seq of this batch and of those before it.
    pub(super) last: Seq,
    pub(super) ack: Option<Ack>,
    pub(super) cursor: Option<Cursor>,
    /// Whether it is committed within the interval of sources.
    pub(super) may_wait: bool,
}

/// The state of the writer's thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    index: tantivy::Index,
    dir: PathBuf,
    /// `None` after a failure.
    tantivy: Option<IndexWriter<TweetDocument>>,
    memory_bytes: usize,
    commit_interval: Duration,
    source_commit_interval: Duration,
    commit_tweets: usize,
    /// The published segments.
    committed: Arc<CommittedIndex>,
    /// What each batch since the last commit makes durable, and its ack.
    pending: Vec<(Durable, Option<Ack>)>,
    pending_tweets: usize,
    /// The first known seqs of tweets that are added and not in the published segments.
    pending_keys: HashMap<TweetKey, Seq>,
    /// The next commit, if a batch is pending.
    commit_at: Option<Instant>,
    retention: Retention,
    /// As of the last commit.
    retained: RetentionState,
    clock: RetentionClock,
    cursors: CursorTracker,
    /// Receives the results of commits.
    disk: Arc<DiskProbe>,
    /// The next check for tweets to delete, if no commit comes before.
    retain_at: Option<Instant>,
    /// The index is above its size limit, so that merges should free space.
    is_tight: Arc<AtomicBool>,
    purge: Purge,
    /// The next check for finished merges, and the delay before it.
    tidy: Option<(Instant, Duration)>,
}

impl Writer {
    /// # Errors
    ///
    /// When tantivy's writer can't be created.
    pub(super) fn new(
        shared: Arc<Shared>,
        index: tantivy::Index,
        dir: PathBuf,
        options: &IndexOptions,
        (retained, clock, cursors, disk): (RetentionState, RetentionClock, CursorTracker, Arc<DiskProbe>),
    ) -> tantivy::Result<Writer> {
        let committed = Arc::clone(&shared.lock().committed);
        let mut writer = Writer {
            shared,
            index,
            dir,
            tantivy: None,
            memory_bytes: options.writer_memory_bytes.clamp(*MEMORY_BYTES.start(), *MEMORY_BYTES.end()),
            commit_interval: options.commit_interval,
            source_commit_interval: options.source_commit_interval,
            commit_tweets: options.commit_tweets.max(1),
            committed,
            pending: Vec::new(),
            pending_tweets: 0,
            pending_keys: HashMap::new(),
            commit_at: None,
            retention: options.retention,
            retained,
            clock,
            cursors,
            disk,
            retain_at: options.retention.interval().map(|_| Instant::now()),
            is_tight: Arc::default(),
            purge: Purge::new(options.purge_after),
            tidy: None,
        };
        writer.open_tantivy()?;
        Ok(writer)
    }

    /// Runs until the index is closed or every sender is gone. Returns the result of the last
    /// commit.
    pub(super) fn run(mut self, messages: &Receiver<Message>, room: &Semaphore) -> Result<(), IntakeError> {
        loop {
            let tidy_at = self.tidy.map(|(at, _)| at);
            let wake_at = [self.commit_at, tidy_at, self.retain_at, self.purge.at()].into_iter().flatten().min();
            let message = match wake_at {
                Some(at) => messages.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Batch(batch)) => {
                    room.add_permits(1);
                    self.add(batch);
                }
                Ok(Message::Commit(done)) => {
                    // The receiver may be gone.
                    let _ = done.send(self.commit());
                }
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => {
                    for message in messages.try_iter() {
                        if let Message::Batch(batch) = message {
                            self.add(batch);
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
            if self.pending_tweets >= self.commit_tweets || self.commit_at.is_some_and(|at| now >= at) {
                // The batches have their answer.
                let _ = self.commit();
            }
            if self.retain_at.is_some_and(|at| now >= at) {
                self.retain();
            }
            if self.purge.at().is_some_and(|at| now >= at) {
                self.purge();
            }
            if self.tidy.is_some_and(|(at, _)| now >= at) {
                self.show_merges();
            }
        }
    }

    /// The tantivy writer; a new one after a failure.
    fn open_tantivy(&mut self) -> tantivy::Result<&mut IndexWriter<TweetDocument>> {
        if self.tantivy.is_none() {
            let options = IndexWriterOptions::builder()
                .num_worker_threads(1)
                .num_merge_threads(1)
                .memory_budget_per_thread(self.memory_bytes)
                .build();
            let writer = self.index.writer_with_options(options)?;
            let (is_tight, damage) = (Arc::clone(&self.is_tight), Arc::clone(self.committed.damage()));
            let policy = PerchMergePolicy::new(is_tight, self.purge.segments(), &self.dir, damage);
            writer.set_merge_policy(Box::new(policy));
            self.tantivy = Some(writer);
            // What a crash or a full disk left half written takes space that the next commit may
            // need.
            self.collect_garbage();
        }
        Ok(self.tantivy.as_mut().expect("it was just made"))
    }

    fn add(&mut self, batch: WriterBatch) {
        let WriterBatch { items, replaces, last, ack, cursor, may_wait } = batch;
        if let Some(cursor) = cursor {
            self.cursors.add(cursor);
        }
        let deleted = items.iter().filter(|item| item.tweet.is_deleted).count() as u64;
        self.pending.push((Durable { seq: last, deleted }, ack));
        self.pending_tweets += items.len();
        let interval = if may_wait { self.source_commit_interval } else { self.commit_interval };
        let commit_at = Instant::now() + interval;
        self.commit_at = Some(self.commit_at.map_or(commit_at, |at| at.min(commit_at)));
        if let Err(error) = self.try_add(&items, &replaces) {
            // tantivy's thread has ended, and only a commit returns the cause.
            let cause = self.tantivy.as_mut().and_then(|writer| writer.prepare_commit().err());
            self.fail(&cause.unwrap_or(error));
        }
    }

    fn try_add(&mut self, items: &[SequencedTweet], replaces: &[usize]) -> tantivy::Result<()> {
        let fields = TweetFields::get();
        let mut replaces = replaces.iter().copied().peekable();
        let mut numbered = items.iter().enumerate();
        while numbered.len() > 0 {
            let mut operations = Vec::with_capacity(GROUP_TWEETS.min(numbered.len()));
            for (at, item) in numbered.by_ref().take(GROUP_TWEETS) {
                let may_replace = replaces.next_if_eq(&at).is_some();
                let first_seq = if may_replace { self.first_seq(&item.tweet)? } else { None };
                if first_seq.is_some() {
                    operations.push(UserOperation::Delete(fields.key_term(item.tweet.key)));
                }
                self.pending_keys.insert(item.tweet.key, first_seq.unwrap_or(item.seq));
                operations.push(UserOperation::Add(fields.document(item, first_seq)));
            }
            self.open_tantivy()?.run(operations)?;
        }
        Ok(())
    }

    /// The seq of the first known version of this tweet, committed or not, if there is one.
    fn first_seq(&self, tweet: &AnalyzedTweet) -> tantivy::Result<Option<Seq>> {
        if let Some(&first) = self.pending_keys.get(&tweet.key) {
            return Ok(Some(first));
        }
        // For another key `may_hold` is a look-up too.
        if tweet.key.number().is_some() && !self.committed.may_hold(tweet) {
            return Ok(None);
        }
        let older = guarded(|| self.committed.find(tweet.key))?;
        Ok(older.map(|older| self.committed.segment(older.segment_ord).first_seq(older.doc_id)))
    }

    fn commit(&mut self) -> Result<(), IntakeError> {
        let Some(&(Durable { seq: last, .. }, _)) = self.pending.last() else { return Ok(()) };
        let started = Instant::now();
        let now_ms = self.read_clock();
        let mut retained = self.retained.clone();
        retained.mark(&self.retention, last, now_ms);
        let reason = self.cut(&mut retained, now_ms);
        if let Err(error) = self.try_commit(last, retained, reason) {
            return Err(self.fail(&error));
        }
        self.disk.committed(Ok(()));
        telemetry::committed(self.pending_tweets, started.elapsed());
        // On failure the tail keeps the tweets until the next commit publishes them. They are
        // durable and searchable.
        let published = self.publish(last, Some(started));
        self.committed.damage().searchable(&published);
        self.pending_tweets = 0;
        self.commit_at = None;
        self.tidy = Some((Instant::now() + FIRST_TIDY, FIRST_TIDY));
        if self.pending.iter().any(|(durable, _)| durable.deleted > 0) {
            self.purge.note_deletion();
        }
        for (durable, ack) in self.pending.drain(..) {
            answer(ack, Ok(durable));
        }
        Ok(())
    }

    fn try_commit(&mut self, last: Seq, retained: RetentionState, reason: Option<Reason>) -> tantivy::Result<()> {
        let cursors = self.cursors.next();
        let clock = self.retention.age.map(|_| self.clock.stored());
        let payload = CommitPayload { last_seq: last.0, retained: retained.clone(), clock, cursors: cursors.clone() };
        let payload = serde_json::to_string(&payload)?;
        let writer = self.open_tantivy()?;
        if reason.is_some() {
            let first = Term::from_field_u64(TweetFields::get().seq(), retained.first_seq().0);
            writer.delete_query(Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(first))))?;
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&payload);
        commit.commit()?;
        if let Some(reason) = reason {
            let first = retained.first_seq();
            let tweets = self.committed.count_before(first);
            match reason {
                Reason::Age(age) => telemetry::deleted_for_age(tweets, first.before(), age),
                Reason::Size(bytes) => telemetry::deleted_for_size(tweets, first.before(), bytes),
            }
        }
        self.retained = retained;
        self.cursors.settle(cursors);
        Ok(())
    }

    /// Decides which tweets retention deletes now.
    fn cut(&mut self, retained: &mut RetentionState, now_ms: u64) -> Option<Reason> {
        let interval = self.retention.interval()?;
        self.retain_at = Some(Instant::now() + interval);
        let parts = self.committed.parts();
        let reason = retained.cut(&self.retention, now_ms, &parts);
        // Space of tweets deleted for their age is freed by the ordinary merges.
        self.is_tight.store(self.is_too_large(), Ordering::Relaxed);
        reason
    }

    /// The current time of retention.
    fn read_clock(&mut self) -> u64 {
        let reading = self.clock.read();
        let (last, ms) = reading.aged;
        self.retained.age(last, ms);
        if self.retention.age.is_some()
            && let Some(jump) = reading.jump
        {
            telemetry::clock_jumped(jump.is_ahead, jump.by);
        }
        reading.now_ms
    }

    fn is_too_large(&self) -> bool {
        self.retention.size_bytes.is_some_and(|limit| self.committed.size_bytes() > limit)
    }

    /// Deletes tweets for retention when no commit is due.
    fn retain(&mut self) {
        let now_ms = self.read_clock();
        let mut retained = self.retained.clone();
        let last = self.shared.lock().committed_seq;
        if self.retention.age.is_some() && !retained.is_marked() {
            // The index was made without an age to keep to: what is there counts as new.
            retained.mark(&self.retention, last, now_ms);
        }
        let reason = self.cut(&mut retained, now_ms);
        // A commit is also what starts merges.
        let reclaims = self.is_too_large() && self.committed.parts().iter().any(Part::is_wasteful);
        if self.commit_at.is_none() && (retained != self.retained || reclaims) {
            self.commit_alone(last, retained, reason);
        }
    }

    /// Starts merges that leave out the texts of deleted tweets.
    fn purge(&mut self) {
        let found = self.committed.segments_with_deleted_texts();
        // Tweets on the way bring a commit, which starts merges too.
        if self.purge.begin(&found) && self.commit_at.is_none() {
            let last = self.shared.lock().committed_seq;
            self.commit_alone(last, self.retained.clone(), None);
        }
    }

    /// Commits without new tweets.
    fn commit_alone(&mut self, last: Seq, retained: RetentionState, reason: Option<Reason>) {
        let done = self.try_commit(last, retained, reason).and_then(|()| self.publish(Seq::ZERO, None));
        match done {
            Ok(()) => self.tidy = Some((Instant::now() + FIRST_TIDY, FIRST_TIDY)),
            Err(error) => {
                tracing::error!(%error, "old or deleted tweets can't be removed from the disk");
                self.tantivy = None;
            }
        }
    }

    /// Publishes the committed segments and drops the tail up to `last`.
    fn publish(&mut self, last: Seq, commit_started: Option<Instant>) -> tantivy::Result<()> {
        let committed = Arc::new(self.committed.reopen(&self.index, &self.dir)?);
        let size_bytes = committed.size_bytes();
        let gone = {
            let mut state = self.shared.lock();
            state.committed = Arc::clone(&committed);
            state.snapshot = None;
            state.size_bytes = size_bytes;
            state.first_seq = self.retained.first_seq();
            state.committed_seq = state.committed_seq.max(last);
            if let Some(started) = commit_started {
                state.commits += 1;
                state.last_commit = started.elapsed();
            }
            state.tail.forget(last)
        };
        drop(gone);
        telemetry::index_size(size_bytes, committed.documents());
        self.committed = committed;
        self.pending_keys.clear();
        if let Some(limit) = self.retention.size_bytes {
            // The last commit exceeded the limit: check again soon, not at the next commit or
            // minute.
            let unasked = self.is_too_large() && !self.is_tight.load(Ordering::Relaxed);
            if unasked || least_bytes(&self.committed.parts()) > limit {
                let soon = Instant::now() + FIRST_TIDY;
                self.retain_at = self.retain_at.map(|at| at.min(soon));
            }
        }
        Ok(())
    }

    /// Deletes files that no commit needs.
    fn collect_garbage(&self) {
        if let Some(writer) = &self.tantivy
            && let Err(error) = writer.garbage_collect_files().wait()
        {
            tracing::warn!(%error, "unused files of the index can't be deleted");
        }
    }

    /// Forgets everything since the last commit and answers its batches with the reason.
    fn fail(&mut self, error: &TantivyError) -> IntakeError {
        let reason = reason(error);
        self.disk.committed(Err(reason.clone()));
        tracing::error!(tweets = self.pending_tweets, %error, "the index can't be written");
        self.tantivy = None;
        let last = self.pending.last().map_or(Seq::ZERO, |(last, _)| last.seq);
        // A commit that failed may still be on disk: read what is there.
        if let Ok(payload) = CommitPayload::of(&self.index) {
            self.retained = payload.retained;
            self.cursors.settle(payload.cursors);
        } else {
            self.cursors.give_up();
        }
        if self.publish(last, None).is_err() {
            let gone = self.shared.forget(last);
            drop(gone);
        }
        self.pending_tweets = 0;
        self.commit_at = None;
        for (_, ack) in self.pending.drain(..) {
            answer(ack, Err(reason.clone()));
        }
        reason
    }

    /// Publishes merged segments, and deletes the files of those they replace.
    fn show_merges(&mut self) {
        let waited = self.tidy.take().map_or(FIRST_TIDY, |(_, waited)| waited);
        // With tweets on the way, their commit does this.
        if self.commit_at.is_some() {
            return;
        }
        let is_new =
            self.index.searchable_segment_ids().is_ok_and(|ids| ids.iter().any(|id| !self.committed.holds(*id)));
        if is_new && let Err(error) = self.publish(Seq::ZERO, None) {
            tracing::warn!(%error, "merged segments can't be opened");
        }
        // tantivy does so at the end of a merge and of a commit, but not while a reader opens what
        // is there.
        self.collect_garbage();
        let wait = waited * 2;
        self.tidy = (wait <= LAST_TIDY).then(|| (Instant::now() + wait, wait));
    }
}
