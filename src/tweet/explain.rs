//! Why a tweet matches a query: the ranges of the matching words in its JSON.
//!
//! A range is the path of a string in the tweet as perch stores and sends it ([`Tweet::to_json`]),
//! and UTF-8 bytes of that string as it is there, with `&amp;` and the like. A word of an entity
//! has a range in the entity and, if the tweet has the indices of the entity, one in `text`.

use std::borrow::Cow;
use std::ops::Range;

use super::{Indices, TextOrigin, TextSource, Tweet, raw_range};
use crate::doc::{Doc, DocBuilder};
use crate::explain::{Found, MAX_FOUND, Part, explain};
use crate::query::{Query, show_value};
use crate::schema::{FieldId, Kind, Schema};
use crate::text::fold;

/// Why a tweet matches a query, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The parts that hold. Empty if the tweet does not match.
    pub parts: Vec<ExplainedPart>,
    /// The first part that fails. None if the tweet matches.
    pub failed: Option<FailedPart>,
}

impl Explained {
    /// Whether the tweet matches.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.failed.is_none()
    }
}

/// A part that holds, or an exclusion that the tweet violates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedPart {
    /// The part in canonical form.
    pub query: String,
    /// The name of the field.
    pub field: Option<&'static str>,
    /// The ranges of the words.
    pub ranges: Vec<MatchRange>,
    /// Values that are in no text: numbers, dates, coordinates (longitude, latitude), the names of
    /// `has:` and `is:`.
    pub values: Vec<String>,
}

/// A range of a text of the tweet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatchRange {
    /// The path of the text in the tweet's JSON: `text`, `entities.hashtags[0].text`.
    pub at: String,
    /// The range in UTF-8 bytes.
    pub range: Range<usize>,
    /// The text of the range.
    pub text: String,
}

/// The first part that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedPart {
    /// The part in canonical form.
    pub query: String,
    /// The bytes of the part in the query's canonical form.
    pub range: Range<usize>,
    /// The name of the field.
    pub field: Option<&'static str>,
    /// For an exclusion: what the tweet has of it.
    pub excluded: Vec<ExplainedPart>,
    /// What the tweet has in the field instead. Empty for texts and addresses.
    pub instead: Vec<String>,
}

/// Explains any number of queries on one tweet.
pub struct Explainer<'a> {
    tweet: &'a Tweet,
    doc: Doc,
    texts: Vec<Text<'a>>,
}

/// A text of the tweet, and the terms of its field that come from it.
struct Text<'a> {
    source: TextSource<'a>,
    tokens: Range<usize>,
}

