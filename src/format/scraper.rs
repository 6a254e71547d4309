//! The output of scrapers and of people's own tools: objects that name the fields of a tweet in
//! their own way, such as twscrape, snscrape and the actors of Apify. Rows of tables are read the
//! same way.

use std::borrow::Cow;

use super::aliases::{ALIASES, Field, OF_V1, field_of, normalized};
use super::{FormatKind, Output};
use crate::doc::Point;
use crate::tweet::json::{Json, Kind, Value};
use crate::tweet::{
    Draft, Dropped, Entities, FloatId, MAX_ENTITIES, Media, Mention, Network, Place, Reading, Referenced, Tag, Tweet,
    TweetError, Url, User, entities, extract, float_id, is_id, missing_text, truth_of,
};

pub(super) const KIND: FormatKind = FormatKind {
    name: "scraper",
    about: "scrapers and own tools: twscrape, snscrape, Apify; any object with an id and a text by their many names",
    example: "scraper.ndjson",
    lists: &[],
    recognize,
    read,
};

fn recognize(value: Value<'_>) -> bool {
    let has = |key| value.get(key).is_some();
    // The common case, decided with few looks: what API v1.1 has does not come here.
    let is_v1 = value.get("user").is_some_and(|user| user.get("screen_name").is_some())
        && (has("id_str") || has("entities") || has("favorite_count"));
    if is_v1 {
        return false;
    }
    let is_named = has("fullText")
        || has("rawContent")
        || has("likeCount")
        || has("tweetId")
        || has("tweet_id")
        || has("noResults")
        || has("createdAt") && has("author")
        || has("content") && (has("user") || has("author") || has("username"));
    is_named || has_own_names(value) && has_id_and_text(value)
}

/// Whether an object has an id and a text. Beside an `id`, which every kind of record has, a
/// `message` or `body` is no text of a tweet.
fn has_id_and_text(value: Value<'_>) -> bool {
    let columns = columns(value);
    let is_plain = value.get("id").is_some() || value.get("id_str").is_some();
    let is_vague = matches!(columns.name(Field::Text), Some("body" | "message"));
    columns.has(Field::Id) && columns.has(Field::Text) && !(is_plain && is_vague)
}

/// Whether an object names a field of a tweet as API v1.1 does not.
fn has_own_names(value: Value<'_>) -> bool {
    let is_own = |name: &str| !OF_V1.contains(&name) && field_of(&normalized(name)).is_some();
    value.entries().any(|(key, inner)| match &*key {
        // An author with names is that of v1.1, unless the names are others.
        "user" => {
            inner.str().is_some() || inner.get("screen_name").is_none() && inner.entries().any(|(key, _)| is_name(&key))
        }
        "quoted_status" | "retweeted_status" => inner.str().is_some_and(|id| is_id(&id) && id.len() > 5),
        key => inner.kind() != Kind::Null && is_own(key),
    })
}

/// Whether this key of an author has the name of the account.
fn is_name(key: &str) -> bool {
    matches!(&*normalized(key), "username" | "handle" | "name" | "displayname")
}

/// The values of an object by what they mean.
#[derive(Default)]
struct Columns<'j> {
    /// Per field: how good the name is, and the value.
    values: Vec<(Field, usize, Value<'j>)>,
}

impl<'j> Columns<'j> {
    fn has(&self, field: Field) -> bool {
        self.get(field).is_some()
    }

    fn get(&self, field: Field) -> Option<Value<'j>> {
        self.values.iter().find(|(of, ..)| *of == field).map(|&(.., value)| value)
    }

    /// The name of a field, as [`ALIASES`] has it.
    fn name(&self, field: Field) -> Option<&'static str> {
        let (_, rank, _) = self.values.iter().find(|(of, ..)| *of == field)?;
        ALIASES.iter().find(|(of, ..)| *of == field)?.2.get(*rank).copied()
    }

    fn add(&mut self, name: &str, value: Value<'j>) {
        let Some((field, rank)) = field_of(name) else { return };
        match self.values.iter_mut().find(|(of, ..)| *of == field) {
            Some(known) if known.1 > rank => *known = (field, rank, value),
            Some(_) => {}
            None => self.values.push((field, rank, value)),
        }
    }
}

/// Objects whose fields belong to the tweet.
const NESTED: &[&str] =
    &["user", "author", "inreplytouser", "place", "coordinates", "publicmetrics", "entities", "geo"];

