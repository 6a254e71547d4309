use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Json<'_> {
    Json::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The value as `serde_json` would have it.
fn to_serde(value: Value<'_>) -> serde_json::Value {
    use serde_json::Value as Serde;
    match value.kind() {
        Kind::Null | Kind::Invalid => Serde::Null,
        Kind::Bool => Serde::Bool(value.raw() == "true"),
        Kind::Number => serde_json::from_str(value.raw()).unwrap_or(Serde::Null),
        Kind::Plain | Kind::Escaped => Serde::String(value.str().expect("a string").into_owned()),
        Kind::Array => Serde::Array(value.items().map(to_serde).collect()),
        Kind::Object => {
            Serde::Object(value.entries().map(|(key, value)| (key.into_owned(), to_serde(value))).collect())
        }
    }
}

#[test]
fn what_json_forbids_costs_one_value() {
    let json =
        parsed(r#"{"a": NaN, "b": -Infinity, "c": "x\ud83d", "d": 1, "d": 2, "e": {"$numberLong": "5"}, "f": null}"#);
    let root = json.root();
    assert_eq!(root.get("a").map(Value::kind), Some(Kind::Invalid));
    assert_eq!(root.get("b").map(Value::kind), Some(Kind::Invalid));
    assert_eq!(root.get("c").and_then(Value::text), Some(("x\u{fffd}".to_owned(), true)));
    assert_eq!(root.get("d").map(Value::raw), Some("2"));
    assert_eq!(root.get("e").and_then(Value::str).as_deref(), Some("5"));
    assert!(root.get("f").is_none() && root.get("g").is_none());
}

#[test]
fn mistakes_have_their_place() {
    for (text, expected) in [
        ("", "the text ends where a value should stand at line 1 column 1"),
        ("{\"a\":", "the text ends where a value should stand at line 1 column 6"),
        ("{\"a\" 1}", "expected `:` at line 1 column 6"),
        ("[1 2]", "expected `,` or `]` at line 1 column 4"),
        ("{\"a\":1,\n x}", "expected a key at line 2 column 2"),
        ("\"a", "the text ends inside a string at line 1 column 3"),
        ("[\"a\n\"]", "a line break inside a string at line 1 column 4"),
        ("1 2", "trailing characters at line 1 column 3"),
        ("nonsense", "expected a value at line 1 column 1"),
    ] {
        assert_eq!(Json::parse(text).map(|_| ()).map_err(|error| error.to_string()), Err(expected.to_owned()));
    }
    assert!(Json::parse(&"[".repeat(100_000)).is_err());
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::hash_map(any::<String>(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_reads_what_serde_reads(value in any_json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("JSON")] {
            prop_assert_eq!(to_serde(parsed(&text).root()), value.clone(), "{}", text);
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in "[\\[\\]{}\":,\\\\ud8c0-9a-zé ]{0,40}") {
        if let Ok(json) = Json::parse(&text) {
            let _ = to_serde(json.root());
        }
    }
}
