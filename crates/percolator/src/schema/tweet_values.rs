//! The values of the fields `has`, `is` and `source`, each list once. What decides about a value is
//! a `match` over its enum, so a value without a decision does not compile.

/// An enum of values with their names, and the names that queries may write instead.
macro_rules! values {
    ($(#[$of_enum:meta])* $enum:ident { $($(#[$of_value:meta])* $value:ident = $name:literal [$($alias:literal),*];)* }) => {
        $(#[$of_enum])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $enum {
            $($(#[$of_value])* $value,)*
        }

        impl $enum {
            /// All of them.
            pub const ALL: &[$enum] = &[$($enum::$value),*];
            /// The name of each, and its aliases.
            pub const NAMES: &[(&str, &[&str])] = &[$(($name, &[$($alias),*])),*];

            /// The name, in documents and in canonical queries.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($enum::$value => $name,)*
                }
            }

            /// The value of this name. Aliases are names in queries only.
            #[must_use]
            pub fn of_name(name: &str) -> Option<$enum> {
                $enum::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

values! {
    /// The values of [`HAS`](super::tweet::HAS): what a tweet contains.
    Has {
        /// A picture, a video or an animation.
        Media = "media" [];
        /// A link.
        Links = "links" ["link", "urls"];
        /// A hashtag.
        Hashtags = "hashtags" ["hashtag"];
        /// A mention of a user.
        Mentions = "mentions" ["mention"];
        /// A cashtag, `$GOOG`.
        Cashtags = "cashtags" ["cashtag", "symbols"];
        /// A point on the map.
        Coordinates = "coordinates" ["geo", "location"];
        /// A picture.
        Images = "images" ["image", "photos", "photo", "twimg"];
        /// A video or an animation.
        Videos = "videos" ["video", "native_video", "consumer_video", "pro_video"];
        /// A poll.
        Polls = "polls" ["poll"];
    }
}

values! {
    /// The values of [`IS`](super::tweet::IS): what a tweet is.
    Is {
        /// It repeats another tweet.
        Retweet = "retweet" ["retweets", "nativeretweets"];
        /// It answers another tweet.
        Reply = "reply" ["replies"];
        /// It quotes another tweet.
        Quote = "quote" ["quotes"];
        /// Its author is verified.
        Verified = "verified" ["blue_verified"];
    }
}

values! {
    /// The values of [`SOURCE`](super::tweet::SOURCE): the networks that tweets come from.
    Network {
        /// X, formerly Twitter.
        X = "x" ["twitter"];
        /// Bluesky.
        Bluesky = "bluesky" [];
        /// Mastodon, and what else speaks its API or `ActivityPub`.
        Mastodon = "mastodon" [];
    }
}
