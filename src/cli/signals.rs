//! The signals that `perch serve` listens to.
//!
//! An unhandled signal kills the process. perch installs all handlers before it prints
//! `listening on`: a program that waits for that line, or for `/readyz`, may send a signal at once.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, elsewhere Ctrl-C: the process shuts down.
pub(super) struct TerminationSignals {
    #[cfg(unix)]
    interrupts: Signal,
    #[cfg(unix)]
    terminations: Signal,
    #[cfg(windows)]
    interrupts: tokio::signal::windows::CtrlC,
}

impl TerminationSignals {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses it.
    pub(super) fn listen() -> io::Result<TerminationSignals> {
        Ok(TerminationSignals {
            #[cfg(unix)]
            interrupts: signal(SignalKind::interrupt())?,
            #[cfg(unix)]
            terminations: signal(SignalKind::terminate())?,
            #[cfg(windows)]
            interrupts: tokio::signal::windows::ctrl_c()?,
        })
    }

    /// Waits for the next signal. Signals of one kind between two calls count once. Signals before
    /// [`TerminationSignals::listen`] are lost.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupts.recv() => {}
            _ = self.terminations.recv() => {}
        }
        #[cfg(windows)]
        self.interrupts.recv().await;
    }
}

/// SIGHUP (Unix): read files again. `serve` installs it first, because the default action ends the
/// process.
pub(super) struct HangupSignals {
    #[cfg(unix)]
    hangups: Signal,
}

impl HangupSignals {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses it.
    #[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "there is nothing to refuse"))]
    pub(super) fn listen() -> io::Result<HangupSignals> {
        Ok(HangupSignals {
            #[cfg(unix)]
            hangups: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        if self.hangups.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}
