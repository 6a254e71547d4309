//! Saved searches as feeds: their settings, and the access of readers.
//!
//! A search that is marked public is read by its name. Any search is read with its feed token,
//! which is a part of the URL. The file has only a hash of the token, so that a copy of it opens no
//! feed. There is one token for each search, and a new one replaces it.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use super::feed_settings::FeedSettings;
use super::feed_token::FeedTokenHash;
use super::pacing::millis;
use super::registry::Registry;
use super::spec::{StoredSearch, next_revision};
use super::store::Change;
use super::{Owner, SavedSearches, check_name, not_found, to_the_end};
use crate::live::{ApiError, Code};

/// A feed that its reader may read.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) name: Arc<str>,
    /// The query, as its owner wrote it.
    pub(crate) query: Value,
    pub(crate) settings: FeedSettings,
    /// In milliseconds since 1970. With the name it tells apart searches of one name that followed
    /// one another.
    pub(crate) created_ms: u64,
    pub(crate) revision: u64,
}

/// The refusal of a reader: the same whether there is no such search, it is not public, or the
/// token is wrong.
fn no_feed(name: &str) -> ApiError {
    ApiError::new(Code::NotFound, format!("there is no feed {name:?} at this address"))
}

impl SavedSearches {
    /// The feed of a search: of a public one without a token, of any with its token.
    ///
    /// # Errors
    ///
    /// There is no such feed, or the file can't be read.
    pub(crate) async fn feed(&self, name: &str, token: Option<&str>) -> Result<Feed, ApiError> {
        if check_name(name).is_err() || token.is_none() && !self.0.entries().public.contains(name) {
            return Err(no_feed(name));
        }
        let search = self.0.stored(name).await?.ok_or_else(|| no_feed(name))?;
        let may_read = match token {
            None => search.spec.public,
            Some(token) => search.feed_token.as_ref().is_some_and(|hash| hash.is_of(token)),
        };
        if !may_read {
            return Err(no_feed(name));
        }
        Ok(Feed {
            name: name.into(),
            query: search.spec.query,
            settings: search.spec.feed.unwrap_or_default(),
            created_ms: search.created_ms,
            revision: search.revision,
        })
    }

    /// The names of public searches, in order, `n` at most.
    pub(crate) fn public_names(&self, n: usize) -> Vec<Arc<str>> {
        self.0.entries().public.iter().take(n).map(Arc::clone).collect()
    }

    /// Makes a new feed token for a search, and revokes its old token. The file has only the hash.
    ///
    /// # Errors
    ///
    /// There is no search of this name, it belongs to another owner, or the file can't be written.
    pub(crate) async fn create_feed_token(&self, name: &str, owner: &Owner) -> Result<String, ApiError> {
        let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        self.set_feed_token(name, owner, Some(FeedTokenHash::new(&token))).await?;
        Ok(token)
    }

    /// Revokes the feed token of a search, if it has one.
    ///
    /// # Errors
    ///
    /// There is no search of this name, it belongs to another owner, or the file can't be written.
    pub(crate) async fn revoke_feed_token(&self, name: &str, owner: &Owner) -> Result<(), ApiError> {
        self.set_feed_token(name, owner, None).await
    }

    async fn set_feed_token(&self, name: &str, owner: &Owner, hash: Option<FeedTokenHash>) -> Result<(), ApiError> {
        let (inner, name, owner) = (Arc::clone(&self.0), name.to_owned(), owner.clone());
        to_the_end(async move { inner.set_feed_token(&name, &owner, hash).await }).await
    }
}

impl Registry {
    async fn set_feed_token(&self, name: &str, owner: &Owner, hash: Option<FeedTokenHash>) -> Result<(), ApiError> {
        let _turn = self.turn(name).await;
        self.check_owner(name, owner)?;
        let old = self.stored(name).await?.ok_or_else(|| not_found(name))?;
        if old.feed_token == hash {
            return Ok(());
        }
        let revision = next_revision(Some(old.revision));
        let changed_ms = millis(jiff::Timestamp::now());
        let search = StoredSearch { feed_token: hash, revision, changed_ms, ..old };
        let change =
            Change::Put { name: name.into(), search: Box::new(search), positions: Vec::new(), removed: Vec::new() };
        self.store.change(change).await?;
        if let Some(entry) = self.entries().by_name.get_mut(name) {
            entry.revision = revision;
        }
        Ok(())
    }
}
