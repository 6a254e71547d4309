//! A server of the filtered stream of X's API v2, with faults.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::support::raw_http::{RawRequest, json_answer};

pub(super) const TOKEN: &str = "a-bearer-token-of-an-app";

const RULES: &str = "/2/tweets/search/stream/rules";

#[derive(Default)]
pub(super) struct State {
    /// Answers to the next requests of the stream, or of rules.
    pub(super) stream_faults: VecDeque<String>,
    pub(super) rule_faults: VecDeque<String>,
    /// Rules: id, value and tag.
    pub(super) rules: Vec<(String, String, String)>,
    pub(super) lines: Vec<String>,
    pub(super) requests: Vec<RawRequest>,
}

pub(super) struct Api {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// The number of lines; the number of times that streams were cut off.
    news: watch::Sender<(usize, usize)>,
    dir: TempDir,
    _server: AbortOnDropHandle<()>,
}

impl Api {
    pub(super) async fn start(state: State) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(state));
        let (news, seen) = watch::channel((0, 0));
        let server = {
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                let mut connections = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let connection = Connection { state: Arc::clone(&state), news: seen.clone() };
                    connections.spawn(connection.serve(stream));
                }
            })
        };
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("token"), format!("{TOKEN}\n")).expect("written");
        Api { address, state, news, dir, _server: AbortOnDropHandle::new(server) }
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
        format!("[[source]]\ntype = \"x\"\nurl = \"http://{address}\"\ntoken_file = '{token_file}'\n{more}")
    }

    /// Sends a line; an empty one is a keep-alive.
    pub(super) fn push(&self, line: &str) {
        let mut state = self.state();
        state.lines.push(line.to_owned());
        let n = state.lines.len();
        drop(state);
        self.news.send_modify(|news| news.0 = n);
    }

    /// Cuts all streams within a line.
    pub(super) fn cut(&self) {
        self.news.send_modify(|news| news.1 += 1);
    }

    /// The requests of the stream.
    pub(super) fn streams(&self) -> Vec<RawRequest> {
        self.state().requests.iter().filter(|request| request.path == "/2/tweets/search/stream").cloned().collect()
    }

    /// The changes of rules.
    pub(super) fn changes(&self) -> Vec<Value> {
        let state = self.state();
        let changes = state.requests.iter().filter(|request| request.method == "POST" && request.path == RULES);
        changes.map(|request| serde_json::from_str(&request.body).expect("JSON")).collect()
    }

    pub(super) fn requests(&self) -> Vec<RawRequest> {
        self.state().requests.clone()
    }
}

struct Connection {
    state: Arc<Mutex<State>>,
    news: watch::Receiver<(usize, usize)>,
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics here")
    }

    async fn serve(mut self, mut stream: TcpStream) -> Option<()> {
        loop {
            let request = RawRequest::read(&mut stream).await?;
            // Who sees the request knows that its stream has what comes from then on.
            let from = {
                let mut state = self.state();
                state.requests.push(request.clone());
                (state.lines.len(), self.news.borrow().1)
            };
            let is_known = request.header("authorization") == Some(&format!("Bearer {TOKEN}"));
            let answer = match (is_known, &*request.path) {
                (false, _) => {
                    json_answer("401 Unauthorized", "", r#"{"title": "Unauthorized", "detail": "Unauthorized"}"#)
                }
                (true, RULES) => self.rules(&request),
                (true, "/2/tweets/search/stream") => {
                    let fault = self.state().stream_faults.pop_front();
                    match fault {
                        Some(answer) => answer,
                        None => return self.stream(stream, from).await,
                    }
                }
                _ => json_answer("404 Not Found", "", "{}"),
            };
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
    }

    /// Answers with two rules a page, and changes them.
    fn rules(&self, request: &RawRequest) -> String {
        let mut state = self.state();
        if let Some(answer) = state.rule_faults.pop_front() {
            return answer;
        }
        if request.method == "GET" {
            let first: usize =
                request.parameter("pagination_token").map_or(0, |token| token.parse().expect("a number"));
            let mut rules = state.rules.iter().skip(first);
            let page: Vec<Value> =
                rules.by_ref().take(2).map(|(id, value, tag)| json!({"id": id, "value": value, "tag": tag})).collect();
            let mut body = json!({"data": page, "meta": {"sent": "2026-11-29T10:00:00Z"}});
            if rules.next().is_some() {
                body["meta"]["next_token"] = json!((first + 2).to_string());
            }
            return json_answer("200 OK", "", &body.to_string());
        }
        let change: Value = serde_json::from_str(&request.body).expect("JSON");
        for rule in change["add"].as_array().into_iter().flatten() {
            let id = (100 + state.rules.len()).to_string();
            let text = |key: &str| rule[key].as_str().expect("a text").to_owned();
            state.rules.push((id, text("value"), text("tag")));
        }
        let deleted = change["delete"]["ids"].as_array().cloned().unwrap_or_default();
        state.rules.retain(|(id, ..)| !deleted.contains(&json!(id)));
        json_answer("201 Created", "", r#"{"meta": {"sent": "2026-11-29T10:00:00Z"}}"#)
    }

    /// Sends the lines from a number on, until streams have been cut more often than so.
    async fn stream(&mut self, mut stream: TcpStream, (mut at, n_cuts): (usize, usize)) -> Option<()> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok()?;
        loop {
            let line = self.state().lines.get(at).cloned();
            if let Some(line) = line {
                at += 1;
                let text = format!("{line}\r\n");
                stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await.ok()?;
                continue;
            }
            self.news.changed().await.ok()?;
            if self.news.borrow_and_update().1 > n_cuts {
                stream.write_all(b"64\r\n{\"data\": {\"id\"").await.ok()?;
                return stream.shutdown().await.ok();
            }
        }
    }
}
