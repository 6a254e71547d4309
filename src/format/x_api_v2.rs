//! X's API v2: pages (`{"data": […], "includes": {…}}`), lines of streams, and flattened tweets
//! that carry author, media and referenced tweets inside, as `twarc2 flatten` writes them.

use std::borrow::Cow;
use std::cell::Cell;

use hashbrown::HashMap;

use super::{FormatKind, Output, control};
use crate::tweet::json::Value;
use crate::tweet::{
    Draft, Dropped, Entities, MAX_ENTITIES, Media, Network, Place, Reading, Referenced, Tweet, TweetError, User,
    entities, extract, identity, missing_text,
};

pub(super) const KIND: FormatKind = FormatKind {
    name: "x-api-v2",
    about: "X's API v2: pages, stream lines, and flattened tweets",
    example: "x-api-v2.json",
    lists: &[],
    recognize,
    read,
};

fn recognize(value: Value<'_>) -> bool {
    if let Some(data) = value.get("data") {
        let first = if data.is_array() { data.items().next() } else { Some(data) };
        return first.is_none_or(|first| {
            first.get("delete").is_some()
                || compliance(first).is_some()
                || !first.is_object()
                || is_tweet(first)
                || first.get("id").is_some()
        });
    }
    is_tweet(value) || value.get("meta").is_some() && value.get("id").is_none() && value.get("id_str").is_none()
}

/// The kind of an event of the compliance streams that says nothing about a tweet's text.
fn compliance(data: Value<'_>) -> Option<&'static str> {
    const KINDS: [&str; 10] = [
        "tweet_edit",
        "withheld",
        "drop",
        "undrop",
        "scrub_geo",
        "user_delete",
        "user_undelete",
        "user_protect",
        "user_suspend",
        "user_withheld",
    ];
    if data.get("id").is_some() {
        return None;
    }
    KINDS.into_iter().find(|kind| data.get(kind).is_some_and(Value::is_object))
}

/// Whether an object has what only tweets of this API have.
fn is_tweet(value: Value<'_>) -> bool {
    ["author_id", "edit_history_tweet_ids", "public_metrics", "referenced_tweets", "note_tweet"]
        .into_iter()
        .any(|key| value.get(key).is_some())
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
    let mut dropped = Dropped::default();
    let includes = Includes::new(value.get("includes"), &mut dropped);
    if out.is_first() {
        out.reading.dropped.merge(&dropped);
    }
    match value.get("data") {
        Some(data) if data.is_array() => out.each("data", data, |item, out| {
            let tweet = tweet(item, &includes, &mut out.reading);
            out.push(tweet);
        }),
        Some(data) if data.get("delete").is_some() => control::read("delete", data, out),
        Some(data) if compliance(data).is_some() => out.skip(compliance(data).unwrap_or_default()),
        Some(data) => {
            out.read_item(data, |data, out| {
                let tweet = tweet(data, &includes, &mut out.reading);
                out.push(tweet.map_err(|error| error.inside("data")));
            });
        }
        // The answer of a search that found nothing.
        None if !is_tweet(value) && value.get("meta").is_some() => {}
        None => {
            let tweet = tweet(value, &includes, &mut out.reading);
            out.push(tweet);
        }
    }
    out.reading.dropped.add_many("includes", includes.left_out.get());
}

/// The bytes of `includes` that the tweets of a page may take in all. Each tweet has a copy of its
/// own: without this limit, a page of a few megabytes could become gigabytes.
const MAX_INCLUDED_BYTES: usize = 64 * 1024 * 1024;

/// The parts of a page that its tweets refer to, by their ids.
#[derive(Default)]
struct Includes<'j> {
    users: HashMap<Cow<'j, str>, Value<'j>>,
    tweets: HashMap<Cow<'j, str>, Value<'j>>,
    media: HashMap<Cow<'j, str>, Value<'j>>,
    places: HashMap<Cow<'j, str>, Value<'j>>,
    polls: HashMap<Cow<'j, str>, Value<'j>>,
    /// The bytes that tweets took.
    taken_bytes: Cell<usize>,
    /// The parts that tweets were kept without, because too many bytes were taken.
    left_out: Cell<u64>,
}

