//! Sources bring tweets in. A source is one file and one row of [`SOURCES`].

pub mod reader;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::config::Problem;
use crate::pipeline::Intake;

/// A row of the table of sources.
pub struct SourceKind {
    /// The `type` in `[[source]]`, in kebab case.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// An example `[[source]]` table; a test loads it.
    pub example: &'static str,
    /// Reads the table (without `type`) and makes the source. Touches nothing outside.
    pub build: fn(toml::Table) -> Result<Box<dyn Source>, Vec<Problem>>,
}

/// All sources that perch knows.
pub const SOURCES: &[SourceKind] = &[];

/// What a source may touch.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// The source's name in logs, metrics and `/readyz`: its type and its place in the config, `file#2`.
    pub name: String,
    /// Where the tweets go.
    pub intake: Intake,
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
