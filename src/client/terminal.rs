//! Prints tweets and messages without control sequences from the server.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Zoned;
use jiff::fmt::strtime;
use serde::Deserialize;

use crate::text::{is_bidi_control, is_bidi_embedding};

/// What is shown of a tweet.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Shown {
    #[serde(default)]
    id_str: String,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    user: ShownUser,
}

#[derive(Debug, Default, Deserialize)]
struct ShownUser {
    #[serde(default)]
    screen_name: String,
}

impl Shown {
    /// When it was written, as in `2014-08-31 00:29:15` (UTC).
    pub(crate) fn time(&self) -> String {
        let Some(text) = &self.created_at else { return "-".to_owned() };
        let time = strtime::parse("%a %b %d %H:%M:%S %z %Y", text).and_then(|time| time.to_timestamp());
        let time = time.or_else(|_| text.parse::<jiff::Timestamp>());
        time.map_or_else(
            |_| plain(text),
            |time| Zoned::new(time, jiff::tz::TimeZone::UTC).strftime("%F %T").to_string(),
        )
    }

    pub(crate) fn id(&self) -> String {
        plain(&self.id_str)
    }

    pub(crate) fn author(&self) -> String {
        match plain(&self.user.screen_name) {
            name if name.is_empty() => "-".to_owned(),
            name => format!("@{name}"),
        }
    }

    pub(crate) fn text(&self) -> String {
        plain(&html_escape::decode_html_entities(&self.text))
    }
}

/// One line without control characters: a tweet must not steer the terminal.
fn plain(text: &str) -> String {
    text.split_whitespace()
        .map(|word| word.replace(|char: char| char.is_control() || is_bidi_embedding(char), ""))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The text with escapes for whatever steers a terminal. Line breaks and tabs stay: messages have
/// several lines.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let steers = |char: char| !matches!(char, '\n' | '\t') && (char.is_control() || is_bidi_control(char));
    replace_chars(text, steers, |char, out| write!(out, "{}", char.escape_unicode()))
}

/// A JSON text as a line of stdout. JSON lets C1 controls, DEL and directional marks stand in its
/// strings. For a terminal they become the escapes of JSON, which mean the same.
pub(crate) fn json_line(json: &str, is_terminal: bool) -> Cow<'_, str> {
    let steers = |char: char| is_terminal && (char.is_control() || is_bidi_control(char));
    replace_chars(json, steers, |char, out| match char {
        // They stand between values only.
        '\n' | '\r' | '\t' => out.write_char(' '),
        char => write!(out, "\\u{:04x}", u32::from(char)),
    })
}

fn replace_chars(
    text: &str,
    is_replaced: impl Fn(char) -> bool,
    write_replacement: impl Fn(char, &mut String) -> std::fmt::Result,
) -> Cow<'_, str> {
    let Some(first) = text.find(&is_replaced) else { return Cow::Borrowed(text) };
    let (start, rest) = text.split_at(first);
    let mut out = start.to_owned();
    for char in rest.chars() {
        if is_replaced(char) {
            // A `String` takes everything.
            let _ = write_replacement(char, &mut out);
        } else {
            out.push(char);
        }
    }
    Cow::Owned(out)
}
