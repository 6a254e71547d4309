//! A window of the chat: what is said in one shows in all, and a new one starts with the last ten
//! lines.
//!
//! It speaks Transit over a WebSocket of its own: each message is `[event payload ref]`.

use std::collections::VecDeque;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt, StreamExt};
use perch_sente::transit::{self, Codes};
use perch_sente::value::Value;
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How many lines a window keeps.
pub(crate) const KEPT: usize = 10;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// By whom: the server's word, not the window's.
    pub(crate) author: String,
    /// What.
    pub(crate) text: String,
}

/// A window.
pub(crate) struct Window {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The last lines, oldest first.
    pub(crate) lines: VecDeque<Line>,
    /// Lines that came while an answer was waited for.
    new: VecDeque<Line>,
    /// The number of the last question.
    asked: i64,
}

impl Window {
    /// Opens a window at `ws://…`: an endpoint with `format = "raw"`, `packer = "transit"` and
    /// `profile = "plain"`.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Window> {
        let (socket, _) = tokio_tungstenite::connect_async(url).await.context("the chat can't be reached")?;
        let mut window = Window { socket, lines: VecDeque::new(), new: VecDeque::new(), asked: 0 };
        // First the live search, then what was said up to where it starts: together they hold every
        // line once.
        let registered = window.ask("cmd/percolate", json!({"query": "*"})).await?;
        let page = json!({"query": "*", "n": KEPT, "until_seq": registered["seq"]});
        let page = window.ask("cmd/query", page).await?;
        for tweet in page["result"].as_array().into_iter().flatten().rev() {
            window.show(line(tweet));
        }
        while let Some(line) = window.new.pop_front() {
            window.show(line);
        }
        Ok(window)
    }

    fn show(&mut self, line: Line) {
        self.lines.push_back(line);
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// Publishes a line. Returns the author's name. The line comes out of [`Window::next`] too, as
    /// those of other authors do.
    pub(crate) async fn say(&mut self, text: &str) -> anyhow::Result<String> {
        let said = self.ask("cmd/publish", json!({"text": text})).await?;
        Ok(said["screen_name"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits for the next line. Can be dropped while it waits.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Line> {
        loop {
            if let Some(line) = self.new.pop_front() {
                self.show(line.clone());
                return Ok(line);
            }
            self.event().await?;
        }
    }

    async fn ask(&mut self, event: &str, payload: Json) -> anyhow::Result<Json> {
        self.asked += 1;
        let number = Value::Int(self.asked);
        let question = Value::Vector(vec![Value::keyword(event), Value::from_json(&payload), number.clone()]);
        let mut text = String::new();
        transit::write(&question, Codes::Short, &mut text);
        self.socket.send(Message::text(text)).await?;
        loop {
            if let Some((event, payload)) = self
                .event()
                .await?
                .filter(|(_, _, answers)| *answers == number)
                .map(|(event, payload, _)| (event, payload))
            {
                if event == "cmd/error" {
                    bail!("{}", payload["message"].as_str().unwrap_or("it failed"));
                }
                return Ok(payload);
            }
        }
    }

    /// Takes one message. A new line is kept; anything else is answered with: its event, its
    /// payload, and what it answers.
    async fn event(&mut self) -> anyhow::Result<Option<(String, Json, Value)>> {
        let message = self.socket.next().await.context("the chat has ended")??;
        let Message::Text(text) = message else { return Ok(None) };
        let Value::Vector(parts) = transit::read(&text)? else { bail!("not an event: {text}") };
        let Some(Value::Keyword(event)) = parts.first() else { bail!("not an event: {text}") };
        let payload = parts.get(1).map_or(Json::Null, Value::to_json);
        if &**event == "tweet/new" {
            self.new.push_back(line(&payload["tweet"]));
            return Ok(None);
        }
        Ok(Some((event.to_string(), payload, parts.get(2).cloned().unwrap_or(Value::Nil))))
    }
}

fn line(tweet: &Json) -> Line {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    Line { author: text(&tweet["user"]["screen_name"]), text: text(&tweet["text"]) }
}
