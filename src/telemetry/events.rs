//! The events: one function for each, which counts it and logs it.

use std::collections::HashMap;
use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::metric::{
    CANDIDATES, CATCH_UPS, COMMIT_TIME, CONNECTIONS, DEFERRED, DELETIONS, DELIVERY_TRIES, DISCONNECTS, ERRORS,
    EVENTS_DELIVERED, EVENTS_DROPPED, FEED_REQUESTS, FRAMES_DROPPED, FRAMES_SENT, INDEX_DAMAGED, INDEX_SIZE,
    INDEX_TWEETS, MATCHES, PERCOLATED, PERCOLATION_TIME, QUERIES, QUERIES_SIZE, REQUEST_TIME, RESPONSE_BUFFER,
    RETENTION_DELETED, SAMPLE_TIME, SAVED_SEARCHES, SEARCH_TIME, SEARCHES_CANCELLED, SEARCHES_RUNNING,
    SEARCHES_WAITING, SESSIONS, SOURCE_FAILURES, SOURCE_GAPS, SOURCE_LAG, SOURCE_UP, STEPS, TRUNCATED, TURNED_AWAY,
    TWEETS_COMMITTED, TWEETS_RECEIVED, TWEETS_REFUSED, TWEETS_UNREADABLE, VALUES_DROPPED, WITHHELD,
};
use super::recorder::{number, record};
use crate::ids::Seq;
use crate::tweet::Dropped;

/// A source has sent tweets.
pub(crate) fn tweets_received(source: &str, tweets: usize) {
    counter!(TWEETS_RECEIVED, "source" => source.to_owned()).increment(tweets as u64);
}

/// A source has read a document that is no tweet. `reason` is a label, `detail` a text.
pub(crate) fn tweet_refused(source: &str, reason: &'static str, line: u64, detail: &str) {
    tracing::debug!(source, line, reason = detail, "refused");
    counter!(TWEETS_REFUSED, "source" => source.to_owned(), "reason" => reason).increment(1);
}

/// Tweets were read and kept without their wrong values.
pub(crate) fn values_dropped(dropped: &Dropped) {
    for (field, n) in dropped.iter() {
        counter!(VALUES_DROPPED, "field" => field).increment(n);
    }
}

/// Deletions were received, of which `found` are of tweets that perch had.
pub(crate) fn deletions_received(received: usize, found: usize) {
    counter!(DELETIONS, "found" => "true").increment(found as u64);
    counter!(DELETIONS, "found" => "false").increment((received - found) as u64);
}

/// The index has committed tweets.
pub(crate) fn committed(tweets: usize, took: Duration) {
    tracing::debug!(tweets, took_ms = took.as_secs_f64() * 1e3, "committed");
    counter!(TWEETS_COMMITTED).increment(tweets as u64);
    record(&histogram!(COMMIT_TIME), took);
}

/// Retention has deleted the tweets up to a seq, whose youngest has this age.
pub(crate) fn deleted_for_age(tweets: u64, last: Seq, age: Duration) {
    let arrived_until = jiff::Timestamp::now().checked_sub(age).map_or_else(|_| "?".to_owned(), |at| at.to_string());
    tracing::info!(tweets, last_seq = last.0, age_s = age.as_secs(), arrived_until, "retention deleted old tweets");
    counter!(RETENTION_DELETED, "reason" => "age").increment(tweets);
}

/// Retention has deleted the tweets up to a seq, because the index had this size.
pub(crate) fn deleted_for_size(tweets: u64, last: Seq, size_bytes: u64) {
    tracing::info!(
        tweets,
        last_seq = last.0,
        size_bytes,
        "retention deleted the oldest tweets of an index that was too large"
    );
    counter!(RETENTION_DELETED, "reason" => "size").increment(tweets);
}

/// The wall clock has jumped, or is behind the last commit.
pub(crate) fn clock_jumped(is_ahead: bool, by: Duration) {
    let direction = if is_ahead { "ahead" } else { "back" };
    tracing::warn!(
        direction,
        by_s = by.as_secs(),
        "the wall clock jumped; retention ages tweets by the time that perch has run instead"
    );
}

