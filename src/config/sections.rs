//! The sections of the configuration: one struct each, with its defaults and the ranges of its values.
//!
//! Key names carry their unit. What each key is for stands in `config.toml`, and here beside the field.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Origin, ProxyHeader, Secret, network};
use crate::query::QueryLimits;

/// `[server]`: where perch listens and how it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port of the HTTP server; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Web pages that may connect beside those from the same origin: `https://example.org`, or `*` for all.
    pub allowed_origins: Vec<String>,
    /// Names by which perch may be called, beside those that only its own network knows: `perch.example.org`, or `*` for all.
    pub allowed_hosts: Vec<String>,
    /// Addresses and networks of proxies that say whose connection or request it is.
    pub trusted_proxies: Vec<String>,
    /// How they say it.
    pub proxy_header: ProxyHeader,
    /// The certificate chain for TLS, as PEM; empty is plain HTTP.
    pub tls_certificate_file: PathBuf,
    /// Its private key, as PEM.
    pub tls_key_file: PathBuf,
    /// Where `/metrics` and the probes are served; empty is with everything else.
    #[serde(with = "address")]
    pub admin_listen: Option<SocketAddr>,
    /// How long the head of a request may take, from the opening of the connection or the end of the answer before it.
    #[serde(rename = "header_timeout_ms", with = "milliseconds")]
    pub header_timeout: Duration,
    /// How long a client may take until the next bytes of its request's body come; a body that is held whole may take as long in all.
    #[serde(rename = "body_timeout_ms", with = "milliseconds")]
    pub body_timeout: Duration,
    /// How long a client may take no byte of what it is sent.
    #[serde(rename = "write_timeout_ms", with = "milliseconds")]
    pub write_timeout: Duration,
    /// How long a connection of HTTP/2 may be open without a request.
    #[serde(rename = "idle_timeout_ms", with = "milliseconds")]
    pub idle_timeout: Duration,
    /// How long a shutdown may take before what is left is cut off.
    #[serde(rename = "grace_seconds", with = "seconds")]
    pub grace: Duration,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8888)),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
            tls_certificate_file: PathBuf::new(),
            tls_key_file: PathBuf::new(),
            admin_listen: None,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(120),
            grace: Duration::from_secs(10),
        }
    }
}

impl Server {
    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        !self.tls_certificate_file.as_os_str().is_empty()
    }

    pub(super) fn check(&self, errors: &mut Vec<ConfigError>) {
        for (at, origin) in self.allowed_origins.iter().enumerate() {
            if origin != "*" && Origin::parse(origin).is_none() {
                let message =
                    format!("expected an origin, such as \"https://example.org\", or \"*\", found {origin:?}");
                errors.push(ConfigError::new(format!("server.allowed_origins[{at}]"), message));
            }
        }
        for (at, host) in self.allowed_hosts.iter().enumerate() {
            if host != "*" && !is_host_name(host) {
                let message =
                    format!("expected a name without a port, such as \"perch.example.org\", or \"*\", found {host:?}");
                errors.push(ConfigError::new(format!("server.allowed_hosts[{at}]"), message));
            }
        }
        for (at, proxy) in self.trusted_proxies.iter().enumerate() {
            if network(proxy).is_none() {
                let message = format!(
                    "expected an address or a network, such as \"127.0.0.1\" or \"10.0.0.0/8\", found {proxy:?}"
                );
                errors.push(ConfigError::new(format!("server.trusted_proxies[{at}]"), message));
            }
        }
        let (certificate, key) = (self.tls_certificate_file.as_os_str(), self.tls_key_file.as_os_str());
        if certificate.is_empty() != key.is_empty() {
            let missing = if key.is_empty() { "server.tls_key_file" } else { "server.tls_certificate_file" };
            errors.push(ConfigError::new(missing, "is missing: a certificate and its key go together"));
        }
        within(errors, "server.header_timeout_ms", self.header_timeout.as_millis(), 100..=600_000);
        within(errors, "server.body_timeout_ms", self.body_timeout.as_millis(), 100..=3_600_000);
        within(errors, "server.write_timeout_ms", self.write_timeout.as_millis(), 100..=3_600_000);
        within(errors, "server.idle_timeout_ms", self.idle_timeout.as_millis(), 100..=86_400_000);
        within(errors, "server.grace_seconds", self.grace.as_secs(), 0..=3_600);
    }
}

