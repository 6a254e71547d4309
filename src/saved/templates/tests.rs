//! Each template against the limits that its service documents, with texts that try to get out.

use serde_json::Value;
use url::Url;

use super::super::message::{Message, Post};
use super::*;

const LINK: &str = "https://perch.example.org/?q=java+OR+kotlin";

/// Texts that would be markup or mentions, or are too long.
fn hostile_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "<!channel> <!here> <@U123> <https://evil.example|click>",
        "@everyone @here <@123> <@&456> <#789>",
        "**bold** __under__ ~~gone~~ ||spoiler|| `code` > quote # title [text](https://evil.example)",
        "<at>Ann</at> &lt;script&gt; <b>html</b> \"quoted\" \\ back\\\\slash",
        "https://example.org/a_b_c?d=*e* and http://example.org/plain",
        "",
        "\n\n\n",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("🎉".repeat(5_000));
    texts.push("漢".repeat(5_000));
    texts.push("*_~`".repeat(2_000));
    texts.push("\\".repeat(5_001));
    texts
}

fn message(template: &TemplateKind, text: &str, n: usize) -> Message {
    let post = |at| Post {
        author: clipped(&format!("{text}{at}")),
        text: text.to_owned(),
        url: Some(format!("https://example.org/{}", "x".repeat(470))).filter(|_| at % 2 == 0),
        created_at: jiff::Timestamp::from_second(1_700_000_000).ok(),
        similar: at as u64 % 3,
    };
    let posts = (0..n.min(template.max_posts)).map(post).collect();
    Message {
        search: "java".repeat(32),
        posts,
        count: 123_456,
        left_out: 100_000,
        link: Some(LINK.to_owned()),
        is_test: false,
    }
}

/// Names are shorter than texts.
fn clipped(text: &str) -> String {
    text.chars().take(300).filter(|char| *char != '\n').collect()
}

fn url(template: &TemplateKind) -> Url {
    let url =
        if template.name == "ntfy" { "https://ntfy.example/base/topic" } else { "https://example.org/hook?key=1" };
    Url::parse(url).unwrap()
}

#[test]
fn a_long_name_leaves_room_for_the_text_of_a_notification() {
    let template = find("ntfy").unwrap();
    let mut message = message(template, "the text", 1);
    message.posts[0].author = "x".repeat(5_000);
    let body: Value = serde_json::from_str(&(template.body)(&message, &url(template))).unwrap();
    assert!(body["message"].as_str().unwrap().contains("the text"), "{body}");
}

/// The bodies of all hostile messages, with the text of their posts.
fn bodies(name: &str) -> Vec<(String, String)> {
    let template = find(name).unwrap();
    let mut bodies = Vec::new();
    for text in hostile_texts() {
        for n in [1, 3, 100] {
            bodies.push(((template.body)(&message(template, &text, n), &url(template)), text.clone()));
        }
    }
    bodies
}

fn chars(value: &Value) -> usize {
    value.as_str().expect("a string").encode_utf16().count()
}

/// All objects in a JSON document.
fn objects(value: &Value) -> Vec<&serde_json::Map<String, Value>> {
    match value {
        Value::Object(fields) => std::iter::once(fields).chain(fields.values().flat_map(objects)).collect(),
        Value::Array(values) => values.iter().flat_map(objects).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn slack_messages_keep_the_limits_of_block_kit_and_have_no_markup() {
    for (body, _) in bodies("slack") {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(!body["text"].as_str().unwrap().contains(['<', '>']) && chars(&body["text"]) <= 4_000);
        let blocks = body["blocks"].as_array().unwrap();
        assert!((1..=50).contains(&blocks.len()));
        let mut all = 0;
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "header" => {
                    assert_eq!(block["text"]["type"], "plain_text");
                    assert!((1..=150).contains(&chars(&block["text"]["text"])));
                }
                "rich_text" => {
                    assert_eq!(block["elements"][0]["type"], "rich_text_section");
                    for element in block["elements"][0]["elements"].as_array().unwrap() {
                        // Nothing else: `user`, `usergroup`, `broadcast` and `channel` mention.
                        assert!(element["type"] == "text" || element["type"] == "link", "{element}");
                        assert!((1..=3_000).contains(&chars(&element["text"])));
                        assert!(element["type"] == "text" || chars(&element["url"]) <= 3_000);
                        all += chars(&element["text"]);
                    }
                }
                other => panic!("{other}"),
            }
        }
        assert!(all <= 13_200, "{all}");
    }
}

