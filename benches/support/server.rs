//! The binary beside a benchmark, and a client of its WebSocket.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// A perch that serves an index.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts it, and answers how long it took until it was ready.
    #[allow(dead_code, reason = "not every benchmark starts it without sources")]
    pub(crate) async fn start(dir: &Path) -> (Server, Duration) {
        Server::start_with(dir, "[]").await
    }

    /// The same with these sources, as TOML.
    #[allow(dead_code, reason = "not every benchmark has sources")]
    pub(crate) async fn start_with(dir: &Path, sources: &str) -> (Server, Duration) {
        Server::start_set(dir, &[&format!("source={sources}")]).await
    }

    /// The same with these settings, `key=value`.
    pub(crate) async fn start_set(dir: &Path, settings: &[&str]) -> (Server, Duration) {
        let started = Instant::now();
        // Another build, to compare two in turn.
        let binary = std::env::var_os("PERCH_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_perch").into());
        let mut child = Command::new(binary)
            .env_remove("PERCH_BINARY")
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--set",
                "telemetry.log=warn",
                "--set",
                "limits.requests_per_second=0",
                "--set",
                "limits.max_sessions_per_address=0",
                "--set",
                "limits.max_queries_mb_per_client=0",
                "--set",
                "limits.max_weak_patterns_per_client=0",
                "--set",
                "limits.max_connections_per_address=0",
                "--index-dir",
            ])
            .arg(dir)
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .stdout(Stdio::piped())
            .spawn()
            .expect("perch starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("an address");
        let address = line.trim().strip_prefix("listening on http://").expect("an address").to_owned();
        let http = crate::http::client();
        while !http
            .get(format!("http://{address}/readyz"))
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {}
        (Server { child, address }, started.elapsed())
    }

    /// The number of its process.
    #[allow(dead_code, reason = "not every benchmark asks")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops it and waits for its end.
    pub(crate) fn stop(mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

pub(crate) type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

pub(crate) async fn connect(address: &str) -> Socket {
    tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.expect("a WebSocket").0
}

/// Registers a query and waits for the answer.
pub(crate) async fn percolate(socket: &mut Socket, name: &str, query: &str) {
    let frame = json!(["cmd/percolate", {"query": query, "name": name}, 1]);
    socket.send(Message::text(frame.to_string())).await.expect("sent");
    loop {
        let message = socket.next().await.expect("open").expect("a frame");
        if message.to_text().is_ok_and(|text| text.starts_with("[\"percolate/ok\"")) {
            return;
        }
    }
}
