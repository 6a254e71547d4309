use std::time::Duration;

use super::*;
use crate::ids::Seq;
use crate::index::Hit;
use perch_sente::frame::Version;

const EDN: Format = Format { version: Version::V2, packing: Packing::Edn, letter: false };

fn tweet(id: u64) -> Pushed {
    let hit = Hit { seq: Seq(id), id, json: format!("{{\"id\":{id}}}").into() };
    Pushed::Tweet(Arc::new(Delivery::new(hit, [None].into())))
}

fn page() -> Pushed {
    Pushed::event(event::PREV_CHUNK, "[]".to_owned(), None)
}

fn frame(outbox: &mut Outbox) -> String {
    outbox.frame(EDN, Profile::Birdwatch).0
}

#[test]
fn a_batch_waits_for_its_window_and_no_longer() {
    let mut outbox = Outbox::default();
    let now = Instant::now();
    let ms = Duration::from_millis;
    outbox.open_window(now);
    assert_eq!(outbox.due(), None, "nothing waits");
    outbox.push(tweet(1));
    outbox.open_window(now + ms(30));
    outbox.push(tweet(2));
    outbox.open_window(now + ms(60));
    assert!(!outbox.is_due(now + ms(29)) && outbox.is_due(now + ms(30)));
    assert_eq!(frame(&mut outbox), "[[[:tweet/new {:id 1}] [:tweet/new {:id 2}]]]");
    assert!(!outbox.is_due(now + ms(100)));
    outbox.make_due();
    assert!(!outbox.is_due(now), "nothing waits");
    outbox.users = Some(3);
    outbox.tweets = Some(4_000);
    outbox.make_due();
    assert!(outbox.is_due(now));
    assert_eq!(frame(&mut outbox), "[[[:stats/users-count 3] [:stats/total-tweet-count \"          4,000\"]]]");
}

#[test]
fn a_batch_holds_no_more_than_clients_keep() {
    let mut outbox = Outbox::default();
    for id in 0..1_100 {
        outbox.push(tweet(id));
    }
    outbox.users = Some(1);
    let now = Instant::now();
    let mut sizes = Vec::new();
    while outbox.is_due(now) {
        sizes.push(frame(&mut outbox).matches("[:").count());
    }
    assert_eq!(sizes, [510, 510, 81]);
}

#[test]
fn a_page_has_a_frame_of_its_own() {
    let mut outbox = Outbox::default();
    for pushed in [tweet(1), page(), page(), tweet(2)] {
        outbox.push(pushed);
    }
    outbox.make_due();
    let mut frames = Vec::new();
    while outbox.is_due(Instant::now()) {
        frames.push(frame(&mut outbox));
    }
    assert_eq!(
        frames,
        [
            "[[[:tweet/new {:id 1}]]]",
            "[[[:tweet/prev-chunk []]]]",
            "[[[:tweet/prev-chunk []]]]",
            "[[[:tweet/new {:id 2}]]]"
        ]
    );
}

#[test]
fn what_is_not_acknowledged_is_sent_again_in_its_place() {
    let mut outbox = Outbox::default();
    outbox.push(tweet(1));
    frame(&mut outbox);
    let first = outbox.ping();
    outbox.push(tweet(2));
    frame(&mut outbox);
    outbox.push(tweet(3));
    assert!(outbox.waits_for_acknowledgement());
    outbox.acknowledge(&first);
    // Answers to other pings say nothing.
    outbox.acknowledge(b"");
    outbox.acknowledge(&u64::MAX.to_be_bytes());
    outbox.send_again();
    assert_eq!(frame(&mut outbox), "[[[:tweet/new {:id 2}] [:tweet/new {:id 3}]]]");
    outbox.acknowledge_all();
    assert!(!outbox.waits_for_acknowledgement());
    outbox.send_again();
    assert!(!outbox.is_due(Instant::now()));
    assert_eq!(outbox.bytes, 0);
}

#[test]
fn what_is_on_its_way_is_bounded() {
    let mut outbox = Outbox::default();
    let mut n = 0;
    while outbox.has_room() {
        outbox.push(tweet(n));
        n += 1;
        if outbox.waiting.len() == 100 {
            frame(&mut outbox);
        }
    }
    assert_eq!(n, MAX_PUSHES as u64);
    outbox.acknowledge_all();
    assert!(outbox.has_room());
}

#[test]
fn without_batches_each_event_has_a_frame() {
    let raw = Format { version: Version::Raw, ..EDN };
    let mut outbox = Outbox::default();
    outbox.push(tweet(1));
    outbox.push(tweet(2));
    outbox.users = Some(3);
    outbox.tweets = Some(4);
    outbox.make_due();
    let mut frames = Vec::new();
    while outbox.is_due(Instant::now()) {
        frames.push(outbox.frame(raw, Profile::Birdwatch).0);
    }
    assert_eq!(
        frames,
        [
            "[:tweet/new {:id 1}]",
            "[:tweet/new {:id 2}]",
            "[:stats/users-count 3]",
            "[:stats/total-tweet-count \"              4\"]"
        ]
    );
}
