//! Transports: views of the same live search for different clients. A transport is one file and one row of [`TRANSPORTS`].

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Problem;
use crate::live::Live;
use crate::pipeline::Intake;
use crate::query::QueryLimits;

/// A row of the table of transports.
pub struct TransportKind {
    /// The `type` in `[[transport]]`, in kebab case.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// An example `[[transport]]` table; a test loads it.
    pub example: &'static str,
    /// Reads the table (without `type`) and makes the transport. Touches nothing outside.
    pub build: fn(toml::Table) -> Result<Box<dyn Transport>, Vec<Problem>>,
}

/// All transports that perch knows.
pub const TRANSPORTS: &[TransportKind] = &[];

/// What a transport may touch.
#[derive(Clone, Debug)]
pub struct TransportContext {
    /// The live search.
    pub live: Live,
    /// The way in for tweets.
    pub intake: Intake,
    /// What queries may ask for.
    pub query_limits: QueryLimits,
    /// Cancelled when connections should end.
    pub shutdown: CancellationToken,
    /// Every task of a connection is spawned here, so that the shutdown can wait for it.
    pub tasks: TaskTracker,
}

/// A transport.
pub trait Transport: Send + Sync {
    /// Its routes. Called once, at start.
    fn routes(&self, context: TransportContext) -> Router;
}
