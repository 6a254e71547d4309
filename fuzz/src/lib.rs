//! The parsers that read what strangers send. Each function takes any bytes, and panics when
//! something does not hold.

mod sente;

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use perch::format::reader::{BulkReader, ReaderOptions};
use perch::format::{Item, Output, read_document};
use perch::query::{Query, QueryLimits};
use perch::schema::Schema;
use perch::tweet::ReadContext;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Runtime;

pub use sente::{edn, transit};

/// Feeds bytes to a parser, and panics when perch breaks a promise.
pub type Target = fn(&[u8]);

/// The targets by their names.
pub const TARGETS: &[(&str, Target)] = &[
    ("query", query),
    ("json", json),
    ("tweet", tweet),
    ("frame", frame),
    ("bulk", bulk),
    ("transit", transit),
    ("edn", edn),
];

/// Query text: what is understood has a canonical form that means the same.
pub fn query(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Query::parse(text, Schema::tweet(), &QueryLimits::default()) {
        Ok(query) => check_canonical(&query),
        // What is said about it can be shown.
        Err(diagnostics) => drop(diagnostics.to_string()),
    }
}

/// The JSON form of a query: the same.
pub fn json(input: &[u8]) {
    let Ok(value) = serde_json::from_slice(input) else { return };
    match Query::from_json(&value, Schema::tweet(), &QueryLimits::default()) {
        Ok(query) => check_canonical(&query),
        Err(diagnostics) => drop(diagnostics.to_string()),
    }
}

fn check_canonical(query: &Query) {
    // The canonical form may be longer than the query was.
    let wide = QueryLimits {
        max_bytes: usize::MAX,
        max_depth: 256,
        max_clauses: usize::MAX,
        max_automaton_bytes: 1 << 24,
        max_cost: usize::MAX,
    };
    let again = Query::parse(query.canonical(), Schema::tweet(), &wide);
    let again = again.unwrap_or_else(|error| panic!("the canonical form {:?} is no query: {error}", query.canonical()));
    assert_eq!(again.canonical(), query.canonical());
    assert_eq!(again.id(), query.id());
}

/// A tweet: what is kept of it is a tweet, and the same one.
pub fn tweet(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let context = ReadContext { arrival_ms: Some(1_700_000_000_000), author: None };
    let mut out = Output::new(&context, usize::MAX);
    read_document(text, None, &mut out);
    for item in out.items {
        let Ok(Item::Tweet(tweet)) = item else { continue };
        let kept = perch::tweet::analyze(&tweet);
        let again = perch::tweet::read(kept.json.as_bytes());
        let again = again.unwrap_or_else(|error| panic!("{} is no tweet: {error}", kept.json));
        let again = perch::tweet::analyze(&again);
        assert_eq!((again.id, again.key, &again.json), (kept.id, kept.key, &kept.json));
        assert_eq!(format!("{:?}", again.doc), format!("{:?}", kept.doc), "{}", kept.json);
    }
}

/// A frame of a WebSocket.
pub fn frame(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = perch::transport::understands_frame(text, &QueryLimits::default());
}

/// The body of a bulk request: however it comes in pieces, the same is read.
pub fn bulk(input: &[u8]) {
    let [step, input @ ..] = input else { return };
    let whole = read_all(input, usize::MAX);
    let pieces = read_all(input, usize::from(*step).max(1));
    assert_eq!(whole, pieces, "in pieces of {step}");
}

#[derive(Debug, PartialEq)]
struct Read {
    tweets: Vec<String>,
    refused: Vec<(u64, &'static str)>,
    is_whole: bool,
}

fn read_all(input: &[u8], step: usize) -> Read {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
    let options = ReaderOptions { max_line_bytes: 4_096, max_unpacked_bytes: 1 << 20, ..ReaderOptions::default() };
    let mut reader = BulkReader::new(Pieces { input: input.to_vec(), read: 0, step }, options);
    let mut all = Read { tweets: Vec::new(), refused: Vec::new(), is_whole: true };
    runtime.block_on(async {
        loop {
            match reader.next_chunk().await {
                Ok(Some(chunk)) => {
                    all.tweets.extend(chunk.tweets.iter().map(|tweet| tweet.json.to_string()));
                    all.refused.extend(chunk.refused.iter().map(|refused| (refused.line, refused.kind.label())));
                }
                Ok(None) => break,
                Err(_) => all.is_whole = false,
            }
        }
    });
    all.refused.sort_unstable();
    all
}

/// An input that comes a few bytes at a time.
struct Pieces {
    input: Vec<u8>,
    read: usize,
    step: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let rest = &self.input[self.read..];
        let n = rest.len().min(self.step).min(to.remaining());
        to.put_slice(&rest[..n]);
        self.read += n;
        Poll::Ready(Ok(()))
    }
}
