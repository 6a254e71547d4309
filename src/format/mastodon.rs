//! Mastodon: statuses of its API, messages of its streams, and posts in `ActivityPub`, as in the
//! `outbox.json` of an account's export.

use std::borrow::Cow;

use hashbrown::HashSet;
use url::Url;

use super::text::{Link, TextBuilder, escaped, push_html};
use super::{FormatKind, Output};
use crate::tweet::json::{Json, Value};
use crate::tweet::{
    Draft, Dropped, MAX_ENTITIES, Media, Network, Reading, Referenced, Tweet, TweetError, User, entities, is_id,
    missing_text,
};

pub(super) const KIND: FormatKind = FormatKind {
    name: "mastodon",
    about: "Mastodon: statuses, messages of its streams, and the outbox.json of an export (ActivityPub)",
    example: "mastodon.json",
    lists: &["statuses", "orderedItems"],
    recognize,
    read,
};

fn recognize(value: Value<'_>) -> bool {
    let has = |key| value.get(key).is_some();
    is_status(value)
        || notification(value).is_some()
        || has("event") && has("payload")
        || has("orderedItems")
        || has("@context") && has("type")
        || (has("actor") || has("attributedTo"))
            && ["Create", "Announce", "Note", "Question", "Update", "Delete"]
                .into_iter()
                .any(|kind| is_type(value, kind))
}

fn is_status(value: Value<'_>) -> bool {
    value.get("account").is_some_and(Value::is_object) && value.get("content").is_some()
}

/// What an object of a stream is that is no status: its event stands on another line.
fn notification(value: Value<'_>) -> Option<&'static str> {
    let has = |key| value.get(key).is_some();
    if value.get("account").is_some_and(|account| account.get("acct").is_some()) && has("type") && !has("content") {
        return Some("notification");
    }
    (has("last_status") && has("accounts")).then_some("conversation")
}

/// Whether a status is not for everyone: only for followers, or for the accounts that it mentions.
fn is_private(status: Value<'_>) -> bool {
    status.get("visibility").and_then(Value::str).is_some_and(|it| matches!(&*it, "private" | "direct"))
}

/// Whether an activity or its note names its readers, and the public is not among them.
fn is_addressed(activity: Value<'_>, note: Value<'_>) -> bool {
    let is_public = |name: Value<'_>| {
        name.str().is_some_and(|name| {
            matches!(&*name, "https://www.w3.org/ns/activitystreams#Public" | "as:Public" | "Public")
        })
    };
    let lists = || {
        [activity, note].into_iter().flat_map(|value| ["to", "cc"].into_iter().filter_map(move |key| value.get(key)))
    };
    lists().next().is_some() && !lists().any(|list| is_public(list) || list.items().any(is_public))
}

fn is_type(value: Value<'_>, kind: &str) -> bool {
    value.get("type").and_then(Value::str).is_some_and(|it| it == kind)
}

fn read(value: Value<'_>, out: &mut Output<'_>) {
    if is_status(value) {
        push_status(value, out);
    } else if let Some(kind) = notification(value) {
        out.skip(kind);
    } else if let Some(payload) = value.get("payload") {
        message(value, payload, out);
    } else if let Some(list) = value.get("orderedItems") {
        out.each("orderedItems", list, activity);
    } else {
        activity(value, out);
    }
}

/// A message of a stream, whose payload is JSON in a string.
fn message(value: Value<'_>, payload: Value<'_>, out: &mut Output<'_>) {
    let text = payload.str().unwrap_or_else(|| payload.raw().into());
    match &*value.get("event").and_then(Value::str).unwrap_or_default() {
        "update" | "status.update" => {}
        "delete" => return out.delete_status(text.into_owned()),
        "notification" => return out.skip("notification"),
        _ => return out.skip("event"),
    }
    match Json::parse(&text) {
        Ok(json) => push_status(json.root(), out),
        Err(error) => out.push(Err(TweetError::new("payload", format!("no JSON: {error}")))),
    }
}

/// Takes a status, and notes its number for messages that delete it.
fn push_status(value: Value<'_>, out: &mut Output<'_>) {
    if is_private(value) {
        return out.skip("private");
    }
    let tweet = status(value, &mut out.reading);
    if let (Ok(tweet), Some(number)) = (&tweet, value.get("id").and_then(Value::str)) {
        out.name_status(number.into_owned(), tweet.id_str.clone());
    }
    out.push(tweet);
}

