//! How fast are registered queries matched, and what does one more cost?
//!
//! ```text
//! PERCH_CORPUS=tweets.txt cargo bench --bench percolation -- [--short] [--mix NAME]… [--size N]… [--engine NAME] [--table NAME] [--svg FILE]
//! ```
//!
//! Corpus: a text file with one tweet a line (`PERCH_CORPUS`); without it, a text made from a seed. Every other tweet gives the
//! words of the queries and passes the engine three times, so that it knows how often words occur and all plans rest on that; the others are what is
//! measured. All choices come from one seed.
//!
//! Each row runs in a process of its own. In the first table, the engine has one thread; rates count the time that the thread
//! has run, `p50` and `p99` the clock. Tweets come one by one, where it says so by 64 or by 1,000. All times include the analysis of the text. The two floors
//! are measured in turn with the engine over the same tweets: `plain` is tantivy's `SimpleTokenizer` and `LowerCaser` and
//! nothing else, `analysis` our own. Of all rounds the fastest counts; `times` is the median of what a batch gains in a round. `x plain` is the time for a tweet over that of `plain`.
//!
//! The second table is about threads (`threads.rs`), the third about queries that come and go (`churn.rs`).
//! `--svg` draws the first.

mod churn;
mod corpus;
mod mix;
mod picture;
mod row;
mod stream;
mod threads;

use std::process::{Command, ExitCode};

use row::Row;

fn main() -> ExitCode {
    let result = Options::read().and_then(|options| match &options.row {
        Some((table, mix, size)) => {
            println!("{}", measure(table, mix, *size, &options)?);
            Ok(())
        }
        None => all(&options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// One row, as a line.
fn measure(table: &str, mix: &str, size: usize, options: &Options) -> Result<String, String> {
    let (engine, short) = (&options.engine, options.short);
    match table {
        "mixes" => serde_json::to_string(&row::measure(mix, size, engine, short)).map_err(|error| error.to_string()),
        "threads" => Ok(threads::measure(mix, size, engine)),
        "churn" => Ok(churn::measure(mix, size, engine, short)),
        _ => Err(format!("there is no table {table}; there are {}", TABLES.join(", "))),
    }
}

const TABLES: [&str; 3] = ["mixes", "threads", "churn"];

/// All tables.
fn all(options: &Options) -> Result<(), String> {
    let mut rows: Vec<Row> = Vec::new();
    for table in TABLES.into_iter().filter(|&table| options.table.as_deref().is_none_or(|only| only == table)) {
        let (head, sizes) = match table {
            "threads" => (threads::HEAD, options.sizes(100_000)),
            "churn" => (churn::HEAD, options.sizes(100_000)),
            _ => (Row::HEAD, options.sizes(1_000_000)),
        };
        println!("{head}");
        for mix in options.mixes() {
            for &size in &sizes {
                let line = in_own_process(table, mix, size)?;
                if table == "mixes" {
                    let row: Row = serde_json::from_str(&line).map_err(|error| format!("{mix}, {size}: {error}"))?;
                    println!("{row}");
                    rows.push(row);
                } else {
                    println!("{line}");
                }
            }
        }
        println!();
    }
    match &options.svg {
        Some(path) => std::fs::write(path, picture::draw(&rows)).map_err(|error| format!("{path}: {error}")),
        None => Ok(()),
    }
}

fn in_own_process(table: &str, mix: &str, size: usize) -> Result<String, String> {
    let output = std::env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.args(std::env::args().skip(1)).args(["--row", table, mix, &size.to_string()]);
        command.stderr(std::process::Stdio::inherit()).output()
    });
    let output = output.map_err(|error| error.to_string())?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() { Ok(line) } else { Err(format!("{mix} with {size} queries failed")) }
}

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    short: bool,
    mixes: Vec<String>,
    sizes: Vec<usize>,
    engine: String,
    svg: Option<String>,
    table: Option<String>,
    row: Option<(String, String, usize)>,
}

impl Options {
    fn read() -> Result<Options, String> {
        let mut options = Options { engine: "compiled".into(), ..Options::default() };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            let number = |text: String| text.replace('_', "").parse().map_err(|_| format!("{text} is no number"));
            match arg.as_str() {
                "--short" => options.short = true,
                "--mix" => options.mixes.push(value()?),
                "--size" => options.sizes.push(number(value()?)?),
                "--engine" => options.engine = value()?,
                "--table" => options.table = Some(value()?),
                "--svg" => options.svg = Some(value()?),
                "--row" => options.row = Some((value()?, value()?, number(value()?)?)),
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

    /// The sizes that are asked for, or powers of ten up to `most`, of which the other tables have only the last.
    fn sizes(&self, most: usize) -> Vec<usize> {
        match (self.sizes.is_empty(), self.short, most) {
            (false, ..) => self.sizes.clone(),
            (_, true, 1_000_000) => vec![1_000, 10_000],
            (_, true, _) => vec![10_000],
            (_, false, 1_000_000) => vec![1_000, 10_000, 100_000, 1_000_000],
            _ => vec![most],
        }
    }
}
