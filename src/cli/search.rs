//! `perch search`: a page of history.

use crate::tweet::PageKey;
use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::read_query;
use crate::client::terminal::{Shown, escaped, json_line};
use crate::client::{Failure, Http, HttpAnswer, NOT_PERCH, ServerArgs, address, refusal, unreachable};
use crate::query::ParseOptions;

#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// The query: text, or its JSON form
    #[arg(allow_hyphen_values = true)]
    query: String,
    /// How many tweets at most
    #[arg(short, default_value_t = 20)]
    n: usize,
    /// Only tweets before this id: the next page
    #[arg(long, value_name = "ID", value_parser = page_key)]
    before_id: Option<PageKey>,
    /// Print the tweets as JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// How wide a table is on a terminal that does not say.
const WIDTH: u16 = 80;

#[derive(Deserialize)]
struct Page {
    result: Vec<Box<RawValue>>,
    total: u64,
    next: Option<String>,
}

fn page_key(text: &str) -> Result<PageKey, &'static str> {
    PageKey::parse(text).ok_or("expected the `next` of a page, or a whole number below 2^64")
}

pub(super) async fn run(args: &SearchArgs) -> Result<(), Failure> {
    let now = Some(jiff::Timestamp::now().as_millisecond());
    read_query(&args.query, ParseOptions { now, ..ParseOptions::default() })?;
    let mut url = address(&args.server.url, "/api/search");
    url.query_pairs_mut().append_pair("q", &args.query).append_pair("n", &args.n.to_string());
    if let Some(before_id) = args.before_id {
        url.query_pairs_mut().append_pair("before_id", &before_id.to_string());
    }
    let http = Http::new(&args.server.access, [&url])?;
    let HttpAnswer { status, body, .. } =
        http.ask(&url).await.map_err(|error| unreachable(&args.server.url, &error))?;
    if !status.is_success() {
        return Err(refusal(status, &body));
    }
    let page: Page = serde_json::from_str(&body).context(NOT_PERCH)?;
    if args.json {
        // As it is: anstream would leave out what it takes for styles.
        let mut out = std::io::stdout();
        let is_terminal = out.is_terminal();
        for tweet in &page.result {
            writeln!(out, "{}", json_line(tweet.get(), is_terminal))?;
        }
        return Ok(());
    }
    let mut out = anstream::stdout();
    if !page.result.is_empty() {
        writeln!(out, "{}", table(&page.result)?)?;
    }
    let next = page.next.map(|next| format!("; the next page: --before-id {}", escaped(&next))).unwrap_or_default();
    anstream::eprintln!("{} of {}{next}", page.result.len(), page.total);
    Ok(())
}

fn table(tweets: &[Box<RawValue>]) -> Result<Table, Failure> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width() == Some(0) {
        // A terminal that doesn't know how wide it is.
        table.set_width(WIDTH);
    }
    table.set_header(["id", "created", "author", "text"]);
    for tweet in tweets {
        let tweet: Shown = serde_json::from_str(tweet.get()).context(NOT_PERCH)?;
        table.add_row([tweet.id(), tweet.time(), tweet.author(), tweet.text()]);
    }
    Ok(table)
}
