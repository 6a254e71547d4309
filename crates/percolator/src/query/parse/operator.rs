//! Operators of X's search, and of Google's, that are no field of a tweet.

use super::{Ast, FieldId, LeafError, Parser, RangeBound, Word};
use crate::schema::{Kind, Schema};

/// An operator before a colon that is no field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// The first date or number: `since:`, `min_retweets:`.
    From(FieldId),
    /// The date or number behind the last: `until:`, `until_id:`.
    Before(FieldId),
    /// The number before the first: `since_id:`.
    Above(FieldId),
    /// The last number: `max_id:`.
    AtMost(FieldId),
    /// Another name of a field.
    Field(FieldId),
    /// `filter:links`: a value of `has` or `is`.
    Filter,
    /// `exclude:replies`
    Exclude,
    /// `include:nativeretweets`, which asks for what perch does anyway.
    Include,
    Within,
    Near,
    Geocode,
    /// A share of all tweets, in percent.
    Sample(FieldId),
    /// `_exists_:lang`
    Exists,
    /// `_missing_:lang`
    Missing,
    /// An operator that perch can't answer, and why.
    Refused(&'static str),
}

/// Operators that perch refuses, each with the reason and what to write.
const REFUSED: &[(&[&str], &str)] = &[
    (&["url_title", "url_description"], "perch keeps no titles of the pages that tweets link to; search for url:word"),
    (&["context", "entity"], "perch does not annotate tweets; search for the words of the subject"),
    (&["list"], "perch knows no lists of users; name them: from:(ann OR bob)"),
    (&["card_name", "card_domain", "card_url"], "perch keeps no cards; search for url:example.com"),
    (&["community", "trends"], "perch keeps no such thing; search for words or hashtags"),
    (
        &["inanchor", "intitle", "allintitle", "cache", "related", "filetype", "ext"],
        "this is for pages; tweets have text:, url: and from:",
    ),
];

/// The value that no tweet has which perch gets, so that excluding it is redundant.
const NEVER: &str = "nullcast";

/// Values of `filter:` and `is:` that perch refuses.
const REFUSED_VALUES: &[(&str, &str)] = &[
    ("nullcast", "perch gets no promoted-only tweets: leave it out"),
    ("safe", "perch does not judge tweets: leave it out, or exclude words"),
    ("follows", "perch does not know whom you follow; name them: from:(ann OR bob)"),
    ("social", "perch does not know whom you follow; name them: from:(ann OR bob)"),
    ("trusted", "perch does not judge users; name them: from:(ann OR bob)"),
    ("news", "perch does not know which links are news; name them: url:example.com"),
    ("spaces", "perch keeps no Spaces; search for url:twitter.com/i/spaces"),
    ("periscope", "perch keeps no broadcasts; search for url:pscp.tv"),
    ("vine", "perch keeps no Vines; search for url:vine.co"),
];

impl Operator {
    /// The operator with a name, if the schema has what it asks for.
    pub(super) fn find(name: &str, schema: &Schema) -> Option<Operator> {
        let name = name.to_ascii_lowercase();
        let field = |name: &str| schema.find(name);
        let is_sample = name == "sample" && field("sample").is_some();
        if !is_sample && field(&name).is_some() {
            return None;
        }
        let date = || {
            let created = ["created_at", "created"].iter().find_map(|name| schema.find(name));
            created
                .filter(|&id| schema.field(id).kind == Kind::Date)
                .or_else(|| schema.iter().find(|(_, field)| field.kind == Kind::Date).map(|(id, _)| id))
        };
        let place = || schema.iter().any(|(_, field)| field.kind == Kind::Point);
        let in_place = |operator| place().then_some(operator);
        Some(match name.as_str() {
            "since" | "after" | "since_time" | "start_time" => Operator::From(date()?),
            "until" | "before" | "until_time" | "end_time" => Operator::Before(date()?),
            "since_id" => Operator::Above(field("id")?),
            "max_id" => Operator::AtMost(field("id")?),
            "until_id" => Operator::Before(field("id")?),
            "min_retweets" => Operator::From(field("retweet_count")?),
            "min_faves" | "min_likes" | "min_favorites" => Operator::From(field("favorite_count")?),
            "min_replies" => Operator::From(field("reply_count")?),
            "min_quotes" => Operator::From(field("quote_count")?),
            "site" | "inurl" | "domain" | "url_contains" => Operator::Field(field("url")?),
            "retweets_of_user" => Operator::Field(field("retweets_of")?),
            "author" | "user" | "username" => Operator::Field(field("from")?),
            "intext" => Operator::Field(schema.default_field()),
            "tag" => Operator::Field(field("hashtag")?),
            "language" => Operator::Field(field("lang")?),
            "date" => Operator::Field(date()?),
            "filter" if field("has").is_some() => Operator::Filter,
            "exclude" if field("has").is_some() => Operator::Exclude,
            "include" if field("has").is_some() => Operator::Include,
            "within" | "bounding_box" => in_place(Operator::Within)?,
            "near" | "point_radius" => in_place(Operator::Near)?,
            "geocode" => in_place(Operator::Geocode)?,
            "sample" => Operator::Sample(field("sample")?),
            "_exists_" => Operator::Exists,
            "_missing_" => Operator::Missing,
            name if field("has").is_some() => {
                let refused = REFUSED.iter().find(|(names, _)| names.contains(&name))?;
                Operator::Refused(refused.1)
            }
            _ => return None,
        })
    }
}

