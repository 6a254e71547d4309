//! Reads tweets from a stream of bytes: a file, standard input, the body of a request.
//!
//! ```text
//! bytes -> unpack -> split into raw chunks -> read in parallel -> chunks in order
//! ```
//!
//! The stream may be NDJSON, a JSON array, a page with a list of tweets (`{"statuses": […]}`), or
//! documents of several lines, each in any of [`FORMATS`](super::FORMATS). gzip, zstd, bzip2, xz,
//! tar and zip are detected by their first bytes; the caller has to name brotli and deflate. Memory
//! is bounded by the longest page and a few chunks, whatever the length of the stream. Tweets of a
//! long page come in several chunks.
//!
//! A document that is no tweet is refused with its line (or element) and a reason, and affects no
//! other. A truncated stream yields its complete documents, and then an error. A stream that holds
//! nothing of any format is one error, not one for each of its lines.

mod archive;
mod budget;
mod chunk;
mod framing;
mod job;
mod raw_chunk;
mod raw_reader;
mod splitter;
mod status_numbers;
mod unpack;
mod utf16;
mod value_scanner;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncRead;
use tokio::task::JoinHandle;

pub use self::chunk::{Chunk, Deletion};
use self::job::{Job, Parse, Work};
pub use self::raw_chunk::{Location, Offset};
use self::raw_reader::RawReader;
use self::status_numbers::StatusNumbers;
use super::output::too_long;
use super::{ColumnMap, FormatKind, read_document};
use crate::tweet::{self, AnalyzedTweet, Tweet, User};

/// A stream of bytes.
pub type InputStream = Box<dyn AsyncRead + Send + Unpin>;

/// Size of one read from the input.
const READ_BYTES: usize = 64 * 1024;

/// The first bytes of an input that are kept to describe it.
const HEAD_BYTES: usize = 512;

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct ReaderOptions {
    /// The longest tweet. A page of several tweets may be [`PAGE_FACTOR`] times as long, up to
    /// [`MAX_PAGE_BYTES`].
    pub max_line_bytes: usize,
    /// The longest input after decompression; 0 is any length.
    pub max_unpacked_bytes: u64,
    /// Chunks that are parsed and analyzed at one time.
    pub parallel: usize,
    /// How the input is compressed.
    pub compression: Compression,
    /// Binary logarithm of the largest window of zstd and of the largest dictionary of xz: the
    /// decoder holds it in memory.
    pub max_window_log: u32,
    /// The format of all documents; `None` recognizes each.
    pub format: Option<&'static FormatKind>,
}

/// A page whose tweets need what stands behind them is held in memory, up to this many times the
/// longest tweet.
pub const PAGE_FACTOR: usize = 8;

/// The longest page that is held in memory, unless a tweet may be longer.
pub const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip, zstd, bzip2, xz or none, as its first bytes say.
    Detect,
    /// brotli, which has no signature.
    Brotli,
    /// deflate, with zlib's header (RFC 1950) or raw (RFC 1951): clients use the name for both.
    Deflate,
}

/// The largest window that `zstd -d` accepts by default: 128 MiB. `xz -9` takes 64 MiB.
const MAX_WINDOW_LOG: u32 = 27;

