//! A row of the first table: an engine with queries of a mix, and the tweets that pass it.

use std::fmt;

use perch::doc::DocBuilder;
use perch::percolator::Matches;
use perch::schema::Schema;
use serde::{Deserialize, Serialize};
use tantivy::tokenizer::{LowerCaser, SimpleTokenizer, TextAnalyzer, TokenStream as _};

use crate::stream::{ROUND, Setting, as_float, floor, median, per_second, resident, run, times};

/// Rounds, in which engine and baselines take turns.
const ROUNDS: usize = 7;
/// The sizes of batches.
const BATCHES: [usize; 3] = [1, 64, 1_000];

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) mix: String,
    pub(crate) size: usize,
    /// By size of batch.
    docs_per_s: [f64; BATCHES.len()],
    /// By size of batch: the speedup over single tweets, the median of all rounds.
    times: [f64; BATCHES.len()],
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
    pub(crate) const HEAD: &str = "mix        |  queries |    docs/s |  by 64 | times | by 1000 | times |  p50 us |  p99 us | x plain | by 64 | x plain - 20 ns/match | x analysis | ns/match | cand/doc | match/doc | registr./s | B/query | RSS B/query\n\
                                   -----------|----------|-----------|--------|-------|---------|-------|---------|---------|---------|-------|-----------------------|------------|----------|----------|-----------|------------|---------|------------";

    /// Single tweets a second.
    pub(crate) fn docs_per_s(&self) -> f64 {
        self.docs_per_s[0]
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, some, many] = self.docs_per_s;
        let [_, times_by_some, times_by_many] = self.times;
        let (doc, analysis) = (1e9 / one, 1e9 / self.analysis_per_s);
        write!(
            f,
            "{:<10} | {:>8} | {one:>9.0} | {some:>6.0} | {times_by_some:>5.2} | {many:>7.0} | {times_by_many:>5.2} | {:>7.2} | {:>7.2} | {:>7.2} | {:>5.2} | {:>21.2} | {:>10.2} | {:>8.1} | {:>8.1} | {:>9.2} | {:>10.0} | {:>7.0} | {:>6.0}",
            self.mix,
            self.size,
            self.p50_us,
            self.p99_us,
            self.plain_per_s / one,
            self.plain_per_s / some,
            (doc - 20.0 * self.matches) * self.plain_per_s / 1e9,
            self.analysis_per_s / one,
            (doc - analysis) / self.matches.max(1e-9),
            self.candidates,
            self.matches,
            self.registered_per_s,
            self.bytes,
            self.resident,
        )
    }
}

/// Measures one row.
pub(crate) fn measure(mix: &str, size: usize, engine: &str, short: bool) -> Row {
    let setting = Setting::new(mix, size, short);
    let stream = &setting.stream;
    let before = resident();
    let (mut engine, registered_per_s) = setting.engine(engine, 1);
    let resident = resident().saturating_sub(before);

    let mut matches = Matches::default();
    let mut plain = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).build();
    let mut row = Row {
        mix: mix.to_owned(),
        size,
        docs_per_s: [0.0; BATCHES.len()],
        times: [0.0; BATCHES.len()],
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
    let mut rounds = [[0.0; BATCHES.len()]; ROUNDS];
    for round in &mut rounds {
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
        for (docs_per_s, batch) in round.iter_mut().zip(BATCHES) {
            let pass = run(&mut *engine, stream, batch, ROUND, &mut matches);
            *docs_per_s = per_second(pass.n, pass.time);
            row.matches = as_float(pass.matches) / as_float(pass.n);
            row.candidates = as_float(usize::try_from(pass.candidates).unwrap_or(usize::MAX)) / as_float(pass.n);
        }
    }
    for at in 0..BATCHES.len() {
        row.docs_per_s[at] = rounds.iter().fold(0.0, |fastest, round| round[at].max(fastest));
        row.times[at] = median(rounds.iter().map(|round| round[at] / round[0]).collect());
    }
    let mut times = times(&mut *engine, stream, &mut matches);
    times.sort_unstable();
    row.p50_us = times[times.len() / 2].as_secs_f64() * 1e6;
    row.p99_us = times[times.len() * 99 / 100].as_secs_f64() * 1e6;
    row
}
