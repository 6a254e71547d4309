//! Reads values of a document as the types that their fields need. perch drops a value of another
//! type and counts it under the name of its field; the tweet is kept.

use super::date;
use super::json::{Kind, Value};
use crate::doc::Point;

/// The longest `id_str`, in bytes.
pub const MAX_ID_BYTES: usize = 512;

/// The dropped values of some documents, by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped(Vec<(&'static str, u64)>);

impl Dropped {
    /// Counts one value of this field.
    pub fn add(&mut self, field: &'static str) {
        self.add_many(field, 1);
    }

    /// Counts `n` values of this field.
    pub(crate) fn add_many(&mut self, field: &'static str, n: u64) {
        if n == 0 {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == field) {
            Some((_, count)) => *count += n,
            None => self.0.push((field, n)),
        }
    }

    /// Adds the counts of others.
    pub fn merge(&mut self, other: &Dropped) {
        for &(field, n) in &other.0 {
            self.add_many(field, n);
        }
    }

    /// The fields with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Whether nothing was dropped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn none<T>(&mut self, field: &'static str) -> Option<T> {
        self.add(field);
        None
    }

    /// A text. A number stands for its digits.
    pub(crate) fn text(&mut self, value: Option<Value<'_>>, field: &'static str) -> Option<String> {
        let value = value?;
        if let Some((text, is_lossy)) = value.text() {
            if is_lossy {
                self.add(field);
            }
            return Some(text);
        }
        match value.kind() {
            Kind::Number => Some(value.raw().to_owned()),
            _ => self.none(field),
        }
    }

    /// A text that is not empty.
    pub(crate) fn name(&mut self, value: Option<Value<'_>>, field: &'static str) -> Option<String> {
        self.text(value, field).filter(|text| !text.trim().is_empty())
    }

    /// A count: a number that is not negative, also as a text (`"1,234"`, `"100+"`) or a float.
    pub(crate) fn count(&mut self, value: Option<Value<'_>>, field: &'static str) -> Option<u64> {
        let value = value?;
        let text = match value.kind() {
            Kind::Number => value.raw().into(),
            Kind::Plain | Kind::Escaped => value.str()?,
            _ => return self.none(field),
        };
        let grouped = if value.kind() == Kind::Number { None } else { grouped_by_points(&text) };
        match grouped.or_else(|| count_of(&text)) {
            Some(count) => Some(count),
            None if text.trim().is_empty() => None,
            None => self.none(field),
        }
    }

    /// A truth value, also as a text or a number.
    pub(crate) fn flag(&mut self, value: Option<Value<'_>>, field: &'static str) -> Option<bool> {
        let value = value?;
        let text = if value.kind() == Kind::Invalid { None } else { value.str().or_else(|| Some(value.raw().into())) };
        match text.as_deref().map(truth_of) {
            Some(Some(truth)) => Some(truth),
            Some(None) if text.as_deref().is_some_and(str::is_empty) => Some(false),
            _ => self.none(field),
        }
    }

    /// A point on Earth.
    pub(crate) fn point(&mut self, lon_lat: Option<(f64, f64)>, field: &'static str) -> Option<Point> {
        let is_on_earth = |(lon, lat): &(f64, f64)| lon.abs() <= 180.0 && lat.abs() <= 90.0;
        match lon_lat.filter(is_on_earth) {
            Some((lon, lat)) => Some(Point { lon, lat }),
            None => self.none(field),
        }
    }

    /// The id of something: any text that may be an `id_str`. Negative numbers stand for none.
    pub(crate) fn id(&mut self, value: Option<Value<'_>>, field: &'static str) -> Option<String> {
        let value = value?;
        let id = match value.kind() {
            Kind::Number => value.raw().into(),
            Kind::Plain | Kind::Escaped => value.str()?,
            _ => return self.none(field),
        };
        if id.is_empty() || id.starts_with('-') {
            return None;
        }
        if let Some(number) = float_id(&id) {
            return match number {
                FloatId::Whole(number) => Some(number.to_string()),
                FloatId::Rounded => self.none(field),
            };
        }
        if is_id(&id) && (value.kind() != Kind::Number || id.bytes().all(|byte| byte.is_ascii_digit())) {
            Some(id.into_owned())
        } else {
            self.none(field)
        }
    }

    /// A date, in milliseconds since 1970.
    pub(crate) fn date(&mut self, value: Option<Value<'_>>, field: &'static str) -> Option<i64> {
        let value = value?;
        let text = match value.kind() {
            Kind::Number => value.raw().into(),
            Kind::Plain | Kind::Escaped => value.str()?,
            _ => return self.none(field),
        };
        match date::parse(&text) {
            Some(millis) => Some(millis),
            None if text.trim().is_empty() => None,
            None => self.none(field),
        }
    }
}

