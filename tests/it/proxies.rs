//! perch behind the proxies of docs/PROXIES.md, with the configurations as they stand there: only
//! ports and paths of files are replaced.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, http::HeaderValue};

use crate::support::{PATIENCE, Perch, in_time, tweet, until};

const NAME: &str = "perch.example.org";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The n-th block in this language of docs/PROXIES.md.
fn block(language: &str, n: usize) -> String {
    let page = include_str!("../../docs/PROXIES.md");
    let blocks: Vec<_> = page.split("```").skip(1).step_by(2).collect();
    let mut found = blocks.iter().filter_map(|block| block.strip_prefix(&format!("{language}\n")));
    found.nth(n).unwrap_or_else(|| panic!("docs/PROXIES.md has no block {n} in {language}")).to_owned()
}

/// Replaces what must be there.
fn replace(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is not in {text}");
        text.replace(from, to)
    })
}

/// Where a program is. Without it the test says so and ends; in CI it fails.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|dir| dir.join(name)).find(|p| p.is_file());
    if found.is_none() {
        let message = format!("{name} is not installed (make proxies, or apt-get install nginx-light caddy haproxy)");
        assert!(std::env::var_os("CI").is_none(), "{message}");
        eprintln!("skipped: {message}");
    }
    found
}

/// A port that is free now. Proxies can't be asked which one they took.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// A running proxy; killed when dropped.
struct Proxy {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Proxy {
    /// Runs it and waits until it takes connections.
    async fn start(mut command: Command, port: u16, dir: &Path) -> Proxy {
        let log = dir.join("proxy.log");
        let output = std::fs::File::create(&log).expect("a file");
        command.env("HOME", dir).env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir).stdin(Stdio::null());
        let child = command.stdout(output.try_clone().expect("a file")).stderr(output).spawn().expect("the proxy runs");
        let mut proxy = Proxy { child, address: SocketAddr::from(([127, 0, 0, 1], port)), log };
        until(async || {
            if let Some(status) = proxy.child.try_wait().expect("a process") {
                panic!("the proxy ended: {status}\n{}", std::fs::read_to_string(&proxy.log).unwrap_or_default());
            }
            TcpStream::connect(proxy.address).await.is_ok()
        })
        .await;
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// The files that the examples name, in a directory of their own.
struct Files {
    dir: TempDir,
    trusted: CertificateDer<'static>,
}

impl Files {
    fn new() -> Files {
        let dir = tempfile::tempdir().expect("a directory");
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec![NAME.to_owned()]).expect("a certificate");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        write("perch.pem", &cert.pem());
        write("perch.key", &signing_key.serialize_pem());
        write("perch-with-key.pem", &format!("{}{}", cert.pem(), signing_key.serialize_pem()));
        write("token", TOKEN);
        Files { trusted: cert.der().clone(), dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.dir.path().join(name), text).expect("written");
        self.path(name)
    }

    /// A perch with the settings of the page and these besides.
    async fn perch(&self, more: &str) -> Perch {
        let settings = replace(&block("toml", 0), &[("/etc/perch/ingest-token", &self.path("token"))]);
        Perch::start_with(&format!("{settings}{more}")).await
    }

    /// An encrypted connection to a proxy from this address of this machine.
    async fn connect(&self, source: &str, proxy: SocketAddr) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(format!("{source}:0").parse().expect("an address")).expect("127.0.0.0/8 is this machine");
        let stream = socket.connect(proxy).await.expect("a connection");
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(NAME).expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS")
    }

    /// Sends a request and reads to the end of the connection.
    async fn exchange(&self, proxy: SocketAddr, line: &str, headers: &str, body: &[u8]) -> String {
        self.exchange_from("127.0.0.1", proxy, line, headers, body).await
    }

