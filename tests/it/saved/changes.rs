//! What is saved again, what is paused, and what only its owner may read.

use serde_json::{Value, json};

use super::receiver::{Answer, Receiver, ids};
use super::{LOCAL, get, put, send};
use crate::support::{Perch, tweet, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_definition_begins_once_and_the_same_query_goes_on() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    perch.ingest(&[tweet(1, "a"), tweet(2, "a")]).await;
    let deliver = json!([{"type": "webhook", "url": receiver.url}]);
    let search = |query: &str| json!({"query": query, "deliver": deliver, "since": 1});
    put(&perch, "a", &search("a")).await;
    assert_eq!(ids(&receiver.next().await.events()), ["2"]);
    until(async || get(&perch, "/api/searches/a").await["position"] == 2).await;
    let revision = get(&perch, "/api/searches/a").await["revision"].clone();
    let (status, same) = put(&perch, "a", &search("a")).await;
    assert_eq!((status, &same["revision"]), (200, &revision));
    let perch = perch.restart().await;
    put(&perch, "a", &search("a")).await;
    // Another text of the same query is stored, and delivers nothing twice.
    let (status, other) = put(&perch, "a", &search("a ")).await;
    assert!(status == 200 && other["revision"] != revision, "{other}");
    perch.ingest(&[tweet(3, "a")]).await;
    assert_eq!(ids(&receiver.next().await.events()), ["3"]);
    // Another position begins anew.
    let mut begun = search("a");
    begun["since"] = 0.into();
    put(&perch, "a", &begun).await;
    let mut events = receiver.next().await.events();
    while events.len() < 3 {
        events.extend(receiver.next().await.events());
    }
    assert_eq!(ids(&events), ["1", "2", "3"]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_receiver_is_told_of_no_tweet_that_was_gone_before() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    perch.ingest(&[tweet(1, "a"), tweet(2, "b")]).await;
    let since = perch.ingest(&[tweet(3, "b")]).await;
    perch.http.delete(perch.url("/api/tweets/1")).send().await.expect("an answer");
    perch.ingest(&[tweet(2, "c"), tweet(4, "a")]).await;
    let deliver = json!([{"type": "webhook", "url": receiver.url}]);
    put(&perch, "a", &json!({"query": "a", "deliver": deliver, "since": since})).await;
    let events = receiver.next().await.events();
    assert_eq!((ids(&events), &events[0][0]), (vec!["4".to_owned()], &json!("tweet/new")));
    perch.stop().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_of_the_file_can_read_secrets() {
    use std::os::unix::fs::PermissionsExt as _;
    let perch = Perch::start().await;
    let file = perch.index_dir().join("searches.redb");
    let mode = || std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    // A file of an older perch.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    let perch = perch.restart().await;
    assert_eq!(mode(), 0o600);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_no_text_is_an_error_in_json() {
    let perch = Perch::start().await;
    for path in ["/api/searches/%ff", "/api/tweets/%ff", "/unsubscribe/%ff", "/feeds/%ff"] {
        let answer = get(&perch, path).await;
        assert_eq!(answer["error"]["code"], "bad_payload", "{path}: {answer}");
    }
    let (status, unknown) = send(&perch, reqwest::Method::GET, "/xrpc/app.bsky.feed.unknown", None).await;
    assert_eq!((status, &unknown["error"]), (501, &json!("MethodNotImplemented")), "{unknown}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_pauses_its_own_delivery_only() {
    let perch = Perch::start_with(LOCAL).await;
    let (mut ending, mut other) = (Receiver::start().await, Receiver::start().await);
    let hook = |receiver: &Receiver| json!({"type": "webhook", "url": receiver.url});
    let search = json!({"query": "a", "deliver": [hook(&ending), hook(&other)]});
    put(&perch, "a", &search).await;
    perch.ingest(&[tweet(1, "a")]).await;
    assert_eq!(
        (ids(&ending.next().await.events()), ids(&other.next().await.events())),
        (vec!["1".into()], vec!["1".into()])
    );
    ending.answer_next(Answer::status(410));
    perch.ingest(&[tweet(2, "a")]).await;
    let states = async |perch: &Perch| {
        let saved = get(perch, "/api/searches/a").await;
        [&saved["state"], &saved["deliveries"][0]["state"], &saved["deliveries"][1]["state"]].map(Value::to_string)
    };
    until(async || states(&perch).await[1] == "\"paused\"").await;
    let saved = get(&perch, "/api/searches/a").await;
    assert_eq!(saved["deliveries"][0]["reason"], "the receiver answered 410 Gone", "{saved}");
    let perch = perch.restart().await;
    assert_eq!(ids(&other.next().await.events()), ["2"]);
    until(async || states(&perch).await == ["\"live\"", "\"paused\"", "\"live\""]).await;
    // Without a receiver that goes on, the search is paused.
    other.answer_next(Answer::status(410));
    perch.ingest(&[tweet(3, "a")]).await;
    until(async || states(&perch).await == ["\"paused\""; 3]).await;
    assert_eq!(ids(&other.next().await.events()), ["3"]);
    perch.ingest(&[tweet(4, "a")]).await;
    ending.drain();
    put(&perch, "a", &search).await;
    for (receiver, expected) in [(&mut ending, vec!["2", "3", "4"]), (&mut other, vec!["3", "4"])] {
        let mut got = std::collections::BTreeSet::new();
        while got.len() < expected.len() {
            got.extend(ids(&receiver.next().await.events()));
        }
        assert_eq!(got.into_iter().collect::<Vec<_>>(), expected);
    }
    perch.stop().await;
}
