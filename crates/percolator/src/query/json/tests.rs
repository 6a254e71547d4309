use proptest::prelude::*;
use serde_json::json;

use super::super::{Query, QueryLimits};
use super::*;

fn read(value: &Value) -> Result<Query, Diagnostics> {
    Query::from_json(value, Schema::tweet(), &QueryLimits::default())
}

/// Asserts that both forms are the same query.
#[track_caller]
fn same(value: &Value, text: &str) {
    let json = read(value).unwrap_or_else(|error| panic!("{value}: {error}"));
    let text = Query::parse(text, Schema::tweet(), &QueryLimits::NONE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(json.canonical(), text.canonical(), "{value}");
    assert_eq!(json.id(), text.id());
}

#[track_caller]
fn fails(value: &Value, place: &str, message: &str) {
    let error = read(value).expect_err("a mistake");
    assert_eq!(error.first().place(), place, "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn what_birdwatch_sends() {
    same(
        &json!({"query_string": {"query": "(java) AND lang:en", "default_field": "text", "default_operator": "AND"}}),
        "java lang:en",
    );
    same(&json!("java lang:en"), "lang:en java");
    same(&json!({"query": {"match_all": {}}}), "*");
}

#[test]
fn leaves() {
    same(&json!({"term": {"lang": "EN"}}), "lang:en");
    same(&json!({"term": {"lang": {"value": "en", "boost": 2.0}}}), "lang:en");
    same(&json!({"term": {"followers": 5}}), "followers:5");
    same(&json!({"terms": {"lang": ["en", "de"], "boost": 1}}), "lang:en OR lang:de");
    same(&json!({"prefix": {"text": "Ru"}}), "ru*");
    same(&json!({"wildcard": {"text": {"wildcard": "colo?r"}}}), "colo?r");
    same(&json!({"wildcard": {"text": "r*"}}), "r*");
    same(&json!({"regexp": {"text": {"value": "joh?n", "flags": "ALL"}}}), "/joh?n/");
    same(&json!({"fuzzy": {"text": {"value": "color", "fuzziness": 2}}}), "color~2");
    same(&json!({"fuzzy": {"text": "color"}}), "color~1");
    same(&json!({"range": {"followers": {"gte": 10, "lt": 20}}}), "followers:[10 TO 20}");
    same(&json!({"range": {"created": {"gt": "2024", "lte": "2025-01"}}}), "created:{2024 TO 2025-01]");
    same(&json!({"range": {"id": {"gt": null}}}), "id:*");
    same(&json!({"exists": {"field": "url"}}), "url:*");
    same(&json!({"ids": {"values": ["1", 2]}}), "id:1 OR id:2");
    same(&json!({"constant_score": {"filter": {"term": {"lang": "en"}}, "boost": 2}}), "lang:en");
}

#[test]
fn matches_are_the_words_of_a_text() {
    same(&json!({"match": {"text": "rust jobs!"}}), "rust OR jobs");
    same(&json!({"match": {"text": {"query": "rust - foo-bar", "operator": "and"}}}), r#"rust "foo bar""#);
    same(&json!({"match": {"text": {"query": "a b c d", "minimum_should_match": "75%"}}}), "(a OR b OR c OR d)~3");
    same(&json!({"match": {"text": {"query": "a b c", "minimum_should_match": -1}}}), "(a OR b OR c)~2");
    same(&json!({"match": {"text": {"query": "go rust hiring", "fuzziness": "AUTO"}}}), "go OR rust~1 OR hiring~2");
    same(&json!({"match": {"lang": "en"}}), "lang:en");
    same(&json!({"match_phrase": {"text": {"query": "rust jobs", "slop": 2}}}), r#""rust jobs"~2"#);
    same(&json!({"match_phrase_prefix": {"text": "rust jo"}}), r#""rust jo"*"#);
    same(&json!({"multi_match": {"query": "ann", "fields": ["text^3", "user.name"]}}), "ann OR user.name:ann");
    same(
        &json!({"multi_match": {"query": "ann lee", "fields": ["text", "user.name"], "type": "phrase"}}),
        r#""ann lee" OR user.name:"ann lee""#,
    );
}

#[test]
fn bool_says_what_must_and_what_may() {
    let (a, b, c) = (json!("a"), json!("b"), json!("c"));
    same(&json!({"bool": {"must": [a, b], "must_not": c}}), "a b -c");
    same(&json!({"bool": {"should": [a, b]}}), "a OR b");
    same(&json!({"bool": {"should": [a, b], "filter": c}}), "c");
    same(&json!({"bool": {"should": [a, b], "filter": c, "minimum_should_match": 1}}), "c (a OR b)");
    same(&json!({"bool": {"should": [a, b, c], "minimum_should_match": 2}}), "(a OR b OR c)~2");
    same(&json!({"bool": {"should": [a], "must_not": [b]}}), "a -b");
    same(&json!({"bool": {"must_not": [b]}}), "-b");
    same(&json!({"bool": {}}), "*");
    same(&json!({"dis_max": {"queries": [a, b], "tie_breaker": 0.7}}), "a OR b");
}

#[test]
fn query_string_takes_fields_and_a_join() {
    same(&json!({"query_string": {"query": "a b"}}), "a b");
    same(&json!({"query_string": {"query": "a b", "default_operator": "or"}}), "a OR b");
    same(&json!({"query_string": {"query": "+a b -c", "default_operator": "OR"}}), "a -c");
    same(&json!({"query_string": {"query": "a b -c", "default_operator": "OR"}}), "(a OR b) -c");
    same(&json!({"query_string": {"query": "a OR b c", "default_operator": "OR"}}), "a OR b OR c");
    same(&json!({"query_string": {"query": "a AND b c", "default_operator": "OR"}}), "(a b) OR c");
    same(&json!({"query_string": {"query": "ann", "default_field": "user.name"}}), "user.name:ann");
    same(&json!({"query_string": {"query": "ann", "default_field": "user.name", "fields": []}}), "user.name:ann");
    same(
        &json!({"query_string": {"query": "a -(b OR lang:en)", "fields": ["text", "user.name"]}}),
        "(a OR user.name:a) -(b OR user.name:b OR lang:en)",
    );
}

#[test]
fn simple_query_string_never_complains() {
    let simple = |text: &str| json!({"simple_query_string": {"query": text}});
    same(&simple("rust jobs"), "rust OR jobs");
    same(&simple("rust + jobs | -go"), "(rust jobs) OR -go");
    same(&simple(r#""rust jobs"~2 + jo* + colr~1"#), r#""rust jobs"~2 jo* colr~1"#);
    same(&simple("rust + (a | b"), "rust (a OR b)");
    same(&simple(")) rust ~ |+ \"a b"), r#"rust "a b""#);
    same(&simple("rust^2"), "rust");
    fails(&simple(" ((( "), "simple_query_string.query", "has no searchable term");
    same(&json!({"simple_query_string": {"query": "a b", "default_operator": "and"}}), "a b");
    same(
        &json!({"simple_query_string": {"query": "a b + c", "default_operator": "OR", "fields": ["text"]}}),
        "a OR (b c)",
    );
}

#[test]
fn places() {
    let corners = json!({"top_left": {"lat": 51.7, "lon": -0.5}, "bottom_right": [0.3, 51.3]});
    same(&json!({"geo_bounding_box": {"coordinates": corners}}), "within:[-0.5 51.3 0.3 51.7]");
    let edges = json!({"top": 51.7, "left": -0.5, "bottom": 51.3, "right": 0.3});
    same(&json!({"geo_bounding_box": {"coordinates": edges}}), "within:[-0.5 51.3 0.3 51.7]");
    same(&json!({"geo_distance": {"distance": "5km", "coordinates": "52.5,13.4"}}), "near:[13.4 52.5 5km]");
}

#[test]
fn mistakes_name_their_place() {
    fails(&json!({"bool": {"must": ["a", {"matsch": {}}]}}), "bool.must[1].matsch", "did you mean `match`?");
    fails(&json!({"term": {"langg": "en"}}), "term.langg", "did you mean `lang`?");
    fails(&json!({"match": {"text": {"query": "a", "analyser": "x"}}}), "match.text.analyser", "is not known here");
    fails(&json!({"match_none": {}}), "", "no tweet can match this");
    fails(&json!({"bool": {"must": "a", "must_not": "a"}}), "", "`a` is required and excluded");
    fails(&json!({"terms": {"lang": []}}), "terms.lang", "an empty list matches nothing");
    fails(&json!({"match": {"text": {}}}), "match.text", "`query` is missing");
    fails(&json!({"bool": {"musst": []}}), "bool.musst", "expected must, should");
    fails(&json!(["a"]), "", "a list does not belong here");
    fails(&json!({}), "", "an object with one name, and this has 0");
    fails(&json!({"query_string": {"query": "a OR"}}), "query_string.query, column 3", "nothing stands behind `OR`");
    fails(
        &json!({"bool": {"filter": {"range": {"lang": {"gt": 1}}}}}),
        "bool.filter.range.lang",
        "words have no ranges",
    );
    fails(&json!({"range": {"id": {"gt": 1, "gte": 2}}}), "range.id.gte", "given both");
    fails(&json!({"bool": {"should": [], "minimum_should_match": "x"}}), "bool.minimum_should_match", "75%");
    fails(&json!({"terms": {"lang": "en"}}), "terms.lang", "a list of terms");
}

#[test]
fn what_perch_cannot_answer_says_why() {
    for name in REFUSED.iter().flat_map(|(names, _)| names.iter()) {
        assert!(!QUERIES.contains(name), "{name} is read");
        fails(&json!({"bool": {"filter": [{ (*name): {} }]}}), &format!("bool.filter[0].{name}"), "can't answer");
    }
    fails(&json!({"kql": {"query": "text: rust"}}), "kql", "query_string");
    fails(&json!({"nonsense": {}}), "nonsense", "there is no query");
}

#[test]
fn limits_hold_here_too() {
    let mut deep = json!("a");
    for _ in 0..40 {
        deep = json!({"bool": {"must": deep}});
    }
    assert!(read(&deep).is_err_and(|error| error.to_string().contains("max_depth")));
    let many = |n: usize| (0..n).map(|at| json!((at % 9).to_string())).collect::<Vec<Value>>();
    fails(&json!({"bool":{"should": many(1_025)}}), "bool.should[1024], column 1", "max_clauses");
    fails(&json!("a".repeat(20_000)), "", "max_bytes");
    let list = |n: usize| json!({"terms": {"id": (0..n).collect::<Vec<usize>>()}});
    assert_eq!(
        read(&list(65_536))
            .map(|query| query.ast().clone())
            .map(|ast| matches!(ast, Ast::Or(of) if of.len() == 65_536)),
        Ok(true)
    );
    assert!(read(&list(65_537)).is_err_and(|error| error.first().is_limit()));
    let simple = json!({"simple_query_string": {"query": "(".repeat(1_000)}});
    assert!(read(&simple).is_err_and(|error| error.to_string().contains("max_depth")));
}

fn any_json() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(
        [QUERIES, &["text", "lang", "id", "query", "value", "must", "should", "gte", "fields"]].concat(),
    );
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        "[a-z*?~/\":+|() -]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key.clone().prop_map(str::to_owned), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(value in any_json()) {
        if let Ok(query) = read(&value) {
            prop_assert!(Query::parse(query.canonical(), Schema::tweet(), &QueryLimits::NONE).is_ok());
        }
    }

    #[test]
    fn simple_query_string_takes_any_text(text in r#"[ab "+|()~*\\1-]{0,24}"#) {
        let query = json!({"simple_query_string": {"query": text}});
        if let Err(error) = read(&query) {
            let message = &error.first().message;
            prop_assert!(
                message.ends_with("has no searchable term") || message.starts_with("no tweet can match"),
                "{}",
                error
            );
        }
    }
}
