//! `"template": "ntfy"`: push notifications by ntfy.
//!
//! Source of the format: <https://docs.ntfy.sh/publish/#publish-as-json>. The address names the
//! topic: `https://ntfy.sh/my-topic`. JSON goes to the address of the server. A message has at most
//! 4,096 bytes; a longer one would become an attachment. Without `markdown` its text is plain.

use serde_json::json;
use url::Url;

use super::super::message::{Message, clip};
use super::super::template::TemplateKind;

pub(super) const KIND: TemplateKind = TemplateKind {
    name: "ntfy",
    about: "topics of ntfy",
    max_posts: 5,
    content_type: "application/json",
    address: Some(address),
    body,
};

/// Of the author and the text of a post: five with 3 bytes a character have 4 KB.
const MAX_TEXT_CHARS: usize = 240;

/// Of the author, who must leave room for the text.
const MAX_AUTHOR_CHARS: usize = 80;

const MAX_TITLE_CHARS: usize = 200;

/// The topic: the last part of the path.
fn topic(url: &Url) -> Option<&str> {
    url.path_segments()?.rfind(|part| !part.is_empty())
}

fn address(url: &Url) -> Result<Url, &'static str> {
    let is_topic = |topic: &str| {
        let is_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        topic.len() <= 64 && topic.bytes().all(is_char)
    };
    if !topic(url).is_some_and(is_topic) {
        return Err("must end with a topic, as https://ntfy.sh/my-topic does");
    }
    let mut address = url.clone();
    if let Ok(mut parts) = address.path_segments_mut() {
        parts.pop_if_empty().pop().push("");
    }
    Ok(address)
}

fn body(message: &Message, url: &Url) -> String {
    let mut text = String::new();
    for post in &message.posts {
        let author = clip(&post.byline(), MAX_AUTHOR_CHARS);
        text.push_str(&clip(&format!("{author}: {}", post.text), MAX_TEXT_CHARS));
        text.push('\n');
    }
    text.push_str(&message.more().unwrap_or_default());
    let title = clip(&message.title(), MAX_TITLE_CHARS);
    let mut body = json!({"topic": topic(url), "title": title, "message": text.trim_end()});
    // A tap opens all matches, or the only tweet.
    let tweet = match &*message.posts {
        [post] => post.url.as_ref(),
        _ => None,
    };
    if let Some(url) = message.link.as_ref().or(tweet) {
        body["click"] = url.as_str().into();
    }
    body.to_string()
}
