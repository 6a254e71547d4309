//! Who may come in: requests by the name that they call perch, web pages by their origin, ingestion by its token, sessions by their number from one address.
//!
//! A browser sends with every WebSocket and with every POST where its page came from. A page of another site must not read along, or write, with
//! what the browser of a visitor can reach: perch on the visitor's own machine above all. What is no browser sends no origin and passes.
//!
//! Another site can give its own name to perch's address (DNS rebinding): to the browser its pages are then perch's own, and say nothing of where they
//! came from. What gives them away is the name. So perch answers to addresses, and to names that no server of the internet hands out; to others when
//! they are in the configuration. With TLS the browser sees to that: there is no certificate for the other name.
//!
//! Ingestion without a token is open to this machine only. A proxy on this machine makes the whole world look local, so a request that says it
//! was passed on is not; and neither is one from a web page, except a page that came from this machine itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;

use crate::auth::{Pass, Tokens};
use crate::config::{Limits, Origin, Secret, Server, host_name};
use crate::telemetry;

use super::errors::{Code, Fault};
use super::progress::Progress;
use super::rates::{Rates, Who};

/// What a proxy adds to a request that it passes on.
const PASSED_ON: &[&str] = &["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// The rules. Shared by all transports.
#[derive(Debug)]
pub struct Gate {
    /// Whether every web page may connect.
    every_origin: bool,
    /// Pages that may, beside those from the same origin.
    origins: Vec<Origin>,
    /// Names that perch answers to, beside those that are safe; `None` is all.
    hosts: Option<Vec<String>>,
    ingest_token: Option<Secret>,
    /// The key of clients' tokens; `None` when they need none.
    tokens: Option<Tokens>,
    max_per_address: usize,
    rates: Rates,
    /// Sessions by address, those with none left out.
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The other end of the connection; `None` where there is none, as in tests.
    address: Option<IpAddr>,
    origin: Option<HeaderValue>,
    /// The host that the request names.
    host: Option<String>,
    authorization: Option<HeaderValue>,
    passed_on: bool,
    progress: Progress,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Infallible> {
        let of_header = |headers: &HeaderMap| Some(headers.get(header::HOST)?.to_str().ok()?.to_owned());
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Caller {
            address: address.map(|ConnectInfo(address)| address.ip().to_canonical()),
            origin: parts.headers.get(header::ORIGIN).cloned(),
            // HTTP/2 has it in the address of the request.
            host: of_header(&parts.headers).or_else(|| Some(parts.uri.authority()?.as_str().to_owned())),
            authorization: parts.headers.get(header::AUTHORIZATION).cloned(),
            passed_on: PASSED_ON.iter().any(|&name| parts.headers.contains_key(name)),
            progress: parts.extensions.get().cloned().unwrap_or_default(),
        })
    }
}

impl Caller {
    /// What the other end of the connection has taken.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The token of `Authorization: Bearer …`.
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.authorization.as_ref()?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }
}

impl Gate {
    /// The gate of a server.
    #[must_use]
    pub fn new(server: &Server, ingest_token: Option<Secret>, tokens: Option<Tokens>, limits: &Limits) -> Gate {
        Gate {
            every_origin: server.allowed_origins.iter().any(|origin| origin == "*"),
            origins: server.allowed_origins.iter().filter_map(|origin| Origin::parse(origin)).collect(),
            hosts: hosts(server),
            ingest_token,
            tokens,
            max_per_address: limits.max_sessions_per_address,
            rates: Rates::new(limits.requests_per_second),
            addresses: Mutex::default(),
        }
    }

    /// Whether a request may call perch what it calls it.
    pub(super) fn check_host(&self, host: Option<&str>) -> Result<(), Fault> {
        // Browsers always say it.
        let (Some(hosts), Some(host)) = (&self.hosts, host) else { return Ok(()) };
        let name = host_name(host);
        if name.as_ref().is_some_and(|name| is_safe_name(name) || hosts.contains(name)) {
            return Ok(());
        }
        telemetry::turned_away("host");
        Err(Fault::forbidden("perch is not known by the name in `Host`; see server.allowed_hosts"))
    }

