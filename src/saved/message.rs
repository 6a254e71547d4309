//! What a batch says to people: the same for all templates and mails.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::batch::Batch;
use super::fold::FoldKey;
use crate::query::Query;
use crate::text::is_bidi_embedding;
use crate::tweet::{self, Network, Referenced, Tweet};

/// The longest address that is shown.
const MAX_URL_BYTES: usize = 500;

/// A batch for people.
#[derive(Debug)]
pub(super) struct Message {
    /// The name of the search.
    pub(super) search: String,
    /// In the order of arrival, near-duplicates folded.
    pub(super) posts: Vec<Post>,
    /// All tweets of the batch.
    pub(super) count: u64,
    /// Those that are neither shown nor folded.
    pub(super) left_out: u64,
    /// The page with all matches, if there are more and perch knows its own address.
    pub(super) link: Option<String>,
    /// Whether it only tries out a receiver.
    pub(super) is_test: bool,
}

/// A tweet for people. Its texts are plain: no entity, no markup, no control character but `\n`.
#[derive(Debug, Default)]
pub(super) struct Post {
    /// `Ann (@ann)`.
    pub(super) author: String,
    pub(super) text: String,
    pub(super) url: Option<String>,
    pub(super) created_at: Option<Timestamp>,
    /// How many near-duplicates are folded with it.
    pub(super) similar: u64,
}

impl Message {
    /// A message of up to `max_posts`. `public_url` is the URL of perch for the world.
    pub(super) fn of(batch: &Batch, max_posts: usize, public_url: Option<&Url>) -> Message {
        #[derive(Deserialize)]
        struct New<'a> {
            #[serde(borrow)]
            tweet: &'a RawValue,
            #[serde(default)]
            similar: u64,
        }
        let mut posts: Vec<(FoldKey, Post)> = Vec::new();
        let mut shown = 0;
        for event in &batch.events {
            let Ok((name, payload)) = serde_json::from_str::<(&str, &RawValue)>(event.as_str()) else { continue };
            if name != "tweet/new" {
                continue;
            }
            let Ok(New { tweet, similar }) = serde_json::from_str(payload.get()) else { continue };
            let Ok(tweet) = tweet::read(tweet.get().as_bytes()) else { continue };
            shown += similar + 1;
            let key = FoldKey::of(&tweet);
            let older = posts.iter().position(|(other, _)| key.folds(other)).map(|at| posts.remove(at));
            let similar = similar + older.map_or(0, |(_, older)| older.similar + 1);
            posts.push((key, Post::of(&tweet, similar)));
        }
        let (count, mut left_out) = batch.digest.map_or((shown, 0), |digest| (digest.count, digest.left_out));
        // A batch that was begun for another template may have more.
        for (_, post) in posts.drain(..posts.len().saturating_sub(max_posts)) {
            left_out += post.similar + 1;
        }
        Message {
            search: batch.search.to_string(),
            posts: posts.into_iter().map(|(_, post)| post).collect(),
            count,
            left_out,
            link: public_url
                .zip(batch.query.as_ref())
                .filter(|_| left_out > 0)
                .and_then(|(url, query)| page(url, query)),
            is_test: batch.kind == "search.test",
        }
    }

    /// `java: 12,445 matches`.
    pub(super) fn title(&self) -> String {
        let search = &self.search;
        match (self.is_test, self.count) {
            (true, _) => format!("{search}: a test"),
            (false, 1) => format!("{search}: 1 match"),
            (false, count) => format!("{search}: {} matches", grouped(count)),
        }
    }

    /// `and 12,345 more`.
    pub(super) fn more(&self) -> Option<String> {
        (self.left_out > 0).then(|| format!("and {} more", grouped(self.left_out)))
    }
}

impl Post {
    fn of(tweet: &Tweet, similar: u64) -> Post {
        let original = match &tweet.retweet {
            Some(Referenced::Tweet(original)) => original,
            _ => tweet,
        };
        let user = &original.user;
        let (name, handle) = (plain(&user.name), plain(&user.screen_name));
        let mut author = match (name.trim(), handle.trim()) {
            ("", "") => "unknown".to_owned(),
            (name, "") => name.to_owned(),
            ("", handle) => format!("@{handle}"),
            (name, handle) => format!("{name} (@{handle})"),
        };
        author = author.replace('\n', " ");
        Post {
            author,
            text: plain(&text_of(original)).trim().to_owned(),
            url: address(original).or_else(|| address(tweet)),
            created_at: original.created_at.and_then(|at| Timestamp::from_second(at).ok()),
            similar,
        }
    }

