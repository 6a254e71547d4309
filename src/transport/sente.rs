//! The transport for clients of Sente, ClojureScript's library for realtime web pages.
//!
//! ```text
//! GET with upgrade ──┐                      ┌─ Session (live search)
//! GET, long poll ────┼─> http ──> table ──> client's task ── searches
//! POST, one event ───┘     checks  by id    └─ socket, or the poll that waits
//! ```
//!
//! One URL serves WebSocket, long poll and POST. The client-id in the request names the client. One
//! task owns everything about a client: its session, the attached socket or poll, and what waits to
//! be sent. The task outlives its connections by a grace time, so a client that comes back goes on
//! where it was. While nothing is attached, the task takes nothing from the session; what waits is
//! bounded there, and the index holds the rest. `saved` keeps the registrations over a restart of
//! perch.
//!
//! The crate `perch_sente` reads and writes values and frames. `protocol` reads commands, as on
//! `/ws`. `docs/SENTE.md` says how perch serves clients of each version.

mod client;
mod form;
mod http;
mod options;
mod profile;
mod saved;
mod table;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::time::Instant;

use crate::config::ConfigError;

use super::stats_ticker::{self, StatsTicker};
use super::{Transport, TransportContext, TransportKind};
use options::Options;
use saved::SavedClients;
use table::Table;

pub(super) const KIND: TransportKind = TransportKind {
    name: "sente",
    about: "clients of Sente: WebSocket, long poll and POST at one URL, in EDN or Transit",
    example: "path = \"/chsk\"\npacker = \"flexi\"\nformat = \"v1\"\nprofile = \"birdwatch\"\ncsrf = \"off\"\ngrace_seconds = 60\n",
    build,
};

fn build(table: toml::Table) -> Result<Box<dyn Transport>, Vec<ConfigError>> {
    options::read(table).map(|options| Box::new(SenteTransport { options }) as Box<dyn Transport>)
}

#[cfg(test)]
pub(super) use http::ROUTES;

struct SenteTransport {
    options: Options,
}

impl Transport for SenteTransport {
    fn identity(&self) -> String {
        self.options.path.clone()
    }

    fn routes(&self, context: TransportContext) -> Router {
        let counts = stats_ticker::spawn(&context);
        let Options { path, grace_seconds, .. } = &self.options;
        let grace = Duration::from_secs(*grace_seconds);
        let saved = Arc::new(SavedClients::load(&context.state_dir, path, context.live.epoch(), grace));
        context.tasks.spawn(Arc::clone(&saved).keep(context.shutdown.clone()));
        let endpoint = Endpoint {
            options: self.options.clone(),
            context,
            counts,
            table: Table::default(),
            saved,
            started: Instant::now(),
        };
        http::router(&Arc::new(endpoint))
    }
}

/// What all clients of one URL share.
pub(super) struct Endpoint {
    options: Options,
    context: TransportContext,
    counts: StatsTicker,
    table: Table,
    /// What its clients have registered, for the time after a restart.
    saved: Arc<SavedClients>,
    /// What the moments are counted from at which clients are woken together.
    started: Instant,
}
