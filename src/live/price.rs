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

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    /// Has percolated the tweets, without a query.
    planner: Mutex<Box<dyn Engine>>,
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
        // What is stored can be read: it was, and is checked to be the same again.
        let tweets = hits.iter().filter_map(|hit| tweet::read(hit.json.as_bytes()).ok()).flatten();
        Ok(Sample::new(tweets.map(|tweet| tweet::prepare(&tweet).doc).collect(), engine))
    }

    fn new(docs: Vec<Doc>, engine: EngineKind) -> Sample {
        let written = |doc: &Doc| doc.values().iter().find(|(of, _)| *of == field::CREATED).map(|&(_, at)| at);
        let tweets_per_hour = per_hour(docs.iter().filter_map(written).collect());
        let mut planner = (engine.build)(&EngineOptions::default());
        planner.percolate(&docs.iter().collect::<Vec<_>>(), &mut Matches::default());
        Sample { taken: Instant::now(), docs, tweets_per_hour, planner: Mutex::new(planner) }
    }

    /// Whether it still serves.
    fn is_fresh(&self) -> bool {
        self.taken.elapsed() < FRESH
    }

    /// Tries a query on it.
    pub(super) fn price(&self, query: &Ast) -> Price {
        let presearch = self.presearch(query);
        let count = |ast: &Ast| {
            let matcher = Matcher::new(ast);
            self.docs.iter().filter(|doc| matcher.matches(doc)).count()
        };
        let (candidates, matches) = (count(&presearch), count(query));
        Price { candidates, matches, presearch, tweets: self.docs.len(), tweets_per_hour: self.tweets_per_hour }
    }
}

impl Sample {
    /// What the engine would wait for on behalf of a query.
    fn presearch(&self, query: &Ast) -> Ast {
        const KEY: QueryKey = QueryKey(0);
        // An engine that panicked has a query too many, which the next one replaces.
        let mut planner = self.planner.lock().unwrap_or_else(PoisonError::into_inner);
        planner.insert(KEY, query);
        let presearch = planner.presearch(KEY);
        planner.remove(KEY);
        presearch
    }
}

/// The sample that is kept.
#[derive(Debug)]
pub(super) struct KeptSample {
    engine: EngineKind,
    sample: Mutex<Option<Arc<Sample>>>,
}

impl KeptSample {
    /// For an engine of this kind.
    pub(super) fn new(engine: EngineKind) -> KeptSample {
        KeptSample { engine, sample: Mutex::default() }
    }

    /// The sample that is kept, or one of the view when that is too old.
    pub(super) fn get_or_take(&self, view: &View) -> Result<Arc<Sample>, SearchError> {
        let kept = self.sample.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sample) = kept.filter(|sample| sample.is_fresh()) {
            return Ok(sample);
        }
        // Whoever asks meanwhile takes one too, and waits for nobody.
        let sample = Arc::new(Sample::take(view, self.engine)?);
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
