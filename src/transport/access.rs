//! Who may come in, and how much one client may take. One subject a file:
//!
//! - `host`: the names by which perch may be called, against DNS rebinding,
//! - `origin`, `cors`: which web pages may connect, and read,
//! - `bearer`: how a request shows its token,
//! - `client_address`: whose request it is, where proxies are trusted,
//! - `ingest`: what is open to this machine without a token,
//! - `address_limit`, `session_limit`: connections and sessions of one address,
//! - `exposure`: what is open to whom, in words.
//!
//! [`Gate`] holds the rules, [`Caller`] what a request says about its sender.

mod address_limit;
mod bearer;
mod client_address;
mod cors;
mod exposure;
mod held_body;
mod host;
mod ingest;
mod origin;
mod session_limit;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use tokio::time::Instant;

use crate::auth::{AccessToken, IngestToken, TokenVerifier};
use crate::config::{LimitsSection, ServerSection};
use crate::live::{ClientKey, Requester, SessionKey};
use crate::telemetry;

use super::errors::{Code, Fault};
use super::progress::Progress;
use super::rates::{Rates, Who};

pub(super) use address_limit::network;
pub use address_limit::{AddressLimit, AddressSlot};
pub(super) use bearer::{SUBPROTOCOL, subprotocol};
pub(super) use client_address::{ClientAddress, Via};
pub use client_address::{Peer, TrustedProxies};
pub(super) use cors::CrossOrigin;
pub use exposure::{Exposure, exposure};
pub(super) use held_body::HeldBody;
use host::HostPolicy;
use ingest::Locality;
use origin::OriginPolicy;
pub(super) use session_limit::SessionSlot;

/// The rules. Shared by all transports and the server below them.
#[derive(Debug)]
pub struct Gate {
    hosts: HostPolicy,
    origins: OriginPolicy,
    proxies: TrustedProxies,
    ingest_token: Option<Arc<IngestToken>>,
    /// The key of clients' tokens; `None` when they need none.
    tokens: Option<Arc<TokenVerifier>>,
    rates: Rates,
    connections: Arc<AddressLimit>,
    sessions: Arc<AddressLimit>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The client's address; `None` where there is no connection, as in tests.
    address: Option<IpAddr>,
    /// The port at the other end tells connections of one client from each other.
    port: u16,
    locality: Locality,
    /// Where the page that asks came from. More than one is judged by the worst of them.
    origins: Vec<HeaderValue>,
    /// The host that the request names.
    host: Option<String>,
    /// Of this request's head.
    token: Option<Box<str>>,
    progress: Progress,
    connection: Option<Arc<AddressSlot>>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Infallible> {
        let client = parts.extensions.get::<ClientAddress>().copied();
        let host = host(&parts.headers, &parts.uri).map(str::to_owned);
        Ok(Caller {
            address: client.map(|client| client.address),
            port: parts.extensions.get::<Peer>().map_or(0, |peer| peer.address.port()),
            locality: Locality::new(client, &parts.headers, host.as_deref(), parts.version),
            origins: parts.headers.get_all(header::ORIGIN).iter().cloned().collect(),
            host,
            token: bearer::token(&parts.headers),
            progress: parts.extensions.get().cloned().unwrap_or_default(),
            connection: parts.extensions.get().cloned(),
        })
    }
}

/// The host that a request names. HTTP/2 has it in the address of the request. A name that is no
/// text is nobody's.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let of_header = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    of_header.or_else(|| uri.authority().map(Authority::as_str))
}

impl Caller {
    /// What the other end of the connection has taken.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The connection's slot, for those who keep the connection after the request. `None` where
    /// the server below keeps it.
    pub(super) fn connection(&self) -> Option<Arc<AddressSlot>> {
        self.connection.clone()
    }

    /// For whom perch works when it obeys: whom a token names, else whoever is at the address.
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

impl Gate {
    /// The gate of a server.
    #[must_use]
    pub fn new(
        server: &ServerSection,
        ingest_token: Option<Arc<IngestToken>>,
        tokens: Option<Arc<TokenVerifier>>,
        limits: &LimitsSection,
    ) -> Gate {
        Gate {
            hosts: HostPolicy::new(server),
            origins: OriginPolicy::new(server),
            proxies: TrustedProxies::new(server),
            ingest_token,
            tokens,
            rates: Rates::new(limits.requests_per_second),
            connections: AddressLimit::new(limits.max_connections_per_address),
            sessions: AddressLimit::new(limits.max_sessions_per_address),
        }
    }

    /// The proxies that are believed.
    #[must_use]
    pub fn proxies(&self) -> &TrustedProxies {
        &self.proxies
    }

    /// The connections of each address.
    #[must_use]
    pub fn connections(&self) -> &Arc<AddressLimit> {
        &self.connections
    }

    /// Whose request it is.
    pub(super) fn client(&self, peer: Peer, headers: &HeaderMap) -> ClientAddress {
        self.proxies.client(peer, headers)
    }

    /// What the browser of a page of another origin is to be told.
    pub(super) fn cross_origin(&self, method: &Method, headers: &HeaderMap) -> CrossOrigin {
        CrossOrigin::new(&self.origins, method, headers)
    }

