//! Engines against the plainest model: a map of queries and [`query::matches`].

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};

use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::percolator::*;
use crate::query::arbitrary::{Parts, ast, parts};
use crate::query::{self, Ast};

/// An operation on an engine.
#[derive(Clone, Debug)]
enum Operation {
    Insert(u32, Ast),
    Remove(u32),
    Percolate(Vec<Parts>),
    /// The compiled engine plans all queries again, as it does when terms turn out to be frequent.
    Replan,
}

/// Few keys, so that they are reused.
const KEYS: std::ops::Range<u32> = 0..24;

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let one = prop_oneof![
        12 => (KEYS, ast()).prop_map(|(key, ast)| Operation::Insert(key, ast)),
        4 => KEYS.prop_map(Operation::Remove),
        5 => prop::collection::vec(parts(), 1..6).prop_map(Operation::Percolate),
        // Batches that are divided between threads.
        2 => (prop::collection::vec(parts(), 1..20), 1_usize..150)
            .prop_map(|(parts, n)| Operation::Percolate(parts.into_iter().cycle().take(n).collect())),
        1 => Just(Operation::Replan),
    ];
    prop::collection::vec(one, 1..48)
}

/// An engine and its model.
struct Pair<E> {
    engine: E,
    model: BTreeMap<u32, Ast>,
    n_pairs: usize,
    n_matches: usize,
}

impl<E: Engine> Pair<E> {
    fn new(engine: E) -> Pair<E> {
        Pair { engine, model: BTreeMap::new(), n_pairs: 0, n_matches: 0 }
    }

    fn insert(&mut self, key: u32, ast: &Ast) {
        self.remove(key);
        self.engine.insert(QueryKey(key), ast);
        self.model.insert(key, ast.clone());
    }

    fn remove(&mut self, key: u32) {
        assert_eq!(self.engine.remove(QueryKey(key)), self.model.remove(&key).is_some());
        assert_eq!(self.engine.len(), self.model.len());
    }

    fn percolate(&mut self, batch: &[Parts]) -> TestCaseResult {
        let docs: Vec<Doc> = batch.iter().map(Parts::doc).collect();
        let mut matches = Matches::default();
        self.engine.percolate(&docs.iter().collect::<Vec<_>>(), &mut matches);
        prop_assert!(matches.candidates >= matches.len() as u64);
        prop_assert!(matches.by_doc().is_sorted_by(|a, b| a.0 < b.0), "documents are out of order");
        let mut found: Vec<(u32, u32)> = matches.pairs().map(|(doc, key)| (doc, key.0)).collect();
        prop_assert_eq!(found.len(), matches.len());
        found.sort_unstable();
        let mut expected = Vec::new();
        for (at, doc) in (0..).zip(&docs) {
            expected.extend(self.model.iter().filter(|(_, ast)| query::matches(ast, doc)).map(|(&key, _)| (at, key)));
        }
        for &(at, key) in &expected {
            let presearch = self.engine.presearch(QueryKey(key));
            let doc = &docs[at as usize];
            prop_assert!(query::matches(&presearch, doc), "{:?} matches without {:?}", self.model[&key], presearch);
        }
        self.n_pairs += docs.len() * self.model.len();
        self.n_matches += expected.len();
        if found != expected {
            let wrong =
                found.iter().find(|it| !expected.contains(it)).or(expected.iter().find(|it| !found.contains(it)));
            let ast = wrong.and_then(|(_, key)| self.model.get(key));
            prop_assert_eq!(&found, &expected, "first at {:?}: {:?} over {:?}", wrong, ast, batch);
        }
        Ok(())
    }
}

fn is_long() -> bool {
    std::env::var_os("PERCH_LONG_TESTS").is_some()
}

fn long(cases: u32) -> ProptestConfig {
    let cases = if is_long() { cases * 40 } else { cases };
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_local_rejects: u32::MAX,
        max_shrink_iters: 4_000,
        ..ProptestConfig::default()
    }
}

/// An engine with this many threads that splits an atom at this many postings.
fn compiled(threads: usize, split_postings: usize) -> Pair<Compiled> {
    let thresholds = Thresholds { split_postings, ..Thresholds::small() };
    Pair::new(Compiled::new(&EngineOptions { threads, thresholds, ..EngineOptions::default() }))
}

