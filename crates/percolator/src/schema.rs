//! The fields of a document and their kinds: what query language, analysis, index and percolator
//! share.
//!
//! perch uses one schema, [`Schema::tweet`]. The percolator as a library takes any.

mod tweet_values;

use std::sync::LazyLock;

/// The number of a field in its [`Schema`], from 0; at most 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub u8);

impl FieldId {
    /// The number as an index into a table.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What a field holds, which decides on the queries it can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Words in order ([`crate::text`]).
    Text,
    /// An address: its host, the domains above the host, and the words of its path, in order.
    Url,
    /// One term for each value, folded ([`crate::text::fold`]) and not split.
    Keyword,
    /// An integer, `i64`.
    Integer,
    /// A floating point number, ordered by [`float_key`].
    Float,
    /// A date, in milliseconds since 1970 (UTC).
    Date,
    /// A point on earth.
    Point,
}

impl Kind {
    /// Whether the field's values are terms (text, addresses, keywords).
    #[must_use]
    pub fn has_terms(self) -> bool {
        matches!(self, Kind::Text | Kind::Url | Kind::Keyword)
    }

    /// Whether the field's values are ordered numbers (integers, floats, dates).
    #[must_use]
    pub fn has_values(self) -> bool {
        matches!(self, Kind::Integer | Kind::Float | Kind::Date)
    }

    /// Whether terms have positions, so that phrases are possible.
    #[must_use]
    pub fn has_positions(self) -> bool {
        matches!(self, Kind::Text | Kind::Url)
    }
}

/// One field of a [`Schema`].
#[derive(Clone, Debug)]
pub struct Field {
    /// The name as in the document, with dots for nesting: `user.screen_name`.
    pub name: String,
    /// Other names that queries may use: `from`.
    pub aliases: Vec<String>,
    /// What the field holds.
    pub kind: Kind,
    /// The only values that a keyword field may have. Empty: any value.
    pub values: Vec<FieldValue>,
    /// Signs before a keyword that are not part of it: `#` before a hashtag.
    pub signs: Vec<char>,
    /// The field whose keywords are numbers for the same things: a keyword of digits may be one.
    pub numbers: Option<FieldId>,
    /// What is true of the values of all documents.
    pub constraints: Constraints,
}

/// What is true of the values of a field in all documents, by which perch refuses queries that no
/// document can match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraints {
    /// Whether a document has at most one value.
    pub is_single: bool,
    /// Whether a value is the name of a user, and `ann@social.example` also has the term `ann`.
    pub has_short_form: bool,
    /// Whether each document has a value.
    pub is_always: bool,
    /// The smallest number or date.
    pub min: i64,
    /// The largest number or date.
    pub max: i64,
    /// Each number or date is a multiple of this.
    pub step: i64,
    /// Keywords of other fields that a document with a value of this field has.
    pub implies: Vec<(FieldId, String)>,
}

impl Default for Constraints {
    /// Any number of any values.
    fn default() -> Constraints {
        Constraints {
            is_single: false,
            has_short_form: false,
            is_always: false,
            min: i64::MIN,
            max: i64::MAX,
            step: 1,
            implies: Vec::new(),
        }
    }
}

/// A value of a keyword field with a fixed set of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldValue {
    /// The value as documents have it, folded.
    pub name: String,
    /// Other names that queries may use.
    pub aliases: Vec<String>,
}

/// The fields of a kind of document, in the order of their [`FieldId`].
#[derive(Clone, Debug, Default)]
pub struct Schema {
    fields: Vec<Field>,
    default_field: usize,
}

impl Schema {
    /// The largest number of fields: a document has a bit for each in one `u64`.
    pub const MAX_FIELDS: usize = 64;

    /// A schema without fields. The first text field added is the default field.
    #[must_use]
    pub fn new() -> Schema {
        Schema::default()
    }

