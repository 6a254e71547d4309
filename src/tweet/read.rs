//! From JSON in the form of API v1.1 to [`Tweet`].

use super::json::{Json, Kind, Value};
use super::key::{self, MAX_AHEAD_MS, number, order_id, snowflake_ms};
use super::values::{Dropped, is_id};
use super::{
    Entities, Indices, MAX_ENTITIES, Mention, Network, Place, Referenced, Tweet, TweetError, User, entities, extract,
};
use crate::doc::Point;

/// What reading needs to know besides the document.
#[derive(Clone, Debug, Default)]
pub struct ReadContext {
    /// The time of arrival, in milliseconds since 1970: the time of tweets without one. `None`
    /// leaves them without.
    pub arrival_ms: Option<i64>,
    /// The author of tweets that name none, as in the archive of an account.
    pub author: Option<User>,
}

/// Reading of some documents.
#[derive(Debug)]
pub struct Reading<'c> {
    /// What reading needs to know.
    pub context: &'c ReadContext,
    /// The values that were dropped so far.
    pub dropped: Dropped,
}

impl<'c> Reading<'c> {
    /// A reading that has dropped nothing.
    #[must_use]
    pub fn new(context: &'c ReadContext) -> Reading<'c> {
        Reading { context, dropped: Dropped::default() }
    }
}

/// Reads a tweet in the form of Twitter's API v1.1: also truncated, extended, as perch writes it,
/// or with nothing but `id_str` and `text`.
///
/// Missing entities are extracted from the text. The truncated text of a retweet is completed. A
/// wrong value costs the value.
///
/// # Errors
///
/// The bytes are no JSON, or there is no id, or neither text nor media.
pub fn read(json: &[u8]) -> Result<Tweet, TweetError> {
    let text = std::str::from_utf8(json)
        .map_err(|error| TweetError::new("", format!("not UTF-8 from byte {}", error.valid_up_to() + 1)))?;
    let json = Json::parse(text).map_err(|error| TweetError::new("", format!("no JSON: {error}")))?;
    read_value(json.root(), &mut Reading::new(&ReadContext::default()))
}

/// Reads a tweet in the form of API v1.1.
pub(crate) fn read_value(value: Value<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    if !value.is_object() {
        return Err(TweetError::new("", "expected an object with the fields of a tweet"));
    }
    let mut tweet = read_one(value, reading)?;
    let referenced = |object: &str, id: [&str; 2], reading: &mut Reading<'_>| {
        let object = value.get(object);
        if let Some(object) = object.filter(|object| object.is_object()) {
            return match read_one(object, reading) {
                Ok(tweet) => Some(Referenced::Tweet(Box::new(tweet))),
                Err(_) => identity(object, &mut reading.dropped).ok().map(|(id, _)| Referenced::Id(id)),
            };
        }
        if object.is_some() {
            reading.dropped.add("referenced_id");
        }
        let id = id.into_iter().find_map(|name| value.get(name));
        reading.dropped.id(id, "referenced_id").map(Referenced::Id)
    };
    tweet.retweet = referenced("retweeted_status", ["retweeted_status_id_str", "retweeted_status_id"], reading);
    tweet.quoted = referenced("quoted_status", ["quoted_status_id_str", "quoted_status_id"], reading);
    tweet.is_quote |= tweet.quoted.is_some();
    if tweet.retweet.is_none() && reading.dropped.flag(value.get("is_retweet"), "is_retweet") == Some(true) {
        tweet.retweet = Some(Referenced::Unknown);
    }
    tweet.complete();
    Ok(tweet)
}

