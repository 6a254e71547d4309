//! The crate `mokaccino`: terms, prefixes and numbers with AND, OR and NOT; no phrases, no other
//! patterns.
//!
//! mokaccino has no analyzer and gets perch's words. Queries that it cannot express are left out,
//! and its row says so.

use std::collections::HashSet;
use std::ops::{Bound, Range};
use std::time::Duration;

use mokaccino::prelude::{CNFQueryable as _, Document, Percolator, Query};
use perch::doc::{Doc, DocBuilder};
use perch::ids::QueryKey;
use perch::percolator::{Compiled, Engine as _, EngineOptions};
use perch::query::Ast;
use perch::schema::Schema;

use crate::row::Row;
use crate::tally::Tally;
use crate::timing::{self, Best, Clock};
use crate::tweets::Tweets;

const NAME: &str = "mokaccino";

/// Registers the queries that mokaccino can express and measures them, if they are most of all.
#[expect(clippy::cast_precision_loss)]
pub(crate) fn measure(queries: &[Ast], before: &Tweets, tweets: &Tweets, cap: Duration, checked: usize) -> Vec<Row> {
    let expressed: Vec<(&Ast, Query)> =
        queries.iter().filter_map(|query| express(query).map(|its| (query, its))).collect();
    let n = expressed.len();
    if n * 10 < queries.len() * 8 {
        return vec![Row::none(NAME, format!("can express {n} of {} queries", queries.len()))];
    }
    // The matches of perch for the same queries.
    let mut engine = Compiled::new(&EngineOptions::default());
    for (key, (query, _)) in (0..).zip(&expressed) {
        engine.insert(QueryKey(key), query);
    }
    let tally = Tally::new(&mut engine, tweets, checked);
    drop(engine);

    let clock = Clock::start();
    let mut percolator = Percolator::default();
    let mut queries_of_keys = Vec::with_capacity(n);
    for (at, (query, its)) in expressed.into_iter().enumerate() {
        queries_of_keys.push(query);
        // The keys of mokaccino start at 0, like perch's.
        percolator.add_query(its);
        if at % 64 == 0 && clock.is_over(cap * 2) {
            return vec![Row::none(NAME, format!("registers {at} of {n} queries in {} s", cap.as_secs() * 2))];
        }
    }
    let per_second = n as f64 / clock.busy().as_secs_f64();
    let ways = [(NAME.to_owned(), percolator.optimized()), (format!("{NAME}, as it is"), percolator)];
    let row = |(peer, percolator): (String, Percolator)| {
        let mut builder = DocBuilder::new(Schema::tweet());
        let mut percolate = |of: &Tweets, range: Range<usize>| {
            of.build(range.start, &mut builder);
            (percolator.percolate(&document(builder.doc())).count() as u64, 0)
        };
        timing::warm_up(cap, 1, before.texts.len(), |range| percolate(before, range));
        let mut best = Best::default();
        for _ in 0..timing::ROUNDS {
            best.add(timing::round(cap, 1, tweets.texts.len(), |range| percolate(tweets, range)));
        }
        let clock = Clock::start();
        let firsts = (0..checked.min(tweets.texts.len())).take_while(|_| !clock.is_over(cap / 2));
        let found = firsts.map(|at| {
            tweets.build(at, &mut builder);
            percolator.percolate(&document(builder.doc())).collect()
        });
        let found: Vec<(u32, HashSet<u32>)> = (0..).zip(found).collect();
        let mut row = Row::new(peer, 1, best, per_second);
        row.candidates = None;
        row.compare_count(&tally);
        row.compare_pairs(&tally, &found, &queries_of_keys);
        if n < queries.len() {
            row.same = format!("{}; without the {} queries that it can't express", row.same, queries.len() - n);
        }
        row
    };
    ways.map(row).into()
}

fn name(field: perch::schema::FieldId) -> &'static str {
    &Schema::tweet().field(field).name
}

fn document(doc: &Doc) -> Document {
    let mut document = Document::new();
    for token in doc.tokens() {
        document.with_value_mut(name(token.field), doc.term(token));
    }
    for &(field, value) in doc.values() {
        document.with_value_mut(name(field), value.to_string());
    }
    document
}

fn express(query: &Ast) -> Option<Query> {
    let all = |of: &[Ast]| of.iter().map(express).collect::<Option<Vec<_>>>();
    Some(match query {
        Ast::Term { field, term } => name(*field).has_value(term.as_str()),
        Ast::Prefix { field, prefix } => name(*field).has_prefix(prefix.as_str()),
        Ast::Range { field, lower, upper } => {
            let field = name(*field);
            let lower = match *lower {
                Bound::Unbounded => None,
                Bound::Included(min) => Some(field.i64_ge(min)),
                Bound::Excluded(below) => Some(field.i64_gt(below)),
            };
            let upper = match *upper {
                Bound::Unbounded => None,
                Bound::Included(max) => Some(field.i64_le(max)),
                Bound::Excluded(above) => Some(field.i64_lt(above)),
            };
            let bounds: Vec<Query> = lower.into_iter().chain(upper).collect();
            if bounds.is_empty() {
                return None;
            }
            Query::from_and(bounds)
        }
        Ast::And(of) => Query::from_and(all(of)?),
        Ast::Or(of) => Query::from_or(all(of)?),
        Ast::Not(part) => Query::negation(express(part)?),
        _ => return None,
    })
}
