//! The arguments by which a command finds a server, and how both trust each other.

use clap::Args;
use tokio_rustls::rustls::ClientConfig;

use super::Failure;
use super::address::{is_encrypted, server_url};
use crate::outbound::{self, Trust, TrustError};

/// Which server to ask.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Where perch runs
    #[arg(long, value_name = "URL", env = "PERCH_URL", default_value = "http://localhost:8888",
        value_parser = server_url)]
    pub(crate) url: url::Url,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

/// Certificates and token. The token is not an argument, because other users can list a process's
/// arguments.
#[derive(Debug, Default, Args)]
pub(crate) struct AccessArgs {
    /// A file with the server's token; the variable `PERCH_TOKEN` can hold it too
    #[arg(long, value_name = "FILE")]
    token_file: Option<std::path::PathBuf>,
    /// A file with the certificates (PEM) that an https server is trusted by, instead of those that
    /// the system trusts
    #[arg(long, value_name = "FILE", env = "PERCH_CA")]
    ca: Option<std::path::PathBuf>,
}

impl AccessArgs {
    /// The TLS set-up that these addresses need. The file of `--ca` is read in any case, so that
    /// mistakes are found.
    pub(crate) fn tls<'a>(&self, urls: impl IntoIterator<Item = &'a url::Url>) -> Result<ClientConfig, Failure> {
        let trust = match &self.ca {
            Some(file) => Trust::File(file),
            None if urls.into_iter().any(is_encrypted) => Trust::System,
            None => Trust::None,
        };
        outbound::tls(trust).map_err(|error| match error {
            TrustError::File(what) => Failure::Usage(format!("--ca: {what}")),
            TrustError::System(_) => Failure::Other(anyhow::anyhow!("{error}, or name those to trust with --ca")),
        })
    }

    pub(crate) fn authorization(&self) -> Result<Option<hyper::header::HeaderValue>, Failure> {
        let token =
            match &self.token_file {
                Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
                    Failure::Usage(format!("--token-file: {} can't be read: {error}", path.display()))
                })?),
                None => std::env::var("PERCH_TOKEN").ok(),
            };
        let Some(token) = token else { return Ok(None) };
        let mut header = hyper::header::HeaderValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| Failure::Usage("the token has characters that no token has".to_owned()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}
