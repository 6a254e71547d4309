//! Splits an input into documents: unpacks it, opens archives, and decodes UTF-16.

#[cfg(test)]
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::archive::{Archive, ArchiveError, ArchiveKind, Member};
use super::budget::{Counted, UnpackBudget};
use super::raw_chunk::RawChunk;
use super::splitter::Splitter;
use super::unpack::Decompressor;
use super::utf16::Utf16;
use super::{
    Compression, HEAD_BYTES, InputStream, MAX_PAGE_BYTES, Offset, PAGE_FACTOR, READ_BYTES, ReadError, ReaderOptions,
};
use crate::tweet::User;

/// Splits an input into documents without parsing them.
pub(super) struct RawReader {
    stream: Decompressor,
    /// The first bytes, unpacked.
    pub(super) head: Vec<u8>,
    /// Whether the input is an archive.
    pub(super) is_archive: bool,
    buffer: Box<[u8]>,
    pub(super) splitter: Splitter,
    charset: Charset,
    /// The first bytes, while they may be those of an archive.
    start: Option<Vec<u8>>,
    /// The input, if perch may seek in it.
    pub(super) file: Option<std::fs::File>,
    /// The archives that are being read, each in a file of the one before.
    archives: Vec<OpenArchive>,
    /// The file of the innermost archive that is being read.
    member: Option<CurrentMember>,
    /// Whether the next file of the archive comes.
    is_between: bool,
    options: ReaderOptions,
    budget: UnpackBudget,
    /// The result of the input, once it has ended. An error is returned once.
    ended: Option<Result<(), ReadError>>,
}

/// An archive, and the file that it is.
struct OpenArchive {
    archive: Archive,
    kind: ArchiveKind,
    /// The file of the archive around it.
    file: Option<CurrentMember>,
}

/// A file of an archive.
struct CurrentMember {
    name: Arc<str>,
    /// The owner of the archive.
    author: Option<User>,
}

/// The longest page.
fn page_bytes(max_line_bytes: usize) -> usize {
    max_line_bytes.saturating_mul(PAGE_FACTOR).min(MAX_PAGE_BYTES).max(max_line_bytes)
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
            is_archive: false,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            splitter: Splitter::new(page_bytes(options.max_line_bytes), options.max_line_bytes, from)
                .with_format(options.format),
            charset: Charset::Utf8,
            // What is resumed in its middle is no archive.
            start: from.bytes.is_none().then(Vec::new),
            file: None,
            archives: Vec::new(),
            member: None,
            is_between: false,
            options,
            budget: UnpackBudget::new(options.max_unpacked_bytes),
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
                if let Some(CurrentMember { name, author }) = &self.member {
                    (chunk.member, chunk.author) = (Some(Arc::clone(name)), author.clone());
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
                    if self.unpacks() && !self.budget.take(len) {
                        self.splitter.flush();
                        self.end_too_long();
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
        if self.member.is_none() {
            self.head = start[..start.len().min(HEAD_BYTES)].to_vec();
        }
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
        let (is_nested, unpacks) = (!self.archives.is_empty(), self.unpacks());
        let is_plain = !self.stream.is_compressed() && !is_nested;
        let file = self.file.take().filter(|_| is_plain);
        let rest = self.stream.take_input();
        let start = io::Cursor::new(start);
        let input: InputStream = if unpacks {
            // The first bytes are counted.
            Box::new(start.chain(Counted { input: rest, budget: self.budget.clone() }))
        } else {
            Box::new(start.chain(rest))
        };
        let archive = Archive::open(kind, input, file, is_nested);
        self.is_archive = true;
        self.archives.push(OpenArchive { archive, kind, file: self.member.take() });
        self.is_between = true;
    }

    /// Whether what the stream reads counts as unpacked: the files of a tar are a part of it.
    fn unpacks(&self) -> bool {
        let is_in_tar = self.archives.last().is_some_and(|open| open.kind == ArchiveKind::Tar);
        self.stream.is_compressed() || !is_in_tar
    }

    /// Ends the input, or the file of an archive.
    fn finish(&mut self) {
        let end = self.splitter.finish(false).map_err(ReadError::Truncated);
        self.end(end);
    }

    /// Ends the input with this result. A damaged file of an archive costs the rest of this file.
    fn end(&mut self, end: Result<(), ReadError>) {
        if self.archives.is_empty() {
            self.is_between = false;
            self.ended = Some(end);
            return;
        }
        if self.budget.is_spent() {
            return self.end_too_long();
        }
        if let Err(error) = end {
            self.splitter.refuse_rest(&error.to_string());
        }
        self.is_between = true;
    }

    fn end_too_long(&mut self) {
        self.fail(ReadError::TooLong(self.options.max_unpacked_bytes));
    }

    /// Ends the input with an error, whatever archives are open.
    fn fail(&mut self, error: ReadError) {
        self.archives.clear();
        self.is_between = false;
        self.ended = Some(Err(error));
    }

    /// Goes on to the next file of the archive.
    fn poll_member(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(open) = self.archives.last_mut() else {
            self.is_between = false;
            self.ended = Some(Ok(()));
            return Poll::Ready(());
        };
        match ready!(open.archive.poll_next(context)) {
            Some(Ok(Member { name, input, author })) => {
                let compression = Compression::Detect;
                self.stream = Decompressor::new(input, ReaderOptions { compression, ..self.options });
                self.splitter.restart();
                self.member = Some(CurrentMember { name, author });
                self.start = Some(Vec::new());
                self.is_between = false;
            }
            Some(Err(_)) if self.budget.is_spent() => self.end_too_long(),
            Some(Err(ArchiveError::Own(error))) => self.fail(ReadError::Failed(error)),
            Some(Err(ArchiveError::Input(error))) => {
                let error = match error.kind() {
                    io::ErrorKind::UnexpectedEof => ReadError::Truncated("it ends inside the archive".to_owned()),
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                        ReadError::Corrupt(error)
                    }
                    _ => ReadError::Io(error),
                };
                self.close_archive();
                self.end(Err(error));
            }
            None => self.close_archive(),
        }
        Poll::Ready(())
    }

    /// Goes back to the archive around the innermost one.
    fn close_archive(&mut self) {
        self.member = self.archives.pop().and_then(|open| open.file);
    }
}

/// Archives in archives.
const MAX_ARCHIVES: usize = 4;
