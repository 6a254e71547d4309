use std::collections::BTreeSet;

use tempfile::TempDir;

use super::super::tests::{append, options, replay, text};
use super::*;
use crate::index::Index;
use crate::query::Ast;
use crate::schema::tweet;

const ALL: PageLimits = PageLimits { tweets: 1_000, bytes: usize::MAX };

fn word(word: &str) -> Ast {
    Ast::Term { field: tweet::TEXT, term: word.into() }
}

fn everything() -> Replay {
    Replay::new(vec![ReplayQuery {
        search: Arc::new(CompiledSearch::new(&Ast::All)),
        after: Seq::ZERO,
        holds: Seq::ZERO,
    }])
}

/// The seqs of the next page.
fn next(replay: &mut Replay, index: &Index, tweets: usize) -> Vec<u64> {
    let snapshot = index.snapshot();
    let page = replay.page(&snapshot, snapshot.last_seq(), PageLimits { tweets, bytes: usize::MAX }).unwrap();
    page.hits.iter().map(|it| it.hit.seq.0).collect()
}

#[test]
fn more_queries_than_a_word_has_bits_are_told_apart() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let words = |id: u64| format!("w{} w{} w{}", id % 130, (id * 7) % 130, (id * 31) % 130);
    for half in [1..=300_u64, 301..=400] {
        append(&index, half.clone().map(|id| (id, text(&words(id)))));
        if half.end() == &300 {
            index.commit_now().unwrap();
        }
    }
    let queries: Vec<(Ast, Seq)> = (0..130).map(|n| (word(&format!("w{n}")), Seq(n))).collect();
    let found = replay(&index.snapshot(), &queries, Seq::MAX, PageLimits { tweets: 7, bytes: usize::MAX });
    for (n, found) in (0..).zip(found) {
        let holds = |id: &u64| words(*id).split(' ').any(|word| word == format!("w{n}")) && *id > n;
        let found: Vec<u64> = found.iter().map(|hit| hit.seq.0).collect();
        assert_eq!(found, (1..=400).filter(holds).collect::<Vec<u64>>(), "w{n}");
    }
}

#[test]
fn a_merge_between_two_pages_loses_and_repeats_nothing() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    let mut last = 0;
    let mut commit = |n: u64| {
        append(&index, (last + 1..=last + n).map(|id| (id, text("a"))));
        index.commit_now().unwrap();
        last += n;
    };
    (0..7).for_each(|_| commit(10));
    let segments: BTreeSet<SegmentId> = segments(&index);
    assert_eq!(segments.len(), 7, "eight would be merged");
    let mut replay = everything();
    let mut found = next(&mut replay, &index, 3);
    let started = std::time::Instant::now();
    while self::segments(&index).is_superset(&segments) {
        assert!(started.elapsed().as_secs() < 60, "nothing is merged");
        commit(1);
    }
    loop {
        let page = next(&mut replay, &index, 3);
        if page.is_empty() && replay.position() == index.last_seq() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, (1..=index.last_seq().0).collect::<Vec<_>>());
}

fn segments(index: &Index) -> BTreeSet<SegmentId> {
    let snapshot = index.snapshot();
    snapshot.committed().segments_by(|_| 0).iter().map(|(segment, _)| segment.reader().segment_id()).collect()
}

#[test]
fn a_located_tweet_that_was_replaced_comes_in_its_newest_version_only() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, (1..=6).map(|id| (id, text("a"))));
    index.commit_now().unwrap();
    let mut replay = everything();
    assert_eq!(next(&mut replay, &index, 2), [1, 2]);
    // One newer version waits in the tail, the other one is committed.
    append(&index, [(4, text("b"))]);
    assert_eq!(next(&mut replay, &index, 2), [3, 5]);
    index.commit_now().unwrap();
    append(&index, [(6, text("b"))]);
    index.commit_now().unwrap();
    let mut rest = next(&mut replay, &index, 10);
    rest.extend(next(&mut replay, &index, 10));
    assert_eq!(rest, [7, 8]);
}

#[test]
fn a_page_ends_with_the_tweet_that_fills_it() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, (1..=6).map(|id| (id, text("a"))));
    index.commit_now().unwrap();
    append(&index, (7..=9).map(|id| (id, text("a"))));
    let snapshot = index.snapshot();
    let bytes = snapshot.get(crate::tweet::TweetKey::of_number(1)).unwrap().unwrap().json.len();
    let mut replay = everything();
    let mut pages = Vec::new();
    while replay.position() < snapshot.last_seq() {
        let page = replay.page(&snapshot, snapshot.last_seq(), PageLimits { tweets: 10, bytes: bytes + 1 }).unwrap();
        pages.push(page.hits.len());
    }
    assert_eq!(pages, [2, 2, 2, 2, 1]);
}

