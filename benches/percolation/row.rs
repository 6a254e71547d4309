//! One row: an engine with so many queries of a mix, and the tweets that pass.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use perch::doc::{Doc, DocBuilder};
use perch::ids::QueryKey;
use perch::percolator::{ENGINES, Engine, EngineOptions, Matches};
use perch::query::Ast;
use perch::schema::{Schema, tweet};
use tantivy::tokenizer::{LowerCaser, SimpleTokenizer, TextAnalyzer, TokenStream as _};

use crate::Options;
use crate::corpus::{self, Random};
use crate::mix::{self, Attributes, Source};

/// Tweets that are made when there is no file.
const TWEETS: usize = 120_000;
/// The engine and the floors take turns, so many times.
const ROUNDS: usize = 5;
/// A round of the engine ends after this time.
const ROUND: Duration = Duration::from_millis(1_500);

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    mix: String,
    size: usize,
    docs_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    plain_per_s: f64,
    analysis_per_s: f64,
    candidates: f64,
    matches: f64,
    registered_per_s: f64,
    bytes: f64,
    resident: f64,
}

impl Row {
    pub(crate) const HEAD: &str = "mix        |  queries |    docs/s |  p50 us |  p99 us | x plain | x analysis | x plain - 20 ns/match | ns/match | cand/doc | match/doc | registr./s | B/query | RSS B/query\n\
                                   -----------|----------|-----------|---------|---------|---------|------------|-----------------------|----------|----------|-----------|------------|---------|------------";

    fn numbers(&self) -> [f64; 10] {
        [
            self.docs_per_s,
            self.p50_us,
            self.p99_us,
            self.plain_per_s,
            self.analysis_per_s,
            self.candidates,
            self.matches,
            self.registered_per_s,
            self.bytes,
            self.resident,
        ]
    }

    pub(crate) fn encode(&self) -> String {
        let numbers = self.numbers().map(|number| number.to_string());
        format!("{} {} {}", self.mix, self.size, numbers.join(" "))
    }

    pub(crate) fn decode(line: &str) -> Option<Row> {
        let mut words = line.split(' ');
        let (mix, size) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let numbers: Vec<f64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        let [
            docs_per_s,
            p50_us,
            p99_us,
            plain_per_s,
            analysis_per_s,
            candidates,
            matches,
            registered_per_s,
            bytes,
            resident,
        ] = numbers.try_into().ok()?;
        Some(Row {
            mix,
            size,
            docs_per_s,
            p50_us,
            p99_us,
            plain_per_s,
            analysis_per_s,
            candidates,
            matches,
            registered_per_s,
            bytes,
            resident,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over_plain = self.plain_per_s / self.docs_per_s;
        let (doc, analysis) = (1e9 / self.docs_per_s, 1e9 / self.analysis_per_s);
        let without_matches = (doc - 20.0 * self.matches) * self.plain_per_s / 1e9;
        write!(
            f,
            "{:<10} | {:>8} | {:>9.0} | {:>7.2} | {:>7.2} | {over_plain:>7.2} | {:>10.2} | {without_matches:>21.2} | {:>8.1} | {:>8.1} | {:>9.2} | {:>10.0} | {:>7.0} | {:>6.0}",
            self.mix,
            self.size,
            self.docs_per_s,
            self.p50_us,
            self.p99_us,
            self.analysis_per_s / self.docs_per_s,
            (doc - analysis) / self.matches.max(1e-9),
            self.candidates,
            self.matches,
            self.registered_per_s,
            self.bytes,
            self.resident,
        )
    }
}

/// The tweets that are measured.
struct Stream<'a> {
    texts: &'a [String],
    /// None: text only.
    attributes: Vec<Attributes>,
}

impl Stream<'_> {
    fn build(&self, at: usize, builder: &mut DocBuilder<'_>) {
        builder.clear();
        builder.text(tweet::TEXT, &self.texts[at]);
        if let Some(attributes) = self.attributes.get(at) {
            attributes.add(builder);
        }
    }
}