fn columns(value: Value<'_>) -> Columns<'_> {
    let mut columns = Columns::default();
    for (key, value) in value.entries() {
        let is_blank = value.kind() == Kind::Null || value.kind() == Kind::Plain && value.raw().is_empty();
        if is_blank {
            continue;
        }
        let name = normalized(&key);
        if value.is_object() && NESTED.contains(&name.as_str()) {
            for (inner, value) in value.entries().filter(|(_, value)| value.kind() != Kind::Null) {
                let inner = normalized(&inner);
                // In a table, `username` is the name of the account.
                let is_shown = name == "user" && inner == "name";
                let inner = if is_shown { "displayname" } else { &inner };
                columns.add(&format!("{name}{inner}"), value);
            }
        } else {
            columns.add(&name, value);
        }
    }
    columns
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
    if value.get("noResults").is_some() && value.get("id").is_none() {
        return out.skip("noResults");
    }
    let tweet = tweet(value, &mut out.reading);
    out.push(tweet);
}

/// Reads a tweet with those that it refers to.
pub(super) fn tweet(value: Value<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let columns = columns(value);
    let mut tweet = one(&columns, reading)?;
    let mut referenced = |field| {
        let value: Value<'_> = columns.get(field)?;
        if value.is_object() {
            return Some(Referenced::Tweet(Box::new(one(&self::columns(value), reading).ok()?)));
        }
        // Some tools write only whether there is one.
        if let Some(is_there) = truth_of(&value.str().unwrap_or_else(|| value.raw().into())) {
            return is_there.then_some(Referenced::Unknown);
        }
        reading.dropped.id(Some(value), "referenced_id").map(Referenced::Id)
    };
    tweet.retweet = referenced(Field::Retweeted);
    tweet.quoted = referenced(Field::Quoted);
    tweet.is_quote |= tweet.quoted.is_some();
    let is_retweet = reading.dropped.flag(columns.get(Field::IsRetweet), "is_retweet") == Some(true);
    if tweet.retweet.is_none() && (is_retweet || tweet.text.starts_with("RT @")) {
        tweet.retweet = Some(Referenced::Unknown);
    }
    tweet.complete();
    tweet.not_blank()
}

/// The identity. Spreadsheets and data frames round long numbers.
fn id_of(columns: &Columns<'_>, dropped: &mut Dropped) -> Result<Option<String>, TweetError> {
    let value = columns.get(Field::Id);
    match value.and_then(Value::str).as_deref().and_then(float_id) {
        Some(FloatId::Whole(number)) => Ok(Some(number.to_string())),
        Some(FloatId::Rounded) => {
            let raw = value.map_or("", Value::raw);
            Err(TweetError::new("id", format!("{raw:.40} is rounded: export the ids as text, not as numbers")))
        }
        None => Ok(dropped.id(value, "id")),
    }
}

fn one(columns: &Columns<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let dropped = &mut reading.dropped;
    let url = dropped.name(columns.get(Field::Url), "url");
    // Tools that count in floats still write the address right.
    let in_url = url.as_deref().and_then(|url| url.split_once("/status/")).map(|(_, id)| id);
    let in_url =
        in_url.map(|id| id.split(['?', '/', '#']).next().unwrap_or_default().to_owned()).filter(|id| is_id(id));
    let id = if in_url.is_some() { in_url } else { id_of(columns, dropped)? };
    let Some(id_str) = id else {
        let names: Vec<&str> =
            ALIASES.iter().find(|(field, ..)| *field == Field::Id).map_or(&[][..], |row| row.2).to_vec();
        return Err(TweetError::new(
            "id",
            format!("missing: give 1 to 512 bytes without spaces in one of {}", names.join(", ")),
        ));
    };
    let text = dropped.text(columns.get(Field::Text), "text");
    let mut found = text.as_deref().map(extract).unwrap_or_default();
    merge(&mut found, columns, dropped);
    let text = match text {
        Some(text) => text,
        None if !found.media.is_empty() => String::new(),
        None => return Err(missing_text()),
    };
    let host = |host: &str| url.as_deref().is_some_and(|url| url.contains(host));
    let source = if host("//x.com/") || host("twitter.com/") { Some(Network::X) } else { None };
    let created_ms = dropped.date(columns.get(Field::CreatedAt), "created_at");
    let mut text_of = |field, name| dropped.name(columns.get(field).filter(|value| !value.is_object()), name);
    let screen_name = text_of(Field::ScreenName, "user.screen_name").unwrap_or_default();
    let screen_name = match screen_name.strip_prefix('{') {
        Some(object) => name_in(object, NAME_KEYS).unwrap_or_default(),
        None => &screen_name,
    };
    let mut user = User {
        screen_name: screen_name.trim_start_matches('@').to_owned(),
        name: text_of(Field::UserName, "user.name").unwrap_or_default(),
        profile_image_url: text_of(Field::UserPicture, "user.profile_image_url").unwrap_or_default(),
        ..User::default()
    };
    let mut tweet = Tweet { id_str, text, entities: found, url: url.clone(), source, ..Tweet::default() };
    tweet.lang = text_of(Field::Lang, "lang");
    tweet.in_reply_to_screen_name =
        text_of(Field::ReplyToName, "in_reply_to_screen_name").map(|name| name.trim_start_matches('@').to_owned());
    // Some tools have the answered tweet in the column of this name.
    let is_number = |name: &String| name.len() > 5 && name.bytes().all(|byte| byte.is_ascii_digit());
    let answered = tweet.in_reply_to_screen_name.take_if(|name| is_number(name));
    let place = text_of(Field::Place, "place");
    let country_code = text_of(Field::Country, "place.country_code");
    tweet.place = place.map(|full_name| Place { full_name, country_code });
    let mut count = |field, name| dropped.count(columns.get(field), name);
    user.followers_count = count(Field::Followers, "user.followers_count").unwrap_or(0);
    tweet.retweet_count = count(Field::Retweets, "retweet_count").unwrap_or(0);
    tweet.favorite_count = count(Field::Likes, "favorite_count").unwrap_or(0);
    tweet.reply_count = count(Field::Replies, "reply_count");
    tweet.quote_count = count(Field::Quotes, "quote_count");
    let mut id = |field, name| dropped.id(columns.get(field), name);
    user.id_str = id(Field::UserId, "user.id_str");
    tweet.in_reply_to_status_id = id(Field::ReplyToId, "in_reply_to_status_id").or(answered);
    tweet.in_reply_to_user_id = id(Field::ReplyToUserId, "in_reply_to_user_id");
    tweet.conversation_id = id(Field::Conversation, "conversation_id");
    user.verified = dropped.flag(columns.get(Field::Verified), "user.verified") == Some(true);
    tweet.is_quote = dropped.flag(columns.get(Field::IsQuote), "is_quote_status") == Some(true);
    tweet.coordinates = point(columns, dropped);
    tweet.user = if user == User::default() { reading.context.author.clone().unwrap_or_default() } else { user };
    Ok(Draft { id: None, created_ms, tweet }.finish(reading))
}

fn point(columns: &Columns<'_>, dropped: &mut Dropped) -> Option<Point> {
    let number = |field| {
        let value: Value<'_> = columns.get(field)?;
        Some(value.str().unwrap_or_else(|| value.raw().into()).trim().parse::<f64>().ok())
    };
    let (lon, lat) = number(Field::Longitude).zip(number(Field::Latitude))?;
    dropped.point(lon.zip(lat), "coordinates")
}

/// The names in a list: texts, objects with one of these keys, or one text with commas or spaces. A
/// cell of a table may hold the list as JSON.
fn listed(value: Option<Value<'_>>, keys: &[&str]) -> Vec<String> {
    let Some(value) = value else { return Vec::new() };
    if let Some(text) = value.str() {
        if text.starts_with("[{") {
            return match Json::parse(&text) {
                Ok(json) => named(json.root(), keys),
                // As Python writes it.
                Err(_) => text.split('}').filter_map(|item| name_in(item, keys)).map(str::to_owned).collect(),
            };
        }
        let text = text.trim_matches(['[', ']']);
        let names = text.split([',', ';', '|', ' ']).map(|name| name.trim().trim_matches(['\'', '"']).to_owned());
        return names.filter(|name| !name.is_empty()).take(MAX_ENTITIES).collect();
    }
    named(value, keys)
}

/// The keys of the name of an account.
const NAME_KEYS: &[&str] = &["username", "screen_name", "screenName", "userName"];

/// The names in an array.
fn named(list: Value<'_>, keys: &[&str]) -> Vec<String> {
    let names = list.items().filter_map(|item| item.str().or_else(|| keys.iter().find_map(|key| item.get(key)?.str())));
    names.map(Cow::into_owned).take(MAX_ENTITIES).collect()
}

/// The value of the first of these keys in an object that Python wrote: `{'screen_name': 'ann'}`.
fn name_in<'t>(object: &'t str, keys: &[&str]) -> Option<&'t str> {
    keys.iter().find_map(|key| {
        let (_, behind) = object.split_once(&format!("'{key}':"))?;
        let value = behind.trim_start_matches(['\'', '"', ' ']);
        value.split(['\'', '"', ',', '}']).next().filter(|name| !name.is_empty())
    })
}

