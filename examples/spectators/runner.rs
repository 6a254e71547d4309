//! A runner who tells where they are, and a spectator of other runners: one connection does both.
//!
//! The token says who a runner is, so no runner can publish for another. A live search ends with
//! its connection.

use std::collections::VecDeque;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Where a runner was seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sighting {
    /// Who, as the server knows them.
    pub(crate) runner: String,
    /// Degrees east.
    pub(crate) lon: f64,
    /// Degrees north.
    pub(crate) lat: f64,
}

/// A connection.
pub(crate) struct Runner {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    sightings: VecDeque<Sighting>,
    asked: u64,
}

impl Runner {
    /// Connects to `ws://…/ws` as the one whose token it is.
    pub(crate) async fn join(url: &str, token: &str) -> anyhow::Result<Runner> {
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        let mut runner = Runner { socket, sightings: VecDeque::new(), asked: 0 };
        runner.ask("cmd/auth", json!({"token": token})).await?;
        Ok(runner)
    }

    /// Sees from now on what the search finds: `from:ann OR from:bob`, or `within:[13.0 52.3 13.8
    /// 52.7]`.
    pub(crate) async fn watch(&mut self, query: &str) -> anyhow::Result<()> {
        self.ask("cmd/percolate", json!({"query": query})).await.map(drop)
    }

    /// Tells where this runner is.
    pub(crate) async fn run_to(&mut self, lon: f64, lat: f64) -> anyhow::Result<()> {
        let place = json!({"text": format!("at {lat:.4}, {lon:.4}"), "coordinates": [lon, lat]});
        self.ask("cmd/publish", place).await.map(drop)
    }

    /// Waits for the next sighting.
    pub(crate) async fn sighting(&mut self) -> anyhow::Result<Sighting> {
        loop {
            if let Some(sighting) = self.sightings.pop_front() {
                return Ok(sighting);
            }
            self.frame().await?;
        }
    }

    /// All sightings that came so far: those that perch sent before it answered.
    pub(crate) async fn sightings(&mut self) -> anyhow::Result<Vec<Sighting>> {
        self.ask("cmd/ping", json!({})).await?;
        Ok(self.sightings.drain(..).collect())
    }

    async fn ask(&mut self, event: &str, payload: Value) -> anyhow::Result<Value> {
        self.asked += 1;
        let number = json!(self.asked);
        self.socket.send(Message::text(json!([event, payload, number]).to_string())).await?;
        loop {
            let frame = self.frame().await?;
            if frame[2] != number {
                continue;
            }
            if frame[0] == "cmd/error" {
                bail!("{event}: {}", frame[1]["message"].as_str().unwrap_or("it failed"));
            }
            return Ok(frame[1].clone());
        }
    }

    /// One frame; a sighting in it is kept.
    async fn frame(&mut self) -> anyhow::Result<Value> {
        loop {
            let Message::Text(text) = self.socket.next().await.context("the connection ended")?? else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            if frame[0] == "tweet/new" {
                let tweet = &frame[1]["tweet"];
                let place = &tweet["coordinates"]["coordinates"];
                if let (Some(lon), Some(lat)) = (place[0].as_f64(), place[1].as_f64()) {
                    let runner = tweet["user"]["screen_name"].as_str().unwrap_or_default().to_owned();
                    self.sightings.push_back(Sighting { runner, lon, lat });
                }
            }
            return Ok(frame);
        }
    }
}
