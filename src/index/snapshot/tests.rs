//! Every search has yield points in proportion to its work, and ends at the one at which it is
//! stopped.

use std::ops::Bound;

use tempfile::TempDir;

use super::*;
use crate::coop::testing::{StoppedRun, steps, stop_at};
use crate::doc::{DocBuilder, Point};
use crate::index::feed_page::{FeedOrder, FeedPageRequest};
use crate::index::tests::options;
use crate::index::{Index, PageLimits, Replay, ReplayQuery};
use crate::query::{GeoBox, GeoCircle, Phrase};
use crate::schema::{FieldId, Schema, tweet as field};
use crate::tweet::{AnalyzedTweet, TweetKey};

/// How many tweets are in the index, in two segments.
const COMMITTED: u64 = 1_000;
/// How many are in the tail: newer versions of some of those.
const IN_TAIL: u64 = 40;
/// The most documents of one yield point: a block of postings.
const BLOCK: u64 = 128;
/// The most yield points that are passed after the stop: of the parts of a query, and of the stages
/// of a search.
const LATE: u64 = 200;

/// An index of tweets that differ in what the queries below ask.
fn index(dir: &TempDir) -> Index {
    let index = Index::open(&options(dir.path())).unwrap();
    for ids in [0..COMMITTED / 2, COMMITTED / 2..COMMITTED, 0..IN_TAIL] {
        let is_tail = ids.end == IN_TAIL;
        let tweets: Vec<Arc<AnalyzedTweet>> = ids.map(prepared).collect();
        let first = index.take_seqs(tweets.len()).unwrap();
        let items: Vec<SequencedTweet> =
            (first.0..).map(Seq).zip(tweets).map(|(seq, tweet)| SequencedTweet { seq, tweet }).collect();
        index.append(items.into(), None);
        if !is_tail {
            index.commit_now().unwrap();
        }
    }
    index
}

fn prepared(id: u64) -> Arc<AnalyzedTweet> {
    let mut builder = DocBuilder::new(Schema::tweet());
    let half = if id.is_multiple_of(2) { "even" } else { "odd" };
    builder.text(field::TEXT, &format!("all {half} word{id}"));
    builder.text(field::HASHTAG, &format!("tag{id}"));
    let number = i64::try_from(id).unwrap();
    builder.integer(field::FOLLOWERS, number * 2);
    builder.integer(field::CREATED, number * 1_000);
    // Each has a place, and none is in the searched area.
    builder.point(field::COORDINATES, Point { lon: 13.4, lat: 52.5 });
    Arc::new(AnalyzedTweet {
        id,
        key: TweetKey::of_number(id),
        json: format!("{{\"id_str\":\"{id}\"}}").into(),
        doc: builder.finish(),
        is_deleted: false,
    })
}

fn term(term: &str) -> Ast {
    Ast::Term { field: field::TEXT, term: term.to_owned() }
}

fn phrase(terms: [&str; 2], slop: u32, last_is_prefix: bool) -> Ast {
    let terms = terms.map(str::to_owned).to_vec();
    Ast::Phrase(Phrase { field: field::TEXT, terms, slop, last_is_prefix })
}

fn range(of: FieldId, from: i64, to: i64) -> Ast {
    Ast::Range { field: of, lower: Bound::Included(from), upper: Bound::Included(to) }
}

fn not(part: Ast) -> Ast {
    Ast::Not(Box::new(part))
}

/// Queries of every kind, and the least number of yield points of each: those that find nothing
/// included.
fn queries() -> Vec<(&'static str, Ast, u64)> {
    let text = field::TEXT;
    let nowhere = || Ast::Near { field: field::COORDINATES, circle: GeoCircle { lon: 0.0, lat: 0.0, meters: 1.0 } };
    let in_no_box = GeoBox { west: 0.0, south: 0.0, east: 1.0, north: 1.0 };
    let wildcard = |pattern: &str| Ast::Wildcard { field: text, pattern: pattern.to_owned() };
    let blocks = COMMITTED / BLOCK;
    vec![
        ("all", Ast::All, blocks),
        ("none", Ast::None, 1),
        ("a term", term("all"), blocks),
        ("a prefix", Ast::Prefix { field: text, prefix: "word".to_owned() }, COMMITTED),
        ("a wildcard that finds nothing", wildcard("*zz*"), COMMITTED),
        ("a wildcard that finds all", wildcard("*d*"), COMMITTED),
        ("a regular expression", Ast::Regex { field: text, pattern: ".*zz".to_owned().into() }, COMMITTED),
        ("a fuzzy term", Ast::Fuzzy { field: text, term: "word12".to_owned(), distance: 2 }, 100),
        ("a phrase", phrase(["all", "even"], 0, false), blocks / 2),
        ("a phrase that finds nothing", phrase(["even", "odd"], 0, false), blocks / 2),
        ("a phrase with slop", phrase(["even", "all"], 3, false), blocks / 2),
        ("a phrase with a prefix", phrase(["even", "word"], 0, true), COMMITTED / 2),
        ("a range that finds nothing", range(field::FOLLOWERS, 501, 501), 2),
        ("a range", range(field::FOLLOWERS, 0, 10_000), blocks),
        ("what is there", Ast::Exists { field: text }, COMMITTED),
        ("what is not there", Ast::Exists { field: field::URL }, COMMITTED),
        ("a box", Ast::Within { field: field::COORDINATES, bounds: in_no_box }, COMMITTED),
        ("a circle", nowhere(), COMMITTED),
        ("and, with nothing in common", Ast::And(vec![term("even"), term("odd")]), COMMITTED),
        ("and, with a range", Ast::And(vec![term("even"), range(field::FOLLOWERS, 501, 501)]), 2),
        ("and, with a place", Ast::And(vec![term("all"), nowhere()]), COMMITTED),
        ("and, with patterns", Ast::And(vec![wildcard("ev*"), wildcard("od*")]), COMMITTED),
        ("not a term", Ast::And(vec![term("even"), not(wildcard("e*"))]), COMMITTED / 2),
        ("not anything", not(Ast::Prefix { field: text, prefix: "a".to_owned() }), blocks),
        ("not what is there", not(Ast::Exists { field: text }), COMMITTED),
        ("not in a place", Ast::And(vec![term("all"), not(nowhere())]), COMMITTED),
        ("not in a range", Ast::And(vec![term("all"), not(range(field::FOLLOWERS, 0, 10_000))]), blocks),
        ("or", Ast::Or(vec![term("even"), term("odd")]), blocks),
        ("or, of combinations", Ast::Or(vec![Ast::And(vec![term("even"), term("odd")]), term("no")]), COMMITTED),
        ("or, of many patterns", Ast::Or((0..30).map(|n| wildcard(&format!("*z{n}*"))).collect()), 30 * COMMITTED),
        ("two of three", Ast::AtLeast { min: 2, of: vec![term("even"), term("odd"), term("no")] }, COMMITTED),
    ]
}

