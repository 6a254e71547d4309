//! The JSON of a tweet as perch stores and sends it. `BirdWatch`'s clients know the format.

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::{Entities, Media, Mention, Place, Referenced, Tag, Tweet, Url, User, date};

impl Tweet {
    /// The JSON that is stored and sent to clients.
    ///
    /// Counts, the five lists of `entities` and the four fields of `user` are always present. No
    /// value is null.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a tweet has string keys only, and its numbers are numbers")
    }
}

impl Serialize for Tweet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("id_str", &self.id_str)?;
        map.serialize_entry("text", &self.text)?;
        if let Some(at) = self.created_at {
            map.serialize_entry("created_at", &date::format(at))?;
        }
        if let Some(lang) = &self.lang {
            map.serialize_entry("lang", lang)?;
        }
        map.serialize_entry("retweet_count", &self.retweet_count)?;
        map.serialize_entry("favorite_count", &self.favorite_count)?;
        map.serialize_entry("entities", &self.entities)?;
        map.serialize_entry("user", &self.user)?;
        let optional = [
            ("in_reply_to_status_id_str", &self.in_reply_to_status_id),
            ("in_reply_to_user_id_str", &self.in_reply_to_user_id),
            ("in_reply_to_screen_name", &self.in_reply_to_screen_name),
            ("conversation_id", &self.conversation_id),
            ("url", &self.url),
        ];
        for (name, value) in optional {
            present(&mut map, name, value.as_ref())?;
        }
        present(&mut map, "source", self.source.map(super::Network::name).as_ref())?;
        present(&mut map, "reply_count", self.reply_count.as_ref())?;
        present(&mut map, "quote_count", self.quote_count.as_ref())?;
        if !self.langs.is_empty() {
            map.serialize_entry("langs", &self.langs)?;
        }
        if self.is_quote {
            map.serialize_entry("is_quote_status", &true)?;
        }
        if let Some(point) = self.coordinates {
            map.serialize_entry("coordinates", &Coordinates { kind: "Point", coordinates: [point.lon, point.lat] })?;
        }
        present(&mut map, "place", self.place.as_ref())?;
        if !self.poll_options.is_empty() {
            map.serialize_entry("poll_options", &self.poll_options)?;
        }
        present(&mut map, "possibly_sensitive", self.is_sensitive.then_some(true).as_ref())?;
        match &self.quoted {
            Some(Referenced::Tweet(tweet)) => map.serialize_entry("quoted_status", tweet)?,
            Some(Referenced::Id(id)) => map.serialize_entry("quoted_status_id_str", id)?,
            // `is_quote_status` says it.
            Some(Referenced::Unknown) | None => {}
        }
        match &self.retweet {
            Some(Referenced::Tweet(tweet)) => map.serialize_entry("retweeted_status", tweet)?,
            Some(Referenced::Id(id)) => map.serialize_entry("retweeted_status_id_str", id)?,
            Some(Referenced::Unknown) => map.serialize_entry("is_retweet", &true)?,
            None => {}
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Coordinates {
    #[serde(rename = "type")]
    kind: &'static str,
    coordinates: [f64; 2],
}

impl Serialize for User {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut user = serializer.serialize_map(None)?;
        user.serialize_entry("name", &self.name)?;
        user.serialize_entry("screen_name", &self.screen_name)?;
        user.serialize_entry("profile_image_url", &self.profile_image_url)?;
        user.serialize_entry("followers_count", &self.followers_count)?;
        present(&mut user, "id_str", self.id_str.as_ref())?;
        present(&mut user, "verified", self.verified.then_some(true).as_ref())?;
        present(&mut user, "description", Some(&self.description).filter(|text| !text.is_empty()))?;
        user.end()
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("full_name", &self.full_name)?;
        present(&mut map, "country_code", self.country_code.as_ref())?;
        map.end()
    }
}

impl Serialize for Entities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entities = serializer.serialize_struct("Entities", 5)?;
        entities.serialize_field("hashtags", &self.hashtags)?;
        entities.serialize_field("urls", &self.urls)?;
        entities.serialize_field("user_mentions", &self.user_mentions)?;
        entities.serialize_field("media", &self.media)?;
        entities.serialize_field("symbols", &self.symbols)?;
        entities.end()
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("text", &self.text)?;
        present(&mut map, "indices", self.indices.as_ref())?;
        map.end()
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("url", &self.url)?;
        map.serialize_entry("expanded_url", &self.expanded_url)?;
        map.serialize_entry("display_url", &self.display_url)?;
        present(&mut map, "unwound_url", self.unwound_url.as_ref())?;
        present(&mut map, "indices", self.indices.as_ref())?;
        map.end()
    }
}

impl Serialize for Mention {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("screen_name", &self.screen_name)?;
        present(&mut map, "name", self.name.as_ref())?;
        present(&mut map, "indices", self.indices.as_ref())?;
        map.end()
    }
}

impl Serialize for Media {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("url", &self.url)?;
        map.serialize_entry("media_url", &self.media_url)?;
        present(&mut map, "media_url_https", self.media_url_https.as_ref())?;
        present(&mut map, "expanded_url", self.expanded_url.as_ref())?;
        present(&mut map, "display_url", self.display_url.as_ref())?;
        present(&mut map, "ext_alt_text", self.alt_text.as_ref())?;
        present(&mut map, "indices", self.indices.as_ref())?;
        map.end()
    }
}

fn present<M: SerializeMap>(map: &mut M, key: &'static str, value: Option<&impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, value))
}
