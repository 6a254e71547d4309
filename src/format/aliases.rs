//! The names that people's tools give to the fields of a tweet.
//!
//! Names are compared without case and without anything but letters and digits: `like_count`,
//! `likeCount` and `Like Count` are one name. A name in a nested object has the names around it in
//! front: `author.userName` is `authorusername`.

use std::sync::LazyLock;

use hashbrown::HashMap;

/// A field of a tweet that has many names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Text,
    CreatedAt,
    Lang,
    Url,
    ScreenName,
    UserName,
    UserId,
    UserPicture,
    Followers,
    Verified,
    Retweets,
    Likes,
    Replies,
    Quotes,
    Hashtags,
    Mentions,
    Links,
    Media,
    ReplyToId,
    ReplyToUserId,
    ReplyToName,
    Conversation,
    Quoted,
    Retweeted,
    IsRetweet,
    IsQuote,
    Place,
    Country,
    Longitude,
    Latitude,
}

/// The fields with the name that `--map` takes, and their aliases, the best first.
pub(super) const ALIASES: &[(Field, &str, &[&str])] = &[
    (Field::Id, "id", &["idstr", "tweetid", "statusid", "postid", "id", "uri", "tweetidstr", "restid"]),
    (
        Field::Text,
        "text",
        &[
            "fulltext",
            "rawcontent",
            "tweettext",
            "text",
            "content",
            "tweet",
            "body",
            "message",
            "tweetcontent",
            "renderedcontent",
        ],
    ),
    (
        Field::CreatedAt,
        "created_at",
        &[
            "createdat",
            "date",
            "datetime",
            "timestamp",
            "createdatutc",
            "time",
            "tweetcreatedat",
            "posttime",
            "published",
            "created",
            "tweettime",
            "publishdate",
        ],
    ),
    (Field::Lang, "lang", &["lang", "language", "tweetlang", "tweetlanguage"]),
    (Field::Url, "url", &["url", "permalink", "tweeturl", "permanenturl", "tweetlink", "link", "twitterurl"]),
    (
        Field::ScreenName,
        "screen_name",
        &[
            "screenname",
            "userscreenname",
            "authorusername",
            "userusername",
            "username",
            "authorscreenname",
            "handle",
            "userhandle",
            "authorhandle",
            "tweetby",
            "author",
            "user",
            "fromuser",
            "twitterhandle",
        ],
    ),
    (
        Field::UserName,
        "name",
        &["userdisplayname", "authorname", "displayname", "authordisplayname", "userfullname", "fullname", "name"],
    ),
    (Field::UserId, "user_id", &["useridstr", "userid", "authorid", "authoridstr", "fromuseridstr"]),
    (
        Field::UserPicture,
        "picture",
        &[
            "profileimageurl",
            "userprofileimageurl",
            "userprofileimageurlhttps",
            "authorprofilepicture",
            "authorprofileimageurl",
            "authoravatar",
            "avatar",
        ],
    ),
    (
        Field::Followers,
        "followers",
        &[
            "followerscount",
            "userfollowerscount",
            "authorfollowers",
            "authorfollowerscount",
            "authorpublicmetricsfollowerscount",
            "userfollowers",
            "followers",
            "followercount",
        ],
    ),
    (
        Field::Verified,
        "verified",
        &["userverified", "authorverified", "authorisverified", "verified", "userblue", "authorisblueverified"],
    ),
    (
        Field::Retweets,
        "retweets",
        &[
            "retweetcount",
            "retweets",
            "publicmetricsretweetcount",
            "retweetscount",
            "nretweets",
            "reposts",
            "repostcount",
            "sharecount",
            "renotecount",
        ],
    ),
    (
        Field::Likes,
        "likes",
        &[
            "likecount",
            "favoritecount",
            "favouritecount",
            "likes",
            "favorites",
            "publicmetricslikecount",
            "likescount",
            "nlikes",
            "favouritescount",
        ],
    ),
    (
        Field::Replies,
        "replies",
        &["replycount", "replies", "publicmetricsreplycount", "repliescount", "nreplies", "commentcount"],
    ),
    (Field::Quotes, "quotes", &["quotecount", "quotes", "publicmetricsquotecount"]),
    (Field::Hashtags, "hashtags", &["hashtags", "entitieshashtags", "tags"]),
    (Field::Mentions, "mentions", &["mentionedusers", "usermentions", "mentions", "entitiesusermentions"]),
    (Field::Links, "links", &["links", "urls", "outlinks", "entitiesurls"]),
    (Field::Media, "media", &["media", "extendedentitiesmedia", "photos", "images"]),
    (
        Field::ReplyToId,
        "in_reply_to_id",
        &[
            "inreplytotweetid",
            "inreplytostatusidstr",
            "inreplytostatusid",
            "inreplytoid",
            "referencedtweetsrepliedtoid",
            "replyid",
        ],
    ),
    (Field::ReplyToUserId, "in_reply_to_user_id", &["inreplytouserid", "inreplytouseridstr"]),
    (
        Field::ReplyToName,
        "in_reply_to",
        &["inreplytoscreenname", "inreplytousername", "inreplytouserusername", "inreplyto", "replyto"],
    ),
    (Field::Conversation, "conversation_id", &["conversationid", "conversationidstr"]),
    (
        Field::Quoted,
        "quoted",
        &[
            "quotedtweet",
            "quote",
            "quotedstatus",
            "quotedtweetid",
            "quotedstatusidstr",
            "quotedstatusid",
            "quotedtweettweetid",
            "referencedtweetsquotedid",
        ],
    ),
    (
        Field::Retweeted,
        "retweeted",
        &[
            "retweetedtweet",
            "retweet",
            "retweetedstatus",
            "retweetedtweetid",
            "retweetedstatusidstr",
            "retweetedstatusid",
            "retweettweetid",
            "referencedtweetsretweetedid",
        ],
    ),
    (Field::IsRetweet, "is_retweet", &["isretweet", "retweeted"]),
    (Field::IsQuote, "is_quote", &["isquote", "isquotestatus", "isquoted"]),
    (Field::Place, "place", &["placefullname", "place", "placename", "location", "geofullname"]),
    (Field::Country, "country", &["placecountrycode", "countrycode", "geocountrycode"]),
    (Field::Longitude, "longitude", &["longitude", "lon", "lng", "coordinateslongitude", "geolongitude"]),
    (Field::Latitude, "latitude", &["latitude", "lat", "coordinateslatitude", "geolatitude"]),
];

