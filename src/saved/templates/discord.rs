//! `"template": "discord"`: webhooks of Discord.
//!
//! Source of the format: <https://discord.com/developers/docs/resources/message#embed-object>. A
//! message has at most 10 embeds, with 6,000 characters together, and 2,000 characters of content.
//! Descriptions and content are Markdown, so what could be markup is escaped. `allowed_mentions`
//! is empty, so that no mention notifies its user.

use serde_json::{Value, json};
use url::Url;

use super::super::message::{Message, Post, clip};
use super::super::template::TemplateKind;

pub(super) const KIND: TemplateKind = TemplateKind {
    name: "discord",
    about: "webhooks of Discord",
    max_posts: 10,
    content_type: "application/json",
    address: None,
    body,
};

/// Of one embed: a tenth of 6,000 with the author.
const MAX_TEXT_CHARS: usize = 480;

const MAX_AUTHOR_CHARS: usize = 100;

const MAX_CONTENT_CHARS: usize = 2_000;

/// A text without markup. Addresses stay, so that they are links.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for word in text.split_inclusive(char::is_whitespace) {
        let address = word.trim_end();
        let is_address = (address.starts_with("https://") || address.starts_with("http://"))
            && !address.contains(['<', '>', '|', '*', '~', '`', '\\', '(', ')', '[', ']']);
        if is_address {
            escaped.push_str(word);
            continue;
        }
        for char in word.chars() {
            if char.is_ascii_punctuation() && !matches!(char, ',' | '\'' | '"' | ';' | '?' | '%' | '/') {
                escaped.push('\\');
            }
            escaped.push(char);
        }
    }
    escaped
}

/// An escaped text that has room.
fn clip_escaped(text: &str, max: usize) -> String {
    let clipped = clip(text, max);
    let Some(kept) = clipped.strip_suffix('…').filter(|_| clipped != text) else { return clipped };
    // No backslash may escape the ellipsis.
    let backslashes = kept.bytes().rev().take_while(|byte| *byte == b'\\').count();
    format!("{}…", &kept[..kept.len() - backslashes % 2])
}

fn embed(post: &Post) -> Value {
    let mut embed = json!({
        "author": {"name": clip(&post.byline(), MAX_AUTHOR_CHARS)},
        "description": clip_escaped(&escaped(&post.text), MAX_TEXT_CHARS),
    });
    if let Some(url) = &post.url {
        embed["author"]["url"] = url.as_str().into();
    }
    if let Some(at) = post.created_at {
        embed["timestamp"] = at.to_string().into();
    }
    embed
}

fn body(message: &Message, _: &Url) -> String {
    let mut content = format!("**{}**", escaped(&message.title()));
    if let Some(more) = message.more() {
        // Brackets, so that Discord shows no preview.
        let link = message.link.as_ref().map(|url| format!(" <{url}>")).unwrap_or_default();
        content = format!("{content}: these, {more}{link}");
    }
    json!({
        "content": clip_escaped(&content, MAX_CONTENT_CHARS),
        "embeds": message.posts.iter().map(embed).collect::<Vec<_>>(),
        "allowed_mentions": {"parse": []},
    })
    .to_string()
}
