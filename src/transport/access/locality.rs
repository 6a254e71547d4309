//! Which requests are local. Local requests may ingest, publish and list queries without a token.
//!
//! A connection from the loopback interface is not enough, because a proxy on this machine makes
//! every client look local. A local request has no header that proxies add, a loopback name as
//! `Host`, and HTTP/1.1 or newer: by default nginx forwards requests as HTTP/1.0 and changes
//! `Host`. A proxy that leaves no trace looks like a client; docs/SECURITY.md lists such proxies.

use axum::http::{HeaderMap, Version};

use super::client_address::{ClientAddress, Via};
use super::host;

/// Headers that proxies and content delivery networks add to requests.
const FORWARDING_HEADERS: &[&str] = &[
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-ray",
    "fastly-client-ip",
    "fly-client-ip",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-amzn-trace-id",
    "cdn-loop",
    "client-ip",
    "x-proxyuser-ip",
];

/// Prefixes of such headers.
const FORWARDING_PREFIXES: &[&str] = &["x-forwarded-", "x-envoy-"];

/// Whether a request is local, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locality {
    /// It is local, as far as perch can tell.
    Local,
    /// The connection comes from another machine.
    Remote,
    /// A proxy has forwarded it.
    Forwarded,
    /// It names a host that is not the loopback interface.
    OtherHost,
    /// It is HTTP/1.0, which proxies use and hardly any client does.
    OldVersion,
}

impl Locality {
    pub(super) fn new(
        client: Option<ClientAddress>,
        headers: &HeaderMap,
        host: Option<&str>,
        version: Version,
    ) -> Locality {
        let is_forwarding =
            |name: &str| FORWARDING_HEADERS.contains(&name) || FORWARDING_PREFIXES.iter().any(|p| name.starts_with(p));
        match client.map_or(Locality::Remote, Locality::of_connection) {
            Locality::Local => {}
            other => return other,
        }
        match () {
            () if headers.keys().any(|name| is_forwarding(name.as_str())) => Locality::Forwarded,
            () if version < Version::HTTP_11 => Locality::OldVersion,
            () if !host.is_some_and(host::is_loopback) => Locality::OtherHost,
            () => Locality::Local,
        }
    }

    /// Of a connection that is not HTTP: only its address counts, so a TCP proxy on this machine
    /// makes its clients local.
    pub(super) fn of_connection(client: ClientAddress) -> Locality {
        match () {
            () if client.via != Via::Direct => Locality::Forwarded,
            () if !client.address.to_canonical().is_loopback() => Locality::Remote,
            () => Locality::Local,
        }
    }

    /// Why the request is not local, for its sender.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Locality::Local => "this request is from this machine",
            Locality::Remote => "this request comes from another machine",
            Locality::Forwarded => "a proxy has passed this request on",
            Locality::OtherHost => "the `Host` of this request is not localhost or a loopback address",
            Locality::OldVersion => "this request is HTTP/1.0, as proxies send it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn what_was_passed_on_is_not_local() {
        let at = |address: &str, via| Some(ClientAddress { address: address.parse().unwrap(), via });
        let local = at("127.0.0.1", Via::Direct);
        let locality = |client, header: &'static str, host, version| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(header), HeaderValue::from_static("a"));
            Locality::new(client, &headers, host, version)
        };
        let host = Some("localhost:8888");
        for client in [local, at("127.9.9.9", Via::Direct), at("::1", Via::Direct)] {
            assert_eq!(locality(client, "user-agent", host, Version::HTTP_11), Locality::Local);
            assert_eq!(locality(client, "user-agent", host, Version::HTTP_2), Locality::Local);
        }
        assert_eq!(locality(None, "user-agent", host, Version::HTTP_11), Locality::Remote);
        assert_eq!(locality(at("10.0.0.1", Via::Direct), "a", host, Version::HTTP_11), Locality::Remote);
        for via in [Via::Announced, Via::Header] {
            assert_eq!(locality(at("127.0.0.1", via), "a", host, Version::HTTP_11), Locality::Forwarded);
        }
        for header in FORWARDING_HEADERS.iter().chain(&["x-forwarded-for", "x-forwarded-host", "x-envoy-external"]) {
            assert_eq!(locality(local, header, host, Version::HTTP_11), Locality::Forwarded, "{header}");
        }
        assert_eq!(locality(local, "a", host, Version::HTTP_10), Locality::OldVersion);
        for host in [None, Some("perch"), Some("perch.example:8888"), Some("10.0.0.1:8888")] {
            assert_eq!(locality(local, "a", host, Version::HTTP_11), Locality::OtherHost, "{host:?}");
        }
    }
}
