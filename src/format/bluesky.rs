//! Bluesky: events of Jetstream, posts as the API shows them (`getPosts`, `searchPosts`,
//! `getAuthorFeed`), and records (`listRecords`, `getRecord`).

use std::borrow::Cow;

use super::text::{TextBuilder, escaped};
use super::{FormatKind, Output};
use crate::tweet::json::Value;
use crate::tweet::{
    Draft, Dropped, MAX_ENTITIES, Media, Network, Reading, Referenced, Tweet, TweetError, User, entities, extract,
    is_id, missing_text,
};

pub(super) const KIND: FormatKind = FormatKind {
    name: "bluesky",
    about: "Bluesky: Jetstream events, and the answers of getPosts, searchPosts, getAuthorFeed and listRecords",
    example: "bluesky.ndjson",
    lists: &["posts", "feed", "records"],
    recognize,
    read,
};

const POST: &str = "app.bsky.feed.post";

fn recognize(value: Value<'_>) -> bool {
    let is_text = |key| value.get(key).is_some_and(|value| value.str().is_some());
    (is_text("did") && is_text("kind"))
        || value.get("uri").and_then(Value::str).is_some_and(|uri| uri.starts_with("at://"))
        || value.path(&["post", "record"]).is_some()
        || value.path(&["thread", "post"]).is_some()
        || list(value).is_some()
}

/// The list of a page.
fn list(value: Value<'_>) -> Option<(&'static str, Value<'_>)> {
    let is_ours = |item: Value<'_>| item.get("uri").is_some() || item.get("post").is_some();
    ["posts", "feed", "records"].into_iter().find_map(|name| {
        let list = value.get(name).filter(|list| list.is_array())?;
        list.items().next().is_none_or(is_ours).then_some((name, list))
    })
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
    if let Some((name, list)) = list(value) {
        out.each(name, list, read);
    } else if value.get("kind").is_some() && value.get("did").is_some() {
        event(value, out);
    } else if let Some(thread) = value.get("thread") {
        out.is_page = true;
        read(thread, out);
    } else if let Some(post) = value.get("post") {
        // In a thread, which is a tree, the post that it answers and its answers stand beside it.
        if let Some(parent) = value.get("parent") {
            read(parent, out);
        }
        let reply = value.path(&["reply", "parent", "author"]);
        out.read_item(post, |post, out| {
            let tweet = post_view(post, reply, &mut out.reading);
            out.push(tweet);
        });
        value.get("replies").into_iter().flat_map(Value::items).for_each(|reply| read(reply, out));
    } else if ["notFound", "blocked"].into_iter().any(|key| value.get(key).is_some()) {
        out.skip("missing");
    } else {
        let tweet = post_view(value, None, &mut out.reading);
        out.push(tweet);
    }
}

/// An event of Jetstream.
fn event(value: Value<'_>, out: &mut Output<'_>) {
    let Some(commit) = value.get("commit") else {
        return out.skip(if text(value, "kind") == "identity" { "identity" } else { "account" });
    };
    let collection = text(commit, "collection");
    if collection != POST {
        return out.skip(match collection.rsplit('.').next() {
            Some("like") => "like",
            Some("repost") => "repost",
            Some("follow") => "follow",
            Some("block") => "block",
            _ => "record",
        });
    }
    let did = text(value, "did");
    let rkey = text(commit, "rkey");
    if rkey.is_empty() {
        return out.push(Err(TweetError::new("commit.rkey", "missing: a post is known by its key")));
    }
    let uri = format!("at://{did}/{collection}/{rkey}");
    if text(commit, "operation") == "delete" {
        return if is_id(&uri) { out.delete(uri) } else { out.skip("delete") };
    }
    let Some(record) = commit.get("record") else {
        return out.push(Err(TweetError::new("commit.record", "missing: an event of a post carries the post")));
    };
    let arrived_ms = out.reading.dropped.count(value.get("time_us"), "time_us").map(|micros| micros / 1_000);
    let arrived_ms = arrived_ms.and_then(|at| i64::try_from(at).ok());
    let tweet = post(&uri, record, Seen { arrived_ms, ..Seen::default() }, &mut out.reading);
    out.push(tweet);
}

/// The text behind a key; empty if there is none.
fn text<'j>(value: Value<'j>, key: &str) -> Cow<'j, str> {
    value.get(key).and_then(Value::str).unwrap_or_default()
}

/// A post as the API shows it, or a record with its address.
fn post_view(value: Value<'_>, parent: Option<Value<'_>>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let uri = value.get("uri").and_then(Value::str).unwrap_or_default();
    let record = value.get("record").or_else(|| value.get("value"));
    let Some(record) = record.filter(|record| record.is_object()) else {
        return Err(TweetError::new("record", "missing: a post has its text in there"));
    };
    let arrived_ms = reading.dropped.date(value.get("indexedAt"), "indexedAt");
    let author = value.get("author").map(|author| user(author, &mut reading.dropped));
    let embed = value.get("embed").or_else(|| value.get("embeds").and_then(|embeds| embeds.items().next()));
    let mut tweet = post(&uri, record, Seen { arrived_ms, author, embed, parent }, reading)?;
    let mut count = |name: &str, field| reading.dropped.count(value.get(name), field);
    tweet.favorite_count = count("likeCount", "favorite_count").unwrap_or(0);
    tweet.retweet_count = count("repostCount", "retweet_count").unwrap_or(0);
    tweet.reply_count = count("replyCount", "reply_count");
    tweet.quote_count = count("quoteCount", "quote_count");
    Ok(tweet)
}

