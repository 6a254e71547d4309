//! perch's own engines.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use perch::doc::{Doc, DocBuilder};
use perch::ids::QueryKey;
use perch::percolator::{ENGINES, Engine, EngineOptions, Matches};
use perch::query::Ast;
use perch::schema::Schema;

use crate::row::Row;
use crate::timing;
use crate::tweets::Tweets;

/// An engine with its queries.
pub(crate) struct Registered {
    pub(crate) engine: Box<dyn Engine>,
    name: &'static str,
    per_second: f64,
}

/// Registers all queries with the engine of this name.
#[expect(clippy::cast_precision_loss)]
pub(crate) fn register(name: &str, queries: &[Ast]) -> Result<Registered> {
    let kind = ENGINES.iter().find(|kind| kind.name == name).with_context(|| format!("there is no engine {name}"))?;
    let mut engine = (kind.build)(&EngineOptions::default());
    let (start, busy) = (Instant::now(), timing::busy());
    for (key, query) in (0..).zip(queries) {
        engine.insert(QueryKey(key), query);
    }
    let per_second = queries.len() as f64 / timing::time_since(start, busy).as_secs_f64();
    Ok(Registered { engine, name: kind.name, per_second })
}

/// Analyzes and percolates in batches of this size.
pub(crate) fn measure(
    registered: &mut Registered,
    batch: usize,
    before: &Tweets,
    tweets: &Tweets,
    cap: Duration,
) -> Row {
    let engine = &mut registered.engine;
    let mut builders: Vec<DocBuilder<'_>> = (0..batch).map(|_| DocBuilder::new(Schema::tweet())).collect();
    let mut matches = Matches::default();
    let passes = timing::rounds(cap, batch, before.texts.len(), tweets.texts.len(), |measured, range| {
        let of = if measured { tweets } else { before };
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
        (matches.pairs.len() as u64, matches.candidates)
    });
    Row::new(format!("perch {}", registered.name), batch, passes, registered.per_second)
}
