//! Proxies: which addresses are theirs, and how they say whose connection it is.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How a trusted proxy says a client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// The header that most proxies write.
    #[default]
    XForwardedFor,
    /// The header of RFC 7239.
    Forwarded,
    /// A header before the first byte of a connection, version 1 or 2, which every connection of a
    /// trusted proxy begins with.
    ProxyProtocol,
}

/// A network, `10.0.0.0/8`, or one address, `10.0.0.1`.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => text.parse().ok()?,
    };
    Some(network.trunc())
}
