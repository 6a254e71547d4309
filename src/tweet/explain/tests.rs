use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::explain::MAX_FOUND;
use crate::query::Ast;
use crate::query::arbitrary::{WORDS, ast};
use crate::query::{QueryLimits, matches};

fn parse(text: &str) -> Query {
    // Also queries that nothing can match are explained.
    Query::from_canonical(text, Schema::tweet()).unwrap_or_else(|error| panic!("{error}"))
}

fn read(tweet: &Value) -> Tweet {
    crate::tweet::read(tweet.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}: {tweet}"))
}

/// The text at a path such as `entities.hashtags[0].text`.
fn text_at<'a>(json: &'a Value, path: &str) -> &'a str {
    let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
    json.pointer(&pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("nothing is at {path} of {json}"))
}

fn show(explained: &Explained) -> String {
    let mut shown = String::new();
    let show_parts = |shown: &mut String, parts: &[ExplainedPart], indent: &str| {
        for ExplainedPart { query, field, ranges, values } in parts {
            write!(shown, "{indent}{query} ({})", field.unwrap_or("-")).unwrap();
            for MatchRange { at, range, text } in ranges {
                write!(shown, "; {at}[{}..{}] {text:?}", range.start, range.end).unwrap();
            }
            values.iter().for_each(|value| write!(shown, "; {value}").unwrap());
            shown.push('\n');
        }
    };
    show_parts(&mut shown, &explained.parts, "");
    if let Some(failed) = &explained.failed {
        let at = &failed.range;
        write!(shown, "fails at {}..{}: {} ({})", at.start, at.end, failed.query, failed.field.unwrap_or("-")).unwrap();
        failed.instead.iter().for_each(|value| write!(shown, "; there is {value}").unwrap());
        shown.push('\n');
        show_parts(&mut shown, &failed.excluded, "  there is ");
    }
    shown
}

#[track_caller]
fn check(query: &str, tweet: &Value, expected: &Expect) {
    let (query, tweet) = (parse(query), read(tweet));
    let explainer = Explainer::new(&tweet);
    let explained = explainer.explain(&query);
    assert_eq!(explained.matches(), matches(query.ast(), explainer.doc()));
    expected.assert_eq(&show(&explained));
}

fn job() -> Value {
    json!({
        "id_str": "7", "lang": "en", "created_at": "Sun Aug 31 00:29:15 +0000 2014",
        "text": "R&amp;D: Caf&eacute; seeks #Rust people, ask @Ann http://t.co/x — well paid",
        "user": {"name": "Bits &amp; Bytes", "screen_name": "Bits", "followers_count": 1234},
        "coordinates": {"type": "Point", "coordinates": [13.4, 52.5]},
        "entities": {
            "hashtags": [{"text": "Rust", "indices": [27, 32]}],
            "user_mentions": [{"screen_name": "Ann", "indices": [45, 49]}],
            "urls": [{"url": "http://t.co/x", "expanded_url": "https://blog.example.com/rust/jobs", "indices": [50, 63]}],
        },
    })
}

