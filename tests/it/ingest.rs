//! `perch ingest` through proxies.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use tokio::net::TcpListener;

use crate::support::process::{Server, perch};
use crate::support::tweet;

/// A proxy that takes bodies of this size at most, as nginx takes 1 MB.
struct Proxy {
    url: String,
    /// Those that were too large.
    refused: Arc<AtomicUsize>,
}

struct Upstream {
    url: String,
    max_bytes: usize,
    refused: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(upstream: &str, max_bytes: usize) -> Proxy {
        let refused = Arc::new(AtomicUsize::new(0));
        let state = Upstream { url: upstream.to_owned(), max_bytes, refused: Arc::clone(&refused) };
        let router = Router::new()
            .route("/api/tweets", post(pass_on))
            .fallback(any(|| async { "{}" }))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Proxy { url, refused }
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }
}

async fn pass_on(State(upstream): State<Arc<Upstream>>, headers: HeaderMap, body: Bytes) -> Response {
    if body.len() > upstream.max_bytes {
        upstream.refused.fetch_add(1, Ordering::Relaxed);
        return (StatusCode::PAYLOAD_TOO_LARGE, "<html>413 Request Entity Too Large</html>").into_response();
    }
    assert_eq!(headers["content-encoding"], "zstd");
    let request =
        crate::support::client().post(format!("{}/api/tweets", upstream.url)).header("Content-Encoding", "zstd");
    let answer = request.body(body).send().await.expect("perch answers");
    let status = StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    (status, answer.bytes().await.expect("a body")).into_response()
}

/// Runs `perch ingest`: its exit code, and what it printed.
async fn ingest(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = perch();
    command.arg("ingest").args(arguments).current_dir(dir);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Tweets whose texts can't be packed well.
fn tweets(count: u64) -> String {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{state:x}")
    };
    let mut text = || (0..20).map(|_| noise()).collect::<Vec<_>>().join(" ");
    (1..=count).map(|id| format!("{}\n", tweet(id, &text()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portion_that_is_too_large_for_a_proxy_is_halved() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("index"));
    let lines = tweets(2_000);
    std::fs::write(dir.path().join("tweets"), &lines).expect("written");
    let proxy = Proxy::start(&server.url, 50_000).await;
    let (code, stdout, stderr) = ingest(dir.path(), &["--url", &proxy.url, "tweets"]).await;
    assert_eq!((code, stdout.as_str()), (Some(0), "2000 accepted, 0 refused\n"), "{stderr}");
    assert_eq!(server.get("/api/stats").await["tweets"], 2_000);
    assert!(proxy.refused() > 0, "nothing was too large");
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tweet_that_is_too_large_is_refused_with_its_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("index"));
    let noise = tweets(200).replace(['"', '\n', '{', '}'], " ");
    let lines = tweets(20);
    let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    lines.insert(7, tweet(1_000, &noise).to_string());
    std::fs::write(dir.path().join("tweets"), lines.join("\n")).expect("written");
    let proxy = Proxy::start(&server.url, 10_000).await;
    let (code, stdout, stderr) = ingest(dir.path(), &["--url", &proxy.url, "tweets"]).await;
    assert_eq!((code, stdout.as_str()), (Some(1), "20 accepted, 1 refused\n"), "{stderr}");
    assert!(stderr.contains("tweets:8: too large for the server"), "{stderr}");
    assert_eq!(server.get("/api/stats").await["tweets"], 20);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_the_server_itself_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let limit = ["--set", "limits.max_body_bytes=20000", "--set", "limits.max_unpacked_bytes=60000"];
    let server = Server::start_with(&dir.path().join("index"), &limit);
    std::fs::write(dir.path().join("tweets"), tweets(1_000)).expect("written");
    let (code, stdout, stderr) = ingest(dir.path(), &["--url", &server.url, "tweets"]).await;
    assert_eq!((code, stdout.as_str()), (Some(0), "1000 accepted, 0 refused\n"), "{stderr}");
    assert_eq!(server.get("/api/stats").await["tweets"], 1_000);
    server.kill();
}
