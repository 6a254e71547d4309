//! A WebSocket client that costs next to nothing, so that thousands fit beside the server that they
//! measure.
//!
//! All sockets of a thread read into one buffer and look at frames where they lie; only the
//! beginning of a frame whose rest has not come is kept. It knows what perch sends: whole, unmasked
//! text frames, pings, and a close frame.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use anyhow::{Context as _, anyhow, bail};
use hyper::header::HeaderValue;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::client::bare;

/// The longest head of the handshake's answer.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What the kernel takes for a slow client.
const SLOW_RECEIVE_BUFFER_BYTES: u32 = 64 * 1024;

/// What a segment for a slow client holds, as in an Ethernet.
#[cfg(unix)]
const SLOW_SEGMENT_BYTES: u32 = 1_460;

/// Where to connect.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) socket: SocketAddr,
    /// For the `Host` of the handshake.
    pub(super) host: String,
    pub(super) path: String,
    /// How to encrypt the connection, and for whom. `None`: not at all.
    pub(super) tls: Option<(Arc<ClientConfig>, String)>,
    pub(super) authorization: Option<HeaderValue>,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Text(&'a [u8]),
    Ping(&'a [u8]),
    /// The code and the reason.
    Close(u16, &'a [u8]),
    Pong,
}

/// What one look at the buffer found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A frame, and how many bytes it took.
    Frame(Frame<'a>, usize),
    /// Not enough bytes.
    Part,
}

/// Reads a frame at the start of the bytes.
///
/// # Errors
///
/// What perch never sends.
pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<Parsed<'_>> {
    let &[first, second, ..] = bytes else { return Ok(Parsed::Part) };
    let (len, head) = match second {
        len @ 0..126 => (u64::from(len), 2),
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4),
            _ => return Ok(Parsed::Part),
        },
        127 => match bytes.get(2..10).and_then(|len| <[u8; 8]>::try_from(len).ok()) {
            Some(len) => (u64::from_be_bytes(len), 10),
            None => return Ok(Parsed::Part),
        },
        _ => bail!("the server sent a masked frame"),
    };
    let end = usize::try_from(len)
        .ok()
        .and_then(|len| len.checked_add(head))
        .context("the server sent a frame of absurd length")?;
    let Some(payload) = bytes.get(head..end) else { return Ok(Parsed::Part) };
    let frame = match first {
        0x81 => Frame::Text(payload),
        0x88 => match payload {
            &[a, b, ref reason @ ..] => Frame::Close(u16::from_be_bytes([a, b]), reason),
            _ => Frame::Close(1005, b""),
        },
        0x89 => Frame::Ping(payload),
        0x8a => Frame::Pong,
        _ => bail!("the server sent a frame of kind {first:#x}"),
    };
    Ok(Parsed::Frame(frame, end))
}

