//! Random queries and documents over the tweet schema that often match, for property tests.
//!
//! Queries have every kind of [`Ast`], over a tiny vocabulary. Leaves are like those of the parser
//! (analyzed terms, fields that can answer), so [`super::Query::from_ast`] accepts the queries.

use std::ops::Bound;

use proptest::prelude::*;

use super::{Ast, GeoBox, GeoCircle, Phrase};
use crate::doc::{Doc, DocBuilder, Point};
use crate::schema::{FieldId, Kind, Schema, tweet};

/// The words of texts. Each is its own term.
pub const WORDS: &[&str] = &["rust", "rest", "trust", "rusty", "go", "job", "jobs", "日", "本", "🚀", "a"];
const TAGS: &[&str] = &["rust", "rustlang", "job", "日本"];
const NAMES: &[&str] = &["ann", "anna", "bob", "and"];
const IDS: &[&str] = &["1", "12", "123"];
const LANGS: &[&str] = &["en", "de", "ja"];
const URLS: &[&str] = &[
    "https://example.com/rust/jobs",
    "http://blog.example.com/a",
    "https://rust-lang.org",
    "https://example.org/job?go=1",
];
const URL_TERMS: &[&str] =
    &["example.com", "blog.example.com", "rust", "jobs", "a", "rust-lang.org", "example.org", "go", "1"];

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(words).prop_map(str::to_owned)
}

fn one_value(values: &'static [(&'static str, &'static [&'static str])]) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(values).prop_map(|(name, _)| name.to_owned())
}

/// A field with terms, and a term that it may have.
fn term() -> impl Strategy<Value = (FieldId, String)> + Clone {
    prop_oneof![
        6 => (Just(tweet::TEXT), one_of(WORDS)),
        1 => (Just(tweet::USER_NAME), one_of(WORDS)),
        2 => (Just(tweet::URL), one_of(URL_TERMS)),
        2 => (Just(tweet::HASHTAG), one_of(TAGS)),
        1 => (Just(tweet::CASHTAG), one_of(TAGS)),
        1 => (prop::sample::select(vec![tweet::MENTION, tweet::SCREEN_NAME, tweet::REPLY_TO]), one_of(NAMES)),
        1 => (Just(tweet::LANG), one_of(LANGS)),
        1 => (Just(tweet::HAS), one_value(tweet::Has::NAMES)),
        1 => (Just(tweet::IS), one_value(tweet::Is::NAMES)),
        1 => (prop::sample::select(vec![tweet::PLACE, tweet::BIO, tweet::ALT, tweet::QUOTED]), one_of(WORDS)),
        1 => (prop::sample::select(vec![tweet::RETWEETS_OF, tweet::QUOTES_OF, tweet::COUNTRY]), one_of(NAMES)),
        1 => (prop::sample::select(vec![
            tweet::CONVERSATION_ID, tweet::REPLY_TO_TWEET, tweet::USER_ID, tweet::REPLY_TO_USER,
        ]), one_of(IDS)),
        1 => (Just(tweet::SOURCE), one_value(tweet::Network::NAMES)),
    ]
}

/// A field with numbers, and one of a few numbers.
fn value() -> impl Strategy<Value = (FieldId, i64)> + Clone {
    (
        prop::sample::select(vec![
            tweet::ID,
            tweet::FOLLOWERS,
            tweet::RETWEETS,
            tweet::FAVORITES,
            tweet::CREATED,
            tweet::REPLIES,
            tweet::QUOTES,
            tweet::SAMPLE,
        ]),
        -3..8_i64,
    )
}

fn bound(value: impl Strategy<Value = i64> + Clone) -> impl Strategy<Value = Bound<i64>> {
    prop_oneof![Just(Bound::Unbounded), value.clone().prop_map(Bound::Included), value.prop_map(Bound::Excluded),]
}

fn place() -> impl Strategy<Value = Point> + Clone {
    let lon = prop::sample::select(vec![-180.0, -179.5, -0.5, 0.0, 13.4, 179.9, 180.0]);
    let lat = prop::sample::select(vec![-90.0, -17.0, 0.0, 51.5, 52.5, 90.0]);
    (lon, lat).prop_map(|(lon, lat)| Point { lon, lat })
}

/// The term with a part replaced by wildcards.
fn wildcard() -> impl Strategy<Value = Ast> {
    (term(), any::<prop::sample::Index>(), prop::sample::select(vec!["?", "*", "?*", "*?*"]), any::<bool>()).prop_map(
        |((field, term), at, sign, drop)| {
            let mut chars: Vec<String> = term.chars().map(String::from).collect();
            let at = at.index(chars.len());
            if drop {
                sign.clone_into(&mut chars[at]);
            } else {
                chars.insert(at, sign.to_owned());
            }
            Ast::Wildcard { field, pattern: chars.concat() }
        },
    )
}

