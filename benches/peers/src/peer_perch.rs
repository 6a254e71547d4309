//! perch's own engines.
//!
//! The compiled engine learns document frequencies from the tweets that pass, and caches the
//! patterns that a word matches. So that nothing is learned from measured tweets, each round has a
//! new engine that has seen only the warm-up.

use std::time::Duration;

use anyhow::{Context as _, Result};
use perch::doc::{Doc, DocBuilder};
use perch::ids::QueryKey;
use perch::percolator::{ENGINES, Engine, EngineOptions, Matches};
use perch::query::Ast;
use perch::schema::Schema;

use crate::row::Row;
use crate::timing::{self, Best, Clock};
use crate::tweets::Tweets;

/// Registers all queries with a new engine of this name. Returns the engine and its registrations a
/// second.
#[expect(clippy::cast_precision_loss)]
pub(crate) fn register(name: &str, queries: &[Ast]) -> Result<(Box<dyn Engine>, f64)> {
    let kind = ENGINES.iter().find(|kind| kind.name == name).with_context(|| format!("there is no engine {name}"))?;
    let mut engine = (kind.build)(&EngineOptions::default());
    let clock = Clock::start();
    for (key, query) in (0..).zip(queries) {
        engine.insert(QueryKey(key), query);
    }
    Ok((engine, queries.len() as f64 / clock.busy().as_secs_f64()))
}

/// Analyzes and percolates in batches of this size.
pub(crate) fn measure(
    name: &str,
    batch: usize,
    queries: &[Ast],
    before: &Tweets,
    tweets: &Tweets,
    cap: Duration,
) -> Result<Row> {
    let mut builders: Vec<DocBuilder<'_>> = (0..batch).map(|_| DocBuilder::new(Schema::tweet())).collect();
    let mut matches = Matches::default();
    let mut best = Best::default();
    let mut registered = 0.0_f64;
    for _ in 0..timing::ROUNDS {
        let (mut engine, per_second) = register(name, queries)?;
        registered = registered.max(per_second);
        let mut percolate = |of: &Tweets, range: std::ops::Range<usize>| {
            let n = range.len();
            matches.clear();
            for (at, builder) in range.zip(&mut builders) {
                of.build(at, builder);
            }
            if let [builder] = builders.as_mut_slice() {
                engine.percolate(&[builder.doc()], &mut matches);
            } else {
                let docs: Vec<&Doc> = builders.iter_mut().take(n).map(DocBuilder::doc).collect();
                engine.percolate(&docs, &mut matches);
            }
            (matches.len() as u64, matches.candidates)
        };
        timing::warm_up(cap, batch, before.texts.len(), |range| percolate(before, range));
        best.add(timing::round(cap, batch, tweets.texts.len(), |range| percolate(tweets, range)));
    }
    Ok(Row::new(format!("perch {name}"), batch, best, registered))
}
