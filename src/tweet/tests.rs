mod arbitrary;

use proptest::prelude::*;

use super::*;
use crate::schema::{FieldId, tweet as field};

fn one(json: &str) -> Tweet {
    let tweet = read(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
    check_round_trip(&tweet);
    tweet
}

/// The stored JSON is the same tweet, with the same document.
#[track_caller]
fn check_round_trip(tweet: &Tweet) {
    let json = tweet.to_json();
    assert!(!json.contains(":null"), "{json}");
    let again = read(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(&again, tweet, "{json}");
    let [first, second] = [tweet, &again].map(analyze);
    assert_eq!((first.id, &first.json), (second.id, &second.json));
    assert_eq!(format!("{:?}", first.doc), format!("{:?}", second.doc));
}

#[track_caller]
fn check_error(json: impl AsRef<[u8]>, expected: &str) {
    let error = read(json.as_ref()).expect_err("it is no tweet");
    assert_eq!(error.to_string(), expected, "{}", String::from_utf8_lossy(json.as_ref()));
}

fn terms(tweet: &Tweet, field: FieldId) -> Vec<String> {
    let doc = analyze(tweet).doc;
    doc.field_tokens(field).iter().map(|token| doc.term(token).to_owned()).collect()
}

#[test]
fn a_bare_tweet_is_enough() {
    let tweet = one(r#"{"id_str": "505874924095815681", "text": "Hello &amp; welcome"}"#);
    assert_eq!(tweet.id, 505_874_924_095_815_681);
    assert_eq!(tweet.text, "Hello &amp; welcome");
    assert_eq!(
        tweet.to_json(),
        r#"{"id":505874924095815681,"id_str":"505874924095815681","text":"Hello &amp; welcome","created_at":"Sun Aug 31 00:29:15 +0000 2014","retweet_count":0,"favorite_count":0,"entities":{"hashtags":[],"urls":[],"user_mentions":[],"media":[],"symbols":[]},"user":{"name":"","screen_name":"","profile_image_url":"","followers_count":0}}"#
    );
    assert_eq!(terms(&tweet, field::TEXT), ["hello", "welcome"]);
    assert_eq!(analyze(&tweet).doc.values().len(), 6);
}

const FULL: &str = r#"{
    "created_at": "Tue Dec 23 00:59:25 +0000 2014", "id": 10, "id_str": "10",
    "text": "@bob look at #Rust $TSLA http://t.co/a http://t.co/b", "lang": "en",
    "in_reply_to_status_id": 9, "in_reply_to_status_id_str": "9", "in_reply_to_user_id": 8, "in_reply_to_screen_name": "Bob",
    "user": {"id": 5, "name": "Änn", "screen_name": "Ann", "profile_image_url": "http://p/a.png", "followers_count": 7, "verified": true, "description": "Fish &amp; chips"},
    "geo": {"type": "Point", "coordinates": [52.5, 13.4]}, "coordinates": {"type": "Point", "coordinates": [13.4, 52.5]},
    "retweet_count": 3, "favorite_count": 4, "is_quote_status": true, "quoted_status": {"id": 2, "text": "six &lt; seven", "user": {"screen_name": "Carl", "id_str": "6"}}, "contributors": null,
    "place": {"full_name": "Manhattan, NY", "country_code": "US"}, "conversation_id_str": "9", "source": "bluesky", "reply_count": 1, "quote_count": 2,
    "poll_options": ["yes", "no"], "retweeted_status": {"id": 3, "text": "the original", "user": {"screen_name": "dora"}},
    "entities": {
        "hashtags": [{"text": "Rust", "indices": [13, 18]}], "symbols": [{"text": "TSLA", "indices": [19, 24]}],
        "urls": [{"url": "http://t.co/a", "expanded_url": "https://www.example.com/Books", "display_url": "example.com/Books", "indices": [25, 38]}],
        "user_mentions": [{"screen_name": "bob", "name": "Bob", "id": -1, "id_str": "-1", "indices": [0, 4]}],
        "media": [{"id": 505864942575034400, "media_url": "http://m/1.jpg", "media_url_https": "https://m/1.jpg", "url": "http://t.co/b",
            "display_url": "pic", "expanded_url": "http://x/photo/1", "type": "photo", "sizes": {}, "ext_alt_text": "a perch", "indices": [39, 52]}]
    },
    "extended_entities": {"media": [
        {"media_url": "http://m/1.jpg", "url": "http://t.co/b", "type": "photo", "ext_alt_text": "a perch"}, {"media_url": "http://m/2.jpg", "url": "http://t.co/b", "type": "photo"}]}
}"#;

#[test]
fn a_tweet_of_v1_is_stripped() {
    let tweet = one(FULL);
    expect_test::expect![[r#"{"id":10,"id_str":"10","text":"@bob look at #Rust $TSLA http://t.co/a http://t.co/b","created_at":"Tue Dec 23 00:59:25 +0000 2014","lang":"en","retweet_count":3,"favorite_count":4,"entities":{"hashtags":[{"text":"Rust","indices":[13,18]}],"urls":[{"url":"http://t.co/a","expanded_url":"https://www.example.com/Books","display_url":"example.com/Books","indices":[25,38]}],"user_mentions":[{"screen_name":"bob","name":"Bob","indices":[0,4]}],"media":[{"type":"photo","url":"http://t.co/b","media_url":"http://m/1.jpg","ext_alt_text":"a perch"},{"type":"photo","url":"http://t.co/b","media_url":"http://m/2.jpg"}],"symbols":[{"text":"TSLA","indices":[19,24]}]},"user":{"name":"Änn","screen_name":"Ann","profile_image_url":"http://p/a.png","followers_count":7,"id_str":"5","verified":true,"description":"Fish &amp; chips"},"in_reply_to_status_id_str":"9","in_reply_to_user_id_str":"8","in_reply_to_screen_name":"Bob","conversation_id":"9","source":"bluesky","reply_count":1,"quote_count":2,"is_quote_status":true,"coordinates":{"type":"Point","coordinates":[13.4,52.5]},"place":{"full_name":"Manhattan, NY","country_code":"US"},"poll_options":["yes","no"],"quoted_status":{"id":2,"id_str":"2","text":"six &lt; seven","retweet_count":0,"favorite_count":0,"entities":{"hashtags":[],"urls":[],"user_mentions":[],"media":[],"symbols":[]},"user":{"name":"","screen_name":"Carl","profile_image_url":"","followers_count":0,"id_str":"6"}},"retweeted_status":{"id":3,"id_str":"3","text":"the original","retweet_count":0,"favorite_count":0,"entities":{"hashtags":[],"urls":[],"user_mentions":[],"media":[],"symbols":[]},"user":{"name":"","screen_name":"dora","profile_image_url":"","followers_count":0}}}"#]]
    .assert_eq(&tweet.to_json());
}

#[test]
fn every_field_of_the_schema_is_filled() {
    let tweet = one(FULL);
    let doc = analyze(&tweet).doc;
    for (id, field) in Schema::tweet().iter() {
        assert!(doc.has(id), "{}", field.name);
    }
    assert_eq!(terms(&tweet, field::TEXT), ["bob", "look", "at", "rust", "tsla"]);
    assert_eq!(terms(&tweet, field::USER_NAME), ["ann"]);
    assert_eq!(terms(&tweet, field::URL), ["example", "com", "example.com", "books"]);
    assert_eq!(terms(&tweet, field::HASHTAG), ["rust"]);
    assert_eq!(terms(&tweet, field::MENTION), ["bob"]);
    assert_eq!(terms(&tweet, field::CASHTAG), ["tsla"]);
    assert_eq!(terms(&tweet, field::LANG), ["en"]);
    assert_eq!(terms(&tweet, field::SCREEN_NAME), ["ann"]);
    assert_eq!(terms(&tweet, field::REPLY_TO), ["bob"]);
    assert_eq!(
        terms(&tweet, field::HAS),
        ["media", "links", "hashtags", "mentions", "cashtags", "coordinates", "images", "polls"]
    );
    assert_eq!(terms(&tweet, field::IS), ["retweet", "reply", "quote", "verified"]);
    assert_eq!(terms(&tweet, field::CONVERSATION_ID), ["9"]);
    assert_eq!(terms(&tweet, field::RETWEETS_OF), ["3", "dora"]);
    assert_eq!(terms(&tweet, field::QUOTES_OF), ["2", "carl", "6"]);
    assert_eq!(terms(&tweet, field::REPLY_TO_TWEET), ["9"]);
    assert_eq!(terms(&tweet, field::REPLY_TO_USER), ["8"]);
    assert_eq!(terms(&tweet, field::USER_ID), ["5"]);
    assert_eq!(terms(&tweet, field::PLACE), ["manhattan", "ny"]);
    assert_eq!(terms(&tweet, field::COUNTRY), ["us"]);
    assert_eq!(terms(&tweet, field::BIO), ["fish", "chips"]);
    assert_eq!(terms(&tweet, field::SOURCE), ["bluesky"]);
    assert_eq!(terms(&tweet, field::ALT), ["a", "perch"]);
    assert_eq!(terms(&tweet, field::QUOTED), ["six", "seven"]);
    assert_eq!(
        doc.values(),
        [
            (field::ID, 10),
            (field::FOLLOWERS, 7),
            (field::RETWEETS, 3),
            (field::FAVORITES, 4),
            (field::CREATED, 1_419_296_365_000),
            (field::REPLIES, 1),
            (field::QUOTES, 2),
            (field::SAMPLE, 63),
        ]
    );
    assert_eq!(doc.points(), [(field::COORDINATES, Point { lon: 13.4, lat: 52.5 })]);
}

#[test]
fn a_sample_is_a_stable_share() {
    let share = |ids: &mut dyn Iterator<Item = String>| {
        let sampled = ids.filter(|id| {
            let tweet = Tweet { id_str: id.clone(), ..Tweet::default() };
            analyze(&tweet).doc.values().iter().any(|&(of, value)| of == field::SAMPLE && value < 10)
        });
        sampled.count()
    };
    for first in [0_u64, 1_850_000_000_000_000_000] {
        let share = share(&mut (first..first + 5_000).map(|id| id.to_string()));
        assert!((350..650).contains(&share), "{share} of 5,000");
    }
}

#[test]
fn an_archive_says_whom_a_retweet_repeats() {
    let tweet = one(r#"{"id_str": "2", "text": "RT @Ann: words", "is_retweet": true}"#);
    assert_eq!(terms(&tweet, field::RETWEETS_OF), ["ann"]);
    assert_eq!(terms(&one(r#"{"id_str": "2", "text": "RT @Ann: words"}"#), field::RETWEETS_OF), [""; 0]);
}

#[test]
fn the_whole_text_is_taken() {
    let tweet = one(r#"{"id_str": "1", "full_text": "the whole text", "text": "the who…"}"#);
    assert_eq!(tweet.text, "the whole text");
    let tweet = one(
        r#"{"id_str": "1", "text": "cut #on…", "truncated": true, "entities": {"hashtags": [{"text": "on", "indices": [4, 7]}]},
            "extended_tweet": {"full_text": "cut #one here", "entities": {"hashtags": [{"text": "one", "indices": [4, 8]}]},
            "extended_entities": {"media": [{"media_url_https": "https://m/1"}]}}}"#,
    );
    assert_eq!((tweet.text.as_str(), tweet.entities.hashtags[0].text.as_str()), ("cut #one here", "one"));
    assert_eq!(tweet.entities.media[0].media_url, "https://m/1");
}

#[test]
fn a_retweet_holds_what_it_repeats() {
    let tweet = one(r#"{"id_str": "2", "text": "RT @ann: short #one", "entities": {"hashtags": [{"text": "one"}]},
            "retweeted_status": {"id_str": "1", "text": "short #one", "retweet_count": 5, "user": {"screen_name": "ann"},
                "retweeted_status": {"id_str": "0", "text": "deeper"}}}"#);
    let Some(Referenced::Tweet(retweeted)) = &tweet.retweet else { panic!("{tweet:?}") };
    assert_eq!((retweeted.id, retweeted.retweet_count, &retweeted.retweet), (1, 5, &None));
    assert_eq!(tweet.text, "RT @ann: short #one");
    assert!(tweet.to_json().contains(r#""retweeted_status":{"id":1,"id_str":"1","text":"short #one""#));
    assert_eq!(terms(&tweet, field::IS), ["retweet"]);
}

#[test]
fn the_text_of_a_retweet_is_completed() {
    let tweet = one(r#"{"id_str": "2", "text": "RT @Ann: a long text with #o…",
            "entities": {"user_mentions": [{"screen_name": "Ann", "name": "Ann A.", "indices": [3, 7]}]},
            "retweeted_status": {"id_str": "1", "text": "a long text with #one and @bob", "user": {"screen_name": "Ann"}}}"#);
    assert_eq!(tweet.text, "RT @Ann: a long text with #one and @bob");
    assert_eq!(tweet.entities.hashtags, [Tag { text: "one".into(), indices: Some([26, 30]) }]);
    let mentions: Vec<_> = tweet.entities.user_mentions.iter().map(|m| (m.screen_name.as_str(), m.indices)).collect();
    assert_eq!(mentions, [("Ann", Some([3, 7])), ("bob", Some([35, 39]))]);
    // Text that only looks truncated, and text of no retweet, stays.
    for text in ["RT @Ann: the end…", "Look: the e…"] {
        let json = format!(
            r#"{{"id_str": "2", "text": "{text}", "retweeted_status": {{"id_str": "1", "text": "the end…"}}}}"#
        );
        assert_eq!(one(&json).text, text);
    }
}

const RULE: &str = "give 1 to 512 bytes of text without spaces";

#[test]
fn the_identity_is_any_text_without_spaces() {
    for (id, id_str, number) in [
        (r#""id_str": "18446744073709551615""#, "18446744073709551615", u64::MAX),
        (r#""id": 9007199254740993"#, "9007199254740993", 9_007_199_254_740_993),
        (r#""id": "7""#, "7", 7),
        (r#""id_str": 7"#, "7", 7),
        (r#""id_str": "7", "id": 7"#, "7", 7),
        (r#""id_str": null, "id": 7"#, "7", 7),
        (r#""id": 12.0"#, "12", 12),
        (r#""id_str": "007""#, "007", 7),
        (r#""id_str": "at://x/y", "id": 9"#, "at://x/y", 9),
        (r#""id_str": "", "id": 7"#, "7", 7),
        (r#""id": 7, "id": 8"#, "8", 8),
        // `id` was rounded by a program that knows floats only.
        (
            r#""id_str": "1234567890123456789", "id": 1234567890123456800"#,
            "1234567890123456789",
            1_234_567_890_123_456_789,
        ),
        (
            r#""id_str": "1234567890123456789", "id": 1.2345678901234568e+18"#,
            "1234567890123456789",
            1_234_567_890_123_456_789,
        ),
    ] {
        let tweet = one(&format!(r#"{{{id}, "text": ""}}"#));
        assert_eq!((tweet.id_str.as_str(), tweet.id), (id_str, number), "{id}");
    }
    for (id, expected) in [
        (r#""x": 1"#, format!("id_str: missing: {RULE}")),
        (r#""id_str": """#, format!("id_str: \"\" is no id: {RULE}")),
        (r#""id_str": " 1""#, format!("id_str: \" 1\" is no id: {RULE}")),
        (r#""id": -1"#, format!("id: \"-1\" is no id: {RULE}")),
        (r#""id": true"#, format!("id: \"true\" is no id: {RULE}")),
        (r#""id": 1e18"#, "id: 1e18 is rounded: give the exact id in id_str".to_owned()),
    ] {
        check_error(format!(r#"{{{id}, "text": ""}}"#), &expected);
    }
}

#[test]
fn a_wrong_value_costs_only_itself() {
    let plain = one(r#"{"id": 1, "text": "x"}"#);
    for (fields, field) in [
        (r#""entities": 5"#, "entities"),
        (r#""entities": {"hashtags": [{"text": 1}, {}]}"#, "entities.hashtags"),
        (r#""entities": {"user_mentions": [{"screen_name": null}]}"#, "entities.user_mentions"),
        (r#""user": {"followers_count": "many"}"#, "user.followers_count"),
        (r#""user": 5"#, "user"),
        (r#""retweet_count": -1"#, "retweet_count"),
        (r#""quote_count": NaN"#, "quote_count"),
        (r#""created_at": "yesterday""#, "created_at"),
        (r#""timestamp_ms": "-5""#, "timestamp_ms"),
        (r#""is_quote_status": "maybe""#, "is_quote_status"),
        (r#""coordinates": {"coordinates": [181, 0]}"#, "coordinates"),
        (r#""coordinates": {"coordinates": [null, null]}"#, "coordinates"),
        (r#""geo": {"coordinates": [91, 0]}"#, "geo"),
        (r#""geo": {"coordinates": 5}"#, "geo"),
        (r#""lang": ["en"]"#, "lang"),
    ] {
        let json = format!(r#"{{"id": 1, "text": "x", {fields}}}"#);
        let parsed = json::Json::parse(&json).expect("JSON");
        let context = ReadContext::default();
        let mut reading = Reading::new(&context);
        let tweet = read_value(parsed.root(), &mut reading).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(tweet, plain, "{json}");
        assert!(reading.dropped.iter().any(|(dropped, _)| dropped == field), "{json}: {:?}", reading.dropped);
    }
    let tags = vec![r#"{"text": "a"}"#; MAX_ENTITIES + 1].join(",");
    let many = one(&format!(r#"{{"id": 1, "text": "", "entities": {{"hashtags": [{tags}]}}}}"#));
    assert_eq!(many.entities.hashtags.len(), MAX_ENTITIES);
    let tag = one(r#"{"id": 1, "text": "", "entities": {"hashtags": [{"text": "d", "indices": []}]}}"#);
    assert_eq!(tag.entities.hashtags, [Tag { text: "d".into(), indices: None }]);
    let cut = one("{\"id\": 1, \"text\": \"cut \\ud83d\"}");
    assert_eq!(cut.text, "cut \u{fffd}");
    let retweet = one(r#"{"id": 1, "text": "x", "retweeted_status": {"id_str": "5"}}"#);
    assert_eq!(retweet.retweet, Some(Referenced::Id("5".into())));
}

#[test]
fn what_is_no_tweet_is_refused_with_a_reason() {
    check_error("[]", "expected an object with the fields of a tweet");
    check_error("", "no JSON: the text ends where a value should stand at line 1 column 1");
    check_error("{\"id\": 1", "no JSON: the text ends inside a value at line 1 column 9");
    check_error(b"{\"text\": \"\xff\"}", "not UTF-8 from byte 11");
    check_error(r#"{"id": 1}"#, "text: missing, and there are no media: a tweet needs one of them");
    let picture = one(r#"{"id": 1, "entities": {"media": [{"media_url": "http://m/1"}]}}"#);
    assert_eq!((picture.text.as_str(), picture.entities.media.len()), ("", 1));
}

#[test]
fn time_and_order_come_from_date_id_or_arrival() {
    let arrival = 1_700_000_000_000;
    let context = ReadContext { arrival_ms: Some(arrival), author: None };
    let read = |json: &str| {
        let parsed = json::Json::parse(json).expect("JSON");
        read_value(parsed.root(), &mut Reading::new(&context)).expect("a tweet")
    };
    let tweet = read(r#"{"id": 1050118621198921728, "text": ""}"#);
    assert_eq!(tweet.created_at, Some(1_539_202_764));
    assert_eq!(read(r#"{"id": 20, "text": ""}"#).created_at, Some(arrival / 1_000));
    let named = |created: &str| read(&format!(r#"{{"id_str": "at://a/b", "text": "", "created_at": "{created}"}}"#));
    let (past, future) = (named("2018-10-10T20:19:24.211Z"), named("2118-10-10T20:19:24Z"));
    assert_eq!(past.id >> 22, 1_050_118_621_198_921_728 >> 22);
    assert_eq!(future.id >> 22, snowflake_of(arrival) >> 22);
    check_round_trip(&past);
    check_round_trip(&future);
}

fn snowflake_of(ms: i64) -> u64 {
    u64::try_from(ms - key::SNOWFLAKE_EPOCH_MS).expect("a time after 2010") << 22
}

#[test]
fn depth_is_no_danger() {
    for name in ["retweeted_status", "quoted_status", "place", "data", "includes"] {
        let inner = format!(r#"{{"id": 2, "text": "", "{name}": "#).repeat(100_000);
        let closed = format!(r#"{{"id": 1, "text": "", "{name}": {inner}5{}}}"#, "}".repeat(100_000));
        let _ = (read(closed.as_bytes()), read(inner.as_bytes()));
        let _ = read(closed.replace("\"text\": \"\"", "\"text\": 5").as_bytes());
    }
    let _ = read("[".repeat(100_000).as_bytes());
    let _ = read(format!(r#"{{"entities": {}"#, "[".repeat(100_000)).as_bytes());
    let _ = read(format!(r#"{{"geo": {{"coordinates": {}"#, "[".repeat(100_000)).as_bytes());
}

#[test]
fn null_is_missing() {
    let names = [
        "full_text",
        "extended_tweet",
        "created_at",
        "lang",
        "entities",
        "extended_entities",
        "user",
        "geo",
        "coordinates",
        "in_reply_to_status_id",
        "in_reply_to_screen_name",
        "retweeted_status",
        "quoted_status",
        "retweet_count",
        "favorite_count",
        "is_quote_status",
        "timestamp_ms",
    ];
    let nulls: String = names.iter().map(|name| format!(r#", "{name}": null"#)).collect();
    let tweet = one(&format!(r#"{{"id": 1, "text": "x"{nulls}}}"#));
    assert_eq!(tweet, Tweet { id: 1, id_str: "1".into(), text: "x".into(), ..Tweet::default() });
    one(
        r#"{"id": 1, "text": "x", "entities": {"hashtags": null, "urls": [{"url": "http://t.co/a", "expanded_url": null}]}}"#,
    );
}

#[test]
fn dates_are_read_and_written() {
    for (text, seconds) in [
        ("Tue Dec 23 00:59:25 +0000 2014", 1_419_296_365),
        ("Tue Dec 23 02:29:25 +0130 2014", 1_419_296_365),
        ("Mon Dec 22 23:59:25 -0100 2014", 1_419_296_365),
        ("2014-12-23T00:59:25Z", 1_419_296_365),
        ("2014-12-23T00:59:25.999Z", 1_419_296_365),
        ("2014-12-23T01:59:25+01:00", 1_419_296_365),
        ("Thu Jan 01 00:00:00 +0000 1970", 0),
        ("Wed Dec 31 23:59:59 +0000 1969", -1),
        ("Thu Feb 29 12:00:00 +0000 2024", 1_709_208_000),
        ("Sat Dec 31 23:59:60 +0000 2016", 1_483_228_799),
        ("2014-12-23 00:59:25 +0000", 1_419_296_365),
        ("2014-12-23 00:59:25", 1_419_296_365),
        ("2014-12-23 02:59:25 +02:00", 1_419_296_365),
        ("2014-12-23 00:59:25 UTC", 1_419_296_365),
        ("2014-12-23 00:59", 1_419_296_340),
        ("2014/12/23 00:59:25", 1_419_296_365),
        ("2014-12-23", 1_419_292_800),
        ("2014-12-23T00:59:25.123456Z", 1_419_296_365),
        ("Tue, 23 Dec 2014 00:59:25 +0000", 1_419_296_365),
        ("Tue, 23 Dec 2014 00:59:25 GMT", 1_419_296_365),
        ("23 Dec 2014 00:59:25 +0000", 1_419_296_365),
        ("1419296365", 1_419_296_365),
        ("1419296365.5", 1_419_296_365),
        ("1419296365123", 1_419_296_365),
        ("1419296365123456", 1_419_296_365),
    ] {
        assert_eq!(date::parse(text).map(|millis| millis.div_euclid(1_000)), Some(seconds), "{text}");
    }
    assert_eq!(date::parse("2014-12-23T00:59:25.123Z"), Some(1_419_296_365_123));
    for text in [
        "",
        "Tue Dec 23 00:59:25 +0000 20144",
        "Tue Feb 30 00:00:00 +0000 2014",
        "Tue Foo 23 00:59:25 +0000 2014",
        "Tue Dec 23 24:59:25 +0000 2014",
        "2014",
        "2014-13-23",
        "2014-12-23T00:59:25+01:00:00",
        "-000001-12-23T00:00:00Z",
        "é Dec 23 00:59:25 +0000 2014",
        "Tue Dec 23 00:59:25 x0000 2014",
    ] {
        assert_eq!(date::parse(text), None, "{text}");
    }
    assert_eq!(one(r#"{"id": 1, "text": "", "timestamp_ms": "1419296365678"}"#).created_at, Some(1_419_296_365));
}

#[test]
fn an_id_beyond_the_index_is_no_value() {
    let tweet = one(r#"{"id": 18446744073709551615, "text": ""}"#);
    assert!(!analyze(&tweet).doc.has(field::ID));
}

#[test]
fn positions_stay_exact() {
    let tweet = one(
        r#"{"id": 1, "text": "", "coordinates": {"type": "Point", "coordinates": [-0.12775829999999998, 51.50735090000001]}}"#,
    );
    assert_eq!(tweet.coordinates, Some(Point { lon: -0.127_758_3, lat: 51.507_350_900_000_01 }));
    let tweet = one(r#"{"id": 1, "text": "", "geo": {"type": "Point", "coordinates": [51.5, -0.1]}}"#);
    assert_eq!(tweet.coordinates, Some(Point { lon: -0.1, lat: 51.5 }));
}

/// The file that the project is given beside it, when it is there.
fn real_tweets() -> Option<serde_json::Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/twitter-api-v1-search.json");
    let path = std::env::var("PERCH_SEARCH_ANSWER").unwrap_or(path.to_owned());
    Some(serde_json::from_str(&std::fs::read_to_string(path).ok()?).expect("the file is JSON"))
}

#[test]
fn real_tweets_are_read() {
    let Some(answer) = real_tweets() else { return };
    let statuses = answer["statuses"].as_array().expect("a search answer");
    let tweets: Vec<Tweet> = statuses.iter().map(|status| one(&status.to_string())).collect();
    assert_eq!(tweets.len(), 100);
    assert_eq!(tweets.iter().filter(|tweet| tweet.lang.as_deref() == Some("ja")).count(), 96);
    assert_eq!(tweets.iter().filter(|tweet| tweet.retweet.is_some()).count(), 73);
    assert_eq!(tweets.iter().filter(|tweet| !tweet.entities.media.is_empty()).count(), 6);
    for (tweet, status) in tweets.iter().zip(statuses) {
        assert_eq!(Some(tweet.id), status["id"].as_u64());
        assert_eq!(tweet.created_at.map(date::format).as_deref(), status["created_at"].as_str());
        if let Some(Referenced::Tweet(retweeted)) = &tweet.retweet {
            assert!(tweet.text.ends_with(&retweeted.text), "{}\n{}", tweet.text, retweeted.text);
        }
        // The entities that are found are those that Twitter found.
        let text = status["text"].as_str().expect("a text");
        let given = &status["entities"];
        let found = extract::extract(text);
        assert_eq!(found.hashtags.len(), given["hashtags"].as_array().map_or(0, Vec::len), "{text}");
        assert_eq!(found.user_mentions.len(), given["user_mentions"].as_array().map_or(0, Vec::len), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_stored_is_the_tweet(tweet in arbitrary::tweet()) {
        // A retweet that was built with a text that is cut off is completed when it is read; then
        // it stays.
        let read_once = read(tweet.to_json().as_bytes()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        if !tweet.text.ends_with('…') {
            prop_assert_eq!(&read_once, &tweet);
        }
        check_round_trip(&read_once);
    }

    #[test]
    fn bare_tweets_survive_storing(text in arbitrary::text()) {
        let json = serde_json::json!({"id": 1, "text": text});
        one(&json.to_string());
    }

    #[test]
    fn junk_is_refused_quietly(json in "[\\[\\]{}\":,0-9a-z ]{0,40}", bytes in any::<Vec<u8>>()) {
        let _ = (read(json.as_bytes()), read(&bytes));
    }
}
