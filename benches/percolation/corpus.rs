//! The tweets: from a file, or generated from a seed.

use std::collections::HashSet;

/// A random number generator with the same sequence on every machine: `SplitMix64`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    #[expect(clippy::cast_possible_truncation)]
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A number below `n` with Zipf's distribution: the probability is inverse to the rank.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub(crate) fn zipf(&mut self, n: usize) -> usize {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (((n as f64 + 1.0).powf(unit) - 1.0) as usize).min(n - 1)
    }
}

/// The tweets of the file in `PERCH_CORPUS`, or `n` generated ones.
pub(crate) fn tweets(n: usize) -> Vec<String> {
    match std::env::var_os("PERCH_CORPUS") {
        Some(path) => {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            text.lines().map(str::to_owned).collect()
        }
        None => made(n),
    }
}

/// Generates tweets of about 14 words. Most words repeat an earlier one, so frequent words become
/// more frequent, and new words become rarer. That gives the frequencies of a real text.
fn made(n: usize) -> Vec<String> {
    let mut random = Random::new(2009);
    let mut said: Vec<u32> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut known = HashSet::new();
    (0..n)
        .map(|_| {
            let mut tweet = String::new();
            for _ in 0..8 + random.below(13) {
                let new = said.is_empty() || random.below(1_000) < new_words(said.len());
                let word = if new { u32::try_from(words.len()).expect("few words") } else { *random.pick(&said) };
                if new {
                    let word = loop {
                        let word = spell(&mut random, words.len());
                        if known.insert(word.clone()) {
                            break word;
                        }
                    };
                    words.push(word);
                }
                said.push(word);
                if !tweet.is_empty() {
                    tweet.push(' ');
                }
                tweet.push_str(&words[word as usize]);
            }
            tweet
        })
        .collect()
}

/// How many of a thousand words are new, after this many words.
fn new_words(n_said: usize) -> usize {
    match n_said {
        0..1_000 => 500,
        1_000..10_000 => 300,
        10_000..100_000 => 180,
        100_000..1_000_000 => 110,
        _ => 70,
    }
}

/// A word. Early ones, which become frequent, are short.
fn spell(random: &mut Random, rank: usize) -> String {
    let syllables = 1 + usize::from(rank > 100) + usize::from(rank > 2_000) + random.below(2);
    let mut word = String::new();
    for _ in 0..syllables {
        word.push(char::from(*random.pick(b"bcdfghjklmnprstvwz")));
        word.push(char::from(*random.pick(b"aeiouy")));
        if random.chance(40) {
            word.push(char::from(*random.pick(b"lmnrst")));
        }
    }
    word
}