/// Appends a masked frame. The mask is there to keep proxies from taking payloads for requests:
/// here it can be any.
pub(super) fn write_frame(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    out.push(0x80 | kind);
    match u16::try_from(payload.len()) {
        Ok(len @ 0..126) => out.push(0x80 | len.to_be_bytes()[1]),
        Ok(len) => {
            out.push(0xfe);
            out.extend(len.to_be_bytes());
        }
        Err(_) => {
            out.push(0xff);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// One connection.
#[derive(Debug)]
pub(super) struct Socket {
    stream: MaybeTlsStream<TcpStream>,
    /// The beginning of a frame.
    part: Vec<u8>,
    /// To be written.
    out: Vec<u8>,
}

impl Socket {
    /// Connects. For a slow client the kernel takes little, so that its slowness reaches the
    /// server.
    pub(super) async fn connect(address: &Address, is_slow: bool) -> anyhow::Result<Socket> {
        let socket = if address.socket.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if is_slow {
            socket.set_recv_buffer_size(SLOW_RECEIVE_BUFFER_BYTES)?;
            // Loopback segments have 64 KiB, and TCP opens a window only for a whole segment. A
            // small MSS opens it steadily, as Ethernet does.
            #[cfg(unix)]
            socket2::SockRef::from(&socket).set_tcp_mss(SLOW_SEGMENT_BYTES)?;
        }
        let stream = socket.connect(address.socket).await?;
        stream.set_nodelay(true)?;
        let mut stream = match &address.tls {
            Some((tls, host)) => {
                let name = ServerName::try_from(bare(host).to_owned())?;
                MaybeTlsStream::Rustls(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?)
            }
            None => MaybeTlsStream::Plain(stream),
        };
        let part = handshake(&mut stream, address).await.context("the handshake failed")?;
        Ok(Socket { stream, part, out: Vec::new() })
    }

    /// Reads what is there, at most `max` bytes, into the shared buffer and hands out the frames.
    /// False when the connection has ended.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
        max: usize,
        mut each: impl FnMut(Frame<'_>) -> anyhow::Result<()>,
    ) -> Poll<anyhow::Result<bool>> {
        let kept = self.part.len();
        if kept + 1 > buffer.len() {
            return Poll::Ready(Err(anyhow!("the server sent a frame of more than {} bytes", buffer.len())));
        }
        let end = buffer.len().min(kept.saturating_add(max.max(1)));
        let mut into = ReadBuf::new(&mut buffer[kept..end]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut into))?;
        let n = into.filled().len();
        if n == 0 {
            return Poll::Ready(Ok(false));
        }
        Poll::Ready(self.frames(buffer, n, &mut each).map(|()| true))
    }

    /// Hands out the frames in what was read behind the part that was kept.
    fn frames(
        &mut self,
        buffer: &mut [u8],
        n: usize,
        each: &mut impl FnMut(Frame<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let kept = self.part.len();
        buffer[..kept].copy_from_slice(&self.part);
        let mut rest = &buffer[..kept + n];
        while let Parsed::Frame(frame, len) = parse(rest)? {
            if let Frame::Ping(payload) = frame {
                write_frame(0xa, payload, &mut self.out);
            } else {
                each(frame)?;
            }
            rest = &rest[len..];
        }
        self.part.clear();
        self.part.extend_from_slice(rest);
        if rest.is_empty() && self.part.capacity() > 4 * 1024 {
            self.part = Vec::new();
        }
        Ok(())
    }

    /// Writes what is to be written: answers to pings.
    pub(super) async fn settle(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            let out = std::mem::take(&mut self.out);
            self.stream.write_all(&out).await?;
            self.stream.flush().await?;
        }
        Ok(())
    }

    pub(super) async fn send(&mut self, text: &str) -> io::Result<()> {
        write_frame(0x1, text.as_bytes(), &mut self.out);
        self.settle().await
    }

    /// Sends a close frame and does not wait for the answer.
    pub(super) async fn close(mut self) {
        write_frame(0x8, &1000_u16.to_be_bytes(), &mut self.out);
        // The server may be gone.
        let _ = self.settle().await;
    }
}

/// The bytes that came behind the answer's head.
async fn handshake(stream: &mut MaybeTlsStream<TcpStream>, address: &Address) -> anyhow::Result<Vec<u8>> {
    let key = generate_key();
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
        address.path, address.host
    )
    .into_bytes();
    if let Some(authorization) = &address.authorization {
        request.extend_from_slice(b"Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
            break end + 4;
        }
        if answer.len() > MAX_HEAD_BYTES || stream.read_buf(&mut answer).await? == 0 {
            bail!("the server did not answer it");
        }
    };
    let rest = answer.split_off(end);
    let head = String::from_utf8_lossy(&answer);
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        bail!("the server answered {status:?} {}", String::from_utf8_lossy(&rest).escape_debug());
    }
    let accept = derive_accept_key(key.as_bytes());
    let accepted = head.lines().filter_map(|line| line.split_once(':'));
    if !accepted
        .into_iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == accept)
    {
        bail!("what answers is no WebSocket");
    }
    Ok(rest)
}