/// Adds what the lists of the object name and the text does not show.
fn merge(found: &mut Entities, columns: &Columns<'_>, dropped: &mut Dropped) {
    for name in listed(columns.get(Field::Hashtags), &["text", "tag", "name"]) {
        let name = name.trim_start_matches('#').to_owned();
        if !name.is_empty() && !found.hashtags.iter().any(|tag| tag.text.eq_ignore_ascii_case(&name)) {
            found.hashtags.push(Tag { text: name, indices: None });
        }
    }
    for name in listed(columns.get(Field::Mentions), NAME_KEYS) {
        let screen_name = name.trim_start_matches('@').to_owned();
        if screen_name.len() > 3 && screen_name.bytes().all(|byte| byte.is_ascii_digit()) {
            // Some lists have the ids of accounts.
            dropped.add("entities.user_mentions");
            continue;
        }
        if !found.user_mentions.iter().any(|known| known.screen_name.eq_ignore_ascii_case(&screen_name)) {
            found.user_mentions.push(Mention { screen_name, name: None, indices: None });
        }
    }
    let links = columns.get(Field::Links);
    if links.and_then(Value::str).is_some_and(|text| text.len() > 2 && listed_text(&text).is_empty()) {
        dropped.add("entities.urls");
    }
    for target in links.and_then(Value::str).iter().flat_map(|text| listed_text(text)).take(MAX_ENTITIES) {
        if !found.urls.iter().any(|url| url.url == target || url.expanded_url == target) {
            let display_url = target.clone();
            found.urls.push(Url { url: target.clone(), display_url, expanded_url: target, ..Url::default() });
        }
    }
    for link in links.into_iter().flat_map(Value::items).take(MAX_ENTITIES) {
        let text = |keys: &[&str]| keys.iter().find_map(|key| link.get(key)?.str()).map(Cow::into_owned);
        let short = text(&["tcourl", "tco_url"]);
        let target = link.str().map(Cow::into_owned).or_else(|| text(&["expanded_url", "expandedUrl", "url"]));
        let Some(target) = target else {
            dropped.add("entities.urls");
            continue;
        };
        let written = short.or_else(|| text(&["url"])).unwrap_or_else(|| target.clone());
        match found.urls.iter_mut().find(|url| url.url == written || url.expanded_url == target) {
            Some(known) => known.expanded_url = target,
            None => found.urls.push(Url {
                url: written,
                display_url: target.clone(),
                expanded_url: target,
                ..Url::default()
            }),
        }
    }
    if let Some(list) = columns.get(Field::Media) {
        add_media(found, list, "photo", dropped);
    }
}

