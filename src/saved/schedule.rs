//! When digests are due: at full periods on the clock of a time zone.

use std::fmt;

use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::receiver::WrongField;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 60 * MINUTE_S;
const DAY_S: i64 = 24 * HOUR_S;
const WEEK_S: i64 = 7 * DAY_S;

/// A period on the clock: each hour at minute 0, each day at 09:00, each Friday.
#[derive(Clone)]
pub(super) struct Schedule {
    /// In seconds.
    period: i64,
    /// A moment on the clock at which a digest is due.
    anchor: DateTime,
    zone: TimeZone,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rules of a time zone are long.
        let Schedule { period, anchor, zone } = self;
        write!(f, "Schedule(each {period} s from {anchor} in {})", zone.iana_name().unwrap_or("UTC"))
    }
}

impl Schedule {
    /// Reads `every`, `at` and `time_zone`.
    ///
    /// # Errors
    ///
    /// The name of the field that is wrong, and what is expected.
    pub(super) fn read(every: &str, at: Option<&str>, zone: Option<&str>) -> Result<Schedule, WrongField> {
        let period = period(every).ok_or_else(|| {
            let expected = "must be 1 minute to 7 days, such as \"5m\", \"1h\", \"1d\" or \"7d\"";
            WrongField("every", expected.to_owned())
        })?;
        let zone = zone.map_or(Ok(TimeZone::UTC), |name| {
            TimeZone::get(name).map_err(|_| {
                let expected = format!("is {name:?}, expected a name such as \"Europe/Berlin\" or \"UTC\"");
                WrongField("time_zone", expected)
            })
        })?;
        // A Monday, so that weeks begin on Mondays.
        let monday = date(2001, 1, 1).at(0, 0, 0, 0);
        let after_monday = at.map_or(Ok(0), |at| {
            offset(at, period).ok_or_else(|| {
                let expected = match period {
                    WEEK_S => "must be a day and a time, such as \"fri 09:00\", or a time",
                    _ if period % DAY_S == 0 => "must be a time, such as \"09:00\"",
                    _ => "needs an `every` of whole days",
                };
                WrongField("at", expected.to_owned())
            })
        })?;
        Ok(Schedule { period, anchor: monday + SignedDuration::from_secs(after_monday), zone })
    }

    /// The first moment behind `after` at which a digest is due.
    pub(super) fn next(&self, after: Timestamp) -> Timestamp {
        let next = if self.period <= HOUR_S { self.next_by_offset(after) } else { self.next_by_clock(after) };
        // Only at the end of all times there is none.
        next.unwrap_or(Timestamp::MAX)
    }

    /// The number of periods up to a moment on the clock.
    fn periods_until(&self, clock: DateTime) -> i64 {
        clock.duration_since(self.anchor).as_secs().div_euclid(self.period)
    }

    fn boundary(&self, number: i64) -> Option<DateTime> {
        self.anchor.checked_add(SignedDuration::from_secs(number.checked_mul(self.period)?)).ok()
    }

    /// For long periods: the clock shows each moment once. A moment that daylight saving skips is
    /// due an hour later, and one that comes twice is due the first time.
    fn next_by_clock(&self, after: Timestamp) -> Option<Timestamp> {
        let mut number = self.periods_until(self.zone.to_datetime(after));
        loop {
            number += 1;
            let at = self.zone.to_ambiguous_timestamp(self.boundary(number)?).compatible().ok()?;
            if at > after {
                return Some(at);
            }
        }
    }

    /// For periods of up to an hour: the hour that comes twice has digests twice.
    fn next_by_offset(&self, after: Timestamp) -> Option<Timestamp> {
        let next = |from: Timestamp, is_included: bool| {
            let offset = self.zone.to_offset(from);
            let clock = offset.to_datetime(from);
            let number = self.periods_until(clock);
            let is_boundary = self.boundary(number)? == clock;
            let number = if is_included && is_boundary { number } else { number + 1 };
            offset.to_timestamp(self.boundary(number)?).ok()
        };
        let at = next(after, false)?;
        match self.zone.following(after).next() {
            Some(change) if change.timestamp() <= at => next(change.timestamp(), true),
            _ => Some(at),
        }
    }
}

/// The seconds of `5m`, `1h`, `1d` or `1w`.
fn period(every: &str) -> Option<i64> {
    let (number, unit) = every.split_at_checked(every.len().checked_sub(1)?)?;
    let unit = match unit {
        "m" => MINUTE_S,
        "h" => HOUR_S,
        "d" => DAY_S,
        "w" => WEEK_S,
        _ => return None,
    };
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse::<i64>().ok())??;
    let period = number.checked_mul(unit)?;
    (MINUTE_S..=WEEK_S).contains(&period).then_some(period)
}