impl Default for ReaderOptions {
    fn default() -> ReaderOptions {
        ReaderOptions {
            max_line_bytes: 1024 * 1024,
            max_unpacked_bytes: 0,
            parallel: std::thread::available_parallelism().map_or(1, usize::from).min(4),
            compression: Compression::Detect,
            max_window_log: MAX_WINDOW_LOG,
            format: None,
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
    /// It holds nothing of any format.
    #[error("this is no file of tweets that perch knows: it looks like {0}; see docs/FORMATS.md, or name its format")]
    Unknown(String),
    /// None of its documents is a tweet; the text is the reason of the first.
    #[error("none of its {0} documents is a tweet: {1}")]
    NothingAccepted(u64, String),
    /// The input failed.
    #[error("the input can't be read: {0}")]
    Io(io::Error),
    /// perch failed, not the input: its disk is full, for example.
    #[error("perch can't read on: {0}")]
    Failed(io::Error),
}

/// Some tweets, and what is left of the raw chunk that they come from.
type ReadWork<T> = (Chunk<T>, Option<Work<T>>);

/// Reads tweets in bulk; see the module.
pub struct BulkReader<T = Arc<AnalyzedTweet>> {
    parallel: usize,
    job: Job<T>,
    raw: RawReader,
    /// Chunks being read, in order.
    jobs: VecDeque<JoinHandle<ReadWork<T>>>,
    recognition: Recognition,
    statuses: StatusNumbers,
    /// The result of the input, once it has ended. An error is returned once.
    ended: Option<Result<(), ReadError>>,
    /// Whether a document came.
    has_docs: bool,
}

/// What was recognized so far.
#[derive(Default)]
struct Recognition {
    /// The file of an archive that is being read.
    member: Option<Arc<str>>,
    /// Refusals while no document of the file was recognized. `None` once one was.
    held: Option<Vec<RefusedDoc>>,
    /// Whether a document of any file was recognized.
    any: bool,
    /// Files of archives in which nothing was recognized, and which no chunk has counted.
    unread: u64,
}

/// Files in which nothing is recognized, among what is skipped.
const OTHER_FILE: &str = "file";

impl BulkReader {
    /// A reader of this input, for the pipeline.
    pub fn new(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions) -> BulkReader {
        BulkReader::resume(input, options, Offset::default())
    }

    /// A reader that resumes at `from`. If `from` has `bytes`, the input must start there;
    /// otherwise it starts at its beginning, and the reader skips the documents before `from`.
    pub fn resume(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions, from: Offset) -> BulkReader {
        BulkReader::with(input, options, from, |tweet, _| Arc::new(tweet::analyze(&tweet)))
    }
}

impl<T: Send + 'static> BulkReader<T> {
    /// A reader that makes of each tweet what `convert` returns.
    pub fn with(
        input: impl AsyncRead + Send + Unpin + 'static,
        options: ReaderOptions,
        from: Offset,
        convert: fn(Tweet, Location) -> T,
    ) -> BulkReader<T> {
        let parse: Parse = |text, forced, out| read_document(text, forced, out).map(|kind| kind.name);
        BulkReader::with_parse(input, options, from, (parse, convert))
    }

    fn with_parse(
        input: impl AsyncRead + Send + Unpin + 'static,
        options: ReaderOptions,
        from: Offset,
        (parse, convert): (Parse, fn(Tweet, Location) -> T),
    ) -> BulkReader<T> {
        let ReaderOptions { max_line_bytes, format, .. } = options;
        BulkReader {
            parallel: options.parallel.max(1),
            job: Job { max_line_bytes, format, parse, convert, author: None },
            raw: RawReader::resume(input, options, from),
            jobs: VecDeque::new(),
            // Behind an earlier part of the input nothing has to be recognized any more.
            recognition: Recognition {
                held: (from == Offset::default()).then(Vec::new),
                any: from != Offset::default(),
                ..Recognition::default()
            },
            statuses: StatusNumbers::default(),
            ended: None,
            has_docs: false,
        }
    }

    /// Why an input that has ended is no file of tweets, if no document came. An empty array or
    /// page is one.
    #[must_use]
    pub fn emptiness(&self) -> Option<ReadError> {
        if self.has_docs {
            return None;
        }
        let what = match () {
            () if is_office(&self.raw.head) => Some(looks_like(&self.raw.head)),
            () if self.raw.is_archive => Some("an archive without files that may hold tweets"),
            () => self.raw.splitter.emptiness(),
        };
        what.map(|what| ReadError::Unknown(what.to_owned()))
    }

    /// Gives the author of tweets that name none.
    #[must_use]
    pub fn with_author(mut self, author: Option<User>) -> BulkReader<T> {
        self.job.author = author;
        self
    }

    /// Gives the input as a file that perch may seek in: a zip is then read without a copy.
    #[must_use]
    pub fn with_file(mut self, file: Option<std::fs::File>) -> BulkReader<T> {
        self.raw.file = file;
        self
    }

    /// Says what the columns of a table are called.
    #[must_use]
    pub fn with_columns(mut self, map: ColumnMap) -> BulkReader<T> {
        self.raw.splitter.set_columns(map);
        self
    }

    /// The next tweets; `None` when the input has ended. A chunk is never empty.
    ///
    /// From a slow input, complete documents are returned at once. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ReadError`], once, behind the last complete document.
    pub async fn next_chunk(&mut self) -> Result<Option<Chunk<T>>, ReadError> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Chunk<T>>, ReadError>> {
        loop {
            while self.ended.is_none() && self.jobs.len() < self.parallel {
                // While other chunks are read, wait for full ones: they cost less per document.
                match self.raw.poll_chunk(context, self.jobs.is_empty()) {
                    Poll::Ready(Ok(Some(raw))) => {
                        let work = Work::new(self.job.clone(), raw);
                        self.jobs.push_back(tokio::task::spawn_blocking(|| work.read()));
                    }
                    Poll::Ready(Ok(None)) => self.ended = Some(Ok(())),
                    Poll::Ready(Err(error)) => self.ended = Some(Err(error)),
                    Poll::Pending => break,
                }
            }
            if let Some(job) = self.jobs.front_mut() {
                let chunk = ready!(Pin::new(job).poll(context));
                self.jobs.pop_front();
                let (mut chunk, rest) = match chunk {
                    Ok(chunk) => chunk,
                    Err(error) => return Poll::Ready(Err(ReadError::Failed(io::Error::other(error)))),
                };
                if let Some(rest) = rest {
                    self.jobs.push_front(tokio::task::spawn_blocking(|| rest.read()));
                }
                self.has_docs = true;
                self.statuses.resolve(&mut chunk);
                if let Some(chunk) = self.recognized(chunk) {
                    return Poll::Ready(Ok(Some(chunk)));
                }
                continue;
            }
            let Some(end) = &mut self.ended else { return Poll::Pending };
            let end = std::mem::replace(end, Ok(()));
            let Recognition { member, held, any, unread } = std::mem::take(&mut self.recognition);
            let is_unread = held.as_ref().is_some_and(|held| !held.is_empty());
            let unread = unread + u64::from(is_unread && member.is_some());
            return Poll::Ready(match end {
                Ok(()) if !any && (is_unread || unread > 0) => Err(self.unknown(&held.unwrap_or_default(), unread)),
                Ok(()) if unread > 0 => Ok(Some(Chunk::of_other_files(unread, self.raw.offset()))),
                end => end.map(|()| None),
            });
        }
    }

    /// Holds a chunk back until a document of the input has been recognized.
    fn recognized(&mut self, mut chunk: Chunk<T>) -> Option<Chunk<T>> {
        let state = &mut self.recognition;
        if chunk.member != state.member {
            state.unread += u64::from(state.held.as_ref().is_some_and(|held| !held.is_empty()));
            state.member.clone_from(&chunk.member);
            state.held = Some(Vec::new());
        }
        let Some(held) = &mut state.held else { return Some(chunk) };
        let may_be_junk = |refused: &RefusedDoc| matches!(refused.kind, RefusalKind::NotATweet | RefusalKind::NotUtf8);
        let room = MAX_HELD.saturating_sub(held.len());
        let is_known = !chunk.formats.is_empty() || !chunk.refused.iter().all(may_be_junk);
        held.extend(chunk.refused.drain(..).take(room));
        if is_known {
            chunk.refused = state.held.take().unwrap_or_default();
            let unread = std::mem::take(&mut state.unread);
            if unread > 0 {
                *chunk.skipped.entry(OTHER_FILE).or_default() += unread;
            }
            state.any = true;
            return Some(chunk);
        }
        // The other files of an archive may hold tweets.
        if state.member.is_none() && held.len() >= MAX_HELD {
            let held = std::mem::take(held);
            self.jobs.clear();
            self.ended = Some(Err(self.unknown(&held, 0)));
            self.recognition.held = None;
        }
        None
    }

    /// The error of an input of which nothing was recognized.
    #[cold]
    fn unknown(&self, held: &[RefusedDoc], files: u64) -> ReadError {
        if files > 0 && !is_office(&self.raw.head) {
            return ReadError::Unknown(format!("an archive whose files ({files}) hold no tweets"));
        }
        let first = held.first().map_or("", |refused| refused.reason.as_str());
        ReadError::Unknown(format!("{} ({first})", looks_like(&self.raw.head)))
    }
}

/// Documents that may be refused before one is recognized: a log may have much above its tweets.
const MAX_HELD: usize = 100_000;

/// Whether these are the first bytes of a workbook or a text document, which are zip archives.
fn is_office(head: &[u8]) -> bool {
    let has = |name: &[u8]| head.windows(name.len()).any(|part| part == name);
    let parts: [&[u8]; 4] = [b"[Content_Types].xml", b"_rels/.rels", b"xl/workbook", b"vnd.oasis.opendocument"];
    head.starts_with(b"PK") && parts.into_iter().any(has)
}

/// What the first bytes of an unknown input look like.
fn looks_like(head: &[u8]) -> &'static str {
    let is = |magic: &[u8]| head.starts_with(magic);
    let text = head.trim_ascii_start();
    let begins = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    match () {
        () if is(b"%PDF") => "a PDF document",
        () if is(b"\x89PNG") || is(b"\xFF\xD8\xFF") || is(b"GIF8") || is(b"RIFF") => "an image or a video",
        () if is_office(head) => "an Excel workbook or another document of an office program: save it as CSV in UTF-8",
        () if is(b"SQLite format 3") => "an SQLite database",
        () if head.windows(7).take(16).any(|part| part == b"\xA2eroots") => {
            "a repository of Bluesky (CAR); perch reads the answers of listRecords instead"
        }
        () if is(b"PAR1") => "a Parquet file",
        () if is(b"\x7FELF") || is(b"MZ") => "a program",
        () if is(b"Rar!") || is(b"7z\xBC\xAF") => "an archive in a form that perch does not unpack",
        () if begins("<!doctype html") || begins("<html") => "a web page",
        () if text.starts_with(b"<") => "XML",
        () if text.starts_with(b"{") || text.starts_with(b"[") => "JSON of another kind",
        () if head.iter().take(512).any(|&byte| byte < 9) => "a binary file",
        () => "plain text",
    }
}

#[cfg(test)]
mod tests;
