//! Digests, limits per hour, and near-duplicates that are folded.
//!
//! No test waits for a clock. perch sends a digest that was due while it was stopped, so the tests
//! stop it, and move the stored end of the last digest into the past. Where the real clock passes
//! an hour meanwhile, a digest is due on its own, and the test runs again.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::{Database, ReadableTable as _, TableDefinition};
use serde_json::{Value, json};

use super::receiver::{Answer, Receiver, Request, ids};
use super::{LOCAL, get, put};
use crate::support::process::Server;
use crate::support::{Perch, tweet, until};

const PACING: TableDefinition<'_, u64, (u64, u64, u64, u32, u32)> = TableDefinition::new("pacing");

const HOUR_MS: u64 = 3_600_000;

/// Runs a test within one hour of the clock.
async fn within_an_hour(test: impl AsyncFn()) {
    let hour = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs() / 3_600;
    loop {
        let started = hour();
        let result = AssertUnwindSafe(test()).catch_unwind().await;
        if hour() == started {
            return result.unwrap_or_else(|panic| resume_unwind(panic));
        }
    }
}

/// Moves the last digests and the hours of limits into the past.
fn set_back(index: &Path, hours: u64) {
    let database = Database::open(index.join("searches.redb")).expect("the file of the saved searches");
    let transaction = database.begin_write().expect("a transaction");
    {
        let mut table = transaction.open_table(PACING).expect("a table");
        let rows: Vec<_> = table
            .iter()
            .expect("rows")
            .map(|row| row.map(|(id, state)| (id.value(), state.value())).expect("a row"))
            .collect();
        assert!(!rows.is_empty());
        // A digest that was being sent has its beginning already.
        let rows = rows.into_iter().filter(|(_, (_, ending_ms, ..))| *ending_ms == 0);
        for (id, (ended_ms, ending_ms, hour, used, cap)) in rows {
            let moved = (ended_ms - hours * HOUR_MS, ending_ms, hour.saturating_sub(hours), used, cap);
            table.insert(id, moved).expect("written");
        }
    }
    transaction.commit().expect("written");
}

/// Stops perch, and starts it some hours later.
pub(super) async fn hours_later(perch: Perch, hours: u64, settings: &str) -> Perch {
    let dir = perch.stop().await;
    set_back(&dir.path().join("index"), hours);
    Perch::start_in(dir, settings).await
}

/// Makes durable what perch has noted of digests: changes of saved searches become so in order.
async fn make_durable(server: &Server) {
    let name = format!("other-{}", rand::random::<u64>());
    let request = crate::support::client().put(format!("{}/api/searches/{name}", server.url));
    let answer = request.json(&json!({"query": "b"})).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
}

fn digest(url: &str, fields: &Value) -> Value {
    let mut deliver = json!({"type": "webhook", "url": url});
    deliver.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    json!({"query": "a", "deliver": [deliver]})
}