/// Measures one row.
pub(crate) fn measure(mix: &str, size: usize, options: &Options) -> Row {
    let tweets = corpus::tweets(TWEETS);
    let halves: (Vec<String>, Vec<String>) = (
        tweets.iter().step_by(2).cloned().collect(),
        tweets.iter().skip(1).step_by(2).take(if options.short { 5_000 } else { usize::MAX }).cloned().collect(),
    );
    let mut random = Random::new(7);
    let source = Source::new(&halves.0);
    let queries: Vec<Ast> = (0..size).map(|_| mix::query(mix, &source, &mut random)).collect();
    drop(source);
    let kind = ENGINES.iter().find(|kind| kind.name == options.engine).expect("the engine is in the table");
    let mut engine = (kind.build)(&EngineOptions::default());

    let resident_before = resident();
    let start = Busy::now();
    for (key, query) in (0..).zip(&queries) {
        engine.insert(QueryKey(key), query);
    }
    let registered_per_s = per_second(size, start.elapsed());

    let attributes = |texts: &[String], seed| {
        let mut random = Random::new(seed);
        if mix == "attributes" { texts.iter().map(|_| Attributes::new(&mut random)).collect() } else { Vec::new() }
    };
    let before = Stream { texts: &halves.0, attributes: attributes(&halves.0, 8) };
    let stream = Stream { texts: &halves.1, attributes: attributes(&halves.1, 9) };
    let mut matches = Matches::default();
    run(&mut *engine, &before, options.batch, ROUND * 6, &mut matches);
    let resident = resident().saturating_sub(resident_before);

    let mut plain = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).build();
    let mut row = Row {
        mix: mix.to_owned(),
        size,
        docs_per_s: 0.0,
        p50_us: 0.0,
        p99_us: 0.0,
        plain_per_s: 0.0,
        analysis_per_s: 0.0,
        candidates: 0.0,
        matches: 0.0,
        registered_per_s,
        bytes: as_float(engine.size_bytes()) / as_float(size),
        resident: as_float(resident) / as_float(size),
    };
    for _ in 0..ROUNDS {
        row.plain_per_s = row.plain_per_s.max(floor(stream.texts.len(), |at| {
            let mut tokens = plain.token_stream(&stream.texts[at]);
            let mut n = 0;
            while tokens.advance() {
                n += tokens.token().text.len();
            }
            n
        }));
        let mut builder = DocBuilder::new(Schema::tweet());
        row.analysis_per_s = row.analysis_per_s.max(floor(stream.texts.len(), |at| {
            stream.build(at, &mut builder);
            builder.doc().tokens().len()
        }));
        let pass = run(&mut *engine, &stream, options.batch, ROUND, &mut matches);
        row.docs_per_s = row.docs_per_s.max(per_second(pass.n, pass.time));
        row.matches = as_float(pass.matches) / as_float(pass.n);
        row.candidates = as_float(usize::try_from(pass.candidates).unwrap_or(usize::MAX)) / as_float(pass.n);
    }
    let mut times = times(&mut *engine, &stream, &mut matches);
    times.sort_unstable();
    row.p50_us = times[times.len() / 2].as_secs_f64() * 1e6;
    row.p99_us = times[times.len() * 99 / 100].as_secs_f64() * 1e6;
    row
}

/// Analyses and percolates until the tweets or the time are over. Tells how many tweets passed, and the time.
///
/// The matches are forgotten from time to time, as they are when someone takes them; all are counted.
fn run(engine: &mut dyn Engine, stream: &Stream<'_>, batch: usize, limit: Duration, matches: &mut Matches) -> Pass {
    let mut builders: Vec<DocBuilder<'_>> = (0..batch).map(|_| DocBuilder::new(Schema::tweet())).collect();
    let mut pass = Pass::default();
    matches.clear();
    let start = Instant::now();
    let busy = Busy::now();
    let numbers: Vec<usize> = (0..stream.texts.len()).collect();
    for numbers in numbers.chunks(batch) {
        for (&at, builder) in numbers.iter().zip(&mut builders) {
            stream.build(at, builder);
        }
        let docs: Vec<&Doc> = builders.iter_mut().take(numbers.len()).map(DocBuilder::doc).collect();
        engine.percolate(&docs, matches);
        pass.n += numbers.len();
        if matches.pairs.len() > 100_000 {
            pass.take(matches);
        }
        if pass.n % 64 < batch && start.elapsed() > limit {
            break;
        }
    }
    pass.take(matches);
    pass.time = busy.elapsed();
    pass
}

