//! What a command says when a server can't be reached, or refuses a request.

use anyhow::anyhow;
use hyper::StatusCode;
use serde::Deserialize;
use tokio_rustls::rustls;
use tokio_tungstenite::tungstenite;
use url::Url;

use super::Failure;
use super::address::is_encrypted;
use crate::outbound::cause;

/// The error for an answer in another form than perch's.
pub(crate) const NOT_PERCH: &str = "the answer is not what perch sends";

/// The failure for a server that does not answer, or has no certificate that perch trusts.
pub(crate) fn unreachable(server: &Url, error: &(dyn std::error::Error + 'static)) -> Failure {
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
pub(crate) struct ServerError {
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ServerError,
}

/// What an answer says that is no success.
pub(crate) fn refusal(status: StatusCode, body: &str) -> Failure {
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
