//! How fast does perch read each format, from bytes to analyzed tweets?
//!
//! Each example of `examples/data` is repeated. One thread splits and one reads, so the figure is
//! about that of one core. `cargo bench --bench formats` measures, `-- csv mastodon` only these,
//! `-- --file tweets.ndjson` a file of yours; with `--test` it is short.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::io::Cursor;
use std::time::{Duration, Instant};

use perch::format::reader::{BulkReader, ReaderOptions};
use perch::format::{FORMATS, FormatKind};

/// Documents that a run reads.
const DOCUMENTS: usize = 50_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_short = arguments.iter().any(|argument| argument == "--test");
    let file = arguments.iter().position(|argument| argument == "--file").and_then(|at| arguments.get(at + 1));
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let (documents, runs) = if is_short { (20, 1) } else { (DOCUMENTS, 3) };
    println!("{:<12} {:>12} {:>10}", "format", "tweets/s", "MB/s");
    if let Some(path) = file {
        return measure("file", &std::fs::read(path).expect("the file can be read"), runs);
    }
    for kind in FORMATS.iter().filter(|kind| names.is_empty() || names.iter().any(|name| *name == kind.name)) {
        measure(kind.name, &repeated(kind, documents), runs);
    }
}

/// Prints the figures of the fastest run.
fn measure(name: &str, input: &[u8], runs: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut best = Duration::MAX;
    let mut tweets = 0;
    for _ in 0..runs {
        let start = Instant::now();
        tweets = runtime.block_on(read(input.to_vec()));
        best = best.min(start.elapsed());
    }
    let seconds = best.as_secs_f64();
    println!("{name:<12} {:>12.0} {:>10.0}", tweets as f64 / seconds, input.len() as f64 / seconds / 1e6);
}

/// The tweets of an input.
async fn read(input: Vec<u8>) -> usize {
    let options = ReaderOptions { parallel: 1, ..ReaderOptions::default() };
    let mut reader = BulkReader::new(Cursor::new(input), options);
    let mut tweets = 0;
    while let Some(chunk) = reader.next_chunk().await.expect("it can be read") {
        tweets += chunk.tweets.len();
    }
    tweets
}

/// The documents of an example, again and again.
fn repeated(kind: &FormatKind, documents: usize) -> Vec<u8> {
    let path = format!("{}/examples/data/{}", env!("CARGO_MANIFEST_DIR"), kind.example);
    let text = std::fs::read_to_string(path).expect("the example is there");
    if kind.name == "csv" {
        let (names, rows) = text.split_once('\n').expect("a row of names");
        return format!("{names}\n{}", rows.repeat(documents / 2)).into_bytes();
    }
    let text = text.split_once("= [").map_or(text.clone(), |(_, list)| format!("[{list}"));
    let values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let values: Vec<serde_json::Value> = values.map(|value| value.expect("JSON")).collect();
    let lines: String = match &*values {
        [serde_json::Value::Array(list)] => list.iter().map(|value| format!("{value}\n")).collect(),
        values => values.iter().map(|value| format!("{value}\n")).collect(),
    };
    let n = lines.lines().count();
    lines.repeat(documents.div_ceil(n)).into_bytes()
}
