use super::*;

#[test]
fn a_merge_that_failed_is_tried_again_less_and_less_often() {
    let mut attempts = Attempts::default();
    let segments: Vec<SegmentId> = (0..3).map(|_| SegmentId::generate_random()).collect();
    let there: HashSet<SegmentId> = segments.iter().copied().collect();
    let start = Instant::now();
    assert!(attempts.is_due(&segments, start));
    attempts.begin(&segments);
    let others = HashSet::from([segments[0], SegmentId::generate_random()]);
    assert!(!attempts.note_failures(&others, start), "a merge works on two of them");
    let mut now = start;
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert!(attempts.note_failures(&there, now), "they are back");
        assert!(!attempts.note_failures(&there, now), "once for each failure");
        let pause = Duration::from_secs(60 * minutes);
        assert!(!attempts.is_due(&segments, now + pause.mul_f32(0.9)));
        assert!(attempts.is_due(&segments, now + pause));
        assert!(attempts.is_due(&segments[..2], now), "other merges go on");
        now += pause;
        attempts.begin(&segments);
    }
}
