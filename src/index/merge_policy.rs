//! Decides which segments are merged, and which are rewritten to free the space of deleted tweets.
//!
//! A merge writes new files with valid checksums from whatever it reads, so the files of a segment
//! are verified before it is merged. A segment with a damaged file is never merged: `perch
//! check-index` lists it, and its undamaged tweets can be salvaged.
//!
//! tantivy does not report a failed merge; it asks for merges again after the next commit. Segments
//! that were proposed and still exist were not merged. The policy proposes them again after a
//! minute, then after twice as long each time: a full disk may have space again. A merge of them
//! and of more segments waits as long. Failed merges are reported as a problem until they are done
//! or no longer wanted.

pub(super) mod purge;

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
use purge::PurgedSegments;

/// Files of a merge up to this total size are verified while tantivy waits, which takes
/// milliseconds. Larger ones are verified in a thread, and merged after the next commit.
const CHECKED_AT_ONCE_BYTES: u64 = 32 * 1024 * 1024;

/// Merges that are remembered in order to detect failures. tantivy runs one at a time.
const MAX_FAILED_MERGES: usize = 64;

/// Verified segments that are remembered. A forgotten one is verified again.
const MAX_CHECKED: usize = 4_096;

/// The pause before a failed merge is proposed again, and the longest one.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LAST_RETRY: Duration = Duration::from_secs(3_600);

/// tantivy asks it after each commit and each merge, about the segments that are not being merged.
#[derive(Debug)]
pub(super) struct PerchMergePolicy {
    by_size: LogMergePolicy,
    /// The index is above its size limit.
    is_tight: Arc<AtomicBool>,
    /// Segments with texts of deleted tweets, which are rewritten.
    purged: PurgedSegments,
    checks: Arc<Checks>,
    attempts: Mutex<Attempts>,
}

impl PerchMergePolicy {
    /// Merges eight segments of about one size at a time; sizes differ by a factor of four: about
    /// twenty segments for a million tweets in small commits. While `is_tight`, wasteful segments
    /// are rewritten as well, and those of `purged` always.
    pub(super) fn new(
        is_tight: Arc<AtomicBool>,
        purged: PurgedSegments,
        dir: &Path,
        damage: Arc<Damage>,
    ) -> PerchMergePolicy {
        let mut by_size = LogMergePolicy::default();
        by_size.set_min_num_segments(8);
        by_size.set_min_layer_size(4_000);
        by_size.set_level_log_size(2.0);
        by_size.set_del_docs_ratio_before_merge(0.3);
        let checks = Arc::new(Checks { dir: dir.to_owned(), damage, state: Mutex::default() });
        PerchMergePolicy { by_size, is_tight, purged, checks, attempts: Mutex::default() }
    }

    fn candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let mut candidates = self.by_size.compute_merge_candidates(segments);
        let is_tight = self.is_tight.load(Ordering::Relaxed);
        let purged = lock(&self.purged);
        for segment in segments {
            let is_merged = candidates.iter().any(|candidate| candidate.0.contains(&segment.id()));
            let wastes = || is_wasteful(segment.num_deleted_docs().into(), segment.max_doc().into());
            if !is_merged && (purged.contains(&segment.id()) || is_tight && wastes()) {
                candidates.push(MergeCandidate(vec![segment.id()]));
            }
        }
        candidates
    }
}

impl MergePolicy for PerchMergePolicy {
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

/// Proposed merges, and failed ones.
#[derive(Debug, Default)]
struct Attempts {
    begun: VecDeque<MergeKey>,
    /// The time of the next attempt, and the pause before it.
    failed: HashMap<MergeKey, (Instant, Duration)>,
}

impl Attempts {
    /// `there` are the segments that are not being merged.
    fn note_failures(&mut self, there: &HashSet<SegmentId>, now: Instant) {
        let is_back = |merge: &MergeKey| merge.iter().all(|segment| there.contains(segment));
        let (failed, begun): (Vec<_>, Vec<_>) = self.begun.drain(..).partition(is_back);
        self.begun = begun.into();
        for merge in failed {
            // The failed merge may have been a part of this one: each commit brings segments.
            let parts = self.failed.extract_if(|part, _| part.is_subset(&merge));
            let before = parts.map(|(_, (_, pause))| pause).max();
            let pause = before.map_or(FIRST_RETRY, |pause| (pause * 2).min(LAST_RETRY));
            if self.failed.len() < MAX_FAILED_MERGES {
                self.failed.insert(merge, (now + pause, pause));
            }
        }
    }

    /// Forgets failed merges that are possible and that no candidate contains.
    fn forget_unwanted(&mut self, there: &HashSet<SegmentId>, candidates: &[MergeCandidate]) {
        self.failed.retain(|merge, _| {
            let is_possible = merge.iter().all(|segment| there.contains(segment));
            let is_in = |candidate: &MergeCandidate| merge.iter().all(|segment| candidate.0.contains(segment));
            !is_possible || candidates.iter().any(is_in)
        });
    }

    /// Forgets failed merges of which a segment was merged or deleted.
    fn forget_gone(&mut self, there: &HashSet<SegmentId>, dir: &Path) {
        if self.failed.keys().flatten().all(|segment| there.contains(segment)) {
            return;
        }
        // tantivy writes meta.json before it asks for merges. It contains segments that are being
        // merged.
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
        if self.begun.len() == MAX_FAILED_MERGES {
            self.begun.pop_front();
        }
        self.begun.push_back(segments.iter().copied().collect());
    }
}

/// Which segments are verified.
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
    /// A thread verifies files.
    is_busy: bool,
}

/// Marks the verifying thread as ended, also after a panic.
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

    /// Whether all files of these segments are undamaged. False while a thread verifies them.
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
        // The metas keep the files from being deleted.
        self.aside(move || checks.check(&unchecked));
        false
    }

    /// Starts a thread, unless one is running.
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
                // An IO error may pass, and a deleted directory is no damage.
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
