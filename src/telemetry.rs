//! What perch says about itself: the log on stderr, and the metrics of `/metrics`.
//!
//! One function per event: it counts, and logs what a person should see, so that no event is logged twice or counted in two ways.
//! All names of metrics stand in [`METRICS`]; docs/OPERATIONS.md lists them, and a test holds the two together.
//!
//! Recording is safe from any thread and costs well under a microsecond; events that are frequent are recorded per batch.

pub(crate) mod process;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use metrics::{Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::config::{LogFormat, Telemetry};
use crate::ids::Seq;

/// Whether a metric is counted up, set, or a distribution with these upper bounds of its buckets.
#[derive(Clone, Copy, Debug)]
pub enum MetricKind {
    /// Rises from 0.
    Counter,
    /// Has a value.
    Gauge,
    /// Is a distribution.
    Histogram(&'static [f64]),
}

/// A row of the table of metrics.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, with the unit at its end.
    pub name: &'static str,
    /// What is done with it.
    pub kind: MetricKind,
    /// One line about it.
    pub about: &'static str,
}

/// 100 µs to 10 s.
const SECONDS: &[f64] =
    &[0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// 1 µs to 100 ms.
const SAMPLE_SECONDS: &[f64] =
    &[0.000_001, 0.000_01, 0.000_025, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1];

const TWEETS_RECEIVED: &str = "perch_tweets_received_total";
const TWEETS_REFUSED: &str = "perch_tweets_refused_total";
const TWEETS_COMMITTED: &str = "perch_tweets_committed_total";
const COMMIT_TIME: &str = "perch_commit_seconds";
const PERCOLATED: &str = "perch_tweets_percolated_total";
const PERCOLATION_TIME: &str = "perch_percolation_seconds";
const SAMPLE_TIME: &str = "perch_percolation_sample_seconds";
const CANDIDATES: &str = "perch_percolation_candidates_total";
const MATCHES: &str = "perch_matches_total";
const STEPS: &str = "perch_percolation_steps_total";
const DEFERRED: &str = "perch_percolation_deferred_total";
const TRUNCATED: &str = "perch_tweets_truncated_total";
const QUERIES: &str = "perch_queries_registered";
const QUERIES_SIZE: &str = "perch_queries_size_bytes";
const SESSIONS: &str = "perch_sessions";
const FRAMES_SENT: &str = "perch_frames_sent_total";
const EVENTS_DROPPED: &str = "perch_client_events_dropped_total";
const FRAMES_DROPPED: &str = "perch_frames_dropped_total";
const WITHHELD: &str = "perch_tweets_withheld_total";
const CATCH_UPS: &str = "perch_catch_ups_total";
const SEARCH_TIME: &str = "perch_search_seconds";
const RETENTION_DELETED: &str = "perch_retention_deleted_tweets_total";
const SEARCHES_RUNNING: &str = "perch_searches_running";
const SEARCHES_WAITING: &str = "perch_searches_waiting";
const SEARCHES_CANCELLED: &str = "perch_searches_cancelled_total";
const INDEX_SIZE: &str = "perch_index_size_bytes";
const INDEX_TWEETS: &str = "perch_index_tweets";
const INDEX_DAMAGED: &str = "perch_index_damaged_files";
const TWEETS_UNREADABLE: &str = "perch_tweets_unreadable_total";
const REQUEST_TIME: &str = "perch_http_request_seconds";
const TURNED_AWAY: &str = "perch_turned_away_total";
const ERRORS: &str = "perch_errors_total";
const DISCONNECTS: &str = "perch_disconnects_total";
const CONNECTIONS: &str = "perch_connections";
const RESPONSE_BUFFER: &str = "perch_response_buffer_bytes";
const PROCESS_CPU: &str = "perch_process_cpu_seconds";
const PROCESS_RESIDENT: &str = "perch_process_resident_bytes";
const PROCESS_ANONYMOUS: &str = "perch_process_anonymous_bytes";
const SOURCE_UP: &str = "perch_source_up";
const SOURCE_FAILURES: &str = "perch_source_failures_total";

/// All metrics of perch.
pub const METRICS: &[Metric] = &[
    row(TWEETS_RECEIVED, MetricKind::Counter, "Tweets that were read, by source."),
    row(TWEETS_REFUSED, MetricKind::Counter, "Lines that were no tweet, by source and reason."),
    row(TWEETS_COMMITTED, MetricKind::Counter, "Tweets that are durable."),
    row(COMMIT_TIME, MetricKind::Histogram(SECONDS), "Time of one commit of the index."),
    row(PERCOLATED, MetricKind::Counter, "Tweets that were matched against the registered queries."),
    row(PERCOLATION_TIME, MetricKind::Histogram(SECONDS), "Time to match one batch against the registered queries."),
    row(
        SAMPLE_TIME,
        MetricKind::Histogram(SAMPLE_SECONDS),
        "Time to match one tweet once more, query by query, as a sample of what the queries cost.",
    ),
    row(CANDIDATES, MetricKind::Counter, "Pairs of tweet and query that the presearch could not rule out."),
    row(MATCHES, MetricKind::Counter, "Pairs of tweet and query that match."),
    row(STEPS, MetricKind::Counter, "Work of patterns and phrases, in steps of about a nanosecond."),
    row(
        DEFERRED,
        MetricKind::Counter,
        "Pairs of tweet and query undecided at the tweet's bound of work: the query's sessions read the tweet \
         from the index.",
    ),
    row(TRUNCATED, MetricKind::Counter, "Tweets with more terms in a field than are searchable."),
    row(QUERIES, MetricKind::Gauge, "Different queries that are registered."),
    row(QUERIES_SIZE, MetricKind::Gauge, "Memory of the registered queries and of their subscriptions."),
    row(SESSIONS, MetricKind::Gauge, "Open sessions."),
    row(FRAMES_SENT, MetricKind::Counter, "Tweets that were written to clients, by transport."),
    row(EVENTS_DROPPED, MetricKind::Counter, "Frames of clients that were of no use and got no answer, by transport."),
    row(
        FRAMES_DROPPED,
        MetricKind::Counter,
        "Tweets dropped from a full session queue, to be read again from the index.",
    ),
    row(WITHHELD, MetricKind::Counter, "Tweets that a session was not sent because of its limit."),
    row(CATCH_UPS, MetricKind::Counter, "Times that a session began to be fed from the index."),
    row(SEARCH_TIME, MetricKind::Histogram(SECONDS), "Time of one search of history."),
    row(RETENTION_DELETED, MetricKind::Counter, "Tweets that retention deleted, by reason."),
    row(SEARCHES_RUNNING, MetricKind::Gauge, "Searches, and reads for sessions that have fallen behind, that run now."),
    row(
        SEARCHES_WAITING,
        MetricKind::Gauge,
        "The same that wait for their turn, or are paused while others have theirs.",
    ),
    row(
        SEARCHES_CANCELLED,
        MetricKind::Counter,
        "Searches that were stopped because their client had gone or their time was up.",
    ),
    row(INDEX_SIZE, MetricKind::Gauge, "Size of the index's segments on disk."),
    row(INDEX_TWEETS, MetricKind::Gauge, "Tweets in the index."),
    row(INDEX_DAMAGED, MetricKind::Gauge, "Files of the index that were found to be damaged since the start."),
    row(
        TWEETS_UNREADABLE,
        MetricKind::Counter,
        "Times that a stored tweet could not be read and was left out of an answer.",
    ),
    row(REQUEST_TIME, MetricKind::Histogram(SECONDS), "Time of one HTTP request, by route and status."),
    row(
        TURNED_AWAY,
        MetricKind::Counter,
        "Connections, requests and commands that a rule or a limit refused, by reason.",
    ),
    row(ERRORS, MetricKind::Counter, "Errors that clients were answered with, by code."),
    row(DISCONNECTS, MetricKind::Counter, "Sessions that ended, by transport and reason."),
    row(CONNECTIONS, MetricKind::Gauge, "Open TCP connections."),
    row(RESPONSE_BUFFER, MetricKind::Gauge, "Bytes of answers that wait until their clients take them."),
    row(PROCESS_CPU, MetricKind::Gauge, "CPU time that the process has taken, on all cores together. Linux only."),
    row(PROCESS_RESIDENT, MetricKind::Gauge, "Resident memory of the process. Linux only."),
    row(
        PROCESS_ANONYMOUS,
        MetricKind::Gauge,
        "The part of the resident memory that no file backs: without what is read of the index. Linux only.",
    ),
    row(SOURCE_UP, MetricKind::Gauge, "1 while the source runs, 0 when it has failed or is done, by source."),
    row(SOURCE_FAILURES, MetricKind::Counter, "Times that a source failed and was started again, by source."),
];

const fn row(name: &'static str, kind: MetricKind, about: &'static str) -> Metric {
    Metric { name, kind, about }
}

/// The filter of a running log, which can be changed.
#[derive(Clone, Debug)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Logs by another filter from now on.
    ///
    /// # Errors
    ///
    /// When the filter can't be read; the old one stays.
    pub fn set(&self, filter: &str) -> anyhow::Result<()> {
        self.0.reload(env_filter(filter)?).context("the log is gone")
    }
}

fn env_filter(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text).with_context(|| format!("telemetry.log: {text:?}"))
}

