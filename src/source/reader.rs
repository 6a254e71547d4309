//! Reads tweets in bulk from a stream of bytes: a file, standard input, the body of a request.
//!
//! ```text
//! bytes -> unpack (gzip, zstd, …) -> split into lines or elements -> chunks -> read and analyse, several at once -> chunks in order
//! ```
//!
//! The stream may be NDJSON, a JSON array, a search answer (`{"statuses": […]}`), or documents that stand over several lines; it may be
//! packed with gzip or zstd, which its first bytes say, or with brotli or deflate, which somebody must say. Memory is bounded by the longest line and a few chunks, whatever the
//! length of the stream.
//!
//! What is no tweet is refused with its line (or element) and a reason and hurts nothing else. A stream that ends too early
//! gives all that was complete, and then an error.

mod split;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use tokio::io::{AsyncRead, AsyncReadExt, BufReader, ReadBuf};
use tokio::task::JoinHandle;

use self::split::Splitter;
pub use self::split::{End, Piece, Place, RawChunk};
use crate::tweet::{self, Prepared};

/// A stream of bytes.
pub type Input = Box<dyn AsyncRead + Send + Unpin>;

/// How much of the input is read at one time.
const READ_BYTES: usize = 64 * 1024;

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderOptions {
    /// The longest line, or element of an array, that may be a tweet.
    pub max_line_bytes: usize,
    /// The longest input after unpacking; 0 is any length.
    pub max_unpacked_bytes: u64,
    /// How many chunks are read and analysed at one time.
    pub parallel: usize,
    /// How the input is packed, where its first bytes do not say it.
    pub packing: Packing,
    /// The largest window of a zstd frame, as a power of two: the decoder holds it in memory.
    pub max_zstd_window_log: u32,
}

/// How an input is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// With gzip, with zstd, or not at all, as its first bytes say.
    Detect,
    /// With brotli.
    Brotli,
    /// With deflate, in zlib's wrapping (RFC 1950) or bare (RFC 1951): clients send both by this name.
    Deflate,
}

/// The largest window of a zstd frame as `zstd` itself unpacks it: 128 MiB.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

impl Default for ReaderOptions {
    fn default() -> ReaderOptions {
        ReaderOptions {
            max_line_bytes: 1024 * 1024,
            max_unpacked_bytes: 0,
            parallel: std::thread::available_parallelism().map_or(1, usize::from).min(4),
            packing: Packing::Detect,
            max_zstd_window_log: MAX_ZSTD_WINDOW_LOG,
        }
    }
}

/// A piece of the input that is no tweet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The line, from 1; in an array the element, and then the reason says so.
    pub line: u64,
    /// Which kind of mistake it is.
    pub kind: RefusedKind,
    /// Why.
    pub reason: String,
}

/// The kinds of mistakes, to count them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedKind {
    /// Longer than a tweet may be.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// No JSON, or JSON that is no tweet.
    NoTweet,
    /// The rest of an input that ends too early or is damaged.
    Cut,
}

impl RefusedKind {
    /// The label in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            RefusedKind::TooLong => "too_long",
            RefusedKind::NotUtf8 => "not_utf8",
            RefusedKind::NoTweet => "no_tweet",
            RefusedKind::Cut => "cut",
        }
    }
}

/// Some tweets, in the order of the input.
#[derive(Debug, Default)]
pub struct Chunk {
    /// What was understood.
    pub tweets: Vec<Arc<Prepared>>,
    /// What was not, in order.
    pub refused: Vec<Refused>,
    /// Where the chunk ends: from there a later reader can go on. Lines are counted in bytes as long as nothing is packed.
    pub end: End,
}

/// Why the input ended before its end. Everything before it was given out.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not complete.
    #[error("the input is cut: {0}")]
    Cut(String),
    /// It is not packed as it says, or as somebody said, or it is damaged.
    #[error("the input can't be unpacked: {0}")]
    Packed(io::Error),
    /// It is longer than `max_unpacked_bytes`.
    #[error("the input is longer than {0} bytes")]
    TooLong(u64),
    /// It can't be read.
    #[error("the input can't be read: {0}")]
    Io(io::Error),
}

/// Reads tweets in bulk; see the module.
pub struct BulkReader {
    parallel: usize,
    parse: Parse,
    raw: RawReader,
    /// Chunks that are read and analysed, in order.
    jobs: VecDeque<JoinHandle<Chunk>>,
    /// The input has ended, well or not; the error is given out once.
    ended: Option<Result<(), ReadError>>,
}

/// What makes tweets of one document.
type Parse = fn(&str) -> Parsed;

/// The tweets of one document, and why others in it are none.
type Parsed = (Vec<Arc<Prepared>>, Vec<String>);

impl BulkReader {
    /// A reader of this input.
    pub fn new(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions) -> BulkReader {
        BulkReader::resume(input, options, End::default())
    }

    /// A reader that goes on where an earlier one was. With `line_bytes` the input must begin there; otherwise it begins at its start, and what comes
    /// before is passed over.
    pub fn resume(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions, from: End) -> BulkReader {
        BulkReader::with_parse(input, options, from, each_of)
    }

