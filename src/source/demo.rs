//! `demo`: an endless stream of generated tweets, so that the page shows something at the first
//! start.
//!
//! A seed determines users, topics and texts. Ids and times come from the clock, so that no id
//! repeats after a restart.

mod words;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Zipf};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use self::words::{Topic, WORDS};
use super::{Source, SourceContext, SourceKind};
use crate::config::{self, ConfigError};
use crate::pipeline::Batch;
use crate::telemetry;
use crate::tweet::{self, AnalyzedTweet};

/// The row of [`super::SOURCES`].
pub(super) const KIND: SourceKind = SourceKind {
    name: "demo",
    about: "made-up tweets in nine languages, endless, so that there is something to see",
    example: r#"
type = "demo"
# Tweets a second.
rate = 20.0
# Which tweets: the same number makes up the same topics, users and texts.
seed = 1
"#,
    build,
};

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DemoOptions {
    rate: f64,
    seed: u64,
}

impl Default for DemoOptions {
    fn default() -> DemoOptions {
        DemoOptions { rate: 20.0, seed: 1 }
    }
}

fn build(table: toml::Table) -> Result<Box<dyn Source>, Vec<ConfigError>> {
    let DemoOptions { rate, seed } = config::read(table)?;
    if !(rate > 0.0 && rate <= 100_000.0) {
        let message = format!("expected more than 0 and at most 100000 tweets/s, found {rate}");
        return Err(vec![ConfigError::new("rate", message)]);
    }
    Ok(Box::new(DemoSource { rate, tweets: Mutex::new(DemoTweets::new(seed)) }))
}

struct DemoSource {
    rate: f64,
    /// Outlives a restart of the source, so that no id repeats.
    tweets: Mutex<DemoTweets>,
}

/// Interval between batches, if the rate asks for more than one tweet in that time.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);

impl Source for DemoSource {
    fn run(&self, context: SourceContext) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(async move {
            let period = BATCH_INTERVAL.max(Duration::from_secs_f64(1.0 / self.rate));
            let mut ticks = tokio::time::interval(period);
            // While the pipeline is full no tweets are due, so the rate is never exceeded later.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut due = 0.0;
            while context.shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
                due += self.rate * period.as_secs_f64();
                let mut tweets = Vec::new();
                while due >= 1.0 {
                    due -= 1.0;
                    let tweet = {
                        let mut demo = self.tweets.lock().unwrap_or_else(PoisonError::into_inner);
                        demo.tweet(Timestamp::now())
                    };
                    let tweet = tweet::read(tweet.to_string().as_bytes()).context("made-up tweet")?;
                    tweets.push(Arc::new(tweet::analyze(&tweet)));
                }
                if !tweets.is_empty() {
                    telemetry::tweets_received(&context.name, tweets.len());
                    context.intake.send(Batch { tweets, ack: None, cursor: None, may_wait: true }).await?;
                }
            }
            Ok(())
        })
    }
}

/// The first `n` tweets of seed 1, ten a second from a fixed time on.
pub(super) fn sample(n: usize) -> Vec<Arc<AnalyzedTweet>> {
    let mut demo = DemoTweets::new(1);
    let start = Timestamp::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let times = (0..n).map(|at| start + Duration::from_millis(100 * at as u64));
    let mut next = |now| tweet::read(demo.tweet(now).to_string().as_bytes()).ok();
    times.filter_map(&mut next).map(|tweet| Arc::new(tweet::analyze(&tweet))).collect()
}

/// Number of users.
const N_USERS: usize = 2_000;
/// The newest tweets, which can be retweeted, answered and quoted.
const MAX_RECENT_TWEETS: usize = 400;

/// Generates tweets as JSON of Twitter's API v1.1. The caller passes the time.
struct DemoTweets {
    random: Xoshiro256PlusPlus,
    users: Vec<Arc<Value>>,
    /// Distribution of authors: few users write most of the tweets.
    authors: Zipf<f64>,
    /// Period in seconds and phase of each topic's popularity.
    waves: Vec<(f64, f64)>,
    /// The newest tweets that are no retweets, oldest first.
    recent: VecDeque<Value>,
    last_id: u64,
    /// Worker number in the ids, so that two demos in one perch generate different ones.
    worker: u64,
}

