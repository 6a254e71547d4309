//! The source `x` against a server of the filtered stream of X's API v2.

mod api;

use serde_json::{Value, json};

use self::api::{Api, State};
use crate::support::raw_http::json_answer;
use crate::support::{Perch, found, source_failure, source_status, tweet, until};

const RULES: &str = "rules = [\"birds\", \"from:ann\"]\n";

async fn status(perch: &Perch) -> Value {
    source_status(perch, "x#1").await
}

fn rule(id: &str, value: &str, tag: &str) -> (String, String, String) {
    (id.to_owned(), value.to_owned(), tag.to_owned())
}

fn post(id: u64, text: &str) -> String {
    json!({
        "data": {"id": id.to_string(), "text": text, "author_id": "7", "created_at": "2018-10-10T20:19:24.000Z"},
        "includes": {"users": [{"id": "7", "username": "ann", "name": "Ann"}]},
        "matching_rules": [{"id": "101", "tag": "perch"}],
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_of_the_rules_are_kept() {
    let state = State {
        rules: vec![
            rule("1", "of somebody else", "theirs"),
            rule("2", "obsolete", "perch"),
            rule("3", "birds", "perch"),
            rule("4", "birds", "perch"),
        ],
        ..State::default()
    };
    let api = Api::start(state).await;
    let perch = Perch::start_with(&api.source(RULES)).await;
    until(async || api.streams().len() == 1).await;
    assert_eq!(
        api.changes(),
        [json!({"delete": {"ids": ["2", "4"]}}), json!({"add": [{"value": "from:ann", "tag": "perch"}]})]
    );
    let values: Vec<String> = api.state().rules.iter().map(|(_, value, _)| value.clone()).collect();
    assert_eq!(values, ["of somebody else", "birds", "from:ann"]);
    let request = &api.streams()[0];
    assert_eq!(request.parameter("backfill_minutes"), None, "it begins with what is new");
    for (name, field) in [("tweet.fields", "note_tweet"), ("expansions", "author_id"), ("media.fields", "alt_text")] {
        assert!(request.parameter(name).is_some_and(|fields| fields.split(',').any(|it| it == field)), "{name}");
    }
    let mut client = perch.connect().await;
    client.percolate(json!({"query": "*"})).await;
    // Posts, as files of the cases have them, in the lines of a stream.
    let cases = include_str!("../cases/posts.jsonl").lines();
    let mut cases = cases.map(|line| serde_json::from_str::<Value>(line).expect("a case"));
    let case = cases.find(|case| case["name"] == "v2-flattened").expect("the case");
    let flattened: Value = serde_json::from_str(case["input"].as_str().expect("an input")).expect("JSON");
    api.push(&json!({"data": flattened, "matching_rules": []}).to_string());
    assert_eq!(client.tweet().await["tweet"]["id_str"], flattened["id"]);
    for find in case["find"].as_array().expect("pairs") {
        assert_eq!(json!(found(&perch, find[0].as_str().expect("a query")).await), find[1]);
    }
    for line in ["", &post(11, "one"), "", &post(11, "one"), "{broken", &post(12, "two")] {
        api.push(line);
    }
    for text in ["one", "two"] {
        let tweet = client.tweet().await["tweet"].clone();
        assert_eq!((&tweet["text"], &tweet["user"]["screen_name"]), (&json!(text), &json!("ann")));
    }
    let status = status(&perch).await;
    assert_eq!((&status["state"], &status["gap"]), (&json!("running"), &Value::Null));
    assert!(status["lag_seconds"].as_f64() > Some(1e6), "{status}");
    assert!(api.requests().iter().all(|request| request.header("authorization").is_some()));
    perch.stop().await;
    // The rules are as they should be.
    let perch = Perch::start_with(&api.source(RULES)).await;
    until(async || api.streams().len() == 2).await;
    assert_eq!(api.changes().len(), 2);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_interruption_the_gap_is_reported_or_filled() {
    for backfill in [0, 5] {
        let api = Api::start(State::default()).await;
        let settings = api.source(&format!("{RULES}backfill_minutes = {backfill}"));
        let perch = Perch::start_with(&settings).await;
        until(async || api.streams().len() == 1).await;
        let mut client = perch.connect().await;
        client.percolate(json!({"query": "*"})).await;
        api.push(&post(1, "one"));
        assert_eq!(client.tweet().await["tweet"]["text"], "one");
        // A cut within a line, and a disconnection that X announces.
        for connections in 2..4 {
            if connections == 2 {
                api.cut();
            } else {
                api.push(r#"{"errors": [{"title": "operational-disconnect", "detail": "upstream"}]}"#);
            }
            until(async || api.streams().len() == connections).await;
            let minutes = api.streams()[connections - 1].parameter("backfill_minutes").map(str::to_owned);
            assert_eq!(minutes, (backfill > 0).then(|| backfill.to_string()));
            // X sends again what perch has.
            api.push(&post(1, "one"));
            api.push(&post(connections as u64, &format!("post {connections}")));
            assert_eq!(client.tweet().await["tweet"]["text"], format!("post {connections}"));
        }
        let gap = status(&perch).await["gap"].clone();
        match backfill {
            0 => {
                let gap = gap.as_str().expect("a gap");
                assert!(gap.starts_with("127.0.0.1 does not send again what it sent from 20"), "{gap}");
            }
            _ => assert_eq!(gap, Value::Null),
        }
        // Also over a restart.
        let perch = perch.restart().await;
        until(async || api.streams().len() == 4).await;
        until(async || (status(&perch).await["gap"] == Value::Null) == (backfill > 0)).await;
        assert_eq!(api.streams()[3].parameter("backfill_minutes").is_some(), backfill > 0);
        perch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_named_and_stop_nothing_else() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>hi</html>".to_owned();
    let forbidden = json_answer(
        "403 Forbidden",
        "",
        r#"{"title": "Client Forbidden", "detail": "This app is not enrolled", "reason": "client-not-enrolled"}"#,
    );
    let many = json_answer(
        "429 Too Many Requests",
        "x-rate-limit-reset: 99999999999\r\n",
        r#"{"title": "Too Many Requests"}"#,
    );
    let unavailable = json_answer("503 Service Unavailable", "", "{}");
    let rules = json_answer("200 OK", "", r#"{"data": [], "meta": {}}"#);
    let invalid = r#"{"errors": [{"value": "birds", "details": ["no viable alternative (at position 1)"], "title": "UnprocessableEntity"}]}"#;
    // Each time again: the test may look while perch is connecting.
    let stream = |answer: String| State { stream_faults: vec![answer; 1_000].into(), ..State::default() };
    let rule_answers = |answers: &[&String]| State {
        rule_faults: answers.iter().map(|&answer| answer.clone()).collect(),
        ..State::default()
    };
    let cases = [
        (stream(page.clone()), "127.0.0.1 answers with a web page, not with a stream"),
        (
            stream(many),
            "the server asks for a pause of 3600 s: 127.0.0.1 answers with HTTP 429 Too Many Requests: Too Many",
        ),
        (stream(unavailable), "127.0.0.1 answers with HTTP 503 Service Unavailable, not with a stream"),
        (rule_answers(&[&page]), "127.0.0.1 answers with something else than rules"),
        (rule_answers(&[&forbidden]), "127.0.0.1 does not allow this with the token in "),
        (
            rule_answers(&[&rules, &json_answer("400 Bad Request", "", invalid)]),
            "127.0.0.1 answers with HTTP 400 Bad Request: \"birds\": no viable alternative (at position 1), not with",
        ),
        (
            rule_answers(&[&rules, &json_answer("201 Created", "", invalid)]),
            "127.0.0.1 refuses a rule: \"birds\": no viable alternative (at position 1)",
        ),
    ];
    for (state, expected) in cases {
        let api = Api::start(state).await;
        let perch = Perch::start_with(&api.source(RULES)).await;
        let reason = source_failure(&perch, "x#1").await;
        assert!(reason.starts_with(expected), "{reason}");
        perch.ingest(&[tweet(1, "goes on")]).await;
        perch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_too_many_connections_and_no_network_are_named() {
    const WRONG: &str = "0123456789-wrong-token";
    let api = Api::start(State::default()).await;
    let closed = Api::start(State::default()).await.address;
    let perch = Perch::start_with(&api.source(&format!(
        "{RULES}[[source]]\ntype = \"x\"\nurl = \"http://{closed}\"\ntoken_file = '{}'\n{RULES}",
        api.token_file()
    )))
    .await;
    until(async || api.streams().len() == 1).await;
    api.push(
        r#"{"errors": [{"title": "ConnectionException", "connection_issue": "TooManyConnections",
            "detail": "This stream is currently at the maximum allowed connection limit."}]}"#
            .replace('\n', " ")
            .as_str(),
    );
    let reason = source_failure(&perch, "x#1").await;
    assert_eq!(reason, "127.0.0.1 ends the stream: This stream is currently at the maximum allowed connection limit.");
    let reason = source_failure(&perch, "x#2").await;
    assert!(reason.starts_with("no connection to 127.0.0.1"), "{reason}");
    perch.ingest(&[tweet(1, "goes on")]).await;
    perch.stop().await;
    std::fs::write(api.token_file(), WRONG).expect("written");
    let perch = Perch::start_with(&api.source(RULES)).await;
    let reason = source_failure(&perch, "x#1").await;
    let file = api.token_file();
    assert_eq!(reason, format!("127.0.0.1 refuses the token in {file} (HTTP 401 Unauthorized: Unauthorized)"));
    assert!(!perch.get("/readyz").await.1.to_string().contains(WRONG));
    perch.stop().await;
}
