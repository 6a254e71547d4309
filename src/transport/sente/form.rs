//! Fields of a URL or of a form, percent-encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The most fields of a form. Clients send fewer than ten.
const MAX_FIELDS: usize = 64;

/// The fields, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads a query string or a body, whatever its media type. `None` when it is malformed or has
    /// more than [`MAX_FIELDS`] fields.
    pub(super) fn parse(text: &[u8]) -> Option<Form> {
        let mut fields = Vec::new();
        for field in text.split(|&byte| byte == b'&').filter(|field| !field.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return None;
            }
            let equals = field.iter().position(|&byte| byte == b'=').unwrap_or(field.len());
            let (name, value) = (&field[..equals], field.get(equals + 1..).unwrap_or_default());
            fields.push((decode(name)?, decode(value)?));
        }
        Some(Form { fields })
    }

    /// The first field of this name, when it is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, value)| field == name && !value.is_empty());
        field.map(|(_, value)| value.as_str())
    }
}

fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
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
    decode(value.as_bytes()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
