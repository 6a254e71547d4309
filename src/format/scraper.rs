//! The output of scrapers and of people's own tools: objects that name the fields of a tweet in
//! their own way, such as twscrape, snscrape and the actors of Apify. Rows of tables are read the
//! same way.

use std::borrow::Cow;

use super::aliases::{ALIASES, Field, field_of, normalized};
use super::{FormatKind, Output};
use crate::doc::Point;
use crate::tweet::json::{Kind, Value};
use crate::tweet::{
    Draft, Dropped, Entities, MAX_ENTITIES, Media, Mention, Network, Place, Reading, Referenced, Tag, Tweet,
    TweetError, Url, User, entities, extract, is_id, missing_text,
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
    // What API v1.1 has does not come here.
    let is_named = has("fullText")
        || has("rawContent")
        || has("likeCount")
        || has("tweetId")
        || has("tweet_id")
        || has("createdAt") && has("author")
        || has("content") && (has("user") || has("author") || has("username"));
    is_named || !(has("id") || has("id_str")) && columns(value).has(Field::Id) && columns(value).has(Field::Text)
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
                columns.add(&format!("{name}{}", normalized(&inner)), value);
            }
        } else {
            columns.add(&name, value);
        }
    }
    columns
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
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
        reading.dropped.id(Some(value).filter(|value| value.kind() != Kind::Bool), "referenced_id").map(Referenced::Id)
    };
    tweet.retweet = referenced(Field::Retweeted);
    tweet.quoted = referenced(Field::Quoted);
    tweet.is_quote |= tweet.quoted.is_some();
    let is_retweet = reading.dropped.flag(columns.get(Field::IsRetweet), "is_retweet") == Some(true);
    if tweet.retweet.is_none() && (is_retweet || tweet.text.starts_with("RT @")) {
        tweet.retweet = Some(Referenced::Unknown);
    }
    tweet.complete();
    Ok(tweet)
}

fn one(columns: &Columns<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let dropped = &mut reading.dropped;
    let url = dropped.name(columns.get(Field::Url), "url");
    // Tools that count in floats still write the address right.
    let in_url = url.as_deref().and_then(|url| url.split_once("/status/")).map(|(_, id)| id);
    let in_url =
        in_url.map(|id| id.split(['?', '/', '#']).next().unwrap_or_default().to_owned()).filter(|id| is_id(id));
    let Some(id_str) = in_url.or_else(|| dropped.id(columns.get(Field::Id), "id")) else {
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
    tweet.in_reply_to_status_id = id(Field::ReplyToId, "in_reply_to_status_id");
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

/// The names in a list: texts, objects with one of these keys, or one text with commas.
fn listed(value: Option<Value<'_>>, keys: &[&str]) -> Vec<String> {
    let Some(value) = value else { return Vec::new() };
    if let Some(text) = value.str() {
        let text = text.trim_matches(['[', ']']);
        let names = text.split([',', ';', '|']).map(|name| name.trim().trim_matches(['\'', '"']).to_owned());
        return names.filter(|name| !name.is_empty()).take(MAX_ENTITIES).collect();
    }
    let names =
        value.items().filter_map(|item| item.str().or_else(|| keys.iter().find_map(|key| item.get(key)?.str())));
    names.map(Cow::into_owned).take(MAX_ENTITIES).collect()
}

/// Adds what the lists of the object name and the text does not show.
fn merge(found: &mut Entities, columns: &Columns<'_>, dropped: &mut Dropped) {
    for name in listed(columns.get(Field::Hashtags), &["text", "tag", "name"]) {
        let name = name.trim_start_matches('#').to_owned();
        if !found.hashtags.iter().any(|tag| tag.text.eq_ignore_ascii_case(&name)) {
            found.hashtags.push(Tag { text: name, indices: None });
        }
    }
    for name in listed(columns.get(Field::Mentions), &["username", "screen_name", "screenName", "userName"]) {
        let screen_name = name.trim_start_matches('@').to_owned();
        if !found.user_mentions.iter().any(|known| known.screen_name.eq_ignore_ascii_case(&screen_name)) {
            found.user_mentions.push(Mention { screen_name, name: None, indices: None });
        }
    }
    let links = columns.get(Field::Links);
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
        let keys = ["fullUrl", "url", "thumbnailUrl", "previewUrl", "image"];
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
