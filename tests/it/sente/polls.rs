//! What holds for clients that poll: order, nothing lost and nothing twice.

use std::time::Duration;

use super::*;
use crate::sente_client::{SentePoller, data, id};
use crate::support::{Perch, tweet};

#[tokio::test(flavor = "multi_thread")]
async fn pollers_find_their_way_after_a_restart() {
    let perch = Perch::start_with(ENDPOINTS).await;
    let mut oldest = SentePoller::connect(&perch, birdwatch()).await;
    let mut older = SentePoller::connect(&perch, edn(Group::B)).await;
    let mut newest = SentePoller::connect(&perch, edn_csrf(Group::F)).await;
    let perch = perch.restart().await;
    let moved = |poller: &mut SentePoller| {
        poller.url = perch.url(poller.setup.path);
        poller.http = perch.http.clone();
    };
    moved(&mut oldest);
    moved(&mut older);
    moved(&mut newest);
    // The oldest clients never ask for a handshake; they are given one.
    oldest.handshake(false).await;
    // The others are turned away, and come back with a handshake that shows which format they read.
    for poller in [&mut older, &mut newest] {
        let (status, body) = poller.get(false).await;
        assert_eq!(status, 503, "{body}");
        let event = percolate(&poller.setup, "rust");
        let frame = poller.setup.frame(&event, None);
        assert_eq!(poller.post(&frame).await.0, 503);
        poller.handshake(true).await;
        poller.send(&event).await;
        poller.expect("percolate/ok").await;
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_with_nothing_to_say_is_answered_with_an_empty_batch() {
    for (setup, packer, expected) in [
        (birdwatch(), "flexi", "+j[[]]"),
        (edn(Group::A), "edn", "+[[]]"),
        (edn(Group::D), "edn", "+[[]]"),
        (edn(Group::F), "edn", "[[]]"),
        (transit(Group::B), "transit", "+[[]]"),
        (transit(Group::F), "transit", "[[]]"),
    ] {
        let perch = start(&format!("packer = \"{packer}\"\npoll_timeout_ms = 100\n")).await;
        let setup = Setup { path: "/chsk", ..setup };
        let mut poller = SentePoller::connect(&perch, setup).await;
        let (status, frame) = poller.get(false).await;
        assert_eq!((status, frame.as_str()), (200, expected));
        perch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_poll_takes_the_place_of_the_one_that_waits() {
    let perch = start("").await;
    let mut poller = SentePoller::connect(&perch, birdwatch()).await;
    poller.send(&percolate(&birdwatch(), "rust")).await;
    let mut other = SentePoller::new(&perch, birdwatch());
    let first = tokio::spawn(async move { poller.get(false).await });
    let second = tokio::spawn(async move {
        loop {
            let event = other.event().await;
            if id(&event) == "tweet/new" {
                return data(&event).clone();
            }
        }
    });
    assert_eq!(first.await.expect("it is answered").0, 200);
    perch.ingest(&[tweet(1, "rust")]).await;
    assert_eq!(ids([second.await.expect("it is answered")]), [1]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_loses_nothing_and_gets_nothing_twice() {
    const TWEETS: u64 = 2_000;
    // The queue overflows between two polls.
    let perch = start("[limits]\nsession_queue_frames = 16\n--batch_ajax_ms = 5\nevents_per_second = 10000\n").await;
    let mut poller = SentePoller::connect(&perch, birdwatch()).await;
    poller.send(&percolate(&birdwatch(), "rust")).await;
    let polling = tokio::spawn(async move {
        let mut seen = Vec::new();
        while (seen.len() as u64) < TWEETS {
            let events = poller.poll().await;
            assert!(events.len() <= 512);
            seen.extend(ids(events.iter().map(|event| data(event).clone())));
        }
        seen
    });
    for batch in 0..TWEETS / 50 {
        let tweets: Vec<_> = (1..=50).map(|at| tweet(batch * 50 + at, "rust")).collect();
        perch.ingest(&tweets).await;
    }
    assert_eq!(polling.await.expect("all comes"), (1..=TWEETS).collect::<Vec<_>>());
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_took_is_sent_again() {
    let perch = start("").await;
    let mut poller = SentePoller::connect(&perch, birdwatch()).await;
    poller.send(&percolate(&birdwatch(), "rust")).await;
    // A poll that its client gives up, as it does when the page sleeps.
    let query = format!("{}?udt=1&client-id={}", perch.url("/chsk"), birdwatch().client_id);
    let given_up = perch.http.get(query).timeout(Duration::from_millis(50)).send().await;
    assert!(given_up.is_err_and(|error| error.is_timeout()));
    perch.ingest(&[tweet(1, "rust one")]).await;
    assert_eq!(ids([poller.expect("tweet/new").await]), [1]);
    // An answer that was lost: the client asks for a handshake, and gets it again.
    perch.ingest(&[tweet(2, "rust two")]).await;
    let lost = poller.poll().await;
    assert_eq!(lost.len(), 1);
    poller.handshake(true).await;
    assert_eq!(ids([poller.expect("tweet/new").await]), [2]);
    perch.ingest(&[tweet(3, "rust three")]).await;
    assert_eq!(ids([poller.expect("tweet/new").await]), [3]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_storm_hurts_only_the_one_who_makes_it() {
    let perch = start("events_per_second = 20\n").await;
    let mut socket = SenteSocket::connect(&perch, birdwatch()).await;
    subscribe(&perch, &mut socket, "rust").await;
    let storm = (0..200).map(|_| {
        let mut poller = SentePoller::new(&perch, birdwatch().with_id("storm"));
        async move { poller.get(true).await.0 }
    });
    let answers = futures_util::future::join_all(storm).await;
    assert!(answers.contains(&429) && answers.contains(&200), "{answers:?}");
    perch.ingest(&[tweet(1, "rust")]).await;
    assert_eq!(ids([socket.expect("tweet/new").await]), [1]);
    // Events beyond the limit are read later, and hold up nothing else.
    for _ in 0..100 {
        socket.send(r#"["~:chsk/ws-ping"]"#).await;
    }
    perch.ingest(&[tweet(2, "rust")]).await;
    assert_eq!(ids([socket.expect("tweet/new").await]), [2]);
    perch.stop().await;
}
