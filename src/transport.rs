//! Transports: views of the same live search for different clients. A transport is one file and one
//! row of [`TRANSPORTS`].
//!
//! ```text
//! ClientSession::next ── ClientEvent ──> ws, sse, sente ──> clients
//! ClientSession::handle <── Command ── ws, sse, sente <── clients
//! Live <── searches and questions ── rest <── clients
//! Intake <── bulk bodies ── ingest (a part of rest)
//! ```
//!
//! [`router()`] puts the routes together; a transport may have a listener of its own instead. A
//! transport is a codec: it holds no state but that of its connections, and no tweet longer than it
//! takes to write it. The rules for clients are in [`ClientSession`], and what waits for a slow
//! client waits there, bounded. Shapes are in `protocol`, errors in `errors`; `docs/PROTOCOL.md`
//! describes both for clients. Each route names who may call it (`access`).

mod access;
mod address_shares;
mod compression;
mod deletion;
mod errors;
pub(crate) mod explain;
mod export;
mod feeds;
mod health;
mod http;
mod ingest;
mod openapi;
mod params;
mod progress;
mod protocol;
mod queries;
mod rate_limiter;
mod request_params;
mod response_budget;
mod rest;
mod router;
mod searches;
mod sente;
mod sse;
mod stats_ticker;
mod suggest;
mod unsubscribe;
mod web_app;
mod ws;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::MethodRouter;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::AccessToken;
use crate::config::{ConfigError, LimitsSection};
use crate::live::{ClientContext, ClientSession, Command, CommandRef, Live, QuerySource, SearchCommand, UseOf};
use crate::pipeline::Intake;
use crate::query::QueryLimits;
use crate::saved::SavedSearches;
use crate::source::StatusBoard;

pub use crate::live::{AddressLimit, AddressSlot};
use access::HasAccess;
pub use access::{AccessControl, Client, Exposure, Peer, TrustedProxies, exposure};
pub(crate) use errors::head_refusal;
pub use health::admin_router;
pub use http::check_head;
pub use progress::Progress;
pub use response_budget::ConnectionShare;
pub use router::router;

/// Whether a frame and its query can be parsed, as `/ws` does it. For fuzzing.
#[doc(hidden)]
#[must_use]
pub fn understands_frame(frame: &str, limits: &QueryLimits) -> bool {
    let paging = protocol::Paging { max_page: 1_000, max_depth: 10_000 };
    let query = match protocol::parse(frame, paging).1 {
        Ok(Command::Percolate(command)) => command.query,
        Ok(Command::Search(SearchCommand::Page(command))) => command.query,
        Ok(Command::Search(SearchCommand::Aggregate(command))) => command.query,
        Ok(_) => return true,
        Err(_) => return false,
    };
    match query {
        QuerySource::Input(input) => input.parse(limits, UseOf::Registration).is_ok(),
        QuerySource::Subscribed(_) | QuerySource::Parsed(_) => true,
    }
}

/// Builds a transport from its table.
pub type Build = fn(toml::Table) -> Result<Box<dyn Transport>, Vec<ConfigError>>;

/// A row of the table of transports.
pub struct TransportKind {
    /// The `type` in `[[transport]]`, in kebab case.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// An example `[[transport]]` table; a test loads it.
    pub example: &'static str,
    /// Reads the table (without `type`) and builds the transport, without side effects.
    pub build: Build,
}

/// All transports that perch knows.
pub const TRANSPORTS: &[TransportKind] = &[ws::KIND, sse::KIND, rest::KIND, feeds::KIND, sente::KIND];

/// The name of the transport that serves saved searches as feeds.
pub(crate) const FEEDS: &str = feeds::KIND.name;

