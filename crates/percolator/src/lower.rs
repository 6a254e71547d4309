//! Lowers an [`Ast`] to a tantivy query that finds exactly what it means, without limits on terms.
//!
//! perch has queries of its own where those of tantivy mean something else or stop at a number of
//! terms: prefixes and automata mark the documents of every term, [`PhraseQuery`] finds phrases.
//! Conditions on columns that tantivy does not know (areas, present fields) are predicates on
//! documents.
//!
//! Nothing is scored: tweets are ordered by id.
//!
//! Everything that can take long is a yield point ([`coop`]): lowering, walks through a dictionary,
//! predicates, and every part of a combination. A flat union of terms is none: tantivy merges 4,096
//! documents of it at once, and the reader of the union yields between its blocks.

mod fields;
mod index_document;
mod multi_term;
mod phrase_candidates;
mod phrase_query;
mod position_scanner;
mod seek_only;
mod slop;
#[cfg(any(test, feature = "testing"))]
pub mod strategies;
mod term_infos;
mod value_range;

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tantivy::DocId;
use tantivy::columnar::Column;
use tantivy::index::SegmentReader;
use tantivy::query::doc_predicate_query::{DocPredicateQuery, FunctionPredicate};
use tantivy::query::{AllQuery, BooleanQuery, EmptyQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Term};

use crate::automaton::TermAutomaton;
use crate::coop;
use crate::doc::Point;
use crate::query::{Ast, Phrase};
use crate::schema::FieldId;

pub use fields::{FieldMapping, Fields, Leaf, PackedTerms};
pub use index_document::IndexDocument;

use fields::PRESENT;
use multi_term::{MultiTermQuery, TermSet};
use phrase_query::PhraseQuery;
use seek_only::{SeekOnlyQuery, SeekOnlyTerm};
use value_range::ValueRangeQuery;

/// The tantivy query of an `Ast`, for an index with these fields.
///
/// A wildcard or regular expression that can't be built finds nothing; the parser refuses those.
#[must_use]
pub fn lower(ast: &Ast, fields: &Fields) -> Box<dyn Query> {
    if coop::stopped_now() {
        return Box::new(EmptyQuery);
    }
    match ast {
        Ast::All => Box::new(AllQuery),
        Ast::None => Box::new(EmptyQuery),
        Ast::Term { field, term } => terms(fields, *field, |field| one_term(field, term)),
        Ast::Phrase(phrase) => lower_phrase(phrase, fields),
        Ast::Prefix { field, .. }
        | Ast::Wildcard { field, .. }
        | Ast::Regex { field, .. }
        | Ast::Fuzzy { field, .. } => terms(fields, *field, |field| match term_set(ast) {
            Some(set) => Box::new(MultiTermQuery::new(field, vec![set])),
            None => Box::new(EmptyQuery),
        }),
        Ast::Range { field, lower, upper } => lower_range(fields, *field, *lower, *upper),
        Ast::Exists { field } => exists(*field),
        Ast::Within { field, bounds } => {
            let bounds = *bounds;
            places(fields, *field, move |point| bounds.contains(point))
        }
        Ast::Near { field, circle } => {
            let circle = *circle;
            places(fields, *field, move |point| circle.contains(point))
        }
        Ast::And(of) => all_of(of, fields),
        Ast::Or(of) => any_of(of, fields),
        Ast::AtLeast { min, of } => at_least(*min, of, fields),
        Ast::Not(_) => all_of(std::slice::from_ref(ast), fields),
    }
}

fn terms(fields: &Fields, field: FieldId, query: impl FnOnce(Field) -> Box<dyn Query>) -> Box<dyn Query> {
    match fields.mapping(field) {
        FieldMapping::Words(field) | FieldMapping::Keywords(field) => query(*field),
        FieldMapping::Values(..) | FieldMapping::Points { .. } => Box::new(EmptyQuery),
    }
}

