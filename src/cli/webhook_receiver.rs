//! `perch webhook-receiver`: prints what webhooks send, for trying them out.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clap::Args;
use ring::hmac;
use serde_json::Value;

use crate::client::Failure;
use crate::client::terminal::json_line;
use crate::saved::webhook;

/// The largest difference between a timestamp and now, as Standard Webhooks recommends.
const TOLERANCE_S: u64 = 5 * 60;

#[derive(Debug, Args)]
pub(super) struct ReceiverArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// A file with the secret: requests with a wrong signature are refused
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// Runs until it is stopped.
pub(super) async fn run(args: &ReceiverArgs) -> Result<(), Failure> {
    let key = args.secret_file.as_ref().map(|file| {
        let wrong = |what: String| Failure::Usage(format!("--secret-file: {} {what}", file.display()));
        let secret = std::fs::read_to_string(file).map_err(|error| wrong(format!("can't be read: {error}")))?;
        webhook::key(&Value::from(secret.trim())).ok_or_else(|| wrong("has no secret (whsec_…)".to_owned()))
    });
    let key = Arc::new(key.transpose()?);
    let listener =
        tokio::net::TcpListener::bind(args.listen).await.with_context(|| format!("can't listen on {}", args.listen))?;
    anstream::eprintln!("webhooks: http://{}/", listener.local_addr()?);
    let router = Router::new().route("/", post(receive)).route("/{*path}", post(receive)).with_state(key);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn receive(State(key): State<Arc<Option<hmac::Key>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if let Some(key) = &*key
        && let Err(reason) = check(key, &headers, &body)
    {
        anstream::eprintln!("refused: {reason}");
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(text) = str::from_utf8(&body) else { return StatusCode::BAD_REQUEST };
    if text.trim().is_empty() {
        return StatusCode::BAD_REQUEST;
    }
    // Anything can be sent here, also what steers a terminal.
    match writeln!(std::io::stdout(), "{}", json_line(text.trim(), true)) {
        Ok(()) => StatusCode::NO_CONTENT,
        // The reader of stdout has closed it.
        Err(_) => StatusCode::GONE,
    }
}

/// Checks a request as receivers should.
fn check(key: &hmac::Key, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let id = header("webhook-id").ok_or("there is no webhook-id")?;
    let timestamp = header("webhook-timestamp").and_then(|at| at.parse::<u64>().ok()).ok_or("there is no timestamp")?;
    let now = jiff::Timestamp::now().as_second();
    if i64::try_from(timestamp).map_or(u64::MAX, |at| now.abs_diff(at)) > TOLERANCE_S {
        return Err("the timestamp differs from now by more than five minutes");
    }
    let signatures = header("webhook-signature").ok_or("there is no webhook-signature")?;
    let is_good = |text: &str| text.strip_prefix("v1,").is_some_and(|it| webhook::verify(key, id, timestamp, body, it));
    if signatures.split(' ').any(is_good) { Ok(()) } else { Err("the signature is wrong") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_no_clock_shows_is_refused() {
        let key = webhook::key(&Value::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
        let reason = |timestamp: u64| {
            let mut headers = HeaderMap::new();
            for (name, value) in [("webhook-id", "a"), ("webhook-timestamp", &timestamp.to_string())] {
                headers.insert(name, value.parse().unwrap());
            }
            headers.insert("webhook-signature", "v1,x".parse().unwrap());
            check(&key, &headers, b"{}").unwrap_err()
        };
        for at in [0, now - 2 * TOLERANCE_S, now + 2 * TOLERANCE_S, i64::MAX.unsigned_abs(), u64::MAX] {
            assert_eq!(reason(at), "the timestamp differs from now by more than five minutes", "{at}");
        }
        assert_eq!(reason(now), "the signature is wrong");
    }
}
