//! Decides which tweets are deleted for their age, or because the index is too large.
//!
//! Tweets are deleted in the order of arrival, so that everything from one seq on remains:
//! [`RetentionState::first_seq`]. It is stored with each commit, together with marks of when seqs
//! arrived, and so takes effect in the same moment in which the tweets are gone.
//!
//! This module deletes nothing. [`RetentionClock`] alone reads the time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::Seq;

mod clock;

use clock::millis;
#[cfg(test)]
pub(super) use clock::tests::FakeTime;
pub(super) use clock::{RetentionClock, StoredClock, SystemTimeSource, TimeSource};

/// Marks per retention age: tweets are deleted late by at most this fraction of the age.
const MARKS: u32 = 256;

/// Share of the size limit that remains after a deletion for size, in percent. The margin keeps the
/// next commit from deleting again.
const LEFT_PERCENT: u64 = 80;

/// What to keep; by default everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Delete tweets that arrived longer ago.
    pub age: Option<Duration>,
    /// Delete the oldest tweets while the segments are larger, in bytes.
    pub size_bytes: Option<u64>,
}

impl Retention {
    /// The interval of checks when no tweets arrive.
    pub(super) fn interval(&self) -> Option<Duration> {
        let age = self.age.map(|age| (age / MARKS).clamp(Duration::from_millis(1), Duration::from_secs(60)));
        age.or(self.size_bytes.map(|_| Duration::from_secs(60)))
    }
}

/// What is kept; stored with every commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RetentionState {
    /// The lowest seq that is kept.
    #[serde(default)]
    first_seq: u64,
    /// Ascending seqs, each with a time of [`RetentionClock`] at which all tweets up to it had
    /// arrived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    marks: Vec<(u64, u64)>,
}

/// Why tweets are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The age of the youngest deleted tweet.
    Age(Duration),
    /// The size of the segments, in bytes, above the limit.
    Size(u64),
}

/// The documents of a segment, and its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The lowest and the highest seq.
    pub(super) seqs: (Seq, Seq),
    /// Documents that are not deleted.
    pub(super) alive: u64,
    /// Documents on disk.
    pub(super) all: u64,
    /// Size on disk, in bytes.
    pub(super) bytes: u64,
}

impl Part {
    /// Whether rewriting the segment is worth the space of its deleted documents.
    pub(super) fn is_wasteful(&self) -> bool {
        is_wasteful(self.all - self.alive, self.all)
    }

    /// The size without deleted documents, if all documents have the same size.
    fn kept_bytes(&self) -> u64 {
        share(self.bytes, self.alive, self.all)
    }
}

/// Whether to rewrite a segment with this many deleted documents of all when space is short.
pub(super) fn is_wasteful(deleted: u64, all: u64) -> bool {
    deleted > all / 10
}

/// `number * part / all`; 0 when `all` is 0.
fn share(number: u64, part: u64, all: u64) -> u64 {
    let product = u128::from(number) * u128::from(part);
    product.checked_div(u128::from(all)).and_then(|share| u64::try_from(share).ok()).unwrap_or(0)
}

impl RetentionState {
    pub(super) fn first_seq(&self) -> Seq {
        Seq(self.first_seq)
    }

    /// Whether the arrival of any tweet is known.
    pub(super) fn is_marked(&self) -> bool {
        !self.marks.is_empty()
    }

    /// The arrival of the newest tweet.
    pub(super) fn newest_arrival_ms(&self) -> Option<u64> {
        self.marks.last().map(|&(_, at)| at)
    }

    /// Corrects the arrival of the tweets up to a seq: they are older by this time in milliseconds.
    pub(super) fn age(&mut self, last: Seq, ms: i64) {
        let before = self.marks.partition_point(|&(seq, _)| seq <= last.0);
        self.marks[..before].iter_mut().for_each(|(_, at)| *at = at.saturating_add_signed(-ms));
    }

