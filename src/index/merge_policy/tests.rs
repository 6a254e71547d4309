use tantivy::merge_policy::NoMergePolicy;

use super::*;
use crate::index::tantivy_directory::open_index;
use crate::lower::Fields;

fn segments(n: usize) -> Vec<SegmentId> {
    (0..n).map(|_| SegmentId::generate_random()).collect()
}

#[test]
fn a_merge_that_failed_is_tried_again_less_and_less_often() {
    let mut attempts = Attempts::default();
    let mut segments = segments(3);
    let mut there: HashSet<SegmentId> = segments.iter().copied().collect();
    let start = Instant::now();
    assert!(attempts.is_due(&segments, start));
    attempts.begin(&segments);
    let others = HashSet::from([segments[0], SegmentId::generate_random()]);
    attempts.note_failures(&others, start);
    assert!(attempts.failed.is_empty(), "a merge works on two of them");
    let mut now = start;
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        // They are back. That counts once for each time.
        attempts.note_failures(&there, now);
        attempts.note_failures(&there, now);
        let pause = Duration::from_secs(60 * minutes);
        // A commit adds a segment, which the merge would be of as well.
        segments.push(SegmentId::generate_random());
        there.extend(segments.last());
        assert!(!attempts.is_due(&segments, now + pause.mul_f32(0.9)));
        assert!(attempts.is_due(&segments, now + pause));
        assert!(attempts.is_due(&segments[..2], now), "other merges go on");
        now += pause;
        attempts.begin(&segments);
        assert_eq!(attempts.failed.len(), 1, "one merge that grows");
    }
}

#[test]
fn the_pause_grows_also_when_many_merges_have_failed() {
    let mut attempts = Attempts::default();
    let start = Instant::now();
    let merges: Vec<Vec<SegmentId>> = (0..MAX_FAILED_MERGES).map(|_| segments(2)).collect();
    let there: HashSet<SegmentId> = merges.iter().flatten().copied().collect();
    for _ in 0..3 {
        merges.iter().for_each(|merge| attempts.begin(merge));
        attempts.note_failures(&there, start);
    }
    assert_eq!(attempts.failed.len(), MAX_FAILED_MERGES);
    for merge in &merges {
        assert!(!attempts.is_due(merge, start + FIRST_RETRY * 3), "it is the third pause");
    }
}

#[test]
fn a_problem_with_merges_ends_with_the_merge() {
    let dir = tempfile::tempdir().unwrap();
    let index = open_index(dir.path()).unwrap();
    Fields::register(&index);
    let mut writer = index.writer_with_num_threads::<tantivy::TantivyDocument>(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(NoMergePolicy));
    for _ in 0..8 {
        writer.add_document(tantivy::TantivyDocument::default()).unwrap();
        writer.commit().unwrap();
    }
    let damage = Arc::new(Damage::default());
    let merging = PerchMergePolicy::new(Arc::default(), Arc::default(), dir.path(), Arc::clone(&damage));
    let all = index.searchable_segment_metas().unwrap();
    let candidates = merging.compute_merge_candidates(&all);
    assert_eq!(candidates.iter().map(|candidate| candidate.0.len()).collect::<Vec<_>>(), [8]);
    // tantivy asks about the segments that are not committed first. A merge works on the others.
    assert!(merging.compute_merge_candidates(&[]).is_empty());
    assert_eq!(damage.problems(), Vec::<String>::new());
    assert!(merging.compute_merge_candidates(&all).is_empty(), "it has failed, and waits");
    assert_eq!(damage.problems().len(), 1);
    assert!(merging.compute_merge_candidates(&[]).is_empty());
    assert_eq!(damage.problems().len(), 1, "the segments are there as long as a commit has them");

    writer.merge(&candidates[0].0).wait().unwrap();
    assert!(merging.compute_merge_candidates(&[]).is_empty());
    assert_eq!(damage.problems(), Vec::<String>::new());
    assert!(lock(&merging.attempts).failed.is_empty());
}

#[test]
fn a_problem_with_merges_ends_when_nobody_wants_them() {
    let mut attempts = Attempts::default();
    let segments = segments(3);
    let there: HashSet<SegmentId> = segments.iter().copied().collect();
    attempts.begin(&segments);
    attempts.note_failures(&there, Instant::now());
    attempts.forget_unwanted(&there, &[MergeCandidate(segments.clone())]);
    attempts.forget_unwanted(&HashSet::new(), &[]);
    assert_eq!(attempts.failed.len(), 1, "it is wanted, or it is not known whether it is");
    attempts.forget_unwanted(&there, &[MergeCandidate(segments[..2].to_vec())]);
    assert!(attempts.failed.is_empty());
}

#[test]
fn files_are_checked_again_after_a_panic() {
    let checks = Arc::new(Checks { dir: PathBuf::new(), damage: Arc::default(), state: Mutex::default() });
    let checking = checks.aside(|| panic!("for this test"));
    checking.unwrap().join().unwrap_err();
    let (go, gate) = std::sync::mpsc::channel();
    let checking = checks.aside(move || gate.recv().unwrap());
    assert!(checks.aside(|| ()).is_none(), "one at a time");
    go.send(()).unwrap();
    checking.unwrap().join().unwrap();
}
