use super::*;
use crate::doc::DocBuilder;
use crate::hub::QueueLimits;
use crate::hub::tests::PlainEngine;
use crate::index::IndexOptions;
use crate::query::QueryLimits;
use crate::schema::{Schema, tweet};
use crate::tweet::TweetKey;

#[tokio::test]
async fn a_batch_has_its_turn_however_many_register() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(&IndexOptions { dir: dir.path().to_owned(), ..IndexOptions::default() }).unwrap();
    let (intake, batches) = Intake::channel(4);
    let hub = Hub::new(Box::new(PlainEngine::default()), 1_000, usize::MAX);
    let (pipeline, handle) = Pipeline::new(hub, index.clone(), batches);
    // All commands wait before the loop starts.
    let queue = Arc::new(SessionQueue::new(Uid::random(), QueueLimits { max_frames: 10, max_bytes: 1_000 }));
    let query = Query::parse("java", Schema::tweet(), &QueryLimits::default()).unwrap();
    let mut answers = Vec::new();
    for at in 0..CONTROL_CAPACITY {
        let (reply, answer) = oneshot::channel();
        let client = ClientKey::Server;
        let (queue, name, query) = (Arc::clone(&queue), Some(at.to_string().into()), query.clone());
        let sent = handle.control.try_send(Control::Subscribe { client, queue, name, query, resume: false, reply });
        assert!(sent.is_ok(), "there is room");
        answers.push(answer);
    }
    for id in 1..=2 {
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.text(tweet::TEXT, "rust");
        let tweet = AnalyzedTweet {
            id,
            key: TweetKey::of_number(id),
            json: "{}".into(),
            doc: builder.finish(),
            is_deleted: false,
        };
        intake.send(Batch { tweets: vec![Arc::new(tweet)], ack: None, cursor: None, may_wait: false }).await.unwrap();
    }
    let shutdown = CancellationToken::new();
    let asked = async {
        let mut watermarks = Vec::new();
        for answer in answers {
            watermarks.push(answer.await.unwrap().expect("room").watermark.0);
        }
        shutdown.cancel();
        watermarks
    };
    let (ran, watermarks) = tokio::join!(pipeline.run(shutdown.clone()), asked);
    ran.unwrap();
    let at = |seq: u64| watermarks.iter().filter(|&&watermark| watermark == seq).count();
    assert_eq!([at(0), at(1)], [MAX_CONTROLS_PER_TURN; 2], "{watermarks:?}");
    index.close().unwrap();
}

