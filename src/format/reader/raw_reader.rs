//! Splits an input into documents: unpacks it, opens archives, and decodes UTF-16.

#[cfg(test)]
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::archive::{Archive, ArchiveKind, Member};
use super::raw_chunk::RawChunk;
use super::splitter::Splitter;
use super::unpack::Decompressor;
use super::utf16::Utf16;
use super::{Compression, HEAD_BYTES, Offset, PAGE_FACTOR, READ_BYTES, ReadError, ReaderOptions};
use crate::tweet::User;

/// Splits an input into documents without parsing them.
pub(super) struct RawReader {
    stream: Decompressor,
    /// The first bytes, unpacked.
    pub(super) head: Vec<u8>,
    buffer: Box<[u8]>,
    pub(super) splitter: Splitter,
    charset: Charset,
    /// The first bytes, while they may be those of an archive.
    start: Option<Vec<u8>>,
    /// The input, if perch may seek in it.
    pub(super) file: Option<std::fs::File>,
    /// The archives that are being read, each in a file of the one before.
    archives: Vec<Archive>,
    /// The file of the archive that is being read, and the owner of the archive.
    member: Option<(Arc<str>, Option<User>)>,
    /// Whether the next file of the archive comes.
    is_between: bool,
    options: ReaderOptions,
    unpacked_bytes: u64,
    max_unpacked_bytes: u64,
    /// The result of the input, once it has ended. An error is returned once.
    ended: Option<Result<(), ReadError>>,
}

/// How an input writes its characters.
enum Charset {
    /// In UTF-8, or wrongly.
    Utf8,
    /// In UTF-16, as its first bytes say.
    Utf16(Utf16),
}

impl RawReader {
    /// A reader that resumes at `from`.
    pub(super) fn resume(
        input: impl AsyncRead + Send + Unpin + 'static,
        options: ReaderOptions,
        from: Offset,
    ) -> RawReader {
        RawReader {
            stream: Decompressor::new(Box::new(input), options),
            head: Vec::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            splitter: Splitter::new(options.max_line_bytes.saturating_mul(PAGE_FACTOR), options.max_line_bytes, from),
            charset: Charset::Utf8,
            // What is resumed in its middle is no archive.
            start: from.bytes.is_none().then(Vec::new),
            file: None,
            archives: Vec::new(),
            member: None,
            is_between: false,
            options,
            unpacked_bytes: 0,
            max_unpacked_bytes: options.max_unpacked_bytes,
            ended: None,
        }
    }

    #[cfg(test)]
    pub(super) async fn next_chunk(&mut self) -> Result<Option<RawChunk>, ReadError> {
        poll_fn(|context| self.poll_chunk(context, true)).await
    }

    /// Where the input has been read to.
    pub(super) fn offset(&self) -> Offset {
        Offset { bytes: None, ..self.splitter.position() }
    }

