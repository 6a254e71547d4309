//! The queries of each mix, and the attributes of its tweets.

use std::collections::HashMap;
use std::ops::Bound;

use perch::doc::DocBuilder;
use perch::query::{Ast, Phrase};
use perch::schema::{FieldId, tweet};

use crate::corpus::Random;

/// All mixes.
pub(crate) const NAMES: &[&str] = &["rare", "boolean", "user", "patterns", "attributes"];

/// A rare word is in at most this many tweets.
const RARE: u32 = 30;

/// The source of query words: tweets, split into words.
pub(crate) struct Source {
    tweets: Vec<Vec<String>>,
    rare: Vec<String>,
}

impl Source {
    pub(crate) fn new(tweets: &[String]) -> Source {
        let words = |tweet: &String| {
            let mut words = Vec::new();
            perch::text::words(tweet, &mut |term: &str, _, _| words.push(term.to_owned()));
            words
        };
        let tweets: Vec<Vec<String>> = tweets.iter().map(words).filter(|words| !words.is_empty()).collect();
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for tweet in &tweets {
            let mut words: Vec<&str> = tweet.iter().map(String::as_str).collect();
            words.sort_unstable();
            words.dedup();
            for word in words {
                *counts.entry(word).or_default() += 1;
            }
        }
        // Half of the corpus is here, so half of the tweets.
        let mut rare: Vec<String> =
            counts.iter().filter(|&(_, &n)| n <= RARE / 2).map(|(&word, _)| word.to_owned()).collect();
        rare.sort_unstable();
        Source { tweets, rare }
    }

    /// A random word, by its frequency.
    fn any(&self, random: &mut Random) -> &str {
        let tweet = random.pick(&self.tweets);
        random.pick(tweet).as_str()
    }

    fn rare(&self, random: &mut Random) -> &str {
        random.pick(&self.rare).as_str()
    }

    /// A random word with more letters than this.
    fn long(&self, random: &mut Random, over: usize) -> &str {
        loop {
            let word = self.any(random);
            if word.chars().count() > over {
                return word;
            }
        }
    }

    fn phrase(&self, random: &mut Random) -> Ast {
        loop {
            let tweet = random.pick(&self.tweets);
            let n = 2 + random.below(2);
            if tweet.len() >= n {
                let start = random.below(tweet.len() - n + 1);
                let terms = tweet[start..start + n].to_vec();
                return Ast::Phrase(Phrase { field: tweet::TEXT, terms, slop: 0, last_is_prefix: false });
            }
        }
    }
}

fn term(field: FieldId, term: impl AsRef<str>) -> Ast {
    Ast::Term { field, term: term.as_ref().to_owned() }
}

fn word(word: impl AsRef<str>) -> Ast {
    term(tweet::TEXT, word)
}

fn not(ast: Ast) -> Ast {
    Ast::Not(Box::new(ast))
}

/// A random query of a mix.
pub(crate) fn query(mix: &str, source: &Source, random: &mut Random) -> Ast {
    match mix {
        "rare" => match random.below(100) {
            0..50 => word(source.rare(random)),
            50..75 => Ast::And(vec![word(source.rare(random)), word(source.any(random))]),
            75..85 => Ast::Or((0..2 + random.below(2)).map(|_| word(source.rare(random))).collect()),
            85..95 => source.phrase(random),
            _ => Ast::And(vec![word(source.rare(random)), not(word(source.any(random)))]),
        },
        "boolean" => {
            let tweet = random.pick(&source.tweets);
            let mut parts: Vec<Ast> = (0..5).map(|_| word(random.pick(tweet))).collect();
            parts.extend((0..2).map(|_| not(word(source.any(random)))));
            Ast::And(parts)
        }
        "user" => match random.below(100) {
            0..40 => word(source.long(random, 3)),
            40..70 => Ast::And(vec![word(source.any(random)), word(source.any(random))]),
            70..85 => Ast::Or((0..3).map(|_| word(source.long(random, 3))).collect()),
            85..95 => source.phrase(random),
            _ => Ast::And(vec![word(source.any(random)), not(word(source.any(random)))]),
        },
        "patterns" => pattern(source, random),
        _ => attributes(random),
    }
}

