//! The sections of the configuration: a struct each, with defaults and ranges.
//!
//! Key names carry their unit. `config.toml` explains each key to users.

mod credentials;
mod deliveries;
mod index;
mod limits;
mod mail;
mod percolator;
mod query;
mod serde_units;
mod server;
mod telemetry;

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::ConfigError;

pub use credentials::{AuthSection, IngestSection};
pub use deliveries::DeliveriesSection;
pub use index::IndexSection;
pub use limits::LimitsSection;
pub use mail::{MailEncryption, MailSection};
pub use percolator::PercolatorSection;
pub use query::QuerySection;
pub use server::ServerSection;
pub use telemetry::{LogFormat, TelemetrySection};

/// Adds an error if the value of a key is out of range.
fn check_range<T: Copy + PartialOrd + Display>(
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