fn is_host_name(host: &str) -> bool {
    !host.is_empty() && host.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_'))
}

/// `[index]`: where tweets are kept and how often they are committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Index {
    /// The directory of the index, made at the first start.
    pub dir: PathBuf,
    /// How long a tweet waits for its commit at most.
    #[serde(rename = "commit_interval_ms", with = "milliseconds")]
    pub commit_interval: Duration,
    /// After so many tweets a commit comes early.
    pub commit_tweets: usize,
    /// What the writer may hold before it writes a segment, in MiB.
    pub writer_memory_mb: usize,
    /// How many batches may wait for the writer; a full queue makes the pipeline wait.
    pub queue_batches: usize,
    /// Tweets are deleted so many days after they came; 0 keeps them.
    pub retention_days: u64,
    /// The oldest tweets are deleted when the index is larger; 0 is any size.
    pub retention_bytes: u64,
}

impl Default for Index {
    fn default() -> Index {
        Index {
            dir: PathBuf::from("index-data"),
            commit_interval: Duration::from_millis(250),
            commit_tweets: 50_000,
            writer_memory_mb: 64,
            queue_batches: 16,
            retention_days: 0,
            retention_bytes: 0,
        }
    }
}

impl Index {
    pub(super) fn check(&self, errors: &mut Vec<ConfigError>) {
        if self.dir.as_os_str().is_empty() {
            errors.push(ConfigError::new("index.dir", "expected a directory, found an empty name"));
        }
        within(errors, "index.commit_interval_ms", self.commit_interval.as_millis(), 1..=60_000);
        within(errors, "index.commit_tweets", self.commit_tweets, 1..=10_000_000);
        // Tantivy takes at least 15 MB and less than 4 GiB a thread.
        within(errors, "index.writer_memory_mb", self.writer_memory_mb, 16..=4_000);
        within(errors, "index.queue_batches", self.queue_batches, 1..=10_000);
        within(errors, "index.retention_days", self.retention_days, 0..=36_500);
        if self.retention_bytes > 0 {
            within(errors, "index.retention_bytes", self.retention_bytes, 1024 * 1024..=1 << 50);
        }
    }
}

/// `[ingest]`: who may bring tweets over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// A file with the token; empty is none.
    pub token_file: PathBuf,
    /// The token itself, which comes from the environment only and wins over the file.
    #[serde(skip)]
    pub token: Option<Secret>,
}

impl Ingest {
    /// The token, if there is one. Reads its file.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or holds no token.
    pub fn load_token(&self) -> Result<Option<Secret>, ConfigError> {
        let of_file =
            || Secret::of_file(&self.token_file).map_err(|message| ConfigError::new("ingest.token_file", message));
        match &self.token {
            Some(token) => Ok(Some(token.clone())),
            None if self.token_file.as_os_str().is_empty() => Ok(None),
            None => of_file().map(Some),
        }
    }
}

/// `[auth]`: the key that clients' tokens are checked by; without one, clients need no token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// A file with the secret of HS256; empty is none.
    pub secret_file: PathBuf,
    /// A file with the public key of RS256 or ES256, as PEM; empty is none.
    pub public_key_file: PathBuf,
    /// What `iss` must be; empty is anything.
    pub issuer: String,
    /// What `aud` must hold; empty is anything.
    pub audience: String,
}

impl Auth {
    /// Whether clients need a token.
    #[must_use]
    pub fn has_key(&self) -> bool {
        !self.secret_file.as_os_str().is_empty() || !self.public_key_file.as_os_str().is_empty()
    }

    pub(super) fn check(&self, errors: &mut Vec<ConfigError>) {
        if !self.secret_file.as_os_str().is_empty() && !self.public_key_file.as_os_str().is_empty() {
            let message = "auth.secret_file is set as well: tokens are checked by one key";
            errors.push(ConfigError::new("auth.public_key_file", message));
        }
    }
}

/// `[percolator]`: how tweets are matched against the registered queries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Percolator {
    /// The engine's name in the table of engines.
    pub engine: String,
    /// How many threads share a large batch; 0 is one less than the machine has cores.
    pub threads: usize,
}

impl Default for Percolator {
    fn default() -> Percolator {
        Percolator { engine: "compiled".to_owned(), threads: 0 }
    }
}

impl Percolator {
    pub(super) fn check(&self, errors: &mut Vec<ConfigError>) {
        within(errors, "percolator.threads", self.threads, 0..=1_024);
    }