fn shown(request: &Request) -> Vec<(String, u64)> {
    let events = request.events();
    let similar = events.iter().map(|event| event[1]["similar"].as_u64().unwrap_or(0));
    std::iter::zip(ids(&events), similar).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_has_what_came_since_the_last_one_and_folds_near_duplicates() {
    within_an_hour(async || {
        let perch = Perch::start_with(LOCAL).await;
        let mut receiver = Receiver::start().await;
        perch.ingest(&[tweet(1, "a before")]).await;
        let every = json!({"every": "1d", "at": "09:00", "time_zone": "Europe/Berlin"});
        let (status, saved) = put(&perch, "a", &digest(&receiver.url, &every)).await;
        assert_eq!(status, 201, "{saved}");
        until(async || get(&perch, "/api/searches/a").await["deliveries"][0]["next_digest"].is_string()).await;
        let tweets =
            [tweet(2, "a first"), tweet(3, "b"), tweet(4, "A FIRST https://example.org/x"), tweet(5, "a second")];
        perch.ingest(&tweets).await;
        perch.ingest(&[tweet(6, "@ann a first")]).await;
        let perch = hours_later(perch, 48, LOCAL).await;
        let request = receiver.next().await;
        let data = &request.body["data"];
        assert_eq!((&request.body["type"], &data["search"]), (&json!("search.digest"), &json!("a")));
        assert_eq!(shown(&request), [("5".to_owned(), 0), ("6".to_owned(), 2)]);
        assert_eq!((&data["count"], &data["left_out"]), (&json!(4), &json!(0)));
        assert_eq!((&data["after"], &data["until"]), (&json!(1), &json!(6)));
        assert!(data["from"].as_str() < data["to"].as_str(), "{data}");
        until(async || get(&perch, "/api/searches/a").await["position"] == 6).await;
        // The next one has what came since. A tweet that is gone is an event of it.
        perch.ingest(&[tweet(7, "a third")]).await;
        perch.http.delete(perch.url("/api/tweets/5")).send().await.expect("an answer");
        let perch = hours_later(perch, 24, LOCAL).await;
        let request = receiver.next().await;
        assert_eq!(request.events()[1], json!(["tweet/gone", {"id_str": "5", "seq": 8, "reason": "deleted"}]));
        assert_eq!((ids(&request.events()), &request.body["data"]["after"]), (vec!["7".into(), "5".into()], &json!(6)));
        // Nothing came: there is no digest.
        until(async || get(&perch, "/api/searches/a").await["position"] == 8).await;
        let perch = hours_later(perch, 24, LOCAL).await;
        until(async || get(&perch, "/api/searches/a").await["deliveries"][0]["next_digest"].is_string()).await;
        assert!(receiver.drain().is_empty());
        perch.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_many_tweets_shows_the_newest_and_counts_the_others() {
    within_an_hour(async || {
        let perch = Perch::start_with(LOCAL).await;
        let mut receiver = Receiver::start().await;
        put(&perch, "a", &digest(&receiver.url, &json!({"every": "7d"}))).await;
        let tweets: Vec<_> = (1..=1_000).map(|id| tweet(id, &format!("a number {id}"))).collect();
        perch.ingest(&tweets).await;
        let perch = hours_later(perch, 7 * 24, LOCAL).await;
        let request = receiver.next().await;
        let (events, data) = (request.events(), &request.body["data"]);
        assert_eq!((events.len(), &data["count"], &data["left_out"]), (100, &json!(1_000), &json!(900)));
        let expected: Vec<_> = (901..=1_000).map(|id| id.to_string()).collect();
        assert_eq!(ids(&events), expected);
        perch.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_fails_is_sent_again_as_it_was() {
    within_an_hour(async || {
        let perch = Perch::start_with(LOCAL).await;
        let mut receiver = Receiver::start().await;
        put(&perch, "a", &digest(&receiver.url, &json!({"every": "1h"}))).await;
        perch.ingest(&[tweet(1, "a one"), tweet(2, "a two")]).await;
        receiver.answer_always(Answer::status(500));
        let perch = hours_later(perch, 2, LOCAL).await;
        let first = receiver.next().await;
        perch.ingest(&[tweet(3, "a three")]).await;
        let perch = perch.restart().await;
        receiver.drain();
        receiver.answer_always(Answer::status(204));
        let again = receiver.next().await;
        assert_eq!((&again.id, again.events()), (&first.id, first.events()));
        let period = |request: &Request| (request.body["data"]["from"].clone(), request.body["data"]["to"].clone());
        assert_eq!(period(&again), period(&first));
        until(async || get(&perch, "/api/searches/a").await["position"] == 2).await;
        // Without `every` it goes on at once.
        put(&perch, "a", &digest(&receiver.url, &json!({}))).await;
        assert_eq!(ids(&receiver.next().await.events()), ["3"]);
        perch.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_has_its_events_and_the_next_one_says_what_was_left_out() {
    within_an_hour(async || {
        let perch = Perch::start_with(LOCAL).await;
        let mut receiver = Receiver::start().await;
        put(&perch, "a", &digest(&receiver.url, &json!({"max_per_hour": 2}))).await;
        let tweets: Vec<_> = (1..=7).map(|id| tweet(id, &format!("a number {id}"))).collect();
        perch.ingest(&tweets).await;
        let mut got = Vec::new();
        while got.len() < 2 {
            got.extend(ids(&receiver.next().await.events()));
        }
        assert_eq!(got, ["1", "2"]);
        until(async || get(&perch, "/api/searches/a").await["deliveries"][0]["next_digest"].is_string()).await;
        let perch = hours_later(perch, 1, LOCAL).await;
        let request = receiver.next().await;
        let data = &request.body["data"];
        assert_eq!((ids(&request.events()), &data["left_out"]), (vec!["6".into(), "7".into()], &json!(3)));
        assert_eq!((&data["count"], &data["after"], &data["until"]), (&json!(5), &json!(2), &json!(7)));
        perch.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_of_a_digest_is_missing_after_kills_and_repeats_are_equal() {
    within_an_hour(async || {
        let runs = if std::env::var_os("PERCH_LONG_TESTS").is_some() { 50 } else { 6 };
        let seed = rand::random();
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().expect("a directory");
        let arguments = ["--set", "deliveries.allow_private_addresses=true", "--set", "index.commit_interval_ms=50"];
        let mut receiver = Receiver::start().await;
        let http = crate::support::client();
        // The events of each digest by its id, and whether a digest has arrived.
        let mut digests: BTreeMap<String, (Value, bool)> = BTreeMap::new();
        let mut take = |request: &Request| {
            let (data, has_arrived) = (request.body["data"].clone(), request.status == 204);
            let (first, arrived) = digests.entry(request.id.clone()).or_insert_with(|| (data.clone(), false));
            assert_eq!(*first, data, "a repeat is equal");
            *arrived |= has_arrived;
            digests.values().filter(|(_, arrived)| *arrived).filter_map(|(data, _)| data["count"].as_u64()).sum::<u64>()
        };
        let mut sent = 0;
        for run in 0..runs {
            if run > 0 {
                set_back(dir.path(), 24);
            }
            let server = Server::start_with(dir.path(), &arguments);
            if run == 0 {
                let search = digest(&receiver.url, &json!({"every": "1d"}));
                let answer = http.put(format!("{}/api/searches/a", server.url)).json(&search).send().await;
                assert_eq!(answer.expect("an answer").status(), 201);
                // Behind this the digest has a beginning.
                make_durable(&server).await;
            }
            let faults = (0..random.random_range(0..3))
                .map(|_| if random.random() { Answer::status(500) } else { Answer::Hangup });
            // Those of all runs together would make perch pause for a minute.
            receiver.answer_instead(faults);
            let tweets = (0..random.random_range(1..150)).map(|_| {
                sent += 1;
                format!("{}\n", tweet(sent, &format!("a number {sent}")))
            });
            let body: String = tweets.collect();
            let answer = http.post(format!("{}/api/tweets", server.url)).body(body).send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            if run > 0 && random.random() {
                take(&receiver.next().await);
            }
            server.kill();
            for request in receiver.drain() {
                take(&request);
            }
        }
        // A digest that was being sent comes first, and then one of the rest.
        let mut arrived = 0;
        for _ in 0..3 {
            set_back(dir.path(), 24);
            let server = Server::start_with(dir.path(), &arguments);
            until(async || server.get("/api/searches/a").await["deliveries"][0]["next_digest"].is_string()).await;
            make_durable(&server).await;
            server.kill();
            arrived = receiver.drain().iter().map(&mut take).last().unwrap_or(arrived);
        }
        assert_eq!(arrived, sent);
    })
    .await;
}
