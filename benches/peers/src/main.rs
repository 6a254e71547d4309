//! How does perch compare with others that match documents against stored queries?
//!
//! ```text
//! make bench-peers [SHORT=1]
//! cargo run --release --package perch-peers -- [--short] [--mix NAME]…
//!     [--size N]… [--cap SECONDS] [--no-lucene] [--lucene VERSION] [--json FILE]
//! ```
//!
//! Queries and tweets are those of `benches/percolation`, from the same seeds or from
//! `PERCH_CORPUS`. Each mix and size runs in a process of its own, one peer after the other, on one
//! thread and within the same time. A peer warms up on the tweets that give the words of the
//! queries, then passes the others in three rounds (`timing.rs`). The fastest round counts. Lucene
//! Monitor reads the same queries and tweets from files. Its matches are compared with perch's one
//! by one for the first tweets, and by number for the others. README.md says what is fair and what
//! is not.

#[path = "../../percolation/corpus.rs"]
mod corpus;
mod files;
#[path = "../../percolation/mix.rs"]
mod mix;
mod peer_lucene;
mod peer_mokaccino;
mod peer_perch;
mod row;
mod tally;
mod timing;
mod tweets;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use corpus::Random;
use row::Row;
use tally::Tally;
use tweets::Tweets;

/// Tweets that are generated without a file, as many as in `benches/percolation`.
const TWEETS: usize = 120_000;
/// Tweets that are compared match by match.
const CHECKED: usize = 500;
/// With more queries, tantivy needs seconds for a tweet.
const MOST_FOR_TANTIVY: usize = 10_000;

