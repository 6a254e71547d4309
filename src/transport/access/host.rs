//! Checks the `Host` header against an allow-list, as a defense against DNS rebinding.
//!
//! Another site can point its own name at perch's address. A browser then takes that site's pages
//! for perch's own, and their requests carry no foreign `Origin`. Their `Host` header holds the
//! other site's name. perch answers to addresses, to names that no public DNS server resolves, and
//! to the names of the configuration. With TLS the browser does this check, since perch has no
//! certificate for the other name.

use std::net::IpAddr;

use crate::config::{ServerSection, host_name};

/// The names that perch answers to.
#[derive(Debug)]
pub(super) struct HostPolicy {
    /// The names of the configuration. `None` allows every name.
    names: Option<Vec<String>>,
}

impl HostPolicy {
    pub(super) fn new(server: &ServerSection) -> HostPolicy {
        if server.is_encrypted() || server.allowed_hosts.iter().any(|host| host == "*") {
            return HostPolicy { names: None };
        }
        let of_origins = server.allowed_origins.iter().filter_map(|origin| host_name(origin.split_once("://")?.1));
        let of_hosts = server.allowed_hosts.iter().map(|host| host.to_ascii_lowercase());
        HostPolicy { names: Some(of_hosts.chain(of_origins).collect()) }
    }

    /// Whether perch answers to this `Host`. A request without one is not from a browser, and
    /// passes.
    pub(super) fn allows(&self, host: Option<&str>) -> bool {
        let (Some(names), Some(host)) = (&self.names, host) else { return true };
        host_name(host).is_some_and(|name| is_private(&name) || names.contains(&name))
    }
}

/// Whether no public DNS server resolves this name.
fn is_private(name: &str) -> bool {
    const PRIVATE_SUFFIXES: &[&str] =
        &[".localhost", ".local", ".internal", ".home.arpa", ".lan", ".home", ".corp", ".svc", ".test"];
    !name.contains('.') || address(name).is_some() || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Whether the `Host` is a name or an address of the loopback interface.
pub(super) fn is_loopback(host: &str) -> bool {
    host_name(host).is_some_and(|name| {
        name == "localhost"
            || name.ends_with(".localhost")
            || address(&name).is_some_and(|address| address.to_canonical().is_loopback())
    })
}

fn address(name: &str) -> Option<IpAddr> {
    name.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names() {
        for host in ["localhost", "localhost:8888", "LOCALHOST.", "a.localhost", "127.0.0.1:1", "127.8.8.8", "[::1]:1"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "perch", "10.0.0.1", "localhost.example", "notlocalhost", "127.0.0.1.example", "[::2]", "a b"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
