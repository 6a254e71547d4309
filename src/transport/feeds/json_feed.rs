//! JSON Feed 1.1 (<https://www.jsonfeed.org/version/1.1/>).

use serde::Serialize;

use super::FeedDocument;
use super::entry::{Enclosure, Entry};

pub(super) const MEDIA_TYPE: &str = "application/feed+json";

#[derive(Serialize)]
struct JsonFeed<'a> {
    version: &'static str,
    title: &'a str,
    feed_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_url: Option<&'a str>,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    content_html: &'a str,
    content_text: &'a str,
    date_published: String,
    authors: [Author<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment<'a>>,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<&'a str>,
}

#[derive(Serialize)]
struct Attachment<'a> {
    url: &'a str,
    mime_type: &'static str,
}

/// The feed as a JSON Feed document.
pub(super) fn document(feed: &FeedDocument) -> Vec<u8> {
    let feed = JsonFeed {
        version: "https://jsonfeed.org/version/1.1",
        title: &feed.title,
        feed_url: &feed.url,
        description: feed.description.as_deref(),
        next_url: feed.next_url.as_deref(),
        items: feed.entries.iter().map(item).collect(),
    };
    serde_json::to_vec(&feed).expect("a feed is made of strings")
}

fn item(entry: &Entry) -> Item<'_> {
    let image = entry.media.iter().find(|media| media.media_type.is_none_or(|it| it.starts_with("image/")));
    Item {
        id: &entry.id,
        url: entry.url.as_deref(),
        content_html: &entry.html,
        content_text: &entry.text,
        date_published: entry.published.to_string(),
        authors: [Author {
            name: &entry.author.name,
            url: entry.author.url.as_deref(),
            avatar: entry.author.picture.as_deref(),
        }],
        language: entry.language.as_deref(),
        tags: &entry.hashtags,
        image: image.map(|media| media.url.as_str()),
        attachments: entry.media.iter().filter_map(attachment).collect(),
    }
}

/// JSON Feed needs the type of an attachment.
fn attachment(media: &Enclosure) -> Option<Attachment<'_>> {
    Some(Attachment { url: &media.url, mime_type: media.media_type? })
}
