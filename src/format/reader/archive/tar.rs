//! Reads a tar header by header. The crate `tar` holds the entries that extend others, such as
//! those of long names, in memory without bound.

use std::io::{self, Read};

use tar::{EntryType, Header, PaxExtensions};

use super::{ArchiveError, MemberSender, is_month, is_summary, may_hold_tweets};

/// The length of a header, and what contents are padded to.
const BLOCK_BYTES: usize = 512;

/// The longest entry that extends another one. perch passes over longer ones.
const MAX_EXTENSION_BYTES: u64 = 64 * 1024;

/// What entries say about the one behind them.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Sends the files of a tar.
pub(super) fn send(mut input: impl Read, sender: &MemberSender) -> Result<(), ArchiveError> {
    let mut extension = Extension::default();
    let mut has_months = false;
    while let Some(header) = next_header(&mut input)? {
        let kind = header.entry_type();
        let extends = matches!(kind, EntryType::GNULongName | EntryType::XHeader);
        let is_other = matches!(kind, EntryType::GNULongLink | EntryType::XGlobalHeader);
        let given = if extends || is_other { None } else { extension.size };
        let size = given.map_or_else(|| header.entry_size(), Ok)?;
        let mut content = input.by_ref().take(size);
        if extends && size <= MAX_EXTENSION_BYTES {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            extension.read(kind, &bytes);
        } else if !extends && !is_other {
            let name = std::mem::take(&mut extension).name.unwrap_or_else(|| header.path_bytes().into_owned());
            let name = String::from_utf8_lossy(&name);
            has_months |= is_month(&name);
            let is_other = has_months && is_summary(&name);
            if kind.is_file() && !is_other && may_hold_tweets(&name) && !sender.send(&name, &mut content, None) {
                return Ok(());
            }
        }
        let padding = size.checked_next_multiple_of(BLOCK_BYTES as u64).unwrap_or(size) - size;
        let rest = content.limit().saturating_add(padding);
        if io::copy(&mut input.by_ref().take(rest), &mut io::sink())? < rest {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(())
}

/// The next header; `None` at the end.
fn next_header(input: &mut impl Read) -> io::Result<Option<Header>> {
    let mut block = [0; BLOCK_BYTES];
    let mut len = 0;
    while len < BLOCK_BYTES {
        match input.read(&mut block[len..]) {
            Ok(0) if len == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if block.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let header = Header::from_byte_slice(&block).clone();
    let mut expected = header.clone();
    expected.set_cksum();
    if header.cksum()? != expected.cksum()? {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a header of the tar is damaged"));
    }
    Ok(Some(header))
}

impl Extension {
    /// Reads an entry that extends the next one.
    fn read(&mut self, kind: EntryType, content: &[u8]) {
        if kind == EntryType::GNULongName {
            let len = content.iter().position(|&byte| byte == 0).unwrap_or(content.len());
            self.name = Some(content[..len].to_vec());
            return;
        }
        for record in PaxExtensions::new(content).filter_map(Result::ok) {
            match record.key_bytes() {
                b"path" => self.name = Some(record.value_bytes().to_vec()),
                b"size" => self.size = record.value().ok().and_then(|size| size.parse().ok()).or(self.size),
                _ => {}
            }
        }
    }
}