/// Starts the log on stderr. Only the first call in a process does something.
///
/// # Errors
///
/// When the filter can't be read.
pub fn init_log(config: &Telemetry) -> anyhow::Result<LogFilter> {
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let (log, filter) = log_to(config, std::io::stderr, ansi)?;
    // A test in the same process may have been first.
    let _ = log.try_init();
    Ok(filter)
}

/// A log that is written there.
fn log_to<W>(config: &Telemetry, writer: W, ansi: bool) -> anyhow::Result<(impl SubscriberInitExt + use<W>, LogFilter)>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(env_filter(&config.log)?);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = match config.format {
        LogFormat::Text => layer.with_ansi(ansi).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let harmless = filter_fn(is_harmless).with_max_level_hint(LevelFilter::TRACE);
    let log = tracing_subscriber::registry().with(layer.with_filter(filter.and(harmless)));
    Ok((log, LogFilter(handle)))
}

/// Whether an event can hold nothing that a client keeps secret. What libraries say at `trace` holds what they were given: tungstenite's whole
/// messages, with the tokens in them.
fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    *metadata.level() < Level::TRACE || target == "perch" || target.starts_with("perch::")
}

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts counting, at the first call in a process, and answers with what `/metrics` shows.
pub fn install_metrics() -> PrometheusHandle {
    HANDLE.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let MetricKind::Histogram(buckets) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                .expect("every distribution has buckets");
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("metrics are recorded elsewhere in this process; /metrics stays empty");
        return handle;
    }
    describe();
    handle
}

