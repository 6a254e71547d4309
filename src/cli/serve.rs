//! `perch serve`: runs perch until a signal.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::reload::Reloader;
use super::signals::{Ends, Hangups};
use super::{ConfigArgs, Failure, Loaded, load_with_keys};
use crate::config::LimitsSection;
use crate::transport::{Exposure, exposure};
use crate::{app, telemetry};

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start the runtime")?;
    // First of all: until somebody listens to it, SIGHUP ends the process.
    let hangups = runtime.block_on(async { Hangups::listen() }).context("can't listen for signals")?;
    let Loaded { mut config, plugins, keys, warnings } = load_with_keys(args)?;
    let log_filter = telemetry::init_log(&config.telemetry)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let reloader = Reloader { args: args.clone(), config: config.clone(), keys: keys.clone(), log_filter };
    allow_files(&mut config.limits);
    let opens = exposure(&config, keys.has_ingest_token());
    let outcome = runtime.block_on(async {
        let mut ends = Ends::listen().context("can't listen for signals")?;
        let running = tokio::select! {
            running = app::start(&config, plugins, keys) => running?,
            () = ends.next() => {
                tracing::info!("a signal came while it started: nothing was taken yet, so there is nothing to end in order");
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
        for address in running.transport_addresses() {
            tracing::info!(%address, "serving a transport");
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

/// What the index and everything else besides connections needs, in open files. Some hundred are
/// enough, but merges and sources come and go.
const OTHER_FILES: u64 = 1_000;

/// Each connection is an open file, and many systems allow few unless they are asked. Where they
/// allow too few, perch takes fewer connections, or clients that open more would take the files of
/// the index; and fewer of one address, or it could take all that there are.
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

/// Shuts down at the first signal; answers at the second one.
async fn end_twice(mut ends: Ends, shutdown: CancellationToken) -> anyhow::Result<()> {
    ends.next().await;
    shutdown.cancel();
    // Some wrappers send the same signal to the process and to its group: that is still the first
    // one, so it is not listened to.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ends::listen().context("can't listen for signals")?.next().await;
    Ok(())
}
