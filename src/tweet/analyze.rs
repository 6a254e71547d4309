//! The document of a tweet, which queries match.

use std::borrow::Cow;

use super::Tweet;
use super::extract::decode;
use crate::doc::DocBuilder;
use crate::schema::{FieldId, tweet as field};

/// The field of a tweet that a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextOrigin {
    /// The text.
    Text,
    /// The author's name.
    UserName,
    /// The URL with this index.
    Url(usize),
    /// The hashtag with this index.
    Hashtag(usize),
    /// The mention with this index.
    Mention(usize),
    /// The cashtag with this index.
    Cashtag(usize),
    /// The language.
    Lang,
    /// The author's screen name.
    ScreenName,
    /// The screen name of the user that the tweet replies to.
    ReplyTo,
    /// None: a value of `has:` or `is:`.
    Derived,
}

/// A text that is analyzed.
#[derive(Clone, Debug)]
pub(crate) struct TextSource<'a> {
    /// The field of the document that gets its terms.
    pub(crate) field: FieldId,
    /// The field of the tweet that it comes from.
    pub(crate) origin: TextOrigin,
    /// The text in the tweet.
    pub(crate) raw: &'a str,
    /// The text that is analyzed: without HTML entities.
    pub(crate) text: Cow<'a, str>,
}

impl Tweet {
    /// Calls `each` with the texts, in the order in which they are analyzed.
    pub(crate) fn texts<'a>(&'a self, mut each: impl FnMut(TextSource<'a>)) {
        let entities = &self.entities;
        each(TextSource { field: field::TEXT, origin: TextOrigin::Text, raw: &self.text, text: decode(&self.text) });
        let name = &self.user.name;
        each(TextSource { field: field::USER_NAME, origin: TextOrigin::UserName, raw: name, text: decode(name) });
        let mut plain = |field, origin, raw: &'a str| each(TextSource { field, origin, raw, text: raw.into() });
        for (at, url) in entities.urls.iter().enumerate() {
            plain(field::URL, TextOrigin::Url(at), &url.expanded_url);
            if let Some(unwound) = &url.unwound_url {
                plain(field::URL, TextOrigin::Url(at), unwound);
            }
        }
        for (at, tag) in entities.hashtags.iter().enumerate() {
            plain(field::HASHTAG, TextOrigin::Hashtag(at), &tag.text);
        }
        for (at, mention) in entities.user_mentions.iter().enumerate() {
            for name in names(&mention.screen_name) {
                plain(field::MENTION, TextOrigin::Mention(at), name);
            }
        }
        for (at, tag) in entities.symbols.iter().enumerate() {
            plain(field::CASHTAG, TextOrigin::Cashtag(at), &tag.text);
        }
        let more = self.langs.iter().filter(|lang| self.lang.as_ref() != Some(lang));
        for lang in self.lang.iter().chain(more) {
            plain(field::LANG, TextOrigin::Lang, lang);
        }
        for name in names(&self.user.screen_name) {
            plain(field::SCREEN_NAME, TextOrigin::ScreenName, name);
        }
        for name in self.in_reply_to_screen_name.iter().flat_map(|name| names(name)) {
            plain(field::REPLY_TO, TextOrigin::ReplyTo, name);
        }
        for &(name, _) in field::HAS_VALUES {
            if self.has(name) {
                plain(field::HAS, TextOrigin::Derived, name);
            }
        }
        for &(name, _) in field::IS_VALUES {
            if self.is(name) {
                plain(field::IS, TextOrigin::Derived, name);
            }
        }
    }

    fn has(&self, value: &str) -> bool {
        let entities = &self.entities;
        match value {
            "media" => !entities.media.is_empty(),
            "links" => !entities.urls.is_empty(),
            "hashtags" => !entities.hashtags.is_empty(),
            "mentions" => !entities.user_mentions.is_empty(),
            "cashtags" => !entities.symbols.is_empty(),
            "coordinates" => self.coordinates.is_some(),
            "images" => entities.media.iter().any(|media| media.kind == "photo"),
            "videos" => entities.media.iter().any(|media| matches!(media.kind.as_str(), "video" | "animated_gif")),
            _ => unreachable!("nothing says when a tweet has {value}"),
        }
    }

    fn is(&self, value: &str) -> bool {
        match value {
            "retweet" => self.retweet.is_some(),
            "reply" => self.is_reply(),
            "quote" => self.is_quote,
            _ => unreachable!("nothing says when a tweet is a {value}"),
        }
    }

    /// Adds the tweet to a builder of documents of [`crate::schema::Schema::tweet`].
    pub fn analyze(&self, builder: &mut DocBuilder<'_>) {
        self.texts(|source| builder.text(source.field, &source.text));
        if let Ok(id) = i64::try_from(self.id) {
            builder.integer(field::ID, id);
        }
        builder.integer(field::FOLLOWERS, count(self.user.followers_count));
        builder.integer(field::RETWEETS, count(self.retweet_count));
        builder.integer(field::FAVORITES, count(self.favorite_count));
        if let Some(at) = self.created_at {
            builder.integer(field::CREATED, at.saturating_mul(1_000));
        }
        if let Some(point) = self.coordinates {
            builder.point(field::COORDINATES, point);
        }
    }

    /// Whether it answers a tweet or a user.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        self.in_reply_to_status_id.is_some()
            || self.in_reply_to_user_id.is_some()
            || self.in_reply_to_screen_name.is_some()
    }
}

/// The names that a user is found by: with and without the instance, `ann@social.example` and
/// `ann`.
fn names(screen_name: &str) -> impl Iterator<Item = &str> {
    let local = screen_name.split_once('@').map(|(local, _)| local).filter(|local| !local.is_empty());
    std::iter::once(screen_name).chain(local)
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