/// The page of `/metrics`.
pub fn render_metrics() -> String {
    let handle = install_metrics();
    if let Some(usage) = process::usage("self") {
        let bytes = |bytes: u64| number(usize::try_from(bytes).unwrap_or(usize::MAX));
        gauge!(PROCESS_CPU).set(usage.cpu.as_secs_f64());
        gauge!(PROCESS_RESIDENT).set(bytes(usage.resident_bytes));
        gauge!(PROCESS_ANONYMOUS).set(bytes(usage.anonymous_bytes));
    }
    handle.render()
}

/// Describes all metrics and shows those without labels from the start: an absent one can't be told from one at zero.
fn describe() {
    for metric in METRICS {
        let unit = match metric.name.trim_end_matches("_total").rsplit('_').next() {
            Some("seconds") => Unit::Seconds,
            Some("bytes") => Unit::Bytes,
            _ => Unit::Count,
        };
        let labeled = metric.about.contains(", by ");
        match metric.kind {
            MetricKind::Counter => {
                metrics::describe_counter!(metric.name, unit, metric.about);
                if !labeled {
                    counter!(metric.name).absolute(0);
                }
            }
            MetricKind::Gauge => {
                metrics::describe_gauge!(metric.name, unit, metric.about);
                if !labeled {
                    gauge!(metric.name).set(0.0);
                }
            }
            MetricKind::Histogram(_) => metrics::describe_histogram!(metric.name, unit, metric.about),
        }
    }
}

/// Adds to a distribution. It collects single values until somebody looks at it: so that it does not grow while nobody does,
/// what was collected is put into the buckets now and then.
fn record(distribution: &metrics::Histogram, took: Duration) {
    /// How many values may wait.
    const COLLECTED: u32 = 8_192;
    static RECORDED: AtomicU32 = AtomicU32::new(0);
    distribution.record(took);
    if RECORDED.fetch_add(1, Ordering::Relaxed) % COLLECTED == COLLECTED - 1
        && let Some(handle) = HANDLE.get()
    {
        handle.run_upkeep();
    }
}

/// Prometheus numbers are floats: exact up to 2^53, which no count here reaches.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn number(n: usize) -> f64 {
    n as f64
}

/// A source handed over tweets.
pub(crate) fn tweets_received(source: &str, tweets: usize) {
    counter!(TWEETS_RECEIVED, "source" => source.to_owned()).increment(tweets as u64);
}

