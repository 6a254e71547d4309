//! Archives: the files in a tar or zip, one after the other.
//!
//! A thread of its own unpacks an archive, because the libraries read blockingly. The thread waits
//! while its reader does not read, and ends when the reader is dropped. A file that can't be
//! unpacked costs that file.

mod tar;
mod zip;

use std::io::{self, Read};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{InputStream, READ_BYTES};
use crate::tweet::User;

/// Bytes at the start of an input that tell whether it is an archive.
pub(super) const START_BYTES: usize = 512;

/// Portions of a file that wait to be read.
const QUEUED_PORTIONS: usize = 4;

/// Inputs whose archives are unpacked at one time: the others wait. Each takes a thread for each
/// archive that is open in another one.
const MAX_UNPACKED: usize = 16;

/// A permit for each input whose archives are unpacked.
pub(super) static UNPACKED: Semaphore = Semaphore::const_new(MAX_UNPACKED);

/// Files that hold no tweets, by the end of their names.
const OTHER_FILES: &[&str] = &[
    ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".ico", ".svg", ".mp4", ".mov", ".mp3", ".m4a", ".webm", ".ts",
    ".html", ".css", ".ttf", ".woff", ".woff2", ".pdf", ".xml", ".md",
];

/// The kinds of archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArchiveKind {
    Tar,
    Zip,
}

impl ArchiveKind {
    /// The archive that begins with these bytes.
    pub(super) fn detect(start: &[u8]) -> Option<ArchiveKind> {
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            return Some(ArchiveKind::Zip);
        }
        (start.get(257..262) == Some(b"ustar")).then_some(ArchiveKind::Tar)
    }

    /// Whether more bytes may show that an input is an archive.
    pub(super) fn is_undecided(start: &[u8]) -> bool {
        let is_json = matches!(start.first(), Some(b'{' | b'[' | b' ' | b'\r' | 0xEF | 0xFE | 0xFF));
        start.len() < START_BYTES && !is_json && !start.contains(&b'\n')
    }
}

/// Why an archive was not read to its end.
#[derive(Debug)]
pub(super) enum ArchiveError {
    /// It is damaged, or its input failed.
    Input(io::Error),
    /// Something of perch failed: a thread, or a temporary file.
    Own(io::Error),
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> ArchiveError {
        ArchiveError::Input(error)
    }
}

/// A file of an archive.
pub(super) struct Member {
    /// Its path in the archive.
    pub(super) name: Arc<str>,
    pub(super) input: InputStream,
    /// The owner of the archive, if it is that of an account.
    pub(super) author: Option<User>,
}

/// The files of an archive.
pub(super) struct Archive {
    /// The thread, until it may start.
    waiting: Option<Waiting>,
    /// The files, and `None` behind the last one.
    members: mpsc::Receiver<Result<Option<Member>, ArchiveError>>,
}

struct Waiting {
    /// The permit of an archive that is in no other one.
    permit: Option<BoxFuture<'static, Option<SemaphorePermit<'static>>>>,
    start: Box<dyn FnOnce(Option<SemaphorePermit<'static>>) -> io::Result<()> + Send>,
}

impl Archive {
    /// Opens an archive, which is in another one if `is_nested`. `file` is the same input, if it is
    /// a file that perch may seek in.
    pub(super) fn open(kind: ArchiveKind, input: InputStream, file: Option<std::fs::File>, is_nested: bool) -> Archive {
        let (sender, members) = mpsc::channel(1);
        let handle = Handle::current();
        let unpack = move || {
            let input = SyncIoBridge::new_with_handle(input, handle);
            let sender = MemberSender(sender);
            let sent = match kind {
                ArchiveKind::Tar => tar::send(input, &sender),
                ArchiveKind::Zip => zip::send(input, file, &sender),
            };
            // The reader may be gone.
            let _ = sender.0.blocking_send(sent.map(|()| None));
        };
        let start = |permit| {
            let thread = std::thread::Builder::new().name("perch-archive".to_owned());
            thread.spawn(move || {
                unpack();
                drop(permit);
            })?;
            Ok(())
        };
        let permit = (!is_nested).then(|| UNPACKED.acquire().map(Result::ok).boxed());
        Archive { waiting: Some(Waiting { permit, start: Box::new(start) }), members }
    }

    #[cfg(test)]
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The next file.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Member, ArchiveError>>> {
        if let Some(waiting) = &mut self.waiting {
            let permit = match &mut waiting.permit {
                Some(permit) => ready!(permit.poll_unpin(context)),
                None => None,
            };
            let Waiting { start, .. } = self.waiting.take().expect("it is there");
            if let Err(error) = start(permit) {
                return Poll::Ready(Some(Err(ArchiveError::Own(error))));
            }
        }
        let ended = || Err(ArchiveError::Own(io::Error::other("the thread that unpacks an archive has ended")));
        Poll::Ready(ready!(self.members.poll_recv(context)).unwrap_or_else(ended).transpose())
    }
}

/// Takes the files of an archive.
struct MemberSender(mpsc::Sender<Result<Option<Member>, ArchiveError>>);

impl MemberSender {
    /// Sends a file in portions. Returns false when the archive's reader was dropped.
    fn send(&self, name: &str, content: &mut impl Read, author: Option<User>) -> bool {
        let (portions, receiver) = mpsc::channel::<io::Result<Bytes>>(QUEUED_PORTIONS);
        let next = |mut receiver: mpsc::Receiver<io::Result<Bytes>>| async move {
            receiver.recv().await.map(|portion| (portion, receiver))
        };
        let input = Box::new(StreamReader::new(Box::pin(futures_util::stream::unfold(receiver, next))));
        if self.0.blocking_send(Ok(Some(Member { name: name.into(), input, author }))).is_err() {
            return false;
        }
        loop {
            let mut buffer = vec![0; READ_BYTES];
            let portion = match content.read(&mut buffer) {
                Ok(0) => return true,
                Ok(len) => {
                    buffer.truncate(len);
                    Ok(Bytes::from(buffer))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_last = portion.is_err();
            // A reader may leave the rest of a file unread.
            if portions.blocking_send(portion).is_err() || is_last {
                return true;
            }
        }
    }

    /// Sends a file that can't be unpacked.
    fn send_broken(&self, name: &str, error: io::Error) -> bool {
        struct Broken(Option<io::Error>);
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                self.0.take().map_or(Ok(0), Err)
            }
        }
        self.send(name, &mut Broken(Some(error)), None)
    }
}

fn is_account(name: &str) -> bool {
    name == "account.js" || name.ends_with("/account.js")
}

/// Whether a file has the tweets of a month, as in archives of X from 2012 to 2018.
fn is_month(name: &str) -> bool {
    let name = name.strip_suffix(".js").unwrap_or_default();
    name.starts_with("data/js/tweets/") || name.contains("/data/js/tweets/")
}

/// Whether a file has the same tweets as those of the months, and less of each.
fn is_summary(name: &str) -> bool {
    name == "tweets.csv" || name.ends_with("/tweets.csv")
}

fn may_hold_tweets(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_hidden = name.split('/').any(|part| part.starts_with('.') && part.len() > 2) || name.starts_with("__MACOSX");
    !is_hidden && !is_account(name) && !OTHER_FILES.iter().any(|end| lower.ends_with(end))
}
