//! The hash of a feed token.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

/// The hash of a feed token, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FeedTokenHash(String);

impl FeedTokenHash {
    pub(super) fn new(token: &str) -> FeedTokenHash {
        FeedTokenHash(BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())))
    }

    pub(super) fn is_of(&self, token: &str) -> bool {
        FeedTokenHash::new(token).0.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}