    /// Whether a request's head is one that any door takes: it calls perch by an allowed name, and
    /// has no token in its URL. Probes may call perch anything.
    pub(super) fn check_head(&self, headers: &HeaderMap, uri: &Uri, is_probe: bool) -> Result<(), Fault> {
        if !is_probe && !self.hosts.allows(host(headers, uri)) {
            telemetry::turned_away("host");
            return Err(Fault::forbidden("perch is not known by the name in `Host`; see server.allowed_hosts"));
        }
        bearer::check_url(uri.query())
    }

    /// Whether the caller is no web page, or one that may connect.
    pub(super) fn check_origin(&self, caller: &Caller) -> Result<(), Fault> {
        if self.origins.allows(&caller.origins, caller.host.as_deref()) {
            return Ok(());
        }
        telemetry::turned_away("origin");
        Err(Fault::new(Code::Forbidden, "web pages from this origin may not connect; see server.allowed_origins"))
    }

    /// Whether the caller may bring tweets.
    pub(super) fn check_ingestion(&self, caller: &Caller) -> Result<(), Fault> {
        self.check_origin(caller)?;
        match (&self.ingest_token, caller.bearer()) {
            (Some(token), Some(candidate)) if token.is(candidate.as_bytes()) => Ok(()),
            (_, Some(candidate)) if self.tokens.is_some() => {
                if self.check_token(candidate)?.rights.publish {
                    return Ok(());
                }
                telemetry::turned_away("rights");
                Err(Fault::new(Code::Forbidden, "this token is not good for publishing"))
            }
            (Some(_), Some(_)) => Err(unauthorized("the token is wrong")),
            (Some(_), None) => Err(unauthorized("a token is needed: Authorization: Bearer …")),
            (None, _) => Gate::check_local(caller),
        }
    }

    /// Whether clients need a token.
    pub(super) fn needs_token(&self) -> bool {
        self.tokens.is_some()
    }

    /// What a client's token is good for.
    pub(super) fn check_token(&self, token: &str) -> Result<AccessToken, Fault> {
        match &self.tokens {
            Some(tokens) => tokens.check(token).map_err(unauthorized),
            None => Err(Fault::new(Code::Forbidden, "clients need no token here, and none is taken")),
        }
    }

    /// The access token of a request; `None` where none is needed, or none came.
    pub(super) fn access_token(&self, caller: &Caller) -> Result<Option<AccessToken>, Fault> {
        caller.bearer().filter(|_| self.needs_token()).map(|token| self.check_token(token)).transpose()
    }

    /// Whether a client with this token may search.
    pub(super) fn check_search(&self, token: Option<&AccessToken>) -> Result<(), Fault> {
        match token {
            _ if !self.needs_token() => Ok(()),
            Some(token) if token.rights.search => Ok(()),
            Some(_) => {
                telemetry::turned_away("rights");
                Err(Fault::new(Code::Forbidden, "this token is not good for searching"))
            }
            None => Err(unauthorized("a token is needed: Authorization: Bearer …, or cmd/auth")),
        }
    }

    /// Whether a request may search.
    pub(super) fn check_searcher(&self, caller: &Caller) -> Result<Option<AccessToken>, Fault> {
        let token = self.access_token(caller)?;
        self.check_search(token.as_ref())?;
        Ok(token)
    }

    /// Whether the caller, or who its token names, may send one more request now.
    pub(super) fn check_rate(&self, caller: &Caller, token: Option<&AccessToken>) -> Result<(), Fault> {
        let address = || caller.address.map(|address| Who::Address(address_limit::network(address)));
        let who = token.map(|token| Who::Subject(token.subject.as_str().into())).or_else(address);
        // Without an address there is no connection.
        if who.is_none_or(|who| self.rates.take(who, Instant::now())) {
            return Ok(());
        }
        telemetry::turned_away("requests");
        let message = format!("{} requests a second are taken; this one was not", self.rates.per_second());
        Err(Fault::new(Code::Limit, message))
    }

    /// Whether a request that is a command may be obeyed: its caller may search, and does not ask
    /// too often.
    pub(super) fn check_command(&self, caller: &Caller) -> Result<Option<AccessToken>, Fault> {
        let token = self.check_searcher(caller)?;
        self.check_rate(caller, token.as_ref())?;
        Ok(token)
    }

    fn check_local(caller: &Caller) -> Result<(), Fault> {
        let reason = match caller.locality {
            Locality::Local if origin::are_loopback(&caller.origins) => return Ok(()),
            Locality::Local => "this request is from a web page of another machine",
            elsewhere => elsewhere.reason(),
        };
        telemetry::turned_away("not_local");
        let message = format!(
            "without ingest.token_file this is open only to clients on perch's own machine that connect directly to \
             localhost, and {reason}"
        );
        Err(Fault::new(Code::Unauthorized, message))
    }

    /// The slot of a session of the caller's, to be taken once it is known who the caller is.
    pub(super) fn session_slot(&self, caller: &Caller) -> SessionSlot {
        SessionSlot::new(Arc::clone(&self.sessions), caller.address)
    }

    /// The slot of a session of the caller's, taken.
    pub(super) fn admit(&self, caller: &Caller) -> Result<SessionSlot, Fault> {
        let mut slot = self.session_slot(caller);
        slot.take()?;
        Ok(slot)
    }
}

fn unauthorized(message: &str) -> Fault {
    telemetry::turned_away("token");
    Fault::new(Code::Unauthorized, message)
}

#[cfg(test)]
mod tests;
