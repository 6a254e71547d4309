//! Tweets for a terminal.

use jiff::Zoned;
use jiff::fmt::strtime;
use serde::Deserialize;

/// What is shown of a tweet.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Shown {
    #[serde(default)]
    pub(super) id_str: String,
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
    pub(super) fn time(&self) -> String {
        let Some(text) = &self.created_at else { return "-".to_owned() };
        let time = strtime::parse("%a %b %d %H:%M:%S %z %Y", text).and_then(|time| time.to_timestamp());
        let time = time.or_else(|_| text.parse::<jiff::Timestamp>());
        time.map_or_else(
            |_| plain(text),
            |time| Zoned::new(time, jiff::tz::TimeZone::UTC).strftime("%F %T").to_string(),
        )
    }

    pub(super) fn author(&self) -> String {
        match plain(&self.user.screen_name) {
            name if name.is_empty() => "-".to_owned(),
            name => format!("@{name}"),
        }
    }

    pub(super) fn text(&self) -> String {
        plain(&html_escape::decode_html_entities(&self.text))
    }
}

/// One line without control characters: a tweet must not steer the terminal.
fn plain(text: &str) -> String {
    text.split_whitespace()
        .map(|word| word.replace(|char: char| char.is_control() || is_bidirectional(char), ""))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Characters that turn the direction of what follows, beyond the end of the tweet.
pub(super) fn is_bidirectional(char: char) -> bool {
    matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
