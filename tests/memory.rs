//! What perch reports for its queries is what they take: `perch_queries_size_bytes`, which
//! `limits.max_queries_mb` bounds, against what the allocator hands out. A process of its own,
//! because the allocator counts all that the process does.

use std::net::SocketAddr;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use perch::app::{self, Keys, Plugins};
use perch::config::{Config, ConfigFile, ConfigLayers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A WebSocket that keeps no memory of its own.
struct Socket(TcpStream);

impl Socket {
    async fn open(address: SocketAddr) -> Socket {
        let mut stream = TcpStream::connect(address).await.expect("it connects");
        let head = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it is sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("an answer"));
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        let mut socket = Socket(stream);
        socket.expect("[\"hello\"").await;
        socket
    }

    /// Sends an event and waits for its answer.
    async fn ask(&mut self, frame: &str, answer: &str) {
        let len = u16::try_from(frame.len()).expect("a short frame");
        // A text frame, whose mask changes nothing.
        let mut bytes = vec![0x81, 0x80 + 126];
        bytes.extend(len.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(frame.as_bytes());
        self.0.write_all(&bytes).await.expect("it is sent");
        self.expect(answer).await;
    }

    /// Reads frames up to one that starts like this.
    async fn expect(&mut self, start: &str) {
        let read = async {
            loop {
                let [_, len] = self.0.read_u16().await.expect("a frame").to_be_bytes();
                let len = match len {
                    126 => u64::from(self.0.read_u16().await.expect("its length")),
                    127 => self.0.read_u64().await.expect("its length"),
                    len => u64::from(len),
                };
                let mut frame = vec![0; usize::try_from(len).expect("it fits")];
                self.0.read_exact(&mut frame).await.expect("the frame");
                let frame = String::from_utf8_lossy(&frame);
                assert!(!frame.starts_with("[\"cmd/error\""), "{frame}");
                if frame.starts_with(start) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("an answer comes");
    }
}

/// A metric of the process.
async fn metric(address: SocketAddr, name: &str) -> usize {
    let mut stream = TcpStream::connect(address).await.expect("it connects");
    let head = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let value = answer.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {answer}"))
}

/// Registers `each` queries in every session. Returns the bytes that perch reports for them and the
/// bytes that the allocator has handed out.
async fn measure(sessions: usize, each: usize, query: impl Fn(usize) -> String) -> (usize, usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let text = "source = []\n[limits]\ncommands_per_second = 10000\nmax_subscriptions_per_session = 1000\n\
         max_sessions_per_address = 0\nmax_queries_mb_per_client = 0\nmax_connections_per_address = 0\n\
         [[transport]]\ntype = \"rest\"\n\
         # A session waits for its turn longer than silent clients are kept.\n\
         [[transport]]\ntype = \"ws\"\nidle_timeout_ms = 3600000"
        .to_owned();
    let config = Config::load(&ConfigLayers {
        listen: Some("127.0.0.1:0".to_owned()),
        index_dir: Some(dir.path().join("index").display().to_string()),
        file: Some(ConfigFile { name: "test.toml".to_owned(), text }),
        ..ConfigLayers::default()
    });
    let config = config.expect("the settings are right");
    let plugins = Plugins::build(&config).expect("the plugins' settings are right");
    let running = app::start(&config, plugins, Keys::load(&config).expect("no keys")).await.expect("perch starts");
    let (address, shutdown) = (running.address(), running.shutdown_token());
    let running = tokio::spawn(running.run());
    let mut sockets = Vec::new();
    for at in 0..sessions {
        let mut socket = Socket::open(address).await;
        // Buffers grow to what they need before anything is measured.
        let first = format!("[\"cmd/percolate\",{{\"name\":\"first\",\"query\":\"first{at}\"}}]");
        socket.ask(&first, "[\"percolate/ok\"").await;
        socket.ask("[\"cmd/unpercolate\",{\"name\":\"first\"}]", "[\"unpercolate/ok\"").await;
        sockets.push(socket);
    }
    let reported = metric(address, "perch_queries_size_bytes ").await;
    let taken = ALLOCATOR.current_usage();
    for (at, socket) in sockets.iter_mut().enumerate() {
        for n in at * each..(at + 1) * each {
            let query = query(n).replace('\\', "\\\\").replace('"', "\\\"");
            let frame = format!("[\"cmd/percolate\",{{\"name\":\"search-{n}\",\"query\":\"{query}\"}}]");
            socket.ask(&frame, "[\"percolate/ok\"").await;
        }
    }
    assert_eq!(metric(address, "perch_queries_registered ").await, sessions * each);
    let reported = metric(address, "perch_queries_size_bytes ").await - reported;
    let taken = ALLOCATOR.current_usage() - taken;
    drop(sockets);
    shutdown.cancel();
    running.await.expect("no panic").expect("it ends well");
    (reported, taken)
}

type Kind = (&'static str, fn(usize) -> String);

const KINDS: &[Kind] = &[
    ("words", |n| format!("word{n} thing{} paid", n % 97)),
    ("booleans", |n| format!("(first{n} OR second{n} OR \"third words{n}\") -fourth{} lang:en", n % 7)),
    ("patterns", |n| format!("start{n}* *mid{n}dle* fuzzy{n}~1")),
    ("expressions", |n| format!("/exp{n}re[sz]+ion.*/")),
    ("places", |n| format!("near:[{}.{} 52.5 5km] followers:>{n} word{}", n % 180, n / 180 % 90 + 10, n % 11)),
];

/// Whether what is reported is within a fifth of what is taken.
async fn check(sessions: usize, each: usize, kinds: &[Kind]) {
    let mut wrong = Vec::new();
    for (name, query) in kinds {
        let (reported, taken) = measure(sessions, each, query).await;
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = reported as f64 / taken as f64;
        let line = format!(
            "{name}: {sessions} sessions of {each}: {} bytes a query reported, {} taken, ratio {ratio:.2}",
            reported / (sessions * each),
            taken / (sessions * each)
        );
        eprintln!("{line}");
        if !(0.8..=1.2).contains(&ratio) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

// One test, because whatever runs beside it would be counted too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_take_what_is_reported() {
    check(10, 100, KINDS).await;
    check(300, 1, &KINDS[..1]).await;
    if std::env::var_os("PERCH_LONG_TESTS").is_some() {
        check(500, 100, KINDS).await;
        check(1_000, 1, KINDS).await;
    }
}
