use super::*;
use crate::doc::DocBuilder;
use crate::percolator::{Compiled, EngineOptions};
use crate::query::Ast;
use crate::schema::{Schema, tweet};

fn entry((matches, candidates, nanos): (u64, u64, u64)) -> Arc<Entry> {
    let query = crate::query::Query::parse("rust", Schema::tweet(), &crate::query::QueryLimits::default());
    let count = Count { since: 0, matches: matches.into(), candidates: candidates.into(), nanos: nanos.into() };
    Arc::new(Entry { query: query.expect("a query"), subscriptions: 1.into(), count })
}

#[test]
fn the_highest_come_first_and_no_more_than_asked_for() {
    let entries = [(1, 9, 5), (7, 2, 5), (3, 3, 8), (3, 3, 8)].map(entry);
    let top = |order, n| -> Vec<usize> {
        let mut top = Top::new(order, n);
        (0..).zip(&entries).for_each(|(key, entry)| top.push(QueryKey(key), entry));
        let place = |found: Arc<Entry>| entries.iter().position(|it| Arc::ptr_eq(it, &found)).expect("one of them");
        top.into_sorted().into_iter().map(place).collect()
    };
    assert_eq!(top(CostOrder::Cost, 10), [2, 3, 0, 1]);
    assert_eq!(top(CostOrder::Matches, 10), [1, 2, 3, 0]);
    // The second was looked at for each of the seven tweets that match, though samples saw two.
    assert_eq!(top(CostOrder::Candidates, 3), [0, 1, 2]);
    assert_eq!(top(CostOrder::Cost, 1), [2]);
}

#[test]
fn a_sample_is_due_after_some_tweets_or_some_time_and_costs_a_small_share_of_it() {
    let start = Instant::now();
    let after = |millis: u64| start + Duration::from_millis(millis);
    let mut costs = Costs::default();
    assert!(costs.is_due(start), "the first tweet");
    costs.last = Some((start, Duration::from_micros(100)));
    costs.since_last = 1;
    assert!(!costs.is_due(after(49)) && costs.is_due(after(50)), "tweets come slowly");
    costs.since_last = EVERY;
    assert!(!costs.is_due(after(4)) && costs.is_due(after(5)), "tweets come fast");
    costs.last = Some((start, Duration::from_millis(10)));
    assert!(!costs.is_due(after(499)) && costs.is_due(after(500)), "samples take long");
}

#[test]
fn a_sample_stands_for_the_tweets_since_the_last_one_but_for_none_before_the_registration() {
    let mut costs = Costs::default();
    costs.catalog.add_tweets(90);
    let counts = [Count::since(0), Count::since(80)];
    costs.since_last = 40;
    costs.candidates = vec![(QueryKey(0), Duration::from_nanos(7)), (QueryKey(1), Duration::from_nanos(7))];
    costs.add(|key| counts.get(key.index()));
    let counted = |count: &Count| (count.candidates(), count.counts(90).time.as_nanos());
    assert_eq!([counted(&counts[0]), counted(&counts[1])], [(40, 280), (10, 70)]);
    assert_eq!(costs.since_last, 0);
    assert_eq!(counts[1].counts(90).tweets, 10);
}

#[test]
fn batches_of_one_size_are_sampled_at_each_of_their_places() {
    let words = ["cat", "dog", "rust", "york"];
    let mut engine = Compiled::new(&EngineOptions::default());
    let mut builders = Vec::new();
    for (key, word) in (0..).zip(words) {
        engine.insert(QueryKey(key), &Ast::Term { field: tweet::TEXT, term: word.to_owned() });
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.text(tweet::TEXT, word);
        builders.push(builder);
    }
    let docs: Vec<&Doc> = builders.iter_mut().map(DocBuilder::doc).collect();
    let mut costs = Costs::default();
    let counts: [Count; 4] = Default::default();
    for _ in &docs {
        // One is due for each batch.
        costs.last = None;
        costs.percolated(&mut engine, &docs, |key| counts.get(key.index()));
    }
    assert_eq!(counts.map(|count| count.candidates()), [4; 4]);
}
