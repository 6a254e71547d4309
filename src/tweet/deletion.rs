//! A deletion: the last version of a tweet, which has no text and which no query matches.

use serde::Deserialize;

use super::{AnalyzedTweet, TweetError, TweetKey, analyze, read};
use crate::doc::Doc;

/// The end of the JSON of a deletion, and of no tweet's.
const END: &str = ",\"deleted\":true}";

/// The version that deletes the tweet with this `id_str`. Its place among the other tweets is known
/// if the `id_str` is a number.
#[must_use]
pub fn deletion(id_str: &str) -> AnalyzedTweet {
    deletion_in_order(id_str, TweetKey::new(id_str).number().unwrap_or(0))
}

/// The version that deletes the tweet with this `id_str` and `id`.
#[must_use]
pub fn deletion_in_order(id_str: &str, id: u64) -> AnalyzedTweet {
    let name = serde_json::to_string(id_str).expect("a text is JSON");
    let json = format!("{{\"id\":{id},\"id_str\":{name}{END}");
    AnalyzedTweet { id, key: TweetKey::new(id_str), json: json.into(), doc: Doc::default(), is_deleted: true }
}

#[derive(Deserialize)]
struct Stored {
    id: u64,
    id_str: String,
}

/// Reads what perch has stored, a tweet or a deletion, and analyzes it as it would be today.
pub(crate) fn read_stored(json: &str) -> Result<AnalyzedTweet, TweetError> {
    if json.ends_with(END)
        && let Ok(Stored { id, id_str }) = serde_json::from_str(json)
    {
        return Ok(deletion_in_order(&id_str, id));
    }
    read(json.as_bytes()).map(|tweet| analyze(&tweet))
}

impl AnalyzedTweet {
    /// The identity of the tweet.
    ///
    /// # Panics
    ///
    /// When its JSON is none of perch's.
    #[must_use]
    pub fn id_str(&self) -> String {
        id_str_of(&self.json).expect("perch wrote it")
    }
}

/// The `id_str` in a stored JSON.
pub(crate) fn id_str_of(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Identified {
        id_str: String,
    }
    serde_json::from_str(json).ok().map(|Identified { id_str }| id_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_is_read_as_it_was_written() {
        for (id_str, id) in [("7", 7), ("at://did:plc:a/app.bsky.feed.post/\"x\"", 0)] {
            let deletion = deletion(id_str);
            assert_eq!((deletion.id, deletion.key, deletion.is_deleted), (id, TweetKey::new(id_str), true));
            let read = read_stored(&deletion.json).unwrap();
            assert_eq!((read.id, read.key, read.json, read.is_deleted), (id, deletion.key, deletion.json, true));
        }
        let placed = deletion_in_order("at://a", 12);
        assert_eq!(read_stored(&placed.json).unwrap().id, 12);
    }

    #[test]
    fn a_tweet_with_the_words_of_a_deletion_is_a_tweet() {
        let tweet = read(br#"{"id_str":"7","text":",\"deleted\":true}","deleted":true}"#).unwrap();
        assert!(!read_stored(&tweet.to_json()).unwrap().is_deleted);
    }
}