    /// Whether the caller is no web page, or one that may connect.
    pub(super) fn check_origin(&self, caller: &Caller) -> Result<(), Fault> {
        let Some(header) = &caller.origin else { return Ok(()) };
        let origin = header.to_str().ok().and_then(Origin::parse);
        let allowed = self.every_origin
            || origin.is_some_and(|origin| {
                self.origins.contains(&origin) || caller.host.as_ref().is_some_and(|host| origin.is_host(host))
            });
        if allowed {
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
    pub(super) fn check_token(&self, token: &str) -> Result<Pass, Fault> {
        match &self.tokens {
            Some(tokens) => tokens.check(token).map_err(unauthorized),
            None => Err(Fault::new(Code::Forbidden, "clients need no token here, and none is taken")),
        }
    }

    /// The pass of a request's token; `None` where none is needed, or none came.
    pub(super) fn pass(&self, caller: &Caller) -> Result<Option<Pass>, Fault> {
        caller.bearer().filter(|_| self.needs_token()).map(|token| self.check_token(token)).transpose()
    }

    /// Whether a client with this pass may search.
    pub(super) fn check_search(&self, pass: Option<&Pass>) -> Result<(), Fault> {
        match pass {
            _ if !self.needs_token() => Ok(()),
            Some(pass) if pass.rights.search => Ok(()),
            Some(_) => {
                telemetry::turned_away("rights");
                Err(Fault::new(Code::Forbidden, "this token is not good for searching"))
            }
            None => Err(unauthorized("a token is needed: Authorization: Bearer …, or cmd/auth")),
        }
    }

    /// Whether a request may search.
    pub(super) fn check_searcher(&self, caller: &Caller) -> Result<Option<Pass>, Fault> {
        let pass = self.pass(caller)?;
        self.check_search(pass.as_ref())?;
        Ok(pass)
    }

    /// Whether the caller, or who its token names, may send one more request now.
    pub(super) fn check_rate(&self, caller: &Caller, pass: Option<&Pass>) -> Result<(), Fault> {
        let address = || caller.address.map(|address| Who::Address(network(address)));
        let who = pass.map(|pass| Who::Subject(pass.subject.as_str().into())).or_else(address);
        // Without an address there is no connection.
        if who.is_none_or(|who| self.rates.take(who, Instant::now())) {
            return Ok(());
        }
        telemetry::turned_away("requests");
        let message = format!("{} requests a second are taken; this one was not", self.rates.per_second());
        Err(Fault::new(Code::Limit, message))
    }

    /// Whether a request that is a command may be obeyed: its caller may search, and does not ask too often.
    pub(super) fn check_command(&self, caller: &Caller) -> Result<Option<Pass>, Fault> {
        let pass = self.check_searcher(caller)?;
        self.check_rate(caller, pass.as_ref())?;
        Ok(pass)
    }

    fn check_local(caller: &Caller) -> Result<(), Fault> {
        let is_local = caller.address.is_some_and(|address| address.is_loopback()) && !caller.passed_on;
        // The host of a page proves nothing here: its name may lead to this machine since a moment ago.
        let page_is_local = caller.origin.as_ref().is_none_or(|origin| {
            origin.to_str().ok().and_then(Origin::parse).is_some_and(|origin| origin.is_loopback())
        });
        if is_local && page_is_local {
            return Ok(());
        }
        telemetry::turned_away("not_local");
        let message = "without ingest.token_file, tweets are taken from this machine only";
        Err(Fault::new(Code::Unauthorized, message))
    }

    /// A place for one more session of the caller's address.
    pub(super) fn admit(self: &Arc<Gate>, caller: &Caller) -> Result<Place, Fault> {
        let Some(address) = caller.address.filter(|_| self.max_per_address > 0).map(network) else {
            return Ok(Place { _taken: None });
        };
        let mut addresses = self.addresses();
        let sessions = addresses.entry(address).or_insert(0);
        if *sessions >= self.max_per_address {
            telemetry::turned_away("sessions_per_address");
            let message = format!("all {} sessions of one address are taken", self.max_per_address);
            return Err(Fault::new(Code::Limit, message));
        }
        *sessions += 1;
        Ok(Place { _taken: Some(Taken { gate: Arc::clone(self), address }) })
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing panics while it holds the lock.
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of the configuration; none where any name is good.
fn hosts(server: &Server) -> Option<Vec<String>> {
    if server.is_encrypted() || server.allowed_hosts.iter().any(|host| host == "*") {
        return None;
    }
    let of_origins = server.allowed_origins.iter().filter_map(|origin| host_name(origin.split_once("://")?.1));
    Some(server.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).chain(of_origins).collect())
}

/// Whether no server of the internet gives an address to this name.
fn is_safe_name(name: &str) -> bool {
    const OWN: &[&str] =
        &[".localhost", ".local", ".internal", ".home.arpa", ".lan", ".home", ".corp", ".svc", ".test"];
    let address = name.trim_start_matches('[').trim_end_matches(']');
    !name.contains('.') || address.parse::<IpAddr>().is_ok() || OWN.iter().any(|own| name.ends_with(own))
}

fn unauthorized(message: &str) -> Fault {
    telemetry::turned_away("token");
    Fault::new(Code::Unauthorized, message)
}

/// A host of IPv6 has a whole /64 to choose its addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

/// A session's place among those of its address; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _taken: Option<Taken>,
}

#[derive(Debug)]
struct Taken {
    gate: Arc<Gate>,
    address: IpAddr,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Entry::Occupied(mut sessions) = self.gate.addresses().entry(self.address) {
            *sessions.get_mut() -= 1;
            if *sessions.get() == 0 {
                sessions.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests;
