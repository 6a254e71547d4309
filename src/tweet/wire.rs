//! The JSON of Twitter's API v1.1 and of X's API v2. Their fields don't clash, so one set of types
//! and one pass read both.
//!
//! Every field may be missing, and null counts as missing. A field of a wrong type is an error.

#![expect(clippy::struct_field_names, reason = "fields are called as in the JSON")]

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_json::value::RawValue;

/// A document: a tweet, or `data` and `includes`.
pub(super) type OuterTweet<'a> = Tweet<'a, Box<Tweet<'a>>, OneOrMany<ListedTweet<'a>>, Includes<'a>>;

/// One of the tweets in `data`.
pub(super) type ListedTweet<'a> = Tweet<'a, Box<Tweet<'a>>>;

/// A document of API v2 whose tweets are parsed later.
#[derive(Debug, Deserialize)]
pub(super) struct UnreadDocument<'a> {
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    pub includes: Option<Includes<'a>>,
}

/// A tweet. Only an outer tweet reads its retweet (`R`) and the document around it (`D`, `I`), so
/// that tweets don't nest.
#[derive(Debug, Deserialize)]
pub(super) struct Tweet<'a, R = IgnoredAny, D = IgnoredAny, I = IgnoredAny> {
    // Both
    pub id: Option<Id>,
    pub id_str: Option<Id>,
    #[serde(borrow)]
    pub text: Option<JsonStr<'a>>,
    pub created_at: Option<JsonStr<'a>>,
    pub lang: Option<JsonStr<'a>>,
    pub entities: Option<Entities<'a>>,
    pub in_reply_to_user_id: Option<LenientId>,
    pub geo: Option<Geo<'a>>,
    // v1.1
    pub full_text: Option<JsonStr<'a>>,
    pub extended_tweet: Option<Extended<'a>>,
    pub extended_entities: Option<Entities<'a>>,
    pub timestamp_ms: Option<LenientId>,
    pub retweet_count: Option<NonNegative>,
    pub favorite_count: Option<NonNegative>,
    pub user: Option<User<'a>>,
    pub in_reply_to_status_id: Option<LenientId>,
    pub in_reply_to_status_id_str: Option<LenientId>,
    pub in_reply_to_user_id_str: Option<LenientId>,
    pub in_reply_to_screen_name: Option<JsonStr<'a>>,
    pub is_quote_status: Option<bool>,
    pub quoted_status: Option<IgnoredAny>,
    pub coordinates: Option<Coordinates<'a>>,
    pub retweeted_status: Option<R>,
    pub retweeted_status_id_str: Option<Id>,
    // v2
    pub author_id: Option<Id>,
    pub note_tweet: Option<Note<'a>>,
    pub public_metrics: Option<Metrics>,
    pub referenced_tweets: Option<Vec<Reference<'a>>>,
    pub attachments: Option<Attachments<'a>>,
    // The document around v2's tweets
    pub data: Option<D>,
    pub includes: Option<I>,
    pub meta: Option<IgnoredAny>,
}

/// The types of `retweeted_status`.
pub(super) trait Repeated<'a> {
    fn tweet(self) -> Option<Tweet<'a>>;
}

impl<'a> Repeated<'a> for Box<Tweet<'a>> {
    fn tweet(self) -> Option<Tweet<'a>> {
        Some(*self)
    }
}

