//! What a query will cost and bring, judged by the newest tweets.
//!
//! ```text
//! newest tweets ──(read, analyze; kept for a while)──> Sample ──┬─ what the engine waits for ──> candidates
//!                                                               └─ the query ──────────────────> matches
//! ```
//!
//! The sample is taken by order of arrival and holds analyzed tweets only. What the engine waits for is asked of an engine
//! of the same kind that has learned from the sample how frequent words are. The engine that runs is not asked, because that
//! would keep the loop from tweets; with a million queries it may plan otherwise.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::coop;
use crate::doc::Doc;
use crate::ids::QueryKey;
use crate::index::{SearchError, View};
use crate::matcher::Matcher;
use crate::percolator::{Engine, EngineKind, EngineOptions, Matches};
use crate::query::Ast;
use crate::schema::tweet as field;
use crate::tweet;

/// How many tweets a sample has at most.
pub const SAMPLE: usize = 1_000;

/// So long a sample serves: somebody who types asks several times a second.
const FRESH: Duration = Duration::from_secs(10);

/// So long it serves while somebody takes the next one.
const USABLE: Duration = Duration::from_secs(60);

/// What a query costs and brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// A weaker query: only tweets that match it are looked at for this query.
    pub presearch: Ast,
    /// How many of the newest tweets were looked at for this answer, at most [`SAMPLE`].
    pub tweets: usize,
    /// How many of them match the presearch.
    pub candidates: usize,
    /// How many of them match the query.
    pub matches: usize,
    /// How many tweets come in an hour, by the times at which those of the sample were written; none when fewer than two say it.
    pub tweets_per_hour: Option<f64>,
}

impl Price {
    /// How many matches come in an hour when it goes on like in the sample.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn matches_per_hour(&self) -> Option<f64> {
        let share = self.matches as f64 / self.tweets.max(1) as f64;
        self.tweets_per_hour.map(|tweets| tweets * share)
    }
}

/// The newest tweets, analyzed.
pub(super) struct Sample {
    taken: Instant,
    docs: Vec<Doc>,
    tweets_per_hour: Option<f64>,
    engine: EngineKind,
    /// Has percolated the tweets, without a query. None while somebody asks it.
    planner: Mutex<Option<Box<dyn Engine>>>,
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sample").field("tweets", &self.docs.len()).finish_non_exhaustive()
    }
}

impl Sample {
    /// The newest tweets of a view.
    fn take(view: &View, engine: EngineKind) -> Result<Sample, SearchError> {
        let hits = view.newest(SAMPLE)?;
        let mut docs = Vec::with_capacity(hits.len());
        for hit in &hits {
            coop::check()?;
            // What is stored can be read: it was, and is checked to be the same again.
            let tweets = tweet::read(hit.json.as_bytes()).unwrap_or_default();
            docs.extend(tweets.iter().map(|tweet| tweet::analyze(tweet).doc));
        }
        Sample::new(docs, engine)
    }

    fn new(docs: Vec<Doc>, engine: EngineKind) -> Result<Sample, SearchError> {
        let written = |doc: &Doc| doc.values().iter().find(|(of, _)| *of == field::CREATED).map(|&(_, at)| at);
        let tweets_per_hour = per_hour(docs.iter().filter_map(written).collect());
        let planner = Mutex::new(Some(planner(&docs, engine)?));
        Ok(Sample { taken: Instant::now(), docs, tweets_per_hour, engine, planner })
    }

    /// Whether it is so new, or newer.
    fn is_within(&self, age: Duration) -> bool {
        self.taken.elapsed() < age
    }

    /// Tries a query on it.
    pub(super) fn price(&self, query: &Ast) -> Result<Price, SearchError> {
        let presearch = self.presearch(query)?;
        let (candidates, matches) = (self.count(&presearch)?, self.count(query)?);
        Ok(Price { candidates, matches, presearch, tweets: self.docs.len(), tweets_per_hour: self.tweets_per_hour })
    }