/// Reads a tweet without those that it refers to.
fn read_one(value: Value<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let (id_str, id) = identity(value, &mut reading.dropped)?;
    let dropped = &mut reading.dropped;
    let created_ms = dropped
        .date(value.get("created_at"), "created_at")
        .or_else(|| dropped.date(value.get("timestamp_ms"), "timestamp_ms"));
    let (text, entities) = text_and_entities(value, dropped)?;
    let client = value.get("source").and_then(Value::str);
    let mut draft = Draft { id, created_ms, tweet: Tweet { id_str, text, entities, ..Tweet::default() } };
    let tweet = &mut draft.tweet;
    tweet.lang = dropped.name(value.get("lang"), "lang");
    tweet.langs = entities::each(value.get("langs"), "langs", dropped, |lang, _| Some(lang.text()?.0));
    tweet.url = dropped.name(value.get("url"), "url");
    tweet.source = match client.as_deref() {
        // Twitter names the program that the tweet was written with, as a link.
        Some(client) if client.starts_with("<a ") => Some(Network::X),
        Some(name) => Network::of_name(name),
        None => None,
    };
    tweet.retweet_count = dropped.count(value.get("retweet_count"), "retweet_count").unwrap_or(0);
    tweet.favorite_count = dropped.count(value.get("favorite_count"), "favorite_count").unwrap_or(0);
    tweet.reply_count = dropped.count(value.get("reply_count"), "reply_count");
    tweet.quote_count = dropped.count(value.get("quote_count"), "quote_count");
    if let Some(of) = value.get("user") {
        tweet.user = user(of, dropped);
    } else if let Some(author) = &reading.context.author {
        tweet.user.clone_from(author);
    }
    let mut id_of = |names: [&str; 2], field| {
        let id = names.into_iter().find_map(|name| value.get(name));
        dropped.id(id, field)
    };
    tweet.in_reply_to_status_id =
        id_of(["in_reply_to_status_id_str", "in_reply_to_status_id"], "in_reply_to_status_id");
    tweet.in_reply_to_user_id = id_of(["in_reply_to_user_id_str", "in_reply_to_user_id"], "in_reply_to_user_id");
    tweet.conversation_id = id_of(["conversation_id_str", "conversation_id"], "conversation_id");
    tweet.in_reply_to_screen_name = dropped.name(value.get("in_reply_to_screen_name"), "in_reply_to_screen_name");
    tweet.is_quote = dropped.flag(value.get("is_quote_status"), "is_quote_status") == Some(true);
    tweet.is_sensitive = dropped.flag(value.get("possibly_sensitive"), "possibly_sensitive") == Some(true);
    tweet.coordinates = coordinates(value, dropped);
    tweet.place = value.get("place").and_then(|value| place(value, dropped));
    tweet.poll_options =
        entities::each(value.get("poll_options"), "poll_options", dropped, |option, _| Some(option.text()?.0));
    Ok(draft.finish(reading))
}

/// A tweet whose place in time is still to be decided.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The order, where the document has it.
    pub(crate) id: Option<u64>,
    /// The time of creation, where the document has it.
    pub(crate) created_ms: Option<i64>,
    /// The rest.
    pub(crate) tweet: Tweet,
}

impl Draft {
    /// Decides about time and order: the time is that of the document, else that of the snowflake,
    /// else that of arrival. Drops entities that are too many.
    pub(crate) fn finish(self, reading: &mut Reading<'_>) -> Tweet {
        let Draft { id, created_ms, mut tweet } = self;
        let context = reading.context;
        tweet.limit_lists(&mut reading.dropped);
        let latest = context.arrival_ms.map_or(i64::MAX, |arrival| arrival.saturating_add(MAX_AHEAD_MS));
        let of_id = || snowflake_ms(&tweet.id_str).filter(|&at| at <= latest);
        let created_ms = created_ms.or_else(of_id).or(context.arrival_ms);
        let placed_ms = created_ms.filter(|&at| at <= latest).or(context.arrival_ms);
        tweet.id = match (number(&tweet.id_str), id) {
            (Some(number), _) => number,
            (None, Some(id)) => id,
            (None, None) => order_id(&tweet.id_str, placed_ms.unwrap_or(key::SNOWFLAKE_EPOCH_MS)),
        };
        tweet.created_at = created_ms.map(|at| at.div_euclid(1_000));
        tweet
    }
}

/// The identity of a tweet, and its `id` if that is a number. `id_str` goes before `id`, which many
/// programs round.
pub(crate) fn identity(value: Value<'_>, dropped: &mut Dropped) -> Result<(String, Option<u64>), TweetError> {
    const RULE: &str = "give 1 to 512 bytes of text without spaces";
    let wrong = |field: &str, value: Value<'_>| {
        let shown: String = value.raw().chars().take(40).collect();
        Err(TweetError::new(field, format!("{shown:?} is no id: {RULE}")))
    };
    let id = value.get("id");
    let exact = id.filter(|id| id.kind() == Kind::Number).and_then(|id| number(id.raw()));
    if let Some(given) = value.get("id_str") {
        let text =
            if given.kind() == Kind::Number { number(given.raw()).map(|n| n.to_string().into()) } else { given.str() };
        match text {
            Some(text) if is_id(&text) => {
                let is_other = |id: Value<'_>| !matches!(id.kind(), Kind::Plain) || id.raw() != text;
                if number(&text).is_some_and(|number| exact != Some(number)) && id.is_some_and(is_other) {
                    dropped.add("id");
                }
                return Ok((text.into_owned(), exact));
            }
            _ if id.is_none() => return wrong("id_str", given),
            _ => dropped.add("id_str"),
        }
    }
    let Some(id) = id else { return Err(TweetError::new("id_str", format!("missing: {RULE}"))) };
    match (exact, id.str()) {
        (Some(number), _) => Ok((number.to_string(), None)),
        (None, Some(text)) if is_id(&text) => Ok((text.into_owned(), None)),
        _ => match whole(id) {
            Some(number) => Ok((number.to_string(), None)),
            None if id.kind() == Kind::Number && !id.raw().starts_with('-') => {
                Err(TweetError::new("id", format!("{:.40} is rounded: give the exact id in id_str", id.raw())))
            }
            None => wrong("id", id),
        },
    }
}

