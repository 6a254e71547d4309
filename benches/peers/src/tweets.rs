//! The tweets of a run, and how perch reads them.

use perch::doc::DocBuilder;
use perch::schema::tweet;

use crate::corpus::Random;
use crate::mix::Attributes;

/// Tweets with their attributes.
pub(crate) struct Tweets {
    pub(crate) texts: Vec<String>,
    /// Empty if tweets are only text.
    attributes: Vec<Attributes>,
}

impl Tweets {
    /// Only the mix `attributes` reads more than the text.
    pub(crate) fn new(mix: &str, texts: Vec<String>, seed: u64) -> Tweets {
        let mut random = Random::new(seed);
        let attributes =
            if mix == "attributes" { texts.iter().map(|_| Attributes::new(&mut random)).collect() } else { Vec::new() };
        Tweets { texts, attributes }
    }

    /// Analyzes a tweet.
    pub(crate) fn build(&self, at: usize, builder: &mut DocBuilder<'_>) {
        builder.clear();
        builder.text(tweet::TEXT, &self.texts[at]);
        if let Some(attributes) = self.attributes.get(at) {
            attributes.add(builder);
        }
    }
}
