//! What is in a text: for tweets that come without entities.
//!
//! The work is done by the crate `twitter-text`, which passes all of Twitter's conformance data for hashtags, mentions, cashtags and
//! addresses. Two of its weaknesses are kept from doing harm ([`pieces`]): it panics on some texts with `@`, and the time it takes
//! grows with the square of the length of what has no spaces. Texts without any of the signs are not shown to it.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::catch_unwind;

use memchr::{memchr, memchr2, memchr2_iter, memchr3};
use twitter_text::entity::{Entity, Type};
use twitter_text::extractor::{Extract, Extractor};

use super::{Entities, Indices, MAX_ENTITIES, Mention, Tag, Url};

/// So much of a text is searched for entities. The longest tweets have 25,000 characters.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// So much is shown to the crate at once: more than any address that people write.
const MAX_PIECE_BYTES: usize = 1_024;

/// The text with `&amp;`, `&lt;`, `&#39;` and the like as the characters that they mean.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if memchr(b'&', text.as_bytes()).is_none() { text.into() } else { html_escape::decode_html_entities(text) }
}

/// The hashtags, cashtags, mentions and addresses of a text with HTML entities, with their places in it.
pub(super) fn extract(text: &str) -> Entities {
    let decoded = decode(text);
    let searched = &decoded[..boundary(&decoded, MAX_TEXT_BYTES)];
    let mut entities = Entities::default();
    let has_sign = memchr3(b'#', b'@', b'$', searched.as_bytes()).is_some() || searched.contains(['＃', '＠']);
    let has_dot = memchr(b'.', searched.as_bytes()).is_some();
    if !has_sign && !has_dot {
        return entities;
    }
    let is_plain = matches!(decoded, Cow::Borrowed(_)) && !text.bytes().any(|byte| byte >= 0xf0);
    let places = (!is_plain).then(|| places(text));
    let mut collect = |start: usize, piece: &str| {
        for entity in entities_of(piece, has_sign, has_dot) {
            let place = |at: i32| -> Option<u32> {
                let at = start + usize::try_from(at).ok()?;
                places.as_ref().map_or_else(|| u32::try_from(at).ok(), |places| places.get(at).copied())
            };
            let indices = place(entity.start).zip(place(entity.end)).map(|(start, end)| [start, end]);
            add(&mut entities, &entity, indices);
        }
    };
    let mut units = 0;
    let mut last = 0;
    pieces(searched, |start, end| {
        units += searched[last..start].encode_utf16().count();
        last = start;
        collect(units, &searched[start..end]);
    });
    entities
}

/// The last place up to `at` where the text can be cut.
fn boundary(text: &str, at: usize) -> usize {
    if at >= text.len() { text.len() } else { (0..=at).rfind(|&at| text.is_char_boundary(at)).unwrap_or(0) }
}

/// What the crate finds.
fn entities_of(piece: &str, has_sign: bool, has_dot: bool) -> Vec<Entity<'_>> {
    // None of the texts that are known to make it panic get here. Should there be others, then a tweet without entities is better than
    // a service that anybody can stop.
    catch_unwind(|| {
        let extractor = Extractor::new();
        let mut found = if has_sign { extractor.extract_entities_with_indices(piece) } else { Vec::new() };
        // Addresses without a scheme are left out of the former.
        found.retain(|entity| entity.t != Type::URL);
        if has_dot {
            found.extend(extractor.extract_urls_with_indices(piece));
        }
        found
    })
    .unwrap_or_default()
}

fn add(entities: &mut Entities, entity: &Entity<'_>, indices: Indices) {
    let text = || entity.value.to_owned();
    match entity.t {
        Type::HASHTAG if entities.hashtags.len() < MAX_ENTITIES => {
            entities.hashtags.push(Tag { text: text(), indices });
        }
        Type::CASHTAG if entities.symbols.len() < MAX_ENTITIES => {
            entities.symbols.push(Tag { text: text(), indices });
        }
        Type::MENTION if entities.user_mentions.len() < MAX_ENTITIES => {
            entities.user_mentions.push(Mention { screen_name: text(), name: None, indices });
        }
        Type::URL if entities.urls.len() < MAX_ENTITIES => entities.urls.push(Url {
            url: text(),
            expanded_url: if entity.value.contains("://") { text() } else { format!("http://{}", entity.value) },
            display_url: display(entity.value).to_owned(),
            indices,
        }),
        _ => {}
    }
}

