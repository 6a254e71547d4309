//! The text of a tweet as HTML, with its links.
//!
//! Tweets are hostile: perch decodes the text and escapes it again, and links only to web pages.

use std::fmt::Write as _;

use html_escape::{decode_html_entities, encode_double_quoted_attribute, encode_text};
use url::Url;

use crate::tweet::{Entities, Indices};

/// A link in a text.
struct Link<'t> {
    /// Its first character, and the one behind its last.
    range: [usize; 2],
    target: String,
    shown: &'t str,
}

/// The address, if it is one of a web page.
pub(super) fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    Some(url.into())
}

/// The text in plain characters.
pub(super) fn plain(text: &str) -> String {
    clean(&decode_html_entities(text))
}

/// The text as HTML.
pub(super) fn html(text: &str, entities: &Entities) -> String {
    let chars: Vec<char> = text.chars().collect();
    let slice = |from: usize, to: usize| chars[from..to].iter().collect::<String>();
    let mut html = String::with_capacity(text.len() + 64);
    let mut end = 0;
    for Link { range: [from, to], target, shown } in links(entities, chars.len()) {
        if from < end {
            continue;
        }
        push_text(&mut html, &slice(end, from));
        let target = clean(&target);
        let _ = write!(html, "<a href=\"{}\">", encode_double_quoted_attribute(&target));
        push_text(&mut html, shown);
        html.push_str("</a>");
        end = to;
    }
    push_text(&mut html, &slice(end, chars.len()));
    html
}

/// The links of a text, in order.
fn links(entities: &Entities, chars: usize) -> Vec<Link<'_>> {
    let place = |indices: Indices| {
        let [from, to] = indices?.map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        (from < to && to <= chars).then_some([from, to])
    };
    let link =
        |indices, target: &str, shown| Some(Link { range: place(indices)?, target: web_address(target)?, shown });
    let urls = entities.urls.iter().filter_map(|url| link(url.indices, &url.expanded_url, &url.display_url));
    let media = entities.media.iter().filter_map(|media| {
        let target = media.expanded_url.as_ref().unwrap_or(&media.media_url);
        link(media.indices, target, media.display_url.as_ref().unwrap_or(target))
    });
    let mut links: Vec<_> = urls.chain(media).collect();
    links.sort_by_key(|link| link.range);
    links
}

/// Adds text that may have HTML entities.
fn push_text(html: &mut String, text: &str) {
    let plain = plain(text);
    for (at, line) in plain.split('\n').enumerate() {
        if at > 0 {
            html.push_str("<br>");
        }
        html.push_str(&encode_text(line));
    }
}

/// Adds a picture.
pub(super) fn push_picture(html: &mut String, address: &str, alt: &str) {
    let (address, alt) = (clean(address), clean(alt));
    let (address, alt) = (encode_double_quoted_attribute(&address), encode_double_quoted_attribute(&alt));
    let _ = write!(html, "<p><img src=\"{address}\" alt=\"{alt}\"></p>");
}

/// The text with a replacement character for each that XML 1.0 does not allow.
pub(super) fn clean(text: &str) -> String {
    let is_allowed = |c: char| !(c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}'));
    text.chars().map(|c| if is_allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tweet::read;

    fn html_of(json: &serde_json::Value) -> String {
        let tweet = read(json.to_string().as_bytes()).expect("a tweet");
        html(&tweet.text, &tweet.entities)
    }

    #[test]
    fn markup_of_a_tweet_is_text() {
        for text in ["<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"] {
            let html = html_of(&serde_json::json!({"id_str": "1", "text": text}));
            assert_eq!(html, "&lt;script&gt;alert(1)&lt;/script&gt;");
        }
        assert_eq!(
            html_of(&serde_json::json!({"id_str": "1", "text": "a\u{0}\u{b}b\nc &amp; d"})),
            "a��b<br>c &amp; d"
        );
    }

    #[test]
    fn links_lead_to_web_pages_only() {
        let entities = |target: &str| {
            serde_json::json!({"id_str": "1", "text": "😀 &amp; t.co/a end", "entities": {"urls": [
                {"url": "t.co/a", "expanded_url": target, "display_url": "shown <b>", "indices": [8, 14]},
                {"url": "t.co/a", "expanded_url": target, "indices": [9, 99]},
            ]}})
        };
        let html = html_of(&entities("https://a.example/\"x"));
        assert_eq!(html, "😀 &amp; <a href=\"https://a.example/%22x\">shown &lt;b&gt;</a> end");
        let html = html_of(&entities("javascript:alert(1)"));
        assert_eq!(html, "😀 &amp; t.co/a end");
    }
}
