//! Clients of Sente, written from the description of its protocol: each speaks as one group of
//! versions does, over a WebSocket or by polling, and notes what goes over the wire.

use std::fmt::Write as _;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use perch_sente::frame::{Format, Packing, Version};
use perch_sente::value::Value;
use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{PATIENCE, Perch};

/// Versions that look alike on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// 1.0 to 1.2, which name no client but in a poll.
    First,
    /// 1.3 to 1.8.1, `BirdWatch`'s pin among them.
    A,
    /// 1.9 to 1.13, `BirdWatch`'s last.
    B,
    /// 1.14 to 1.16.
    C,
    /// 1.17.
    D,
    /// 1.18 to 1.20.
    E,
    /// 1.21 and later.
    F,
}

impl Group {
    fn writes(self) -> Version {
        if self >= Group::E { Version::V2 } else { Version::V1 }
    }

    fn sends_csrf(self) -> bool {
        self >= Group::C
    }

    /// Whether the client understands a frame that starts like this; with EDN, some do by chance.
    fn reads(self, frame: &str, packing: Packing) -> bool {
        let is_v1 = frame.starts_with(['+', '-']);
        match self {
            Group::First | Group::A => is_v1,
            Group::B | Group::C => is_v1 || packing == Packing::Edn,
            Group::D | Group::E => true,
            Group::F => !is_v1,
        }
    }
}

/// How a page is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub group: Group,
    pub packing: Packing,
    /// Whether the packer writes a letter.
    pub letter: bool,
    pub path: &'static str,
    pub client_id: String,
    /// The token that came with the page, and is in the cookie too.
    pub csrf: Option<&'static str>,
}

impl Setup {
    pub(crate) fn new(group: Group, packing: Packing, path: &'static str) -> Setup {
        let client_id = format!("client-{}", format!("{group:?}").to_lowercase());
        Setup { group, packing, letter: false, path, client_id, csrf: None }
    }

    pub(crate) fn with_id(&self, client_id: &str) -> Setup {
        Setup { client_id: client_id.to_owned(), ..self.clone() }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-requested-with", HeaderValue::from_static("XMLHTTPRequest"));
        if let Some(token) = self.csrf {
            let cookie = format!("other=1; perch-csrf={token}");
            headers.insert(COOKIE, cookie.parse().expect("a cookie"));
        }
        if self.group.sends_csrf() {
            let name = HeaderName::from_static("x-csrf-token");
            headers.insert(name, HeaderValue::from_static(self.csrf.unwrap_or("null")));
        }
        headers
    }

    /// The query of an upgrade.
    fn upgrade_query(&self) -> String {
        if self.group == Group::First {
            return String::new();
        }
        let mut query = format!("?client-id={}", self.client_id);
        if let Some(token) = self.csrf.filter(|_| self.group.sends_csrf()) {
            write!(query, "&csrf-token={token}").expect("a string takes everything");
        }
        query
    }

    /// The query of a poll.
    fn poll_query(&self, handshake: bool) -> String {
        let id = &self.client_id;
        match (self.group, handshake) {
            (Group::First, _) => format!("_=1795237352511&ajax-client-uuid={id}"),
            (Group::A, false) => format!("_=1795237352511&client-id={id}"),
            (Group::A, true) => format!("_=1795237352511&client-id={id}&handshake%3F=true"),
            (Group::F, true) => format!("udt=1795237352511&client-id={id}&handshake%3F=1"),
            (_, true) => format!("udt=1795237352511&client-id={id}&handshake%3F=true"),
            (_, false) => format!("udt=1795237352511&client-id={id}"),
        }
    }

    /// The form of a POST.
    fn form(&self, frame: &str) -> String {
        if self.group == Group::First {
            return format!("_=1795237352773&ppstr={}&csrf-token=null", percent(frame));
        }
        let time = if self.group == Group::A { "_" } else { "udt" };
        let mut form = format!("{time}=1795237352773");
        if self.group != Group::F {
            write!(form, "&csrf-token={}", self.csrf.unwrap_or("null")).expect("a string takes everything");
        }
        write!(form, "&client-id={}&ppstr={}", self.client_id, percent(frame)).expect("a string takes everything");
        form
    }

    fn format(&self) -> Format {
        Format { version: self.group.writes(), packing: self.packing, letter: self.letter }
    }

