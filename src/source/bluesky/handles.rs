//! The handles of accounts, as identity events tell them. Posts carry only the DID.

use std::collections::HashMap;

/// Accounts of one generation; there are two.
const MAX_ACCOUNTS: usize = 100_000;

/// Handles by DID, those that were used last.
#[derive(Debug, Default)]
pub(super) struct Handles {
    young: HashMap<String, String>,
    /// Forgotten when the young are full, and they take the place.
    old: HashMap<String, String>,
}

impl Handles {
    /// The handle of an account.
    pub(super) fn get(&mut self, did: &str) -> Option<String> {
        if let Some(handle) = self.young.get(did) {
            return Some(handle.clone());
        }
        let handle = self.old.remove(did)?;
        self.insert(did, &handle);
        Some(handle)
    }

    /// Sets the handle of an account.
    pub(super) fn insert(&mut self, did: &str, handle: &str) {
        if self.young.len() >= MAX_ACCOUNTS && !self.young.contains_key(did) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(did.to_owned(), handle.to_owned());
    }
}
