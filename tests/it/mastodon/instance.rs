//! A server of Mastodon's protocol: streams over a WebSocket or as server-sent events, timelines,
//! and faults.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::AbortOnDropHandle;

pub(super) use crate::support::raw_http::RawRequest;
use crate::support::raw_http::json_answer;

pub(super) const TOKEN: &str = "a-token-of-an-account";

/// The time of the first post, in milliseconds.
const T0_MS: u64 = 1_728_591_564_000;

/// The number of a post, `at` seconds after the first one.
pub(super) fn id(at: u64) -> String {
    ((T0_MS + at * 1_000) << 16).to_string()
}

pub(super) fn uri(at: u64) -> String {
    format!("https://social.example/users/ann/statuses/{at}")
}

pub(super) fn post(at: u64, text: &str) -> Value {
    json!({
        "id": id(at), "uri": uri(at), "url": uri(at), "created_at": "2024-10-10T20:19:24.000Z", "edited_at": null,
        "content": format!("<p>{text}</p>"), "reblog": null,
        "account": {"id": "1", "username": "ann", "acct": "ann", "url": "https://social.example/@ann"},
    })
}

/// What requests meet.
#[derive(Default)]
pub(super) struct Faults {
    /// Answers to the next requests of a stream.
    pub(super) streams: VecDeque<String>,
    /// Answers to the next requests for posts behind a number.
    pub(super) timelines: VecDeque<String>,
    /// No WebSocket is answered.
    pub(super) events_only: bool,
    /// Streams are answered after [`Instance::release`].
    pub(super) is_slow: bool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) faults: Faults,
    /// Posts of the timelines by number, with their streams.
    posts: BTreeMap<u64, (Vec<String>, Value)>,
    /// Messages of the streams.
    messages: Vec<(String, Value)>,
    requests: Vec<RawRequest>,
    /// Subscriptions that were made.
    subscriptions: usize,
}

pub(super) struct Instance {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// The number of messages; the number of times that connections were cut off.
    news: watch::Sender<(usize, usize)>,
    released: Arc<Notify>,
    dir: TempDir,
    _server: AbortOnDropHandle<()>,
}

impl Instance {
    pub(super) async fn start(faults: Faults) -> Instance {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { faults, ..State::default() }));
        let (news, seen) = watch::channel((0, 0));
        let released = Arc::new(Notify::new());
        let server = {
            let (state, released) = (Arc::clone(&state), Arc::clone(&released));
            tokio::spawn(async move {
                let mut connections = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let connection =
                        Connection { state: Arc::clone(&state), news: seen.clone(), released: Arc::clone(&released) };
                    connections.spawn(connection.serve(stream));
                }
            })
        };
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("token"), format!("{TOKEN}\n")).expect("written");
        Instance { address, state, news, released, dir, _server: AbortOnDropHandle::new(server) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics here")
    }

    pub(super) fn token_file(&self) -> String {
        self.dir.path().join("token").display().to_string()
    }

    /// The table of a source that connects here.
    pub(super) fn source(&self, more: &str) -> String {
        let (address, token_file) = (self.address, self.token_file());
        format!("[[source]]\ntype = \"mastodon\"\ninstance = \"http://{address}\"\ntoken_file = '{token_file}'\n{more}")
    }

    /// A new post, on its timelines and live.
    pub(super) fn publish(&self, streams: &[&str], post: &Value) {
        self.store(streams, post);
        for stream in streams {
            self.send(stream, "update", &post.to_string());
        }
    }

    /// A post that is on timelines only.
    pub(super) fn store(&self, streams: &[&str], post: &Value) {
        let id = post["id"].as_str().expect("an id").parse().expect("a number");
        let streams = streams.iter().map(|&stream| stream.to_owned()).collect();
        self.state().posts.insert(id, (streams, post.clone()));
    }

    /// A message of a stream: `public`, `hashtag/birds`.
    pub(super) fn send(&self, stream: &str, event: &str, payload: &str) {
        let names: Vec<&str> = stream.split('/').collect();
        let message = json!({"stream": names, "event": event, "payload": payload});
        self.send_message(stream, message);
    }

    pub(super) fn send_message(&self, stream: &str, message: Value) {
        let mut state = self.state();
        state.messages.push((stream.to_owned(), message));
        let n = state.messages.len();
        drop(state);
        self.news.send_modify(|news| news.0 = n);
    }

    /// Cuts all streams within a message.
    pub(super) fn cut(&self) {
        self.news.send_modify(|news| news.1 += 1);
    }

    pub(super) fn release(&self) {
        self.state().faults.is_slow = false;
        self.released.notify_one();
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.state().subscriptions
    }

    /// The requests for a path that begins so.
    pub(super) fn requests(&self, path: &str) -> Vec<RawRequest> {
        self.state().requests.iter().filter(|request| request.path.starts_with(path)).cloned().collect()
    }
}