#[test]
fn discord_messages_keep_the_limits_of_embeds_and_ping_nobody() {
    for (body, text) in bodies("discord") {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["allowed_mentions"], serde_json::json!({"parse": []}));
        assert!((1..=2_000).contains(&chars(&body["content"])));
        let embeds = body["embeds"].as_array().unwrap();
        assert!((1..=10).contains(&embeds.len()));
        let mut all = 0;
        for embed in embeds {
            assert!((1..=256).contains(&chars(&embed["author"]["name"])) && chars(&embed["description"]) <= 4_096);
            all += chars(&embed["author"]["name"]) + chars(&embed["description"]);
            assert!(embed["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
            // Each sign of markup outside of addresses is escaped.
            let description = embed["description"].as_str().unwrap();
            for word in description.split_whitespace().filter(|word| !word.starts_with("http")) {
                let mut is_escaped = false;
                for char in word.chars() {
                    let is_markup = "*_~`|<>#[]()@".contains(char);
                    assert!(!is_markup || is_escaped, "{word} of {text:.80}");
                    is_escaped = char == '\\' && !is_escaped;
                }
                assert!(!is_escaped, "{word}");
            }
        }
        assert!(all <= 6_000, "{all}");
    }
    let links = bodies("discord").into_iter().find(|(_, text)| text.contains("a_b_c")).unwrap().0;
    let links: Value = serde_json::from_str(&links).unwrap();
    let description = links["embeds"][0]["description"].as_str().unwrap();
    assert_eq!(description, "https\\://example\\.org/a\\_b\\_c?d\\=\\*e\\* and http://example.org/plain");
}

#[test]
fn teams_messages_are_adaptive_cards_of_28_kb_without_markdown() {
    for (body, _) in bodies("teams") {
        assert!(body.len() <= 28 * 1_024, "{}", body.len());
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["type"], body["attachments"].as_array().unwrap().len()), (&"message".into(), 1));
        let attachment = &body["attachments"][0];
        assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
        let card = &attachment["content"];
        assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
        for object in objects(&card["body"]) {
            // A `TextBlock` would read Markdown and `<at>`.
            let kind = object["type"].as_str().unwrap();
            assert!(["RichTextBlock", "TextRun", "Action.OpenUrl"].contains(&kind), "{kind}");
            assert!(kind != "Action.OpenUrl" || object["url"].as_str().unwrap().starts_with("https://"));
        }
    }
}

#[test]
fn ntfy_messages_have_4096_bytes_and_go_to_the_server_of_the_topic() {
    for (body, _) in bodies("ntfy") {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["topic"], "topic");
        assert!(body["message"].as_str().unwrap().len() <= 4_096 && body["title"].is_string());
        let known = ["topic", "title", "message", "click"];
        assert!(body.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{body}");
    }
    let address =
        |url: &str| (find("ntfy").unwrap().address.unwrap())(&Url::parse(url).unwrap()).map(|url| url.to_string());
    assert_eq!(address("https://ntfy.sh/my-topic").unwrap(), "https://ntfy.sh/");
    assert_eq!(address("https://x.example/base/t_1/?auth=abc").unwrap(), "https://x.example/base/?auth=abc");
    for wrong in ["https://ntfy.sh", "https://ntfy.sh/", "https://ntfy.sh/a.b", "https://ntfy.sh/%20"] {
        assert!(address(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_message_leads_to_what_it_leaves_out() {
    for template in TEMPLATES {
        assert!(bodies(template.name).iter().all(|(body, _)| body.contains(LINK)), "{}", template.name);
    }
}

#[test]
fn plain_text_has_everything() {
    for (body, text) in bodies("text") {
        assert!(body.contains(text.trim_end()) && body.contains("and 100,000 more"));
    }
}
