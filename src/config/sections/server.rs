//! `[server]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check_range;
use super::serde_units::{address, milliseconds, seconds};
use crate::config::{ConfigError, Origin, ProxyHeader, network};

/// `[server]`: listeners, proxies, TLS and timeouts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSection {
    /// Address and port of the HTTP server; port 0 is any free port.
    pub listen: SocketAddr,
    /// Origins of web pages that may connect besides perch's own: `https://example.org`, or `*` for
    /// all.
    pub allowed_origins: Vec<String>,
    /// Public host names of perch: `perch.example.org`, or `*` for all. Names without a public
    /// suffix are always allowed.
    pub allowed_hosts: Vec<String>,
    /// The URL of perch for the world, also with a path, for links that perch sends:
    /// `https://perch.example.org`. Empty is what each request calls.
    pub public_url: String,
    /// Addresses and networks of proxies whose header tells the client's address.
    pub trusted_proxies: Vec<String>,
    /// The header in which they tell it.
    pub proxy_header: ProxyHeader,
    /// The certificate chain for TLS, as PEM; empty is plain HTTP.
    pub tls_certificate_file: PathBuf,
    /// Its private key, as PEM.
    pub tls_key_file: PathBuf,
    /// A listener of its own for `/metrics` and the probes; empty serves them with everything else.
    #[serde(with = "address")]
    pub admin_listen: Option<SocketAddr>,
    /// Longest time for the head of a request, from the start of the connection or the end of the
    /// previous response.
    #[serde(rename = "header_timeout_ms", with = "milliseconds")]
    pub header_timeout: Duration,
    /// Longest time between two reads of a request's body. A body that perch buffers whole may take
    /// this time in all.
    #[serde(rename = "body_timeout_ms", with = "milliseconds")]
    pub body_timeout: Duration,
    /// Longest time that a client may read nothing while perch has bytes for it.
    #[serde(rename = "write_timeout_ms", with = "milliseconds")]
    pub write_timeout: Duration,
    /// Longest time of an HTTP/2 connection without a request.
    #[serde(rename = "idle_timeout_ms", with = "milliseconds")]
    pub idle_timeout: Duration,
    /// Longest time of a graceful shutdown.
    #[serde(rename = "grace_seconds", with = "seconds")]
    pub grace: Duration,
}

impl Default for ServerSection {
    fn default() -> ServerSection {
        ServerSection {
            listen: SocketAddr::from(([127, 0, 0, 1], 8888)),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
            tls_certificate_file: PathBuf::new(),
            tls_key_file: PathBuf::new(),
            admin_listen: None,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(120),
            grace: Duration::from_secs(10),
        }
    }
}

impl ServerSection {
    /// Whether TLS is configured.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        !self.tls_certificate_file.as_os_str().is_empty()
    }

    pub(in crate::config) fn check(&self, errors: &mut Vec<ConfigError>) {
        for (at, origin) in self.allowed_origins.iter().enumerate() {
            if origin != "*" && Origin::parse(origin).is_none() {
                let message =
                    format!("expected an origin, such as \"https://example.org\", or \"*\", found {origin:?}");
                errors.push(ConfigError::new(format!("server.allowed_origins[{at}]"), message));
            }
        }
        for (at, host) in self.allowed_hosts.iter().enumerate() {
            if host != "*" && !is_host_name(host) {
                let message =
                    format!("expected a name without a port, such as \"perch.example.org\", or \"*\", found {host:?}");
                errors.push(ConfigError::new(format!("server.allowed_hosts[{at}]"), message));
            }
        }
        if !self.public_url.is_empty() && !is_public_url(&self.public_url) {
            let message = format!(
                "expected a URL of http or https without a query, such as \"https://perch.example.org\", found {:?}",
                self.public_url
            );
            errors.push(ConfigError::new("server.public_url", message));
        }
        for (at, proxy) in self.trusted_proxies.iter().enumerate() {
            if network(proxy).is_none() {
                let message = format!(
                    "expected an address or a network, such as \"127.0.0.1\" or \"10.0.0.0/8\", found {proxy:?}"
                );
                errors.push(ConfigError::new(format!("server.trusted_proxies[{at}]"), message));
            }
        }
        let (certificate, key) = (self.tls_certificate_file.as_os_str(), self.tls_key_file.as_os_str());
        if certificate.is_empty() != key.is_empty() {
            let missing = if key.is_empty() { "server.tls_key_file" } else { "server.tls_certificate_file" };
            errors.push(ConfigError::new(missing, "is missing: a certificate and its key go together"));
        }
        check_range(errors, "server.header_timeout_ms", self.header_timeout.as_millis(), 100..=600_000);
        check_range(errors, "server.body_timeout_ms", self.body_timeout.as_millis(), 100..=3_600_000);
        check_range(errors, "server.write_timeout_ms", self.write_timeout.as_millis(), 100..=3_600_000);
        check_range(errors, "server.idle_timeout_ms", self.idle_timeout.as_millis(), 100..=86_400_000);
        check_range(errors, "server.grace_seconds", self.grace.as_secs(), 0..=3_600);
    }
}

fn is_public_url(url: &str) -> bool {
    let url = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.is_some_and(|url| {
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        is_plain && url.has_host()
    })
}

fn is_host_name(host: &str) -> bool {
    !host.is_empty() && host.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_'))
}