/// Reads a status of the API.
fn status(value: Value<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let mut tweet = one(value, reading)?;
    if let Some(boosted) = value.get("reblog").filter(|boosted| boosted.is_object()) {
        let original = one(boosted, reading)?;
        // A boost has no text of its own.
        tweet.text.clone_from(&original.text);
        tweet.entities.clone_from(&original.entities);
        tweet.retweet = Some(Referenced::Tweet(Box::new(original)));
    }
    let quoted = value.get("quote").map(|quote| quote.get("quoted_status").unwrap_or(quote));
    if let Some(Ok(quoted)) = quoted.filter(|quoted| is_status(*quoted)).map(|quoted| one(quoted, reading)) {
        tweet.is_quote = true;
        tweet.quoted = Some(Referenced::Tweet(Box::new(quoted)));
    }
    if tweet.text.is_empty() && tweet.entities.media.is_empty() && tweet.poll_options.is_empty() {
        return Err(missing_text());
    }
    Ok(tweet)
}

fn one(value: Value<'_>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let dropped = &mut reading.dropped;
    let uri = dropped.name(value.get("uri"), "uri").or_else(|| dropped.name(value.get("url"), "url"));
    let Some(id_str) = uri.filter(|uri| is_id(uri)) else {
        return Err(TweetError::new("uri", "missing: a status is known by its uri"));
    };
    let account = value.get("account");
    let instance = host(&id_str);
    let user = account.map(|account| user(account, &instance, dropped)).unwrap_or_default();
    let mentions: Vec<(Option<String>, String)> = value
        .get("mentions")
        .into_iter()
        .flat_map(Value::items)
        .take(MAX_ENTITIES)
        .filter_map(|mention| Some((dropped.id(mention.get("id"), "mentions"), full_name(mention, &instance)?)))
        .collect();
    let names = mentions.iter().map(|(_, name)| name.as_str());
    let mut builder = TextBuilder::default();
    warning(&mut builder, value.get("spoiler_text"));
    content(&mut builder, value.get("content"), &names.collect::<Vec<_>>(), dropped);
    let tags = value.get("tags").into_iter().flat_map(Value::items);
    add_tags(&mut builder, tags.filter_map(|tag| tag.get("name")?.str()));
    let (text, mut found) = builder.finish();
    found.media = entities::each(value.get("media_attachments"), "media", dropped, |media, dropped| {
        let address = ["preview_url", "url", "remote_url"].into_iter().find_map(|name| media.get(name));
        let address = dropped.name(address, "media.url").unwrap_or_default();
        let kind = media.get("type").and_then(Value::str).unwrap_or_default();
        Some(Media {
            kind: kind_of(&kind).to_owned(),
            url: dropped.name(media.get("url"), "media.url").unwrap_or_else(|| address.clone()),
            media_url: address,
            alt_text: dropped.name(media.get("description"), "media.alt_text"),
            ..Media::default()
        })
    });
    let mut tweet = Tweet { id_str, text, entities: found, user, source: Some(Network::Mastodon), ..Tweet::default() };
    tweet.url = dropped.name(value.get("url"), "url").or_else(|| Some(tweet.id_str.clone()));
    tweet.lang = dropped.name(value.get("language"), "lang");
    let mut count = |name: &str, field| dropped.count(value.get(name), field);
    tweet.retweet_count = count("reblogs_count", "retweet_count").unwrap_or(0);
    tweet.favorite_count = count("favourites_count", "favorite_count").unwrap_or(0);
    tweet.reply_count = count("replies_count", "reply_count");
    tweet.quote_count = count("quotes_count", "quote_count");
    tweet.is_sensitive = dropped.flag(value.get("sensitive"), "sensitive") == Some(true);
    tweet.in_reply_to_user_id = dropped.id(value.get("in_reply_to_account_id"), "in_reply_to_user_id");
    if let Some(id) = &tweet.in_reply_to_user_id {
        let own = tweet.user.id_str.as_ref() == Some(id);
        let mentioned = mentions.iter().find(|(of, _)| of.as_ref() == Some(id)).map(|(_, name)| name.clone());
        tweet.in_reply_to_screen_name = if own { Some(tweet.user.screen_name.clone()) } else { mentioned };
    }
    let options = value.path(&["poll", "options"]);
    tweet.poll_options = entities::each(options, "poll_options", dropped, |option, _| {
        Some(escaped(&option.get("title")?.str()?).into_owned())
    });
    let created_ms = dropped.date(value.get("created_at"), "created_at");
    Ok(Draft { id: None, created_ms, tweet }.finish(reading))
}

