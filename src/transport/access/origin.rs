//! Checks which web pages may connect, by their `Origin`.
//!
//! A browser sends the origin of the page with every WebSocket, and with every request to another
//! origin. A page of another site must not read or write what its visitor's browser can reach, such
//! as perch on the visitor's own machine. Clients that are not browsers send no `Origin` and pass.

use axum::http::HeaderValue;

use crate::config::{Origin, ServerSection};

/// The origins whose pages may connect, beside perch's own.
#[derive(Debug)]
pub(super) struct OriginPolicy {
    /// Whether every page may connect.
    every: bool,
    origins: Vec<Origin>,
}

impl OriginPolicy {
    pub(super) fn new(server: &ServerSection) -> OriginPolicy {
        OriginPolicy {
            every: server.allowed_origins.iter().any(|origin| origin == "*"),
            origins: server.allowed_origins.iter().filter_map(|origin| Origin::parse(origin)).collect(),
        }
    }

    /// Whether a page of these origins may connect. Of two origins the less trusted one decides: a
    /// proxy or a library has put them together, and only one can be true.
    pub(super) fn allows(&self, origins: &[HeaderValue], host: Option<&str>) -> bool {
        origins.iter().all(|origin| {
            self.lists(origin) || parse(origin).is_some_and(|origin| host.is_some_and(|host| origin.is_host(host)))
        })
    }

    /// Whether the configuration names this origin.
    pub(super) fn lists(&self, origin: &HeaderValue) -> bool {
        self.every || parse(origin).is_some_and(|origin| self.origins.contains(&origin))
    }

    /// Whether the configuration allows pages of any other origin.
    pub(super) fn has_any(&self) -> bool {
        self.every || !self.origins.is_empty()
    }

    /// Whether the configuration allows every page.
    pub(super) fn allows_every(&self) -> bool {
        self.every
    }
}

/// Whether all of these origins are loopback names or addresses. Another host name proves nothing,
/// because it may resolve to this machine (DNS rebinding).
pub(super) fn are_loopback(origins: &[HeaderValue]) -> bool {
    origins.iter().all(|origin| parse(origin).is_some_and(|origin| origin.is_loopback()))
}

fn parse(origin: &HeaderValue) -> Option<Origin> {
    Origin::parse(origin.to_str().ok()?)
}
