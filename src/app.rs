//! Builds the stages, runs them, and stops them in the order in which tweets flow.
//!
//! ```text
//! start:     index ─> pipeline ─> live ─> transports ─> listener ─> sources
//! shutdown:  listener, sources ─> pipeline (batches sent before) ─> index (last commit)
//!            ─> sessions ─> connections
//! ```
//!
//! Only this module knows all stages. If a stage fails the process ends with a message, because
//! tweets would be lost silently otherwise. A session that fails affects no other.

mod keys;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, ConfigError, PluginTable};
use crate::hub::{ClientLimits, Hub, QueueLimits};
use crate::index::{Index, IndexOptions, Retention};
use crate::live::{Authorization, ClientContext, Live, LiveLimits, QueryParserPool};
use crate::percolator::{ENGINES, EngineKind, EngineOptions, MAX_STEPS};
use crate::pipeline::{Intake, Pipeline};
use crate::query::QueryLimits;
use crate::saved::{self, SavedSearches};
use crate::server::{self, ConnectionLimit, ServerOptions, Tls};
use crate::source::{SOURCES, Source, SourceContext};
use crate::transport::{self, AccessControl, TRANSPORTS, Transport, TransportContext};
pub use keys::Keys;

/// Connections of `server.admin_listen`. Their file descriptors are among those reserved for perch
/// itself.
const MAX_ADMIN_CONNECTIONS: usize = 64;

/// Time for the connections that are left at the end of a shutdown, whose clients read nothing.
const STUCK_CONNECTION_GRACE: Duration = Duration::from_secs(2);

/// The configured plugins, built but not started.
pub struct Plugins {
    engine: &'static EngineKind,
    sources: Vec<(String, Box<dyn Source>)>,
    transports: Vec<(&'static str, Arc<dyn Transport>)>,
}

impl Plugins {
    /// Builds the plugins. No side effects.
    ///
    /// # Errors
    ///
    /// All errors in their tables.
    pub fn build(config: &Config) -> Result<Plugins, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut sources = Vec::new();
        let reads_stdin = |plugin: &&PluginTable| plugin.table.get("path").and_then(|path| path.as_str()) == Some("-");
        for plugin in config.sources.iter().filter(reads_stdin).skip(1) {
            let message = "standard input is read by another source already";
            errors.push(ConfigError::new(format!("{}.path", plugin.path), message));
        }
        for plugin in &config.sources {
            let row = find(SOURCES, |row| row.name, &plugin.kind, &format!("{}.type", plugin.path), &mut errors);
            match row.map(|row| (row.build)(plugin.table.clone())) {
                Some(Ok(source)) => sources.push((plugin.name.clone(), source)),
                Some(Err(wrong)) => errors.extend(wrong.into_iter().map(|error| error.within(&plugin.path))),
                None => {}
            }
        }
        let mut transports: Vec<(&'static str, Arc<dyn Transport>)> = Vec::new();
        for plugin in &config.transports {
            let row = find(TRANSPORTS, |row| row.name, &plugin.kind, &format!("{}.type", plugin.path), &mut errors);
            match row.map(|row| (row.name, (row.build)(plugin.table.clone()))) {
                Some((name, Ok(transport))) => {
                    let identity = transport.identity();
                    if transports.iter().any(|(other, it)| *other == name && it.identity() == identity) {
                        let place = if identity.is_empty() { String::new() } else { format!(" at {identity}") };
                        let message = format!("there is another {name:?} transport{place} already");
                        errors.push(ConfigError::new(format!("{}.type", plugin.path), message));
                    }
                    transports.push((name, Arc::from(transport)));
                }
                Some((_, Err(wrong))) => errors.extend(wrong.into_iter().map(|error| error.within(&plugin.path))),
                None => {}
            }
        }
        let engine = find(ENGINES, |row| row.name, &config.percolator.engine, "percolator.engine", &mut errors);
        match engine {
            Some(engine) if errors.is_empty() => Ok(Plugins { engine, sources, transports }),
            _ => Err(errors),
        }
    }

