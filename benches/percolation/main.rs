//! How fast are registered queries matched, and what does one more cost?
//!
//! ```text
//! PERCH_CORPUS=tweets.txt cargo bench --bench percolation -- [--short] [--mix NAME]…
//!     [--size N]… [--engine NAME] [--table NAME] [--svg FILE]
//! ```
//!
//! Corpus: a text file with one tweet a line (`PERCH_CORPUS`), or else a text generated from a
//! seed. Every other tweet gives the words of the queries, and passes the engine three times as
//! warm-up, so that all plans rest on real frequencies. The other tweets are measured. All choices
//! come from one seed.
//!
//! Each row runs in a process of its own. In the first table the engine has one thread. Rates count
//! the processor time of the thread, `p50` and `p99` wall-clock time. Tweets come one by one, or in
//! batches of 64 and 1,000. All times include the analysis of the text. Two baselines are measured
//! in turn with the engine on the same tweets: `plain` is tantivy's `SimpleTokenizer` and
//! `LowerCaser` alone, `analysis` is perch's analyzer. The fastest of all rounds counts; `times` is
//! the median speedup of a batch over single tweets. `x plain` is the time of a tweet divided by
//! that of `plain`.
//!
//! The second table is about threads (`threads.rs`), the third about adding and removing queries
//! (`churn.rs`). `--svg` draws the first.

#[path = "../support/busy.rs"]
mod busy;
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

/// The command line.
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
                // Cargo passes this to each benchmark.
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

    /// The sizes of the command line, or powers of ten up to `most`. The other tables have only the
    /// last.
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