    /// How many threads there are to be.
    #[must_use]
    pub fn n_threads(&self) -> usize {
        match self.threads {
            // One core is left to those who read tweets and send matches.
            0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)),
            n => n,
        }
    }
}

/// `[query]`: how much a query may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// Length of its text or JSON form.
    pub max_bytes: usize,
    /// Brackets inside each other.
    pub max_depth: usize,
    /// Terms, phrases, ranges and so on, in all.
    pub max_clauses: usize,
    /// Size of the automaton of a wildcard or regular expression.
    pub max_automaton_bytes: usize,
    /// What it may cost in all, as [`QueryLimits::max_cost`] counts.
    pub max_cost: usize,
}

impl Default for Query {
    fn default() -> Query {
        let QueryLimits { max_bytes, max_depth, max_clauses, max_automaton_bytes, max_cost } = QueryLimits::default();
        Query { max_bytes, max_depth, max_clauses, max_automaton_bytes, max_cost }
    }
}

impl Query {
    pub(super) fn check(&self, errors: &mut Vec<ConfigError>) {
        within(errors, "query.max_bytes", self.max_bytes, 1..=1024 * 1024);
        // Queries are walked by recursion.
        within(errors, "query.max_depth", self.max_depth, 1..=200);
        within(errors, "query.max_clauses", self.max_clauses, 1..=100_000);
        within(errors, "query.max_automaton_bytes", self.max_automaton_bytes, 1_024..=1024 * 1024 * 1024);
        within(errors, "query.max_cost", self.max_cost, 1..=100_000_000);
    }
}

/// `[limits]`: what bounds the memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
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
    /// How long a WebSocket may take until its first frame; 0 is any time.
    #[serde(rename = "first_frame_ms", with = "milliseconds")]
    pub first_frame: Duration,
    /// Commands that one connection may send in a second; twice as many at once.
    pub commands_per_second: u32,
    /// Requests (but for ingestion) that one address, or one subject of a token, may send in a second; twice as many at once; 0 is any number.
    pub requests_per_second: u32,
    /// Tweets that one session is sent in a second at most; 0 is any number.
    pub pushes_per_second: u32,
    /// Tweets that one session may publish in a second, on average; 0 is none at all.
    pub publish_per_second: u32,
    /// The time that a search may take.
    #[serde(rename = "search_timeout_ms", with = "milliseconds")]
    pub search_timeout: Duration,
    /// Header fields of a request.
    pub max_headers: usize,
    /// The longest head of a request.
    pub max_header_bytes: usize,
    /// Subscriptions of one session.
    pub max_subscriptions_per_session: usize,
    /// Registered queries.
    pub max_queries: usize,
    /// The memory of all registered queries, in MiB.
    pub max_queries_mb: usize,
    /// The same of one client; 0 is any.
    pub max_queries_mb_per_client: usize,
    /// Patterns of one client's queries that nearly every word is tried on; 0 is any number.
    pub max_weak_patterns_per_client: usize,
    /// Tweets that may wait for one session before it is fed from the index.
    pub session_queue_frames: usize,
    /// Bytes that may wait for one session before it is fed from the index.
    pub session_queue_bytes: usize,
    /// The longest frame that a client may send.
    pub max_frame_bytes: usize,
    /// The longest body of `POST /api/tweets` as it comes over the wire; 0 is any length.
    pub max_body_bytes: u64,
    /// The longest body of `POST /api/tweets` after decompression; 0 is any length.
    pub max_unpacked_bytes: u64,
    /// The longest line, or element of a JSON array, that may be a tweet.
    pub max_line_bytes: usize,
    /// The largest page of history.
    pub max_page: usize,
    /// How far behind the first tweet a page of history may end.
    pub max_search_depth: usize,
    /// Searches that run at one time; others wait. 0 is one for each core, and at least two.
    pub search_concurrency: usize,
    /// Searches of one client that may wait for their turn.
    pub max_waiting_searches: usize,
    /// Answers that wait until their clients take them, in MiB.
    pub response_buffer_mb: usize,
    /// The same of one address; above the limit of all, it is that.
    pub response_buffer_per_address_mb: usize,
    /// The same of one connection; above the limit of an address, it is that. A single answer may be longer.
    pub response_buffer_per_connection_mb: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
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
            max_queries_mb: 1_024,
            max_queries_mb_per_client: 256,
            max_weak_patterns_per_client: 1_000,
            session_queue_frames: 1_024,
            session_queue_bytes: 1024 * 1024,
            max_frame_bytes: 64 * 1024,
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

