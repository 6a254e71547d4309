use futures_util::FutureExt;

use super::*;

const LIMITS: QueryLimits =
    QueryLimits { max_bytes: 1_000, max_depth: 10, max_clauses: 100, max_automaton_bytes: 100_000, max_cost: 8_192 };

fn parse(text: &str) -> Result<Query, Fault> {
    QueryForm::read("q", Value::from(text))?.parse(&LIMITS)
}

#[test]
fn text_and_json_and_json_in_text_are_one_query() {
    let object = serde_json::json!({"query_string": {"query": "rust"}});
    let expected = parse("rust").unwrap().id();
    assert_eq!(parse(&object.to_string()).unwrap().id(), expected);
    assert_eq!(QueryForm::read("query", object).unwrap().parse(&LIMITS).unwrap().id(), expected);
}

#[test]
fn what_is_wrong_has_its_place() {
    let fault = parse("rust AND (job").unwrap_err();
    assert_eq!(fault.code, Code::BadQuery);
    assert!(matches!(fault.at, Some(At::Query { column: 10 | 14, path: None, .. })), "{fault:?}");

    let fault = parse(r#"{"bool": {"must": [{"nonsense": {}}]}}"#).unwrap_err();
    assert!(matches!(&fault.at, Some(At::Path { path }) if path.starts_with("bool.must")), "{fault:?}");

    let fault = parse("{\"bool\": ").unwrap_err();
    assert_eq!(fault.code, Code::BadQuery);
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_keeps_no_place() {
    let reader = Reader::new(LIMITS, Duration::from_secs(60));
    let server = Requester::server();
    let read = || reader.read(QueryForm::Text("a*b".to_owned()), &server);
    let places: Vec<_> = (0..AT_ONE_TIME).map(|_| reader.scheduler.enqueue(&server, true).unwrap()).collect();
    // As many as there are places stand in the line, and then nobody looks after them.
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
