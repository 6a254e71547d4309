//! From JSON to [`Tweet`].

use hashbrown::HashMap;
use serde_json::value::RawValue;

use super::wire::{self, Id, JsonStr, Repeated};
use super::{
    Entities, Indices, MAX_ENTITIES, Media, Mention, Retweet, Tag, Tweet, TweetError, Url, User, date, extract,
};
use crate::doc::Point;

/// Reads a JSON object: a tweet of Twitter's API v1.1 (also truncated, extended, as perch writes
/// it, or with nothing but `id_str` and `text`), a tweet of X's API v2, or a document of API v2,
/// which may hold any number of tweets.
///
/// Missing entities are extracted from the text. The truncated text of a retweet is completed.
///
/// # Errors
///
/// The bytes are not UTF-8 or no JSON object, id or text is missing, or a field has a wrong type or
/// value. One invalid tweet makes a document an error; [`read_each`] returns the others.
pub fn read(json: &[u8]) -> Result<Vec<Tweet>, TweetError> {
    read_each(json)?.into_iter().collect()
}

/// Reads each tweet of a document by itself: an invalid tweet affects no other.
///
/// # Errors
///
/// As for [`read`], if the document can't be split into tweets.
pub fn read_each(json: &[u8]) -> Result<Vec<Result<Tweet, TweetError>>, TweetError> {
    let json = std::str::from_utf8(json)
        .map_err(|error| TweetError::new("", format!("not UTF-8 from byte {}", error.valid_up_to() + 1)))?;
    if !json.trim_start().starts_with('{') {
        return Err(TweetError::new("", "not a JSON object"));
    }
    let mut wire: wire::OuterTweet<'_> = match serde_json::from_str(json) {
        Ok(wire) => wire,
        Err(error) if error.is_data() => {
            return read_one_by_one(json).unwrap_or_else(|| Err(explain::<wire::OuterTweet<'_>>(json, &error)));
        }
        Err(error) => return Err(explain::<wire::OuterTweet<'_>>(json, &error)),
    };
    let includes = wire.includes.take().unwrap_or_default();
    match wire.data.take() {
        Some(wire::OneOrMany(tweets)) => {
            let document = ApiDocument::new(includes)?;
            let read = |(at, tweet)| document.tweet(tweet).map_err(|error| error.inside(&format!("data[{at}]")));
            Ok(tweets.into_iter().enumerate().map(read).collect())
        }
        // The response of a search without results.
        None if wire.meta.is_some() && wire.id.is_none() && wire.id_str.is_none() => Ok(Vec::new()),
        None => ApiDocument::default().tweet(wire).map(|tweet| vec![Ok(tweet)]),
    }
}

/// Reads the tweets of a document of API v2 one by one, after it could not be read as a whole.
/// `None` if it is no such document, or the error is outside of its tweets.
#[cold]
fn read_one_by_one(json: &str) -> Option<Result<Vec<Result<Tweet, TweetError>>, TweetError>> {
    let apart: wire::UnreadDocument<'_> = serde_json::from_str(json).ok()?;
    let tweets: Vec<&RawValue> = serde_json::from_str(apart.data?.get()).ok()?;
    let read = |document: &ApiDocument<'_>, json: &str| {
        let wire = serde_json::from_str::<wire::ListedTweet<'_>>(json);
        document.tweet(wire.map_err(|error| explain::<wire::ListedTweet<'_>>(json, &error))?)
    };
    let read_all = |document: ApiDocument<'_>| {
        let tweets = tweets.iter().enumerate();
        tweets.map(|(at, tweet)| read(&document, tweet.get()).map_err(|e| e.inside(&format!("data[{at}]")))).collect()
    };
    Some(ApiDocument::new(apart.includes.unwrap_or_default()).map(read_all))
}

/// The error of a document, with the path of the field.
#[cold]
fn explain<'a, T: serde::Deserialize<'a>>(json: &'a str, error: &serde_json::Error) -> TweetError {
    let message = |error: &serde_json::Error| {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        plain_words(text.strip_suffix(&place).unwrap_or(&text))
    };
    if !error.is_data() {
        return TweetError::new("", format!("no JSON: {error}"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => {
            let field = error.path().to_string();
            let field = if field == "." { String::new() } else { field };
            TweetError::new(field, message(error.inner()))
        }
        Ok(_) => TweetError::new("", message(error)),
    }
}

/// Serde's messages without the names of Rust types.
fn plain_words(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let expected = match expected {
        "a sequence" => "an array",
        "u32" => "a whole number below 2^32",
        "a boolean" => "true or false",
        "any valid JSON value" => "a value",
        other if other.starts_with("struct ") => "an object",
        other if other.starts_with("tuple ") => "an array",
        other => other,
    };
    format!("{found}, expected {expected}")
}

/// The parts of a document of API v2 that its tweets refer to; empty for API v1.1.
#[derive(Default)]
struct ApiDocument<'a> {
    users: HashMap<u64, wire::User<'a>>,
    tweets: HashMap<u64, Tweet>,
    media: HashMap<String, wire::Media<'a>>,
}

impl<'a> ApiDocument<'a> {
    fn new(includes: wire::Includes<'a>) -> Result<ApiDocument<'a>, TweetError> {
        let users = includes.users.unwrap_or_default().into_iter();
        let users = users.filter_map(|user| Some((user.id?.0?, user))).collect();
        let media = includes.media.unwrap_or_default().into_iter();
        let media = media.filter_map(|media| Some((media.media_key.as_ref()?.0.clone().into_owned(), media))).collect();
        let mut document = ApiDocument { users, media, tweets: HashMap::new() };
        let mut tweets = HashMap::new();
        for (at, tweet) in includes.tweets.unwrap_or_default().into_iter().enumerate() {
            let tweet = document.tweet(tweet).map_err(|error| error.inside(&format!("includes.tweets[{at}]")))?;
            tweets.insert(tweet.id, tweet);
        }
        document.tweets = tweets;
        Ok(document)
    }

    fn tweet<'t, R: Repeated<'t>, D, I>(&self, wire: wire::Tweet<'t, R, D, I>) -> Result<Tweet, TweetError> {
        let id = id(wire.id, wire.id_str)?;
        let created_at = match (&wire.created_at, wire.timestamp_ms) {
            (Some(text), _) => {
                let shown: String = text.0.chars().take(40).collect();
                let at = date::parse(&text.0);
                Some(at.ok_or_else(|| TweetError::new("created_at", format!("{shown:?} is not a date")))?)
            }
            (None, Some(wire::LenientId(millis))) => {
                let at = millis.and_then(|millis| i64::try_from(millis).ok()).and_then(date::of_millis);
                Some(at.ok_or_else(|| TweetError::new("timestamp_ms", "not a date"))?)
            }
            (None, None) => None,
        };
        let coordinates = coordinates(wire.coordinates.as_ref(), wire.geo.as_ref())?;

        let (text, entities) = self.text_and_entities(
            (wire.text, wire.full_text, wire.extended_tweet, wire.note_tweet),
            (wire.entities, wire.extended_entities, wire.attachments),
        )?;

        let author = match (wire.user, wire.author_id) {
            (Some(known), _) => user(&known),
            (None, Some(Id(id))) => self.users.get(&id).map(user).unwrap_or_default(),
            (None, None) => User::default(),
        };
        let metrics = wire.public_metrics.unwrap_or_default();
        let loose = |id: Option<wire::LenientId>| id.and_then(|id| id.0);
        let in_reply_to_user_id = loose(wire.in_reply_to_user_id_str).or(loose(wire.in_reply_to_user_id));
        let mut tweet = Tweet {
            id,
            text,
            created_at,
            lang: wire.lang.map(JsonStr::owned),
            retweet_count: wire.retweet_count.or(metrics.retweet_count).map_or(0, |count| count.0),
            favorite_count: wire.favorite_count.or(metrics.like_count).map_or(0, |count| count.0),
            entities,
            user: author,
            in_reply_to_status_id: loose(wire.in_reply_to_status_id_str).or(loose(wire.in_reply_to_status_id)),
            in_reply_to_user_id,
            in_reply_to_screen_name: wire.in_reply_to_screen_name.map(JsonStr::owned).or_else(|| {
                let user = user(self.users.get(&in_reply_to_user_id?)?);
                Some(user.screen_name).filter(|name| !name.is_empty())
            }),
            is_quote: wire.is_quote_status == Some(true) || wire.quoted_status.is_some(),
            coordinates,
            retweet: wire.retweeted_status_id_str.map(|Id(id)| Retweet::Id(id)),
        };
        if let Some(retweeted) = wire.retweeted_status.and_then(R::tweet) {
            let retweeted = self.tweet(retweeted).map_err(|error| error.inside("retweeted_status"))?;
            tweet.retweet = Some(Retweet::Tweet(Box::new(retweeted)));
        }
        for (at, reference) in wire.referenced_tweets.into_iter().flatten().enumerate() {
            let Some(Id(id)) = reference.id else {
                return Err(TweetError::new(format!("referenced_tweets[{at}].id"), "missing"));
            };
            match reference.kind.as_ref().map(|kind| &*kind.0) {
                Some("retweeted") => {
                    let known = self.tweets.get(&id).cloned();
                    tweet.retweet = Some(known.map_or(Retweet::Id(id), |known| Retweet::Tweet(Box::new(known))));
                }
                Some("quoted") => tweet.is_quote = true,
                Some("replied_to") => tweet.in_reply_to_status_id = Some(id),
                _ => {}
            }
        }
        if let Some(Retweet::Tweet(retweeted)) = &mut tweet.retweet {
            // The original of a retweet is no retweet.
            retweeted.retweet = None;
        }
        tweet.complete();
        Ok(tweet)
    }

    fn text_and_entities(
        &self,
        (text, full_text, extended, note): (
            Option<JsonStr<'_>>,
            Option<JsonStr<'_>>,
            Option<wire::Extended<'_>>,
            Option<wire::Note<'_>>,
        ),
        (entities, extended_entities, attachments): (
            Option<wire::Entities<'_>>,
            Option<wire::Entities<'_>>,
            Option<wire::Attachments<'_>>,
        ),
    ) -> Result<(String, Entities), TweetError> {
        let (extended_text, their_entities, their_media) = match (extended, note) {
            (Some(extended), _) => (extended.full_text, extended.entities, extended.extended_entities),
            (None, Some(note)) => (note.text, note.entities, None),
            (None, None) => (None, None, None),
        };
        let is_extended = extended_text.is_some();
        let text = extended_text.or(full_text).or(text).ok_or_else(|| TweetError::new("text", "missing"))?.owned();
        // The outer entities belong to the outer text.
        let (given, mut outer) = if is_extended { (their_entities, entities) } else { (entities, None) };
        let mut result = match given {
            Some(given) => self.entities(given)?,
            None => extract::extract(&text),
        };
        let media = [their_media, extended_entities, outer.take()].into_iter().flatten();
        for media in media.filter_map(|entities| entities.media).filter(|media| !media.is_empty()).take(1) {
            // Only the extended entities list all media.
            if result.media.len() < media.len() {
                result.media = list("media", Some(media), media_of)?;
            }
        }
        for key in attachments.into_iter().filter_map(|attachments| attachments.media_keys).flatten() {
            if let Some(media) = self.media.get(&*key.0)
                && result.media.len() < MAX_ENTITIES
            {
                let address = picture(media);
                if !result.media.iter().any(|known| known.media_url == address) {
                    result.media.push(Media {
                        kind: kind(media),
                        url: address.clone(),
                        media_url: address,
                        ..Media::default()
                    });
                }
            }
        }
        Ok((text, result))
    }

    fn entities(&self, wire: wire::Entities<'_>) -> Result<Entities, TweetError> {
        let mut entities = Entities {
            hashtags: list("hashtags", wire.hashtags, tag)?,
            urls: Vec::new(),
            user_mentions: list("user_mentions", wire.user_mentions.or(wire.mentions), mention)?,
            media: list("media", wire.media, media_of)?,
            symbols: list("symbols", wire.symbols.or(wire.cashtags), tag)?,
        };
        for url in list("urls", wire.urls, url)? {
            match url {
                WireUrl::Url(url) => entities.urls.push(url),
                WireUrl::Media(key, url) => {
                    // API v2 lists each image among the URLs, all with the same short link.
                    let media = self.media.get(&key);
                    let address = media.map_or_else(|| url.url.clone(), picture);
                    entities.media.push(Media {
                        kind: media.map_or_else(|| "photo".to_owned(), kind),
                        url: url.url,
                        media_url: address,
                        media_url_https: None,
                        expanded_url: Some(url.expanded_url),
                        display_url: Some(url.display_url),
                        indices: url.indices,
                    });
                }
            }
        }
        Ok(entities)
    }
}

impl Tweet {
    /// Completes the text of a retweet that was truncated because of the prefix `RT @name: `.
    /// Idempotent.
    fn complete(&mut self) {
        let Some(Retweet::Tweet(retweeted)) = &self.retweet else { return };
        let Some((name, prefix)) = retweet_prefix(&self.text) else { return };
        if !self.text.ends_with('…') || self.text[prefix..] == retweeted.text {
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

/// The name in the prefix `RT @name: `, and the length of the prefix, which is ASCII.
fn retweet_prefix(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix("RT @")?;
    let len = rest.bytes().take_while(|&byte| byte.is_ascii_alphanumeric() || byte == b'_').count();
    (len > 0 && rest[len..].starts_with(": ")).then_some((&rest[..len], len + "RT @: ".len()))
}

fn id(id: Option<Id>, id_str: Option<Id>) -> Result<u64, TweetError> {
    match (id_str, id) {
        (Some(Id(text)), Some(Id(number))) if text != number => {
            Err(TweetError::new("id_str", format!("{text} is not {number}, the id")))
        }
        (Some(Id(id)), _) | (None, Some(Id(id))) => Ok(id),
        (None, None) => Err(TweetError::new("id_str", "missing")),
    }
}

fn coordinates(
    coordinates: Option<&wire::Coordinates<'_>>,
    geo: Option<&wire::Geo<'_>>,
) -> Result<Option<Point>, TweetError> {
    let of = |field: &str, [lon, lat]: [&RawValue; 2]| {
        // Rust parses every JSON number, and no JSON string.
        match (lon.get().parse::<f64>(), lat.get().parse::<f64>()) {
            (Ok(lon), Ok(lat)) if lon.abs() <= 180.0 && lat.abs() <= 90.0 => Ok(Some(Point { lon, lat })),
            _ => {
                let shown: String = format!("[{lon}, {lat}]").chars().take(60).collect();
                Err(TweetError::new(field, format!("{shown} is not a longitude and a latitude")))
            }
        }
    };
    if let Some([lon, lat]) = coordinates.and_then(|coordinates| coordinates.coordinates) {
        return of("coordinates", [lon, lat]);
    }
    let Some(geo) = geo.and_then(|geo| geo.coordinates) else { return Ok(None) };
    let wrong = |_| TweetError::new("geo.coordinates", "not a position");
    if geo.get().starts_with('[') {
        let [lat, lon] = serde_json::from_str::<[&RawValue; 2]>(geo.get()).map_err(wrong)?;
        return of("geo.coordinates", [lon, lat]);
    }
    let inner: wire::Coordinates<'_> = serde_json::from_str(geo.get()).map_err(wrong)?;
    inner.coordinates.map_or(Ok(None), |place| of("geo.coordinates", place))
}

fn user(wire: &wire::User<'_>) -> User {
    let own = |text: Option<&JsonStr<'_>>| text.map(|text| text.0.clone().into_owned()).unwrap_or_default();
    let followers = wire.followers_count.or(wire.public_metrics.and_then(|metrics| metrics.followers_count));
    User {
        name: own(wire.name.as_ref()),
        screen_name: own(wire.screen_name.as_ref().or(wire.username.as_ref())),
        profile_image_url: own(wire.profile_image_url.as_ref().or(wire.profile_image_url_https.as_ref())),
        followers_count: followers.map_or(0, |count| count.0),
    }
}

/// Reads a list of entities. `read` returns the missing field as its error.
fn list<W, T>(
    name: &str,
    wire: Option<Vec<W>>,
    read: impl Fn(W) -> Result<T, &'static str>,
) -> Result<Vec<T>, TweetError> {
    let wire = wire.unwrap_or_default();
    if wire.len() > MAX_ENTITIES {
        return Err(TweetError::new(format!("entities.{name}"), format!("more than {MAX_ENTITIES}")));
    }
    let read =
        |(at, wire)| read(wire).map_err(|field| TweetError::new(format!("entities.{name}[{at}].{field}"), "missing"));
    wire.into_iter().enumerate().map(read).collect()
}

/// The position, from the pair of API v1.1 or the numbers of API v2.
fn indices(pair: Option<[u32; 2]>, start: Option<u32>, end: Option<u32>) -> Indices {
    pair.or_else(|| Some([start?, end?]))
}

fn tag(wire: wire::Tag<'_>) -> Result<Tag, &'static str> {
    let text = wire.text.or(wire.tag).ok_or("text")?.owned();
    Ok(Tag { text, indices: indices(wire.indices, wire.start, wire.end) })
}

fn mention(wire: wire::Mention<'_>) -> Result<Mention, &'static str> {
    Ok(Mention {
        screen_name: wire.screen_name.or(wire.username).ok_or("screen_name")?.owned(),
        name: wire.name.map(JsonStr::owned),
        indices: indices(wire.indices, wire.start, wire.end),
    })
}

/// An entry of `urls`, where API v2 also lists media.
enum WireUrl {
    Url(Url),
    Media(String, Url),
}

fn url(wire: wire::Url<'_>) -> Result<WireUrl, &'static str> {
    let expanded = wire.expanded_url.map(JsonStr::owned);
    let short = wire.url.map(JsonStr::owned).or_else(|| expanded.clone()).ok_or("url")?;
    let expanded_url = expanded.unwrap_or_else(|| short.clone());
    let display_url = wire.display_url.map_or_else(|| extract::display(&expanded_url).to_owned(), JsonStr::owned);
    let url = Url { url: short, expanded_url, display_url, indices: indices(wire.indices, wire.start, wire.end) };
    Ok(match wire.media_key {
        Some(key) => WireUrl::Media(key.owned(), url),
        None => WireUrl::Url(url),
    })
}

fn media_of(wire: wire::Media<'_>) -> Result<Media, &'static str> {
    let media_url_https = wire.media_url_https.map(JsonStr::owned);
    let media_url = wire.media_url.map(JsonStr::owned).or_else(|| media_url_https.clone()).ok_or("media_url")?;
    Ok(Media {
        kind: wire.kind.map_or_else(|| "photo".to_owned(), JsonStr::owned),
        url: wire.url.map_or_else(|| media_url.clone(), JsonStr::owned),
        media_url,
        media_url_https,
        expanded_url: wire.expanded_url.map(JsonStr::owned),
        display_url: wire.display_url.map(JsonStr::owned),
        indices: wire.indices,
    })
}

/// The URL of the image of media of API v2; videos have a preview.
fn picture(media: &wire::Media<'_>) -> String {
    let address = media.url.as_ref().or(media.preview_image_url.as_ref());
    address.map(|address| address.0.clone().into_owned()).unwrap_or_default()
}

fn kind(media: &wire::Media<'_>) -> String {
    media.kind.as_ref().map_or_else(|| "photo".to_owned(), |kind| kind.0.clone().into_owned())
}
