//! `[deliveries]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check_range;
use super::serde_units::seconds;
use crate::config::ConfigError;

/// `[deliveries]`: how matches of saved searches are sent to webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveriesSection {
    /// Whether receivers may be on this machine and in private networks.
    pub allow_private_addresses: bool,
    /// How long a delivery is tried again before perch stops.
    #[serde(rename = "give_up_seconds", with = "seconds")]
    pub give_up: Duration,
    /// The time of one try, from the connection to the head of the answer.
    #[serde(rename = "timeout_seconds", with = "seconds")]
    pub timeout: Duration,
    /// Requests to all receivers that run at one time.
    pub max_requests: usize,
    /// Requests to one host that run at one time.
    pub max_requests_per_host: usize,
}

impl Default for DeliveriesSection {
    fn default() -> DeliveriesSection {
        DeliveriesSection {
            allow_private_addresses: false,
            give_up: Duration::from_secs(3 * 24 * 60 * 60),
            timeout: Duration::from_secs(15),
            max_requests: 256,
            max_requests_per_host: 8,
        }
    }
}

impl DeliveriesSection {
    pub(in crate::config) fn check(&self, errors: &mut Vec<ConfigError>) {
        check_range(errors, "deliveries.give_up_seconds", self.give_up.as_secs(), 1..=365 * 24 * 60 * 60);
        check_range(errors, "deliveries.timeout_seconds", self.timeout.as_secs(), 1..=600);
        check_range(errors, "deliveries.max_requests", self.max_requests, 1..=100_000);
        check_range(errors, "deliveries.max_requests_per_host", self.max_requests_per_host, 1..=100_000);
    }
}