/// Reads an activity or an object of `ActivityPub`.
fn activity(value: Value<'_>, out: &mut Output<'_>) {
    let object = value.get("object");
    match value.get("type").and_then(Value::str).as_deref() {
        Some("Announce") => return out.skip("boost"),
        Some("Delete") => {
            let id = object.and_then(|object| object.get("id").or(Some(object)));
            return match out.reading.dropped.id(id, "object") {
                Some(id_str) => out.delete(id_str),
                None => out.skip("delete"),
            };
        }
        _ => {}
    }
    let is_activity = ["Create", "Update"].into_iter().any(|kind| is_type(value, kind));
    let note = if is_activity { object } else { Some(value) };
    // An update may be that of a profile.
    let Some(note) = note.filter(|note| POSTS.iter().any(|kind| is_type(*note, kind))) else {
        return out.skip("activity");
    };
    if is_addressed(value, note) {
        return out.skip("private");
    }
    let tweet = note_of(note, value.get("published"), &mut out.reading);
    out.push(tweet);
}

/// The types of objects of `ActivityPub` that are posts.
const POSTS: &[&str] = &["Note", "Question", "Article", "Page", "Event", "Image", "Audio", "Video"];

fn note_of(value: Value<'_>, published: Option<Value<'_>>, reading: &mut Reading<'_>) -> Result<Tweet, TweetError> {
    let dropped = &mut reading.dropped;
    let Some(id_str) = dropped.id(value.get("id"), "id") else {
        return Err(TweetError::new("object.id", "missing: a note is known by its id"));
    };
    let actor = dropped.name(value.get("attributedTo").or_else(|| value.get("actor")), "user").unwrap_or_default();
    let tags = || value.get("tag").into_iter().flat_map(Value::items);
    let mentions = tags().filter(|tag| is_type(*tag, "Mention"));
    let mentions: Vec<String> = mentions
        .take(MAX_ENTITIES)
        .filter_map(|tag| Some(tag.get("name")?.str()?.trim_start_matches('@').to_owned()))
        .map(|name| if name.contains('@') { name } else { format!("{name}@{}", host(&id_str)) })
        .collect();
    let mut builder = TextBuilder::default();
    warning(&mut builder, value.get("summary"));
    content(&mut builder, value.get("content"), &mentions.iter().map(String::as_str).collect::<Vec<_>>(), dropped);
    let hashtags = tags().filter(|tag| is_type(*tag, "Hashtag"));
    add_tags(&mut builder, hashtags.filter_map(|tag| tag.get("name")?.str()));
    let (text, mut found) = builder.finish();
    found.media = entities::each(value.get("attachment"), "media", dropped, |media, dropped| {
        let address = dropped.name(media.get("url"), "media.url").unwrap_or_default();
        let kind = media.get("mediaType").and_then(Value::str).unwrap_or_default();
        let alt_text = dropped.name(media.get("name"), "media.alt_text");
        Some(Media::at(kind_of(kind.split('/').next().unwrap_or_default()), address, alt_text))
    });
    let options = value.get("oneOf").or_else(|| value.get("anyOf"));
    let poll_options = entities::each(options, "poll_options", dropped, |option, _| {
        Some(escaped(&option.get("name")?.str()?).into_owned())
    });
    if text.is_empty() && found.media.is_empty() && poll_options.is_empty() {
        return Err(missing_text());
    }
    let langs: Vec<String> =
        value.get("contentMap").into_iter().flat_map(Value::entries).map(|(lang, _)| lang.into_owned()).collect();
    let user = User {
        id_str: Some(actor.clone()).filter(|actor| is_id(actor)),
        screen_name: name_of(&actor),
        ..User::default()
    };
    let url = value.get("url").filter(|url| url.str().is_some());
    let tweet = Tweet {
        text,
        entities: found,
        user,
        source: Some(Network::Mastodon),
        url: dropped.name(url, "url").or_else(|| Some(id_str.clone())),
        lang: langs.first().cloned(),
        langs: if langs.len() > 1 { langs } else { Vec::new() },
        is_sensitive: dropped.flag(value.get("sensitive"), "sensitive") == Some(true),
        in_reply_to_status_id: dropped.id(value.get("inReplyTo"), "in_reply_to_status_id"),
        poll_options,
        retweet_count: dropped.count(value.path(&["shares", "totalItems"]), "retweet_count").unwrap_or(0),
        favorite_count: dropped.count(value.path(&["likes", "totalItems"]), "favorite_count").unwrap_or(0),
        reply_count: dropped.count(value.path(&["replies", "totalItems"]), "reply_count"),
        id_str,
        ..Tweet::default()
    };
    let created_ms = dropped.date(value.get("published").or(published), "created_at");
    Ok(Draft { id: None, created_ms, tweet }.finish(reading))
}

