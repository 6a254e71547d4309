use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Writes whenever it may from `from` on, when a frame comes every `every`: how many writes in a
/// second, and the longest wait.
fn second(every: Duration) -> (usize, Duration) {
    let start = Instant::now();
    let mut coalescer = WriteCoalescer::new(start);
    let (mut n, mut longest, mut came) = (0, Duration::ZERO, Duration::ZERO);
    while came < ms(1_000) {
        let at = start + came;
        let written = coalescer.held_until(at).unwrap_or(at);
        coalescer.wrote(written);
        n += 1;
        longest = longest.max(written - at);
        // What comes until then goes along.
        while start + came <= written {
            came += every;
        }
    }
    (n, longest)
}

#[test]
fn now_and_then_is_at_once() {
    assert_eq!(second(ms(100)), (10, Duration::ZERO));
    assert_eq!(second(ms(21)).1, Duration::ZERO);
}

#[test]
fn a_busy_session_is_written_to_once_in_a_window() {
    for every in [Duration::from_micros(10), ms(1), ms(5)] {
        let (writes, longest) = second(every);
        assert!((40..=55).contains(&writes), "{writes} writes with one frame every {every:?}");
        assert!(longest <= WINDOW, "{longest:?}");
    }
}

#[test]
fn a_few_that_come_together_do_not_wait() {
    let now = Instant::now();
    let mut coalescer = WriteCoalescer::new(now);
    for _ in 0..BURST_WRITES {
        assert_eq!(coalescer.held_until(now), None);
        coalescer.wrote(now);
    }
    assert_eq!(coalescer.held_until(now), Some(now + WINDOW));
    // What can't wait is written all the same, and the others don't pay for it for long.
    for _ in 0..100 {
        coalescer.wrote(now);
    }
    assert_eq!(coalescer.held_until(now), Some(now + WINDOW));
    assert_eq!(coalescer.held_until(now + WINDOW), None);
}
