//! `perch serve`: runs perch until a signal.

use std::io::Write as _;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::{ConfigArgs, Failure, load};
use crate::{app, telemetry};

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let (config, plugins) = load(args)?;
    telemetry::init_log(&config.telemetry)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start the runtime")?;
    let outcome = runtime.block_on(async {
        let running = app::start(&config, plugins).await?;
        let mut out = std::io::stdout();
        // The only line on stdout: whoever asked for port 0 reads it.
        writeln!(out, "listening on http://{}", running.address()).and_then(|()| out.flush())?;
        tracing::info!(address = %running.address(), version = env!("CARGO_PKG_VERSION"), "serving");
        let signals = wait_for_signals(running.shutdown_token());
        tokio::select! {
            outcome = running.run() => outcome,
            error = signals => Err(error),
        }
    });
    // Standard input may be read on a thread that can't be stopped.
    runtime.shutdown_background();
    outcome.map_err(Failure::Other)
}

/// The first signal shuts down, the second one ends this.
async fn wait_for_signals(shutdown: CancellationToken) -> anyhow::Error {
    let first = signal().await;
    if let Err(error) = first {
        return error;
    }
    shutdown.cancel();
    match signal().await {
        Ok(()) => anyhow::anyhow!("a second signal came: ended at once"),
        Err(error) => error,
    }
}

async fn signal() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .context("can't listen for signals")?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.context("can't listen for signals"),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.context("can't listen for signals")
}
