use proptest::prelude::*;

use super::*;
use crate::schema::{FieldId, tweet as field};

fn one(json: &str) -> Tweet {
    let mut tweets = read(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(tweets.len(), 1, "{json}");
    let tweet = tweets.remove(0);
    check_round_trip(&tweet);
    tweet
}

/// The stored JSON is the same tweet, with the same document.
#[track_caller]
fn check_round_trip(tweet: &Tweet) {
    let json = tweet.to_json();
    assert!(!json.contains(":null"), "{json}");
    let again = read(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(again, std::slice::from_ref(tweet), "{json}");
    let [first, second] = [tweet, &again[0]].map(analyze);
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
        r#"{"id":505874924095815681,"id_str":"505874924095815681","text":"Hello &amp; welcome","retweet_count":0,"favorite_count":0,"entities":{"hashtags":[],"urls":[],"user_mentions":[],"media":[],"symbols":[]},"user":{"name":"","screen_name":"","profile_image_url":"","followers_count":0}}"#
    );
    assert_eq!(terms(&tweet, field::TEXT), ["hello", "welcome"]);
    assert_eq!(analyze(&tweet).doc.values().len(), 4);
}

const FULL: &str = r#"{
    "created_at": "Tue Dec 23 00:59:25 +0000 2014", "id": 10, "id_str": "10",
    "text": "@bob look at #Rust $TSLA http://t.co/a http://t.co/b", "lang": "en",
    "in_reply_to_status_id": 9, "in_reply_to_status_id_str": "9", "in_reply_to_user_id": 8, "in_reply_to_screen_name": "Bob",
    "user": {"id": 5, "name": "Änn", "screen_name": "Ann", "profile_image_url": "http://p/a.png", "followers_count": 7, "verified": true},
    "geo": {"type": "Point", "coordinates": [52.5, 13.4]}, "coordinates": {"type": "Point", "coordinates": [13.4, 52.5]},
    "retweet_count": 3, "favorite_count": 4, "is_quote_status": true, "quoted_status": {"id": 2}, "place": null, "contributors": null,
    "entities": {
        "hashtags": [{"text": "Rust", "indices": [13, 18]}], "symbols": [{"text": "TSLA", "indices": [19, 24]}],
        "urls": [{"url": "http://t.co/a", "expanded_url": "https://www.example.com/Books", "display_url": "example.com/Books", "indices": [25, 38]}],
        "user_mentions": [{"screen_name": "bob", "name": "Bob", "id": -1, "id_str": "-1", "indices": [0, 4]}],
        "media": [{"id": 505864942575034400, "media_url": "http://m/1.jpg", "media_url_https": "https://m/1.jpg", "url": "http://t.co/b",
            "display_url": "pic", "expanded_url": "http://x/photo/1", "type": "photo", "sizes": {}, "indices": [39, 52]}]
    },
    "extended_entities": {"media": [
        {"media_url": "http://m/1.jpg", "url": "http://t.co/b", "type": "photo"}, {"media_url": "http://m/2.jpg", "url": "http://t.co/b", "type": "photo"}]}
}"#;