/// Whether a text may be an `id_str`: 1 to 512 bytes of printable text without spaces.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The truth value that a text stands for: tables have `TRUE`, `t` and `yes`.
pub(crate) fn truth_of(text: &str) -> Option<bool> {
    let is_any = |names: [&str; 5]| names.into_iter().any(|name| name.eq_ignore_ascii_case(text));
    match () {
        () if is_any(["true", "t", "1", "yes", "y"]) => Some(true),
        () if is_any(["false", "f", "0", "no", "n"]) => Some(false),
        () => None,
    }
}

/// An id that a spreadsheet or a data frame wrote as a float: `1.05012E+18`, `31.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatId {
    /// Floats are exact there.
    Whole(u64),
    /// It may be another id.
    Rounded,
}

/// What an id says that was a float. `None` for other ids.
pub(crate) fn float_id(id: &str) -> Option<FloatId> {
    let is_float = id.starts_with(|c: char| c.is_ascii_digit())
        && id.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'e' | b'E' | b'+' | b'-'))
        && id.bytes().any(|byte| matches!(byte, b'.' | b',' | b'e' | b'E'));
    if !is_float {
        return None;
    }
    let whole = id.trim_end_matches('0').strip_suffix('.').and_then(|digits| digits.parse().ok());
    Some(whole.filter(|&number: &u64| number < 1 << 53).map_or(FloatId::Rounded, FloatId::Whole))
}

/// The number of a text whose thousands are separated by points: `1.234`.
fn grouped_by_points(text: &str) -> Option<u64> {
    let (first, groups) = text.trim().split_once('.')?;
    let is_group = |group: &str| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    let is_grouped = (1..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_digit());
    (is_grouped && groups.split('.').all(is_group)).then(|| text.trim().replace('.', "").parse().ok())?
}

/// The number that a text stands for, if it is not negative.
fn count_of(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(count) = text.parse() {
        return Some(count);
    }
    let digits = text.strip_suffix('+').unwrap_or(text);
    let is_grouped = digits.contains(',') && digits.split(',').skip(1).all(|group| group.len() == 3);
    if (digits.len() < text.len() || is_grouped) && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b',') {
        return digits.replace(',', "").parse().ok();
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| (0.0..1.8e19).contains(number))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to below 2^64")]
    Some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tweet::json::Json;

    #[test]
    fn counts_come_in_many_forms() {
        for (json, expected) in [
            ("7", Some(7)),
            ("\"7\"", Some(7)),
            ("3.0", Some(3)),
            ("\"3.0\"", Some(3)),
            ("1e3", Some(1_000)),
            ("\"100+\"", Some(100)),
            ("\"1,234,567\"", Some(1_234_567)),
            ("\"1.234\"", Some(1_234)),
            ("\"1.234.567\"", Some(1_234_567)),
            ("1.234", Some(1)),
            ("18446744073709551615", Some(u64::MAX)),
            ("\"\"", None),
            ("-1", None),
            ("NaN", None),
            ("\"1,2\"", None),
            ("\"many\"", None),
            ("[]", None),
            ("true", None),
            ("1e300", None),
        ] {
            let parsed = Json::parse(json).expect("a value");
            let mut dropped = Dropped::default();
            assert_eq!(dropped.count(Some(parsed.root()), "n"), expected, "{json}");
            assert_eq!(dropped.is_empty(), expected.is_some() || json == "\"\"", "{json}");
        }
    }

    #[test]
    fn truth_has_many_names() {
        for (json, expected) in [
            ("true", Some(true)),
            ("\"TRUE\"", Some(true)),
            ("\"t\"", Some(true)),
            ("1", Some(true)),
            ("\"f\"", Some(false)),
            ("\"FALSE\"", Some(false)),
            ("\"\"", Some(false)),
            ("\"maybe\"", None),
        ] {
            let parsed = Json::parse(json).expect("a value");
            let mut dropped = Dropped::default();
            assert_eq!(dropped.flag(Some(parsed.root()), "flag"), expected, "{json}");
            assert_eq!(dropped.is_empty(), expected.is_some(), "{json}");
        }
    }

    #[test]
    fn an_id_that_was_a_float_is_whole_or_dropped() {
        for (json, expected) in [
            ("\"31.0\"", Some("31")),
            ("\"1050118621198921728.0\"", None),
            ("\"1.05012E+18\"", None),
            ("\"1,05012E+18\"", None),
            ("\"1050118621198921728\"", Some("1050118621198921728")),
            ("\"3l66.x\"", Some("3l66.x")),
        ] {
            let parsed = Json::parse(json).expect("a value");
            let mut dropped = Dropped::default();
            assert_eq!(dropped.id(Some(parsed.root()), "id").as_deref(), expected, "{json}");
            assert_eq!(dropped.is_empty(), expected.is_some(), "{json}");
        }
    }

    #[test]
    fn ids_are_printable_and_short() {
        for id in ["1", "at://did:plc:x/app.bsky.feed.post/3l", "https://social.example/@ann/1", "é", &"x".repeat(512)]
        {
            assert!(is_id(id), "{id}");
        }
        for id in ["", "a b", "a\n", "\u{7f}", &"x".repeat(513)] {
            assert!(!is_id(id), "{id}");
        }
    }
}
