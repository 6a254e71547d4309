//! `perch backup`, `perch check-index`, `perch reindex`: what is done to the directory of an index.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::{ConfigArgs, Failure, load};
use crate::index::offline::{self, Report};

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// Where the copy goes: an empty directory or a new one
    dir: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let (config, _) = load(&args.config)?;
    let report = offline::backup(&config.index.dir, &args.dir)?;
    say("copied", &report)
}

pub(super) fn check_index(args: &ConfigArgs) -> Result<(), Failure> {
    let (config, _) = load(args)?;
    let report = offline::check(&config.index.dir)?;
    say("checked", &report)?;
    for problem in &report.problems {
        anstream::eprintln!("{problem}");
    }
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Told) }
}

pub(super) fn reindex(args: &ConfigArgs) -> Result<(), Failure> {
    let (config, _) = load(args)?;
    let report = offline::reindex(&config.index.dir)?;
    say("built", &report)
}

fn say(done: &str, report: &Report) -> Result<(), Failure> {
    let Report { tweets, segments, size_bytes, .. } = report;
    let mut out = anstream::stdout();
    writeln!(out, "{done}: {tweets} tweets in {segments} segments, {size_bytes} bytes")?;
    Ok(())
}
