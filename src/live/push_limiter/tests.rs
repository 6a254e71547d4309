use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_live_session_has_the_surplus_withheld_and_said() {
    let start = Instant::now();
    let mut push_limiter = PushLimiter::new(2, start);
    let admitted = (1..=5).filter(|&seq| push_limiter.admit(Seq(seq), start)).collect::<Vec<_>>();
    assert_eq!(admitted, [1, 2]);
    assert_eq!(push_limiter.take_withheld(), Some(Withheld { count: 3, seq: Seq(5) }));
    assert_eq!(push_limiter.take_withheld(), None);
    assert_eq!(push_limiter.pause(start), None);
    assert!(push_limiter.admit(Seq(6), start + ms(500)));
}

#[test]
fn a_session_that_catches_up_is_slowed_down_and_loses_nothing() {
    let start = Instant::now();
    let mut push_limiter = PushLimiter::new(2, start);
    push_limiter.catching_up(true);
    assert!((1..=8).all(|seq| push_limiter.admit(Seq(seq), start)));
    assert_eq!(push_limiter.take_withheld(), None);
    assert_eq!(push_limiter.pause(start), Some(ms(3_000)));
    assert_eq!(push_limiter.pause(start + ms(1_000)), Some(ms(2_000)));
    assert_eq!(push_limiter.pause(start + ms(3_001)), None);
}

#[test]
fn without_a_limit_everything_passes() {
    let now = Instant::now();
    let mut push_limiter = PushLimiter::new(0, now);
    assert!((1..1_000).all(|seq| push_limiter.admit(Seq(seq), now)));
    assert_eq!((push_limiter.pause(now), push_limiter.take_withheld()), (None, None));
}