    /// Adds a field.
    ///
    /// # Panics
    ///
    /// If a field or alias of that name exists, or the schema is full: both are bugs of the caller.
    pub fn add(&mut self, name: &str, kind: Kind, aliases: &[&str]) -> FieldId {
        for name in std::iter::once(&name).chain(aliases) {
            assert!(self.find(name).is_none(), "two fields are called {name}");
        }
        assert!(self.fields.len() < Self::MAX_FIELDS, "a schema holds at most {} fields", Self::MAX_FIELDS);
        let id = FieldId(u8::try_from(self.fields.len()).expect("fewer than 64 fields"));
        if kind == Kind::Text && !self.fields.iter().any(|field| field.kind == Kind::Text) {
            self.default_field = id.index();
        }
        self.fields.push(Field {
            name: name.to_owned(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            kind,
            values: Vec::new(),
            signs: Vec::new(),
            numbers: None,
            constraints: Constraints::default(),
        });
        id
    }

    /// Fixes the values of a keyword field, each with its aliases. A query for another value is an
    /// error.
    ///
    /// # Panics
    ///
    /// If the field holds no keywords.
    pub fn restrict_values(&mut self, id: FieldId, values: &[(&str, &[&str])]) {
        let field = &mut self.fields[id.index()];
        assert_eq!(field.kind, Kind::Keyword, "{} holds no keywords", field.name);
        let owned = |&(name, aliases): &(&str, &[&str])| FieldValue {
            name: name.to_owned(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        };
        field.values = values.iter().map(owned).collect();
    }

    /// Sets the signs that a query may have before a keyword of this field.
    pub fn ignore_signs(&mut self, id: FieldId, signs: &[char]) {
        self.fields[id.index()].signs = signs.to_vec();
    }

    /// Looks up keywords that are numbers in a second field, too: `from:12` is a name or an id.
    pub fn look_up_numbers(&mut self, id: FieldId, numbers: FieldId) {
        self.fields[id.index()].numbers = Some(numbers);
    }

    /// Says what is true of the values of a field in all documents.
    pub fn constrain(&mut self, id: FieldId, constraints: Constraints) {
        self.fields[id.index()].constraints = constraints;
    }

    /// The field of that name or alias.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<FieldId> {
        let at = self.fields.iter().position(|field| field.name == name || field.aliases.iter().any(|a| a == name))?;
        Some(FieldId(u8::try_from(at).expect("fewer than 64 fields")))
    }

    /// The field with that number.
    ///
    /// # Panics
    ///
    /// If the number comes from another schema.
    #[must_use]
    pub fn field(&self, id: FieldId) -> &Field {
        &self.fields[id.index()]
    }

    /// The field of a word without a field name.
    #[must_use]
    pub fn default_field(&self) -> FieldId {
        FieldId(u8::try_from(self.default_field).expect("fewer than 64 fields"))
    }

    /// All fields with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (FieldId, &Field)> {
        (0_u8..).map(FieldId).zip(&self.fields)
    }

