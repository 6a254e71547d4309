//! Builds the text of a tweet from plain text or HTML, together with the entities in it.
//!
//! perch keeps texts with the HTML entities `&amp;`, `&lt;` and `&gt;`; positions count code points
//! of this form.

use std::borrow::Cow;

use crate::tweet::{Entities, Indices, MAX_ENTITIES, Mention, Tag, Url, display};

/// A text under construction.
#[derive(Debug, Default)]
pub(super) struct TextBuilder {
    text: String,
    /// Its length in code points.
    len: u32,
    pub(super) entities: Entities,
}

impl TextBuilder {
    /// Appends plain text and returns its position.
    pub(super) fn push(&mut self, plain: &str) -> [u32; 2] {
        let start = self.len;
        for c in plain.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                c => self.text.push(c),
            }
            self.len += match c {
                '&' => 5,
                '<' | '>' => 4,
                _ => 1,
            };
        }
        [start, self.len]
    }

    /// Whether nothing was appended.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Ends the line, `n` times at most, unless the text is empty or ends with as many.
    pub(super) fn break_line(&mut self, n: usize) {
        let ends = self.text.bytes().rev().take_while(|&byte| byte == b'\n').count();
        if !self.is_empty() {
            for _ in ends..n {
                self.push("\n");
            }
        }
    }

    pub(super) fn tag(&mut self, text: &str, indices: Indices) {
        if self.entities.hashtags.len() < MAX_ENTITIES && !text.is_empty() {
            self.entities.hashtags.push(Tag { text: text.to_owned(), indices });
        }
    }

    pub(super) fn mention(&mut self, screen_name: String, name: Option<String>, indices: Indices) {
        if self.entities.user_mentions.len() < MAX_ENTITIES && !screen_name.is_empty() {
            self.entities.user_mentions.push(Mention { screen_name, name, indices });
        }
    }

    pub(super) fn url(&mut self, written: &str, target: &str, shown: &str, indices: Indices) {
        if self.entities.urls.len() < MAX_ENTITIES && !target.is_empty() {
            let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
            self.entities.urls.push(Url {
                url: or(written, target),
                expanded_url: target.to_owned(),
                display_url: or(shown, display(target)),
                unwound_url: None,
                indices,
            });
        }
    }

    /// The text without line breaks at its end, and its entities.
    pub(super) fn finish(mut self) -> (String, Entities) {
        self.text.truncate(self.text.trim_end().len());
        (self.text, self.entities)
    }
}

/// A text with the three HTML entities that perch keeps.
pub(super) fn escaped(plain: &str) -> Cow<'_, str> {
    if plain.contains(['&', '<', '>']) {
        let mut builder = TextBuilder::default();
        builder.push(plain);
        builder.text.into()
    } else {
        plain.into()
    }
}

/// The deepest nesting of elements that is followed.
const MAX_OPEN: usize = 64;

/// A link in HTML.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// The address.
    pub(super) href: String,
    /// The classes.
    pub(super) class: String,
    /// The text, with the parts that pages hide.
    pub(super) text: String,
    /// The text that pages show.
    pub(super) shown: String,
}

