//! A receiver of webhooks on loopback, whose answers a test chooses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::support::PATIENCE;

pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) signature: String,
    pub(super) text: String,
    pub(super) body: Value,
    /// The status of the answer; 0 when there was none.
    pub(super) status: u16,
}

impl Request {
    pub(super) fn events(&self) -> Vec<Value> {
        self.body["data"]["events"].as_array().expect("events").clone()
    }
}

/// The signature that a receiver with this secret expects.
pub(super) fn sign(secret: &str, request: &Request) -> String {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
    let signed = format!("{}.{}.{}", request.id, request.timestamp, request.text);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(tag))
}

/// The ids of the tweets in events.
pub(super) fn ids(events: &[Value]) -> Vec<String> {
    let id = |event: &Value| event[1]["tweet"]["id_str"].as_str().or(event[1]["id_str"].as_str()).map(str::to_owned);
    events.iter().map(|event| id(event).expect("an id")).collect()
}

/// What a receiver answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A status, and more of the head.
    Status(u16, String),
    /// Nothing, and the connection stays open.
    Never,
    /// 200 and a body without an end.
    Endless,
    /// 200, and a head byte by byte without an end.
    SlowHead,
    /// 200, and a short body byte by byte without an end.
    SlowBody,
    /// The connection ends.
    Hangup,
}

impl Answer {
    pub(super) fn status(status: u16) -> Answer {
        Answer::Status(status, String::new())
    }

    pub(super) fn with(self, name: &str, value: &str) -> Answer {
        match self {
            Answer::Status(status, head) => Answer::Status(status, format!("{head}{name}: {value}\r\n")),
            other => other,
        }
    }
}

#[derive(Debug)]
struct Answers {
    next: VecDeque<Answer>,
    always: Answer,
}

/// A receiver. It answers 204 unless told otherwise.
pub(super) struct Receiver {
    pub(super) url: String,
    requests: mpsc::UnboundedReceiver<Request>,
    waiting: VecDeque<Value>,
    answers: Arc<Mutex<Answers>>,
    _serving: AbortOnDropHandle<()>,
}

impl Receiver {
    pub(super) async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let answers = Arc::new(Mutex::new(Answers { next: VecDeque::new(), always: Answer::status(204) }));
        let (sender, requests) = mpsc::unbounded_channel();
        let shared = Arc::clone(&answers);
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, sender.clone(), Arc::clone(&shared)));
            }
        });
        Receiver { url, requests, waiting: VecDeque::new(), answers, _serving: AbortOnDropHandle::new(serving) }
    }

    pub(super) fn answer_next(&self, answer: Answer) {
        self.answers.lock().expect("no panic").next.push_back(answer);
    }

    /// Answers so next, in place of what was to be answered before.
    pub(super) fn answer_instead(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().expect("no panic").next = answers.into_iter().collect();
    }

    pub(super) fn answer_always(&self, answer: Answer) {
        self.answers.lock().expect("no panic").always = answer;
    }

    /// The next request.
    pub(super) async fn next(&mut self) -> Request {
        let next = tokio::time::timeout(PATIENCE, self.requests.recv());
        next.await.expect("a request comes").expect("the receiver runs")
    }

    /// The next event, however batches are cut.
    pub(super) async fn event(&mut self) -> Value {
        while self.waiting.is_empty() {
            let events = self.next().await.events();
            self.waiting.extend(events);
        }
        self.waiting.pop_front().expect("it is not empty")
    }

    /// The requests that have come.
    pub(super) fn drain(&mut self) -> Vec<Request> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

/// Answers the requests of a connection.
async fn serve(mut stream: TcpStream, requests: mpsc::UnboundedSender<Request>, answers: Arc<Mutex<Answers>>) {
    let mut read = Vec::new();
    loop {
        let Some((head, body)) = read_request(&mut stream, &mut read).await else { return };
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
                .unwrap_or_default()
        };
        let answer = {
            let mut answers = answers.lock().expect("no panic");
            let always = answers.always.clone();
            answers.next.pop_front().unwrap_or(always)
        };
        let status = match answer {
            Answer::Status(status, _) => status,
            Answer::Endless | Answer::SlowBody => 200,
            Answer::Never | Answer::Hangup | Answer::SlowHead => 0,
        };
        let _ = requests.send(Request {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
            body: serde_json::from_str(&body).expect("JSON"),
            text: body,
            status,
        });
        match answer {
            Answer::Status(status, head) => {
                let length = if status == 204 { "" } else { "content-length: 0\r\n" };
                let answer = format!("HTTP/1.1 {status} Whatever\r\n{head}{length}\r\n");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Answer::Never => {
                // Until the client gives up.
                while stream.read_buf(&mut Vec::with_capacity(1)).await.is_ok_and(|n| n > 0) {}
                return;
            }
            Answer::SlowHead | Answer::SlowBody => {
                let head = match answer {
                    Answer::SlowHead => "HTTP/1.1 200 OK\r\nx-slow: ",
                    _ => "HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n",
                };
                let mut written = stream.write_all(head.as_bytes()).await;
                let mut pace = tokio::time::interval(std::time::Duration::from_millis(20));
                while written.is_ok() {
                    pace.tick().await;
                    written = stream.write_all(b"x").await;
                }
                return;
            }
            Answer::Endless => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let mut written = stream.write_all(head.as_bytes()).await;
                while written.is_ok() {
                    written = stream.write_all(b"1\r\nx\r\n").await;
                }
                return;
            }
            Answer::Hangup => return,
        }
    }
}

/// The head and the body of the next request; `None` when the connection has ended.
async fn read_request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let until = end + 4 + length.unwrap_or(0);
            while read.len() < until {
                if stream.read_buf(read).await.ok()? == 0 {
                    return None;
                }
            }
            let body = String::from_utf8_lossy(&read[end + 4..until]).into_owned();
            read.drain(..until);
            return Some((head, body));
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}