    /// The schema of tweets; its fields are the constants of [`tweet`].
    #[must_use]
    pub fn tweet() -> &'static Schema {
        static TWEET: LazyLock<Schema> = LazyLock::new(|| {
            let mut schema = Schema::new();
            for (at, &(id, name, kind, aliases)) in tweet::FIELDS.iter().enumerate() {
                assert_eq!(id.index(), at, "{name} is out of order");
                schema.add(name, kind, aliases);
            }
            schema.restrict_values(tweet::HAS, tweet::Has::NAMES);
            schema.restrict_values(tweet::IS, tweet::Is::NAMES);
            schema.restrict_values(tweet::SOURCE, tweet::Network::NAMES);
            schema.look_up_numbers(tweet::SCREEN_NAME, tweet::USER_ID);
            schema.look_up_numbers(tweet::REPLY_TO, tweet::REPLY_TO_USER);
            schema.ignore_signs(tweet::HASHTAG, &['#', '＃']);
            schema.ignore_signs(tweet::CASHTAG, &['$', '＄']);
            for name in [tweet::MENTION, tweet::SCREEN_NAME, tweet::REPLY_TO, tweet::RETWEETS_OF, tweet::QUOTES_OF] {
                schema.ignore_signs(name, &['@', '＠']);
            }
            let one = Constraints { is_single: true, ..Constraints::default() };
            let name = Constraints { has_short_form: true, ..one.clone() };
            schema.constrain(tweet::SCREEN_NAME, name.clone());
            schema.constrain(tweet::ID, Constraints { is_always: true, min: 0, ..one.clone() });
            // Tweets have seconds.
            schema.constrain(tweet::CREATED, Constraints { step: 1_000, ..one.clone() });
            for id in [tweet::CONVERSATION_ID, tweet::COUNTRY, tweet::SOURCE, tweet::USER_ID] {
                schema.constrain(id, one.clone());
            }
            for count in [tweet::REPLIES, tweet::QUOTES] {
                schema.constrain(count, Constraints { min: 0, ..one.clone() });
            }
            schema.constrain(tweet::SAMPLE, Constraints { is_always: true, min: 0, max: 99, ..one.clone() });
            for count in [tweet::FOLLOWERS, tweet::RETWEETS, tweet::FAVORITES] {
                schema.constrain(count, Constraints { is_always: true, min: 0, ..one.clone() });
            }
            let implies = |field, value: &str| vec![(field, value.to_owned())];
            for (field, value) in [
                (tweet::HASHTAG, "hashtags"),
                (tweet::MENTION, "mentions"),
                (tweet::CASHTAG, "cashtags"),
                (tweet::URL, "links"),
            ] {
                schema.constrain(field, Constraints { implies: implies(tweet::HAS, value), ..Constraints::default() });
            }
            for (field, value) in
                [(tweet::RETWEETS_OF, "retweet"), (tweet::QUOTES_OF, "quote"), (tweet::QUOTED, "quote")]
            {
                schema.constrain(field, Constraints { implies: implies(tweet::IS, value), ..Constraints::default() });
            }
            for field in [tweet::REPLY_TO_TWEET, tweet::REPLY_TO_USER] {
                schema.constrain(field, Constraints { implies: implies(tweet::IS, "reply"), ..one.clone() });
            }
            schema.constrain(
                tweet::COORDINATES,
                Constraints { implies: implies(tweet::HAS, "coordinates"), ..one.clone() },
            );
            schema.constrain(tweet::REPLY_TO, Constraints { implies: implies(tweet::IS, "reply"), ..name });
            schema
        });
        &TWEET
    }
}

/// The fields of a tweet. All of them can be derived from the stripped tweet that is stored.
pub mod tweet {
    use super::{FieldId, Kind};

    pub use super::tweet_values::{Has, Is, Network};

    /// The words of the text.
    pub const TEXT: FieldId = FieldId(0);
    /// The author's display name.
    pub const USER_NAME: FieldId = FieldId(1);
    /// The addresses that the tweet links to, expanded.
    pub const URL: FieldId = FieldId(2);
    /// Hashtags without `#`.
    pub const HASHTAG: FieldId = FieldId(3);
    /// The screen names of mentioned users.
    pub const MENTION: FieldId = FieldId(4);
    /// Cashtags without `$`.
    pub const CASHTAG: FieldId = FieldId(5);
    /// The language code.
    pub const LANG: FieldId = FieldId(6);
    /// The author's screen name.
    pub const SCREEN_NAME: FieldId = FieldId(7);
    /// The screen name of the user whose tweet this one answers.
    pub const REPLY_TO: FieldId = FieldId(8);
    /// What the tweet contains: [`Has`].
    pub const HAS: FieldId = FieldId(9);
    /// What the tweet is: [`Is`].
    pub const IS: FieldId = FieldId(10);
    /// The tweet's id.
    pub const ID: FieldId = FieldId(11);
    /// The author's number of followers.
    pub const FOLLOWERS: FieldId = FieldId(12);
    /// The number of retweets.
    pub const RETWEETS: FieldId = FieldId(13);
    /// The number of likes.
    pub const FAVORITES: FieldId = FieldId(14);
    /// The time of creation.
    pub const CREATED: FieldId = FieldId(15);
    /// The coordinates.
    pub const COORDINATES: FieldId = FieldId(16);

