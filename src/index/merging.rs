//! Which segments are merged, and which are written again to give back what was deleted in them.
//!
//! A merge writes new files with right checksums from whatever it reads. So the files of a segment are compared with their
//! checksums before it is merged. A segment with a damaged file is never merged: it stays as it is, `perch check-index`
//! finds it, and what is right in it can be salvaged.
//!
//! tantivy does not say that a merge has failed, it asks for merges again after the next commit. Segments that were proposed
//! and are there again were not merged. They are proposed again after a minute, then after twice as long each time: a disk
//! that was full may have space again. A merge of them and of more segments waits as long. Merges that failed are a problem
//! until they are done, or not wanted any more.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tantivy::SegmentMeta;
use tantivy::index::SegmentId;
use tantivy::merge_policy::{LogMergePolicy, MergeCandidate, MergePolicy};

use super::checksum::{self, FileDamage};
use super::commit_files::{Commit, CommittedSegment};
use super::damage::Damage;
use super::lock;
use super::retention::is_wasteful;

/// Files up to this size in all are compared with their checksums while tantivy waits, in bytes: that takes some
/// milliseconds. Larger ones are read by a thread of their own, and merged after the next commit.
const CHECKED_AT_ONCE_BYTES: u64 = 32 * 1024 * 1024;

/// How many merges are remembered to see whether they failed. tantivy runs one at a time.
const REMEMBERED: usize = 64;

/// How many segments are remembered to be right. They are checked again when they were forgotten.
const MAX_CHECKED: usize = 4_096;

/// When a merge that failed is tried again: first after this time, then after twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LAST_RETRY: Duration = Duration::from_secs(3_600);

/// Asked by tantivy after each commit and each merge, about the segments that no merge works on.
#[derive(Debug)]
pub(super) struct Merging {
    by_size: LogMergePolicy,
    /// Space is short.
    is_tight: Arc<AtomicBool>,
    checks: Arc<Checks>,
    attempts: Mutex<Attempts>,
}

impl Merging {
    /// Segments of about one size are merged, eight at a time, and four times the size is another size: some twenty segments
    /// for a million tweets that came in small commits. While `is_tight`, wasteful ones are written again as well.
    pub(super) fn new(is_tight: Arc<AtomicBool>, dir: &Path, damage: Arc<Damage>) -> Merging {
        let mut by_size = LogMergePolicy::default();
        by_size.set_min_num_segments(8);
        by_size.set_min_layer_size(4_000);
        by_size.set_level_log_size(2.0);
        by_size.set_del_docs_ratio_before_merge(0.3);
        let checks = Arc::new(Checks { dir: dir.to_owned(), damage, state: Mutex::default() });
        Merging { by_size, is_tight, checks, attempts: Mutex::default() }
    }

    fn candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let mut candidates = self.by_size.compute_merge_candidates(segments);
        if self.is_tight.load(Ordering::Relaxed) {
            for segment in segments {
                let is_merged = candidates.iter().any(|candidate| candidate.0.contains(&segment.id()));
                if !is_merged && is_wasteful(segment.num_deleted_docs().into(), segment.max_doc().into()) {
                    candidates.push(MergeCandidate(vec![segment.id()]));
                }
            }
        }
        candidates
    }
}

impl MergePolicy for Merging {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let mut attempts = lock(&self.attempts);
        let there: HashSet<SegmentId> = segments.iter().map(SegmentMeta::id).collect();
        attempts.note_failures(&there, Instant::now());
        let whole: Vec<SegmentMeta> =
            segments.iter().filter(|segment| !self.checks.is_damaged(segment.id())).cloned().collect();
        let mut candidates = self.candidates(&whole);
        attempts.forget_unwanted(&there, &candidates);
        attempts.forget_gone(&there, &self.checks.dir);
        self.checks.damage.merges_fail(!attempts.failed.is_empty());
        candidates.retain(|candidate| {
            let is_in = |segment: &&SegmentMeta| candidate.0.contains(&segment.id());
            let segments: Vec<&SegmentMeta> = whole.iter().filter(is_in).collect();
            attempts.is_due(&candidate.0, Instant::now()) && self.checks.are_whole(&segments)
        });
        for candidate in &candidates {
            attempts.begin(&candidate.0);
        }
        candidates
    }
}

/// The segments of a merge.
type MergeKey = BTreeSet<SegmentId>;

/// The merges that were proposed, and those that failed.
#[derive(Debug, Default)]
struct Attempts {
    begun: VecDeque<MergeKey>,
    /// When to try again, and the pause before that.
    failed: HashMap<MergeKey, (Instant, Duration)>,
}

impl Attempts {
    /// `there` are the segments that no merge works on.
    fn note_failures(&mut self, there: &HashSet<SegmentId>, now: Instant) {
        let is_back = |merge: &MergeKey| merge.iter().all(|segment| there.contains(segment));
        let (failed, begun): (Vec<_>, Vec<_>) = self.begun.drain(..).partition(is_back);
        self.begun = begun.into();
        for merge in failed {
            // What failed before may have been a part of it: segments come with each commit.
            let parts = self.failed.extract_if(|part, _| part.is_subset(&merge));
            let before = parts.map(|(_, (_, pause))| pause).max();
            let pause = before.map_or(FIRST_RETRY, |pause| (pause * 2).min(LAST_RETRY));
            if self.failed.len() < REMEMBERED {
                self.failed.insert(merge, (now + pause, pause));
            }
        }
    }

