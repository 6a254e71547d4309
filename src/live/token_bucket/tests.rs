use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_bucket_gives_its_rate_and_saves_up_so_much() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(10, 2, start);
    let taken = |bucket: &mut TokenBucket, at| (0..100).filter(|_| bucket.take(start + at)).count();
    assert_eq!(taken(&mut bucket, ms(0)), 20);
    assert_eq!(taken(&mut bucket, ms(99)), 0);
    assert_eq!(taken(&mut bucket, ms(510)), 5);
    assert_eq!(taken(&mut bucket, ms(60_000)), 20, "no more is saved up");
    assert_eq!(taken(&mut bucket, ms(0)), 0, "time that runs backward gives nothing");
}

#[test]
fn whoever_takes_more_than_there_is_waits_until_there_is_one() {
    let start = Instant::now();
    let mut bucket = TokenBucket::new(10, 1, start);
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