    /// A frame as this client writes it, of an event that is packed already.
    pub(crate) fn frame(&self, event: &str, callback: Option<&str>) -> String {
        let callback = match (self.group, callback, self.packing) {
            (_, Some(callback), Packing::Edn) => format!(" {callback}"),
            (_, Some(callback), Packing::Transit) => format!(",{callback}"),
            (Group::F, None, Packing::Edn) => " nil".to_owned(),
            (Group::F, None, Packing::Transit) => ",null".to_owned(),
            (_, None, _) => String::new(),
        };
        let prefix = if self.group.writes() == Version::V1 { "+" } else { "" };
        let letter = match (self.letter, self.packing) {
            (false, _) => "",
            (true, Packing::Edn) => "e",
            (true, Packing::Transit) => "j",
        };
        format!("{prefix}{letter}[{event}{callback}]")
    }

    /// What is in a frame that the server sent: the value and the callback id.
    pub(crate) fn read(&self, frame: &str) -> (Value, Option<Value>) {
        assert!(self.group.reads(frame, self.packing), "a client of {:?} can't read {frame}", self.group);
        let text = frame.trim_start_matches('+');
        assert!(!text.starts_with('-'), "{frame}");
        let text = if self.letter {
            let letter = if self.packing == Packing::Transit { 'j' } else { 'e' };
            text.strip_prefix(letter).unwrap_or_else(|| panic!("no letter: {frame}"))
        } else {
            text
        };
        let value = self.packing.read(text).unwrap_or_else(|error| panic!("{error}: {frame}"));
        let Value::Vector(wrapped) = value else { panic!("not wrapped: {frame}") };
        let mut wrapped = wrapped.into_iter();
        let value = wrapped.next().unwrap_or_else(|| panic!("nothing in {frame}"));
        let callback = wrapped.next().filter(Value::is_truthy);
        assert_eq!(wrapped.next(), None, "{frame}");
        (value, callback)
    }
}

/// Percent-encodes as encodeURIComponent does.
pub(crate) fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes everything");
        }
    }
    encoded
}

/// An event that was received.
pub(crate) fn id(event: &Value) -> &str {
    match event.elements().and_then(|parts| parts.first()) {
        Some(Value::Keyword(id)) => id,
        other => panic!("no event: {other:?}"),
    }
}

/// Its data.
pub(crate) fn data(event: &Value) -> &Value {
    event.elements().and_then(|parts| parts.get(1)).unwrap_or(&Value::Nil)
}

fn is_stats(event: &Value) -> bool {
    id(event).starts_with("stats/")
}

/// What went over the wire: `>` from the client, `<` from the server. Counts come when they come,
/// so they are left out.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    pub lines: String,
}

impl Transcript {
    pub(crate) fn note(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
    }

    /// Notes a frame of the server and answers with the events in it, counts left out.
    fn batch(&mut self, setup: &Setup, frame: &str) -> Vec<Value> {
        let (value, callback) = setup.read(frame);
        assert_eq!(callback, None, "a batch has no callback: {frame}");
        let Value::Vector(events) = value else { panic!("a batch is a vector: {frame}") };
        // One event that is none, and a genuine client throws the whole batch away.
        for event in &events {
            let (name, parts) = (id(event), event.elements().map_or(0, <[Value]>::len));
            let is_event = name.contains('/') && !name.starts_with("chsk/") && matches!(parts, 1 | 2);
            assert!(is_event, "{event:?} in {frame}");
        }
        let n_events = events.len();
        let events: Vec<_> = events.into_iter().filter(|event| !is_stats(event)).collect();
        if events.len() == n_events {
            self.note(&format!("< {frame}"));
        } else if !events.is_empty() {
            let packed: Vec<String> = events
                .iter()
                .map(|event| {
                    let mut packed = String::new();
                    setup.packing.write(event, &mut packed);
                    packed
                })
                .collect();
            let version = if frame.starts_with('+') { Version::V1 } else { Version::V2 };
            let format = Format { version, ..setup.format() };
            self.note(&format!("< {}", format.batch(packed.iter().map(String::as_str))));
        }
        events
    }
}

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
        loop {
            let frame = self.frame().await;
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
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a frame comes");
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
        while self.ready.is_empty() {
            let frame = self.frame().await;
            self.ready = self.transcript.batch(&self.setup, &frame);
        }
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
        let mut has_asked = false;
        loop {
            if !self.is_unsettled && !has_asked {
                // Answered behind our answer to the server's own ping.
                self.stream.send(Message::Ping("settled".into())).await.expect("the ping goes out");
                has_asked = true;
            }
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a ping comes");
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
        loop {
            match tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("it ends") {
                Some(Ok(Message::Close(_))) => return true,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return false,
            }
        }
    }
}