#[test]
fn a_tweet_of_v1_is_stripped() {
    let tweet = one(FULL);
    expect_test::expect![[r#"{"id":10,"id_str":"10","text":"@bob look at #Rust $TSLA http://t.co/a http://t.co/b","created_at":"Tue Dec 23 00:59:25 +0000 2014","lang":"en","retweet_count":3,"favorite_count":4,"entities":{"hashtags":[{"text":"Rust","indices":[13,18]}],"urls":[{"url":"http://t.co/a","expanded_url":"https://www.example.com/Books","display_url":"example.com/Books","indices":[25,38]}],"user_mentions":[{"screen_name":"bob","name":"Bob","indices":[0,4]}],"media":[{"type":"photo","url":"http://t.co/b","media_url":"http://m/1.jpg"},{"type":"photo","url":"http://t.co/b","media_url":"http://m/2.jpg"}],"symbols":[{"text":"TSLA","indices":[19,24]}]},"user":{"name":"Änn","screen_name":"Ann","profile_image_url":"http://p/a.png","followers_count":7},"in_reply_to_status_id_str":"9","in_reply_to_user_id_str":"8","in_reply_to_screen_name":"Bob","is_quote_status":true,"coordinates":{"type":"Point","coordinates":[13.4,52.5]}}"#]]
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
    assert_eq!(terms(&tweet, field::URL), ["example.com", "books"]);
    assert_eq!(terms(&tweet, field::HASHTAG), ["rust"]);
    assert_eq!(terms(&tweet, field::MENTION), ["bob"]);
    assert_eq!(terms(&tweet, field::CASHTAG), ["tsla"]);
    assert_eq!(terms(&tweet, field::LANG), ["en"]);
    assert_eq!(terms(&tweet, field::SCREEN_NAME), ["ann"]);
    assert_eq!(terms(&tweet, field::REPLY_TO), ["bob"]);
    assert_eq!(terms(&tweet, field::HAS), ["media", "links", "hashtags", "mentions", "cashtags", "coordinates"]);
    assert_eq!(terms(&tweet, field::IS), ["reply", "quote"]);
    assert_eq!(
        doc.values(),
        [
            (field::ID, 10),
            (field::FOLLOWERS, 7),
            (field::RETWEETS, 3),
            (field::FAVORITES, 4),
            (field::CREATED, 1_419_296_365_000),
        ]
    );
    assert_eq!(doc.points(), [(field::COORDINATES, Point { lon: 13.4, lat: 52.5 })]);
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
    let tweet = one(r#"{"data": {"id": "1", "text": "cut…", "note_tweet": {"text": "cut here #not"}}}"#);
    assert_eq!((tweet.text.as_str(), tweet.entities.hashtags[0].text.as_str()), ("cut here #not", "not"));
}

#[test]
fn a_retweet_holds_what_it_repeats() {
    let tweet = one(r#"{"id_str": "2", "text": "RT @ann: short #one", "entities": {"hashtags": [{"text": "one"}]},
            "retweeted_status": {"id_str": "1", "text": "short #one", "retweet_count": 5, "user": {"screen_name": "ann"},
                "retweeted_status": {"id_str": "0", "text": "deeper"}}}"#);
    let Some(Retweet::Tweet(retweeted)) = &tweet.retweet else { panic!("{tweet:?}") };
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

#[test]
fn a_document_of_v2_is_read() {
    let json = r#"{"data": [
        {"id": "20", "text": "Hi @Bob #Rust https://t.co/a https://t.co/p", "author_id": "1", "created_at": "2024-02-29T12:30:45.678Z", "lang": "de",
            "edit_history_tweet_ids": ["20"], "in_reply_to_user_id": "2", "conversation_id": "19",
            "public_metrics": {"retweet_count": 1, "reply_count": 2, "like_count": 3, "quote_count": 4},
            "entities": {"hashtags": [{"start": 8, "end": 13, "tag": "Rust"}], "mentions": [{"start": 3, "end": 7, "username": "Bob", "id": "2"}],
                "urls": [{"start": 14, "end": 28, "url": "https://t.co/a", "expanded_url": "https://example.com/a", "display_url": "example.com/a", "status": 200},
                    {"start": 29, "end": 43, "url": "https://t.co/p", "expanded_url": "https://x/photo/1", "display_url": "pic.x", "media_key": "3_1"}]},
            "attachments": {"media_keys": ["3_1", "7_2"]}, "geo": {"place_id": "x", "coordinates": {"type": "Point", "coordinates": [13.4, 52.5]}},
            "referenced_tweets": [{"type": "replied_to", "id": "19"}, {"type": "quoted", "id": "18"}]},
        {"id": "21", "text": "RT @Ann: words that go o…", "author_id": "2", "referenced_tweets": [{"type": "retweeted", "id": "17"}]},
        {"id": "22", "text": "RT @Ann: nobody knows", "referenced_tweets": [{"type": "retweeted", "id": "16"}]}],
      "includes": {"users": [
            {"id": "1", "name": "Ann", "username": "ann", "profile_image_url": "https://p/1", "public_metrics": {"followers_count": 9}},
            {"id": "2", "name": "Bob", "username": "Bob"}],
        "tweets": [{"id": "17", "text": "words that go on and on", "author_id": "1"}],
        "media": [{"media_key": "3_1", "type": "photo", "url": "https://m/1.jpg"}, {"media_key": "7_2", "type": "video", "preview_image_url": "https://m/2.jpg"}]},
      "meta": {"result_count": 3}}"#;
    let tweets = read(json.as_bytes()).expect("a document of API v2");
    tweets.iter().for_each(check_round_trip);
    let [reply, retweet, other] = &*tweets else { panic!("{tweets:?}") };
    expect_test::expect![[r#"{"id":20,"id_str":"20","text":"Hi @Bob #Rust https://t.co/a https://t.co/p","created_at":"Thu Feb 29 12:30:45 +0000 2024","lang":"de","retweet_count":1,"favorite_count":3,"entities":{"hashtags":[{"text":"Rust","indices":[8,13]}],"urls":[{"url":"https://t.co/a","expanded_url":"https://example.com/a","display_url":"example.com/a","indices":[14,28]}],"user_mentions":[{"screen_name":"Bob","indices":[3,7]}],"media":[{"type":"photo","url":"https://t.co/p","media_url":"https://m/1.jpg","expanded_url":"https://x/photo/1","display_url":"pic.x","indices":[29,43]},{"type":"video","url":"https://m/2.jpg","media_url":"https://m/2.jpg"}],"symbols":[]},"user":{"name":"Ann","screen_name":"ann","profile_image_url":"https://p/1","followers_count":9},"in_reply_to_status_id_str":"19","in_reply_to_user_id_str":"2","in_reply_to_screen_name":"Bob","is_quote_status":true,"coordinates":{"type":"Point","coordinates":[13.4,52.5]}}"#]]
    .assert_eq(&reply.to_json());
    assert_eq!(retweet.text, "RT @Ann: words that go on and on");
    assert!(matches!(&retweet.retweet, Some(Retweet::Tweet(tweet)) if tweet.user.screen_name == "ann"));
    assert_eq!(other.retweet, Some(Retweet::Id(16)));
    assert_eq!(terms(other, field::IS), ["retweet"]);
}

#[test]
fn a_document_of_v2_may_hold_one_tweet_or_none() {
    assert_eq!(one(r#"{"data": {"id": "5", "text": "stream"}, "matching_rules": []}"#).id, 5);
    assert_eq!(read(br#"{"meta": {"result_count": 0}}"#), Ok(vec![]));
    assert_eq!(read(br#"{"data": []}"#), Ok(vec![]));
    check_error(r#"{"data": [{"id": "5", "text": "x"}, {"id": "6"}]}"#, "data[1].text: missing");
}

#[test]
fn ids_are_whole_numbers() {
    for (id, expected) in [
        (r#""id_str": "18446744073709551615""#, u64::MAX),
        (r#""id": 9007199254740993"#, 9_007_199_254_740_993),
        (r#""id": "7""#, 7),
        (r#""id_str": 7"#, 7),
        (r#""id_str": "7", "id": 7"#, 7),
        (r#""id_str": null, "id": 7"#, 7),
    ] {
        assert_eq!(one(&format!(r#"{{{id}, "text": ""}}"#)).id, expected);
    }
    for (id, expected) in [
        (r#""x": 1"#, "id_str: missing"),
        (r#""id_str": "abc""#, r#"id_str: "abc" is not a number"#),
        (r#""id_str": """#, r#"id_str: "" is not a number"#),
        (r#""id_str": "+1""#, r#"id_str: "+1" is not a number"#),
        (r#""id_str": " 1""#, r#"id_str: " 1" is not a number"#),
        (r#""id_str": "-1""#, "id_str: an id is not negative"),
        (r#""id": -1"#, "id: an id is not negative"),
        (r#""id": 12.0"#, "id: 12.0 is not a whole number below 2^64, written in full"),
        (r#""id": 1e18"#, "id: 1e18 is not a whole number below 2^64, written in full"),
        (r#""id_str": "18446744073709551616""#, "id_str: 18446744073709551616 is too large for an id"),
        (r#""id": true"#, "id: invalid type: boolean `true`, expected a whole number or a string of digits"),
        (r#""id_str": "8", "id": 7"#, "id_str: 8 is not 7, the id"),
        (r#""id": 7, "id": 7"#, "duplicate field `id`"),
    ] {
        check_error(format!(r#"{{{id}, "text": ""}}"#), expected);
    }
}

#[test]
fn mistakes_name_their_field() {
    for (fields, expected) in [
        (r#""text": 5"#, "text: invalid type: integer `5`, expected a string"),
        (r#""id_str": "1""#, "text: missing"),
        (r#""text": "", "entities": 5"#, "entities: invalid type: integer `5`, expected an object"),
        (
            r#""text": "", "entities": {"hashtags": [{"text": "a"}, {"text": 1}]}"#,
            "entities.hashtags[1].text: invalid type: integer `1`, expected a string",
        ),
        (r#""text": "", "entities": {"hashtags": [{}]}"#, "entities.hashtags[0].text: missing"),
        (
            r#""text": "", "user": {"followers_count": "1"}"#,
            "user.followers_count: invalid type: string \"1\", expected a whole number",
        ),
        (r#""text": "", "retweet_count": -1"#, "retweet_count: a count is not negative"),
        (r#""text": "", "created_at": "yesterday""#, "created_at: \"yesterday\" is not a date"),
        (r#""text": "", "timestamp_ms": "-5""#, "timestamp_ms: not a date"),
        (
            r#""text": "", "coordinates": {"coordinates": [181, 0]}"#,
            "coordinates: [181, 0] is not a longitude and a latitude",
        ),
        (
            r#""text": "", "coordinates": {"coordinates": ["1", 0]}"#,
            "coordinates: [\"1\", 0] is not a longitude and a latitude",
        ),
        (
            r#""text": "", "geo": {"coordinates": [91, 0]}"#,
            "geo.coordinates: [0, 91] is not a longitude and a latitude",
        ),
        (r#""text": "", "geo": {"coordinates": 5}"#, "geo.coordinates: not a position"),
        (r#""text": "", "retweeted_status": {"id_str": "x"}"#, "retweeted_status.id_str: \"x\" is not a number"),
        (r#""text": "", "retweeted_status": {"id_str": "5"}"#, "retweeted_status.text: missing"),
    ] {
        check_error(format!(r#"{{"id": 1, {fields}}}"#), expected);
    }
    check_error("[]", "not a JSON object");
    check_error("", "not a JSON object");
    check_error("{\"id\": 1", "no JSON: EOF while parsing an object at line 1 column 8");
    check_error(b"{\"text\": \"\xff\"}", "not UTF-8 from byte 11");
    let tags = vec![r#"{"text": "a"}"#; MAX_ENTITIES + 1].join(",");
    check_error(
        format!(r#"{{"id": 1, "text": "", "entities": {{"hashtags": [{tags}]}}}}"#),
        "entities.hashtags: more than 1000",
    );
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
        "data",
        "includes",
        "public_metrics",
        "timestamp_ms",
    ];
    let nulls: String = names.iter().map(|name| format!(r#", "{name}": null"#)).collect();
    let tweet = one(&format!(r#"{{"id": 1, "text": "x"{nulls}}}"#));
    assert_eq!(tweet, Tweet { id: 1, text: "x".into(), ..Tweet::default() });
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
    ] {
        assert_eq!(date::parse(text), Some(seconds), "{text}");
    }
    for text in [
        "",
        "Tue Dec 23 00:59:25 +0000 20144",
        "Tue Feb 30 00:00:00 +0000 2014",
        "Tue Foo 23 00:59:25 +0000 2014",
        "Tue Dec 23 24:59:25 +0000 2014",
        "2014-12-23",
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
        if let Some(Retweet::Tweet(retweeted)) = &tweet.retweet {
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

fn indices() -> impl Strategy<Value = Indices> {
    prop::option::of(any::<[u32; 2]>())
}

fn text() -> impl Strategy<Value = String> {
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
    let tag = || prop::collection::vec((text(), indices()).prop_map(|(text, indices)| Tag { text, indices }), 0..3);
    let url = (text(), text(), text(), indices()).prop_map(|(url, expanded_url, display_url, indices)| Url {
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
            User { name, screen_name, profile_image_url, followers_count }
        });
    let reply = (prop::option::of(any::<u64>()), prop::option::of(any::<u64>()), prop::option::of(text()));
    let point = prop::option::of((-180.0..=180.0, -90.0..=90.0).prop_map(|(lon, lat)| Point { lon, lat }));
    let created = prop::option::of(-62_167_219_200_i64..=253_402_000_000);
    (
        (any::<u64>(), text(), created, prop::option::of(text()), any::<u64>(), any::<u64>()),
        (entities(), user, reply, any::<bool>(), point),
    )
        .prop_map(
            |(
                (id, text, created_at, lang, retweet_count, favorite_count),
                (entities, user, reply, is_quote, coordinates),
            )| {
                Tweet {
                    id,
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

fn tweet() -> impl Strategy<Value = Tweet> {
    let retweet = prop_oneof![
        2 => Just(None),
        1 => any::<u64>().prop_map(|id| Some(Retweet::Id(id))),
        2 => plain_tweet().prop_map(|tweet| Some(Retweet::Tweet(Box::new(tweet)))),
    ];
    (plain_tweet(), retweet).prop_map(|(tweet, retweet)| Tweet { retweet, ..tweet })
}

proptest! {
    #[test]
    fn what_is_stored_is_the_tweet(tweet in tweet()) {
        // A retweet that was built with a text that is cut off is completed when it is read; then
        // it stays.
        let read_once = read(tweet.to_json().as_bytes()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        if !tweet.text.ends_with('…') {
            prop_assert_eq!(&read_once[0], &tweet);
        }
        check_round_trip(&read_once[0]);
    }

    #[test]
    fn bare_tweets_survive_storing(text in text()) {
        let json = serde_json::json!({"id": 1, "text": text});
        one(&json.to_string());
    }

    #[test]
    fn junk_is_refused_quietly(json in "[\\[\\]{}\":,0-9a-z ]{0,40}", bytes in any::<Vec<u8>>()) {
        let _ = (read(json.as_bytes()), read(&bytes));
    }
}
