use serde_json::json;

use super::Profile::{Birdwatch, BirdwatchHead, Plain};
use super::*;
use crate::ids::Seq;
use crate::index::Hit;

fn hit(seq: u64) -> Hit {
    Hit { seq: Seq(seq), id: seq, json: format!(r#"{{"id_str":"{seq}"}}"#).into() }
}

#[test]
fn each_profile_has_its_own_payloads() {
    let page = SearchPage { hits: vec![hit(2), hit(1)], total: 5, next: Some(1.into()) };
    assert_eq!(Birdwatch.page(&page, &[]), r#"[{"id_str":"2"},{"id_str":"1"}]"#);
    assert_eq!(BirdwatchHead.page(&page, &[]), r#"{"result":[{"id_str":"2"},{"id_str":"1"}]}"#);
    assert_eq!(Plain.page(&page, &[]), r#"{"result":[{"id_str":"2"},{"id_str":"1"}],"total":5,"next":"1"}"#);
    let delivery = Delivery::new(hit(7), [Some("a".into()), None].into());
    let tweet = |profile: Profile, packing| profile.tweet(&delivery, packing).as_str().to_owned();
    for _ in 0..2 {
        assert_eq!(tweet(Birdwatch, Packing::Transit), r#"["~:tweet/new",["^ ","~:id_str","7"]]"#);
        assert_eq!(tweet(Birdwatch, Packing::Edn), r#"[:tweet/new {:id_str "7"}]"#);
        assert_eq!(
            tweet(BirdwatchHead, Packing::Transit),
            r#"["~:tweet/new",["^ ","~:msg",["^ ","~:id_str","7"],"~:msg-meta",["^ "]]]"#
        );
        assert_eq!(tweet(BirdwatchHead, Packing::Edn), r#"[:tweet/new {:msg {:id_str "7"}, :msg-meta {}}]"#);
        assert_eq!(tweet(Plain, Packing::Edn), r#"[:tweet/new {:tweet {:id_str "7"}, :seq 7, :matches ["a" nil]}]"#);
        assert_eq!(
            tweet(Plain, Packing::Transit),
            r#"["~:tweet/new",["^ ","~:tweet",["^ ","~:id_str","7"],"~:seq",7,"~:matches",["a",null]]]"#
        );
    }
}

#[test]
fn the_total_is_shown_as_it_comes() {
    for (n, padded, trimmed) in [
        (0, "              0", "0"),
        (999, "            999", "999"),
        (1_000, "          1,000", "1,000"),
        (12_345_678, "     12,345,678", "12,345,678"),
        (123_456_789_012_345, "123,456,789,012,345", "123,456,789,012,345"),
    ] {
        assert_eq!(Birdwatch.total_tweet_count(n), format!("\"{padded}\""));
        assert_eq!(BirdwatchHead.total_tweet_count(n), format!("\"{trimmed}\""));
        assert_eq!(Plain.total_tweet_count(n), n.to_string());
    }
}

#[test]
fn payloads_come_out_of_their_envelopes() {
    let edn = |text: &str| Packing::Edn.read(text).expect("EDN");
    let open = |profile: Profile, text: &str| {
        let Command { payload, meta } = profile.open(edn(text));
        (payload, meta)
    };
    assert_eq!(open(Birdwatch, r#"{:id_str "1" :uid "u"}"#), (json!({"id_str": "1"}), None));
    assert_eq!(open(Plain, r#"{:msg 1 :uid "u"}"#), (json!({"msg": 1}), None));
    let meta = edn("{:sente-uid \"u\"}");
    assert_eq!(
        open(BirdwatchHead, r#"{:msg {:id_str "1"} :msg-meta {:sente-uid "u"}}"#),
        (json!({"id_str": "1"}), Some(meta))
    );
    let empty = Some(Value::Map(vec![]));
    assert_eq!(open(BirdwatchHead, r"{:msg {:n 1} :msg-meta nil}"), (json!({"n": 1}), empty.clone()));
    assert_eq!(open(BirdwatchHead, r#"{:id_str "1"}"#), (json!({"id_str": "1"}), empty));
    assert_eq!(open(Birdwatch, "nil"), (json!(null), None));
}

#[test]
fn birdwatch_may_only_send_what_its_server_knew() {
    for profile in [Birdwatch, BirdwatchHead] {
        assert!(profile.takes("cmd/percolate") && profile.takes("cmd/query") && profile.takes("cmd/missing"));
        assert!(!profile.takes("some/state") && !profile.takes("firehose/cmd") && !profile.takes("cmd/ping"));
    }
    assert!(Plain.takes("cmd/ping"));
}
