//! `"template": "slack"`: incoming webhooks of Slack.
//!
//! Source of the format: <https://docs.slack.dev/reference/block-kit/blocks/rich-text-block>. Texts
//! of rich text are shown as they are: no markup, no mention. A message has at most 50 blocks. Its
//! `text`, for notifications, is markup: `&`, `<` and `>` are escaped.

use serde_json::{Value, json};
use url::Url;

use super::super::message::{Message, Post, clip};
use super::super::template::TemplateKind;

pub(super) const KIND: TemplateKind = TemplateKind {
    name: "slack",
    about: "incoming webhooks of Slack",
    max_posts: 20,
    content_type: "application/json",
    address: None,
    body,
};

const MAX_TEXT_CHARS: usize = 500;

const MAX_AUTHOR_CHARS: usize = 100;

/// The most characters of a header.
const MAX_HEADER_CHARS: usize = 150;

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn post(post: &Post) -> Value {
    let author = clip(&post.byline(), MAX_AUTHOR_CHARS);
    let bold = json!({"bold": true});
    let author = match &post.url {
        Some(url) => json!({"type": "link", "url": url, "text": author, "style": bold}),
        None => json!({"type": "text", "text": author, "style": bold}),
    };
    let mut elements = vec![author];
    if !post.text.is_empty() {
        elements.push(text(&format!("\n{}", clip(&post.text, MAX_TEXT_CHARS))));
    }
    rich_text(&elements)
}

fn rich_text(elements: &[Value]) -> Value {
    json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]})
}

fn body(message: &Message, _: &Url) -> String {
    let title = clip(&message.title(), MAX_HEADER_CHARS);
    let mut blocks = vec![json!({"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}})];
    blocks.extend(message.posts.iter().map(post));
    if let Some(more) = message.more() {
        let more = match &message.link {
            Some(url) => json!({"type": "link", "url": url, "text": more}),
            None => text(&more),
        };
        blocks.push(rich_text(&[more]));
    }
    let notification = title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({"text": notification, "blocks": blocks, "unfurl_links": false, "unfurl_media": false}).to_string()
}
