//! Dates in queries. A date is an interval: `2024` is a year, `2024-01-31` a day,
//! `2024-01-31T10:00` a minute.

use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan};

/// The forms of a date, for error messages.
pub(super) const EXPECTED: &str = "expected a date: 2024, 2024-01, 2024-01-31, 2024-01-31T10:00:00Z, with an offset \
                                   like +01:00, or seconds or milliseconds since 1970";

/// Parses a date to its first and last millisecond. Without an offset it is in UTC. `now` is the
/// moment that moving dates (`now-7d`, `yesterday`) refer to; without it they are refused.
///
/// # Errors
///
/// The error message.
pub(super) fn interval(text: &str, now: Option<i64>) -> Result<RangeInclusive<i64>, String> {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("now") || lower.ends_with("ago") || matches!(&*lower, "today" | "yesterday") {
        return match now {
            None => Err(format!(
                "`{text}` would mean something else tomorrow: a registered query needs dates that stay the same"
            )),
            Some(now) => moving(text, now).ok_or_else(|| format!("`{text}` is no date")),
        };
    }
    if let Some((anchor, shifts)) = text.split_once("||") {
        let anchored = read(anchor).and_then(|anchor| shifted(shifts, *anchor.start()));
        return anchored.ok_or_else(|| format!("`{text}` is no date"));
    }
    read(text).ok_or_else(|| format!("`{text}` is no date"))
}

/// Parses a date as [`interval`] does, in a time zone if it has no offset.
pub(super) fn interval_in(
    text: &str,
    now: Option<i64>,
    zone: Option<&TimeZone>,
) -> Result<RangeInclusive<i64>, String> {
    let interval = interval(text, now)?;
    let Some(zone) = zone.filter(|_| is_local(text)) else { return Ok(interval) };
    let shifted = |millis: i64| {
        let local = Timestamp::from_millisecond(millis).ok()?.to_zoned(TimeZone::UTC).datetime();
        Some(local.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
    };
    match (shifted(*interval.start()), shifted(*interval.end())) {
        (Some(start), Some(end)) => Ok(start..=end),
        _ => Err(format!("`{text}` is no date in this time zone")),
    }
}

/// Whether a date says neither an offset nor a number of seconds.
fn is_local(text: &str) -> bool {
    let time = text.split_once(['T', 't', ' ', '_']).map_or("", |(_, time)| time);
    let is_number = text.len() != 4 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    let has_dashes = text.contains(['-', '/']) && !text.starts_with('-');
    (!is_number || has_dashes)
        && !time.contains(['+', '-'])
        && !time.ends_with(['Z', 'z', 'C', 'c'])
        && !text.starts_with("now")
}

/// Parses `now-7d/d` as Elasticsearch does: any number of shifts and roundings.
fn moving(text: &str, now: i64) -> Option<RangeInclusive<i64>> {
    let shifts = match text.to_ascii_lowercase().as_str() {
        "today" => "/d",
        "yesterday" => "-1d/d",
        lower if lower.starts_with("now") => text[3..].trim_start_matches("||"),
        _ => return None,
    };
    shifted(shifts, now)
}

/// Shifts and rounds a moment: `-7d/d`.
fn shifted(mut rest: &str, now: i64) -> Option<RangeInclusive<i64>> {
    let mut at = Timestamp::from_millisecond(now).ok()?.to_zoned(TimeZone::UTC).datetime();
    let mut length = 1.millisecond();
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        let digits = &rest[..rest.len() - rest.trim_start_matches(|it: char| it.is_ascii_digit()).len()];
        rest = &rest[digits.len()..];
        let unit = rest.chars().next()?;
        rest = &rest[unit.len_utf8()..];
        let count: i64 = if digits.is_empty() { 1 } else { digits.parse().ok()? };
        let step = Span::new();
        let step = match unit {
            'y' => step.try_years(count),
            'q' => step.try_months(count.checked_mul(3)?),
            'w' => step.try_weeks(count),
            'd' => step.try_days(count),
            'h' | 'H' => step.try_hours(count),
            's' => step.try_seconds(count),
            'm' => step.try_minutes(count),
            'M' => step.try_months(count),
            _ => return None,
        }
        .ok()?;
        match sign {
            '+' => at = at.checked_add(step).ok()?,
            '-' => at = at.checked_sub(step).ok()?,
            '/' if digits.is_empty() => {
                let (date, time) = (at.date(), at.time());
                at = match unit {
                    'y' => date.first_of_year().to_datetime(Time::midnight()),
                    'M' => date.first_of_month().to_datetime(Time::midnight()),
                    'w' => {
                        let days = i64::from(date.weekday().to_monday_zero_offset());
                        date.checked_sub(days.days()).ok()?.to_datetime(Time::midnight())
                    }
                    'd' => date.to_datetime(Time::midnight()),
                    'h' | 'H' => date.to_datetime(Time::new(time.hour(), 0, 0, 0).ok()?),
                    'm' => date.to_datetime(Time::new(time.hour(), time.minute(), 0, 0).ok()?),
                    's' => date.to_datetime(Time::new(time.hour(), time.minute(), time.second(), 0).ok()?),
                    _ => return None,
                };
                length = step;
            }
            _ => return None,
        }
    }
    span(at, length, Offset::UTC)
}

