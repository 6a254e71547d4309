//! Which segments are merged, and which are written again to give back what was deleted in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tantivy::SegmentMeta;
use tantivy::merge_policy::{LogMergePolicy, MergeCandidate, MergePolicy};

use super::retention::is_wasteful;

/// Asked by tantivy after each commit and each merge, about the segments that no merge works on.
#[derive(Debug)]
pub(super) struct Merging {
    by_size: LogMergePolicy,
    /// Space is short.
    is_tight: Arc<AtomicBool>,
}

impl Merging {
    /// Segments of about one size are merged, eight at a time, and four times the size is another size: some twenty segments
    /// for a million tweets that came in small commits. While `is_tight`, wasteful ones are written again as well.
    pub(super) fn new(is_tight: Arc<AtomicBool>) -> Merging {
        let mut by_size = LogMergePolicy::default();
        by_size.set_min_num_segments(8);
        by_size.set_min_layer_size(4_000);
        by_size.set_level_log_size(2.0);
        by_size.set_del_docs_ratio_before_merge(0.3);
        Merging { by_size, is_tight }
    }
}

impl MergePolicy for Merging {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
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
