//! `range`, with the formats and time zones of Elasticsearch.

use jiff::tz::{Offset, TimeZone};
use serde_json::Value;

use super::settings::{Path, Settings, settings};
use super::term_level::one_field;
use super::{JsonParser, Kind, LeafError, Parsed, RangeBound};

const SETTINGS: &[&str] =
    &["gte", "gt", "lte", "lt", "from", "to", "include_lower", "include_upper", "format", "time_zone"];

impl JsonParser<'_> {
    pub(super) fn range(&mut self, value: &Value, at: &Path) -> Parsed {
        let (name, value) = one_field(value, at)?;
        let at = at.key(name);
        let field = at.built(self.field(name))?;
        let of = settings(value, &at, SETTINGS)?;
        let is_date = self.builder.schema.field(field).kind == Kind::Date;
        let format = of.text("format")?.filter(|_| is_date);
        let bound = |open: &str, closed: &str, both: &str, include: &str| -> Parsed<Option<(String, bool)>> {
            let given: Vec<&str> = [open, closed, both].into_iter().filter(|key| of.get(key).is_some()).collect();
            let key = match given.as_slice() {
                [] => return Ok(None),
                [key] => *key,
                [first, second, ..] => {
                    let message = format!("`{first}` and `{second}` are given both");
                    return of.at.key(second).fail(LeafError::new(message));
                }
            };
            let Some((at, value)) = of.get(key).filter(|(_, value)| !value.is_null()) else { return Ok(None) };
            let included = if key == both { flag(&of, include)? } else { key == closed };
            let text = at.text(value)?;
            let text = match &format {
                Some(format) => read_format(&text, format, &at)?,
                None => text,
            };
            Ok(Some((text, included)))
        };
        let lower = bound("gt", "gte", "from", "include_lower")?;
        let upper = bound("lt", "lte", "to", "include_upper")?;
        self.time_zone(&of)?;
        let lower = lower.as_ref().map(|(text, included)| RangeBound { text, included: *included });
        let upper = upper.as_ref().map(|(text, included)| RangeBound { text, included: *included });
        let built = self.builder.range(field, lower, upper);
        self.builder.time_zone = None;
        at.built(built)
    }

    /// Applies the setting `time_zone` to the dates that follow.
    pub(super) fn time_zone(&mut self, of: &Settings) -> Parsed<()> {
        self.builder.time_zone = match of.text("time_zone")? {
            None => None,
            Some(name) => {
                let Some(zone) = time_zone(&name) else {
                    let problem = LeafError::new(format!("`{name}` is no time zone"));
                    return of.at.key("time_zone").fail(problem.expected("expected as +01:00 or Europe/Berlin"));
                };
                Some(zone)
            }
        };
        Ok(())
    }
}

fn flag(of: &Settings, key: &str) -> Parsed<bool> {
    match of.get(key) {
        None => Ok(true),
        Some((at, value)) => match value.as_bool() {
            Some(flag) => Ok(flag),
            None => at.wants(value, "true or false"),
        },
    }
}

fn time_zone(name: &str) -> Option<TimeZone> {
    if matches!(name, "Z" | "z" | "UTC" | "GMT") {
        return Some(TimeZone::UTC);
    }
    let Some(offset) = name.strip_prefix(['+', '-']) else { return TimeZone::get(name).ok() };
    let (hours, minutes) = match offset.split_once(':') {
        Some(both) => both,
        None if offset.len() == 4 => offset.split_at(2),
        None => (offset, "0"),
    };
    let seconds = hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60;
    let seconds = if name.starts_with('-') { -seconds } else { seconds };
    Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
}