/// What a transport may touch.
#[derive(Clone, Debug)]
pub struct TransportContext {
    /// The live search.
    pub live: Live,
    /// The way in for tweets.
    pub intake: Intake,
    /// The limits of queries.
    pub query_limits: QueryLimits,
    /// What the sessions of clients share.
    pub(crate) clients: Arc<ClientContext>,
    /// The limits of clients.
    pub limits: LimitsSection,
    /// The timeout of the next bytes of a request's body, or of a whole body that is buffered.
    pub body_timeout: Duration,
    /// How long a client may take no byte.
    pub write_timeout: Duration,
    /// Whether `/metrics` has a listener of its own.
    pub admin_elsewhere: bool,
    /// Access control.
    pub access: Arc<AccessControl>,
    /// The directory of the index, where a transport may keep files.
    pub state_dir: PathBuf,
    /// The saved searches.
    pub(crate) saved: SavedSearches,
    /// Whether saved searches are feeds too.
    pub(crate) has_feeds: bool,
    /// The states of the sources.
    pub sources: Arc<StatusBoard>,
    /// Cancelled when perch begins to shut down and takes no new work. Sessions go on until
    /// everything that was accepted before has come out of them ([`crate::live::Event::Closed`]).
    pub shutdown: CancellationToken,
    /// Tracks the tasks of connections, so that the shutdown can wait for them.
    pub tasks: TaskTracker,
}

impl HasAccess for Arc<TransportContext> {
    fn access(&self) -> &Arc<AccessControl> {
        &self.access
    }
}

impl TransportContext {
    /// The live search on behalf of one client.
    fn live_for(&self, client: &Client, token: Option<&AccessToken>) -> Live {
        self.live.on_behalf_of(client.requester(token))
    }

    /// The session of a client, not admitted yet. `searches` may run at one time.
    pub(crate) fn open_session<T: CommandRef>(
        &self,
        client: &Client,
        access_token: Option<AccessToken>,
        searches: usize,
    ) -> ClientSession<T> {
        let (requester, slot) = (client.requester(access_token.as_ref()), self.access.session_slot(client));
        ClientSession::open(&self.clients, requester, slot, access_token, searches)
    }

    /// Whether a request may publish without a token.
    pub(crate) fn may_publish(&self, client: &Client) -> bool {
        self.limits.publish_per_second > 0 && !self.access.needs_token() && self.access.check_ingestion(client).is_ok()
    }
}

/// A transport adds routes to the HTTP server, or has a listener of its own, or both.
pub trait Transport: Send + Sync {
    /// What tells two transports of one kind apart, such as the path of their routes. perch refuses
    /// a configuration with two equal ones.
    fn identity(&self) -> String {
        self.listener().map(|listener| listener.address().to_string()).unwrap_or_default()
    }

    /// The routes that it adds. Called once at start, in the runtime that serves them.
    fn routes(&self, context: TransportContext) -> Router {
        let _ = context;
        Router::new()
    }

    /// A listener of its own. perch binds it at start, and the limits of connections and the PROXY
    /// protocol hold for it as for the HTTP server.
    fn listener(&self) -> Option<Arc<dyn Listener>> {
        None
    }
}

/// A listener for a protocol other than HTTP.
pub trait Listener: Send + Sync {
    /// The address to bind.
    fn address(&self) -> SocketAddr;

    /// Whether its connections use TLS where the server has a certificate. A transport with two
    /// ports, one encrypted and one not, is configured as two transports.
    fn is_encrypted(&self) -> bool {
        true
    }

    /// Serves a connection. Ends with the connection, or soon after its session has ended
    /// ([`crate::live::CloseReason::ShuttingDown`]).
    fn serve(&self, connection: Connection, context: TransportContext) -> BoxFuture<'static, ()>;
}

/// A connection of a transport's own listener, admitted and decrypted.
pub struct Connection {
    /// Its bytes.
    pub stream: Box<dyn ByteStream>,
    /// The other end.
    pub peer: Peer,
    /// How many bytes the client has taken.
    pub progress: Progress,
}

impl Connection {
    /// The client, with the token that it has shown: an access token, or that of ingestion.
    #[must_use]
    pub fn client(&self, access: &AccessControl, token: Option<&str>) -> Client {
        access.connected(self, token)
    }
}

/// The bytes of a connection.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

/// One route of a transport. The router, and the test of `/api/openapi.json`, use the same list.
struct Route<S> {
    /// In capitals.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test of openapi.json reads it"))]
    method: &'static str,
    /// In the form that axum and `/api/openapi.json` share: `/api/tweets/{id}`.
    path: &'static str,
    /// The handler, and who may call it.
    handler: fn() -> (MethodRouter<S>, &'static str),
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    fn router<'a>(routes: impl IntoIterator<Item = &'a Route<S>>, state: S) -> Router {
        let add = |router: Router<S>, route: &Route<S>| router.route(route.path, (route.handler)().0);
        routes.into_iter().fold(Router::new(), add).with_state(state)
    }
}

#[cfg(test)]
mod tests;
