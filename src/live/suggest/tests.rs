use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::ids::Seq;
use crate::index::{Index, IndexOptions};
use crate::query::{Query, QueryLimits};
use crate::tweet::{SequencedTweet, analyze, read};

const TWEETS: &[&str] = &[
    r#"{"id":1,"text":"rust is fast #rustlang @bob","lang":"en","user":{"id":1,"screen_name":"Ann"}}"#,
    r#"{"id":2,"text":"rust and ruby #rustlang $TSLA","lang":"en","user":{"id":2,"screen_name":"bob"}}"#,
    r#"{"id":3,"text":"Rost #rusty","lang":"de","user":{"id":3,"screen_name":"annika.bsky.social"}}"#,
];

struct Fixture {
    _dir: TempDir,
    snapshot: Snapshot,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = TempDir::new().unwrap();
        let options = IndexOptions { dir: dir.path().to_owned(), ..IndexOptions::default() };
        let index = Index::open(&options).unwrap();
        let first = index.take_seqs(TWEETS.len()).unwrap();
        let items: Vec<SequencedTweet> = (first.0..)
            .zip(TWEETS)
            .map(|(seq, json)| SequencedTweet {
                seq: Seq(seq),
                tweet: Arc::new(analyze(&read(json.as_bytes()).unwrap())),
            })
            .collect();
        index.append(items.into(), None);
        index.commit_now().unwrap();
        Fixture { _dir: dir, snapshot: index.snapshot() }
    }

    /// The suggestions for a query with `^` at the caret.
    fn suggest(&self, text: &str) -> Vec<Suggestion> {
        let at = text.find('^').expect("a caret");
        let query = text.replacen('^', "", 1);
        let caret = Caret::read(&query, at);
        Suggester { snapshot: &self.snapshot, newest: &[], n: 10 }.items(&caret).unwrap()
    }

    /// Their texts, and counts.
    fn texts(&self, text: &str) -> Vec<String> {
        let text_of = |it: Suggestion| match it.count {
            Some(count) => format!("{} {count}", it.text),
            None => it.text,
        };
        self.suggest(text).into_iter().map(text_of).collect()
    }
}

#[test]
fn names_words_and_values_are_completed() {
    let fixture = Fixture::new();
    for (text, expected) in [
        ("ru^", &["rust 2", "rustlang 2", "ruby 1", "rusty 1"][..]),
        ("jobs OR ru^", &["rust 2", "rustlang 2", "ruby 1", "rusty 1"]),
        ("\"ru^\"", &["rust 2", "rustlang 2", "ruby 1", "rusty 1"]),
        ("text:RU^", &["rust 2", "rustlang 2", "ruby 1", "rusty 1"]),
        ("r^", &["retweets:", "retweets_of:", "replies:"]),
        ("lan^", &["lang:"]),
        ("fr^", &["from:"]),
        ("\"fr^", &[]),
        ("#ru^", &["#rustlang 2", "#rusty 1"]),
        ("-#RUSTL^", &["#rustlang 2"]),
        ("hashtag:^", &["rustlang 2", "rusty 1"]),
        ("$t^", &["$tsla 1"]),
        ("@b^", &["@bob 1"]),
        ("from:@an^", &["ann 1", "annika.bsky.social 1"]),
        ("from:(bob OR annika.^", &["annika.bsky.social 1"]),
        ("lang:e^", &["en 2", "el 0", "eo 0", "es 0", "et 0", "eu 0"]),
        ("lang:germ^", &["de 1"]),
        ("lang:(en OR jap^", &["ja 0"]),
        ("has:ha^", &["hashtags 3"]),
        ("has:geo^", &["coordinates 0"]),
        ("filter:re^", &["retweet 0", "reply 0"]),
        ("is:q^", &["quote 0"]),
        ("since:2^", &[]),
        ("https://ru^", &[]),
        ("nonsense:ru^", &[]),
        ("ru*^", &[]),
    ] {
        assert_eq!(fixture.texts(text), expected, "{text}");
    }
    assert_eq!(fixture.suggest("lang:ger^")[0].help, Some("German"));
    let names = fixture.suggest("^");
    assert!(names.len() == 10 && names.iter().all(|it| it.kind == SuggestionKind::Name && it.help.is_some()));
}

#[test]
fn each_suggestion_makes_a_query() {
    let fixture = Fixture::new();
    for text in
        ["ru^", "from:a^", "#r^", "$t^", "@b^", "lang:^", "has:^", "filter:^", "is:^", "hashtag:r^", "mention:b^"]
    {
        for Suggestion { text: suggested, .. } in fixture.suggest(text) {
            let at = text.find('^').expect("a caret");
            let query = text.replacen('^', "", 1);
            let range = Caret::read(&query, at).range;
            let completed = format!("{}{suggested}{}", &query[..range.start], &query[range.end..]);
            let parsed = Query::parse(&completed, Schema::tweet(), &QueryLimits::default());
            assert!(parsed.is_ok(), "{text}: {completed}");
        }
    }
}

#[test]
fn a_value_with_signs_is_quoted() {
    assert_eq!(quoted("annika.bsky.social", false), "annika.bsky.social");
    assert_eq!(quoted("a b", false), "\"a b\"");
    assert_eq!(quoted("a\"b", false), "\"a\\\"b\"");
    assert_eq!(quoted("a b", true), "a b");
}

#[test]
fn places_are_utf_16_units() {
    for (at, byte) in [(0, 0), (1, 4), (2, 4), (3, 5), (99, 6)] {
        assert_eq!(byte_of_utf16("😀ab", at), byte, "{at}");
    }
}
