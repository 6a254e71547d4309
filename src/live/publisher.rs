//! `cmd/publish`: the right to publish, its rate, and the author of a tweet.
//!
//! A client sets text, language and place. perch sets the rest: the author from the session's token
//! or uid, never from the payload, and the id from the clock. From then on it is a tweet like any
//! other: it goes through the pipeline, is pushed, and is durable before its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::auth::AccessToken;
use crate::doc::Point;
use crate::ids::{Seq, Uid};
use crate::pipeline::Intake;
use crate::telemetry;
use crate::tweet::{self, AnalyzedTweet};

use super::error::{ApiError, Code, shorten};
use super::token_bucket::TokenBucket;

/// The source of published tweets in metrics.
const SOURCE: &str = "publish";

/// The longest text, in characters.
pub(crate) const MAX_PUBLISHED_CHARS: usize = 1_000;

/// The burst of tweets that a client may publish, in seconds of its rate.
const BURST_S: u32 = 5;

/// A tweet to publish. perch sets the author.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PublishCommand {
    pub(crate) text: String,
    pub(crate) lang: Option<String>,
    pub(crate) coordinates: Option<Point>,
}

/// A published tweet, for the answer to `cmd/publish`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) id: u64,
    pub(crate) screen_name: String,
    pub(crate) seq: Seq,
}

/// Publishes the tweets of one session.
#[derive(Debug)]
pub(crate) struct Publisher {
    uid: Uid,
    /// `None` when publishing is off.
    bucket: Option<TokenBucket>,
}

impl Publisher {
    pub(crate) fn new(uid: Uid, per_second: u32) -> Publisher {
        let bucket = (per_second > 0).then(|| TokenBucket::new(per_second, BURST_S, Instant::now()));
        Publisher { uid, bucket }
    }

    /// Makes the tweet. Returns a future that hands it to the pipeline and waits until it is
    /// durable. A trusted request needs no token.
    pub(crate) fn publish(
        &mut self,
        command: &PublishCommand,
        (is_trusted, token): (bool, Option<&AccessToken>),
        intake: &Intake,
    ) -> Result<impl Future<Output = Result<Published, ApiError>> + Send + use<>, ApiError> {
        let Some(bucket) = &mut self.bucket else {
            return Err(ApiError::new(Code::Forbidden, "clients can't publish here (limits.publish_per_second is 0)"));
        };
        match token {
            Some(token) if token.rights.publish => {}
            Some(_) => return Err(ApiError::new(Code::Forbidden, "this token is not good for publishing")),
            None if is_trusted => {}
            None => {
                let message = "publishing needs a token (that of ingestion is good too), or a request from the machine that perch runs on";
                return Err(ApiError::new(Code::Unauthorized, message));
            }
        }
        if !bucket.take(Instant::now()) {
            return Err(ApiError::new(Code::Limit, "too many tweets in too short a time; this one was not taken"));
        }
        let screen_name = screen_name(self.uid, token);
        let analyzed = prepare(command, next_id(SystemTime::now()), &screen_name)?;
        let (id, intake) = (analyzed.id, intake.clone());
        Ok(async move {
            telemetry::tweets_received(SOURCE, 1);
            let seq = intake.send_durably(vec![Arc::new(analyzed)]).await?.seq;
            Ok(Published { id, screen_name, seq })
        })
    }
}

/// The author: the token's subject if it can be a screen name, else a name that is unique to the
/// subject or the session.
fn screen_name(Uid(uid): Uid, token: Option<&AccessToken>) -> String {
    let short = |uuid: Uuid| uuid.simple().to_string()[..9].to_owned();
    let is_name = |text: &str| {
        (1..=30).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match token.map(|token| token.subject.as_str()) {
        // Names of guests are reserved.
        Some(subject) if is_name(subject) && !subject.starts_with("guest_") => subject.to_owned(),
        Some(subject) => format!("user_{}", short(Uuid::new_v5(&Uuid::NAMESPACE_OID, subject.as_bytes()))),
        None => format!("guest_{}", short(uid)),
    }
}

/// A strictly rising id in Twitter's form: milliseconds, a machine number that Twitter did not use,
/// and a counter.
fn next_id(now: SystemTime) -> u64 {
    const EPOCH: Duration = Duration::from_millis(tweet::SNOWFLAKE_EPOCH_MS.cast_unsigned());
    const NO_MACHINE: u64 = 0x3ff << 12;
    const NUMBERS: u64 = 1 << 12;
    static LAST: AtomicU64 = AtomicU64::new(0);
    let passed = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(EPOCH);
    let first = u64::try_from(passed.as_millis()).unwrap_or(0) << 12;
    // Milliseconds and counter in one number, so that a full millisecond overflows into the next.
    let next = |last: u64| Some((last + 1).max(first));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_else(|last| last);
    let taken = (last + 1).max(first);
    ((taken >> 12) << 22) | NO_MACHINE | (taken % NUMBERS)
}

fn prepare(command: &PublishCommand, id: u64, screen_name: &str) -> Result<AnalyzedTweet, ApiError> {
    let now = jiff::Timestamp::now();
    let mut tweet = json!({
        "id_str": id.to_string(),
        "text": command.text,
        "created_at": now.strftime("%a %b %d %H:%M:%S +0000 %Y").to_string(),
        "user": {"screen_name": screen_name, "name": screen_name},
    });
    if let Some(lang) = &command.lang {
        tweet["lang"] = json!(lang);
    }
    if let Some(point) = command.coordinates {
        tweet["coordinates"] = json!({"type": "Point", "coordinates": [point.lon, point.lat]});
    }
    let read = tweet::read(tweet.to_string().as_bytes());
    let read = read.map_err(|error| ApiError::new(Code::BadPayload, shorten(&error.to_string())))?;
    Ok(tweet::analyze(&read))
}

#[cfg(test)]
mod tests;