#[tokio::test]
async fn a_watermark_between_two_slices_of_a_batch_is_exact() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(&IndexOptions { dir: dir.path().to_owned(), ..IndexOptions::default() }).unwrap();
    let (_intake, batches) = Intake::channel(4);
    let hub = Hub::new(Box::new(PlainEngine::default()), 1_000, usize::MAX);
    let (mut pipeline, handle) = Pipeline::new(hub, index.clone(), batches);
    let query = Query::parse("java", Schema::tweet(), &QueryLimits::default()).unwrap();
    let new_queue =
        || Arc::new(SessionQueue::new(Uid::random(), QueueLimits { max_frames: 1_000, max_bytes: 1 << 20 }));
    let subscribe = |pipeline: &mut Pipeline, queue: &Arc<SessionQueue>, name: &str, resume| {
        let (reply, mut answer) = oneshot::channel();
        let (queue, name, query) = (Arc::clone(queue), Some(name.into()), query.clone());
        let client = ClientKey::Server;
        pipeline.control(Control::Subscribe { client, queue, name, query, resume, reply });
        answer.try_recv().unwrap().expect("room").watermark.0
    };
    let pushed = |queue: &SessionQueue| {
        let mut deliveries = Vec::new();
        queue.take(1_000, &mut deliveries);
        deliveries.iter().map(|it| (it.hit.seq.0, it.names.len())).collect::<Vec<_>>()
    };
    let tweet = |id| {
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.text(tweet::TEXT, "java");
        Arc::new(AnalyzedTweet {
            id,
            key: TweetKey::of_number(id),
            json: "{}".into(),
            doc: builder.finish(),
            is_deleted: false,
        })
    };
    let (before, read) = (new_queue(), new_queue());
    assert_eq!(subscribe(&mut pipeline, &before, "a", false), 0);
    assert_eq!(subscribe(&mut pipeline, &read, "a", true), 0);
    pipeline.batch(Batch { tweets: (1..=1_000).map(tweet).collect(), ack: None, cursor: None, may_wait: false });
    let first = handle.position.seq().0;
    assert!((1..1_000).contains(&first), "{first} of 1,000 at once");
    assert_eq!(index.last_seq().0, 1_000, "all of it can be found");
    assert_eq!(pushed(&before).len() as u64, first, "and what is percolated is pushed");

    let between = new_queue();
    assert_eq!(subscribe(&mut pipeline, &between, "a", false), first);
    // This one has read the whole batch from the index before it is percolated, and is not pushed
    // it again.
    assert!(read.go_live(Seq(1_000)));
    assert_eq!(subscribe(&mut pipeline, &read, "b", false), 1_000);
    while pipeline.in_progress.is_some() {
        pipeline.slice();
    }
    assert_eq!(handle.position.seq().0, 1_000);
    let after = |seq| (seq + 1..=1_000).map(|seq| (seq, 1)).collect::<Vec<_>>();
    assert_eq!(pushed(&before), after(first));
    assert_eq!(pushed(&between), after(first));
    assert_eq!(pushed(&read), []);
    pipeline.batch(Batch { tweets: vec![tweet(1_001)], ack: None, cursor: None, may_wait: false });
    assert_eq!((pushed(&read), pushed(&between)), (vec![(1_001, 2)], vec![(1_001, 1)]));
    index.close().unwrap();
}

#[tokio::test]
async fn a_deletion_of_an_unknown_tweet_gets_no_seq_and_moves_its_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(&IndexOptions { dir: dir.path().to_owned(), ..IndexOptions::default() }).unwrap();
    let (_intake, batches) = Intake::channel(4);
    let hub = Hub::new(Box::new(PlainEngine::default()), 1_000, usize::MAX);
    let (mut pipeline, _handle) = Pipeline::new(hub, index.clone(), batches);
    let tweet = |id: &str| {
        let json = format!("{{\"id_str\":\"{id}\",\"text\":\"rust\"}}");
        Arc::new(crate::tweet::analyze(&crate::tweet::read(json.as_bytes()).unwrap()))
    };
    let gone = |id: &str| Arc::new(crate::tweet::deletion(id));
    let mut send = |tweets, at: &str, after: Option<&str>| {
        let (ack, durable) = oneshot::channel();
        let cursor = Cursor { source: "a".into(), after: after.map(Into::into), at: at.into() };
        pipeline.batch(Batch { tweets, ack: Some(ack), cursor: Some(cursor), may_wait: false });
        durable
    };
    // The second deletion finds nothing any more, and the tweet that comes behind it stays.
    let first = send(vec![gone("1"), tweet("1"), gone("1"), gone("1"), tweet("1"), tweet("at://b")], "x", None);
    let second = send(vec![gone("9"), gone("at://c")], "y", Some("x"));
    let third = send(vec![gone("at://b"), gone("9")], "z", Some("y"));
    index.commit_now().unwrap();
    let durable = |seq, deleted| Ok(Durable { seq: Seq(seq), deleted });
    assert_eq!(
        [first.await, second.await, third.await].map(Result::unwrap),
        [durable(4, 1), durable(4, 0), durable(5, 1)]
    );
    assert_eq!(index.cursors().get("a").as_deref(), Some("z"));
    assert_eq!(index.snapshot().count().unwrap(), 1);
    index.close().unwrap();
}
