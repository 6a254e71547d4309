//! Dates in Twitter's format (`Tue Dec 23 00:59:25 +0000 2014`) and in RFC 3339.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Parses a date to seconds since 1970. `None` for other texts, and for dates BC, which Twitter's
/// format can't express.
pub(super) fn parse(text: &str) -> Option<i64> {
    let seconds =
        parse_twitter(text.as_bytes()).or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::as_second))?;
    within_form(seconds)
}

/// Seconds since 1970 of milliseconds since 1970, if Twitter's format can express the date.
pub(super) fn of_millis(millis: i64) -> Option<i64> {
    within_form(millis.div_euclid(1_000))
}

fn within_form(seconds: i64) -> Option<i64> {
    let date = Offset::UTC.to_datetime(Timestamp::from_second(seconds).ok()?);
    (date.year() >= 0).then_some(seconds)
}

fn parse_twitter(text: &[u8]) -> Option<i64> {
    let [
        _,
        _,
        _,
        b' ',
        m0,
        m1,
        m2,
        b' ',
        day @ ..,
        b' ',
        h0,
        h1,
        b':',
        min0,
        min1,
        b':',
        s0,
        s1,
        b' ',
        sign,
        oh0,
        oh1,
        om0,
        om1,
        b' ',
        y0,
        y1,
        y2,
        y3,
    ] = text
    else {
        return None;
    };
    let month = MONTHS.iter().position(|month| month.as_bytes() == [*m0, *m1, *m2])?;
    let day = match day {
        [d0, d1] => number(&[*d0, *d1])?,
        [d] => number(&[*d])?,
        _ => return None,
    };
    let date =
        Date::new(number(&[*y0, *y1, *y2, *y3])?, i8::try_from(month).ok()? + 1, i8::try_from(day).ok()?).ok()?;
    let small = |digits: &[u8]| i8::try_from(number(digits)?).ok();
    // A leap second counts as the second before it.
    let second = small(&[*s0, *s1])?;
    let second = if second == 60 { 59 } else { second };
    let time = jiff::civil::Time::new(small(&[*h0, *h1])?, small(&[*min0, *min1])?, second, 0).ok()?;
    let utc = Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?.as_second();
    let offset = i64::from(number(&[*oh0, *oh1])?) * 3_600 + i64::from(number(&[*om0, *om1])?) * 60;
    match sign {
        b'+' => Some(utc - offset),
        b'-' => Some(utc + offset),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0_i16, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0')))
}

/// The date in Twitter's format.
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
