use super::*;
use crate::doc::DocBuilder;
use crate::hub::QueueLimits;
use crate::hub::tests::PlainEngine;
use crate::index::IndexOptions;
use crate::query::QueryLimits;
use crate::schema::{Schema, tweet};

#[tokio::test]
async fn a_batch_has_its_turn_however_many_register() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(&IndexOptions { dir: dir.path().to_owned(), ..IndexOptions::default() }).unwrap();
    let (intake, batches) = Intake::channel(4);
    let hub = Hub::new(Box::new(PlainEngine::default()), 1_000, usize::MAX);
    let (pipeline, handle) = Pipeline::new(hub, index.clone(), batches);
    // All of it waits before the loop begins.
    let queue = Arc::new(SessionQueue::new(Uid::random(), QueueLimits { max_frames: 10, max_bytes: 1_000 }));
    let query = Query::parse("java", Schema::tweet(), &QueryLimits::default()).unwrap();
    let mut answers = Vec::new();
    for at in 0..CONTROL_CAPACITY {
        let (reply, answer) = oneshot::channel();
        let (queue, name, query) = (Arc::clone(&queue), Some(at.to_string().into()), query.clone());
        let sent = handle.control.try_send(Control::Subscribe { queue, name, query, resume: false, reply });
        assert!(sent.is_ok(), "there is room");
        answers.push(answer);
    }
    for id in 1..=2 {
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.text(tweet::TEXT, "rust");
        let tweet = Prepared { id, json: "{}".into(), doc: builder.finish() };
        intake.send(Batch { tweets: vec![Arc::new(tweet)], ack: None, cursor: None }).await.unwrap();
    }
    let shutdown = CancellationToken::new();
    let asked = async {
        let mut watermarks = Vec::new();
        for answer in answers {
            watermarks.push(answer.await.unwrap().expect("room").0);
        }
        shutdown.cancel();
        watermarks
    };
    let (ran, watermarks) = tokio::join!(pipeline.run(shutdown.clone()), asked);
    ran.unwrap();
    let at = |seq: u64| watermarks.iter().filter(|&&watermark| watermark == seq).count();
    assert_eq!([at(0), at(1)], [CONTROLS_IN_A_ROW; 2], "{watermarks:?}");
    index.close().unwrap();
}
