//! A perch on a free port with an index of its own, and clients for it. Everything is gone when the
//! test ends.

pub(crate) mod process;
pub(crate) mod raw_http;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use perch::app::{self, Keys, Plugins};
use perch::config::{Config, ConfigFile, ConfigLayers};
use perch::outbound::{self, Trust};
use perch::server::Tls;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

/// Longer than anything takes on a busy machine: a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Makes clients for servers without TLS.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    outbound::http(outbound::tls(Trust::None).expect("no certificate is needed"))
}

/// A client for servers without TLS.
pub(crate) fn client() -> reqwest::Client {
    client_builder().build().expect("a client")
}

/// The answer to one GET.
pub(crate) async fn get(url: impl reqwest::IntoUrl) -> reqwest::Result<reqwest::Response> {
    client().get(url).send().await
}

/// A running perch.
pub(crate) struct Perch {
    pub address: SocketAddr,
    pub http: reqwest::Client,
    /// Where the metrics are, when they have an address of their own.
    pub admin_address: Option<SocketAddr>,
    /// The certificate, if there is one.
    pub tls: Option<Arc<Tls>>,
    shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    dir: TempDir,
    settings: String,
}

impl Perch {
    /// A perch without sources and an empty index.
    pub(crate) async fn start() -> Perch {
        Perch::start_with("").await
    }

    /// The same with these settings (TOML) over the defaults.
    pub(crate) async fn start_with(settings: &str) -> Perch {
        Perch::start_in(tempfile::tempdir().expect("a temporary directory"), settings).await
    }

    pub(crate) async fn start_in(dir: TempDir, settings: &str) -> Perch {
        let config = config(dir.path(), settings);
        let plugins = Plugins::build(&config).expect("the plugins' settings are right");
        let keys = Keys::load(&config).expect("the files with keys are right");
        let running = app::start(&config, plugins, keys).await.expect("perch starts");
        let address = running.address();
        let (admin_address, tls) = (running.admin_address(), running.tls());
        let shutdown = running.shutdown_token();
        let running = tokio::spawn(running.run());
        Perch { address, http: client(), admin_address, tls, shutdown, running, dir, settings: settings.to_owned() }
    }

    /// Shuts down in order and starts again with the same index.
    pub(crate) async fn restart(self) -> Perch {
        let settings = self.settings.clone();
        let dir = self.stop().await;
        Perch::start_in(dir, &settings).await
    }

    /// Where its index is.
    #[cfg(unix)]
    pub(crate) fn index_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("index")
    }

    /// Shuts down in order. Hands out the index directory.
    pub(crate) async fn stop(self) -> TempDir {
        self.shutdown.cancel();
        drop(self.http);
        self.running.await.expect("perch does not panic").expect("perch ends well");
        self.dir
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// GETs a path: status and JSON body.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.http.get(self.url(path)).send().await.expect("perch answers");
        let status = response.status().as_u16();
        (status, response.json().await.expect("the answer is JSON"))
    }

    /// POSTs a body: status and JSON body.
    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let response = self.http.post(self.url(path)).body(body).send().await.expect("perch answers");
        let status = response.status().as_u16();
        (status, response.json().await.expect("the answer is JSON"))
    }

    /// Sends tweets through the bulk endpoint and waits until they are durable. Answers with the
    /// last seq.
    pub(crate) async fn ingest(&self, tweets: &[Value]) -> u64 {
        let body: String = tweets.iter().map(|tweet| format!("{tweet}\n")).collect();
        let (status, answer) = self.post("/api/tweets", body).await;
        assert_eq!((status, &answer["refused"]), (200, &json!(0)), "{answer}");
        answer["seq"].as_u64().expect("a seq")
    }

    /// Opens a WebSocket and takes the hello.
    pub(crate) async fn connect(&self) -> Client {
        Client::open(&self.address.to_string()).await
    }
}

fn config(dir: &Path, settings: &str) -> Config {
    let text = if settings.contains("[[source]]") { settings.to_owned() } else { format!("source = []\n{settings}") };
    let layers = ConfigLayers {
        listen: Some("127.0.0.1:0".to_owned()),
        index_dir: Some(dir.join("index").display().to_string()),
        // Tests ask again and again until something is so.
        set: if text.contains("requests_per_second") {
            Vec::new()
        } else {
            vec!["limits.requests_per_second=0".to_owned()]
        },
        file: Some(ConfigFile { name: "test.toml".to_owned(), text }),
        ..ConfigLayers::default()
    };
    Config::load(&layers).expect("the settings are right")
}

