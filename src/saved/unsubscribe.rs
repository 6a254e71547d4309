//! Links by which people unsubscribe from mails.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;

use super::delivery_id::DeliveryId;

/// The bytes of an id.
const ID_BYTES: usize = 8;

/// The bytes of a signature: 128 bits can't be guessed.
const TAG_BYTES: usize = 16;

/// Signs the tokens in links. It is made with the file of the saved searches, and stays as long.
#[derive(Clone, Debug)]
pub(super) struct UnsubscribeKey(hmac::Key);

impl UnsubscribeKey {
    pub(super) fn new(key: u128) -> UnsubscribeKey {
        UnsubscribeKey(hmac::Key::new(hmac::HMAC_SHA256, &key.to_be_bytes()))
    }

    fn tag(&self, id: [u8; ID_BYTES]) -> hmac::Tag {
        hmac::sign(&self.0, &[b"unsubscribe", &id[..]].concat())
    }

    /// The token of a delivery.
    pub(super) fn token(&self, id: DeliveryId) -> String {
        let id = id.0.to_be_bytes();
        BASE64_URL_SAFE_NO_PAD.encode([&id[..], &self.tag(id).as_ref()[..TAG_BYTES]].concat())
    }

    /// The delivery of a token.
    pub(super) fn delivery(&self, token: &str) -> Option<DeliveryId> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, tag) = bytes.split_first_chunk::<ID_BYTES>()?;
        let is_right: bool = subtle::ConstantTimeEq::ct_eq(tag, &self.tag(*id).as_ref()[..TAG_BYTES]).into();
        is_right.then_some(DeliveryId(u64::from_be_bytes(*id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_perch_has_made_names_a_delivery() {
        let key = UnsubscribeKey::new(7);
        let token = key.token(DeliveryId(42));
        assert_eq!(key.delivery(&token), Some(DeliveryId(42)));
        assert_eq!(UnsubscribeKey::new(8).delivery(&token), None);
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            // The last character has bits that no byte needs.
            assert!(at + 1 == token.len() || key.delivery(str::from_utf8(&other).unwrap()).is_none());
        }
        for wrong in ["", "A", "AAAAAAAAAAA", &token[1..], &format!("{token}A"), "ä"] {
            assert_eq!(key.delivery(wrong), None, "{wrong}");
        }
    }
}
