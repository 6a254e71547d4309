//! Unpacks an input.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{
    BrotliDecoder, BzDecoder, DeflateDecoder, GzipDecoder, XzDecoder, ZlibDecoder, ZstdDecoder,
};
use async_compression::zstd::DParameter;
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader, ReadBuf};

use super::{Compression, InputStream, READ_BYTES, ReadError, ReaderOptions};

/// The memory that the decoder of xz takes besides its dictionary, rounded up.
const XZ_STATE_BYTES: u64 = 1024 * 1024;

/// The decompressed input.
pub(super) enum Decompressor {
    Detecting { start: Vec<u8>, input: Option<InputStream>, options: ReaderOptions },
    Detected { input: InputStream, is_compressed: bool },
}

impl Decompressor {
    /// Detects how this input is compressed.
    pub(super) fn new(input: InputStream, options: ReaderOptions) -> Decompressor {
        Decompressor::Detecting { start: Vec::new(), input: Some(input), options }
    }

    /// Whether it is compressed.
    pub(super) fn is_compressed(&self) -> bool {
        matches!(self, Decompressor::Detected { is_compressed: true, .. })
    }

    /// Reads unpacked bytes.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self {
                Decompressor::Detected { input, .. } => return poll_input(input, context, buffer),
                Decompressor::Detecting { start, input, options } => {
                    let reader = input.as_mut().expect("detection keeps the input");
                    let len = ready!(poll_input(reader, context, buffer))?;
                    start.extend_from_slice(&buffer[..len]);
                    if len == 0 || start.len() >= 4 {
                        let (start, input, options) = (std::mem::take(start), input.take(), *options);
                        *self = Decompressor::detect(start, input.expect("detection keeps the input"), options);
                    }
                }
            }
        }
    }

    /// The decoder of an input that begins with `start`.
    fn detect(start: Vec<u8>, input: InputStream, options: ReaderOptions) -> Decompressor {
        /// A decoder that continues behind a compressed member: another may follow, and any other
        /// byte is an error.
        macro_rules! decompress {
            ($decoder:ident, $input:expr $(, $params:expr)?) => {{
                let input = BufReader::with_capacity(READ_BYTES, $input);
                let mut decoder = decompress!(@new $decoder, input $(, $params)?);
                decoder.multiple_members(true);
                Decompressor::Detected { input: Box::new(decoder), is_compressed: true }
            }};
            (@new $decoder:ident, $input:expr) => { $decoder::new($input) };
            (@new ZstdDecoder, $input:expr, $params:expr) => { ZstdDecoder::with_params($input, $params) };
            (@new XzDecoder, $input:expr, $bytes:expr) => { XzDecoder::with_mem_limit($input, $bytes) };
        }
        let compression = options.compression;
        let (is_gzip, is_zstd, is_zlib) = (start.starts_with(&[0x1F, 0x8B]), starts_as_zstd(&start), is_zlib(&start));
        let is_bzip2 = matches!(&start[..], [b'B', b'Z', b'h', b'1'..=b'9', ..]);
        let is_xz = start.starts_with(b"\xFD7zX");
        let input = io::Cursor::new(start).chain(input);
        match compression {
            Compression::Brotli => decompress!(BrotliDecoder, input),
            Compression::Deflate if is_zlib => decompress!(ZlibDecoder, input),
            Compression::Deflate => decompress!(DeflateDecoder, input),
            Compression::Detect if is_gzip => decompress!(GzipDecoder, input),
            Compression::Detect if is_bzip2 => decompress!(BzDecoder, input),
            Compression::Detect if is_xz => {
                decompress!(XzDecoder, input, (1 << options.max_window_log) + XZ_STATE_BYTES)
            }
            Compression::Detect if is_zstd => {
                decompress!(ZstdDecoder, input, &[DParameter::window_log_max(options.max_window_log)])
            }
            Compression::Detect => Decompressor::Detected { input: Box::new(input), is_compressed: false },
        }
    }

    /// Takes the unpacked input out.
    pub(super) fn take_input(&mut self) -> impl AsyncRead + Send + Unpin + use<> {
        let empty = Decompressor::Detected { input: Box::new(tokio::io::empty()), is_compressed: false };
        std::mem::replace(self, empty)
    }

    /// Says why reading failed.
    pub(super) fn explain(&self, error: io::Error, location: String) -> ReadError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Truncated(location),
            // This is how the deflate decoder reports a truncated input.
            io::ErrorKind::Other if error.to_string() == "unexpected BufError" => ReadError::Truncated(location),
            // And this the decoder of xz, whose limit of memory has another message.
            io::ErrorKind::Other if error.to_string() == "out of memory" => ReadError::Truncated(location),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other
                if matches!(self, Decompressor::Detected { is_compressed: true, .. }) =>
            {
                ReadError::Corrupt(error)
            }
            _ => ReadError::Io(error),
        }
    }
}

impl AsyncRead for Decompressor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = ready!(Decompressor::poll_read(&mut self, context, buffer.initialize_unfilled()))?;
        buffer.advance(len);
        Poll::Ready(Ok(()))
    }
}

/// Whether `start` is that of a zstd frame or of a skippable frame, which pzstd writes first.
fn starts_as_zstd(start: &[u8]) -> bool {
    let is_skippable = start.len() >= 4 && start[0] & 0xF0 == 0x50 && start[1..4] == [0x2A, 0x4D, 0x18];
    is_skippable || start.starts_with(&[0x28, 0xB5, 0x2F, 0xFD])
}

/// Whether `start` is a zlib header: method deflate, valid window size and check bits.
fn is_zlib(start: &[u8]) -> bool {
    start.len() >= 2
        && start[0] & 0x0F == 8
        && start[0] >> 4 <= 7
        && u16::from_be_bytes([start[0], start[1]]).is_multiple_of(31)
}

fn poll_input(input: &mut InputStream, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(input).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
