//! Which tweets are near-duplicates of each other.

use crate::tweet::{self, Indices, Referenced, Tweet};

/// What near-duplicates have in common: the text but for links, mentions, case and white space, or
/// the tweet that they retweet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoldKey {
    /// Empty without words.
    words: String,
    /// The id of the original: of a retweet, the retweeted tweet; else the tweet itself.
    original: String,
}

impl FoldKey {
    /// The key of a tweet.
    pub(super) fn of(tweet: &Tweet) -> FoldKey {
        match &tweet.retweet {
            Some(Referenced::Tweet(original)) => FoldKey { words: words(original), original: original.id_str.clone() },
            Some(Referenced::Id(id)) => FoldKey { words: words(tweet), original: id.clone() },
            Some(Referenced::Unknown) | None => FoldKey { words: words(tweet), original: tweet.id_str.clone() },
        }
    }

    /// Whether two tweets are near-duplicates.
    pub(super) fn folds(&self, other: &FoldKey) -> bool {
        (!self.words.is_empty() && self.words == other.words) || self.original == other.original
    }

    /// The memory that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.words.len() + self.original.len()
    }
}

/// The words of a text without links and mentions, in lower case.
fn words(tweet: &Tweet) -> String {
    let entities = &tweet.entities;
    let mut left_out: Vec<[u32; 2]> = Vec::new();
    let mut leave_out = |indices: Indices| left_out.extend(indices);
    entities.urls.iter().for_each(|url| leave_out(url.indices));
    entities.user_mentions.iter().for_each(|mention| leave_out(mention.indices));
    entities.media.iter().for_each(|media| leave_out(media.indices));
    let is_left_out =
        |at: usize| u32::try_from(at).is_ok_and(|at| left_out.iter().any(|[start, end]| (*start..*end).contains(&at)));
    // A space in the place of each, so that the words beside it stay apart.
    let kept: String =
        tweet.text.chars().enumerate().map(|(at, char)| if is_left_out(at) { ' ' } else { char }).collect();
    let kept = tweet::decode(&kept);
    // Retweets of archives and by hand.
    let kept = kept.trim_start().strip_prefix("RT ").unwrap_or(&kept);
    let is_word = |word: &&str| {
        let text = word.trim_start_matches(|char: char| !char.is_alphanumeric() && char != '@');
        let is_link = text.contains("://") || text.starts_with("www.");
        !is_link && !text.starts_with('@') && word.contains(char::is_alphanumeric)
            || word.chars().all(|char| !char.is_alphanumeric() && !char.is_ascii_punctuation())
    };
    kept.split_whitespace().filter(is_word).map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn key(tweet: &Value) -> FoldKey {
        FoldKey::of(&tweet::read(tweet.to_string().as_bytes()).unwrap())
    }

    fn text(id: u64, text: &str) -> FoldKey {
        key(&json!({"id_str": id.to_string(), "text": text}))
    }

    #[test]
    fn links_mentions_case_and_space_make_no_difference() {
        let first = text(1, "Rust 2.0 is out! https://t.co/abc");
        for same in [
            "rust 2.0  is OUT!",
            "@ann Rust 2.0 is out! https://t.co/other",
            "Rust 2.0 is out! (https://example.org/x) @bob",
            "RT @ann: Rust 2.0 is out!",
            ".@ann Rust 2.0 is out! www.example.org",
        ] {
            assert!(first.folds(&text(2, same)), "{same}");
        }
        assert!(text(1, "Käse &amp; Brot").folds(&text(2, "KÄSE & BROT")));
        for other in ["Rust 2.1 is out!", "Rust 2.0 is out", "is out! Rust 2.0"] {
            assert!(!first.folds(&text(2, other)), "{other}");
        }
    }

    #[test]
    fn retweets_of_one_tweet_fold_with_it() {
        let original = json!({"id_str": "7", "text": "long text of ann", "user": {"screen_name": "ann"}});
        let retweet = |id: &str| json!({"id_str": id, "text": "RT @ann: long te…", "retweeted_status": original});
        assert!(key(&retweet("8")).folds(&key(&retweet("9"))));
        assert!(key(&retweet("8")).folds(&key(&original)));
        let other = json!({"id_str": "10", "text": "RT @ann: x", "retweeted_status": {"id_str": "11", "text": "x"}});
        assert!(!key(&retweet("8")).folds(&key(&other)));
    }

    #[test]
    fn tweets_without_words_are_different() {
        let media = |id: &str| json!({"id_str": id, "text": "https://t.co/a @ann"});
        assert!(!key(&media("1")).folds(&key(&media("2"))));
        assert!(key(&media("1")).folds(&key(&media("1"))));
        assert!(text(1, "🎉 🎉").folds(&text(2, "🎉  🎉")));
        assert!(!text(1, "🎉").folds(&text(2, "🎂")));
    }
}
