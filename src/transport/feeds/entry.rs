//! A tweet as an entry of a feed.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use super::html;
use crate::tweet::{Media, Network, Tweet, TweetKey, read};

/// The longest title, in characters.
const MAX_TITLE_CHARS: usize = 100;

const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b':');

/// The latest time that RFC 3339 can write.
const LATEST: i64 = 253_402_300_799;

/// An entry of a feed, without characters that XML does not allow.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// A `urn:uuid:` made of the tweet's identity alone.
    pub(super) id: String,
    pub(super) url: Option<String>,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) html: String,
    /// When the tweet was written. A newer version of the tweet has it too, so it never goes back.
    pub(super) published: Timestamp,
    pub(super) author: Author,
    pub(super) media: Vec<Enclosure>,
    pub(super) hashtags: Vec<String>,
    pub(super) language: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Author {
    pub(super) name: String,
    pub(super) url: Option<String>,
    pub(super) picture: Option<String>,
}

/// A picture or video.
#[derive(Clone, Debug)]
pub(super) struct Enclosure {
    pub(super) url: String,
    /// `None` where the address does not tell it.
    pub(super) media_type: Option<&'static str>,
}

impl Entry {
    /// The entry of a stored tweet. `None` if it can't be read.
    pub(super) fn new(json: &str) -> Option<Entry> {
        let tweet = read(json.as_bytes()).ok()?;
        let text = html::plain(&tweet.text);
        let author = Author::new(&tweet);
        let mut content = html::html(&tweet.text, &tweet.entities);
        let mut media = Vec::new();
        for item in &tweet.entities.media {
            let Some(address) = html::web_address(item.media_url_https.as_ref().unwrap_or(&item.media_url)) else {
                continue;
            };
            html::push_picture(&mut content, &address, item.alt_text.as_deref().unwrap_or_default());
            media.push(Enclosure { media_type: media_type(&address, item), url: address });
        }
        Some(Entry {
            id: Uuid::new_v5(&Uuid::NAMESPACE_URL, tweet.id_str.as_bytes()).urn().to_string(),
            url: address(&tweet),
            title: title(&text).unwrap_or_else(|| author.name.clone()),
            text,
            html: content,
            published: time(tweet.created_at.unwrap_or_default()),
            author,
            media,
            hashtags: tweet.entities.hashtags.iter().map(|tag| html::clean(&tag.text)).collect(),
            language: tweet.lang.as_deref().filter(|lang| is_language(lang)).map(str::to_owned),
        })
    }
}

impl Author {
    fn new(tweet: &Tweet) -> Author {
        let user = &tweet.user;
        let name = [user.name.as_str(), user.screen_name.as_str(), "unknown"];
        let name = name.into_iter().map(html::plain).find(|name| !name.trim().is_empty()).unwrap_or_default();
        let screen_name = utf8_percent_encode(&user.screen_name, IN_PATH);
        let url = match tweet.source {
            _ if user.screen_name.is_empty() => None,
            Some(Network::X) => Some(format!("https://x.com/{screen_name}")),
            Some(Network::Bluesky) => Some(format!("https://bsky.app/profile/{screen_name}")),
            Some(Network::Mastodon) | None => None,
        };
        Author { name, url, picture: html::web_address(&user.profile_image_url) }
    }
}

/// The address of a tweet's page.
fn address(tweet: &Tweet) -> Option<String> {
    let of_x = || {
        let number = TweetKey::new(&tweet.id_str).number().filter(|_| tweet.source == Some(Network::X))?;
        Some(format!("https://x.com/i/status/{number}"))
    };
    tweet.url.as_deref().and_then(html::web_address).or_else(of_x)
}

/// The begin of a text, on one line. `None` for a text without one.
fn title(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= MAX_TITLE_CHARS {
        return (!line.is_empty()).then_some(line);
    }
    let cut: String = line.chars().take(MAX_TITLE_CHARS - 1).collect();
    Some(format!("{}…", cut.trim_end()))
}

/// A time in seconds since 1970.
fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds.clamp(0, LATEST)).unwrap_or_default()
}

/// Whether a code has the form of a language tag (RFC 5646).
fn is_language(code: &str) -> bool {
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = code.split('-').next().unwrap_or_default();
    code.split('-').all(is_part) && first.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The media type of what is at an address.
fn media_type(address: &str, media: &Media) -> Option<&'static str> {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    // Bluesky writes `…@jpeg`, X also `…?format=jpg`.
    let of_path = path.rsplit(['.', '@']).next().unwrap_or_default();
    let of_query = address.split_once("format=").map_or("", |(_, rest)| rest.split('&').next().unwrap_or_default());
    [of_path, of_query].into_iter().find_map(|ending| {
        Some(match ending.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" => "image/jpeg",
            "png" => "image/png",
            "gif" => "image/gif",
            "webp" => "image/webp",
            "avif" => "image/avif",
            "mp4" if media.kind != "photo" => "video/mp4",
            "webm" if media.kind != "photo" => "video/webm",
            _ => return None,
        })
    })
}
