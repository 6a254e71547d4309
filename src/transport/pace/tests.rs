use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_bucket_gives_its_rate_and_saves_up_so_much() {
    let start = Instant::now();
    let mut bucket = Bucket::new(10, 2, start);
    let taken = |bucket: &mut Bucket, at| (0..100).filter(|_| bucket.take(start + at)).count();
    assert_eq!(taken(&mut bucket, ms(0)), 20);
    assert_eq!(taken(&mut bucket, ms(99)), 0);
    assert_eq!(taken(&mut bucket, ms(510)), 5);
    assert_eq!(taken(&mut bucket, ms(60_000)), 20, "no more is saved up");
    assert_eq!(taken(&mut bucket, ms(0)), 0, "time that runs backward gives nothing");
}

#[test]
fn whoever_takes_more_than_there_is_waits_until_there_is_one() {
    let start = Instant::now();
    let mut bucket = Bucket::new(10, 1, start);
    assert_eq!((0..10).filter_map(|_| bucket.charge(start)).count(), 0);
    let (mut now, mut charged) = (start, 0);
    while now < start + ms(10_000) {
        if let Some(wait) = bucket.charge(now) {
            now += wait;
        }
        charged += 1;
    }
    assert!((95..=101).contains(&charged), "{charged} in 10 s");
    assert_eq!(bucket.charge(now), None, "after the wait there is one");
    assert!(bucket.charge(now).is_some_and(|wait| wait > ms(100)));
}

#[test]
fn a_live_session_has_the_surplus_withheld_and_said() {
    let start = Instant::now();
    let mut pace = Pace::new(2, start);
    let admitted = (1..=5).filter(|&seq| pace.admit(Seq(seq), start)).collect::<Vec<_>>();
    assert_eq!(admitted, [1, 2]);
    assert_eq!(pace.take_withheld(), Some(Withheld { count: 3, seq: Seq(5) }));
    assert!(!pace.has_withheld());
    assert_eq!(pace.pause(start), None);
    assert!(pace.admit(Seq(6), start + ms(500)));
}

#[test]
fn a_session_that_catches_up_is_slowed_down_and_loses_nothing() {
    let start = Instant::now();
    let mut pace = Pace::new(2, start);
    pace.catching_up(true);
    assert!((1..=8).all(|seq| pace.admit(Seq(seq), start)));
    assert!(!pace.has_withheld());
    assert_eq!(pace.pause(start), Some(ms(3_000)));
    assert_eq!(pace.pause(start + ms(1_000)), Some(ms(2_000)));
    assert_eq!(pace.pause(start + ms(3_001)), None);
}

#[test]
fn without_a_limit_everything_passes() {
    let now = Instant::now();
    let mut pace = Pace::new(0, now);
    assert!((1..1_000).all(|seq| pace.admit(Seq(seq), now)));
    assert_eq!((pace.pause(now), pace.has_withheld()), (None, false));
}
