//! `"template": "text"`: plain text, for everything else.

use url::Url;

use super::super::batch::MAX_EVENTS;
use super::super::message::Message;
use super::super::template::TemplateKind;

pub(super) const KIND: TemplateKind = TemplateKind {
    name: "text",
    about: "plain text",
    max_posts: MAX_EVENTS,
    content_type: "text/plain; charset=utf-8",
    address: None,
    body: |message, _: &Url| body(message),
};

/// The message as plain text; also of mails.
pub(in crate::saved) fn body(message: &Message) -> String {
    let mut parts = vec![message.title()];
    for post in &message.posts {
        let mut part = format!("{}\n{}", post.byline(), post.text);
        if let Some(url) = &post.url {
            part.push('\n');
            part.push_str(url);
        }
        parts.push(part);
    }
    if let Some(more) = message.more() {
        parts.push(match &message.link {
            Some(url) => format!("{more}: {url}"),
            None => more,
        });
    }
    let mut text = parts.join("\n\n");
    text.push('\n');
    text
}
