//! Clients that send more than is taken at once: nothing vanishes.

use std::collections::BTreeSet;

use perch_sente::value::Value;

use super::*;
use crate::sente_client::{SenteSocket, data, id};
use crate::support::Perch;

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_above_the_limit_is_answered_to_its_callback() {
    let limits = format!("[limits]\nmax_frame_bytes = 1024\n{ENDPOINTS}");
    let perch = Perch::start_with(&limits).await;
    let setups = [birdwatch(), edn(Group::A), edn(Group::E), transit(Group::C), transit(Group::F)];
    for setup in setups {
        let mut socket = SenteSocket::connect(&perch, setup.clone()).await;
        let long = "x".repeat(2_000);
        let event = packed(
            &setup,
            "cmd/percolate",
            &format!("{{:query \"{long}\"}}"),
            &format!("[\"^ \",\"~:query\",\"{long}\"]"),
        );
        assert_eq!(socket.ask(&event, "8880d7").await, Value::keyword("chsk/error"), "{setup:?}");
        // The connection stays.
        let ping = packed(&setup, "chsk/ws-ping", "nil", "null");
        assert_eq!(socket.ask(&ping, "8880d8").await, Value::str("pong"));
        // Without a callback, clients that know errors get one.
        socket.send(&event).await;
        if setup.letter {
            socket.settle().await;
        } else {
            let error = socket.expect("cmd/error").await;
            assert_eq!(error.get("code"), Some(&Value::str("too_large")), "{error:?}");
        }
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_publishes_at_once_are_all_taken() {
    const TWEETS: usize = 1_000;
    let limits = format!("[limits]\npublish_per_second = 10000\ncommands_per_second = 1000\n{ENDPOINTS}");
    let limits = limits.replace("path = \"/chsk-transit\"", "path = \"/chsk-transit\"\nevents_per_second = 1000");
    let perch = Perch::start_with(&limits).await;
    let setup = transit(Group::C);
    let mut socket = SenteSocket::connect(&perch, setup.clone()).await;
    for at in 0..TWEETS {
        let event = format!("[\"~:cmd/publish\",[\"^ \",\"~:text\",\"update {at}\"]]");
        let frame = setup.frame(&event, Some(&format!("\"call{at}\"")));
        socket.send_text(&frame).await;
    }
    let mut answered = BTreeSet::new();
    while answered.len() < TWEETS {
        let frame = socket.frame().await;
        if let (answer, Some(callback)) = setup.read(&frame) {
            assert_eq!(id(&answer), "publish/ok", "{answer:?}");
            assert!(answered.insert(format!("{callback:?}")), "answered twice");
        }
    }
    let (_, page) = perch.get("/api/search?q=update&n=0").await;
    assert_eq!(page["total"], TWEETS);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_is_not_taken_is_answered() {
    // One a second, and five may be saved up.
    let perch = Perch::start_with(&format!("[limits]\npublish_per_second = 1\n{ENDPOINTS}")).await;
    let setup = transit(Group::C);
    let mut socket = SenteSocket::connect(&perch, setup.clone()).await;
    for at in 0..50 {
        socket.send(&format!("[\"~:cmd/publish\",[\"^ \",\"~:text\",\"update {at}\"]]")).await;
    }
    let (mut taken, mut refused) = (0, 0);
    while taken + refused < 50 {
        let event = socket.event().await;
        match id(&event) {
            "publish/ok" => taken += 1,
            "cmd/error" => {
                assert_eq!(data(&event).get("code"), Some(&Value::str("limit")), "{event:?}");
                refused += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!(taken >= 5, "{taken} taken, {refused} refused");
    let (_, page) = perch.get("/api/search?q=update&n=0").await;
    assert_eq!(page["total"], taken);
    perch.stop().await;
}