    /// `Ann (@ann), and 12 similar`.
    pub(super) fn byline(&self) -> String {
        match self.similar {
            0 => self.author.clone(),
            similar => format!("{}, and {} similar", self.author, grouped(similar)),
        }
    }
}

/// The text with the targets of short links.
fn text_of(tweet: &Tweet) -> String {
    let mut text = tweet.text.clone();
    for url in &tweet.entities.urls {
        if !url.url.is_empty() && !url.expanded_url.is_empty() && url.expanded_url.len() <= MAX_URL_BYTES {
            text = text.replacen(&url.url, &url.expanded_url, 1);
        }
    }
    text
}

/// A text without HTML entities and control characters.
fn plain(text: &str) -> String {
    let is_kept = |char: &char| *char == '\n' || !(char.is_control() || is_bidi_embedding(*char));
    tweet::decode(text).chars().filter(is_kept).collect()
}

/// The page of a tweet.
fn address(tweet: &Tweet) -> Option<String> {
    let is_x = tweet.source.is_none_or(|source| source == Network::X);
    let is_number = tweet.id_str.bytes().all(|byte| byte.is_ascii_digit());
    let of_x = || (is_x && is_number).then(|| format!("https://x.com/i/status/{}", tweet.id_str));
    let url = Url::parse(&tweet.url.clone().or_else(of_x)?).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https");
    Some(url.to_string()).filter(|url| is_web && url.len() <= MAX_URL_BYTES)
}

/// The page with all matches of a query.
fn page(public_url: &Url, query: &Query) -> Option<String> {
    let mut url = public_url.clone();
    url.path_segments_mut().ok()?.pop_if_empty().push("");
    url.query_pairs_mut().append_pair("q", query.canonical());
    Some(url.to_string()).filter(|url| url.len() <= MAX_URL_BYTES)
}

/// A text of at most `max` UTF-16 units, as the services count characters.
pub(super) fn clip(text: &str, max: usize) -> String {
    if text.encode_utf16().count() <= max {
        return text.to_owned();
    }
    let mut units = 1;
    let fits = |char: &char| {
        units += char.len_utf16();
        units <= max
    };
    let mut clipped: String = text.chars().take_while(fits).collect();
    clipped.push('…');
    clipped
}

/// `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::QueryLimits;
    use crate::schema::Schema;

    #[test]
    fn a_text_is_clipped_between_characters() {
        assert_eq!((clip("abc", 3), clip("abcd", 3), clip("🎉🎉", 3)), ("abc".into(), "ab…".into(), "🎉…".into()));
    }

    #[test]
    fn a_link_leads_to_the_page_with_all_matches() {
        let query = Query::parse("java OR \"a b\"", Schema::tweet(), &QueryLimits::default()).unwrap();
        for base in ["https://perch.example.org", "https://perch.example.org/", "https://example.org/perch"] {
            let link = Url::parse(&page(&Url::parse(base).unwrap(), &query).unwrap()).unwrap();
            let (_, text) = link.query_pairs().next().unwrap();
            let again = Query::parse(&text, Schema::tweet(), &QueryLimits::default()).unwrap();
            assert_eq!(again.id(), query.id(), "{link}");
            assert!(link.path().ends_with('/') && link.as_str().starts_with(base), "{link}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_post_has_plain_text_and_a_web_address() {
        let post = |json: serde_json::Value| Post::of(&tweet::read(json.to_string().as_bytes()).unwrap(), 0);
        let of_x = post(serde_json::json!({
            "id_str": "7", "text": "a &amp; b\u{7}\u{202e} https://t.co/x",
            "user": {"name": "Ann\nB", "screen_name": "ann"},
            "entities": {"urls": [{"url": "https://t.co/x", "expanded_url": "https://example.org/long", "indices": [10, 24]}]},
        }));
        assert_eq!(of_x.text, "a & b https://example.org/long");
        assert_eq!((of_x.author.as_str(), of_x.url.as_deref()), ("Ann B (@ann)", Some("https://x.com/i/status/7")));
        let other = post(serde_json::json!({"id_str": "at://x", "text": "a", "url": "javascript:alert(1)"}));
        assert_eq!((other.author.as_str(), other.url), ("unknown", None));
    }
}