/// A date in one of the formats, separated by `||`, as perch writes dates. What perch reads anyway
/// stays as it is.
fn read_format(text: &str, formats: &str, at: &Path) -> Parsed<String> {
    if text.starts_with("now") {
        return Ok(text.to_owned());
    }
    // The patterns are read first: the others accept more.
    let mut named = None;
    for format in formats.split("||") {
        let name = format.trim_start_matches("strict_");
        match name {
            "epoch_second" if text.parse::<f64>().is_ok() => return Ok(in_milliseconds(text)),
            "epoch_millis" if text.parse::<i64>().is_ok() => {
                return Ok(text.to_owned());
            }
            "epoch_second" | "epoch_millis" => {}
            name if name.chars().all(|char| char.is_ascii_lowercase() || char == '_') && name.len() > 4 => {
                named = Some(text.to_owned());
            }
            pattern => {
                if let Some(date) = read_pattern(text, pattern) {
                    return Ok(date);
                }
            }
        }
    }
    match named {
        Some(text) => Ok(text),
        None => at.fail(LeafError::new(format!("`{text}` is no date in the format `{formats}`"))),
    }
}

/// Seconds since 1970 as a date, to which the length of the number does not matter.
fn in_milliseconds(text: &str) -> String {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let second = jiff::Timestamp::from_second(seconds.parse().unwrap_or(0)).unwrap_or_default();
    let date = second.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    if fraction.is_empty() { format!("{date}Z") } else { format!("{date}.{fraction}Z") }
}

/// A date in a pattern of Java, such as `dd/MM/yyyy HH:mm:ss`, in ISO form.
fn read_pattern(text: &str, pattern: &str) -> Option<String> {
    let mut parts = [(None, 'y'), (None, 'M'), (None, 'd'), (None, 'H'), (None, 'm'), (None, 's'), (None, 'S')];
    let mut rest = text;
    let mut letters = pattern.chars().peekable();
    let mut zone = String::new();
    while let Some(letter) = letters.next() {
        let mut count = 1;
        while letters.peek() == Some(&letter) && letter.is_ascii_alphabetic() {
            letters.next();
            count += 1;
        }
        let letter = if letter == 'u' { 'y' } else { letter };
        if letter == '\'' {
            continue;
        }
        if matches!(letter, 'Z' | 'X') {
            std::mem::take(&mut rest).clone_into(&mut zone);
            continue;
        }
        let slot = parts.iter_mut().find(|(_, of)| *of == letter);
        match slot {
            Some((value, _)) => {
                let width = if count == 1 { 2 } else { count };
                let digits = rest.bytes().take(width).take_while(u8::is_ascii_digit).count();
                if digits == 0 || (count > 1 && digits < count) {
                    return None;
                }
                *value = Some(&rest[..digits]);
                rest = &rest[digits..];
            }
            None if letter == 'T' || !letter.is_ascii_alphabetic() => rest = rest.strip_prefix(letter)?,
            None => return None,
        }
    }
    if !rest.is_empty() {
        return None;
    }
    let [year, month, day, hour, minute, second, fraction] = parts.map(|(value, _)| value);
    let mut date = year?.to_owned();
    for (value, sign) in [(month, '-'), (day, '-'), (hour, 'T'), (minute, ':'), (second, ':'), (fraction, '.')] {
        let Some(value) = value else { break };
        date.push(sign);
        if value.len() < 2 && sign != '.' {
            date.push('0');
        }
        date.push_str(value);
    }
    Some(date + &zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read() {
        let check = |text: &str, pattern: &str, expected: Option<&str>| {
            assert_eq!(read_pattern(text, pattern).as_deref(), expected, "{text} as {pattern}");
        };
        check("31/01/2024", "dd/MM/yyyy", Some("2024-01-31"));
        check("1.2.2024", "d.M.uuuu", Some("2024-02-01"));
        check("2024-01-31 10:20:30", "yyyy-MM-dd HH:mm:ss", Some("2024-01-31T10:20:30"));
        check("2024-01-31T10:20:30.250+01:00", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", Some("2024-01-31T10:20:30.250+01:00"));
        check("2024", "yyyy", Some("2024"));
        check("2024-01-31", "dd/MM/yyyy", None);
        check("31/01/2024 more", "dd/MM/yyyy", None);
    }
}
