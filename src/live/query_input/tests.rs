use futures_util::FutureExt;

use super::*;

const LIMITS: QueryLimits =
    QueryLimits { max_bytes: 1_000, max_depth: 10, max_clauses: 100, max_automaton_bytes: 100_000, max_cost: 8_192 };

fn parse(text: &str) -> Result<Query, ApiError> {
    QueryInput::read("q", Value::from(text))?.parse(&LIMITS, UseOf::Registration).map(|parsed| parsed.query)
}

#[test]
fn text_and_json_and_json_in_text_are_one_query() {
    let object = serde_json::json!({"query_string": {"query": "rust"}});
    let expected = parse("rust").unwrap().id();
    assert_eq!(parse(&object.to_string()).unwrap().id(), expected);
    assert_eq!(
        QueryInput::read("query", object).unwrap().parse(&LIMITS, UseOf::Registration).unwrap().query.id(),
        expected
    );
}

#[test]
fn what_is_wrong_has_its_place() {
    let error = parse("rust AND (job").unwrap_err();
    assert_eq!(error.code, Code::BadQuery);
    assert!(matches!(error.at, Some(ErrorLocation::Query { column: 10 | 14, path: None, .. })), "{error:?}");

    let error = parse(r#"{"bool": {"must": [{"nonsense": {}}]}}"#).unwrap_err();
    assert!(matches!(&error.at, Some(ErrorLocation::Path { path }) if path.starts_with("bool.must")), "{error:?}");

    let error = parse("{\"bool\": ").unwrap_err();
    assert_eq!(error.code, Code::BadQuery);
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_keeps_no_place() {
    let reader = QueryParserPool::new(LIMITS, Duration::from_secs(60));
    let server = Requester::server();
    let read = || reader.read(QueryInput::Text("a*b".to_owned()), &server);
    let places: Vec<_> = (0..AT_ONE_TIME).map(|_| reader.scheduler.enqueue(&server, true).unwrap()).collect();
    // These wait for the slots that are held, and are then not polled.
    let mut left_alone: Vec<_> = (0..AT_ONE_TIME).map(|_| Box::pin(read())).collect();
    for read in &mut left_alone {
        assert!(read.as_mut().now_or_never().is_none());
    }
    tokio::task::yield_now().await;
    drop(places);
    assert_eq!(read().await.map(|query| query.id()), parse("a*b").map(|query| query.id()));
    for read in left_alone {
        assert!(read.await.is_ok());
    }
}

#[test]
fn warnings_have_a_place_and_dates_move_in_history_only() {
    let input = |text: &str| QueryInput::read("q", Value::from(text)).unwrap();
    let parsed = input("rust - jobs").parse(&LIMITS, UseOf::Registration).unwrap();
    let warnings = serde_json::to_value(QueryWarning::list(&parsed.warnings)).unwrap();
    assert_eq!(warnings[0]["at"], serde_json::json!({"column": 6, "length": 1}));
    assert!(warnings[0]["message"].as_str().unwrap().contains("`-` means nothing here"), "{warnings}");
    assert!(input("created:>now-7d").parse(&LIMITS, UseOf::History).is_ok());
    let error = input("created:>now-7d").parse(&LIMITS, UseOf::Registration).unwrap_err();
    assert!(error.message.contains("would mean something else tomorrow"), "{}", error.message);
}
