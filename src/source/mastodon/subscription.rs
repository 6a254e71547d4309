//! What comes live: over one WebSocket for all streams, or as server-sent events of each stream.

use anyhow::{Context as _, bail};
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream, SelectAll};
use serde_json::json;
use tokio_tungstenite::tungstenite;
use url::Url;

use super::stream_name::StreamName;
use crate::outbound::sse::{EventParser, ServerEvent};
use crate::source::http::{HttpClient, host_of, is_web_page, refused_with};
use crate::source::line_reader::LineReader;
use crate::source::websocket::{Frame, MAX_SILENCE, WebSocket};
use crate::telemetry;

/// An open connection to streams.
pub(super) enum Subscription {
    WebSocket(Box<WebSocket>),
    Events(SelectAll<BoxStream<'static, anyhow::Result<String>>>),
}

impl Subscription {
    /// Subscribes to the streams at the address of a WebSocket, or at the same address over HTTP
    /// where no WebSocket is answered.
    pub(super) async fn open(
        url: &Url,
        http: &HttpClient,
        streams: &[StreamName],
        max_bytes: usize,
    ) -> anyhow::Result<Subscription> {
        let error = match WebSocket::connect(url, http.token(), max_bytes).await {
            Ok(mut socket) => {
                for stream in streams {
                    socket.send(stream.subscription()).await?;
                }
                return Ok(Subscription::WebSocket(Box::new(socket)));
            }
            Err(error) if may_serve_events(&error) => error,
            Err(error) => return Err(error),
        };
        let reason = telemetry::message_of(&error);
        tracing::info!(host = host_of(url), reason, "no WebSocket; perch asks for server-sent events");
        let mut base = url.clone();
        if base.set_scheme(if url.scheme() == "wss" { "https" } else { "http" }).is_err() {
            return Err(error);
        }
        let mut events = SelectAll::new();
        for stream in streams {
            let url = stream.events_url(&base);
            let host = host_of(&url);
            let response = http.get(&url, "a stream").await?;
            if is_web_page(response.headers()) {
                bail!("{host} answers with a web page, not with a stream");
            }
            let lines = LineReader::new(response, host, max_bytes, MAX_SILENCE);
            events.push(messages(lines, stream, max_bytes));
        }
        Ok(Subscription::Events(events))
    }

    /// The next message, as a WebSocket has it: `{"stream": …, "event": …, "payload": …}`. Cancel
    /// safe.
    pub(super) async fn next(&mut self) -> anyhow::Result<String> {
        match self {
            Subscription::WebSocket(socket) => match socket.next().await? {
                Frame::Text(text) => Ok(text),
                Frame::Binary(bytes) => String::from_utf8(bytes.into()).context("a frame is no text"),
            },
            // A stream ends with an error.
            Subscription::Events(events) => events.next().await.context("no stream is open")?,
        }
    }
}

/// Whether the reason may be a server that knows no WebSocket.
fn may_serve_events(error: &anyhow::Error) -> bool {
    let is_told = |status| [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    let is_unreachable = matches!(error.downcast_ref(), Some(tungstenite::Error::Io(_) | tungstenite::Error::Tls(_)));
    !is_unreachable && !refused_with(error).is_some_and(is_told)
}

/// The events of a stream as messages.
fn messages(lines: LineReader, stream: &StreamName, max_bytes: usize) -> BoxStream<'static, anyhow::Result<String>> {
    let names = json!(stream.names()).to_string();
    let state = (lines, EventParser::new(max_bytes), names);
    let next = |(mut lines, mut parser, names): (LineReader, EventParser, String)| async move {
        loop {
            let line = lines.next().await?;
            if let Some(event) = parser.line(&line) {
                let message = message(&names, &event);
                return Ok(Some((message, (lines, parser, names))));
            }
        }
    };
    stream::try_unfold(state, next).boxed()
}

fn message(names: &str, ServerEvent { name, data }: &ServerEvent) -> String {
    // The data is JSON, or the number of a post.
    let payload = if data.trim_start().starts_with('{') { data.clone() } else { json!(data).to_string() };
    format!(r#"{{"stream":{names},"event":{},"payload":{payload}}}"#, json!(name))
}