    fn count(&self, query: &Ast) -> Result<usize, SearchError> {
        let matcher = Matcher::new(query);
        let mut n = 0;
        for doc in &self.docs {
            coop::check()?;
            n += usize::from(matcher.matches(doc));
        }
        coop::check()?;
        Ok(n)
    }

    /// What the engine would wait for on behalf of a query.
    fn presearch(&self, query: &Ast) -> Result<Ast, SearchError> {
        const KEY: QueryKey = QueryKey(0);
        // Taken out: there are yield points below, and no lock is held there.
        let kept = self.planner().take();
        let mut engine = match kept {
            Some(engine) => engine,
            None => planner(&self.docs, self.engine)?,
        };
        engine.insert(KEY, query);
        let presearch = engine.presearch(KEY);
        engine.remove(KEY);
        let stopped = coop::check();
        *self.planner() = Some(engine);
        stopped?;
        Ok(presearch)
    }

    fn planner(&self) -> MutexGuard<'_, Option<Box<dyn Engine>>> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An engine that has percolated these tweets, without a query.
fn planner(docs: &[Doc], engine: EngineKind) -> Result<Box<dyn Engine>, SearchError> {
    let mut planner = (engine.build)(&EngineOptions::default());
    for docs in docs.chunks(16) {
        coop::check()?;
        planner.percolate(&docs.iter().collect::<Vec<_>>(), &mut Matches::default());
    }
    Ok(planner)
}

/// The sample that is kept.
#[derive(Debug)]
pub(super) struct KeptSample {
    engine: EngineKind,
    sample: Mutex<Option<Arc<Sample>>>,
    /// Whether somebody takes the next one.
    taking: AtomicBool,
}

impl KeptSample {
    /// For an engine of this kind.
    pub(super) fn new(engine: EngineKind) -> KeptSample {
        KeptSample { engine, sample: Mutex::default(), taking: AtomicBool::new(false) }
    }

    /// The sample that is kept, or one of the view when that is too old.
    pub(super) fn get_or_take(&self, view: &View) -> Result<Arc<Sample>, SearchError> {
        self.get_or(|| Sample::take(view, self.engine))
    }

    fn get_or(&self, take: impl FnOnce() -> Result<Sample, SearchError>) -> Result<Arc<Sample>, SearchError> {
        /// Also when the work is stopped or panics.
        struct Taking<'a>(&'a AtomicBool);
        impl Drop for Taking<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        let kept = self.sample.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sample) = kept.as_ref().filter(|sample| sample.is_within(FRESH)) {
            return Ok(Arc::clone(sample));
        }
        let is_first = !self.taking.swap(true, Ordering::AcqRel);
        let _taking = is_first.then(|| Taking(&self.taking));
        // Whoever takes one may be paused, so nobody waits for it.
        if let Some(sample) = kept.filter(|sample| !is_first && sample.is_within(USABLE)) {
            return Ok(sample);
        }
        let sample = Arc::new(take()?);
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&sample));
        Ok(sample)
    }
}

