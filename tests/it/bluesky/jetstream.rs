//! A server of Jetstream's protocol, with faults.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_util::task::AbortOnDropHandle;

/// The dictionary of the protocol.
const DICTIONARY: &[u8] = include_bytes!("../../../src/source/bluesky/jetstream.dict");

/// What a connection meets.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// This answer instead of a WebSocket.
    Answer(&'static str),
    /// No answer until [`Jetstream::release`].
    Slow,
}

#[derive(Default)]
struct State {
    events: Vec<Value>,
    /// Parameters of the connections, in order.
    requests: Vec<HashMap<String, String>>,
    /// What clients sent.
    hellos: Vec<Value>,
    faults: VecDeque<Fault>,
    /// Frames that were sent.
    sent: usize,
}

pub(super) struct Jetstream {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// The number of events; the number of connections that were cut off.
    news: watch::Sender<(usize, usize)>,
    released: Arc<Notify>,
    _server: AbortOnDropHandle<()>,
}

impl Jetstream {
    pub(super) async fn start(faults: impl IntoIterator<Item = Fault>) -> Jetstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { faults: faults.into_iter().collect(), ..State::default() }));
        let (news, seen) = watch::channel((0, 0));
        let released = Arc::new(Notify::new());
        let server = {
            let (state, released) = (Arc::clone(&state), Arc::clone(&released));
            tokio::spawn(async move {
                let mut connections = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let (state, seen, released) = (Arc::clone(&state), seen.clone(), Arc::clone(&released));
                    connections.spawn(serve(stream, state, seen, released));
                }
            })
        };
        Jetstream { address, state, news, released, _server: AbortOnDropHandle::new(server) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics here")
    }

    /// The table of a source that connects here.
    pub(super) fn source(&self, more: &str) -> String {
        format!("[[source]]\ntype = \"bluesky\"\nhosts = [\"ws://{}\"]\n{more}", self.address)
    }

    pub(super) fn push(&self, events: impl IntoIterator<Item = Value>) {
        let mut state = self.state();
        state.events.extend(events);
        let n = state.events.len();
        self.news.send_modify(|news| news.0 = n);
    }

    /// Forgets all events so far, as servers do after a day.
    pub(super) fn forget(&self) {
        self.state().events.clear();
        self.news.send_modify(|news| news.0 = 0);
    }

    /// Cuts all connections within a frame.
    pub(super) fn cut(&self) {
        self.news.send_modify(|news| news.1 += 1);
    }

    pub(super) fn release(&self) {
        self.released.notify_one();
    }

    pub(super) fn connections(&self) -> usize {
        self.state().requests.len()
    }

    /// A parameter of a connection.
    pub(super) fn parameter(&self, connection: usize, name: &str) -> Option<String> {
        self.state().requests[connection].get(name).cloned()
    }

    pub(super) fn hellos(&self) -> Vec<Value> {
        self.state().hellos.clone()
    }

    pub(super) fn sent(&self) -> usize {
        self.state().sent
    }
}

async fn serve(
    mut stream: TcpStream,
    state: Arc<Mutex<State>>,
    mut news: watch::Receiver<(usize, usize)>,
    released: Arc<Notify>,
) -> Option<()> {
    let lock = || state.lock().expect("no test panics here");
    let fault = lock().faults.pop_front();
    match fault {
        Some(Fault::Answer(answer)) => {
            let _ = stream.read(&mut [0; 4_096]).await;
            stream.write_all(answer.as_bytes()).await.ok()?;
            return stream.shutdown().await.ok();
        }
        Some(Fault::Slow) => released.notified().await,
        None => {}
    }
    let mut parameters = HashMap::new();
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let keep = |request: &Request, response: Response| {
        let query = request.uri().query().unwrap_or_default();
        parameters = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, keep).await.ok()?;
    let mut wanted = Vec::new();
    if parameters.contains_key("requireHello") {
        let hello: Value = serde_json::from_str(socket.next().await?.ok()?.to_text().ok()?).ok()?;
        wanted = hello["payload"]["wantedDids"].as_array().cloned().unwrap_or_default();
        lock().hellos.push(hello);
    }
    let cursor = parameters.get("cursor").and_then(|cursor| cursor.parse::<u64>().ok());
    let mut compressor = parameters
        .contains_key("compress")
        .then(|| zstd::bulk::Compressor::with_dictionary(3, DICTIONARY).expect("a dictionary"));
    let n_cuts = news.borrow().1;
    let mut at = {
        let mut state = lock();
        state.requests.push(parameters);
        let is_wanted = |event: &Value| cursor.is_some_and(|cursor| event["time_us"].as_u64() >= Some(cursor));
        state.events.iter().position(is_wanted).unwrap_or(state.events.len())
    };
    loop {
        let event = lock().events.get(at).cloned();
        let Some(event) = event else {
            tokio::select! {
                changed = news.changed() => changed.ok()?,
                message = socket.next() => drop(message?.ok()?),
            }
            let (n_events, cuts) = *news.borrow_and_update();
            if cuts > n_cuts {
                // The head of a frame of 100 bytes, and a part of them.
                socket.get_mut().write_all(b"\x81\x64{\"did\": ").await.ok()?;
                return socket.get_mut().shutdown().await.ok();
            }
            at = at.min(n_events);
            continue;
        };
        at += 1;
        let is_post = event["commit"]["collection"].as_str().is_none_or(|name| name == "app.bsky.feed.post");
        if !is_post || !(wanted.is_empty() || wanted.contains(&event["did"])) {
            continue;
        }
        lock().sent += 1;
        let text = event.to_string();
        let message = match &mut compressor {
            Some(compressor) => Message::binary(compressor.compress(text.as_bytes()).expect("compressed")),
            None => Message::text(text),
        };
        socket.send(message).await.ok()?;
    }
}
