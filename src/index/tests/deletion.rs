//! Deleting tweets one by one, for age and for size.

use super::*;

#[test]
fn tweets_go_when_they_are_too_old_and_the_first_seq_says_so() {
    let dir = TempDir::new().unwrap();
    let retention = Retention { age: Some(Duration::from_secs(1)), size_bytes: None };
    let options = IndexOptions { retention, ..options(dir.path()) };
    let index = Index::open(&options).unwrap();
    let started = std::time::Instant::now();
    let (items, _) = append(&index, (1..=50).map(|id| (id, text("rust"))));
    index.commit_now().unwrap();
    assert_eq!((index.snapshot().count().unwrap(), index.first_seq()), (50, Seq::ZERO));
    // Nothing else comes: they go by themselves.
    while index.snapshot().count().unwrap() > 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "they stay");
        std::thread::yield_now();
    }
    assert!(started.elapsed() >= Duration::from_millis(990), "they went too early");
    assert_eq!(index.first_seq(), items[49].seq.next());
    assert_eq!(first_page(&index, &word("rust")).total, 0);
    drop(index);
    let index = Index::open(&options).unwrap();
    assert_eq!(index.first_seq(), items[49].seq.next());
    let (items, _) = append(&index, [(7, text("rust"))]);
    index.commit_now().unwrap();
    assert_eq!(index.snapshot().get(key(7)).unwrap().map(|hit| hit.seq), Some(items[0].seq));
}

#[test]
fn a_wall_clock_that_is_wrong_deletes_nothing() {
    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    let dir = TempDir::new().unwrap();
    let retention = Retention { age: Some(Duration::from_secs(3_600)), size_bytes: None };
    let options = IndexOptions { retention, ..options(dir.path()) };
    let time = retention::FakeTime::new();
    let open = || Index::open_with(&options, Arc::<retention::FakeTime>::clone(&time)).unwrap();
    let index = open();
    append(&index, (1..=100).map(|id| (id, text("rust"))));
    index.commit_now().unwrap();
    let mut next_id = 1_000;
    let mut pass = |index: &Index, ms: u64| {
        time.pass(ms);
        next_id += 1;
        append(index, [(next_id, text("other"))]);
        index.commit_now().unwrap();
        first_page(index, &word("rust")).total
    };
    assert_eq!(pass(&index, 1_000), 100);
    time.jump(40 * DAY_MS);
    assert_eq!(pass(&index, 2_500), 100);
    drop(index);
    let index = open();
    assert_eq!(pass(&index, 2_500), 100);
    time.jump(-40 * DAY_MS);
    assert_eq!(pass(&index, 1_000), 100);
    time.jump(-40 * DAY_MS);
    drop(index);
    let index = open();
    // A look at least every ten minutes is what the writer has by itself.
    (0..5).for_each(|_| assert_eq!(pass(&index, 600_000), 100));
    assert_eq!(pass(&index, 610_000), 0);
    assert!(index.first_seq() > Seq(100) && index.snapshot().count().unwrap() >= 5, "the younger ones stay");
}

#[test]
fn the_oldest_tweets_go_when_the_index_is_too_large() {
    let dir = TempDir::new().unwrap();
    let retention = Retention { age: None, size_bytes: Some(400_000) };
    let index = Index::open(&IndexOptions { retention, ..options(dir.path()) }).unwrap();
    let mut seqs = Vec::new();
    for round in 0..40_u64 {
        let words = |id: u64| (0..20).map(|n| format!("word{} ", id.wrapping_mul(n + 7) % 9_973)).collect::<String>();
        let (items, _) = append(&index, (0..100).map(|n| round * 100 + n).map(|id| (id, text(&words(id)))));
        seqs.extend(items.iter().map(|item| item.seq));
        index.commit_now().unwrap();
    }
    let first_seq = index.first_seq();
    let kept: Vec<Seq> = seqs.into_iter().filter(|&seq| seq >= first_seq).collect();
    assert!(first_seq > Seq::ZERO && kept.len() > 200, "{first_seq} is the first, {} are left", kept.len());
    let limits = PageLimits { tweets: 1_000, bytes: usize::MAX };
    let found = &replay(&index.snapshot(), &[(Ast::All, Seq::ZERO)], Seq::MAX, limits)[0];
    assert_eq!(found.iter().map(|hit| hit.seq).collect::<Vec<_>>(), kept);
}

