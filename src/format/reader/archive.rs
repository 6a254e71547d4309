//! Archives: the files in a tar or zip, one after the other.
//!
//! A thread of its own unpacks an archive, because the libraries read blockingly. The
//! thread waits while its reader does not read, and ends when the reader is dropped.

use std::borrow::Cow;
use std::io::{self, Read, Seek as _};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{InputStream, READ_BYTES};
use crate::format::author;
use crate::tweet::User;

/// Bytes at the start of an input that tell whether it is an archive.
pub(super) const START_BYTES: usize = 512;

/// The largest `account.js` that is read for its author.
const MAX_ACCOUNT_BYTES: u64 = 1024 * 1024;

/// Portions of a file that wait to be read.
const QUEUED_PORTIONS: usize = 4;

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
    members: mpsc::Receiver<io::Result<Member>>,
}

impl Archive {
    /// Opens an archive. `file` is the same input, if it is a file that perch may seek in.
    pub(super) fn open(kind: ArchiveKind, input: InputStream, file: Option<std::fs::File>) -> io::Result<Archive> {
        let (sender, members) = mpsc::channel(1);
        let handle = Handle::current();
        std::thread::Builder::new().name("perch-archive".to_owned()).spawn(move || {
            let input = SyncIoBridge::new_with_handle(input, handle);
            let sent = match kind {
                ArchiveKind::Tar => send_tar(input, &sender),
                ArchiveKind::Zip => send_zip(input, file, &sender),
            };
            if let Err(error) = sent {
                // The reader may be gone.
                let _ = sender.blocking_send(Err(error));
            }
        })?;
        Ok(Archive { members })
    }

    /// The next file.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Member>>> {
        self.members.poll_recv(context)
    }
}

type Sender = mpsc::Sender<io::Result<Member>>;

fn send_tar(input: impl Read, sender: &Sender) -> io::Result<()> {
    let mut archive = tar::Archive::new(input);
    // Raw: tar reads the entries that extend others, such as those of long names, into memory
    // without bound. They are no files here, and a file has the first 100 bytes of its name.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if entry.header().entry_type().is_file() && may_hold_tweets(&name) && !send(&name, &mut entry, None, sender) {
            break;
        }
    }
    Ok(())
}

fn send_zip(mut input: impl Read, file: Option<std::fs::File>, sender: &Sender) -> io::Result<()> {
    let file = if let Some(file) = file {
        file
    } else {
        // The directory of a zip is at its end.
        let mut copy = tempfile::tempfile()?;
        io::copy(&mut input, &mut copy)?;
        copy.rewind()?;
        copy
    };
    let wrong = |error: zip::result::ZipError| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut archive = zip::ZipArchive::new(io::BufReader::new(file)).map_err(wrong)?;
    let mut owner = None;
    let names: Vec<String> = (0..archive.len())
        .map(|at| archive.name_for_index(at).and_then(Result::ok).map(Cow::into_owned).unwrap_or_default())
        .collect();
    if let Some(at) = names.iter().position(|name| is_account(name)) {
        let mut text = String::new();
        let account = archive.by_index(at).map_err(wrong)?;
        if account.take(MAX_ACCOUNT_BYTES).read_to_string(&mut text).is_ok() {
            owner = author(&text);
        }
    }
    for (at, name) in names.iter().enumerate() {
        if !may_hold_tweets(name) {
            continue;
        }
        let mut member = archive.by_index(at).map_err(wrong)?;
        if member.is_file() && !send(name, &mut member, owner.clone(), sender) {
            break;
        }
    }
    Ok(())
}

fn is_account(name: &str) -> bool {
    name == "account.js" || name.ends_with("/account.js")
}

fn may_hold_tweets(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_hidden = name.split('/').any(|part| part.starts_with('.') && part.len() > 2) || name.starts_with("__MACOSX");
    !is_hidden && !is_account(name) && !OTHER_FILES.iter().any(|end| lower.ends_with(end))
}

/// Sends a file in portions. Returns false when the archive's reader was dropped.
fn send(name: &str, content: &mut impl Read, author: Option<User>, sender: &Sender) -> bool {
    let (portions, receiver) = mpsc::channel::<io::Result<Bytes>>(QUEUED_PORTIONS);
    let next = |mut receiver: mpsc::Receiver<io::Result<Bytes>>| async move {
        receiver.recv().await.map(|portion| (portion, receiver))
    };
    let input = Box::new(StreamReader::new(Box::pin(futures_util::stream::unfold(receiver, next))));
    if sender.blocking_send(Ok(Member { name: name.into(), input, author })).is_err() {
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