impl DemoTweets {
    fn new(seed: u64) -> DemoTweets {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let followers = Zipf::new(1e6, 1.1).expect("the parameters are in range");
        let users = (0..N_USERS).map(|at| Arc::new(user(at, &followers, &mut random))).collect();
        let waves =
            WORDS.topics.iter().map(|_| (random.random_range(90.0..900.0), random.random_range(0.0..1.0))).collect();
        DemoTweets {
            worker: seed % 1024,
            random,
            users,
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            authors: Zipf::new(N_USERS as f64, 0.8).expect("the parameters are in range"),
            waves,
            recent: VecDeque::new(),
            last_id: 0,
        }
    }

    /// The next tweet, written at `now`.
    fn tweet(&mut self, now: Timestamp) -> Value {
        let id = self.next_id(now);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to the number of users")]
        let author = self.authors.sample(&mut self.random) as usize - 1;
        let mut tweet = json!({
            "id": id,
            "id_str": id.to_string(),
            "created_at": now.strftime("%a %b %d %H:%M:%S +0000 %Y").to_string(),
            "user": *self.users[author.min(N_USERS - 1)],
            "retweet_count": 0,
            "favorite_count": 0,
            "source": "<a href=\"https://example.com/\" rel=\"nofollow\">perch demo</a>",
        });
        match self.random.random_range(0..100) {
            0..22 if self.recent.len() > 10 => {
                self.retweet(&mut tweet);
                return tweet;
            }
            22..34 if self.recent.len() > 10 => self.reply(&mut tweet, now),
            34..38 if self.recent.len() > 10 => self.quote(&mut tweet, now),
            _ => self.write(&mut tweet, now, TweetText::default()),
        }
        self.recent.push_back(tweet.clone());
        if self.recent.len() > MAX_RECENT_TWEETS {
            self.recent.pop_front();
        }
        tweet
    }

    /// The next snowflake: milliseconds, worker number, and a counter within the millisecond.
    fn next_id(&mut self, now: Timestamp) -> u64 {
        let milliseconds = u64::try_from(now.as_millisecond() - tweet::SNOWFLAKE_EPOCH_MS).unwrap_or(0);
        let first = (milliseconds << 22) | (self.worker << 12);
        // After 4,096 ids in a millisecond, or if the clock was set back, continue behind the last
        // id, within the worker's numbers.
        let next = self.last_id + 1;
        let next = if next.trailing_zeros() >= 12 { next - 0x1000 + (1 << 22) } else { next };
        self.last_id = first.max(next);
        self.last_id
    }

