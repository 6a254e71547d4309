//! The options of the transport, `[[transport]] type = "ws"`.

use serde::Deserialize;

use crate::config::{self, ConfigError};

/// `[[transport]] type = "ws"`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    /// How often a ping is sent: often enough for proxies that cut off silent connections.
    pub(super) ping_interval_ms: u64,
    /// perch disconnects a client that sends nothing for this time.
    pub(super) idle_timeout_ms: u64,
    /// perch disconnects a client that reads nothing for this time.
    pub(super) write_timeout_ms: u64,
    /// How many searches of one connection may run at one time.
    pub(super) searches: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { ping_interval_ms: 25_000, idle_timeout_ms: 90_000, write_timeout_ms: 60_000, searches: 4 }
    }
}

impl Options {
    /// Reads them, or says everything that is wrong with them.
    pub(super) fn read(table: toml::Table) -> Result<Options, Vec<ConfigError>> {
        let options = config::read::<Options>(table)?;
        let zero = [
            ("ping_interval_ms", options.ping_interval_ms),
            ("idle_timeout_ms", options.idle_timeout_ms),
            ("write_timeout_ms", options.write_timeout_ms),
            ("searches", options.searches as u64),
        ];
        let mut errors = zero
            .iter()
            .filter(|(_, value)| *value == 0)
            .map(|&(key, _)| ConfigError::new(key, "must be at least 1"))
            .collect::<Vec<_>>();
        if options.idle_timeout_ms <= options.ping_interval_ms {
            let message =
                "must be longer than ping_interval_ms: a silent client's only sign of life is its answer to a ping";
            errors.push(ConfigError::new("idle_timeout_ms", message));
        }
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }
}