/// What is known of a post besides its record.
#[derive(Default)]
struct Seen<'j> {
    arrived_ms: Option<i64>,
    author: Option<User>,
    /// The embed as the API shows it.
    embed: Option<Value<'j>>,
    /// The author of the post that it answers.
    parent: Option<Value<'j>>,
}

fn post(uri: &str, record: Value<'_>, seen: Seen<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    if !is_id(uri) || !uri.starts_with("at://") {
        return Err(TweetError::new(
            "uri",
            format!("{uri:.80?} is no address of a post: give at://did/collection/key"),
        ));
    }
    let did = did_of(uri);
    let dropped = &mut reading.dropped;
    let plain = dropped.text(record.get("text"), "text");
    let (text, found) = text_and_facets(plain.as_deref().unwrap_or_default(), record.get("facets"), dropped);
    let author = seen.author.unwrap_or_else(|| User {
        id_str: Some(did.to_owned()),
        // The handle is not in the record.
        screen_name: did.to_owned(),
        ..User::default()
    });
    let mut tweet = Tweet {
        id_str: uri.to_owned(),
        text,
        entities: found,
        user: author,
        source: Some(Network::Bluesky),
        url: uri.rsplit('/').next().map(|key| format!("https://bsky.app/profile/{did}/post/{key}")),
        ..Tweet::default()
    };
    for tag in record.get("tags").into_iter().flat_map(Value::items).filter_map(Value::str) {
        if tweet.entities.hashtags.len() < MAX_ENTITIES {
            tweet.entities.hashtags.push(crate::tweet::Tag { text: tag.into_owned(), indices: None });
        }
    }
    let mut langs = entities::each(record.get("langs"), "langs", dropped, |lang, _| Some(lang.text()?.0));
    tweet.lang = langs.first().cloned();
    if langs.len() > 1 {
        tweet.langs = std::mem::take(&mut langs);
    }
    tweet.is_sensitive = record.path(&["labels", "values"]).is_some_and(|labels| labels.items().next().is_some());
    if let Some(embed) = record.get("embed") {
        embedded(embed, did, &mut tweet, dropped);
    }
    let parent = dropped.id(record.path(&["reply", "parent", "uri"]), "reply");
    if let Some(parent) = parent {
        let handle = seen.parent.and_then(|author| dropped.name(author.get("handle"), "reply"));
        tweet.in_reply_to_user_id = Some(did_of(&parent).to_owned());
        tweet.in_reply_to_screen_name = Some(handle.unwrap_or_else(|| did_of(&parent).to_owned()));
        tweet.in_reply_to_status_id = Some(parent);
        tweet.conversation_id = dropped.id(record.path(&["reply", "root", "uri"]), "reply");
    }
    let created_ms = dropped.date(record.get("createdAt"), "created_at").or(seen.arrived_ms);
    if let Some(embed) = seen.embed {
        shown_embed(embed, &mut tweet, reading);
    }
    if plain.is_none() && tweet.entities.media.is_empty() {
        return Err(missing_text());
    }
    Ok(Draft { id: None, created_ms, tweet }.finish(reading))
}