    fn with_parse(
        input: impl AsyncRead + Send + Unpin + 'static,
        options: ReaderOptions,
        from: End,
        parse: Parse,
    ) -> BulkReader {
        BulkReader {
            parallel: options.parallel.max(1),
            parse,
            raw: RawReader::resume(input, options, from),
            jobs: VecDeque::new(),
            ended: None,
        }
    }

    /// The next tweets; `None` when the input has ended. A chunk is never empty.
    ///
    /// When the input comes slowly, what is complete is given out at once. Cancel safe.
    ///
    /// # Errors
    ///
    /// The input ended too early: told once, after everything that was complete.
    pub async fn next_chunk(&mut self) -> Result<Option<Chunk>, ReadError> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Chunk>, ReadError>> {
        while self.ended.is_none() && self.jobs.len() < self.parallel {
            // While chunks are in work there is no hurry: larger ones cost less.
            match self.raw.poll_chunk(context, self.jobs.is_empty()) {
                Poll::Ready(Ok(Some(raw))) => {
                    let parse = self.parse;
                    self.jobs.push_back(tokio::task::spawn_blocking(move || read_chunk(raw, parse)));
                }
                Poll::Ready(Ok(None)) => self.ended = Some(Ok(())),
                Poll::Ready(Err(error)) => self.ended = Some(Err(error)),
                Poll::Pending => break,
            }
        }
        if let Some(job) = self.jobs.front_mut() {
            let chunk = ready!(Pin::new(job).poll(context));
            self.jobs.pop_front();
            return Poll::Ready(chunk.map(Some).map_err(|error| ReadError::Io(io::Error::other(error))));
        }
        match &mut self.ended {
            Some(end) => Poll::Ready(std::mem::replace(end, Ok(())).map(|()| None)),
            None => Poll::Pending,
        }
    }
}

/// Cuts an input into pieces that may be tweets, and does not look into them.
pub struct RawReader {
    stream: Stream,
    buffer: Box<[u8]>,
    splitter: Splitter,
    unpacked_bytes: u64,
    max_unpacked_bytes: u64,
    /// The input has ended, well or not; the error is given out once.
    ended: Option<Result<(), ReadError>>,
}

impl RawReader {
    /// A reader of this input.
    pub fn new(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions) -> RawReader {
        RawReader::resume(input, options, End::default())
    }

    fn resume(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions, from: End) -> RawReader {
        RawReader {
            stream: Stream::Unknown { start: Vec::new(), input: Some(Box::new(input)), options },
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            splitter: Splitter::new(options.max_line_bytes, from),
            unpacked_bytes: 0,
            max_unpacked_bytes: options.max_unpacked_bytes,
            ended: None,
        }
    }

    /// The next pieces; `None` when the input has ended. Cancel safe.
    ///
    /// # Errors
    ///
    /// The input ended too early: told once, after everything that was complete.
    pub async fn next_chunk(&mut self) -> Result<Option<RawChunk>, ReadError> {
        poll_fn(|context| self.poll_chunk(context, true)).await
    }

