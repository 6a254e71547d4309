//! Values for property tests: those that both packers write without loss.

use proptest::prelude::*;

use super::{MAX_SAFE_INTEGER, Value};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z ]{0,8}",
        2 => "[~^`#:\"\\\\/\n\r\t]{1,3}[a-z~^`]{0,3}",
        1 => any::<String>(),
        1 => prop::sample::select(vec!["^ ", "~:kw", "日本語", "😀😀", "éééé", "~#tag", "^0", "\u{0}\u{7f}", "\u{2028}"]).prop_map(str::to_owned),
    ]
}

/// Numbers of few digits: `serde_json` reads the last digit of others to the nearest but one.
fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<i32>().prop_map(|number| f64::from(number) / 64.0),
        Just(1e21),
        Just(-2.5e-7),
        Just(-0.0),
        Just(1e300)
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        "[a-z]{1,3}/[a-z][a-z0-9?!*.-]{0,4}",
        Just("tweet/new".to_owned()),
        Just("id_str".to_owned())
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    let safe = i64::try_from(MAX_SAFE_INTEGER).expect("it fits");
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        (-safe..=safe).prop_map(Value::Int),
        (-1000_i64..1000).prop_map(Value::Int),
        float().prop_map(Value::Float),
        text().prop_map(|text| Value::Str(text.into())),
        name().prop_map(|name| Value::Keyword(name.into())),
        name()
            .prop_filter("these are no symbols", |name| !["nil", "true", "false"].contains(&name.as_str()))
            .prop_map(|name| Value::Symbol(name.into())),
        // From the year 1 to the year 9999.
        (-62_000_000_000_000_i64..250_000_000_000_000).prop_map(Value::Inst),
        any::<u128>().prop_map(|bits| Value::Uuid(uuid::Uuid::from_u128(bits).to_string().into())),
    ]
}

/// Any value.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 40, 6, |inner| {
        let tag = prop::sample::select(vec!["js", "queue", "my/tag", "point"]);
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Vector),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Set),
            3 => prop::collection::vec((scalar(), inner.clone()), 0..6).prop_map(Value::Map),
            1 => prop::collection::vec((inner.clone(), inner.clone()), 0..3).prop_map(Value::Map),
            1 => (tag, inner).prop_map(|(tag, value)| Value::Tagged(tag.into(), Box::new(value))),
        ]
    })
}

/// Any JSON.
pub(crate) fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as Json;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-100_i64..100).prop_map(Json::from),
        float().prop_map(Json::from),
        text().prop_map(Json::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key = prop_oneof![4 => "[a-z_]{1,8}", 1 => text()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec((key, inner), 0..6).prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}
