//! A page that gets what the server tells all clients, and asks the server with a callback.
//!
//! It speaks as Sente 1.15 does, with EDN: `+[[:id data] "callback"]` there, `+[[[:id data] …]]`
//! and `+[reply "callback"]` back.

use std::collections::VecDeque;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt, StreamExt};
use perch_sente::frame::Packing;
use perch_sente::value::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Whose tweets are announcements.
pub(crate) const ANNOUNCER: &str = "announcer";

/// A page.
pub(crate) struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Announcements that came while an answer was waited for.
    announced: VecDeque<String>,
    asked: u32,
}

impl Page {
    /// Opens a page at `ws://…`: an endpoint with `packer = "edn"` and `profile = "plain"`. The id
    /// is the page's own.
    pub(crate) async fn open(url: &str, client_id: &str) -> anyhow::Result<Page> {
        let (socket, _) = tokio_tungstenite::connect_async(format!("{url}?client-id={client_id}")).await?;
        let mut page = Page { socket, announced: VecDeque::new(), asked: 0 };
        let (handshake, _) = page.frame().await?;
        if !matches!(handshake.elements(), Some([Value::Keyword(id), _]) if &**id == "chsk/handshake") {
            bail!("no handshake: {handshake:?}");
        }
        let registered = page.ask(&format!("[:cmd/percolate {{:query \"from:{ANNOUNCER}\"}}]")).await?;
        if !matches!(registered.elements(), Some([Value::Keyword(id), _]) if &**id == "percolate/ok") {
            bail!("not registered: {registered:?}");
        }
        Ok(page)
    }

    /// Sends an event, as EDN, and waits for the answer to its callback.
    pub(crate) async fn ask(&mut self, event: &str) -> anyhow::Result<Value> {
        self.asked += 1;
        let callback = format!("{:06x}", self.asked);
        self.socket.send(Message::text(format!("+[{event} \"{callback}\"]"))).await?;
        loop {
            match self.frame().await? {
                (reply, Some(Value::Str(id))) if *id == *callback => return Ok(reply),
                (batch, _) => self.take(&batch),
            }
        }
    }

    /// Waits for the next announcement.
    pub(crate) async fn announcement(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(text) = self.announced.pop_front() {
                return Ok(text);
            }
            let (batch, _) = self.frame().await?;
            self.take(&batch);
        }
    }

    fn take(&mut self, batch: &Value) {
        for event in batch.elements().into_iter().flatten() {
            if let Some([Value::Keyword(id), data]) = event.elements()
                && &**id == "tweet/new"
                && let Some(Value::Str(text)) = data.get("tweet").and_then(|tweet| tweet.get("text"))
            {
                self.announced.push_back(text.to_string());
            }
        }
    }

    /// One frame: the value in it, and whose answer it is.
    async fn frame(&mut self) -> anyhow::Result<(Value, Option<Value>)> {
        loop {
            let Message::Text(text) = self.socket.next().await.context("the connection ended")?? else { continue };
            let Value::Vector(mut wrapped) = Packing::Edn.read(text.trim_start_matches('+'))? else {
                bail!("not a frame: {text}");
            };
            let callback = if wrapped.len() == 2 { wrapped.pop() } else { None };
            return Ok((wrapped.pop().context("an empty frame")?, callback));
        }
    }
}
