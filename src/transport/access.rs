//! Access control: who may connect, and how much one client may take. One subject a file:
//!
//! - `host`: the allowed `Host` names, a defense against DNS rebinding,
//! - `origin`, `cors`: which web pages may connect, and read answers,
//! - `query_body`: how long the bodies of searches may be, and how many perch holds,
//! - `bearer`: how a request shows its token,
//! - `base_url`: the URL by which a client calls perch,
//! - `client_address`: the address of a client, also behind trusted proxies,
//! - `locality`: which requests are local, and may ingest without a token,
//! - `extract`: the extractors by which handlers say who may call them,
//! - `exposure`: what is open to whom, as text.
//!
//! [`AccessControl`] holds the rules, [`Client`] what a request says about its sender.

mod base_url;
mod bearer;
mod client_address;
mod cors;
mod exposure;
mod extract;
mod held_body;
mod host;
mod locality;
mod origin;
mod query_body;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use tokio::time::Instant;

use crate::auth::{AccessToken, IngestToken, SearchScope};
use crate::config::{LimitsSection, ServerSection};
use crate::live::{
    AddressLimit, AddressSlot, Authorization, ClientKey, Requester, SessionKey, SessionSlot, unauthorized,
};
use crate::saved::Owner;
use crate::telemetry;

use super::Connection;
use super::errors::{ApiError, Code};
use super::progress::Progress;
use super::rate_limiter::RateLimiter;

pub(super) use base_url::BaseUrl;
use base_url::PublicUrl;
pub(super) use bearer::{SUBPROTOCOL, subprotocol};
pub(super) use client_address::{ClientAddress, Via};
pub use client_address::{Peer, TrustedProxies};
pub(super) use cors::CrossOrigin;
pub use exposure::{Exposure, exposure};
pub(super) use extract::{
    Anyone, FeedReader, HasAccess, Ingestor, Inspector, Operator, Saver, Searcher, Subscriber, Unverified, Visitor,
    guarded,
};
pub(super) use held_body::HeldBody;
use host::HostPolicy;
use locality::Locality;
use origin::OriginPolicy;
use query_body::QueryBodies;
pub(super) use query_body::{BodyRoom, QueryBody};

/// The rules of access. All transports and the server below them share it.
#[derive(Debug)]
pub struct AccessControl {
    hosts: HostPolicy,
    origins: OriginPolicy,
    public_url: PublicUrl,
    proxies: TrustedProxies,
    ingest_token: Option<Arc<IngestToken>>,
    authorization: Authorization,
    rate_limiter: RateLimiter,
    connections: Arc<AddressLimit>,
    sessions: Arc<AddressLimit>,
    query_bodies: QueryBodies,
}

/// The client of a request, or of a connection that is not HTTP.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client's address; `None` where there is no connection, as in tests.
    address: Option<IpAddr>,
    /// The client's port, which tells the connections of one client apart.
    port: u16,
    locality: Locality,
    /// The `Origin` headers. Of several, the least trusted one decides.
    origins: Vec<HeaderValue>,
    /// The host that the request names.
    host: Option<String>,
    /// The token of the request's head.
    token: Option<Box<str>>,
    progress: Progress,
    connection: Option<Arc<AddressSlot>>,
}

/// The host that a request names. HTTP/2 has it in the request's URI. A name that is not text
/// matches no host.
fn requested_host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let of_header = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    of_header.or_else(|| uri.authority().map(Authority::as_str))
}

impl Client {
    /// The client of a request.
    fn of(parts: &Parts) -> Client {
        let client = parts.extensions.get::<ClientAddress>().copied();
        let host = requested_host(&parts.headers, &parts.uri).map(str::to_owned);
        Client {
            address: client.map(|client| client.address),
            port: parts.extensions.get::<Peer>().map_or(0, |peer| peer.address.port()),
            locality: Locality::new(client, &parts.headers, host.as_deref(), parts.version),
            origins: parts.headers.get_all(header::ORIGIN).iter().cloned().collect(),
            host,
            token: bearer::token(&parts.headers),
            progress: parts.extensions.get().cloned().unwrap_or_default(),
            connection: parts.extensions.get().cloned(),
        }
    }

