//! What the clients share: requests, addresses, errors of the server, and when to try again.

mod http;

use std::time::Duration;

use anyhow::anyhow;
use hyper::StatusCode;
use rand::RngExt as _;
use serde::Deserialize;
use tokio_rustls::rustls;
use tokio_tungstenite::tungstenite;
use url::Url;

use super::Failure;
use crate::outbound::cause;
pub(super) use http::{Answer, Http};

/// The address of a server as people write it: without a scheme it is one of http.
pub(super) fn server_url(text: &str) -> Result<Url, String> {
    const EXPECTED: &str = "expected an address such as http://localhost:8888 or https://perch.example.org";
    let text = text.trim();
    let port = text.trim_start_matches(':');
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("a port alone is no address; write http://localhost:{port}"));
    }
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    let url = url.map_err(|error| format!("{error}; {EXPECTED}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        "ws" | "wss" => Err(format!("write http{} here; perch makes a WebSocket of it", &url.as_str()[2..])),
        _ => Err(EXPECTED.to_owned()),
    }
}

/// The address of an interface of the server.
pub(super) fn address(server: &Url, path: &str) -> Url {
    let mut url = server.clone();
    let path = format!("{}{path}", server.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// Whether connections to it are encrypted.
pub(super) fn is_encrypted(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "wss")
}

/// A host without the brackets that an IPv6 address has in a URL.
pub(super) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The failure for a server that does not answer, or has no certificate that perch trusts.
pub(super) fn unreachable(server: &Url, error: &(dyn std::error::Error + 'static)) -> Failure {
    if let Some(fault) = cause::<rustls::Error>(error) {
        if matches!(fault, rustls::Error::InvalidMessage(_)) {
            let plain = server.as_str().replacen("https://", "http://", 1);
            return Failure::Other(anyhow!("{server} does not speak TLS: write --url {plain}"));
        }
        return Failure::Other(anyhow!(
            "{server} can't be trusted: {fault}; --ca names a file with the certificates to trust"
        ));
    }
    if !is_encrypted(server) && is_no_http(error) {
        let encrypted = server.as_str().replacen("http://", "https://", 1);
        return Failure::Other(anyhow!("{server} does not speak HTTP; if it speaks TLS, write --url {encrypted}"));
    }
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    Failure::Other(anyhow!(
        "no perch answers at {server} ({cause}); start it with `perch serve`, or name another one with --url"
    ))
}

/// Whether an answer came that is not HTTP, such as the alert of a server that speaks TLS.
fn is_no_http(error: &(dyn std::error::Error + 'static)) -> bool {
    cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse)
        || cause::<tungstenite::error::ProtocolError>(error)
            .is_some_and(|error| matches!(error, tungstenite::error::ProtocolError::HttparseError(_)))
}

/// An error as perch sends it.
#[derive(Debug, Deserialize)]
pub(super) struct ServerError {
    pub(super) code: String,
    pub(super) message: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ServerError,
}

/// What an answer says that is no success.
pub(super) fn refusal(status: StatusCode, body: &str) -> Failure {
    match serde_json::from_str::<ErrorBody>(body) {
        Ok(ErrorBody { error }) if error.code == "bad_query" => Failure::Usage(error.message),
        Ok(ErrorBody { error }) => Failure::Other(anyhow!("the server says: {} ({})", error.message, error.code)),
        // As other servers call it that were asked without TLS.
        Err(_) if status == StatusCode::BAD_REQUEST && body.contains("HTTPS") => {
            Failure::Other(anyhow!("the server says: {status}; it speaks TLS: write --url https://…"))
        }
        Err(_) => Failure::Other(anyhow!("the server says: {status}")),
    }
}

/// Growing, random pauses.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { next: first, longest }
    }

    /// The next pause: at least half of what it could be.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(0.5..1.0));
        self.next = (self.next * 2).min(self.longest);
        pause
    }
}
