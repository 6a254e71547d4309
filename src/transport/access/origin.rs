//! Which web pages may connect, by their `Origin`.
//!
//! A browser says with every WebSocket, and with every request to another origin, where the page
//! came from. A page of another site must not read along, or write, with what its visitor's
//! browser can reach: perch on the visitor's own machine above all. Clients that are no browsers
//! send no `Origin` and pass.

use axum::http::HeaderValue;

use crate::config::{Origin, ServerSection};

/// The origins whose pages may connect, beside perch's own.
#[derive(Debug)]
pub(super) struct OriginPolicy {
    /// Whether every page may.
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

    /// Whether a page of these origins may connect. A request that names two is as good as the
    /// worse of them: a proxy or a library has put them together, and only one can be true.
    pub(super) fn allows(&self, origins: &[HeaderValue], host: Option<&str>) -> bool {
        origins.iter().all(|origin| {
            self.lists(origin) || parse(origin).is_some_and(|origin| host.is_some_and(|host| origin.is_host(host)))
        })
    }

    /// Whether the configuration names this origin.
    pub(super) fn lists(&self, origin: &HeaderValue) -> bool {
        self.every || parse(origin).is_some_and(|origin| self.origins.contains(&origin))
    }

    /// Whether the configuration lets pages of other origins in at all.
    pub(super) fn has_any(&self) -> bool {
        self.every || !self.origins.is_empty()
    }

    /// Whether it lets in every page.
    pub(super) fn allows_every(&self) -> bool {
        self.every
    }
}

/// Whether all of these origins are this machine. The host of a page proves nothing here: its name
/// may resolve to this machine since a moment ago.
pub(super) fn are_loopback(origins: &[HeaderValue]) -> bool {
    origins.iter().all(|origin| parse(origin).is_some_and(|origin| origin.is_loopback()))
}

fn parse(origin: &HeaderValue) -> Option<Origin> {
    Origin::parse(origin.to_str().ok()?)
}
