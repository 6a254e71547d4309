//! Sources bring tweets in. A source is one file and one row of [`SOURCES`].
//!
//! ```text
//! file, stdin ─> format::reader ─┐
//! demo ──────────────────────────┴─> Intake ─> pipeline
//! ```
//!
//! [`supervise`] runs one source: it restarts a failed one with exponential backoff and shows its
//! state on the [`StatusBoard`]. A source waits while the pipeline is full. A failing source
//! affects no other.

mod demo;
mod file;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rand::RngExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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
pub const SOURCES: &[SourceKind] = &[demo::KIND, file::KIND];

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
    /// Cancelled at the shutdown: the source sends what it has read, and returns.
    pub shutdown: CancellationToken,
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

/// The state of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It runs.
    Running,
    /// It failed, and its supervisor will restart it.
    Failing {
        /// The error.
        reason: String,
    },
    /// It has ended.
    Done,
}

/// The states of all sources. Supervisors write them, `/readyz` reads them.
#[derive(Debug, Default)]
pub struct StatusBoard {
    states: Mutex<BTreeMap<String, SourceState>>,
}

impl StatusBoard {
    /// Sets the state of a source.
    pub fn set(&self, name: &str, state: SourceState) {
        // A poisoned lock still guards a valid map: each write is one insertion.
        self.states.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), state);
    }

    /// The states of all sources, by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(String, SourceState)> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(|(name, state)| (name.clone(), state.clone())).collect()
    }
}

/// Delay before the first restart of a failed source. Doubles with each further failure.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(500);
/// Longest delay before a restart.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);
/// A source that ran this long before it failed is restarted after the first delay again.
const HEALTHY_RUN: Duration = Duration::from_secs(60);

/// Runs a source until it ends or perch shuts down, and restarts it when it fails.
pub async fn supervise(source: Box<dyn Source>, context: SourceContext, board: Arc<StatusBoard>) {
    supervise_with(FIRST_RETRY_DELAY, source, context, board).await;
}

async fn supervise_with(
    first_delay: Duration,
    source: Box<dyn Source>,
    context: SourceContext,
    board: Arc<StatusBoard>,
) {
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
        let pause = retry_delay(first_delay, failures).mul_f64(rand::rng().random_range(0.5..1.0));
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

fn retry_delay(first_delay: Duration, failures: u32) -> Duration {
    first_delay.saturating_mul(2_u32.saturating_pow(failures)).min(MAX_RETRY_DELAY)
}

#[cfg(test)]
mod tests;
