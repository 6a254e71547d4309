use proptest::prelude::*;

use super::*;
use crate::value::{MAX_DEPTH, ReadError, Value, strategies};

fn check(text: &str, expected: &Value) {
    assert_eq!(read(text).as_ref(), Ok(expected), "{text}");
}

fn written(value: &Value, codes: Codes) -> String {
    let mut out = String::new();
    write(value, codes, &mut out);
    out
}

fn event(id: &str, data: Value) -> Value {
    Value::Vector(vec![Value::keyword(id), data])
}

fn vector<const N: usize>(values: [Value; N]) -> Value {
    Value::Vector(values.into())
}

fn map<const N: usize>(entries: [(Value, Value); N]) -> Value {
    Value::Map(entries.into())
}

/// Read gives the value, and writing it with codes gives the text again.
fn both(text: &str, value: &Value) {
    check(text, value);
    assert_eq!(written(value, Codes::Short), text);
    check(&written(value, Codes::None), value);
}

#[test]
fn strings_are_escaped_by_their_first_character() {
    let strings = ["~a", "^b", "`c", "^ ", "~:kw", "", "#d", " e"].map(Value::str);
    both(
        r##"[["~:x/y",["~~a","~^b","~`c","~^ ","~~:kw","","#d"," e"]]]"##,
        &vector([event("x/y", Value::Vector(strings.into()))]),
    );
}