/// The whole number that a float is, where floats are exact.
fn whole(value: Value<'_>) -> Option<u64> {
    let number: f64 = value.raw().parse().ok().filter(|_| value.kind() == Kind::Number)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and below 2^53")]
    (number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number)).then_some(number as u64)
}

/// The `full_text`, unless it is empty: some tools write an empty one beside the text.
fn full_text(value: Value<'_>) -> Option<Value<'_>> {
    value.get("full_text").filter(|text| text.kind() != Kind::Plain || !text.raw().is_empty())
}

fn text_and_entities(value: Value<'_>, dropped: &mut Dropped) -> Result<(String, Entities), TweetError> {
    let extended = value.get("extended_tweet").filter(|extended| full_text(*extended).is_some());
    let text = extended.and_then(|extended| dropped.text(full_text(extended), "text"));
    let text = text.or_else(|| dropped.text(full_text(value), "text"));
    let text = text.or_else(|| dropped.text(value.get("text").or_else(|| value.get("full_text")), "text"));
    let outer = value.get("entities");
    let mut found = match if extended.is_some() { extended.and_then(|it| it.get("entities")) } else { outer } {
        Some(given) if given.is_object() => entities::entities(given, dropped),
        given => {
            if given.is_some() {
                dropped.add("entities");
            }
            text.as_deref().map(extract::extract).unwrap_or_default()
        }
    };
    // Only the extended entities list all media.
    let lists = [extended.and_then(|it| it.get("extended_entities")), value.get("extended_entities"), outer];
    let lists = lists.into_iter().flatten().filter_map(|entities| entities.get("media"));
    if let Some(media) = lists.filter(|media| media.items().next().is_some()).take(1).next() {
        let media = entities::each(Some(media), "entities.media", dropped, entities::media);
        if found.media.len() < media.len() {
            found.media = media;
        } else {
            // Only the extended entities have texts about them.
            for (media, more) in found.media.iter_mut().zip(media) {
                media.alt_text = media.alt_text.take().or(more.alt_text);
            }
        }
    }
    match text {
        Some(text) => Ok((text, found)),
        None if !found.media.is_empty() => Ok((String::new(), found)),
        None => Err(missing_text()),
    }
}

/// The error of a tweet without text and media.
pub(crate) fn missing_text() -> TweetError {
    TweetError::new("text", "missing, and there are no media: a tweet needs one of them")
}

fn user(value: Value<'_>, dropped: &mut Dropped) -> User {
    if !value.is_object() {
        dropped.add("user");
    }
    let picture = ["profile_image_url", "profile_image_url_https"].into_iter().find_map(|name| value.get(name));
    let id = ["id_str", "id"].into_iter().find_map(|name| value.get(name));
    User {
        id_str: dropped.id(id, "user.id_str"),
        name: dropped.text(value.get("name"), "user.name").unwrap_or_default(),
        screen_name: dropped.text(value.get("screen_name"), "user.screen_name").unwrap_or_default(),
        profile_image_url: dropped.text(picture, "user.profile_image_url").unwrap_or_default(),
        followers_count: dropped.count(value.get("followers_count"), "user.followers_count").unwrap_or(0),
        verified: dropped.flag(value.get("verified"), "user.verified") == Some(true),
        description: dropped.text(value.get("description"), "user.description").unwrap_or_default(),
    }
}

fn place(value: Value<'_>, dropped: &mut Dropped) -> Option<Place> {
    let name = ["full_name", "name"].into_iter().find_map(|name| value.get(name));
    let full_name = dropped.name(name, "place")?;
    Some(Place { full_name, country_code: dropped.name(value.get("country_code"), "place.country_code") })
}

/// The location: `coordinates` in `GeoJSON`, or `geo` with the latitude first.
fn coordinates(value: Value<'_>, dropped: &mut Dropped) -> Option<Point> {
    let pair = |value: Value<'_>| {
        let mut numbers = value.items().map(|item| item.str().map_or_else(|| item.raw().parse(), |text| text.parse()));
        let pair: (f64, f64) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(pair)
    };
    if let Some(value) = value.get("coordinates") {
        let inner = value.get("coordinates").unwrap_or(value);
        let found = dropped.point(pair(inner), "coordinates");
        if found.is_some() {
            return found;
        }
    }
    let geo = value.path(&["geo", "coordinates"])?;
    match geo.path(&["coordinates"]) {
        Some(lon_lat) => dropped.point(pair(lon_lat), "geo"),
        None => dropped.point(pair(geo).map(|(lat, lon)| (lon, lat)), "geo"),
    }
}

