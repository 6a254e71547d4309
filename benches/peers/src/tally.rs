//! The matches of perch, to compare others with.

use std::collections::HashSet;
use std::fmt::Write as _;

use perch::doc::DocBuilder;
use perch::ids::QueryKey;
use perch::percolator::{Engine, Matches};
use perch::query::Ast;
use perch::schema::Schema;

use crate::files::query_json;
use crate::tweets::Tweets;

/// Differences that are printed. The others are counted.
const SHOWN: usize = 5;

/// The matches of perch.
pub(crate) struct Tally {
    /// By number of tweets: the matches of the first tweets.
    sums: Vec<u64>,
    /// The queries that match each of the first tweets.
    keys: Vec<HashSet<u32>>,
}

impl Tally {
    pub(crate) fn new(engine: &mut dyn Engine, tweets: &Tweets, checked: usize) -> Tally {
        let mut builder = DocBuilder::new(Schema::tweet());
        let mut matches = Matches::default();
        let mut tally = Tally { sums: vec![0], keys: Vec::new() };
        let mut sum = 0;
        for at in 0..tweets.texts.len() {
            tweets.build(at, &mut builder);
            matches.clear();
            engine.percolate(&[builder.doc()], &mut matches);
            sum += matches.len() as u64;
            tally.sums.push(sum);
            if at < checked {
                tally.keys.push(matches.pairs().map(|(_, QueryKey(key))| key).collect());
            }
        }
        tally
    }

    /// The matches in the first `n` tweets.
    pub(crate) fn matches(&self, n: usize) -> u64 {
        self.sums[n.min(self.sums.len() - 1)]
    }

    /// Compares matches with those of perch. None if they are the same, otherwise the differences
    /// as text.
    pub(crate) fn differences(&self, found: &[(u32, HashSet<u32>)], queries: &[&Ast]) -> Option<String> {
        let (mut n, mut text) = (0, String::new());
        for (tweet, keys) in found {
            let expected = &self.keys[*tweet as usize];
            let mut differing: Vec<u32> = expected.symmetric_difference(keys).copied().collect();
            differing.sort_unstable();
            for key in differing {
                n += 1;
                if n <= SHOWN {
                    let who = if expected.contains(&key) { "only perch" } else { "only the peer" };
                    let query = query_json(queries[key as usize]);
                    write!(text, "\n  tweet {tweet}: {who} finds {query}").expect("a string takes all");
                }
            }
        }
        (n > 0).then(|| format!("{n} matches differ in {} tweets:{text}", found.len()))
    }
}
