use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn many(seed: u64, n: i64) -> Vec<Value> {
    let mut demo = DemoTweets::new(seed);
    (0..n).map(|i| demo.tweet(at(i / 20))).collect()
}

#[test]
fn the_same_seed_makes_up_the_same_tweets() {
    assert_eq!(many(7, 300), many(7, 300));
    assert_ne!(many(7, 300), many(8, 300));
}

#[test]
fn ids_rise_and_never_come_twice() {
    let mut demo = DemoTweets::new(1023);
    let mut last = 0;
    // More ids than fit a millisecond, and a clock that is set back.
    for second in std::iter::repeat_n(5, 5_000).chain([4, 3, 9, 9]) {
        let id = demo.tweet(at(second))["id"].as_u64().unwrap();
        assert!(id > last);
        assert_eq!((id >> 12) & 1023, 1023, "the worker's part stays");
        last = id;
    }
    let mut restarted = DemoTweets::new(1023);
    assert!(restarted.tweet(at(10))["id"].as_u64().unwrap() > last);
}

#[test]
fn there_is_some_of_everything() {
    let tweets = many(1, 4_000);
    let langs: BTreeSet<_> = tweets.iter().map(|tweet| tweet["lang"].as_str().unwrap()).collect();
    assert_eq!(langs.len(), WORDS.languages.len());
    assert!(!langs.contains("ja"));
    let count = |what: &str, is: &dyn Fn(&Value) -> bool| {
        let n = tweets.iter().filter(|tweet| is(tweet)).count();
        assert!(n > 60 && n < 3_500, "{n} with {what}");
    };
    count("hashtags", &|tweet| tweet["entities"]["hashtags"].as_array().is_some_and(|tags| !tags.is_empty()));
    count("links", &|tweet| tweet["entities"]["urls"].as_array().is_some_and(|urls| !urls.is_empty()));
    count("media", &|tweet| tweet["entities"]["media"].is_array());
    count("a place", &|tweet| tweet["coordinates"].is_object());
    count("stocks", &|tweet| tweet["text"].as_str().unwrap().contains('$'));
    count("retweets", &|tweet| tweet["retweeted_status"].is_object());
    count("replies", &|tweet| tweet["in_reply_to_status_id_str"].is_string());
    count("quotes", &|tweet| tweet["quoted_status"].is_object());
    assert!(tweets.iter().any(|tweet| tweet["user"]["followers_count"].as_u64().unwrap() > 10_000));
    assert!(tweets.iter().all(|tweet| !tweet["text"].as_str().unwrap().contains(['{', '}'])));
}

#[test]
fn retweets_count_up() {
    let mut counts = BTreeMap::new();
    for tweet in many(1, 4_000) {
        let original = &tweet["retweeted_status"];
        if original.is_object() {
            let count = original["retweet_count"].as_u64().unwrap();
            let before = counts.insert(original["id"].as_u64().unwrap(), count).unwrap_or(0);
            assert_eq!(count, before + 1);
            assert!(original["id"].as_u64() < tweet["id"].as_u64());
        }
    }
    assert!(counts.values().any(|&count| count > 5), "some are popular");
}

#[test]
fn topics_rise_and_fall() {
    let mut demo = DemoTweets::new(1);
    let mut share = |from: i64| {
        let tweets: Vec<_> = (0..500).map(|i| demo.tweet(at(from + i / 20))).collect();
        let about = |tweet: &&Value| {
            tweet["text"].as_str().unwrap().contains(&WORDS.topics[0].host) || {
                let sentences =
                    WORDS.topics[0].sentences.iter().map(|(_, sentence)| sentence.split('{').next().unwrap());
                sentences.filter(|start| start.len() > 5).any(|start| tweet["text"].as_str().unwrap().contains(start))
            }
        };
        tweets.iter().filter(about).count()
    };
    let shares: Vec<_> = (0..20).map(|i| share(i * 60)).collect();
    let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    assert!(*most > 3 * (least + 1), "{shares:?}");
}

#[test]
fn entities_stand_where_they_say() {
    for tweet in many(3, 2_000) {
        let text: Vec<char> = tweet["text"].as_str().unwrap().chars().collect();
        for (kind, list) in tweet["entities"].as_object().unwrap() {
            for entity in list.as_array().unwrap() {
                let place = |at: usize| usize::try_from(entity["indices"][at].as_u64().unwrap()).unwrap();
                let found: String = text[place(0)..place(1)].iter().collect();
                let expected = match kind.as_str() {
                    "hashtags" => format!("#{}", entity["text"].as_str().unwrap()),
                    "symbols" => format!("${}", entity["text"].as_str().unwrap()),
                    "user_mentions" => format!("@{}", entity["screen_name"].as_str().unwrap()),
                    _ => entity["url"].as_str().unwrap().to_owned(),
                };
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn every_made_up_tweet_is_a_tweet() {
    assert_eq!(sample(500).len(), 500);
}