fn regex() -> impl Strategy<Value = Ast> {
    let pattern = prop::sample::select(vec![
        "r[eu]st", "(t|)rust", "jobs?", ".{1,3}", "a.*", "[a-f]+", "[^r].*", "RUST", r"\d", "日|本",
    ]);
    (term(), pattern).prop_map(|((field, _), pattern)| Ast::Regex { field, pattern: pattern.into() })
}

/// One condition.
pub fn leaf() -> impl Strategy<Value = Ast> {
    let phrase = (
        prop_oneof![
            5 => (Just(tweet::TEXT), prop::collection::vec(one_of(WORDS), 2..5)),
            1 => (Just(tweet::USER_NAME), prop::collection::vec(one_of(WORDS), 2..4)),
            2 => (Just(tweet::URL), prop::collection::vec(one_of(URL_TERMS), 2..4)),
        ],
        prop_oneof![4 => Just(0_u32), 3 => 1..5_u32],
        prop_oneof![3 => Just(None), 1 => (1..3_usize).prop_map(Some)],
    )
        .prop_map(|((field, mut terms), slop, prefix)| {
            if let (Some(chars), Some(last)) = (prefix, terms.last_mut()) {
                *last = last.chars().take(chars).collect();
            }
            Ast::Phrase(Phrase { field, terms, slop, last_is_prefix: prefix.is_some() })
        });
    prop_oneof![
        1 => Just(Ast::All),
        1 => Just(Ast::None),
        12 => term().prop_map(|(field, term)| Ast::Term { field, term }),
        6 => phrase,
        3 => (term(), 1..4_usize).prop_map(|((field, term), chars)| {
            Ast::Prefix { field, prefix: term.chars().take(chars).collect() }
        }),
        3 => wildcard(),
        2 => regex(),
        3 => (term(), 0..=2_u8).prop_map(|((field, term), distance)| Ast::Fuzzy { field, term, distance }),
        4 => value().prop_flat_map(|(field, _)| (bound(-3..8_i64), bound(-3..8_i64))
            .prop_map(move |(lower, upper)| Ast::Range { field, lower, upper })),
        2 => prop::sample::select(Schema::tweet().iter().map(|(id, _)| id).collect::<Vec<_>>())
            .prop_map(|field| Ast::Exists { field }),
        1 => (place(), place()).prop_map(|(a, b)| Ast::Within {
            field: tweet::COORDINATES,
            bounds: GeoBox { west: a.lon, east: b.lon, south: a.lat.min(b.lat), north: a.lat.max(b.lat) },
        }),
        1 => (place(), prop::sample::select(vec![0.0, 1_500.0, 120_000.0, 6_000_000.5])).prop_map(|(at, meters)| Ast::Near {
            field: tweet::COORDINATES,
            circle: GeoCircle { lon: at.lon, lat: at.lat, meters },
        }),
    ]
}

/// A query of any kind, up to three levels deep.
pub fn ast() -> impl Strategy<Value = Ast> {
    leaf().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 0..4).prop_map(Ast::And),
            3 => prop::collection::vec(inner.clone(), 0..4).prop_map(Ast::Or),
            1 => (0..5_usize, prop::collection::vec(inner.clone(), 0..5))
                .prop_map(|(min, mut of)| {
                    // A repetition is no other alternative.
                    let mut seen = std::collections::HashSet::new();
                    of.retain(|part| seen.insert(super::canonical_text(part, Schema::tweet())));
                    Ast::AtLeast { min, of }
                }),
            2 => inner.prop_map(|part| Ast::Not(Box::new(part))),
        ]
    })
}

/// The values of a document, which a failing test shows.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Values of fields with terms.
    pub texts: Vec<(FieldId, String)>,
    /// Values of fields with numbers.
    pub values: Vec<(FieldId, i64)>,
    /// Values of the field with points.
    pub points: Vec<Point>,
}

impl Parts {
    /// The document.
    pub fn doc(&self) -> Doc {
        let mut builder = DocBuilder::new(Schema::tweet());
        for (field, text) in &self.texts {
            builder.text(*field, text);
        }
        for &(field, value) in &self.values {
            builder.integer(field, value);
        }
        for &point in &self.points {
            builder.point(tweet::COORDINATES, point);
        }
        builder.finish()
    }
}

/// A small document. Fields have no value, one, or several.
pub fn parts() -> impl Strategy<Value = Parts> {
    let words = prop::collection::vec(one_of(WORDS), 0..7).prop_map(|words| words.join(" "));
    let text = prop_oneof![
        (prop_oneof![4 => Just(tweet::TEXT), 1 => Just(tweet::USER_NAME)], words),
        (Just(tweet::URL), one_of(URLS)),
        term().prop_filter("keywords only", |(field, _)| Schema::tweet().field(*field).kind == Kind::Keyword),
        (prop::sample::select(vec![tweet::PLACE, tweet::BIO, tweet::ALT, tweet::QUOTED]), one_of(WORDS)),
    ];
    (prop::collection::vec(text, 0..7), prop::collection::vec(value(), 0..4), prop::collection::vec(place(), 0..2))
        .prop_map(|(texts, values, points)| Parts { texts, values, points })
}