    /// Forgets the merges that failed and that could be proposed now, but are in no candidate any more.
    fn forget_unwanted(&mut self, there: &HashSet<SegmentId>, candidates: &[MergeCandidate]) {
        self.failed.retain(|merge, _| {
            let is_possible = merge.iter().all(|segment| there.contains(segment));
            let is_in = |candidate: &MergeCandidate| merge.iter().all(|segment| candidate.0.contains(segment));
            !is_possible || candidates.iter().any(is_in)
        });
    }

    /// Forgets the merges that failed and that can't be tried again: a segment of theirs was merged or deleted.
    fn forget_gone(&mut self, there: &HashSet<SegmentId>, dir: &Path) {
        if self.failed.keys().flatten().all(|segment| there.contains(segment)) {
            return;
        }
        // tantivy writes it before it asks for merges. Segments that a merge works on are in it.
        let Ok(commit) = Commit::read(dir) else { return };
        let committed: HashSet<&str> = commit.segments.iter().map(|segment| segment.id.as_str()).collect();
        let exists = |id: &SegmentId| there.contains(id) || committed.contains(id.uuid_string().as_str());
        self.failed.retain(|merge, _| merge.iter().all(exists));
    }

    fn is_due(&self, segments: &[SegmentId], now: Instant) -> bool {
        let is_in = |merge: &MergeKey| merge.iter().all(|segment| segments.contains(segment));
        self.failed.iter().all(|(merge, &(at, _))| now >= at || !is_in(merge))
    }

    fn begin(&mut self, segments: &[SegmentId]) {
        if self.begun.len() == REMEMBERED {
            self.begun.pop_front();
        }
        self.begun.push_back(segments.iter().copied().collect());
    }
}

/// Which segments are what was written.
#[derive(Debug)]
struct Checks {
    dir: PathBuf,
    damage: Arc<Damage>,
    state: Mutex<Checked>,
}

#[derive(Debug, Default)]
struct Checked {
    whole: HashSet<SegmentId>,
    damaged: HashSet<SegmentId>,
    /// A thread reads files.
    is_busy: bool,
}

/// A thread that reads files, until it ends, if need be by a panic.
struct Busy(Arc<Checks>);

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.0.state).is_busy = false;
    }
}

impl Checks {
    fn is_damaged(&self, segment: SegmentId) -> bool {
        lock(&self.state).damaged.contains(&segment)
    }

    /// Whether all files of these segments are right. When that takes long, the answer is no until it is known.
    fn are_whole(self: &Arc<Checks>, segments: &[&SegmentMeta]) -> bool {
        let unchecked: Vec<SegmentMeta> = {
            let state = lock(&self.state);
            segments
                .iter()
                .filter(|segment| !state.whole.contains(&segment.id()))
                .map(|&segment| segment.clone())
                .collect()
        };
        let files = unchecked.iter().flat_map(|segment| CommittedSegment::from(segment).files().collect::<Vec<_>>());
        let bytes: u64 = files.filter_map(|file| Some(self.dir.join(file).metadata().ok()?.len())).sum();
        if bytes <= CHECKED_AT_ONCE_BYTES {
            self.check(&unchecked);
            return segments.iter().all(|segment| lock(&self.state).whole.contains(&segment.id()));
        }
        let checks = Arc::clone(self);
        // The files stay as long as the thread has the metas.
        self.aside(move || checks.check(&unchecked));
        false
    }

    /// Lets a thread do this, unless one is at work.
    fn aside(self: &Arc<Checks>, check: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
        if std::mem::replace(&mut lock(&self.state).is_busy, true) {
            return None;
        }
        let busy = Busy(Arc::clone(self));
        let check = move || {
            let _busy = busy;
            check();
        };
        let started = std::thread::Builder::new().name("perch-verify".to_owned()).spawn(check);
        started
            .inspect_err(|error| tracing::warn!(%error, "files can't be checked, their segments are not merged yet"))
            .ok()
    }

    fn check(&self, segments: &[SegmentMeta]) {
        for segment in segments {
            let mut is_whole = true;
            for file in CommittedSegment::from(segment).files() {
                let Err(damage) = checksum::verify_file(&self.dir.join(&file)) else { continue };
                // Another time it may be read. And who deletes the whole directory damages nothing.
                if matches!(damage, FileDamage::Io(_)) || !self.dir.exists() {
                    return;
                }
                is_whole = false;
                self.damage.unmerged_file(&file, &damage);
            }
            let mut state = lock(&self.state);
            let checked = if is_whole { &mut state.whole } else { &mut state.damaged };
            if checked.len() == MAX_CHECKED {
                checked.clear();
            }
            checked.insert(segment.id());
        }
    }
}

#[cfg(test)]
mod tests;