/// A source brought something that is no tweet; `reason` is one of a few, `detail` says more.
pub(crate) fn tweet_refused(source: &str, reason: &'static str, line: u64, detail: &str) {
    tracing::debug!(source, line, reason = detail, "refused");
    counter!(TWEETS_REFUSED, "source" => source.to_owned(), "reason" => reason).increment(1);
}

/// The index is durable up to here.
pub(crate) fn committed(tweets: usize, took: Duration) {
    tracing::debug!(tweets, took_ms = took.as_secs_f64() * 1e3, "committed");
    counter!(TWEETS_COMMITTED).increment(tweets as u64);
    record(&histogram!(COMMIT_TIME), took);
}

/// Retention deleted the tweets up to a seq, since the youngest of them is of this age.
pub(crate) fn deleted_for_age(tweets: u64, last: Seq, age: Duration) {
    let arrived_until = jiff::Timestamp::now().checked_sub(age).map_or_else(|_| "?".to_owned(), |at| at.to_string());
    tracing::info!(tweets, last_seq = last.0, age_s = age.as_secs(), arrived_until, "retention deleted old tweets");
    counter!(RETENTION_DELETED, "reason" => "age").increment(tweets);
}

/// Retention deleted the tweets up to a seq, since the index had this size.
pub(crate) fn deleted_for_size(tweets: u64, last: Seq, size_bytes: u64) {
    tracing::info!(
        tweets,
        last_seq = last.0,
        size_bytes,
        "retention deleted the oldest tweets of an index that was too large"
    );
    counter!(RETENTION_DELETED, "reason" => "size").increment(tweets);
}

/// The wall clock jumped, or is behind the last commit.
pub(crate) fn clock_jumped(is_ahead: bool, by: Duration) {
    let direction = if is_ahead { "ahead" } else { "back" };
    tracing::warn!(
        direction,
        by_s = by.as_secs(),
        "the wall clock jumped; retention goes on by the time during which perch runs"
    );
}

/// The wall clock says that nobody wrote the index for so long.
pub(crate) fn downtime_claimed(downtime: Duration) {
    tracing::warn!(
        downtime_s = downtime.as_secs(),
        "by the wall clock the index was not written for this long; it counts for retention once perch has run for as long"
    );
}

/// The index has this size now.
pub(crate) fn index_size(size_bytes: u64, tweets: u64) {
    gauge!(INDEX_SIZE).set(number(usize::try_from(size_bytes).unwrap_or(usize::MAX)));
    gauge!(INDEX_TWEETS).set(number(usize::try_from(tweets).unwrap_or(usize::MAX)));
}

/// So many files of the index are known to be damaged.
pub(crate) fn index_damaged(files: usize) {
    gauge!(INDEX_DAMAGED).set(number(files));
}

/// A stored tweet could not be read.
pub(crate) fn tweet_unreadable() {
    counter!(TWEETS_UNREADABLE).increment(1);
}

/// So many queries are registered now.
pub(crate) fn queries_registered(queries: usize, size_bytes: usize) {
    gauge!(QUERIES).set(number(queries));
    gauge!(QUERIES_SIZE).set(number(size_bytes));
}

/// A batch was matched.
pub(crate) fn percolated(tweets: usize, matches: usize, candidates: u64, took: Duration) {
    counter!(PERCOLATED).increment(tweets as u64);
    counter!(MATCHES).increment(matches as u64);
    counter!(CANDIDATES).increment(candidates);
    record(&histogram!(PERCOLATION_TIME), took);
}

/// Patterns and phrases took so many steps.
pub(crate) fn percolation_steps(steps: u64) {
    counter!(STEPS).increment(steps);
}

/// So many pairs of tweet and query were left undecided.
pub(crate) fn percolation_deferred(pairs: u64) {
    counter!(DEFERRED).increment(pairs);
}

/// So many tweets have more terms in a field than are searchable.
pub(crate) fn tweets_truncated(tweets: usize) {
    if tweets > 0 {
        counter!(TRUNCATED).increment(tweets as u64);
    }
}

/// One tweet was matched once more, query by query.
pub(crate) fn percolation_sampled(took: Duration) {
    record(&histogram!(SAMPLE_TIME), took);
}

/// So many sessions are open now.
pub(crate) fn sessions(open: usize) {
    gauge!(SESSIONS).set(number(open));
}

