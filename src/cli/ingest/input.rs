//! The files of `perch ingest`, and how they are read.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use anyhow::{Context as _, anyhow};
use clap::Args;
use tokio::io::{AsyncRead, ReadBuf};

use crate::client::Failure;
use crate::format::reader::{BulkReader, InputStream, Location, Offset, ReaderOptions};
use crate::format::{self, FormatKind};
use crate::tweet::{Tweet, User};

/// How files are read.
#[derive(Debug, Default, Args)]
pub(super) struct ReadingArgs {
    /// The format of all documents, instead of what perch recognizes
    #[arg(long, value_name = "NAME", value_parser = format_named)]
    format: Option<&'static FormatKind>,
    /// The author of tweets that name none, as in the archive of an X account
    #[arg(long, value_name = "SCREEN_NAME")]
    author: Option<String>,
    /// What columns of a table are called: `text=content,created_at=when`
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',', value_parser = column)]
    map: Vec<(String, String)>,
}

fn format_named(name: &str) -> Result<&'static FormatKind, String> {
    let names = || format::FORMATS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    format::find(name).ok_or_else(|| format!("there is: {}", names()))
}

fn column(text: &str) -> Result<(String, String), String> {
    let (field, column) = text.split_once('=').ok_or("expected FIELD=COLUMN")?;
    if !format::is_field(field) {
        return Err(format!("there is no field {field}; there is: {}", format::field_names().join(", ")));
    }
    Ok((field.to_owned(), column.to_owned()))
}

/// An open file, and how to read it.
pub(super) struct Input {
    stream: InputStream,
    /// Its length, if it is known.
    pub(super) len: Option<u64>,
    /// The file, if perch may seek in it.
    file: Option<std::fs::File>,
    author: Option<User>,
}

impl Input {
    /// Opens a file, or standard input.
    pub(super) async fn open(path: &Path, reading: &ReadingArgs) -> Result<Input, Failure> {
        let author = reading.author.clone().map(|screen_name| User { screen_name, ..User::default() });
        if path.as_os_str() == "-" {
            return Ok(Input { stream: Box::new(tokio::io::stdin()), len: None, file: None, author });
        }
        let file = tokio::fs::File::open(path).await.context("can't be opened")?;
        let metadata = file.metadata().await.context("can't be read")?;
        if metadata.is_dir() {
            return Err(anyhow!("is a directory: name the files in it, such as {}/*", path.display()).into());
        }
        let is_file = metadata.is_file();
        Ok(Input {
            stream: Box::new(file),
            len: is_file.then_some(metadata.len()),
            // Opening a pipe again would wait for another writer.
            file: if is_file { std::fs::File::open(path).ok() } else { None },
            author: author.or_else(|| format::author_beside(path)),
        })
    }

    /// A reader of the file that counts its bytes.
    pub(super) fn read<T: Send + 'static>(
        self,
        reading: &ReadingArgs,
        read_bytes: &Arc<AtomicU64>,
        convert: fn(Tweet, Location) -> T,
    ) -> BulkReader<T> {
        let input = CountingReader { input: self.stream, read_bytes: Arc::clone(read_bytes) };
        let options =
            ReaderOptions { max_line_bytes: 64 * 1024 * 1024, format: reading.format, ..ReaderOptions::default() };
        BulkReader::with(input, options, Offset::default(), convert)
            .with_author(self.author)
            .with_file(self.file)
            .with_columns(reading.map.clone())
    }
}

/// Counts the bytes that are read, for the progress bar.
struct CountingReader {
    input: InputStream,
    read_bytes: Arc<AtomicU64>,
}

impl AsyncRead for CountingReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.input).poll_read(context, buffer);
        self.read_bytes.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        poll
    }
}