    /// `hurry`: give out what is complete as soon as the input has nothing more at the moment.
    fn poll_chunk(&mut self, context: &mut Context<'_>, hurry: bool) -> Poll<Result<Option<RawChunk>, ReadError>> {
        loop {
            if let Some(mut chunk) = self.splitter.next_chunk() {
                if matches!(self.stream, Stream::Known { packed: true, .. }) {
                    // What is packed can't be read from the middle.
                    for end in std::iter::once(&mut chunk.end).chain(&mut chunk.unfinished) {
                        end.line_bytes = None;
                    }
                }
                return Poll::Ready(Ok(Some(chunk)));
            }
            if let Some(end) = &mut self.ended {
                return Poll::Ready(std::mem::replace(end, Ok(())).map(|()| None));
            }
            match self.stream.poll_read(context, &mut self.buffer) {
                Poll::Ready(Ok(0)) => self.ended = Some(self.splitter.finish(false).map_err(ReadError::Cut)),
                Poll::Ready(Ok(len)) => {
                    self.unpacked_bytes += len as u64;
                    if self.max_unpacked_bytes > 0 && self.unpacked_bytes > self.max_unpacked_bytes {
                        self.splitter.flush();
                        self.ended = Some(Err(ReadError::TooLong(self.max_unpacked_bytes)));
                    } else {
                        self.splitter.push(&self.buffer[..len]);
                    }
                }
                Poll::Ready(Err(error)) => {
                    let place = self.splitter.finish(true).err().unwrap_or_default();
                    self.ended = Some(Err(self.stream.explain(error, place)));
                }
                Poll::Pending if hurry && self.splitter.has_pieces() => self.splitter.flush(),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// The input, before and after it is known how it is packed.
enum Stream {
    Unknown { start: Vec<u8>, input: Option<Input>, options: ReaderOptions },
    Known { input: Input, packed: bool },
}

impl Stream {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self {
                Stream::Known { input, .. } => return poll_input(input, context, buffer),
                Stream::Unknown { start, input, options } => {
                    let reader = input.as_mut().expect("the input is here until it is known");
                    let len = ready!(poll_input(reader, context, buffer))?;
                    start.extend_from_slice(&buffer[..len]);
                    if len == 0 || start.len() >= 4 {
                        let (start, input, options) = (std::mem::take(start), input.take(), *options);
                        *self = Stream::known(start, input.expect("the input is here until it is known"), options);
                    }
                }
            }
        }
    }

    fn known(start: Vec<u8>, input: Input, options: ReaderOptions) -> Stream {
        /// A decoder that goes on behind the end of what is packed: there may be more of it, and anything
        /// else is a mistake.
        macro_rules! unpack {
            ($decoder:ident, $input:expr $(, $params:expr)?) => {{
                let input = BufReader::with_capacity(READ_BYTES, $input);
                let mut decoder = unpack!(@new $decoder, input $(, $params)?);
                decoder.multiple_members(true);
                Stream::Known { input: Box::new(decoder), packed: true }
            }};
            (@new $decoder:ident, $input:expr) => { $decoder::new($input) };
            (@new $decoder:ident, $input:expr, $params:expr) => { $decoder::with_params($input, $params) };
        }
        let packing = options.packing;
        let (is_gzip, is_zstd, is_zlib) = (start.starts_with(&[0x1F, 0x8B]), starts_as_zstd(&start), is_zlib(&start));
        let input = io::Cursor::new(start).chain(input);
        match packing {
            Packing::Brotli => unpack!(BrotliDecoder, input),
            Packing::Deflate if is_zlib => unpack!(ZlibDecoder, input),
            Packing::Deflate => unpack!(DeflateDecoder, input),
            Packing::Detect if is_gzip => unpack!(GzipDecoder, input),
            Packing::Detect if is_zstd => {
                unpack!(ZstdDecoder, input, &[DParameter::window_log_max(options.max_zstd_window_log)])
            }
            Packing::Detect => Stream::Known { input: Box::new(input), packed: false },
        }
    }

    fn explain(&self, error: io::Error, place: String) -> ReadError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Cut(place),
            // So deflate says that there is too little.
            io::ErrorKind::Other if error.to_string() == "unexpected BufError" => ReadError::Cut(place),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other
                if matches!(self, Stream::Known { packed: true, .. }) =>
            {
                ReadError::Packed(error)
            }
            _ => ReadError::Io(error),
        }
    }
}

/// Whether it begins with a frame of zstd, or one that decoders skip: pzstd writes such a one first.
fn starts_as_zstd(start: &[u8]) -> bool {
    let is_skippable = start.len() >= 4 && start[0] & 0xF0 == 0x50 && start[1..4] == [0x2A, 0x4D, 0x18];
    is_skippable || start.starts_with(&[0x28, 0xB5, 0x2F, 0xFD])
}

/// Whether it begins with zlib's header: the method is deflate, and the check bits are right.
fn is_zlib(start: &[u8]) -> bool {
    start.len() >= 2
        && start[0] & 0x0F == 8
        && start[0] >> 4 <= 7
        && u16::from_be_bytes([start[0], start[1]]).is_multiple_of(31)
}

fn poll_input(input: &mut Input, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(input).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Reads and analyses the pieces of a chunk.
fn read_chunk(raw: RawChunk, parse: Parse) -> Chunk {
    let mut chunk = Chunk { tweets: Vec::with_capacity(raw.pieces.len()), refused: raw.refused, end: raw.end };
    for piece in &raw.pieces {
        let bytes = &raw.bytes[piece.range.clone()];
        let Ok(text) = str::from_utf8(bytes) else {
            chunk.refused.push(piece.place.refuse(RefusedKind::NotUtf8, "not UTF-8"));
            continue;
        };
        let (mut tweets, reasons) = parse(text);
        chunk.tweets.append(&mut tweets);
        let refused = reasons.iter().map(|reason| piece.place.refuse(RefusedKind::NoTweet, reason));
        chunk.refused.extend(refused);
    }
    if let (Some(before), Some(last)) = (raw.unfinished, raw.pieces.last())
        && chunk.refused.iter().any(|refused| last.place == Place::Line(refused.line))
    {
        // Somebody may still be writing it.
        chunk.end = before;
    }
    chunk.refused.sort_by_key(|refused| refused.line);
    chunk
}

fn each_of(json: &str) -> Parsed {
    let each = match tweet::read_each(json.as_bytes()) {
        Ok(each) => each,
        Err(error) => return (Vec::new(), vec![error.to_string()]),
    };
    let mut parsed = Parsed::default();
    for tweet in each {
        match tweet {
            Ok(tweet) => parsed.0.push(Arc::new(tweet::prepare(&tweet))),
            Err(error) => parsed.1.push(error.to_string()),
        }
    }
    parsed
}

/// The tweets of one document.
pub(super) fn tweets_of(json: &str) -> Result<Vec<Arc<Prepared>>, String> {
    let tweets = tweet::read(json.as_bytes()).map_err(|error| error.to_string())?;
    Ok(tweets.iter().map(|tweet| Arc::new(tweet::prepare(tweet))).collect())
}

#[cfg(test)]
mod tests;
