//! Estimates what a query will cost and how much it will match, from the newest tweets.
//!
//! ```text
//! newest tweets ──(read, analyze; cached)──> Sample ──┬─ presearch of the query ──> candidates
//!                                                     └─ the query ───────────────> matches
//! ```
//!
//! A second engine of the same kind, which has learned document frequencies from the sample, plans
//! the query's presearch. The engine of the pipeline is not asked: that would block the loop. With
//! a million queries the pipeline's engine may choose another plan.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::coop;
use crate::doc::Doc;
use crate::ids::{QueryKey, Seq};
use crate::index::{SearchError, Snapshot};
use crate::matcher::Matcher;
use crate::percolator::{Engine, EngineKind, EngineOptions, Matches};
use crate::query::Ast;
use crate::schema::tweet as field;
use crate::tweet;

/// The most tweets of a sample.
pub const ESTIMATE_TWEETS: usize = 1_000;

/// The age at which a sample is refreshed. Clients may ask several times a second, while a user
/// types.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The age at which a sample is refreshed for those who only want frequent terms of it.
const MAX_AGE_OF_TERMS: Duration = Duration::from_secs(600);

/// The age up to which a sample is used while another request refreshes it.
const MAX_STALE_AGE: Duration = Duration::from_secs(60);

/// The estimated cost and matches of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryEstimate {
    /// A weaker query. The query is a candidate of the tweets that match it.
    pub presearch: Ast,
    /// Tweets of the sample, at most [`ESTIMATE_TWEETS`].
    pub tweets: usize,
    /// Those that match the presearch.
    pub candidates: usize,
    /// Those that match the query.
    pub matches: usize,
    /// Tweets an hour, by the creation times in the sample. `None` if fewer than two tweets have
    /// one.
    pub tweets_per_hour: Option<f64>,
}

impl QueryEstimate {
    /// Expected matches an hour, if the stream continues like the sample.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn matches_per_hour(&self) -> Option<f64> {
        let share = self.matches as f64 / self.tweets.max(1) as f64;
        self.tweets_per_hour.map(|tweets| tweets * share)
    }
}

/// The newest tweets, analyzed, in order of arrival.
pub(super) struct Sample {
    taken: Instant,
    /// The last seq of the index.
    last_seq: Seq,
    docs: Vec<Doc>,
    tweets_per_hour: Option<f64>,
    engine: EngineKind,
    /// An engine without queries that has percolated the tweets. `None` while a request uses it.
    planner: Mutex<Option<Box<dyn Engine>>>,
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sample").field("tweets", &self.docs.len()).finish_non_exhaustive()
    }
}

impl Sample {
    /// Takes the newest tweets of a snapshot.
    fn take(snapshot: &Snapshot, engine: EngineKind) -> Result<Sample, SearchError> {
        let hits = snapshot.newest(ESTIMATE_TWEETS)?;
        let mut docs = Vec::with_capacity(hits.len());
        for hit in &hits {
            coop::check()?;
            // A stored tweet can always be read: its checksum was verified.
            docs.extend(tweet::read(hit.json.as_bytes()).iter().map(|tweet| tweet::analyze(tweet).doc));
        }
        Sample::new(docs, snapshot.last_seq(), engine)
    }

    fn new(docs: Vec<Doc>, last_seq: Seq, engine: EngineKind) -> Result<Sample, SearchError> {
        let written = |doc: &Doc| doc.values().iter().find(|(of, _)| *of == field::CREATED).map(|&(_, at)| at);
        let tweets_per_hour = per_hour(docs.iter().filter_map(written).collect());
        let planner = Mutex::new(Some(planner(&docs, engine)?));
        Ok(Sample { taken: Instant::now(), last_seq, docs, tweets_per_hour, engine, planner })
    }

    /// The tweets.
    pub(super) fn docs(&self) -> &[Doc] {
        &self.docs
    }

    /// Whether it is younger than `age`.
    fn is_within(&self, age: Duration) -> bool {
        self.taken.elapsed() < age
    }

    /// Whether more tweets would not make it larger.
    fn is_whole(&self) -> bool {
        self.docs.len() >= ESTIMATE_TWEETS
    }

