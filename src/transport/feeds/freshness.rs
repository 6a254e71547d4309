//! `ETag` and `Last-Modified` of feeds, and what conditional requests expect (RFC 9110).
//!
//! A page changes with its tweets, which perch reads anyway: the `ETag` is a hash of their ids and
//! seqs. No time follows from them: when the newest tweet is deleted, the newest time of the others
//! is earlier. So perch remembers when it first saw a page as it is. A page that perch does not
//! know, as after a restart, counts as changed now. The time never goes back.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::{self, DateTimePrinter};
use lru::LruCache;
use uuid::Uuid;

/// How many pages perch remembers: some 100 bytes each.
const MAX_PAGES: NonZeroUsize = NonZeroUsize::new(16_384).expect("it is not zero");

/// A page as perch saw it last.
#[derive(Clone, Copy, Debug)]
struct Seen {
    version: Uuid,
    /// In seconds since 1970.
    changed_s: i64,
    /// Whether it changed twice within that second, so that its date does not tell which version a
    /// client has.
    is_ambiguous: bool,
}

/// When pages changed.
#[derive(Debug)]
pub(super) struct ChangeTimes(Mutex<LruCache<Uuid, Seen>>);

/// The version of a page, and when it changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freshness {
    version: Uuid,
    changed_s: i64,
    is_ambiguous: bool,
}

impl ChangeTimes {
    pub(super) fn new() -> ChangeTimes {
        ChangeTimes(Mutex::new(LruCache::new(MAX_PAGES)))
    }

    /// Notes that a page has this version now.
    pub(super) fn note(&self, page: Uuid, version: Uuid, now: Timestamp) -> Freshness {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now_s = now.as_second();
        let seen = match pages.get(&page).copied() {
            None => Seen { version, changed_s: now_s, is_ambiguous: false },
            Some(seen) if seen.version != version => {
                Seen { version, changed_s: now_s.max(seen.changed_s), is_ambiguous: now_s <= seen.changed_s }
            }
            // The second is over: another date says that this is the last of its versions.
            Some(seen) if seen.is_ambiguous && now_s > seen.changed_s => {
                Seen { changed_s: now_s, is_ambiguous: false, ..seen }
            }
            Some(seen) => seen,
        };
        pages.put(page, seen);
        let Seen { version, changed_s, is_ambiguous } = seen;
        Freshness { version, changed_s, is_ambiguous }
    }
}

impl Freshness {
    /// When the page changed.
    pub(super) fn changed(&self) -> Timestamp {
        Timestamp::from_second(self.changed_s).unwrap_or_default()
    }

    /// Weak, because the document also says when it changed.
    fn etag(&self) -> String {
        format!("W/\"{}\"", self.version.simple())
    }

    /// Adds `ETag` and `Last-Modified`.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        if let Ok(etag) = HeaderValue::from_str(&self.etag()) {
            headers.insert(header::ETAG, etag);
        }
        let changed = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.changed());
        if let Some(changed) = changed.ok().and_then(|changed| HeaderValue::from_str(&changed).ok()) {
            headers.insert(header::LAST_MODIFIED, changed);
        }
    }

    /// Whether a client with these conditions has this version.
    pub(super) fn is_known(&self, conditions: &HeaderMap) -> bool {
        let mut tags = conditions.get_all(header::IF_NONE_MATCH).iter().peekable();
        if tags.peek().is_some() {
            let etag = self.etag();
            let etag = etag.trim_start_matches("W/");
            let mut tags = tags.filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(','));
            return tags.any(|tag| matches!(tag.trim(), "*") || tag.trim().trim_start_matches("W/") == etag);
        }
        let since = conditions.get(header::IF_MODIFIED_SINCE).and_then(|since| since.to_str().ok());
        let since = since.and_then(|since| rfc2822::parse(since.trim()).ok());
        since.is_some_and(|since| !self.is_ambiguous && since.timestamp().as_second() >= self.changed_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("a time")
    }

    fn version(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn conditions(freshness: &Freshness) -> [HeaderMap; 2] {
        let mut sent = HeaderMap::new();
        freshness.add_to(&mut sent);
        let one = |name, value: &HeaderValue| HeaderMap::from_iter([(name, value.clone())]);
        [one(header::IF_NONE_MATCH, &sent[header::ETAG]), one(header::IF_MODIFIED_SINCE, &sent[header::LAST_MODIFIED])]
    }

    #[test]
    fn a_client_gets_what_changed_and_nothing_else() {
        let times = ChangeTimes::new();
        let first = times.note(version(0), version(1), at(0));
        let known = conditions(&first);
        assert_eq!(known[1][header::IF_MODIFIED_SINCE], "Tue, 14 Nov 2023 22:13:20 GMT");
        let same = times.note(version(0), version(1), at(5));
        assert!(known.iter().all(|known| same.is_known(known)));
        let changed = times.note(version(0), version(2), at(9));
        assert!(!known.iter().any(|known| changed.is_known(known)));
        // An older version again is a change too, and other pages are others.
        assert_eq!(times.note(version(0), version(1), at(12)).changed(), at(12));
        assert_eq!(times.note(version(7), version(1), at(12)).changed(), at(12));
        let any = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("\"x\", *"))]);
        assert!(changed.is_known(&any));
    }

    #[test]
    fn two_changes_in_one_second_are_two() {
        let times = ChangeTimes::new();
        let [by_tag, by_date] = conditions(&times.note(version(0), version(1), at(0)));
        let second = times.note(version(0), version(2), at(0));
        assert!(!second.is_known(&by_tag) && !second.is_known(&by_date));
        let settled = times.note(version(0), version(2), at(1));
        assert!(!settled.is_known(&by_date));
        assert_eq!(settled.changed(), at(1));
        let [_, by_date] = conditions(&settled);
        assert!(times.note(version(0), version(2), at(2)).is_known(&by_date));
    }

    #[test]
    fn no_clock_that_goes_back_takes_the_time_back() {
        let times = ChangeTimes::new();
        times.note(version(0), version(1), at(10));
        assert_eq!(times.note(version(0), version(2), at(3)).changed(), at(10));
    }
}
