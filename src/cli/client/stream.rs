//! Connections to a server, encrypted or not.
//!
//! A server is trusted by the certificates in the file of `--ca` and no others; without one by
//! those that the system trusts.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::cli::Failure;

/// Makes encrypted connections. Without, there are none.
#[derive(Clone)]
pub(in crate::cli) struct Tls(Option<TlsConnector>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// What these addresses need. A file that is named is read in any case, so that mistakes are
    /// found.
    pub(in crate::cli) fn new<'a>(ca: Option<&Path>, urls: impl IntoIterator<Item = &'a Url>) -> Result<Tls, Failure> {
        let roots = match ca {
            Some(file) => roots_in(file)?,
            None if urls.into_iter().any(is_encrypted) => roots_of_system()?,
            None => return Ok(Tls(None)),
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // WebSockets begin with a request of HTTP/1.1, and what else is sent gains nothing by
        // HTTP/2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls(Some(TlsConnector::from(Arc::new(config)))))
    }

    /// Encrypts a connection to the host of that name.
    pub(in crate::cli) async fn encrypt(&self, host: &str, stream: TcpStream) -> io::Result<Stream> {
        let Tls(Some(connector)) = self else { return Err(io::Error::other("the connection can't be encrypted")) };
        let name = ServerName::try_from(bare(host).to_owned()).map_err(io::Error::other)?;
        Ok(Stream::Encrypted(Box::new(connector.connect(name, stream).await?)))
    }

    /// Connects to the server of an address.
    pub(in crate::cli) async fn connect(&self, url: &Url) -> io::Result<Stream> {
        let host = url.host_str().ok_or_else(|| io::Error::other("the address names no host"))?;
        let stream = TcpStream::connect((bare(host), url.port_or_known_default().unwrap_or(80))).await?;
        stream.set_nodelay(true)?;
        if is_encrypted(url) { self.encrypt(host, stream).await } else { Ok(Stream::plain(stream)) }
    }
}

/// Whether connections to it are encrypted.
pub(in crate::cli) fn is_encrypted(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "wss")
}

/// An IPv6 address stands in brackets only where a port may follow.
pub(in crate::cli) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn roots_in(file: &Path) -> Result<RootCertStore, Failure> {
    let wrong = |what: String| Failure::Usage(format!("--ca: {} {what}", file.display()));
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(format!("can't be read: {error}")))?;
    if certificates.is_empty() {
        return Err(wrong("holds no certificate (PEM)".to_owned()));
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| wrong(format!("holds what is no certificate: {error}")))?;
    }
    Ok(roots)
}

fn roots_of_system() -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some of what systems hold is of no use: it is enough that the right one is.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        let message = format!("no certificates are found on this system{why}: name those to trust with --ca");
        return Err(Failure::Other(anyhow::anyhow!(message)));
    }
    Ok(roots)
}

/// The first cause of this type that an error has, such as what is wrong with the server's
/// certificate.
pub(super) fn cause<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    // An I/O error hides what it holds from the chain.
    chain.find_map(|error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref()?.downcast_ref::<E>(),
        None => error.downcast_ref::<E>(),
    })
}

/// The server answers with TLS where the client sent none.
#[derive(Debug, thiserror::Error)]
#[error("the server speaks TLS")]
pub(super) struct SpeaksTls;

/// A connection without TLS.
#[derive(Debug)]
pub(in crate::cli) struct Plain {
    stream: TcpStream,
    /// Whether something came, and was not TLS.
    is_plain: bool,
}

impl Plain {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        /// A server that was sent no TLS answers with an alert: its type, and the version of all
        /// versions.
        const ALERT: [u8; 2] = [21, 3];
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let came = &buffer.filled()[before..];
        if !self.is_plain && !came.is_empty() {
            if came.starts_with(&ALERT) {
                return Poll::Ready(Err(io::Error::other(SpeaksTls)));
            }
            self.is_plain = true;
        }
        read
    }
}

/// A connection.
#[derive(Debug)]
pub(in crate::cli) enum Stream {
    Plain(Plain),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// For the pool of connections: nothing is to be said of it.
impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Stream {
    /// A connection without TLS.
    pub(in crate::cli) fn plain(stream: TcpStream) -> Stream {
        Stream::Plain(Plain { stream, is_plain: false })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => stream.poll_read(context, buffer),
            Stream::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(plain) => Pin::new(&mut plain.stream).poll_write(context, bytes),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(plain) => Pin::new(&mut plain.stream).poll_flush(context),
            Stream::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(plain) => Pin::new(&mut plain.stream).poll_shutdown(context),
            Stream::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
