//! The JSON of Twitter's API v1.1 and of X's API v2, in one set of types: their fields don't clash, and so one pass reads both.
//!
//! Everything can be missing, and null is missing. A field of a wrong type is an error.

#![expect(clippy::struct_field_names, reason = "fields are called as in the JSON")]

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_json::value::RawValue;

/// A document: a tweet, or `data` and `includes`.
pub(super) type Outer<'a> = Tweet<'a, Box<Tweet<'a>>, OneOrMany<Listed<'a>>, Includes<'a>>;

/// One of the tweets in `data`.
pub(super) type Listed<'a> = Tweet<'a, Box<Tweet<'a>>>;

/// A document of API v2 whose tweets are not read yet.
#[derive(Debug, Deserialize)]
pub(super) struct Apart<'a> {
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    pub includes: Option<Includes<'a>>,
}

/// A tweet. What it repeats (`R`), and the document around it (`D`, `I`), are looked at on the outside only, so that nothing nests.
#[derive(Debug, Deserialize)]
pub(super) struct Tweet<'a, R = IgnoredAny, D = IgnoredAny, I = IgnoredAny> {
    // Both
    pub id: Option<Id>,
    pub id_str: Option<Id>,
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    pub created_at: Option<Str<'a>>,
    pub lang: Option<Str<'a>>,
    pub entities: Option<Entities<'a>>,
    pub in_reply_to_user_id: Option<Loose>,
    pub geo: Option<Geo<'a>>,
    // v1.1
    pub full_text: Option<Str<'a>>,
    pub extended_tweet: Option<Extended<'a>>,
    pub extended_entities: Option<Entities<'a>>,
    pub timestamp_ms: Option<Loose>,
    pub retweet_count: Option<Count>,
    pub favorite_count: Option<Count>,
    pub user: Option<User<'a>>,
    pub in_reply_to_status_id: Option<Loose>,
    pub in_reply_to_status_id_str: Option<Loose>,
    pub in_reply_to_user_id_str: Option<Loose>,
    pub in_reply_to_screen_name: Option<Str<'a>>,
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

/// What may stand in `retweeted_status`.
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
    pub full_text: Option<Str<'a>>,
    pub entities: Option<Entities<'a>>,
    pub extended_entities: Option<Entities<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Note<'a> {
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
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
    pub text: Option<Str<'a>>,
    pub indices: Option<[u32; 2]>,
    // v2
    pub tag: Option<Str<'a>>,
    pub start: Option<u32>,
    pub end: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Url<'a> {
    #[serde(borrow)]
    pub url: Option<Str<'a>>,
    pub expanded_url: Option<Str<'a>>,
    pub display_url: Option<Str<'a>>,
    pub indices: Option<[u32; 2]>,
    // v2
    pub start: Option<u32>,
    pub end: Option<u32>,
    pub media_key: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Mention<'a> {
    #[serde(borrow)]
    pub screen_name: Option<Str<'a>>,
    pub name: Option<Str<'a>>,
    pub indices: Option<[u32; 2]>,
    // v2
    pub username: Option<Str<'a>>,
    pub start: Option<u32>,
    pub end: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Media<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    pub url: Option<Str<'a>>,
    pub media_url: Option<Str<'a>>,
    pub media_url_https: Option<Str<'a>>,
    pub expanded_url: Option<Str<'a>>,
    pub display_url: Option<Str<'a>>,
    pub indices: Option<[u32; 2]>,
    // v2
    pub media_key: Option<Str<'a>>,
    pub preview_image_url: Option<Str<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct User<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    pub profile_image_url: Option<Str<'a>>,
    // v1.1
    pub screen_name: Option<Str<'a>>,
    pub profile_image_url_https: Option<Str<'a>>,
    pub followers_count: Option<Count>,
    // v2
    pub id: Option<Loose>,
    pub username: Option<Str<'a>>,
    pub public_metrics: Option<Metrics>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Metrics {
    pub retweet_count: Option<Count>,
    pub like_count: Option<Count>,
    pub followers_count: Option<Count>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reference<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    pub id: Option<Id>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Attachments<'a> {
    #[serde(borrow)]
    pub media_keys: Option<Vec<Str<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Includes<'a> {
    #[serde(borrow)]
    pub users: Option<Vec<User<'a>>>,
    pub tweets: Option<Vec<Tweet<'a>>>,
    pub media: Option<Vec<Media<'a>>>,
}

/// `GeoJSON`. The numbers stay text, because `serde_json` does not read floats exactly.
#[derive(Debug, Deserialize)]
pub(super) struct Coordinates<'a> {
    #[serde(borrow)]
    pub coordinates: Option<[&'a RawValue; 2]>,
}

/// v1.1: a point with the latitude first; v2: `coordinates` holds `GeoJSON`.
#[derive(Debug, Deserialize)]
pub(super) struct Geo<'a> {
    #[serde(borrow)]
    pub coordinates: Option<&'a RawValue>,
}

/// A string, borrowed when it has no escapes.
#[derive(Clone, Debug)]
pub(super) struct Str<'a>(pub Cow<'a, str>);

impl Str<'_> {
    pub(super) fn owned(self) -> String {
        self.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Str<'a>, D::Error> {
        struct StrVisitor;
        impl<'de> Visitor<'de> for StrVisitor {
            type Value = Str<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Str<'de>, E> {
                Ok(Str(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Str<'de>, E> {
                Ok(Str(text.to_owned().into()))
            }

            fn visit_string<E>(self, text: String) -> Result<Str<'de>, E> {
                Ok(Str(text.into()))
            }
        }
        deserializer.deserialize_str(StrVisitor)
    }
}

/// An id: a whole number, or a string of its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub u64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        let number = deserializer.deserialize_any(NumberVisitor { digits: true })?;
        let number = number.ok_or_else(|| D::Error::custom("an id is not negative"))?;
        Ok(Id(number))
    }
}

/// A number that other data is known to get wrong: -1 stands for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loose(pub Option<u64>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Loose, D::Error> {
        deserializer.deserialize_any(NumberVisitor { digits: true }).map(Loose)
    }
}

/// How many: a whole number, not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        let number = deserializer.deserialize_any(NumberVisitor { digits: false })?;
        Ok(Count(number.ok_or_else(|| D::Error::custom("a count is not negative"))?))
    }
}

/// Reads a whole number; `None` when it is negative.
struct NumberVisitor {
    /// Whether a string of digits is taken, too.
    digits: bool,
}

impl Visitor<'_> for NumberVisitor {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.digits { "a whole number or a string of digits" } else { "a whole number" })
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
        if !self.digits {
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
