//! `[mail]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check_range;
use crate::config::ConfigError;

/// `[mail]`: the server that takes the mails of saved searches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailSection {
    /// Its name or address; empty is no mail.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: MailEncryption,
    /// The certificates that perch trusts for it, as PEM; empty is those of the system.
    pub ca_file: PathBuf,
    /// The account; empty is none.
    pub user: String,
    /// The file with its password.
    pub password_file: PathBuf,
    /// The sender: `perch <perch@example.org>`.
    pub from: String,
    /// The allowed recipients: addresses, domains as `@example.org`, or `*` for all.
    pub recipients: Vec<String>,
    /// Connections to the server at one time.
    pub max_connections: usize,
}

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailEncryption {
    /// From the first byte, mostly at port 465.
    Tls,
    /// After a command, mostly at port 587.
    Starttls,
    /// Not at all: for a server on this machine.
    None,
}

impl Default for MailSection {
    fn default() -> MailSection {
        MailSection {
            server: String::new(),
            port: 587,
            encryption: MailEncryption::Starttls,
            ca_file: PathBuf::new(),
            user: String::new(),
            password_file: PathBuf::new(),
            from: String::new(),
            recipients: Vec::new(),
            max_connections: 4,
        }
    }
}

impl MailSection {
    /// `public_url` is that of `[server]`.
    pub(in crate::config) fn check(&self, public_url: &str, errors: &mut Vec<ConfigError>) {
        check_range(errors, "mail.max_connections", self.max_connections, 1..=1_000);
        for (at, recipient) in self.recipients.iter().enumerate() {
            if recipient != "*" && !recipient.contains('@') {
                let message =
                    format!("expected an address, a domain as \"@example.org\", or \"*\", found {recipient:?}");
                errors.push(ConfigError::new(format!("mail.recipients[{at}]"), message));
            }
        }
        if self.server.is_empty() {
            return;
        }
        if self.from.is_empty() {
            errors.push(ConfigError::new("mail.from", "is missing, expected \"perch <perch@example.org>\""));
        }
        if public_url.is_empty() {
            let message = "is missing: mails have links by which people unsubscribe";
            errors.push(ConfigError::new("server.public_url", message));
        }
        if self.user.is_empty() != self.password_file.as_os_str().is_empty() {
            let missing = if self.user.is_empty() { "mail.user" } else { "mail.password_file" };
            errors.push(ConfigError::new(missing, "is missing: an account and its password go together"));
        }
        if !self.user.is_empty() && self.encryption == MailEncryption::None {
            errors.push(ConfigError::new("mail.encryption", "must not be \"none\" with a password"));
        }
    }
}