#[test]
fn numbers_beyond_what_javascript_holds_are_strings() {
    let numbers = vector([
        Value::Int(9_007_199_254_740_991),
        Value::Int(9_007_199_254_740_993),
        Value::Int(-9_007_199_254_740_993),
        Value::Float(1.5),
    ]);
    both(
        r#"[["~:x/y",[9007199254740991,"~i9007199254740993","~i-9007199254740993",1.5]]]"#,
        &vector([event("x/y", numbers)]),
    );
    check("123456789012345678901234567890e-1", &Value::Float(1.234_567_890_123_456_8e28));
    check("18446744073709551615", &Value::BigInt("18446744073709551615".into()));
    check(r#""~n18446744073709551616""#, &Value::BigInt("18446744073709551616".into()));
    check(r#""~f1.50""#, &Value::Decimal("1.50".into()));
}

#[test]
fn every_scalar_is_a_key() {
    let entries = map([
        (Value::Int(1), Value::str("a")),
        (Value::Bool(true), Value::str("b")),
        (Value::Nil, Value::str("c")),
        (Value::str("str"), Value::str("d")),
        (Value::keyword("kw"), Value::str("e")),
        (Value::Symbol("sym".into()), Value::str("f")),
    ]);
    both(
        r#"[["~:x/y",["^ ","~i1","a","~?t","b","~_","c","str","d","~:kw","e","~$sym","f"]]]"#,
        &vector([event("x/y", entries)]),
    );
}

#[test]
fn strings_of_more_than_three_signs_are_numbered() {
    let abcd = || map([(Value::str("abcd"), Value::Int(1))]);
    let abc = || map([(Value::str("abc"), Value::Int(1))]);
    let values = vector([
        Value::keyword("ab"),
        Value::keyword("ab"),
        Value::keyword("a"),
        Value::keyword("a"),
        Value::Symbol("ab".into()),
        Value::Symbol("ab".into()),
        Value::str("abcd"),
        Value::str("abcd"),
        abcd(),
        map([(Value::str("abcd"), Value::Int(2))]),
        abc(),
        abc(),
    ]);
    both(
        r#"[["~:x/y",["~:ab","^1","~:a","~:a","~$ab","^2","abcd","abcd",["^ ","abcd",1],["^ ","^3",2],["^ ","abc",1],["^ ","abc",1]]]]"#,
        &vector([event("x/y", values)]),
    );
}

#[test]
fn the_length_is_counted_in_utf16_units() {
    let keys = ["日本語", "日本語", "😀😀", "😀😀", "éééé", "éééé"];
    let values = keys.map(|key| map([(Value::str(key), Value::Int(1))]));
    both(
        r#"[["~:x/y",[["^ ","日本語",1],["^ ","日本語",1],["^ ","😀😀",1],["^ ","^1",1],["^ ","éééé",1],["^ ","^2",1]]]]"#,
        &vector([event("x/y", Value::Vector(values.into()))]),
    );
}

#[test]
fn the_other_scalars_and_collections() {
    let text = r#"[["~:x/y",["~m1419296365123","~u550e8400-e29b-41d4-a716-446655440000","~rhttp://x/y",["~#set",[1,2]],["~#list",[1,2]],["^1",[]],"~zNaN","~zINF","~z-INF"]]]"#;
    let Ok(Value::Vector(frame)) = read(text) else { panic!("{text}") };
    let Value::Vector(event) = &frame[0] else { panic!("{frame:?}") };
    let Value::Vector(values) = &event[1] else { panic!("{event:?}") };
    let one_two = vec![Value::Int(1), Value::Int(2)];
    assert_eq!(
        values[..6],
        [
            Value::Inst(1_419_296_365_123),
            Value::Uuid("550e8400-e29b-41d4-a716-446655440000".into()),
            Value::Tagged("r".into(), Box::new(Value::str("http://x/y"))),
            Value::Set(one_two.clone()),
            Value::List(one_two),
            Value::Set(Vec::new()),
        ]
    );
    assert!(matches!(values[6], Value::Float(number) if number.is_nan()));
    assert_eq!(values[7..], [Value::Float(f64::INFINITY), Value::Float(f64::NEG_INFINITY)]);
    assert_eq!(written(&Value::Vector(frame), Codes::Short), text);
    check(r#""~t2014-12-23T00:59:25.123Z""#, &Value::Inst(1_419_296_365_123));
    check(r#"["~cA","~baGk="]"#, &vector([Value::Char('A'), Value::Tagged("b".into(), Box::new(Value::str("aGk=")))]));
}

#[test]
fn what_birdwatch_sends() {
    let query = |search: &str| {
        map([(
            Value::keyword("query_string"),
            map([
                (Value::keyword("default_field"), Value::str("text")),
                (Value::keyword("default_operator"), Value::str("AND")),
                (Value::keyword("query"), Value::str(search)),
            ]),
        )])
    };
    let uid = || (Value::keyword("uid"), Value::str("uid-9"));
    let query = || (Value::keyword("query"), query("(*) AND lang:en"));
    both(
        r#"[["~:cmd/percolate",["^ ","~:query",["^ ","~:query_string",["^ ","~:default_field","text","~:default_operator","AND","^1","(*) AND lang:en"]],"~:uid","uid-9"]]]"#,
        &vector([event("cmd/percolate", map([query(), uid()]))]),
    );
    let from = (Value::keyword("from"), Value::Int(0));
    both(
        r#"[["~:cmd/query",["^ ","~:query",["^ ","~:query_string",["^ ","~:default_field","text","~:default_operator","AND","^1","(*) AND lang:en"]],"~:n",500,"~:uid","uid-9","~:from",0]]]"#,
        &vector([event("cmd/query", map([query(), (Value::keyword("n"), Value::Int(500)), uid(), from]))]),
    );
    both(
        r#"[["~:cmd/missing",["^ ","~:id_str","544","~:uid","uid-9"]]]"#,
        &vector([event("cmd/missing", map([(Value::keyword("id_str"), Value::str("544")), uid()]))]),
    );
}

/// A push as transit-js writes it, and the tweet in it.
pub(crate) const PUSH: &str = r#"[["~:tweet/new",["^ ","~:id_str","547177163405844480","~:id","~i547177163405844480","~:text","RT @ann: hello #rust","~:created_at","Tue Dec 23 00:59:25 +0000 2014","~:retweet_count",0,"~:favorite_count",0,"~:entities",["^ ","~:hashtags",[["^ ","^3","rust"]],"~:urls",[],"~:user_mentions",[]],"~:user",["^ ","~:followers_count",5,"~:name","~~bob","~:profile_image_url","http://pbs.example/b.png","~:screen_name","bob"],"~:retweeted_status",["^ ","^1","546000000000000001","^2","~i546000000000000001","^3","hello #rust","^4","Mon Dec 22 21:12:04 +0000 2014","^5",7,"^6",2,"^7",["^ ","^8",[["^ ","^3","rust"]],"^9",[],"^:",[]],"^;",["^ ","^<",1042,"^=","Ann","^>","http://pbs.example/a.png","^?","ann"]]]],["~:stats/users-count",3]]"#;

pub(crate) const PUSHED_TWEET: &str = r#"{"id_str":"547177163405844480","id":547177163405844480,"text":"RT @ann: hello #rust","created_at":"Tue Dec 23 00:59:25 +0000 2014","retweet_count":0,"favorite_count":0,"entities":{"hashtags":[{"text":"rust"}],"urls":[],"user_mentions":[]},"user":{"followers_count":5,"name":"~bob","profile_image_url":"http://pbs.example/b.png","screen_name":"bob"},"retweeted_status":{"id_str":"546000000000000001","id":546000000000000001,"text":"hello #rust","created_at":"Mon Dec 22 21:12:04 +0000 2014","retweet_count":7,"favorite_count":2,"entities":{"hashtags":[{"text":"rust"}],"urls":[],"user_mentions":[]},"user":{"followers_count":1042,"name":"Ann","profile_image_url":"http://pbs.example/a.png","screen_name":"ann"}}}"#;

#[test]
fn a_push_as_transit_js_writes_it() {
    let value = read(PUSH).expect("it is Transit");
    let events = value.elements().expect("a batch");
    let tweet = &events[0].elements().expect("an event")[1];
    let expected: serde_json::Value = serde_json::from_str(PUSHED_TWEET).expect("it is JSON");
    assert_eq!(tweet.to_json(), expected);
    assert_eq!(events[1], event("stats/users-count", Value::Int(3)));
    assert_eq!(written(&value, Codes::Short), PUSH);
}

#[test]
fn verbose_json_is_read_too() {
    check(
        r#"{"~:ab":1,"~:cd":{"~#set":[["~:ab","^0"]]},"str":["^ ","^1",2]}"#,
        &map([
            (Value::keyword("ab"), Value::Int(1)),
            (Value::keyword("cd"), Value::Set(vec![vector([Value::keyword("ab"), Value::keyword("ab")])])),
            (Value::str("str"), map([(Value::keyword("cd"), Value::Int(2))])),
        ]),
    );
    check(r#"{"~#point":[1,2]}"#, &Value::Tagged("point".into(), Box::new(vector([Value::Int(1), Value::Int(2)]))));
}

#[test]
fn tags_quotes_and_maps_with_composite_keys() {
    check(r#"["~#'","~:chsk/ws-ping"]"#, &Value::keyword("chsk/ws-ping"));
    check(
        r#"["~#cmap",[["^ "],"a",[1],"b"]]"#,
        &map([(map([]), Value::str("a")), (vector([Value::Int(1)]), Value::str("b"))]),
    );
    check(r#"["~#js",["^ "]]"#, &Value::Tagged("js".into(), Box::new(map([]))));
    // A number in the place of a key arrives as a string.
    check(r#"["~#cmap",["~i5",1,[],2]]"#, &map([(Value::Int(5), Value::Int(1)), (vector([]), Value::Int(2))]));
}

#[test]
fn the_numbering_starts_again_when_it_is_full() {
    // 1,936 different keys, the first of them again, and a code.
    let mut entries: Vec<_> = (0..1936).map(|n| (Value::Keyword(format!("key{n}").into()), Value::Int(n))).collect();
    entries.push((Value::keyword("key0"), Value::Int(1936)));
    entries.push((Value::keyword("key0"), Value::Int(1937)));
    let value = Value::Map(entries);
    let text = written(&value, Codes::Short);
    assert!(text.ends_with(r#","~:key1935",1935,"~:key0",1936,"^0",1937]"#), "{}", &text[text.len() - 80..]);
    check(&text, &value);
    // One fewer: the last code of all.
    let entries: Vec<_> =
        (0..1936).chain([1935, 44]).map(|n| (Value::Keyword(format!("key{n}").into()), Value::Int(n))).collect();
    let value = Value::Map(entries[1..].to_vec());
    let text = written(&value, Codes::Short);
    assert!(text.ends_with(r#","^[Z",1935,"^[",44]"#), "{}", &text[text.len() - 80..]);
    check(&text, &value);
}

#[test]
fn malformed_text_is_refused() {
    use ReadError::{Bad, Incomplete, TooDeep};
    let not_transit = Err(Bad("not Transit"));
    let not_json = Err(Bad("not JSON"));
    for (text, expected) in [
        ("", Err(Incomplete)),
        ("[1,", Err(Incomplete)),
        ("[1] 2", not_json.clone()),
        ("{]", not_json.clone()),
        (r#"["\ud83d"]"#, not_json),
        (r#"["^0"]"#, not_transit.clone()),
        (r#"["~:abc","^1"]"#, not_transit.clone()),
        (r#"["~:abc","^zz"]"#, not_transit.clone()),
        (r#"["^"]"#, not_transit.clone()),
        (r#"["^ ","a"]"#, not_transit.clone()),
        (r#"[1,"^ "]"#, not_transit.clone()),
        (r#"["~#set",1]"#, not_transit.clone()),
        (r#"["~#set",[1],2]"#, not_transit.clone()),
        (r#"["~#cmap",[1]]"#, not_transit.clone()),
        (r#"[1,"~#set"]"#, not_transit.clone()),
        (r#""~#set""#, Err(Bad("a tag or a marker alone"))),
        (r#""~i1x""#, not_transit.clone()),
        (r#""~d1e999""#, not_transit.clone()),
        (r#""~zzz""#, not_transit.clone()),
        (r#""~cxy""#, not_transit.clone()),
        (r#""~""#, not_transit.clone()),
        (r#""~:""#, not_transit),
        (&"[".repeat(MAX_DEPTH + 2), Err(TooDeep)),
        (&"[".repeat(1_000_000), Err(TooDeep)),
        (&r#"["~#x","#.repeat(100_000), Err(TooDeep)),
        (&r#"{"a":"#.repeat(100_000), Err(TooDeep)),
    ] {
        assert_eq!(read(text), expected, "{}", &text[..text.len().min(60)]);
    }
    let deepest = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    assert!(read(&deepest).is_ok());
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in strategies::value()) {
        for codes in [Codes::None, Codes::Short] {
            let text = written(&value, codes);
            let again = read(&text);
        prop_assert_eq!(again.as_ref(), Ok(&value), "{}", text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\",:~#^ a0-]{0,40}") {
        let _ = read(&text);
    }
}

/// Found by a fuzzer: without `float_roundtrip`, `serde_json` may miss a number by its last bit.
#[test]
fn a_number_is_read_as_it_is_written() {
    for (text, canonical) in [
        ("99e91", "9.9e+92"),
        ("7.3879e-20", "7.3879e-20"),
        ("0.1", "0.1"),
        ("-1.7976931348623157e+308", "-1.7976931348623157e+308"),
    ] {
        let mut written = String::new();
        write(&read(text).unwrap(), Codes::None, &mut written);
        assert_eq!(written, canonical, "{text}");
    }
}