    fn retweet(&mut self, tweet: &mut Value) {
        // The most retweeted of four random tweets, so that popular tweets become more popular.
        let picks = (0..4).map(|_| self.random.random_range(0..self.recent.len())).collect::<Vec<_>>();
        let count = |at: &usize| self.recent[*at]["retweet_count"].as_u64();
        let at = picks.into_iter().max_by_key(count).unwrap_or(0);
        let original = &mut self.recent[at];
        original["retweet_count"] = json!(original["retweet_count"].as_u64().unwrap_or(0) + 1);
        let liked = self.random.random_range(0..4_u64);
        original["favorite_count"] = json!(original["favorite_count"].as_u64().unwrap_or(0) + liked);
        let screen_name = original["user"]["screen_name"].as_str().unwrap_or_default();
        let before = format!("RT @{screen_name}: ");
        tweet["text"] = json!(before.clone() + original["text"].as_str().unwrap_or_default());
        let moved = before.chars().count();
        let mut entities = original["entities"].clone();
        for list in entities.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            for index in list
                .as_array_mut()
                .into_iter()
                .flatten()
                .filter_map(|entity| entity["indices"].as_array_mut())
                .flatten()
            {
                *index = json!(index.as_u64().unwrap_or(0) + moved as u64);
            }
        }
        if let Some(mentions) = entities["user_mentions"].as_array_mut() {
            mentions.insert(0, mention(&original["user"], 3));
        }
        tweet["entities"] = entities;
        tweet["lang"] = original["lang"].clone();
        tweet["retweet_count"] = original["retweet_count"].clone();
        tweet["retweeted_status"] = original.clone();
    }

    fn reply(&mut self, tweet: &mut Value, now: Timestamp) {
        let at = self.random.random_range(0..self.recent.len());
        let original = &self.recent[at];
        tweet["in_reply_to_status_id"] = original["id"].clone();
        tweet["in_reply_to_status_id_str"] = original["id_str"].clone();
        tweet["in_reply_to_user_id"] = original["user"]["id"].clone();
        tweet["in_reply_to_user_id_str"] = original["user"]["id_str"].clone();
        tweet["in_reply_to_screen_name"] = original["user"]["screen_name"].clone();
        let mut text = TweetText::default();
        text.mention(&original["user"]);
        self.write(tweet, now, text);
    }

    fn quote(&mut self, tweet: &mut Value, now: Timestamp) {
        let at = self.random.random_range(0..self.recent.len());
        let mut original = self.recent[at].clone();
        if let Some(original) = original.as_object_mut() {
            // Twitter gives a quote within a quote as an id only.
            original.remove("quoted_status");
        }
        tweet["is_quote_status"] = json!(true);
        tweet["quoted_status_id"] = original["id"].clone();
        tweet["quoted_status_id_str"] = original["id_str"].clone();
        tweet["quoted_status"] = original;
        self.write(tweet, now, TweetText::default());
    }

    /// A random topic, weighted by popularity at `now`.
    fn topic(&mut self, now: Timestamp) -> &'static Topic {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        let seconds = now.as_millisecond() as f64 / 1000.0;
        let weight = |at: &usize| {
            let (period, phase) = self.waves[*at];
            (2.5 * (std::f64::consts::TAU * (seconds / period + phase)).sin()).exp()
        };
        let numbers: Vec<_> = (0..WORDS.topics.len()).collect();
        let at = numbers.choose_weighted(&mut self.random, weight).expect("weights are above 0");
        &WORDS.topics[*at]
    }

    fn write(&mut self, tweet: &mut Value, now: Timestamp, mut text: TweetText) {
        let topic = self.topic(now);
        let random = &mut self.random;
        let weight = |(lang, _): &(String, String)| WORDS.languages.get(lang).copied().unwrap_or(1.0);
        let (lang, sentence) = topic.sentences.choose_weighted(random, weight).expect("every topic has sentences");
        let city = WORDS.cities.choose(random).expect("there are cities");
        if random.random_bool(0.15) {
            let openers = WORDS.openers.get(lang).map_or(&[][..], Vec::as_slice);
            if let Some(opener) = openers.choose(random) {
                text.word(opener);
            }
        }
        let name = WORDS.first_names.choose(random).expect("there are names");
        let sentence = sentence.replace("{city}", &city.name).replace("{name}", name);
        let sentence = sentence
            .split("{n}")
            .map(str::to_owned)
            .reduce(|before, after| format!("{before}{}{after}", random.random_range(2..9)));
        text.word(&sentence.unwrap_or_default());
        if random.random_bool(0.35) {
            text.word(WORDS.closers.choose(random).expect("there are closers"));
        }
        if random.random_bool(0.12) {
            let at = random.random_range(0..N_USERS);
            text.mention(&self.users[at]);
        }
        if random.random_bool(0.3)
            && let Some(stock) = topic.cashtags.choose(random)
        {
            text.cashtag(stock);
        }
        let tags = [0, 0, 1, 1, 2].choose(random).copied().unwrap_or(0);
        for tag in topic.tags.sample(random, tags) {
            text.tag(tag);
        }
        if random.random_bool(0.2) {
            let slug: u32 = random.random();
            text.link(&format!("{}/{}/{slug:08x}", topic.host, topic.tags[0].to_lowercase()), slug);
        }
        if random.random_bool(0.15) {
            let number: u32 = random.random();
            text.media(&topic.tags[0], number);
        }
        if random.random_bool(0.05) {
            let (east, north) = (random.random_range(-0.05..0.05), random.random_range(-0.05..0.05));
            let round = |degrees: f64| (degrees * 1e5).round() / 1e5;
            tweet["coordinates"] =
                json!({"type": "Point", "coordinates": [round(city.longitude + east), round(city.latitude + north)]});
        }
        tweet["lang"] = json!(lang);
        tweet["favorite_count"] = json!(random.random_range(0..30_u32).saturating_sub(20));
        text.write_to(tweet);
    }
}

