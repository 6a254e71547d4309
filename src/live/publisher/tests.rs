use super::*;
use crate::auth::Rights;
use crate::doc::Point;
use crate::pipeline::Durable;

fn access_token(subject: &str, publish: bool) -> AccessToken {
    let rights = Rights { search: true, publish, max_subscriptions: None, searches: None };
    AccessToken { subject: subject.to_owned(), expires_s: u64::MAX, rights }
}

fn command(text: &str) -> PublishCommand {
    PublishCommand { text: text.to_owned(), lang: None, coordinates: None }
}

fn uid() -> Uid {
    Uid(Uuid::from_u128(0x3f2b_8c1e_5b7d_4a55_9b0e_1f0f_5a2d_7c11))
}

#[test]
fn the_author_follows_from_the_session() {
    assert_eq!(screen_name(uid(), None), "guest_3f2b8c1e5");
    assert_eq!(screen_name(uid(), Some(&access_token("ann_1", true))), "ann_1");
    // What can't be a screen name, and what would be taken for another's.
    let other = screen_name(uid(), Some(&access_token("ann@example.com", true)));
    assert!(other.starts_with("user_") && other.len() == 14, "{other}");
    assert_ne!(other, screen_name(uid(), Some(&access_token("bob@example.com", true))));
    assert!(screen_name(uid(), Some(&access_token("guest_3f2b8c1e5", true))).starts_with("user_"));
    assert!(screen_name(uid(), Some(&access_token("", true))).starts_with("user_"));
}

#[test]
fn ids_rise_also_within_a_millisecond_and_when_the_clock_is_set_back() {
    let now = SystemTime::now();
    let mut ids: Vec<u64> = (0..10_000).map(|_| next_id(now)).collect();
    ids.push(next_id(now - Duration::from_secs(3_600)));
    ids.push(next_id(now + Duration::from_secs(60)));
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert!(ids.iter().all(|id| *id < 1 << 63 && (id >> 12) & 0x3ff == 0x3ff));
}

#[test]
fn the_tweet_is_what_the_client_said_and_what_the_server_knows() {
    let said = PublishCommand {
        text: "here I am #run @ann".to_owned(),
        lang: Some("en".to_owned()),
        coordinates: Some(Point { lon: 13.4, lat: 52.5 }),
    };
    let analyzed = prepare(&said, 7, "guest_1").expect("a tweet");
    let tweet: serde_json::Value = serde_json::from_str(&analyzed.json).expect("JSON");
    assert_eq!(
        (&tweet["id_str"], &tweet["text"], &tweet["lang"]),
        (&json!("7"), &json!("here I am #run @ann"), &json!("en"))
    );
    assert_eq!(tweet["user"]["screen_name"], "guest_1");
    assert_eq!(tweet["coordinates"]["coordinates"], json!([13.4, 52.5]));
    assert_eq!(tweet["entities"]["hashtags"][0]["text"], "run");
    assert!(tweet["created_at"].as_str().is_some_and(|date| date.contains(" +0000 20")), "{tweet}");
}

#[tokio::test]
async fn only_who_may_can_and_not_too_often() {
    let (intake, mut batches) = Intake::channel(16);
    let mut publisher = Publisher::new(uid(), 1);
    let mut publish = |right, access_token: Option<&AccessToken>| {
        publisher.publish(&command("hello"), (right, access_token), &intake).map(drop).map_err(|error| error.code)
    };
    assert_eq!(publish(false, None), Err(Code::Unauthorized));
    assert_eq!(publish(false, Some(&access_token("ann", false))), Err(Code::Forbidden));
    assert_eq!(publish(true, Some(&access_token("ann", false))), Err(Code::Forbidden));
    assert_eq!(publish(false, Some(&access_token("ann", true))), Ok(()));
    for _ in 1..BURST_S {
        assert_eq!(publish(true, None), Ok(()));
    }
    assert_eq!(publish(true, None), Err(Code::Limit));
    assert!(Publisher::new(uid(), 0).publish(&command("a"), (true, None), &intake).is_err());
    // Nothing is handed over before it is waited for.
    assert!(batches.try_recv().is_err());
    let mut publisher = Publisher::new(uid(), 1);
    let told = publisher.publish(&command("hello"), (true, None), &intake).expect("it may");
    let hand_over = async {
        let batch = batches.recv().await.expect("a batch");
        batch.ack.expect("an ack").send(Ok(Durable { seq: Seq(5), deleted: 0 })).expect("it is waited for");
        batch.tweets[0].id
    };
    let (told, id) = tokio::join!(told, hand_over);
    assert_eq!(told, Ok(Published { id, screen_name: "guest_3f2b8c1e5".to_owned(), seq: Seq(5) }));
}
