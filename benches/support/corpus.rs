//! Made-up tweets of about 600 bytes of JSON, words drawn from a Zipf distribution, seed 7.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use serde_json::json;

const WORDS: usize = 50_000;

/// Tweets one after the other.
pub(crate) struct Corpus {
    rng: SmallRng,
    zipf: Zipf<f64>,
    next_id: u64,
}

impl Corpus {
    /// The same tweets each time.
    pub(crate) fn new() -> Corpus {
        Corpus {
            rng: SmallRng::seed_from_u64(7),
            zipf: Zipf::new(WORDS as f64, 1.05).expect("a distribution"),
            next_id: 1_500_000_000_000_000_000,
        }
    }

    pub(crate) fn word(&mut self) -> String {
        word(self.zipf.sample(&mut self.rng) as usize - 1)
    }

    /// A text of so many words.
    #[allow(dead_code, reason = "not every benchmark makes texts")]
    pub(crate) fn text(&mut self, words: usize) -> String {
        let words: Vec<String> = (0..words).map(|_| self.word()).collect();
        words.join(" ")
    }

    /// One line of NDJSON.
    #[allow(dead_code, reason = "not every benchmark makes tweets")]
    pub(crate) fn tweet(&mut self, extra: &str) -> String {
        self.next_id += 1 + self.rng.random_range(0..1_000_u64);
        let mut text = extra.to_owned();
        for _ in 0..14 {
            text.push(' ');
            text.push_str(&self.word());
        }
        let tag = self.word();
        let author = self.rng.random_range(0..20_000_u32);
        let tweet = json!({
            "id": self.next_id, "id_str": self.next_id.to_string(), "text": format!("{text} #{tag}"),
            "created_at": "Sun Aug 31 00:29:15 +0000 2014", "lang": "en", "retweet_count": author % 7, "favorite_count": author % 11,
            "entities": {"hashtags": [{"text": tag, "indices": [100, 106]}], "urls": [], "user_mentions": [], "symbols": []},
            "user": {"id_str": author.to_string(), "name": format!("Author {author}"), "screen_name": format!("author{author}"),
                     "profile_image_url": "http://pbs.example/profile_images/497760886795153410/normal.jpeg",
                     "followers_count": author * 3}
        });
        format!("{tweet}\n")
    }
}

/// A made-up word for a rank: frequent ones are short.
pub(crate) fn word(mut rank: usize) -> String {
    const SYLLABLES: [&str; 20] = [
        "ka", "to", "mi", "re", "su", "no", "la", "vi", "po", "de", "ri", "mo", "ta", "lu", "se", "ga", "ni", "bo",
        "fe", "zu",
    ];
    let mut word = String::new();
    loop {
        word.push_str(SYLLABLES[rank % SYLLABLES.len()]);
        rank /= SYLLABLES.len();
        if rank == 0 {
            return word;
        }
    }
}
