use super::*;

#[test]
fn the_last_event_id_is_a_position_of_an_epoch() {
    let none = || Params::of_url("/api/stream", Vec::new()).unwrap();
    let with = |id: &str| {
        last_event_id(&HeaderMap::from_iter([(LAST_EVENT_ID, HeaderValue::from_str(id).unwrap())]), &mut none())
    };
    assert_eq!(last_event_id(&HeaderMap::new(), &mut none()), Ok(None));
    assert_eq!(with(""), Ok(None), "a browser that saw no id yet");
    let epoch = Epoch(uuid::Uuid::from_u128(7));
    assert_eq!(with(&event_id(epoch, Seq(42))), Ok(Some((epoch, Seq(42)))));
    for seq in ["-1", "4.2", "x", "9007199254740992", "1 2", ""] {
        assert!(with(&format!("{epoch}:{seq}")).unwrap_err().message.contains("Last-Event-ID"), "{seq}");
    }
    for id in ["42", ":42", "x:42", "00000000-0000-0000-0000-000000000007"] {
        assert!(with(id).is_err(), "{id} is of no epoch, or no position");
    }
}
