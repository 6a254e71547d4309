//! Fields of a URL or of a form, percent-encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::form_urlencoded;

/// The most fields of a form. Clients send fewer than ten.
const MAX_FIELDS: usize = 64;

/// The fields, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads a query string or a body, whatever its media type. `None` when it has more than
    /// [`MAX_FIELDS`] fields.
    ///
    /// Text that is malformed is read as browsers read it: a `%` without two digits stays, and
    /// bytes that are no UTF-8 become U+FFFD.
    pub(super) fn parse(text: &[u8]) -> Option<Form> {
        let fields: Vec<_> = form_urlencoded::parse(text).into_owned().take(MAX_FIELDS + 1).collect();
        (fields.len() <= MAX_FIELDS).then_some(Form { fields })
    }

    /// The first field of this name, when it is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, value)| field == name && !value.is_empty());
        field.map(|(_, value)| value.as_str())
    }
}

/// Percent-encodes everything but letters, digits and hyphens: for the value of a cookie.
pub(super) fn encode(text: &str) -> impl std::fmt::Display {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-');
    utf8_percent_encode(text, ESCAPED)
}

/// The value of a cookie in a `Cookie` header, as it was set by [`encode`].
pub(super) fn cookie(header: &str, name: &str) -> Option<String> {
    let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(cookie, _)| *cookie == name)?;
    let value = percent_decode_str(value).decode_utf8().ok()?.into_owned();
    Some(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
