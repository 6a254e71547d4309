//! Whose connection it is, and whether its address may have one more.
//!
//! A connection counts for the address at its other end. One from a trusted proxy counts for the
//! address that the PROXY protocol names, or for nobody: then each request on it counts for its
//! own client (`transport::access`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::telemetry;
use crate::transport::{AddressSlot, Gate, Peer};

use super::proxy_protocol;

/// How many refused connections are told why at one time; more are closed without a word.
const MAX_REFUSALS: usize = 64;

/// How long a refused client may take to send its request and read the answer.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

/// The longest request of a refused client that is read, so that the answer is not lost in a reset.
const MAX_REFUSED_BYTES: u64 = 64 * 1024;

/// Admits connections.
#[derive(Debug)]
pub(super) struct Admission {
    /// `None` where connections are not counted by address.
    gate: Option<Arc<Gate>>,
    /// How long a proxy may take for its header.
    header_timeout: Duration,
    /// Whether the first bytes of a connection are TLS: then a refusal can't be explained.
    is_encrypted: bool,
    refusals: Semaphore,
}

/// An admitted connection.
pub(super) struct Admitted {
    pub(super) stream: TcpStream,
    pub(super) peer: Peer,
    /// Its slot among those of its address; `None` where none is needed.
    pub(super) slot: Option<AddressSlot>,
}

impl Admission {
    pub(super) fn new(gate: Option<Arc<Gate>>, header_timeout: Duration, is_encrypted: bool) -> Admission {
        Admission { gate, header_timeout, is_encrypted, refusals: Semaphore::new(MAX_REFUSALS) }
    }

    /// Finds out whose connection it is, and takes a slot of that address. `None` when the
    /// connection is refused; it is closed then, and counted.
    pub(super) async fn admit(&self, mut stream: TcpStream, address: SocketAddr) -> Option<Admitted> {
        let mut peer = Peer { address, is_announced: false };
        let Some(gate) = &self.gate else { return Some(Admitted { stream, peer, slot: None }) };
        if gate.proxies().contains(address.ip()) {
            if gate.proxies().announce() {
                match timeout(self.header_timeout, proxy_protocol::read_header(&mut stream)).await {
                    Ok(Ok(None)) => peer.is_announced = true,
                    Ok(Ok(Some(client))) => peer = Peer { address: client, is_announced: true },
                    Ok(Err(error)) => return refuse_header(address, &error),
                    Err(_) => return refuse_header(address, &io::ErrorKind::TimedOut.into()),
                }
            }
            // The proxy's own connections, and those that carry requests of many clients.
            if peer.address == address {
                return Some(Admitted { stream, peer, slot: None });
            }
        }
        if let Some(slot) = gate.connections().take(peer.address.ip()) {
            return Some(Admitted { stream, peer, slot: Some(slot) });
        }
        telemetry::turned_away("connections_per_address");
        tracing::debug!(peer = %peer.address, "the address has all the connections that one may have");
        if !self.is_encrypted
            && let Ok(_permit) = self.refusals.try_acquire()
        {
            // It is closed in any case.
            let _ = timeout(REFUSAL_PATIENCE, explain(&mut stream, gate.connections().max())).await;
        }
        None
    }
}

fn refuse_header(peer: SocketAddr, error: &io::Error) -> Option<Admitted> {
    telemetry::turned_away("proxy_header");
    tracing::debug!(%peer, %error, "a trusted proxy sent no header of the PROXY protocol");
    None
}

/// Answers the first request with the reason.
async fn explain(stream: &mut TcpStream, max: usize) -> io::Result<()> {
    stream.readable().await?;
    let body = format!(
        "{{\"error\":{{\"code\":\"limit\",\"message\":\"this address has all {max} connections that one may have \
         (limits.max_connections_per_address)\"}}}}"
    );
    let head = format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(MAX_REFUSED_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(|_| ())
}