/// Appends the text of an HTML fragment: paragraphs and line breaks become line breaks, and `link`
/// is called for each link with its position.
pub(super) fn push_html(builder: &mut TextBuilder, html: &str, mut link: impl FnMut(&mut TextBuilder, Link, Indices)) {
    let mut open: Option<(Link, u32)> = None;
    // For each open span, whether pages hide it.
    let mut spans: Vec<bool> = Vec::new();
    let mut rest = html;
    while !rest.is_empty() {
        let Some(start) = rest.find('<') else {
            push_text(builder, rest, &mut open, &spans);
            break;
        };
        let (text, behind) = rest.split_at(start);
        push_text(builder, text, &mut open, &spans);
        let end = behind.find('>').unwrap_or(behind.len());
        let tag = behind[..end].trim_start_matches('<');
        rest = behind.get(end + 1..).unwrap_or("");
        let (is_end, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let name_len = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(name_len);
        match (name.to_ascii_lowercase().as_str(), is_end) {
            ("p" | "blockquote" | "ul" | "ol" | "pre" | "div" | "h1" | "h2" | "h3", _) => builder.break_line(2),
            ("br", _) => {
                builder.push("\n");
            }
            ("li", false) => {
                builder.break_line(1);
                builder.push("- ");
            }
            ("span", false) if spans.len() < MAX_OPEN => {
                spans.push(attribute(attributes, "class").is_some_and(|class| class.contains("invisible")));
            }
            ("span", true) => drop(spans.pop()),
            ("a", false) => {
                let attribute = |name| attribute(attributes, name).unwrap_or_default();
                let found = Link { href: attribute("href"), class: attribute("class"), ..Link::default() };
                open = Some((found, builder.len));
            }
            ("a", true) => {
                if let Some((found, start)) = open.take() {
                    let indices = Some([start, builder.len]);
                    link(builder, found, indices);
                }
            }
            _ => {}
        }
    }
}

fn push_text(builder: &mut TextBuilder, text: &str, open: &mut Option<(Link, u32)>, spans: &[bool]) {
    let text = html_escape::decode_html_entities(text);
    // A line break in HTML is a space, and none at the start of a line.
    let text = if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ").into() } else { text };
    let is_start = builder.is_empty() || builder.text.ends_with('\n');
    let text = if is_start { text.trim_start() } else { &text };
    if text.is_empty() {
        return;
    }
    builder.push(text);
    if let Some((link, _)) = open {
        link.text.push_str(text);
        if !spans.contains(&true) {
            link.shown.push_str(text);
        }
    }
}

/// The value of an attribute in the inner text of a tag.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start();
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        if key.is_empty() && behind.is_empty() {
            return None;
        }
        let Some(behind) = behind.trim_start().strip_prefix('=') else {
            rest = behind;
            if rest.is_empty() {
                return None;
            }
            continue;
        };
        let behind = behind.trim_start();
        let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, after) = match quote {
            Some(quote) => behind[1..].split_once(quote).unwrap_or((&behind[1..], "")),
            None => behind.split_once(char::is_whitespace).unwrap_or((behind, "")),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(html_escape::decode_html_entities(value).into_owned());
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(html: &str) -> (String, Vec<(String, String)>) {
        let mut builder = TextBuilder::default();
        let mut links = Vec::new();
        push_html(&mut builder, html, |builder, link, indices| {
            let [start, end] = indices.expect("a position").map(|at| at as usize);
            let part: String = builder.text.chars().skip(start).take(end - start).collect();
            links.push((part, link.href));
        });
        (builder.finish().0, links)
    }

    #[test]
    fn html_becomes_text() {
        for (html, expected) in [
            ("<p>one</p><p>two<br>three<br />four</p>", "one\n\ntwo\nthree\nfour"),
            ("a &amp; b &lt;c&gt; &quot;d&quot; &#39;e&#39;", "a &amp; b &lt;c&gt; \"d\" 'e'"),
            ("<ul><li>x</li><li>y</li></ul>z", "- x\n- y\n\nz"),
            ("<p>cut <b>off", "cut off"),
            ("<", ""),
            ("a <script>b</script>", "a b"),
        ] {
            assert_eq!(text_of(html).0, expected, "{html}");
        }
        let (text, links) = text_of(
            r#"<p>1 &gt; 0 <a class='x' rel=nofollow href="https://e.x/?a=1&amp;b=2"><span class="invisible">https://</span>e.x</a>!</p>"#,
        );
        assert_eq!(text, "1 &gt; 0 https://e.x!");
        assert_eq!(links, [("https://e.x".to_owned(), "https://e.x/?a=1&b=2".to_owned())]);
    }

    proptest::proptest! {
        #[test]
        fn no_html_makes_it_panic(html in "[<>/a-c\"'=& é\n]{0,40}") {
            let _ = text_of(&html);
        }
    }
}
