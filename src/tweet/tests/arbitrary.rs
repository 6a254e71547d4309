//! Random tweets.

use super::*;

fn indices() -> impl Strategy<Value = Indices> {
    prop::option::of(any::<[u32; 2]>().prop_map(|[one, other]| [one.min(other), one.max(other)]))
}

pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        prop::collection::vec(
            prop::sample::select(vec![
                "RT @ann: ",
                "…",
                "&amp;",
                "&",
                "#rust",
                "http://t.co/a",
                "\"",
                "\\",
                "\n",
                "\u{0}",
                "é",
                "が",
                "👍🏽",
                " ",
                "word",
            ]),
            0..6
        )
        .prop_map(|pieces| pieces.concat()),
    ]
}

fn entities() -> impl Strategy<Value = Entities> {
    let name = || text().prop_map(|text| format!("t{text}"));
    let tag = || prop::collection::vec((name(), indices()).prop_map(|(text, indices)| Tag { text, indices }), 0..3);
    let url = (text(), text(), text(), indices()).prop_map(|(url, expanded_url, display_url, indices)| Url {
        unwound_url: Some(format!("{expanded_url}/behind")).filter(|_| url.len().is_multiple_of(2)),
        url,
        expanded_url,
        display_url,
        indices,
    });
    let mention = (text(), prop::option::of(text()), indices()).prop_map(|(screen_name, name, indices)| Mention {
        screen_name,
        name,
        indices,
    });
    let optional = || prop::option::of(text());
    let media = (text(), text(), text(), optional(), optional(), optional(), indices()).prop_map(
        |(kind, url, media_url, media_url_https, expanded_url, display_url, indices)| Media {
            kind,
            url,
            media_url,
            media_url_https,
            alt_text: expanded_url.clone(),
            expanded_url,
            display_url,
            indices,
        },
    );
    let list = 0..3;
    (
        tag(),
        prop::collection::vec(url, list.clone()),
        prop::collection::vec(mention, list.clone()),
        prop::collection::vec(media, list),
        tag(),
    )
        .prop_map(|(hashtags, urls, user_mentions, media, symbols)| Entities {
            hashtags,
            urls,
            user_mentions,
            media,
            symbols,
        })
}

fn plain_tweet() -> impl Strategy<Value = Tweet> {
    let user =
        (text(), text(), text(), any::<u64>()).prop_map(|(name, screen_name, profile_image_url, followers_count)| {
            let (id_str, verified) = (Some(followers_count.to_string()), followers_count.is_multiple_of(2));
            let description = name.clone();
            User { id_str, name, screen_name, profile_image_url, followers_count, verified, description }
        });
    let reply = (prop::option::of(id_str()), prop::option::of(id_str()), prop::option::of(name()));
    let point = prop::option::of((-180.0..=180.0, -90.0..=90.0).prop_map(|(lon, lat)| Point { lon, lat }));
    let created = (-62_167_219_200_i64..=253_402_000_000).prop_map(Some);
    let known = (
        prop::option::of(prop::sample::select(vec![Network::X, Network::Bluesky, Network::Mastodon])),
        prop::option::of(any::<u64>()),
        prop::collection::vec(name(), 0..3),
        prop::option::of((name(), prop::option::of(name()))),
    );
    (
        (id_str(), text(), created, prop::option::of(name()), any::<u64>(), any::<u64>()),
        (entities(), user, reply, any::<bool>(), point),
        known,
    )
        .prop_map(
            |(
                (id_str, text, created_at, lang, retweet_count, favorite_count),
                (entities, user, reply, is_quote, coordinates),
                (source, replies, names, place),
            )| {
                let created_ms = created_at.unwrap_or_default() * 1_000;
                Tweet {
                    id: order_id(&id_str, created_ms),
                    id_str,
                    langs: names.clone(),
                    poll_options: names.clone(),
                    url: names.first().cloned(),
                    conversation_id: reply.0.clone(),
                    source,
                    reply_count: replies,
                    quote_count: replies,
                    quoted: None,
                    is_sensitive: is_quote,
                    place: place.map(|(full_name, country_code)| Place { full_name, country_code }),
                    text,
                    created_at,
                    lang,
                    retweet_count,
                    favorite_count,
                    entities,
                    user,
                    in_reply_to_status_id: reply.0,
                    in_reply_to_user_id: reply.1,
                    in_reply_to_screen_name: reply.2,
                    is_quote,
                    coordinates,
                    retweet: None,
                }
            },
        )
}

/// A text that is not blank.
fn name() -> impl Strategy<Value = String> {
    text().prop_map(|text| format!("a{text}"))
}

fn id_str() -> impl Strategy<Value = String> {
    prop_oneof![any::<u64>().prop_map(|id| id.to_string()), "[!-,./0-9:-~é][!-~é]{0,20}"]
}

pub(super) fn tweet() -> impl Strategy<Value = Tweet> {
    let referenced = || {
        prop_oneof![
            2 => Just(None),
            1 => id_str().prop_map(|id| Some(Referenced::Id(id))),
            1 => Just(Some(Referenced::Unknown)),
            2 => plain_tweet().prop_map(|tweet| Some(Referenced::Tweet(Box::new(tweet)))),
        ]
    };
    (plain_tweet(), referenced(), referenced()).prop_map(|(tweet, retweet, quoted)| {
        let quoted = quoted.filter(|quoted| *quoted != Referenced::Unknown);
        let is_quote = tweet.is_quote || quoted.is_some();
        Tweet { is_quote, quoted, retweet, ..tweet }
    })
}