impl Parser<'_, '_, '_> {
    /// Parses the value of an operator.
    pub(super) fn operator_value(&mut self, operator: Operator, name: &Word) -> Option<Ast> {
        match operator {
            Operator::From(field) => self.bound(field, true, true),
            Operator::Before(field) => self.bound(field, false, false),
            Operator::Above(field) => self.bound(field, true, false),
            Operator::AtMost(field) => self.bound(field, false, true),
            Operator::Field(field) => self.value(field),
            Operator::Within if self.peeks_radius() => self.within_radius(name),
            Operator::Within => self.within(name, None),
            Operator::Near => self.near(name, None),
            Operator::Geocode => self.geocode(name),
            Operator::Sample(field) => self.sample(field),
            Operator::Filter => self.filter(name),
            Operator::Exclude => self.filter(name).map(|ast| Ast::Not(Box::new(ast))),
            Operator::Include => {
                self.word();
                self.leave_out_redundant(name.span.start..self.pos)
            }
            Operator::Exists | Operator::Missing => {
                let (span, text) = self.literal();
                let built = self.builder.field(&text).and_then(|field| self.builder.exists(field));
                let ast = self.leaf(span, built)?;
                Some(if operator == Operator::Missing { Ast::Not(Box::new(ast)) } else { ast })
            }
            Operator::Refused(reason) => {
                let problem = LeafError::new(format!("`{}:` can't be answered", name.text())).expected(reason);
                self.skip_value();
                self.report(name.span.clone(), problem);
                Some(Ast::None)
            }
        }
    }

    /// Parses `since:2024-01-01`, `max_id:5` and the like.
    fn bound(&mut self, field: FieldId, is_lower: bool, included: bool) -> Option<Ast> {
        let (span, text) = self.literal();
        let end = Some(RangeBound { text: &text, included });
        let built = if is_lower { self.builder.range(field, end, None) } else { self.builder.range(field, None, end) };
        self.leaf(span, built)
    }

    /// Parses `sample:10`, the tweets whose hash falls into the first tenth.
    fn sample(&mut self, field: FieldId) -> Option<Ast> {
        if self.peek().is_some_and(|char| "<>=[{(*".contains(char)) {
            return self.value(field);
        }
        let (span, text) = self.literal();
        let built = match text.trim_end_matches('%').parse::<i64>() {
            Ok(100) => Ok(Ast::All),
            Ok(percent @ 1..100) => {
                let end = percent.to_string();
                self.builder.range(field, None, Some(RangeBound { text: &end, included: false }))
            }
            _ => Err(LeafError::new(format!("`{text}` is no percentage")).expected("expected sample:1 to sample:100")),
        };
        self.leaf(span, built)
    }

    /// Parses the value of `filter:`.
    fn filter(&mut self, name: &Word) -> Option<Ast> {
        let (span, text) = self.literal();
        let value = text.to_ascii_lowercase();
        if let Some(problem) = refused_value(&value) {
            return self.refuse_value(name, span, problem);
        }
        let schema = self.builder.schema;
        let fields = ["has", "is"].into_iter().filter_map(|name| schema.find(name));
        let values = fields.flat_map(|id| schema.field(id).values.iter().map(move |it| (id, it)));
        let known = values.clone().find(|(_, it)| it.name == value || it.aliases.contains(&value));
        let built = if let Some((field, it)) = known {
            self.builder.text(field, &it.name, 0, false)
        } else {
            let names: Vec<&str> = values.map(|(_, it)| &*it.name).collect();
            Err(LeafError::new(format!("`filter:` knows no `{text}`"))
                .expected(format!("expected one of {}", names.join(", "))))
        };
        self.leaf(span, built)
    }

    /// Reports a value that perch refuses. One that perch gets no tweets of is left out where it is
    /// excluded.
    fn refuse_value(&mut self, name: &Word, span: std::ops::Range<usize>, problem: LeafError) -> Option<Ast> {
        let before = self.text[..name.span.start].trim_end();
        let is_excluded = before.ends_with(['-', '!']) || before.ends_with("NOT");
        if is_excluded && self.text[span.clone()].eq_ignore_ascii_case(NEVER) {
            return self.leave_out_redundant(name.span.start..self.pos);
        }
        self.report(span, problem);
        Some(Ast::None)
    }

    /// Parses the value of a field. A value of `is:` that perch refuses is reported.
    pub(super) fn value_or_refusal(&mut self, name: &Word, field: FieldId) -> Option<Ast> {
        if self.builder.schema.field(field).name == "is" {
            let before = self.pos;
            let (span, text) = self.literal();
            if let Some(problem) = refused_value(&text.to_ascii_lowercase()) {
                return self.refuse_value(name, span, problem);
            }
            self.pos = before;
        }
        self.value(field)
    }
}

fn refused_value(value: &str) -> Option<LeafError> {
    let (name, reason) = REFUSED_VALUES.iter().find(|(name, _)| *name == value)?;
    Some(LeafError::new(format!("`{name}` can't be answered")).expected(*reason))
}
