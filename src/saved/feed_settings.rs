//! What the feeds of a saved search look like.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::live::ApiError;

const MAX_TITLE_CHARS: usize = 200;
const MAX_DESCRIPTION_CHARS: usize = 1_000;

/// What the feed of a search looks like: its field `feed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedSettings {
    /// The name of the search when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
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
        };
        if let Some(name) = fields.keys().next() {
            let expected = "is not known, expected title or description";
            return Err(ApiError::field(&format!("feed.{name}"), expected));
        }
        Ok(settings)
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
