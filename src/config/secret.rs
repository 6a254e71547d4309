//! Values of the configuration with rules of their own: secrets and origins.

use std::fmt;

use subtle::ConstantTimeEq;

/// The shortest secret: shorter ones can be guessed.
const MIN_SECRET_BYTES: usize = 16;

/// A secret. No log line, error or `Debug` output contains it.
#[derive(Clone, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// The secret in a text, without the white space around it, with which files end.
    ///
    /// # Errors
    ///
    /// It is too short.
    pub fn new(text: &str) -> Result<Secret, String> {
        let text = text.trim();
        if text.len() < MIN_SECRET_BYTES {
            return Err(format!("expected a secret of at least {MIN_SECRET_BYTES} bytes, found {}", text.len()));
        }
        Ok(Secret(text.as_bytes().into()))
    }

    /// The secret in a file.
    ///
    /// # Errors
    ///
    /// The file can't be read, or the secret is too short. The message has nothing of the content.
    pub fn of_file(path: &std::path::Path) -> Result<Secret, String> {
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        Secret::new(&text)
    }

    /// The bytes, for keys.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the candidate is the secret. Takes constant time, so that the secret can't be
    /// guessed byte by byte.
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

/// The origin of a web page: scheme, host and port, as browsers send it in `Origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    /// The scheme's default if none is written.
    port: Option<u16>,
}

impl Origin {
    /// Parses `https://example.org` or `http://localhost:3000`. `None` for other texts, such as
    /// `null`.
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

    /// Whether a `Host` header names the host and port of this origin. The scheme does not count:
    /// behind a proxy that ends TLS, perch does not know it.
    #[must_use]
    pub fn is_host(&self, host: &str) -> bool {
        host_and_port(host)
            .is_some_and(|(host, port)| host == self.host && port.or_else(|| default_port(&self.scheme)) == self.port)
    }

    /// Whether the host is this machine.
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

/// The host of `perch.example:8888`, in lower case, without the port and a dot at its end.
#[must_use]
pub fn host_name(authority: &str) -> Option<String> {
    let (mut host, _) = host_and_port(authority)?;
    if host.ends_with('.') {
        host.pop();
    }
    Some(host)
}

/// The host in lower case, IPv6 with brackets, and the port.
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
