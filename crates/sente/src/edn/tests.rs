use proptest::prelude::*;

use super::*;
use crate::value::strategies;

fn check(text: &str, expected: &Value) {
    assert_eq!(read(text).as_ref(), Ok(expected), "{text}");
}

fn written(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn vector<const N: usize>(values: [Value; N]) -> Value {
    Value::Vector(values.into())
}

fn map<const N: usize>(entries: [(Value, Value); N]) -> Value {
    Value::Map(entries.into())
}

#[test]
fn what_birdwatch_sends() {
    let query = map([(
        Value::keyword("query_string"),
        map([
            (Value::keyword("default_field"), Value::str("text")),
            (Value::keyword("default_operator"), Value::str("AND")),
            (Value::keyword("query"), Value::str("(*) AND lang:en")),
        ]),
    )]);
    let payload = map([(Value::keyword("query"), query), (Value::keyword("uid"), Value::str("uid-9"))]);
    let frame = vector([vector([Value::keyword("cmd/percolate"), payload])]);
    let text = r#"[[:cmd/percolate {:query {:query_string {:default_field "text", :default_operator "AND", :query "(*) AND lang:en"}}, :uid "uid-9"}]]"#;
    check(text, &frame);
    assert_eq!(written(&frame), text);
}

#[test]
fn scalars() {
    check("nil", &Value::Nil);
    check(" ,\n; a comment\n true", &Value::Bool(true));
    check("-0", &Value::Int(0));
    check("+12N", &Value::Int(12));
    check("-9223372036854775808", &Value::Int(i64::MIN));
    check("9223372036854775808", &Value::BigInt("9223372036854775808".into()));
    check("1.5", &Value::Float(1.5));
    check("1e+21", &Value::Float(1e21));
    check("-2.5E-3", &Value::Float(-0.0025));
    check("1.50M", &Value::Decimal("1.50".into()));
    check("##-Inf", &Value::Float(f64::NEG_INFINITY));
    check("Infinity", &Value::Float(f64::INFINITY));
    assert!(matches!(read("##NaN"), Ok(Value::Float(number)) if number.is_nan()));
    assert!(matches!(read("NaN"), Ok(Value::Float(number)) if number.is_nan()));
    for (text, char) in [
        ("\\a", 'a'),
        ("\\newline", '\n'),
        ("\\u00e9", 'é'),
        ("\\o101", 'A'),
        ("\\\\", '\\'),
        ("\\(", '('),
        ("\\é", 'é'),
    ] {
        check(text, &Value::Char(char));
    }
    for name in ["a", "ns/name", "+", "-", "/", "->x", "a.b/c*?!", "%&$", "<=>", "a#b'", "x|y"] {
        check(name, &Value::Symbol(name.into()));
    }
    for name in ["a", "ns/name", "1", "a:b", "-", "tweet/new", "grün"] {
        check(&format!(":{name}"), &Value::keyword(name));
    }
}

#[test]
fn strings() {
    check(r#""a \" \\ \n \t \r \f \b é 😀""#, &Value::str("a \" \\ \n \t \r \u{c} \u{8} é 😀"));
    check(r#""\u00e9 \ud83d\ude00 \101 \o101 \7z""#, &Value::str("é 😀 A A \u{7}z"));
    check("\"two\nlines\"", &Value::str("two\nlines"));
    assert_eq!(written(&Value::str("a\u{1}\u{2028}\"\\\n\u{c}\u{8}/")), "\"a\u{1}\u{2028}\\\"\\\\\\n\\f\\b/\"");
}

#[test]
fn collections() {
    check("()", &Value::List(vec![]));
    check("#{1, 2}", &Value::Set(vec![Value::Int(1), Value::Int(2)]));
    check("{[1] {}, nil ()}", &map([(vector([Value::Int(1)]), map([])), (Value::Nil, Value::List(vec![]))]));
    check("[1 #_ 2 3 #_ [4 #_ 5] #_ #_ 6 7]", &vector([Value::Int(1), Value::Int(3)]));
    check(
        "#:a{:b 1, :c/d 2, :_/e 3, \"f\" 4, g 5}",
        &map([
            (Value::keyword("a/b"), Value::Int(1)),
            (Value::keyword("c/d"), Value::Int(2)),
            (Value::keyword("e"), Value::Int(3)),
            (Value::str("f"), Value::Int(4)),
            (Value::Symbol("a/g".into()), Value::Int(5)),
        ]),
    );
    check("[:a]:rest of it", &vector([Value::keyword("a")]));
}

#[test]
fn tags() {
    check("#inst \"2014-12-23T00:59:25.123-00:00\"", &Value::Inst(1_419_296_365_123));
    check(
        "#uuid \"550e8400-e29b-41d4-a716-446655440000\"",
        &Value::Uuid("550e8400-e29b-41d4-a716-446655440000".into()),
    );
    check(
        "#js {\"a\" #js []}",
        &Value::Tagged(
            "js".into(),
            Box::new(map([(Value::str("a"), Value::Tagged("js".into(), Box::new(vector([]))))])),
        ),
    );
    check("#queue[1]", &Value::Tagged("queue".into(), Box::new(vector([Value::Int(1)]))));
    assert_eq!(written(&Value::Inst(1_419_296_365_123)), "#inst \"2014-12-23T00:59:25.123Z\"");
}

#[test]
fn only_what_every_reader_takes_is_written() {
    assert_eq!(written(&Value::Int(547_177_163_405_844_480)), "\"547177163405844480\"");
    assert_eq!(written(&Value::Int(-9_007_199_254_740_991)), "-9007199254740991");
    assert_eq!(written(&Value::BigInt("18446744073709551616".into())), "\"18446744073709551616\"");
    assert_eq!(written(&Value::Decimal("1.50".into())), "\"1.50\"");
    assert_eq!(written(&Value::Float(f64::NAN)), "nil");
    assert_eq!(written(&Value::Float(f64::INFINITY)), "nil");
    assert_eq!(written(&Value::Float(2.0)), "2.0");
    assert_eq!(written(&Value::Char('x')), "\"x\"");
    // A name that came over Transit can hold what ends a form in EDN.
    assert_eq!(written(&Value::keyword("a} :b")), "\"a} :b\"");
    assert_eq!(written(&Value::Symbol("1]".into())), "\"1]\"");
    assert_eq!(written(&Value::Tagged("a b".into(), Box::new(Value::Int(1)))), "1");
}

#[test]
fn malformed_text_is_refused() {
    use ReadError::{Bad, Incomplete, TooDeep};
    for (text, expected) in [
        ("", Incomplete),
        ("  ; only a comment", Incomplete),
        ("[1 2", Incomplete),
        ("\"abc", Incomplete),
        ("\"abc\\", Incomplete),
        ("\\", Incomplete),
        ("[1)", Bad("the wrong closing bracket")),
        ("{:a}", Bad("a map has a key without a value")),
        ("\"\\x\"", Bad("an escape that is not known")),
        ("\"\\u12\"", Bad("an escape without four digits")),
        ("\"\\u+123\"", Bad("an escape without four digits")),
        ("\"\\ud83d\"", Bad("half of a character")),
        ("\"\\ud83d\\u0041\"", Bad("half of a character")),
        ("\"\\ude00\"", Bad("half of a character")),
        ("\"\\777\"", Bad("an octal escape that is none")),
        ("::a", Bad("a keyword that is no symbol")),
        (":", Bad("a keyword that is no symbol")),
        ("1/2", Bad("a number that is none")),
        ("0x1F", Bad("a number that is none")),
        ("010", Bad("a number that is none")),
        ("1.2.3", Bad("a number that is none")),
        ("1e", Bad("a number that is none")),
        ("\\abc", Bad("a character that is not known")),
        ("\\ud83d", Bad("a character that is not known")),
        ("@a", Bad("a sign that means nothing here")),
        ("^:json []", Bad("a sign that means nothing here")),
        ("##Foo", Bad("a symbolic value that is not known")),
        ("# x", Bad("a tag that is no symbol")),
        ("#\"regex\"", Bad("a tag that is no symbol")),
        ("#tag", Bad("a form is missing")),
        ("[#_]", Bad("a form is missing")),
        ("#:a[1]", Bad("a namespace without a map")),
        ("#:1{}", Bad("a namespace that is no symbol")),
        (&"[".repeat(1_000_000), TooDeep),
        (&"#a ".repeat(100_000), TooDeep),
        (&"#_".repeat(100_000), TooDeep),
        (&"{".repeat(MAX_DEPTH + 2), TooDeep),
    ] {
        let shown: String = text.chars().take(40).collect();
        assert_eq!(read(text), Err(expected), "{shown}");
    }
    let deepest = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    assert!(read(&deepest).is_ok());
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in strategies::value()) {
        let text = written(&value);
        let again = read(&text);
        prop_assert_eq!(again.as_ref(), Ok(&value), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\](){}\"#_:;^\\\\ a/0-9uéo+.eMN-]{0,40}") {
        let _ = read(&text);
    }
}