/// A page that polls.
pub(crate) struct SentePoller {
    pub setup: Setup,
    pub http: reqwest::Client,
    pub url: String,
    pub transcript: Transcript,
    ready: Vec<Value>,
    /// What the browser sends with its POSTs.
    cookie: Option<HeaderValue>,
}

impl SentePoller {
    /// Begins to poll and takes the handshake.
    pub(crate) async fn connect(perch: &Perch, setup: Setup) -> SentePoller {
        let mut poller = SentePoller::new(perch, setup);
        poller.handshake(true).await;
        poller
    }

    pub(crate) fn new(perch: &Perch, setup: Setup) -> SentePoller {
        let (http, url) = (perch.http.clone(), perch.url(setup.path));
        SentePoller { setup, http, url, transcript: Transcript::default(), ready: Vec::new(), cookie: None }
    }

    /// A poll that is answered with a handshake. `asks` says whether the client asks for one.
    pub(crate) async fn handshake(&mut self, asks: bool) {
        let (status, frame) = self.get(asks).await;
        assert_eq!(status, 200, "{frame}");
        let (value, _) = self.setup.read(&frame);
        assert_eq!(id(&value), "chsk/handshake", "{frame}");
        assert_eq!(data(&value).elements().expect("uid and token")[0], Value::str(&self.setup.client_id));
        self.transcript.note(&format!("< {frame}"));
    }

    /// One poll: status and body.
    pub(crate) async fn get(&mut self, handshake: bool) -> (u16, String) {
        let query = self.setup.poll_query(handshake);
        if handshake {
            self.transcript.note(&format!("GET {}?{query}", self.setup.path));
        }
        let request = self.http.get(format!("{}?{query}", self.url)).headers(self.setup.headers()).timeout(PATIENCE);
        let response = request.send().await.expect("perch answers");
        assert_eq!(response.headers()["cache-control"], "no-store");
        if let Some(cookie) = response.headers().get("set-cookie") {
            let pair = cookie.to_str().expect("text").split(';').next().unwrap_or_default();
            self.cookie = Some(pair.parse().expect("a cookie"));
        }
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    /// Sends a frame as it is: status and body.
    pub(crate) async fn post(&mut self, frame: &str) -> (u16, String) {
        let form = self.setup.form(frame);
        self.transcript.note(&format!("POST {} {form}", self.setup.path));
        let mut headers = self.setup.headers();
        if let Some(cookie) = self.cookie.clone().filter(|_| self.setup.group == Group::First) {
            headers.insert(COOKIE, cookie);
        }
        let request = self
            .http
            .post(&self.url)
            .headers(headers)
            .header("content-type", "application/x-www-form-urlencoded;charset=UTF-8")
            .body(form);
        let response = request.send().await.expect("perch answers");
        let (status, body) = (response.status().as_u16(), response.text().await.expect("a body"));
        self.transcript.note(&format!("< {body}"));
        (status, body)
    }

    /// Sends an event that is packed already; it wants no answer.
    pub(crate) async fn send(&mut self, event: &str) {
        let frame = self.setup.frame(event, None);
        let (status, body) = self.post(&frame).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(self.setup.read(&body).0, Value::keyword("chsk/dummy-cb-200"));
    }

    /// Sends an event that is packed already; the answer is that of its callback.
    pub(crate) async fn ask(&mut self, event: &str) -> Value {
        let marker = match (self.setup.group, self.setup.packing) {
            (Group::F, Packing::Edn) => ":ajax",
            (Group::F, Packing::Transit) => "\"~:ajax\"",
            _ => "0",
        };
        let frame = self.setup.frame(event, Some(marker));
        let (status, body) = self.post(&frame).await;
        assert_eq!(status, 200, "{body}");
        self.setup.read(&body).0
    }

    /// Polls once: the events, counts left out. An empty batch is noted too.
    pub(crate) async fn poll(&mut self) -> Vec<Value> {
        let (status, frame) = self.get(false).await;
        assert_eq!(status, 200, "{frame}");
        self.transcript.batch(&self.setup, &frame)
    }

    /// Polls until an event comes that is no count.
    pub(crate) async fn event(&mut self) -> Value {
        while self.ready.is_empty() {
            self.ready = self.poll().await;
        }
        self.ready.remove(0)
    }

    /// The data of the next event, which must be this one.
    pub(crate) async fn expect(&mut self, wanted: &str) -> Value {
        let event = self.event().await;
        assert_eq!(id(&event), wanted, "{event:?}");
        data(&event).clone()
    }
}
