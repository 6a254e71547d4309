//! The PROXY protocol, versions 1 and 2: a header before the first byte of a proxy's connection.
//!
//! Version 1 is a line: `PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n`. Version 2 is binary:
//!
//! ```text
//! signature (12) | version, command (1) | family, transport (1) | length (2) | addresses | fields
//! ```
//!
//! Reads exactly the header: TLS or HTTP follows.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its line break.
const MAX_LINE_BYTES: usize = 107;

/// The most bytes of addresses and fields of version 2. Fields may hold a client's certificate;
/// otherwise the specification limits headers to 536 bytes.
const MAX_PAYLOAD_BYTES: u16 = 8 * 1024;

/// Reads the header, and returns the client's address. `None` if the connection is the proxy's own,
/// such as a health check, or the proxy does not know the address.
///
/// # Errors
///
/// The connection fails, or does not begin with a header.
pub(super) async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    // Both versions are at least this long.
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == *SIGNATURE { read_v2(stream).await } else { read_v1(stream, &start).await }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

async fn read_v1(stream: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<Option<SocketAddr>> {
    if !start.starts_with(b"PROXY ") {
        return Err(invalid("no header of the PROXY protocol"));
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == MAX_LINE_BYTES {
            return Err(invalid("a PROXY line that is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(|_| invalid("a PROXY line that is no text"))?;
    let words: Vec<_> = line.trim_end_matches("\r\n").split(' ').collect();
    let source = |address: &str, port: &str| Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?));
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), address, _, port, _] => match source(address, port) {
            Some(source) if source.is_ipv4() == (family == "TCP4") => Ok(Some(source)),
            _ => Err(invalid("a PROXY line with a wrong address")),
        },
        _ => Err(invalid("a PROXY line that can't be read")),
    }
}

async fn read_v2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let (version_command, family) = (stream.read_u8().await?, stream.read_u8().await?);
    let len = stream.read_u16().await?;
    if len > MAX_PAYLOAD_BYTES {
        return Err(invalid("a PROXY header that is too long"));
    }
    let mut payload = vec![0; usize::from(len)];
    stream.read_exact(&mut payload).await?;
    match version_command {
        // LOCAL: the proxy's own connection.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(invalid("an unknown version or command of the PROXY protocol")),
    }
    let port = |at: usize| payload.get(at..at + 2).map(|port| u16::from_be_bytes([port[0], port[1]]));
    let source = match family >> 4 {
        1 => payload.first_chunk::<4>().map(|&bytes| IpAddr::V4(Ipv4Addr::from(bytes))).zip(port(8)),
        2 => payload.first_chunk::<16>().map(|&bytes| IpAddr::V6(Ipv6Addr::from(bytes))).zip(port(32)),
        // Unspecified, or a Unix socket.
        0 | 3 => return Ok(None),
        _ => None,
    };
    let (address, port) = source.ok_or_else(|| invalid("a PROXY header without its addresses"))?;
    Ok(Some(SocketAddr::new(address, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address, and what is left to read.
    async fn read(bytes: &[u8]) -> io::Result<(Option<String>, Vec<u8>)> {
        let mut rest = bytes;
        let address = read_header(&mut rest).await?;
        Ok((address.map(|address| address.to_string()), rest.to_vec()))
    }

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, payload, b"GET"].concat()
    }

    #[tokio::test]
    async fn lines() {
        for (line, expected) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", Some("192.0.2.1:4711")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n", Some("[2001:db8::1]:4711")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
        ] {
            let (address, rest) = read(format!("{line}GET").as_bytes()).await.unwrap();
            assert_eq!((address.as_deref(), &rest[..]), (expected, &b"GET"[..]), "{line}");
        }
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
        for wrong in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "PROXY TCP4 192.0.2.1\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 4711 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 47110 443 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 99999 443\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 4711 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443",
            "PROXY ",
            "",
            &long,
        ] {
            assert!(read(wrong.as_bytes()).await.is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn binary_headers() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb];
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        v6[15] = 1;
        v6[32..34].copy_from_slice(&4711_u16.to_be_bytes());
        let with_fields = [&v4[..], &[4, 0, 1, 0]].concat();
        for (bytes, expected) in [
            (v2(0x21, 0x11, &v4), Some("192.0.2.1:4711")),
            (v2(0x21, 0x21, &v6), Some("[2001:db8::1]:4711")),
            (v2(0x21, 0x11, &with_fields), Some("192.0.2.1:4711")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &v4), None),
            (v2(0x21, 0x00, &[]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let (address, rest) = read(&bytes).await.unwrap();
            assert_eq!((address.as_deref(), &rest[..]), (expected, &b"GET"[..]));
        }
        for wrong in [
            v2(0x21, 0x11, &v4[..9]),
            v2(0x21, 0x21, &v4),
            v2(0x21, 0x41, &v4),
            v2(0x11, 0x11, &v4),
            v2(0x22, 0x11, &v4),
            v2(0x21, 0x11, &[0; 9_000]),
            v2(0x21, 0x11, &v4)[..20].to_vec(),
        ] {
            assert!(read(&wrong).await.is_err(), "{wrong:?}");
        }
    }
}