/// Waits for something that must come. The time is for the whole wait: pings and counts come as
/// long as a connection is open, and must not prolong it.
pub(crate) async fn in_time<T>(waiting: impl Future<Output = T>) -> T {
    // Boxed: the futures of some tests are large.
    tokio::time::timeout(PATIENCE, Box::pin(waiting)).await.expect("it comes in time")
}

/// Asks again and again until something is so.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    in_time(async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// How a source is, by its name in `/readyz`.
pub(crate) async fn source_status(perch: &Perch, name: &str) -> Value {
    perch.get("/readyz").await.1["sources"][name].clone()
}

/// Waits until a source fails, and returns the reason.
pub(crate) async fn source_failure(perch: &Perch, name: &str) -> String {
    let mut reason = String::new();
    until(async || {
        let status = source_status(perch, name).await;
        status["reason"].as_str().unwrap_or_default().clone_into(&mut reason);
        status["state"] == "failing"
    })
    .await;
    reason
}

/// The ids that a query finds, newest first, at most 50.
pub(crate) async fn found(perch: &Perch, query: &str) -> Vec<String> {
    let q: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let (_, page) = perch.get(&format!("/api/search?n=50&q={q}")).await;
    let result = page["result"].as_array().cloned().unwrap_or_default();
    result.iter().map(|tweet| tweet["id_str"].as_str().expect("an id").to_owned()).collect()
}

/// A tweet with this id and text, and nothing else.
pub(crate) fn tweet(id: u64, text: &str) -> Value {
    json!({"id_str": id.to_string(), "text": text})
}

/// A WebSocket client.
pub(crate) struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub hello: Value,
}

impl Client {
    /// Opens a WebSocket to `host:port` and takes the hello.
    pub(crate) async fn open(address: &str) -> Client {
        let (socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{address}/ws")).await.expect("the WebSocket opens");
        let mut client = Client { socket, hello: Value::Null };
        client.hello = client.expect("hello").await;
        client
    }

    pub(crate) async fn send(&mut self, event: &str, payload: Value) {
        self.send_text(json!([event, payload]).to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.expect("the frame goes out");
    }

    /// The next message of any kind that is not a ping.
    pub(crate) async fn message(&mut self) -> Message {
        in_time(self.any_message()).await
    }

    async fn any_message(&mut self) -> Message {
        loop {
            match self.socket.next().await.expect("the connection is open").expect("the frame is whole") {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    /// Takes frames until the server closes: its close frame.
    pub(crate) async fn closed(mut self) -> CloseFrame {
        in_time(async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return frame,
                    Some(Ok(_)) => {}
                    other => panic!("closed without a frame: {other:?}"),
                }
            }
        })
        .await
    }

    /// The next event with its payload, statistics left out.
    pub(crate) async fn event(&mut self) -> (String, Value) {
        in_time(async {
            loop {
                let message = self.any_message().await;
                let frame: Value = serde_json::from_str(message.to_text().expect("a text frame")).expect("JSON");
                let event = frame[0].as_str().expect("an event").to_owned();
                if !event.starts_with("stats/") {
                    return (event, frame[1].clone());
                }
            }
        })
        .await
    }

    /// The payload of the next event, which must be this one.
    pub(crate) async fn expect(&mut self, wanted: &str) -> Value {
        let (event, payload) = self.event().await;
        assert_eq!(event, wanted, "{payload}");
        payload
    }

    /// Registers and takes the answer.
    pub(crate) async fn percolate(&mut self, payload: Value) -> Value {
        self.send("cmd/percolate", payload).await;
        self.expect("percolate/ok").await
    }

    /// Takes events until a tweet comes; the catching-up events in between are left out.
    pub(crate) async fn tweet(&mut self) -> Value {
        loop {
            let (event, payload) = self.event().await;
            match event.as_str() {
                "tweet/new" => return payload,
                "stream/catching-up" | "stream/live" => {}
                event => panic!("{event}: {payload}"),
            }
        }
    }

    /// One round trip: everything that was sent before it has come. Answers with the tweets that
    /// came in between.
    pub(crate) async fn settle(&mut self) -> Vec<Value> {
        self.send("cmd/ping", json!({})).await;
        let mut tweets = Vec::new();
        loop {
            match self.event().await {
                (event, payload) if event == "tweet/new" => tweets.push(payload),
                (event, _) if event == "pong" => return tweets,
                _ => {}
            }
        }
    }
}
