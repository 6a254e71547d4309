//! `[limits]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check_range;
use super::serde_units::milliseconds;
use crate::config::ConfigError;

/// `[limits]`: bounds of memory, connections and rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Batches that may wait for the pipeline; a full queue makes the sources wait.
    pub intake_batches: usize,
    /// Open TCP connections.
    pub max_connections: usize,
    /// Open TCP connections from one address; 0 is any number.
    pub max_connections_per_address: usize,
    /// Open sessions (WebSocket and SSE connections).
    pub max_sessions: usize,
    /// Open sessions from one address; 0 is any number.
    pub max_sessions_per_address: usize,
    /// Longest time until the first frame of a WebSocket; 0 is any time.
    #[serde(rename = "first_frame_ms", with = "milliseconds")]
    pub first_frame: Duration,
    /// Commands of one connection a second. A burst may have twice as many.
    pub commands_per_second: u32,
    /// Requests of one address, or of one token subject, a second; 0 is any number. A burst may
    /// have twice as many. Ingestion does not count.
    pub requests_per_second: u32,
    /// Tweets sent to one session a second; 0 is any number.
    pub pushes_per_second: u32,
    /// Tweets that one session may publish a second, on average; 0 is none.
    pub publish_per_second: u32,
    /// Longest time of a search.
    #[serde(rename = "search_timeout_ms", with = "milliseconds")]
    pub search_timeout: Duration,
    /// Header fields of a request.
    pub max_headers: usize,
    /// Size of the head of a request.
    pub max_header_bytes: usize,
    /// Subscriptions of one session.
    pub max_subscriptions_per_session: usize,
    /// Registered queries.
    pub max_queries: usize,
    /// Saved searches.
    pub max_saved_searches: usize,
    /// Saved searches of one token subject.
    pub max_saved_searches_per_owner: usize,
    /// The memory of all registered queries, in MiB.
    pub max_queries_mb: usize,
    /// The memory of the queries of one client, in MiB; 0 is any.
    pub max_queries_mb_per_client: usize,
    /// Patterns of one client's queries that perch has to try on nearly every word; 0 is any
    /// number.
    pub max_weak_patterns_per_client: usize,
    /// Tweets in the queue of one session, before it reads from the index.
    pub session_queue_frames: usize,
    /// Bytes in the queue of one session, before it reads from the index.
    pub session_queue_bytes: usize,
    /// Size of a client's frame.
    pub max_frame_bytes: usize,
    /// Size of a body that holds a query.
    pub max_query_body_bytes: usize,
    /// Size of a body of `POST /api/tweets`, before decompression; 0 is any size.
    pub max_body_bytes: u64,
    /// Size of a body of `POST /api/tweets`, after decompression; 0 is any size.
    pub max_unpacked_bytes: u64,
    /// Size of a line, or element of a JSON array, that may be a tweet.
    pub max_line_bytes: usize,
    /// Tweets of a page of history.
    pub max_page: usize,
    /// Largest offset of the end of a page of history.
    pub max_search_depth: usize,
    /// Searches that run at one time; others wait. 0 is the number of cores, at least two.
    pub search_concurrency: usize,
    /// Searches of one client that may wait for a slot.
    pub max_waiting_searches: usize,
    /// Responses that wait for their clients, in MiB.
    pub response_buffer_mb: usize,
    /// Responses that wait for the clients of one address, in MiB. At most `response_buffer_mb`.
    pub response_buffer_per_address_mb: usize,
    /// Responses that wait for one connection, in MiB. At most `response_buffer_per_address_mb`. A
    /// single response may be larger.
    pub response_buffer_per_connection_mb: usize,
}

