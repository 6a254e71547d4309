//! `[telemetry]`.

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// `[telemetry]`: the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySection {
    /// A level, or a filter by module as in `RUST_LOG`.
    pub log: String,
    /// The format of a line.
    pub format: LogFormat,
}

impl Default for TelemetrySection {
    fn default() -> TelemetrySection {
        TelemetrySection { log: "info".to_owned(), format: LogFormat::Text }
    }
}

impl TelemetrySection {
    pub(in crate::config) fn check(&self, errors: &mut Vec<ConfigError>) {
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.log) {
            let message = format!(
                "expected a level, or levels by module such as \"info,perch::pipeline=debug\", found {:?}: {error}",
                self.log
            );
            errors.push(ConfigError::new("telemetry.log", message));
        }
    }
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}
