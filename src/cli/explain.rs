//! `perch explain`: what a query means and costs, and why tweets match it.

mod why;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anstyle::Style;
use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;

use super::{block_on, read_query};
use crate::client::terminal::escaped;
use crate::client::{AccessArgs, Failure, Http, HttpAnswer, NOT_PERCH, address, refusal, unreachable};
use crate::ids::QueryKey;
use crate::percolator::{ENGINES, EngineOptions, Matches};
use crate::query::{Ast, ParseOptions, Query, describe, words};
use crate::schema::Schema;
use crate::source::sample;
use crate::transport::explain::QueryPrice;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The query: text, or its JSON form
    #[arg(allow_hyphen_values = true)]
    query: String,
    /// Say why the tweets in this file match, or why not; `-` is standard input. The exit code is 0
    /// when one matches and 1 when none does
    #[arg(long, value_name = "FILE")]
    tweet: Option<String>,
    /// With --tweet: print one JSON object a tweet, as `/api/explain` answers it
    #[arg(long, requires = "tweet")]
    json: bool,
    /// Judge what the query costs and brings by the newest tweets of the perch that runs here, not
    /// by made-up ones
    #[arg(long, value_name = "URL", conflicts_with = "tweet", value_parser = crate::client::server_url)]
    url: Option<url::Url>,
    #[command(flatten)]
    access: AccessArgs,
}

/// Explains a query, and why tweets match it.
pub(super) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let query = read_query(&args.query, ParseOptions::default())?;
    if let Some(file) = &args.tweet {
        // The exit code distinguishes a failure from a query that does not match.
        return block_on(why::run(&query, file, args.json)).map_err(Failure::unlike_no_match);
    }
    meaning(&query)?;
    match &args.url {
        Some(url) => block_on(price(&args.query, url, &args.access)),
        None => made_up_price(&query),
    }
}

fn meaning(query: &Query) -> Result<(), Failure> {
    let bold = Style::new().bold();
    let mut out = anstream::stdout();
    writeln!(out, "{bold}in words{bold:#}\n  {}", words(query.ast(), Schema::tweet()))?;
    writeln!(out, "{bold}meaning{bold:#}")?;
    for line in describe(query.ast(), Schema::tweet()).lines() {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "{bold}canonical form{bold:#}\n  {}", query.canonical())?;
    writeln!(out, "{bold}query id{bold:#}\n  {}", query.id())?;
    Ok(())
}

#[derive(Deserialize)]
struct PriceAnswer {
    price: QueryPrice,
}

/// The price as a server knows it.
async fn price(query: &str, url: &url::Url, access: &AccessArgs) -> Result<(), Failure> {
    let mut address = address(url, "/api/explain");
    address.query_pairs_mut().append_pair("q", query).append_pair("price", "true");
    let http = Http::new(access, [&address])?;
    let HttpAnswer { status, body, .. } = http.ask(&address).await.map_err(|error| unreachable(url, &error))?;
    if !status.is_success() {
        return Err(refusal(status, &body));
    }
    let PriceAnswer { price } = serde_json::from_str(&body).context(NOT_PERCH)?;
    write_price(&mut anstream::stdout(), &price)?;
    Ok(())
}

fn write_price(out: &mut impl Write, price: &QueryPrice) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "{bold}presearch{bold:#} (only tweets that match one of these are candidates)")?;
    for way in &price.waits_for {
        writeln!(out, "  {}", escaped(way))?;
    }
    let QueryPrice { tweets, candidates, matches, .. } = price;
    writeln!(
        out,
        "{bold}price{bold:#}\n  a candidate for {candidates} of the newest {tweets} tweets; {matches} match"
    )?;
    match (price.tweets_per_hour, price.matches_per_hour) {
        (Some(hourly), Some(0.0)) if *tweets > 0 => {
            let most = rounded(hourly / f64::from(u32::try_from(*tweets).unwrap_or(u32::MAX)));
            writeln!(out, "  fewer than {most} matches an hour, of {} tweets", rounded(hourly))
        }
        (Some(tweets), Some(matches)) => {
            writeln!(out, "  about {} matches an hour, of {} tweets", rounded(matches), rounded(tweets))
        }
        _ => writeln!(out, "  how many tweets come in an hour is not known"),
    }
}

/// An estimate, without the digits that it does not have.
fn rounded(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") }
}

/// The price by made-up tweets.
#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn made_up_price(query: &Query) -> Result<(), Failure> {
    let bold = Style::new().bold();
    let mut out = anstream::stdout();
    let cost = cost(query);
    writeln!(out, "{bold}presearch{bold:#} (only tweets that match one of these are candidates)")?;
    for line in presearch_lines(&cost.presearch) {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "{bold}cost{bold:#}")?;
    writeln!(out, "  {} bytes while it is registered", cost.size_bytes)?;
    writeln!(out, "  a candidate for {} of {SAMPLE} made-up tweets; {} match", cost.candidates, cost.matches)?;
    writeln!(out, "  {:.2} µs a tweet when it is the only query", cost.time.as_secs_f64() * 1e6 / SAMPLE as f64)?;
    Ok(())
}

/// How many tweets the query is tried on.
const SAMPLE: usize = 1_000;

/// The texts that make a tweet a candidate, one a line.
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
    let mut lines: Vec<String> = ways.iter().map(line).collect();
    // Sorted, because the engine's own order changes with its statistics.
    lines.sort_unstable();
    lines
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
        matches: matches.len(),
        time: started.elapsed(),
    }
}
