//! The command line: subcommands, what they print, and exit codes.
//!
//! Results go to stdout, everything else to stderr. `serve` runs perch here; `ingest`, `search`,
//! `tail` and `bench` are clients of one that runs (and know nothing of it but its HTTP and
//! WebSocket interface); `explain`, `check` and `plugins` need none. `backup`, `check-index` and
//! `reindex` work on the directory of an index.

mod bench;
mod check;
mod client;
mod explain;
mod ingest;
mod maintain;
mod plugins;
mod reload;
mod search;
mod searches;
mod serve;
mod show;
mod signals;
mod tail;
mod webhook_receiver;

use std::io;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio_rustls::rustls::ClientConfig;

use crate::app::{Keys, Plugins};
use crate::config::{Config, ConfigError, ConfigFile, ConfigLayers};
use crate::outbound::{self, Trust, TrustError};
use crate::query::{Diagnostics, ParseOptions, Parsed, Query, QueryLimits};
use crate::schema::Schema;
use crate::telemetry;
use show::escaped;

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

/// Which server to ask.
#[derive(Debug, Args)]
struct ServerArgs {
    /// Where perch runs
    #[arg(long, value_name = "URL", env = "PERCH_URL", default_value = "http://localhost:8888",
        value_parser = client::server_url)]
    url: url::Url,
    #[command(flatten)]
    access: AccessArgs,
}

/// How to trust a server, and to be trusted by it. The token is never an argument: those can be
/// seen by everybody on the machine.
#[derive(Debug, Args)]
struct AccessArgs {
    /// A file with the server's token; the variable `PERCH_TOKEN` can hold it too
    #[arg(long, value_name = "FILE")]
    token_file: Option<std::path::PathBuf>,
    /// A file with the certificates (PEM) that an https server is trusted by, instead of those that
    /// the system trusts
    #[arg(long, value_name = "FILE", env = "PERCH_CA")]
    ca: Option<std::path::PathBuf>,
}

impl AccessArgs {
    /// What connections to these addresses need.
    /// The TLS set-up that these addresses need. The file of `--ca` is read in any case, so that
    /// mistakes are found.
    fn tls<'a>(&self, urls: impl IntoIterator<Item = &'a url::Url>) -> Result<ClientConfig, Failure> {
        let trust = match &self.ca {
            Some(file) => Trust::File(file),
            None if urls.into_iter().any(client::is_encrypted) => Trust::System,
            None => Trust::None,
        };
        outbound::tls(trust).map_err(|error| match error {
            TrustError::File(what) => Failure::Usage(format!("--ca: {what}")),
            TrustError::System(_) => Failure::Other(anyhow::anyhow!("{error}, or name those to trust with --ca")),
        })
    }

    fn authorization(&self) -> Result<Option<hyper::header::HeaderValue>, Failure> {
        let token =
            match &self.token_file {
                Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
                    Failure::Usage(format!("--token-file: {} can't be read: {error}", path.display()))
                })?),
                None => std::env::var("PERCH_TOKEN").ok(),
            };
        let Some(token) = token else { return Ok(None) };
        let mut header = hyper::header::HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| Failure::Usage("the token has characters that no token has".to_owned()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// Why a command did not do what it should; each has its exit code.
#[derive(Debug)]
enum Failure {
    /// Wrong usage, or a query that can't be understood.
    Usage(String),
    /// The configuration is wrong.
    Config(Vec<ConfigError>),
    /// Anything else.
    Other(anyhow::Error),
    /// It was said already.
    Told,
    /// A signal ended it before it was done; that was said already.
    Interrupted,
    /// No tweet matches: nothing to be said.
    NoMatch,
}

/// What shells answer for a program that Ctrl-C has ended: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Other(error.into())
    }
}

impl Failure {
    /// Prints the failure on stderr. A closed stdout is no failure: its reader has seen enough.
    fn report(self) -> ExitCode {
        match self {
            Failure::Usage(message) => {
                anstream::eprintln!("{}", escaped(message.trim_end()));
                ExitCode::from(2)
            }
            Failure::Config(errors) => {
                for error in errors {
                    anstream::eprintln!("config: {error}");
                }
                ExitCode::from(64)
            }
            Failure::Other(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
            Failure::Other(error) => {
                anstream::eprintln!("perch: {}", escaped(&telemetry::message_of(&error)));
                ExitCode::FAILURE
            }
            Failure::Told | Failure::NoMatch => ExitCode::FAILURE,
            Failure::Interrupted => ExitCode::from(INTERRUPTED),
        }
    }

    /// For commands whose exit code 1 means "no match": every other failure is 2. A closed stdout
    /// is still no failure.
    fn unlike_no_match(self) -> Failure {
        match self {
            Failure::Other(error) if !is_broken_pipe(&error) => Failure::Usage(format!("perch: {error:#}")),
            other => other,
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
