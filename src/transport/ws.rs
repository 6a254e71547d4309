//! `/ws`: the event protocol over WebSocket, one task per connection.
//!
//! ```text
//! socket ──> parse ──> ClientSession::handle
//! ClientSession::next ──> events ──┬──> FrameWriter ──> one write for all that is ready
//! counts, pings ───────────────────┘
//! ```
//!
//! The session carries out the commands; this is its codec and its connection. The task waits for
//! the first of these to happen, and reads and writes at the same time. While more than
//! `ENOUGH_BYTES` wait for the client, the task takes no tweets from the session, which is bounded.
//! A client that takes no byte for `write_timeout_ms` is disconnected. Frames go out in the order
//! in which the session returns events. perch stops reading from a client above its rate of
//! commands, so that TCP slows the client down. A busy session's frames and wake-ups are coalesced
//! ([`coalesce`]).

mod close;
mod coalesce;
mod connection;
mod frame_writer;
mod messages;
mod options;
mod read_ready;
mod timers;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::Instrument;

use crate::auth::AccessToken;
use crate::config::ConfigError;
use crate::telemetry;

use super::access::{AccessControl, Client, HasAccess, Visitor, guarded, subprotocol};
use super::errors::{ApiError, Code};
use super::stats_ticker::{self, StatsTicker};
use super::{Route, Transport, TransportContext, TransportKind, http};
use close::WsClose;
use coalesce::WriteCoalescer;
use connection::Connection;
use frame_writer::FrameWriter;
use options::Options;
use read_ready::ReadReadiness;
use timers::Times;

pub(super) const KIND: TransportKind = TransportKind {
    name: "ws",
    about: "the event protocol over WebSocket, at /ws",
    example: "ping_interval_ms = 25000\nidle_timeout_ms = 90000\nwrite_timeout_ms = 60000\nsearches = 4\n",
    build,
};

pub(super) const ROUTES: &[Route<Arc<WsState>>] =
    &[Route { method: "GET", path: "/ws", handler: || guarded(MethodFilter::GET, upgrade) }];

/// A message of up to this many times the allowed size is read whole, so that perch can answer with
/// an error. A longer one ends the connection in the middle of the message.
const READABLE_FACTOR: usize = 4;

/// The read buffer of a connection. Clients send short frames; a longer frame takes more reads, and
/// idle sessions take less memory.
const READ_BUFFER_BYTES: usize = 1024;

/// The write buffer of tungstenite, for control frames (at most 125 bytes each) that the frame
/// writer refused. They are few, because perch stops reading then.
const MAX_REFUSED_BYTES: usize = 1024;

fn build(table: toml::Table) -> Result<Box<dyn Transport>, Vec<ConfigError>> {
    Ok(Box::new(WsTransport { options: Options::read(table)? }))
}

struct WsTransport {
    options: Options,
}

impl Transport for WsTransport {
    fn routes(&self, context: TransportContext) -> Router {
        let counts = stats_ticker::spawn(&context);
        Route::router(
            ROUTES,
            Arc::new(WsState {
                options: self.options,
                context,
                counts,
                frames_sent: telemetry::FramesSent::new(KIND.name),
            }),
        )
    }
}

/// What all connections of the transport share.
pub(super) struct WsState {
    options: Options,
    context: TransportContext,
    counts: StatsTicker,
    frames_sent: telemetry::FramesSent,
}

impl HasAccess for Arc<WsState> {
    fn access(&self) -> &Arc<AccessControl> {
        &self.context.access
    }
}

