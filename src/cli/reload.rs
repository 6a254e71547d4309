//! What `perch serve` reads again at SIGHUP.
//!
//! These are files of secrets, keys and certificates, and the log filter of the configuration. An
//! invalid file leaves the old value in use. perch logs the result for each file.

use std::convert::Infallible;

use super::signals::HangupSignals;
use super::{ConfigArgs, layers};
use crate::app::Keys;
use crate::config::Config;
use crate::telemetry::LogFilter;

/// Reads files again while perch serves.
pub(super) struct Reloader {
    /// Where the configuration comes from.
    pub(super) args: ConfigArgs,
    /// The configuration that perch runs by.
    pub(super) config: Config,
    /// Shared with the server.
    pub(super) keys: Keys,
    pub(super) log_filter: LogFilter,
}

impl Reloader {
    /// Reloads at each SIGHUP.
    pub(super) async fn run(mut self, mut hangups: HangupSignals) -> Infallible {
        loop {
            hangups.next().await;
            let reloading = tokio::task::spawn_blocking(move || {
                self.reload();
                self
            });
            self = match reloading.await {
                Ok(reloader) => reloader,
                // The panic is in the log. The signal must go on not to end the process.
                Err(_) => return std::future::pending().await,
            };
        }
    }

    fn reload(&mut self) {
        tracing::info!("SIGHUP: reading files again");
        for outcome in self.keys.reload() {
            match outcome {
                Ok(name) => tracing::info!(key = name, "read again"),
                Err(error) => tracing::error!("{error}; what was read before stays in use"),
            }
        }
        match layers(&self.args).and_then(|layers| Config::load(&layers)) {
            Ok(config) => self.apply(&config),
            Err(errors) => {
                for error in errors {
                    tracing::error!("config: {error}; the configuration stays as it is");
                }
            }
        }
    }

    /// Applies what can change while perch runs, and says what can't.
    fn apply(&mut self, new: &Config) {
        if new.telemetry.log != self.config.telemetry.log {
            match self.log_filter.set(&new.telemetry.log) {
                Ok(()) => {
                    self.config.telemetry.log.clone_from(&new.telemetry.log);
                    tracing::info!(key = "telemetry.log", filter = new.telemetry.log, "read again");
                }
                Err(error) => tracing::error!("{error:#}; the filter of the log stays as it is"),
            }
        }
        let old = &self.config;
        let sections = [
            ("server", new.server != old.server),
            ("index", new.index != old.index),
            ("ingest", new.ingest != old.ingest),
            ("auth", new.auth != old.auth),
            ("percolator", new.percolator != old.percolator),
            ("query", new.query != old.query),
            ("limits", new.limits != old.limits),
            ("telemetry", new.telemetry != old.telemetry),
            ("source", new.sources != old.sources),
            ("transport", new.transports != old.transports),
        ];
        let changed: Vec<_> = sections.iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| *name).collect();
        if !changed.is_empty() {
            tracing::warn!(sections = changed.join(", "), "these sections changed and need a restart");
        }
    }
}