impl<'j> Includes<'j> {
    fn new(includes: Option<Value<'j>>, dropped: &mut Dropped) -> Includes<'j> {
        let mut by = |list: &str, key: &str, field: &'static str| {
            let mut map = HashMap::new();
            for item in includes.and_then(|includes| includes.get(list)).into_iter().flat_map(Value::items) {
                match item.get(key).map(text_of) {
                    Some(id) => drop(map.insert(id, item)),
                    None => dropped.add(field),
                }
            }
            map
        };
        Includes {
            users: by("users", "id", "includes.users"),
            tweets: by("tweets", "id", "includes.tweets"),
            media: by("media", "media_key", "includes.media"),
            places: by("places", "id", "includes.places"),
            polls: by("polls", "id", "includes.polls"),
            taken_bytes: Cell::new(0),
            left_out: Cell::new(0),
        }
    }

    /// The part with this id, as long as the page may take more.
    fn take(&self, parts: &HashMap<Cow<'j, str>, Value<'j>>, id: &str) -> Option<Value<'j>> {
        let part = *parts.get(id)?;
        let taken = self.taken_bytes.get().saturating_add(part.raw().len());
        if taken > MAX_INCLUDED_BYTES {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.taken_bytes.set(taken);
        Some(part)
    }
}

/// The text of a string or a number.
fn text_of(value: Value<'_>) -> Cow<'_, str> {
    value.str().unwrap_or_else(|| value.raw().into())
}

/// Reads a tweet with those that it refers to.
fn tweet(value: Value<'_>, includes: &Includes<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    if !value.is_object() {
        return Err(TweetError::new("", "expected an object with the fields of a tweet"));
    }
    let mut tweet = one(value, includes, reading)?;
    for reference in value.get("referenced_tweets").into_iter().flat_map(Value::items) {
        let Some(id) = reading.dropped.id(reference.get("id"), "referenced_tweets") else {
            reading.dropped.add("referenced_tweets");
            continue;
        };
        let referenced = |reading: &mut Reading<'_>| {
            // A flattened tweet holds them itself.
            let known =
                if reference.get("text").is_some() { Some(reference) } else { includes.take(&includes.tweets, &id) };
            match known.map(|known| one(known, includes, reading)) {
                Some(Ok(tweet)) => Referenced::Tweet(Box::new(tweet)),
                Some(Err(_)) => {
                    reading.dropped.add("includes.tweets");
                    Referenced::Id(id.clone())
                }
                None => Referenced::Id(id.clone()),
            }
        };
        match reference.get("type").and_then(Value::str).as_deref() {
            Some("retweeted") => tweet.retweet = Some(referenced(reading)),
            Some("quoted") => {
                tweet.is_quote = true;
                tweet.quoted = Some(referenced(reading));
            }
            Some("replied_to") => tweet.in_reply_to_status_id = Some(id),
            _ => {}
        }
    }
    tweet.complete();
    tweet.complete_beginning();
    Ok(tweet)
}