    /// How many bytes the connection has taken.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The connection's slot, for those who keep the connection after the request. `None` where
    /// the server below keeps it.
    pub(super) fn connection(&self) -> Option<Arc<AddressSlot>> {
        self.connection.clone()
    }

    /// For whom perch runs a command: the token's subject, else the address.
    pub(super) fn requester(&self, token: Option<&AccessToken>) -> Requester {
        let at_address = || self.address.map_or(ClientKey::Server, ClientKey::at);
        let client = token.map_or_else(at_address, |token| ClientKey::Subject(token.subject.as_str().into()));
        Requester { client, session: SessionKey::connection(self.port) }
    }

    /// The token of the request's head.
    pub(super) fn bearer(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

impl AccessControl {
    /// The access control of a server.
    #[must_use]
    pub(crate) fn new(
        server: &ServerSection,
        ingest_token: Option<Arc<IngestToken>>,
        authorization: Authorization,
        limits: &LimitsSection,
    ) -> AccessControl {
        AccessControl {
            hosts: HostPolicy::new(server),
            origins: OriginPolicy::new(server),
            public_url: PublicUrl::new(server),
            proxies: TrustedProxies::new(server),
            ingest_token,
            authorization,
            rate_limiter: RateLimiter::new(limits.requests_per_second),
            connections: AddressLimit::new(limits.max_connections_per_address),
            sessions: AddressLimit::new(limits.max_sessions_per_address),
            query_bodies: QueryBodies::new(limits.max_query_body_bytes, server.body_timeout),
        }
    }

    /// The trusted proxies.
    #[must_use]
    pub fn proxies(&self) -> &TrustedProxies {
        &self.proxies
    }

    /// The limit of connections of each address.
    #[must_use]
    pub fn connections(&self) -> &Arc<AddressLimit> {
        &self.connections
    }

    /// The client of a connection that is not HTTP.
    pub(super) fn connected(&self, connection: &Connection, token: Option<&str>) -> Client {
        let address = self.client(connection.peer, &HeaderMap::new());
        Client {
            address: Some(address.address),
            port: connection.peer.address.port(),
            locality: Locality::of_connection(address),
            origins: Vec::new(),
            host: None,
            token: token.map(Into::into),
            progress: connection.progress.clone(),
            connection: None,
        }
    }

    /// The address of a request's client.
    pub(super) fn client(&self, peer: Peer, headers: &HeaderMap) -> ClientAddress {
        self.proxies.client(peer, headers)
    }

    /// The CORS headers for a page of another origin.
    pub(super) fn cross_origin(&self, method: &Method, headers: &HeaderMap) -> CrossOrigin {
        CrossOrigin::new(&self.origins, method, headers)
    }

    /// Checks what every route requires of a head: an allowed `Host`, and no token in the URL.
    /// Probes may use any `Host`.
    pub(super) fn check_head(&self, headers: &HeaderMap, uri: &Uri, is_probe: bool) -> Result<(), ApiError> {
        if !is_probe && !self.hosts.allows(requested_host(headers, uri)) {
            telemetry::turned_away("host");
            return Err(ApiError::forbidden("perch is not known by the name in `Host`; see server.allowed_hosts"));
        }
        bearer::check_url(uri.query())
    }

    /// Checks that the client is no web page, or one of an allowed origin.
    pub(super) fn check_origin(&self, client: &Client) -> Result<(), ApiError> {
        if self.origins.allows(&client.origins, client.host.as_deref()) {
            return Ok(());
        }
        telemetry::turned_away("origin");
        Err(ApiError::new(Code::Forbidden, "web pages from this origin may not connect; see server.allowed_origins"))
    }

    /// Checks that the client is an operator: it has the token of ingestion, or is local where
    /// there is none.
    pub(super) fn check_operator(&self, client: &Client) -> Result<(), ApiError> {
        self.check_origin(client)?;
        match (&self.ingest_token, client.bearer()) {
            (Some(token), Some(candidate)) if token.is(candidate.as_bytes()) => Ok(()),
            (Some(_), Some(_)) => Err(unauthorized("the token is wrong")),
            (Some(_), None) => Err(unauthorized("a token is needed: Authorization: Bearer …")),
            (None, _) => AccessControl::check_local(client),
        }
    }

    /// Checks that the client may save searches.
    fn check_saver(&self, client: &Client) -> Result<(Owner, Option<AccessToken>), ApiError> {
        self.check_origin(client)?;
        let is_operator = |candidate: &str| self.ingest_token.as_ref().is_some_and(|it| it.is(candidate.as_bytes()));
        match client.bearer() {
            Some(candidate) if self.needs_token() && !is_operator(candidate) => {
                let token = self.authorization.verify(candidate)?;
                // The empty owner is the operator.
                // What a search finds is delivered, so it takes the right to search.
                let is_allowed = token.rights.search && !token.subject.is_empty();
                let scope = token.rights.searches.filter(|_| is_allowed);
                let Some(scope) = scope else {
                    telemetry::turned_away("rights");
                    return Err(ApiError::forbidden("this token is not good for saved searches"));
                };
                Ok((Owner { subject: token.subject.as_str().into(), scope }, Some(token)))
            }
            _ => {
                self.check_operator(client)?;
                Ok((Owner { subject: "".into(), scope: SearchScope::All }, None))
            }
        }
    }

    /// Checks that the client may ingest tweets.
    pub(super) fn check_ingestion(&self, client: &Client) -> Result<(), ApiError> {
        self.check_origin(client)?;
        match (&self.ingest_token, client.bearer()) {
            (Some(token), Some(candidate)) if token.is(candidate.as_bytes()) => Ok(()),
            (_, Some(candidate)) if self.needs_token() => {
                if self.authorization.verify(candidate)?.rights.publish {
                    return Ok(());
                }
                telemetry::turned_away("rights");
                Err(ApiError::new(Code::Forbidden, "this token is not good for publishing"))
            }
            (Some(_), Some(_)) => Err(unauthorized("the token is wrong")),
            (Some(_), None) => Err(unauthorized("a token is needed: Authorization: Bearer …")),
            (None, _) => AccessControl::check_local(client),
        }
    }

    /// Whether clients need a token.
    pub(super) fn needs_token(&self) -> bool {
        self.authorization.needs_token()
    }

    /// The access token of a request; `None` where none is needed, or none came.
    fn access_token(&self, client: &Client) -> Result<Option<AccessToken>, ApiError> {
        client.bearer().filter(|_| self.needs_token()).map(|token| self.authorization.verify(token)).transpose()
    }

    /// Checks that a request may search.
    fn check_searcher(&self, client: &Client) -> Result<Option<AccessToken>, ApiError> {
        let token = self.access_token(client)?;
        self.authorization.check_search(token.as_ref())?;
        Ok(token)
    }

    /// Checks the rate of requests of the client's address or token subject.
    fn check_rate(&self, client: &Client, token: Option<&AccessToken>) -> Result<(), ApiError> {
        // Without an address there is no connection.
        if client.address.is_none() && token.is_none()
            || self.rate_limiter.take(client.requester(token).client, Instant::now())
        {
            return Ok(());
        }
        telemetry::turned_away("requests");
        let message = format!("{} requests a second are taken; this one was not", self.rate_limiter.per_second());
        Err(ApiError::new(Code::Limit, message))
    }

    fn check_local(client: &Client) -> Result<(), ApiError> {
        let reason = match client.locality {
            Locality::Local if origin::are_loopback(&client.origins) => return Ok(()),
            Locality::Local => "this request is from a web page of another machine",
            elsewhere => elsewhere.reason(),
        };
        telemetry::turned_away("not_local");
        let message = format!(
            "without ingest.token_file this is open only to clients on perch's own machine that connect directly to \
             localhost, and {reason}"
        );
        Err(ApiError::new(Code::Unauthorized, message))
    }

    /// Reads the body of a request that searches.
    pub(super) async fn query_body(&self, head: &Parts, body: Body) -> Result<QueryBody, ApiError> {
        let client = head.extensions.get::<ClientAddress>();
        self.query_bodies.read(client.map(|client| client.address), body).await
    }

    /// A slot for a session of the client, to be taken once the client is known.
    pub(super) fn session_slot(&self, client: &Client) -> SessionSlot {
        SessionSlot::new(Arc::clone(&self.sessions), client.address)
    }
}

#[cfg(test)]
mod tests;
