//! `perch serve`: runs perch until a signal.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::reload::Reloader;
use super::signals::{HangupSignals, TerminationSignals};
use super::{ConfigArgs, Loaded, load_with_keys};
use crate::client::Failure;
use crate::config::LimitsSection;
use crate::transport::{Exposure, exposure};
use crate::{app, telemetry};

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start the runtime")?;
    // First, because an unhandled SIGHUP ends the process.
    let hangups = runtime.block_on(async { HangupSignals::listen() }).context("can't listen for signals")?;
    let Loaded { mut config, plugins, keys, warnings } = load_with_keys(args)?;
    let log_filter = telemetry::init_log(&config.telemetry)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let reloader = Reloader { args: args.clone(), config: config.clone(), keys: keys.clone(), log_filter };
    allow_files(&mut config.limits);
    let opens = exposure(&config, keys.has_ingest_token());
    let outcome = runtime.block_on(async {
        let mut ends = TerminationSignals::listen().context("can't listen for signals")?;
        let running = tokio::select! {
            running = app::start(&config, plugins, keys) => running?,
            () = ends.next() => {
                tracing::info!("stopped by a signal during the start, before any tweet was accepted");
                return Ok(());
            }
        };
        for (what, open_to) in opens.rows.iter().take(Exposure::CLIENT_ROWS) {
            tracing::info!(open_to, "{what}");
        }
        for warning in &opens.warnings {
            tracing::warn!("{warning}");
        }
        let mut out = std::io::stdout();
        // The only line on stdout. A program that asked for port 0 reads the address here.
        let scheme = if config.server.is_encrypted() { "https" } else { "http" };
        writeln!(out, "listening on {scheme}://{}", running.address()).and_then(|()| out.flush())?;
        tracing::info!(address = %running.address(), version = env!("CARGO_PKG_VERSION"), "serving");
        if let Some(address) = running.admin_address() {
            tracing::info!(%address, "serving metrics");
        }
        for (transport, address) in running.transport_addresses() {
            tracing::info!(%address, transport, "serving a transport");
        }
        let second_end = end_twice(ends, running.shutdown_token());
        tokio::select! {
            never = reloader.run(hangups) => match never {},
            outcome = running.run() => outcome,
            ended = second_end => ended.and_then(|()| anyhow::bail!("a second signal came: ended at once")),
        }
    });
    // Standard input may be read on a thread that can't be stopped.
    runtime.shutdown_background();
    outcome.map_err(Failure::Other)
}

/// Open files besides connections. The index and the sources need some hundred; the rest is a
/// reserve for merges.
const OTHER_FILES: u64 = 1_000;

/// Raises `RLIMIT_NOFILE`. If the hard limit is too low, perch accepts fewer connections, in all
/// and per address, so that the index keeps descriptors.
fn allow_files(limits: &mut LimitsSection) {
    let max_connections = limits.max_connections;
    let needed = (max_connections as u64).saturating_add(OTHER_FILES);
    match rlimit::increase_nofile_limit(needed) {
        Ok(files) if files < needed => {
            limits.max_connections = connections_within(files).min(max_connections);
            limits.max_connections_per_address =
                limits.max_connections_per_address.min(limits.max_connections.div_ceil(4));
            tracing::warn!(
                files,
                "only {} connections are taken, not {max_connections}, and {} of one address (0 is any number): fewer \
                 files may be open than limits.max_connections needs, raise the limit (ulimit -Hn)",
                limits.max_connections,
                limits.max_connections_per_address,
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "can't ask for the limit of open files"),
    }
}

/// The number of connections to accept with this limit of open files.
fn connections_within(files: u64) -> usize {
    usize::try_from(files - OTHER_FILES.min(files / 2)).unwrap_or(usize::MAX)
}

/// Cancels the token at the first signal. Returns at the second one.
async fn end_twice(mut ends: TerminationSignals, shutdown: CancellationToken) -> anyhow::Result<()> {
    ends.next().await;
    shutdown.cancel();
    // Signals within 500 ms of the first are ignored: some wrappers send the same signal to the
    // process and to its group.
    tokio::time::sleep(Duration::from_millis(500)).await;
    TerminationSignals::listen().context("can't listen for signals")?.next().await;
    Ok(())
}
