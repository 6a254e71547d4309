//! Reads tweets in bulk from a stream of bytes: a file, standard input, the body of a request.
//!
//! ```text
//! bytes -> decompress -> split into raw chunks -> parse and analyze in parallel -> chunks in order
//! ```
//!
//! The stream may be NDJSON, a JSON array, a search answer (`{"statuses": […]}`), or documents of
//! several lines. gzip and zstd are detected by their first bytes; the caller has to name brotli
//! and deflate. Memory is bounded by the longest line and a few chunks, whatever the length of the
//! stream.
//!
//! A document that is no tweet is refused with its line (or element) and a reason, and affects no
//! other. A truncated stream yields its complete documents, and then an error.

mod framing;
mod raw_chunk;
mod splitter;
mod value_scanner;

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

pub use self::raw_chunk::{Location, Offset, RawChunk, RawDoc};
use self::splitter::Splitter;
use crate::tweet::{self, AnalyzedTweet};

/// A stream of bytes.
pub type InputStream = Box<dyn AsyncRead + Send + Unpin>;

/// Size of one read from the input.
const READ_BYTES: usize = 64 * 1024;

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderOptions {
    /// The longest line, or element of an array, that may be a tweet.
    pub max_line_bytes: usize,
    /// The longest input after decompression; 0 is any length.
    pub max_unpacked_bytes: u64,
    /// Chunks that are parsed and analyzed at one time.
    pub parallel: usize,
    /// How the input is compressed.
    pub compression: Compression,
    /// Binary logarithm of the largest window of a zstd frame: the decoder holds a window in
    /// memory.
    pub max_zstd_window_log: u32,
}

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip, zstd or none, as its first bytes say.
    Detect,
    /// brotli, which has no signature.
    Brotli,
    /// deflate, with zlib's header (RFC 1950) or raw (RFC 1951): clients use the name for both.
    Deflate,
}

/// The largest window that `zstd -d` accepts by default: 128 MiB.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

impl Default for ReaderOptions {
    fn default() -> ReaderOptions {
        ReaderOptions {
            max_line_bytes: 1024 * 1024,
            max_unpacked_bytes: 0,
            parallel: std::thread::available_parallelism().map_or(1, usize::from).min(4),
            compression: Compression::Detect,
            max_zstd_window_log: MAX_ZSTD_WINDOW_LOG,
        }
    }
}

/// A document that is no tweet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDoc {
    /// The line, from 1. In an array the element, which `reason` then names.
    pub line: u64,
    /// The class of the reason.
    pub kind: RefusalKind,
    /// Why.
    pub reason: String,
}

/// Why a document was refused, as the label `reason` of `perch_tweets_refused_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Longer than a tweet may be.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// No JSON, or JSON that is no tweet.
    NotATweet,
    /// The rest of a truncated or damaged input.
    Truncated,
}

impl RefusalKind {
    /// The label in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            RefusalKind::TooLong => "too_long",
            RefusalKind::NotUtf8 => "not_utf8",
            RefusalKind::NotATweet => "no_tweet",
            RefusalKind::Truncated => "cut",
        }
    }
}

/// Some tweets, in the order of the input.
#[derive(Debug, Default)]
pub struct TweetChunk {
    /// The tweets.
    pub tweets: Vec<Arc<AnalyzedTweet>>,
    /// The documents that are no tweets, in order.
    pub refused: Vec<RefusedDoc>,
    /// Where the chunk ends and a later reader can resume.
    pub end: Offset,
}

/// Why an input was not read to its end. The reader has returned every complete document before.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It ends too early; the text says where.
    #[error("the input is truncated: {0}")]
    Truncated(String),
    /// It is damaged, or compressed in another way than declared.
    #[error("the input can't be decompressed: {0}")]
    Corrupt(io::Error),
    /// It is longer than [`ReaderOptions::max_unpacked_bytes`].
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
    /// Chunks being parsed and analyzed, in order.
    jobs: VecDeque<JoinHandle<TweetChunk>>,
    /// The result of the input, once it has ended. An error is returned once.
    ended: Option<Result<(), ReadError>>,
}

/// What makes tweets of one document.
type Parse = fn(&str) -> Parsed;

/// The tweets of one document, and why others in it are none.
type Parsed = (Vec<Arc<AnalyzedTweet>>, Vec<String>);

impl BulkReader {
    /// A reader of this input.
    pub fn new(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions) -> BulkReader {
        BulkReader::resume(input, options, Offset::default())
    }

    /// A reader that resumes at `from`. If `from` has `bytes`, the input must start there;
    /// otherwise it starts at its beginning, and the reader skips the documents before `from`.
    pub fn resume(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions, from: Offset) -> BulkReader {
        BulkReader::with_parse(input, options, from, each_of)
    }

