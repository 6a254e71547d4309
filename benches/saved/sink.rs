//! Receivers of webhooks on loopback, which count what they get.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What the receivers have got together.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) requests: AtomicU64,
    pub(crate) tweets: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// A host of receivers.
#[derive(Debug)]
pub(crate) struct Sink {
    /// Its URL, which ends in a slash.
    pub(crate) url: String,
}

impl Sink {
    /// Receivers at an address of loopback, 127.0.0.`host`. Each request is told to `times`.
    pub(crate) async fn start(host: usize, got: &Arc<Got>, times: mpsc::Sender<Instant>) -> Sink {
        let listener = TcpListener::bind(format!("127.0.0.{host}:0")).await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let counted = Arc::clone(got);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&counted), times.clone()));
            }
        });
        Sink { url }
    }
}

/// The URL of a receiver that takes connections and requests, and never answers.
pub(crate) async fn dead(host: usize) -> String {
    let listener = TcpListener::bind(format!("127.0.0.{host}:0")).await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.read(&mut [0; 4_096]).await.is_ok_and(|n| n > 0) {} });
        }
    });
    url
}

/// Answers the requests of a connection.
async fn serve(mut stream: TcpStream, got: Arc<Got>, times: mpsc::Sender<Instant>) {
    let tweets = memchr::memmem::Finder::new("[\"tweet/new\"");
    let mut read = Vec::with_capacity(64 * 1024);
    loop {
        let head = loop {
            if let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let lines = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
        let length = lines.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let end = head + length.unwrap_or(0);
        while read.len() < end {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let _ = times.try_send(Instant::now());
        let n = tweets.find_iter(&read[head..end]).count();
        got.requests.fetch_add(1, Ordering::Relaxed);
        got.tweets.fetch_add(n as u64, Ordering::Relaxed);
        got.bytes.fetch_add((end - head) as u64, Ordering::Relaxed);
        read.drain(..end);
        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
            return;
        }
    }
}