    /// Records that all tweets up to `last` have arrived by now.
    pub(super) fn mark(&mut self, retention: &Retention, last: Seq, now_ms: u64) {
        let Some(age) = retention.age else {
            self.marks.clear();
            return;
        };
        let step_ms = millis(age / MARKS);
        // The newest mark advances until it is far enough from the one before.
        if let [.., (_, before), newest] = &mut *self.marks
            && now_ms.saturating_sub(*before) <= step_ms
        {
            *newest = (newest.0.max(last.0), now_ms);
        } else if self.marks.last().is_none_or(|&(seq, _)| seq < last.0) {
            self.marks.push((last.0, now_ms));
        }
    }

    /// Advances the first seq past the tweets that are too old or too many. Returns the reason when
    /// there are any.
    pub(super) fn cut(&mut self, retention: &Retention, now_ms: u64, parts: &[Part]) -> Option<Reason> {
        let before = self.first_seq;
        let mut reason = None;
        if let Some(age) = retention.age {
            let too_old = self.marks.partition_point(|&(_, at)| at.saturating_add(millis(age)) <= now_ms);
            if let Some((seq, at)) = self.marks.drain(..too_old).next_back()
                && seq >= self.first_seq
            {
                self.first_seq = seq + 1;
                reason = Some(Reason::Age(Duration::from_millis(now_ms.saturating_sub(at))));
            }
        }
        let bytes = least_bytes(parts);
        if let Some(limit) = retention.size_bytes.filter(|&limit| bytes > limit) {
            let first = cut_to(limit, before, parts);
            if first > self.first_seq {
                self.first_seq = first;
                reason = Some(Reason::Size(bytes));
            }
        }
        reason
    }
}

/// The size of the segments once the wasteful ones are rewritten. Space that rewriting frees needs
/// no deletion.
pub(super) fn least_bytes(parts: &[Part]) -> u64 {
    parts.iter().map(|part| if part.is_wasteful() { part.kept_bytes() } else { part.bytes }).sum()
}

