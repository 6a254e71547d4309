//! Reads entities in the form of API v1.1 or v2. perch drops an entity without its text,
//! and leaves out a position that is invalid.

use super::json::Value;
use super::values::Dropped;
use super::{Entities, Indices, MAX_ENTITIES, Media, Mention, Tag, Url, extract};

/// The entities of a text.
pub(crate) fn entities(value: Value<'_>, dropped: &mut Dropped) -> Entities {
    let list = |names: [&str; 2]| names.into_iter().find_map(|name| value.get(name));
    Entities {
        hashtags: each(list(["hashtags", "tags"]), "entities.hashtags", dropped, tag),
        urls: each(value.get("urls"), "entities.urls", dropped, url),
        user_mentions: each(list(["user_mentions", "mentions"]), "entities.user_mentions", dropped, mention),
        media: each(value.get("media"), "entities.media", dropped, media),
        symbols: each(list(["symbols", "cashtags"]), "entities.symbols", dropped, tag),
    }
}

/// The elements of a list that `read` takes. The others are dropped.
pub(crate) fn each<T>(
    value: Option<Value<'_>>,
    field: &'static str,
    dropped: &mut Dropped,
    mut read: impl FnMut(Value<'_>, &mut Dropped) -> Option<T>,
) -> Vec<T> {
    let Some(value) = value else { return Vec::new() };
    if !value.is_array() {
        dropped.add(field);
    }
    let mut all = Vec::new();
    for item in value.items() {
        match if all.len() < MAX_ENTITIES { read(item, dropped) } else { None } {
            Some(entity) => all.push(entity),
            None => dropped.add(field),
        }
    }
    all
}

/// The position, from the pair of API v1.1 or the numbers of API v2.
pub(crate) fn indices(value: Value<'_>, dropped: &mut Dropped) -> Indices {
    const FIELD: &str = "entities.indices";
    let number = |value, dropped: &mut Dropped| dropped.count(value, FIELD).and_then(|at| u32::try_from(at).ok());
    let Some(pair) = value.get("indices") else {
        let (start, end) = (number(value.get("start"), dropped)?, number(value.get("end"), dropped)?);
        return within(start, end, dropped);
    };
    let mut items = pair.items();
    let (start, end) = (items.next(), items.next());
    if start.is_none() || end.is_none() || items.next().is_some() {
        dropped.add(FIELD);
        return None;
    }
    let (start, end) = (number(start, dropped)?, number(end, dropped)?);
    within(start, end, dropped)
}

/// A position that begins before it ends; any other is dropped.
fn within(start: u32, end: u32, dropped: &mut Dropped) -> Indices {
    if start <= end {
        return Some([start, end]);
    }
    dropped.add("entities.indices");
    None
}

fn tag(value: Value<'_>, dropped: &mut Dropped) -> Option<Tag> {
    let text = ["text", "tag"].into_iter().find_map(|name| value.get(name));
    let text = text?.text()?.0;
    // A tag without a name is counted as dropped.
    (!text.is_empty()).then(|| Tag { text, indices: indices(value, dropped) })
}

fn mention(value: Value<'_>, dropped: &mut Dropped) -> Option<Mention> {
    let name = ["screen_name", "username"].into_iter().find_map(|name| value.get(name));
    Some(Mention {
        screen_name: name?.text()?.0,
        name: dropped.text(value.get("name"), "entities.user_mentions.name"),
        indices: indices(value, dropped),
    })
}

/// A URL.
pub(crate) fn url(value: Value<'_>, dropped: &mut Dropped) -> Option<Url> {
    let mut text = |name: &str| dropped.text(value.get(name), "entities.urls");
    let expanded = text("expanded_url");
    let url = text("url").or_else(|| expanded.clone())?;
    let expanded_url = expanded.unwrap_or_else(|| url.clone());
    let display_url = text("display_url").unwrap_or_else(|| extract::display(&expanded_url).to_owned());
    let unwound = text("unwound_url")
        .or_else(|| Some(value.path(&["unwound", "url"])?.text()?.0))
        .filter(|unwound| *unwound != expanded_url);
    Some(Url { url, expanded_url, display_url, unwound_url: unwound, indices: indices(value, dropped) })
}

/// Media in the form of API v1.1.
pub(crate) fn media(value: Value<'_>, dropped: &mut Dropped) -> Option<Media> {
    let mut text = |name: &str| dropped.text(value.get(name), "entities.media");
    let media_url_https = text("media_url_https");
    let media_url = text("media_url").or_else(|| media_url_https.clone())?;
    Some(Media {
        kind: text("type").unwrap_or_else(|| "photo".to_owned()),
        url: text("url").unwrap_or_else(|| media_url.clone()),
        media_url,
        media_url_https,
        expanded_url: text("expanded_url"),
        display_url: text("display_url"),
        alt_text: text("ext_alt_text"),
        indices: indices(value, dropped),
    })
}