/// A read of a snapshot, with its name.
type Read<'a> = (&'static str, Box<dyn Fn(&Ast) -> Result<(), SearchError> + 'a>);

/// Everything that a snapshot is asked with a query.
fn reads(snapshot: &Snapshot) -> Vec<Read<'_>> {
    let of = CompiledSearch::new;
    vec![
        (
            "page",
            Box::new(move |ast| snapshot.page(&of(ast), &PageRequest { n: 10, ..PageRequest::default() }).map(drop)),
        ),
        (
            "feed",
            Box::new(move |ast| {
                let request = FeedPageRequest { n: 10, order: FeedOrder::MostLiked { above: 0 }, behind: None };
                snapshot.feed_page(&of(ast), &request).map(drop)
            }),
        ),
        // Nothing of it can be on the page, so the segments are only counted.
        ("count", Box::new(move |ast| snapshot.page(&of(ast), &PageRequest::default()).map(drop))),
        (
            "replay",
            Box::new(move |ast| {
                let query = ReplayQuery { search: Arc::new(of(ast)), after: Seq(10), holds: Seq(10) };
                let limits = PageLimits { tweets: 256, bytes: usize::MAX };
                Replay::new(vec![query]).page(snapshot, snapshot.last_seq(), limits).map(drop)
            }),
        ),
        ("over time", Box::new(move |ast| snapshot.over_time(&of(ast), field::CREATED, None, 100).map(drop))),
        ("top terms", Box::new(move |ast| snapshot.top_terms(&of(ast), field::HASHTAG, None, 10).map(drop))),
    ]
}

#[test]
fn every_search_has_yield_points_in_proportion_to_its_work() {
    let dir = TempDir::new().unwrap();
    let index = index(&dir);
    let snapshot = index.snapshot();
    for (name, ast, at_least) in queries() {
        // A page of a replay reads a window of some tweets only.
        for (read, run) in reads(&snapshot).into_iter().filter(|(read, _)| *read != "replay") {
            let found = steps(|| run(&ast).unwrap());
            assert!(found >= at_least, "{read} of {name}: {found} instead of {at_least}");
        }
    }
}

#[test]
fn every_search_ends_where_it_is_stopped() {
    let dir = TempDir::new().unwrap();
    let index = index(&dir);
    let snapshot = index.snapshot();
    for (name, ast, _) in queries() {
        for (read, run) in reads(&snapshot) {
            let all = steps(|| run(&ast).unwrap());
            for at in [1, 2, 3, 5, all / 7, all / 5, all / 3, all / 2, all * 2 / 3, all - 2, all - 1, all] {
                let at = at.clamp(1, all);
                let mut found = Ok(());
                let StoppedRun { result, steps, late } = stop_at(at, || found = run(&ast));
                let place = format!("{read} of {name}, stopped at {at} of {all}");
                assert!(result.is_err(), "{place}: does not notice");
                assert!(matches!(found, Err(SearchError::Stopped(_))), "{place}: {found:?}");
                assert_eq!(steps, at, "{place}");
                assert!(late <= LATE, "{place}: {late} steps later");
            }
        }
    }
}

#[test]
fn what_needs_no_query_can_be_stopped_too() {
    let dir = TempDir::new().unwrap();
    let index = index(&dir);
    let snapshot = index.snapshot();
    for at in 1..=steps(|| snapshot.newest(100).unwrap()) {
        assert!(stop_at(at, || snapshot.newest(100)).result.is_err());
    }
    let stopped = (1..=COMMITTED).take_while(|&at| stop_at(at, || snapshot.count()).result.is_err()).count();
    assert!(stopped > 1, "stopped at {stopped} points");
    assert_eq!(snapshot.count().unwrap(), COMMITTED, "a count that was stopped is not kept");
    assert_eq!(steps(|| snapshot.count().unwrap()), 0, "one that is whole is");
}