fn user(at: usize, followers: &Zipf<f64>, random: &mut Xoshiro256PlusPlus) -> Value {
    let first = WORDS.first_names.choose(random).expect("there are names");
    let family = WORDS.family_names.choose(random).expect("there are names");
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let stem = Some(plain(first)).filter(|stem| stem.len() > 1).unwrap_or_else(|| plain(family));
    let screen_name =
        if at < WORDS.first_names.len() && stem.len() > 1 { format!("{stem}_{at}") } else { format!("{stem}{at}") };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to a million")]
    let (followers, friends) = (followers.sample(random) as u64 * 3, random.random_range(0..2_000_u32));
    let id = 10_000 + at as u64;
    json!({
        "id": id,
        "id_str": id.to_string(),
        "name": format!("{first} {family}"),
        "screen_name": screen_name,
        "followers_count": followers,
        "friends_count": friends,
        "verified": followers > 100_000,
    })
}

fn mention(user: &Value, start: usize) -> Value {
    let len = user["screen_name"].as_str().unwrap_or_default().len() + 1;
    json!({
        "screen_name": user["screen_name"], "name": user["name"], "id": user["id"], "id_str": user["id_str"],
        "indices": [start, start + len],
    })
}

/// Builds a text and its entities. Indices count characters, as in Twitter's API.
#[derive(Default)]
struct TweetText {
    written: String,
    chars: usize,
    hashtags: Vec<Value>,
    symbols: Vec<Value>,
    urls: Vec<Value>,
    user_mentions: Vec<Value>,
    media: Vec<Value>,
}

impl TweetText {
    /// Appends words behind a space, and returns their indices.
    fn word(&mut self, word: &str) -> [usize; 2] {
        if !self.written.is_empty() {
            self.written.push(' ');
            self.chars += 1;
        }
        let start = self.chars;
        self.written.push_str(word);
        self.chars += word.chars().count();
        [start, self.chars]
    }

    fn mention(&mut self, user: &Value) {
        let [start, _] = self.word(&format!("@{}", user["screen_name"].as_str().unwrap_or_default()));
        self.user_mentions.push(mention(user, start));
    }

    fn tag(&mut self, tag: &str) {
        let indices = self.word(&format!("#{tag}"));
        self.hashtags.push(json!({"text": tag, "indices": indices}));
    }

    fn cashtag(&mut self, stock: &str) {
        let indices = self.word(&format!("${stock}"));
        self.symbols.push(json!({"text": stock, "indices": indices}));
    }

    fn link(&mut self, address: &str, number: u32) {
        let url = format!("https://t.co/{number:010x}");
        let indices = self.word(&url);
        let expanded = format!("https://{address}");
        self.urls.push(json!({"url": url, "expanded_url": expanded, "display_url": address, "indices": indices}));
    }

    fn media(&mut self, topic: &str, number: u32) {
        let url = format!("https://t.co/m{number:09x}");
        let indices = self.word(&url);
        let address = format!("media.example.com/{}/{number:08x}.jpg", topic.to_lowercase());
        self.media.push(json!({
            "id": number, "id_str": number.to_string(), "type": "photo", "url": url, "indices": indices,
            "media_url": format!("http://{address}"), "media_url_https": format!("https://{address}"),
            "display_url": format!("pic.example.com/{number:08x}"), "expanded_url": format!("https://pic.example.com/{number:08x}"),
        }));
    }

    fn write_to(self, tweet: &mut Value) {
        tweet["text"] = json!(self.written);
        tweet["entities"] = json!({
            "hashtags": self.hashtags, "symbols": self.symbols, "urls": self.urls, "user_mentions": self.user_mentions,
        });
        if !self.media.is_empty() {
            tweet["entities"]["media"] = json!(self.media);
            tweet["extended_entities"] = json!({"media": self.media});
        }
    }
}

#[cfg(test)]
mod tests;
