//! Dates as the networks, their archives and the tools of collectors write them.
//!
//! | form | example |
//! |---|---|
//! | Twitter v1.1 | `Tue Dec 23 00:59:25 +0000 2014`, `Tue Dec 23 00:59:25 PST 2014`, `Tue Dec 23 00:59:25 2014` |
//! | RFC 3339 and its relatives | `2014-12-23T00:59:25.123Z`, `2014-12-23 00:59:25 +01:00`, `2014-12-23 00:59:25 UTC` |
//! | RFC 2822 | `Tue, 23 Dec 2014 00:59:25 +0000` |
//! | with points | `23.12.2014 00:59:25` |
//! | compact | `20141223005925` |
//! | seconds, milliseconds or microseconds since 1970 | `1419296365`, `1419296365123` |
//!
//! A date without a zone is in UTC. `10/11/2014` could be in October or November, and is no date.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Parses a date to milliseconds since 1970. `None` for other texts, and for dates BC, which
/// Twitter's form can't express.
pub(super) fn parse(text: &str) -> Option<i64> {
    let millis = parse_twitter(text.as_bytes())
        .or_else(|| parse_iso(text))
        .or_else(|| parse_rfc2822(text))
        .or_else(|| parse_points(text))
        .or_else(|| if is_compact(text) { parse_compact(text) } else { parse_epoch(text) })?;
    within_form(millis)
}

fn within_form(millis: i64) -> Option<i64> {
    let date = Offset::UTC.to_datetime(Timestamp::from_millisecond(millis).ok()?);
    (date.year() >= 0).then_some(millis)
}

/// The fields of a date, in the order of their size.
#[derive(Default)]
struct Fields {
    date: [i16; 3],
    time: [i16; 3],
    millis: i16,
    /// East of Greenwich.
    offset_s: i64,
}

impl Fields {
    fn millis(&self) -> Option<i64> {
        let small = |number: i16| i8::try_from(number).ok();
        let [year, month, day] = self.date;
        let [hour, minute, second] = self.time;
        // A leap second counts as the second before it.
        let second = if second == 60 { 59 } else { second };
        let date = Date::new(year, small(month)?, small(day)?).ok()?;
        let time = Time::new(small(hour)?, small(minute)?, small(second)?, i32::from(self.millis) * 1_000_000).ok()?;
        let utc = Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?.as_millisecond();
        Some(utc - self.offset_s * 1_000)
    }
}

fn parse_twitter(text: &[u8]) -> Option<i64> {
    // `Tue Dec 23 00:59:25 +0000 2014`; the day may have one digit.
    let [_, _, _, b' ', m0, m1, m2, b' ', rest @ ..] = text else { return None };
    let month = month(&[*m0, *m1, *m2])?;
    let (day, rest) = match rest {
        [d0, d1, b' ', rest @ ..] => (number(&[*d0, *d1])?, rest),
        [d, b' ', rest @ ..] => (number(&[*d])?, rest),
        _ => return None,
    };
    let [h0, h1, b':', i0, i1, b':', s0, s1, b' ', zone @ .., y0, y1, y2, y3] = rest else { return None };
    let fields = Fields {
        date: [number(&[*y0, *y1, *y2, *y3])?, month, day],
        time: [number(&[*h0, *h1])?, number(&[*i0, *i1])?, number(&[*s0, *s1])?],
        millis: 0,
        offset_s: offset(std::str::from_utf8(zone).ok()?.trim_end())?,
    };
    fields.millis()
}

/// `23.12.2014 00:59:25`: with points the day comes first.
fn parse_points(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = text.split_once([' ', ',']).unwrap_or((text, ""));
    let mut parts = date.split('.').map(|part| number(part.as_bytes()));
    let (day, month, year) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || year < 1_000 {
        return None;
    }
    let mut fields = Fields { date: [year, month, day], ..Fields::default() };
    if !rest.trim().is_empty() {
        (fields.time, fields.millis, fields.offset_s) = time_and_zone(rest.trim())?;
    }
    fields.millis()
}

