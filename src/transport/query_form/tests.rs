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