    /// The listeners of transports beside the HTTP server's: the kind of the transport and the
    /// configured address, in the order of the configuration.
    pub fn listeners(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.transports.iter().filter_map(|(name, transport)| Some((*name, transport.listener()?.address())))
    }
}

/// The row of this name in a table of plugins.
fn find<T>(
    table: &'static [T],
    name: fn(&T) -> &'static str,
    wanted: &str,
    path: &str,
    errors: &mut Vec<ConfigError>,
) -> Option<&'static T> {
    let found = table.iter().find(|row| name(row) == wanted);
    if found.is_none() {
        let known: Vec<_> = table.iter().map(name).collect();
        errors.push(ConfigError::new(path, format!("{wanted:?} is not known, expected one of {}", known.join(", "))));
    }
    found
}

/// A limit of which 0 means none.
fn unlimited_if_zero(limit: usize) -> usize {
    if limit == 0 { usize::MAX } else { limit }
}

/// A running perch.
pub struct RunningServer {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    transport_addresses: Vec<(&'static str, SocketAddr)>,
    tls: Option<Arc<Tls>>,
    grace: Duration,
    /// Cancelled when perch should stop.
    shutdown: CancellationToken,
    /// Cancelled when the pipeline should finish what it has.
    pipeline_shutdown: CancellationToken,
    index: Index,
    live: Live,
    saved: SavedSearches,
    /// Keeps the pipeline open if nothing else sends tweets.
    _intake: Intake,
    /// The result of the pipeline's loop.
    pipeline: oneshot::Receiver<anyhow::Result<()>>,
    /// The supervisors of the sources.
    sources: TaskTracker,
    /// Tasks of transports, and the admin listener.
    connections: TaskTracker,
    server: tokio::task::JoinHandle<()>,
}

/// Starts perch. It serves requests when this returns.
///
/// # Errors
///
/// The index can't be opened, or the address is in use.
pub async fn start(config: &Config, plugins: Plugins, keys: Keys) -> anyhow::Result<RunningServer> {
    let Keys { ingest_token, tokens, tls } = keys;
    crate::telemetry::install_metrics();
    let options = IndexOptions {
        dir: config.index.dir.clone(),
        commit_interval: config.index.commit_interval,
        source_commit_interval: config.index.source_commit_interval,
        commit_tweets: config.index.commit_tweets,
        writer_memory_bytes: config.index.writer_memory_mb * 1024 * 1024,
        queue_batches: config.index.queue_batches,
        retention: Retention {
            age: (config.index.retention_days > 0)
                .then(|| Duration::from_secs(config.index.retention_days * 24 * 60 * 60)),
            size_bytes: Some(config.index.retention_bytes).filter(|&bytes| bytes > 0),
        },
        ..IndexOptions::default()
    };
    // Bound first: a port in use is the most common error, and is found before the index is opened.
    let listener =
        server::listen(config.server.listen).with_context(|| format!("can't listen on {}", config.server.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let admin_listener = match config.server.admin_listen {
        Some(address) => Some(server::listen(address).with_context(|| format!("can't listen on {address}"))?),
        None => None,
    };
    let mut own_listeners = Vec::new();
    for (name, transport) in &plugins.transports {
        if let Some(transport) = transport.listener() {
            let address = transport.address();
            let listener = server::listen(address).with_context(|| format!("{name} can't listen on {address}"))?;
            own_listeners.push((*name, listener, transport));
        }
    }
    let index =
        tokio::task::spawn_blocking(move || Index::open(&options)).await.context("opening the index failed")??;

    let engine_options =
        EngineOptions { threads: config.percolator.n_threads(), max_steps: MAX_STEPS, ..EngineOptions::default() };
    let engine = (plugins.engine.build)(&engine_options);
    let (intake, batches) = Intake::channel(config.limits.intake_batches);
    let (pipeline, handle) = Pipeline::new(
        Hub::new(engine, config.limits.max_queries, config.limits.max_queries_mb * 1024 * 1024).with_client_limits(
            ClientLimits {
                bytes: unlimited_if_zero(config.limits.max_queries_mb_per_client.saturating_mul(1024 * 1024)),
                weak_patterns: unlimited_if_zero(config.limits.max_weak_patterns_per_client),
            },
        ),
        index.clone(),
        batches,
    );
    let live = Live::new(
        index.clone(),
        handle,
        LiveLimits {
            max_sessions: config.limits.max_sessions,
            max_subscriptions: config.limits.max_subscriptions_per_session,
            queue: QueueLimits {
                max_frames: config.limits.session_queue_frames,
                max_bytes: config.limits.session_queue_bytes,
            },
            max_searches: config.limits.n_searches(),
            max_waiting_searches: config.limits.max_waiting_searches,
            search_timeout: config.limits.search_timeout,
        },
        *plugins.engine,
    );
    tokio::spawn(live.clone().refresh_sample());
    let (shutdown, pipeline_shutdown) = (CancellationToken::new(), CancellationToken::new());
    let pipeline = spawn_pipeline(pipeline, pipeline_shutdown.clone())?;

    let (connections, sources) = (TaskTracker::new(), TaskTracker::new());
    let status = Arc::new(crate::source::StatusBoard::default());
    let query_limits = QueryLimits {
        max_bytes: config.query.max_bytes,
        max_depth: config.query.max_depth,
        max_clauses: config.query.max_clauses,
        max_automaton_bytes: config.query.max_automaton_bytes,
        max_cost: config.query.max_cost,
    };
    let authorization = Authorization::new(tokens);
    let clients = Arc::new(ClientContext {
        live: live.clone(),
        queries: Arc::new(QueryParserPool::new(query_limits, config.limits.search_timeout)),
        intake: intake.clone(),
        authorization: authorization.clone(),
        limits: config.limits.clone(),
    });
    let context = saved::Context {
        dir: &config.index.dir,
        live: &live,
        queries: Arc::clone(&clients.queries),
        query_limits,
        config,
    };
    let saved = SavedSearches::open(context).await?;
    let context = TransportContext {
        saved: saved.clone(),
        has_feeds: config.transports.iter().any(|plugin| plugin.kind == transport::FEEDS),
        live: live.clone(),
        intake: intake.clone(),
        query_limits,
        clients,
        limits: config.limits.clone(),
        body_timeout: config.server.body_timeout,
        write_timeout: config.server.write_timeout,
        admin_elsewhere: config.server.admin_listen.is_some(),
        access: Arc::new(AccessControl::new(&config.server, ingest_token, authorization, &config.limits)),
        state_dir: config.index.dir.clone(),
        sources: Arc::clone(&status),
        shutdown: shutdown.clone(),
        tasks: connections.clone(),
    };
    let router = crate::transport::router(plugins.transports.iter().map(|(_, transport)| &**transport), &context);
    let options = ServerOptions {
        header_timeout: config.server.header_timeout,
        write_timeout: config.server.write_timeout,
        idle_timeout: config.server.idle_timeout,
        connections: ConnectionLimit::new(config.limits.max_connections),
        max_headers: config.limits.max_headers,
        max_header_bytes: config.limits.max_header_bytes,
        tls: tls.clone(),
        access: Some(Arc::clone(&context.access)),
    };
    let mut admin_address = None;
    if let Some(listener) = admin_listener {
        admin_address = Some(listener.local_addr().context("the admin listener has no address")?);
        let router = crate::transport::admin_router(&context);
        let options = ServerOptions {
            tls: None,
            access: None,
            connections: ConnectionLimit::new(MAX_ADMIN_CONNECTIONS),
            ..options.clone()
        };
        connections.spawn(server::serve(listener, router, options, shutdown.clone()));
    }
    let mut transport_addresses = Vec::new();
    for (name, listener, transport) in own_listeners {
        transport_addresses.push((name, listener.local_addr().context("a transport's listener has no address")?));
        let served = server::serve_transport(listener, (transport, context.clone()), options.clone(), shutdown.clone());
        connections.spawn(served);
    }
    let server = tokio::spawn(server::serve(listener, router, options, shutdown.clone()));

    for (name, source) in plugins.sources {
        let context = SourceContext {
            name,
            intake: intake.clone(),
            max_line_bytes: config.limits.max_line_bytes,
            cursors: index.cursors(),
            board: Arc::clone(&status),
            shutdown: shutdown.clone(),
        };
        sources.spawn(crate::source::supervise(source, context));
    }
    sources.close();
    Ok(RunningServer {
        address,
        admin_address,
        transport_addresses,
        tls,
        grace: config.server.grace,
        shutdown,
        pipeline_shutdown,
        index,
        live,
        saved,
        _intake: intake,
        pipeline,
        sources,
        connections,
        server,
    })
}

/// Runs the loop on a thread of its own: percolation would block a worker thread of the runtime.
fn spawn_pipeline(
    pipeline: Pipeline,
    shutdown: CancellationToken,
) -> anyhow::Result<oneshot::Receiver<anyhow::Result<()>>> {
    let (ended, end) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name("pipeline".to_owned())
        .spawn(move || {
            // If the loop panics the sender is dropped, and the receiver gets an error.
            let _ = ended.send(runtime.block_on(pipeline.run(shutdown)));
        })
        .context("can't start the pipeline's thread")?;
    Ok(end)
}

impl RunningServer {
    /// The address of the listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of `/metrics`, if it has its own.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The addresses of the transports' own listeners, in the order of the configuration.
    #[must_use]
    pub fn transport_addresses(&self) -> &[(&'static str, SocketAddr)] {
        &self.transport_addresses
    }

    /// The certificate, if connections are encrypted.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }

    /// The token that shuts perch down when it is cancelled.
    #[must_use]
    pub fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs until the shutdown, then stops the stages in order, within the grace time.
    ///
    /// # Errors
    ///
    /// A stage failed, or the grace time was too short.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut index_failure = self.index.failure();
        let failed = tokio::select! {
            // The shutdown comes first: it ends the listener too.
            biased;
            () = self.shutdown.cancelled() => None,
            end = &mut self.pipeline => Some(pipeline_error(end)),
            reason = writer_death(&mut index_failure) => Some(anyhow::anyhow!("{reason}")),
            served = &mut self.server => Some(match served {
                Ok(()) => anyhow::anyhow!("the listener ended"),
                Err(panic) => anyhow::Error::from(panic).context("the listener failed"),
            }),
        };
        if let Some(error) = failed {
            self.shutdown.cancel();
            self.live.close();
            return Err(error);
        }
        tracing::info!("shutting down");
        let grace = self.grace;
        let cut_off = || anyhow::anyhow!("the shutdown took longer than {} s and was cut off", grace.as_secs());
        tokio::time::timeout(grace, self.stop()).await.unwrap_or_else(|_| Err(cut_off()))
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.sources.wait().await;
        self.pipeline_shutdown.cancel();
        match self.pipeline.await {
            Ok(Ok(())) => {}
            end => return Err(pipeline_error(end)),
        }
        self.saved.stop().await;
        let index = self.index;
        tokio::task::spawn_blocking(move || index.close()).await.context("closing the index failed")??;
        self.live.close();
        self.connections.close();
        self.connections.wait().await;
        // The other connections have ended. A client that reads nothing would keep its connection
        // open.
        if let Ok(served) = tokio::time::timeout(STUCK_CONNECTION_GRACE, self.server).await {
            served.context("the listener failed")?;
        } else {
            tracing::warn!("closing connections whose clients read nothing");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Waits until the index's writer has failed. Never completes for a writer that was closed.
async fn writer_death(failure: &mut watch::Receiver<Option<Arc<str>>>) -> Arc<str> {
    if let Ok(reason) = failure.wait_for(Option::is_some).await
        && let Some(reason) = &*reason
    {
        return Arc::clone(reason);
    }
    std::future::pending().await
}

fn pipeline_error(end: Result<anyhow::Result<()>, oneshot::error::RecvError>) -> anyhow::Error {
    match end {
        Ok(Ok(())) => anyhow::anyhow!("the pipeline ended by itself"),
        Ok(Err(error)) => error.context("the pipeline failed"),
        Err(_) => anyhow::anyhow!("the pipeline panicked"),
    }
}

#[cfg(test)]
mod tests;
