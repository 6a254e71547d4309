//! Sources bring tweets in. A source is one file and one row of [`SOURCES`].
//!
//! ```text
//! file, stdin ─> format::reader ─┐
//! demo ──────────────────────────┼─> Intake ─> pipeline
//! bluesky, mastodon, x ─> feed ──┘
//! ```
//!
//! [`supervise`] runs one source: it restarts a failed one with exponential backoff and jitter, and
//! shows its state on the [`StatusBoard`]. A live source makes one connection in each run, and
//! fails when the connection ends. A source waits while the pipeline is full. A failing source
//! affects no other.

mod bluesky;
mod demo;
mod feed;
mod file;
mod http;
mod in_flight;
mod line_reader;
mod mastodon;
mod recent;
mod retry;
mod status;
mod websocket;
mod x;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::retry::FIRST_RETRY_DELAY;
pub use self::status::{SourceState, SourceStatus, StatusBoard};
use crate::config::ConfigError;
use crate::index::Cursors;
use crate::pipeline::Intake;
use crate::telemetry;
use crate::tweet::AnalyzedTweet;

/// A row of [`SOURCES`].
pub struct SourceKind {
    /// The `type` in `[[source]]`, in kebab case.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// An example `[[source]]` table; a test loads it.
    pub example: &'static str,
    /// Builds the source from the table (without `type`). No side effects.
    pub build: BuildSource,
}

/// Builds a source from its table, or returns every error in it.
pub type BuildSource = fn(toml::Table) -> Result<Box<dyn Source>, Vec<ConfigError>>;

/// All kinds of sources. The bulk endpoint, `POST /api/tweets`, needs no configuration and is no
/// row.
pub const SOURCES: &[SourceKind] = &[demo::KIND, file::KIND, bluesky::KIND, mastodon::KIND, x::KIND];

/// Everything that a source may use.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// The source's name in logs, metrics and `/readyz`: its type and its number in the config,
    /// `file#2`.
    pub name: String,
    /// Takes the tweets.
    pub intake: Intake,
    /// The longest tweet, `limits.max_line_bytes`.
    pub max_line_bytes: usize,
    /// The cursors of the last commit: where sources that send cursors resume.
    pub cursors: Cursors,
    /// Shows the state of the source.
    pub board: Arc<StatusBoard>,
    /// Cancelled at the shutdown: the source sends what it has read, and returns.
    pub shutdown: CancellationToken,
}

impl SourceContext {
    /// Reports the age of the newest event when it arrived.
    fn report_lag(&self, lag: Duration) {
        telemetry::source_lag(&self.name, lag);
        self.board.set_lag(&self.name, lag);
    }

    /// Reports what the server could not deliver after an interruption.
    fn report_gap(&self, gap: String) {
        telemetry::source_gap(&self.name, &gap);
        self.board.set_gap(&self.name, gap);
    }
}

/// A source of tweets.
///
/// The supervisor calls `run` in a task of its own. `Ok` means that the source has ended. After
/// `Err` or a panic the supervisor calls `run` again with backoff; the source should then send
/// again what was not acknowledged.
pub trait Source: Send + Sync {
    /// Sends tweets until the source ends or perch shuts down.
    fn run(&self, context: SourceContext) -> BoxFuture<'_, anyhow::Result<()>>;
}

/// The first `n` tweets of the demo with a fixed seed and clock.
pub(crate) fn sample(n: usize) -> Vec<Arc<AnalyzedTweet>> {
    demo::sample(n)
}

/// A source that ran this long before it failed is restarted after the first delay again.
const HEALTHY_RUN: Duration = Duration::from_secs(60);

/// Runs a source until it ends or perch shuts down, and restarts it when it fails.
pub async fn supervise(source: Box<dyn Source>, context: SourceContext) {
    supervise_with(FIRST_RETRY_DELAY, source, context).await;
}

async fn supervise_with(first_delay: Duration, source: Box<dyn Source>, context: SourceContext) {
    let board = Arc::clone(&context.board);
    let mut failures = 0;
    loop {
        let started = Instant::now();
        telemetry::source_started(&context.name);
        board.set(&context.name, SourceState::Running);
        // A panic counts as a failure. Otherwise the board would show a dead source as running.
        let run = AssertUnwindSafe(async { source.run(context.clone()).await }).catch_unwind().await;
        let error = match run.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Err(error) if !context.shutdown.is_cancelled() => error,
            Ok(()) | Err(_) => {
                telemetry::source_done(&context.name);
                board.set(&context.name, SourceState::Done);
                return;
            }
        };
        if started.elapsed() >= HEALTHY_RUN {
            failures = 0;
        }
        let pause = retry::pause(first_delay, failures, &error);
        failures += 1;
        telemetry::source_failed(&context.name, &error, pause);
        board.set(&context.name, SourceState::Failing { reason: telemetry::message_of(&error) });
        // A shutdown ends the delay; the restarted source then returns at once.
        let _ = context.shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

fn panicked(panic: &(dyn Any + Send)) -> anyhow::Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    anyhow::anyhow!("it panicked: {}", text.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests;
