use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::query::QueryLimits;
use crate::transport::errors::Code;
use crate::transport::{feeds, health, rest, searches, sse, ws};

/// The document of a server with the default limits.
fn json() -> String {
    super::json(&LimitsSection::default(), QueryLimits::default().max_bytes)
}

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, operations)| {
            let operations = operations.as_object().unwrap().iter();
            operations.map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let routes =
        rest::ROUTES.iter().chain(health::ROUTES).chain(searches::ROUTES).map(|route| (route.method, route.path));
    let routes = routes.chain(sse::ROUTES.iter().map(|route| (route.method, route.path)));
    let routes = routes.chain(feeds::ROUTES.iter().map(|route| (route.method, route.path)));
    let routes = routes.chain(ws::ROUTES.iter().map(|route| (route.method, route.path)));
    let routes = routes.map(|(method, path)| format!("{method} {path}")).collect::<BTreeSet<_>>();

    let document: Value = serde_json::from_str(&json()).unwrap();
    let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    assert_eq!(operations.collect::<BTreeSet<_>>(), routes);
}

#[test]
fn every_reference_leads_somewhere() {
    fn visit(value: &Value, document: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("references stay inside");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                fields.values().for_each(|value| visit(value, document));
            }
            Value::Array(values) => values.iter().for_each(|value| visit(value, document)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(&json()).unwrap();
    assert_eq!(document["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    visit(&document, &document);
}

#[test]
fn a_change_of_the_interface_is_seen() {
    expect_test::expect_file!["../../../../docs/openapi.json"].assert_eq(&json());
}

#[test]
fn every_parameter_has_bounds() {
    let document: Value = serde_json::from_str(&json()).unwrap();
    for (operation, description) in operations(&document) {
        for parameter in description["parameters"].as_array().into_iter().flatten() {
            let schema = &parameter["schema"];
            let is_bounded = match schema["type"].as_str() {
                Some("integer") => schema["minimum"].is_u64() && schema["maximum"].is_u64(),
                Some("string") => {
                    ["enum", "maxLength", "pattern", "format"].iter().any(|bound| schema.get(*bound).is_some())
                }
                Some("boolean") => true,
                _ => false,
            };
            assert!(is_bounded, "{operation}: {parameter}");
        }
    }
}

#[test]
fn limits_of_the_configuration_are_in_the_document() {
    let limits = LimitsSection { max_page: 7, max_search_depth: 77, ..LimitsSection::default() };
    let document: Value = serde_json::from_str(&super::json(&limits, 777)).unwrap();
    let parameters = document["paths"]["/api/search"]["get"]["parameters"].as_array().unwrap();
    let schema = |name: &str| &parameters.iter().find(|parameter| parameter["name"] == name).unwrap()["schema"];
    assert_eq!((&schema("n")["maximum"], &schema("from")["maximum"]), (&json!(7), &json!(77)));
    assert_eq!(schema("q")["maxLength"], 777);
    assert_eq!(schema("before_id")["type"], "string");
    assert_eq!(schema("until_seq")["maximum"], Seq::MAX.0);
    assert_eq!(schema("sort")["enum"], json!(["newest", "oldest"]));
}

#[test]
fn every_error_has_the_body_of_errors_and_every_code_a_place_in_it() {
    let document: Value = serde_json::from_str(&json()).unwrap();
    for (operation, description) in operations(&document) {
        for (status, response) in description["responses"].as_object().unwrap() {
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            let is_error = status.starts_with(['4', '5']) && operation != "get /readyz";
            assert!(!is_error || schema.is_string(), "{operation}: {status} has no body");
        }
    }
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(document["components"]["schemas"]["Code"]["enum"], json!(codes));
}

#[test]
fn tokens_and_bodies_are_described() {
    let document: Value = serde_json::from_str(&json()).unwrap();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    for (operation, description) in operations(&document) {
        let is_open = ["healthz", "readyz", "metrics", "openapi.json", "/unsubscribe/{token}"]
            .iter()
            .any(|open| operation.ends_with(open))
            || ["get /feeds/", "get /xrpc/", "get /.well-known/"].iter().any(|open| operation.starts_with(open));
        let asked = description["security"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(asked.is_empty(), is_open, "{operation}");
        let names = asked.iter().flat_map(|asked| asked.as_object().unwrap().keys());
        for name in names {
            assert!(schemes.contains_key(name), "{operation}: {name}");
        }
        assert_eq!(
            description.get("requestBody").is_some(),
            operation.starts_with("post ") && !["/test", "/feed-token"].iter().any(|it| operation.ends_with(it))
                || operation.starts_with("put "),
            "{operation}"
        );
    }
    let body = document["paths"]["/api/tweets"]["post"]["requestBody"]["content"].as_object().unwrap();
    for kind in ["x-ndjson", "json", "gzip", "zstd", "octet-stream"] {
        assert!(body.contains_key(&format!("application/{kind}")), "{kind}");
    }
}