/// Opens the event protocol.
#[utoipa::path(get, path = "/ws", tag = "live",
    security((), ("jwt" = [])), responses(
    (status = 101, description = "The event protocol, as docs/PROTOCOL.md describes it, in text frames."),
    (status = 400, description = "Not a WebSocket handshake.", body = super::openapi::ErrorAnswer),
    (status = 401, description = "The token is not good.", body = super::openapi::ErrorAnswer),
    (status = 403, description = "A web page from an origin that may not connect.", body = super::openapi::ErrorAnswer),
    (status = 426, description = "Not a connection that can be upgraded.", body = super::openapi::ErrorAnswer),
))]
pub(super) async fn upgrade(
    // Checked before the upgrade, so that a page that may not connect learns nothing.
    Visitor { client, access_token, .. }: Visitor,
    State(ws): State<Arc<WsState>>,
    headers: HeaderMap,
    raw: Raw,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let subprotocol = match subprotocol(&headers) {
        Ok(subprotocol) => subprotocol,
        Err(error) => return error.into_response(),
    };
    // axum checks the handshake. The socket is perch's own: axum's does not give its stream away.
    if let Err(rejection) = upgrade {
        let status = rejection.status();
        let mut response = ApiError::new(Code::BadPayload, rejection.body_text()).into_response();
        *response.status_mut() = status;
        return http::with_handshake_headers(response);
    }
    let (Raw(Some(upgrade)), Some(key)) = (raw, headers.get(header::SEC_WEBSOCKET_KEY)) else {
        return ApiError::new(Code::BadPayload, "not a WebSocket handshake of HTTP/1.1").into_response();
    };
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64");
    let tasks = ws.context.tasks.clone();
    tasks.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => serve(upgraded, ws, client, access_token).await,
            Err(error) => tracing::debug!(%error, "the upgrade failed"),
        }
    });
    let answer = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, answer).into_response();
    if let Some(name) = subprotocol {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    response
}

/// The connection below HTTP, which hyper hands over once the answer is out. This extractor must
/// stand before axum's own, which takes the connection away.
pub(super) struct Raw(Option<OnUpgrade>);

impl<S: Sync> FromRequestParts<S> for Raw {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Raw, Self::Rejection> {
        Ok(Raw(parts.extensions.get::<OnUpgrade>().cloned()))
    }
}

/// A client's socket.
type Socket = WebSocketStream<FrameWriter<TokioIo<Upgraded>>>;

async fn serve(upgraded: Upgraded, ws: Arc<WsState>, client: Client, access_token: Option<AccessToken>) {
    let max_bytes = Some(ws.context.limits.max_frame_bytes.saturating_mul(READABLE_FACTOR));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        // Frames wait in the frame writer, not in tungstenite. When the writer has no room,
        // tungstenite holds the answer to one ping, and a close frame.
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_REFUSED_BYTES)
        .max_message_size(max_bytes)
        .max_frame_size(max_bytes);
    let writer = FrameWriter::new(TokioIo::new(upgraded));
    let mut socket = WebSocketStream::from_raw_socket(writer, Role::Server, Some(config)).await;
    let address_slot = client.connection();
    let mut session = ws.context.open_session(&client, access_token, ws.options.searches);
    session.set_trusted(ws.context.may_publish(&client));
    drop(client);
    // A client that has not shown a token yet counts as a connection, not as a session.
    if session.is_authenticated()
        && let Err(error) = session.admit()
    {
        let end = WsClose::refused(&error);
        tracing::debug!(?error, "connection refused");
        telemetry::disconnected(KIND.name, end.name());
        return close::close(&mut socket, end).await;
    }
    let span = tracing::info_span!("ws", uid = %session.uid());
    let now = Instant::now();
    // Boxed, so that the futures below stay small: this is most of the memory of an idle session.
    let connection = Box::new(Connection {
        socket,
        _address_slot: address_slot,
        out_tweets: 0,
        read_ready: ReadReadiness::new(),
        coalescer: WriteCoalescer::new(now),
        urgent: false,
        times: Times::new(now, &ws, session.is_authenticated()),
        session,
        alarm: Box::pin(sleep_until(now)),
        last_received: now,
        ending: None,
        ws,
    });
    connection.run().instrument(span).await;
}

#[cfg(test)]
mod tests;