/// By the wall clock, nothing was written to the index for this long.
pub(crate) fn downtime_claimed(downtime: Duration) {
    tracing::warn!(
        downtime_s = downtime.as_secs(),
        "by the wall clock nothing was written to the index for this long; the time counts for retention once perch has run for as long"
    );
}

/// The size of the index has changed.
pub(crate) fn index_size(size_bytes: u64, tweets: u64) {
    gauge!(INDEX_SIZE).set(number(usize::try_from(size_bytes).unwrap_or(usize::MAX)));
    gauge!(INDEX_TWEETS).set(number(usize::try_from(tweets).unwrap_or(usize::MAX)));
}

/// The number of damaged files of the index has changed.
pub(crate) fn index_damaged(files: usize) {
    gauge!(INDEX_DAMAGED).set(number(files));
}

/// A stored tweet could not be read.
pub(crate) fn tweet_unreadable() {
    counter!(TWEETS_UNREADABLE).increment(1);
}

/// Queries or their memory have changed.
pub(crate) fn queries_registered(queries: usize, size_bytes: usize) {
    gauge!(QUERIES).set(number(queries));
    gauge!(QUERIES_SIZE).set(number(size_bytes));
}

/// A slice of a batch was percolated.
pub(crate) fn percolated(tweets: usize, matches: usize, candidates: u64, took: Duration) {
    counter!(PERCOLATED).increment(tweets as u64);
    counter!(MATCHES).increment(matches as u64);
    counter!(CANDIDATES).increment(candidates);
    record(&histogram!(PERCOLATION_TIME), took);
}

/// Patterns and phrases of a slice took this many steps.
pub(crate) fn percolation_steps(steps: u64) {
    counter!(STEPS).increment(steps);
}

/// The engine left pairs of tweet and query undecided.
pub(crate) fn percolation_deferred(pairs: u64) {
    counter!(DEFERRED).increment(pairs);
}

/// Tweets have more terms in a field than perch indexes.
pub(crate) fn tweets_truncated(tweets: usize) {
    if tweets > 0 {
        counter!(TRUNCATED).increment(tweets as u64);
    }
}

/// A tweet was percolated again as a sample.
pub(crate) fn percolation_sampled(took: Duration) {
    record(&histogram!(SAMPLE_TIME), took);
}

/// The number of open sessions has changed.
pub(crate) fn sessions(open: usize) {
    gauge!(SESSIONS).set(number(open));
}

/// The number of saved searches in each state.
pub(crate) fn saved_searches(by_state: &HashMap<&'static str, usize>) {
    for state in ["live", "catching-up", "failing", "paused"] {
        gauge!(SAVED_SEARCHES, "state" => state).set(number(by_state.get(state).copied().unwrap_or(0)));
    }
}

/// A batch was sent to a receiver.
pub(crate) fn delivery_tried(kind: &'static str, is_delivered: bool, events: usize) {
    let outcome = if is_delivered { "delivered" } else { "failed" };
    counter!(DELIVERY_TRIES, "kind" => kind, "outcome" => outcome).increment(1);
    if is_delivered {
        counter!(EVENTS_DELIVERED, "kind" => kind).increment(events as u64);
    }
}

/// A feed of a saved search was asked for.
pub(crate) fn feed_read(kind: &'static str, outcome: &'static str) {
    counter!(FEED_REQUESTS, "kind" => kind, "outcome" => outcome).increment(1);
}

/// A transport has written tweets to a client.
pub(crate) fn frames_sent(transport: &'static str, frames: usize) {
    counter!(FRAMES_SENT, "transport" => transport).increment(frames as u64);
}

/// [`frames_sent`] for a transport that writes very often: looks the counter up once.
pub(crate) struct FramesSent(metrics::Counter);

impl FramesSent {
    pub(crate) fn new(transport: &'static str) -> FramesSent {
        FramesSent(counter!(FRAMES_SENT, "transport" => transport))
    }

    pub(crate) fn sent(&self, frames: usize) {
        self.0.increment(frames as u64);
    }
}

/// A client has sent an invalid frame, to which the protocol has no answer.
pub(crate) fn event_dropped(transport: &'static str, reason: &dyn std::fmt::Display) {
    counter!(EVENTS_DROPPED, "transport" => transport).increment(1);
    tracing::debug!(transport, %reason, "event dropped");
}

