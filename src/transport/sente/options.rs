//! `[[transport]] type = "sente"`

use serde::Deserialize;

use super::profile::Profile;
use crate::config::{self, ConfigError};
use perch_sente::frame::{Format, Packing, Version};

/// How values become text, as clients are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Packer {
    /// EDN.
    Edn,
    /// Transit over JSON.
    Transit,
    /// Either, with a letter in front that says which. perch writes Transit.
    Flexi,
}

impl Packer {
    /// The packing of frames without a letter.
    pub(super) fn packing(self) -> Packing {
        match self {
            Packer::Edn => Packing::Edn,
            Packer::Transit | Packer::Flexi => Packing::Transit,
        }
    }

    /// The format of frames of this version.
    pub(super) fn format(self, version: Version) -> Format {
        Format { version, packing: self.packing(), letter: self == Packer::Flexi }
    }

    /// The packer that a query parameter names.
    pub(super) fn named(name: &str) -> Option<Packer> {
        match name {
            "edn" => Some(Packer::Edn),
            "transit" => Some(Packer::Transit),
            "flexi" => Some(Packer::Flexi),
            _ => None,
        }
    }
}

/// The format of frames before the client has sent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FrameFormat {
    /// For Sente up to 1.20.
    V1,
    /// For Sente from 1.17 on.
    V2,
    /// The format that the request suggests.
    Auto,
    /// No frames of Sente: each WebSocket message is a packed event.
    Raw,
}

/// Whether requests must carry a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Csrf {
    /// No.
    Off,
    /// Every upgrade, poll and POST must carry the token of the cookie.
    Required,
}

/// See config.toml and docs/SENTE.md.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    /// The path of the endpoint.
    pub(super) path: String,
    pub(super) packer: Packer,
    pub(super) format: FrameFormat,
    /// Which events and payloads clients know.
    pub(super) profile: Profile,
    pub(super) csrf: Csrf,
    /// The cookie that a token is compared with.
    pub(super) csrf_cookie: String,
    /// The origins whose pages may connect. Without any, those of `[server]` apply.
    pub(super) allowed_origins: Vec<String>,
    /// How long perch keeps the subscriptions of a client without a connection.
    pub(super) grace_seconds: u64,
    /// After this time without a connection a client does not count as connected.
    pub(super) away_after_ms: u64,
    /// How long pushes are collected before they are written to a socket.
    pub(super) batch_ws_ms: u64,
    /// How long pushes are collected before a poll is answered.
    pub(super) batch_ajax_ms: u64,
    /// After this time without a push, perch answers a poll with an empty batch.
    pub(super) poll_timeout_ms: u64,
    /// How often perch sends a WebSocket ping.
    pub(super) ping_interval_ms: u64,
    /// After this time without a sign of life perch drops a socket.
    pub(super) idle_timeout_ms: u64,
    /// After this time without a byte taken perch drops a socket.
    pub(super) write_timeout_ms: u64,
    /// How many events, polls and connections a client may begin in a second. Above the limit perch
    /// reads from its socket later, and answers its requests with 429.
    pub(super) events_per_second: u32,
    /// How many searches of one client may run at one time.
    pub(super) searches: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            path: "/chsk".to_owned(),
            packer: Packer::Flexi,
            format: FrameFormat::V1,
            profile: Profile::Birdwatch,
            csrf: Csrf::Off,
            csrf_cookie: "perch-csrf".to_owned(),
            allowed_origins: Vec::new(),
            grace_seconds: 60,
            away_after_ms: 5_000,
            batch_ws_ms: 30,
            batch_ajax_ms: 100,
            poll_timeout_ms: 20_000,
            ping_interval_ms: 20_000,
            idle_timeout_ms: 60_000,
            write_timeout_ms: 15_000,
            events_per_second: 100,
            searches: 16,
        }
    }
}

/// Reads and checks the table.
pub(super) fn read(table: toml::Table) -> Result<Options, Vec<ConfigError>> {
    let options = config::read::<Options>(table)?;
    let mut errors = Vec::new();
    let is_plain = |path: &str| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    if !options.path.starts_with('/') || options.path.len() < 2 || !is_plain(&options.path) {
        let message = "expected a path of letters, digits and -_.~ that starts with a slash, as \"/chsk\"";
        errors.push(ConfigError::new("path", message));
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if options.csrf_cookie.is_empty() || !options.csrf_cookie.bytes().all(is_token) {
        errors.push(ConfigError::new("csrf_cookie", "expected a name of letters, digits and -_."));
    }
    for (at, origin) in options.allowed_origins.iter().enumerate() {
        if origin.split_once("://").is_none_or(|(_, host)| host.is_empty() || host.contains('/')) {
            let message = "expected a scheme and a host, as \"https://example.com\", without a path";
            errors.push(ConfigError::new(format!("allowed_origins[{at}]"), message));
        }
    }
    for (key, value) in [
        ("away_after_ms", options.away_after_ms),
        ("poll_timeout_ms", options.poll_timeout_ms),
        ("ping_interval_ms", options.ping_interval_ms),
        ("write_timeout_ms", options.write_timeout_ms),
        ("events_per_second", u64::from(options.events_per_second)),
        ("searches", options.searches as u64),
    ] {
        if value == 0 {
            errors.push(ConfigError::new(key, "must be at least 1"));
        }
    }
    if options.idle_timeout_ms <= options.ping_interval_ms {
        let message =
            "must be longer than ping_interval_ms: a silent client's only sign of life is its answer to a ping";
        errors.push(ConfigError::new("idle_timeout_ms", message));
    }
    if options.format == FrameFormat::Raw && options.packer == Packer::Flexi {
        errors.push(ConfigError::new(
            "packer",
            "expected \"edn\" or \"transit\": format = \"raw\" has no place for a letter",
        ));
    }
    if errors.is_empty() { Ok(options) } else { Err(errors) }
}

#[cfg(test)]
mod tests;
