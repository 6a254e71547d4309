//! Secrets, and where web pages come from: values of the configuration that have rules of their own.

use std::fmt;

use subtle::ConstantTimeEq;

/// The shortest secret that is taken: shorter ones are guessed.
const MIN_SECRET_BYTES: usize = 16;

/// A secret. Nothing shows it: not the log, not an error, not `Debug`.
#[derive(Clone, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// A secret of its text, without the white space around it, which files end with.
    ///
    /// # Errors
    ///
    /// When it is too short to be one.
    pub fn new(text: &str) -> Result<Secret, String> {
        let text = text.trim();
        if text.len() < MIN_SECRET_BYTES {
            return Err(format!("expected a secret of at least {MIN_SECRET_BYTES} bytes, found {}", text.len()));
        }
        Ok(Secret(text.as_bytes().into()))
    }

    /// The secret that a file holds.
    ///
    /// # Errors
    ///
    /// When it can't be read, or holds none. The message says nothing of what is in it.
    pub fn of_file(path: &std::path::Path) -> Result<Secret, String> {
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        Secret::new(&text)
    }

    /// For keys.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether somebody knows it. Takes the same time wherever the two differ, so that it can't be guessed byte by byte.
    #[must_use]
    pub fn is(&self, candidate: &[u8]) -> bool {
        self.0.ct_eq(candidate).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.is(&other.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where a web page comes from: scheme, host and port, as browsers send it with `Origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    /// The scheme's own where none is written.
    port: Option<u16>,
}

impl Origin {
    /// Reads `https://example.org` or `http://localhost:3000`; `None` when it is something else, such as `null`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Origin> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let legal = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
        if scheme.is_empty() || !scheme.chars().all(legal) {
            return None;
        }
        let (host, port) = host_and_port(authority)?;
        let port = port.or_else(|| default_port(&scheme));
        Some(Origin { scheme, host, port })
    }

    /// Whether a request to this host (and port) goes to where the page came from. The scheme is left out: behind a proxy that
    /// ends TLS, perch does not know it.
    #[must_use]
    pub fn is_host(&self, host: &str) -> bool {
        host_and_port(host)
            .is_some_and(|(host, port)| host == self.host && port.or_else(|| default_port(&self.scheme)) == self.port)
    }

    /// Whether the page came from this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// The host of `perch.example:8888`: in lower case, without the port and the dot that may stand at its end.
#[must_use]
pub fn host_name(authority: &str) -> Option<String> {
    let (mut host, _) = host_and_port(authority)?;
    if host.ends_with('.') {
        host.pop();
    }
    Some(host)
}

/// The host in lower case; IPv6 with its brackets.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, if port.is_empty() { None } else { Some(port.parse().ok()?) })
        }
        _ => (authority, None),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let legal =
        |char: char| char.is_ascii_alphanumeric() || "-._".contains(char) || (bracketed && "[:]".contains(char));
    (!host.is_empty() && host.chars().all(legal)).then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests;
