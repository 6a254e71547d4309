//! The document of a tweet, which queries match.

use std::borrow::Cow;

use super::extract::decode;
use super::read::retweet_prefix;
use super::{Referenced, Tweet};
use crate::doc::DocBuilder;
use crate::schema::FieldId;
use crate::schema::tweet::{self as field, Has, Is};

/// The field of a tweet that a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextOrigin {
    /// The text.
    Text,
    /// The author's name.
    UserName,
    /// The URL with this index.
    Url(usize),
    /// Where the URL with this index redirects to.
    UnwoundUrl(usize),
    /// The hashtag with this index.
    Hashtag(usize),
    /// The mention with this index.
    Mention(usize),
    /// The cashtag with this index.
    Cashtag(usize),
    /// The language.
    Lang,
    /// The language with this index, of several.
    LangAt(usize),
    /// The author's screen name.
    ScreenName,
    /// The screen name of the user that the tweet replies to.
    ReplyTo,
    /// The text that describes the medium with this index.
    Alt(usize),
    /// The text with this path in the tweet's JSON.
    At(&'static str),
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
        let decoded =
            |field, path, raw: &'a str| TextSource { field, origin: TextOrigin::At(path), raw, text: decode(raw) };
        if let Some(place) = &self.place {
            each(decoded(field::PLACE, "place.full_name", &place.full_name));
        }
        each(decoded(field::BIO, "user.description", &self.user.description));
        if let Some(Referenced::Tweet(quoted)) = &self.quoted {
            each(decoded(field::QUOTED, "quoted_status.text", &quoted.text));
        }
        let mut plain = |field, origin, raw: &'a str| each(TextSource { field, origin, raw, text: raw.into() });
        for (at, url) in entities.urls.iter().enumerate() {
            plain(field::URL, TextOrigin::Url(at), &url.expanded_url);
            if let Some(unwound) = &url.unwound_url {
                plain(field::URL, TextOrigin::UnwoundUrl(at), unwound);
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
        if let Some(lang) = &self.lang {
            plain(field::LANG, TextOrigin::Lang, lang);
        }
        for (at, lang) in self.langs.iter().enumerate().filter(|(_, lang)| self.lang.as_ref() != Some(lang)) {
            plain(field::LANG, TextOrigin::LangAt(at), lang);
        }
        for name in names(&self.user.screen_name) {
            plain(field::SCREEN_NAME, TextOrigin::ScreenName, name);
        }
        for name in self.in_reply_to_screen_name.iter().flat_map(|name| names(name)) {
            plain(field::REPLY_TO, TextOrigin::ReplyTo, name);
        }
        for (at, alt) in entities.media.iter().map(|media| &media.alt_text).enumerate() {
            if let Some(alt) = alt {
                plain(field::ALT, TextOrigin::Alt(at), alt);
            }
        }
        let country = self.place.as_ref().and_then(|place| place.country_code.as_ref());
        for (field, path, value) in [
            (field::CONVERSATION_ID, "conversation_id", self.conversation_id.as_ref()),
            (field::REPLY_TO_TWEET, "in_reply_to_status_id_str", self.in_reply_to_status_id.as_ref()),
            (field::REPLY_TO_USER, "in_reply_to_user_id_str", self.in_reply_to_user_id.as_ref()),
            (field::USER_ID, "user.id_str", self.user.id_str.as_ref()),
            (field::COUNTRY, "place.country_code", country),
        ] {
            if let Some(value) = value {
                plain(field, TextOrigin::At(path), value);
            }
        }
        if let Some(source) = self.source {
            plain(field::SOURCE, TextOrigin::At("source"), source.name());
        }
        if let Some(retweet) = &self.retweet {
            // Archives know of a retweet only what its text says.
            let of_text = retweet_prefix(&self.text).map(|(name, _)| name);
            retweet.names(of_text, |name| plain(field::RETWEETS_OF, TextOrigin::Derived, name));
        }
        if let Some(quoted) = &self.quoted {
            quoted.names(None, |name| plain(field::QUOTES_OF, TextOrigin::Derived, name));
        }
        for value in Has::ALL.iter().filter(|&&value| self.has(value)) {
            plain(field::HAS, TextOrigin::Derived, value.name());
        }
        for value in Is::ALL.iter().filter(|&&value| self.is(value)) {
            plain(field::IS, TextOrigin::Derived, value.name());
        }
    }

    fn has(&self, value: Has) -> bool {
        let entities = &self.entities;
        match value {
            Has::Media => !entities.media.is_empty(),
            Has::Links => !entities.urls.is_empty(),
            Has::Hashtags => !entities.hashtags.is_empty(),
            Has::Mentions => !entities.user_mentions.is_empty(),
            Has::Cashtags => !entities.symbols.is_empty(),
            Has::Coordinates => self.coordinates.is_some(),
            Has::Images => entities.media.iter().any(|media| media.kind == "photo"),
            Has::Polls => !self.poll_options.is_empty(),
            Has::Videos => entities.media.iter().any(|media| matches!(media.kind.as_str(), "video" | "animated_gif")),
        }
    }

    fn is(&self, value: Is) -> bool {
        match value {
            Is::Retweet => self.retweet.is_some(),
            Is::Reply => self.is_reply(),
            Is::Quote => self.is_quote || self.quoted.is_some(),
            Is::Verified => self.user.verified,
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
        for (field, known) in [(field::REPLIES, self.reply_count), (field::QUOTES, self.quote_count)] {
            if let Some(known) = known {
                builder.integer(field, count(known));
            }
        }
        builder.integer(field::SAMPLE, sample(&self.id_str));
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

/// A number from 0 to 99 by the hash of an identity, so that `sample:10` is always the same tenth.
fn sample(id_str: &str) -> i64 {
    (i64::from(crc32fast::hash(id_str.as_bytes())) * 100) >> 32
}

impl Referenced {
    /// Calls `each` with what the tweet is found by: its identity, and its author's names and id.
    /// `author` is the author's name if the tweet itself is not known.
    fn names<'a>(&'a self, author: Option<&'a str>, mut each: impl FnMut(&'a str)) {
        match self {
            Referenced::Tweet(tweet) => {
                each(&tweet.id_str);
                names(&tweet.user.screen_name).for_each(&mut each);
                tweet.user.id_str.as_deref().into_iter().for_each(each);
            }
            Referenced::Id(id) => {
                each(id);
                author.into_iter().for_each(each);
            }
            Referenced::Unknown => author.into_iter().for_each(each),
        }
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