    /// Evaluates a query on the sample.
    pub(super) fn estimate(&self, query: &Ast) -> Result<QueryEstimate, SearchError> {
        let presearch = self.presearch(query)?;
        let (candidates, matches) = (self.count(&presearch)?, self.count(query)?);
        Ok(QueryEstimate {
            candidates,
            matches,
            presearch,
            tweets: self.docs.len(),
            tweets_per_hour: self.tweets_per_hour,
        })
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

    /// The presearch that the engine plans for a query.
    fn presearch(&self, query: &Ast) -> Result<Ast, SearchError> {
        const KEY: QueryKey = QueryKey(0);
        // Taken out, because no lock may be held at the yield points below.
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

/// An engine without queries that has percolated these tweets.
fn planner(docs: &[Doc], engine: EngineKind) -> Result<Box<dyn Engine>, SearchError> {
    let mut planner = (engine.build)(&EngineOptions::default());
    for docs in docs.chunks(16) {
        coop::check()?;
        planner.percolate(&docs.iter().collect::<Vec<_>>(), &mut Matches::default());
    }
    Ok(planner)
}

/// Caches the sample.
#[derive(Debug)]
pub(super) struct SampleCache {
    engine: EngineKind,
    sample: Mutex<Option<Arc<Sample>>>,
    /// Whether a request is refreshing the sample.
    is_refreshing: AtomicBool,
}

impl SampleCache {
    /// A cache of samples for engines of this kind.
    pub(super) fn new(engine: EngineKind) -> SampleCache {
        SampleCache { engine, sample: Mutex::default(), is_refreshing: AtomicBool::new(false) }
    }

    /// The cached sample, or a new one of the snapshot if the cached one is too old.
    pub(super) fn get_or_refresh(&self, snapshot: &Snapshot) -> Result<Arc<Sample>, SearchError> {
        self.get_or(MAX_AGE, snapshot.last_seq(), || Sample::take(snapshot, self.engine))
    }

    /// As [`SampleCache::get_or_refresh`] for those who only want frequent terms and must not wait:
    /// a whole sample may have any age.
    pub(super) fn get_for_terms(&self, snapshot: &Snapshot) -> Result<Arc<Sample>, SearchError> {
        match self.kept().filter(|sample| sample.is_whole()) {
            Some(sample) => Ok(sample),
            None => self.get_or_refresh(snapshot),
        }
    }

    /// Whether the frequent terms of the cached sample are too old, and no request refreshes it.
    pub(super) fn is_due_for_terms(&self) -> bool {
        let is_old = |sample: Arc<Sample>| !sample.is_within(MAX_AGE_OF_TERMS);
        !self.is_refreshing.load(Ordering::Acquire) && self.kept().is_some_and(is_old)
    }

    fn kept(&self) -> Option<Arc<Sample>> {
        self.sample.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn get_or(
        &self,
        max_age: Duration,
        last_seq: Seq,
        take: impl FnOnce() -> Result<Sample, SearchError>,
    ) -> Result<Arc<Sample>, SearchError> {
        /// Resets the flag also if the work is cancelled or panics.
        struct RefreshGuard<'a>(&'a AtomicBool);
        impl Drop for RefreshGuard<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        let kept = self.kept();
        // A small sample grows with the index.
        let is_new = |sample: &Sample| sample.is_whole() || sample.last_seq == last_seq;
        if let Some(sample) = kept.as_ref().filter(|sample| sample.is_within(max_age) && is_new(sample)) {
            return Ok(Arc::clone(sample));
        }
        let is_first = !self.is_refreshing.swap(true, Ordering::AcqRel);
        let _taking = is_first.then(|| RefreshGuard(&self.is_refreshing));
        // The refreshing request may be paused, so no other waits for it.
        if let Some(sample) = kept.filter(|sample| !is_first && sample.is_within(MAX_STALE_AGE)) {
            return Ok(sample);
        }
        let sample = Arc::new(take()?);
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&sample));
        Ok(sample)
    }
}

/// Events an hour, by the times of a sample: milliseconds, exact to a second.
///
/// Outliers, such as old tweets or wrong clocks, must not stretch the time span, so only the middle
/// nine tenths count. If these span less than a minute, the whole seconds within the span are
/// counted.
#[expect(clippy::cast_precision_loss, reason = "times of this age fit, and an estimate is no better")]
fn per_hour(mut times: Vec<i64>) -> Option<f64> {
    const HOUR_MS: f64 = 3_600_000.0;
    if times.len() < 2 {
        return None;
    }
    times.sort_unstable();
    let outliers = times.len() / 20;
    let middle = &times[outliers..times.len() - outliers];
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
            tweet::analyze(&tweet::read(json.as_bytes()).expect("a tweet")).doc
        };
        (1..=n).map(doc).collect()
    }

    #[test]
    fn an_estimate_can_be_cancelled_anywhere_and_holds_no_lock_there() {
        for &engine in ENGINES {
            let sample = Arc::new(Sample::new(docs(40), Seq(40), engine).expect("a sample"));
            let query = query("*pp*a *zz* OR \"banana apple\"");
            let expected = sample.estimate(query.ast()).expect("an estimate");
            let (in_it, lock) = (Arc::clone(&sample), |sample: &Sample| drop(sample.planner.try_lock().expect("free")));
            let free = coop::testing::at_each(move || lock(&in_it), || sample.estimate(query.ast()));
            assert_eq!(free.expect("an estimate"), expected, "{}", engine.name);
            let all = steps(|| sample.estimate(query.ast()).map(drop));
            assert!(all > 80, "{}: {all}", engine.name);
            for at in 1..=all {
                let run = stop_at(at, || sample.estimate(query.ast()));
                assert!(run.result.is_err(), "{}: {at}", engine.name);
                assert!(run.late < 40, "{}: {at}: {}", engine.name, run.late);
            }
            assert_eq!(sample.estimate(query.ast()).expect("an estimate"), expected, "{}", engine.name);
        }
    }

    #[test]
    fn a_sample_is_taken_once_while_the_last_one_is_usable() {
        let sample = || Sample::new(Vec::new(), Seq(0), ENGINES[0]);
        let kept = SampleCache::new(ENGINES[0]);
        let old = kept.get_or(MAX_AGE, Seq(0), sample).expect("a sample");
        let Some(past) = Instant::now().checked_sub(MAX_AGE) else { return };
        let aged = Arc::new(Sample { taken: past, ..sample().expect("a sample") });
        *kept.sample.lock().expect("a lock") = Some(Arc::clone(&aged));
        let new = kept.get_or(MAX_AGE, Seq(0), || {
            let meanwhile = kept.get_or(MAX_AGE, Seq(0), || panic!("another estimate is taken")).expect("the last one");
            assert!(Arc::ptr_eq(&meanwhile, &aged));
            sample()
        });
        let new = new.expect("a sample");
        assert!(!Arc::ptr_eq(&new, &aged) && !Arc::ptr_eq(&new, &old));
        // One that is stopped leaves it to the next.
        *kept.sample.lock().expect("a lock") = Some(Arc::clone(&aged));
        kept.get_or(MAX_AGE, Seq(0), || Err(coop::Stopped.into())).expect_err("stopped");
        assert!(!Arc::ptr_eq(&kept.get_or(MAX_AGE, Seq(0), sample).expect("a sample"), &aged));
    }

    #[test]
    fn a_small_sample_grows_with_the_index() {
        let sample = |n, seq| move || Sample::new(docs(n), Seq(seq), ENGINES[0]);
        let cache = SampleCache::new(ENGINES[0]);
        let kept = |seq, take| cache.get_or(MAX_AGE, Seq(seq), take).expect("a sample").docs.len();
        assert_eq!(cache.get_or(MAX_AGE, Seq(1), sample(1, 1)).expect("a sample").docs.len(), 1);
        assert_eq!(kept(1, sample(2, 1)), 1, "nothing came");
        assert_eq!(cache.get_or(MAX_AGE, Seq(2), sample(ESTIMATE_TWEETS, 2)).expect("a sample").docs.len(), 1_000);
        assert_eq!(kept(3, sample(3, 3)), ESTIMATE_TWEETS, "more would not be another sample");
    }

    #[test]
    fn frequent_terms_are_refreshed_behind_the_request() {
        let cache = SampleCache::new(ENGINES[0]);
        assert!(!cache.is_due_for_terms(), "the request takes the first one");
        for (age, is_due) in [(MAX_AGE, false), (MAX_AGE_OF_TERMS, true)] {
            let Some(taken) = Instant::now().checked_sub(age) else { return };
            let sample = Sample::new(docs(ESTIMATE_TWEETS), Seq(9), ENGINES[0]).expect("a sample");
            *cache.sample.lock().expect("a lock") = Some(Arc::new(Sample { taken, ..sample }));
            assert_eq!(cache.is_due_for_terms(), is_due, "{age:?}");
        }
        let refreshed = cache.get_or(MAX_AGE, Seq(9), || {
            assert!(!cache.is_due_for_terms(), "one is enough");
            Sample::new(Vec::new(), Seq(9), ENGINES[0])
        });
        refreshed.expect("a sample");
    }

    #[test]
    fn the_rate_is_that_of_the_middle() {
        assert_eq!(per_hour(Vec::new()), None);
        assert_eq!(per_hour(vec![5]), None);
        assert_eq!(per_hour(vec![0, 0]), Some(7_200.0));
        // One a second, two outliers.
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
