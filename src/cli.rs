//! The command line: subcommands, what they print, and exit codes.
//!
//! Results go to stdout, everything else to stderr. `serve` runs perch here; `ingest`, `search`,
//! `tail` and `bench` are clients of one that runs (and know nothing of it but its HTTP and
//! WebSocket interface); `explain`, `check` and `plugins` need none. `backup`, `check-index` and
//! `reindex` work on the directory of an index.

mod check;
mod explain;
mod ingest;
mod maintain;
mod plugins;
mod reload;
mod search;
mod searches;
mod serve;
mod signals;
mod tail;
mod webhook_receiver;

use std::io;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::{Keys, Plugins};
use crate::bench;
use crate::client::Failure;
use crate::config::{Config, ConfigError, ConfigFile, ConfigLayers};
use crate::query::{Diagnostics, ParseOptions, Parsed, Query, QueryLimits};
use crate::schema::Schema;

/// Percolation search push: live search over tweets, history and future in one result.
#[derive(Debug, Parser)]
#[command(name = "perch", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ConfigArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (also without any command)
    Serve(ConfigArgs),
    /// Send files of tweets to a server
    Ingest(ingest::IngestArgs),
    /// Search the tweets that a server has
    Search(search::SearchArgs),
    /// Print matching tweets as they come in
    Tail(tail::TailArgs),
    /// Saved searches, whose matches perch sends to webhooks
    Searches(searches::SearchesArgs),
    /// Print what webhooks send, for trying them out
    WebhookReceiver(webhook_receiver::ReceiverArgs),
    /// Show what a query means and costs, and why tweets match it
    Explain(explain::ExplainArgs),
    /// Measure a running server, with made-up tweets and sessions
    Bench(bench::BenchArgs),
    /// Check the configuration and say everything that is wrong with it
    Check(ConfigArgs),
    /// Copy the index to another directory, also while a server uses it
    Backup(maintain::BackupArgs),
    /// Read the whole index, which no server may use, and say what is wrong with it
    CheckIndex(ConfigArgs),
    /// Build the index, which no server may use, anew from the tweets in it
    Reindex(maintain::ReindexArgs),
    /// List the sources, percolator engines and transports, with examples
    Plugins,
}

/// What makes the configuration.
#[derive(Clone, Debug, Default, Args)]
struct ConfigArgs {
    /// The configuration file [default: config.toml, when it is there]
    #[arg(long, value_name = "FILE", env = "PERCH_CONFIG")]
    config: Option<String>,
    /// Where to listen, as in 127.0.0.1:8888; port 0 takes any that is free
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where the tweets are kept
    #[arg(long, value_name = "DIR")]
    index_dir: Option<String>,
    /// Take tweets only from sources of this type, as in `bluesky`: those of the configuration
    /// file, or else one with its defaults
    #[arg(long, value_name = "TYPE")]
    source: Vec<String>,
    /// Set any key of the configuration, as in `limits.max_page=50`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Runs the command that the arguments ask for.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Ingest(args)) => block_on(ingest::run(&args)),
        Some(Command::Search(args)) => block_on(search::run(&args)),
        Some(Command::Tail(args)) => block_on(tail::run(&args)),
        Some(Command::Searches(args)) => block_on(searches::run(&args)),
        Some(Command::WebhookReceiver(args)) => block_on(webhook_receiver::run(&args)),
        Some(Command::Bench(args)) => block_on(bench::run(&args)),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Backup(args)) => maintain::backup(&args),
        Some(Command::CheckIndex(args)) => maintain::check_index(&args),
        Some(Command::Reindex(args)) => maintain::reindex(&args),
        Some(Command::Plugins) => plugins::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Runs a client, and does not wait for what blocks, as a read of standard input does.
fn block_on(client: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(client);
    runtime.shutdown_background();
    outcome
}

/// Brings all layers of the configuration together. The one place where the command line reads the
/// environment for it.
fn layers(args: &ConfigArgs) -> Result<ConfigLayers, Vec<ConfigError>> {
    const DEFAULT: &str = "config.toml";
    let name = args.config.as_deref().unwrap_or(DEFAULT);
    let file = match std::fs::read_to_string(name) {
        Ok(text) => Some(ConfigFile { name: name.to_owned(), text }),
        Err(error) if args.config.is_none() && error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(vec![ConfigError::new(name, format!("can't be read: {error}"))]),
    };
    Ok(ConfigLayers {
        file,
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect(),
        set: args.set.clone(),
        sources: args.source.clone(),
        listen: args.listen.clone(),
        index_dir: args.index_dir.clone(),
    })
}

/// Reads a query as perch does; the limits are the server's affair.
fn read_query(text: &str, options: ParseOptions) -> Result<Query, Failure> {
    let limits =
        QueryLimits { max_bytes: usize::MAX, max_clauses: usize::MAX, max_cost: usize::MAX, ..QueryLimits::default() };
    let schema = Schema::tweet();
    let parsed = if text.trim_start().starts_with('{') {
        let value =
            serde_json::from_str(text).map_err(|error| Failure::Usage(format!("the query is no JSON: {error}")))?;
        Parsed::from_json(&value, schema, &limits, options)
    } else {
        Parsed::from_text(text, schema, &limits, options)
    };
    let Parsed { query, warnings } =
        parsed.map_err(|diagnostics: Diagnostics| Failure::Usage(format!("{diagnostics}")))?;
    for warning in warnings {
        anstream::eprintln!("query: warning: {warning}");
    }
    Ok(query)
}

/// The checked configuration and its plugins, or everything that is wrong.
fn load(args: &ConfigArgs) -> Result<(Config, Plugins), Failure> {
    let layers = layers(args).map_err(Failure::Config)?;
    warn(&layers.unknown_variables());
    let (config, errors) = Config::parse(&layers);
    let (plugins, ()) = both(errors, Plugins::build(&config), Ok(()))?;
    Ok((config, plugins))
}

/// What a server needs.
struct Loaded {
    config: Config,
    plugins: Plugins,
    keys: Keys,
    /// Variables that set nothing.
    warnings: Vec<ConfigError>,
}

/// The same with the keys that a server needs, whose files others need not be able to read.
fn load_with_keys(args: &ConfigArgs) -> Result<Loaded, Failure> {
    let layers = layers(args).map_err(Failure::Config)?;
    let warnings = layers.unknown_variables();
    let (config, errors) = Config::parse(&layers);
    match both(errors, Plugins::build(&config), Keys::load(&config)) {
        Ok((plugins, keys)) => Ok(Loaded { config, plugins, keys, warnings }),
        Err(failure) => {
            warn(&warnings);
            Err(failure)
        }
    }
}

fn warn(warnings: &[ConfigError]) {
    for warning in warnings {
        anstream::eprintln!("config: warning: {warning}");
    }
}

/// Both, or everything that is wrong.
fn both<A, B>(
    mut errors: Vec<ConfigError>,
    a: Result<A, Vec<ConfigError>>,
    b: Result<B, Vec<ConfigError>>,
) -> Result<(A, B), Failure> {
    match (a, b) {
        (Ok(a), Ok(b)) if errors.is_empty() => Ok((a, b)),
        (a, b) => {
            errors.extend(a.err().into_iter().chain(b.err()).flatten());
            Err(Failure::Config(errors))
        }
    }
}

#[cfg(test)]
mod tests;
