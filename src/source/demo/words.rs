//! The words of the demo, from `words.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// The words, read at the first use.
pub(super) static WORDS: LazyLock<Words> =
    LazyLock::new(|| toml::from_str(include_str!("words.toml")).expect("the tests read the file"));

/// What the tweets are made of. The file says what each list is for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub(super) first_names: Vec<String>,
    pub(super) family_names: Vec<String>,
    pub(super) closers: Vec<String>,
    /// Weights by language code.
    pub(super) languages: BTreeMap<String, f64>,
    /// By language code.
    pub(super) openers: BTreeMap<String, Vec<String>>,
    pub(super) cities: Vec<City>,
    pub(super) topics: Vec<Topic>,
}

/// A city and where it is, in degrees.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct City {
    pub(super) name: String,
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

/// A topic.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Topic {
    /// Hashtags without their sign, the first one in every language.
    pub(super) tags: Vec<String>,
    /// Cashtags without their sign.
    pub(super) cashtags: Vec<String>,
    /// The host of its links.
    pub(super) host: String,
    /// Language code and sentence.
    pub(super) sentences: Vec<(String, String)>,
}
