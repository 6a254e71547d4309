//! The server below HTTP: accepts connections, enforces their limits, and ends them at a shutdown.
//!
//! ```text
//! listener ─> connection limit ─> limit of its address ─> TLS ─> head of a request, in time
//!          ─> HTTP/1.1 or HTTP/2 ─> router
//! ```
//!
//! Connections that send nothing, or a byte now and then, are the cheapest attack. So connections
//! are limited in all and by address, and the head of a request is limited in time and size. perch
//! closes a connection whose client reads nothing for too long, or that is idle for too long.
//! Transports limit the bodies of requests. A WebSocket has limits of its own, and keeps counting
//! as a connection. A transport may have a listener of its own: perch limits, admits and decrypts
//! its connections in the same way.

mod admission;
mod error_bodies;
mod linger;
mod proxy_protocol;
mod request_body;
mod response_body;
mod stream;
mod tls;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry;
use crate::transport::{
    AccessControl, Connection, ConnectionShare, Listener, Peer, Progress, TransportContext, check_head,
};

use admission::{Admission, AdmittedConnection};
use error_bodies::ErrorBodies;
use request_body::{BodyEnd, RequestBody};
use response_body::{DeliveryProgress, ResponseBody, StreamExecutor};
use stream::{ConnectionSlot, GuardedStream, RequestGuard, RequestState};
pub use tls::Tls;

/// Delay after a failure of the listener, such as too many open files.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// Connections that may wait to be accepted: after a restart all clients reconnect at once. The
/// system may have a lower limit.
const ACCEPT_BACKLOG: u32 = 8_192;

/// Size of the kernel's send buffer of a connection. Linux doubles it, for its bookkeeping.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Interval of pings on HTTP/2 connections, and longest time until the answer.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);

/// Concurrent requests of one HTTP/2 connection.
const MAX_HTTP2_STREAMS: u32 = 100;

/// The limits of connections.
#[derive(Clone)]
pub struct ServerOptions {
    /// Longest time for the head of a request.
    pub header_timeout: Duration,
    /// Longest time that a client may read nothing while perch has bytes for it. `WebSockets`
    /// enforce their own.
    pub write_timeout: Duration,
    /// Longest time of an HTTP/2 connection without a request.
    pub idle_timeout: Duration,
    /// The limit of open connections.
    pub connections: ConnectionLimit,
    /// Header fields of a request.
    pub max_headers: usize,
    /// Size of the head of a request.
    pub max_header_bytes: usize,
    /// The certificate, if connections are encrypted.
    pub tls: Option<Arc<Tls>>,
    /// Trusted proxies, and the limit of connections of one address. `None`: no proxies and no
    /// limit.
    pub access: Option<Arc<AccessControl>>,
}

/// The open connections, and how many there may be. Clones share both.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    permits: Arc<Semaphore>,
    open: Arc<AtomicUsize>,
}

impl ConnectionLimit {
    /// Allows `max` open connections.
    #[must_use]
    pub fn new(max: usize) -> ConnectionLimit {
        ConnectionLimit { permits: Arc::new(Semaphore::new(max)), open: Arc::default() }
    }
}

/// Serves HTTP until the shutdown, and then until every connection has answered its current
/// request. Connections that became `WebSockets` end elsewhere.
pub async fn serve(listener: TcpListener, router: Router, options: ServerOptions, shutdown: CancellationToken) {
    let admission = Admission::new(options.access.clone(), options.header_timeout, options.tls.is_none());
    let http = Http { builder: builder(&options), router, options: options.clone(), shutdown: shutdown.clone() };
    accept(listener, admission, http, options, shutdown).await;
}

/// Serves the own listener of a transport until the shutdown, and then until its connections have
/// ended.
pub async fn serve_transport(
    listener: TcpListener,
    (transport, context): (Arc<dyn Listener>, TransportContext),
    mut options: ServerOptions,
    shutdown: CancellationToken,
) {
    if !transport.is_encrypted() {
        options.tls = None;
    }
    let admission = Admission::new(options.access.clone(), options.header_timeout, false);
    accept(listener, admission, Own { transport, context }, options, shutdown).await;
}

/// What serves the connections of a listener.
trait Service: Send + Sync + 'static {
    /// Serves one connection to its end.
    fn serve<S>(&self, stream: S, accepted: Accepted) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;
}

/// A connection that was accepted.
struct Accepted {
    peer: Peer,
    requests: Arc<RequestState>,
    progress: Progress,
}