/// Puts the content warning before the text.
fn warning(builder: &mut TextBuilder, value: Option<Value<'_>>) {
    if let Some(warning) = value.and_then(Value::str).filter(|warning| !warning.trim().is_empty()) {
        builder.push(warning.trim());
        builder.break_line(2);
    }
}

/// Appends the content, whose links are mentions, hashtags and addresses.
fn content(builder: &mut TextBuilder, html: Option<Value<'_>>, mentions: &[&str], dropped: &mut Dropped) {
    let Some(html) = dropped.text(html, "content") else { return };
    push_html(builder, &html, |builder, Link { href, class, text, shown }, indices| {
        fn local(name: &str) -> &str {
            name.split('@').next().unwrap_or_default()
        }
        if let Some(tag) = text.strip_prefix('#').filter(|_| class.contains("hashtag") || class.contains("tag")) {
            builder.tag(tag, indices);
        } else if let Some(name) = text.strip_prefix('@').filter(|_| class.contains("mention")) {
            // Each is looked for among all mentions.
            if builder.entities.user_mentions.len() >= MAX_ENTITIES {
                return;
            }
            let server = host(&href);
            let known = mentions.iter().filter(|known| local(known) == local(name));
            let known = known.max_by_key(|known| known.ends_with(&server)).map(|known| (*known).to_owned());
            builder.mention(known.unwrap_or_else(|| format!("{}@{server}", local(name))), None, indices);
        } else {
            builder.url(&text, &href, &shown, indices);
        }
    });
}

/// Adds the tags that the text does not show.
fn add_tags<'j>(builder: &mut TextBuilder, names: impl Iterator<Item = Cow<'j, str>>) {
    let mut known: HashSet<String> = builder.entities.hashtags.iter().map(|tag| tag.text.to_lowercase()).collect();
    for name in names {
        let name = name.trim_start_matches('#');
        if known.len() < MAX_ENTITIES && known.insert(name.to_lowercase()) {
            builder.tag(name, None);
        }
    }
}

fn user(value: Value<'_>, instance: &str, dropped: &mut Dropped) -> User {
    let name = dropped.text(value.get("display_name"), "user.name").unwrap_or_default();
    User {
        id_str: dropped.id(value.get("id"), "user.id_str"),
        name: escaped(&name).into_owned(),
        screen_name: full_name(value, instance).unwrap_or_default(),
        profile_image_url: dropped.text(value.get("avatar"), "user.profile_image_url").unwrap_or_default(),
        followers_count: dropped.count(value.get("followers_count"), "user.followers_count").unwrap_or(0),
        verified: false,
        description: description(value.get("note"), dropped),
    }
}

/// The text of an account's note, which is HTML.
fn description(note: Option<Value<'_>>, dropped: &mut Dropped) -> String {
    let mut builder = TextBuilder::default();
    if let Some(html) = dropped.text(note, "user.description") {
        push_html(&mut builder, &html, |_, _, _| {});
    }
    builder.finish().0
}

/// The name of an account with its instance: `acct` leaves out the instance that answers.
fn full_name(account: Value<'_>, instance: &str) -> Option<String> {
    let name = account.get("acct").or_else(|| account.get("username"))?.str()?;
    if name.contains('@') {
        return Some(name.into_owned());
    }
    let own = account.get("url").and_then(Value::str).map(|url| host(&url)).filter(|host| !host.is_empty());
    Some(format!("{name}@{}", own.unwrap_or_else(|| instance.to_owned())))
}

/// The name of the account with this address: `https://social.example/users/ann`.
fn name_of(actor: &str) -> String {
    let name = actor.trim_end_matches('/').rsplit('/').next().unwrap_or_default().trim_start_matches('@');
    match host(actor) {
        host if host.is_empty() || name.is_empty() => String::new(),
        host => format!("{name}@{host}"),
    }
}

fn host(address: &str) -> String {
    Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// The kind of media in perch's words.
fn kind_of(kind: &str) -> &'static str {
    match kind {
        "video" => "video",
        "gifv" => "animated_gif",
        "audio" => "audio",
        _ => "photo",
    }
}
