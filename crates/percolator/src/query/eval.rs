//! The plain evaluation of an [`Ast`] on a document, which defines the query language.
//!
//! Index and percolator are tested against it. It shares only the analysis, the geometry and the
//! [`Ast`] with them, and is simple and slow.

use std::ops::RangeBounds as _;

use super::{Ast, Phrase, naive};
use crate::doc::Doc;
use crate::schema::FieldId;

/// Whether the document matches the query.
#[must_use]
pub fn matches(ast: &Ast, doc: &Doc) -> bool {
    match ast {
        Ast::All => true,
        Ast::None => false,
        Ast::Term { field, term } => any_term(doc, *field, |it| it == term),
        Ast::Phrase(phrase) => matches_phrase(phrase, doc),
        Ast::Prefix { field, prefix } => any_term(doc, *field, |it| it.starts_with(prefix.as_str())),
        Ast::Wildcard { field, pattern } => any_term(doc, *field, |it| naive::wildcard(pattern, it)),
        Ast::Regex { field, pattern } => {
            let regex = naive::regex(pattern);
            any_term(doc, *field, |it| regex.as_ref().is_some_and(|regex| regex.is_match(it)))
        }
        Ast::Fuzzy { field, term, distance } => {
            any_term(doc, *field, |it| naive::edit_distance(term, it) <= usize::from(*distance))
        }
        Ast::Range { field, lower, upper } => {
            doc.values().iter().any(|(of, value)| of == field && (*lower, *upper).contains(value))
        }
        Ast::Exists { field } => doc.has(*field),
        Ast::Within { field, bounds } => doc.points().iter().any(|(of, point)| of == field && bounds.contains(*point)),
        Ast::Near { field, circle } => doc.points().iter().any(|(of, point)| of == field && circle.contains(*point)),
        Ast::And(of) => of.iter().all(|part| matches(part, doc)),
        Ast::Or(of) => of.iter().any(|part| matches(part, doc)),
        Ast::AtLeast { min, of } => of.iter().filter(|part| matches(part, doc)).count() >= *min,
        Ast::Not(part) => !matches(part, doc),
    }
}

fn any_term(doc: &Doc, field: FieldId, is_it: impl Fn(&str) -> bool) -> bool {
    doc.field_tokens(field).iter().any(|token| is_it(doc.term(token)))
}

fn matches_phrase(phrase: &Phrase, doc: &Doc) -> bool {
    let last = phrase.terms.len().saturating_sub(1);
    let positions: Vec<Vec<i64>> = (phrase.terms.iter().enumerate())
        .map(|(at, term)| {
            let is_it = |it: &str| {
                if phrase.last_is_prefix && at == last { it.starts_with(term.as_str()) } else { it == term }
            };
            let tokens = doc.field_tokens(phrase.field).iter().filter(|token| is_it(doc.term(token)));
            tokens.map(|token| i64::from(token.position)).collect()
        })
        .collect();
    !positions.is_empty() && place(&positions, &mut Vec::new(), i64::from(phrase.slop))
}

/// Tries all positions for each of the remaining terms.
fn place(positions: &[Vec<i64>], chosen: &mut Vec<i64>, slop: i64) -> bool {
    let shifts = (0_i64..).zip(chosen.iter()).map(|(at, position)| position - at);
    let spread = shifts.clone().max().unwrap_or(0) - shifts.min().unwrap_or(0);
    if spread > slop {
        return false;
    }
    let Some(candidates) = positions.get(chosen.len()) else { return true };
    candidates.iter().any(|&position| {
        if chosen.contains(&position) {
            return false;
        }
        chosen.push(position);
        let found = place(positions, chosen, slop);
        chosen.pop();
        found
    })
}