fn one(value: Value<'_>, includes: &Includes<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let (id_str, _) = identity(value, &mut reading.dropped)?;
    let dropped = &mut reading.dropped;
    let is_filled = |text: Value<'_>| text.str().is_none_or(|text| !text.is_empty());
    let note = value.get("note_tweet").filter(|note| note.get("text").is_some_and(is_filled));
    let text = note.and_then(|note| dropped.text(note.get("text"), "text"));
    let text = text.or_else(|| dropped.text(value.get("text"), "text"));
    let given = note.unwrap_or(value).get("entities");
    let mut entities = match given {
        Some(given) => entities_of(given, includes, dropped),
        None => text.as_deref().map(extract).unwrap_or_default(),
    };
    add_media(value.get("attachments"), includes, &mut entities, dropped);
    let text = match text {
        Some(text) => text,
        None if !entities.media.is_empty() => String::new(),
        None => return Err(missing_text()),
    };
    let created_ms = dropped.date(value.get("created_at"), "created_at");
    let mut tweet = Tweet { id_str, text, entities, source: Some(Network::X), ..Tweet::default() };
    let author = value.get("author").filter(|author| author.is_object());
    let author = author.or_else(|| includes.take(&includes.users, &text_of(value.get("author_id")?)));
    tweet.user = author.map(|author| user(author, dropped)).unwrap_or_default();
    if tweet.user.id_str.is_none() {
        tweet.user.id_str = dropped.id(value.get("author_id"), "author_id");
    }
    if author.is_none() && value.get("author_id").is_none() {
        tweet.user = reading.context.author.clone().unwrap_or_default();
    }
    tweet.lang = dropped.name(value.get("lang"), "lang");
    let mut metric = |name: &str, field| dropped.count(value.path(&["public_metrics", name]), field);
    tweet.retweet_count = metric("retweet_count", "retweet_count").unwrap_or(0);
    tweet.favorite_count = metric("like_count", "favorite_count").unwrap_or(0);
    tweet.reply_count = metric("reply_count", "reply_count");
    tweet.quote_count = metric("quote_count", "quote_count");
    tweet.is_sensitive = dropped.flag(value.get("possibly_sensitive"), "possibly_sensitive") == Some(true);
    tweet.conversation_id = dropped.id(value.get("conversation_id"), "conversation_id");
    let answered = value.get("in_reply_to_user_id").or_else(|| value.path(&["in_reply_to_user", "id"]));
    tweet.in_reply_to_user_id = dropped.id(answered, "in_reply_to_user_id");
    tweet.in_reply_to_screen_name = reply_name(value, tweet.in_reply_to_user_id.as_deref(), includes);
    let geo = value.get("geo");
    tweet.place = geo.and_then(|geo| {
        let known = geo.get("place_id").and_then(|id| includes.take(&includes.places, &text_of(id))).unwrap_or(geo);
        let full_name = dropped.name(known.get("full_name").or_else(|| known.get("name")), "place")?;
        Some(Place { full_name, country_code: dropped.name(known.get("country_code"), "place.country_code") })
    });
    tweet.coordinates = geo.and_then(|geo| geo.path(&["coordinates", "coordinates"])).and_then(|pair| {
        let mut numbers = pair.items().map(|item| item.raw().parse::<f64>());
        let lon_lat = numbers.next().zip(numbers.next()).and_then(|(lon, lat)| Some((lon.ok()?, lat.ok()?)));
        dropped.point(lon_lat, "geo")
    });
    tweet.poll_options = poll_options(value.get("attachments"), includes);
    Ok(Draft { id: None, created_ms, tweet }.finish(reading))
}

/// The name behind `in_reply_to_user_id`.
fn reply_name(value: Value<'_>, id: Option<&str>, includes: &Includes<'_>) -> Option<String> {
    let id = id?;
    let name = |user: Value<'_>| user.get("username").and_then(Value::str).map(Cow::into_owned);
    let mentions = value.path(&["entities", "mentions"]).into_iter().flat_map(Value::items);
    let mentioned = || mentions.filter(|mention| mention.get("id").is_some_and(|it| text_of(it) == id)).find_map(name);
    let included = || includes.take(&includes.users, id).and_then(name);
    value.get("in_reply_to_user").and_then(name).or_else(included).or_else(mentioned)
}

fn user(value: Value<'_>, dropped: &mut Dropped) -> User {
    User {
        id_str: dropped.id(value.get("id"), "user.id_str"),
        name: dropped.text(value.get("name"), "user.name").unwrap_or_default(),
        screen_name: dropped.text(value.get("username"), "user.screen_name").unwrap_or_default(),
        profile_image_url: dropped.text(value.get("profile_image_url"), "user.profile_image_url").unwrap_or_default(),
        followers_count: dropped
            .count(value.path(&["public_metrics", "followers_count"]), "user.followers_count")
            .unwrap_or(0),
        verified: dropped.flag(value.get("verified"), "user.verified") == Some(true),
        description: dropped.text(value.get("description"), "user.description").unwrap_or_default(),
    }
}