/// Whether a text is a date without separators. As milliseconds it would be in the year 2500.
fn is_compact(text: &str) -> bool {
    let text = text.trim();
    text.len() == 14 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `20141223005925`.
fn parse_compact(text: &str) -> Option<i64> {
    let part = |from: usize, to: usize| number(&text.trim().as_bytes()[from..to]);
    let fields = Fields {
        date: [part(0, 4)?, part(4, 6)?, part(6, 8)?],
        time: [part(8, 10)?, part(10, 12)?, part(12, 14)?],
        ..Fields::default()
    };
    fields.millis()
}

fn parse_iso(text: &str) -> Option<i64> {
    let (date, rest) = text.trim().split_at_checked(10)?;
    let [y0, y1, y2, y3, b'-' | b'/', m0, m1, b'-' | b'/', d0, d1] = date.as_bytes() else { return None };
    let mut fields = Fields {
        date: [number(&[*y0, *y1, *y2, *y3])?, number(&[*m0, *m1])?, number(&[*d0, *d1])?],
        ..Fields::default()
    };
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return if rest.is_empty() { fields.millis() } else { None };
    };
    (fields.time, fields.millis, fields.offset_s) = time_and_zone(rest)?;
    fields.millis()
}

fn parse_rfc2822(text: &str) -> Option<i64> {
    // `Tue, 23 Dec 2014 00:59:25 +0000`, with or without the day of the week.
    let text = text.trim();
    let text = text.split_once(", ").map_or(text, |(_, rest)| rest);
    let mut parts = text.splitn(4, ' ');
    let (day, name, year) = (parts.next()?, parts.next()?, parts.next()?);
    let date = [number(year.as_bytes()).filter(|_| year.len() == 4)?, month(name.as_bytes())?, number(day.as_bytes())?];
    let (time, millis, offset_s) = time_and_zone(parts.next()?)?;
    Fields { date, time, millis, offset_s }.millis()
}

/// Seconds, milliseconds or microseconds, told apart by their size: seconds up to the year 5138.
fn parse_epoch(text: &str) -> Option<i64> {
    let number: f64 = text.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
    let millis = match number.abs() {
        seconds if seconds < 1e11 => number * 1e3,
        millis if millis < 1e14 => number,
        micros if micros < 1e17 => number / 1e3,
        nanos if nanos < 1e20 => number / 1e6,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "it is below 1e15")]
    let millis = millis.floor() as i64;
    // A small number is a count or a year.
    (number >= 1e8).then_some(millis)
}

/// `00:59:25.123 +01:00` and its relatives: the time, its milliseconds, and the zone in seconds.
fn time_and_zone(text: &str) -> Option<([i16; 3], i16, i64)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.' | ',')).unwrap_or(text.len());
    let (time, zone) = text.split_at(end);
    let (time, fraction) = time.split_once(['.', ',']).unwrap_or((time, ""));
    let mut parts = time.split(':').map(|part| number(part.as_bytes()).filter(|_| part.len() <= 2));
    let time = [parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?];
    if parts.next().is_some() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis = fraction.bytes().chain(*b"000").take(3).fold(0, |millis, digit| millis * 10 + i16::from(digit - b'0'));
    Some((time, millis, offset(zone.trim())?))
}

/// Seconds east of Greenwich: `Z`, `UTC`, `+0130`, `-01:30`, `+01`, or nothing for UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z" | "z" | "UTC" | "GMT" | "UT") {
        return Some(0);
    }
    if let Some((_, hours)) = ZONES.iter().find(|(name, _)| *name == zone) {
        return Some(hours * 3_600);
    }
    let zone = zone.strip_prefix("UTC").or_else(|| zone.strip_prefix("GMT")).unwrap_or(zone);
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.as_bytes() {
        [h0, h1, b':', m0, m1] | [h0, h1, m0, m1] => (number(&[*h0, *h1])?, number(&[*m0, *m1])?),
        [h0, h1] => (number(&[*h0, *h1])?, 0),
        _ => return None,
    };
    Some(sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

/// Names of zones that tools write, in hours east of Greenwich. The American ones are those of RFC
/// 2822.
const ZONES: [(&str, i64); 16] = [
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("WET", 0),
    ("WEST", 1),
    ("CET", 1),
    ("CEST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("MSK", 3),
    ("JST", 9),
];

fn month(name: &[u8]) -> Option<i16> {
    let name = name.get(..3)?;
    let at = MONTHS.iter().position(|month| month.as_bytes().eq_ignore_ascii_case(name))?;
    i16::try_from(at + 1).ok()
}

fn number(digits: &[u8]) -> Option<i16> {
    let short = !digits.is_empty() && digits.len() <= 4;
    let digits = if short { digits } else { return None };
    digits.iter().try_fold(0_i16, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0')))
}

/// A time, in seconds since 1970, in Twitter's form.
pub(super) fn format(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or_default();
    let at = Offset::UTC.to_datetime(at);
    format!(
        "{} {} {:02} {:02}:{:02}:{:02} +0000 {:04}",
        DAYS[usize::from(at.weekday().to_monday_zero_offset().unsigned_abs())],
        MONTHS[usize::from(at.month().unsigned_abs()) - 1],
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.year(),
    )
}
