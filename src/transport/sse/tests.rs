use super::*;

#[test]
fn the_last_event_id_is_a_position() {
    let with = |id: &str| last_event_id(&HeaderMap::from_iter([(LAST_EVENT_ID, HeaderValue::from_str(id).unwrap())]));
    assert_eq!(last_event_id(&HeaderMap::new()), Ok(None));
    assert_eq!(with(""), Ok(None), "a browser that saw no id yet");
    assert_eq!(with("42"), Ok(Some(Seq(42))));
    for id in ["-1", "4.2", "x", "9007199254740992", "1 2"] {
        assert!(with(id).unwrap_err().message.contains("Last-Event-ID"), "{id}");
    }
}