/// The account in an address `at://did/collection/key`.
fn did_of(uri: &str) -> &str {
    uri.strip_prefix("at://").and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

fn user(value: Value<'_>, dropped: &mut Dropped) -> User {
    User {
        id_str: dropped.id(value.get("did"), "user.id_str"),
        name: dropped
            .text(value.get("displayName"), "user.name")
            .map(|name| escaped(&name).into_owned())
            .unwrap_or_default(),
        screen_name: dropped.text(value.get("handle"), "user.screen_name").unwrap_or_default(),
        profile_image_url: dropped.text(value.get("avatar"), "user.profile_image_url").unwrap_or_default(),
        followers_count: dropped.count(value.get("followersCount"), "user.followers_count").unwrap_or(0),
        verified: value.path(&["verification", "verifiedStatus"]).and_then(Value::str).as_deref() == Some("valid"),
        description: dropped
            .text(value.get("description"), "user.description")
            .map(|text| escaped(&text).into_owned())
            .unwrap_or_default(),
    }
}

/// The text with its facets, whose positions count bytes. Without facets the text is searched.
fn text_and_facets(plain: &str, facets: Option<Value<'_>>, dropped: &mut Dropped) -> (String, crate::tweet::Entities) {
    let Some(facets) = facets else {
        let text = escaped(plain).into_owned();
        let found = extract(&text);
        return (text, found);
    };
    let mut parts: Vec<(usize, usize, Value<'_>)> = Vec::new();
    for facet in facets.items().take(MAX_ENTITIES) {
        let mut at = |name| {
            let at = dropped.count(facet.path(&["index", name]), "facets")?;
            usize::try_from(at).ok().filter(|&at| plain.is_char_boundary(at))
        };
        match (at("byteStart"), at("byteEnd")) {
            (Some(start), Some(end)) if start < end => parts.push((start, end, facet)),
            _ => dropped.add("facets"),
        }
    }
    parts.sort_by_key(|&(start, ..)| start);
    let mut builder = TextBuilder::default();
    let mut done = 0;
    for (start, end, facet) in parts {
        // Facets do not overlap.
        if start < done {
            dropped.add("facets");
            continue;
        }
        builder.push(&plain[done..start]);
        let part = &plain[start..end];
        let indices = Some(builder.push(part));
        done = end;
        for feature in facet.get("features").into_iter().flat_map(Value::items) {
            let value = |name: &str| feature.get(name).and_then(Value::str);
            match value("$type").as_deref() {
                Some("app.bsky.richtext.facet#tag") => builder.tag(&value("tag").unwrap_or_default(), indices),
                Some("app.bsky.richtext.facet#mention") => {
                    builder.mention(part.trim_start_matches('@').to_owned(), None, indices);
                }
                Some("app.bsky.richtext.facet#link") => {
                    builder.url(part, &value("uri").unwrap_or_default(), part, indices);
                }
                _ => {}
            }
        }
    }
    builder.push(&plain[done..]);
    builder.finish()
}

/// Adds what a record embeds.
fn embedded(embed: Value<'_>, did: &str, tweet: &mut Tweet, dropped: &mut Dropped) {
    let blob = |value: Value<'_>| value.path(&["ref", "$link"]).and_then(Value::str).map(Cow::into_owned);
    let mut alt = |value: Value<'_>| dropped.name(value.get("alt"), "media.alt_text");
    for image in embed.get("images").into_iter().flat_map(Value::items).take(MAX_ENTITIES) {
        let cid = image.get("image").and_then(blob);
        let address =
            cid.map(|cid| format!("https://cdn.bsky.app/img/feed_fullsize/plain/{did}/{cid}@jpeg")).unwrap_or_default();
        tweet.entities.media.push(Media::at("photo", address, alt(image)));
    }
    if let Some(video) = embed.get("video") {
        let cid = blob(video);
        let address = cid.map(|cid| format!("https://video.bsky.app/watch/{did}/{cid}/thumbnail.jpg"));
        tweet.entities.media.push(Media::at("video", address.unwrap_or_default(), alt(embed)));
    }
    if let Some(uri) = embed.path(&["external", "uri"]).and_then(Value::str) {
        add_link(tweet, &uri);
    }
    let quoted = embed.path(&["record", "uri"]).or_else(|| embed.path(&["record", "record", "uri"]));
    if let Some(uri) = dropped.id(quoted, "quoted") {
        tweet.is_quote = true;
        tweet.quoted = Some(Referenced::Id(uri));
    }
    if let Some(more) = embed.get("media") {
        embedded(more, did, tweet, dropped);
    }
}

/// Completes what a record embeds from the form in which the API shows it: addresses of images, and
/// the quoted post.
fn shown_embed(embed: Value<'_>, tweet: &mut Tweet, reading: &mut Reading<'_>) {
    let shown = embed.get("media").unwrap_or(embed);
    for (media, image) in tweet.entities.media.iter_mut().zip(shown.get("images").into_iter().flat_map(Value::items)) {
        if let Some(address) = reading.dropped.name(image.get("fullsize"), "media.url") {
            (media.url, media.media_url) = (address.clone(), address);
        }
    }
    if let (Some(media), Some(address)) = (
        tweet.entities.media.first_mut().filter(|media| media.kind == "video"),
        reading.dropped.name(shown.get("thumbnail"), "media.url"),
    ) {
        (media.url, media.media_url) = (address.clone(), address);
    }
    let quoted = embed.get("record").map(|record| record.get("record").unwrap_or(record));
    if let Some(quoted) = quoted.filter(|quoted| quoted.get("value").is_some())
        && let Ok(mut quoted) = post_view(quoted, None, reading)
    {
        (quoted.quoted, quoted.is_quote) = (None, false);
        tweet.is_quote = true;
        tweet.quoted = Some(Referenced::Tweet(Box::new(quoted)));
    }
}

/// Adds the address of a card, unless the text links to it.
fn add_link(tweet: &mut Tweet, uri: &str) {
    let urls = &mut tweet.entities.urls;
    if urls.len() < MAX_ENTITIES && !urls.iter().any(|url| url.expanded_url == uri) {
        let mut builder = TextBuilder::default();
        builder.url("", uri, "", None);
        urls.append(&mut builder.entities.urls);
    }
}
