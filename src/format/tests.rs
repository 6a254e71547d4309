mod variants;

use super::*;
use crate::tweet::{ReadContext, Referenced, analyze};

/// What a document holds, and the fields of which values were dropped.
#[track_caller]
fn read(json: &str) -> (Vec<Result<Item, String>>, Vec<&'static str>) {
    let context = ReadContext { arrival_ms: Some(1_700_000_000_000), author: None };
    let mut out = Output::new(&context, usize::MAX);
    read_document(json, None, &mut out);
    let dropped = out.reading.dropped.iter().map(|(field, _)| field).collect();
    (out.items.into_iter().map(|item| item.map_err(|error| error.to_string())).collect(), dropped)
}

/// The tweets of a document without mistakes.
#[track_caller]
fn tweets(json: &str) -> Vec<Tweet> {
    let (items, dropped) = read(json);
    assert!(dropped.is_empty(), "{dropped:?}: {json}");
    let tweet = |item| match item {
        Ok(Item::Tweet(tweet)) => *tweet,
        other => panic!("{other:?}: {json}"),
    };
    items.into_iter().map(tweet).collect()
}

/// The stored JSON is the same tweet, with the same document.
#[track_caller]
fn check_round_trip(tweet: &Tweet) {
    let json = tweet.to_json();
    assert!(!json.contains(":null"), "{json}");
    let again = crate::tweet::read(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(&again, tweet, "{json}");
    assert_eq!(format!("{:?}", analyze(tweet).doc), format!("{:?}", analyze(&again).doc));
}

#[test]
fn names_of_formats_differ() {
    let mut names: Vec<_> = FORMATS.iter().map(|kind| kind.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FORMATS.len());
    assert!(FORMATS.iter().all(|kind| find(kind.name).is_some_and(|found| found.name == kind.name)));
}

#[test]
fn a_page_of_v2_is_read() {
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
    let tweets = tweets(json);
    tweets.iter().for_each(check_round_trip);
    let [reply, retweet, other] = &*tweets else { panic!("{tweets:?}") };
    expect_test::expect![[r#"{"id":20,"id_str":"20","text":"Hi @Bob #Rust https://t.co/a https://t.co/p","created_at":"Thu Feb 29 12:30:45 +0000 2024","lang":"de","retweet_count":1,"favorite_count":3,"entities":{"hashtags":[{"text":"Rust","indices":[8,13]}],"urls":[{"url":"https://t.co/a","expanded_url":"https://example.com/a","display_url":"example.com/a","indices":[14,28]}],"user_mentions":[{"screen_name":"Bob","indices":[3,7]}],"media":[{"type":"photo","url":"https://t.co/p","media_url":"https://m/1.jpg","expanded_url":"https://x/photo/1","display_url":"pic.x","indices":[29,43]},{"type":"video","url":"https://m/2.jpg","media_url":"https://m/2.jpg"}],"symbols":[]},"user":{"name":"Ann","screen_name":"ann","profile_image_url":"https://p/1","followers_count":9,"id_str":"1"},"in_reply_to_status_id_str":"19","in_reply_to_user_id_str":"2","in_reply_to_screen_name":"Bob","conversation_id":"19","source":"x","reply_count":2,"quote_count":4,"is_quote_status":true,"coordinates":{"type":"Point","coordinates":[13.4,52.5]},"quoted_status_id_str":"18"}"#]].assert_eq(&reply.to_json());
    assert_eq!(retweet.text, "RT @Ann: words that go on and on");
    assert!(matches!(&retweet.retweet, Some(Referenced::Tweet(tweet)) if tweet.user.screen_name == "ann"));
    assert_eq!(other.retweet, Some(Referenced::Id("16".into())));
}

#[test]
fn a_document_of_v2_may_hold_one_tweet_or_none() {
    assert_eq!(tweets(r#"{"data": {"id": "5", "text": "stream"}, "matching_rules": []}"#)[0].id, 5);
    let note = &tweets(r#"{"data": {"id": "1", "text": "cut…", "note_tweet": {"text": "cut here #not"}}}"#)[0];
    assert_eq!((note.text.as_str(), note.entities.hashtags[0].text.as_str()), ("cut here #not", "not"));
    assert!(tweets(r#"{"meta": {"result_count": 0}}"#).is_empty());
    assert!(tweets(r#"{"data": []}"#).is_empty());
    let (items, _) = read(r#"{"data": [{"id": "5", "text": "x"}, {"id": "6"}]}"#);
    assert_eq!(items[1], Err("data[1].text: missing, and there are no media: a tweet needs one of them".to_owned()));
}

#[test]
fn a_bad_include_costs_itself() {
    let (items, dropped) = read(
        r#"{"data": [{"id": "801", "text": "a", "referenced_tweets": [{"type": "quoted", "id": "700"}]}],
            "includes": {"tweets": [{"id": "700"}], "users": [{"username": "no_id"}]}}"#,
    );
    let [Ok(Item::Tweet(tweet))] = &*items else { panic!("{items:?}") };
    assert_eq!(tweet.quoted, Some(Referenced::Id("700".into())));
    assert_eq!(dropped, ["includes.users", "includes.tweets"]);
}

#[test]
fn control_messages_are_no_mistakes() {
    for (json, expected) in [
        (r#"{"delete": {"status": {"id": 22, "id_str": "22", "user_id": 3}}}"#, Item::Delete { id_str: "22".into() }),
        (r#"{"data": {"delete": {"tweet": {"id": "22"}}}}"#, Item::Delete { id_str: "22".into() }),
        (r#"{"limit": {"track": 5}}"#, Item::Skipped { kind: "limit" }),
        (r#"{"scrub_geo": {"user_id": 3}}"#, Item::Skipped { kind: "scrub_geo" }),
        (r#"{"errors": [{"title": "Disconnect"}]}"#, Item::Skipped { kind: "errors" }),
    ] {
        assert_eq!(read(json).0, [Ok(expected)], "{json}");
    }
    let map = read(r#"{"id": {"5": {"id_str": "5", "text": "x"}, "6": null}}"#).0;
    assert!(matches!(&*map, [Ok(Item::Tweet(_)), Ok(Item::Skipped { kind: "missing" })]), "{map:?}");
}

/// Reads an example: its tweets, what was skipped and deleted, and its formats.
async fn example(name: &str) -> (Vec<Tweet>, Vec<&'static str>, usize, Vec<&'static str>) {
    use crate::format::reader::{BulkReader, Offset, ReaderOptions};
    let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data")).join(name);
    let input = std::io::Cursor::new(std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}")));
    let mut reader = BulkReader::with(input, ReaderOptions::default(), Offset::default(), |tweet, _| tweet)
        .with_author(author_beside(&path));
    let (mut tweets, mut skipped, mut deletions, mut formats) = (Vec::new(), Vec::new(), 0, Vec::new());
    while let Some(chunk) = reader.next_chunk().await.unwrap_or_else(|error| panic!("{name}: {error}")) {
        assert_eq!(chunk.refused, [], "{name}");
        assert!(chunk.dropped.is_empty(), "{name}: {:?}", chunk.dropped);
        tweets.extend(chunk.tweets);
        skipped.extend(chunk.skipped.into_keys());
        deletions += chunk.deletions.len();
        formats.extend(chunk.formats.into_keys());
    }
    (tweets, skipped, deletions, formats)
}

#[tokio::test]
async fn examples_are_read_as_what_they_are() {
    for kind in FORMATS {
        let (tweets, _, _, formats) = example(kind.example).await;
        assert!(formats.contains(&kind.name), "{}: {formats:?}", kind.name);
        assert!(tweets.len() > usize::from(kind.name != "mastodon" && kind.name != "x-web"), "{}", kind.name);
        for tweet in &tweets {
            check_round_trip(tweet);
            assert!(tweet.created_at.is_some() && !tweet.user.screen_name.is_empty(), "{tweet:?}");
        }
    }
    let (tweets, skipped, deletions, _) = example("twitter-v1.ndjson").await;
    assert_eq!((tweets.len(), skipped, deletions), (2, vec!["limit"], 1));
    let (tweets, skipped, deletions, _) = example("bluesky.ndjson").await;
    assert_eq!((tweets.len(), skipped, deletions), (2, vec!["identity", "like"], 1));
    let (tweets, skipped, _, _) = example("outbox.json").await;
    assert_eq!((tweets.len(), skipped), (1, vec!["boost"]));
    let (tweets, skipped, _, _) = example("x-archive/like.js").await;
    assert_eq!((tweets.len(), skipped), (0, vec!["like"]));
}

#[tokio::test]
async fn what_networks_say_is_kept() {
    let shown = |tweet: &Tweet| tweet.to_json() + "\n";
    let mut all = String::new();
    for name in
        ["bluesky.ndjson", "mastodon.json", "outbox.json", "x-archive/tweets.js", "x-web.json", "scraper.ndjson"]
    {
        all.extend(example(name).await.0.iter().map(shown));
    }
    expect_test::expect_file!["tests/kept.ndjson"].assert_eq(&all);
}

/// What a document holds, if a tweet may have this many bytes: the `id_str` of each tweet, or the
/// reason why it was refused.
fn ids_within(max_tweet_bytes: usize, max_items: usize, json: &str) -> Vec<Result<String, String>> {
    let context = ReadContext::default();
    let mut out = Output::new(&context, max_tweet_bytes);
    let mut items = Vec::new();
    loop {
        out.max_items = max_items;
        read_document(json, None, &mut out);
        assert!(out.is_page && out.items.len() <= max_items, "{json}");
        items.append(&mut out.items);
        let Some(rest) = out.rest() else { break };
        out = Output::resume(&context, max_tweet_bytes, rest);
    }
    let id = |item| match item {
        Item::Tweet(tweet) => tweet.id_str,
        other => panic!("{other:?}"),
    };
    items.into_iter().map(|item| item.map(id).map_err(|error| error.to_string())).collect()
}

#[test]
fn a_tweet_that_is_too_long_costs_itself_in_every_page() {
    let long = "x".repeat(500);
    let v2 = |id: &str, text: &str| format!(r#"{{"id": "{id}", "text": "{text}", "author_id": "7"}}"#);
    let of_map = |id: &str, text: &str| format!(r#""{id}": {{"id_str": "{id}", "text": "{text}"}}"#);
    let web = |id: &str, text: &str| {
        format!(r#"{{"tweet_results": {{"result": {{"legacy": {{"id_str": "{id}", "full_text": "{text}"}}}}}}}}"#)
    };
    let post = |id: &str, text: &str, more: &str| {
        let uri = format!("at://did:plc:x/app.bsky.feed.post/{id}");
        format!(r#"{{"post": {{"uri": "{uri}", "record": {{"text": "{text}"}}}}{more}}}"#)
    };
    let replies = format!(r#", "replies": [{}, {}]"#, post("2", &long, ""), post("3", "c", ""));
    let parent = format!(r#", "parent": {}"#, post("0", "p", ""));
    for (json, expected) in [
        (format!(r#"{{"data": [{}, {}, {}]}}"#, v2("1", "a"), v2("2", &long), v2("3", "c")), vec!["1", "", "3"]),
        (format!(r#"{{"data": {}}}"#, v2("2", &long)), vec![""]),
        (
            format!(r#"{{"id": {{{}, {}, {}}}}}"#, of_map("1", "a"), of_map("2", &long), of_map("3", "c")),
            vec!["1", "", "3"],
        ),
        (
            format!(
                r#"{{"data": {{"user": {{"list": [{}, {}, {}]}}}}}}"#,
                web("1", "a"),
                web("2", &long),
                web("3", "c")
            ),
            vec!["1", "", "3"],
        ),
        (format!(r#"{{"thread": {}}}"#, post("1", "a", &format!("{parent}{replies}"))), vec!["0", "1", "", "3"]),
        (
            // An answer to an answer.
            format!(r#"{{"thread": {}}}"#, post("1", "a", &format!(r#", "replies": [{}]"#, post("4", "d", &replies)))),
            vec!["1", "4", "", "3"],
        ),
    ] {
        let ids = ids_within(300, 100, &json);
        for max_items in 1..=4 {
            assert_eq!(ids_within(300, max_items, &json), ids, "{json}");
        }
        assert_eq!(ids.len(), expected.len(), "{json}: {ids:?}");
        for (id, expected) in ids.iter().zip(&expected) {
            match id {
                Ok(id) => assert_eq!(id.rsplit('/').next().expect("a part"), *expected, "{json}"),
                Err(reason) => {
                    assert!(expected.is_empty() && reason.contains("more than 300 bytes"), "{reason}: {json}");
                }
            }
        }
    }
}

#[test]
fn a_page_does_not_multiply_what_it_includes() {
    let long = "x".repeat(1 << 20);
    let tweets: Vec<String> = (1..=100)
        .map(|id| format!(r#"{{"id": "{id}", "text": "a", "referenced_tweets": [{{"type": "quoted", "id": "700"}}]}}"#))
        .collect();
    let includes = format!(r#"{{"tweets": [{{"id": "700", "text": "{long}"}}]}}"#);
    let context = ReadContext::default();
    let mut out = Output::new(&context, 2 << 20);
    read_document(&format!(r#"{{"data": [{}], "includes": {includes}}}"#, tweets.join(",")), None, &mut out);
    assert_eq!(out.items.len(), 100);
    let quoted = |item: &Result<Item, TweetError>| match item {
        Ok(Item::Tweet(tweet)) => matches!(tweet.quoted, Some(Referenced::Tweet(_))),
        other => panic!("{other:?}"),
    };
    let n = out.items.iter().filter(|item| quoted(item)).count();
    assert!((1..=64).contains(&n), "{n} tweets have a copy of a megabyte");
    assert_eq!(out.reading.dropped.iter().collect::<Vec<_>>(), [("includes", 100 - n as u64)]);
}

#[test]
fn what_is_kept_of_a_tweet_is_read_again_as_it_is() {
    let address = |at: usize| format!("https://e.x/{at}");
    // More media than are kept: among the media, and among the addresses.
    let media = (0..1_000).map(|at| serde_json::json!({"media_url": address(at)})).collect::<Vec<_>>();
    let urls = (0..1_000).map(|at| serde_json::json!({"url": address(at), "media_key": "3_1"})).collect::<Vec<_>>();
    let v2 = serde_json::json!({"data": {"id": "1", "text": "a", "entities": {"media": media, "urls": urls}}});
    let langs: serde_json::Map<String, serde_json::Value> =
        (0..1_100).map(|at| (format!("l{at}"), "<p>a</p>".into())).collect();
    let note =
        serde_json::json!({"@context": [], "type": "Note", "id": "https://m.x/1", "content": "a", "contentMap": langs});
    // A boost of a post that looks like a retweet.
    let account = serde_json::json!({"acct": "ann"});
    let status =
        |uri: &str| serde_json::json!({"uri": uri, "content": "<p>RT @bob: and so on…</p>", "account": account});
    let mut boost = status("https://m.x/2");
    boost["reblog"] = status("https://m.x/3");
    for (json, expected) in [(v2, vec!["entities.media"]), (note, vec!["langs"]), (boost, vec![])] {
        let (items, dropped) = read(&json.to_string());
        let [Ok(Item::Tweet(tweet))] = &*items else { panic!("{items:?}") };
        check_round_trip(tweet);
        assert_eq!(dropped, expected);
    }
}

#[test]
fn an_update_of_a_profile_is_no_post() {
    let update = |kind: &str| {
        format!(
            r#"{{"@context": [], "type": "Update", "actor": "https://m.x/u/ann", "object": {{"type": "{kind}", "id": "https://m.x/1",
            "summary": "about me", "content": "words"}}}}"#
        )
    };
    assert_eq!(read(&update("Person")).0, [Ok(Item::Skipped { kind: "activity" })]);
    assert!(matches!(&*read(&update("Note")).0, [Ok(Item::Tweet(_))]));
    let create = r#"{"@context": [], "type": "Create", "actor": "https://m.x/u/ann", "object": "https://m.x/1"}"#;
    assert_eq!(read(create).0, [Ok(Item::Skipped { kind: "activity" })]);
}

/// Looking for each among all others would take minutes here.
#[test]
fn a_post_with_very_many_links_is_read() {
    let n = 30_000;
    let mentions = (0..n).map(|at| serde_json::json!({"id": "1", "acct": format!("user@{at}.x")})).collect::<Vec<_>>();
    let tags = (0..n).map(|at| serde_json::json!({"name": format!("tag{at}")})).collect::<Vec<_>>();
    let links =
        (0..n).map(|at| format!(r#"<a class="mention" href="https://{at}.x/u">@user</a> "#)).collect::<String>();
    let status = serde_json::json!({
        "uri": "https://m.x/1", "content": links, "account": {"acct": "ann"}, "mentions": mentions, "tags": tags,
    });
    let (items, _) = read(&status.to_string());
    let [Ok(Item::Tweet(tweet))] = &*items else { panic!("it is read") };
    assert_eq!((tweet.entities.user_mentions.len(), tweet.entities.hashtags.len()), (1_000, 1_000));
}
