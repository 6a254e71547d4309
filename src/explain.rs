//! Why a document matches a query, part by part, and why not.
//!
//! ```text
//! Query + Doc ──> Explanation: the parts that hold, each with the terms and values by which it does; or the first part that fails
//! ```
//!
//! Nobody waits for this while tweets come in: it is made on request, for one query and one
//! document, and looks at every term where matching stops at the first. It says of every query what
//! [`crate::query::matches`] says of it, which a property test holds it to. What the places in a
//! [`Doc`] are in the tweet that it was made from is said by [`tweet`].
//!
//! ```
//! use perch::doc::DocBuilder;
//! use perch::explain::{Found, explain};
//! use perch::query::{Query, QueryLimits};
//! use perch::schema::{Kind, Schema};
//!
//! let mut schema = Schema::new();
//! let body = schema.add("body", Kind::Text, &[]);
//! let query = Query::parse("\"racing bike\" OR unicycle", &schema, &QueryLimits::default())?;
//! let text = "An old racing bike";
//! let mut builder = DocBuilder::new(&schema);
//! builder.text(body, text);
//!
//! let explanation = explain(&query, builder.doc(), &schema);
//! assert!(explanation.matches());
//! let [part] = explanation.parts.as_slice() else { panic!("one branch holds") };
//! assert_eq!(part.text, "\"racing bike\"");
//! let [Found::Terms(terms)] = part.found.as_slice() else { panic!("it stands there once") };
//! let tokens = &builder.doc().field_tokens(body)[terms.clone()];
//! assert_eq!(&text[tokens[0].span.0 as usize..tokens[1].span.1 as usize], "racing bike");
//! # Ok::<(), perch::query::Diagnostics>(())
//! ```

use std::ops::{Range, RangeBounds as _};

use crate::doc::{Doc, Point};
use crate::matcher::{self, phrase};
use crate::query::{Ast, Phrase, Query, canonical_text};
use crate::schema::{FieldId, Kind, Schema};

pub mod tweet;

/// So many places are told of one part at most.
pub const MAX_FOUND: usize = 100;

/// What is said of a query and a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The parts by which the query matches, in the order of the canonical form: of an OR those
    /// that hold, of a NOT the NOT. Empty when it doesn't match.
    pub parts: Vec<Part>,
    /// The first part that fails; none when the query matches.
    pub failed: Option<Failed>,
}

impl Explanation {
    /// Whether the query matches.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.failed.is_none()
    }
}

/// A part of a query that holds: one condition, or the exclusion of any.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The part in canonical form.
    pub text: String,
    /// The field that it asks; none for `*` and for the exclusion of several conditions.
    pub field: Option<FieldId>,
    /// By what it holds, in the order of the document, at most [`MAX_FOUND`]. Nothing for `*`, for
    /// what is excluded, and for any value of a field of text.
    pub found: Vec<Found>,
}

/// What a part found in its field.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// These of [`Doc::field_tokens`]: all terms of a phrase in which the words stand side by side,
    /// otherwise one.
    Terms(Range<usize>),
    /// A number or date, as its ordered key.
    Value(i64),
    /// A place.
    Point(Point),
}

/// The first part that fails, of those that must all hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// The part in canonical form.
    pub text: String,
    /// Its bytes in the query's canonical form.
    pub at: Range<usize>,
    /// The field that it asks; none when it has parts of several fields.
    pub field: Option<FieldId>,
    /// When it excludes something: what of that is there.
    pub excluded: Vec<Part>,
}

/// Says by which parts the document matches the query, or which part fails first.
#[must_use]
pub fn explain(query: &Query, doc: &Doc, schema: &Schema) -> Explanation {
    let parts = |seen: Vec<Seen<'_>>| seen.into_iter().map(|seen| seen.part(schema)).collect();
    if let Some(seen) = look(query.ast(), doc, schema) {
        return Explanation { parts: parts(seen), failed: None };
    }
    let mut required = query.required(schema);
    let first = required.iter().position(|(part, _)| look(part, doc, schema).is_none());
    // All of them holding would have been seen above; the last one then stands for the whole.
    let (part, at) = required.swap_remove(first.unwrap_or(required.len() - 1));
    let excluded = match part {
        Ast::Not(inner) => look(inner, doc, schema).map(parts).unwrap_or_default(),
        _ => Vec::new(),
    };
    Explanation {
        parts: Vec::new(),
        failed: Some(Failed { text: canonical_text(part, schema), at, field: field_of(part), excluded }),
    }
}

/// A part that holds.
struct Seen<'a> {
    part: &'a Ast,
    found: Vec<Found>,
}

impl Seen<'_> {
    fn part(self, schema: &Schema) -> Part {
        Part { text: canonical_text(self.part, schema), field: field_of(self.part), found: self.found }
    }
}

