//! Panics: that of a stage ends the process with a message, that of a session ends the session.

use axum::Router;
use axum::routing::get;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::*;
use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::live::{ClientEvent, Command, Demand, Percolate, PercolateCommand, QueryInput, QuerySource};
use crate::percolator::{Engine, Matches};
use crate::query::{Ast, Query};
use crate::schema::Schema;
use crate::transport::{Connection, Listener};

/// An engine that panics at the first tweet.
struct Broken;

impl Engine for Broken {
    fn insert(&mut self, _: QueryKey, _: &Ast) {}

    fn remove(&mut self, _: QueryKey) -> bool {
        true
    }

    fn len(&self) -> usize {
        0
    }

    fn percolate(&mut self, _: &[&Doc], _: &mut Matches) {
        panic!("a test wants this");
    }

    fn size_bytes(&self) -> usize {
        0
    }
}

static BROKEN: EngineKind = EngineKind { name: "broken", about: "", build: |_| Box::new(Broken) };

/// A transport whose only route panics, while a session with a subscription is open or without one.
struct Panics;

impl Transport for Panics {
    fn routes(&self, context: TransportContext) -> Router {
        let session = move || {
            let live = context.live.clone();
            async move {
                let mut session = live.connect().expect("there is room");
                let query = Query::parse("rust", Schema::tweet(), &QueryLimits::default()).expect("a query");
                let request = Percolate { query, name: None, since: None, epoch: None };
                session.percolate(request).await.expect("registered");
                assert_eq!(live.sessions(), 0, "a test wants this");
            }
        };
        Router::new().route("/panic", get(session))
    }
}

fn http_client() -> reqwest::Client {
    let tls = crate::outbound::tls(crate::outbound::Trust::None).expect("no certificate is needed");
    crate::outbound::http(tls).build().expect("a client")
}

/// A transport with a listener of its own: a line is a query, and the answers are ids.
struct Lines;

impl Transport for Lines {
    fn listener(&self) -> Option<Arc<dyn Listener>> {
        Some(Arc::new(Lines))
    }
}

impl Listener for Lines {
    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    fn serve(&self, connection: Connection, context: TransportContext) -> BoxFuture<'static, ()> {
        let mut session = context.open_session(&connection.client(&context.access, None), None, 1);
        Box::pin(async move {
            session.admit().expect("there is room");
            let (read, mut write) = tokio::io::split(connection.stream);
            let (mut lines, mut events) = (BufReader::new(read).lines(), Vec::new());
            loop {
                tokio::select! {
                    line = lines.next_line(), if !session.is_busy() => {
                        let Ok(Some(line)) = line else { return };
                        let query = QuerySource::Input(QueryInput::Text(line));
                        session.handle(Command::Percolate(PercolateCommand { query, name: None, since: None, epoch: None }), ());
                    }
                    () = session.next(Demand::All, &mut events) => for event in events.drain(..) {
                        let text = match event {
                            ClientEvent::Tweet(delivery) => format!("{}\n", delivery.hit.id),
                            ClientEvent::Reply(reply) => format!("{}\n", reply.reply.map_or("failed", |_| "ok")),
                            ClientEvent::Closed(_) => return,
                            _ => continue,
                        };
                        write.write_all(text.as_bytes()).await.expect("it is written");
                    },
                }
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transport_may_have_a_listener_of_its_own() {
    let dir = TempDir::new().expect("a directory");
    let mut plugins = plugins(&ENGINES[0]);
    plugins.transports.push(("lines", Arc::new(Lines)));
    let running = start_in(&dir, plugins).await;
    let &[("lines", address)] = running.transport_addresses() else { panic!("one") };
    let (url, shutdown) = (format!("http://{}/api/tweets", running.address()), running.shutdown_token());
    let running = tokio::spawn(running.run());
    let (read, mut write) = tokio::net::TcpStream::connect(address).await.expect("it listens").into_split();
    let mut lines = BufReader::new(read).lines();
    for (query, answer) in [("(rust", "failed"), ("rust", "ok")] {
        write.write_all(format!("{query}\n").as_bytes()).await.expect("it is written");
        assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some(answer));
    }
    let tweets = "{\"id\":1,\"text\":\"java\"}\n{\"id\":2,\"text\":\"rust\"}\n";
    let response = http_client().post(url).body(tweets).send().await.expect("it answers");
    assert_eq!(response.status(), 200);
    assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some("2"));
    shutdown.cancel();
    assert_eq!(lines.next_line().await.expect("an end"), None);
    running.await.expect("no panic").expect("it ends well");
}

fn plugins(engine: &'static EngineKind) -> Plugins {
    let rest = find(TRANSPORTS, |row| row.name, "rest", "", &mut Vec::new()).expect("it is in the table");
    let rest = (rest.build)(toml::Table::new()).expect("it builds");
    Plugins { engine, sources: Vec::new(), transports: vec![("rest", Arc::from(rest)), ("panics", Arc::new(Panics))] }
}

async fn start_in(dir: &TempDir, plugins: Plugins) -> RunningServer {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.index.dir = dir.path().join("index");
    let keys = Keys { ingest_token: None, tokens: None, tls: None };
    start(&config, plugins, keys).await.expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_panics_ends_everything_with_a_message() {
    let dir = TempDir::new().expect("a directory");
    let running = start_in(&dir, plugins(&BROKEN)).await;
    let url = format!("http://{}/api/tweets", running.address());
    let running = tokio::spawn(running.run());
    // May or may not be answered before the process ends.
    let _ = http_client().post(url).body("{\"id\":1,\"text\":\"rust\"}\n").send().await;
    let error = running.await.expect("it ends by itself").expect_err("it failed");
    assert_eq!(error.to_string(), "the pipeline panicked");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_writer_that_panics_ends_everything_with_a_message() {
    let dir = TempDir::new().expect("a directory");
    let running = start_in(&dir, plugins(&ENGINES[0])).await;
    let index = running.index.clone();
    let running = tokio::spawn(running.run());
    index.break_writer();
    let error = running.await.expect("it ends by itself").expect_err("it failed");
    assert_eq!(error.to_string(), "the writer of the index has panicked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_panics_ends_alone() {
    let dir = TempDir::new().expect("a directory");
    let running = start_in(&dir, plugins(&ENGINES[0])).await;
    let (address, live, shutdown) = (running.address(), running.live.clone(), running.shutdown_token());
    let running = tokio::spawn(running.run());
    let other = live.connect().expect("there is room");
    let answer = http_client().get(format!("http://{address}/panic")).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 500);
    assert_eq!(live.sessions(), 1, "the other one");
    let tweets = http_client().post(format!("http://{address}/api/tweets")).body("{\"id\":1,\"text\":\"rust\"}\n");
    assert_eq!(tweets.send().await.expect("an answer").status().as_u16(), 200);
    drop(other);
    shutdown.cancel();
    running.await.expect("it does not panic").expect("it ends well");
}
