use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::doc::DocBuilder;
use crate::schema::Kind;

mod forms;
mod hostile;
mod mistakes;

fn parse(text: &str) -> Result<Query, Diagnostics> {
    Query::parse(text, Schema::tweet(), &QueryLimits::default())
}

#[track_caller]
fn canonical(text: &str) -> String {
    match parse(text) {
        Ok(query) => query.canonical().to_owned(),
        Err(diagnostics) => panic!("{text}\n{diagnostics}"),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(canonical(text), expected, "{text}");
}

#[test]
fn precedence_is_not_then_and_then_or() {
    check("a OR b c OR d", "a OR (b c) OR d");
    check("NOT a b", "-a b");
    check("NOT (a b)", "-(a b)");
    check("a AND NOT b OR !c && d", "(-b a) OR (-c d)");
    check("a || -b c", "(-b c) OR a");
    check("not and or", "and not or");
}

#[test]
fn order_duplicates_brackets_double_negation_and_case_do_not_matter() {
    let id = |text: &str| parse(text).unwrap().id();
    for same in [
        "Rust (jobs OR hiring) -unpaid",
        "-UNPAID AND (hiring OR Jobs) AND RUST",
        "((rust)) +(jobs OR jobs OR hiring) NOT unpaid rust",
        "--rust ---unpaid (hiring || jobs)",
        "text:(rust (jobs OR hiring) -unpaid)",
        "rust^2 (jobs^0.5 OR hiring)^3 -unpaid",
    ] {
        assert_eq!(id(same), id("rust (hiring OR jobs) -unpaid"), "{same}");
    }
    assert_ne!(id("rust"), id("#rust"));
    expect!["abca34a6-9e41-54eb-a2e7-2fa0d260a321"].assert_eq(&id("rust").to_string());
}

#[test]
fn constants_go_away() {
    let check = |text: &str, expected: &str| {
        assert_eq!(Query::from_canonical(text, Schema::tweet()).unwrap().canonical(), expected, "{text}");
    };
    check("* a", "a");
    check("a OR *", "*");
    check("-* OR a", "a");
    check("a -*", "-*");
    check("-(-*)", "*");
    check("*:*", "*");
    check("followers:[5 TO 4]", "-*");
    check("id:{5 TO 6}", "-*");
    check("id:[* TO *]", "id:*");
    check("(a OR b OR *)~1", "*");
    check("(a OR b OR *)~2", "a OR b");
    check("(a OR b)~2", "a b");
    check("(a OR a OR b)~2", "a b");
    check("(a OR a OR b OR c)~2", "(a OR b OR c)~2");
    check("((a OR b) OR c d OR e)~2", "((a OR b) OR (c d) OR e)~2");
}

#[test]
fn bounds_and_patterns_have_one_spelling() {
    let check = |text: &str, expected: &str| {
        assert_eq!(Query::from_canonical(text, Schema::tweet()).unwrap().canonical(), expected, "{text}");
    };
    check("id:>5", "id:>=6");
    check("id:{-7 TO 9}", "id:[-6 TO 8]");
    check("id:<=9223372036854775807", "id:*");
    check("id:=5", "id:5");
    check("created:2024", "created_at:[2024-01-01 TO 2025-01-01}");
    check("created:<=2024-01-31T10:00", "created_at:<2024-01-31T10:01:00Z");
    check("created:\"2024-01-31T10:00:00.5Z\"", "created_at:[2024-01-31T10:00:00.500Z TO 2024-01-31T10:00:00.501Z}");
    check("a**b", "a*b");
    check("text:**", "text:*");
    check("COLO?R", "colo?r");
    check("\"rust\"*", "rust*");
    check("\"rust\"~3", "rust");
    check("rust~0", "rust");
    check("near:[13.4 52.5 1mi]", "near:[13.4 52.5 1609.344m]");
    check("coordinates:WITHIN [0 0 1 1]", "within:[0 0 1 1]");
    check(r"/a\/b/", r"/a\/b/");
}

#[test]
fn words_are_analyzed_as_their_field_is() {
    check("Foo-Bar", "\"foo bar\"");
    check("日本語", "\"日 本 語\"");
    check("日本*", "\"日 本\"*");
    check("from:@Ann_Lee #RustLang $TSLA ＃東京", "#rustlang #東京 $tsla user.screen_name:ann_lee");
    check("$5 AT&T and/or", "\"and or\" \"at t\" 5");
    check("@ann: hi", "@ann hi");
    check("http://www.Example.com/Rust?x=(1)", "url:\"example.com/rust/x/1\"");
    check("(https://example.com)", "url:example.com");
    check("url:https://example.com/a", "url:\"example.com/a\"");
    check("has:geo", "has:coordinates");
    check("LANG:en", "lang:en");
    check(r"text:\(a\)", "a");
    check("\u{201c}smart quotes\u{201d}", "\"smart quotes\"");
    check("lang:\"two words\"", "lang:\"two words\"");
    check("lang: en", "lang:en");
    check("text:(a #b)", "#b a");
    check("lang:IN [en, \"de\" fr]", "lang:de OR lang:en OR lang:fr");
}

#[test]
fn joined_by_or_plus_means_must() {
    let or = |text: &str| {
        let options = ParseOptions { join: Join::Or, ..ParseOptions::default() };
        Query::parse_with(text, Schema::tweet(), &QueryLimits::default(), options).unwrap().canonical().to_owned()
    };
    assert_eq!(or("a b c"), "a OR b OR c");
    assert_eq!(or("+a b -c"), "-c a");
    assert_eq!(or("a b -c"), "-c (a OR b)");
    assert_eq!(or("-c"), "-c");
    assert_eq!(or("a AND b c"), "(a b) OR c");
    assert_eq!(or("a OR b c"), "a OR b OR c");
    assert_eq!(or("lang:(en de)"), "lang:de OR lang:en");
    assert_eq!(or("(a b c)~2"), "(a OR b OR c)~2");
}

#[test]
fn terms_that_no_analysis_leads_to_have_the_exact_form() {
    let of = |ast: Ast| {
        let query = Query::from_ast(ast, Schema::tweet(), &QueryLimits::NONE).unwrap();
        assert_eq!(Query::from_canonical(query.canonical(), Schema::tweet()).unwrap(), query);
        query.canonical().to_owned()
    };
    let field = crate::schema::tweet::TEXT;
    assert_eq!(of(Ast::Term { field, term: "Two Words".into() }), "text:=\"Two Words\"");
    assert_eq!(of(Ast::Prefix { field, prefix: "a-b".into() }), "text:=\"a-b\"*");
    assert_eq!(of(Ast::Fuzzy { field, term: "a\"b".into(), distance: 1 }), "text:=\"a\\\"b\"~1");
    assert_eq!(of(Ast::Wildcard { field, pattern: "A-?\\*".into() }), "text:=A-?\\*");
    let terms = vec!["a b".into(), "C".into()];
    let phrase = Phrase { field, terms, slop: 2, last_is_prefix: true };
    assert_eq!(of(Ast::Phrase(phrase)), "text:=(\"a b\" \"C\"*)~2");
    let field = crate::schema::tweet::HAS;
    assert_eq!(of(Ast::Term { field, term: "cheese".into() }), "has:=\"cheese\"");
}

#[test]
fn a_program_cannot_ask_a_field_for_what_it_has_not() {
    use crate::schema::tweet::{FOLLOWERS, LANG, TEXT};
    let refused = |ast: Ast| Query::from_ast(ast, Schema::tweet(), &QueryLimits::default()).is_err();
    assert!(refused(Ast::Term { field: FOLLOWERS, term: "a".into() }));
    assert!(refused(Ast::Range { field: TEXT, lower: std::ops::Bound::Unbounded, upper: std::ops::Bound::Unbounded }));
    let terms = vec!["a".into(), "b".into()];
    assert!(refused(Ast::Phrase(Phrase { field: LANG, terms, slop: 0, last_is_prefix: false })));
    assert!(refused(Ast::Regex { field: TEXT, pattern: "(".into() }));
    assert!(refused(Ast::Exists { field: FieldId(63) }));
    let deep = (0..100).fold(Ast::All, |ast, _| Ast::Not(Box::new(ast)));
    assert!(refused(deep));
}

#[test]
fn floats_are_ranges_of_keys() {
    let mut schema = Schema::new();
    schema.add("body", Kind::Text, &[]);
    let score = schema.add("score", Kind::Float, &[]);
    let canonical = |text: &str| {
        let query = Query::parse(text, &schema, &QueryLimits::default()).unwrap_or_else(|error| panic!("{error}"));
        let again = Query::parse(query.canonical(), &schema, &QueryLimits::default()).unwrap();
        assert_eq!(again, query);
        query.canonical().to_owned()
    };
    assert_eq!(canonical("score:0.5"), "score:0.5");
    assert_eq!(canonical("score:>=-0"), "score:>=0.0");
    assert_eq!(canonical("score:<-0.0"), "score:<=-5e-324");
    assert_eq!(canonical("score:[-1e300 TO 2]"), "score:[-1e300 TO 2.0]");
    assert_eq!(canonical("score:<=inf"), "score:*");
    assert!(Query::parse("score:>inf", &schema, &QueryLimits::default()).is_err());
    // In a schema without hashtags the sign is no operator.
    assert_eq!(canonical("#rust @ann"), "ann rust");
    let mut builder = DocBuilder::new(&schema);
    builder.float(score, -0.0);
    let doc = builder.finish();
    for (text, expected) in [("score:0", true), ("score:<0", false), ("score:>=-0.0", true), ("score:>0", false)] {
        let query = Query::parse(text, &schema, &QueryLimits::default()).unwrap();
        assert_eq!(matches(query.ast(), &doc), expected, "{text}");
    }
}

#[test]
fn a_query_is_said_in_words() {
    let said = |text: &str| words(parse(text).unwrap().ast(), Schema::tweet());
    assert_eq!(said("*"), "everything");
    assert_eq!(said("rust"), r#"tweets with the word "rust""#);
    assert_eq!(
        said(r#"rust (jobs OR "big data") -lang:en"#),
        r#"tweets with (the phrase "big data" or the word "jobs"), not lang "en" and the word "rust""#
    );
    assert_eq!(
        said("followers:>=5 name:ann ru* url:*"),
        r#"tweets with a word that starts with "ru", any url, user.followers_count at least 5 and the word "ann" in user.name"#
    );
    assert_eq!(said("(a OR b OR c)~2"), r#"tweets with at least 2 of the word "a", the word "b" and the word "c""#);
}

#[test]
fn a_query_is_described_as_a_tree() {
    let query = parse(
        "rust (\"a b\"~2 OR ru* OR c?t OR /x.y/ OR colr~1) -lang:en followers:[5 TO 9] since:2024 url:* \
         near:[1 2 3km] within:[1 2 3 4] (a OR b OR \"c d\"*)~2",
    );
    expect![[r#"
        all of
          any of
            text: phrase ["a", "b"], 2 out of place
            text: regular expression /x.y/
            text: wildcard "c?t"
            text: at most 1 edit from "colr"
            text: prefix "ru"
          at least 2 of
            text: phrase ["c", "d"], the last one a prefix
            text: term "a"
            text: term "b"
          not
            lang: term "en"
          created_at: at least 2024-01-01
          coordinates: at most 3000 m from 1 east, 2 north
          text: term "rust"
          url: any value
          user.followers_count: at least 5 and at most 9
          coordinates: west 1, south 2, east 3, north 4
    "#]]
    .assert_eq(&describe(query.unwrap().ast(), Schema::tweet()));
}

proptest! {
    #[test]
    fn the_canonical_form_is_read_back(ast in arbitrary::ast()) {
        let query = Query::from_ast(ast, Schema::tweet(), &QueryLimits::NONE).unwrap();
        let again = Query::from_canonical(query.canonical(), Schema::tweet()).unwrap();
        prop_assert_eq!(&again, &query, "{}", query.canonical());
    }

    #[test]
    fn normalizing_keeps_the_meaning(ast in arbitrary::ast(), docs in prop::collection::vec(arbitrary::parts(), 1..6)) {
        let query = Query::from_ast(ast.clone(), Schema::tweet(), &QueryLimits::NONE).unwrap();
        for parts in docs {
            prop_assert_eq!(matches(&ast, &parts.doc()), matches(query.ast(), &parts.doc()), "{:?}", parts);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in r#"([ab]|AND|OR|NOT|TO|IN|lang:|id:|created:|text:=|near:|within:|[-+!~^*?"“”()\[\]{}:/#@$<>=\\., 0-9日é]){0,24}"#) {
        match parse(&text) {
            Ok(query) => prop_assert_eq!(&Query::parse(query.canonical(), Schema::tweet(), &QueryLimits::NONE).unwrap(), &query),
            Err(diagnostics) => {
                for diagnostic in diagnostics.list() {
                    prop_assert!(text.get(diagnostic.span.clone()).is_some(), "{:?}", diagnostic);
                }
                prop_assert!(!diagnostics.to_string().is_empty());
            }
        }
    }

    #[test]
    fn any_unicode_is_read_or_refused(text in r"\PC{0,40}") {
        if let Ok(query) = parse(&text) {
            prop_assert_eq!(&Query::parse(query.canonical(), Schema::tweet(), &QueryLimits::NONE).unwrap(), &query);
        }
    }
}

/// An automaton is built up to the limit and never further, whatever the pattern, and an accepted
/// one has a cost.
#[test]
fn hostile_patterns_are_refused_or_small() {
    let limits = QueryLimits::default();
    let nested = |times: usize| (0..times).fold("a".to_owned(), |inner, _| format!("({inner}){{9}}"));
    let hostile = [
        r"(\w{50}){50}".to_owned(),
        "(a|b|c){1,50}(b|c|d){1,50}(c|d|e){1,50}(d|e|f){1,50}".to_owned(),
        r"\w".repeat(500),
        r"(\p{L}|\p{N}){1,300}".to_owned(),
        r"\p{L}{1000000}".to_owned(),
        format!("{}{}", "[^x]".repeat(100), "(.*y){9}"),
        format!(".*a{}", ".".repeat(40)),
        nested(12),
        nested(60),
        format!("({})*z", (0..120).map(|n| format!("{n}.*a")).collect::<Vec<_>>().join("|")),
        "(a?){200}a{200}".to_owned(),
        format!("({})", "()|".repeat(300)),
        format!("[{}]{{1,60}}", (0..200).map(|n| char::from_u32(0x4e00 + 7 * n).unwrap()).collect::<String>()),
        "((a*)*)*".repeat(100),
    ];
    for pattern in &hostile {
        for text in [format!("/{pattern}/"), format!("lang:/{pattern}/ OR x")] {
            match parse(&text) {
                Err(error) => {
                    let first = error.first();
                    let told = first.is_limit() || first.message.contains("has a mistake");
                    assert!(told, "{text}: {error}");
                }
                Ok(query) => assert!(size_of_patterns(query.ast()) <= limits.max_automaton_bytes, "{text}"),
            }
        }
    }
    // The limit applies to all patterns of a query together.
    let many = |n: u32| (0..n).map(|n| format!("/[a-z]{{1,9}}\\w{n}/")).collect::<Vec<_>>().join(" ");
    assert!(parse(&many(2)).is_ok());
    assert!(parse(&many(300)).unwrap_err().first().is_limit());
    // Building counts too, even if the final automaton is small.
    for nothing in [".*a.{7}[a&&b]", r"[a&&b]\w{18}", r"\p{L}\p{N}[a&&b]"] {
        let many = |n: usize| (0..n).map(|n| format!("/{nothing}{n}/")).collect::<Vec<_>>().join(" ");
        assert!(!parse(&many(2)).unwrap_err().first().is_limit(), "{nothing}");
        assert!(parse(&many(100)).unwrap_err().first().is_limit(), "{nothing}");
    }
}

fn size_of_patterns(ast: &Ast) -> usize {
    match ast {
        Ast::Regex { pattern, .. } => pattern.size_bytes(),
        Ast::And(parts) | Ast::Or(parts) => parts.iter().map(size_of_patterns).sum(),
        _ => 0,
    }
}
