//! Which tweets are old enough, or too many, to be deleted.
//!
//! Tweets go in the order in which they arrived, so that what is left is everything from one seq on: [`Keeping::first_seq`].
//! It is stored with each commit, together with the marks that tell when seqs arrived, and so becomes true in the same moment
//! in which the tweets are gone.
//!
//! Nothing here deletes or knows the time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::Seq;

/// How many marks a whole age is divided into: tweets are deleted so much of it too late at most.
const MARKS: u32 = 256;

/// How much of the limit may be left after tweets were deleted for their size, in percent. What is deleted a little more than
/// it must be is not deleted again with the next commit.
const LEFT_PERCENT: u64 = 80;

/// What to keep; by default everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Delete what arrived longer ago.
    pub age: Option<Duration>,
    /// Delete the oldest when the index is larger on disk, in bytes.
    pub size_bytes: Option<u64>,
}

impl Retention {
    /// How often to look, when no tweets come.
    pub(super) fn interval(&self) -> Option<Duration> {
        let age = self.age.map(|age| (age / MARKS).clamp(Duration::from_millis(1), Duration::from_secs(60)));
        age.or(self.size_bytes.map(|_| Duration::from_secs(60)))
    }
}

/// What is kept now; a part of every commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keeping {
    /// Everything from here on is there, nothing before it.
    #[serde(default)]
    first_seq: u64,
    /// Seqs, each with a time in milliseconds since 1970 at which everything up to it had arrived. Rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    marks: Vec<(u64, u64)>,
}

/// The documents of one segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The lowest seq and the highest.
    pub(super) seqs: (Seq, Seq),
    /// How many are not deleted.
    pub(super) alive: u64,
    /// How many there are on disk.
    pub(super) all: u64,
}

impl Keeping {
    pub(super) fn first_seq(&self) -> Seq {
        Seq(self.first_seq)
    }

    /// Whether it is known when tweets arrived.
    pub(super) fn is_marked(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Everything up to `last` has arrived by now.
    pub(super) fn mark(&mut self, retention: &Retention, last: Seq, now_ms: u64) {
        let Some(age) = retention.age else {
            self.marks.clear();
            return;
        };
        let step_ms = millis(age / MARKS);
        // The newest mark moves along until it is far enough from the one before.
        if let [.., (_, before), newest] = &mut *self.marks
            && now_ms.saturating_sub(*before) <= step_ms
        {
            *newest = (newest.0.max(last.0), now_ms);
        } else if self.marks.last().is_none_or(|&(seq, _)| seq < last.0) {
            self.marks.push((last.0, now_ms));
        }
    }

    /// Lets go of what is too old or too much. Answers whether there is something to delete: everything before the new first seq.
    pub(super) fn cut(&mut self, retention: &Retention, now_ms: u64, size_bytes: u64, parts: &[Part]) -> bool {
        let mut first = self.first_seq;
        if let Some(age) = retention.age {
            let too_old = self.marks.partition_point(|&(_, at)| at.saturating_add(millis(age)) <= now_ms);
            if let Some((seq, _)) = self.marks.drain(..too_old).next_back() {
                first = first.max(seq + 1);
            }
        }
        if let Some(limit) = retention.size_bytes.filter(|&limit| size_bytes > limit) {
            first = first.max(cut_to(limit, size_bytes, parts));
        }
        let is_more = first > self.first_seq;
        self.first_seq = first;
        is_more
    }
}

/// The first seq to keep so that what is kept takes no more than its share of `limit`. It takes the tweets for equally large, and those
/// of a segment for evenly spread over its seqs.
fn cut_to(limit: u64, size_bytes: u64, parts: &[Part]) -> u64 {
    let (alive, all) = parts.iter().fold((0, 0), |(alive, all), part| (alive + part.alive, all + part.all));
    let wide = |number: u64| u128::from(number);
    // How many tweets may stay.
    let room = wide(all) * wide(limit) * wide(LEFT_PERCENT) / 100 / wide(size_bytes.max(1));
    let surplus = wide(alive).saturating_sub(room);
    if surplus == 0 {
        return 0;
    }
    let before = |seq: u64| -> u128 {
        let share = |part: &Part| {
            let (first, last) = (part.seqs.0.0, part.seqs.1.0);
            let passed = seq.clamp(first, last + 1) - first;
            wide(part.alive) * wide(passed) / wide(last + 1 - first)
        };
        parts.iter().map(share).sum()
    };
    // The lowest seq before which there are enough.
    let (mut low, mut high) = (0, Seq::MAX.0);
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: u64, last: u64, alive: u64, all: u64) -> Part {
        Part { seqs: (Seq(first), Seq(last)), alive, all }
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_younger() {
        let retention = Retention { age: Some(Duration::from_secs(256)), size_bytes: None };
        let mut keeping = Keeping::default();
        for second in 0..2_000_u64 {
            let now_ms = second * 1_000;
            keeping.mark(&retention, Seq((second + 1) * 10), now_ms);
            keeping.cut(&retention, now_ms, 0, &[]);
            // At second s, seqs 10 s + 1 to 10 s + 10 arrive.
            let oldest_age = second - keeping.first_seq.saturating_sub(1) / 10;
            assert!(oldest_age <= 258, "{oldest_age} s at {second} s");
            assert!(second < 256 || oldest_age >= 255, "{oldest_age} s at {second} s");
            assert!(keeping.marks.len() <= 260, "{}", keeping.marks.len());
        }
    }

    #[test]
    fn marks_are_few_however_often_commits_come() {
        let retention = Retention { age: Some(Duration::from_secs(256)), size_bytes: None };
        let mut keeping = Keeping::default();
        for tenth in 0..20_000 {
            keeping.mark(&retention, Seq(tenth + 1), tenth * 100);
            keeping.cut(&retention, tenth * 100, 0, &[]);
        }
        assert!(keeping.marks.len() <= 260, "{}", keeping.marks.len());
        assert!((17_400..=17_450).contains(&keeping.first_seq), "{}", keeping.first_seq);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let retention = Retention { age: None, size_bytes: Some(1_000) };
        let parts = [part(1, 100, 100, 100), part(101, 200, 100, 100)];
        let mut keeping = Keeping::default();
        assert!(!keeping.cut(&retention, 0, 1_000, &parts), "just as large as it may be");
        assert!(keeping.cut(&retention, 0, 1_600, &parts));
        assert_eq!(keeping.first_seq(), Seq(101), "100 tweets take 800 bytes");
        // Until merges have made the files smaller the size stays, and nothing more goes.
        let parts = [part(1, 100, 0, 100), part(101, 200, 100, 100)];
        assert!(!keeping.cut(&retention, 0, 1_600, &parts));
    }

    #[test]
    fn by_default_everything_stays() {
        let mut keeping = Keeping::default();
        keeping.mark(&Retention::default(), Seq(5), 1);
        assert!(!keeping.cut(&Retention::default(), u64::MAX, u64::MAX, &[part(1, 5, 5, 5)]));
        assert_eq!(keeping, Keeping::default());
    }
}