/// Parses digits only: `20240131`, `202401311000`, `20240131100000`, seconds or milliseconds since
/// 1970.
fn digits(text: &str) -> Option<RangeInclusive<i64>> {
    let part = |from: usize, to: usize| text.get(from..to).and_then(|it| it.parse::<i8>().ok());
    let compact = || {
        let date = Date::new(text.get(..4)?.parse().ok()?, part(4, 6)?, part(6, 8)?).ok()?;
        match text.len() {
            8 => span(date.to_datetime(Time::midnight()), 1.day(), Offset::UTC),
            12 => span(date.to_datetime(Time::new(part(8, 10)?, part(10, 12)?, 0, 0).ok()?), 1.minute(), Offset::UTC),
            14 => {
                let time = Time::new(part(8, 10)?, part(10, 12)?, part(12, 14)?, 0).ok()?;
                span(date.to_datetime(time), 1.second(), Offset::UTC)
            }
            _ => None,
        }
    };
    if matches!(text.len(), 8 | 12 | 14)
        && (text.starts_with("19") || text.starts_with("20"))
        && let Some(date) = compact()
    {
        return Some(date);
    }
    let number: i64 = text.parse().ok()?;
    if matches!(text.len(), 9..=11) && number > 0 {
        return Some(number * 1_000..=number * 1_000 + 999);
    }
    Some(number..=number)
}

fn read(text: &str) -> Option<RangeInclusive<i64>> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let is_year = text.len() == 4;
    if !is_year && !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits(text);
    }
    if let Some((seconds, fraction)) = text.split_once('.')
        && matches!(seconds.len(), 9..=11)
        && [seconds, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let at = seconds.parse::<i64>().ok()? * 1_000 + millis;
        return Some(at..=at);
    }
    // X writes 2024-01-31_10:00:00_UTC.
    let text = text.strip_suffix("_UTC").or_else(|| text.strip_suffix("_utc")).unwrap_or(text);
    let (date, time) = match text.split_once(['T', 't', ' ', '_']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split(['-', '/']);
    let year: i16 = number(parts.next()?, 4..=4)?;
    let month: Option<i8> = parts.next().map(|part| number(part, 1..=2)).map_or(Some(None), |it| it.map(Some))?;
    let day: Option<i8> = parts.next().map(|part| number(part, 1..=2)).map_or(Some(None), |it| it.map(Some))?;
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
    let hour: i8 = number(parts.next()?, 1..=2)?;
    let Some(minute) = parts.next() else {
        return span(date.to_datetime(Time::new(hour, 0, 0, 0).ok()?), 1.hour(), offset);
    };
    let minute: i8 = number(minute, 2..=2)?;
    let Some(seconds) = parts.next() else {
        return span(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?), 1.minute(), offset);
    };
    if parts.next().is_some() {
        return None;
    }
    let (second, fraction) = match seconds.split_once(['.', ',']) {
        Some((second, fraction)) => (second, Some(fraction)),
        None => (seconds, None),
    };
    let second: i8 = number(second, 2..=2)?;
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

fn number<T: std::str::FromStr>(text: &str, digits: RangeInclusive<usize>) -> Option<T> {
    (digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
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
    let seconds = number::<i32>(hours, 1..=2)? * 3_600 + number::<i32>(minutes, 2..=2).filter(|&it| it < 60)? * 60;
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
        let check = |text: &str, first: i64, last: i64| assert_eq!(interval(text, None), Ok(first..=last), "{text}");
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
        check("1706659200", 1_706_659_200_000, 1_706_659_200_999);
        check("1706659200.5", 1_706_659_200_500, 1_706_659_200_500);
        check("1706659200000", 1_706_659_200_000, 1_706_659_200_000);
        check("19700102", 86_400_000, 2 * 86_400_000 - 1);
        check("197001020001", 86_460_000, 86_519_999);
        check("19700102000001", 86_401_000, 86_401_999);
        check("1970-1-2", 86_400_000, 2 * 86_400_000 - 1);
        check("1970/01/02", 86_400_000, 2 * 86_400_000 - 1);
        check("1970-01-02_00:00:01_UTC", 86_401_000, 86_401_999);
        check("1970-01-02T01", 90_000_000, 93_599_999);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "abcd",
            "2024-13",
            "2024-02-30",
            "2024-01-01T",
            "2024-01T10:00",
            "2024-01-01T25:00",
            "99999999999999999999",
            "2024-1-1-1",
        ] {
            assert!(interval(text, None).is_err_and(|message| message.contains("is no date")), "{text}");
        }
        assert!(interval("now-7d", None).is_err_and(|message| message.contains("tomorrow")));
    }

    #[test]
    fn moving_dates_refer_to_a_moment() {
        let day = 86_400_000;
        let now = Some(10 * day + 7_205_000);
        let check = |text: &str, first: i64, last: i64| assert_eq!(interval(text, now), Ok(first..=last), "{text}");
        check("now", 10 * day + 7_205_000, 10 * day + 7_205_000);
        check("now-7d", 3 * day + 7_205_000, 3 * day + 7_205_000);
        check("now/d", 10 * day, 11 * day - 1);
        check("now-1d/d", 9 * day, 10 * day - 1);
        check("NOW-1h/h", 10 * day + 3_600_000, 10 * day + 7_199_999);
        check("now/w", 4 * day, 11 * day - 1);
        check("yesterday", 9 * day, 10 * day - 1);
        assert_eq!(interval("1970-01-05||+1M/d", None), Ok(35 * day..=36 * day - 1));
        assert!(interval("now-x", now).is_err());
        assert!(interval("nowhere", now).is_err());
    }

    #[test]
    fn shown_dates_are_read_back() {
        for millis in
            [0, 1, -1, 999, 86_400_000, 1_700_000_000_000, 253_402_300_799_999, i64::MAX, i64::MIN, -62_135_596_800_000]
        {
            assert_eq!(interval(&show(millis), None).map(|it| *it.start()), Ok(millis), "{}", show(millis));
        }
        assert_eq!(show(1_704_067_200_000), "2024-01-01");
    }
}
