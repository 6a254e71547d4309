//! A mail server on loopback, whose answers a test chooses.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_util::task::AbortOnDropHandle;

use crate::support::PATIENCE;

/// A mail as it came.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    /// The lines of the session before the mail, such as `RCPT TO:<ann@example.org>`.
    pub(super) commands: Vec<String>,
    pub(super) data: String,
    pub(super) is_encrypted: bool,
}

impl Mail {
    /// A header, unfolded.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let head = self.data.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    }

    /// The parts, with quoted-printable undone as far as ASCII goes.
    pub(super) fn body(&self) -> String {
        self.data.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")
    }
}

/// A server. It takes every mail unless told otherwise.
pub(super) struct SmtpServer {
    pub(super) port: u16,
    mails: mpsc::UnboundedReceiver<Mail>,
    /// The next answers to `RCPT`.
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    _serving: AbortOnDropHandle<()>,
}

impl SmtpServer {
    /// Starts a server whose certificate is written to `dir/ca.pem`.
    pub(super) async fn start(dir: &Path) -> SmtpServer {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        std::fs::write(dir.join("ca.pem"), cert.pem()).expect("written");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a key for the certificate");
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, mails) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let shared = Arc::clone(&answers);
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session { mails: sender.clone(), answers: Arc::clone(&shared), commands: Vec::new() };
                connections.spawn(serve(stream, tls.clone(), session));
            }
        });
        SmtpServer { port, mails, answers, _serving: AbortOnDropHandle::new(serving) }
    }

    pub(super) fn answer_next(&self, answer: &'static str) {
        self.answers.lock().expect("no panic").push_back(answer);
    }

    /// The next mail.
    pub(super) async fn next(&mut self) -> Mail {
        let next = tokio::time::timeout(PATIENCE, self.mails.recv());
        next.await.expect("a mail comes").expect("the server runs")
    }
}

struct Session {
    mails: mpsc::UnboundedSender<Mail>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    commands: Vec<String>,
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, mut session: Session) {
    let mut stream = BufStream::new(stream);
    if stream.write_all(b"220 localhost ESMTP\r\n").await.is_err() {
        return;
    }
    if let Ok(true) = session.talk(&mut stream, false).await
        && let Ok(stream) = tls.accept(stream.into_inner()).await
    {
        let _ = session.talk(&mut BufStream::new(stream), true).await;
    }
}

impl Session {
    /// Answers commands until the session ends, or `STARTTLS` comes, which gives `true`.
    async fn talk(
        &mut self,
        stream: &mut BufStream<impl AsyncRead + AsyncWrite + Unpin>,
        is_encrypted: bool,
    ) -> std::io::Result<bool> {
        loop {
            stream.flush().await?;
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(false);
            }
            let line = line.trim_end().to_owned();
            self.commands.push(line.clone());
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            let answer = match verb.as_str() {
                "EHLO" if is_encrypted => "250-localhost\r\n250-AUTH PLAIN\r\n250 8BITMIME",
                "EHLO" => "250-localhost\r\n250-STARTTLS\r\n250 8BITMIME",
                "STARTTLS" => "220 go ahead",
                "AUTH" => "235 welcome",
                "RCPT" => self.answers.lock().expect("no panic").pop_front().unwrap_or("250 ok"),
                "DATA" => "354 go ahead",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
            stream.flush().await?;
            match verb.as_str() {
                "STARTTLS" => return Ok(true),
                "QUIT" => return Ok(false),
                "DATA" => {
                    let mut data = Vec::new();
                    while !data.ends_with(b"\r\n.\r\n") {
                        if stream.read_until(b'\n', &mut data).await? == 0 {
                            return Ok(false);
                        }
                    }
                    data.truncate(data.len() - 3);
                    let commands = std::mem::take(&mut self.commands);
                    let data = String::from_utf8(data).expect("text");
                    let _ = self.mails.send(Mail { commands, data, is_encrypted });
                    stream.write_all(b"250 taken\r\n").await?;
                }
                _ => {}
            }
        }
    }
}
