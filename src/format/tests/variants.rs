//! Documents as tools, older versions of networks and spreadsheets write them.

use super::*;

#[track_caller]
fn one(json: &str) -> Tweet {
    let mut tweets = tweets(json);
    assert_eq!(tweets.len(), 1, "{json}");
    tweets.remove(0)
}

#[test]
fn own_names_beside_an_id_and_a_text_are_read() {
    for json in [
        r#"{"id": "1001", "text": "x", "username": "ann", "date": "2020-01-01", "likes": 3}"#,
        r#"{"id": "1001", "text": "x", "author": {"username": "ann"}, "like_count": 3, "created_at": "2020-01-01"}"#,
        r#"{"id": 1001, "text": "x", "isRetweet": "f", "favorites": 3, "date": "2020-01-01 00:00:00", "handle": "ann"}"#,
        r#"{"id": "1001", "createdAt": "2020-01-01T00:00:00.000Z", "text": "x", "user": {"username": "ann"}, "likes": 3}"#,
        r#"{"id": 1001, "created_at": "2020-01-01 01:00:00 CET", "username": "ann", "tweet": "x", "likes_count": 3, "retweet": false}"#,
        r#"{"id": 1001, "created_at": 1577836800000, "text": "x", "user": {"screen_name": "ann"}, "likes": 3}"#,
    ] {
        let tweet = one(json);
        let shown = (&*tweet.id_str, &*tweet.text, &*tweet.user.screen_name, tweet.favorite_count, tweet.created_at);
        assert_eq!(shown, ("1001", "x", "ann", 3, Some(1_577_836_800)), "{json}");
        assert_eq!(tweet.retweet, None, "{json}");
    }
}

#[test]
fn twitter_web_exporter_is_read() {
    let json = r#"{"id": "1800000000000000002", "created_at": "2024-06-10 12:00:00 +08:00", "full_text": "quoting",
        "media": [{"type": "photo", "url": "https://t.co/p", "thumbnail": "https://p/t.jpg", "original": "https://p/o.jpg"}],
        "screen_name": "eve", "name": "Eve", "user_id": "12", "in_reply_to": "1800000000000000008",
        "retweeted_status": null, "quoted_status": "1800000000000000009", "tags": [], "favorite_count": 9,
        "retweeted": false, "url": "https://twitter.com/eve/status/1800000000000000002"}"#;
    let tweet = one(json);
    assert_eq!((&*tweet.user.screen_name, &*tweet.user.name, tweet.favorite_count), ("eve", "Eve", 9));
    assert_eq!(tweet.user.id_str.as_deref(), Some("12"));
    assert_eq!(tweet.entities.media[0].media_url, "https://p/o.jpg");
    assert_eq!(tweet.in_reply_to_status_id.as_deref(), Some("1800000000000000008"));
    assert_eq!(tweet.quoted, Some(Referenced::Id("1800000000000000009".into())));
    let retweet = json.replace(r#""retweeted_status": null"#, r#""retweeted_status": "1800000000000000007""#);
    assert_eq!(one(&retweet).retweet, Some(Referenced::Id("1800000000000000007".into())));
}

#[test]
fn what_api_v1_writes_stays_its_own() {
    for json in [
        r#"{"id": 5, "text": "x"}"#,
        r#"{"id_str": "5", "full_text": "x", "retweeted": false, "entities": {}, "lang": "en"}"#,
        r#"{"id_str": "5", "text": "x", "user": {"id": 7, "id_str": "7"}}"#,
        r#"{"id_str": "5", "text": "x", "user": {"screen_name": "ann", "name": "Ann"}, "geo": null}"#,
    ] {
        let context = ReadContext::default();
        let kind = read_document(json, None, &mut Output::new(&context, usize::MAX));
        assert_eq!(kind.map(|kind| kind.name), Some("twitter-v1"), "{json}");
    }
    // A post of Reddit, and a line of a log.
    for json in [r#"{"id": "a1", "body": "x", "author": "ann"}"#, r#"{"id": 7, "message": "x", "name": "log"}"#] {
        assert!(matches!(&*read(json).0, [Err(_)]), "{json}");
    }
}