    fn with_parse(
        input: impl AsyncRead + Send + Unpin + 'static,
        options: ReaderOptions,
        from: Offset,
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
    /// From a slow input, complete documents are returned at once. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ReadError`], once, behind the last complete document.
    pub async fn next_chunk(&mut self) -> Result<Option<TweetChunk>, ReadError> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<TweetChunk>, ReadError>> {
        while self.ended.is_none() && self.jobs.len() < self.parallel {
            // While other chunks are parsed, wait for full ones: they cost less per document.
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

/// Splits an input into documents without parsing them.
pub struct RawReader {
    stream: Decompressor,
    buffer: Box<[u8]>,
    splitter: Splitter,
    unpacked_bytes: u64,
    max_unpacked_bytes: u64,
    /// The result of the input, once it has ended. An error is returned once.
    ended: Option<Result<(), ReadError>>,
}

impl RawReader {
    /// A reader of this input.
    pub fn new(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions) -> RawReader {
        RawReader::resume(input, options, Offset::default())
    }

    fn resume(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions, from: Offset) -> RawReader {
        RawReader {
            stream: Decompressor::Detecting { start: Vec::new(), input: Some(Box::new(input)), options },
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            splitter: Splitter::new(options.max_line_bytes, from),
            unpacked_bytes: 0,
            max_unpacked_bytes: options.max_unpacked_bytes,
            ended: None,
        }
    }

    /// The next documents; `None` when the input has ended. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ReadError`], once, behind the last complete document.
    pub async fn next_chunk(&mut self) -> Result<Option<RawChunk>, ReadError> {
        poll_fn(|context| self.poll_chunk(context, true)).await
    }

    /// `is_eager`: return complete documents as soon as the input has no more bytes ready.
    fn poll_chunk(&mut self, context: &mut Context<'_>, is_eager: bool) -> Poll<Result<Option<RawChunk>, ReadError>> {
        loop {
            if let Some(mut chunk) = self.splitter.next_chunk() {
                if matches!(self.stream, Decompressor::Detected { is_compressed: true, .. }) {
                    // A compressed input can't be opened in its middle.
                    for offset in std::iter::once(&mut chunk.end).chain(&mut chunk.unfinished) {
                        offset.bytes = None;
                    }
                }
                return Poll::Ready(Ok(Some(chunk)));
            }
            if let Some(end) = &mut self.ended {
                return Poll::Ready(std::mem::replace(end, Ok(())).map(|()| None));
            }
            match self.stream.poll_read(context, &mut self.buffer) {
                Poll::Ready(Ok(0)) => self.ended = Some(self.splitter.finish(false).map_err(ReadError::Truncated)),
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
                    let location = self.splitter.finish(true).err().unwrap_or_default();
                    self.ended = Some(Err(self.stream.explain(error, location)));
                }
                Poll::Pending if is_eager && self.splitter.has_docs() => self.splitter.flush(),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// The decompressed input.
enum Decompressor {
    Detecting { start: Vec<u8>, input: Option<InputStream>, options: ReaderOptions },
    Detected { input: InputStream, is_compressed: bool },
}

impl Decompressor {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
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
            (@new $decoder:ident, $input:expr, $params:expr) => { $decoder::with_params($input, $params) };
        }
        let compression = options.compression;
        let (is_gzip, is_zstd, is_zlib) = (start.starts_with(&[0x1F, 0x8B]), starts_as_zstd(&start), is_zlib(&start));
        let input = io::Cursor::new(start).chain(input);
        match compression {
            Compression::Brotli => decompress!(BrotliDecoder, input),
            Compression::Deflate if is_zlib => decompress!(ZlibDecoder, input),
            Compression::Deflate => decompress!(DeflateDecoder, input),
            Compression::Detect if is_gzip => decompress!(GzipDecoder, input),
            Compression::Detect if is_zstd => {
                decompress!(ZstdDecoder, input, &[DParameter::window_log_max(options.max_zstd_window_log)])
            }
            Compression::Detect => Decompressor::Detected { input: Box::new(input), is_compressed: false },
        }
    }

    fn explain(&self, error: io::Error, location: String) -> ReadError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Truncated(location),
            // This is how the deflate decoder reports a truncated input.
            io::ErrorKind::Other if error.to_string() == "unexpected BufError" => ReadError::Truncated(location),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other
                if matches!(self, Decompressor::Detected { is_compressed: true, .. }) =>
            {
                ReadError::Corrupt(error)
            }
            _ => ReadError::Io(error),
        }
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

/// Parses and analyzes the documents of a chunk.
fn read_chunk(raw: RawChunk, parse: Parse) -> TweetChunk {
    let mut chunk = TweetChunk { tweets: Vec::with_capacity(raw.docs.len()), refused: raw.refused, end: raw.end };
    for doc in &raw.docs {
        let bytes = &raw.bytes[doc.range.clone()];
        let Ok(text) = str::from_utf8(bytes) else {
            chunk.refused.push(doc.location.refuse(RefusalKind::NotUtf8, "not UTF-8"));
            continue;
        };
        let (mut tweets, reasons) = parse(text);
        chunk.tweets.append(&mut tweets);
        let refused = reasons.iter().map(|reason| doc.location.refuse(RefusalKind::NotATweet, reason));
        chunk.refused.extend(refused);
    }
    if let (Some(before), Some(last)) = (raw.unfinished, raw.docs.last())
        && chunk.refused.iter().any(|refused| last.location == Location::Line(refused.line))
    {
        // The writer may complete the line later.
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
            Ok(tweet) => parsed.0.push(Arc::new(tweet::analyze(&tweet))),
            Err(error) => parsed.1.push(error.to_string()),
        }
    }
    parsed
}

/// The tweets of one document.
pub(super) fn tweets_of(json: &str) -> Result<Vec<Arc<AnalyzedTweet>>, String> {
    let tweets = tweet::read(json.as_bytes()).map_err(|error| error.to_string())?;
    Ok(tweets.iter().map(|tweet| Arc::new(tweet::analyze(tweet))).collect())
}

#[cfg(test)]
mod tests;
