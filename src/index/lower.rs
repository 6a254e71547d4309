//! What an [`Ast`] means, in tantivy's terms: exactly, for every kind of it, and without caps.
//!
//! Where tantivy's own queries mean something else, or stop after so many terms, there is one of ours: prefixes and
//! automata mark the documents of every term they find, [`NearQuery`] is for phrases out of order, and what is asked of
//! columns that tantivy does not know (places, which fields are present) is a predicate on documents.
//!
//! Nothing is scored: the order of tweets is their age.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::index::SegmentReader;
use tantivy::query::doc_predicate_query::{DocPredicateQuery, FunctionPredicate};
use tantivy::query::{
    AllQuery, AutomatonWeight, BitSetDocSet, BooleanQuery, ConstScorer, EmptyQuery, EnableScoring, Explanation, Occur,
    Query, RangeQuery, Scorer, TermQuery, Weight,
};
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{BitSet, DocId, Score, TantivyError};

use super::fields::{Fields, PRESENT, Place};
use super::phrase::{NearQuery, terms_with_prefix};
use super::steady::Steady;
use crate::automaton::TermAutomaton;
use crate::doc::Point;
use crate::query::{Ast, Phrase};
use crate::schema::FieldId;

/// The tantivy query that finds what the `Ast` means, in an index of these fields.
///
/// A wildcard or regular expression that can't be built finds nothing; the parser lets none through.
#[must_use]
pub fn lower(ast: &Ast, fields: &Fields) -> Box<dyn Query> {
    match ast {
        Ast::All => Box::new(AllQuery),
        Ast::None => Box::new(EmptyQuery),
        Ast::Term { field, term } => terms(fields, *field, |field| one_term(field, term)),
        Ast::Phrase(phrase) => lower_phrase(phrase, fields),
        Ast::Prefix { field, prefix } => {
            terms(fields, *field, |field| Box::new(PrefixQuery { field, prefix: prefix.clone() }))
        }
        Ast::Wildcard { field, pattern } => terms(fields, *field, |field| {
            automaton(field, TermAutomaton::wildcard(pattern, usize::MAX).ok().map(Arc::new))
        }),
        Ast::Regex { field, pattern } => {
            terms(fields, *field, |field| automaton(field, pattern.automaton().map(Arc::clone)))
        }
        Ast::Fuzzy { field, term, distance } => {
            terms(fields, *field, |field| automaton(field, Some(TermAutomaton::fuzzy(term, *distance).into())))
        }
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
        Ast::Or(of) => at_least(1, of, fields),
        Ast::AtLeast { min, of } => at_least(*min, of, fields),
        Ast::Not(_) => all_of(std::slice::from_ref(ast), fields),
    }
}

fn terms(fields: &Fields, field: FieldId, query: impl FnOnce(Field) -> Box<dyn Query>) -> Box<dyn Query> {
    match fields.place(field) {
        Place::Words(field) | Place::Keywords(field) => query(*field),
        Place::Values(..) | Place::Points { .. } => Box::new(EmptyQuery),
    }
}

fn one_term(field: Field, term: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::Basic))
}

fn automaton(field: Field, automaton: Option<Arc<TermAutomaton>>) -> Box<dyn Query> {
    match automaton {
        Some(automaton) => Box::new(AutomatonQuery { field, automaton }),
        None => Box::new(EmptyQuery),
    }
}

fn lower_phrase(phrase: &Phrase, fields: &Fields) -> Box<dyn Query> {
    let Place::Words(field) = fields.place(phrase.field) else {
        // The values of other fields are further apart than any slop.
        return Box::new(EmptyQuery);
    };
    match phrase.terms.as_slice() {
        [] => Box::new(EmptyQuery),
        [prefix] if phrase.last_is_prefix => Box::new(PrefixQuery { field: *field, prefix: prefix.clone() }),
        [term] => one_term(*field, term),
        _ => Box::new(NearQuery::new(*field, phrase)),
    }
}

fn lower_range(fields: &Fields, field: FieldId, lower: Bound<i64>, upper: Bound<i64>) -> Box<dyn Query> {
    let Place::Values(column, _) = fields.place(field) else { return Box::new(EmptyQuery) };
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
        (Some(lower), Some(upper)) if lower <= upper => {
            let term = |value| Bound::Included(Term::from_field_i64(*column, value));
            Box::new(RangeQuery::new(term(lower), term(upper)))
        }
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
    let Place::Points { lon, lat } = fields.place(field) else { return Box::new(EmptyQuery) };
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
    Box::new(DocPredicateQuery::from(FunctionPredicate::from(of_segment)))
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

/// Lowers a part of another query.
fn lower_part(ast: &Ast, fields: &Fields) -> Box<dyn Query> {
    let query = lower(ast, fields);
    if query.is::<BooleanQuery>() { Box::new(Steady(query)) } else { query }
}

fn at_least(min: usize, of: &[Ast], fields: &Fields) -> Box<dyn Query> {
    match of {
        _ if min == 0 => Box::new(AllQuery),
        _ if min > of.len() => Box::new(EmptyQuery),
        [only] => lower(only, fields),
        _ => {
            let of = of.iter().map(|part| lower_part(part, fields)).collect();
            Box::new(BooleanQuery::union_with_minimum_required_clauses(of, min))
        }
    }
}

/// Finds the documents with a term that starts like this.
#[derive(Clone, Debug)]
struct PrefixQuery {
    field: Field,
    prefix: String,
}

impl Query for PrefixQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for PrefixQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let index = reader.inverted_index(self.field)?;
        let mut found = BitSet::with_max_value(reader.max_doc());
        for info in terms_with_prefix(&index, &self.prefix)? {
            let mut postings = index.read_block_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
            while !postings.docs().is_empty() {
                for &doc in postings.docs() {
                    found.insert(doc);
                }
                postings.advance();
            }
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("perch does not explain scores".into()))
    }
}

/// Finds the documents with a term that the automaton accepts.
#[derive(Clone, Debug)]
struct AutomatonQuery {
    field: Field,
    automaton: Arc<TermAutomaton>,
}

impl Query for AutomatonQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(AutomatonWeight::<TermAutomaton>::new(self.field, Arc::clone(&self.automaton))))
    }
}

#[cfg(test)]
mod tests;
