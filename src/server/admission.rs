//! The client of a connection, and the limit of connections of its address.
//!
//! A connection counts for the peer's address. A connection of a trusted proxy counts for the
//! address in its PROXY header. Without one it counts for no address, and each request on it counts
//! for its own client (`transport::access`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::telemetry;
use crate::transport::{AccessControl, AddressSlot, Peer};

use super::proxy_protocol;

/// Refused connections that get a response at one time; more are closed without one.
const MAX_REFUSALS: usize = 64;

/// Longest time for a refused client to send its request and read the response.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest request of a refused client that perch reads, so that no reset discards the
/// response.
const MAX_REFUSED_BYTES: u64 = 64 * 1024;

/// Admits connections.
#[derive(Debug)]
pub(super) struct Admission {
    /// `None` if connections are not counted by address.
    access: Option<Arc<AccessControl>>,
    /// Longest time for the header of a proxy.
    header_timeout: Duration,
    /// Whether a refused connection gets a response: only HTTP without TLS.
    answers: bool,
    refusals: Semaphore,
}

/// An admitted connection.
pub(super) struct AdmittedConnection {
    pub(super) stream: TcpStream,
    pub(super) peer: Peer,
    /// Its slot among those of its address; `None` if it counts for no address.
    pub(super) slot: Option<AddressSlot>,
}

impl Admission {
    pub(super) fn new(access: Option<Arc<AccessControl>>, header_timeout: Duration, answers: bool) -> Admission {
        Admission { access, header_timeout, answers, refusals: Semaphore::new(MAX_REFUSALS) }
    }

    /// Finds the client of a connection, and takes a slot of its address. `None` if the connection
    /// was refused, and closed.
    pub(super) async fn admit(&self, mut stream: TcpStream, address: SocketAddr) -> Option<AdmittedConnection> {
        let mut peer = Peer { address, is_announced: false };
        let Some(access) = &self.access else { return Some(AdmittedConnection { stream, peer, slot: None }) };
        if access.proxies().contains(address.ip()) {
            if access.proxies().announce() {
                match timeout(self.header_timeout, proxy_protocol::read_header(&mut stream)).await {
                    Ok(Ok(None)) => peer.is_announced = true,
                    Ok(Ok(Some(client))) => peer = Peer { address: client, is_announced: true },
                    Ok(Err(error)) => return refuse_header(address, &error),
                    Err(_) => return refuse_header(address, &io::ErrorKind::TimedOut.into()),
                }
            }
            // A connection of the proxy itself, or one that carries requests of many clients.
            if peer.address == address {
                return Some(AdmittedConnection { stream, peer, slot: None });
            }
        }
        if let Some(slot) = access.connections().take(peer.address.ip()) {
            return Some(AdmittedConnection { stream, peer, slot: Some(slot) });
        }
        telemetry::turned_away("connections_per_address");
        tracing::debug!(peer = %peer.address, "the address has reached limits.max_connections_per_address");
        if self.answers
            && let Ok(_permit) = self.refusals.try_acquire()
        {
            // Errors are ignored: the connection is closed in any case.
            let _ = timeout(REFUSAL_TIMEOUT, explain(&mut stream, access.connections().max())).await;
        }
        None
    }
}

fn refuse_header(peer: SocketAddr, error: &io::Error) -> Option<AdmittedConnection> {
    telemetry::turned_away("proxy_header");
    tracing::debug!(%peer, %error, "a trusted proxy sent no valid PROXY header");
    None
}

/// Answers the first request with 429.
async fn explain(stream: &mut TcpStream, max: usize) -> io::Result<()> {
    stream.readable().await?;
    let body = format!(
        "{{\"error\":{{\"code\":\"limit\",\"message\":\"this address has all {max} connections that one may have \
         (limits.max_connections_per_address)\"}}}}"
    );
    let head = format!(
        "HTTP/1.1 429 Too Many RequestState\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(MAX_REFUSED_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(|_| ())
}
