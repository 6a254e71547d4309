use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;

fn who(n: u32) -> Who {
    Who::Address(IpAddr::V4(Ipv4Addr::from(n)))
}

#[test]
fn each_client_has_a_rate_of_its_own() {
    let (rates, start) = (Rates::new(3), Instant::now());
    let taken = |who: &Who, at| (0..100).filter(|_| rates.take(who.clone(), start + Duration::from_millis(at))).count();
    assert_eq!(taken(&who(1), 0), 6, "two seconds' worth");
    assert_eq!(taken(&who(1), 0), 0);
    assert_eq!(taken(&who(2), 0), 6);
    assert_eq!(taken(&Who::Subject("ann".into()), 0), 6);
    assert_eq!(taken(&who(1), 1_010), 3);
}

#[test]
fn any_number_is_any_number_and_keeps_nothing() {
    let (rates, now) = (Rates::new(0), Instant::now());
    assert!((0..10_000).all(|n| rates.take(who(n), now)));
    assert_eq!(rates.buckets.lock().unwrap().by_client.len(), 0);
}

#[test]
fn who_has_not_asked_for_a_while_is_forgotten_and_nobody_else() {
    let (rates, start) = (Rates::new(1), Instant::now());
    let len = || rates.buckets.lock().unwrap().by_client.len();
    for n in 0..100_000 {
        // A thousand new ones each second.
        assert!(rates.take(who(n), start + Duration::from_millis(n.into())));
    }
    assert!(len() <= 4_000, "{} are kept", len());
    let now = start + Duration::from_millis(99_999);
    assert!(rates.take(who(99_999), now), "the second of two");
    for n in 200_000..210_000 {
        assert!(rates.take(who(n), now));
    }
    assert!(!rates.take(who(99_999), now), "a bucket that is not full stays");
}
