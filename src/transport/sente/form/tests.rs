use super::*;

fn fields(text: &str) -> Option<Vec<(String, String)>> {
    Form::parse(text.as_bytes()).map(|form| form.fields)
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[test]
fn fields_are_decoded() {
    assert_eq!(fields(""), Some(pairs([])));
    assert_eq!(
        fields("a=1&b&&c=%2B+%20%E6%97%A5&handshake%3F=true"),
        Some(pairs([("a", "1"), ("b", ""), ("c", "+  日"), ("handshake?", "true")]))
    );
    assert_eq!(fields("a=b=c&a=%00"), Some(pairs([("a", "b=c"), ("a", "\0")])));
}

#[test]
fn the_first_field_that_says_something_counts() {
    let form = Form::parse(b"a=&a=1&a=2").expect("a form");
    assert_eq!((form.get("a"), form.get("b")), (Some("1"), None));
}

#[test]
fn malformed_text_is_read_as_browsers_read_it() {
    assert_eq!(
        fields("a=%&b=%2&c=%zz&%=1&d=%ff&e=%+1"),
        Some(pairs([("a", "%"), ("b", "%2"), ("c", "%zz"), ("%", "1"), ("d", "\u{fffd}"), ("e", "% 1")]))
    );
}

#[test]
fn a_form_has_a_limited_number_of_fields() {
    assert_eq!(fields(&"a=1&".repeat(MAX_FIELDS)).map(|fields| fields.len()), Some(MAX_FIELDS));
    assert_eq!(fields(&"a=1&".repeat(MAX_FIELDS + 1)), None);
}

#[test]
fn a_cookie_comes_back_as_it_was_set() {
    for value in ["3f2b8c1e-5b7d-4a55-9b0e-1f0f5a2d7c11", "a b;c=d,\"%\u{1}日"] {
        let header = format!("other=x; name={}; last=y", encode(value));
        assert_eq!(cookie(&header, "name").as_deref(), Some(value));
    }
    assert_eq!(cookie("name=; xname=1", "name"), None);
    assert_eq!(cookie("rename=1", "name"), None);
    assert_eq!(cookie("name=%ff", "name"), None);
}