fn entities_of(value: Value<'_>, includes: &Includes<'_>, dropped: &mut Dropped) -> Entities {
    let mut found = entities::entities(value, dropped);
    // This API lists each image among the URLs, all with the same short link.
    let keys: Vec<Option<Value<'_>>> = value
        .get("urls")
        .into_iter()
        .flat_map(Value::items)
        .filter(|url| url.get("url").or_else(|| url.get("expanded_url")).is_some_and(|url| url.str().is_some()))
        .map(|url| url.get("media_key"))
        .collect();
    if keys.iter().all(Option::is_none) {
        return found;
    }
    let urls = std::mem::take(&mut found.urls);
    for (url, key) in urls.into_iter().zip(keys.into_iter().chain(std::iter::repeat(None))) {
        let Some(key) = key else {
            found.urls.push(url);
            continue;
        };
        let media = includes.take(&includes.media, &text_of(key));
        let address = media.map(|media| picture(media, dropped)).filter(|address| !address.is_empty());
        found.media.push(Media {
            kind: media.map_or_else(|| "photo".to_owned(), |media| kind(media, dropped)),
            media_url: address.unwrap_or_else(|| url.url.clone()),
            url: url.url,
            expanded_url: Some(url.expanded_url),
            display_url: Some(url.display_url),
            alt_text: media.and_then(|media| dropped.name(media.get("alt_text"), "media.alt_text")),
            indices: url.indices,
            ..Media::default()
        });
    }
    found
}

/// Adds the media that the entities do not name.
fn add_media(attachments: Option<Value<'_>>, includes: &Includes<'_>, entities: &mut Entities, dropped: &mut Dropped) {
    let Some(attachments) = attachments else { return };
    let mut inside: HashMap<Cow<'_, str>, Value<'_>> = HashMap::new();
    let mut keys: Vec<Cow<'_, str>> =
        attachments.get("media_keys").into_iter().flat_map(Value::items).map(text_of).take(MAX_ENTITIES).collect();
    for media in attachments.get("media").into_iter().flat_map(Value::items).take(MAX_ENTITIES) {
        let key = media.get("media_key").map_or_else(|| format!("#{}", inside.len()).into(), text_of);
        if !keys.contains(&key) {
            keys.push(key.clone());
        }
        inside.insert(key, media);
    }
    for key in keys {
        let Some(media) = inside.get(&key).copied().or_else(|| includes.take(&includes.media, &key)) else { continue };
        let address = picture(media, dropped);
        let is_known = entities.media.iter().any(|known| known.media_url == address && !address.is_empty());
        if !is_known && entities.media.len() < MAX_ENTITIES {
            let alt_text = dropped.name(media.get("alt_text"), "media.alt_text");
            entities.media.push(Media::at(&kind(media, dropped), address, alt_text));
        }
    }
}

/// The address of the image; videos have a preview.
fn picture(media: Value<'_>, dropped: &mut Dropped) -> String {
    let address = media.get("url").or_else(|| media.get("preview_image_url"));
    dropped.text(address, "media.url").unwrap_or_default()
}

fn kind(media: Value<'_>, dropped: &mut Dropped) -> String {
    dropped.name(media.get("type"), "media.type").unwrap_or_else(|| "photo".to_owned())
}

fn poll_options(attachments: Option<Value<'_>>, includes: &Includes<'_>) -> Vec<String> {
    let Some(attachments) = attachments else { return Vec::new() };
    let ids = attachments.get("poll_ids").into_iter().flat_map(Value::items);
    let included = ids.filter_map(|id| includes.take(&includes.polls, &text_of(id)));
    let inside = attachments.get("poll").into_iter().chain(attachments.get("polls").into_iter().flat_map(Value::items));
    let mut polls = inside.chain(included);
    let options = polls.next().and_then(|poll| poll.get("options")).into_iter().flat_map(Value::items);
    options.filter_map(|option| Some(option.get("label")?.str()?.into_owned())).take(MAX_ENTITIES).collect()
}