fn one_term(field: Field, term: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::Basic))
}

/// The terms of a pattern. `None` for other kinds of query and for a pattern that can't be built.
fn term_set(ast: &Ast) -> Option<TermSet> {
    match ast {
        Ast::Prefix { prefix, .. } => Some(TermSet::Prefix(prefix.as_str().into())),
        Ast::Wildcard { pattern, .. } => {
            Some(TermSet::Automaton(TermAutomaton::wildcard(pattern, usize::MAX).ok()?.into()))
        }
        Ast::Regex { pattern, .. } => Some(TermSet::Automaton(Arc::clone(pattern.automaton()?))),
        Ast::Fuzzy { term, distance, .. } => Some(TermSet::Automaton(TermAutomaton::fuzzy(term, *distance).into())),
        _ => None,
    }
}

fn lower_phrase(phrase: &Phrase, fields: &Fields) -> Box<dyn Query> {
    let FieldMapping::Words(field) = fields.mapping(phrase.field) else {
        // The values of other fields are further apart than any slop.
        return Box::new(EmptyQuery);
    };
    match phrase.terms.as_slice() {
        [] => Box::new(EmptyQuery),
        [prefix] if phrase.last_is_prefix => {
            Box::new(MultiTermQuery::new(*field, vec![TermSet::Prefix(prefix.as_str().into())]))
        }
        [term] => one_term(*field, term),
        _ => Box::new(PhraseQuery::new(*field, phrase)),
    }
}

fn lower_range(fields: &Fields, field: FieldId, lower: Bound<i64>, upper: Bound<i64>) -> Box<dyn Query> {
    let FieldMapping::Values(_, column) = fields.mapping(field) else { return Box::new(EmptyQuery) };
    let lower = match lower {
        Bound::Included(value) => Some(value),
        Bound::Excluded(value) => value.checked_add(1),
        Bound::Unbounded => Some(i64::MIN),
    };
    let upper = match upper {
        Bound::Included(value) => Some(value),
        Bound::Excluded(value) => value.checked_sub(1),
        Bound::Unbounded => Some(i64::MAX),
    };
    match (lower, upper) {
        (Some(i64::MIN), Some(i64::MAX)) => exists(field),
        (Some(lower), Some(upper)) if lower <= upper => Box::new(ValueRangeQuery::new(column, lower..=upper)),
        _ => Box::new(EmptyQuery),
    }
}

fn exists(field: FieldId) -> Box<dyn Query> {
    let bit = 1_u64 << field.0;
    predicate(move |segment| {
        let present = segment.fast_fields().column_opt::<u64>(PRESENT)?;
        Ok(move |doc: DocId| {
            present.as_ref().and_then(|present| present.first(doc)).is_some_and(|mask| mask & bit != 0)
        })
    })
}

fn places(
    fields: &Fields,
    field: FieldId,
    is_in: impl Fn(Point) -> bool + Copy + Send + Sync + 'static,
) -> Box<dyn Query> {
    let FieldMapping::Points { lon, lat } = fields.mapping(field) else { return Box::new(EmptyQuery) };
    let (lon, lat) = (lon.1.clone(), lat.1.clone());
    predicate(move |segment| {
        let column = |name: &str| -> tantivy::Result<Option<Column<f64>>> { segment.fast_fields().column_opt(name) };
        let columns = column(&lon)?.zip(column(&lat)?);
        Ok(move |doc: DocId| {
            let Some((lon, lat)) = &columns else { return false };
            lon.values_for_doc(doc).zip(lat.values_for_doc(doc)).any(|(lon, lat)| is_in(Point { lon, lat }))
        })
    })
}

