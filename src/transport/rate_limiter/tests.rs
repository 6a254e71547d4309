use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;

fn client(n: u32) -> ClientKey {
    ClientKey::Network(Ipv4Addr::from(n).into())
}

#[test]
fn each_client_has_a_rate_of_its_own() {
    let (limiter, start) = (RateLimiter::new(3), Instant::now());
    let taken = |client: &ClientKey, at| {
        (0..100).filter(|_| limiter.take(client.clone(), start + Duration::from_millis(at))).count()
    };
    assert_eq!(taken(&client(1), 0), 6, "two seconds' worth");
    assert_eq!(taken(&client(1), 0), 0);
    assert_eq!(taken(&client(2), 0), 6);
    assert_eq!(taken(&ClientKey::Subject("ann".into()), 0), 6);
    assert_eq!(taken(&client(1), 1_010), 3);
}

#[test]
fn any_number_is_any_number_and_keeps_nothing() {
    let (limiter, now) = (RateLimiter::new(0), Instant::now());
    assert!((0..10_000).all(|n| limiter.take(client(n), now)));
    assert_eq!(limiter.buckets.lock().unwrap().by_client.len(), 0);
}

#[test]
fn who_has_not_asked_for_a_while_is_forgotten_and_nobody_else() {
    let (limiter, start) = (RateLimiter::new(1), Instant::now());
    let len = || limiter.buckets.lock().unwrap().by_client.len();
    for n in 0..100_000 {
        // A thousand new ones each second.
        assert!(limiter.take(client(n), start + Duration::from_millis(n.into())));
    }
    assert!(len() <= 4_000, "{} are kept", len());
    let now = start + Duration::from_millis(99_999);
    assert!(limiter.take(client(99_999), now), "the second of two");
    for n in 200_000..210_000 {
        assert!(limiter.take(client(n), now));
    }
    assert!(!limiter.take(client(99_999), now), "a bucket that is not full stays");
}