fn pattern(source: &Source, random: &mut Random) -> Ast {
    let field = tweet::TEXT;
    let mut chars: Vec<char> = source.long(random, 4).chars().collect();
    match random.below(4) {
        0 => {
            let len = 3 + random.below(chars.len() - 3);
            Ast::Prefix { field, prefix: chars[..len].iter().collect() }
        }
        1 => {
            let at = random.below(chars.len());
            chars[at] = if random.chance(50) { '?' } else { '*' };
            Ast::Wildcard { field, pattern: chars.iter().collect() }
        }
        2 => {
            let escape = |char: char| if char.is_alphanumeric() { char.to_string() } else { format!("\\{char}") };
            let mut parts: Vec<String> = chars.into_iter().map(escape).collect();
            let at = random.below(parts.len());
            parts[at] = match random.below(3) {
                0 => format!("{}?", parts[at]),
                1 => format!("[{}aeiou]", parts[at]),
                _ => format!("({}|s)+", parts[at]),
            };
            Ast::Regex { field, pattern: parts.concat().into() }
        }
        _ => Ast::Fuzzy { field, distance: if chars.len() > 6 { 2 } else { 1 }, term: chars.iter().collect() },
    }
}

const LANGS: &[&str] =
    &["en", "ja", "es", "pt", "ar", "fr", "ko", "tr", "th", "de", "it", "id", "ru", "nl", "pl", "sv"];
const HAS: &[&str] = &["links", "media", "mentions", "hashtags"];
const IS: &[&str] = &["retweet", "reply", "quote"];
const USERS: usize = 50_000;

fn user(random: &mut Random) -> String {
    format!("user{}", random.zipf(USERS))
}

fn number(random: &mut Random, digits: u32) -> i64 {
    let size = 10_usize.pow(1 + u32::try_from(random.below(digits as usize)).unwrap_or(0));
    i64::try_from(random.below(size)).unwrap_or(0)
}

/// A range that contains about a tenth of the values.
fn range(field: FieldId, digits: u32, random: &mut Random) -> Ast {
    let from = number(random, digits);
    Ast::Range { field, lower: Bound::Included(from), upper: Bound::Included(from + from / 10) }
}

/// A query without words: users, languages, `has:`, and ranges of numbers.
fn attributes(random: &mut Random) -> Ast {
    let lang = |random: &mut Random| term(tweet::LANG, LANGS[random.zipf(LANGS.len())]);
    let has = |random: &mut Random| term(tweet::HAS, random.pick(HAS));
    let from = |random: &mut Random| term(tweet::SCREEN_NAME, user(random));
    match random.below(100) {
        0..30 => from(random),
        30..50 => Ast::And(vec![from(random), has(random)]),
        50..70 => Ast::And(vec![lang(random), range(tweet::FOLLOWERS, 6, random)]),
        70..85 => Ast::And(vec![has(random), term(tweet::IS, random.pick(IS)), range(tweet::RETWEETS, 4, random)]),
        85..95 => range(tweet::FOLLOWERS, 6, random),
        _ => Ast::Range {
            field: tweet::FOLLOWERS,
            lower: Bound::Excluded(900_000 + number(random, 5)),
            upper: Bound::Unbounded,
        },
    }
}

/// The random attributes of a tweet.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    user: String,
    lang: &'static str,
    has: Vec<&'static str>,
    is: Vec<&'static str>,
    followers: i64,
    retweets: i64,
}

impl Attributes {
    pub(crate) fn new(random: &mut Random) -> Attributes {
        Attributes {
            user: user(random),
            lang: LANGS[random.zipf(LANGS.len())],
            has: HAS.iter().copied().filter(|_| random.chance(30)).collect(),
            is: IS.iter().copied().filter(|_| random.chance(20)).collect(),
            followers: number(random, 6),
            retweets: number(random, 4),
        }
    }

    pub(crate) fn add(&self, builder: &mut DocBuilder<'_>) {
        builder.text(tweet::LANG, self.lang);
        builder.text(tweet::SCREEN_NAME, &self.user);
        for has in &self.has {
            builder.text(tweet::HAS, has);
        }
        for is in &self.is {
            builder.text(tweet::IS, is);
        }
        builder.integer(tweet::FOLLOWERS, self.followers);
        builder.integer(tweet::RETWEETS, self.retweets);
    }
}