/// The names that API v1.1 and perch's own JSON have at the top of a tweet. Any other name of a
/// field is the sign of a scraper.
pub(super) const OF_V1: &[&str] = &[
    "id",
    "id_str",
    "text",
    "full_text",
    "created_at",
    "lang",
    "url",
    "user",
    "place",
    "retweeted",
    "retweet_count",
    "favorite_count",
    "reply_count",
    "quote_count",
    "retweeted_status",
    "retweeted_status_id",
    "retweeted_status_id_str",
    "is_retweet",
    "quoted_status",
    "quoted_status_id",
    "quoted_status_id_str",
    "is_quote_status",
    "in_reply_to_status_id",
    "in_reply_to_status_id_str",
    "in_reply_to_user_id",
    "in_reply_to_user_id_str",
    "in_reply_to_screen_name",
    "conversation_id",
    "conversation_id_str",
    "possibly_sensitive",
    "coordinates",
    "entities",
    "geo",
];

/// A name with nothing but its letters and digits, in lower case.
pub(super) fn normalized(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The field of a name, and how good the name is: 0 is the best.
pub(super) fn field_of(normalized: &str) -> Option<(Field, usize)> {
    static FIELDS: LazyLock<HashMap<&str, (Field, usize)>> = LazyLock::new(|| {
        let ranked = |(field, _, names): &(Field, &str, &'static [&'static str])| {
            let field = *field;
            names.iter().enumerate().map(move |(rank, name)| (*name, (field, rank)))
        };
        ALIASES.iter().flat_map(ranked).collect()
    });
    FIELDS.get(normalized).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_field() {
        let mut names: Vec<&str> = ALIASES.iter().flat_map(|(_, _, names)| *names).copied().collect();
        names.sort_unstable();
        let n = names.len();
        names.dedup();
        assert_eq!(names.len(), n);
        assert!(names.iter().all(|name| normalized(name) == *name));
    }
}