/// The first seq to keep so that the rest takes no more than its share of `limit`. Assumes that the
/// tweets of a segment are evenly spread over its seqs from `first_seq` on.
fn cut_to(limit: u64, first_seq: u64, parts: &[Part]) -> u64 {
    let kept: u64 = parts.iter().map(Part::kept_bytes).sum();
    let surplus = kept.saturating_sub(share(limit, LEFT_PERCENT, 100));
    if surplus == 0 {
        return 0;
    }
    let before = |seq: u64| -> u64 {
        let of_part = |part: &Part| {
            let end = part.seqs.1.0 + 1;
            let first = part.seqs.0.0.max(first_seq).min(part.seqs.1.0);
            share(part.kept_bytes(), seq.clamp(first, end) - first, end - first)
        };
        parts.iter().map(of_part).sum()
    };
    // Binary search for the lowest seq that frees enough.
    let (mut low, mut high) = (first_seq, Seq::MAX.0);
    while low < high {
        let middle = low.midpoint(high);
        if before(middle) < surplus {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn part(first: u64, last: u64, alive: u64, all: u64, bytes: u64) -> Part {
        Part { seqs: (Seq(first), Seq(last)), alive, all, bytes }
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_younger() {
        let retention = Retention { age: Some(Duration::from_secs(256)), size_bytes: None };
        let mut retained = RetentionState::default();
        for second in 0..2_000_u64 {
            let now_ms = second * 1_000;
            retained.mark(&retention, Seq((second + 1) * 10), now_ms);
            retained.cut(&retention, now_ms, &[]);
            // At second s, seqs 10 s + 1 to 10 s + 10 arrive.
            let oldest_age = second - retained.first_seq.saturating_sub(1) / 10;
            assert!(oldest_age <= 258, "{oldest_age} s at {second} s");
            assert!(second < 256 || oldest_age >= 255, "{oldest_age} s at {second} s");
            assert!(retained.marks.len() <= 260, "{}", retained.marks.len());
        }
    }

    #[test]
    fn marks_are_few_however_often_commits_come() {
        let retention = Retention { age: Some(Duration::from_secs(256)), size_bytes: None };
        let mut retained = RetentionState::default();
        for tenth in 0..20_000 {
            retained.mark(&retention, Seq(tenth + 1), tenth * 100);
            retained.cut(&retention, tenth * 100, &[]);
        }
        assert!(retained.marks.len() <= 260, "{}", retained.marks.len());
        assert!((17_400..=17_450).contains(&retained.first_seq), "{}", retained.first_seq);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let retention = Retention { age: None, size_bytes: Some(1_000) };
        let mut retained = RetentionState::default();
        let sized = |bytes| [part(1, 100, 100, 100, bytes), part(101, 200, 100, 100, bytes)];
        assert_eq!(retained.cut(&retention, 0, &sized(500)), None, "just as large as it may be");
        assert_eq!(retained.cut(&retention, 0, &sized(800)), Some(Reason::Size(1_600)));
        assert_eq!(retained.first_seq(), Seq(101), "100 tweets take 800 bytes");
        // Until the files are smaller they take what they took, and nothing more goes.
        let parts = [part(1, 100, 0, 100, 800), part(101, 200, 100, 100, 800)];
        assert_eq!(retained.cut(&retention, 0, &parts), None);
    }

    #[test]
    fn what_writing_a_segment_again_gives_back_is_not_deleted_elsewhere() {
        let retention = Retention { age: None, size_bytes: Some(1_600) };
        let mut retained = RetentionState { first_seq: 51, ..RetentionState::default() };
        let parts = [part(1, 100, 50, 100, 1_000), part(101, 200, 100, 100, 1_000)];
        assert_eq!(retained.cut(&retention, 0, &parts), None, "1500 bytes are left");
        // New ones come: 1280 bytes of 1800 may stay, and the 50 of the first segment are all
        // behind what was deleted before.
        let parts = [parts[0], parts[1], part(201, 230, 30, 30, 300)];
        assert_eq!(retained.cut(&retention, 0, &parts), Some(Reason::Size(1_800)));
        assert_eq!(retained.first_seq(), Seq(103));
    }

    proptest! {
        #[test]
        fn what_is_left_is_the_share_of_the_limit(
            parts in vec((1_u64..2_000, 1_u64..1_000_000), 1..20),
            limit in 1_000_u64..5_000_000,
            before in 0_u64..10_000,
        ) {
            let mut next = 1;
            let parts: Vec<Part> = (parts.into_iter())
                .map(|(all, bytes)| {
                    let first = next;
                    next += all;
                    let alive = next.saturating_sub(before.max(first));
                    part(first, next - 1, alive, all, bytes)
                })
                .collect();
            let left = |first_seq: u64| -> u64 {
                let of = |part: &Part| (part.seqs.1.0 + 1).saturating_sub(first_seq.max(part.seqs.0.0));
                parts.iter().map(|part| share(part.bytes, of(part), part.all)).sum()
            };
            let mut retained = RetentionState { first_seq: before, ..RetentionState::default() };
            let retention = Retention { age: None, size_bytes: Some(limit) };
            if retained.cut(&retention, 0, &parts).is_some() {
                // Rounding, and one tweet.
                let most = parts.iter().map(|part| part.bytes / part.all + 1).max().unwrap_or(0) + 3 * parts.len() as u64;
                let (left, wanted) = (left(retained.first_seq), limit / 100 * LEFT_PERCENT);
                prop_assert!(left <= wanted + most && left + most >= wanted, "{left} are left, not {wanted} +- {most}");
            } else {
                prop_assert!(left(before) <= limit + parts.len() as u64);
            }
        }
    }

    #[test]
    fn by_default_everything_stays() {
        let mut retained = RetentionState::default();
        retained.mark(&Retention::default(), Seq(5), 1);
        assert_eq!(retained.cut(&Retention::default(), u64::MAX, &[part(1, 5, 5, 5, u64::MAX)]), None);
        assert_eq!(retained, RetentionState::default());
    }
}
