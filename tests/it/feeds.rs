//! Saved searches as Atom and JSON Feed.

use std::collections::BTreeSet;

use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};
use reqwest::header;
use serde_json::{Value, json};

use crate::support::{Perch, found, tweet, until};

/// Saves a search.
async fn save(perch: &Perch, name: &str, search: &Value) -> Value {
    let url = perch.url(&format!("/api/searches/{name}"));
    let answer = perch.http.put(url).json(search).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.text().await.expect("a text"));
    answer.json().await.expect("JSON")
}

async fn get(perch: &Perch, path: &str) -> reqwest::Response {
    perch.http.get(perch.url(path)).send().await.expect("an answer")
}

async fn json_feed(perch: &Perch, path: &str) -> Value {
    let answer = get(perch, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.expect("JSON")
}

/// The texts of an element of this name, by the path to it: `feed/entry/title`.
fn texts(xml: &str, wanted: &str) -> Vec<String> {
    let (mut path, mut found, mut text) = (Vec::new(), Vec::new(), String::new());
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().expect("it is well-formed") {
            Event::Start(start) => {
                path.push(start.name().as_ref().to_owned());
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(name) => text.push_str(match name.as_ref() {
                "lt" => "<",
                "gt" => ">",
                "amp" => "&",
                "quot" => "\"",
                "apos" => "'",
                other => panic!("the entity {other}"),
            }),
            Event::End(_) => {
                if path.join("/") == wanted {
                    found.push(std::mem::take(&mut text));
                }
                path.pop();
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// The `href` of the links with this relation, with their elements.
fn links(xml: &str, rel: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().expect("it is well-formed") {
            Event::Empty(element) if element.name().as_ref() == "link" => {
                let value = |name: &str| {
                    let attribute = element.try_get_attribute(name).expect("attributes")?;
                    Some(attribute.normalized_value(XmlVersion::Implicit1_0).expect("a value").into_owned())
                };
                if value("rel").as_deref() == Some(rel) {
                    found.push(value("href").expect("an address"));
                }
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn path_of<'a>(perch: &Perch, url: &'a str) -> &'a str {
    url.strip_prefix(perch.url("").as_str()).expect("it is perch's")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_search_is_a_feed_with_what_the_search_finds_now() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "old java"), tweet(2, "rust"), tweet(3, "java")]).await;
    save(&perch, "java", &json!({"query": "java", "public": true, "feed": {"title": "Java & co"}})).await;
    perch.ingest(&[tweet(4, "new java")]).await;
    let answer = get(&perch, "/feeds/java.atom").await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/atom+xml; charset=utf-8");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=60");
    let atom = answer.text().await.expect("a text");
    assert_eq!(texts(&atom, "feed/title"), ["Java & co"]);
    assert_eq!(texts(&atom, "feed/entry/content"), ["new java", "java", "old java"]);
    assert_eq!(links(&atom, "self"), [perch.url("/feeds/java.atom")]);
    let feed = json_feed(&perch, "/feeds/java.json").await;
    assert_eq!((&feed["version"], &feed["title"]), (&json!("https://jsonfeed.org/version/1.1"), &json!("Java & co")));
    let texts_of = |feed: &Value| -> Vec<String> {
        let items = feed["items"].as_array().expect("items").iter();
        items.map(|item| item["content_text"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(texts_of(&feed), ["new java", "java", "old java"]);
    let ids = texts(&atom, "feed/entry/id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3);
    let items = feed["items"].as_array().expect("items");
    assert!(items.iter().zip(&ids).all(|(item, id)| item["id"] == **id && id.starts_with("urn:uuid:")));

    // A newer version keeps its id, a deleted tweet leaves, and so does one that matches no longer.
    perch.ingest(&[tweet(3, "java again"), tweet(1, "kotlin")]).await;
    perch.http.delete(perch.url("/api/tweets/4")).send().await.expect("an answer");
    let feed = json_feed(&perch, "/feeds/java.json").await;
    assert_eq!((texts_of(&feed), &feed["items"][0]["id"]), (vec!["java again".to_owned()], &json!(ids[1])));
    assert_eq!(found(&perch, "java").await, ["3"]);

    // Another query of the search is another content; a search that is not public has no feed.
    save(&perch, "java", &json!({"query": "rust", "public": true})).await;
    let feed = json_feed(&perch, "/feeds/java.json").await;
    assert_eq!((texts_of(&feed), &feed["title"]), (vec!["rust".to_owned()], &json!("java")));
    save(&perch, "java", &json!({"query": "rust"})).await;
    assert_eq!(get(&perch, "/feeds/java.json").await.status(), 404);
    let perch = perch.restart().await;
    assert_eq!(get(&perch, "/feeds/java.atom").await.status(), 404);
    save(&perch, "java", &json!({"query": "rust", "public": true})).await;
    let perch = perch.restart().await;
    assert_eq!(get(&perch, "/feeds/java.atom").await.status(), 200);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_without_gaps_while_tweets_come_in() {
    let perch = Perch::start_with("[server]\npublic_url = \"https://perch.example.org/p/\"\n").await;
    perch.ingest(&(10..=29).map(|id| tweet(id, "java")).collect::<Vec<_>>()).await;
    save(&perch, "java", &json!({"query": "java", "public": true})).await;
    let here = |url: &str| url.strip_prefix("https://perch.example.org/p").expect("the public URL").to_owned();
    let (mut path, mut all) = ("/feeds/java.atom?n=6".to_owned(), Vec::new());
    for page in 0.. {
        let atom = get(&perch, &path).await.text().await.expect("a text");
        all.extend(texts(&atom, "feed/entry/id"));
        assert_eq!(links(&atom, "first"), ["https://perch.example.org/p/feeds/java.atom?n=6"]);
        assert_eq!(here(&links(&atom, "self")[0]), path);
        perch.ingest(&[tweet(100 + page, "java")]).await;
        match links(&atom, "next").as_slice() {
            [] => break,
            [next] => path = here(next),
            more => panic!("{more:?}"),
        }
    }
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (20, 20));
    let feed = json_feed(&perch, "/feeds/java.json?n=1").await;
    let next = here(feed["next_url"].as_str().expect("a next page"));
    assert_eq!(next, "/feeds/java.json?n=1&before_id=103");
    for wrong in ["n=0", "n=201", "before_id=x", "q=java", "n=1&n=2"] {
        assert_eq!(get(&perch, &format!("/feeds/java.atom?{wrong}")).await.status(), 400, "{wrong}");
    }
    for missing in ["java", "java.rss", "jawa.atom", ".atom", "java.atom.atom", "%2E%2E.json"] {
        let answer = get(&perch, &format!("/feeds/{missing}")).await;
        assert_eq!(answer.status(), 404, "{missing}");
        assert_eq!(answer.json::<Value>().await.expect("JSON")["error"]["code"], "not_found");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_not_sent_what_it_has() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "java"), tweet(2, "java")]).await;
    save(&perch, "java", &json!({"query": "java", "public": true})).await;
    let url = perch.url("/feeds/java.atom");
    let ask = async |name: header::HeaderName, value: &header::HeaderValue| {
        perch.http.get(&url).header(name, value).send().await.expect("an answer")
    };
    let first = perch.http.get(&url).send().await.expect("an answer");
    let (etag, changed) = (first.headers()[header::ETAG].clone(), first.headers()[header::LAST_MODIFIED].clone());
    let same = ask(header::IF_NONE_MATCH, &etag).await;
    assert_eq!((same.status().as_u16(), &same.headers()[header::ETAG]), (304, &etag));
    assert_eq!(same.headers()[header::CACHE_CONTROL], "public, max-age=60");
    assert_eq!(ask(header::IF_MODIFIED_SINCE, &changed).await.status(), 304);
    let head = perch.http.head(&url).send().await.expect("an answer");
    assert_eq!((head.status().as_u16(), &head.headers()[header::ETAG]), (200, &etag));
    assert_eq!(head.bytes().await.expect("no body").len(), 0);
    // Another format, and a deletion of the newest tweet.
    assert_ne!(get(&perch, "/feeds/java.json").await.headers()[header::ETAG], etag);
    let updated = texts(&first.text().await.expect("a text"), "feed/updated");
    perch.http.delete(perch.url("/api/tweets/2")).send().await.expect("an answer");
    let changed = ask(header::IF_NONE_MATCH, &etag).await;
    assert_eq!(changed.status(), 200);
    assert!(texts(&changed.text().await.expect("a text"), "feed/updated") >= updated);
    let metrics = get(&perch, "/metrics").await.text().await.expect("a text");
    assert!(metrics.contains("perch_feed_requests_total{kind=\"atom\",outcome=\"not_modified\"}"), "{metrics}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_feed_is_read_with_its_token_only() {
    let perch = Perch::start().await;
    perch.ingest(&[tweet(1, "java")]).await;
    save(&perch, "java", &json!({"query": "java"})).await;
    save(&perch, "rust", &json!({"query": "rust"})).await;
    let token_of = async |perch: &Perch, name: &str| -> Value {
        let url = perch.url(&format!("/api/searches/{name}/feed-token"));
        let answer = perch.http.post(url).send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[header::CACHE_CONTROL]),
            (201, &"no-store".parse().unwrap())
        );
        answer.json().await.expect("JSON")
    };
    assert_eq!(get(&perch, "/feeds/java.atom").await.status(), 404);
    let first = token_of(&perch, "java").await;
    let atom = path_of(&perch, first["atom"].as_str().expect("a URL")).to_owned();
    let token = first["token"].as_str().expect("a token").to_owned();
    assert!(token.len() >= 43 && atom == format!("/feeds/{token}/java.atom"), "{atom}");
    let answer = get(&perch, &atom).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()[header::CACHE_CONTROL]),
        (200, &"private, no-cache".parse().unwrap())
    );
    assert_eq!(links(&answer.text().await.expect("a text"), "self"), [perch.url(&atom)]);
    // Not by its name alone, not with a part of the token, not for another search.
    let other = token_of(&perch, "rust").await["token"].as_str().expect("a token").to_owned();
    let part = &token[..42];
    for path in ["/feeds/java.atom".to_owned(), format!("/feeds/{part}/java.atom"), format!("/feeds/{other}/java.atom")]
    {
        assert_eq!(get(&perch, &path).await.status(), 404, "{path}");
    }
    // A search that there is not answers as one that is private.
    let missing = get(&perch, &format!("/feeds/{token}/jawa.atom")).await.text().await.expect("a text");
    let private = get(&perch, &format!("/feeds/{other}/java.atom")).await.text().await.expect("a text");
    assert_eq!(missing.replace("jawa", "java"), private);

    // A change of the search and a restart keep the token; nobody reads it in answers.
    save(&perch, "java", &json!({"query": "java", "tags": ["a"]})).await;
    let perch = perch.restart().await;
    assert_eq!(get(&perch, &atom).await.status(), 200);
    let (_, saved) = perch.get("/api/searches/java").await;
    assert_eq!(saved["has_feed_token"], true);
    let (_, list) = perch.get("/api/searches").await;
    assert!(!saved.to_string().contains(&token) && !list.to_string().contains(&token));
    let metrics = get(&perch, "/metrics").await.text().await.expect("a text");
    assert!(!metrics.contains(&token) && !metrics.contains("java"), "{metrics}");
    // A new token replaces it, and a revoked one opens nothing.
    let second = token_of(&perch, "java").await["atom"].as_str().expect("a URL").to_owned();
    assert_eq!(get(&perch, &atom).await.status(), 404);
    assert_eq!(get(&perch, path_of(&perch, &second)).await.status(), 200);
    let url = perch.url("/api/searches/java/feed-token");
    assert_eq!(perch.http.delete(&url).send().await.expect("an answer").status(), 204);
    assert_eq!(get(&perch, path_of(&perch, &second)).await.status(), 404);
    let missing = perch.http.post(perch.url("/api/searches/jawa/feed-token")).send().await.expect("an answer");
    assert_eq!(missing.status(), 404);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_tweets_are_text_and_media_are_enclosures() {
    let perch = Perch::start().await;
    let hostile = json!({
        "id_str": "7", "text": "java ]]> <script>alert('\u{1}\u{b}\u{fffe}')</script> &lt;b&gt; &#0; \"\nend", "lang": "en-US",
        "created_at": "Tue Nov 14 22:13:20 +0000 2023", "url": "javascript:alert(1)",
        "user": {"name": "A <b> & \u{2}", "screen_name": "ann", "profile_image_url": "javascript:1"},
        "entities": {"hashtags": [{"text": "a\"<"}], "media": [
            {"type": "photo", "media_url_https": "https://img.example/a.jpg?x=1&y=\"", "ext_alt_text": "\"><script>"},
            {"type": "photo", "media_url": "data:text/html,x"},
        ]},
    });
    let page = json!({
        "id_str": "https://social.example/1", "text": "java", "url": "https://social.example/@ann/1?a=1&b=2",
        "created_at": "Tue Nov 14 22:13:21 +0000 2023",
    });
    perch.ingest(&[hostile, page]).await;
    let title = json!({"title": "<i>\u{1}", "description": "]]> & more"});
    save(&perch, "größe.java", &json!({"query": "java", "public": true, "feed": title})).await;
    let answer = get(&perch, "/feeds/gr%C3%B6%C3%9Fe.java.atom").await;
    assert_eq!(answer.headers()["content-security-policy"], "default-src 'none'; sandbox");
    let atom = answer.text().await.expect("a text");
    assert!(!atom.chars().any(|c| c < ' ' && c != '\n' || c == '\u{fffe}'), "{atom}");
    assert_eq!(texts(&atom, "feed/title"), ["<i>\u{fffd}"]);
    assert_eq!(texts(&atom, "feed/subtitle"), ["]]> & more"]);
    let html = texts(&atom, "feed/entry/content");
    assert!(html.iter().all(|html| !html.contains("<script") && !html.contains("javascript")), "{html:?}");
    assert!(
        html[1].contains("<img src=\"https://img.example/a.jpg?x=1&amp;y=%22\" alt=\"&quot;&gt;&lt;script&gt;\">"),
        "{html:?}"
    );
    assert_eq!(texts(&atom, "feed/entry/author/name"), ["unknown", "A <b> & \u{fffd}"]);
    assert_eq!(texts(&atom, "feed/entry/updated"), ["2023-11-14T22:13:21Z", "2023-11-14T22:13:20Z"]);
    assert_eq!(links(&atom, "alternate"), ["https://social.example/@ann/1?a=1&b=2"]);
    assert_eq!(links(&atom, "enclosure"), ["https://img.example/a.jpg?x=1&y=%22"]);
    let feed = json_feed(&perch, "/feeds/gr%C3%B6%C3%9Fe.java.json").await;
    let item = &feed["items"][1];
    assert_eq!(item["attachments"], json!([{"url": "https://img.example/a.jpg?x=1&y=%22", "mime_type": "image/jpeg"}]));
    assert_eq!((&item["image"], &item["language"]), (&item["attachments"][0]["url"], &json!("en-US")));
    assert!(item["url"].is_null() && item["authors"][0]["avatar"].is_null());
    perch.stop().await;
}

/// Validators of others: only with `PERCH_LONG_TESTS=1`, because `make test-long` installs them.
#[tokio::test(flavor = "multi_thread")]
async fn validators_accept_both_forms() {
    if std::env::var_os("PERCH_LONG_TESTS").is_none() {
        return;
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let perch = Perch::start().await;
    let mut tweets: Vec<_> = (1..=60).map(|id| tweet(id, "java &amp; <b>\u{1}\u{1f600}</b>")).collect();
    tweets.push(json!({
        "id_str": "at://did:plc:a/app.bsky.feed.post/1", "text": "java", "source": "bluesky", "lang": "no language",
        "url": "https://social.example/a?b=1&c=ä", "user": {"name": "Ann", "screen_name": "ann.example"},
        "entities": {"hashtags": [{"text": "a&b"}], "media": [{"type": "photo", "media_url_https": "https://i.example/a@jpeg"}]},
    }));
    perch.ingest(&tweets).await;
    let feed = json!({"title": "a < b", "description": "&"});
    save(&perch, "java", &json!({"query": "java", "public": true, "feed": feed})).await;
    let dir = tempfile::tempdir().expect("a directory");
    let mut validate = std::process::Command::new(root.join("target/openapi-tools/bin/python"));
    validate.arg(root.join("tests/feeds/validate.py"));
    for file in ["java.atom", "java.json"] {
        let document = get(&perch, &format!("/feeds/{file}")).await.bytes().await.expect("a document");
        std::fs::write(dir.path().join(file), document).expect("a file");
        validate.arg(dir.path().join(file));
    }
    let output = tokio::task::spawn_blocking(move || validate.output().expect("make test-long installs it")).await;
    let output = output.expect("no panic");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_have_their_rate_and_bad_settings_a_reason() {
    let perch = Perch::start_with("[limits]\nrequests_per_second = 4\n").await;
    for (search, field) in [
        (json!({"query": "a", "public": "yes"}), "public"),
        (json!({"query": "a", "feed": "x"}), "feed"),
        (json!({"query": "a", "feed": {"title": " "}}), "feed.title"),
        (json!({"query": "a", "feed": {"titel": "x"}}), "feed.titel"),
    ] {
        let answer = perch.http.put(perch.url("/api/searches/a")).json(&search).send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{search}");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["error"]["at"]["field"], field, "{answer}");
    }
    until(async || get(&perch, "/feeds/a.atom").await.status() == 429).await;
    perch.stop().await;
}

const PUBLISHER: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";

/// A perch that generates Bluesky feeds.
async fn generator() -> Perch {
    Perch::start_with(&format!(
        "[[transport]]\ntype = \"rest\"\n[[transport]]\ntype = \"feeds\"\nbluesky_publisher = \"{PUBLISHER}\"\n\
         bluesky_host = \"feeds.example.org\"\n"
    ))
    .await
}

/// A post with this key, written this many minutes ago.
fn post(key: &str, minutes: i64, text: &str, likes: u64) -> Value {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
    json!({
        "id_str": format!("at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/{key}"), "text": text,
        "created_at": at.to_string(), "source": "bluesky", "favorite_count": likes,
    })
}

/// A page of a feed: status, the keys of its posts or the error, and the cursor.
async fn skeleton(perch: &Perch, name: &str, more: &str) -> (u16, Value, Option<String>) {
    let feed = format!("at://{PUBLISHER}/app.bsky.feed.generator/{name}");
    let path = format!("/xrpc/app.bsky.feed.getFeedSkeleton?feed={feed}{more}");
    let (status, answer) = perch.get(&path).await;
    if status != 200 {
        assert!(answer["message"].is_string(), "{answer}");
        return (status, answer["error"].clone(), None);
    }
    let posts = answer["feed"].as_array().expect("a feed").iter();
    let keys: Vec<_> = posts.map(|post| post["post"].as_str().expect("an address").rsplit('/').next()).collect();
    (status, json!(keys), answer["cursor"].as_str().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_search_is_a_bluesky_feed_of_posts() {
    let perch = generator().await;
    let posts: Vec<_> = (1..=5).map(|at| post(&format!("p{at}"), 100 - at, "birds", 0)).collect();
    perch.ingest(&posts).await;
    // No posts of Bluesky, and no posts that match.
    perch.ingest(&[tweet(1 << 62, "birds"), post("fish", 1, "fish", 0)]).await;
    save(&perch, "birds", &json!({"query": "birds", "public": true})).await;
    save(&perch, "vögel", &json!({"query": "birds", "public": true})).await;
    save(&perch, "secret", &json!({"query": "birds"})).await;
    let (_, did) = perch.get("/.well-known/did.json").await;
    assert_eq!(did["id"], "did:web:feeds.example.org");
    assert_eq!(
        did["service"],
        json!([{"id": "#bsky_fg", "type": "BskyFeedGenerator", "serviceEndpoint": "https://feeds.example.org"}])
    );
    let (_, described) = perch.get("/xrpc/app.bsky.feed.describeFeedGenerator").await;
    let uri = format!("at://{PUBLISHER}/app.bsky.feed.generator/birds");
    assert_eq!(described, json!({"did": "did:web:feeds.example.org", "feeds": [{"uri": uri}]}));

    assert_eq!(skeleton(&perch, "birds", "").await, (200, json!(["p5", "p4", "p3", "p2", "p1"]), None));
    // New posts shift no page, and a deleted one leaves.
    let (_, first, cursor) = skeleton(&perch, "birds", "&limit=2&unknown=1").await;
    assert_eq!(first, json!(["p5", "p4"]));
    perch.ingest(&[post("p6", 0, "birds", 0)]).await;
    perch
        .http
        .delete(perch.url("/api/tweets/at:%2F%2Fdid:plc:aaaaaaaaaaaaaaaaaaaaaaaa%2Fapp.bsky.feed.post%2Fp3"))
        .send()
        .await
        .expect("an answer");
    let cursor = cursor.expect("there is more");
    let (_, second, last) = skeleton(&perch, "birds", &format!("&limit=2&cursor={cursor}")).await;
    assert_eq!((second, last), (json!(["p2", "p1"]), None));

    for (name, more, error) in [
        ("secret", "", "UnknownFeed"),
        ("jawa", "", "UnknownFeed"),
        ("..", "", "UnknownFeed"),
        ("birds", "&limit=0", "InvalidRequest"),
        ("birds", "&limit=101", "InvalidRequest"),
        ("birds", "&limit=x", "InvalidRequest"),
        ("birds", "&cursor=x", "InvalidRequest"),
        ("birds", "&cursor=00000000:1", "InvalidRequest"),
        ("birds", "&feed=x", "InvalidRequest"),
        ("v%C3%B6gel", &*format!("&cursor={cursor}"), "InvalidRequest"),
    ] {
        assert_eq!(skeleton(&perch, name, more).await, (400, json!(error), None), "{name}{more}");
    }
    let other = "/xrpc/app.bsky.feed.getFeedSkeleton?feed=at://did:plc:other/app.bsky.feed.generator/birds";
    assert_eq!(perch.get(other).await.1["error"], "UnknownFeed");
    assert_eq!(perch.get("/xrpc/app.bsky.feed.getFeedSkeleton").await.1["error"], "InvalidRequest");
    // The token with which Bluesky says who reads is none of perch's.
    let request = perch.http.get(perch.url("/xrpc/app.bsky.feed.describeFeedGenerator")).bearer_auth("x.y.z");
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    let metrics = get(&perch, "/metrics").await.text().await.expect("a text");
    assert!(metrics.contains("perch_feed_requests_total{kind=\"bluesky\",outcome=\"full\"}"), "{metrics}");
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bluesky_feed_can_have_the_most_liked_of_a_window_first() {
    let perch = generator().await;
    perch
        .ingest(&[
            post("old", 120, "birds", 900),
            post("few", 50, "birds", 1),
            post("many", 40, "birds", 70),
            post("as-many", 30, "birds", 70),
            post("none", 20, "birds", 0),
        ])
        .await;
    let feed = json!({"sort": "likes", "window_hours": 1});
    save(&perch, "birds", &json!({"query": "birds", "public": true, "feed": feed})).await;
    let all = json!(["as-many", "many", "few", "none"]);
    assert_eq!(skeleton(&perch, "birds", "").await, (200, all.clone(), None));
    let (mut found, mut more) = (Vec::new(), String::new());
    loop {
        let (_, page, cursor) = skeleton(&perch, "birds", &format!("&limit=1{more}")).await;
        found.extend(page.as_array().expect("posts").clone());
        let Some(cursor) = cursor else { break };
        more = format!("&cursor={cursor}");
    }
    assert_eq!(json!(found), all);
    // A newer version with more likes is where its likes put it.
    perch.ingest(&[post("none", 20, "birds", 71)]).await;
    assert_eq!(skeleton(&perch, "birds", "").await.1, json!(["none", "as-many", "many", "few"]));
    // Without that order its cursors mean nothing.
    save(&perch, "birds", &json!({"query": "birds", "public": true})).await;
    assert_eq!(skeleton(&perch, "birds", &more).await.1, "InvalidRequest");
    for (feed, field) in [
        (json!({"sort": "best"}), "feed.sort"),
        (json!({"sort": "likes", "window_hours": 0}), "feed.window_hours"),
        (json!({"window_hours": 1}), "feed.window_hours"),
    ] {
        let search = json!({"query": "a", "feed": feed});
        let answer = perch.http.put(perch.url("/api/searches/a")).json(&search).send().await.expect("an answer");
        assert_eq!(answer.json::<Value>().await.expect("JSON")["error"]["at"]["field"], field);
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_perch_without_a_publisher_generates_no_bluesky_feeds() {
    let perch = Perch::start().await;
    save(&perch, "birds", &json!({"query": "birds", "public": true})).await;
    assert_eq!(skeleton(&perch, "birds", "").await, (404, json!("NotFound"), None));
    assert_eq!(perch.get("/.well-known/did.json").await.1["error"]["code"], "not_found");
    perch.stop().await;
}
