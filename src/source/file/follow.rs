//! Reads a file that grows, until another one has taken its place.

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

use super::place::fingerprint;

/// How often to look whether the file has grown.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A file that ends only when it was replaced or cut off, as logs are when they are rotated. What its writer adds to it up to that moment is read.
pub(super) struct Growing {
    file: File,
    /// The same file, to look at it.
    own: Arc<std::fs::File>,
    path: PathBuf,
    /// How much was read, from the start of the file.
    read_bytes: u64,
    /// Runs while there is nothing to read.
    waits: Option<BoxFuture<'static, Look>>,
    last: Look,
}

/// What has become of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It may grow.
    Same,
    /// Another one has its name: what is left is all that comes.
    Replaced,
    /// It was cut off, and perhaps written anew: nothing behind the place belongs to what was read.
    Rewritten,
}

impl Growing {
    /// Goes on at the place where `file` stands, which is behind so many bytes.
    pub(super) fn new(file: std::fs::File, path: PathBuf, read_bytes: u64) -> io::Result<Growing> {
        let own = Arc::new(open_again(&file, &path)?);
        Ok(Growing { file: File::from_std(file), own, path, read_bytes, waits: None, last: Look::Same })
    }

    fn wait(&self) -> BoxFuture<'static, Look> {
        let (own, path, read_bytes) = (Arc::clone(&self.own), self.path.clone(), self.read_bytes);
        Box::pin(async move {
            let before = blocking(&own, move |own| fingerprint(own, read_bytes)).await;
            sleep(LOOK_EVERY).await;
            let look = move |own: &std::fs::File| {
                let (now, named) = (own.metadata()?, std::fs::metadata(path));
                if now.len() < read_bytes || fingerprint(own, read_bytes)? != before? {
                    return Ok(Look::Rewritten);
                }
                // While a log is rotated there is no file of its name for a moment.
                Ok(if named.is_ok_and(|named| !is_same(&now, &named)) { Look::Replaced } else { Look::Same })
            };
            // A file that can't be looked at any more is read to its end.
            blocking(&own, look).await.unwrap_or(Look::Replaced)
        })
    }
}

async fn blocking<T: Send + 'static>(
    file: &Arc<std::fs::File>,
    look: impl FnOnce(&std::fs::File) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || look(&file)).await?
}

/// A second handle of an open file: looking at it must not move the place where it is read.
pub(super) fn open_again(file: &std::fs::File, path: &Path) -> io::Result<std::fs::File> {
    let again = std::fs::File::open(path)?;
    if is_same(&file.metadata()?, &again.metadata()?) {
        return Ok(again);
    }
    Err(io::Error::other("it was replaced in this moment"))
}

#[cfg(unix)]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Without names for files, only a shorter one is known to be another.
#[cfg(not(unix))]
fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    one.len() <= other.len()
}

impl AsyncRead for Growing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(waits) = &mut self.waits {
                self.last = ready!(waits.as_mut().poll(context));
                self.waits = None;
            }
            if self.last == Look::Rewritten {
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.file).poll_read(context, buffer))?;
            let len = buffer.filled().len() - before;
            self.read_bytes += len as u64;
            if len > 0 || self.last == Look::Replaced {
                return Poll::Ready(Ok(()));
            }
            self.waits = Some(self.wait());
        }
    }
}
