//! The model: which queries there are, what each tweet says, and which tweets each session must
//! therefore get.
//!
//! ```text
//! tweet ──random start──> a run of words, one for each query it matches
//! session ──> its query: one word, or two of them
//! ```
//!
//! Derived from a seed, so each session computes its expected tweets before the run.

use std::fmt::Write as _;
use std::sync::Arc;

/// Words around those that matter, so that a tweet reads, and weighs, like one.
const FILLER: [&str; 12] = [
    "morning", "coffee", "people", "again", "train", "really", "weather", "today", "music", "finally", "street",
    "window",
];

/// What is planned.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlanOptions {
    /// How many sessions there are.
    pub(super) sessions: u32,
    /// How many words are queried.
    pub(super) queries: u32,
    /// Which share of the sessions asks for two neighboring words with OR: 0 to 1.
    pub(super) overlap: f64,
    /// How many tweets there are at most.
    pub(super) tweets: u32,
    /// How many of the words each tweet has, 1 to `queries`.
    pub(super) words: u32,
    /// The id of the first tweet; the others follow.
    pub(super) first_id: u64,
    /// Stands in front of every word, so that runs don't see each other's tweets.
    pub(super) mark: String,
    /// The same seed makes the same plan.
    pub(super) seed: u64,
}

/// Tweets by number, in order.
pub(super) type Owed = Arc<[u32]>;

/// The plan of one run.
#[derive(Debug)]
pub(super) struct Plan {
    options: PlanOptions,
    /// What a session with one word is owed, by word.
    of_one: Vec<Owed>,
    /// What a session with this word and the next is owed.
    of_two: Vec<Owed>,
}

impl Plan {
    pub(super) fn new(options: PlanOptions) -> Plan {
        let n = options.queries as usize;
        let (mut of_one, mut of_two) = (vec![Vec::new(); n], vec![Vec::new(); n]);
        for tweet in 0..options.tweets {
            let start = start(&options, tweet);
            for at in 0..options.words {
                of_one[((start + at) % options.queries) as usize].push(tweet);
            }
            // A session with two words expects tweets with either, so its run starts one word
            // earlier.
            let pairs = (options.words + 1).min(options.queries);
            for at in 0..pairs {
                of_two[((start + options.queries - 1 + at) % options.queries) as usize].push(tweet);
            }
        }
        let share = |lists: Vec<Vec<u32>>| lists.into_iter().map(Arc::from).collect();
        Plan { of_one: share(of_one), of_two: share(of_two), options }
    }

    pub(super) fn options(&self) -> &PlanOptions {
        &self.options
    }

    fn is_double(&self, session: u32) -> bool {
        // Spread evenly: whenever the running sum passes a whole number.
        let sum = |n: u32| (f64::from(n) * self.options.overlap).floor();
        sum(session + 1) > sum(session)
    }

    /// How many different queries the sessions register.
    pub(super) fn distinct_queries(&self) -> usize {
        let all: std::collections::HashSet<String> = (0..self.options.sessions).map(|at| self.query(at)).collect();
        all.len()
    }

    /// The query of a session.
    pub(super) fn query(&self, session: u32) -> String {
        let word = session % self.options.queries;
        if self.is_double(session) {
            format!("{} OR {}", self.word(word), self.word((word + 1) % self.options.queries))
        } else {
            self.word(word)
        }
    }

    /// The tweets that a session is owed.
    pub(super) fn owed(&self, session: u32) -> Owed {
        let word = (session % self.options.queries) as usize;
        Arc::clone(if self.is_double(session) { &self.of_two[word] } else { &self.of_one[word] })
    }

    /// How many deliveries the tweets up to `n` make for the sessions in this range.
    pub(super) fn deliveries(&self, sessions: std::ops::Range<u32>, n: u32) -> u64 {
        sessions.map(|session| owed_of(&self.owed(session), n) as u64).sum()
    }

    /// How many deliveries each tweet makes, by number.
    pub(super) fn fan_out(&self) -> Vec<u32> {
        let mut fan_out = vec![0; self.options.tweets as usize];
        for session in 0..self.options.sessions {
            for &tweet in &*self.owed(session) {
                fan_out[tweet as usize] += 1;
            }
        }
        fan_out
    }

    /// The number of the tweet with this id.
    pub(super) fn number(&self, id: u64) -> Option<u32> {
        let number = u32::try_from(id.checked_sub(self.options.first_id)?).ok()?;
        (number < self.options.tweets).then_some(number)
    }

    /// Appends a tweet as a line of NDJSON.
    pub(super) fn write_tweet(&self, tweet: u32, out: &mut String) {
        let PlanOptions { first_id, words, queries, .. } = self.options;
        let id = first_id + u64::from(tweet);
        let first = start(&self.options, tweet);
        let mut written = write!(out, r#"{{"id":{id},"id_str":"{id}","text":""#);
        for at in 0..words {
            written = written.and_then(|()| write!(out, "{} ", self.word((first + at) % queries)));
        }
        // As long as most tweets are, whatever the number of words that matter.
        for at in 0..14_u32.saturating_sub(words) {
            let filler = FILLER[((tweet + at * 5) % 12) as usize];
            written = written.and_then(|()| write!(out, "{filler} "));
        }
        let author = tweet % 20_000;
        let written = written.and_then(|()| {
            writeln!(
                out,
                concat!(
                    r#"#bench","created_at":"Sun Aug 31 00:29:15 +0000 2014","lang":"en","retweet_count":{},"favorite_count":{},"#,
                    r#""entities":{{"hashtags":[],"urls":[],"user_mentions":[],"symbols":[]}},"user":{{"id_str":"{}","name":"Author {}","#,
                    r#""screen_name":"author{}","profile_image_url":"http://pbs.example/{}/normal.jpeg","followers_count":{}}}}}"#
                ),
                author % 7,
                author % 11,
                author,
                author,
                author,
                author,
                author * 3
            )
        });
        written.expect("a string takes everything");
    }

    fn word(&self, query: u32) -> String {
        format!("{}q{query}", self.options.mark)
    }
}

/// How many of the owed tweets come before tweet `n`.
pub(super) fn owed_of(owed: &[u32], n: u32) -> usize {
    owed.partition_point(|&tweet| tweet < n)
}

/// The first of a tweet's words.
fn start(options: &PlanOptions, tweet: u32) -> u32 {
    // splitmix64: far more even than it has to be.
    let mut x = options.seed.wrapping_add((u64::from(tweet) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    u32::try_from(x % u64::from(options.queries)).expect("below a u32")
}
