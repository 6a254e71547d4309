//! What the feeds of a saved search look like.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::live::ApiError;

const MAX_TITLE_CHARS: usize = 200;
const MAX_DESCRIPTION_CHARS: usize = 1_000;
/// A month.
const MAX_WINDOW_HOURS: u64 = 31 * 24;
const DEFAULT_WINDOW_HOURS: u32 = 24;

/// What the feed of a search looks like: its field `feed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedSettings {
    /// The name of the search when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The order in Bluesky.
    #[serde(default, skip_serializing_if = "FeedSort::is_newest")]
    pub(crate) sort: FeedSort,
    /// How far back tweets are that are sorted by likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) window_hours: Option<u32>,
}

/// The order of a Bluesky feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FeedSort {
    #[default]
    Newest,
    Likes,
}

impl FeedSort {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_newest(&self) -> bool {
        *self == FeedSort::Newest
    }
}

impl FeedSettings {
    /// Reads the field.
    ///
    /// # Errors
    ///
    /// A field of it that is unknown or wrong.
    pub(super) fn read(value: Value) -> Result<FeedSettings, ApiError> {
        let Value::Object(mut fields) = value else { return Err(ApiError::field("feed", "must be an object")) };
        fields.retain(|_, value| !value.is_null());
        let settings = FeedSettings {
            title: text(&mut fields, "title", MAX_TITLE_CHARS)?,
            description: text(&mut fields, "description", MAX_DESCRIPTION_CHARS)?,
            sort: match fields.remove("sort") {
                None => FeedSort::default(),
                Some(sort) => serde_json::from_value(sort)
                    .map_err(|_| ApiError::field("feed.sort", "must be \"newest\" or \"likes\""))?,
            },
            window_hours: match fields.remove("window_hours") {
                None => None,
                Some(hours) => {
                    let hours = hours.as_u64().filter(|hours| (1..=MAX_WINDOW_HOURS).contains(hours));
                    let expected = format!("must be a whole number from 1 to {MAX_WINDOW_HOURS}");
                    let hours = hours.ok_or_else(|| ApiError::field("feed.window_hours", &expected))?;
                    Some(u32::try_from(hours).unwrap_or(DEFAULT_WINDOW_HOURS))
                }
            },
        };
        if let Some(name) = fields.keys().next() {
            let expected = "is not known, expected title, description, sort or window_hours";
            return Err(ApiError::field(&format!("feed.{name}"), expected));
        }
        if settings.sort.is_newest() && settings.window_hours.is_some() {
            return Err(ApiError::field("feed.window_hours", "needs `\"sort\": \"likes\"`"));
        }
        Ok(settings)
    }

    /// How far back tweets are that are sorted by likes.
    pub(crate) fn window_hours(&self) -> u32 {
        self.window_hours.unwrap_or(DEFAULT_WINDOW_HOURS)
    }
}

fn text(fields: &mut Map<String, Value>, name: &str, max_chars: usize) -> Result<Option<String>, ApiError> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= max_chars => Ok(Some(text)),
        Some(_) => {
            let expected = format!("must be a text of 1 to {max_chars} characters");
            Err(ApiError::field(&format!("feed.{name}"), &expected))
        }
    }
}
