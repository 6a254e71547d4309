//! What the clients share: connections, addresses, errors of the server, and when to try again.

mod http;
mod stream;

use std::time::Duration;

use anyhow::anyhow;
use hyper::StatusCode;
use rand::RngExt as _;
use serde::Deserialize;
use url::Url;

use super::Failure;
pub(super) use http::{Answer, Http};
pub(super) use stream::{Stream, Tls, bare, is_encrypted};

/// The address of an interface of the server.
pub(super) fn address(server: &Url, path: &str) -> Result<Url, Failure> {
    if !matches!(server.scheme(), "http" | "https") {
        return Err(Failure::Usage(format!(
            "--url: expected an address that starts with http:// or https://, found {server}"
        )));
    }
    let mut url = server.clone();
    let path = format!("{}{path}", server.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// What to say when nobody answers, or nobody who can be trusted.
pub(super) fn unreachable(server: &Url, error: &(dyn std::error::Error + 'static)) -> Failure {
    if let Some(fault) = stream::fault(error) {
        return Failure::Other(anyhow!(
            "{server} can't be trusted: {fault}; --ca names a file with the certificates to trust"
        ));
    }
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    Failure::Other(anyhow!(
        "no perch answers at {server} ({cause}); start it with `perch serve`, or name another one with --url"
    ))
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