    /// `is_eager`: return complete documents as soon as the input has no more bytes ready.
    pub(super) fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
        is_eager: bool,
    ) -> Poll<Result<Option<RawChunk>, ReadError>> {
        loop {
            if let Some(mut chunk) = self.splitter.next_chunk() {
                if self.member.is_some() || self.stream.is_compressed() || matches!(self.charset, Charset::Utf16(_)) {
                    // Such an input can't be opened in its middle.
                    for offset in std::iter::once(&mut chunk.end).chain(&mut chunk.unfinished) {
                        offset.bytes = None;
                    }
                }
                if let Some((member, author)) = &self.member {
                    (chunk.member, chunk.author) = (Some(Arc::clone(member)), author.clone());
                }
                return Poll::Ready(Ok(Some(chunk)));
            }
            if let Some(end) = &mut self.ended {
                return Poll::Ready(std::mem::replace(end, Ok(())).map(|()| None));
            }
            if self.is_between {
                ready!(self.poll_member(context));
                continue;
            }
            match self.stream.poll_read(context, &mut self.buffer) {
                Poll::Ready(Ok(0)) => {
                    self.take_start(true);
                    if !self.is_between {
                        self.finish();
                    }
                }
                Poll::Ready(Ok(len)) => {
                    self.unpacked_bytes += len as u64;
                    if self.max_unpacked_bytes > 0 && self.unpacked_bytes > self.max_unpacked_bytes {
                        self.splitter.flush();
                        self.ended = Some(Err(ReadError::TooLong(self.max_unpacked_bytes)));
                    } else if let Some(start) = &mut self.start {
                        start.extend_from_slice(&self.buffer[..len]);
                        self.take_start(false);
                    } else {
                        self.push(len);
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.take_start(true);
                    let location = self.splitter.finish(true).err().unwrap_or_default();
                    self.end(Err(self.stream.explain(error, location)));
                }
                Poll::Pending if is_eager && self.splitter.has_docs() => self.splitter.flush(),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Splits the first `len` bytes of the buffer.
    fn push(&mut self, len: usize) {
        let bytes = &self.buffer[..len];
        match &mut self.charset {
            Charset::Utf16(utf16) => self.splitter.push(utf16.decode(bytes).as_bytes()),
            Charset::Utf8 => self.splitter.push(bytes),
        }
    }

    /// Opens an archive, or splits the first bytes, if they decide which.
    fn take_start(&mut self, at_end: bool) {
        let Some(start) = &self.start else { return };
        if !at_end && ArchiveKind::is_undecided(start) {
            return;
        }
        let start = self.start.take().unwrap_or_default();
        self.head = start[..start.len().min(HEAD_BYTES)].to_vec();
        let Some(kind) = ArchiveKind::detect(&start) else {
            self.charset = Utf16::detect(&start).map_or(Charset::Utf8, Charset::Utf16);
            match &mut self.charset {
                Charset::Utf16(utf16) => self.splitter.push(utf16.decode(&start).as_bytes()),
                Charset::Utf8 => self.splitter.push(&start),
            }
            return;
        };
        if self.archives.len() >= MAX_ARCHIVES {
            return self.end(Err(ReadError::Unknown(format!("an archive in more than {MAX_ARCHIVES} archives"))));
        }
        let is_plain = !self.stream.is_compressed() && self.archives.is_empty();
        let file = self.file.take().filter(|_| is_plain);
        // What the thread unpacks is bounded like what is read here.
        let max_bytes = if self.max_unpacked_bytes == 0 { u64::MAX } else { self.max_unpacked_bytes };
        let input = Box::new(io::Cursor::new(start).chain(self.stream.take_input()).take(max_bytes));
        match Archive::open(kind, input, file) {
            Ok(archive) => {
                self.archives.push(archive);
                self.is_between = true;
            }
            Err(error) => self.end(Err(ReadError::Io(error))),
        }
    }

    /// Ends the input, or the file of an archive.
    fn finish(&mut self) {
        let end = self.splitter.finish(false).map_err(ReadError::Truncated);
        self.end(end);
    }

    /// Ends the input with this result. A damaged file of an archive costs the rest of this file.
    fn end(&mut self, end: Result<(), ReadError>) {
        if self.archives.is_empty() {
            self.ended = Some(end);
            return;
        }
        if let Err(error) = end {
            self.splitter.refuse_rest(&error.to_string());
        }
        self.is_between = true;
    }

    /// Goes on to the next file of the archive.
    fn poll_member(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(archive) = self.archives.last_mut() else {
            self.is_between = false;
            self.ended = Some(Ok(()));
            return Poll::Ready(());
        };
        match ready!(archive.poll_next(context)) {
            Some(Ok(Member { name, input, author })) => {
                let compression = Compression::Detect;
                self.stream = Decompressor::new(input, ReaderOptions { compression, ..self.options });
                self.splitter.restart();
                self.member = Some((name, author));
                self.start = Some(Vec::new());
                self.is_between = false;
            }
            Some(Err(error)) => {
                self.archives.clear();
                self.is_between = false;
                self.ended = Some(Err(match error.kind() {
                    io::ErrorKind::UnexpectedEof => ReadError::Truncated("it ends inside the archive".to_owned()),
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                        ReadError::Corrupt(error)
                    }
                    _ => ReadError::Io(error),
                }));
            }
            None => drop(self.archives.pop()),
        }
        Poll::Ready(())
    }
}

/// Archives in archives.
const MAX_ARCHIVES: usize = 4;
