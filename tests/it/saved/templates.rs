//! Webhooks that write for people.

use serde_json::json;

use super::receiver::{Answer, Receiver};
use super::{LOCAL, get, put, send};
use crate::support::{Perch, tweet, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_template_writes_messages_of_the_service_and_skips_what_it_cannot_say() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    let search = json!({"query": "a", "deliver": [{"type": "webhook", "url": receiver.url, "template": "discord"}]});
    let (status, saved) = put(&perch, "a", &search).await;
    assert_eq!((status, &saved["deliver"][0]["template"]), (201, &json!("discord")), "{saved}");
    perch.ingest(&[tweet(1, "a <@123> *first*")]).await;
    let request = receiver.next().await;
    assert_eq!(request.body["content"], "**a\\: 1 match**", "{}", request.text);
    assert_eq!(request.body["embeds"][0]["description"], "a \\<\\@123\\> \\*first\\*");
    // A tweet that is gone is no message, and the position passes it.
    perch.http.delete(perch.url("/api/tweets/1")).send().await.expect("an answer");
    until(async || get(&perch, "/api/searches/a").await["position"] == 2).await;
    // 25 tweets at once are messages of at most 10.
    receiver.answer_next(Answer::status(500));
    let tweets: Vec<_> = (2..27).map(|id| tweet(id, &format!("a number {id}"))).collect();
    perch.ingest(&tweets).await;
    let (mut shown, mut ids) = (0, Vec::new());
    while shown < 25 {
        let request = receiver.next().await;
        let embeds = request.body["embeds"].as_array().expect("embeds").len();
        assert!((1..=10).contains(&embeds));
        if request.status == 204 {
            shown += embeds;
            ids.push(request.id);
        }
    }
    assert_eq!(shown, 25);
    let (_, tested) = send(&perch, reqwest::Method::POST, "/api/searches/a/test", None).await;
    assert_eq!(tested["results"][0]["status"], 204);
    assert_eq!(receiver.next().await.body["content"], "**a\\: a test**");
    assert!(receiver.drain().is_empty());
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_begun_for_a_program_fits_into_a_message() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    receiver.answer_always(Answer::status(500));
    let mut search = json!({"query": "a", "deliver": [{"type": "webhook", "url": receiver.url}], "since": 0});
    let tweets: Vec<_> = (1..31).map(|id| tweet(id, &format!("a number {id}"))).collect();
    perch.ingest(&tweets).await;
    put(&perch, "a", &search).await;
    let first = receiver.next().await;
    assert_eq!(first.events().len(), 30);
    search.as_object_mut().expect("an object").remove("since");
    search["deliver"][0]["template"] = "discord".into();
    put(&perch, "a", &search).await;
    receiver.answer_always(Answer::status(204));
    let mut request = receiver.next().await;
    while request.body["embeds"].is_null() {
        request = receiver.next().await;
    }
    assert_eq!((&request.id, request.body["embeds"].as_array().map(Vec::len)), (&first.id, Some(10)));
    assert!(request.body["content"].as_str().is_some_and(|text| text.contains("and 20 more")), "{}", request.text);
    until(async || get(&perch, "/api/searches/a").await["position"] == 30).await;
    perch.stop().await;
}
