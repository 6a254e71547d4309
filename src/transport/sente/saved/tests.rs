use super::*;

const GRACE: Duration = Duration::from_secs(60);

fn epoch(n: u128) -> Epoch {
    Epoch(uuid::Uuid::from_u128(n))
}

fn client(subject: Option<&str>, query: &str) -> SavedClient {
    let subscription = SavedSubscription { name: None, query: query.into(), since: 3 };
    SavedClient { subject: subject.map(str::to_owned), position: 5, subscriptions: vec![subscription] }
}

fn load(dir: &Path, n: u128) -> Arc<SavedClients> {
    Arc::new(SavedClients::load(dir, "/chsk", epoch(n), GRACE))
}

#[tokio::test]
async fn what_was_written_is_there_for_whoever_knows_the_id() {
    let dir = tempfile::tempdir().unwrap();
    let (key, other) = (ClientIdHash::new("an id"), ClientIdHash::new("another id"));
    let saved = load(dir.path(), 1);
    saved.put(&key, client(None, "rust"));
    saved.put(&other, client(Some("ann"), "java"));
    saved.set_position(&key, Seq(7));
    saved.write().await;
    let file = fs::read_to_string(dir.path().join("sente%2Fchsk.json")).unwrap();
    assert!(!file.contains("an id") && file.contains("rust"), "{file}");

    let saved = load(dir.path(), 1);
    assert_eq!(saved.claim(&key, None), Some(SavedClient { position: 7, ..client(None, "rust") }));
    assert_eq!(saved.claim(&key, None), None, "once");
    for subject in [None, Some("bob")] {
        assert_eq!(saved.claim(&other, subject), None, "it is Ann's");
    }
    assert!(saved.claim(&other, Some("ann")).is_some());
    // Another index, another endpoint, no grace time, and a file that is none.
    assert_eq!(load(dir.path(), 2).claim(&key, None), None);
    assert_eq!(SavedClients::load(dir.path(), "/chsk-head", epoch(1), GRACE).claim(&key, None), None);
    assert_eq!(SavedClients::load(dir.path(), "/chsk", epoch(1), Duration::ZERO).claim(&key, None), None);
    fs::write(dir.path().join("sente%2Fchsk.json"), "{\"epoch\":").unwrap();
    assert_eq!(load(dir.path(), 1).claim(&key, None), None);
}

#[tokio::test(start_paused = true)]
async fn clients_that_do_not_come_back_are_forgotten_after_the_grace_time() {
    let dir = tempfile::tempdir().unwrap();
    let key = ClientIdHash::new("an id");
    let saved = load(dir.path(), 1);
    saved.put(&key, client(None, "rust"));
    saved.write().await;

    let saved = Arc::new(SavedClients::load(dir.path(), "/chsk", epoch(1), Duration::from_secs(600)));
    let keeping = tokio::spawn(Arc::clone(&saved).keep(CancellationToken::new()));
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert_eq!(saved.state().absent.len(), 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(saved.state().absent.len(), 0);
    assert_eq!(saved.claim(&key, None), None);
    keeping.abort();
}

#[tokio::test]
async fn a_client_whose_session_failed_gets_back_what_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let key = ClientIdHash::new("an id");
    let saved = load(dir.path(), 1);
    saved.put(&key, client(None, "rust"));
    assert_eq!(saved.claim(&key, None), None, "its task runs");
    saved.release(&key);
    saved.write().await;
    assert!(load(dir.path(), 1).claim(&key, None).is_some(), "a restart meanwhile changes nothing");
    assert_eq!(saved.claim(&key, None), Some(client(None, "rust")));
    assert_eq!(saved.claim(&key, None), None, "once");
}

#[tokio::test]
async fn the_shutdown_waits_for_the_last_client_and_writes_what_it_said() {
    let dir = tempfile::tempdir().unwrap();
    let key = ClientIdHash::new("an id");
    let saved = load(dir.path(), 1);
    let (shutdown, running) = (CancellationToken::new(), saved.enter());
    let keeping = tokio::spawn(Arc::clone(&saved).keep(shutdown.clone()));
    shutdown.cancel();
    saved.put(&key, client(None, "rust"));
    drop(running);
    keeping.await.unwrap();
    assert!(load(dir.path(), 1).claim(&key, None).is_some());
}

#[test]
fn the_file_has_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let saved = load(dir.path(), 1);
    let long = "x".repeat(MAX_CLIENT_BYTES - 200);
    for n in 0..2 * MAX_FILE_BYTES / MAX_CLIENT_BYTES {
        saved.put(&ClientIdHash::new(&n.to_string()), client(None, &long));
    }
    saved.put(&ClientIdHash::new("too long"), client(None, &"y".repeat(MAX_CLIENT_BYTES)));
    // Long ones don't keep short ones out.
    let short: Vec<ClientIdHash> = (0..100).map(|n| ClientIdHash::new(&format!("short {n}"))).collect();
    for key in &short {
        saved.put(key, client(None, "rust"));
    }
    let text = saved.text();
    assert!(text.len() <= MAX_FILE_BYTES && text.len() > MAX_FILE_BYTES / 2 && !text.contains("yyyy"));
    let written = serde_json::from_str::<Saved>(&text).unwrap();
    assert!(short.iter().all(|key| written.clients.contains_key(key)));
    assert!(saved.state().has_warned);
}
