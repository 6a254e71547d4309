//! The tweets that pass an engine, and the time that they take.

use std::hint::black_box;
use std::time::{Duration, Instant};

use perch::doc::{Doc, DocBuilder};
use perch::ids::QueryKey;
use perch::percolator::{ENGINES, Engine, EngineOptions, Matches};
use perch::query::Ast;
use perch::schema::{Schema, tweet};

use crate::busy::Busy;
use crate::corpus::{self, Random};
use crate::mix::{self, Attributes, Source};

/// Tweets that are generated without a file.
const TWEETS: usize = 120_000;
/// Tweets that are measured with `--short`.
const SHORT: usize = 5_000;
/// The longest time of a round.
pub(crate) const ROUND: Duration = Duration::from_millis(1_500);
/// Passes of the other half of the tweets as warm-up.
const WARM_UP: usize = 3;
/// The shortest time of a round, long enough for the resolution of the clocks.
const ENOUGH: Duration = Duration::from_millis(100);

/// Everything that a row is about.
pub(crate) struct Setting {
    pub(crate) queries: Vec<Ast>,
    /// The warm-up.
    pub(crate) before: Stream,
    /// The measured tweets.
    pub(crate) stream: Stream,
}

impl Setting {
    /// `size` queries of a mix, and its tweets.
    pub(crate) fn new(mix: &str, size: usize, short: bool) -> Setting {
        let tweets = corpus::tweets(TWEETS);
        let measured = if short { SHORT } else { usize::MAX };
        let before: Vec<String> = tweets.iter().step_by(2).cloned().collect();
        let texts: Vec<String> = tweets.into_iter().skip(1).step_by(2).take(measured).collect();
        let source = Source::new(&before);
        let mut random = Random::new(7);
        let queries = (0..size).map(|_| mix::query(mix, &source, &mut random)).collect();
        Setting { queries, before: Stream::new(mix, before, 8), stream: Stream::new(mix, texts, 9) }
    }

    /// An engine with all queries, after the warm-up, and its registrations a second.
    pub(crate) fn engine(&self, name: &str, threads: usize) -> (Box<dyn Engine>, f64) {
        let kind = ENGINES.iter().find(|kind| kind.name == name).expect("the engine is in the table");
        let mut engine = (kind.build)(&EngineOptions { threads, ..EngineOptions::default() });
        let start = Busy::now();
        for (key, query) in (0..).zip(&self.queries) {
            engine.insert(QueryKey(key), query);
        }
        let registered_per_s = per_second(self.queries.len(), start.elapsed());
        // Until all plans rest on real frequencies.
        for _ in 0..WARM_UP {
            run(&mut *engine, &self.before, 1, ROUND * 3, &mut Matches::default());
        }
        (engine, registered_per_s)
    }
}

/// Tweets.
pub(crate) struct Stream {
    pub(crate) texts: Vec<String>,
    /// Empty if tweets are only text.
    attributes: Vec<Attributes>,
}

impl Stream {
    fn new(mix: &str, texts: Vec<String>, seed: u64) -> Stream {
        let mut random = Random::new(seed);
        let n = if mix == "attributes" { texts.len() } else { 0 };
        Stream { attributes: (0..n).map(|_| Attributes::new(&mut random)).collect(), texts }
    }

    pub(crate) fn build(&self, at: usize, builder: &mut DocBuilder<'_>) {
        builder.clear();
        builder.text(tweet::TEXT, &self.texts[at]);
        if let Some(attributes) = self.attributes.get(at) {
            attributes.add(builder);
        }
    }

    /// The first tweets, analyzed.
    pub(crate) fn docs(&self, n: usize) -> Vec<Doc> {
        let mut builder = DocBuilder::new(Schema::tweet());
        let doc = |at| {
            self.build(at, &mut builder);
            builder.doc().clone()
        };
        (0..self.texts.len().min(n)).map(doc).collect()
    }
}

/// Analyzes and percolates all tweets, repeatedly if they are few, until the time is over.
///
/// Reads and clears the matches from time to time, as a caller would.
pub(crate) fn run(
    engine: &mut dyn Engine,
    stream: &Stream,
    batch: usize,
    limit: Duration,
    matches: &mut Matches,
) -> Pass {
    let mut builders: Vec<DocBuilder<'_>> = (0..batch).map(|_| DocBuilder::new(Schema::tweet())).collect();
    let mut pass = Pass::default();
    matches.clear();
    let start = Instant::now();
    let busy = Busy::now();
    let numbers: Vec<usize> = (0..stream.texts.len()).collect();
    'all: loop {
        for numbers in numbers.chunks(batch) {
            for (&at, builder) in numbers.iter().zip(&mut builders) {
                stream.build(at, builder);
            }
            let docs: Vec<&Doc> = builders.iter_mut().take(numbers.len()).map(DocBuilder::doc).collect();
            engine.percolate(&docs, matches);
            pass.n += numbers.len();
            if matches.len() > 100_000 {
                pass.take(matches);
            }
            if pass.n % 64 < batch && start.elapsed() > limit {
                break 'all;
            }
        }
        if start.elapsed() > ENOUGH {
            break;
        }
    }
    pass.take(matches);
    pass.time = busy.elapsed();
    pass
}

/// The result of a pass.
#[derive(Default)]
pub(crate) struct Pass {
    pub(crate) n: usize,
    pub(crate) time: Duration,
    pub(crate) matches: usize,
    pub(crate) candidates: u64,
}

impl Pass {
    /// Reads all matches.
    fn take(&mut self, matches: &mut Matches) {
        black_box(matches.by_doc().fold(0, |all, (_, keys)| keys.fold(all, |all, QueryKey(key)| all ^ key)));
        self.matches += matches.len();
        self.candidates += matches.candidates;
        matches.clear();
    }
}

/// The time of each single tweet.
pub(crate) fn times(engine: &mut dyn Engine, stream: &Stream, matches: &mut Matches) -> Vec<Duration> {
    let mut builder = DocBuilder::new(Schema::tweet());
    let start = Instant::now();
    let mut times = Vec::new();
    for at in 0..stream.texts.len() {
        matches.clear();
        let before = Instant::now();
        stream.build(at, &mut builder);
        engine.percolate(&[builder.doc()], matches);
        times.push(before.elapsed());
        if start.elapsed() > ROUND {
            break;
        }
    }
    times
}

/// How many items a second `one` processes.
pub(crate) fn floor(n: usize, mut one: impl FnMut(usize) -> usize) -> f64 {
    let (start, busy) = (Instant::now(), Busy::now());
    let mut done = 0;
    while done == 0 || start.elapsed() < ENOUGH {
        for at in 0..n {
            black_box(one(at));
        }
        done += n;
    }
    per_second(done, busy.elapsed())
}

pub(crate) fn per_second(n: usize, time: Duration) -> f64 {
    as_float(n) / time.as_secs_f64()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::cast_precision_loss)]
pub(crate) fn as_float(n: usize) -> f64 {
    n as f64
}

/// The resident memory of this process, in bytes. 0 if unknown.
pub(crate) fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<usize>().ok()).unwrap_or(0) * 1024
}
