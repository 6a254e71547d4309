//! The one analyzer.

use std::borrow::Cow;

/// Calls `sink` with each word: folded term, position from 0, byte span in `text`.
pub fn words(text: &str, sink: &mut dyn FnMut(&str, u32, (u32, u32))) {
    let _ = (text, sink);
    todo!()
}

/// The terms of an address.
pub fn url_words(url: &str, sink: &mut dyn FnMut(&str, u32, (u32, u32))) {
    let _ = (url, sink);
    todo!()
}

/// Lower case, without accents, compatibility forms unified; not split.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    text.into()
}