/// The seconds from Monday 00:00 to `fri 09:00` or `09:00`.
fn offset(at: &str, period: i64) -> Option<i64> {
    let (day, time) = at.split_once(' ').map_or((None, at), |(day, time)| (Some(day), time));
    let (hour, minute) = time.split_once(':')?;
    let number = |text: &str, end: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number: &i64| is_number && *number < end)
    };
    let seconds = number(hour, 24)? * HOUR_S + number(minute, 60)? * MINUTE_S;
    let Some(day) = day else {
        return (period % DAY_S == 0).then_some(seconds);
    };
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let day = names.iter().position(|name| name.eq_ignore_ascii_case(day))?;
    (period == WEEK_S).then_some(seconds + i64::try_from(day).ok()? * DAY_S)
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;

    use super::*;

    /// The next moments behind one, as the clock of the zone shows them.
    fn next(every: &str, at: Option<&str>, zone: &str, after: &str, n: usize) -> Vec<String> {
        let schedule = Schedule::read(every, at, Some(zone)).unwrap();
        let mut from: Timestamp = after.parse().unwrap();
        let step = |_| {
            let next = schedule.next(from);
            assert!(next > from);
            from = next;
            let shown = schedule.zone.to_datetime(next);
            let offset = schedule.zone.to_offset(next);
            format!("{}{offset}", shown.strftime("%a %d %H:%M"))
        };
        (0..n).map(step).collect()
    }

    #[test]
    fn digests_are_due_at_full_periods_of_the_clock() {
        let after = "2026-11-29T10:07:30Z";
        assert_eq!(next("5m", None, "UTC", after, 2), ["Sun 29 10:10+00", "Sun 29 10:15+00"]);
        assert_eq!(next("1h", None, "Asia/Kolkata", after, 2), ["Sun 29 16:00+05:30", "Sun 29 17:00+05:30"]);
        assert_eq!(next("6h", None, "Europe/Berlin", after, 2), ["Sun 29 12:00+01", "Sun 29 18:00+01"]);
        assert_eq!(next("1d", Some("09:00"), "Europe/Berlin", after, 2), ["Mon 30 09:00+01", "Tue 01 09:00+01"]);
        assert_eq!(next("7d", None, "UTC", after, 2), ["Mon 30 00:00+00", "Mon 07 00:00+00"]);
        assert_eq!(next("1w", Some("fri 17:30"), "America/New_York", after, 2), ["Fri 04 17:30-05", "Fri 11 17:30-05"]);
        // A boundary itself is not behind it.
        assert_eq!(next("1h", None, "UTC", "2026-11-29T10:00:00Z", 1), ["Sun 29 11:00+00"]);
    }

    #[test]
    fn when_the_clock_is_set_forward_no_digest_is_lost() {
        // 2026-03-29 02:00 is 03:00 in Berlin.
        let after = "2026-03-29T00:10:00Z";
        assert_eq!(next("1h", None, "Europe/Berlin", after, 2), ["Sun 29 03:00+02", "Sun 29 04:00+02"]);
        assert_eq!(
            next("30m", None, "Europe/Berlin", after, 3),
            ["Sun 29 01:30+01", "Sun 29 03:00+02", "Sun 29 03:30+02"]
        );
        let daily = next("1d", Some("02:30"), "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
        assert_eq!(daily, ["Sat 28 02:30+01", "Sun 29 03:30+02", "Mon 30 02:30+02"]);
    }

    #[test]
    fn when_the_clock_is_set_back_an_hour_has_digests_twice_and_a_day_one() {
        // 2026-10-25 03:00 is 02:00 in Berlin.
        let after = "2026-10-25T00:00:00Z";
        assert_eq!(
            next("1h", None, "Europe/Berlin", "2026-10-24T23:30:00Z", 3),
            ["Sun 25 02:00+02", "Sun 25 02:00+01", "Sun 25 03:00+01"]
        );
        assert_eq!(
            next("30m", None, "Europe/Berlin", after, 3),
            ["Sun 25 02:30+02", "Sun 25 02:00+01", "Sun 25 02:30+01"]
        );
        assert_eq!(next("1d", Some("02:30"), "Europe/Berlin", after, 2), ["Sun 25 02:30+02", "Mon 26 02:30+01"]);
        // From within the second hour.
        assert_eq!(next("1d", Some("02:30"), "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["Mon 26 02:30+01"]);
        // Lord Howe Island's clock changes by half an hour.
        assert_eq!(
            next("1h", None, "Australia/Lord_Howe", "2026-04-04T14:10:00Z", 2),
            ["Sun 05 02:00+10:30", "Sun 05 03:00+10:30"]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |every: &str, at, zone| Schedule::read(every, at, zone).unwrap_err().0;
        for every in ["", "5", "m", "30s", "0m", "-5m", "+5m", "8d", "2w", "1.5h", "1 h", "ä", "99999999999999999999d"]
        {
            assert_eq!(wrong(every, None, None), "every", "{every}");
        }
        for zone in ["", "Berlin", "Europe/Atlantis", "CEST!", "../etc/passwd", "+25:00"] {
            assert_eq!(wrong("1d", None, Some(zone)), "time_zone", "{zone}");
        }
        for (every, at) in [
            ("1h", "09:00"),
            ("1d", "9:00"),
            ("1d", "24:00"),
            ("1d", "09:60"),
            ("1d", "fri 09:00"),
            ("7d", "freitag 09:00"),
            ("7d", "fri"),
            ("1d", "+9:00"),
        ] {
            assert_eq!(wrong(every, Some(at), None), "at", "{every} {at}");
        }
    }

    #[test]
    fn the_next_moment_is_later_than_each() {
        let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"];
        for zone in zones {
            for every in ["1m", "7m", "1h", "5h", "1d", "3d", "7d"] {
                let schedule = Schedule::read(every, None, Some(zone)).unwrap();
                for hours in (0..20_000).step_by(7) {
                    let after = Timestamp::from_second(1_300_000_000 + hours * 3_599).unwrap();
                    let next = schedule.next(after);
                    let waits = next.duration_since(after).as_secs();
                    // At most an hour longer than the period, or a day where a date was left out.
                    assert!(waits > 0 && waits <= schedule.period + DAY_S, "{zone} {every} {after} {next}");
                }
            }
        }
    }

    #[test]
    fn days_of_the_week_are_those_of_the_calendar() {
        let anchor = Schedule::read("7d", None, None).unwrap().anchor;
        assert_eq!(anchor.date().weekday(), Weekday::Monday);
    }
}
