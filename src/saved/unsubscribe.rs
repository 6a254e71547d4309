//! Links by which people unsubscribe from mails.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;

/// The bytes of a signature: 128 bits can't be guessed.
const TAG_BYTES: usize = 16;

/// Stands between a name and an address, neither of which has it.
const SEPARATOR: char = '\0';

/// The recipient of the mails of a search. It stays the same when the search changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipient {
    /// The name of the search.
    pub(super) search: String,
    /// The address, with a domain in lower case.
    pub(super) address: String,
}

/// Signs the tokens in links. It is made with the file of the saved searches, and stays as long.
#[derive(Clone, Debug)]
pub(super) struct UnsubscribeKey(hmac::Key);

impl UnsubscribeKey {
    pub(super) fn new(key: u128) -> UnsubscribeKey {
        UnsubscribeKey(hmac::Key::new(hmac::HMAC_SHA256, &key.to_be_bytes()))
    }

    fn tag(&self, recipient: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, &[b"unsubscribe", recipient].concat())
    }

    /// The token of a recipient.
    pub(super) fn token(&self, Recipient { search, address }: &Recipient) -> String {
        let recipient = format!("{search}{SEPARATOR}{address}");
        let tag = self.tag(recipient.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode([&tag.as_ref()[..TAG_BYTES], recipient.as_bytes()].concat())
    }

    /// The recipient of a token.
    pub(super) fn recipient(&self, token: &str) -> Option<Recipient> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, recipient) = bytes.split_first_chunk::<TAG_BYTES>()?;
        let is_right: bool = subtle::ConstantTimeEq::ct_eq(&tag[..], &self.tag(recipient).as_ref()[..TAG_BYTES]).into();
        let (search, address) = str::from_utf8(recipient).ok().filter(|_| is_right)?.split_once(SEPARATOR)?;
        Some(Recipient { search: search.to_owned(), address: address.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_perch_has_made_names_a_recipient() {
        let key = UnsubscribeKey::new(7);
        let recipient = Recipient { search: "java".to_owned(), address: "ann@example.org".to_owned() };
        let token = key.token(&recipient);
        assert_eq!(key.recipient(&token), Some(recipient));
        assert_eq!(UnsubscribeKey::new(8).recipient(&token), None);
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            // The last character has bits that no byte needs.
            assert!(at + 1 == token.len() || key.recipient(str::from_utf8(&other).unwrap()).is_none());
        }
        for wrong in ["", "A", "AAAAAAAAAAA", &token[1..], &format!("{token}A"), "ä"] {
            assert_eq!(key.recipient(wrong), None, "{wrong}");
        }
    }
}