impl Default for LimitsSection {
    fn default() -> LimitsSection {
        LimitsSection {
            intake_batches: 8,
            max_connections: 20_000,
            max_connections_per_address: 1_000,
            max_sessions: 10_000,
            max_sessions_per_address: 500,
            first_frame: Duration::from_secs(60),
            commands_per_second: 100,
            requests_per_second: 100,
            pushes_per_second: 0,
            publish_per_second: 0,
            search_timeout: Duration::from_secs(10),
            max_headers: 100,
            max_header_bytes: 64 * 1024,
            max_subscriptions_per_session: 100,
            max_queries: 1_000_000,
            max_saved_searches: 1_000_000,
            max_saved_searches_per_owner: 10_000,
            max_queries_mb: 1_024,
            max_queries_mb_per_client: 256,
            max_weak_patterns_per_client: 1_000,
            session_queue_frames: 1_024,
            session_queue_bytes: 1024 * 1024,
            max_frame_bytes: 64 * 1024,
            max_query_body_bytes: 4 * 1024 * 1024,
            max_body_bytes: 0,
            max_unpacked_bytes: 16 * 1024 * 1024 * 1024,
            max_line_bytes: 1024 * 1024,
            max_page: 1_000,
            max_search_depth: 10_000,
            search_concurrency: 0,
            max_waiting_searches: 1_000,
            response_buffer_mb: 256,
            response_buffer_per_address_mb: 64,
            response_buffer_per_connection_mb: 16,
        }
    }
}

impl LimitsSection {
    /// The number of searches that run at one time.
    #[must_use]
    pub fn n_searches(&self) -> usize {
        match self.search_concurrency {
            0 => std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 256)),
            n => n,
        }
    }

    pub(in crate::config) fn check(&self, errors: &mut Vec<ConfigError>) {
        check_range(errors, "limits.intake_batches", self.intake_batches, 1..=10_000);
        check_range(errors, "limits.max_connections", self.max_connections, 1..=10_000_000);
        check_range(errors, "limits.max_sessions", self.max_sessions, 1..=10_000_000);
        check_range(errors, "limits.first_frame_ms", self.first_frame.as_millis(), 0..=86_400_000);
        check_range(errors, "limits.commands_per_second", self.commands_per_second, 1..=1_000_000);
        check_range(errors, "limits.search_timeout_ms", self.search_timeout.as_millis(), 1..=600_000);
        check_range(errors, "limits.max_headers", self.max_headers, 16..=1_000);
        check_range(errors, "limits.max_header_bytes", self.max_header_bytes, 8_192..=1024 * 1024);
        check_range(errors, "limits.max_subscriptions_per_session", self.max_subscriptions_per_session, 1..=100_000);
        check_range(errors, "limits.max_queries", self.max_queries, 1..=100_000_000);
        check_range(errors, "limits.max_saved_searches", self.max_saved_searches, 0..=100_000_000);
        check_range(errors, "limits.max_saved_searches_per_owner", self.max_saved_searches_per_owner, 0..=100_000_000);
        check_range(errors, "limits.max_queries_mb", self.max_queries_mb, 1..=1_000_000);
        check_range(errors, "limits.max_queries_mb_per_client", self.max_queries_mb_per_client, 0..=1_000_000);
        check_range(errors, "limits.max_weak_patterns_per_client", self.max_weak_patterns_per_client, 0..=100_000_000);
        check_range(errors, "limits.session_queue_frames", self.session_queue_frames, 1..=1_000_000);
        check_range(errors, "limits.session_queue_bytes", self.session_queue_bytes, 4_096..=1024 * 1024 * 1024);
        check_range(errors, "limits.max_frame_bytes", self.max_frame_bytes, 1_024..=16 * 1024 * 1024);
        check_range(errors, "limits.max_query_body_bytes", self.max_query_body_bytes, 1_024..=64 * 1024 * 1024);
        check_range(errors, "limits.max_line_bytes", self.max_line_bytes, 1_024..=64 * 1024 * 1024);
        check_range(errors, "limits.max_page", self.max_page, 1..=10_000);
        check_range(errors, "limits.max_search_depth", self.max_search_depth, self.max_page..=1_000_000);
        check_range(errors, "limits.search_concurrency", self.search_concurrency, 0..=256);
        check_range(errors, "limits.max_waiting_searches", self.max_waiting_searches, 1..=1_000_000);
        // A share larger than the whole counts as the whole, so that one key may be lowered alone.
        for (path, mb) in [
            ("limits.response_buffer_mb", self.response_buffer_mb),
            ("limits.response_buffer_per_address_mb", self.response_buffer_per_address_mb),
            ("limits.response_buffer_per_connection_mb", self.response_buffer_per_connection_mb),
        ] {
            check_range(errors, path, mb, 1..=1024 * 1024);
        }
    }
}