#[test]
fn an_index_that_is_too_large_is_made_smaller_soon_and_no_smaller_than_it_must_be() {
    const LIMIT: u64 = 600_000;
    let dir = TempDir::new().unwrap();
    let retention = Retention { age: None, size_bytes: Some(LIMIT) };
    let index = Index::open(&IndexOptions { retention, ..options(dir.path()) }).unwrap();
    let mut fewest = u64::MAX;
    for round in 0..60_u64 {
        let words = |id: u64| (0..20).map(|n| format!("word{} ", id.wrapping_mul(n + 7) % 99_991)).collect::<String>();
        append(&index, (0..100).map(|n| round * 100 + n).map(|id| (id, text(&words(id)))));
        index.commit_now().unwrap();
        if index.first_seq() > Seq::ZERO {
            fewest = fewest.min(index.snapshot().count().unwrap());
        }
    }
    let on_disk = || {
        let files = fs::read_dir(dir.path().join(swap::TANTIVY)).unwrap().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>()
    };
    // Nothing else comes. What the index has beside its segments is small.
    let started = std::time::Instant::now();
    while index.stats().size_bytes > LIMIT || on_disk() > LIMIT + 20_000 {
        assert!(started.elapsed() < Duration::from_secs(40), "{:?}, {} on disk", index.stats(), on_disk());
        std::thread::yield_now();
    }
    let IndexStats { size_bytes, documents, .. } = index.stats();
    assert!(size_bytes >= LIMIT * 6 / 10, "{size_bytes} bytes are left");
    let limit_tweets = documents * LIMIT / size_bytes;
    assert!(fewest >= limit_tweets * 6 / 10, "once there were only {fewest} of the {limit_tweets} that may be there");
    // It is not too large any more, so nothing more goes.
    let first_seq = index.first_seq();
    append(&index, [(1_000_000, text("rust"))]);
    index.commit_now().unwrap();
    assert_eq!(index.first_seq(), first_seq);
}

#[test]
fn a_deleted_tweet_is_nowhere_and_its_deletion_goes_with_retention() {
    let dir = TempDir::new().unwrap();
    let retention = Retention { age: Some(Duration::from_secs(3_600)), size_bytes: None };
    let options = IndexOptions { retention, ..options(dir.path()) };
    let time = retention::FakeTime::new();
    let index = Index::open_with(&options, Arc::<retention::FakeTime>::clone(&time)).unwrap();
    append(&index, [1, 2, 3, NAMED].map(|id| (id, text("rust"))));
    index.commit_now().unwrap();
    // The first deletion meets the tweet in the index, the last one in the tail.
    append(&index, [(4, text("rust"))]);
    let (items, mut durable) = append_tweets(&index, [1, NAMED, 4].map(|id| deletion(&index, id)).into());
    // A batch whose tweets are deleted already is answered when those deletions are durable.
    let (ack, mut again) = tokio::sync::oneshot::channel();
    index.append([].into(), Some(ack));
    assert!(again.try_recv().is_err(), "the deletions are not committed");
    for committed in [false, true] {
        let snapshot = index.snapshot();
        assert_eq!(snapshot.count().unwrap(), 2, "{committed}");
        assert_eq!(ids(&first_page(&index, &CompiledSearch::new(&Ast::All))), [3, 2]);
        assert_eq!(ids(&first_page(&index, &CompiledSearch::new(&Ast::Not(Box::new(Ast::None))))), [3, 2]);
        assert_eq!(snapshot.newest(10).unwrap().len(), 2);
        for id in [1, NAMED, 4] {
            assert_eq!((snapshot.get(key(id)).unwrap(), index.id_of(key(id)).unwrap()), (None, None), "{id}");
        }
        index.commit_now().unwrap();
    }
    assert_eq!(durable.try_recv().unwrap(), Ok(Durable { seq: items[2].seq, deleted: 3 }));
    assert_eq!(again.try_recv().unwrap(), Ok(Durable { seq: items[2].seq, deleted: 0 }));
    assert_eq!(index.stats().documents, 2);
    // The tweet can come again.
    append(&index, [(1, text("rust"))]);
    index.commit_now().unwrap();
    assert_eq!(ids(&first_page(&index, &word("rust"))), [3, 2, 1]);
    for id in 10..17 {
        time.pass(600_000);
        append(&index, [(id, text("rust"))]);
        index.commit_now().unwrap();
    }
    drop(index);
    let report = maintenance::check(dir.path()).unwrap();
    assert_eq!((report.deletions, report.deleted_texts), (0, 0), "{report:?}");
}
