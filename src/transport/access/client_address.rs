//! The address of a client, also where proxies stand between perch and its clients.
//!
//! ```text
//! client ──> trusted proxy ──X-Forwarded-For, Forwarded, or PROXY protocol──> perch
//! ```
//!
//! The address of a client is the other end of its connection. If that is a trusted proxy, the
//! proxy says the address. Each proxy appends the address of its peer to the header, so perch reads
//! the header from its end: the first address that is not a trusted proxy is the client's. A client
//! can forge what stands before it. perch ignores headers of untrusted peers.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::config::{ProxyHeader, ServerSection, network};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection. The server puts it into each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, or the one that a proxy has announced by the PROXY protocol.
    pub address: SocketAddr,
    /// Whether a proxy has announced the address.
    pub is_announced: bool,
}

/// The client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) struct ClientAddress {
    pub(in crate::transport) address: IpAddr,
    /// How the request came to perch.
    pub(in crate::transport) via: Via,
}

/// How a request came from its client to perch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum Via {
    /// On the client's own connection, as far as perch knows.
    Direct,
    /// On its own connection through a trusted proxy.
    Announced,
    /// On a connection of a trusted proxy, which may carry requests of many clients.
    Header,
}

/// The proxies from which perch takes the addresses of clients.
#[derive(Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ProxyHeader,
}

impl TrustedProxies {
    /// The trusted proxies of the configuration.
    #[must_use]
    pub fn new(server: &ServerSection) -> TrustedProxies {
        TrustedProxies {
            networks: server.trusted_proxies.iter().filter_map(|text| network(text)).collect(),
            header: server.proxy_header,
        }
    }

    /// Whether this is the address of a trusted proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether trusted proxies begin each connection with a header of the PROXY protocol.
    #[must_use]
    pub fn announce(&self) -> bool {
        self.header == ProxyHeader::ProxyProtocol
    }

    /// The client of a request with these headers from this peer.
    pub(super) fn client(&self, peer: Peer, headers: &HeaderMap) -> ClientAddress {
        let address = peer.address.ip().to_canonical();
        let via = match self.header {
            _ if peer.is_announced => Via::Announced,
            _ if !self.contains(address) => Via::Direct,
            ProxyHeader::ProxyProtocol => Via::Announced,
            ProxyHeader::XForwardedFor | ProxyHeader::Forwarded => Via::Header,
        };
        let address = if via == Via::Header { self.last_untrusted(address, headers) } else { address };
        ClientAddress { address, via }
    }

    /// The last address of the header that is not a trusted proxy, or the first one when all are.
    /// An element that is not an address ends the search: the client is then the peer that sent it.
    fn last_untrusted(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let (name, is_forwarded) = match self.header {
            ProxyHeader::Forwarded => (header::FORWARDED, true),
            ProxyHeader::XForwardedFor | ProxyHeader::ProxyProtocol => (X_FORWARDED_FOR, false),
        };
        let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        let mut client = peer;
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let hop = if is_forwarded { forwarded_for(hop) } else { Some(hop.trim()) };
            let Some(address) = hop.and_then(node_address) else { return client };
            client = address;
            if !self.contains(address) {
                break;
            }
        }
        client
    }
}

/// The `for` of one element of `Forwarded` (RFC 7239): `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// The address of a node: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`.
fn node_address(node: &str) -> Option<IpAddr> {
    let bracketed = || node.strip_prefix('[')?.split_once(']')?.0.parse().ok();
    let address: Option<IpAddr> = node.parse().ok();
    let address = address.or_else(|| Some(node.parse::<SocketAddr>().ok()?.ip()));
    Some(address.or_else(bracketed)?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(trusted: &[&str], header: ProxyHeader, peer: &str, lines: &[(&'static str, &str)]) -> (String, Via) {
        let trusted_proxies = trusted.iter().map(|&network| network.to_owned()).collect();
        let proxies =
            TrustedProxies::new(&ServerSection { trusted_proxies, proxy_header: header, ..ServerSection::default() });
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let peer = Peer { address: SocketAddr::new(peer.parse().unwrap(), 1), is_announced: false };
        let client = proxies.client(peer, &headers);
        (client.address.to_string(), client.via)
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        const TRUSTED: &[&str] = &["127.0.0.1", "10.0.0.0/8", "::1"];
        for (lines, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1, 10.1.1.1, 10.2.2.2"], "192.0.2.1"),
            // Two lines are one list.
            (&["192.0.2.1", "10.1.1.1"], "192.0.2.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            // A client of the proxy's own network.
            (&["10.3.3.3, 10.1.1.1"], "10.3.3.3"),
            // The proxy says no address.
            (&[], "127.0.0.1"),
            (&["unknown"], "127.0.0.1"),
            (&["192.0.2.1, "], "127.0.0.1"),
            (&["192.0.2.1, nonsense, 10.1.1.1"], "10.1.1.1"),
        ] {
            let lines: Vec<_> = lines.iter().map(|&line| ("x-forwarded-for", line)).collect();
            let expected = (expected.to_owned(), Via::Header);
            assert_eq!(client(TRUSTED, ProxyHeader::XForwardedFor, "127.0.0.1", &lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        for (line, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=198.51.100.1;proto=http, by=10.0.0.1; for=192.0.2.1 ;host=a", "192.0.2.1"),
            ("for=\"192.0.2.1:4711\"", "192.0.2.1"),
            ("for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=unknown", "127.0.0.1"),
            ("for=_hidden", "127.0.0.1"),
            ("proto=https", "127.0.0.1"),
        ] {
            let lines = [("forwarded", line), ("x-forwarded-for", "203.0.113.9")];
            let found = client(&["127.0.0.1"], ProxyHeader::Forwarded, "127.0.0.1", &lines);
            assert_eq!(found, (expected.to_owned(), Via::Header), "{line}");
        }
    }

    #[test]
    fn other_addresses_are_not_believed() {
        let lines = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded, ProxyHeader::ProxyProtocol] {
            let direct = ("198.51.100.7".to_owned(), Via::Direct);
            assert_eq!(client(&["127.0.0.1"], header, "198.51.100.7", &lines), direct);
            assert_eq!(client(&[], header, "198.51.100.7", &lines), direct);
        }
        let announced = client(&["127.0.0.1"], ProxyHeader::ProxyProtocol, "127.0.0.1", &lines);
        assert_eq!(announced, ("127.0.0.1".to_owned(), Via::Announced), "headers say nothing then");
    }
}
