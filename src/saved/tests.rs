use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::delivery_id::DeliveryId;
use super::receivers;
use super::spec::StoredSearch;
use super::store::{Change, MAX_TRIES, Position, Store, Try};
use super::*;
use crate::ids::{Epoch, Seq};

fn epoch(number: u128) -> Epoch {
    Epoch(Uuid::from_u128(number))
}

fn search(revision: u64, ids: &[u64]) -> StoredSearch {
    let spec = SearchRequest::read(json!({"query": "a"})).unwrap().spec;
    let deliveries = ids.iter().map(|id| DeliveryId(*id)).collect();
    StoredSearch {
        spec,
        owner: "ann".to_owned(),
        created_ms: 1,
        changed_ms: 2,
        revision,
        paused_because: None,
        refused: Vec::new(),
        since: None,
        unsubscribed: Vec::new(),
        feed_token: None,
        deliveries,
    }
}

fn put(name: &str, revision: u64, ids: &[u64], removed: &[u64]) -> Change {
    Change::Put {
        name: name.into(),
        search: Box::new(search(revision, ids)),
        positions: ids.iter().map(|id| (DeliveryId(*id), Position::default())).collect(),
        removed: removed.iter().map(|id| DeliveryId(*id)).collect(),
    }
}

/// The positions of three deliveries.
fn positions(store: &Store) -> Vec<Position> {
    let rows = store.positions(&[0, 1, 2].map(DeliveryId)).unwrap();
    rows.into_iter().map(|(position, _)| position).collect()
}

/// Closes a file, and waits until another may open it.
async fn close(store: Store, writer: store::StoreWriter) {
    store.change(Change::Close).await.unwrap();
    writer.join().unwrap();
}

#[tokio::test]
async fn what_is_stored_is_there_after_a_restart_and_an_id_is_never_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (store, writer, loaded) = Store::open(dir.path(), epoch(1), Seq(50)).unwrap();
    assert_eq!((loaded.searches, loaded.epoch, loaded.next_id), (0, None, 0));
    store.change(put("a", 1, &[0, 1], &[])).await.unwrap();
    store.change(put("b", 1, &[2], &[])).await.unwrap();
    let moved = Position { seq: Seq(7), sending: Some(Seq(9)), failing_since_ms: Some(3), follows_floor: true };
    store.note(Change::Move(DeliveryId(0), moved));
    store.note(Change::Floor { floor: Seq(8) });
    store.change(Change::Remove { name: "b".into(), removed: vec![DeliveryId(2)] }).await.unwrap();
    // A delivery that is gone does not come back.
    store.change(Change::Move(DeliveryId(2), moved)).await.unwrap();
    close(store, writer).await;
    let (store, writer, loaded) = Store::open(dir.path(), epoch(1), Seq(50)).unwrap();
    assert_eq!((loaded.searches, loaded.floor, loaded.epoch, loaded.next_id), (1, Seq(8), Some(epoch(1)), 3));
    assert_eq!(store.search("a").unwrap().map(|search| search.revision), Some(1));
    assert_eq!(positions(&store), [moved, Position::default(), Position::default()]);
    assert!(store.search("b").unwrap().is_none());
    close(store, writer).await;
    // In another epoch everything begins at the present.
    for is_of_other_epoch in [true, false] {
        let (store, writer, loaded) = Store::open(dir.path(), epoch(2), Seq(50)).unwrap();
        assert_eq!((loaded.floor, loaded.is_of_other_epoch), (Seq::ZERO, is_of_other_epoch));
        let present = Position { seq: Seq(50), ..Position::default() };
        assert_eq!(positions(&store)[..2], [present, present]);
        close(store, writer).await;
    }
}

#[tokio::test]
async fn the_last_tries_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (store, writer, _) = Store::open(dir.path(), epoch(1), Seq(50)).unwrap();
    store.change(put("a", 1, &[0, 1], &[])).await.unwrap();
    let tried = |at_ms| Try { at_ms, took_ms: 1, id: "msg".to_owned(), events: 1, status: Some(200), error: None };
    for at in 0..MAX_TRIES + 5 {
        store.note(Change::Tried(DeliveryId(0), at, Box::new(tried(at))));
    }
    store.change(Change::Tried(DeliveryId(1), 0, Box::new(tried(1_000)))).await.unwrap();
    let tries = store.tries(DeliveryId(0)).unwrap();
    assert_eq!((tries.len() as u64, tries[0].at_ms, tries[99].at_ms), (MAX_TRIES, MAX_TRIES + 4, 5));
    assert_eq!((store.next_try(DeliveryId(0)), store.next_try(DeliveryId(1))), (MAX_TRIES + 5, 1));
    store.change(Change::Remove { name: "a".into(), removed: vec![DeliveryId(0)] }).await.unwrap();
    assert_eq!((store.tries(DeliveryId(0)).unwrap().len(), store.tries(DeliveryId(1)).unwrap().len()), (0, 1));
    close(store, writer).await;
}