fn predicate<P: Fn(DocId) -> bool + Send + Sync + 'static>(
    of_segment: impl Fn(&SegmentReader) -> tantivy::Result<P> + Send + Sync + 'static,
) -> Box<dyn Query> {
    Box::new(DocPredicateQuery::from(FunctionPredicate::from(move |segment: &SegmentReader| {
        let is_so = of_segment(segment)?;
        // tantivy's loop around a predicate ends at the next true, that of an exclusion at the next
        // false: a stopped search gets both in turn.
        let turn = AtomicBool::new(false);
        Ok(move |doc: DocId| if coop::stopped() { turn.fetch_xor(true, Ordering::Relaxed) } else { is_so(doc) })
    })))
}

fn all_of(of: &[Ast], fields: &Fields) -> Box<dyn Query> {
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = (of.iter())
        .map(|part| match part {
            Ast::Not(part) => (Occur::MustNot, lower_part(part, fields)),
            part => (Occur::Must, lower_part(part, fields)),
        })
        .collect();
    if !clauses.iter().any(|(occur, _)| *occur == Occur::Must) {
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    match clauses.as_slice() {
        [(Occur::Must, only)] => only.box_clone(),
        _ => Box::new(BooleanQuery::new(clauses)),
    }
}

/// Lowers a part of a combination, whose scorers are advanced in a loop.
fn lower_part(ast: &Ast, fields: &Fields) -> Box<dyn Query> {
    match ast {
        // tantivy removes the first two. The others are yield points and allow every seek.
        Ast::All | Ast::None | Ast::Exists { .. } | Ast::Within { .. } | Ast::Near { .. } | Ast::Range { .. } => {
            lower(ast, fields)
        }
        Ast::Term { field, term } => {
            terms(fields, *field, |field| Box::new(SeekOnlyTerm(Term::from_field_text(field, term))))
        }
        _ => Box::new(SeekOnlyQuery(lower(ast, fields))),
    }
}

/// The union. All patterns in one field are one part of it and share a bit set.
fn any_of(of: &[Ast], fields: &Fields) -> Box<dyn Query> {
    let mut parts: Vec<Box<dyn Query>> = Vec::new();
    let mut patterns: Vec<(Field, Vec<TermSet>)> = Vec::new();
    for part in of {
        match (part, term_set_in(part, fields)) {
            (_, Some((field, set))) => match patterns.iter_mut().find(|(of, _)| *of == field) {
                Some((_, sets)) => sets.push(set),
                None => patterns.push((field, vec![set])),
            },
            (Ast::And(_) | Ast::Or(_) | Ast::AtLeast { .. } | Ast::Not(_), None) => {
                parts.push(lower_part(part, fields));
            }
            (_, None) => parts.push(lower(part, fields)),
        }
    }
    parts.extend(
        patterns.into_iter().map(|(field, sets)| -> Box<dyn Query> { Box::new(MultiTermQuery::new(field, sets)) }),
    );
    match parts.len() {
        0 => Box::new(EmptyQuery),
        1 => parts.remove(0),
        _ => Box::new(BooleanQuery::union(parts)),
    }
}

/// The terms of a pattern, and their field in the index.
fn term_set_in(ast: &Ast, fields: &Fields) -> Option<(Field, TermSet)> {
    let (Ast::Prefix { field, .. } | Ast::Wildcard { field, .. } | Ast::Regex { field, .. } | Ast::Fuzzy { field, .. }) =
        ast
    else {
        return None;
    };
    match fields.mapping(*field) {
        FieldMapping::Words(field) | FieldMapping::Keywords(field) if !coop::stopped_now() => {
            Some((*field, term_set(ast)?))
        }
        _ => None,
    }
}

fn at_least(min: usize, of: &[Ast], fields: &Fields) -> Box<dyn Query> {
    match of {
        _ if min == 0 => Box::new(AllQuery),
        _ if min > of.len() => Box::new(EmptyQuery),
        _ if min == 1 => any_of(of, fields),
        _ => {
            let of = of.iter().map(|part| lower_part(part, fields)).collect();
            Box::new(BooleanQuery::union_with_minimum_required_clauses(of, min))
        }
    }
}

#[cfg(test)]
mod tests;
