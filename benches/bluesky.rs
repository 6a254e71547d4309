//! What does the source `bluesky` cost, from the WebSocket to the committed index?
//!
//! This program serves Jetstream's protocol on loopback and sends new posts. The binary runs beside
//! it, with 10,000 registered queries of 100 sessions. The figure is the CPU time of its process
//! (user and system, all threads) for each second of posts: 0.15 is 15 % of a core.
//!
//! Jetstream sends perch posts alone, because perch asks for no other collection. A network in
//! which all kinds of events together come to 3,000 a second, four times the peak of 2026, has 300
//! posts a second at most: the documented peak is 36. The other rows send 3,000 *posts* a second,
//! as text, compressed with the dictionary, and on an index that holds 300,000 posts already.
//!
//! Two figures are measured apart, on one thread each and for the same 3,000 posts: reading them to
//! analyzed tweets; and tantivy alone, with perch's fields, settings and merges, a commit each
//! three seconds and nothing else. They are the floor of what a build of perch can reach.
//!
//! `cargo bench --bench bluesky`, `-- --short` for a small run, `-- --only zstd` for a row. Another
//! build is measured with `PERCH_BINARY=…`. Linux only.

#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "figures for people")]
#![allow(clippy::cast_sign_loss, reason = "figures for people")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::SinkExt as _;
use perch::format::{self, Item, Output};
use perch::ids::Seq;
use perch::index::{TweetDocument, TweetFields};
use perch::lower::Fields;
use perch::tweet::{self, AnalyzedTweet, ReadContext, SequencedTweet};
use serde_json::{Value, json};
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::merge_policy::LogMergePolicy;
use tantivy::store::Compressor;
use tantivy::{Index, IndexSettings, IndexWriter};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/http.rs"]
mod http;
#[path = "support/registrations.rs"]
mod registrations;
#[path = "support/server.rs"]
mod server;

use corpus::Corpus;
use registrations::register;
use server::Server;

const DICTIONARY: &[u8] = include_bytes!("../src/source/bluesky/jetstream.dict");

/// Posts a second.
const RATE: usize = 3_000;

/// Posts a second of a network with so many events a second.
const FILTERED_RATE: usize = 300;

/// Posts are sent so many times a second.
const BURSTS: usize = 100;

/// Posts of a commit of the floor.
const COMMIT: usize = 3 * RATE;

/// A row of the table.
struct Row {
    name: &'static str,
    rate: usize,
    compress: bool,
    /// Posts that the index holds before.
    held: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let is_short = arguments.iter().any(|argument| argument == "--short" || argument == "--test");
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|at| arguments.get(at + 1));
    let (seconds, held) = if is_short { (5, 30_000) } else { (30, 300_000) };
    let rows = [
        Row { name: "filtered", rate: FILTERED_RATE, compress: true, held: 0 },
        Row { name: "text", rate: RATE, compress: false, held: 0 },
        Row { name: "zstd", rate: RATE, compress: true, held: 0 },
        Row { name: "held", rate: RATE, compress: true, held },
    ];
    let dir = tempfile::tempdir().expect("a directory");
    println!("{seconds} s, 10,000 queries\n");
    if only.is_none() {
        floor(&dir.path().join("floor"), seconds);
    }
    println!(
        "\n{:<10} {:>8} {:>10} {:>18} {:>12} {:>8}",
        "row", "posts/s", "held", "CPU s / s of posts", "pushes/s", "lag"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for row in rows.iter().filter(|row| only.is_none_or(|only| only == row.name)) {
        runtime.block_on(run(&dir.path().join(row.name), seconds, row));
    }
}

/// What reading and tantivy alone take.
fn floor(dir: &Path, seconds: usize) {
    let mut corpus = Corpus::new();
    let events: Vec<String> = (0..seconds * RATE).map(|n| event(&mut corpus, n)).collect();
    let before = cpu_seconds("self");
    let tweets: Vec<AnalyzedTweet> = events.iter().map(|event| read(event)).collect();
    let reading = (cpu_seconds("self") - before) / seconds as f64;
    let numbered = (1..).map(Seq).zip(tweets);
    let items: Vec<SequencedTweet> =
        numbered.map(|(seq, tweet)| SequencedTweet { seq, tweet: Arc::new(tweet) }).collect();
    let before = cpu_seconds("self");
    index(dir, &items);
    let indexing = (cpu_seconds("self") - before) / seconds as f64;
    println!("CPU s for {RATE} posts: reading alone {reading:.3}, tantivy alone {indexing:.3}");
}

