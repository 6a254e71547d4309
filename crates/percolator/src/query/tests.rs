use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::doc::{Doc, DocBuilder, Point};
use crate::schema::Kind;

mod docs;

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

fn check_errors(texts: &[&str], expected: &Expect) {
    let mut all = String::new();
    for text in texts {
        let diagnostics = parse(text).expect_err(text);
        all += &diagnostics.to_string();
        all.push('\n');
    }
    expected.assert_eq(&all);
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
    check("(a OR b)~3", "-*");
    check("(a OR a OR b)~2", "(a OR a OR b)~2");
    check("((a OR b) OR c d OR e)~2", "((a OR b) OR (c d) OR e)~2");
}

#[test]
fn bounds_and_patterns_have_one_spelling() {
    check("id:>5", "id:>=6");
    check("id:{-7 TO 9}", "id:[-6 TO 8]");
    check("id:<=9223372036854775807", "id:*");
    check("id:>9223372036854775807", "-*");
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
        let options = ParseOptions { join: Join::Or, default_field: None };
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
        assert_eq!(parse(query.canonical()).unwrap(), query);
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
    assert_eq!(canonical("score:>inf"), "-*");
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
fn mistakes_say_where_and_what_was_expected() {
    check_errors(
        &[
            "",
            "rust langg:en",
            "日本 OR",
            "OR rust",
            "a AND OR b",
            "(rust",
            "rust) go",
            "()",
            "say \"rust",
            "!!!",
            "a - b",
            "lang:",
            "lang:-en",
            "10:30",
            ":) hi",
            "[1 TO 2]",
            "has:cheese",
            "followers:many",
            "followers:>",
            "followers:[1 TO",
            "text:>5",
            "followers:ru*",
            "coordinates:here",
            "created:now-7d",
            "near:[1 2]",
            "near:[1 2 3]",
            "within:[0 10 5 -10]",
            "within:[0 0 200 1]",
            "foo-b*r",
            "foo-bar~1",
            "a~5",
            "a~x",
            "a^b",
            "(a OR b)~",
            "\"a b\"~",
            "/a(b/",
            "/^a/",
            "/abc",
            "lang:IN [en",
            "lang:IN []",
            "#",
            "\"a\"~1b",
            "text:=(a)",
        ],
        &expect![[r#"
            the query is empty
              expected a word; `*` finds everything
            column 6: there is no field `langg`
              rust langg:en
                   ^^^^^
              did you mean `lang`? To search for the text, quote it
            column 4: nothing stands behind `OR`
              日本 OR
                   ^^
              expected a word, a phrase or a bracket; to search for the word itself, quote it
            column 1: nothing stands before `OR`
              OR rust
              ^^
              expected a word, a phrase or a bracket; to search for the word itself, quote it
            column 3: nothing stands behind `AND`
              a AND OR b
                ^^^
              expected a word, a phrase or a bracket; to search for the word itself, quote it
            column 1: the bracket is not closed
              (rust
              ^
              expected a `)`
            column 5: `)` closes nothing
              rust) go
                  ^
              expected a `(` before it
            column 1: the brackets are empty
              ()
              ^^
              expected a word, a phrase or a bracket
            column 5: the quote is not closed
              say "rust
                  ^
              expected a `"`
            column 1: `!!!` has no searchable term
              !!!
              ^^^
              expected a word right behind the sign
            column 3: `-` has no searchable term
              a - b
                ^
              expected a word right behind the sign
            column 6: a value is missing behind `lang:`
              lang:
                   ^
              expected a value, or lang:* for any
            column 6: the `-` stands behind the field
              lang:-en
                   ^^^
              expected -lang:en
            column 1: `10` is no field
              10:30
              ^^
              to search for a time, quote it
            column 1: the name of a field is missing before `:`
              :) hi
              ^
              expected as in lang:en; to search for the text, quote it
            column 2: `)` closes nothing
              :) hi
               ^
              expected a `(` before it
            column 1: a range needs a field before it
              [1 TO 2]
              ^^^^^^^^
              expected for example followers:[10 TO 100]; to search for the text, quote it
            column 5: `has:` knows no `cheese`
              has:cheese
                  ^^^^^^
              expected one of media, links, hashtags, mentions, cashtags, coordinates
            column 11: `many` is no whole number, and `user.followers_count` holds nothing else
              followers:many
                        ^^^^
              expected for example user.followers_count:5, user.followers_count:>=5 or user.followers_count:[5 TO 9]
            column 11: a value is missing for `user.followers_count`
              followers:>
                        ^
            column 11: this is no range
              followers:[1 TO
                        ^
              expected as in [10 TO 100], {10 TO 100} or [10 TO *]
            column 6: `text` holds words, and words have no ranges
              text:>5
                   ^^
              expected a word, or one of several: text:IN [a b]
            column 11: `user.followers_count` holds numbers, not words
              followers:ru*
                        ^^^
              expected for example user.followers_count:5, user.followers_count:>=5 or user.followers_count:[5 TO 9]
            column 13: `coordinates` holds places, not words
              coordinates:here
                          ^^^^
              expected within:[west south east north], near:[lon lat 5km], or `:*` for any place
            column 9: `now-7d` would mean something else tomorrow: a registered query needs dates that stay the same
              created:now-7d
                      ^^^^^^
              expected a date: 2024, 2024-01, 2024-01-31, 2024-01-31T10:00:00Z, with an offset like +01:00, or milliseconds since 1970
            column 1: a place and a distance are missing
              near:[1 2]
              ^^^^^^^^^^
              expected longitude, latitude and distance: near:[13.4 52.5 5km]
            column 1: `3` is no distance
              near:[1 2 3]
              ^^^^^^^^^^^^
              expected a number with km, m or mi: 5km
            column 1: the south edge 10 lies north of the north edge -10
              within:[0 10 5 -10]
              ^^^^^^^^^^^^^^^^^^^
              expected west south east north
            column 1: 200 is no longitude
              within:[0 0 200 1]
              ^^^^^^^^^^^^^^^^^^
              expected -180 to 180; longitude comes first
            column 1: `foo-b*r` is more than one word, and `*` and `?` stand inside one
              foo-b*r
              ^^^^^^^
              only a single `*` at the end may follow several words
            column 1: `foo-bar` is more than one word, and `~` allows mistakes in one
              foo-bar~1
              ^^^^^^^
              to find the words near each other, quote them
            column 1: 5 edits are too many
              a~5
              ^
              expected ~1 or ~2
            column 3: this hangs on what stands before it
              a~x
                ^
              expected a space
            column 2: a number is missing behind `^`
              a^b
               ^
              expected a boost, as in word^2; to search for the text, quote it
            column 9: a number is missing behind `~`
              (a OR b)~
                      ^
              expected as in (a OR b OR c)~2
            column 6: a number is missing behind `~`
              "a b"~
                   ^
              expected as in "near words"~2
            column 1: the regular expression has a mistake at its byte 2: unclosed group
              /a(b/
              ^^^^^
            column 1: anchors and word boundaries (`^`, `$`, `\b`) have no use here: a regular expression matches one whole word
              /^a/
              ^^^^
            column 1: the regular expression is not closed
              /abc
              ^
              expected a `/`; to search for the text, quote it
            column 9: the list is not closed
              lang:IN [en
                      ^
              expected as in lang:IN [en de]
            column 9: the list is empty
              lang:IN []
                      ^^
              expected as in lang:IN [en de]
            column 1: a word is missing behind `#`
              #
              ^
              expected it right behind the sign, without brackets or quotes
            column 6: this hangs on what stands before it
              "a"~1b
                   ^
              expected a space
            column 6: this is no list of terms
              text:=(a)
                   ^^^^
              expected as in text:=("a" "b")
        "#]],
    );
}

#[test]
fn all_mistakes_are_told_at_once_up_to_five() {
    let error = parse("a:1 (b:2 OR c:3) has:x \"ok\" d:4 e:5 f:6 g:7").unwrap_err();
    assert_eq!(error.list().len(), 5);
    let columns: Vec<usize> = error.list().iter().map(|it| it.column).collect();
    assert_eq!(columns, [1, 6, 13, 22, 29]);
}

#[test]
fn a_long_query_is_shown_in_part() {
    let text = format!("{} langg:en {}", "rust ".repeat(100), "go ".repeat(100));
    expect![[r"
        column 502: there is no field `langg`
          …ust rust rust rust rust  langg:en go go go go go go go …
                                    ^^^^^
          did you mean `lang`? To search for the text, quote it"]]
    .assert_eq(&parse(&text).unwrap_err().to_string());
}

#[test]
fn limits_are_named() {
    let fails = |text: &str, limit: &str| {
        let error = parse(text).expect_err("a limit").to_string();
        assert!(error.contains(limit), "{error}");
    };
    fails(&"a".repeat(16_385), "16385 bytes long, over the limit of 16384 (max_bytes)");
    fails(&"(".repeat(4_000), "deeper than 32 levels, the limit (max_depth)");
    fails(&"lang:(".repeat(600), "max_depth");
    fails(&"a ".repeat(1_025), "more than 1024 clauses, the limit (max_clauses)");
    fails(r"/(\w{50}){50}/", "more than 1048576 bytes, the limit (max_automaton_bytes)");
    fails(&format!("*a{}", "?".repeat(30)), "max_automaton_bytes");
    fails(&"/(a?){200}/ ".repeat(10), "max_automaton_bytes");
    let fuzzy: Vec<String> = (0..60).map(|at| format!("{at}uncharacteristically~")).collect();
    fails(&fuzzy.join(" "), "max_automaton_bytes");
    // Each pattern is small, and so is its automaton.
    let wild: Vec<String> = (0..500).map(|at| format!("a*{at}")).collect();
    fails(&wild.join(" "), "the query costs more than 8192, the limit (max_cost)");
    assert!(parse(&wild[..200].join(" ")).is_ok());
    for text in ["a ".repeat(1_025), "(".repeat(4_000), wild.join(" ")] {
        assert!(parse(&text).unwrap_err().first().is_limit(), "{text}");
    }
    assert!(!parse("(").unwrap_err().first().is_limit());
    fails("followers:99999999999999999999", "`99999999999999999999` is beyond what");
    fails("a~99999999999999999999", "is too large");
    check(&"a ".repeat(256), "a");
    check(&format!("{}a{}", "(".repeat(32), ")".repeat(32)), "a");
    check(&"-".repeat(4_000).replace("--", "-").replace('-', "!").chars().chain(['a']).collect::<String>(), "a");
    let no_limit = QueryLimits { max_bytes: usize::MAX, ..QueryLimits::default() };
    for text in ["(".repeat(100_000), "-".repeat(100_000), "NOT ".repeat(50_000), "a:(".repeat(50_000)] {
        assert!(Query::parse(&text, Schema::tweet(), &no_limit).is_err());
    }
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
        let again = parse(query.canonical()).unwrap();
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
        assert!(parse(&many(2)).is_ok());
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
