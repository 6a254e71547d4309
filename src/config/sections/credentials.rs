//! `[ingest]` and `[auth]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Secret};

/// `[ingest]`: who may send tweets over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestSection {
    /// A file with the token; empty is none.
    pub token_file: PathBuf,
    /// The token from the environment, which takes precedence over the file.
    #[serde(skip)]
    pub token: Option<Secret>,
}

impl IngestSection {
    /// The token, if there is one. Reads its file.
    ///
    /// # Errors
    ///
    /// The file can't be read, or holds no token.
    pub fn load_token(&self) -> Result<Option<Secret>, ConfigError> {
        let of_file =
            || Secret::of_file(&self.token_file).map_err(|message| ConfigError::new("ingest.token_file", message));
        match &self.token {
            Some(token) => Ok(Some(token.clone())),
            None if self.token_file.as_os_str().is_empty() => Ok(None),
            None => of_file().map(Some),
        }
    }
}

/// `[auth]`: the key that verifies clients' tokens. Without one, clients need no token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSection {
    /// A file with the secret of HS256; empty is none.
    pub secret_file: PathBuf,
    /// A file with the public key of RS256 or ES256, as PEM; empty is none.
    pub public_key_file: PathBuf,
    /// The required `iss`; empty is any.
    pub issuer: String,
    /// The audience that `aud` must contain; empty is any.
    pub audience: String,
}

impl AuthSection {
    /// Whether clients need a token.
    #[must_use]
    pub fn has_key(&self) -> bool {
        !self.secret_file.as_os_str().is_empty() || !self.public_key_file.as_os_str().is_empty()
    }

    pub(in crate::config) fn check(&self, errors: &mut Vec<ConfigError>) {
        if !self.secret_file.as_os_str().is_empty() && !self.public_key_file.as_os_str().is_empty() {
            let message = "auth.secret_file is set as well: one key verifies all tokens";
            errors.push(ConfigError::new("auth.public_key_file", message));
        }
    }
}