fn add_media(found: &mut Entities, list: Value<'_>, kind: &str, dropped: &mut Dropped) {
    if list.is_object() {
        // twscrape: lists by kind.
        for (name, kind) in [("photos", "photo"), ("videos", "video"), ("animated", "animated_gif")] {
            list.get(name).into_iter().for_each(|list| add_media(found, list, kind, dropped));
        }
        return;
    }
    for address in list.str().into_iter().flat_map(|text| listed_text(&text)) {
        push_media(found, kind, address, None);
    }
    for item in list.items() {
        if let Some(media) =
            item.get("media_url_https").or_else(|| item.get("media_url")).and_then(|_| entities::media(item, dropped))
        {
            found.media.push(media);
            continue;
        }
        let keys = ["original", "fullUrl", "url", "thumbnailUrl", "previewUrl", "image"];
        let address = item.str().or_else(|| keys.iter().find_map(|key| item.get(key)?.str()));
        let named = item.get("type").and_then(Value::str);
        match address {
            Some(address) => {
                let alt = ["altText", "alt_text", "alt"].into_iter().find_map(|key| item.get(key));
                push_media(
                    found,
                    named.as_deref().unwrap_or(kind),
                    address.into_owned(),
                    dropped.name(alt, "media.alt_text"),
                );
            }
            None => dropped.add("entities.media"),
        }
    }
}

fn listed_text(text: &str) -> Vec<String> {
    text.split([',', ' ', '\n'])
        .map(|part| part.trim_matches(['[', ']', '\'', '"']))
        .filter(|part| part.starts_with("http"))
        .map(str::to_owned)
        .collect()
}

fn push_media(found: &mut Entities, kind: &str, address: String, alt_text: Option<String>) {
    if found.media.len() < MAX_ENTITIES {
        found.media.push(Media::at(kind, address, alt_text));
    }
}