/// A transport wrote tweets to a client.
pub(crate) fn frames_sent(transport: &'static str, frames: usize) {
    counter!(FRAMES_SENT, "transport" => transport).increment(frames as u64);
}

/// Counts the tweets that a transport writes to its clients, for one that writes very often.
pub(crate) struct FramesSent(metrics::Counter);

impl FramesSent {
    pub(crate) fn new(transport: &'static str) -> FramesSent {
        FramesSent(counter!(FRAMES_SENT, "transport" => transport))
    }

    pub(crate) fn sent(&self, frames: usize) {
        self.0.increment(frames as u64);
    }
}

/// A client sent what can't be read or obeyed, and the protocol has no answer to it.
pub(crate) fn event_dropped(transport: &'static str, reason: &dyn std::fmt::Display) {
    counter!(EVENTS_DROPPED, "transport" => transport).increment(1);
    tracing::debug!(transport, %reason, "event dropped");
}

/// A session's queue was full and was emptied; what was in it will be read from the index.
pub(crate) fn queue_overflowed(dropped: usize) {
    counter!(FRAMES_DROPPED).increment(dropped as u64);
}

/// A session was told that so many tweets were withheld from it.
pub(crate) fn tweets_withheld(tweets: u64) {
    counter!(WITHHELD).increment(tweets);
}

/// A session is fed from the index from now on.
pub(crate) fn catch_up_started() {
    counter!(CATCH_UPS).increment(1);
}

/// History was searched.
pub(crate) fn searched(took: Duration) {
    record(&histogram!(SEARCH_TIME), took);
}

/// So many searches run and wait now, and so many were cancelled since the start.
pub(crate) fn searches_scheduled(running: usize, waiting: usize, cancelled: u64) {
    gauge!(SEARCHES_RUNNING).set(number(running));
    gauge!(SEARCHES_WAITING).set(number(waiting));
    counter!(SEARCHES_CANCELLED).absolute(cancelled);
}

/// A request was answered; `route` is the pattern, not the path.
pub(crate) fn request_answered(route: &str, status: u16, took: Duration) {
    record(&histogram!(REQUEST_TIME, "route" => route.to_owned(), "status" => status.to_string()), took);
}

/// A rule or a limit refused a connection, a request or a command; `reason` is one of a few.
pub(crate) fn turned_away(reason: &'static str) {
    tracing::debug!(reason, "turned away");
    counter!(TURNED_AWAY, "reason" => reason).increment(1);
}

/// A client was answered with an error.
pub(crate) fn error_answered(code: &'static str) {
    counter!(ERRORS, "code" => code).increment(1);
}

/// An answer waits for its client.
pub(crate) fn response_held(bytes: u64) {
    gauge!(RESPONSE_BUFFER).increment(number(usize::try_from(bytes).unwrap_or(usize::MAX)));
}

/// The client has taken the answer, or is gone.
pub(crate) fn response_released(bytes: u64) {
    gauge!(RESPONSE_BUFFER).decrement(number(usize::try_from(bytes).unwrap_or(usize::MAX)));
}

/// So many TCP connections are open now.
pub(crate) fn connections(open: usize) {
    gauge!(CONNECTIONS).set(number(open));
}

/// A session ended; `reason` is one of a few.
pub(crate) fn disconnected(transport: &'static str, reason: &'static str) {
    counter!(DISCONNECTS, "transport" => transport, "reason" => reason).increment(1);
}

/// A source runs.
pub(crate) fn source_started(source: &str) {
    tracing::info!(source, "source started");
    gauge!(SOURCE_UP, "source" => source.to_owned()).set(1.0);
}

/// A source has nothing more to bring, or was told to stop.
pub(crate) fn source_done(source: &str) {
    tracing::info!(source, "source done");
    gauge!(SOURCE_UP, "source" => source.to_owned()).set(0.0);
}

/// An error with its causes, each said once: some say their cause themselves.
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

/// A source failed and is started again after this time.
pub(crate) fn source_failed(source: &str, error: &anyhow::Error, again_in: Duration) {
    let error = message_of(error);
    tracing::warn!(source, error, again_in_ms = again_in.as_secs_f64() * 1e3, "source failed");
    gauge!(SOURCE_UP, "source" => source.to_owned()).set(0.0);
    counter!(SOURCE_FAILURES, "source" => source.to_owned()).increment(1);
}

#[cfg(test)]
mod tests;