impl<'a> Repeated<'a> for IgnoredAny {
    fn tweet(self) -> Option<Tweet<'a>> {
        None
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Extended<'a> {
    #[serde(borrow)]
    pub full_text: Option<JsonStr<'a>>,
    pub entities: Option<Entities<'a>>,
    pub extended_entities: Option<Entities<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Note<'a> {
    #[serde(borrow)]
    pub text: Option<JsonStr<'a>>,
    pub entities: Option<Entities<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Entities<'a> {
    #[serde(borrow)]
    pub hashtags: Option<Vec<Tag<'a>>>,
    pub urls: Option<Vec<Url<'a>>>,
    pub media: Option<Vec<Media<'a>>>,
    // v1.1
    pub user_mentions: Option<Vec<Mention<'a>>>,
    pub symbols: Option<Vec<Tag<'a>>>,
    // v2
    pub mentions: Option<Vec<Mention<'a>>>,
    pub cashtags: Option<Vec<Tag<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tag<'a> {
    #[serde(borrow)]
    pub text: Option<JsonStr<'a>>,
    pub indices: Option<[u32; 2]>,
    // v2
    pub tag: Option<JsonStr<'a>>,
    pub start: Option<u32>,
    pub end: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Url<'a> {
    #[serde(borrow)]
    pub url: Option<JsonStr<'a>>,
    pub expanded_url: Option<JsonStr<'a>>,
    pub display_url: Option<JsonStr<'a>>,
    pub indices: Option<[u32; 2]>,
    // v2
    pub start: Option<u32>,
    pub end: Option<u32>,
    pub media_key: Option<JsonStr<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Mention<'a> {
    #[serde(borrow)]
    pub screen_name: Option<JsonStr<'a>>,
    pub name: Option<JsonStr<'a>>,
    pub indices: Option<[u32; 2]>,
    // v2
    pub username: Option<JsonStr<'a>>,
    pub start: Option<u32>,
    pub end: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Media<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<JsonStr<'a>>,
    pub url: Option<JsonStr<'a>>,
    pub media_url: Option<JsonStr<'a>>,
    pub media_url_https: Option<JsonStr<'a>>,
    pub expanded_url: Option<JsonStr<'a>>,
    pub display_url: Option<JsonStr<'a>>,
    pub indices: Option<[u32; 2]>,
    // v2
    pub media_key: Option<JsonStr<'a>>,
    pub preview_image_url: Option<JsonStr<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct User<'a> {
    #[serde(borrow)]
    pub name: Option<JsonStr<'a>>,
    pub profile_image_url: Option<JsonStr<'a>>,
    // v1.1
    pub screen_name: Option<JsonStr<'a>>,
    pub profile_image_url_https: Option<JsonStr<'a>>,
    pub followers_count: Option<NonNegative>,
    // v2
    pub id: Option<LenientId>,
    pub username: Option<JsonStr<'a>>,
    pub public_metrics: Option<Metrics>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Metrics {
    pub retweet_count: Option<NonNegative>,
    pub like_count: Option<NonNegative>,
    pub followers_count: Option<NonNegative>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reference<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<JsonStr<'a>>,
    pub id: Option<Id>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Attachments<'a> {
    #[serde(borrow)]
    pub media_keys: Option<Vec<JsonStr<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Includes<'a> {
    #[serde(borrow)]
    pub users: Option<Vec<User<'a>>>,
    pub tweets: Option<Vec<Tweet<'a>>>,
    pub media: Option<Vec<Media<'a>>>,
}

/// `GeoJSON`. The numbers stay text, because `serde_json` does not parse floats exactly.
#[derive(Debug, Deserialize)]
pub(super) struct Coordinates<'a> {
    #[serde(borrow)]
    pub coordinates: Option<[&'a RawValue; 2]>,
}

/// In v1.1 a point with the latitude first; in v2 `coordinates` holds `GeoJSON`.
#[derive(Debug, Deserialize)]
pub(super) struct Geo<'a> {
    #[serde(borrow)]
    pub coordinates: Option<&'a RawValue>,
}

/// A string, borrowed if it has no escapes.
#[derive(Clone, Debug)]
pub(super) struct JsonStr<'a>(pub Cow<'a, str>);

impl JsonStr<'_> {
    pub(super) fn owned(self) -> String {
        self.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonStr<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JsonStr<'a>, D::Error> {
        struct StrVisitor;
        impl<'de> Visitor<'de> for StrVisitor {
            type Value = JsonStr<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<JsonStr<'de>, E> {
                Ok(JsonStr(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<JsonStr<'de>, E> {
                Ok(JsonStr(text.to_owned().into()))
            }

            fn visit_string<E>(self, text: String) -> Result<JsonStr<'de>, E> {
                Ok(JsonStr(text.into()))
            }
        }
        deserializer.deserialize_str(StrVisitor)
    }
}

/// An id: an integer, or a string of its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub u64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        let number = deserializer.deserialize_any(NumberVisitor { accepts_strings: true })?;
        let number = number.ok_or_else(|| D::Error::custom("an id is not negative"))?;
        Ok(Id(number))
    }
}

/// An id of a field that may hold -1 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LenientId(pub Option<u64>);

impl<'de> Deserialize<'de> for LenientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LenientId, D::Error> {
        deserializer.deserialize_any(NumberVisitor { accepts_strings: true }).map(LenientId)
    }
}

/// A count: an integer that is not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NonNegative(pub u64);

impl<'de> Deserialize<'de> for NonNegative {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NonNegative, D::Error> {
        let number = deserializer.deserialize_any(NumberVisitor { accepts_strings: false })?;
        Ok(NonNegative(number.ok_or_else(|| D::Error::custom("a count is not negative"))?))
    }
}

/// Reads an integer; `None` if it is negative.
struct NumberVisitor {
    /// Whether a string of digits is accepted too.
    accepts_strings: bool,
}

impl Visitor<'_> for NumberVisitor {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.accepts_strings { "a whole number or a string of digits" } else { "a whole number" })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Option<u64>, E> {
        Ok(Some(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Option<u64>, E> {
        Ok(u64::try_from(number).ok())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Option<u64>, E> {
        Err(E::custom(format_args!("{number:?} is not a whole number below 2^64, written in full")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<u64>, E> {
        if !self.accepts_strings {
            return Err(E::invalid_type(serde::de::Unexpected::Str(text), &self));
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let shown: String = text.chars().take(40).collect();
            return Err(E::custom(format_args!("{shown:?} is not a number")));
        }
        if digits.len() < text.len() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| E::custom(format_args!("{text:.40} is too large for an id")))
    }
}

/// `data` holds one tweet or a list of them.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMany<T>, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tweet or a list of tweets")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<OneOrMany<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMany(all))
            }
        }
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}
