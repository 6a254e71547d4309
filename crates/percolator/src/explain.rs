//! Why a document matches a query, part by part, and why not.
//!
//! ```text
//! Query + Doc ──> Explanation: the parts that hold, each with its terms and values;
//!                              or the first part that fails
//! ```
//!
//! Explanations are made on request, for one query and one document, not on the way of tweets. They
//! list every matching term, where matching stops at the first. An explanation always agrees with
//! [`crate::query::matches`]; a property test compares them.
//!
//! ```
//! use perch_percolator::doc::DocBuilder;
//! use perch_percolator::explain::{Found, explain};
//! use perch_percolator::query::{Query, QueryLimits};
//! use perch_percolator::schema::{Kind, Schema};
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
//! # Ok::<(), perch_percolator::query::Diagnostics>(())
//! ```

use std::ops::{Range, RangeBounds as _};

use crate::doc::{Doc, Point};
use crate::matcher::{self, phrase};
use crate::query::{Ast, Phrase, Query, canonical_text};
use crate::schema::{FieldId, Kind, Schema};

/// Findings of a part, at most.
pub const MAX_FOUND: usize = 100;

/// Why a document matches a query, or why not.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The parts that hold, in the order of the canonical form: of an OR those that hold, of a NOT
    /// the NOT itself. Empty if the query does not match.
    pub parts: Vec<Part>,
    /// The first part that fails. None if the query matches.
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
    /// The field of the condition. None for `*` and for the exclusion of several conditions.
    pub field: Option<FieldId>,
    /// What the part found, in the order of the document, at most [`MAX_FOUND`]. Empty for `*`, for
    /// exclusions, and for any value of a text field.
    pub found: Vec<Found>,
}

/// What a part found in its field.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Tokens, as indexes of [`Doc::field_tokens`]: all of a phrase whose words are adjacent,
    /// otherwise one.
    Terms(Range<usize>),
    /// A number or date, as its ordered key.
    Value(i64),
    /// A point on earth.
    Point(Point),
}

/// The first of the required parts that fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// The part in canonical form.
    pub text: String,
    /// The bytes of the part in the query's canonical form.
    pub at: Range<usize>,
    /// The field of the part. None if it has conditions on several fields.
    pub field: Option<FieldId>,
    /// For an exclusion: what the document has of it.
    pub excluded: Vec<Part>,
}

/// Explains by which parts a document matches a query, or which part fails first.
#[must_use]
pub fn explain(query: &Query, doc: &Doc, schema: &Schema) -> Explanation {
    let parts = |seen: Vec<HeldPart<'_>>| seen.into_iter().map(|seen| seen.part(schema)).collect();
    if let Some(seen) = evaluate(query.ast(), doc, schema) {
        return Explanation { parts: parts(seen), failed: None };
    }
    let mut required = query.required(schema);
    let first = required.iter().position(|(part, _)| evaluate(part, doc, schema).is_none());
    // At least one part fails, or the query would match. The last one is the fallback.
    let (part, at) = required.swap_remove(first.unwrap_or(required.len() - 1));
    let excluded = match part {
        Ast::Not(inner) => evaluate(inner, doc, schema).map(parts).unwrap_or_default(),
        _ => Vec::new(),
    };
    Explanation {
        parts: Vec::new(),
        failed: Some(Failed { text: canonical_text(part, schema), at, field: field_of(part), excluded }),
    }
}

/// A part that holds.
struct HeldPart<'a> {
    part: &'a Ast,
    found: Vec<Found>,
}

impl HeldPart<'_> {
    fn part(self, schema: &Schema) -> Part {
        Part { text: canonical_text(self.part, schema), field: field_of(self.part), found: self.found }
    }
}

/// The parts by which the document matches. None if it does not.
fn evaluate<'a>(ast: &'a Ast, doc: &Doc, schema: &Schema) -> Option<Vec<HeldPart<'a>>> {
    let seen = |found: Vec<Found>| Some(vec![HeldPart { part: ast, found }]);
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
            let seen: Option<Vec<_>> = of.iter().map(|part| evaluate(part, doc, schema)).collect();
            seen.map(|seen| seen.into_iter().flatten().collect())
        }
        Ast::Or(of) => at_least(1, of, doc, schema),
        Ast::AtLeast { min, of } => at_least(*min, of, doc, schema),
        Ast::Not(part) => {
            evaluate(part, doc, schema).is_none().then(|| vec![HeldPart { part: ast, found: Vec::new() }])
        }
    }
}

fn at_least<'a>(min: usize, of: &'a [Ast], doc: &Doc, schema: &Schema) -> Option<Vec<HeldPart<'a>>> {
    let seen: Vec<_> = of.iter().filter_map(|part| evaluate(part, doc, schema)).collect();
    (seen.len() >= min).then(|| seen.into_iter().flatten().collect())
}

fn terms(doc: &Doc, field: FieldId, is_it: impl Fn(&str) -> bool) -> Vec<Found> {
    let tokens = doc.field_tokens(field).iter().enumerate().filter(|(_, token)| is_it(doc.term(token)));
    tokens.map(|(at, _)| Found::Terms(at..at + 1)).take(MAX_FOUND).collect()
}

fn phrases(doc: &Doc, phrase: &Phrase) -> Vec<Found> {
    let tokens = doc.field_tokens(phrase.field);
    let Some(last) = phrase.terms.len().checked_sub(1) else { return Vec::new() };
    let occurrences = phrase::occurrences(tokens, phrase.terms.len(), phrase.slop, MAX_FOUND, |term, at| {
        let (it, wanted) = (doc.term(&tokens[at]), phrase.terms[term].as_str());
        if phrase.last_is_prefix && term == last { it.starts_with(wanted) } else { it == wanted }
    });
    if phrase.slop == 0 {
        let whole = |place: Vec<usize>| Some(Found::Terms(*place.iter().min()?..*place.iter().max()? + 1));
        return occurrences.into_iter().filter_map(whole).collect();
    }
    // Words between those of a phrase with slop are not part of it.
    let mut tokens: Vec<usize> = occurrences.into_iter().flatten().collect();
    tokens.sort_unstable();
    tokens.dedup();
    tokens.into_iter().map(|at| Found::Terms(at..at + 1)).take(MAX_FOUND.max(phrase.terms.len())).collect()
}

/// All values of a field; none for texts and addresses, which are values as a whole.
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

/// The field of a condition, or of all conditions of a part.
fn field_of(ast: &Ast) -> Option<FieldId> {
    match ast {
        Ast::And(of) | Ast::Or(of) | Ast::AtLeast { of, .. } => {
            let mut fields = of.iter().map(field_of);
            let first = fields.next()??;
            fields.all(|field| field == Some(first)).then_some(first)
        }
        Ast::Not(part) => field_of(part),
        leaf => leaf.field(),
    }
}

#[cfg(test)]
mod tests;