/// The parts by which the document matches; none when it doesn't.
fn look<'a>(ast: &'a Ast, doc: &Doc, schema: &Schema) -> Option<Vec<Seen<'a>>> {
    let seen = |found: Vec<Found>| Some(vec![Seen { part: ast, found }]);
    let some = |found: Vec<Found>| if found.is_empty() { None } else { seen(found) };
    match ast {
        Ast::All => seen(Vec::new()),
        Ast::Term { field, term } => some(terms(doc, *field, |it| it == term)),
        Ast::Prefix { field, prefix } => some(terms(doc, *field, |it| it.starts_with(prefix.as_str()))),
        Ast::Wildcard { .. } | Ast::Regex { .. } | Ast::Fuzzy { .. } => {
            let (field, automaton) = matcher::pattern(ast)?;
            some(terms(doc, field, |it| automaton.matches(it)))
        }
        Ast::Phrase(phrase) => some(phrases(doc, phrase)),
        Ast::Range { field, lower, upper } => {
            let values = doc.values().iter().filter(|(of, value)| of == field && (*lower, *upper).contains(value));
            some(values.take(MAX_FOUND).map(|&(_, value)| Found::Value(value)).collect())
        }
        Ast::Exists { field } if doc.has(*field) => seen(any(doc, *field, schema)),
        Ast::None | Ast::Exists { .. } => None,
        Ast::Within { field, bounds } => some(points(doc, *field, |point| bounds.contains(point))),
        Ast::Near { field, circle } => some(points(doc, *field, |point| circle.contains(point))),
        Ast::And(of) => {
            let seen: Option<Vec<_>> = of.iter().map(|part| look(part, doc, schema)).collect();
            seen.map(|seen| seen.into_iter().flatten().collect())
        }
        Ast::Or(of) => at_least(1, of, doc, schema),
        Ast::AtLeast { min, of } => at_least(*min, of, doc, schema),
        Ast::Not(part) => look(part, doc, schema).is_none().then(|| vec![Seen { part: ast, found: Vec::new() }]),
    }
}

fn at_least<'a>(min: usize, of: &'a [Ast], doc: &Doc, schema: &Schema) -> Option<Vec<Seen<'a>>> {
    let seen: Vec<_> = of.iter().filter_map(|part| look(part, doc, schema)).collect();
    (seen.len() >= min).then(|| seen.into_iter().flatten().collect())
}

fn terms(doc: &Doc, field: FieldId, is_it: impl Fn(&str) -> bool) -> Vec<Found> {
    let tokens = doc.field_tokens(field).iter().enumerate().filter(|(_, token)| is_it(doc.term(token)));
    tokens.map(|(at, _)| Found::Terms(at..at + 1)).take(MAX_FOUND).collect()
}

fn phrases(doc: &Doc, phrase: &Phrase) -> Vec<Found> {
    let tokens = doc.field_tokens(phrase.field);
    let Some(last) = phrase.terms.len().checked_sub(1) else { return Vec::new() };
    let places = phrase::places(tokens, phrase.terms.len(), phrase.slop, MAX_FOUND, |term, at| {
        let (it, wanted) = (doc.term(&tokens[at]), phrase.terms[term].as_str());
        if phrase.last_is_prefix && term == last { it.starts_with(wanted) } else { it == wanted }
    });
    if phrase.slop == 0 {
        let whole = |place: Vec<usize>| Some(Found::Terms(*place.iter().min()?..*place.iter().max()? + 1));
        return places.into_iter().filter_map(whole).collect();
    }
    // What stands between words that lie apart was not asked for.
    let mut tokens: Vec<usize> = places.into_iter().flatten().collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens.into_iter().map(|at| Found::Terms(at..at + 1)).take(MAX_FOUND.max(phrase.terms.len())).collect()
}

/// The values of a field, but for those of text and addresses: they are everything that is there.
fn any(doc: &Doc, field: FieldId, schema: &Schema) -> Vec<Found> {
    match schema.field(field).kind {
        Kind::Text | Kind::Url => Vec::new(),
        Kind::Keyword => terms(doc, field, |_| true),
        Kind::Integer | Kind::Float | Kind::Date => {
            let values = doc.values().iter().filter(|(of, _)| *of == field);
            values.take(MAX_FOUND).map(|&(_, value)| Found::Value(value)).collect()
        }
        Kind::Point => points(doc, field, |_| true),
    }
}

fn points(doc: &Doc, field: FieldId, is_it: impl Fn(Point) -> bool) -> Vec<Found> {
    let points = doc.points().iter().filter(|(of, point)| *of == field && is_it(*point));
    points.take(MAX_FOUND).map(|&(_, point)| Found::Point(point)).collect()
}

/// The field that a condition asks, or all conditions of a part.
fn field_of(ast: &Ast) -> Option<FieldId> {
    match ast {
        Ast::All | Ast::None => None,
        Ast::Term { field, .. }
        | Ast::Prefix { field, .. }
        | Ast::Wildcard { field, .. }
        | Ast::Regex { field, .. }
        | Ast::Fuzzy { field, .. }
        | Ast::Range { field, .. }
        | Ast::Exists { field }
        | Ast::Within { field, .. }
        | Ast::Near { field, .. }
        | Ast::Phrase(Phrase { field, .. }) => Some(*field),
        Ast::And(of) | Ast::Or(of) | Ast::AtLeast { of, .. } => {
            let mut fields = of.iter().map(field_of);
            let first = fields.next()??;
            fields.all(|field| field == Some(first)).then_some(first)
        }
        Ast::Not(part) => field_of(part),
    }
}

#[cfg(test)]
mod tests;
