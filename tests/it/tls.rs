//! Encrypted connections, HTTP/2, and the listener for metrics.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, Issuer, KeyPair, generate_simple_self_signed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::process::{Server, perch};
use crate::support::{Perch, until};

/// Writes a new certificate and its key.
fn certificate(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(dir.join("cert.pem"), cert.pem()).expect("written");
    std::fs::write(dir.join("key.pem"), signing_key.serialize_pem()).expect("written");
    cert.der().clone()
}

async fn encrypted(
    perch: &Perch,
    trusted: &CertificateDer<'static>,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    encrypted_to(perch.address, trusted, protocol).await
}

async fn encrypted_to(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn healthz(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it goes out");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

/// Greets as HTTP/2 does: the kind of the first frame that comes back; 4 is SETTINGS.
async fn greet(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> u8 {
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("it goes out");
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.expect("a frame");
    head[3]
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_and_certificates_renewed() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = certificate(dir.path());
    let file = |name: &str| dir.path().join(name).display().to_string();
    let settings =
        format!("[server]\ntls_certificate_file = {:?}\ntls_key_file = {:?}\n", file("cert.pem"), file("key.pem"));
    let perch = Perch::start_with(&settings).await;
    let stream = encrypted(&perch, &first, "http/1.1").await.expect("it is trusted");
    assert!(healthz(stream).await.starts_with("HTTP/1.1 200"));
    let stream = encrypted(&perch, &first, "h2").await.expect("it is trusted");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(greet(stream).await, 4);
    // Plain HTTP is no TLS.
    let mut plain = TcpStream::connect(perch.address).await.expect("a connection");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("it goes out");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));

    let tls = perch.tls.clone().expect("TLS is on");
    let second = certificate(dir.path());
    tls.reload().expect("the new files are right");
    assert!(encrypted(&perch, &first, "http/1.1").await.is_err(), "the old certificate is gone");
    assert!(healthz(encrypted(&perch, &second, "http/1.1").await.expect("trusted")).await.starts_with("HTTP/1.1 200"));

    std::fs::write(dir.path().join("key.pem"), "nonsense").expect("written");
    assert!(tls.reload().is_err());
    assert!(encrypted(&perch, &second, "http/1.1").await.is_ok(), "what is wrong changes nothing");
    perch.stop().await;
}

#[test]
fn commands_are_told_that_a_server_speaks_tls() {
    let dir = tempfile::tempdir().expect("a directory");
    certificate(dir.path());
    let settings = settings(dir.path());
    let server = Server::start_with(&dir.path().join("index"), &["--set", &settings[0], "--set", &settings[1]]);
    let plain = server.url.replacen("https://", "http://", 1);
    for command in [&["search", "x"][..], &["tail", "x"], &["ingest", "x"]] {
        let output = crate::support::process::perch().args([command, &["--url", &plain]].concat()).output();
        let output = output.expect("perch runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr.contains(&format!("write --url {}", server.url)), "{command:?}: {stderr}");
    }
}

/// Where a process finds its certificate and its key.
fn settings(dir: &Path) -> [String; 2] {
    [("certificate", "cert.pem"), ("key", "key.pem")]
        .map(|(name, file)| format!("server.tls_{name}_file={:?}", dir.join(file).display().to_string()))
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_brings_the_new_certificate() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = certificate(dir.path());
    let settings = settings(dir.path());
    let server = Server::start_with(&dir.path().join("index"), &["--set", &settings[0], "--set", &settings[1]]);
    let address = server.url.strip_prefix("https://").expect("https").parse().expect("an address");
    assert!(encrypted_to(address, &first, "http/1.1").await.is_ok());
    let hang_up = || {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-HUP", &server.child.id().to_string()]).status().expect("kill runs").success());
    };
    let second = certificate(dir.path());
    assert!(encrypted_to(address, &second, "http/1.1").await.is_err(), "nobody has told it yet");
    hang_up();
    until(async || encrypted_to(address, &second, "http/1.1").await.is_ok()).await;
    // A wrong one changes nothing, and ends nothing.
    std::fs::write(dir.path().join("key.pem"), "nonsense").expect("written");
    hang_up();
    assert!(encrypted_to(address, &second, "http/1.1").await.is_ok());
    let third = certificate(dir.path());
    hang_up();
    until(async || encrypted_to(address, &third, "http/1.1").await.is_ok()).await;
}

/// A program that has read `listening on …` may send a signal at once.
#[cfg(target_os = "linux")]
#[test]
fn signals_are_listened_to_before_it_says_that_it_serves() {
    /// Which signals a process catches, a bit each, the first is that of signal 1.
    fn caught(process: u32) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process is there");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
        u64::from_str_radix(mask.trim(), 16).expect("hexadecimal")
    }
    const HANGUP_INTERRUPT_TERMINATE: u64 = 1 | 1 << 1 | 1 << 14;
    let dir = tempfile::tempdir().expect("a directory");
    certificate(dir.path());
    let plain = Server::start(&dir.path().join("plain"));
    let settings = settings(dir.path());
    let encrypted = Server::start_with(&dir.path().join("encrypted"), &["--set", &settings[0], "--set", &settings[1]]);
    for server in [plain, encrypted] {
        assert_eq!(caught(server.child.id()) & HANGUP_INTERRUPT_TERMINATE, HANGUP_INTERRUPT_TERMINATE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_connections_speak_http_2_to_those_who_begin_so() {
    let perch = Perch::start().await;
    assert_eq!(greet(TcpStream::connect(perch.address).await.expect("a connection")).await, 4);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_can_have_an_address_of_their_own() {
    let perch = Perch::start_with("[server]\nadmin_listen = \"127.0.0.1:0\"\n").await;
    let admin = perch.admin_address.expect("an address");
    for (path, status) in [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), ("/api/search?q=*", 404), ("/", 404)]
    {
        let answer = perch.http.get(format!("http://{admin}{path}")).send().await.expect("perch answers");
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    assert_eq!(perch.get("/metrics").await.0, 404, "and nowhere else");
    assert_eq!(perch.get("/healthz").await.0, 200);
    perch.stop().await;
}

/// A certificate for this machine, signed by an authority that nobody knows; answers with the file
/// of the authority's.
fn certificate_of_authority(dir: &Path) -> PathBuf {
    let mut of_authority = CertificateParams::new(Vec::new()).expect("no names");
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a key");
    let authority = of_authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(of_authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).expect("names").signed_by(&key, &issuer).expect("a certificate");
    std::fs::write(dir.join("cert.pem"), certificate.pem()).expect("written");
    std::fs::write(dir.join("key.pem"), key.serialize_pem()).expect("written");
    let file = dir.join("authority.pem");
    // One that has nothing to do with it does no harm.
    let other = generate_simple_self_signed(vec!["elsewhere".to_owned()]).expect("a certificate").cert;
    std::fs::write(&file, other.pem() + &authority.pem()).expect("written");
    file
}

/// What a command does with a server that a private authority vouches for.
#[test]
fn commands_trust_the_authority_that_they_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = certificate_of_authority(dir.path()).display().to_string();
    let settings = settings(dir.path());
    let server = Server::start_with(&dir.path().join("index"), &["--set", &settings[0], "--set", &settings[1]]);
    let tweets = dir.path().join("tweets.json").display().to_string();
    std::fs::write(&tweets, "{\"id\":7,\"text\":\"rust\"}\n").expect("written");
    let other = dir.path().join("other.pem").display().to_string();
    let stranger = generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate").cert;
    std::fs::write(&other, stranger.pem()).expect("written");
    let run_where = |system_trusts: &str, arguments: &[&str], ca: &str| {
        let trust = if ca.is_empty() { vec![] } else { vec!["--ca", ca] };
        let mut command = perch();
        command.args(arguments).args(["--url", &server.url]).args(trust).env("SSL_CERT_FILE", system_trusts);
        let output = command.env_remove("SSL_CERT_DIR").output().expect("perch runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let run = |arguments: &[&str], ca: &str| run_where(&other, arguments, ca);
    let bench = ["bench", "paced", "--sessions", "4", "--queries", "2", "--duration", "1", "--rate", "20", "--json"];
    let commands: [&[&str]; 4] = [
        &["ingest", &tweets],
        &["search", "rust", "--json"],
        &["explain", "rust"],
        &[&bench[..], &["--deliveries", "40"]].concat(),
    ];
    for command in commands {
        let (code, stdout, stderr) = run(command, &ca);
        assert_eq!(code, Some(0), "{command:?}: {stdout}{stderr}");
        // No authority has signed it.
        for ca in ["", &other] {
            let (code, _, stderr) = run(command, ca);
            assert_eq!(code, Some(1), "{command:?}: {stderr}");
            assert!(stderr.contains("can't be trusted: invalid peer certificate"), "{stderr}");
            assert!(stderr.contains("--ca"), "{stderr}");
        }
        // What is no certificate.
        for (file, why) in
            [("missing.pem", "can't be read"), ("tweets.json", "no certificate"), ("key.pem", "no certificate")]
        {
            let (code, _, stderr) = run(command, &dir.path().join(file).display().to_string());
            assert_eq!(code, Some(2), "{command:?}: {stderr}");
            assert!(stderr.starts_with("--ca: ") && stderr.contains(file) && stderr.contains(why), "{stderr}");
        }
    }
    let (_, stdout, _) = run(&["search", "rust", "--json"], &ca);
    assert!(stdout.contains("\"rust\""), "{stdout}");
    assert_eq!(run_where(&ca, &["search", "rust"], "").0, Some(0), "whom the system trusts");
    assert_eq!(run(&["tail", "rust"], "").0, Some(1));
    let mut tail = perch();
    tail.args(["tail", "rust", "--json", "--since", "0", "--url", &server.url]).env("PERCH_CA", &ca);
    let mut tail = tail.stdout(Stdio::piped()).spawn().expect("perch runs");
    let mut line = String::new();
    BufReader::new(tail.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert!(line.contains("\"rust\""), "{line}");
    tail.kill().expect("it is there");
    tail.wait().expect("it ends");
    server.kill();
}
