//! Single tweets while queries are added and removed: one of each for every fifth tweet, which is
//! 1,000 a second at 5,000 tweets a second.
//!
//! Queries come from the parser, which has compiled their regular expressions. `still` is the time
//! of a tweet without changes, `tweet` that of a tweet alone, and `waiting` that of a tweet with
//! the changes before it.

use std::time::{Duration, Instant};

use perch::doc::DocBuilder;
use perch::ids::QueryKey;
use perch::percolator::Matches;
use perch::query::{Ast, Query, QueryLimits};
use perch::schema::Schema;

use crate::stream::{Setting, as_float};

/// One query is replaced for this many tweets.
const EVERY: usize = 5;

pub(crate) const HEAD: &str = "mix        |  queries | p50 us: still | tweet | waiting | p99 us: still | tweet | waiting | p99 waiting / still\n\
                               -----------|----------|---------------|-------|---------|---------------|-------|---------|--------------------";

/// Measures one row.
pub(crate) fn measure(mix: &str, size: usize, engine: &str, short: bool) -> String {
    // Half of the queries are registered at any time.
    let mut setting = Setting::new(mix, size * 2, short);
    setting.queries = setting.queries.into_iter().map(parsed).collect();
    let mut others = setting.queries.split_off(size);
    let (mut engine, _) = setting.engine(engine, 1);
    let mut matches = Matches::default();
    let mut builder = DocBuilder::new(Schema::tweet());
    let mut still = Vec::new();
    let (mut alone, mut waiting) = (Vec::new(), Vec::new());
    let mut n_changes = 0;
    for changes in [false, true] {
        for at in 0..setting.stream.texts.len() {
            matches.clear();
            let start = Instant::now();
            if changes && at % EVERY == 0 {
                let key = n_changes % size;
                let number = QueryKey(u32::try_from(key).expect("few queries"));
                engine.remove(number);
                engine.insert(number, &others[key]);
                // A removed query is added again a round later. Otherwise each query would be
                // replaced by itself from then on.
                std::mem::swap(&mut setting.queries[key], &mut others[key]);
                n_changes += 1;
            }
            let changed = Instant::now();
            setting.stream.build(at, &mut builder);
            engine.percolate(&[builder.doc()], &mut matches);
            if changes {
                alone.push(changed.elapsed());
                waiting.push(start.elapsed());
            } else {
                still.push(start.elapsed());
            }
        }
    }
    for times in [&mut still, &mut alone, &mut waiting] {
        times.sort_unstable();
    }
    let us = |times: &[Duration], percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e6;
    format!(
        "{mix:<10} | {size:>8} | {:>13.2} | {:>5.2} | {:>7.2} | {:>13.2} | {:>5.2} | {:>7.2} | {:>19.2}",
        us(&still, 50),
        us(&alone, 50),
        us(&waiting, 50),
        us(&still, 99),
        us(&alone, 99),
        us(&waiting, 99),
        us(&waiting, 99) / us(&still, 99).max(1.0 / as_float(1_000)),
    )
}

/// A query as the parser makes it.
fn parsed(ast: Ast) -> Ast {
    let limits = QueryLimits::default();
    Query::from_ast(ast, Schema::tweet(), &limits).expect("queries of the mixes are inside the limits").ast().clone()
}
