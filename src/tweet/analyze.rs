//! What queries see of a tweet.

use super::Tweet;
use super::extract::decode;
use crate::doc::DocBuilder;
use crate::schema::tweet as field;

impl Tweet {
    /// Adds the tweet to a builder of documents of [`crate::schema::Schema::tweet`].
    pub fn analyze(&self, builder: &mut DocBuilder<'_>) {
        let entities = &self.entities;
        builder.text(field::TEXT, &decode(&self.text));
        builder.text(field::USER_NAME, &decode(&self.user.name));
        for url in &entities.urls {
            builder.text(field::URL, &url.expanded_url);
        }
        for tag in &entities.hashtags {
            builder.text(field::HASHTAG, &tag.text);
        }
        for mention in &entities.user_mentions {
            builder.text(field::MENTION, &mention.screen_name);
        }
        for tag in &entities.symbols {
            builder.text(field::CASHTAG, &tag.text);
        }
        if let Some(lang) = &self.lang {
            builder.text(field::LANG, lang);
        }
        builder.text(field::SCREEN_NAME, &self.user.screen_name);
        if let Some(name) = &self.in_reply_to_screen_name {
            builder.text(field::REPLY_TO, name);
        }
        for (name, has) in [
            ("media", !entities.media.is_empty()),
            ("links", !entities.urls.is_empty()),
            ("hashtags", !entities.hashtags.is_empty()),
            ("mentions", !entities.user_mentions.is_empty()),
            ("cashtags", !entities.symbols.is_empty()),
            ("coordinates", self.coordinates.is_some()),
        ] {
            if has {
                builder.text(field::HAS, name);
            }
        }
        for (name, is) in [("retweet", self.retweet.is_some()), ("reply", self.is_reply()), ("quote", self.is_quote)] {
            if is {
                builder.text(field::IS, name);
            }
        }
        if let Ok(id) = i64::try_from(self.id) {
            builder.integer(field::ID, id);
        }
        builder.integer(field::FOLLOWERS, count(self.user.followers_count));
        builder.integer(field::RETWEETS, count(self.retweet_count));
        builder.integer(field::FAVORITES, count(self.favorite_count));
        if let Some(at) = self.created_at {
            builder.integer(field::CREATED, at.saturating_mul(1_000));
        }
        if let Some(point) = self.coordinates {
            builder.point(field::COORDINATES, point);
        }
    }

    /// Whether it answers a tweet or a user.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        self.in_reply_to_status_id.is_some()
            || self.in_reply_to_user_id.is_some()
            || self.in_reply_to_screen_name.is_some()
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
