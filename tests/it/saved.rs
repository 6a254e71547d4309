//! Saved searches, and the webhooks that get their matches.

mod bad_receivers;
mod bulk;
mod changes;
mod crashes;
mod digests;
mod mail;
mod receiver;
mod smtp_server;
mod templates;

use serde_json::{Value, json};

use crate::support::{Perch, tweet, until};
use receiver::{Answer, Receiver, SECRET, ids, sign};

/// Receivers of tests are on this machine.
const LOCAL: &str = "[deliveries]\nallow_private_addresses = true\n";

async fn put(perch: &Perch, name: &str, body: &Value) -> (u16, Value) {
    send(perch, reqwest::Method::PUT, &format!("/api/searches/{name}"), Some(body)).await
}

async fn send(perch: &Perch, method: reqwest::Method, path: &str, body: Option<&Value>) -> (u16, Value) {
    let mut request = perch.http.request(method, perch.url(path));
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

async fn get(perch: &Perch, path: &str) -> Value {
    send(perch, reqwest::Method::GET, path, None).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_what_matches_from_now_on_in_order_and_signed() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    perch.ingest(&[tweet(1, "old java")]).await;
    let search = json!({
        "query": "java",
        "deliver": [{"type": "webhook", "url": receiver.url, "secret": SECRET}],
        "tags": ["team-b", "team-a", "team-a"],
    });
    let (status, saved) = put(&perch, "java", &search).await;
    assert_eq!(
        (status, &saved["state"], &saved["tags"]),
        (201, &json!("live"), &json!(["team-a", "team-b"])),
        "{saved}"
    );
    assert_eq!((&saved["deliver"][0]["secret"], &saved["position"]), (&json!("***"), &json!(1)), "{saved}");
    perch.ingest(&[tweet(2, "java"), tweet(3, "rust"), tweet(4, "more java")]).await;
    let mut events = Vec::new();
    while events.len() < 2 {
        let request = receiver.next().await;
        assert_eq!(request.body["type"], "search.matches");
        assert_eq!(
            (&request.body["data"]["search"], &request.body["data"]["epoch"]),
            (&json!("java"), &saved["epoch"])
        );
        assert!(request.signature.split(' ').any(|signature| signature == sign(SECRET, &request)), "{request:?}");
        events.extend(request.events());
    }
    assert_eq!(ids(&events), ["2", "4"]);
    assert_eq!((&events[0][0], &events[0][1]["seq"]), (&json!("tweet/new"), &json!(2)));
    // A tweet that matches no longer, and one that is deleted.
    perch.ingest(&[tweet(2, "kotlin")]).await;
    perch.http.delete(perch.url("/api/tweets/4")).send().await.expect("an answer");
    let (changed, deleted) = (receiver.event().await, receiver.event().await);
    assert_eq!(changed, json!(["tweet/gone", {"id_str": "2", "seq": 5, "reason": "changed"}]));
    assert_eq!(deleted, json!(["tweet/gone", {"id_str": "4", "seq": 6, "reason": "deleted"}]));
    until(async || get(&perch, "/api/searches/java").await["position"] == 6).await;
    let tries = get(&perch, "/api/searches/java/deliveries").await;
    assert_eq!((&tries["deliveries"][0]["status"], &tries["deliveries"][0]["deliver"]), (&json!(204), &json!(0)));
    assert!(!tries.to_string().contains("whsec_"));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn percolation_and_the_list_of_queries_know_tags() {
    let perch = Perch::start_with(LOCAL).await;
    let receiver = Receiver::start().await;
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "java"})).await;
    client.percolate(json!({"query": "tea"})).await;
    let deliver = json!([{"type": "webhook", "url": receiver.url}]);
    for (name, query, tags, paused) in [
        ("one", "java", json!(["team-a"]), false),
        ("two", "JAVA", json!(["team-a", "team-b"]), false),
        ("three", "java OR kotlin", json!(["team-b"]), false),
        ("four", "kotlin", json!(["team-a"]), false),
        ("five", "java coffee", json!(["team-a"]), true),
    ] {
        let search = json!({"query": query, "deliver": deliver, "tags": tags, "paused": paused});
        assert_eq!(put(&perch, name, &search).await.0, 201);
    }
    let matches = async |path: &str| {
        let (status, answer) = perch.post(path, tweet(1, "java coffee with tea").to_string()).await;
        assert_eq!(status, 200, "{answer}");
        let matches = answer["matches"].as_array().expect("matches").iter();
        matches.map(|found| (found["query"].clone(), found["searches"].clone())).collect::<Vec<_>>()
    };
    let all = matches("/api/percolate").await;
    assert!(all.len() == 3 && all.iter().all(|(_, searches)| searches.is_null()), "{all:?}");
    assert_eq!(matches("/api/percolate?tag=team-a").await, [(json!("java"), json!(["one", "two"]))]);
    let team_b = matches("/api/percolate?tag=team-b").await;
    assert_eq!(team_b.iter().map(|(_, searches)| searches.clone()).filter(|it| *it == json!(["two"])).count(), 1);
    assert_eq!(team_b.len(), 2);
    assert_eq!(matches("/api/percolate?tag=team-c").await, []);
    let listed = get(&perch, "/api/queries?tag=team-a").await;
    let mut queries: Vec<_> = listed["queries"]
        .as_array()
        .expect("queries")
        .iter()
        .map(|it| (it["query"].clone(), it["searches"].clone()))
        .collect();
    queries.sort_by_key(|(query, _)| query.to_string());
    assert_eq!(queries, [(json!("java"), json!(["one", "two"])), (json!("kotlin"), json!(["four"]))]);
    assert_eq!((&listed["total"], &get(&perch, "/api/queries").await["total"]), (&json!(2), &json!(4)));
    let (status, refused) =
        perch.post(&format!("/api/percolate?tag={}", "a".repeat(300)), tweet(1, "java").to_string()).await;
    assert_eq!((status, &refused["error"]["at"]["field"]), (400, &json!("tag")), "{refused}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_tried_again_with_its_id_until_it_is_taken() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    receiver.answer_next(Answer::status(500));
    receiver.answer_next(Answer::status(503).with("retry-after", "1"));
    put(&perch, "a", &json!({"query": "a", "deliver": [{"type": "webhook", "url": receiver.url}]})).await;
    perch.ingest(&[tweet(1, "a")]).await;
    let first = receiver.next().await;
    perch.ingest(&[tweet(2, "a")]).await;
    let (second, third) = (receiver.next().await, receiver.next().await);
    for again in [&second, &third] {
        assert_eq!((&again.id, ids(&again.events())), (&first.id, vec!["1".to_owned()]));
    }
    assert_eq!(first.signature, "", "there is no secret");
    let next = receiver.next().await;
    assert_ne!(next.id, first.id);
    assert_eq!(ids(&next.events()), ["2"]);
    let tries = get(&perch, "/api/searches/a/deliveries").await;
    let statuses: Vec<_> =
        tries["deliveries"].as_array().expect("a list").iter().map(|it| it["status"].clone()).collect();
    assert_eq!(statuses[statuses.len() - 3..], [json!(204), json!(503), json!(500)]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_pauses_its_search_and_the_position_stays() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    receiver.answer_next(Answer::status(410));
    let search = json!({"query": "a", "deliver": [{"type": "webhook", "url": receiver.url}]});
    put(&perch, "a", &search).await;
    perch.ingest(&[tweet(1, "a")]).await;
    let refused = receiver.next().await;
    until(async || get(&perch, "/api/searches/a").await["state"] == "paused").await;
    let saved = get(&perch, "/api/searches/a").await;
    assert_eq!((&saved["reason"], &saved["position"]), (&json!("the receiver answered 410 Gone"), &json!(0)));
    perch.ingest(&[tweet(2, "a")]).await;
    // Saved again, it goes on where it was.
    assert_eq!(put(&perch, "a", &search).await.0, 200);
    let again = receiver.next().await;
    assert_eq!((&again.id, ids(&again.events())), (&refused.id, vec!["1".to_owned()]));
    assert_eq!(ids(&receiver.next().await.events()), ["2"]);
    // Paused by its owner, and changed.
    let mut paused = search.clone();
    paused["paused"] = true.into();
    let (_, saved) = put(&perch, "a", &paused).await;
    assert_eq!((&saved["state"], &saved["reason"]), (&json!("paused"), &Value::Null));
    perch.ingest(&[tweet(3, "a b")]).await;
    put(&perch, "a", &search).await;
    assert_eq!(ids(&receiver.next().await.events()), ["3"]);
    // Another query starts anew, at the present or behind `since`.
    let other = json!({"query": "b", "deliver": search["deliver"]});
    put(&perch, "a", &other).await;
    perch.ingest(&[tweet(4, "b")]).await;
    assert_eq!(ids(&receiver.next().await.events()), ["4"]);
    let mut since = other.clone();
    since["since"] = 2.into();
    put(&perch, "a", &since).await;
    let mut events = receiver.next().await.events();
    while events.len() < 2 {
        events.extend(receiver.next().await.events());
    }
    assert_eq!(ids(&events), ["3", "4"]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_listed_changed_with_care_and_removed() {
    let perch = Perch::start_with(LOCAL).await;
    let search = json!({"query": "a", "tags": ["x"]});
    let listed = get(&perch, "/api/searches").await;
    assert_eq!((&listed["receivers"], &listed["feeds"]), (&json!(["webhook"]), &json!(true)), "no mail server");
    for name in ["b", "c", "ä-1.x_y"] {
        assert_eq!(put(&perch, name, &search).await.0, 201, "{name}");
    }
    assert_eq!(put(&perch, "a", &json!({"query": "a", "paused": true})).await.0, 201);
    let names = |list: &Value| -> Vec<String> {
        let searches = list["searches"].as_array().expect("a list").iter();
        searches.map(|search| search["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&get(&perch, "/api/searches").await), ["a", "b", "c", "ä-1.x_y"]);
    assert_eq!(names(&get(&perch, "/api/searches?tag=x&after=b").await), ["c", "ä-1.x_y"]);
    assert_eq!(names(&get(&perch, "/api/searches?state=paused").await), ["a"]);
    let page = get(&perch, "/api/searches?n=2").await;
    assert_eq!((names(&page), &page["next"]), (vec!["a".to_owned(), "b".to_owned()], &json!("b")));
    // A request that changes nothing changes no revision.
    let path = perch.url("/api/searches/b");
    let etag = |answer: &reqwest::Response| answer.headers()["etag"].to_str().expect("text").to_owned();
    let same = perch.http.put(&path).json(&search).send().await.expect("an answer");
    let first = etag(&perch.http.get(&path).send().await.expect("an answer"));
    assert_eq!((same.status().as_u16(), etag(&same)), (200, first.clone()));
    let change = |name, value| perch.http.put(&path).header(name, value).json(&json!({"query": "b"})).send();
    assert_eq!(change("if-none-match", "*").await.expect("an answer").status(), 412);
    assert_eq!(change("if-match", "\"2\"").await.expect("an answer").status(), 412);
    assert_eq!(change("if-match", "nonsense").await.expect("an answer").status(), 400);
    let change = |name, value: &str| perch.http.put(&path).header(name, value).json(&json!({"query": "b"})).send();
    let changed = change("if-match", &first).await.expect("an answer");
    assert_eq!(changed.status(), 200);
    assert_ne!(etag(&changed), first);
    assert_eq!(send(&perch, reqwest::Method::DELETE, "/api/searches/b", None).await.0, 204);
    // A new search of the name has an `ETag` of its own.
    let again = perch.http.put(&path).json(&search).send().await.expect("an answer");
    assert!(again.status() == 201 && etag(&again) != first, "{first}");
    assert_eq!(change("if-match", &first).await.expect("an answer").status(), 412);
    // Places belong to tags: what is no tag (any more) has none.
    let (_, placed) = put(&perch, "c", &json!({"query": "a", "tags": ["x", "y"], "places": {"x": 2, "z": 1}})).await;
    assert_eq!(placed["places"], json!({"x": 2}));
    assert_eq!(send(&perch, reqwest::Method::DELETE, "/api/searches/b", None).await.0, 204);
    assert_eq!(send(&perch, reqwest::Method::DELETE, "/api/searches/b", None).await.0, 404);
    assert_eq!(send(&perch, reqwest::Method::GET, "/api/searches/b", None).await.0, 404);
    let perch = perch.restart().await;
    assert_eq!(names(&get(&perch, "/api/searches").await), ["a", "c", "ä-1.x_y"]);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let perch = Perch::start_with("[limits]\nmax_saved_searches = 1\n").await;
    let hook = |url: &str| json!({"query": "a", "deliver": [{"type": "webhook", "url": url}]});
    let with = |key: &str, value: Value| {
        let mut search = json!({"query": "a", "deliver": [{"type": "webhook", "url": "https://example.org/"}]});
        search["deliver"][0][key] = value;
        search
    };
    let mut zone = with("every", json!("1d"));
    zone["deliver"][0]["time_zone"] = "Europe/Atlantis".into();
    for (name, search, code, part) in [
        ("a", zone, "bad_payload", "Europe/Berlin"),
        ("a b", json!({"query": "a"}), "bad_payload", "`name`"),
        (".a", json!({"query": "a"}), "bad_payload", "`name`"),
        ("a", json!([]), "bad_payload", "object"),
        ("a", json!({}), "bad_payload", "`query` is missing"),
        ("a", json!({"query": "a AND"}), "bad_query", ""),
        ("a", json!({"query": "a -a"}), "bad_query", ""),
        ("a", json!({"query": "created:>now-7d"}), "bad_query", "now"),
        ("a", json!({"query": "a", "every": "1h"}), "bad_payload", "`every` is not known"),
        ("a", json!({"query": "a", "paused": "yes"}), "bad_payload", "`paused`"),
        ("a", json!({"query": "a", "tags": ["a,b"]}), "bad_payload", "`tags`"),
        ("a", json!({"query": "a", "tags": ["a"], "places": {"a": -1}}), "bad_payload", "`places`"),
        ("a", json!({"query": "a", "deliver": {}}), "bad_payload", "`deliver`"),
        ("a", json!({"query": "a", "deliver": [{"url": "https://example.org"}]}), "bad_payload", "`deliver[0].type`"),
        ("a", json!({"query": "a", "deliver": [{"type": "pigeon"}]}), "bad_payload", "webhook"),
        ("a", json!({"query": "a", "deliver": [{"type": "webhook"}]}), "bad_payload", "`deliver[0].url` is missing"),
        ("a", hook("no address"), "bad_payload", "`deliver[0].url`"),
        ("a", hook("ftp://example.org"), "bad_payload", "https://"),
        ("a", hook("https://user:secret@example.org"), "bad_payload", "password"),
        ("a", hook("http://127.0.0.1:1/"), "bad_payload", "allow_private_addresses"),
        ("a", hook("http://[::1]/"), "bad_payload", "allow_private_addresses"),
        ("a", hook("http://169.254.169.254/latest/meta-data"), "bad_payload", "allow_private_addresses"),
        ("a", hook("http://0x7f000001/"), "bad_payload", "allow_private_addresses"),
        ("a", with("secret", json!("secret")), "bad_payload", "whsec_"),
        ("a", with("secret", json!("***")), "bad_payload", "there is none"),
        ("a", with("secret", json!([SECRET, SECRET, SECRET])), "bad_payload", "old one"),
        ("a", with("secret", json!([])), "bad_payload", "old one"),
        ("a", json!({"query": "a", "since": 99}), "unrecoverable", "99"),
        (
            "a",
            json!({"query": "a", "since": 0, "epoch": "5f0c2e9a-0000-4000-8000-000000000000"}),
            "unrecoverable",
            "epoch",
        ),
        ("a", with("colour", json!("red")), "bad_payload", "`deliver[0].colour` is not known"),
        ("a", with("template", json!("irc")), "bad_payload", "discord"),
        ("a", with("template", json!("ntfy")), "bad_payload", "topic"),
        ("a", with("every", json!("30s")), "bad_payload", "`deliver[0].every`"),
        ("a", with("max_per_hour", json!(0)), "bad_payload", "`deliver[0].max_per_hour`"),
        ("a", with("time_zone", json!("UTC")), "bad_payload", "`deliver[0].time_zone` needs `every`"),
        (
            "a",
            json!({"query": "a", "deliver": [{"type": "webhook", "url": "https://example.org/"}], "since": 99}),
            "unrecoverable",
            "99",
        ),
    ] {
        let (status, answer) = put(&perch, name, &search).await;
        assert_eq!(answer["error"]["code"], code, "{name} {search}: {status} {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains(part)), "{search}: {answer}");
    }
    assert_eq!(put(&perch, "a", &json!({"query": "a"})).await.0, 201);
    let (status, full) = put(&perch, "b", &json!({"query": "a"})).await;
    assert_eq!((status, &full["error"]["code"]), (429, &json!("limit")));
    // A name that resolves to this machine is found when perch connects.
    put(&perch, "a", &hook("http://localhost:1/")).await;
    let (_, tested) = send(&perch, reqwest::Method::POST, "/api/searches/a/test", None).await;
    let error = tested["results"][0]["error"].as_str().expect("an error");
    assert!(error.contains("allow_private_addresses"), "{error}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_never_end_and_redirects_are_failures_and_hold_up_no_other() {
    let settings = format!("{LOCAL}timeout_seconds = 1\nmax_requests_per_host = 1\n");
    let perch = Perch::start_with(&settings).await;
    let (mut slow, mut other) = (Receiver::start().await, Receiver::start().await);
    slow.answer_always(Answer::Never);
    for (name, receiver) in [("slow", &slow), ("slow2", &slow), ("other", &other)] {
        put(&perch, name, &json!({"query": "a", "deliver": [{"type": "webhook", "url": receiver.url}]})).await;
    }
    perch.ingest(&[tweet(1, "a")]).await;
    assert_eq!(ids(&other.next().await.events()), ["1"]);
    slow.next().await;
    let is_failing = async || get(&perch, "/api/searches/slow").await["state"] == "failing";
    until(is_failing).await;
    let saved = get(&perch, "/api/searches/slow").await;
    assert_eq!(saved["reason"], "no answer in 1 s", "{saved}");
    assert!(saved["next_try"].is_string(), "{saved}");
    assert_eq!(send(&perch, reqwest::Method::GET, "/readyz", None).await.0, 200);
    // An endless body: its head is enough.
    slow.answer_always(Answer::Endless);
    until(async || get(&perch, "/api/searches/slow").await["position"] == 1).await;
    let (_, redirected) = {
        slow.answer_always(Answer::status(302).with("location", &other.url));
        send(&perch, reqwest::Method::POST, "/api/searches/slow/test", None).await
    };
    assert_eq!(
        (&redirected["results"][0]["status"], redirected["results"][0]["error"].is_string()),
        (&json!(302), true)
    );
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_sends_the_newest_match_and_a_secret_can_be_changed_without_a_gap() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    let new = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let url = receiver.url.clone();
    let search = |secret: Value| json!({"query": "a", "deliver": [{"type": "webhook", "url": url, "secret": secret}]});
    put(&perch, "a", &search(json!(SECRET))).await;
    put(&perch, "a", &search(json!([new, SECRET]))).await;
    perch.ingest(&[tweet(7, "a")]).await;
    let request = receiver.next().await;
    let signatures: Vec<_> = request.signature.split(' ').map(str::to_owned).collect();
    assert_eq!(signatures, [sign(new, &request), sign(SECRET, &request)]);
    // What was read can be sent back: the mask keeps the secret.
    let mut saved = get(&perch, "/api/searches/a").await;
    assert_eq!(saved["deliver"][0]["secret"], "***");
    saved = json!({"query": "a", "deliver": saved["deliver"], "tags": ["new"]});
    assert_eq!(put(&perch, "a", &saved).await.0, 200);
    let (status, tested) = send(&perch, reqwest::Method::POST, "/api/searches/a/test", None).await;
    assert_eq!((status, &tested["results"][0]["status"]), (200, &json!(204)));
    // A receiver gets one sample in a minute, also by another search.
    put(&perch, "b", &search(json!(null))).await;
    assert_eq!(get(&perch, "/api/searches/b").await["deliver"][0]["secret"], Value::Null);
    for name in ["a", "b"] {
        let again = perch.http.post(perch.url(&format!("/api/searches/{name}/test"))).send().await;
        let again = again.expect("an answer");
        assert!(again.status() == 429 && again.headers()["retry-after"] == "60", "{again:?}");
    }
    // In a list, the mask is the newest of the secrets.
    put(&perch, "a", &search(json!([SECRET, "***"]))).await;
    perch.ingest(&[tweet(8, "a")]).await;
    let mut rotated = receiver.next().await;
    while rotated.body["type"] == "search.test" || rotated.body["data"]["search"] == "b" {
        rotated = receiver.next().await;
    }
    assert_eq!(rotated.signature, format!("{} {}", sign(SECRET, &rotated), sign(new, &rotated)));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_the_newest_match() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    let search = json!({"query": "a", "deliver": [{"type": "webhook", "url": receiver.url}]});
    perch.ingest(&[tweet(7, "a")]).await;
    put(&perch, "a", &search).await;
    send(&perch, reqwest::Method::POST, "/api/searches/a/test", None).await;
    let request = receiver.next().await;
    assert_eq!((&request.body["type"], ids(&request.events())), (&json!("search.test"), vec!["7".to_owned()]));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_perch_has_given_up_goes_on_when_its_search_is_saved_again() {
    let perch = Perch::start_with(&format!("{LOCAL}give_up_seconds = 1\n")).await;
    let mut receiver = Receiver::start().await;
    receiver.answer_always(Answer::status(500));
    let search = json!({"query": "a", "deliver": [{"type": "webhook", "url": receiver.url}]});
    put(&perch, "a", &search).await;
    perch.ingest(&[tweet(1, "a")]).await;
    until(async || {
        let saved = get(&perch, "/api/searches/a").await;
        saved["state"] == "failing" && saved["next_try"].is_null()
    })
    .await;
    receiver.answer_always(Answer::status(204));
    let before = receiver.drain().pop().expect("a try");
    put(&perch, "a", &search).await;
    let after = receiver.next().await;
    assert_eq!((&after.id, ids(&after.events())), (&before.id, vec!["1".to_owned()]));
    until(async || get(&perch, "/api/searches/a").await["state"] == "live").await;
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tweet_that_may_have_arrived_and_is_deleted_is_reported_as_gone() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    put(&perch, "a", &json!({"query": "a", "deliver": [{"type": "webhook", "url": receiver.url}]})).await;
    receiver.answer_always(Answer::status(500));
    perch.ingest(&[tweet(1, "a")]).await;
    receiver.next().await;
    perch.http.delete(perch.url("/api/tweets/1")).send().await.expect("an answer");
    perch.ingest(&[tweet(2, "a")]).await;
    let perch = perch.restart().await;
    receiver.drain();
    receiver.answer_always(Answer::status(204));
    let mut events = Vec::new();
    while events.len() < 2 {
        events.push(receiver.event().await);
    }
    assert_eq!(
        (&events[0][0], ids(&events)),
        (&json!("tweet/gone"), vec!["1".to_owned(), "2".to_owned()]),
        "{events:?}"
    );
    perch.stop().await;
}