fn main() -> ExitCode {
    let result = Options::read().and_then(|options| match &options.row {
        Some((mix, size)) => one(mix, *size, &options),
        None => all(&options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The command line.
#[derive(Debug, Default)]
struct Options {
    short: bool,
    mixes: Vec<String>,
    sizes: Vec<usize>,
    /// The processor time of a peer in a row, in seconds.
    cap_s: Option<u64>,
    no_lucene: bool,
    /// Another release than that of `pom.xml`.
    lucene: Option<String>,
    json: Option<PathBuf>,
    row: Option<(String, usize)>,
}

impl Options {
    fn read() -> Result<Options> {
        let mut options = Options::default();
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| anyhow!("{arg} needs a value"));
            let number =
                |text: String| text.replace('_', "").parse::<usize>().with_context(|| format!("{text} is no number"));
            match arg.as_str() {
                "--short" => options.short = true,
                "--mix" => options.mixes.push(value()?),
                "--size" => options.sizes.push(number(value()?)?),
                "--cap" => options.cap_s = Some(number(value()?)? as u64),
                "--no-lucene" => options.no_lucene = true,
                "--lucene" => options.lucene = Some(value()?),
                "--json" => options.json = Some(value()?.into()),
                "--row" => options.row = Some((value()?, number(value()?)?)),
                _ => bail!("what is {arg}?"),
            }
        }
        match options.mixes.iter().find(|mix| !mix::NAMES.contains(&mix.as_str())) {
            Some(mix) => bail!("there is no mix {mix}; there are {}", mix::NAMES.join(", ")),
            None => Ok(options),
        }
    }

    fn mixes(&self) -> Vec<&str> {
        if self.mixes.is_empty() { mix::NAMES.to_vec() } else { self.mixes.iter().map(String::as_str).collect() }
    }

    /// A million needs ten gigabytes, so only the command line chooses it.
    fn sizes(&self) -> Vec<usize> {
        match (self.sizes.is_empty(), self.short) {
            (false, _) => self.sizes.clone(),
            (true, true) => vec![1_000, 10_000],
            (true, false) => vec![1_000, 10_000, 100_000],
        }
    }

    fn cap(&self) -> Duration {
        Duration::from_secs(self.cap_s.unwrap_or(if self.short { 1 } else { 2 }))
    }
}

/// The directory of the files, beside the output of Cargo and Maven.
fn scratch() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let target = exe.ancestors().nth(2).context("the program is in no target directory")?;
    Ok(target.join("peers"))
}

/// Runs each row in its own process and prints the table.
fn all(options: &Options) -> Result<()> {
    if !options.no_lucene {
        match peer_lucene::build(&scratch()?, options.lucene.as_deref()) {
            Ok(java) => println!("Lucene Monitor runs on {}", java.display()),
            Err(error) => println!("Lucene Monitor is left out: {error:#}"),
        }
    }
    println!("{}", Row::HEAD);
    let exe = std::env::current_exe()?;
    let mut rows = Vec::new();
    for mix in options.mixes() {
        for size in options.sizes() {
            let output = Command::new(&exe)
                .args(std::env::args().skip(1))
                .args(["--row", mix, &size.to_string()])
                .stderr(Stdio::inherit())
                .output()?;
            if !output.status.success() {
                bail!("{mix} with {size} queries failed");
            }
            for line in std::str::from_utf8(&output.stdout)?.lines() {
                let row: Row = serde_json::from_str(line)?;
                println!("{row}");
                rows.push(row);
            }
        }
    }
    let path = options.json.clone().unwrap_or(scratch()?.join("peers.json"));
    std::fs::write(&path, serde_json::to_string_pretty(&rows)?).with_context(|| path.display().to_string())?;
    println!("\nAlso in {}", path.display());
    Ok(())
}

/// All peers with one mix and size.
fn one(mix: &str, size: usize, options: &Options) -> Result<()> {
    let corpus = corpus::tweets(TWEETS);
    let measured = if options.short { 5_000 } else { usize::MAX };
    let before = Tweets::new(mix, corpus.iter().step_by(2).cloned().collect(), 8);
    let mut measured: Vec<String> = corpus.iter().skip(1).step_by(2).take(measured).cloned().collect();
    shuffle(&mut measured, &mut Random::new(10));
    let tweets = Tweets::new(mix, measured, 9);
    let mut random = Random::new(7);
    let source = mix::Source::new(&before.texts);
    let queries: Vec<_> = (0..size).map(|_| mix::query(mix, &source, &mut random)).collect();
    drop((source, corpus));

    let cap = options.cap();
    let perch = |name, batch| peer_perch::measure(name, batch, &queries, &before, &tweets, cap);
    let mut rows = vec![perch("compiled", 1)?, perch("compiled", 64)?, perch("compiled", 100)?];
    if size <= MOST_FOR_TANTIVY {
        rows.extend([perch("tantivy", 1)?, perch("tantivy", 100)?]);
    }
    let (mut engine, _) = peer_perch::register("compiled", &queries)?;
    let tally = Tally::new(&mut *engine, &tweets, CHECKED);
    drop(engine);
    for row in &mut rows {
        row.compare_count(&tally);
    }
    rows.extend(peer_mokaccino::measure(&queries, &before, &tweets, cap, CHECKED));
    let dir = scratch()?.join(format!("{mix}-{size}"));
    if !options.no_lucene && peer_lucene::built(&scratch()?) {
        files::write(&dir, &queries, &before, &tweets)?;
        drop((before, tweets));
        rows.extend(peer_lucene::measure(&scratch()?, &dir, mix, cap, CHECKED, &queries, &tally)?);
        std::fs::remove_dir_all(&dir)?;
    }
    let base = rows.first().map_or(0.0, |row| row.docs_per_s);
    for mut row in rows {
        mix.clone_into(&mut row.mix);
        row.size = size;
        row.ratio = (row.docs > 0).then(|| base / row.docs_per_s);
        println!("{}", serde_json::to_string(&row)?);
    }
    Ok(())
}

/// Shuffles the tweets, so that a slow peer, which passes only the first, gets a fair sample.
fn shuffle(tweets: &mut [String], random: &mut Random) {
    for at in (1..tweets.len()).rev() {
        tweets.swap(at, random.below(at + 1));
    }
}