#[test]
fn an_id_that_a_table_rounded_is_refused() {
    for id in ["1,05012E+18", "1.05012E+18", "1.050118621198921728E+18", "1050118621198921728.0"] {
        let [Err(reason)] = &*read(&format!(r#"{{"tweet_id": "{id}", "tweet": "x"}}"#)).0 else { panic!("{id}") };
        assert!(reason.contains("rounded"), "{reason}");
    }
    assert_eq!(one(r#"{"tweet_id": "31.0", "tweet": "x"}"#).id_str, "31");
}

#[test]
fn cells_hold_lists_and_truth_in_many_forms() {
    let json = serde_json::json!({
        "tweet_id": "7", "tweet": "x", "retweet": "False", "user": "{'screen_name': 'ann', 'name': 'Ann'}",
        "entities.hashtags": r#"[{"start":0,"end":2,"tag":"one"}]"#,
        "mentions": "[{'screen_name': 'bob', 'name': 'Bob'}]", "urls": "['https://a.example', 'https://b.example']",
        "likes": "1.234",
    });
    let tweet = one(&json.to_string());
    assert_eq!((&*tweet.user.screen_name, tweet.favorite_count, &tweet.retweet), ("ann", 1_234, &None));
    assert_eq!(tweet.entities.hashtags[0].text, "one");
    assert_eq!(tweet.entities.user_mentions[0].screen_name, "bob");
    let urls: Vec<_> = tweet.entities.urls.iter().map(|url| &*url.expanded_url).collect();
    assert_eq!(urls, ["https://a.example", "https://b.example"]);
    let tweet = one(r##"{"tweet_id": "7", "tweet": "x", "hashtags": "#x #y", "retweet": "TRUE"}"##);
    let tags: Vec<_> = tweet.entities.hashtags.iter().map(|tag| &*tag.text).collect();
    assert_eq!((tags, tweet.retweet), (vec!["x", "y"], Some(Referenced::Unknown)));
    let (items, dropped) = read(r#"{"tweet_id": "7", "tweet": "x", "urls": "no link", "user_mentions": "[12345]"}"#);
    assert!(matches!(&*items, [Ok(Item::Tweet(_))]), "{items:?}");
    assert_eq!(dropped, ["entities.user_mentions", "entities.urls"]);
}

#[test]
fn an_empty_text_is_none() {
    assert_eq!(one(r#"{"id_str": "1", "full_text": "", "text": "has text"}"#).text, "has text");
    assert_eq!(one(r#"{"id_str": "1", "text": "cut", "extended_tweet": {"full_text": ""}}"#).text, "cut");
    assert_eq!(one(r#"{"data": {"id": "1", "text": "cut", "note_tweet": {"text": ""}}}"#).text, "cut");
    let (items, _) = read(r#"{"id_str": "1", "text": ""}"#);
    assert!(matches!(&*items, [Err(reason)] if reason.starts_with("text: missing")), "{items:?}");
    // A tweet may be nothing but a quotation.
    assert_eq!(one(r#"{"id_str": "1", "text": "", "quoted_status_id_str": "9"}"#).text, "");
}

#[test]
fn bad_parts_are_dropped_and_counted() {
    for (part, field) in [
        (r#""entities": {"hashtags": [{"text": "x", "indices": [9, 3]}]}"#, "entities.indices"),
        (r#""entities": {"hashtags": [{"text": "", "indices": [0, 1]}]}"#, "entities.hashtags"),
        (r#""quoted_status": "x""#, "referenced_id"),
        (r#""retweeted_status": []"#, "referenced_id"),
    ] {
        let (items, dropped) = read(&format!(r#"{{"id_str": "1", "text": "a", {part}}}"#));
        assert!(matches!(&*items, [Ok(Item::Tweet(_))]), "{part}: {items:?}");
        assert_eq!(dropped, [field], "{part}");
    }
}

#[test]
fn records_that_are_no_tweets_are_skipped() {
    let status = |visibility: &str| {
        format!(
            r#"{{"uri": "https://m.x/1", "content": "<p>a</p>", "visibility": "{visibility}", "account": {{"acct": "ann"}}}}"#
        )
    };
    let note = |to: &str| {
        format!(
            r#"{{"type": "Create", "actor": "https://m.x/u/ann", "to": [{to}],
            "object": {{"type": "Note", "id": "https://m.x/1", "content": "a", "to": [{to}]}}}}"#
        )
    };
    let public = r#""https://www.w3.org/ns/activitystreams#Public""#;
    for json in [status("public"), status("unlisted"), note(public)] {
        assert!(matches!(&*read(&json).0, [Ok(Item::Tweet(_))]), "{json}");
    }
    for (json, kind) in [
        (status("direct"), "private"),
        (status("private"), "private"),
        (note(r#""https://m.x/u/bob""#), "private"),
        (r#"{"id": "1", "type": "mention", "account": {"acct": "bob"}, "status": {}}"#.to_owned(), "notification"),
        (r#"{"data": {"tweet_edit": {"tweet": {"id": "1"}}}}"#.to_owned(), "tweet_edit"),
        (r#"{"data": {"withheld": {"tweet": {"id": "1"}}}}"#.to_owned(), "withheld"),
        (r#"{"index": {"_index": "tweets", "_id": "1"}}"#.to_owned(), "action"),
        (r#"{"noResults": true}"#.to_owned(), "noResults"),
        (r#"{"screen_name": "ann", "bio": "b", "id": "7", "created_at": "2008"}"#.to_owned(), "user_details"),
        (r#"{"file_name": "data/js/tweets/2013_01.js", "var_name": "tweets_2013_01"}"#.to_owned(), "tweet_index"),
        (r#"{"grokChatItem": {"message": "hi"}}"#.to_owned(), "grokChatItem"),
        (r#"{"archiveInfo": {}, "dataTypes": {}}"#.to_owned(), "manifest"),
    ] {
        assert_eq!(read(&json).0, [Ok(Item::Skipped { kind })], "{json}");
    }
}

#[test]
fn dates_of_old_tools_are_read() {
    for (date, expected) in [
        ("Mon Apr 06 22:19:45 PDT 2009", Some(1_239_081_585)),
        ("2020-02-28 10:00:00 CET", Some(1_582_880_400)),
        ("10.10.2018 20:19:24", Some(1_539_202_764)),
        ("Wed Oct 10 20:19:24 2018", Some(1_539_202_764)),
        ("20181010201924", Some(1_539_202_764)),
        ("10/10/2018", None),
        ("99999999999999", None),
    ] {
        let (items, dropped) = read(&format!(r#"{{"id_str": "at://x", "text": "a", "created_at": "{date}"}}"#));
        let [Ok(Item::Tweet(tweet))] = &*items else { panic!("{items:?}") };
        assert_eq!(tweet.created_at, expected.or(Some(1_700_000_000)), "{date}");
        assert_eq!(dropped.is_empty(), expected.is_some(), "{date}");
    }
}

#[test]
fn the_id_of_a_database_is_that_of_a_tweet_without_one() {
    let json = r#"{"_index": "tweets", "_id": "1050118621198921728", "_source": {"text": "a", "user": {"screen_name": "ann"}}}"#;
    let tweet = one(json);
    assert_eq!((&*tweet.id_str, &*tweet.user.screen_name), ("1050118621198921728", "ann"));
    assert_eq!(one(r#"{"_id": "x", "_source": {"id_str": "5", "text": "a"}}"#).id_str, "5");
    assert!(matches!(&*read(r#"{"_id": "x", "_source": {}}"#).0, [Err(_)]));
}

#[test]
fn a_post_of_bluesky_without_its_key_is_refused() {
    let json = r#"{"did": "did:plc:a", "kind": "commit", "commit": {"operation": "create", "collection": "app.bsky.feed.post",
        "rkey": null, "record": {"text": "a"}}}"#;
    assert!(matches!(&*read(json).0, [Err(reason)] if reason.starts_with("commit.rkey: missing")));
}
