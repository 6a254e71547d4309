//! Sources bring tweets in. A source is one file and one row of [`SOURCES`].
//!
//! ```text
//! file, stdin ─> reader ─┐
//! demo ──────────────────┴─> Intake ─> pipeline
//! ```
//!
//! [`supervise`] runs one: it starts a source that failed again, with longer and longer pauses, and shows on the [`StatusBoard`] how it
//! is. A source waits when the pipeline is full, and a broken one never hurts another.

mod demo;
mod file;
pub mod reader;

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

use crate::config::Problem;
use crate::index::Cursors;
use crate::pipeline::Intake;
use crate::telemetry;
use crate::tweet::Prepared;

/// A row of the table of sources.
pub struct SourceKind {
    /// The `type` in `[[source]]`, in kebab case.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// An example `[[source]]` table; a test loads it.
    pub example: &'static str,
    /// Reads the table (without `type`) and makes the source. Touches nothing outside.
    pub build: BuildSource,
}

/// Makes a source from its table, or says everything that is wrong with it.
pub type BuildSource = fn(toml::Table) -> Result<Box<dyn Source>, Vec<Problem>>;

/// All sources that perch knows. The bulk endpoint, `POST /api/tweets`, is no row: it is always there.
pub const SOURCES: &[SourceKind] = &[demo::KIND, file::KIND];

/// What a source may touch.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// The source's name in logs, metrics and `/readyz`: its type and its place in the config, `file#2`.
    pub name: String,
    /// Where the tweets go.
    pub intake: Intake,
    /// How far sources had come with the last commit: a source that names its place with each batch goes on from there.
    pub cursors: Cursors,
    /// Cancelled when it should stop: it hands over what it has and returns.
    pub shutdown: CancellationToken,
}

/// A source of tweets.
///
/// `run` is called once, on its own task. `Ok` means that there is nothing more to come. After `Err` it is started again with backoff,
/// so it must be possible to call it again; what was handed over and not acknowledged should be handed over again.
pub trait Source: Send + Sync {
    /// Brings tweets in until there are no more, or until the shutdown.
    fn run(&self, context: SourceContext) -> BoxFuture<'_, anyhow::Result<()>>;
}

/// Some made-up tweets, always the same: for whoever wants to try something on tweets.
pub(crate) fn sample(n: usize) -> Vec<Arc<Prepared>> {
    demo::sample(n)
}

/// How a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It runs.
    Running,
    /// It failed and is started again soon.
    Failing {
        /// Why.
        reason: String,
    },
    /// It has nothing more to bring.
    Done,
}

/// How all sources are: written by their supervisors, read by `/readyz`.
#[derive(Debug, Default)]
pub struct StatusBoard {
    states: Mutex<BTreeMap<String, SourceState>>,
}

impl StatusBoard {
    /// Says how a source is.
    pub fn set(&self, name: &str, state: SourceState) {
        // Every write is whole, so the board is good even if a writer panicked.
        self.states.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), state);
    }

    /// How all sources are, by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(String, SourceState)> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(|(name, state)| (name.clone(), state.clone())).collect()
    }
}

/// The first pause before a source that failed is started again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A source that ran for so long starts again with the first pause.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// Runs a source until it is done or the shutdown comes, and starts it again when it fails.
pub async fn supervise(source: Box<dyn Source>, context: SourceContext, board: Arc<StatusBoard>) {
    supervise_with(FIRST_PAUSE, source, context, board).await;
}

async fn supervise_with(
    first_pause: Duration,
    source: Box<dyn Source>,
    context: SourceContext,
    board: Arc<StatusBoard>,
) {
    let mut failures = 0;
    loop {
        let started = Instant::now();
        telemetry::source_started(&context.name);
        board.set(&context.name, SourceState::Running);
        // A panic is a failure like any other: it must not leave a source that seems to run.
        let run = AssertUnwindSafe(async { source.run(context.clone()).await }).catch_unwind().await;
        let error = match run.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Err(error) if !context.shutdown.is_cancelled() => error,
            Ok(()) | Err(_) => {
                telemetry::source_done(&context.name);
                board.set(&context.name, SourceState::Done);
                return;
            }
        };
        if started.elapsed() >= GOOD_RUN {
            failures = 0;
        }
        let pause = pause_after(first_pause, failures).mul_f64(rand::rng().random_range(0.5..1.0));
        failures += 1;
        telemetry::source_failed(&context.name, &error, pause);
        board.set(&context.name, SourceState::Failing { reason: telemetry::message_of(&error) });
        // The shutdown ends the pause; the source then sees it at once and returns.
        let _ = context.shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

fn panicked(panic: &(dyn Any + Send)) -> anyhow::Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    anyhow::anyhow!("it panicked: {}", text.unwrap_or("without a word"))
}

fn pause_after(first_pause: Duration, failures: u32) -> Duration {
    first_pause.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests;