/// A session queue has overflowed, and was dropped.
pub(crate) fn queue_overflowed(dropped: usize) {
    counter!(FRAMES_DROPPED).increment(dropped as u64);
}

/// Tweets were withheld from a session, and it was told so.
pub(crate) fn tweets_withheld(tweets: u64) {
    counter!(WITHHELD).increment(tweets);
}

/// A session begins to read from the index.
pub(crate) fn catch_up_started() {
    counter!(CATCH_UPS).increment(1);
}

/// A search of history has ended.
pub(crate) fn searched(took: Duration) {
    record(&histogram!(SEARCH_TIME), took);
}

/// The scheduler's load has changed. `cancelled`: searches cancelled since the start.
pub(crate) fn searches_scheduled(running: usize, waiting: usize, cancelled: u64) {
    gauge!(SEARCHES_RUNNING).set(number(running));
    gauge!(SEARCHES_WAITING).set(number(waiting));
    counter!(SEARCHES_CANCELLED).absolute(cancelled);
}

/// A request was answered. `route` is the pattern, not the path.
pub(crate) fn request_answered(route: &str, status: u16, took: Duration) {
    record(&histogram!(REQUEST_TIME, "route" => route.to_owned(), "status" => status.to_string()), took);
}

/// A rule or a limit has refused a connection, a request or a command. `reason` is a label.
pub(crate) fn turned_away(reason: &'static str) {
    tracing::debug!(reason, "refused by a rule or a limit");
    counter!(TURNED_AWAY, "reason" => reason).increment(1);
}

/// An error was sent to a client.
pub(crate) fn error_answered(code: &'static str) {
    counter!(ERRORS, "code" => code).increment(1);
}

/// A response waits for its client.
pub(crate) fn response_held(bytes: u64) {
    gauge!(RESPONSE_BUFFER).increment(number(usize::try_from(bytes).unwrap_or(usize::MAX)));
}

/// The client has taken the response, or is gone.
pub(crate) fn response_released(bytes: u64) {
    gauge!(RESPONSE_BUFFER).decrement(number(usize::try_from(bytes).unwrap_or(usize::MAX)));
}

/// The number of open TCP connections has changed.
pub(crate) fn connections(open: usize) {
    gauge!(CONNECTIONS).set(number(open));
}

/// A session has ended. `reason` is a label.
pub(crate) fn disconnected(transport: &'static str, reason: &'static str) {
    counter!(DISCONNECTS, "transport" => transport, "reason" => reason).increment(1);
}

/// A source has started.
pub(crate) fn source_started(source: &str) {
    tracing::info!(source, "source started");
    gauge!(SOURCE_UP, "source" => source.to_owned()).set(1.0);
}

/// A source has ended.
pub(crate) fn source_done(source: &str) {
    tracing::info!(source, "source done");
    gauge!(SOURCE_UP, "source" => source.to_owned()).set(0.0);
}

/// The text of an error and its causes. Causes that an error's own text ends with are left out.
pub(crate) fn message_of(error: &anyhow::Error) -> String {
    let mut causes = error.chain().map(ToString::to_string);
    let mut message = causes.next().unwrap_or_default();
    for cause in causes.filter(|cause| !cause.is_empty()) {
        if !message.ends_with(&cause) {
            message.push_str(": ");
            message.push_str(&cause);
        }
    }
    message
}

/// A source has failed. Its supervisor restarts it after `again_in`.
pub(crate) fn source_failed(source: &str, error: &anyhow::Error, again_in: Duration) {
    let error = message_of(error);
    tracing::warn!(source, error, again_in_ms = again_in.as_secs_f64() * 1e3, "source failed");
    gauge!(SOURCE_UP, "source" => source.to_owned()).set(0.0);
    counter!(SOURCE_FAILURES, "source" => source.to_owned()).increment(1);
}

/// The newest event of a live source was this old when it arrived.
pub(crate) fn source_lag(source: &str, lag: Duration) {
    gauge!(SOURCE_LAG, "source" => source.to_owned()).set(lag.as_secs_f64());
}

/// A server could not deliver all events after an interruption.
pub(crate) fn source_gap(source: &str, gap: &str) {
    tracing::warn!(source, gap, "events are missing");
    counter!(SOURCE_GAPS, "source" => source.to_owned()).increment(1);
}
