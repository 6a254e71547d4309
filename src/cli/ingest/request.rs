//! Sends a portion until it is answered: retries, and halves what is too large.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::portion::Portion;
use crate::backoff::Backoff;
use crate::client::{Failure, Http, NOT_PERCH, refusal, unreachable};
use crate::format::reader::Location;
use crate::outbound;

/// How long a portion is retried.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);
pub(super) struct Target {
    pub(super) http: Http,
    pub(super) url: Url,
    /// The size of the next portions: less than what was too large.
    pub(super) max_portion_bytes: AtomicUsize,
}

/// What the bulk endpoint answers.
#[derive(Debug, Default, Deserialize)]
pub(super) struct BulkAnswer {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    #[serde(default)]
    pub(super) errors: Vec<BulkLineError>,
    #[serde(default)]
    pub(super) error: Option<BulkFailure>,
}

#[derive(Debug, Deserialize)]
pub(super) struct BulkLineError {
    pub(super) line: usize,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct BulkFailure {
    pub(super) message: String,
}

impl BulkAnswer {
    /// One tweet, of which the server or a proxy says that it is too large.
    pub(super) fn too_large(bytes: usize) -> BulkAnswer {
        let reason = format!("too large for the server, or for a proxy before it: {bytes} bytes as sent (413)");
        BulkAnswer { refused: 1, errors: vec![BulkLineError { line: 1, reason }], ..BulkAnswer::default() }
    }
}

/// The answers to the parts of a portion, each with the places of its lines.
pub(super) type Sent = Result<Vec<(BulkAnswer, Vec<Location>)>, Failure>;

/// Sends a portion, in parts where it is too large.
pub(super) async fn send(portion: Portion, target: &Target) -> Sent {
    let mut answers = Vec::new();
    let mut waiting = vec![portion];
    while let Some(portion) = waiting.pop() {
        let packed = portion.pack().await?;
        let packed_bytes = packed.len();
        if let Some(answer) = send_part(packed, target).await? {
            answers.push((answer, portion.locations));
        } else if portion.locations.len() < 2 {
            answers.push((BulkAnswer::too_large(packed_bytes), portion.locations));
        } else {
            target.max_portion_bytes.fetch_min(portion.body.len() / 2, Ordering::Relaxed);
            let (first, second) = portion.halves();
            // In the order of the file: the last is taken first.
            waiting.extend([second, first]);
        }
    }
    Ok(answers)
}

/// Sends a body until it is answered, or the patience is over. `None` is the answer that it is too
/// large.
async fn send_part(body: Bytes, target: &Target) -> Result<Option<BulkAnswer>, Failure> {
    let started = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        let answer = target.http.post(&target.url, "application/x-ndjson", Some("zstd"), body.clone()).await;
        let (why, wait) = match answer {
            Ok(answer) if is_temporary(answer.status) => {
                let wait = outbound::retry_after(&answer.headers, jiff::Timestamp::now());
                (format!("the server says: {}", answer.status), wait)
            }
            // What came before the limit was taken, and is sent again: a tweet replaces itself.
            Ok(answer) if answer.status == StatusCode::PAYLOAD_TOO_LARGE => return Ok(None),
            Ok(answer) => return understand(answer.status, &answer.body).map(Some),
            Err(error) => (unreachable_text(&target.url, &error), None),
        };
        let pause = wait.unwrap_or_default().max(backoff.pause());
        if started.elapsed() + pause > RETRY_TIMEOUT {
            return Err(Failure::Other(anyhow!("given up after {} s: {why}", started.elapsed().as_secs())));
        }
        tokio::time::sleep(pause).await;
    }
}

fn unreachable_text(url: &Url, error: &(dyn std::error::Error + 'static)) -> String {
    match unreachable(url, error) {
        Failure::Other(error) => error.to_string(),
        _ => error.to_string(),
    }
}

fn is_temporary(status: StatusCode) -> bool {
    use StatusCode as S;
    matches!(status, S::TOO_MANY_REQUESTS | S::BAD_GATEWAY | S::SERVICE_UNAVAILABLE | S::GATEWAY_TIMEOUT)
}

/// Counts come with success, and with 400 when every line was refused.
fn understand(status: StatusCode, text: &str) -> Result<BulkAnswer, Failure> {
    if let Ok(answer) = serde_json::from_str::<BulkAnswer>(text) {
        return Ok(answer);
    }
    if status.is_success() {
        return Err(anyhow!(NOT_PERCH).into());
    }
    Err(refusal(status, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        let answer = understand(
            StatusCode::BAD_REQUEST,
            r#"{"accepted":0,"refused":1,"errors":[{"line":1,"reason":"no"}],"seq":null}"#,
        );
        let answer = answer.unwrap();
        assert_eq!((answer.accepted, answer.refused, answer.errors[0].line), (0, 1, 1));
        let error = r#"{"error":{"code":"too_large","message":"too much"}}"#;
        assert!(matches!(understand(StatusCode::PAYLOAD_TOO_LARGE, error), Err(Failure::Other(_))));
        assert!(understand(StatusCode::OK, "hello").is_err());
    }
}
