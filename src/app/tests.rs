//! Panics: that of a stage ends the process with a message, that of a session ends the session.

use axum::Router;
use axum::routing::get;
use tempfile::TempDir;

use super::*;
use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::live::Percolate;
use crate::percolator::{Engine, Matches};
use crate::query::{Ast, Query};
use crate::schema::Schema;

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

fn plugins(engine: &'static EngineKind) -> Plugins {
    let rest = find(TRANSPORTS, |row| row.name, "rest", "", &mut Vec::new()).expect("it is in the table");
    let rest = (rest.build)(toml::Table::new()).expect("it builds");
    Plugins { engine, sources: Vec::new(), transports: vec![rest, Box::new(Panics)] }
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
    let _ = reqwest::Client::new().post(url).body("{\"id\":1,\"text\":\"rust\"}\n").send().await;
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
    let answer = reqwest::get(format!("http://{address}/panic")).await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 500);
    assert_eq!(live.sessions(), 1, "the other one");
    let tweets =
        reqwest::Client::new().post(format!("http://{address}/api/tweets")).body("{\"id\":1,\"text\":\"rust\"}\n");
    assert_eq!(tweets.send().await.expect("an answer").status().as_u16(), 200);
    drop(other);
    shutdown.cancel();
    running.await.expect("it does not panic").expect("it ends well");
}
