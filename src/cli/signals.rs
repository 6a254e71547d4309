//! The signals that `perch serve` listens to.
//!
//! A signal that nobody listens to kills the process, so all of them are listened to before perch
//! says that it serves: a program that waits for that line, or for `/readyz`, may send a signal at
//! once.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM, elsewhere Ctrl-C: perch is to end.
pub(super) struct Ends {
    #[cfg(unix)]
    interrupts: Signal,
    #[cfg(unix)]
    terminations: Signal,
    #[cfg(windows)]
    interrupts: tokio::signal::windows::CtrlC,
}

impl Ends {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses it.
    pub(super) fn listen() -> io::Result<Ends> {
        Ok(Ends {
            #[cfg(unix)]
            interrupts: signal(SignalKind::interrupt())?,
            #[cfg(unix)]
            terminations: signal(SignalKind::terminate())?,
            #[cfg(windows)]
            interrupts: tokio::signal::windows::ctrl_c()?,
        })
    }

    /// Waits for the next one. Those of one kind that come while nobody waits count as one; nothing
    /// is heard of those from before [`Ends::listen`].
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

/// SIGHUP, where there is one: files have changed. `serve` listens to it from its first moment on,
/// whether it has files to read again or not: a process that does not is ended by it.
pub(super) struct Hangups {
    #[cfg(unix)]
    hangups: Signal,
}

impl Hangups {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses it.
    #[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "there is nothing to refuse"))]
    pub(super) fn listen() -> io::Result<Hangups> {
        Ok(Hangups {
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