#[test]
fn words_are_found_in_the_text_as_it_is_sent() {
    check(
        "cafe rust",
        &job(),
        &expect![[r#"
            cafe (text); text[9..20] "Caf&eacute;"
            rust (text); text[28..32] "Rust"
        "#]],
    );
    check(
        "\"r d\" well paid",
        &job(),
        &expect![[r#"
            "r d" (text); text[0..7] "R&amp;D"
            paid (text); text[73..77] "paid"
            well (text); text[68..72] "well"
        "#]],
    );
    check(
        "name:bytes",
        &job(),
        &expect![[r#"
            user.name:bytes (user.name); user.name[11..16] "Bytes"
        "#]],
    );
}

#[test]
fn entities_have_a_place_in_themselves_and_one_in_the_text() {
    check(
        "#rust @ann",
        &job(),
        &expect![[r##"
            #rust (hashtag); entities.hashtags[0].text[0..4] "Rust"; text[27..32] "#Rust"
            @ann (mention); entities.user_mentions[0].screen_name[0..3] "Ann"; text[45..49] "@Ann"
        "##]],
    );
    check(
        "url:example.com/rust url:jobs",
        &job(),
        &expect![[r#"
            url:"example.com/rust" (url); entities.urls[0].expanded_url[13..29] "example.com/rust"; text[50..63] "http://t.co/x"
            url:jobs (url); entities.urls[0].expanded_url[30..34] "jobs"; text[50..63] "http://t.co/x"
        "#]],
    );
    // Wrong indices of an entity give no range in the text.
    let mut wrong = job();
    wrong["entities"]["hashtags"][0]["indices"] = json!([0, 5]);
    check(
        "#rust",
        &wrong,
        &expect![[r#"
            #rust (hashtag); entities.hashtags[0].text[0..4] "Rust"
        "#]],
    );
}

#[test]
fn attributes_numbers_and_places_are_named() {
    check(
        "lang:en from:bits has:links followers:>1000 until:2015 near:[13.4 52.5 5km] lang:*",
        &job(),
        &expect![[r#"
            created_at:<2015-01-01 (created_at); 2014-08-31T00:29:15Z
            has:links (has); links
            lang:* (lang); lang[0..2] "en"
            lang:en (lang); lang[0..2] "en"
            near:[13.4 52.5 5000m] (coordinates); 13.4 52.5
            user.followers_count:>=1001 (user.followers_count); 1234
            user.screen_name:bits (user.screen_name); user.screen_name[0..4] "Bits"
        "#]],
    );
}

#[test]
fn of_an_or_the_true_branches_are_told_and_exclusions_without_a_place() {
    check(
        "(java OR rust (paid OR unpaid)) -unpaid -(go c)",
        &job(),
        &expect![[r#"
            paid (text); text[73..77] "paid"
            rust (text); text[28..32] "Rust"
            -(c go) (text)
            -unpaid (text)
        "#]],
    );
    check(
        "(java OR cafe OR well OR go)~2",
        &job(),
        &expect![[r#"
            cafe (text); text[9..20] "Caf&eacute;"
            well (text); text[68..72] "well"
        "#]],
    );
    check(
        "*",
        &job(),
        &expect![[r"
            * (-)
        "]],
    );
}

#[test]
fn patterns_tell_every_word_and_phrases_their_words() {
    check(
        "/p.*/ we* *fe rvst~1 \"well pa\"*",
        &job(),
        &expect![[r#"
            "well pa"* (text); text[68..77] "well paid"
            *fe (text); text[9..20] "Caf&eacute;"
            /p.*/ (text); text[33..39] "people"; text[73..77] "paid"
            rvst~1 (text); text[28..32] "Rust"
            we* (text); text[68..72] "well"
        "#]],
    );
    check(
        "\"people rust\"~2 \"rust ann\"~2",
        &job(),
        &expect![[r#"
            "people rust"~2 (text); text[28..32] "Rust"; text[33..39] "people"
            "rust ann"~2 (text); text[28..32] "Rust"; text[46..49] "Ann"
        "#]],
    );
    // Each word of a phrase has its own range, without an address between them.
    let tweet = json!({"id_str": "1", "text": "good https://t.co/x good morning morning good"});
    check(
        "\"good good morning\" \"morning good\"",
        &tweet,
        &expect![[r#"
            "good good morning" (text); text[0..32] "good https://t.co/x good morning"
            "morning good" (text); text[33..45] "morning good"
        "#]],
    );
}

#[test]
fn the_first_part_that_fails_is_named_with_its_place() {
    check(
        "rust lang:de well",
        &job(),
        &expect![[r"
            fails at 0..7: lang:de (lang); there is en
        "]],
    );
    check(
        "rust -cafe",
        &job(),
        &expect![[r#"
            fails at 0..5: -cafe (text)
              there is cafe (text); text[9..20] "Caf&eacute;"
        "#]],
    );
    check(
        "rust (java OR go)",
        &job(),
        &expect![[r"
            fails at 0..12: go OR java (text)
        "]],
    );
    check(
        "rust well zebra followers:<100",
        &job(),
        &expect![[r"
            fails at 5..30: user.followers_count:<=99 (user.followers_count); there is 1234
        "]],
    );
    check(
        "java OR lang:de",
        &job(),
        &expect![[r"
            fails at 0..15: java OR lang:de (-)
        "]],
    );
    check(
        "within:[0 0 1 1]",
        &job(),
        &expect![[r"
            fails at 0..16: within:[0 0 1 1] (coordinates); there is 13.4 52.5
        "]],
    );
    check(
        "-*",
        &job(),
        &expect![[r"
            fails at 0..2: -* (-)
        "]],
    );
}

#[test]
fn values_of_one_field_are_told_apart() {
    let tweet = json!({"id_str": "1", "text": "#a #b #b", "entities": {"hashtags": [
        {"text": "a", "indices": [0, 2]}, {"text": "b", "indices": [3, 5]}, {"text": "B", "indices": [6, 8]}]}});
    check(
        "#b",
        &tweet,
        &expect![[r##"
            #b (hashtag); entities.hashtags[1].text[0..1] "b"; text[3..5] "#b"; entities.hashtags[2].text[0..1] "B"; text[6..8] "#b"
        "##]],
    );
}

#[test]
fn what_is_told_is_bounded() {
    let tweet = read(&json!({"id_str": "1", "text": "a ".repeat(1_000)}));
    let explainer = Explainer::new(&tweet);
    for query in ["a", "a*", "\"a a\"", "\"a a\"~3", "\"a a a a a a a a a a a a a a a a a a\"~9"] {
        let explained = explainer.explain(&parse(query));
        assert!(explained.matches() && explained.parts[0].ranges.len() <= MAX_FOUND, "{query}");
    }
}

/// The page highlights the words of a text by itself. Both share the common cases.
#[test]
fn the_page_marks_what_is_explained() {
    let cases: Vec<(String, String, Vec<String>)> =
        serde_json::from_str(include_str!("../../../web/tests/marks.json")).expect("cases");
    assert!(cases.len() > 10);
    for (query, text, marked) in cases {
        let tweet = read(&json!({"id_str": "1", "text": text}));
        let explained = Explainer::new(&tweet).explain(&parse(&query));
        let mut places: Vec<_> =
            explained.parts.iter().flat_map(|part| &part.ranges).filter(|it| it.at == "text").collect();
        places.sort_by_key(|place| place.range.start);
        let mut words: Vec<_> = places
            .iter()
            .flat_map(|place| {
                let words = place.text.split([' ', ',']).filter(|word| !word.is_empty());
                words.map(|word| (place.range.start + (word.as_ptr().addr() - place.text.as_ptr().addr()), word))
            })
            .collect();
        // `rust` and `#rust` may both match one hashtag.
        words.dedup_by_key(|(at, word)| *at + word.len());
        let words: Vec<&str> = words.into_iter().map(|(_, word)| word.trim_start_matches(['#', '@'])).collect();
        let marked: Vec<&str> = marked.iter().map(|word| word.trim_start_matches(['#', '@'])).collect();
        assert_eq!(words, marked, "{query} over {text}: {explained:?}");
    }
}

/// A tweet with all that makes ranges hard: HTML entities, marks, ligatures, addresses, entities.
fn tweets() -> impl Strategy<Value = Value> {
    let noise = prop::sample::select(vec![
        "&amp;",
        "caf&eacute;",
        "Rust&#33;",
        "e\u{301}t\u{e9}",
        "\u{fb01}",
        "㍿",
        "か\u{3099}",
        "#rust",
        "#日本",
        "@ann",
        "$job",
        "https://example.com/rust/jobs",
        "http://a.b/%72ust%20go",
        "RUST",
        "—",
        "\n",
    ]);
    let word = prop_oneof![3 => prop::sample::select(WORDS), 2 => noise];
    let glue = prop::sample::select(vec![" ", " ", " ", ", ", "", "-"]);
    let text = prop::collection::vec((word, glue), 1..12)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, glue)| [word, glue]).collect::<String>())
        .prop_filter("not blank", |text| !text.trim().is_empty());
    let lang = prop::sample::select(vec!["en", "de"]);
    let name = prop::sample::select(vec!["rust &amp; go", "job", ""]);
    (text, lang, name, 0..8_u64).prop_map(|(text, lang, name, followers)| {
        json!({
            "id_str": "5", "text": text, "lang": lang,
            "user": {"name": name, "screen_name": "ann", "followers_count": followers},
        })
    })
}

/// Whether a part matches the text of a range.
fn asks_for(part: &ExplainedPart, place: &MatchRange) -> bool {
    let schema = Schema::tweet();
    let query = parse(&part.query);
    let field = schema.find(part.field.expect("a place has a field")).expect("it is the field's name");
    let mut builder = DocBuilder::new(schema);
    // In the text, an entity has its sign.
    let text =
        if place.at == "text" && schema.field(field).kind == Kind::Keyword { &place.text[1..] } else { &place.text };
    builder.text(field, &crate::tweet::decode(text));
    let doc = builder.doc();
    match query.ast() {
        Ast::Phrase(phrase) if phrase.slop > 0 => doc.field_tokens(field).iter().any(|token| {
            let term = doc.term(token);
            let last = phrase.terms.last().filter(|_| phrase.last_is_prefix);
            phrase.terms.iter().any(|it| it == term) || last.is_some_and(|last| term.starts_with(last.as_str()))
        }),
        ast => matches(ast, doc),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_local_rejects: u32::MAX, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn places_cut_out_what_was_asked_for(ast in ast(), tweet in tweets()) {
        let query = Query::from_ast(ast, Schema::tweet(), &QueryLimits::default()).expect("it is checked");
        let tweet = read(&tweet);
        let json: Value = serde_json::from_str(&tweet.to_json()).expect("JSON");
        let explainer = Explainer::new(&tweet);
        let explained = explainer.explain(&query);
        prop_assert_eq!(explained.matches(), matches(query.ast(), explainer.doc()));
        let excluded = explained.failed.iter().flat_map(|failed| &failed.excluded);
        for part in explained.parts.iter().chain(excluded) {
            for place in &part.ranges {
                prop_assert_eq!(text_at(&json, &place.at).get(place.range.clone()), Some(&*place.text));
                // The text has an address in another form.
                if place.at != "text" || part.field != Some("url") {
                    prop_assert!(asks_for(part, place), "{:?} of {}", place, part.query);
                }
            }
        }
    }
}

#[test]
fn a_tag_is_compared_as_it_is_folded() {
    assert_eq!(fold("Ｒust"), fold("rust"));
    let tweet =
        json!({"id_str": "1", "text": "＃Ｒust", "entities": {"hashtags": [{"text": "Rust", "indices": [0, 5]}]}});
    check(
        "#rust",
        &tweet,
        &expect![[r#"
            #rust (hashtag); entities.hashtags[0].text[0..4] "Rust"; text[0..9] "＃Ｒust"
        "#]],
    );
}

#[test]
fn words_of_a_redirect_and_of_further_languages_are_where_they_stand() {
    let mut tweet = job();
    tweet["entities"]["urls"][0]["unwound_url"] = json!("https://landing.example.org/offer");
    tweet["langs"] = json!(["en", "de"]);
    check(
        "url:landing lang:de",
        &tweet,
        &expect![[r#"
            lang:de (lang); langs[1][0..2] "de"
            url:landing (url); entities.urls[0].unwound_url[8..15] "landing"; text[50..63] "http://t.co/x"
        "#]],
    );
}
