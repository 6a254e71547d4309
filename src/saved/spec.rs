//! What a client says of a saved search, and what perch stores of it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::delivery_id::DeliveryId;
use super::feed_settings::FeedSettings;
use super::feed_token::FeedTokenHash;
use super::receiver::MASK;
use super::receivers::{self, Destination};
use crate::live::{ApiError, Code};

/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 128;
const MAX_TAGS: usize = 16;
const MAX_TAG_CHARS: usize = 64;
/// The most receivers of one search.
const MAX_RECEIVERS: usize = 8;

/// A saved search as clients write it: the body of `PUT /api/searches/{name}`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SearchSpec {
    /// The query: text, or its JSON form.
    pub(crate) query: Value,
    /// Whether nothing is delivered for now. The positions stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) paused: bool,
    /// Words by which searches are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    /// The place of the search among those with a tag: a page that opens them keeps the order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) places: BTreeMap<String, u32>,
    /// Whether its feeds need no token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) public: bool,
    /// What its feeds look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) feed: Option<FeedSettings>,
    /// The receivers, each with its `type`.
    #[serde(default)]
    pub(crate) deliver: Vec<Map<String, Value>>,
}

impl fmt::Debug for SearchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `deliver` has secrets.
        let SearchSpec { query, paused, tags, places, public, feed, deliver } = self;
        let deliver = deliver.len();
        f.debug_struct("SearchSpec")
            .field("query", query)
            .field("paused", paused)
            .field("tags", tags)
            .field("places", places)
            .field("public", public)
            .field("feed", feed)
            .field("deliver", &deliver)
            .finish()
    }
}

/// A saved search as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredSearch {
    #[serde(flatten)]
    pub(super) spec: SearchSpec,
    /// The subject of the owner's token; empty is the operator.
    pub(super) owner: String,
    /// In milliseconds since 1970.
    pub(super) created_ms: u64,
    pub(super) changed_ms: u64,
    /// Another one for each change, and for each search of the name: see [`next_revision`].
    pub(super) revision: u64,
    /// Why perch itself has paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) paused_because: Option<String>,
    /// The deliveries that perch has paused because their receivers want no more, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) refused: Vec<(DeliveryId, String)>,
    /// What opens its feeds besides `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) feed_token: Option<FeedTokenHash>,
    /// The position that it began after, as its owner has asked for it, with the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<(u64, Option<String>)>,
    /// The addresses that get no more mails of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unsubscribed: Vec<String>,
    /// The id of each receiver's delivery.
    pub(super) deliveries: Vec<DeliveryId>,
}

/// The revision of a search that is changed, or that is new. A change adds 1. A new search begins
/// with the time in microseconds since 1970, so that one that was removed and saved anew has a
/// revision that it had never before.
pub(super) fn next_revision(old: Option<u64>) -> u64 {
    let now = || u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
    old.map_or_else(now, |old| old + 1)
}

/// The fields of a body, and where its deliveries begin.
pub(crate) struct SearchRequest {
    pub(crate) spec: SearchSpec,
    /// Deliver the matches after this position too.
    pub(crate) since: Option<u64>,
    /// The epoch of `since`.
    pub(crate) epoch: Option<String>,
}

impl SearchRequest {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// A field that is missing, unknown or wrong.
    pub(crate) fn read(body: Value) -> Result<SearchRequest, ApiError> {
        let Value::Object(mut fields) = body else {
            return Err(ApiError::new(Code::BadPayload, "the body must be an object, the saved search"));
        };
        let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_null());
        let query = take("query").ok_or_else(|| ApiError::field("query", "is missing"))?;
        let wrong = |name: &str, expected: &str| ApiError::field(name, expected);
        let mut flag = |name: &'static str| match take(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| wrong(name, "must be true or false")),
        };
        let (paused, public) = (flag("paused")?, flag("public")?);
        let since = match take("since") {
            None => None,
            Some(value) => Some(value.as_u64().ok_or_else(|| wrong("since", "must be a whole number, a seq"))?),
        };
        let epoch = match take("epoch") {
            None => None,
            Some(Value::String(epoch)) => Some(epoch),
            Some(_) => return Err(wrong("epoch", "must be a string, the epoch of `since`")),
        };
        let tags = take("tags").map_or(Ok(Vec::new()), read_tags)?;
        let places = take("places").map_or(Ok(BTreeMap::new()), |places| read_places(places, &tags))?;
        let feed = take("feed").map(FeedSettings::read).transpose()?;
        let deliver = take("deliver").map_or(Ok(Vec::new()), read_deliver)?;
        if let Some(name) = fields.keys().next() {
            let expected = "is not known, expected query, since, epoch, paused, tags, places, public, feed or deliver";
            return Err(ApiError::field(name, expected));
        }
        Ok(SearchRequest { spec: SearchSpec { query, paused, tags, places, public, feed, deliver }, since, epoch })
    }
}