/// How many events an hour has, by the times of some, in milliseconds but exact to a second only.
///
/// Strays, an old tweet or a clock that is wrong, must not stretch the time: it is judged by the middle nine tenths. Where these are close
/// together, the whole seconds between the first and the last are counted.
#[expect(clippy::cast_precision_loss, reason = "times of this age fit, and an estimate is no better")]
fn per_hour(mut times: Vec<i64>) -> Option<f64> {
    const HOUR_MS: f64 = 3_600_000.0;
    if times.len() < 2 {
        return None;
    }
    times.sort_unstable();
    let strays = times.len() / 20;
    let middle = &times[strays..times.len() - strays];
    let (&first, &last) = (middle.first()?, middle.last()?);
    let span = last.saturating_sub(first);
    let (n, span) = match span {
        60_000.. => (middle.len() - 1, span),
        3_000.. => (middle.iter().filter(|&&at| at > first && at < last).count(), span - 1_000),
        _ => (middle.len(), span + 1_000),
    };
    Some(n as f64 * HOUR_MS / span as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coop::testing::{steps, stop_at};
    use crate::percolator::ENGINES;
    use crate::query::{Query, QueryLimits};
    use crate::schema::Schema;

    fn query(text: &str) -> Query {
        Query::parse(text, Schema::tweet(), &QueryLimits::default()).expect("a query")
    }

    fn docs(n: usize) -> Vec<Doc> {
        let doc = |at| {
            let json = format!(r#"{{"id":{at},"text":"apple banana cherry","user":{{"id":1,"screen_name":"a"}}}}"#);
            tweet::read(json.as_bytes()).expect("a tweet").iter().map(|tweet| tweet::analyze(tweet).doc).collect()
        };
        (1..=n).flat_map(|at| -> Vec<Doc> { doc(at) }).collect()
    }

    #[test]
    fn a_price_can_be_stopped_anywhere_and_holds_no_lock_there() {
        for &engine in ENGINES {
            let sample = Arc::new(Sample::new(docs(40), engine).expect("a sample"));
            let query = query("*pp*a *zz* OR \"banana apple\"");
            let expected = sample.price(query.ast()).expect("a price");
            let (in_it, lock) = (Arc::clone(&sample), |sample: &Sample| drop(sample.planner.try_lock().expect("free")));
            let free = coop::testing::at_each(move || lock(&in_it), || sample.price(query.ast()));
            assert_eq!(free.expect("a price"), expected, "{}", engine.name);
            let all = steps(|| sample.price(query.ast()).map(drop));
            assert!(all > 80, "{}: {all}", engine.name);
            for at in 1..=all {
                let run = stop_at(at, || sample.price(query.ast()));
                assert!(run.result.is_err(), "{}: {at}", engine.name);
                assert!(run.late < 40, "{}: {at}: {}", engine.name, run.late);
            }
            assert_eq!(sample.price(query.ast()).expect("a price"), expected, "{}", engine.name);
        }
    }

    #[test]
    fn a_sample_is_taken_once_while_the_last_one_is_usable() {
        let sample = || Sample::new(Vec::new(), ENGINES[0]);
        let kept = KeptSample::new(ENGINES[0]);
        let old = kept.get_or(sample).expect("a sample");
        let Some(past) = Instant::now().checked_sub(FRESH) else { return };
        let aged = Arc::new(Sample { taken: past, ..sample().expect("a sample") });
        *kept.sample.lock().expect("a lock") = Some(Arc::clone(&aged));
        let new = kept.get_or(|| {
            let meanwhile = kept.get_or(|| panic!("somebody takes one")).expect("the last one");
            assert!(Arc::ptr_eq(&meanwhile, &aged));
            sample()
        });
        let new = new.expect("a sample");
        assert!(!Arc::ptr_eq(&new, &aged) && !Arc::ptr_eq(&new, &old));
        // One that is stopped leaves it to the next.
        *kept.sample.lock().expect("a lock") = Some(Arc::clone(&aged));
        kept.get_or(|| Err(coop::Stopped.into())).expect_err("stopped");
        assert!(!Arc::ptr_eq(&kept.get_or(sample).expect("a sample"), &aged));
    }

    #[test]
    fn the_rate_is_that_of_the_middle() {
        assert_eq!(per_hour(Vec::new()), None);
        assert_eq!(per_hour(vec![5]), None);
        assert_eq!(per_hour(vec![0, 0]), Some(7_200.0));
        // One a second, two strays.
        let mut times: Vec<i64> = (0..100).map(|second| second * 1_000).collect();
        assert_eq!(per_hour(times.clone()), Some(3_600.0));
        times[50] = -1_000_000_000_000;
        times[51] = i64::MAX;
        let rate = per_hour(times).expect("a rate");
        assert!((3_300.0..3_900.0).contains(&rate), "{rate}");
        // Two hundred a second, for five seconds that do not begin with one.
        let times = (0..1_000).map(|at| (700 + at * 5) / 1_000 * 1_000).collect();
        assert_eq!(per_hour(times), Some(720_000.0));
    }
}
