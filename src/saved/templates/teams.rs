//! `"template": "teams"`: workflows of Microsoft Teams that begin "When a Teams webhook request is
//! received".
//!
//! Source of the format: <https://learn.microsoft.com/adaptive-cards/schema-explorer/text-run>. A
//! message is an Adaptive Card of up to 28 KB. Its `TextRun`s know no Markdown and no mentions.

use serde_json::{Value, json};
use url::Url;

use super::super::message::{Message, Post, clip};
use super::super::template::TemplateKind;

pub(super) const KIND: TemplateKind = TemplateKind {
    name: "teams",
    about: "workflows of Microsoft Teams",
    max_posts: 10,
    content_type: "application/json",
    address: None,
    body,
};

/// Ten posts with 3 bytes a character and the address have 28 KB.
const MAX_TEXT_CHARS: usize = 400;

const MAX_AUTHOR_CHARS: usize = 100;

fn run(text: &str) -> Value {
    json!({"type": "TextRun", "text": text})
}

fn block(runs: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "separator": true, "inlines": runs})
}

fn post(post: &Post) -> Value {
    let mut author = run(&clip(&post.byline(), MAX_AUTHOR_CHARS));
    author["weight"] = "Bolder".into();
    if let Some(url) = &post.url {
        author["selectAction"] = json!({"type": "Action.OpenUrl", "url": url});
    }
    block(&[author, run(&format!("\n{}", clip(&post.text, MAX_TEXT_CHARS)))])
}

fn body(message: &Message, _: &Url) -> String {
    let mut title = run(&message.title());
    (title["weight"], title["size"]) = ("Bolder".into(), "Medium".into());
    let mut blocks = vec![block(&[title])];
    blocks.extend(message.posts.iter().map(post));
    if let Some(more) = message.more() {
        let mut more = run(&more);
        if let Some(url) = &message.link {
            more["selectAction"] = json!({"type": "Action.OpenUrl", "url": url});
        }
        blocks.push(block(&[more]));
    }
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    });
    let attachment =
        json!({"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card});
    json!({"type": "message", "attachments": [attachment]}).to_string()
}
