//! Digests by mail, and the links by which people unsubscribe.

use std::path::Path;

use serde_json::{Value, json};

use super::digests::hours_later;
use super::smtp_server::SmtpServer;
use super::{get, put, send};
use crate::support::{Perch, tweet, until};

fn settings(dir: &Path, port: u16) -> String {
    std::fs::write(dir.join("password"), "secret of the account\n").expect("written");
    let file = |name: &str| dir.join(name).display().to_string();
    format!(
        "[server]\npublic_url = \"https://perch.example.org/\"\n\
         [mail]\nserver = \"localhost\"\nport = {port}\nca_file = {:?}\nuser = \"perch\"\npassword_file = {:?}\n\
         from = \"perch <perch@example.org>\"\nrecipients = [\"@example.org\"]\n",
        file("ca.pem"),
        file("password")
    )
}

fn search(to: &str) -> Value {
    json!({"query": "a", "deliver": [{"type": "mail", "to": to, "every": "1d"}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_has_a_digest_as_text_and_html_and_one_click_unsubscribes() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = SmtpServer::start(dir.path()).await;
    let settings = settings(dir.path(), server.port);
    let perch = Perch::start_with(&settings).await;
    let (status, saved) = put(&perch, "a", &search("Ann <ann@example.org>")).await;
    assert_eq!((status, &saved["deliveries"][0]["type"]), (201, &json!("mail")), "{saved}");
    assert_eq!(get(&perch, "/api/searches").await["receivers"], json!(["webhook", "mail"]));
    perch.ingest(&[tweet(1, "a <b>bold</b> & \"quoted\" tweet"), tweet(2, "A <b>bold</b> & \"quoted\" tweet")]).await;
    // The first try is turned away for now, the second one arrives.
    server.answer_next("451 try again later");
    let perch = hours_later(perch, 24, &settings).await;
    let mail = server.next().await;
    assert!(mail.is_encrypted);
    let commands = mail.commands.join("\n");
    assert!(commands.contains("RCPT TO:<ann@example.org>") && commands.contains("AUTH PLAIN"), "{commands}");
    assert_eq!(mail.header("subject").as_deref(), Some("a: 2 matches"));
    assert_eq!(mail.header("to").as_deref(), Some("Ann <ann@example.org>"));
    assert_eq!(mail.header("auto-submitted").as_deref(), Some("auto-generated"));
    let body = mail.body();
    assert!(mail.header("content-type").expect("a type").starts_with("multipart/alternative"), "{body}");
    assert!(body.contains("A <b>bold</b> & \"quoted\" tweet"), "{body}");
    assert!(body.contains("A &lt;b&gt;bold&lt;/b&gt; &amp; \"quoted\" tweet"), "{body}");
    assert!(body.contains("and 1 similar"), "{body}");
    // A try is noted after the mail has arrived.
    until(async || get(&perch, "/api/searches/a").await["position"] == 2).await;
    until(async || get(&perch, "/api/searches/a/deliveries").await["deliveries"][1].is_object()).await;
    let tries = get(&perch, "/api/searches/a/deliveries").await;
    assert_eq!((&tries["deliveries"][0]["status"], &tries["deliveries"][1]["status"]), (&json!(250), &json!(451)));
    let id = tries["deliveries"][0]["id"].as_str().expect("an id");
    assert_eq!(mail.header("message-id"), Some(format!("<{id}@example.org>")));
    // RFC 8058.
    assert_eq!(mail.header("list-unsubscribe-post").as_deref(), Some("List-Unsubscribe=One-Click"));
    let link = mail.header("list-unsubscribe").expect("a link");
    let link = link.strip_prefix('<').and_then(|link| link.strip_suffix('>')).expect("brackets");
    assert!(body.matches(link).count() >= 2, "{body}");
    let path = link.strip_prefix("https://perch.example.org").expect("the public URL");
    // A scanner that follows the link changes nothing.
    let page = perch.http.get(perch.url(path)).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    assert!(page.text().await.expect("a page").contains("<form method=\"post\">"));
    assert_eq!(get(&perch, "/api/searches/a").await["deliver"].as_array().map(Vec::len), Some(1));
    for _ in 0..2 {
        let request = perch.http.post(perch.url(path)).header("content-type", "application/x-www-form-urlencoded");
        let click = request.body("List-Unsubscribe=One-Click").send().await;
        assert_eq!(click.expect("an answer").status(), 200);
    }
    let saved = get(&perch, "/api/searches/a").await;
    assert_eq!((&saved["deliver"], &saved["deliveries"]), (&json!([]), &json!([])), "{saved}");
    // It holds when the search changes, and when its owner names the address again.
    let again = json!({"query": "b", "deliver": [{"type": "mail", "to": "ann@EXAMPLE.org", "every": "1d"}]});
    for _ in 0..2 {
        let (status, saved) = put(&perch, "a", &again).await;
        assert_eq!((status, &saved["deliver"]), (200, &json!([])), "{saved}");
        assert_eq!(saved["unsubscribed"], json!(["ann@example.org"]));
    }
    let click = async || perch.http.post(perch.url(path)).send().await.expect("an answer").status();
    assert_eq!(click().await, 200);
    // Without the search there is nothing to unsubscribe from.
    send(&perch, reqwest::Method::DELETE, "/api/searches/a", None).await;
    assert_eq!(click().await, 404);
    assert_eq!(perch.http.get(perch.url(path)).send().await.expect("an answer").status(), 404);
    for wrong in ["/unsubscribe/AAAA", "/unsubscribe/%00"] {
        assert_eq!(perch.http.post(perch.url(wrong)).send().await.expect("an answer").status(), 404, "{wrong}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_does_not_exist_pauses_the_search() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = SmtpServer::start(dir.path()).await;
    let settings = settings(dir.path(), server.port);
    let perch = Perch::start_with(&settings).await;
    put(&perch, "a", &search("nobody@example.org")).await;
    perch.ingest(&[tweet(1, "a")]).await;
    server.answer_next("550 no such user");
    let perch = hours_later(perch, 24, &settings).await;
    until(async || get(&perch, "/api/searches/a").await["state"] == "paused").await;
    let saved = get(&perch, "/api/searches/a").await;
    assert!(saved["reason"].as_str().is_some_and(|reason| reason.contains("no such user")), "{saved}");
    // A test goes out at once.
    let (_, tested) = send(&perch, reqwest::Method::POST, "/api/searches/a/test", None).await;
    assert_eq!(tested["results"][0]["status"], 250, "{tested}");
    let mail = server.next().await;
    assert_eq!(mail.header("subject").as_deref(), Some("a: a test"));
    // Its recipient can unsubscribe, also after the search has changed.
    let link = mail.header("list-unsubscribe").expect("a link");
    let path = link.trim_matches(['<', '>']).strip_prefix("https://perch.example.org").expect("the public URL");
    let changed = json!({"query": "b", "deliver": [{"type": "mail", "to": "nobody@example.org", "every": "2d"}]});
    put(&perch, "a", &changed).await;
    assert_eq!(perch.http.post(perch.url(path)).send().await.expect("an answer").status(), 200);
    assert_eq!(get(&perch, "/api/searches/a").await["deliver"], json!([]));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_addresses_and_a_wrong_certificate_are_named() {
    let perch = Perch::start().await;
    let (_, answer) = put(&perch, "a", &search("ann@example.org")).await;
    assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("[mail]")), "{answer}");
    perch.stop().await;
    let (dir, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let server = SmtpServer::start(dir.path()).await;
    // The certificate of another server.
    SmtpServer::start(other.path()).await;
    let perch = Perch::start_with(&settings(other.path(), server.port)).await;
    for (to, part) in [
        ("ann@elsewhere.org", "mail.recipients"),
        ("ann@sub.example.org", "mail.recipients"),
        ("ann", "ann@example.org"),
        ("", "ann@example.org"),
        ("ann@example.org, bob@example.org", "one person"),
        ("ann@example.org\r\nBcc: bob@example.org", "one person"),
    ] {
        let (status, answer) = put(&perch, "a", &search(to)).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(status == 400 && message.contains("`deliver[0].to`") && message.contains(part), "{to}: {answer}");
    }
    put(&perch, "a", &search("ann@example.org")).await;
    let (_, tested) = send(&perch, reqwest::Method::POST, "/api/searches/a/test", None).await;
    let error = tested["results"][0]["error"].as_str().expect("an error").to_lowercase();
    assert!(error.contains("certificate"), "{error}");
    perch.stop().await;
}
