//! Dates in queries. A date is an interval: `2024` is a year, `2024-01-31` a day,
//! `2024-01-31T10:00` a minute.

use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan};

/// The forms of a date, for error messages.
pub(super) const EXPECTED: &str = "expected a date: 2024, 2024-01, 2024-01-31, 2024-01-31T10:00:00Z, with an offset \
                                   like +01:00, or milliseconds since 1970";

/// Parses a date to its first and last millisecond. Without an offset it is in UTC.
///
/// # Errors
///
/// The error message.
pub(super) fn interval(text: &str) -> Result<RangeInclusive<i64>, String> {
    if text.starts_with("now") || text.ends_with("ago") || matches!(text, "today" | "yesterday") {
        return Err(format!(
            "`{text}` would mean something else tomorrow: a registered query needs dates that stay the same"
        ));
    }
    read(text).ok_or_else(|| format!("`{text}` is no date"))
}

fn read(text: &str) -> Option<RangeInclusive<i64>> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let is_year = text.len() == 4;
    if !is_year && !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let millis = text.parse().ok()?;
        return Some(millis..=millis);
    }
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year: i16 = number(parts.next()?, 4)?;
    let month: Option<i8> = parts.next().map(|part| number(part, 2)).map_or(Some(None), |it| it.map(Some))?;
    let day: Option<i8> = parts.next().map(|part| number(part, 2)).map_or(Some(None), |it| it.map(Some))?;
    if parts.next().is_some() || (time.is_some() && day.is_none()) {
        return None;
    }
    let date = Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
    let Some(time) = time else {
        let start = date.to_datetime(Time::midnight());
        let length = if day.is_some() {
            1.day()
        } else if month.is_some() {
            1.month()
        } else {
            1.year()
        };
        return span(start, length, Offset::UTC);
    };
    let (time, offset) = split_offset(time)?;
    let mut parts = time.split(':');
    let hour: i8 = number(parts.next()?, 2)?;
    let minute: i8 = number(parts.next()?, 2)?;
    let Some(seconds) = parts.next() else {
        return span(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?), 1.minute(), offset);
    };
    if parts.next().is_some() {
        return None;
    }
    let (second, fraction) = match seconds.split_once('.') {
        Some((second, fraction)) => (second, Some(fraction)),
        None => (seconds, None),
    };
    let second: i8 = number(second, 2)?;
    let Some(fraction) = fraction else {
        return span(date.to_datetime(Time::new(hour, minute, second, 0).ok()?), 1.second(), offset);
    };
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Tweets have milliseconds, so finer digits are cut off.
    let millis: i32 = format!("{fraction:0<3}")[..3].parse().ok()?;
    span(date.to_datetime(Time::new(hour, minute, second, millis * 1_000_000).ok()?), 1.millisecond(), offset)
}

fn number<T: std::str::FromStr>(text: &str, digits: usize) -> Option<T> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Splits `10:00+01:00` into the time and the offset.
fn split_offset(time: &str) -> Option<(&str, Offset)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, Offset::UTC));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, Offset::UTC)) };
    let (time, offset) = time.split_at(at);
    let negative = offset.starts_with('-');
    let (hours, minutes) = match offset[1..].split_once(':') {
        Some(both) => both,
        None if offset.len() == 5 => (&offset[1..3], &offset[3..]),
        None => (&offset[1..], "00"),
    };
    let seconds = number::<i32>(hours, 2)? * 3_600 + number::<i32>(minutes, 2).filter(|&it| it < 60)? * 60;
    Some((time, Offset::from_seconds(if negative { -seconds } else { seconds }).ok()?))
}

fn span(start: DateTime, length: Span, offset: Offset) -> Option<RangeInclusive<i64>> {
    let millis = |at: DateTime| offset.to_timestamp(at).ok().map(Timestamp::as_millisecond);
    let first = millis(start)?;
    let last = start.checked_add(length).ok().and_then(millis)? - 1;
    Some(first..=last)
}

/// The shortest date that starts at a millisecond.
pub(super) fn show(millis: i64) -> String {
    let Ok(moment) = Timestamp::from_millisecond(millis) else { return millis.to_string() };
    let at = moment.to_zoned(TimeZone::UTC).datetime();
    if !(1..=9999).contains(&at.year()) {
        return millis.to_string();
    }
    let shown = if millis.rem_euclid(86_400_000) == 0 {
        at.strftime("%Y-%m-%d").to_string()
    } else if millis.rem_euclid(1_000) == 0 {
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    } else {
        at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    };
    // The last representable date has no end, so it cannot be parsed as an interval.
    if read(&shown).is_some_and(|it| *it.start() == millis) { shown } else { millis.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_an_interval() {
        let check = |text: &str, first: i64, last: i64| assert_eq!(interval(text), Ok(first..=last), "{text}");
        check("1970", 0, 365 * 86_400_000 - 1);
        check("1970-02", 31 * 86_400_000, (31 + 28) * 86_400_000 - 1);
        check("1970-01-02", 86_400_000, 2 * 86_400_000 - 1);
        check("1970-01-01T00:01", 60_000, 119_999);
        check("1970-01-01T01:00:05Z", 3_605_000, 3_605_999);
        check("1970-01-01T01:00:05+01:00", 5_000, 5_999);
        check("1970-01-01T00:00:05-0030", 1_805_000, 1_805_999);
        check("1970-01-01T00:00:00.25", 250, 250);
        check("12345", 12_345, 12_345);
        check("-5", -5, -5);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "abcd",
            "2024-13",
            "2024-02-30",
            "2024-1",
            "2024-01-01T",
            "2024-01T10:00",
            "2024-01-01T25:00",
            "99999999999999999999",
        ] {
            assert!(interval(text).is_err_and(|message| message.contains("is no date")), "{text}");
        }
        assert!(interval("now-7d").is_err_and(|message| message.contains("tomorrow")));
    }

    #[test]
    fn shown_dates_are_read_back() {
        for millis in
            [0, 1, -1, 999, 86_400_000, 1_700_000_000_000, 253_402_300_799_999, i64::MAX, i64::MIN, -62_135_596_800_000]
        {
            assert_eq!(interval(&show(millis)).map(|it| *it.start()), Ok(millis), "{}", show(millis));
        }
        assert_eq!(show(1_704_067_200_000), "2024-01-01");
    }
}
