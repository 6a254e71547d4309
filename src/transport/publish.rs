//! Tweets that clients publish with `cmd/publish`: who may, how fast, and whose they are.
//!
//! What a client says is the text and the place. Everything else is the server's: the author follows from the session's identity, its token or its
//! name, and never from the payload; the id from the clock. From then on it is a tweet as any other: it goes through the pipeline, is durable when it is answered,
//! and is pushed before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::auth::AccessToken;
use crate::ids::{Seq, Uid};
use crate::pipeline::Intake;
use crate::telemetry;
use crate::tweet::{self, AnalyzedTweet};

use super::access::Caller;
use super::errors::{Code, Fault};
use super::pace::Bucket;
use super::wire::PublishCommand;
use super::{TransportContext, fields};

/// How published tweets are called among the sources.
const SOURCE: &str = "publish";

/// The longest text, in characters.
pub(super) const MAX_TEXT_CHARS: usize = 1_000;

/// How many seconds' worth of tweets a client may save up.
const SAVED_UP_S: u32 = 5;

/// Whether a connection may publish, apart from what its token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Nobody may.
    Off,
    /// It comes from this machine, or with the token of ingestion.
    Trusted,
    /// It comes from elsewhere.
    Stranger,
}

impl Right {
    /// Of a request that opens a connection, or is one.
    pub(super) fn of(caller: &Caller, context: &TransportContext) -> Right {
        if context.limits.publish_per_second == 0 {
            Right::Off
        } else if !context.gate.needs_token() && context.gate.check_ingestion(caller).is_ok() {
            Right::Trusted
        } else {
            Right::Stranger
        }
    }
}

/// What a client has published: the answer to `cmd/publish`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) id: u64,
    pub(super) screen_name: String,
    pub(super) seq: Seq,
}

/// One session's way to publish.
#[derive(Debug)]
pub(super) struct Publisher {
    uid: Uid,
    /// `None` while nobody may.
    bucket: Option<Bucket>,
}

impl Publisher {
    pub(super) fn new(uid: Uid, per_second: u32) -> Publisher {
        let bucket = (per_second > 0).then(|| Bucket::new(per_second, SAVED_UP_S, Instant::now()));
        Publisher { uid, bucket }
    }

    /// Makes the tweet, and what hands it over and waits until it is durable.
    pub(super) fn publish(
        &mut self,
        command: &PublishCommand,
        (right, token): (Right, Option<&AccessToken>),
        intake: &Intake,
    ) -> Result<impl Future<Output = Result<Published, Fault>> + Send + use<>, Fault> {
        let Some(bucket) = self.bucket.as_mut().filter(|_| right != Right::Off) else {
            return Err(Fault::new(Code::Forbidden, "clients can't publish here (limits.publish_per_second is 0)"));
        };
        match token {
            Some(token) if token.rights.publish => {}
            Some(_) => return Err(Fault::new(Code::Forbidden, "this token is not good for publishing")),
            None if right == Right::Trusted => {}
            None => {
                let message = "publishing needs a token (that of ingestion is good too), or a request from the machine that perch runs on";
                return Err(Fault::new(Code::Unauthorized, message));
            }
        }
        if !bucket.take(Instant::now()) {
            return Err(Fault::new(Code::Limit, "too many tweets in too short a time; this one was not taken"));
        }
        let screen_name = screen_name(self.uid, token);
        let analyzed = prepare(command, next_id(SystemTime::now()), &screen_name)?;
        let (id, intake) = (analyzed.id, intake.clone());
        Ok(async move {
            telemetry::tweets_received(SOURCE, 1);
            let seq = intake.send_durably(vec![Arc::new(analyzed)]).await?;
            Ok(Published { id, screen_name, seq })
        })
    }
}

/// The author: the subject of the token where it can be a screen name, otherwise a name that only this subject, or this session, has.
fn screen_name(Uid(uid): Uid, token: Option<&AccessToken>) -> String {
    let short = |uuid: Uuid| uuid.simple().to_string()[..9].to_owned();
    let is_name = |text: &str| {
        (1..=30).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match token.map(|token| token.subject.as_str()) {
        // The names of guests are theirs.
        Some(subject) if is_name(subject) && !subject.starts_with("guest_") => subject.to_owned(),
        Some(subject) => format!("user_{}", short(Uuid::new_v5(&Uuid::NAMESPACE_OID, subject.as_bytes()))),
        None => format!("guest_{}", short(uid)),
    }
}

/// An id as Twitter made them: milliseconds, a place where no machine of Twitter's was, and a number. Strictly rising.
fn next_id(now: SystemTime) -> u64 {
    const TWITTER_EPOCH: Duration = Duration::from_millis(1_288_834_974_657);
    const NO_MACHINE: u64 = 0x3ff << 12;
    const NUMBERS: u64 = 1 << 12;
    static LAST: AtomicU64 = AtomicU64::new(0);
    let passed = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(TWITTER_EPOCH);
    let first = u64::try_from(passed.as_millis()).unwrap_or(0) << 12;
    // Milliseconds and number in one: a full millisecond runs over into the next.
    let next = |last: u64| Some((last + 1).max(first));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_else(|last| last);
    let taken = (last + 1).max(first);
    ((taken >> 12) << 22) | NO_MACHINE | (taken % NUMBERS)
}

fn prepare(command: &PublishCommand, id: u64, screen_name: &str) -> Result<AnalyzedTweet, Fault> {
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
    let read = read.map_err(|error| Fault::new(Code::BadPayload, fields::shorten(&error.to_string())))?;
    let tweet = read.first().ok_or_else(|| Fault::new(Code::BadPayload, "this is no tweet"))?;
    Ok(tweet::analyze(tweet))
}

#[cfg(test)]
mod tests;
