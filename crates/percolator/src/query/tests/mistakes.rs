//! Which queries the parser refuses, and the messages.

use expect_test::{Expect, expect};

use super::*;

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
fn mistakes_say_where_and_what_was_expected() {
    check_errors(
        &[
            "",
            "rust langg:en",
            "日本 OR",
            "OR rust",
            "a AND OR b",
            "(rust",
            "rust OR java) go",
            "()",
            "\"",
            "!!!",
            "(a OR b)~3",
            "(a OR a)~4294967296",
            "lang:",
            "date:yesterday",
            "GO:rust",
            "breaking:rust",
            "filter:safe",
            "url_title:rust",
            "near:Berlin within:15mi",
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
            "a~4294967296",
            "\"a b\"~4294967296",
            "(a OR b)~",
            "\"a b\"~",
            "/a(b/",
            "/^a/",
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
            column 13: `)` closes nothing
              rust OR java) go
                          ^
              expected a `(` before it
            column 1: `()` has no searchable term
              ()
              ^^
              expected a letter, a digit or an emoji
            column 1: `"` has no searchable term
              "
              ^
              expected a letter, a digit or an emoji
            column 1: `!!!` has no searchable term
              !!!
              ^^^
              expected a letter, a digit or an emoji
            column 1: `~3` asks for more than the 2 different alternatives
              (a OR b)~3
              ^^^^^^^^
              expected ~1 to ~2
            column 1: `~4294967295` asks for more than the 1 different alternatives
              (a OR a)~4294967296
              ^^^^^^^^
              expected ~1 to ~1
            column 6: a value is missing behind `lang:`
              lang:
                   ^
              expected a value, or lang:* for any
            column 6: `yesterday` would mean something else tomorrow: a registered query needs dates that stay the same
              date:yesterday
                   ^^^^^^^^^
              expected a date: 2024, 2024-01, 2024-01-31, 2024-01-31T10:00:00Z, with an offset like +01:00, or seconds or milliseconds since 1970
            column 1: there is no field `GO`
              GO:rust
              ^^
              to search for the text, quote it
            column 1: there is no field `breaking`
              breaking:rust
              ^^^^^^^^
              to search for the text, quote it
            column 8: `safe` can't be answered
              filter:safe
                     ^^^^
              perch does not judge tweets: leave it out, or exclude words
            column 1: `url_title:` can't be answered
              url_title:rust
              ^^^^^^^^^
              perch keeps no titles of the pages that tweets link to; search for url:word
            column 1: perch does not know where `Berlin` is
              near:Berlin within:15mi
              ^^^^^^^^^^^^^^^^^^^^^^^
              expected longitude, latitude and distance: near:[13.4 52.5 15mi]
            column 1: a range needs a field before it
              [1 TO 2]
              ^^^^^^^^
              expected for example followers:[10 TO 100]; to search for the text, quote it
            column 5: `has:` knows no `cheese`
              has:cheese
                  ^^^^^^
              expected one of media, links, hashtags, mentions, cashtags, coordinates, images, videos, polls
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
              expected a date: 2024, 2024-01, 2024-01-31, 2024-01-31T10:00:00Z, with an offset like +01:00, or seconds or milliseconds since 1970
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
            column 1: more than 2 edits are too many
              a~5
              ^
              expected ~1 or ~2
            column 1: more than 2 edits are too many
              a~4294967296
              ^
              expected ~1 or ~2
            column 1: the slop is too large: the most is 999
              "a b"~4294967296
              ^^^^^
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
            column 9: the list is not closed
              lang:IN [en
                      ^
              expected as in lang:IN [en de]
            column 9: the list is empty
              lang:IN []
                      ^^
              expected as in lang:IN [en de]
            column 1: `#` has no searchable term
              #
              ^
              expected a letter, a digit or an emoji
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
fn queries_that_no_tweet_can_match_are_refused() {
    for text in [
        "-*",
        "rust -rust",
        "rust go -(go OR java)",
        "(rust OR go) -rust -go",
        "rusty -rust*",
        "rust -r?st",
        "rust -/r.*/",
        "rust -text:*",
        "\"big rust job\" -rust",
        "\"big rust job\" -\"rust job\"",
        "(a OR b OR c)~2 -a -b",
        "from:ann from:bob",
        "from:ann from:b*",
        "from:ann -from:*",
        "to:ann -is:reply",
        "#rust -has:hashtags",
        "id:1 id:2",
        "id:<0",
        "followers:>10 followers:<5",
        "followers:[5 TO 4]",
        "followers:[1 TO 3] -followers:1 -followers:[2 TO 3]",
        "-followers:*",
        "-followers:>=0",
        "created:2024 created:2025",
        "created:2024-01-01T00:00:00.500Z",
        "near:[1 2 3km] -coordinates:*",
        "/foo-bar/",
        "/[a&&b]/",
        "lang:en -(lang:en OR lang:de)",
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains("no tweet can match this"), "{error}");
    }
    for text in [
        "rust -rusty",
        "rusty -rust",
        "\"big rust job\" -\"rust big\"",
        "(a OR b OR c)~2 -a",
        "lang:en lang:de",
        "#rust -rust",
        "id:1 -id:2",
        "from:ann -from:bob",
        "from:a* from:*n",
        "followers:>5 followers:<9 -followers:7",
        "has:hashtags -#rust",
        "-has:media -is:retweet",
        "within:[0 0 1 1] -near:[5 5 1km]",
        "/foo.bar/",
        "url:a url:b",
    ] {
        assert!(!parse(text).is_err_and(|error| error.to_string().contains("no tweet")), "{text}");
    }
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
    fails("a~99999999999999999999", "more than 2 edits are too many");
    check(&"a ".repeat(256), "a");
    check(&format!("{}a{}", "(".repeat(32), ")".repeat(32)), "a");
    check(&"-".repeat(4_000).replace("--", "-").replace('-', "!").chars().chain(['a']).collect::<String>(), "a");
    let no_limit = QueryLimits { max_bytes: usize::MAX, ..QueryLimits::default() };
    for text in ["(".repeat(100_000), "-".repeat(100_000), "NOT ".repeat(50_000), "a:(".repeat(50_000)] {
        assert!(Query::parse(&text, Schema::tweet(), &no_limit).is_err());
    }
}
