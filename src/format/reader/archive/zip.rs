//! Reads a zip through its central directory, one entry at a time.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, Write as _};

use zip::ZipReadOptions;
use zip::read::{Config, ZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::{ArchiveError, MemberSender, is_account, is_month, is_summary, may_hold_tweets};
use crate::format::reader::READ_BYTES;
use crate::format::x_archive::{MAX_ACCOUNT_BYTES, author};

/// The longest zip that perch copies to a temporary file, because it comes in a request, through a
/// pipe, or in another archive: its directory is at its end.
const MAX_COPIED_BYTES: u64 = 256 * 1024 * 1024;

/// Sends the files of a zip. `file` is the input, if perch may seek in it.
pub(super) fn send(input: impl Read, file: Option<File>, sender: &MemberSender) -> Result<(), ArchiveError> {
    let file = match file {
        Some(file) => file,
        None => copy(input, MAX_COPIED_BYTES)?,
    };
    let mut archive = ZipIterable::try_new(BufReader::new(file), Config::default()).map_err(io_error)?;
    let (mut author, mut has_months) = (None, false);
    let files = archive.files().map_err(io_error)?;
    while let Some(entry) = files.next() {
        let entry = entry.map_err(io_error)?;
        let name = name_of(&entry);
        has_months |= is_month(&name);
        if author.is_none() && is_account(&name) {
            author = read_author(entry, files.reader_mut());
        }
    }
    let files = archive.files().map_err(io_error)?;
    while let Some(entry) = files.next() {
        let entry = entry.map_err(io_error)?;
        let name = name_of(&entry);
        if name.ends_with('/') || has_months && is_summary(&name) || !may_hold_tweets(&name) {
            continue;
        }
        let is_read = match entry.with_reader(files.reader_mut(), ZipReadOptions::new()) {
            Ok(mut content) => sender.send(&name, &mut content, author.clone()),
            Err(error) => sender.send_broken(&name, io_error(error)),
        };
        if !is_read {
            break;
        }
    }
    Ok(())
}

fn name_of(entry: &ZipFileEntry<'_>) -> String {
    entry.name().map_or_else(|_| String::from_utf8_lossy(entry.name_raw()).into_owned(), Cow::into_owned)
}

fn read_author(account: ZipFileEntry<'_>, archive: &mut BufReader<File>) -> Option<crate::tweet::User> {
    let content = account.with_reader(archive, ZipReadOptions::new()).ok()?;
    let mut text = String::new();
    content.take(MAX_ACCOUNT_BYTES).read_to_string(&mut text).ok()?;
    author(&text)
}

/// Copies the input to a temporary file.
fn copy(mut input: impl Read, max_bytes: u64) -> Result<File, ArchiveError> {
    let mut copy = tempfile::tempfile().map_err(ArchiveError::Own)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut len_bytes = 0;
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ArchiveError::Input(error)),
        };
        len_bytes += read as u64;
        if len_bytes > max_bytes {
            let message = format!("a zip of more than {max_bytes} bytes must be a file of its own");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message).into());
        }
        copy.write_all(&buffer[..read]).map_err(ArchiveError::Own)?;
    }
    copy.rewind().map_err(ArchiveError::Own)?;
    Ok(copy)
}

fn io_error(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_its_limit() {
        let mut copied = Vec::new();
        copy(&[7; 100][..], 100).expect("it fits").read_to_end(&mut copied).expect("it is read");
        assert_eq!(copied, [7; 100]);
        let error = copy(&[7; 101][..], 100).expect_err("it is too long");
        assert!(matches!(error, ArchiveError::Input(error) if error.to_string().contains("more than 100 bytes")));
    }
}