impl Limits {
    /// How many searches run at one time.
    #[must_use]
    pub fn n_searches(&self) -> usize {
        match self.search_concurrency {
            0 => std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 256)),
            n => n,
        }
    }

    pub(super) fn check(&self, errors: &mut Vec<ConfigError>) {
        within(errors, "limits.intake_batches", self.intake_batches, 1..=10_000);
        within(errors, "limits.max_connections", self.max_connections, 1..=10_000_000);
        within(errors, "limits.max_sessions", self.max_sessions, 1..=10_000_000);
        within(errors, "limits.first_frame_ms", self.first_frame.as_millis(), 0..=86_400_000);
        within(errors, "limits.commands_per_second", self.commands_per_second, 1..=1_000_000);
        within(errors, "limits.search_timeout_ms", self.search_timeout.as_millis(), 1..=600_000);
        within(errors, "limits.max_headers", self.max_headers, 16..=1_000);
        within(errors, "limits.max_header_bytes", self.max_header_bytes, 8_192..=1024 * 1024);
        within(errors, "limits.max_subscriptions_per_session", self.max_subscriptions_per_session, 1..=100_000);
        within(errors, "limits.max_queries", self.max_queries, 1..=100_000_000);
        within(errors, "limits.max_queries_mb", self.max_queries_mb, 1..=1_000_000);
        within(errors, "limits.max_queries_mb_per_client", self.max_queries_mb_per_client, 0..=1_000_000);
        within(errors, "limits.max_weak_patterns_per_client", self.max_weak_patterns_per_client, 0..=100_000_000);
        within(errors, "limits.session_queue_frames", self.session_queue_frames, 1..=1_000_000);
        within(errors, "limits.session_queue_bytes", self.session_queue_bytes, 4_096..=1024 * 1024 * 1024);
        within(errors, "limits.max_frame_bytes", self.max_frame_bytes, 1_024..=16 * 1024 * 1024);
        within(errors, "limits.max_line_bytes", self.max_line_bytes, 1_024..=64 * 1024 * 1024);
        within(errors, "limits.max_page", self.max_page, 1..=10_000);
        within(errors, "limits.max_search_depth", self.max_search_depth, self.max_page..=1_000_000);
        within(errors, "limits.search_concurrency", self.search_concurrency, 0..=256);
        within(errors, "limits.max_waiting_searches", self.max_waiting_searches, 1..=1_000_000);
        // A share that is larger than the whole is the whole: one key may be lowered without the others.
        for (path, mb) in [
            ("limits.response_buffer_mb", self.response_buffer_mb),
            ("limits.response_buffer_per_address_mb", self.response_buffer_per_address_mb),
            ("limits.response_buffer_per_connection_mb", self.response_buffer_per_connection_mb),
        ] {
            within(errors, path, mb, 1..=1024 * 1024);
        }
    }
}

/// `[telemetry]`: what perch says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// What is logged to stderr: a level, or a filter by module as in `RUST_LOG`.
    pub log: String,
    /// How it is written.
    pub format: LogFormat,
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry { log: "info".to_owned(), format: LogFormat::Text }
    }
}

impl Telemetry {
    pub(super) fn check(&self, errors: &mut Vec<ConfigError>) {
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log) {
            let message = format!(
                "expected a level, or levels by module such as \"info,perch::pipeline=debug\", found {:?}: {error}",
                self.log
            );
            errors.push(ConfigError::new("telemetry.log", message));
        }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

fn within<T: Copy + PartialOrd + Display>(
    errors: &mut Vec<ConfigError>,
    path: &str,
    value: T,
    range: RangeInclusive<T>,
) {
    if !range.contains(&value) {
        let message = format!("expected a number from {} to {}, found {value}", range.start(), range.end());
        errors.push(ConfigError::new(path, message));
    }
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

/// An address, or an empty string for none.
mod address {
    use std::net::SocketAddr;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands over the field")]
    pub(super) fn serialize<S: Serializer>(value: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.map(|address| address.to_string()).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        let expected = "expected an address and a port, such as \"127.0.0.1:9100\", or \"\"";
        text.parse().map(Some).map_err(|_| D::Error::custom(expected))
    }
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
