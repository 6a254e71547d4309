use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::transport::{rest, sse, ws};

#[test]
fn the_document_has_every_route_and_no_other() {
    let routes = rest::ROUTES.iter().map(|route| (route.method, route.path));
    let routes = routes.chain(sse::ROUTES.iter().map(|route| (route.method, route.path)));
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
    expect_test::expect_file!["../../../docs/openapi.json"].assert_eq(&json());
}