    /// The tweet that began the conversation.
    pub const CONVERSATION_ID: FieldId = FieldId(17);
    /// The tweet that this one retweets, and its author's name and id.
    pub const RETWEETS_OF: FieldId = FieldId(18);
    /// The tweet that this one quotes, and its author's name and id.
    pub const QUOTES_OF: FieldId = FieldId(19);
    /// The tweet that this one answers.
    pub const REPLY_TO_TWEET: FieldId = FieldId(20);
    /// The words of the name of the place.
    pub const PLACE: FieldId = FieldId(21);
    /// The code of the place's country.
    pub const COUNTRY: FieldId = FieldId(22);
    /// The words with which the author describes themselves.
    pub const BIO: FieldId = FieldId(23);
    /// The network: [`Network`].
    pub const SOURCE: FieldId = FieldId(24);
    /// The number of replies, if it is known.
    pub const REPLIES: FieldId = FieldId(25);
    /// The number of quotes, if it is known.
    pub const QUOTES: FieldId = FieldId(26);
    /// The author's id.
    pub const USER_ID: FieldId = FieldId(27);
    /// The id of the user whose tweet this one answers.
    pub const REPLY_TO_USER: FieldId = FieldId(28);
    /// A number from 0 to 99 by the hash of the tweet's identity.
    pub const SAMPLE: FieldId = FieldId(29);
    /// The words of the texts that describe media.
    pub const ALT: FieldId = FieldId(30);
    /// The words of the quoted tweet.
    pub const QUOTED: FieldId = FieldId(31);

    pub(super) const FIELDS: &[(FieldId, &str, Kind, &[&str])] = &[
        (TEXT, "text", Kind::Text, &["full_text"]),
        (USER_NAME, "user.name", Kind::Text, &["name", "bio_name"]),
        (URL, "url", Kind::Url, &["entities.urls"]),
        (HASHTAG, "hashtag", Kind::Keyword, &["hashtags", "entities.hashtags"]),
        (MENTION, "mention", Kind::Keyword, &["mentions", "entities.user_mentions"]),
        (CASHTAG, "cashtag", Kind::Keyword, &["cashtags", "entities.symbols"]),
        (LANG, "lang", Kind::Keyword, &[]),
        (SCREEN_NAME, "user.screen_name", Kind::Keyword, &["from", "screen_name"]),
        (REPLY_TO, "in_reply_to_screen_name", Kind::Keyword, &["to"]),
        (HAS, "has", Kind::Keyword, &[]),
        (IS, "is", Kind::Keyword, &[]),
        (ID, "id", Kind::Integer, &["id_str"]),
        (FOLLOWERS, "user.followers_count", Kind::Integer, &["followers", "followers_count"]),
        (RETWEETS, "retweet_count", Kind::Integer, &["retweets"]),
        (FAVORITES, "favorite_count", Kind::Integer, &["favorites", "likes"]),
        (CREATED, "created_at", Kind::Date, &["created"]),
        (COORDINATES, "coordinates", Kind::Point, &[]),
        (CONVERSATION_ID, "conversation_id", Kind::Keyword, &[]),
        (RETWEETS_OF, "retweets_of", Kind::Keyword, &["retweets_of_tweet_id"]),
        (QUOTES_OF, "quotes_of", Kind::Keyword, &["quotes_of_tweet_id"]),
        (
            REPLY_TO_TWEET,
            "in_reply_to_status_id_str",
            Kind::Keyword,
            &["in_reply_to_status_id", "in_reply_to_tweet_id"],
        ),
        (PLACE, "place.full_name", Kind::Text, &["place"]),
        (COUNTRY, "place.country_code", Kind::Keyword, &["place_country"]),
        (BIO, "user.description", Kind::Text, &["bio"]),
        (SOURCE, "source", Kind::Keyword, &[]),
        (REPLIES, "reply_count", Kind::Integer, &["replies"]),
        (QUOTES, "quote_count", Kind::Integer, &["quotes"]),
        (USER_ID, "user.id_str", Kind::Keyword, &["user_id", "author_id"]),
        (REPLY_TO_USER, "in_reply_to_user_id_str", Kind::Keyword, &["in_reply_to_user_id"]),
        (SAMPLE, "sample", Kind::Integer, &[]),
        (ALT, "alt", Kind::Text, &["entities.media.ext_alt_text"]),
        (QUOTED, "quoted", Kind::Text, &["quoted_status.text"]),
    ];
}

/// Maps a float to an integer in the same order, so that ranges of floats are ranges of integers.
///
/// The order is the total order of IEEE 754 (`f64::total_cmp`), with -0 equal to 0.
#[must_use]
pub fn float_key(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits().cast_signed();
    bits ^ (((bits >> 63).cast_unsigned() >> 1).cast_signed())
}

/// The float that [`float_key`] maps to this key.
#[must_use]
pub fn float_of_key(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63).cast_unsigned() >> 1).cast_signed())).cast_unsigned())
}

#[cfg(test)]
mod tests;