struct Connection {
    state: Arc<Mutex<State>>,
    news: watch::Receiver<(usize, usize)>,
    released: Arc<Notify>,
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics here")
    }

    async fn serve(mut self, mut stream: TcpStream) -> Option<()> {
        loop {
            let request = RawRequest::read(&mut stream).await?;
            self.state().requests.push(request.clone());
            let answer = if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
                json_answer("401 Unauthorized", "", r#"{"error": "The access token is invalid"}"#)
            } else if request.path.starts_with("/api/v1/streaming") {
                return self.stream(stream, &request).await;
            } else if let Some(timeline) = request.path.strip_prefix("/api/v1/timelines/") {
                self.timeline(timeline, &request)
            } else {
                json_answer("404 Not Found", "", r#"{"error": "Record not found"}"#)
            };
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
    }

    fn timeline(&self, timeline: &str, request: &RawRequest) -> String {
        let is_local = request.parameter("local").is_some();
        let stream = match timeline.strip_prefix("tag/") {
            Some(tag) => format!("hashtag/{tag}"),
            None => format!("{timeline}{}", if is_local { ":local" } else { "" }),
        };
        let min_id = request.parameter("min_id").map(|id| id.parse::<u64>().expect("a number"));
        let limit = request.parameter("limit").expect("a limit").parse().expect("a number");
        let mut state = self.state();
        if let Some(answer) = min_id.and_then(|_| state.faults.timelines.pop_front()) {
            return answer;
        }
        let on_timeline = state.posts.iter().filter(|(_, (streams, _))| streams.contains(&stream));
        let posts: Vec<&Value> = match min_id {
            Some(min_id) => {
                on_timeline.filter(|(id, _)| **id > min_id).take(limit).map(|(_, (_, post))| post).collect()
            }
            None => on_timeline.rev().take(limit).map(|(_, (_, post))| post).collect(),
        };
        let mut page: Vec<&Value> = posts;
        page.sort_by_key(|post| std::cmp::Reverse(post["id"].as_str().and_then(|id| id.parse::<u64>().ok())));
        let link = page.first().map(|post| {
            let id = post["id"].as_str().expect("an id");
            format!("link: <https://social.example/?max_id=1>; rel=\"next\", <https://social.example/?min_id={id}>; rel=\"prev\"\r\n")
        });
        json_answer("200 OK", &link.unwrap_or_default(), &json!(page).to_string())
    }

    async fn stream(&mut self, mut stream: TcpStream, request: &RawRequest) -> Option<()> {
        if self.state().faults.is_slow {
            self.released.notified().await;
        }
        let fault = {
            let faults = &mut self.state().faults;
            let is_refused = faults.events_only && request.header("upgrade").is_some();
            let not_found = || json_answer("404 Not Found", "", r#"{"error": "Not found"}"#);
            faults.streams.pop_front().or_else(|| is_refused.then(not_found))
        };
        if let Some(answer) = fault {
            stream.write_all(answer.as_bytes()).await.ok()?;
            return stream.shutdown().await.ok();
        }
        if request.header("upgrade").is_some() {
            self.socket(stream, request).await
        } else {
            self.events(stream, request).await
        }
    }

    /// Waits for news; `None` when the connection is to be cut.
    async fn wait(&mut self, n_cuts: usize) -> Option<()> {
        self.news.changed().await.ok()?;
        (self.news.borrow_and_update().1 == n_cuts).then_some(())
    }

    async fn socket(&mut self, stream: TcpStream, request: &RawRequest) -> Option<()> {
        let mut socket = request.upgrade(stream).await?;
        let mut subscribed: Vec<String> = Vec::new();
        let (mut at, n_cuts) = (self.state().messages.len(), self.news.borrow().1);
        loop {
            let message = self.state().messages.get(at).cloned();
            if let Some((stream, message)) = message {
                at += 1;
                if subscribed.contains(&stream) {
                    socket.send(Message::text(message.to_string())).await.ok()?;
                }
                continue;
            }
            tokio::select! {
                news = self.wait(n_cuts) => if news.is_none() {
                    // The head of a frame of 100 bytes, and a part of them.
                    socket.get_mut().write_all(b"\x81\x64{\"stream\": ").await.ok()?;
                    return socket.get_mut().shutdown().await.ok();
                },
                message = socket.next() => {
                    let Message::Text(message) = message?.ok()? else { continue };
                    let message: Value = serde_json::from_str(&message).ok()?;
                    let tag = message["tag"].as_str().map(|tag| format!("/{tag}")).unwrap_or_default();
                    subscribed.push(format!("{}{tag}", message["stream"].as_str()?));
                    self.state().subscriptions += 1;
                }
            }
        }
    }

    async fn events(&mut self, mut stream: TcpStream, request: &RawRequest) -> Option<()> {
        let (mut at, n_cuts) = (self.state().messages.len(), self.news.borrow().1);
        let name = request.path.strip_prefix("/api/v1/streaming/")?.replace('/', ":");
        let name = request.parameter("tag").map_or(name.clone(), |tag| format!("{name}/{tag}"));
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n:)\n").await.ok()?;
        self.state().subscriptions += 1;
        loop {
            let message = self.state().messages.get(at).cloned();
            let Some((of, message)) = message else {
                if self.wait(n_cuts).await.is_none() {
                    stream.write_all(b"event: update\ndata: {\"id\"").await.ok()?;
                    return stream.shutdown().await.ok();
                }
                continue;
            };
            at += 1;
            if of == name {
                let (event, payload) = (message["event"].as_str()?, message["payload"].as_str()?);
                let text = format!(":thump\nevent: {event}\ndata: {payload}\n\n");
                stream.write_all(text.as_bytes()).await.ok()?;
            }
        }
    }
}
