//! Reads a file that grows, until it is replaced or truncated.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::sleep;

use super::position::fingerprint;

/// Interval between two checks whether the file has grown.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// A file that ends only when it is replaced or truncated, as log rotation does. Everything that
/// its writer appends before that is read.
pub(super) struct FollowedFile {
    file: File,
    /// A second handle of the same file, for metadata and fingerprints.
    witness: Arc<std::fs::File>,
    path: PathBuf,
    /// Bytes read, from the start of the file.
    read_bytes: u64,
    /// The next check; `None` while there is something to read.
    check: Option<BoxFuture<'static, FileState>>,
    state: FileState,
}

/// The state of the file at the last check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileState {
    /// It may still grow.
    Growing,
    /// The path names another file: the rest of this one is all that follows.
    Replaced,
    /// It was truncated, and perhaps written again: its content does not continue what was read.
    Rewritten,
}

impl FollowedFile {
    /// Follows `file`, which is positioned behind `read_bytes`.
    pub(super) fn new(file: std::fs::File, path: PathBuf, read_bytes: u64) -> io::Result<FollowedFile> {
        let witness = Arc::new(reopen(&file, &path)?);
        let state = FileState::Growing;
        Ok(FollowedFile { file: File::from_std(file), witness, path, read_bytes, check: None, state })
    }

    /// Checks the file after the poll interval.
    fn check_later(&self) -> BoxFuture<'static, FileState> {
        let (witness, path, read_bytes) = (Arc::clone(&self.witness), self.path.clone(), self.read_bytes);
        Box::pin(async move {
            let before = blocking(&witness, move |file| fingerprint(file, read_bytes)).await;
            sleep(POLL_INTERVAL).await;
            let check = move |file: &std::fs::File| {
                let (now, named) = (file.metadata()?, std::fs::metadata(path));
                if now.len() < read_bytes || fingerprint(file, read_bytes)? != before? {
                    return Ok(FileState::Rewritten);
                }
                // During a rotation the path may name no file for a moment.
                let is_replaced = named.is_ok_and(|named| !is_same(&now, &named));
                Ok(if is_replaced { FileState::Replaced } else { FileState::Growing })
            };
            // A file whose metadata can't be read any more is read to its end.
            blocking(&witness, check).await.unwrap_or(FileState::Replaced)
        })
    }
}

async fn blocking<T: Send + 'static>(
    file: &Arc<std::fs::File>,
    work: impl FnOnce(&std::fs::File) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || work(&file)).await?
}

/// A second handle of an open file, with a read position of its own.
pub(super) fn reopen(file: &std::fs::File, path: &Path) -> io::Result<std::fs::File> {
    let again = std::fs::File::open(path)?;
    if is_same(&file.metadata()?, &again.metadata()?) {
        return Ok(again);
    }
    Err(io::Error::other("the file was replaced while perch opened it"))
}

#[cfg(unix)]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Without inodes, only a shorter file is known to be another one.
#[cfg(not(unix))]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    one.len() <= other.len()
}

impl AsyncRead for FollowedFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(check) = &mut self.check {
                self.state = ready!(check.as_mut().poll(context));
                self.check = None;
            }
            if self.state == FileState::Rewritten {
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.file).poll_read(context, buffer))?;
            let len = buffer.filled().len() - before;
            self.read_bytes += len as u64;
            if len > 0 || self.state == FileState::Replaced {
                return Poll::Ready(Ok(()));
            }
            self.check = Some(self.check_later());
        }
    }
}
