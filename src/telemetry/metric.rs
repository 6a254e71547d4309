//! The table of metrics.

/// The kind of a metric.
#[derive(Clone, Copy, Debug)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// A current value.
    Gauge,
    /// A distribution, with the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A row of [`METRICS`].
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name. It ends with the unit.
    pub name: &'static str,
    /// The kind.
    pub kind: MetricKind,
    /// The description, one line. A metric with labels names them after ", by".
    pub about: &'static str,
}

/// Buckets from 100 µs to 10 s.
const SECONDS: &[f64] =
    &[0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Buckets from 1 µs to 100 ms.
const SAMPLE_SECONDS: &[f64] =
    &[0.000_001, 0.000_01, 0.000_025, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1];

pub(super) const TWEETS_RECEIVED: &str = "perch_tweets_received_total";
pub(super) const TWEETS_REFUSED: &str = "perch_tweets_refused_total";
pub(super) const VALUES_DROPPED: &str = "perch_values_dropped_total";
pub(super) const DELETIONS: &str = "perch_deletions_total";
pub(super) const TWEETS_COMMITTED: &str = "perch_tweets_committed_total";
pub(super) const COMMIT_TIME: &str = "perch_commit_seconds";
pub(super) const PERCOLATED: &str = "perch_tweets_percolated_total";
pub(super) const PERCOLATION_TIME: &str = "perch_percolation_seconds";
pub(super) const SAMPLE_TIME: &str = "perch_percolation_sample_seconds";
pub(super) const CANDIDATES: &str = "perch_percolation_candidates_total";
pub(super) const MATCHES: &str = "perch_matches_total";
pub(super) const STEPS: &str = "perch_percolation_steps_total";
pub(super) const DEFERRED: &str = "perch_percolation_deferred_total";
pub(super) const TRUNCATED: &str = "perch_tweets_truncated_total";
pub(super) const QUERIES: &str = "perch_queries_registered";
pub(super) const QUERIES_SIZE: &str = "perch_queries_size_bytes";
pub(super) const SESSIONS: &str = "perch_sessions";
pub(super) const SAVED_SEARCHES: &str = "perch_saved_searches";
pub(super) const DELIVERY_TRIES: &str = "perch_delivery_tries_total";
pub(super) const EVENTS_DELIVERED: &str = "perch_events_delivered_total";
pub(super) const FEED_REQUESTS: &str = "perch_feed_requests_total";
pub(super) const FRAMES_SENT: &str = "perch_frames_sent_total";
pub(super) const EVENTS_DROPPED: &str = "perch_client_events_dropped_total";
pub(super) const FRAMES_DROPPED: &str = "perch_frames_dropped_total";
pub(super) const WITHHELD: &str = "perch_tweets_withheld_total";
pub(super) const CATCH_UPS: &str = "perch_catch_ups_total";
pub(super) const SEARCH_TIME: &str = "perch_search_seconds";
pub(super) const RETENTION_DELETED: &str = "perch_retention_deleted_tweets_total";
pub(super) const SEARCHES_RUNNING: &str = "perch_searches_running";
pub(super) const SEARCHES_WAITING: &str = "perch_searches_waiting";
pub(super) const SEARCHES_CANCELLED: &str = "perch_searches_cancelled_total";
pub(super) const INDEX_SIZE: &str = "perch_index_size_bytes";
pub(super) const INDEX_TWEETS: &str = "perch_index_tweets";
pub(super) const INDEX_DAMAGED: &str = "perch_index_damaged_files";
pub(super) const TWEETS_UNREADABLE: &str = "perch_tweets_unreadable_total";
pub(super) const REQUEST_TIME: &str = "perch_http_request_seconds";
pub(super) const TURNED_AWAY: &str = "perch_turned_away_total";
pub(super) const ERRORS: &str = "perch_errors_total";
pub(super) const DISCONNECTS: &str = "perch_disconnects_total";
pub(super) const CONNECTIONS: &str = "perch_connections";
pub(super) const RESPONSE_BUFFER: &str = "perch_response_buffer_bytes";
pub(super) const PROCESS_ANONYMOUS: &str = "perch_process_anonymous_bytes";
pub(super) const SOURCE_UP: &str = "perch_source_up";
pub(super) const SOURCE_FAILURES: &str = "perch_source_failures_total";
pub(super) const SOURCE_LAG: &str = "perch_source_lag_seconds";
pub(super) const SOURCE_GAPS: &str = "perch_source_gaps_total";

/// All metrics of perch.
pub const METRICS: &[Metric] = &[
    row(TWEETS_RECEIVED, MetricKind::Counter, "Tweets read, by source."),
    row(
        TWEETS_REFUSED,
        MetricKind::Counter,
        "Lines (or elements) refused because they are no tweet, by source and reason.",
    ),
    row(VALUES_DROPPED, MetricKind::Counter, "Wrong values that tweets were kept without, by field."),
    row(DELETIONS, MetricKind::Counter, "Deletions received, by whether perch had the tweet (found)."),
    row(TWEETS_COMMITTED, MetricKind::Counter, "Tweets committed to the index."),
    row(COMMIT_TIME, MetricKind::Histogram(SECONDS), "Time of a commit of the index."),
    row(PERCOLATED, MetricKind::Counter, "Tweets matched against the registered queries."),
    row(
        PERCOLATION_TIME,
        MetricKind::Histogram(SECONDS),
        "Time to match a slice of a batch against the registered queries.",
    ),
    row(
        SAMPLE_TIME,
        MetricKind::Histogram(SAMPLE_SECONDS),
        "Time to match one tweet again, query by query, as a sample of what the queries cost.",
    ),
    row(CANDIDATES, MetricKind::Counter, "Pairs of tweet and query that the presearcher could not rule out."),
    row(MATCHES, MetricKind::Counter, "Pairs of tweet and query that match."),
    row(STEPS, MetricKind::Counter, "Work of patterns and phrases, in steps of about a nanosecond."),
    row(
        DEFERRED,
        MetricKind::Counter,
        "Pairs of tweet and query undecided at the tweet's bound of work: the query's sessions read the tweet \
         from the index.",
    ),
    row(TRUNCATED, MetricKind::Counter, "Tweets with more terms in a field than perch indexes."),
    row(QUERIES, MetricKind::Gauge, "Registered queries, equal ones counted once."),
    row(QUERIES_SIZE, MetricKind::Gauge, "Memory of the registered queries and their subscriptions."),
    row(SESSIONS, MetricKind::Gauge, "Open sessions."),
    row(SAVED_SEARCHES, MetricKind::Gauge, "Saved searches, by state."),
    row(DELIVERY_TRIES, MetricKind::Counter, "Requests to receivers of saved searches, by kind and outcome."),
    row(EVENTS_DELIVERED, MetricKind::Counter, "Matches and deletions that receivers have taken, by kind."),
    row(FEED_REQUESTS, MetricKind::Counter, "Requests of feeds of saved searches, by kind and outcome."),
    row(FRAMES_SENT, MetricKind::Counter, "Tweets, and notices that one is gone, written to clients, by transport."),
    row(EVENTS_DROPPED, MetricKind::Counter, "Frames of clients that perch dropped without an answer, by transport."),
    row(
        FRAMES_DROPPED,
        MetricKind::Counter,
        "Tweets dropped from a full session queue. The session reads them from the index.",
    ),
    row(WITHHELD, MetricKind::Counter, "Tweets withheld from sessions because of `limits.pushes_per_second`."),
    row(CATCH_UPS, MetricKind::Counter, "Sessions that began to read from the index."),
    row(SEARCH_TIME, MetricKind::Histogram(SECONDS), "Time of a search of history."),
    row(RETENTION_DELETED, MetricKind::Counter, "Tweets deleted by retention, by reason."),
    row(SEARCHES_RUNNING, MetricKind::Gauge, "Searches, and reads for sessions that are behind, that run now."),
    row(SEARCHES_WAITING, MetricKind::Gauge, "Searches and reads that wait for a slot or are paused."),
    row(
        SEARCHES_CANCELLED,
        MetricKind::Counter,
        "Searches cancelled because their client was gone or their time was over.",
    ),
    row(INDEX_SIZE, MetricKind::Gauge, "Size of the index's segments on disk."),
    row(INDEX_TWEETS, MetricKind::Gauge, "Tweets in the index."),
    row(INDEX_DAMAGED, MetricKind::Gauge, "Files of the index found damaged since the start."),
    row(TWEETS_UNREADABLE, MetricKind::Counter, "Stored tweets that could not be read and were left out of an answer."),
    row(REQUEST_TIME, MetricKind::Histogram(SECONDS), "Time of an HTTP request, by route and status."),
    row(
        TURNED_AWAY,
        MetricKind::Counter,
        "Connections, requests and commands refused by a rule or a limit, by reason.",
    ),
    row(ERRORS, MetricKind::Counter, "Errors sent to clients, by code."),
    row(DISCONNECTS, MetricKind::Counter, "Sessions ended, by transport and reason."),
    row(CONNECTIONS, MetricKind::Gauge, "Open TCP connections."),
    row(RESPONSE_BUFFER, MetricKind::Gauge, "Bytes of responses that wait for their clients."),
    row(
        PROCESS_ANONYMOUS,
        MetricKind::Gauge,
        "Resident memory that no file backs, so without the mapped index. Linux only.",
    ),
    row(SOURCE_UP, MetricKind::Gauge, "1 while the source runs, 0 when it has failed or ended, by source."),
    row(SOURCE_FAILURES, MetricKind::Counter, "Failures of a source, after each of which it is restarted, by source."),
    row(SOURCE_LAG, MetricKind::Gauge, "Age of the newest event of a live source when it arrived, by source."),
    row(
        SOURCE_GAPS,
        MetricKind::Counter,
        "Interruptions after which a server could not deliver all events, by source.",
    ),
];

const fn row(name: &'static str, kind: MetricKind, about: &'static str) -> Metric {
    Metric { name, kind, about }
}
