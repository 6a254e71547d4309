//! How fast are registered queries matched, and what does one more cost?
//!
//! ```text
//! PERCH_CORPUS=tweets.txt cargo bench --bench percolation -- [--short] [--mix NAME]… [--size N]… [--engine NAME] [--svg FILE]
//! ```
//!
//! Corpus: a text file with one tweet a line (`PERCH_CORPUS`); without it, a text made from a seed. Every other tweet gives the
//! words of the queries and passes the engine first, so that it knows how often words occur; the others are what is
//! measured. All choices come from one seed.
//!
//! Each row runs in a process of its own, on one thread. Rates count the time that the thread has run, `p50` and `p99` the
//! clock. All times include the analysis of the text. The two floors are
//! measured in turn with the engine over the same tweets: `plain` is tantivy's `SimpleTokenizer` and `LowerCaser` and nothing
//! else, `analysis` our own. Of all rounds the fastest counts. `x plain` is the time for a tweet over that of `plain`.

mod corpus;
mod mix;
mod row;

use std::process::{Command, ExitCode};

use row::Row;

fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if let Some((mix, size)) = &options.row {
        println!("{}", row::measure(mix, *size, &options).encode());
        return ExitCode::SUCCESS;
    }
    println!("{}", Row::HEAD);
    let mut rows = Vec::new();
    for mix in options.mixes() {
        for size in options.sizes() {
            match in_own_process(mix, size) {
                Some(row) => {
                    println!("{row}");
                    rows.push(row);
                }
                None => return ExitCode::FAILURE,
            }
        }
    }
    if let Some(path) = &options.svg
        && let Err(error) = std::fs::write(path, row::picture(&rows))
    {
        eprintln!("{path}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn in_own_process(mix: &str, size: usize) -> Option<Row> {
    let output = Command::new(std::env::current_exe().ok()?)
        .args(std::env::args().skip(1))
        .args(["--row", mix, &size.to_string()])
        .stderr(std::process::Stdio::inherit())
        .output()
        .ok()?;
    Row::decode(std::str::from_utf8(&output.stdout).ok()?.trim())
}

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    short: bool,
    mixes: Vec<String>,
    sizes: Vec<usize>,
    engine: String,
    svg: Option<String>,
    batch: usize,
    row: Option<(String, usize)>,
}

impl Options {
    fn read() -> Result<Options, String> {
        let mut options = Options { engine: "compiled".into(), batch: 1, ..Options::default() };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            let number = |text: String| text.replace('_', "").parse().map_err(|_| format!("{text} is no number"));
            match arg.as_str() {
                "--short" => options.short = true,
                "--mix" => options.mixes.push(value()?),
                "--size" => options.sizes.push(number(value()?)?),
                "--engine" => options.engine = value()?,
                "--batch" => options.batch = number(value()?)?,
                "--svg" => options.svg = Some(value()?),
                "--row" => options.row = Some((value()?, number(value()?)?)),
                // Cargo says so to each benchmark.
                "--bench" => {}
                _ => return Err(format!("what is {arg}?")),
            }
        }
        match options.mixes.iter().find(|mix| !mix::NAMES.contains(&mix.as_str())) {
            Some(mix) => Err(format!("there is no mix {mix}; there are {}", mix::NAMES.join(", "))),
            None => Ok(options),
        }
    }

    fn mixes(&self) -> Vec<&str> {
        if self.mixes.is_empty() { mix::NAMES.to_vec() } else { self.mixes.iter().map(String::as_str).collect() }
    }

    fn sizes(&self) -> Vec<usize> {
        match (self.sizes.is_empty(), self.short) {
            (false, _) => self.sizes.clone(),
            (true, true) => vec![1_000, 10_000],
            (true, false) => vec![1_000, 10_000, 100_000, 1_000_000],
        }
    }
}
