use expect_test::{Expect, expect};

use super::*;
use crate::query::QueryLimits;
use crate::schema::Schema;

#[track_caller]
fn check(query: &str, json: &str, expected: &Expect) {
    let query = Query::parse(query, Schema::tweet(), &QueryLimits::default()).unwrap_or_else(|error| panic!("{error}"));
    let tweet = tweet::read(json.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let mut out = anstream::StripStream::new(Vec::new());
    show(&mut out, &query, &tweet, &Explainer::new(&tweet).explain(&query)).expect("memory takes everything");
    expected.assert_eq(&String::from_utf8(out.into_inner()).expect("text"));
}

const TWEET: &str = r#"{"id_str": "7", "lang": "en", "user": {"followers_count": 17}, "text": "R&amp;D\u0007: 日本 \u202e #Rust, rust and no end of words that make it so long that it goes on in the next line,\nwhere rust is again"}"#;

#[test]
fn what_was_found_is_underlined() {
    check(
        "rust \"r d\" 日本 -java lang:en followers:>1 *",
        TWEET,
        &expect![[r#"
            7 matches
              R&D: 日本  #Rust, rust and no end of words that make it so long that it goes
              ^^^  ^^^^   ^^^^  ^^^^
              on in the next line, where rust is again
                                         ^^^^
              "r d"                     text "R&D"
              "日 本"                   text "日本"
              -java                     is not there
              lang:en                   lang "en"
              rust                      text "Rust", text "rust"
              user.followers_count:>=2  user.followers_count 17
        "#]],
    );
    check(
        "*",
        r#"{"id_str": "1", "text": "a"}"#,
        &expect![[r"
        1 matches
          a
          *  every tweet
    "]],
    );
}

#[test]
fn the_part_that_fails_is_underlined() {
    check(
        "rust lang:de",
        TWEET,
        &expect![[r"
        7 does not match: the first part that fails
          lang:de rust
          ^^^^^^^
        the tweet has lang: en
    "]],
    );
    check(
        "rust -(words go) -words",
        TWEET,
        &expect![[r#"
        7 does not match: the first part that fails
          -(go words) -words rust
                      ^^^^^^
        the tweet has
          R&D: 日本  #Rust, rust and no end of words that make it so long that it goes
                                               ^^^^^
          on in the next line, where rust is again
          words  text "words"
    "#]],
    );
    check(
        "(java OR go) words",
        TWEET,
        &expect![[r"
        7 does not match: the first part that fails
          (go OR java) words
          ^^^^^^^^^^^^
    "]],
    );
}
