//! Connections to other servers: which certificates perch trusts, and the HTTP client.

pub(crate) mod sse;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The `User-Agent` of perch's requests.
pub const USER_AGENT: &str = concat!("perch/", env!("CARGO_PKG_VERSION"));

/// The time for a TCP connection and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The certificate authorities that perch trusts.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// Those of this system.
    System,
    /// Those in this PEM file, and no others.
    File(&'a Path),
    /// None: for clients whose addresses are all without TLS. Nothing is read.
    None,
}

/// Why there is no TLS set-up.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file has no certificate that can be read.
    #[error("{0}")]
    File(String),
    /// There are no certificates where this system keeps them; in brackets, why.
    #[error("no certificates are found on this system{0}: install ca-certificates")]
    System(String),
}

/// The TLS set-up of a client. It offers HTTP/1.1 alone: WebSocket connections begin with a request
/// of HTTP/1.1, and nothing else that perch sends gains by HTTP/2.
///
/// # Errors
///
/// A file without certificates, or a system without.
///
/// # Panics
///
/// Never: `ring` has the default versions of TLS.
pub fn tls(trust: Trust<'_>) -> Result<ClientConfig, TrustError> {
    let roots = match trust {
        Trust::System => system_roots()?,
        Trust::File(file) => roots_in(file)?,
        Trust::None => RootCertStore::empty(),
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// An HTTP client with pooled connections. It follows no redirect: a token must not reach another
/// host than the configured one.
pub fn http(tls: ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        // perch checks the addresses of webhooks when it connects; a proxy would connect instead.
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .user_agent(USER_AGENT)
}

/// The pause that an answer asks for in `Retry-After`: seconds, or a date.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text).ok()?.timestamp();
    // A date that has passed asks for no pause.
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

fn roots_in(file: &Path) -> Result<RootCertStore, TrustError> {
    let wrong = |what: String| TrustError::File(format!("{} {what}", file.display()));
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(format!("can't be read: {error}")))?;
    if certificates.is_empty() {
        return Err(wrong("has no certificate (PEM)".to_owned()));
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| wrong(format!("has an invalid certificate: {error}")))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems have some certificates that rustls does not accept; the others do.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(TrustError::System(reason));
    }
    Ok(roots)
}

/// The first error of this type among an error and its causes, such as what is wrong with a
/// server's certificate.
pub fn cause<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    // `source` of an I/O error skips the error that it holds.
    chain.find_map(|error| match error.downcast_ref::<io::Error>() {
        Some(io) => cause_in(io),
        None => error.downcast_ref::<E>(),
    })
}

/// I/O errors hold errors, which may be I/O errors that hold errors.
fn cause_in<E: std::error::Error + 'static>(mut io: &io::Error) -> Option<&E> {
    loop {
        let held = io.get_ref()?;
        match held.downcast_ref::<io::Error>() {
            Some(inner) => io = inner,
            None => return held.downcast_ref::<E>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_number_or_a_date() {
        let now: Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
        let pause = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|pause| pause.as_secs())
        };
        assert_eq!((pause(" 7 "), pause("Sun, 29 Nov 2026 10:02:00 GMT")), (Some(7), Some(120)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!((pause("soon"), pause("-1")), (None, None));
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