impl Tweet {
    /// Completes the text of a retweet that was truncated because of the prefix `RT @name: `.
    /// Idempotent.
    pub(crate) fn complete(&mut self) {
        let Some(Referenced::Tweet(retweeted)) = &self.retweet else { return };
        let Some((name, prefix)) = retweet_prefix(&self.text) else { return };
        let is_whole = self.text == retweeted.text || self.text[prefix..] == retweeted.text;
        if is_whole || !self.text.ends_with('…') {
            return;
        }
        let shift = u32::try_from(prefix).unwrap_or(u32::MAX);
        let moved = |indices: Indices| indices.map(|place| place.map(|at| at.saturating_add(shift)));
        let own = self.entities.user_mentions.iter().find(|mention| mention.screen_name.eq_ignore_ascii_case(name));
        let own = own.cloned().unwrap_or_else(|| Mention {
            screen_name: name.to_owned(),
            name: Some(retweeted.user.name.clone()).filter(|name| !name.is_empty()),
            indices: u32::try_from(name.len()).ok().map(|len| [3, len.saturating_add(4)]),
        });
        let mut entities = retweeted.entities.clone();
        entities.hashtags.iter_mut().for_each(|tag| tag.indices = moved(tag.indices));
        entities.symbols.iter_mut().for_each(|tag| tag.indices = moved(tag.indices));
        entities.urls.iter_mut().for_each(|url| url.indices = moved(url.indices));
        entities.media.iter_mut().for_each(|media| media.indices = moved(media.indices));
        entities.user_mentions.iter_mut().for_each(|mention| mention.indices = moved(mention.indices));
        entities.user_mentions.truncate(MAX_ENTITIES - 1);
        entities.user_mentions.insert(0, own);
        if entities.media.is_empty() {
            entities.media = std::mem::take(&mut self.entities.media);
        }
        self.text = format!("{}{}", &self.text[..prefix], retweeted.text);
        self.entities = entities;
    }
}

impl Tweet {
    /// Refuses a tweet without text, media and anything else to show.
    ///
    /// # Errors
    ///
    /// It is empty.
    pub(crate) fn not_blank(self) -> Result<Tweet, TweetError> {
        let is_blank = self.text.is_empty()
            && self.entities.media.is_empty()
            && self.entities.urls.is_empty()
            && self.poll_options.is_empty()
            && self.quoted.is_none()
            && self.retweet.is_none();
        if is_blank { Err(missing_text()) } else { Ok(self) }
    }

    /// Drops what is more than [`MAX_ENTITIES`] of a list.
    fn limit_lists(&mut self, dropped: &mut Dropped) {
        fn limit<T>(list: &mut Vec<T>, field: &'static str, dropped: &mut Dropped) {
            dropped.add_many(field, list.len().saturating_sub(MAX_ENTITIES) as u64);
            list.truncate(MAX_ENTITIES);
        }
        let entities = &mut self.entities;
        limit(&mut entities.hashtags, "entities.hashtags", dropped);
        limit(&mut entities.urls, "entities.urls", dropped);
        limit(&mut entities.user_mentions, "entities.user_mentions", dropped);
        limit(&mut entities.media, "entities.media", dropped);
        limit(&mut entities.symbols, "entities.symbols", dropped);
        limit(&mut self.langs, "langs", dropped);
        limit(&mut self.poll_options, "poll_options", dropped);
    }

    /// Completes the text of a retweet without prefix, of which some tools keep the beginning only.
    pub(crate) fn complete_beginning(&mut self) {
        let Some(Referenced::Tweet(retweeted)) = &self.retweet else { return };
        let beginning = self.text.trim_end_matches('…');
        if beginning.len() < retweeted.text.len() && retweeted.text.starts_with(beginning) {
            let media = std::mem::take(&mut self.entities.media);
            self.text.clone_from(&retweeted.text);
            self.entities.clone_from(&retweeted.entities);
            if self.entities.media.is_empty() {
                self.entities.media = media;
            }
        }
    }
}

/// The name in the prefix `RT @name: `, and the length of the prefix, which is ASCII.
pub(crate) fn retweet_prefix(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix("RT @")?;
    let len = rest.bytes().take_while(|&byte| byte.is_ascii_alphanumeric() || byte == b'_').count();
    (len > 0 && rest[len..].starts_with(": ")).then_some((&rest[..len], len + "RT @: ".len()))
}
