//! Trusted proxies: their addresses, and the header in which they tell the client's address.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How a trusted proxy tells the client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, which most proxies write.
    #[default]
    XForwardedFor,
    /// The header of RFC 7239.
    Forwarded,
    /// The PROXY protocol, version 1 or 2: a header at the start of every connection of a trusted
    /// proxy.
    ProxyProtocol,
}

/// Parses a network, `10.0.0.0/8`, or one address, `10.0.0.1`.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => text.parse().ok()?,
    };
    Some(network.trunc())
}