impl<'a> Explainer<'a> {
    /// Analyzes a tweet.
    #[must_use]
    pub fn new(tweet: &'a Tweet) -> Explainer<'a> {
        let schema = Schema::tweet();
        let (mut builder, mut alone) = (DocBuilder::new(schema), DocBuilder::new(schema));
        tweet.analyze(&mut builder);
        let mut texts: Vec<Text<'a>> = Vec::new();
        tweet.texts(|source| {
            alone.clear();
            alone.text(source.field, &source.text);
            let start = texts.iter().rfind(|text| text.source.field == source.field).map_or(0, |text| text.tokens.end);
            let end = start + alone.doc().tokens().len();
            texts.push(Text { source, tokens: start..end });
        });
        Explainer { tweet, doc: builder.finish(), texts }
    }

    /// The analyzed tweet.
    #[must_use]
    pub fn doc(&self) -> &Doc {
        &self.doc
    }

    /// Explains why the tweet matches a query, or why not.
    #[must_use]
    pub fn explain(&self, query: &Query) -> Explained {
        let explanation = explain(query, &self.doc, Schema::tweet());
        let parts = |parts: Vec<Part>| parts.into_iter().map(|part| self.part(part)).collect();
        Explained {
            parts: parts(explanation.parts),
            failed: explanation.failed.map(|failed| FailedPart {
                query: failed.text,
                range: failed.at,
                field: failed.field.map(name),
                instead: match failed.field {
                    Some(field) if failed.excluded.is_empty() => self.values(field),
                    _ => Vec::new(),
                },
                excluded: parts(failed.excluded),
            }),
        }
    }

    fn part(&self, part: Part) -> ExplainedPart {
        let (mut ranges, mut values) = (Vec::new(), Vec::new());
        if let Some(field) = part.field {
            for found in &part.found {
                match found {
                    Found::Terms(terms) => self.locate(field, terms.clone(), &mut ranges, &mut values),
                    &Found::Value(value) => values.push(show_value(value, Schema::tweet().field(field).kind)),
                    Found::Point(point) => values.push(format!("{} {}", point.lon, point.lat)),
                }
            }
        }
        // Two terms of one address, or of one percent-encoded path, have the same range.
        let mut seen = std::collections::HashSet::new();
        ranges.retain(|place| seen.insert(place.clone()));
        ExplainedPart { query: part.text, field: part.field.map(name), ranges, values }
    }

    /// Appends the ranges of terms.
    fn locate(&self, field: FieldId, terms: Range<usize>, ranges: &mut Vec<MatchRange>, values: &mut Vec<String>) {
        let tokens = &self.doc.field_tokens(field)[terms.clone()];
        let start = tokens.iter().map(|token| token.span.0).min().unwrap_or(0) as usize;
        let end = tokens.iter().map(|token| token.span.1).max().unwrap_or(0) as usize;
        let of_field = |text: &&Text<'_>| text.source.field == field && text.tokens.contains(&terms.start);
        let Some(Text { source, .. }) = self.texts.iter().find(of_field) else { return };
        let Some(at) = path(source.origin) else {
            values.push(source.raw.to_owned());
            return;
        };
        let range = match source.text {
            Cow::Owned(_) => raw_range(source.raw, start..end),
            Cow::Borrowed(_) => start..end,
        };
        ranges.push(MatchRange { at, text: source.raw[range.clone()].to_owned(), range });
        ranges.extend(self.in_text(source.origin));
    }

    /// The range of an entity in the text, if the tweet has right indices.
    fn in_text(&self, origin: TextOrigin) -> Option<MatchRange> {
        let entities = &self.tweet.entities;
        let is_signed =
            |it: &str, wanted: &str| it.chars().next().is_some_and(|sign| fold(&it[sign.len_utf8()..]) == fold(wanted));
        let place = |indices: Indices, is_it: &dyn Fn(&str) -> bool| {
            let [start, end] = indices?;
            let text = &self.tweet.text;
            let byte = |at: u32| {
                let places = text.char_indices().map(|(byte, _)| byte).chain([text.len()]);
                places.clone().nth(at as usize)
            };
            let range = byte(start)?..byte(end)?;
            let it = text.get(range.clone()).filter(|it| is_it(it))?.to_owned();
            Some(MatchRange { at: "text".to_owned(), range, text: it })
        };
        match origin {
            TextOrigin::Url(at) | TextOrigin::UnwoundUrl(at) => {
                place(entities.urls[at].indices, &|it| it == entities.urls[at].url)
            }
            TextOrigin::Hashtag(at) => {
                let tag = &entities.hashtags[at];
                place(tag.indices, &|it| is_signed(it, &tag.text))
            }
            TextOrigin::Cashtag(at) => {
                let tag = &entities.symbols[at];
                place(tag.indices, &|it| is_signed(it, &tag.text))
            }
            TextOrigin::Mention(at) => {
                let mention = &entities.user_mentions[at];
                place(mention.indices, &|it| is_signed(it, &mention.screen_name))
            }
            _ => None,
        }
    }

    /// The values of a field that is no text.
    fn values(&self, field: FieldId) -> Vec<String> {
        let kind = Schema::tweet().field(field).kind;
        match kind {
            Kind::Text | Kind::Url => Vec::new(),
            Kind::Keyword => {
                let tokens = self.doc.field_tokens(field).iter();
                tokens.map(|token| self.doc.term(token).to_owned()).take(MAX_FOUND).collect()
            }
            Kind::Integer | Kind::Float | Kind::Date => {
                let values = self.doc.values().iter().filter(|(of, _)| *of == field);
                values.map(|&(_, value)| show_value(value, kind)).collect()
            }
            Kind::Point => {
                let points = self.doc.points().iter().filter(|(of, _)| *of == field);
                points.map(|(_, point)| format!("{} {}", point.lon, point.lat)).collect()
            }
        }
    }
}

fn name(field: FieldId) -> &'static str {
    &Schema::tweet().field(field).name
}

/// The path of a text in the tweet's JSON.
fn path(origin: TextOrigin) -> Option<String> {
    Some(match origin {
        TextOrigin::Text => "text".to_owned(),
        TextOrigin::UserName => "user.name".to_owned(),
        TextOrigin::Url(at) => format!("entities.urls[{at}].expanded_url"),
        TextOrigin::UnwoundUrl(at) => format!("entities.urls[{at}].unwound_url"),
        TextOrigin::Hashtag(at) => format!("entities.hashtags[{at}].text"),
        TextOrigin::Mention(at) => format!("entities.user_mentions[{at}].screen_name"),
        TextOrigin::Cashtag(at) => format!("entities.symbols[{at}].text"),
        TextOrigin::Lang => "lang".to_owned(),
        TextOrigin::LangAt(at) => format!("langs[{at}]"),
        TextOrigin::ScreenName => "user.screen_name".to_owned(),
        TextOrigin::ReplyTo => "in_reply_to_screen_name".to_owned(),
        TextOrigin::Alt(at) => format!("entities.media[{at}].ext_alt_text"),
        TextOrigin::At(path) => path.to_owned(),
        TextOrigin::Derived => return None,
    })
}

#[cfg(test)]
mod tests;