/// Accepts connections until the shutdown, and waits for their end.
async fn accept(
    listener: TcpListener,
    admission: Admission,
    service: impl Service,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    let (admission, service) = (Arc::new(admission), Arc::new(service));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_connection(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "can't accept connections");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&options.connections.permits).try_acquire_owned() else {
            telemetry::turned_away("connections");
            continue;
        };
        configure_socket(&stream);
        let (admission, service) = (Arc::clone(&admission), Arc::clone(&service));
        let (options, shutdown) = (options.clone(), shutdown.clone());
        connections.spawn(async move {
            let admitted = tokio::select! {
                () = shutdown.cancelled() => return,
                admitted = admission.admit(stream, peer) => admitted,
            };
            let Some(AdmittedConnection { stream, peer, slot }) = admitted else { return };
            let requests = Arc::new(RequestState::default());
            let slot = ConnectionSlot::new(permit, slot);
            let open = Arc::clone(&options.connections.open);
            let stream =
                GuardedStream::new(stream, options.write_timeout, Arc::clone(&requests), slot, open, shutdown.clone());
            let accepted = Accepted { peer, requests, progress: stream.progress() };
            let Some(tls) = options.tls else { return service.serve(stream, accepted).await };
            let handshake = tokio::time::timeout(options.header_timeout, tls.acceptor().accept(stream));
            tokio::select! {
                () = shutdown.cancelled() => {}
                handshaken = handshake => match handshaken {
                    Ok(Ok(stream)) => service.serve(stream, accepted).await,
                    Ok(Err(error)) => tracing::debug!(peer = %peer.address, %error, "TLS handshake failed"),
                    Err(_) => telemetry::turned_away("header_timeout"),
                },
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The connections of a transport's own listener.
struct Own {
    transport: Arc<dyn Listener>,
    context: TransportContext,
}

impl Service for Own {
    async fn serve<S>(&self, stream: S, Accepted { peer, progress, .. }: Accepted)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = Connection { stream: Box::new(stream), peer, progress };
        self.transport.serve(connection, self.context.clone()).await;
    }
}

/// The connections of the HTTP server.
struct Http {
    builder: Builder<StreamExecutor>,
    router: Router,
    options: ServerOptions,
    shutdown: CancellationToken,
}

fn builder(options: &ServerOptions) -> Builder<StreamExecutor> {
    let mut builder = Builder::new(StreamExecutor { write_timeout: options.write_timeout });
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_headers(options.max_headers)
        // The size of the read buffer, which is also the longest head.
        .max_buf_size(options.max_header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_INTERVAL)
        .max_concurrent_streams(MAX_HTTP2_STREAMS)
        .max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX));
    builder
}

impl Service for Http {
    async fn serve<S>(&self, stream: S, Accepted { peer, requests, progress }: Accepted)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Http { builder, router, options, shutdown } = self;
        let ServerOptions { header_timeout, idle_timeout, write_timeout, max_headers, .. } = *options;
        let service = hyper::service::service_fn({
            let requests = Arc::clone(&requests);
            let (router, share) = (router.clone(), ConnectionShare::default());
            move |mut request: Request<Incoming>| {
                let version = request.version();
                let guard = RequestGuard::new(Arc::clone(&requests), version);
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(share.clone());
                let (router, progress) = (router.clone(), progress.clone());
                async move {
                    let delivery = DeliveryProgress::of_task();
                    request.extensions_mut().insert(progress.of_stream(delivery.0.stall_flag()));
                    let end = BodyEnd::default();
                    let request = request.map(|body| RequestBody::new(body, end.clone()));
                    let mut response = match check_head(version, request.headers(), max_headers) {
                        Ok(()) => TowerToHyperService::new(router).call(request.map(Body::new)).await?,
                        Err(refusal) => refusal,
                    };
                    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                        guard.upgraded();
                    } else if version < Version::HTTP_2 && !end.is_reached() {
                        // Nothing reads the rest of the body, so no request can follow. HTTP/2
                        // resets the stream.
                        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                        guard.leave_body();
                    }
                    Ok::<_, Infallible>(response.map(|body| ResponseBody::new(body, delivery, guard)))
                }
            }
        });
        let peer = peer.address;
        let mut connection =
            pin!(builder.serve_connection_with_upgrades(TokioIo::new(ErrorBodies::new(stream)), service));
        let mut stopping = pin!(shutdown.cancelled());
        // hyper's timeout for heads does not run before it knows the HTTP version. So this timer
        // checks for a first request, and later for idleness.
        let mut idle_check = pin!(tokio::time::sleep(header_timeout));
        let (mut is_stopping, mut is_first_check, mut is_ending) = (false, true, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "a connection failed");
                        if let Some(reason) = error.downcast_ref().and_then(|error| refused(error, &requests)) {
                            telemetry::turned_away(reason);
                        }
                    }
                    return;
                }
                () = &mut stopping, if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut idle_check, if is_ending || !is_stopping => {
                    if is_ending {
                        // The client had its time to take the end of the connection.
                        return;
                    }
                    if is_first_check && !requests.were_any() {
                        telemetry::turned_away("header_timeout");
                        return;
                    }
                    is_first_check = false;
                    let idle = requests.idle_for();
                    let mut next = idle_timeout.saturating_sub(idle);
                    if idle >= idle_timeout {
                        telemetry::turned_away("idle_timeout");
                        (is_stopping, is_ending) = (true, true);
                        connection.as_mut().graceful_shutdown();
                        next = write_timeout;
                    }
                    idle_check.as_mut().reset(tokio::time::Instant::now() + next);
                }
            }
        }
    }
}

/// The limit of HTTP/1.1 that has ended a connection, if one has. hyper has sent the response, if
/// any.
fn refused(error: &hyper::Error, requests: &RequestState) -> Option<&'static str> {
    if error.is_parse_too_large() {
        return Some("headers");
    }
    // hyper has one timeout for the head of the next request and for the wait before it.
    let is_late = requests.has_begun() || !requests.were_any();
    error.is_timeout().then_some(if is_late { "header_timeout" } else { "idle_timeout" })
}

/// Listens on an address.
///
/// # Errors
///
/// The address is in use, or is not one of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of a server that has just stopped may linger in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_BACKLOG)
}

/// Sets the options of a connection. Small frames must not wait for the acknowledgement of the
/// previous one. The kernel's send buffer is limited: by default it grows to megabytes for a client
/// that reads slowly, and becomes writable again only when a third was read, which such a client
/// does not do within the write timeout.
fn configure_socket(connection: &TcpStream) {
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(%error, "can't set TCP_NODELAY");
    }
    if let Err(error) = SockRef::from(connection).set_send_buffer_size(SEND_BUFFER_BYTES) {
        tracing::debug!(%error, "can't set SO_SNDBUF");
    }
}

/// Whether the error concerns one connection only, and not the listener.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset | K::Interrupted)
}
