//! Random documents and queries, made so that matches are frequent.

use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::doc::{Doc, DocBuilder, Point};
use crate::query::{Ast, GeoBox, GeoCircle, Phrase};
use crate::schema::tweet::{COORDINATES, CREATED, FOLLOWERS, HAS, HASHTAG, ID, LANG, RETWEETS, TEXT, URL, USER_NAME};
use crate::schema::{FieldId, Schema};

const WORDS: &[&str] = &["a", "b", "c", "ab", "abc", "ba", "größe", "日本"];
const KEYWORDS: &[&str] = &["de", "en", "ja", "den", "two words", "Ä"];

fn words(max: usize) -> impl Strategy<Value = String> {
    vec(select(WORDS), 0..max).prop_map(|words| words.join(" "))
}

fn point() -> impl Strategy<Value = Point> {
    // -180 and 180 are the same meridian and different numbers.
    let lon = prop_oneof![select(&[-180.0, 180.0, 0.0, -0.0, 13.4][..]), -180.0..180.0_f64];
    (lon, -90.0..=90.0_f64).prop_map(|(lon, lat)| Point { lon, lat })
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -3..12_i64, 1 => select(&[i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX][..])]
}

prop_compose! {
    /// A document; its id field holds `id`.
    pub fn doc(id: i64)(
        texts in vec(words(9), 0..3),
        name in words(3),
        urls in vec(select(&["https://a.b.example/c", "http://abc.example/a/b"][..]), 0..2),
        tags in vec(select(KEYWORDS), 0..3),
        lang in proptest::option::of(select(KEYWORDS)),
        followers in vec(number(), 0..2),
        retweets in vec(number(), 0..3),
        created in proptest::option::of(number()),
        points in vec(point(), 0..3),
    ) -> Doc {
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.integer(ID, id);
        for text in &texts {
            builder.text(TEXT, text);
        }
        builder.text(USER_NAME, &name);
        for url in &urls {
            builder.text(URL, url);
        }
        for tag in &tags {
            builder.text(HASHTAG, tag);
        }
        if let Some(lang) = lang {
            builder.text(LANG, lang);
        }
        for &number in &followers {
            builder.integer(FOLLOWERS, number);
        }
        for &number in &retweets {
            builder.integer(RETWEETS, number);
        }
        if let Some(number) = created {
            builder.integer(CREATED, number);
        }
        for &point in &points {
            builder.point(COORDINATES, point);
        }
        if !tags.is_empty() {
            builder.text(HAS, "hashtags");
        }
        builder.finish()
    }
}

fn field(of: &'static [FieldId]) -> impl Strategy<Value = FieldId> {
    select(of)
}

fn bound() -> impl Strategy<Value = Bound<i64>> {
    prop_oneof![
        1 => Just(Bound::Unbounded),
        2 => number().prop_map(Bound::Included),
        2 => number().prop_map(Bound::Excluded),
    ]
}

fn leaf() -> impl Strategy<Value = Ast> {
    let in_words = || field(&[TEXT, TEXT, USER_NAME, URL]);
    let in_terms = || field(&[TEXT, TEXT, USER_NAME, HASHTAG, LANG, HAS]);
    let term = || prop_oneof![select(WORDS), select(KEYWORDS)].prop_map(|term| crate::text::fold(term).into_owned());
    prop_oneof![
        Just(Ast::All),
        Just(Ast::None),
        (in_terms(), term()).prop_map(|(field, term)| Ast::Term { field, term }),
        (in_words(), vec(select(WORDS), 1..5), prop_oneof![Just(0), 0_u32..6], any::<bool>()).prop_map(
            |(field, terms, slop, last_is_prefix)| {
                let terms = terms.into_iter().map(|term| crate::text::fold(term).into_owned()).collect();
                Ast::Phrase(Phrase { field, terms, slop, last_is_prefix })
            }
        ),
        (in_terms(), "[ab]{0,2}").prop_map(|(field, prefix)| Ast::Prefix { field, prefix }),
        (in_terms(), "[abde?*]{1,4}").prop_map(|(field, pattern)| Ast::Wildcard { field, pattern }),
        (in_terms(), "(a|b|\\.|[a-c]|d){1,2}(b\\?|\\.\\*|n)?")
            .prop_map(|(field, pattern)| Ast::Regex { field, pattern: pattern.into() }),
        (in_terms(), term(), 0_u8..=2).prop_map(|(field, term, distance)| Ast::Fuzzy { field, term, distance }),
        (field(&[FOLLOWERS, RETWEETS, CREATED]), bound(), bound()).prop_map(|(field, lower, upper)| Ast::Range {
            field,
            lower,
            upper
        }),
        field(&[TEXT, USER_NAME, URL, HASHTAG, LANG, FOLLOWERS, RETWEETS, CREATED, COORDINATES])
            .prop_map(|field| Ast::Exists { field }),
        (point(), point()).prop_map(|(a, b)| Ast::Within {
            field: COORDINATES,
            bounds: GeoBox { west: a.lon, south: a.lat.min(b.lat), east: b.lon, north: a.lat.max(b.lat) },
        }),
        (point(), 0.0..10_000_000.0_f64).prop_map(|(point, meters)| Ast::Near {
            field: COORDINATES,
            circle: GeoCircle { lon: point.lon, lat: point.lat, meters },
        }),
    ]
}

/// A query of any kind.
pub fn ast() -> impl Strategy<Value = Ast> {
    leaf().prop_recursive(3, 12, 4, |part| {
        prop_oneof![
            vec(part.clone(), 0..4).prop_map(Ast::And),
            vec(part.clone(), 0..4).prop_map(Ast::Or),
            (0_usize..5, vec(part.clone(), 0..5)).prop_map(|(min, of)| Ast::AtLeast { min, of }),
            part.prop_map(|part| Ast::Not(Box::new(part))),
        ]
    })
}