/// What makes a replay linear: however large the segments are, a window reads its own documents and
/// at most a zone more at each end of a run of them.
#[test]
fn a_window_reads_hardly_more_than_its_documents() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, (1..=2_000).map(|id| (id, text("a"))));
    index.commit_now().unwrap();
    let snapshot = index.snapshot();
    let mut until = 0;
    while until < 2_000 {
        let window = Window::new(&snapshot, Seq(until), Seq(until + 32));
        let read: usize = window.slices.iter().map(|slice| slice.docs.len()).sum();
        assert_eq!(window.docs.len(), 32.min(2_000 - usize::try_from(until).unwrap()));
        assert!(read <= 32 + 8, "{read} documents are read behind {until}");
        until += 32;
    }
    assert_eq!(replay(&snapshot, &[(word("a"), Seq::ZERO)], Seq::MAX, ALL)[0].len(), 2_000);
}

/// The seqs of the next page, with what each says: `+` and `-` for a query that the tweet matches
/// and for one for which it is gone.
fn next_signed(replay: &mut Replay, index: &Index, tweets: usize) -> Vec<String> {
    let snapshot = index.snapshot();
    let page = replay.page(&snapshot, snapshot.last_seq(), PageLimits { tweets, bytes: usize::MAX }).unwrap();
    let signed = |it: &ReplayHit| {
        let sign = |at: usize, set: &QuerySet, sign: &str| {
            if set.iter().any(|it| it == at) { sign.to_owned() } else { String::new() }
        };
        let of_query = |at| sign(at, &it.queries, "+") + &sign(at, &it.gone, "-");
        format!("{}{}", it.hit.seq, (0..replay.queries.len()).map(of_query).collect::<Vec<_>>().join(","))
    };
    page.hits.iter().map(signed).collect()
}

#[test]
fn a_replay_says_which_tweets_are_gone_since_the_position_of_each_query() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, (1..=4).map(|id| (id, text("a"))));
    index.commit_now().unwrap();
    // 1 changes, 2 changes twice, 3 changes and matches, 9 is new and has changed since.
    append(&index, [(9, text("a")), (1, text("b")), (2, text("b")), (3, text("a b"))]);
    let queries = |after: [u64; 2]| {
        let search = || Arc::new(CompiledSearch::new(&word("a")));
        Replay::new(after.map(|after| ReplayQuery { search: search(), after: Seq(after), holds: Seq(after) }).into())
    };
    let mut early = queries([4, 6]);
    assert_eq!(next_signed(&mut early, &index, 2), ["5+,", "6-,"]);
    append(&index, [(2, text("c")), (9, text("b"))]);
    for committed in [false, true] {
        // The replay and the client of the second query know 9 in its older version.
        let rest = [next_signed(&mut early, &index, 1), next_signed(&mut early, &index, 10)].concat();
        if !committed {
            assert_eq!(rest, ["8+,+", "9-,-", "10-,-"]);
        }
        // The second query begins behind the changes up to seq 9. The client of the first query was
        // never sent tweet 9.
        assert_eq!(next_signed(&mut queries([4, 9]), &index, 10), ["6-,", "8+,", "9-,", "10,-"]);
        index.commit_now().unwrap();
    }
}

#[test]
fn a_tweet_that_changed_before_the_replay_is_gone_only_for_clients_that_may_have_it() {
    let dir = TempDir::new().unwrap();
    let index = Index::open(&options(dir.path())).unwrap();
    append(&index, [(1, text("a")), (2, text("a"))]);
    // More than one window: 100 comes after the position, and changes much later.
    append(&index, (100..=100 + 2 * FIRST_WINDOW).map(|id| (id, text("a"))));
    append(&index, [(1, text("b")), (100, text("b"))]);
    index.commit_now().unwrap();
    let last = index.last_seq().0;
    let replay_of = |after, holds| {
        let search = Arc::new(CompiledSearch::new(&word("a")));
        Replay::new(vec![ReplayQuery { search, after: Seq(after), holds: Seq(holds) }])
    };
    let gone = |mut replay: Replay| {
        let mut gone = Vec::new();
        while replay.position() < index.last_seq() {
            gone.extend(next_signed(&mut replay, &index, 7).into_iter().filter(|it| it.ends_with('-')));
        }
        gone
    };
    assert_eq!(gone(replay_of(2, 2)), [format!("{}-", last - 1)], "only tweet 1 was there before");
    assert_eq!(gone(replay_of(2, 0)), Vec::<String>::new(), "the client has nothing");
    assert_eq!(gone(replay_of(0, 0)), Vec::<String>::new());
    // What the replay itself has returned is gone when it changes meanwhile.
    let mut during = replay_of(2, 0);
    assert_eq!(next_signed(&mut during, &index, 2), ["4+", "5+"]);
    append(&index, [(101, text("b"))]);
    index.commit_now().unwrap();
    assert_eq!(gone(during), [format!("{}-", last + 1)]);
}
