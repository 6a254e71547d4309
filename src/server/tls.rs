//! TLS: the certificate and its key, which can be reloaded.
//!
//! Certificates are renewed every few weeks, so SIGHUP reads the files again. New connections use
//! the new certificate, open ones keep theirs. If a file is invalid, the old certificate stays in
//! use.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::ConfigError;

/// The current certificate.
pub struct Tls {
    certificate_file: PathBuf,
    key_file: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the certificate chain and its key, both PEM.
    ///
    /// # Errors
    ///
    /// A file can't be read, or the key does not belong to the certificate.
    pub fn load(certificate_file: &Path, key_file: &Path) -> Result<Tls, ConfigError> {
        let config = RwLock::new(read(certificate_file, key_file)?);
        Ok(Tls { certificate_file: certificate_file.to_owned(), key_file: key_file.to_owned(), config })
    }

    /// Reads the files again, for new connections.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`]; the old certificate stays in use.
    pub fn reload(&self) -> Result<(), ConfigError> {
        let config = read(&self.certificate_file, &self.key_file)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(certificate_file: &Path, key_file: &Path) -> Result<Arc<ServerConfig>, ConfigError> {
    let of_certificate = |message: String| ConfigError::new("server.tls_certificate_file", message);
    let of_key = |message: String| ConfigError::new("server.tls_key_file", message);
    let certificates = CertificateDer::pem_file_iter(certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of_certificate(format!("{} can't be read: {error}", certificate_file.display())))?;
    if certificates.is_empty() {
        return Err(of_certificate(format!("{} holds no certificate", certificate_file.display())));
    }
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| of_key(format!("{} can't be read: {error}", key_file.display())))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| of_certificate(format!("TLS can't be set up: {error}")))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| of_key(format!("the key is not the certificate's: {error}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
