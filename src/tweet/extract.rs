//! Extracts the entities of tweets that come without them.
//!
//! The crate `twitter-text` passes all of Twitter's conformance tests for hashtags, mentions,
//! cashtags and URLs. Two weaknesses are worked around ([`pieces`]): it panics on some texts with
//! `@`, and its time is quadratic in the length of text without spaces. Texts without `#`, `@`, `$`
//! and a dot within a word skip it.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::catch_unwind;

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3};
use twitter_text::entity::{Entity, Type};
use twitter_text::extractor::{Extract, Extractor};

use super::{Entities, Indices, MAX_ENTITIES, Mention, Tag, Url};

/// The prefix of a text that is searched for entities. The longest tweets have 25,000 characters.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// The longest piece that the crate gets: longer than usual URLs.
const MAX_PIECE_BYTES: usize = 1_024;

/// Decodes the HTML entities of a text: `&amp;`, `&lt;`, `&#39;`.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if memchr(b'&', text.as_bytes()).is_none() { text.into() } else { html_escape::decode_html_entities(text) }
}

/// The hashtags, cashtags, mentions and URLs of a text with HTML entities, and their positions in
/// it.
pub(crate) fn extract(text: &str) -> Entities {
    let decoded = decode(text);
    let searched = &decoded[..boundary(&decoded, MAX_TEXT_BYTES)];
    let mut entities = Entities::default();
    let has_sign = memchr3(b'#', b'@', b'$', searched.as_bytes()).is_some() || searched.contains(['＃', '＠']);
    let has_dot = may_have_domain(searched.as_bytes());
    if !has_sign && !has_dot {
        return entities;
    }
    let is_plain = matches!(decoded, Cow::Borrowed(_)) && !text.bytes().any(|byte| byte >= 0xf0);
    let positions = (!is_plain).then(|| positions(text));
    let mut collect = |start: usize, piece: &str| {
        for entity in entities_of(piece, has_sign, has_dot) {
            let position = |at: i32| -> Option<u32> {
                let at = start + usize::try_from(at).ok()?;
                positions.as_ref().map_or_else(|| u32::try_from(at).ok(), |positions| positions.get(at).copied())
            };
            let indices = position(entity.start).zip(position(entity.end)).map(|(start, end)| [start, end]);
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

/// Whether a dot stands before a letter or a digit, as in every URL. Those of sentences do not.
fn may_have_domain(text: &[u8]) -> bool {
    let is_inside = |next: u8| next.is_ascii_alphanumeric() || next >= 0x80;
    memchr_iter(b'.', text).any(|at| text.get(at + 1).is_some_and(|&next| is_inside(next)))
}

/// The last character boundary up to `at`.
fn boundary(text: &str, at: usize) -> usize {
    if at >= text.len() { text.len() } else { (0..=at).rfind(|&at| text.is_char_boundary(at)).unwrap_or(0) }
}

/// The entities that the crate finds in a piece.
fn entities_of(piece: &str, has_sign: bool, has_dot: bool) -> Vec<Entity<'_>> {
    // Texts that are known to make the crate panic don't get here. For unknown ones, a tweet
    // without entities is better than a service that a tweet can stop.
    catch_unwind(|| {
        let extractor = Extractor::new();
        let mut found = if has_sign { extractor.extract_entities_with_indices(piece) } else { Vec::new() };
        // `extract_entities_with_indices` leaves out URLs without a scheme.
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
            unwound_url: None,
            indices,
        }),
        _ => {}
    }
}

/// Calls `each` with start and end of the pieces of a text that are searched one by one. Most texts
/// are one piece.
///
/// Pieces end at a space if there is one: no entity contains it. They also end before a punctuation
/// mark that follows a non-ASCII character and precedes an `@` (`é!@ann`): the crate looks two
/// bytes back there and would split the character. No mention starts at such an `@`.
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
    // The first byte of a full-width @ is also that of other characters.
    for at in memchr2_iter(b'@', 0xef, bytes) {
        if bytes[at] != b'@' && !text[at..].starts_with('＠') || at < start + 2 {
            continue;
        }
        let [before, sign] = [bytes[at - 2], bytes[at - 1]];
        if !sign.is_ascii() && text[..at].ends_with('＠') {
            // No mention starts here either: the sign is left out.
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

/// A URL without its scheme, as pages show it.
pub(crate) fn display(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// The index of the character in `text` for each UTF-16 unit of the decoded text, and for its end.
/// The crate counts UTF-16 units.
fn positions(text: &str) -> Vec<u32> {
    let mut positions = Vec::with_capacity(text.len());
    let mut here = 0;
    for (source, meaning) in decoded_parts(text) {
        positions.extend(std::iter::repeat_n(here, meaning.encode_utf16().count()));
        here += u32::try_from(source.chars().count()).unwrap_or(u32::MAX);
    }
    positions.push(here);
    positions
}

/// The range of `text` that a range of its decoded text ([`decode`]) comes from.
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

/// The characters and HTML entities of a text, each with its decoded text.
pub(crate) fn decoded_parts(text: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let c = rest.chars().next()?;
        let mut len = c.len_utf8();
        let mut meaning = None;
        if c == '&'
            // An entity does not contain another `&`.
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
