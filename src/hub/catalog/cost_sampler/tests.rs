use super::*;
use crate::doc::DocBuilder;
use crate::percolator::{Compiled, EngineOptions};
use crate::query::Ast;
use crate::schema::{Schema, tweet};

#[test]
fn a_sample_is_due_after_some_tweets_or_some_time_and_costs_a_small_share_of_it() {
    let start = Instant::now();
    let after = |millis: u64| start + Duration::from_millis(millis);
    let mut sampler = CostSampler::default();
    assert!(sampler.is_due(start), "the first tweet");
    sampler.last = Some((start, Duration::from_micros(100)));
    sampler.since_last = 1;
    assert!(!sampler.is_due(after(49)) && sampler.is_due(after(50)), "tweets come slowly");
    sampler.since_last = SAMPLE_INTERVAL_TWEETS;
    assert!(!sampler.is_due(after(4)) && sampler.is_due(after(5)), "tweets come fast");
    sampler.last = Some((start, Duration::from_millis(10)));
    assert!(!sampler.is_due(after(499)) && sampler.is_due(after(500)), "samples take long");
}

#[test]
fn a_sample_stands_for_the_tweets_since_the_last_one_but_for_none_before_the_registration() {
    let mut sampler = CostSampler::default();
    sampler.listing.add_tweets(90);
    let counts = [QueryCounter::since(0), QueryCounter::since(80)];
    sampler.since_last = 40;
    sampler.candidates = vec![(QueryKey(0), Duration::from_nanos(7)), (QueryKey(1), Duration::from_nanos(7))];
    sampler.add(|key| counts.get(key.index()));
    let counted = |counter: &QueryCounter| (counter.candidates(), counter.counts(90).time.as_nanos());
    assert_eq!([counted(&counts[0]), counted(&counts[1])], [(40, 280), (10, 70)]);
    assert_eq!(sampler.since_last, 0);
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
    let mut sampler = CostSampler::default();
    let counts: [QueryCounter; 4] = Default::default();
    for _ in &docs {
        // A sample is due for each batch.
        sampler.last = None;
        sampler.percolated(&mut engine, &docs, |key| counts.get(key.index()));
    }
    assert_eq!(counts.map(|count| count.candidates()), [4; 4]);
}