/// The tweet of an event.
fn read(event: &str) -> AnalyzedTweet {
    let context = ReadContext::default();
    let mut out = Output::new(&context, 1_000_000);
    format::read_document(event, format::find("bluesky"), &mut out);
    match out.items.pop() {
        Some(Ok(Item::Tweet(tweet))) => tweet::analyze(&tweet),
        other => panic!("{other:?} is no post"),
    }
}

/// Brings tweets into a tantivy index like perch's.
fn index(dir: &Path, items: &[SequencedTweet]) {
    std::fs::create_dir(dir).expect("a directory");
    let fields = TweetFields::get();
    let directory = tantivy::directory::MmapDirectory::open(dir).expect("it is there");
    let settings = IndexSettings {
        docstore_compression: Compressor::Lz4,
        docstore_blocksize: 4_096,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let index = Index::create(directory, fields.tantivy_schema(), settings).expect("it is new");
    Fields::register(&index);
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(64_000_000)
        .build();
    let mut writer: IndexWriter<TweetDocument> = index.writer_with_options(options).expect("a writer");
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(8);
    policy.set_min_layer_size(4_000);
    policy.set_level_log_size(2.0);
    writer.set_merge_policy(Box::new(policy));
    for commit in items.chunks(COMMIT) {
        for group in commit.chunks(64) {
            let operations = group.iter().map(|item| UserOperation::Add(fields.document(item, None)));
            writer.run(operations).expect("added");
        }
        writer.commit().expect("committed");
    }
    writer.wait_merging_threads().expect("merged");
}

async fn run(index_dir: &Path, seconds: usize, row: &Row) {
    let &Row { name, rate, compress, held } = row;
    let mut corpus = Corpus::new();
    // perch is refused until the index is filled: it would not wait for an answer as long.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let host = format!("ws://{}", socket.local_addr().expect("an address"));
    let source = format!("[{{type = \"bluesky\", hosts = [\"{host}\"], compress = {compress}}}]");
    let (server, _) = Server::start_with(index_dir, &source).await;
    let pid = server.pid().to_string();
    fill(&server, &mut corpus, held).await;
    let drains = register(&server).await;

    let listener = socket.listen(1).expect("it listens");
    let (stream, _) = listener.accept().await.expect("a connection");
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let check = |request: &Request, response: Response| {
        assert_eq!(request.uri().to_string().contains("compress=true"), compress);
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, check).await.expect("a WebSocket");
    let mut compressor = zstd::bulk::Compressor::with_dictionary(3, DICTIONARY).expect("a dictionary");
    let mut ticks = tokio::time::interval(Duration::from_millis(1_000 / BURSTS as u64));
    let pushed_before = metric(&server, "perch_frames_sent_total").await;
    let cpu_before = cpu_seconds(&pid);
    let started = Instant::now();
    for burst in 0..seconds * BURSTS {
        ticks.tick().await;
        for at in 0..rate / BURSTS {
            let text = event(&mut corpus, held + burst * rate / BURSTS + at);
            let message = if compress {
                Message::binary(compressor.compress(text.as_bytes()).expect("compressed"))
            } else {
                Message::text(text)
            };
            socket.feed(message).await.expect("fed");
        }
        socket.flush().await.expect("sent");
    }
    // Until all are committed.
    let expected = held + seconds * rate;
    while metric(&server, "perch_tweets_committed_total").await < expected {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = started.elapsed().as_secs_f64();
    let cpu = (cpu_seconds(&pid) - cpu_before) / seconds as f64;
    let pushes = (metric(&server, "perch_frames_sent_total").await - pushed_before) / seconds;
    let ready: Value = get(&server, "/readyz").await;
    let lag = ready["sources"]["bluesky#1"]["lag_seconds"].as_f64().unwrap_or(f64::NAN) * 1e3;
    println!("{name:<10} {rate:>8} {held:>10} {cpu:>18.3} {pushes:>12} {lag:>6.0}ms   {took:.1} s");
    drains.into_iter().for_each(|drain| drain.abort());
    server.stop();
}

/// Brings posts into the index, in requests of 10,000.
async fn fill(server: &Server, corpus: &mut Corpus, posts: usize) {
    let http = http::client();
    for first in (0..posts).step_by(10_000) {
        let body: String = (first..posts.min(first + 10_000)).map(|n| event(corpus, n) + "\n").collect();
        let answer = http.post(format!("http://{}/api/tweets", server.address)).body(body).send().await;
        assert!(answer.expect("an answer").status().is_success());
    }
}

/// The event of a new post, as Bluesky's client writes it. Of 20 posts 8 are answers, 4 have an
/// image, 2 each a hashtag and a link, and one each a mention, a quote, and a hashtag of another
/// client, which marks none. The shares are assumptions.
fn event(corpus: &mut Corpus, n: usize) -> String {
    let facet = |text: &str, from: usize, feature: Value| json!([{"index": {"byteStart": from, "byteEnd": text.len()}, "features": [feature]}]);
    let mut text = corpus.text(14);
    let start = text.len() + 1;
    let mut record = json!({"$type": "app.bsky.feed.post", "langs": ["en"], "createdAt": "2026-11-29T06:00:00.000Z"});
    let earlier = |back: usize| {
        let n = n.saturating_sub(back);
        json!({"cid": CID, "uri": format!("at://{}/app.bsky.feed.post/{}", did(n), key(n))})
    };
    match n % 20 {
        0..8 => record["reply"] = json!({"parent": earlier(100), "root": earlier(1_000)}),
        8..12 => {
            let image = json!({"alt": corpus.text(8), "image": {
                "$type": "blob", "ref": {"$link": CID}, "mimeType": "image/jpeg", "size": 312_345,
            }});
            record["embed"] = json!({"$type": "app.bsky.embed.images", "images": [image]});
        }
        12..14 => {
            let tag = corpus.word();
            text = format!("{text} #{tag}");
            record["facets"] = facet(&text, start, json!({"$type": "app.bsky.richtext.facet#tag", "tag": tag}));
        }
        14..16 => {
            let uri = format!("https://{}.example/{}", corpus.word(), corpus.word());
            text = format!("{text} {}", uri.trim_start_matches("https://"));
            record["facets"] = facet(&text, start, json!({"$type": "app.bsky.richtext.facet#link", "uri": uri}));
            record["embed"] = json!({"$type": "app.bsky.embed.external", "external": {
                "uri": uri, "title": corpus.text(6), "description": corpus.text(12),
            }});
        }
        16 => {
            text = format!("{text} @{}.example", corpus.word());
            record["facets"] = facet(&text, start, json!({"$type": "app.bsky.richtext.facet#mention", "did": did(n)}));
        }
        17 => record["embed"] = json!({"$type": "app.bsky.embed.record", "record": earlier(500)}),
        18 => text = format!("{text} #{}", corpus.word()),
        _ => {}
    }
    record["text"] = text.into();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    json!({
        "did": did(n), "time_us": now.as_micros() as u64, "kind": "commit",
        "commit": {
            "rev": format!("3l{n:011}"), "operation": "create", "collection": "app.bsky.feed.post",
            "rkey": key(n), "cid": CID, "record": record,
        },
    })
    .to_string()
}

const CID: &str = "bafyreib2rxk3rybk3aobmv5cjuql3bm2twh4jo5uxgf5kpqcsgz7soitae";

/// The author of a post: one of 20,000.
fn did(n: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bits = (n as u128 * 7_919 % 20_000 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let mut did = "did:plc:".to_owned();
    for _ in 0..24 {
        did.push(char::from(ALPHABET[(bits >> 123) as usize]));
        bits = bits.rotate_left(5);
    }
    did
}

fn key(n: usize) -> String {
    format!("3k{n:011}")
}

async fn get(server: &Server, path: &str) -> Value {
    let answer = http::client().get(format!("http://{}{path}", server.address)).send().await.expect("an answer");
    answer.json().await.expect("JSON")
}

/// The sum of a counter of perch.
async fn metric(server: &Server, name: &str) -> usize {
    let answer = http::client().get(format!("http://{}/metrics", server.address)).send().await.expect("an answer");
    let metrics = answer.text().await.expect("a text");
    let values = metrics.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
    values.map(|value| value.parse::<usize>().expect("a number")).sum()
}

/// User and system time of a process, in seconds.
fn cpu_seconds(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    // Fields 14 and 15 of proc(5), the third being the first here; the unit is 1/100 s on Linux.
    (ticks(11) + ticks(12)) / 100.0
}