#[test]
fn the_example_of_each_receiver_builds_it_and_shows_no_secret() {
    for kind in RECEIVERS {
        let mut fields: serde_json::Map<String, Value> = serde_json::from_str(kind.example).unwrap();
        fields.insert("type".to_owned(), kind.name.into());
        let receiver = receivers::build(0, &fields).unwrap().receiver;
        assert_eq!(receiver.kind(), kind.name);
        let spec = SearchSpec { deliver: vec![fields], ..search(1, &[]).spec };
        let shown = format!("{receiver:?}{}", serde_json::to_string(&spec.clone().masked()).unwrap());
        let Some(secret) = spec.deliver[0].get("secret").and_then(Value::as_str) else { continue };
        assert!(!shown.contains(secret), "{shown}");
        // What was masked gets its secret back, for the same address only.
        let mut masked = spec.clone().masked();
        masked.unmask(Some(&spec)).unwrap();
        assert_eq!(masked, spec);
        let mut elsewhere = spec.clone().masked();
        elsewhere.deliver[0].insert("url".to_owned(), "https://example.com/other".into());
        assert!(elsewhere.unmask(Some(&spec)).is_err());
    }
}

#[test]
fn a_signature_is_that_of_the_specification() {
    // The example of the specification's reference libraries.
    let key = webhook::key(&json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
    let (id, timestamp, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
    let signature = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert!(webhook::verify(&key, id, timestamp, body, signature));
    assert!(!webhook::verify(&key, id, timestamp + 1, body, signature));
    assert!(!webhook::verify(&key, "msg", timestamp, body, signature));
    assert!(!webhook::verify(&key, id, timestamp, b"", signature));
}

proptest! {
    #[test]
    fn a_name_is_one_part_of_a_path(name in "\\PC{0,20}") {
        if check_name(&name).is_ok() {
            prop_assert!(!name.contains(['/', '\\', '?', '#', '%', ' ', '"']) && name != "." && name != "..");
        }
    }

    #[test]
    fn whatever_a_body_is_the_answer_is_a_search_or_an_error(
        fields in vec((prop_oneof![
            Just("query"), Just("paused"), Just("tags"), Just("places"), Just("deliver"), Just("since"), Just("epoch"), Just("x"),
        ], prop_oneof![
            Just(json!("a")), Just(json!(1)), Just(json!(-1)), Just(json!(true)), Just(json!([])), Just(json!(["a"])),
            Just(json!({})), Just(json!({"a": 2})), Just(json!([{"type": "webhook"}])), Just(json!(null)), Just(json!(1.5)),
        ]), 0..5),
    ) {
        let body: serde_json::Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if let Ok(request) = SearchRequest::read(Value::Object(body)) {
            let stored = serde_json::to_value(&request.spec).unwrap();
            prop_assert_eq!(serde_json::from_value::<SearchSpec>(stored).unwrap(), request.spec);
        }
    }
}

#[tokio::test]
async fn a_copy_is_of_one_moment_while_changes_are_written() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(Snapshot::take(dir.path()).unwrap().is_none());
    let (store, writer, _) = Store::open(dir.path(), epoch(1), Seq(50)).unwrap();
    store.change(put("a", 1, &[0, 1], &[])).await.unwrap();
    // Both deliveries move in one commit.
    for seq in 1..200 {
        let moved = Position { seq: Seq(seq), ..Position::default() };
        store.note(Change::Move(DeliveryId(0), moved));
        let durable = store.begin(Change::Move(DeliveryId(1), moved));
        if seq == 100 {
            let snapshot = Snapshot::take(dir.path()).unwrap().expect("there is a file");
            assert_eq!(snapshot.write(to.path(), epoch(2)).unwrap(), 1);
        }
        durable.await.unwrap();
    }
    close(store, writer).await;
    let (store, writer, loaded) = Store::open(to.path(), epoch(2), Seq(50)).unwrap();
    let positions = positions(&store);
    assert!((99..=100).contains(&positions[0].seq.0) && positions[1] == positions[0], "{positions:?}");
    assert_eq!((loaded.epoch, loaded.searches), (Some(epoch(2)), 1));
    close(store, writer).await;
}