/// Calls `each` with start and end of the pieces of a text that are to be searched one by one.
///
/// There is one for most texts. Pieces end at a space if there is one: no entity goes across it. And they end in front of a sign before an `@`
/// when what stands before that sign is not ASCII (`é!@ann`): looking two bytes back, the crate would cut a character in two. No mention
/// starts at such an `@`.
fn pieces(text: &str, mut each: impl FnMut(usize, usize)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut upto = |start: usize, end: usize| {
        let mut start = start;
        while end - start > MAX_PIECE_BYTES {
            let longest = boundary(text, start + MAX_PIECE_BYTES);
            let space = text[start..longest].rfind(char::is_whitespace).filter(|&space| space > 0);
            let cut = space.map_or(longest, |space| start + space);
            each(start, cut);
            start = cut;
        }
        if start < end {
            each(start, end);
        }
    };
    // The first byte of a wide @ is the first byte of other characters, too; then the cut does no harm.
    for at in memchr2_iter(b'@', 0xef, bytes) {
        if bytes[at] != b'@' && !text[at..].starts_with('＠') || at < start + 2 {
            continue;
        }
        let [before, sign] = [bytes[at - 2], bytes[at - 1]];
        if !sign.is_ascii() && text[..at].ends_with('＠') {
            // No mention either: it is left out itself.
            upto(start, at);
            start = at + text[at..].chars().next().map_or(1, char::len_utf8);
        } else if sign.is_ascii() && !before.is_ascii() && (sign.is_ascii_alphanumeric() || sign.is_ascii_punctuation())
        {
            upto(start, at - 1);
            start = at - 1;
        }
    }
    upto(start, bytes.len());
}

/// An address as it is shown: without its scheme.
pub(super) fn display(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// For each UTF-16 unit of the decoded text, which is what the crate counts, and for its end: the character of `text` where it stands.
fn places(text: &str) -> Vec<u32> {
    let mut places = Vec::with_capacity(text.len());
    let mut here = 0;
    for (source, meaning) in decoded_parts(text) {
        places.extend(std::iter::repeat_n(here, meaning.encode_utf16().count()));
        here += u32::try_from(source.chars().count()).unwrap_or(u32::MAX);
    }
    places.push(here);
    places
}

/// The bytes of `text`, which has HTML entities, that these bytes of [`decode`]'s answer were made from.
pub(crate) fn raw_range(text: &str, decoded: Range<usize>) -> Range<usize> {
    if memchr(b'&', text.as_bytes()).is_none() {
        return decoded;
    }
    let (mut raw_end, mut decoded_end) = (0, 0);
    let mut range = text.len()..text.len();
    for (source, meaning) in decoded_parts(text) {
        let starts_here = (decoded_end..decoded_end + meaning.len()).contains(&decoded.start);
        if starts_here {
            range.start = raw_end;
        }
        raw_end += source.len();
        decoded_end += meaning.len();
        if decoded_end >= decoded.end {
            range.end = raw_end;
            break;
        }
    }
    range
}

/// The characters and HTML entities of a text, each with what it means.
pub(crate) fn decoded_parts(text: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let c = rest.chars().next()?;
        let mut len = c.len_utf8();
        let mut meaning = None;
        if c == '&'
            // What stands before another `&` is not part of an entity.
            && let Some(end) = memchr2(b'&', b';', &rest.as_bytes()[1..]).map(|end| end + 1)
            && let decoded @ Cow::Owned(_) = html_escape::decode_html_entities(&rest[..=end])
        {
            len = end + 1;
            meaning = Some(decoded);
        }
        let (source, behind) = rest.split_at(len);
        rest = behind;
        Some((source, meaning.unwrap_or(Cow::Borrowed(source))))
    })
}

#[cfg(test)]
mod tests;
