use proptest::prelude::*;

use super::*;

#[test]
fn a_stored_tweet_is_taken_apart_as_it_was() {
    let json = r#"{"id_str":"1","text":"größe\nzwei"}"#;
    let stored = seal_tweet(json, Seq(0x1f));
    assert_eq!(open_tweet(&stored), Some(StoredTweet { json, seq: Some(Seq(0x1f)) }));
    assert_eq!(open_tweet(json), Some(StoredTweet { json, seq: None }), "as an earlier perch stored it");
    assert_eq!(open_tweet("no object"), None);
}

#[test]
fn a_json_file_without_a_checksum_is_taken_for_right() {
    assert!(is_json_whole(b"{\n  \"a\": 1\n}\n"));
    let sealed = seal_json("{\n  \"a\": 1\n}\n");
    assert!(is_json_whole(sealed.as_bytes()));
    let value: serde_json::Value = serde_json::from_str(&sealed).unwrap();
    assert_eq!(value["a"], 1);
}

proptest! {
    #[test]
    fn a_changed_byte_of_a_stored_tweet_is_found(
        text in "[ -~ü]{0,60}", seq in 0..1_u64 << 53, at in any::<prop::sample::Index>(), flip in 1_u8..=255,
    ) {
        let json = serde_json::json!({ "id_str": "7", "text": text }).to_string();
        let mut bytes = seal_tweet(&json, Seq(seq)).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(changed) = std::str::from_utf8(&bytes) {
            prop_assert_eq!(open_tweet(changed), None);
        }
    }

    #[test]
    fn a_changed_byte_of_a_json_file_is_found_or_changes_nothing(
        number in any::<u64>(), at in any::<prop::sample::Index>(), flip in 1_u8..=255,
    ) {
        let json = serde_json::to_string_pretty(&serde_json::json!({ "number": number, "text": "a" })).unwrap();
        let mut bytes = seal_json(&json).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if is_json_whole(&bytes) && let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) {
            prop_assert_eq!(&value["number"], number);
            prop_assert_eq!(&value["text"], "a");
        }
    }
}