#[test]
fn compiled_agrees_with_the_model_over_lists_of_operations() {
    let (mut n_pairs, mut n_matches) = (0, 0);
    let counts = std::cell::RefCell::new((&mut n_pairs, &mut n_matches));
    let result =
        TestRunner::new(long(300)).run(&(operations(), 1_usize..4, 1_usize..5), |(operations, threads, split)| {
            let mut pair = compiled(threads, split);
            for operation in &operations {
                match operation {
                    Operation::Insert(key, ast) => pair.insert(*key, ast),
                    Operation::Remove(key) => pair.remove(*key),
                    Operation::Percolate(batch) => pair.percolate(batch)?,
                    Operation::Replan => pair.engine.replan_all(),
                }
            }
            for key in KEYS {
                pair.remove(key);
            }
            prop_assert_eq!(pair.engine.n_atoms(), 0, "atoms of removed queries are left");
            prop_assert!(!pair.engine.has_conjunctions(), "conjunctions of removed queries are left");
            let mut counts = counts.borrow_mut();
            *counts.0 += pair.n_pairs;
            *counts.1 += pair.n_matches;
            Ok(())
        });
    if let Err(error) = result {
        panic!("{error}");
    }
    eprintln!("{n_pairs} pairs, {n_matches} matches");
    assert!(n_matches * 20 > n_pairs && n_matches * 4 < n_pairs * 3, "matches are neither rare nor the rule");
    let at_least = if is_long() { 1_000_000 } else { 10_000 };
    assert!(n_pairs >= at_least, "{n_pairs} pairs are too few");
}

#[test]
fn batches_and_threads_change_no_result() {
    let strategy =
        (prop::collection::vec(ast(), 1..40), prop::collection::vec(parts(), 1..20), 1_usize..260, 1_usize..5);
    let result = TestRunner::new(long(40)).run(&strategy, |(queries, parts, n, split)| {
        let docs: Vec<Doc> = parts.iter().map(Parts::doc).collect();
        let batch: Vec<&Doc> = docs.iter().cycle().take(n).collect();
        let found = |threads, batch_len: usize| {
            let mut engine = compiled(threads, split).engine;
            for (key, ast) in (0..).zip(&queries) {
                engine.insert(QueryKey(key), ast);
            }
            let (mut all, mut candidates) = (Vec::new(), 0);
            for (docs, first) in batch.chunks(batch_len).zip((0_u32..).step_by(batch_len)) {
                let mut matches = Matches::default();
                engine.percolate(docs, &mut matches);
                candidates += matches.candidates;
                all.extend(matches.pairs().map(|(doc, key)| (first + doc, key)));
            }
            assert!(all.is_sorted_by_key(|(doc, _)| *doc), "documents are out of order");
            all.sort_unstable();
            (all, candidates)
        };
        let singles = found(1, 1);
        let batch = found(1, n);
        prop_assert_eq!(&singles.0, &batch.0);
        for threads in 2..4 {
            prop_assert_eq!(&found(threads, n), &batch);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn every_engine_agrees_with_the_model() {
    for kind in ENGINES {
        let strategy = (prop::collection::vec(ast(), 1..40), prop::collection::vec(parts(), 1..10));
        let result = TestRunner::new(long(60)).run(&strategy, |(queries, batch)| {
            let mut pair = Pair::new(Boxed((kind.build)(&EngineOptions::default())));
            for (key, ast) in (0..).zip(&queries) {
                pair.insert(key, ast);
            }
            pair.percolate(&batch)
        });
        if let Err(error) = result {
            panic!("{}: {error}", kind.name);
        }
    }
}

/// A boxed engine as an engine.
struct Boxed(Box<dyn Engine>);

impl Engine for Boxed {
    fn insert(&mut self, key: QueryKey, query: &Ast) {
        self.0.insert(key, query);
    }
    fn remove(&mut self, key: QueryKey) -> bool {
        self.0.remove(key)
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn percolate(&mut self, docs: &[&Doc], matches: &mut Matches) {
        self.0.percolate(docs, matches);
    }
    fn presearch(&self, key: QueryKey) -> Ast {
        self.0.presearch(key)
    }
    fn size_bytes(&self) -> usize {
        self.0.size_bytes()
    }
}