/// What passed, and what was found.
#[derive(Default)]
struct Pass {
    n: usize,
    time: Duration,
    matches: usize,
    candidates: u64,
}

impl Pass {
    fn take(&mut self, matches: &mut Matches) {
        self.matches += matches.pairs.len();
        self.candidates += matches.candidates;
        matches.clear();
    }
}

/// The time of each tweet on its own.
fn times(engine: &mut dyn Engine, stream: &Stream<'_>, matches: &mut Matches) -> Vec<Duration> {
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

/// How many a second `one` does.
fn floor(n: usize, mut one: impl FnMut(usize) -> usize) -> f64 {
    let start = Busy::now();
    for at in 0..n {
        black_box(one(at));
    }
    per_second(n, start.elapsed())
}

/// The time that this thread has really run, so that others on the machine count less; elsewhere than on Linux, the clock.
struct Busy {
    start: Instant,
    ran: Option<Duration>,
}

impl Busy {
    fn now() -> Busy {
        Busy { start: Instant::now(), ran: Busy::ran() }
    }

    fn ran() -> Option<Duration> {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
    }

    fn elapsed(&self) -> Duration {
        match (self.ran, Busy::ran()) {
            (Some(before), Some(now)) if now > before => now.saturating_sub(before),
            _ => self.start.elapsed(),
        }
    }
}

fn per_second(n: usize, time: Duration) -> f64 {
    as_float(n) / time.as_secs_f64()
}

#[expect(clippy::cast_precision_loss)]
fn as_float(n: usize) -> f64 {
    n as f64
}

/// The memory of this process, in bytes; 0 where that is not known.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// Tweets a second against the number of queries, both by powers of ten.
pub(crate) fn picture(rows: &[Row]) -> String {
    const COLORS: &[&str] = &["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e"];
    let x = |size: usize| 70.0 + (as_float(size).log10() - 3.0) * 160.0;
    let y = |docs: f64| 380.0 - (docs.log10() - 2.0) * 80.0;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 680 440\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"680\" height=\"440\" fill=\"white\"/>\n",
    );
    let mut line = |text: String| {
        svg.push_str(&text);
        svg.push('\n');
    };
    for (power, label) in (2..=6).zip(["100", "1 k", "10 k", "100 k", "1 M"]) {
        let at = y(10_f64.powi(power));
        line(format!(
            "<path d=\"M70 {at}H550\" stroke=\"#ddd\"/><text x=\"62\" y=\"{}\" text-anchor=\"end\">{label}</text>",
            at + 4.0
        ));
    }
    for (size, label) in [(1_000, "1 k"), (10_000, "10 k"), (100_000, "100 k"), (1_000_000, "1 M")] {
        line(format!("<text x=\"{}\" y=\"400\" text-anchor=\"middle\">{label}</text>", x(size)));
    }
    line("<text x=\"310\" y=\"424\" text-anchor=\"middle\">registered queries</text>".into());
    line("<text x=\"70\" y=\"30\">tweets a second on one thread, analysis included</text>".into());
    for (mix, color) in mix::NAMES.iter().zip(COLORS) {
        let points: Vec<(f64, f64)> =
            rows.iter().filter(|row| row.mix == *mix).map(|row| (x(row.size), y(row.docs_per_s))).collect();
        let Some(&(last_x, last_y)) = points.last() else { continue };
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        line(format!("<path d=\"M{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>", path.join("L")));
        line(format!("<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{color}\">{mix}</text>", last_x + 8.0, last_y + 4.0));
    }
    svg.push_str("</svg>\n");
    svg
}
