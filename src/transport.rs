//! Transports: views of the same live search for different clients. A transport is one file and one
//! row of [`TRANSPORTS`].
//!
//! ```text
//! Live ── Session::next ──> ws, sse ──> clients
//! Live <── search, percolate, matching ── ws, sse, rest <── clients
//! Intake <── bulk bodies ── ingest (a part of rest)
//! ```
//!
//! [`router`] puts them together. Transports only translate: they hold no tweet longer than it
//! takes to write it, and no state but that of their connections; what waits for a slow client
//! waits in its [`crate::live::Session`], bounded there. All shapes are in `wire`, all errors in
//! `errors`; `docs/PROTOCOL.md` describes both for clients.

mod access;
mod compression;
mod counts;
mod errors;
pub(crate) mod explain;
mod fields;
mod http;
mod ingest;
mod openapi;
mod pace;
mod page;
mod probes;
mod progress;
mod publish;
mod queries;
mod query_form;
mod rates;
mod response_budget;
mod rest;
mod sente;
mod sse;
mod wire;
mod ws;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::MethodRouter;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::AccessToken;
use crate::config::{ConfigError, LimitsSection};
use crate::live::Live;
use crate::pipeline::Intake;
use crate::query::QueryLimits;
use crate::source::StatusBoard;

use access::Caller;
pub use access::{AddressLimit, AddressSlot, Exposure, Gate, Peer, TrustedProxies, exposure};
pub(crate) use errors::head_refusal;
pub use http::{check_head, router};
pub use probes::admin_router;
pub use progress::Progress;
pub(crate) use query_form::Reader as QueryReader;
pub use response_budget::ConnectionShare;

/// Reads a frame, and the query in it, as the WebSocket does: whether they are understood. For
/// fuzzing.
#[doc(hidden)]
#[must_use]
pub fn understands_frame(frame: &str, limits: &QueryLimits) -> bool {
    let paging = wire::Paging { max_page: 1_000, max_depth: 10_000 };
    match wire::parse(frame, paging).1 {
        Ok(wire::Command::Percolate(command)) => command.query.parse(limits).is_ok(),
        Ok(wire::Command::Query(command)) => command.query.parse(limits).is_ok(),
        Ok(wire::Command::Aggregate(command)) => command.query.parse(limits).is_ok(),
        Ok(_) => true,
        Err(_) => false,
    }
}

/// Makes a transport of its table.
pub type Build = fn(toml::Table) -> Result<Box<dyn Transport>, Vec<ConfigError>>;

/// A row of the table of transports.
pub struct TransportKind {
    /// The `type` in `[[transport]]`, in kebab case.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// An example `[[transport]]` table; a test loads it.
    pub example: &'static str,
    /// Reads the table (without `type`) and makes the transport. Touches nothing outside.
    pub build: Build,
}

/// All transports that perch knows.
pub const TRANSPORTS: &[TransportKind] = &[ws::KIND, sse::KIND, rest::KIND, sente::KIND];

/// What a transport may touch.
#[derive(Clone, Debug)]
pub struct TransportContext {
    /// The live search.
    pub live: Live,
    /// The way in for tweets.
    pub intake: Intake,
    /// What queries may ask for.
    pub query_limits: QueryLimits,
    /// Understands queries.
    pub(crate) queries: Arc<QueryReader>,
    /// What clients may send and hold.
    pub limits: LimitsSection,
    /// How long the next bytes of a request's body may take, or the whole of one that is held.
    pub body_timeout: Duration,
    /// How long a client may take nothing of what it is sent.
    pub write_timeout: Duration,
    /// Whether `/metrics` has a listener of its own.
    pub admin_elsewhere: bool,
    /// Who may come in.
    pub gate: Arc<Gate>,
    /// Where a transport may keep files: the directory of the index.
    pub state_dir: PathBuf,
    /// How the sources are.
    pub sources: Arc<StatusBoard>,
    /// Cancelled when perch begins to shut down: no new work is taken. Sessions go on until they
    /// are told that everything that was taken before has come out of them
    /// ([`crate::live::Event::Closed`]).
    pub shutdown: CancellationToken,
    /// Every task of a connection is spawned here, so that the shutdown can wait for it.
    pub tasks: TaskTracker,
}

impl TransportContext {
    /// The live search for one caller.
    fn live_for(&self, caller: &Caller, token: Option<&AccessToken>) -> Live {
        self.live.on_behalf_of(caller.requester(token))
    }
}

/// A transport.
pub trait Transport: Send + Sync {
    /// Its routes. Called once, at start, in the runtime that serves them.
    fn routes(&self, context: TransportContext) -> Router;
}

/// One route of a transport: the router is made from the same list that `/api/openapi.json` is held
/// against.
struct Route<S> {
    /// In capitals.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test of openapi.json reads it"))]
    method: &'static str,
    /// In the form that axum and `/api/openapi.json` share: `/api/tweets/{id}`.
    path: &'static str,
    handler: fn() -> MethodRouter<S>,
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    fn router<'a>(routes: impl IntoIterator<Item = &'a Route<S>>, state: S) -> Router {
        let add = |router: Router<S>, route: &Route<S>| router.route(route.path, (route.handler)());
        routes.into_iter().fold(Router::new(), add).with_state(state)
    }
}

#[cfg(test)]
mod tests;
