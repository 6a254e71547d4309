//! The connection of `perch tail`: a WebSocket, or the event stream of a POST for a query that is
//! too long for a frame.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use url::Url;

use super::{Lost, ResumePosition, TailArgs};
use crate::client::{Failure, Http, NOT_PERCH, address, is_encrypted, refusal};
use crate::outbound::sse::{EventParser, ServerEvent};

/// The server gives a sign of life at least every 25 s.
const SILENCE: Duration = Duration::from_secs(90);

/// A longer command is no frame: servers take 64 KiB when nothing else is configured.
const MAX_FRAME_BYTES: usize = 60_000;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the server sent.
pub(super) struct Event {
    pub(super) name: String,
    pub(super) payload: Box<RawValue>,
}

/// Why there is no connection.
pub(super) enum ConnectError {
    /// Trying again changes nothing.
    Refused(Failure),
    /// The server does not answer.
    Unreachable(Box<dyn std::error::Error + Send + Sync>),
}

/// Makes connections to one server.
pub(super) struct Dialer<'a> {
    args: &'a TailArgs,
    url: Url,
    tls: Connector,
    http: Http,
}

impl<'a> Dialer<'a> {
    pub(super) fn new(args: &'a TailArgs) -> Result<Dialer<'a>, Failure> {
        let mut url = address(&args.server.url, "/ws");
        let tls = Connector::Rustls(Arc::new(args.server.access.tls([&url])?));
        let http = Http::new(&args.server.access, [&args.server.url])?;
        let scheme = if is_encrypted(&url) { "wss" } else { "ws" };
        url.set_scheme(scheme)
            .map_err(|()| Failure::Usage(format!("--url: {} is no address of perch", args.server.url)))?;
        Ok(Dialer { args, url, tls, http })
    }

    /// Connects, and registers the query from a position on.
    pub(super) async fn connect(&self, position: &ResumePosition) -> Result<TailFeed, ConnectError> {
        let mut fields = json!({"query": self.args.query});
        if let Some(since) = position.since {
            fields["since"] = json!(since);
            if let Some(epoch) = &position.epoch {
                fields["epoch"] = json!(epoch);
            }
        }
        let command = json!(["cmd/percolate", fields, 1]).to_string();
        if command.len() > MAX_FRAME_BYTES { self.stream(&fields).await } else { self.socket(command).await }
    }

    async fn socket(&self, command: String) -> Result<TailFeed, ConnectError> {
        let refused = |failure: Failure| ConnectError::Refused(failure);
        let mut request =
            self.url.as_str().into_client_request().map_err(|error| refused(Failure::Other(error.into())))?;
        if let Some(authorization) = self.args.server.access.authorization().map_err(refused)? {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        match connect_async_tls_with_config(request, None, true, Some(self.tls.clone())).await {
            Ok((mut socket, _)) => {
                socket.send(Message::text(command)).await.map_err(|error| ConnectError::Unreachable(error.into()))?;
                Ok(TailFeed::Socket(Box::new(socket)))
            }
            // The handshake's answer.
            Err(tungstenite::Error::Http(answer)) if answer.status().is_client_error() => {
                let body = answer.body().as_deref().unwrap_or_default();
                Err(refused(refusal(answer.status(), &String::from_utf8_lossy(body))))
            }
            Err(error) => Err(ConnectError::Unreachable(error.into())),
        }
    }

    async fn stream(&self, fields: &serde_json::Value) -> Result<TailFeed, ConnectError> {
        let url = address(&self.args.server.url, "/api/stream");
        let unreachable = |error: reqwest::Error| ConnectError::Unreachable(error.into());
        let answer = self.http.post_json(&url, fields.to_string()).await.map_err(unreachable)?;
        let status = answer.status();
        let mut stream = EventStream {
            answer: Some(answer),
            text: Vec::new(),
            parser: EventParser::new(usize::MAX),
            events: VecDeque::new(),
        };
        if !status.is_success() {
            let body = stream.answer.take().expect("it has come").text().await.map_err(unreachable)?;
            // As the error that a WebSocket brings.
            let error = serde_json::from_str::<serde_json::Value>(&body).ok().and_then(|body| {
                let payload = RawValue::from_string(body.get("error")?.to_string()).ok()?;
                Some(Event { name: "cmd/error".to_owned(), payload })
            });
            stream.events.push_back(error.ok_or_else(|| ConnectError::Refused(refusal(status, &body)))?);
        }
        Ok(TailFeed::Stream(Box::new(stream)))
    }
}

/// A connection.
pub(super) enum TailFeed {
    Socket(Box<Socket>),
    Stream(Box<EventStream>),
}

impl TailFeed {
    /// The next event.
    pub(super) async fn next(&mut self) -> Result<Event, Lost> {
        match self {
            TailFeed::Socket(socket) => next_frame(socket).await,
            TailFeed::Stream(stream) => stream.next().await,
        }
    }
}

async fn next_frame(socket: &mut Socket) -> Result<Event, Lost> {
    loop {
        match in_time(socket.next()).await? {
            None => return Err(Lost::Retry("the server is gone".to_owned())),
            Some(Err(error)) => return Err(Lost::Retry(error.to_string())),
            Some(Ok(Message::Text(text))) => return Ok(read_frame(&text)?),
            Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
            Some(Ok(_)) => {}
        }
    }
}

async fn in_time<T>(next: impl Future<Output = T>) -> Result<T, Lost> {
    tokio::time::timeout(SILENCE, next).await.map_err(|_| Lost::Retry("no sign of life".to_owned()))
}

fn read_frame(text: &str) -> anyhow::Result<Event> {
    let parts: Vec<&RawValue> = serde_json::from_str(text).context(NOT_PERCH)?;
    let [event, payload, ..] = parts[..] else { return Err(anyhow!(NOT_PERCH)) };
    Ok(Event { name: serde_json::from_str(event.get()).context(NOT_PERCH)?, payload: payload.to_owned() })
}

fn closed(frame: Option<tungstenite::protocol::CloseFrame>) -> Lost {
    let Some(frame) = frame else { return Lost::Retry("the server is gone".to_owned()) };
    let code = u16::from(frame.code);
    let why = if frame.reason.is_empty() { format!("close code {code}") } else { frame.reason.to_string() };
    match code {
        1002 | 4001 | 4003 | 4004 => Lost::Failed(Failure::Other(anyhow!("the server ended the connection: {why}"))),
        _ => Lost::Retry(why),
    }
}

/// Server-sent events.
pub(super) struct EventStream {
    /// `None` for an answer that was an error.
    answer: Option<reqwest::Response>,
    /// The beginning of a line.
    text: Vec<u8>,
    parser: EventParser,
    events: VecDeque<Event>,
}

impl EventStream {
    async fn next(&mut self) -> Result<Event, Lost> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let gone = || Lost::Retry("the server is gone".to_owned());
            let answer = self.answer.as_mut().ok_or_else(gone)?;
            let chunk = in_time(answer.chunk()).await?.map_err(|error| Lost::Retry(error.to_string()))?;
            self.text.extend_from_slice(&chunk.ok_or_else(gone)?);
            while let Some(end) = memchr::memchr(b'\n', &self.text) {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                let event = self.parser.line(line.trim_end_matches(['\r', '\n']));
                if let Some(ServerEvent { name, data }) = event.filter(|event| !event.name.is_empty()) {
                    let payload = RawValue::from_string(data).context(NOT_PERCH)?;
                    self.events.push_back(Event { name, payload });
                }
            }
        }
    }
}
