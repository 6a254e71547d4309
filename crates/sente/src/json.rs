//! Pieces of JSON text, as a walk through it finds them.

use crate::value::MAX_SAFE_INTEGER;

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON")]
pub struct NotJson;

/// A literal that is a whole number which JavaScript can't hold exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LargeInteger {
    /// It has 64 bits.
    Long,
    /// It has more.
    Longer,
}

/// Checks a literal (`null`, `true`, `false` or a number) as far as the writers need it.
pub(crate) fn large_integer(literal: &str) -> Result<Option<LargeInteger>, NotJson> {
    match literal.as_bytes().first() {
        Some(b'n' | b't' | b'f') if !matches!(literal, "null" | "true" | "false") => return Err(NotJson),
        Some(b'n' | b't' | b'f') => return Ok(None),
        Some(b'-' | b'0'..=b'9') => {}
        _ => return Err(NotJson),
    }
    // Up to 15 digits and a sign are always safe.
    if literal.len() < 16 || literal.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return Ok(None);
    }
    match literal.parse::<i64>() {
        Ok(number) if number.unsigned_abs() <= MAX_SAFE_INTEGER => Ok(None),
        Ok(_) => Ok(Some(LargeInteger::Long)),
        Err(_) => Ok(Some(LargeInteger::Longer)),
    }
}

/// The first character of a string, given with its quotes: its code when it is ASCII, else 0. It
/// may be written as an escape.
pub(crate) fn first_byte(string: &str) -> Result<u8, NotJson> {
    let bytes = string.as_bytes();
    match bytes.get(1).ok_or(NotJson)? {
        b'\\' if bytes.get(2) == Some(&b'u') => {
            let digits = string.get(3..7).ok_or(NotJson)?;
            let code = u32::from_str_radix(digits, 16).map_err(|_| NotJson)?;
            Ok(u8::try_from(code).unwrap_or(0))
        }
        first => Ok(*first),
    }
}

/// The content of a string, without its quotes. Escapes stay as they are.
pub(crate) fn content(string: &str) -> Result<&str, NotJson> {
    string.len().checked_sub(1).and_then(|end| string.get(1..end)).ok_or(NotJson)
}