    /// The same from this address of this machine.
    async fn exchange_from(&self, source: &str, proxy: SocketAddr, line: &str, headers: &str, body: &[u8]) -> String {
        let mut stream = self.connect(source, proxy).await;
        let host = format!("Host: {NAME}:{}", proxy.port());
        let head = format!("{line} HTTP/1.1\r\n{host}\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it goes out");
        stream.write_all(body).await.expect("it goes out");
        let mut answer = Vec::new();
        // Some proxies end without TLS' goodbye.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn bulk(&self, proxy: SocketAddr, path: &str, tweets: &str) -> String {
        let headers = format!("Authorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n", tweets.len());
        self.exchange(proxy, &format!("POST {path}"), &headers, tweets.as_bytes()).await
    }
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Opens a WebSocket as the page does, and answers with its first event, or how it was closed.
async fn session(files: &Files, source: &str, proxy: SocketAddr, path: &str) -> Result<Socket, u16> {
    let stream = files.connect(source, proxy).await;
    let authority = format!("{NAME}:{}", proxy.port());
    let mut request = format!("wss://{authority}{path}").into_client_request().expect("a request");
    let origin = HeaderValue::from_str(&format!("https://{authority}")).expect("a header");
    request.headers_mut().insert("Origin", origin);
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.expect("the WebSocket opens");
    match tokio::time::timeout(PATIENCE, socket.next()).await.expect("a frame").expect("open").expect("whole") {
        Message::Close(Some(frame)) => Err(u16::from(frame.code)),
        _ => Ok(socket),
    }
}

/// The next frame of this event.
async fn event(socket: &mut Socket, wanted: &str) -> Value {
    in_time(async {
        loop {
            let frame = socket.next().await.expect("open").expect("whole");
            let Message::Text(text) = frame else { continue };
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            if frame[0] == wanted {
                return frame[1].clone();
            }
        }
    })
    .await
}

/// Everything that the page promises of an example.
async fn check(files: &Files, perch: &Perch, proxy: &Proxy) {
    const LIMIT: &str = "the limit of one address is two sessions";
    const CLIENT: &str = "127.0.0.2";
    let mut id = 0;
    for prefix in ["", "/perch"] {
        // The page and what it loads, by relative addresses.
        let page = files.exchange(proxy.address, &format!("GET {prefix}/"), "", b"").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("href=\"style.css\""), "{page}");
        let style = files.exchange(proxy.address, &format!("GET {prefix}/style.css"), "", b"").await;
        assert!(style.starts_with("HTTP/1.1 200"), "{style}");

        // Live search by both doors, each from an address of its own, and more than one address may
        // have.
        let mut socket = session(files, "127.0.0.1", proxy.address, &format!("{prefix}/ws")).await.expect("a session");
        let command = json!(["cmd/percolate", {"query": "rust"}]).to_string();
        socket.send(Message::text(command)).await.expect("it goes out");
        event(&mut socket, "percolate/ok").await;
        let mut stream = files.connect(CLIENT, proxy.address).await;
        let host = format!("{NAME}:{}", proxy.address.port());
        let head = format!("GET {prefix}/api/stream?q=rust HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it goes out");
        let mut text = String::new();
        let mut read_until = async |wanted: &str| {
            while !text.contains(wanted) {
                let mut bytes = [0; 4096];
                let n = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await.expect("in time").expect("open");
                assert!(n > 0, "the stream ended: {text}");
                text.push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
        };
        read_until("percolate/ok").await;
        let second = session(files, "127.0.0.1", proxy.address, &format!("{prefix}/ws")).await.expect(LIMIT);
        let third = session(files, "127.0.0.1", proxy.address, &format!("{prefix}/ws")).await;
        assert_eq!(third.err(), Some(4006), "{LIMIT}");

        // Bulk, longer than proxies take by default.
        let filler = "word ".repeat(400);
        let tweets: String =
            (0..1_500).map(|at| format!("{}\n", tweet(id + at + 1, &format!("java {filler}")))).collect();
        assert!(tweets.len() > 2 * 1024 * 1024);
        let answer = files.bulk(proxy.address, &format!("{prefix}/api/tweets"), &tweets).await;
        assert!(answer.contains("\"accepted\":1500"), "{answer}");
        id += 1_500;
        // While the stream is open: nobody collects it.
        id += 1;
        let answer = files.bulk(proxy.address, &format!("{prefix}/api/tweets"), &tweet(id, "rust").to_string()).await;
        assert!(answer.contains("\"accepted\":1"), "{answer}");
        assert_eq!(event(&mut socket, "tweet/new").await["tweet"]["id"], id);
        read_until("event: tweet/new").await;

        // Without the token nothing comes in, though the proxy is on this machine.
        let refused = files.exchange(proxy.address, &format!("GET {prefix}/api/queries"), "", b"").await;
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
        drop((socket, second, stream));
        until(async || perch.get("/api/stats").await.1["sessions"] == 0).await;
    }
    // A client can't claim another address, unless it has the address of a trusted proxy.
    let _first = session(files, CLIENT, proxy.address, "/ws").await.expect("a session");
    let _second = session(files, CLIENT, proxy.address, "/ws").await.expect("a session");
    let claim = "X-Forwarded-For: 192.0.2.1\r\n";
    let refused = files.exchange_from(CLIENT, proxy.address, "GET /api/stream?q=rust", claim, b"").await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
}

const TWO_SESSIONS: &str = "[limits]\nmax_sessions_per_address = 2\n";

/// nginx with this in its `http` block.
async fn nginx(program: &Path, files: &Files, http: &str, port: u16) -> Proxy {
    let dir = files.dir.path().display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .concat();
    let main = format!(
        "daemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{http}\n}}\n"
    );
    let mut command = Command::new(program);
    command.args(["-e", "stderr", "-p", &dir.to_string(), "-c", &files.write("nginx.conf", &main)]);
    Proxy::start(command, port, files.dir.path()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_as_the_page_has_it() {
    let Some(program) = program("nginx") else { return };
    let files = Files::new();
    let perch = files.perch(TWO_SESSIONS).await;
    let port = free_port();
    let config = replace(
        &block("nginx", 0),
        &[
            ("127.0.0.1:8888", &perch.address.to_string()),
            ("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl")),
            ("/etc/ssl/perch.pem", &files.path("perch.pem")),
            ("/etc/ssl/perch.key", &files.path("perch.key")),
        ],
    );
    let proxy = nginx(&program, &files, &config, port).await;
    check(&files, &perch, &proxy).await;
    drop(proxy);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_proxy_pass_does_not_make_the_world_local() {
    let Some(program) = program("nginx") else { return };
    let files = Files::new();
    // perch as it is without any configuration.
    let perch = Perch::start().await;
    let port = free_port();
    let config = format!("server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{}; }} }}", perch.address);
    let proxy = nginx(&program, &files, &config, port).await;
    let url = |path: &str| format!("http://{}{path}", proxy.address);
    let status = async |request: reqwest::RequestBuilder| request.send().await.expect("an answer").status().as_u16();
    assert_eq!(status(perch.http.get(url("/api/search?q=rust"))).await, 200);
    for path in ["/api/tweets", "/api/percolate"] {
        assert_eq!(status(perch.http.post(url(path)).body(tweet(1, "rust").to_string())).await, 401, "{path}");
    }
    assert_eq!(status(perch.http.get(url("/api/queries"))).await, 401);
    drop(proxy);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_as_the_page_has_it() {
    let Some(program) = program("caddy") else { return };
    let files = Files::new();
    let perch = files.perch(TWO_SESSIONS).await;
    let port = free_port();
    let config = replace(
        &block("caddy", 0),
        &[
            ("127.0.0.1:8888", &perch.address.to_string()),
            ("\nperch.example.org {", &format!("\nhttps://{NAME}:{port} {{\n\tbind 127.0.0.1")),
            ("/etc/ssl/perch.pem", &files.path("perch.pem")),
            ("/etc/ssl/perch.key", &files.path("perch.key")),
        ],
    );
    // What stands before a site is for the whole of Caddy: it should take no other port.
    let config = format!("{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{config}");
    let mut command = Command::new(program);
    command.args(["run", "--adapter", "caddyfile", "--config", &files.write("Caddyfile", &config)]);
    let proxy = Proxy::start(command, port, files.dir.path()).await;
    check(&files, &perch, &proxy).await;
    drop(proxy);
    perch.stop().await;
}

async fn haproxy(program: &Path, files: &Files, config: &str, port: u16) -> Proxy {
    let mut command = Command::new(program);
    // In the foreground, without a master.
    command.args(["-db", "-f", &files.write("haproxy.cfg", config)]);
    Proxy::start(command, port, files.dir.path()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_as_the_page_has_it() {
    let Some(program) = program("haproxy") else { return };
    let files = Files::new();
    let perch = files.perch(TWO_SESSIONS).await;
    let port = free_port();
    let config = replace(
        &block("haproxy", 0),
        &[
            ("127.0.0.1:8888", &perch.address.to_string()),
            ("bind :443", &format!("bind 127.0.0.1:{port}")),
            ("/etc/ssl/perch-with-key.pem", &files.path("perch-with-key.pem")),
        ],
    );
    let proxy = haproxy(&program, &files, &config, port).await;
    check(&files, &perch, &proxy).await;
    drop(proxy);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_announces_connections_as_the_page_has_it() {
    let Some(program) = program("haproxy") else { return };
    let files = Files::new();
    let settings = block("toml", 1);
    let tls = format!(
        "tls_certificate_file = {:?}\ntls_key_file = {:?}\n[ingest]\ntoken_file = {:?}\n",
        files.path("perch.pem"),
        files.path("perch.key"),
        files.path("token")
    );
    let perch = Perch::start_with(&format!("{settings}{tls}{TWO_SESSIONS}")).await;
    let port = free_port();
    let config = replace(
        &block("haproxy", 1),
        &[("127.0.0.1:8888", &perch.address.to_string()), ("bind :443", &format!("bind 127.0.0.1:{port}"))],
    );
    let proxy = haproxy(&program, &files, &config, port).await;
    // The health check comes first, and perch must not take it for a client.
    let _first = session(&files, "127.0.0.1", proxy.address, "/ws").await.expect("a session");
    let _second = session(&files, "127.0.0.1", proxy.address, "/ws").await.expect("a session");
    assert_eq!(session(&files, "127.0.0.1", proxy.address, "/ws").await.err(), Some(4006));
    let _other = session(&files, "127.0.0.2", proxy.address, "/ws").await.expect("another address");
    let answer = files.bulk(proxy.address, "/api/tweets", &tweet(1, "rust").to_string()).await;
    assert!(answer.contains("\"accepted\":1"), "{answer}");
    let refused = files.exchange(proxy.address, "GET /api/queries", "", b"").await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    drop(proxy);
    perch.stop().await;
}
