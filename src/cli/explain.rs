//! `perch explain`: what a query means and costs.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anstyle::Style;
use clap::Args;

use super::{Failure, read_query};
use crate::ids::QueryKey;
use crate::percolator::{ENGINES, EngineOptions, Matches};
use crate::query::{Ast, Query, describe};
use crate::schema::Schema;
use crate::source::sample;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The query: text, or its JSON form
    #[arg(allow_hyphen_values = true)]
    query: String,
}

#[expect(clippy::cast_precision_loss, reason = "a small number")]
pub(super) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let query = read_query(&args.query)?;
    let bold = Style::new().bold();
    let mut out = anstream::stdout();
    writeln!(out, "{bold}meaning{bold:#}")?;
    for line in describe(query.ast(), Schema::tweet()).lines() {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "{bold}canonical form{bold:#}\n  {}", query.canonical())?;
    writeln!(out, "{bold}query id{bold:#}\n  {}", query.id())?;
    let cost = cost(&query);
    writeln!(out, "{bold}presearch{bold:#} (a tweet is looked at only when it has one of)")?;
    for line in presearch_lines(&cost.presearch) {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "{bold}cost{bold:#}")?;
    writeln!(out, "  {} bytes while it is registered", cost.size_bytes)?;
    writeln!(out, "  looked at for {} of {SAMPLE} made-up tweets, {} of them match", cost.candidates, cost.matches)?;
    writeln!(out, "  {:.2} µs a tweet when it is the only query", cost.time.as_secs_f64() * 1e6 / SAMPLE as f64)?;
    Ok(())
}

/// How many tweets the query is tried on.
const SAMPLE: usize = 1_000;

/// One way to be looked at a line.
fn presearch_lines(presearch: &Ast) -> Vec<String> {
    let schema = Schema::tweet();
    let ways = match presearch {
        Ast::Or(ways) => ways.as_slice(),
        one => std::slice::from_ref(one),
    };
    let line = |way: &Ast| match way {
        Ast::And(parts) => {
            parts.iter().map(|part| describe(part, schema).trim_end().to_owned()).collect::<Vec<_>>().join(" and ")
        }
        one => describe(one, schema).trim_end().to_owned(),
    };
    ways.iter().map(line).collect()
}

struct Cost {
    presearch: Ast,
    size_bytes: usize,
    candidates: u64,
    matches: usize,
    time: Duration,
}

/// Registers the query with the default engine and lets tweets come.
fn cost(query: &Query) -> Cost {
    let mut engine = (ENGINES[0].build)(&EngineOptions::default());
    let empty_bytes = engine.size_bytes();
    engine.insert(QueryKey(0), query.ast());
    let size_bytes = engine.size_bytes().saturating_sub(empty_bytes);
    let tweets = sample(SAMPLE);
    let docs: Vec<_> = tweets.iter().map(|tweet| &tweet.doc).collect();
    // Once to learn how frequent words are, once to measure.
    engine.percolate(&docs, &mut Matches::default());
    let mut matches = Matches::default();
    let started = Instant::now();
    engine.percolate(&docs, &mut matches);
    Cost {
        presearch: engine.presearch(QueryKey(0)),
        size_bytes,
        candidates: matches.candidates,
        matches: matches.pairs.len(),
        time: started.elapsed(),
    }
}
