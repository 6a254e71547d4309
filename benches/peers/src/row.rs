//! A row of the table.

use std::collections::HashSet;
use std::fmt;

use perch::query::Ast;
use serde::{Deserialize, Serialize};

use crate::tally::Tally;
use crate::timing::Best;

/// The figures of one peer with one mix and size.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) mix: String,
    pub(crate) size: usize,
    /// The peer, and the way of using it.
    pub(crate) peer: String,
    /// The tweets of a batch.
    pub(crate) batch: usize,
    pub(crate) docs_per_s: f64,
    /// The tweets whose matches were counted.
    pub(crate) docs: usize,
    pub(crate) matches: u64,
    /// Candidates of a tweet, if the peer counts them.
    pub(crate) candidates: Option<f64>,
    pub(crate) registered_per_s: f64,
    /// The time of a tweet, divided by that of perch for single tweets.
    pub(crate) ratio: Option<f64>,
    /// Whether the matches are those of perch.
    pub(crate) same: String,
}

impl Row {
    pub(crate) const HEAD: &str = "mix        |  queries | peer                                 | batch |    docs/s |             perch is faster by |  cand/doc | match/doc | registr./s | matches\n\
                                   -----------|----------|--------------------------------------|-------|-----------|--------------------------------|-----------|-----------|------------|--------";

    pub(crate) fn new(peer: String, batch: usize, Best { fastest, longest }: Best, registered_per_s: f64) -> Row {
        Row {
            mix: String::new(),
            size: 0,
            peer,
            batch,
            docs_per_s: fastest.per_second(),
            docs: longest.tweets,
            matches: longest.matches,
            candidates: Some(over(longest.candidates, longest.tweets)),
            registered_per_s,
            ratio: None,
            same: String::new(),
        }
    }

    /// A row that only says why there are no figures.
    pub(crate) fn none(peer: &str, reason: String) -> Row {
        Row {
            mix: String::new(),
            size: 0,
            peer: peer.to_owned(),
            batch: 1,
            docs_per_s: 0.0,
            docs: 0,
            matches: 0,
            candidates: None,
            registered_per_s: 0.0,
            ratio: None,
            same: reason,
        }
    }

    /// Records whether the matches of the first tweets are the same, and prints those that are not.
    pub(crate) fn compare_pairs(&mut self, tally: &Tally, found: &[(u32, HashSet<u32>)], queries: &[&Ast]) {
        if let Some(differences) = tally.differences(found, queries) {
            eprintln!("{}: {differences}", self.peer);
            self.same =
                format!("{}; {}", self.same, differences.lines().next().unwrap_or_default().trim_end_matches(':'));
        }
    }

    /// Records whether the number of matches is that of perch for the same tweets.
    pub(crate) fn compare_count(&mut self, tally: &Tally) {
        let expected = tally.matches(self.docs);
        self.same = if self.matches == expected {
            "agree".into()
        } else {
            format!("{} instead of {expected} in {} tweets", self.matches, self.docs)
        };
    }
}

#[expect(clippy::cast_precision_loss)]
fn over(n: u64, of: usize) -> f64 {
    n as f64 / of.max(1) as f64
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { mix, size, peer, batch, docs_per_s, registered_per_s, same, .. } = self;
        let ratio = self.ratio.map_or(String::new(), |ratio| format!("{ratio:.1}"));
        if self.docs == 0 {
            return write!(
                f,
                "{mix:<10} | {size:>8} | {peer:<36} | {batch:>5} | {:>9} | {:>30} | {:>9} | {:>9} | {:>10} | {same}",
                "n/a", "", "", "", ""
            );
        }
        let candidates = self.candidates.map_or(String::new(), |candidates| format!("{candidates:.1}"));
        write!(
            f,
            "{mix:<10} | {size:>8} | {peer:<36} | {batch:>5} | {docs_per_s:>9.0} | {ratio:>30} | {candidates:>9} | {:>9.2} | {registered_per_s:>10.0} | {same}",
            over(self.matches, self.docs)
        )
    }
}
