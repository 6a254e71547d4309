//! A page with an open WebSocket.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use perch_sente::value::Value;
use reqwest::header::COOKIE;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Group, Setup, Transcript, data, id};
use crate::support::{Perch, in_time};

/// A page with an open WebSocket.
pub(crate) struct SenteSocket {
    pub setup: Setup,
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub transcript: Transcript,
    /// Events that came with others.
    ready: Vec<Value>,
    /// Whether the server can't know yet that the last batch was received.
    is_unsettled: bool,
}

impl SenteSocket {
    /// Opens it and takes the handshake.
    pub(crate) async fn connect(perch: &Perch, setup: Setup) -> SenteSocket {
        let mut socket = SenteSocket::open(perch.address, setup).await.expect("the WebSocket opens");
        socket.handshake().await;
        socket
    }

    pub(crate) async fn open(address: SocketAddr, setup: Setup) -> Result<SenteSocket, Error> {
        SenteSocket::open_over(TcpStream::connect(address).await?, setup).await
    }

    /// Opens it over a connection to perch.
    pub(crate) async fn open_over(stream: TcpStream, setup: Setup) -> Result<SenteSocket, Error> {
        let address = stream.peer_addr()?;
        let url = format!("ws://{address}{}{}", setup.path, setup.upgrade_query());
        let mut request = url.into_client_request()?;
        let headers = setup.headers();
        if let Some(cookie) = headers.get(COOKIE) {
            request.headers_mut().insert("cookie", cookie.clone());
        }
        let (stream, _) = tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(stream)).await?;
        let mut transcript = Transcript::default();
        transcript.note(&format!("GET {}{}", setup.path, setup.upgrade_query()));
        Ok(SenteSocket { setup, stream, transcript, ready: Vec::new(), is_unsettled: false })
    }

    async fn handshake(&mut self) {
        let frame = self.frame().await;
        self.transcript.note(&format!("< {frame}"));
        let (value, _) = self.setup.read(&frame);
        assert_eq!(id(&value), "chsk/handshake", "{frame}");
        let details = data(&value).elements().expect("uid and token");
        let is_named = self.setup.group != Group::First;
        assert!(!is_named || details[0] == Value::str(&self.setup.client_id), "{frame}");
        assert!(details[1..].iter().all(|detail| *detail == Value::Nil), "{frame}");
    }

    /// The same page comes back after its connection broke without a close frame.
    pub(crate) async fn reconnect(self, perch: &Perch) -> SenteSocket {
        let SenteSocket { setup, stream, mut transcript, ready, .. } = self;
        drop(stream);
        transcript.note("the connection breaks");
        let mut socket = SenteSocket::open(perch.address, setup).await.expect("the WebSocket opens");
        transcript.lines.push_str(&socket.transcript.lines);
        socket.transcript = transcript;
        socket.ready = ready;
        socket.handshake().await;
        socket
    }

    pub(crate) async fn send_text(&mut self, frame: &str) {
        self.transcript.note(&format!("> {frame}"));
        self.stream.send(Message::text(frame)).await.expect("the frame goes out");
    }

    /// Sends an event that is packed already.
    pub(crate) async fn send(&mut self, event: &str) {
        let frame = self.setup.frame(event, None);
        self.send_text(&frame).await;
    }

    /// Sends an event that is packed already, and waits for the answer to its callback.
    pub(crate) async fn ask(&mut self, event: &str, callback: &str) -> Value {
        let frame = self.setup.frame(event, Some(&format!("\"{callback}\"")));
        self.send_text(&frame).await;
        in_time(self.answer(callback)).await
    }

    async fn answer(&mut self, callback: &str) -> Value {
        loop {
            let frame = self.any_frame().await;
            let (value, id) = self.setup.read(&frame);
            if let Some(id) = id {
                assert_eq!(id, Value::str(callback));
                self.transcript.note(&format!("< {frame}"));
                return value;
            }
            let events = self.transcript.batch(&self.setup, &frame);
            self.ready.extend(events);
        }
    }

    /// The next text frame.
    pub(crate) async fn frame(&mut self) -> String {
        in_time(self.any_frame()).await
    }

    async fn any_frame(&mut self) -> String {
        loop {
            let message = self.stream.next().await;
            match message.expect("the connection is open").expect("the frame is whole") {
                Message::Text(frame) => {
                    self.is_unsettled = true;
                    return frame.to_string();
                }
                Message::Ping(_) => self.is_unsettled = false,
                Message::Pong(_) => {}
                message => panic!("{message:?}"),
            }
        }
    }

    /// The next event that is no count.
    pub(crate) async fn event(&mut self) -> Value {
        in_time(async {
            while self.ready.is_empty() {
                let frame = self.any_frame().await;
                self.ready = self.transcript.batch(&self.setup, &frame);
            }
        })
        .await;
        self.ready.remove(0)
    }

    /// The data of the next event, which must be this one.
    pub(crate) async fn expect(&mut self, wanted: &str) -> Value {
        let event = self.event().await;
        assert_eq!(id(&event), wanted, "{event:?}");
        data(&event).clone()
    }

    /// Waits until the server knows that everything was received.
    pub(crate) async fn settle(&mut self) {
        in_time(self.settled()).await;
    }

    async fn settled(&mut self) {
        let mut has_asked = false;
        loop {
            if !self.is_unsettled && !has_asked {
                // Answered behind our answer to the server's own ping.
                self.stream.send(Message::Ping("settled".into())).await.expect("the ping goes out");
                has_asked = true;
            }
            let message = self.stream.next().await;
            match message.expect("the connection is open").expect("the frame is whole") {
                Message::Text(frame) => {
                    let events = self.transcript.batch(&self.setup, &frame);
                    self.ready.extend(events);
                    self.is_unsettled = true;
                    has_asked = false;
                }
                Message::Ping(_) => self.is_unsettled = false,
                Message::Pong(_) if has_asked => return,
                Message::Pong(_) => {}
                message => panic!("{message:?}"),
            }
        }
    }

    /// How the connection ends: true with a close frame.
    pub(crate) async fn ends_with_close_frame(&mut self) -> bool {
        in_time(async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Close(_))) => return true,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return false,
                }
            }
        })
        .await
    }
}
