//! A WebSocket client: connection, TLS, keep-alive, and errors that say what to do.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::{self, ClientConfig};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use url::Url;

use super::http::{RefusedAnswer, Token, host_of, unreachable_host};
use crate::outbound::{self, Trust};

/// The time for a connection, TLS and the handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// After this time without a frame perch sends a ping.
const PING_AFTER: Duration = Duration::from_secs(30);
/// After this time without a frame perch takes the connection for dead.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(60);
/// The time for the server to take a frame.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An open WebSocket.
pub(super) struct WebSocket {
    socket: Socket,
    host: String,
    /// When the last frame came.
    last_received: Instant,
    /// Whether a ping was sent since.
    has_pinged: bool,
}

/// A message with content.
pub(super) enum Frame {
    Text(String),
    Binary(Bytes),
}

impl WebSocket {
    /// Connects to a `ws` or `wss` address, with a token if there is one.
    ///
    /// # Errors
    ///
    /// There is no connection, or the server answers with something else.
    pub(super) async fn connect(
        url: &Url,
        token: Option<&Token>,
        max_message_bytes: usize,
    ) -> anyhow::Result<WebSocket> {
        let host = host_of(url).to_owned();
        let connecting = connect(url, token, max_message_bytes);
        let Ok(socket) = timeout(CONNECT_TIMEOUT, connecting).await else {
            bail!("{host} did not answer in {} s", CONNECT_TIMEOUT.as_secs());
        };
        Ok(WebSocket { socket: socket?, host, last_received: Instant::now(), has_pinged: false })
    }

    /// Sends a text.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub(super) async fn send(&mut self, text: String) -> anyhow::Result<()> {
        self.send_message(Message::text(text)).await
    }

    async fn send_message(&mut self, message: Message) -> anyhow::Result<()> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(sent) => sent.with_context(|| format!("the connection to {} has ended", self.host)),
            Err(_) => bail!("{} takes no data", self.host),
        }
    }

    /// The next message with content. Cancel safe.
    ///
    /// # Errors
    ///
    /// The connection has ended, or the server is silent.
    pub(super) async fn next(&mut self) -> anyhow::Result<Frame> {
        loop {
            let silence = if self.has_pinged { MAX_SILENCE } else { PING_AFTER };
            let message = match timeout_at(self.last_received + silence, self.socket.next()).await {
                Ok(Some(message)) => message.with_context(|| format!("the connection to {} broke off", self.host))?,
                Ok(None) => bail!("{} closed the connection", self.host),
                Err(_) if self.has_pinged => bail!("{} was silent for {} s", self.host, MAX_SILENCE.as_secs()),
                Err(_) => {
                    self.has_pinged = true;
                    self.send_message(Message::Ping(Bytes::new())).await?;
                    continue;
                }
            };
            self.last_received = Instant::now();
            self.has_pinged = false;
            match message {
                Message::Text(text) => return Ok(Frame::Text(text.as_str().to_owned())),
                Message::Binary(bytes) => return Ok(Frame::Binary(bytes)),
                Message::Close(Some(close)) => {
                    bail!("{} closed the connection: {} {}", self.host, close.code, close.reason)
                }
                Message::Close(None) => bail!("{} closed the connection", self.host),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

async fn connect(url: &Url, token: Option<&Token>, max_message_bytes: usize) -> anyhow::Result<Socket> {
    let host = host_of(url);
    let mut request = url.as_str().into_client_request().with_context(|| format!("{url} is no address"))?;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(outbound::USER_AGENT));
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, token.header());
    }
    let config =
        WebSocketConfig::default().max_message_size(Some(max_message_bytes)).max_frame_size(Some(max_message_bytes));
    let connector = if url.scheme() == "wss" { tls()? } else { Connector::Plain };
    // The future is large: its parts have the buffers of the handshakes.
    match Box::pin(connect_async_tls_with_config(request, Some(config), true, Some(connector))).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let refused = RefusedAnswer { host, status: response.status(), headers: response.headers(), body };
            Err(refused.into_error(token, "a stream"))
        }
        Err(error) if outbound::cause::<rustls::Error>(&error).is_some() => {
            Err(error).with_context(|| format!("no encrypted connection to {host}"))
        }
        Err(error @ Error::Io(_)) => Err(error).with_context(|| unreachable_host(host)),
        Err(error) => Err(error).with_context(|| format!("{host} does not answer as a WebSocket server")),
    }
}

/// The TLS set-up of all sources.
fn tls() -> anyhow::Result<Connector> {
    static TLS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(tls) = TLS.get() {
        return Ok(Connector::Rustls(Arc::clone(tls)));
    }
    let tls = Arc::new(outbound::tls(Trust::System)?);
    Ok(Connector::Rustls(Arc::clone(TLS.get_or_init(|| tls))))
}