fn read_tags(value: Value) -> Result<Vec<String>, ApiError> {
    let expected = "must be a list of up to 16 words of up to 64 characters";
    let wrong = || ApiError::field("tags", expected);
    let mut tags: Vec<String> = serde_json::from_value(value).map_err(|_| wrong())?;
    let is_tag = |tag: &String| {
        let chars = tag.chars().count();
        (1..=MAX_TAG_CHARS).contains(&chars) && !tag.chars().any(|char| char.is_control() || char == ',')
    };
    if tags.len() > MAX_TAGS || !tags.iter().all(is_tag) {
        return Err(wrong());
    }
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

/// Places of tags that the search does not have (any more) are left out.
fn read_places(value: Value, tags: &[String]) -> Result<BTreeMap<String, u32>, ApiError> {
    let wrong = |_| ApiError::field("places", "must be an object of tags with whole numbers");
    let mut places: BTreeMap<String, u32> = serde_json::from_value(value).map_err(wrong)?;
    places.retain(|tag, _| tags.contains(tag));
    Ok(places)
}

fn read_deliver(value: Value) -> Result<Vec<Map<String, Value>>, ApiError> {
    let wrong = || ApiError::field("deliver", "must be a list of up to 8 objects, each with its `type`");
    let mut deliver: Vec<Map<String, Value>> = serde_json::from_value(value).map_err(|_| wrong())?;
    // Null counts as missing, also where the field is shown.
    deliver.iter_mut().for_each(|fields| fields.retain(|_, value| !value.is_null()));
    if deliver.len() > MAX_RECEIVERS { Err(wrong()) } else { Ok(deliver) }
}

impl SearchSpec {
    /// Builds the receivers.
    ///
    /// # Errors
    ///
    /// A receiver of an unknown type, or one with a wrong field.
    pub(super) fn destinations(&self) -> Result<Vec<Destination>, ApiError> {
        let mut keys = HashSet::new();
        let build = |(at, fields)| {
            let destination = receivers::build(at, fields)?;
            if keys.insert(destination.receiver.key()) {
                return Ok(destination);
            }
            Err(ApiError::field(&format!("deliver[{at}]"), "is the same receiver as one before"))
        };
        self.deliver.iter().enumerate().map(build).collect()
    }

    /// Puts the secrets of the stored search in the places of masks, so that a client can send back
    /// what it has read. In a list, a mask stands for the newest one.
    ///
    /// # Errors
    ///
    /// A mask without a secret.
    pub(super) fn unmask(&mut self, stored: Option<&SearchSpec>) -> Result<(), ApiError> {
        for (at, fields) in self.deliver.iter_mut().enumerate() {
            let is_mask = |secret: &Value| *secret == MASK;
            let Some(asked) = fields.get("secret") else { continue };
            if !is_mask(asked) && !asked.as_array().is_some_and(|secrets| secrets.iter().any(is_mask)) {
                continue;
            }
            let same =
                |other: &&Map<String, Value>| ["type", "url"].iter().all(|key| other.get(*key) == fields.get(*key));
            let secret = stored.and_then(|stored| stored.deliver.iter().find(same)?.get("secret")).cloned();
            let Some(secret) = secret else {
                let message = format!(
                    "`deliver[{at}].secret` is {MASK:?}, which keeps the secret, but there is none for this url yet"
                );
                return Err(ApiError::new(Code::BadPayload, message));
            };
            let newest = secret.get(0).unwrap_or(&secret);
            let unmasked = |asked: &Value| if is_mask(asked) { newest.clone() } else { asked.clone() };
            let secret = match asked {
                Value::Array(asked) => Value::Array(asked.iter().map(unmasked).collect()),
                _ => secret,
            };
            fields.insert("secret".to_owned(), secret);
        }
        Ok(())
    }

    /// The same without secrets.
    pub(super) fn masked(mut self) -> SearchSpec {
        for secret in self.deliver.iter_mut().filter_map(|fields| fields.get_mut("secret")) {
            *secret = MASK.into();
        }
        self
    }
}

/// Checks a name: it stands in URLs and file names.
///
/// # Errors
///
/// The name is empty, too long, or has other characters than letters, digits, `.`, `_` and `-`.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    let is_char = |char: char| char.is_alphanumeric() || matches!(char, '.' | '_' | '-');
    let is_name = !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.chars().all(is_char);
    if is_name && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    let expected = "must have letters, digits, `.`, `_` and `-`, begin with a letter, a digit or `_`, \
                    and have at most 128 bytes";
    Err(ApiError::field("name", expected))
}
