//! Forms of queries that mean what they say.

use serde_json::json;

use super::*;
use crate::query::Parsed;
use crate::schema::tweet;

fn json_canonical(value: &serde_json::Value) -> String {
    Query::from_json(value, Schema::tweet(), &QueryLimits::default()).unwrap().canonical().to_owned()
}

#[test]
fn a_name_has_two_forms() {
    check("from:ann from:*example", "user.screen_name:*example user.screen_name:ann");
    check("from:ann from:ann@social.example", "user.screen_name:ann user.screen_name:ann@social.example");
    check("from:ann from:ann@*", "user.screen_name:ann user.screen_name:ann@*");
    for text in ["from:ann from:bob", "from:ann from:bob@*", "from:ann@a.example from:bob", "from:a* from:b*"] {
        assert!(parse(text).unwrap_err().to_string().contains("never hold together"), "{text}");
    }
}

#[test]
fn what_can_not_be_answered_can_not_be_excluded() {
    for text in ["-filter:news", "a -filter:safe", "exclude:news", "NOT is:follows", "a -filter:vine"] {
        assert!(parse(text).unwrap_err().to_string().contains("can't be answered"), "{text}");
    }
    check("a -is:nullcast", "a");
    check("a NOT is:nullcast", "a");
}

#[test]
fn signs_that_are_replaced_are_escaped_in_the_canonical_form() {
    for term in ["a&amp;b", "&lt;", "（x）", "a＋b", "x｜｜y", "a\u{200e}b", "＂", "&amp;amp;", "\\&amp;"] {
        for ast in [
            Ast::Term { field: tweet::LANG, term: term.to_owned() },
            Ast::Term { field: tweet::TEXT, term: term.to_owned() },
            Ast::Prefix { field: tweet::HASHTAG, prefix: term.to_owned() },
            Ast::Wildcard { field: tweet::HASHTAG, pattern: format!("*{}", term.replace('\\', "")) },
        ] {
            let query = Query::from_ast(ast.clone(), Schema::tweet(), &QueryLimits::default()).unwrap();
            let again = Query::from_canonical(query.canonical(), Schema::tweet()).unwrap();
            assert_eq!(again.canonical(), query.canonical(), "{ast:?}");
            assert_eq!(again.ast(), query.ast(), "{ast:?}");
        }
    }
    check(r"hashtag:a\&amp;b", r#"hashtag:"a\&amp;b""#);
    check("hashtag:a&amp;amp;b", r#"hashtag:"a\&amp;b""#);
    let regexp = json_canonical(&json!({"regexp": {"lang": "a&amp;b"}}));
    check(&regexp, &regexp);
}

#[test]
fn a_minimum_counts_beside_required_words() {
    let query = |min: serde_json::Value| json!({"query_string": {"query": "+a b c d", "default_operator": "OR", "minimum_should_match": min}});
    assert_eq!(json_canonical(&query(json!(2))), "(b OR c OR d)~2 a");
    assert_eq!(json_canonical(&query(json!(1))), "a (b OR c OR d)");
    assert_eq!(json_canonical(&query(json!(0))), "a");
    assert_eq!(json_canonical(&query(json!("100%"))), "a b c d");
    assert_eq!(json_canonical(&json!({"query_string": {"query": "+a b", "default_operator": "OR"}})), "a");
}

#[test]
fn classes_of_expressions_are_folded() {
    let check = |text: &str, expected: &str| check(text, &format!("/{expected}/"));
    check("/gro[ß]e/", "gro(?:ss)e");
    check("/gro[sß]e/", "gro(?:[s]|ss)e");
    assert!(parse("/[z-é]/").is_ok_and(|query| query.canonical().contains('e') && query.canonical().contains('z')));
    check("/caf[éa]/", "caf[ae]");
    check("/caf[^é]/", "caf[^e]");
    check("/[日本]/", "[日本]");
    check("/a[]é]/", r"a[\]e]");
    check("/a[b[é]c]/", "a[bce]");
    check("/café/", "cafe");
    check("/stra[à-å]e/", "stra[a]e");
}

#[test]
fn keycaps_are_words_that_start_with_a_sign() {
    check("/#../", "/#../");
    check("/[#*]../", "/[#*]../");
    for text in ["/#foo/", "/a#/", "/foo-bar/", "/[-+]a/"] {
        assert!(parse(text).unwrap_err().to_string().contains("matches no word"), "{text}");
    }
}

#[test]
fn only_of_signs_it_is_said_that_they_are_not_kept() {
    let warnings = |text: &str| {
        let parsed = Parsed::from_text(text, Schema::tweet(), &QueryLimits::default(), ParseOptions::default());
        parsed.unwrap().warnings
    };
    assert!(warnings("foo - bar")[0].expected.as_deref().unwrap().contains("only letters"));
    assert_eq!(warnings("foo include:nativeretweets")[0].expected.as_deref(), Some("perch does so anyway"));
    assert_eq!(warnings("foo -is:nullcast")[0].expected.as_deref(), Some("perch does so anyway"));
}

#[test]
fn an_unknown_field_before_a_group_is_no_smiley() {
    for text in ["age:(>=10 AND <20)", "foo:(#a OR b)", "foo:(@ann OR @bob)", "-foo:(-a b)", "rust foo:[>1]"] {
        let error = parse(text).expect_err(text);
        assert!(error.to_string().contains("there is no field"), "{text}: {error}");
    }
    for (text, expected) in [("sad :( rust", "rust sad"), ("sad:( rust", "rust sad"), ("wow:) rust", "rust wow")] {
        assert_eq!(parse(text).expect(text).canonical(), expected, "{text}");
    }
}
