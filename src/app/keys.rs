//! The secrets and keys that configured files hold.

use std::sync::Arc;

use crate::auth::{IngestToken, TokenVerifier};
use crate::config::{Config, ConfigError};
use crate::server::Tls;

/// The secrets and keys in the configured files. Clones share them, and a reload is visible to all.
#[derive(Clone)]
pub struct Keys {
    pub(super) ingest_token: Option<Arc<IngestToken>>,
    pub(super) tokens: Option<Arc<TokenVerifier>>,
    pub(super) tls: Option<Arc<Tls>>,
}

impl Keys {
    /// Whether ingestion has a token.
    #[must_use]
    pub fn has_ingest_token(&self) -> bool {
        self.ingest_token.is_some()
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// All errors in the files.
    pub fn load(config: &Config) -> Result<Keys, Vec<ConfigError>> {
        let server = &config.server;
        let tls = || {
            if !server.is_encrypted() {
                return Ok(None);
            }
            Tls::load(&server.tls_certificate_file, &server.tls_key_file).map(|tls| Some(Arc::new(tls)))
        };
        match (IngestToken::load(&config.ingest), TokenVerifier::load(&config.auth), tls()) {
            (Ok(ingest_token), Ok(tokens), Ok(tls)) => {
                Ok(Keys { ingest_token: ingest_token.map(Arc::new), tokens: tokens.map(Arc::new), tls })
            }
            (ingest_token, tokens, tls) => {
                Err([ingest_token.err(), tokens.err(), tls.err()].into_iter().flatten().collect())
            }
        }
    }

    /// Reads all files again. Returns the configuration key of each file that was read, or its
    /// error: then the old secret or key stays in use.
    #[must_use]
    pub fn reload(&self) -> Vec<Result<&'static str, ConfigError>> {
        let mut outcomes = Vec::new();
        if let Some(token) = &self.ingest_token {
            match token.reload() {
                Ok(true) => outcomes.push(Ok("ingest.token_file")),
                Ok(false) => {}
                Err(error) => outcomes.push(Err(error)),
            }
        }
        outcomes.extend(self.tokens.as_ref().map(|tokens| tokens.reload().map(|()| tokens.key_name())));
        outcomes.extend(self.tls.as_ref().map(|tls| tls.reload().map(|()| "server.tls_certificate_file")));
        outcomes
    }
}
