//! The names that stand before a colon, each with a line about it.

use crate::schema::{FieldId, Schema, tweet};

/// What a value of a field or operator is completed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Terms of the field, or its fixed values.
    Field(FieldId),
    /// Values of `has:` and `is:`.
    Filter,
    /// Nothing: numbers, dates, places.
    None,
}

/// A field or operator that stands before a value.
#[derive(Debug)]
pub(super) struct Prefix {
    /// As it is written before the colon.
    pub(super) name: &'static str,
    /// One line with an example.
    pub(super) help: &'static str,
    pub(super) values: Values,
}

const fn name(name: &'static str, help: &'static str, values: Values) -> Prefix {
    Prefix { name, help, values }
}

/// Fields and operators, the most used first.
pub(super) const NAMES: &[Prefix] = &[
    name("from", "written by: from:ann", Values::Field(tweet::SCREEN_NAME)),
    name("lang", "language: lang:en", Values::Field(tweet::LANG)),
    name("has", "contains: has:images", Values::Field(tweet::HAS)),
    name("is", "kind of tweet: is:reply", Values::Field(tweet::IS)),
    name("filter", "contains or is: filter:links, -filter:retweets", Values::Filter),
    name("since", "written from this day on: since:2024-01-31", Values::None),
    name("until", "written before this day: until:2024-02-01", Values::None),
    name("to", "answers this user: to:ann", Values::Field(tweet::REPLY_TO)),
    name("mention", "mentions this user: mention:ann", Values::Field(tweet::MENTION)),
    name("hashtag", "hashtag: hashtag:rust", Values::Field(tweet::HASHTAG)),
    name("cashtag", "cashtag: cashtag:TSLA", Values::Field(tweet::CASHTAG)),
    name("url", "links to: url:example.com", Values::Field(tweet::URL)),
    name("min_retweets", "a minimum of retweets: min_retweets:10", Values::None),
    name("min_faves", "a minimum of likes: min_faves:10", Values::None),
    name("near", "place within a radius: near:[13.4 52.5 10km]", Values::None),
    name("within", "place in a box: within:[13 52 14 53]", Values::None),
    name("name", "the author's display name: name:ann", Values::Field(tweet::USER_NAME)),
    name("text", "words of the text: text:rust", Values::Field(tweet::TEXT)),
    name("followers", "followers of the author: followers:>1000", Values::None),
    name("retweets", "number of retweets: retweets:>10", Values::None),
    name("likes", "number of likes: likes:>10", Values::None),
    name("created", "when it was written: created:[2024-01-01 TO 2024-02-01]", Values::None),
    name("id", "the number of a tweet: id:>1", Values::None),
    name("since_id", "newer than this tweet: since_id:1", Values::None),
    name("max_id", "up to this tweet: max_id:9", Values::None),
    name("coordinates", "has a place: coordinates:*", Values::None),
    name("place", "name of the place: place:berlin", Values::Field(tweet::PLACE)),
    name("place_country", "country of the place: place_country:DE", Values::Field(tweet::COUNTRY)),
    name("bio", "words about the author: bio:developer", Values::Field(tweet::BIO)),
    name("source", "network: source:bluesky", Values::Field(tweet::SOURCE)),
    name("retweets_of", "retweets of a user or tweet: retweets_of:ann", Values::Field(tweet::RETWEETS_OF)),
    name("quotes_of", "quotes a user or tweet: quotes_of:ann", Values::Field(tweet::QUOTES_OF)),
    name("quoted", "words of the quoted tweet: quoted:rust", Values::Field(tweet::QUOTED)),
    name("alt", "words about its pictures: alt:cat", Values::Field(tweet::ALT)),
    name("conversation_id", "the conversation that a tweet began: conversation_id:7", Values::None),
    name("in_reply_to_tweet_id", "answers to a tweet: in_reply_to_tweet_id:7", Values::None),
    name("in_reply_to_user_id", "answers to a user by id: in_reply_to_user_id:7", Values::None),
    name("user_id", "written by the user with this id: user_id:7", Values::None),
    name("replies", "number of replies: replies:>10", Values::None),
    name("quotes", "number of quotes: quotes:>10", Values::None),
    name("min_replies", "a minimum of replies: min_replies:10", Values::None),
    name("sample", "a share of all tweets, in percent: sample:10", Values::None),
];

/// Where the values of a name come from. Fields may be called by any of their names.
pub(super) fn values(wanted: &str) -> Values {
    let wanted = wanted.to_ascii_lowercase();
    match NAMES.iter().find(|name| name.name == wanted) {
        Some(name) => name.values,
        None if matches!(wanted.as_str(), "exclude" | "include") => Values::Filter,
        None => match wanted.as_str() {
            "site" | "inurl" | "domain" => Values::Field(tweet::URL),
            "author" | "user" | "username" => Values::Field(tweet::SCREEN_NAME),
            "tag" => Values::Field(tweet::HASHTAG),
            "language" => Values::Field(tweet::LANG),
            other => Schema::tweet().find(other).map_or(Values::None, Values::Field),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Query, QueryLimits};

    #[test]
    fn each_line_has_an_example_that_is_a_query() {
        for name in NAMES {
            let (_, examples) = name.help.split_once(": ").expect("an example");
            for example in examples.split(", ") {
                let parsed = Query::parse(example, Schema::tweet(), &QueryLimits::default());
                assert!(parsed.is_ok(), "{example}");
                assert!(example.trim_start_matches('-').starts_with(&format!("{}:", name.name)), "{example}");
            }
        }
    }

    #[test]
    fn each_field_has_a_line() {
        for (_, field) in Schema::tweet().iter() {
            let names = field.aliases.iter().chain([&field.name]);
            let has_line = names.clone().any(|name| NAMES.iter().any(|line| line.name == name));
            assert!(has_line, "{}: add a line", field.name);
        }
    }

    #[test]
    fn values_are_known_by_any_name() {
        assert_eq!(values("user.screen_name"), Values::Field(tweet::SCREEN_NAME));
        assert_eq!(values("LANG"), Values::Field(tweet::LANG));
        assert_eq!(values("exclude"), Values::Filter);
        assert_eq!(values("https"), Values::None);
    }
}
